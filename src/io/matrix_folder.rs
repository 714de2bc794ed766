//! A folder of MatrixMarket files as parameter-dependent operators: `NAME_KEY.mtx` is the operator NAME of the sample KEY, `NAME.mtx`
//! one that does not depend on the parameter; `rhs`, `solution` and `output_NAME` are what they are called.

use crate::data::Table;
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::csv::read_table;
use crate::io::matrix_market::{MarketMatrix, read};
use crate::io::mesh_file::cannot_read;
use crate::io::sample_files::natural;
use crate::io::{complex, hdf};
use crate::linalg::scalar::{Scalar, c64};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Rows over entries of an operator at most, and functionals of an output: more are a damaged header.
const MOST_EMPTY: usize = 100_000;

/// The files of a folder by what they hold.
#[derive(Debug)]
pub struct MatrixFolder {
    path: PathBuf,
    /// Files of a name: one, or one for each sample.
    parts: BTreeMap<String, Vec<PathBuf>>,
    parameters: Table,
}

/// Whether a path is a folder with MatrixMarket files.
pub fn holds_matrices(path: &Path) -> bool {
    path.is_dir() && matrix_files(path).is_ok_and(|files| !files.is_empty())
}

fn matrix_files(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).map_err(|e| cannot_read(path, &e))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    files.retain(|f| f.extension().is_some_and(|e| e.eq_ignore_ascii_case("mtx")));
    files.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    Ok(files)
}

impl MatrixFolder {
    /// Sorts the files of a folder by name and sample. The samples are the rows of its `parameters.csv`: by the column `sample`
    /// where there is one, else in the natural order of the files.
    ///
    /// Errors: K001, those of the table, K005 a sample without its file, K007 no table or another number of rows, K008 no matrices.
    /// Cost: names and the table.
    pub fn open(path: &Path) -> Result<MatrixFolder> {
        let table = path.join("parameters.csv");
        if !table.is_file() {
            let expected = "parameters.csv with a row for each parameter";
            return Err(Error::input("K007", path, "parameters.csv", "no such file", expected, "add the table"));
        }
        let (keys, parameters) = read_table(&table)?;
        let mut named: BTreeMap<String, Vec<(String, PathBuf)>> = BTreeMap::new();
        let mut alone: BTreeMap<String, PathBuf> = BTreeMap::new();
        for file in matrix_files(path)? {
            let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
            let is_key = |key: &str| match &keys {
                Some(keys) => keys.iter().any(|k| k == key),
                None => !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit()),
            };
            let cuts = stem.match_indices('_').map(|(i, _)| (&stem[..i], &stem[i + 1..]));
            match cuts.into_iter().find(|(name, key)| !name.is_empty() && is_key(key)) {
                Some((name, key)) => named.entry(name.into()).or_default().push((key.into(), file.clone())),
                None => drop(alone.insert(stem.clone(), file.clone())),
            }
        }
        for stem in alone.keys() {
            let like = |(name, files): &(&String, &Vec<(String, PathBuf)>)| {
                let key = stem.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('_'));
                key.is_some_and(|key| files.iter().any(|(known, _)| shape_of(known) == shape_of(key)))
            };
            if let Some((name, _)) = named.iter().find(like) {
                let found = format!("{stem}.mtx beside the samples of {name}");
                let expected = "a row of parameters.csv for each sample";
                return Err(Error::input("K005", path, name, found, expected, "add the row, or take out the file"));
            }
        }
        let n = parameters.n_rows();
        let mut parts = BTreeMap::new();
        for (name, mut files) in named {
            if let Some(keys) = &keys {
                let place = |key: &String| keys.iter().position(|k| k == key);
                files.sort_by_key(|(key, _)| place(key));
            }
            if files.len() != n {
                let has = |k: &String| files.iter().any(|(key, _)| key == k);
                let missing = keys.iter().flatten().find(|k| !has(k));
                let found = match missing {
                    Some(key) => format!("no file {name}_{key}.mtx"),
                    None => format!("{} files {name}_NUMBER.mtx", files.len()),
                };
                let expected = format!("{n} files, one for each row of parameters.csv");
                return Err(Error::input("K005", path, name, found, expected, "add the file, or take out the row"));
            }
            parts.insert(name, files.into_iter().map(|(_, file)| file).collect());
        }
        for (name, file) in alone {
            if parts.insert(name.clone(), vec![file]).is_some() {
                let expected = "one matrix for all parameters, or one for each";
                return Err(Error::input("K005", path, name, "both of them", expected, "take one out"));
            }
        }
        if !parts.keys().any(|name| is_operator(name)) {
            let expected = "NAME_KEY.mtx for each parameter, or NAME.mtx";
            return Err(Error::input("K008", path, "", "no matrices", expected, "add the matrices"));
        }
        Ok(MatrixFolder { path: path.into(), parts, parameters })
    }

    /// All files that are read.
    pub fn files(&self) -> Vec<PathBuf> {
        self.parts.values().flatten().cloned().chain([self.path.join("parameters.csv")]).collect()
    }

    /// Number of parameters.
    pub fn n_samples(&self) -> usize {
        self.parameters.n_rows()
    }

    /// Writes one HDF5 file of operators, which appears whole or not at all: each on one pattern that holds the places of all its
    /// matrices.
    ///
    /// Errors: those of reading, K005 shapes that do not fit, K103. Cost: matrices are read twice, one at a time.
    pub fn write(&self, target: &Path, tell: &dyn Fn(&str)) -> Result<()> {
        let temporary = AtomicFile::create(target)?;
        let refuse = |e: hdf5::Error| write_error(target, e);
        let file =
            hdf5::File::with_options().with_fapl(|p| p.file_locking(false)).create(temporary.path()).map_err(refuse)?;
        let names: Vec<&str> = self.parameters.names.iter().map(String::as_str).collect();
        let (rows, columns) = (self.n_samples(), names.len());
        let data = hdf::create::<f64>(&file, "parameters", &[rows, columns]).map_err(refuse)?;
        hdf::write_rows(target, &data, 0..rows, &self.parameters.values)?;
        hdf::write_attribute_strings(&data, "names", &names).map_err(refuse)?;
        drop(data);
        self.write_parts(target, &file, tell)?;
        // Closed while something of it is open, a file would be written later, and nobody would hear of a full disk.
        file.flush().and_then(|()| file.close()).map_err(refuse)?;
        temporary.commit()
    }

    fn write_parts(&self, target: &Path, file: &hdf5::File, tell: &dyn Fn(&str)) -> Result<()> {
        let refuse = |e: hdf5::Error| write_error(target, e);
        let operators = file.create_group("operators").map_err(refuse)?;
        let mut n_rows: Option<(usize, String)> = None;
        for (name, files) in self.parts.iter().filter(|(name, _)| is_operator(name)) {
            tell(name);
            let group = operators.create_group(name).map_err(refuse)?;
            let n = self.operator(target, &group, files)?;
            let (first, of) = n_rows.get_or_insert((n, name.clone()));
            if n != *first {
                let expected = format!("{first} rows, as {of}");
                return Err(shape(&files[0], format!("{n} rows"), &expected));
            }
        }
        let n = n_rows.map_or(0, |n| n.0);
        for (name, files) in self.parts.iter().filter(|(name, _)| !is_operator(name)) {
            tell(name);
            let (group, name) = match name.strip_prefix("output_") {
                Some(output) => (hdf::group(file, "outputs").map_or_else(|| file.create_group("outputs"), Ok), output),
                None if name == "rhs" => (Ok(operators.clone()), "rhs"),
                None => (file.group("/"), "solutions"),
            };
            self.vectors(target, &group.map_err(refuse)?, name, n, files)?;
        }
        Ok(())
    }

    /// indptr, indices and values of one operator; returns its rows.
    fn operator(&self, target: &Path, group: &hdf5::Group, files: &[PathBuf]) -> Result<usize> {
        let (mut places, mut n, mut is_complex) = (BTreeSet::new(), None, false);
        for file in files {
            let matrix = read(file)?;
            let rows = *n.get_or_insert(matrix.n_rows);
            if (matrix.n_rows, matrix.n_columns) != (rows, rows) {
                let found = format!("{} x {} entries", matrix.n_rows, matrix.n_columns);
                return Err(shape(file, found, &format!("a square matrix of {rows} rows")));
            }
            // A header may claim any number of rows.
            if rows > MOST_EMPTY * matrix.entries.len().max(1) {
                let found = format!("{rows} rows, {} entries", matrix.entries.len());
                return Err(shape(file, found, &format!("at most {MOST_EMPTY} rows per entry")));
            }
            is_complex |= matrix.complex;
            places.extend(matrix.entries.iter().map(|(place, _)| *place));
        }
        let (n, places): (usize, Vec<(usize, usize)>) = (n.unwrap_or(0), places.into_iter().collect());
        let starts = (0..=n).map(|i| places.partition_point(|(row, _)| *row < i) as u64).collect::<Vec<_>>();
        let columns = places.iter().map(|(_, column)| *column as u64).collect::<Vec<_>>();
        let refuse = |e: hdf5::Error| write_error(target, e);
        for (name, numbers) in [("indptr", &starts), ("indices", &columns)] {
            let data = hdf::create::<u64>(group, name, &[numbers.len()]).map_err(refuse)?;
            hdf::write_rows(target, &data, 0..numbers.len(), numbers)?;
        }
        let values = |matrix: MarketMatrix| {
            let mut values = vec![c64::new(0.0, 0.0); places.len()];
            for (place, value) in matrix.entries {
                if let Ok(e) = places.binary_search(&place) {
                    values[e] = value;
                }
            }
            values
        };
        let rows = files.iter().map(|file| read(file).map(values));
        write_rows(target, group, "values", places.len(), files.len(), is_complex, rows)?;
        Ok(n)
    }

    /// Vectors of `n` numbers, or several of these in a file.
    fn vectors(&self, target: &Path, group: &hdf5::Group, name: &str, n: usize, files: &[PathBuf]) -> Result<()> {
        let (mut rows, mut width, mut is_complex) = (Vec::new(), None, false);
        for file in files {
            let matrix = read(file)?;
            // Columns stand one behind the other; a matrix of k rows is k functionals.
            let (lines, count) = (matrix.n_columns == n && matrix.n_rows != n, matrix.n_rows * matrix.n_columns);
            let one = matrix.n_rows == n && matrix.n_columns == 1;
            let w = *width.get_or_insert(count);
            if !(one || lines) || count != w {
                let found = format!("{} x {} entries", matrix.n_rows, matrix.n_columns);
                return Err(shape(file, found, &format!("a column of {n} entries")));
            }
            if count > n.saturating_mul(MOST_EMPTY) {
                return Err(shape(file, format!("{count} numbers"), &format!("at most {MOST_EMPTY} rows of {n}")));
            }
            let mut row = vec![c64::new(0.0, 0.0); count];
            for ((i, j), value) in matrix.entries {
                row[if lines { i * n + j } else { i }] = value;
            }
            is_complex |= matrix.complex;
            rows.push(Ok(row));
        }
        write_rows(target, group, name, width.unwrap_or(0), files.len(), is_complex, rows.into_iter())
    }
}

/// A key with one sign for each run of digits: s20 is like s3.
fn shape_of(key: &str) -> String {
    let mut shape = String::new();
    for c in key.chars() {
        match c.is_ascii_digit() {
            true if shape.ends_with('#') => {}
            true => shape.push('#'),
            false => shape.push(c),
        }
    }
    shape
}

fn is_operator(name: &str) -> bool {
    name != "rhs" && name != "solution" && !name.starts_with("output_")
}

fn shape(file: &Path, found: String, expected: &str) -> Error {
    Error::input("K005", file, "", found, expected, "write the file with this shape")
}

/// One row where there is one file, else a row for each.
fn write_rows(
    target: &Path,
    group: &hdf5::Group,
    name: &str,
    width: usize,
    n_files: usize,
    is_complex: bool,
    rows: impl Iterator<Item = Result<Vec<c64>>>,
) -> Result<()> {
    let refuse = |e: hdf5::Error| write_error(target, e);
    let shape = if n_files == 1 { vec![width] } else { vec![n_files, width] };
    let create = if is_complex { complex::create::<c64> } else { complex::create::<f64> };
    let data = create(group, name, &shape).map_err(refuse)?;
    for (i, row) in rows.enumerate() {
        let (row, place) = (row?, if n_files == 1 { 0..width } else { i..i + 1 });
        match is_complex {
            true => complex::write_rows(target, &data, place, &row)?,
            false => complex::write_rows(target, &data, place, &row.iter().map(|v| v.re()).collect::<Vec<f64>>())?,
        }
    }
    Ok(())
}

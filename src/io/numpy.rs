//! NumPy `.npy` (read on demand) and `.npz` (held in memory) as sources of snapshots; no mesh.

use crate::data::{FieldInfo, Location, Table};
use crate::error::{Error, Result};
use crate::io::hyperslab::not_finite;
use crate::io::npz::{check_sizes, names};
use crate::io::stacked_tables::majority;
use crate::io::{SampleState, SnapshotSource, check_range};
use crate::mesh::Mesh;
use faer::Mat;
use ndarray::ArrayD;
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpzError, ReadableElement};
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Values per read of an array in Fortran order.
const PIECE: usize = 1 << 20;

/// Snapshot matrices [n_samples, n] or [n_samples, n_entities, n_components].
#[derive(Debug)]
pub struct NumpyFile {
    path: PathBuf,
    n_samples: usize,
    fields: Vec<FieldInfo>,
    arrays: Vec<Array>,
    parameters: Option<Table>,
    scalars: Option<Table>,
    time: Option<Vec<f64>>,
    /// Arrays that are neither fields nor tables.
    left_out: Vec<String>,
}

#[derive(Debug)]
enum Array {
    /// In memory, row-major.
    Held(Vec<f64>),
    OnDisk(Npy),
}

/// A `.npy` file: where its values begin and how they lie.
#[derive(Debug)]
struct Npy {
    file: File,
    offset: u64,
    element: Element,
    fortran: bool,
    shape: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    kind: u8,
    pub size: usize,
    big_endian: bool,
}

impl NumpyFile {
    /// Opens a `.npy` file (one field, named after the file) or a `.npz` file.
    ///
    /// In a `.npz` file every array with two or three axes is a field; `parameters`, `scalars` and `time` are tables
    /// (columns p0, p1, ... and s0, s1, ..., or as `parameters_names` and `scalars_names` tell). Beside tables, arrays of other lengths
    /// are left out, which is told. Errors: K001 missing, K002 neither of the two, K003 truncated, K004 not
    /// finite (tables; snapshots when they are read), K005 shapes and types, K008 no samples.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let unreadable = |e: std::io::Error| {
            let found = if e.kind() == ErrorKind::NotFound { "no such file".to_string() } else { e.to_string() };
            Error::input("K001", &path, "", found, "a readable NumPy file", "check the path and its permissions")
        };
        let file = File::open(&path).map_err(unreadable)?;
        let meta = file.metadata().map_err(unreadable)?;
        let mut head = [0; 6];
        let n = (meta.len() as usize).min(head.len());
        if meta.is_file() {
            file.read_exact_at(&mut head[..n], 0).map_err(unreadable)?;
        }
        if head == *b"\x93NUMPY" {
            return open_npy(path, file, meta.len());
        }
        if head.starts_with(b"PK\x03\x04") {
            return open_npz(path, file);
        }
        let found = if meta.is_dir() { "a folder" } else { "a file without the mark of NumPy" };
        Err(Error::input("K002", &path, "", found, "a .npy or .npz file", "write it with numpy.save or numpy.savez"))
    }
}

impl SnapshotSource for NumpyFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn n_samples(&self) -> usize {
        self.n_samples
    }

    fn fields(&self) -> &[FieldInfo] {
        &self.fields
    }

    fn parameters(&self) -> Option<&Table> {
        self.parameters.as_ref()
    }

    fn scalars(&self) -> Option<&Table> {
        self.scalars.as_ref()
    }

    fn time(&self) -> Option<&[f64]> {
        self.time.as_deref()
    }

    fn left_out(&self, _states: bool) -> Vec<String> {
        self.left_out.clone()
    }

    fn remarks(&self) -> Vec<String> {
        self.left_out.iter().map(|what| format!("left out: {what}")).collect()
    }

    fn mesh(&self) -> Option<&Mesh> {
        None
    }

    fn state(&self, sample: usize) -> Result<SampleState> {
        super::state_of(self, sample)
    }

    fn mean_mesh(&self, _: &[usize]) -> Result<Option<Mesh>> {
        Ok(None)
    }

    fn read(&self, field: &FieldInfo, samples: &[usize], dofs: Range<usize>) -> Result<Mat<f64>> {
        let i = self.fields.iter().position(|f| f.name == field.name).ok_or_else(|| {
            let known: Vec<&str> = self.fields.iter().map(|f| f.name.as_str()).collect();
            Error::argument("field", &field.name, format!("one of {}", known.join(", ")))
        })?;
        let field = &self.fields[i];
        check_range(field, self.n_samples, samples, &dofs)?;
        let mut out = Mat::zeros(dofs.len(), samples.len());
        match &self.arrays[i] {
            Array::Held(values) => {
                for (j, &s) in samples.iter().enumerate() {
                    let row = s * field.n_dofs();
                    out.col_as_slice_mut(j).copy_from_slice(&values[row + dofs.start..row + dofs.end]);
                }
            }
            Array::OnDisk(npy) => {
                npy.read(samples, &dofs, &mut out).map_err(|e| truncated(&self.path, e.to_string()))?
            }
        }
        for (j, &s) in samples.iter().enumerate() {
            let column = out.col_as_slice(j);
            if let Some(d) = column.iter().position(|v| !v.is_finite()) {
                let place = format!("field {}", field.name);
                return Err(not_finite(&self.path, &place, s, dofs.start + d, field.n_components, column[d]));
            }
        }
        Ok(out)
    }
}

impl Npy {
    fn read(&self, samples: &[usize], dofs: &Range<usize>, out: &mut Mat<f64>) -> std::io::Result<()> {
        let (n_samples, n_entities) = (self.shape[0], self.shape[1]);
        let n_components = self.shape.get(2).copied().unwrap_or(1);
        let (mut bytes, mut values) = (Vec::new(), Vec::new());
        if !self.fortran {
            for (j, &s) in samples.iter().enumerate() {
                self.values(s * n_entities * n_components + dofs.start, dofs.len(), &mut bytes, &mut values)?;
                out.col_as_slice_mut(j).copy_from_slice(&values);
            }
            return Ok(());
        }
        // Fortran order: all samples of one entry lie side by side, entries of one component follow each other.
        let per_read = (PIECE / n_samples.max(1)).max(1);
        for component in 0..n_components {
            let first = dofs.start.saturating_sub(component).div_ceil(n_components);
            let last = dofs.end.saturating_sub(component).div_ceil(n_components);
            for start in (first..last).step_by(per_read) {
                let n = per_read.min(last - start);
                self.values((start + n_entities * component) * n_samples, n * n_samples, &mut bytes, &mut values)?;
                for (entity, of_entity) in (start..start + n).zip(values.chunks_exact(n_samples)) {
                    let row = entity * n_components + component - dofs.start;
                    for (j, &s) in samples.iter().enumerate() {
                        out[(row, j)] = of_entity[s];
                    }
                }
            }
        }
        Ok(())
    }

    fn values(&self, first: usize, n: usize, bytes: &mut Vec<u8>, values: &mut Vec<f64>) -> std::io::Result<()> {
        bytes.resize(n * self.element.size, 0);
        self.file.read_exact_at(bytes, self.offset + (first * self.element.size) as u64)?;
        values.clear();
        self.element.decode(bytes, values);
        Ok(())
    }
}

impl Element {
    pub fn parse(descr: &str) -> Option<Element> {
        let (order, kind) = descr.split_at_checked(1)?;
        let (kind, size) = kind.split_at_checked(1)?;
        let kind = *kind.as_bytes().first()?;
        let size: usize = size.parse().ok()?;
        let known = matches!((kind, size), (b'f', 4 | 8) | (b'i' | b'u', 1 | 2 | 4 | 8) | (b'b', 1));
        known.then_some(Element { kind, size, big_endian: order == ">" })
    }

    fn decode(self, bytes: &[u8], out: &mut Vec<f64>) {
        macro_rules! each {
            ($t:ty) => {
                out.extend(bytes.as_chunks().0.iter().map(|raw| {
                    (if self.big_endian { <$t>::from_be_bytes(*raw) } else { <$t>::from_le_bytes(*raw) }) as f64
                }))
            };
        }
        match (self.kind, self.size) {
            (b'f', 4) => each!(f32),
            (b'f', _) => each!(f64),
            (b'i', 1) => each!(i8),
            (b'i', 2) => each!(i16),
            (b'i', 4) => each!(i32),
            (b'i', _) => each!(i64),
            (_, 1) => each!(u8),
            (_, 2) => each!(u16),
            (_, 4) => each!(u32),
            _ => each!(u64),
        }
    }
}

fn open_npy(path: PathBuf, file: File, length: u64) -> Result<NumpyFile> {
    let mut start = [0; 12];
    let n = (length as usize).min(start.len());
    file.read_exact_at(&mut start[..n], 0).map_err(|e| truncated(&path, e.to_string()))?;
    let (offset, header) = match start[6] {
        1 => (10, u64::from(u16::from_le_bytes([start[8], start[9]]))),
        _ => (12, u64::from(u32::from_le_bytes([start[8], start[9], start[10], start[11]]))),
    };
    if offset + header > length {
        return Err(truncated(&path, format!("{length} bytes")));
    }
    let mut text = vec![0; header as usize];
    file.read_exact_at(&mut text, offset).map_err(|e| truncated(&path, e.to_string()))?;
    let text = String::from_utf8_lossy(&text);
    let unknown = |what: &str| {
        let expected = "a real array of float32, float64 or integers";
        Error::input("K005", &path, "header", what, expected, "write the array with numpy.save")
    };
    let descr = quoted(&text, "'descr':").ok_or_else(|| unknown("no type of values"))?;
    let element = Element::parse(descr).ok_or_else(|| unknown(&format!("values of type {descr}")))?;
    let fortran = text.split_once("'fortran_order':").is_some_and(|(_, rest)| rest.trim_start().starts_with("True"));
    let shape = shape(&text).ok_or_else(|| unknown("no shape"))?;
    let name = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let field = field_info(&path, name, &shape)?;
    let n_bytes = shape.iter().try_fold(element.size, |n, &m| n.checked_mul(m));
    let end = n_bytes.and_then(|n| (offset + header).checked_add(n as u64));
    if end.is_none_or(|end| end > length) {
        return Err(truncated(&path, format!("{length} bytes, shape {shape:?} of {descr}")));
    }
    let n_samples = shape[0];
    let npy = Npy { file, offset: offset + header, element, fortran, shape };
    let (fields, arrays) = (vec![field], vec![Array::OnDisk(npy)]);
    Ok(NumpyFile { path, n_samples, fields, arrays, parameters: None, scalars: None, time: None, left_out: Vec::new() })
}

pub(super) fn quoted<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    rest.trim_start().strip_prefix('\'')?.split('\'').next()
}

pub(super) fn shape(text: &str) -> Option<Vec<usize>> {
    let (_, rest) = text.split_once("'shape':")?;
    let inner = rest.trim_start().strip_prefix('(')?.split(')').next()?;
    inner.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect()
}

fn field_info(path: &Path, name: String, shape: &[usize]) -> Result<FieldInfo> {
    let place = format!("array {name}");
    if !(2..=3).contains(&shape.len()) || shape[1..].contains(&0) {
        let expected = "[n_samples, n] or [n_samples, n_entities, n_components]";
        let mend = "write one row per sample";
        return Err(Error::input("K005", path, place, format!("shape {shape:?}"), expected, mend));
    }
    if shape[0] == 0 {
        return Err(Error::input("K008", path, place, "0 samples", "at least one sample", "write the snapshots"));
    }
    let n_components = shape.get(2).copied().unwrap_or(1);
    Ok(FieldInfo { name, location: Location::Free, n_entities: shape[1], n_components, vector: shape.len() == 3 })
}

fn open_npz(path: PathBuf, file: File) -> Result<NumpyFile> {
    check_sizes(&path)?;
    let mut zip = NpzReader::new(file).map_err(|e| truncated(&path, e.to_string()))?;
    let listed = zip.names().map_err(|e| not_read(&path, "", e))?;
    let (mut parameters, mut scalars, mut time, mut found) = (None, None, None, Vec::new());
    let mut left_out = Vec::new();
    for name in listed {
        let array = read_array(&mut zip, &path, &name)?;
        match (name.as_str(), array) {
            ("parameters", Some(array)) => parameters = Some(table(&path, &name, "p", array)?),
            ("scalars", Some(array)) => scalars = Some(table(&path, &name, "s", array)?),
            ("time", Some(array)) => time = Some(table(&path, &name, "time", array)?),
            ("parameters_names" | "scalars_names", None) => {}
            (_, Some(array)) if (2..=3).contains(&array.ndim()) => found.push((name, array)),
            (_, Some(array)) => left_out.push(format!("array {name}: {} axes", array.ndim())),
            (_, None) => left_out.push(format!("array {name}: no real numbers")),
        }
    }
    for (what, table) in [("parameters_names", &mut parameters), ("scalars_names", &mut scalars)] {
        if let Some(table) = table
            && let Some(names) = names(&path, what, table.n_columns())?
        {
            table.names = names;
        }
    }
    let tables = [("parameters", &parameters), ("scalars", &scalars), ("time", &time)];
    let tables: Vec<(&str, usize)> =
        tables.iter().filter_map(|(what, t)| Some((*what, t.as_ref()?.n_rows()))).collect();
    let n_samples = count_samples(&path, &tables, &found)?;
    found.retain(|(name, array)| {
        let n = array.shape().first().copied().unwrap_or(0);
        if n != n_samples {
            left_out.push(format!("array {name}: {n} rows, not {n_samples}"));
        }
        n == n_samples
    });
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (name, array) in found {
        fields.push(field_info(&path, name, array.shape())?);
        arrays.push(Array::Held(array.into_raw_vec_and_offset().0));
    }
    let time = time.map(|t| t.values);
    Ok(NumpyFile { path, n_samples, fields, arrays, parameters, scalars, time, left_out })
}

/// The rows of the tables, where these agree and some array has them; else those of most of the arrays and tables.
///
/// Without a table all arrays are snapshots, of which none may have other rows; with one, those that have are something else.
/// Errors: K005 names what has other rows than most, K008 no arrays.
fn count_samples(path: &Path, tables: &[(&str, usize)], found: &[(String, ArrayD<f64>)]) -> Result<usize> {
    let arrays = found.iter().map(|(name, array)| (name.as_str(), array.shape().first().copied().unwrap_or(0)));
    let arrays: Vec<(&str, usize)> = arrays.collect();
    let all: Vec<(&str, usize)> = tables.iter().chain(&arrays).copied().collect();
    let counts: Vec<usize> = all.iter().map(|(_, n)| *n).collect();
    let of_tables = tables.first().map(|(_, n)| *n).filter(|n| tables.iter().all(|(_, m)| m == n));
    let told = of_tables.filter(|n| arrays.iter().any(|(_, m)| m == n));
    let (Some(n), false) = (told.or(majority(&counts)), found.is_empty()) else {
        let expected = "an array [n_samples, n] or [n_samples, n_entities, n_components]";
        return Err(Error::input("K008", path, "", "no snapshots", expected, "write one array per field"));
    };
    let none_fits = arrays.iter().all(|(_, m)| *m != n);
    let checked = if tables.is_empty() || none_fits { &all } else { tables };
    if let Some((name, m)) = checked.iter().find(|(_, m)| *m != n) {
        let like = all.iter().find(|(_, m)| *m == n).map_or("others", |(name, _)| name);
        let expected = format!("{n} rows, as in {like}");
        let mend = "write the same number of rows for all arrays";
        return Err(Error::input("K005", path, format!("array {name}"), format!("{m} rows"), expected, mend));
    }
    Ok(n)
}

fn table(path: &Path, name: &str, prefix: &str, array: ArrayD<f64>) -> Result<Table> {
    let n_columns = match array.shape() {
        [_] => 1,
        [m, n] if *m > 0 && *n > 0 => *n,
        shape => {
            let mend = "write one row per sample";
            let found = format!("shape {shape:?}");
            return Err(Error::input("K005", path, format!("array {name}"), found, "[n_samples, n_columns]", mend));
        }
    };
    let values = array.into_raw_vec_and_offset().0;
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        let place = format!("array {name}, sample {}, column {}", i / n_columns, i % n_columns);
        let mend = "mend the sample, or leave it out with `select`";
        return Err(Error::input("K004", path, place, values[i].to_string(), "a finite number", mend));
    }
    Table::new((0..n_columns).map(|j| format!("{prefix}{j}")).collect(), values)
}

/// The array as f64 in C order; None where it holds no real numbers.
fn read_array(zip: &mut NpzReader<File>, path: &Path, name: &str) -> Result<Option<ArrayD<f64>>> {
    macro_rules! attempt {
        ($($t:ty),*) => { $(
            if let Some(array) = typed::<$t>(zip, path, name)? {
                return Ok(Some(in_order(array).mapv(|v| v as f64)));
            }
        )* };
    }
    attempt!(f64, f32, i64, i32, u64, u32, i16, u16, i8, u8);
    Ok(None)
}

fn typed<T: ReadableElement>(zip: &mut NpzReader<File>, path: &Path, name: &str) -> Result<Option<ArrayD<T>>> {
    match zip.by_name::<ndarray::OwnedRepr<T>, ndarray::IxDyn>(name) {
        Ok(array) => Ok(Some(array)),
        Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => Ok(None),
        Err(e) => Err(not_read(path, &format!("array {name}"), e)),
    }
}

/// K013 for an archive packed in a way that the build cannot unpack, K003 for any other.
fn not_read(path: &Path, place: &str, e: ReadNpzError) -> Error {
    let found = e.to_string();
    if found.contains("not supported") {
        let expected = "arrays that are stored or deflated";
        return Error::input("K013", path, place, found, expected, "write the file with numpy.savez");
    }
    truncated(path, if place.is_empty() { found } else { format!("{place}: {found}") })
}

fn in_order<T: Clone>(array: ArrayD<T>) -> ArrayD<T> {
    if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
}

fn truncated(path: &Path, found: String) -> Error {
    Error::input("K003", path, "", found, "a whole NumPy file", "copy or write the file again")
}

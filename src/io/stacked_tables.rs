//! Tables of stacked files, and how many samples a file holds.

use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::io::hdf;
use hdf5::Dataset;
use std::path::Path;

/// The tables that have a row for each sample.
const TABLES: [&str; 4] = ["parameters", "scalars", "time", "trajectory"];

/// The number of rows that most of the arrays have; the first of those that are equally many.
pub(crate) fn majority(counts: &[usize]) -> Option<usize> {
    let votes = |n: &usize| counts.iter().filter(|m| *m == n).count();
    // The last of the largest is taken: from behind it is the first.
    counts.iter().rev().max_by_key(|n| votes(n)).copied()
}

/// The number of samples: that of most of the fields and tables. `place` names the data set of a field.
///
/// Errors: K005 names a field that has another one; K008 no fields, no samples.
pub(crate) fn count_samples(
    path: &Path,
    file: &hdf5::Group,
    fields: &[FieldInfo],
    data: &[Dataset],
    place: &dyn Fn(&FieldInfo) -> String,
) -> Result<usize> {
    let rows = |data: &Dataset| data.shape().first().copied().unwrap_or(0);
    let counts: Vec<usize> = data.iter().map(rows).collect();
    let of_tables = TABLES.iter().filter_map(|name| hdf::dataset(file, name)).map(|data| rows(&data));
    let all: Vec<usize> = counts.iter().copied().chain(of_tables).collect();
    let (Some(n), Some(first)) = (majority(&all), fields.first()) else {
        let mend = "write at least one data set /snapshots/<field>";
        return Err(Error::input("K008", path, "/snapshots", "no fields", "at least one field with samples", mend));
    };
    if let Some((field, m)) = fields.iter().zip(&counts).find(|(_, m)| **m != n) {
        let like = fields.iter().zip(&counts).find(|(_, m)| **m == n).map(|(f, _)| place(f));
        let expected = format!("{n} samples, as in {}", like.unwrap_or_else(|| "the tables".into()));
        return Err(hdf::wrong_shape(path, place(field), format!("{m} samples"), expected));
    }
    if n == 0 {
        let place = place(first);
        return Err(Error::input("K008", path, place, "0 samples", "at least one sample", "write the snapshots"));
    }
    Ok(n)
}

/// `/name` [n_samples, n] or [n_samples] with the attribute `names`; None where the file has none.
pub(crate) fn read_table(
    path: &Path,
    file: &hdf5::Group,
    name: &str,
    prefix: &str,
    n_samples: usize,
) -> Result<Option<Table>> {
    let place = format!("/{name}");
    let Some(data) = hdf::dataset(file, name) else { return Ok(None) };
    let (rows, columns) = match data.shape()[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        ref shape => return Err(hdf::wrong_shape(path, place, format!("{shape:?}"), "[n_samples, n_columns]".into())),
    };
    if columns == 0 {
        return Ok(None);
    }
    if rows < n_samples && name == "parameters" {
        let place = format!("{place}, sample {rows}");
        let mend = "add the missing rows";
        return Err(Error::input("K007", path, place, format!("{rows} rows"), format!("{n_samples} rows"), mend));
    }
    if rows != n_samples {
        return Err(hdf::wrong_shape(path, place, format!("{rows} rows"), format!("{n_samples} rows, one per sample")));
    }
    // Before a name is made for each column.
    hdf::check_size(path, &data, &place)?;
    let names = column_names(path, &data, &place, prefix, columns)?;
    let values = hdf::read_f64(path, &data, &place)?;
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        let place = format!("{place}, sample {}, column {}", i / columns, names[i % columns]);
        let mend = "mend the sample, or leave it out with `select`";
        return Err(Error::input("K004", path, place, values[i].to_string(), "a finite number", mend));
    }
    Table::new(names, values).map(Some)
}

/// An array of strings, one string with commas, or none: then prefix and number.
fn column_names(path: &Path, data: &Dataset, place: &str, prefix: &str, n: usize) -> Result<Vec<String>> {
    let place = format!("{place}, attribute names");
    let mut names = match hdf::attribute_strings(data, "names").map_err(|e| hdf::damaged(path, &place, e))? {
        None => return Ok((0..n).map(|i| format!("{prefix}{i}")).collect()),
        Some(names) => names,
    };
    if names.len() == 1 && n > 1 {
        names = names[0].split(',').map(str::to_string).collect();
    }
    let names: Vec<String> = names.iter().map(|s| s.trim().to_string()).collect();
    if names.len() != n {
        return Err(hdf::wrong_shape(
            path,
            place,
            format!("{} names", names.len()),
            format!("{n} names, one per column"),
        ));
    }
    if let Some(i) = (0..n).find(|&i| names[i].is_empty() || names[..i].contains(&names[i])) {
        let found = format!("column {i} is called `{}`", names[i]);
        return Err(Error::input("K006", path, place, found, "names that differ", "give each column its own name"));
    }
    Ok(names)
}

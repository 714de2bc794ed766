//! Tables as CSV: a header, one row per sample, optionally a column `sample` with keys.

use crate::data::Table;
use crate::data::table::Unusable;
use crate::error::{Error, Result};
use crate::io::atomic;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

/// Name of the column that holds the keys of the samples.
pub const KEY: &str = "sample";

/// The column of the keys: `sample`, or the first that is called so in other letters (`Sample`).
fn key_column(names: &[String]) -> Option<usize> {
    let same = |n: &String| n.eq_ignore_ascii_case(KEY);
    names.iter().position(|n| n == KEY).or_else(|| names.iter().position(same))
}

/// Reads a table; the column `sample` (in capitals too), where there is one, holds texts and is handed back beside it.
///
/// Commas, or semicolons (then a decimal comma is read too); names and cells are trimmed; a byte order mark is skipped.
/// Columns with a cell that is not a finite number are [`Table::unusable`]: an error (K004) for who needs them.
/// Errors: K001 missing, K002 no text, K004 no column of numbers and no keys, K005 cells missing or keys repeated,
/// K006 names repeated, K008 no rows.
pub fn read_table(path: impl AsRef<Path>) -> Result<(Option<Vec<String>>, Table)> {
    let path = path.as_ref();
    let text = read_text(path)?;
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let delimiter = if header.contains(';') && !header.contains(',') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).flexible(true).from_reader(text.as_bytes());
    let no_table = |e: csv::Error| {
        Error::input("K002", path, "", e.to_string(), "a table with commas or semicolons", "write the file as CSV")
    };
    let names: Vec<String> = reader.headers().map_err(no_table)?.iter().map(str::to_string).collect();
    check_names(path, &names)?;
    let key = key_column(&names);
    let (mut keys, mut seen) = (Vec::new(), HashMap::new());
    let mut columns: Vec<Column> = names.iter().map(|_| Column::default()).collect();
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(no_table)?;
        let line = record.position().map_or(0, |p| p.line());
        let place = |column: &str| format!("line {line} (row {row}), column {column}");
        if record.len() != names.len() {
            let found = format!("{} cells", record.len());
            let expected = format!("{} cells, as in the header", names.len());
            let mend = "fill in the missing cells, or quote text with separators";
            return Err(Error::input("K005", path, format!("line {line} (row {row})"), found, expected, mend));
        }
        for (j, cell) in record.iter().enumerate() {
            if Some(j) == key {
                if let Some(first) = seen.insert(cell.to_string(), row) {
                    let found = format!("`{cell}`, which row {first} has too");
                    let mend = "give each sample one row";
                    return Err(Error::input("K005", path, place(&names[j]), found, "keys that differ", mend));
                }
                keys.push(cell.to_string());
                continue;
            }
            let value = number(cell, delimiter);
            columns[j].numeric |= value.is_some();
            if !columns[j].numeric {
                columns[j].cells.push(cell.to_string());
            }
            columns[j].values.extend(value.filter(|v| v.is_finite()));
            if columns[j].reason.is_none() && !value.is_some_and(f64::is_finite) {
                let found = if cell.is_empty() { "an empty cell".to_string() } else { format!("`{cell}`") };
                let mend = "mend the cell or leave out the row";
                columns[j].reason = Some(Error::input("K004", path, place(&names[j]), found, "a finite number", mend));
            }
        }
    }
    let n_rows = columns.iter().map(|c| c.values.len()).max().unwrap_or(0).max(keys.len());
    let (mut kept, mut unusable) = (Vec::new(), Vec::new());
    for (j, column) in columns.into_iter().enumerate().filter(|(j, _)| Some(*j) != key) {
        match column.reason {
            None => kept.push((names[j].clone(), column.values)),
            Some(reason) => {
                let (name, text) = (names[j].clone(), !column.numeric);
                let cells = if text { column.cells } else { Vec::new() };
                unusable.push(Unusable { name, text, reason, cells });
            }
        }
    }
    if kept.is_empty()
        && keys.is_empty()
        && let Some(column) = unusable.first()
    {
        return Err(column.reason.clone());
    }
    if n_rows == 0 {
        return Err(Error::input("K008", path, "", "no rows", "a header and at least one row", "add a row per sample"));
    }
    let values = (0..n_rows).flat_map(|i| kept.iter().map(move |(_, column)| column[i])).collect();
    let table = Table::new(kept.iter().map(|(name, _)| name.clone()).collect(), values)?;
    Ok((key.map(|_| keys), Table { unusable, ..table }))
}

/// The cells of a column that are numbers.
#[derive(Default)]
struct Column {
    values: Vec<f64>,
    /// While none of them is a number.
    cells: Vec<String>,
    /// Some cell is a number, if only NaN.
    numeric: bool,
    reason: Option<Error>,
}

/// Indices of the columns `wanted`. Errors: K004 names the cell that is not a number, K006 the missing column, the nearest
/// and all known names.
pub fn columns<S: AsRef<str>>(path: impl AsRef<Path>, table: &Table, wanted: &[S]) -> Result<Vec<usize>> {
    let find =
        |name: &S| table.position(name.as_ref()).ok_or_else(|| missing_column(path.as_ref(), table, name.as_ref()));
    wanted.iter().map(find).collect()
}

fn missing_column(path: &Path, table: &Table, name: &str) -> Error {
    if let Some(reason) = table.reason(name) {
        return reason.clone();
    }
    let nearest = table.names.iter().min_by_key(|known| strsim::damerau_levenshtein(known, name));
    let mend = match nearest {
        Some(nearest) => format!("add the column, or use `{nearest}`"),
        None => "add the column".to_string(),
    };
    let found = format!("no column `{name}`");
    Error::input("K006", path, "", found, format!("one of {}", table.names.join(", ")), mend)
}

/// Writes a table, keys first where there are any; numbers are written so that reading gives the same bits.
///
/// Errors: K001 where the folder is missing, [`Error::Write`], [`Error::Argument`] where the number of keys is wrong.
pub fn write_table(path: impl AsRef<Path>, keys: Option<&[String]>, table: &Table) -> Result<()> {
    let path = path.as_ref();
    if let Some(keys) = keys.filter(|keys| table.n_columns() > 0 && keys.len() != table.n_rows()) {
        return Err(Error::argument("keys of a table", keys.len(), format!("{} rows", table.n_rows())));
    }
    let n_rows = keys.map_or(table.n_rows(), <[String]>::len);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let refused = |e: csv::Error| atomic::write_error(path, e);
    writer
        .write_record(keys.map(|_| KEY).into_iter().chain(table.names.iter().map(String::as_str)))
        .map_err(refused)?;
    for i in 0..n_rows {
        let numbers = if table.n_columns() > 0 { table.row(i) } else { &[] };
        let cells = numbers.iter().map(|v| format!("{v:?}"));
        writer.write_record(keys.map(|keys| keys[i].clone()).into_iter().chain(cells)).map_err(refused)?;
    }
    let bytes = writer.into_inner().map_err(|e| atomic::write_error(path, e.error()))?;
    atomic::write_bytes(path, &bytes)
}

fn read_text(path: &Path) -> Result<String> {
    let no_text = |found: &str| Error::input("K002", path, "", found, "a CSV file", "name a table in UTF-8");
    if path.is_dir() {
        return Err(no_text("a folder"));
    }
    let bytes = std::fs::read(path).map_err(|e| {
        let found = if e.kind() == ErrorKind::NotFound { "no such file".to_string() } else { e.to_string() };
        Error::input("K001", path, "", found, "a readable CSV file", "check the path and its permissions")
    })?;
    let text = String::from_utf8(bytes).map_err(|_| no_text("bytes that are not UTF-8"))?;
    if text.contains('\0') {
        return Err(no_text("binary data"));
    }
    Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text))
}

fn check_names(path: &Path, names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Err(Error::input("K008", path, "", "no rows", "a header and at least one row", "add a row per sample"));
    }
    let bad = (0..names.len()).find(|&j| names[j].is_empty() || names[..j].contains(&names[j]));
    bad.map_or(Ok(()), |j| {
        let found = format!("column {j} is called `{}`", names[j]);
        let mend = "give each column its own name";
        Err(Error::input("K006", path, "first line", found, "names that differ", mend))
    })
}

fn number(cell: &str, delimiter: u8) -> Option<f64> {
    let decimal_comma = delimiter == b';' && cell.matches(',').count() == 1 && !cell.contains('.');
    let parsed = if decimal_comma { cell.replace(',', ".").parse::<f64>() } else { cell.parse::<f64>() };
    parsed.ok()
}

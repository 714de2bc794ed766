//! Tables beside samples: which they are, and which of their rows belongs to which sample.

use super::warn;
use kolmo::data::Table;
use kolmo::data::table::Unusable;
use kolmo::error::{Error, Result};
use kolmo::io::SnapshotSource;
use kolmo::io::csv::{KEY, read_table};
use kolmo::io::open_mesh::MeshFormat;
use kolmo::io::sample_files::{contents, is_pattern};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

/// Words in names of columns that name or number samples rather than describe them.
const NUMBERS: [&str; 13] = [
    "sample",
    "samples",
    "sampleid",
    "name",
    "case",
    "run",
    "file",
    "id",
    "index",
    "number",
    "no",
    "simulation",
    "snapshot",
];

/// The tables that lie with mesh files: parameters and scalars, where there are any.
pub fn tables_beside(samples: &Path) -> Result<(Option<PathBuf>, Option<PathBuf>)> {
    if samples.is_dir() {
        let found = contents(samples)?;
        return Ok((found.parameters, found.scalars));
    }
    if !is_pattern(samples) && MeshFormat::of(samples).is_none() {
        return Ok((None, None));
    }
    let folders: Vec<&Path> = samples.ancestors().skip(1).take(2).filter(|p| !is_pattern(p)).collect();
    let find = |name: &str| folders.iter().map(|f| f.join(name)).find(|p| p.is_file());
    Ok((find("parameters.csv"), find("scalars.csv")))
}

/// Keys that number samples.
fn numbers_of(keys: &[String]) -> Option<Vec<usize>> {
    keys.iter().map(|k| k.trim().parse().ok()).collect()
}

/// The row of a table for each sample: by name (with or without ending); numbers stand for the digits at the end of the names
/// where these differ, else for the samples in their order.
fn rows_by_key(keys: &[String], source: &dyn SnapshotSource) -> Vec<Option<usize>> {
    let plain = |k: &str| k.trim().to_string();
    if let Some(names) = source.keys() {
        let table: HashMap<String, usize> = keys.iter().enumerate().rev().map(|(i, k)| (plain(k), i)).collect();
        let bare = |k: &String| Path::new(k.trim()).file_stem().map(|s| s.to_string_lossy().into_owned());
        let stems: HashMap<String, usize> =
            keys.iter().enumerate().rev().filter_map(|(i, k)| Some((bare(k)?, i))).collect();
        let find = |n: &String| table.get(n).or_else(|| stems.get(n)).copied();
        let named: Vec<Option<usize>> = names.iter().map(find).collect();
        // The states of a series may have rows of their own, under the names of their files.
        if named.iter().any(Option::is_none)
            && let Some(states) = source.names()
        {
            let own: Vec<Option<usize>> = states.iter().map(find).collect();
            if own.iter().all(Option::is_some) || named.iter().all(Option::is_none) && own.iter().any(Option::is_some) {
                return own;
            }
        }
        if named.iter().any(Option::is_some) || numbers_of(keys).is_none() {
            return named;
        }
        let digits = |n: &String| n[n.trim_end_matches(|c: char| c.is_ascii_digit()).len()..].parse().ok();
        let ends: Option<Vec<usize>> = names.iter().map(digits).collect();
        if let (Some(ends), Some(numbers)) = (ends, numbers_of(keys)) {
            return ends.iter().map(|e| numbers.iter().position(|n| n == e)).collect();
        }
    }
    let numbers = numbers_of(keys).unwrap_or_default();
    (0..source.n_samples()).map(|i| numbers.iter().position(|n| *n == i)).collect()
}

/// [`table_of`] for commands that need no table: one beside a single file that does not know its sample belongs to others, which
/// is said.
pub fn table_if_any(
    samples: &Path,
    file: Option<&Path>,
    inside: Option<&Table>,
    source: &dyn SnapshotSource,
    what: &str,
) -> Result<Table> {
    match table_of(file, inside, source, what) {
        Err(e) if ["K005", "K007"].contains(&e.code()) && !samples.is_dir() && !is_pattern(samples) => {
            warn(&format!("a table beside the file is left out: {e}"));
            Ok(inside.cloned().unwrap_or_default())
        }
        table => table,
    }
}

/// The name of sample `i`, which has no row: that of a state where other states of its series have rows, else that of its file.
fn missing_name(rows: &[Option<usize>], source: &dyn SnapshotSource, i: usize) -> String {
    let key = |i: usize| source.keys().and_then(|keys| keys.get(i));
    let of_states = (0..rows.len()).any(|j| rows[j].is_some() && key(j) == key(i));
    let name = if of_states { source.names().and_then(|names| names.get(i)) } else { key(i) };
    name.cloned().unwrap_or_else(|| i.to_string())
}

/// The rows of the samples by a column of texts that holds their names, and the name of this column; none where no column does.
///
/// Errors: K007 a column that holds the names of some samples, K005 a name twice, K006 two columns that tell different rows.
fn named_rows(
    file: &Path,
    what: &str,
    table: &Table,
    source: &dyn SnapshotSource,
) -> Result<Option<(String, Vec<usize>)>> {
    if source.keys().is_none() {
        return Ok(None);
    }
    let texts: Vec<(&Unusable, Vec<Option<usize>>)> =
        table.unusable.iter().filter(|c| c.text).map(|c| (c, rows_by_key(&c.cells, source))).collect();
    let whole = |rows: &[Option<usize>]| rows.iter().copied().collect::<Option<Vec<usize>>>();
    let mut keys = texts.iter().filter_map(|(c, rows)| Some((*c, whole(rows)?)));
    let Some((column, rows)) = keys.next() else {
        let partly = |(_, rows): &&(&Unusable, Vec<Option<usize>>)| rows.iter().any(Option::is_some);
        let Some((column, rows)) = texts.iter().find(partly) else { return Ok(None) };
        let name = rows.iter().position(Option::is_none).map(|i| missing_name(rows, source, i)).unwrap_or_default();
        let found = format!("no row for sample {name} in the column `{}`, which names others", column.name);
        let mend = format!("add the row, or call the column of the keys `{KEY}`");
        return Err(Error::input("K007", file, what, found, "one row per sample", mend));
    };
    if let Some((other, _)) = keys.find(|(_, others)| *others != rows) {
        let found = format!("names of samples in two columns, `{}` and `{}`", column.name, other.name);
        let mend = format!("call the one that holds the keys `{KEY}`");
        return Err(Error::input("K006", file, what, found, format!("one column of keys, `{KEY}`"), mend));
    }
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for (row, cell) in column.cells.iter().enumerate() {
        if let Some(first) = seen.insert(cell, row).filter(|first| rows.contains(first)) {
            let place = format!("row {row}, column {}", column.name);
            let (found, mend) = (format!("`{cell}`, which row {first} has too"), "give each sample one row");
            return Err(Error::input("K005", file, place, found, "keys that differ", mend));
        }
    }
    Ok(Some((column.name.clone(), rows)))
}

/// Whether a column is called like one that names or numbers samples.
fn names_samples(column: &str) -> bool {
    column.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| NUMBERS.contains(&word))
}

/// Says that a column that seems to name samples names none of these.
fn say_in_order(file: &Path, table: &Table, source: &dyn SnapshotSource) {
    let apart = |cells: &[String]| cells.iter().collect::<HashSet<_>>().len() == cells.len();
    let mut columns = table.unusable.iter().filter(|c| c.text && names_samples(&c.name) && apart(&c.cells));
    if let (Some(column), Some(first)) = (columns.next(), source.keys().and_then(|keys| keys.first())) {
        let (name, file) = (&column.name, file.display());
        warn(&format!(
            "{file}: the column `{name}` names no sample ({first}, …): rows belong to the files in their order"
        ));
    }
}

/// Refuses (K006) to join rows in their order where a column of numbers says that they are in another one: it numbers the samples
/// as their names do, and has the name of such a column.
fn in_order(file: &Path, table: &Table, source: &dyn SnapshotSource) -> Result<()> {
    let digits = |n: &String| n[n.trim_end_matches(|c: char| c.is_ascii_digit()).len()..].parse::<u32>().ok();
    let Some(numbers) = source.keys().and_then(|keys| keys.iter().map(digits).collect::<Option<Vec<_>>>()) else {
        return Ok(());
    };
    let sorted = |numbers: &[f64]| {
        let mut sorted = numbers.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let numbers: Vec<f64> = numbers.into_iter().map(f64::from).collect();
    if sorted(&numbers).windows(2).any(|w| w[0] == w[1]) {
        return Ok(());
    }
    let first = source.keys().and_then(|keys| keys.first()).map(|k| k.to_lowercase()).unwrap_or_default();
    let prefix = first.trim_end_matches(|c: char| !c.is_alphabetic());
    let counts = |name: &str| names_samples(name) || name.to_lowercase() == prefix;
    let other = |j: &usize| {
        let column = table.column(*j);
        column != numbers && sorted(&column) == sorted(&numbers)
    };
    let Some(j) = (0..table.n_columns()).find(|j| table.names.get(*j).is_some_and(|n| counts(n)) && other(j)) else {
        return Ok(());
    };
    let name = &table.names[j];
    let found = format!("the numbers of the samples in another order in the column `{name}`");
    let mend = format!("call the column `{KEY}` if it numbers the samples; else add a column `{KEY}` with their names");
    Err(Error::input(
        "K006",
        file,
        "first line",
        found,
        format!("a column `{KEY}`, or rows in the order of the files"),
        mend,
    ))
}

/// The table beside `n` samples without names, joined by its column `sample` where there is one, which numbers them from 0.
///
/// Errors: those of reading, K005 keys that are no numbers of samples, K007 a sample without a row.
pub fn table_of_numbers(file: &Path, n: usize, what: &str) -> Result<Table> {
    let (keys, table) = read_table(file)?;
    let Some(keys) = keys else { return Ok(table) };
    let expected = format!("the numbers of the samples, 0 to {}", n.saturating_sub(1));
    let mend = "number the rows as the file's samples, or leave out the column `sample` to count rows";
    let Some(numbers) = numbers_of(&keys) else {
        let other = keys.iter().find(|k| k.trim().parse::<usize>().is_err()).cloned().unwrap_or_default();
        return Err(Error::input("K005", file, format!("column {KEY}"), format!("`{other}`"), expected, mend));
    };
    let row = |i: usize| {
        let missing = || format!("no row for {what} {i}");
        numbers.iter().position(|k| *k == i).ok_or_else(|| Error::input("K007", file, "", missing(), &expected, mend))
    };
    let rows = (0..n).map(row).collect::<Result<Vec<_>>>()?;
    if let Some(other) = numbers.iter().find(|k| **k >= n) {
        return Err(Error::input("K005", file, format!("column {KEY}"), other.to_string(), expected, mend));
    }
    Ok(table.select_rows(&rows))
}

/// The table beside the samples, one row per sample; joined by the column `sample` where there is one, else by a column of texts
/// that holds the names of the samples, else row by row.
pub fn table_of(file: Option<&Path>, inside: Option<&Table>, source: &dyn SnapshotSource, what: &str) -> Result<Table> {
    let Some(file) = file else { return Ok(inside.cloned().unwrap_or_default()) };
    let (keys, mut table) = read_table(file)?;
    let n = source.n_samples();
    if let Some(keys) = keys.as_deref().filter(|keys| source.keys().is_some() || numbers_of(keys).is_some()) {
        let rows = rows_by_key(keys, source);
        if let Some(i) = rows.iter().position(Option::is_none) {
            let name = missing_name(&rows, source, i);
            let mend = "add the row, or leave out the column `sample` to count rows";
            let found = format!("no row for sample {name}");
            return Err(Error::input("K007", file, what, found, "one row per sample", mend));
        }
        return Ok(table.select_rows(&rows.into_iter().flatten().collect::<Vec<_>>()));
    }
    if keys.is_none()
        && let Some((column, rows)) = named_rows(file, what, &table, source)?
    {
        table.unusable.retain(|c| c.name != column);
        return Ok(table.select_rows(&rows));
    }
    let rows = table.n_rows();
    let (code, found, mend) = match rows.cmp(&n) {
        Ordering::Equal if keys.is_none() => {
            in_order(file, &table, source)?;
            say_in_order(file, &table, source);
            return Ok(table);
        }
        Ordering::Equal => return Ok(table),
        Ordering::Less => ("K007", format!("{rows} rows; sample {rows} has none"), "add the missing rows"),
        Ordering::Greater => {
            ("K005", format!("{rows} rows; row {n} belongs to no sample"), "remove the rows without a sample")
        }
    };
    Err(Error::input(code, file, what, found, format!("{n} rows, one per sample"), mend))
}

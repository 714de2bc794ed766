//! A matrix or vector in a MatrixMarket file (.mtx): coordinates or all entries; integers, real or complex; of symmetric,
//! skew-symmetric and hermitian ones the lower triangle.

use crate::error::{Error, Result};
use crate::io::mesh_file::cannot_read;
use crate::linalg::scalar::c64;
use nalgebra_sparse::CooMatrix;
use nalgebra_sparse::io::{MatrixMarketScalar, load_coo_from_matrix_market_str};
use std::path::Path;

/// Entries of a matrix; several at one place are added.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketMatrix {
    pub n_rows: usize,
    pub n_columns: usize,
    /// By row and column, zeros that the file holds among them.
    pub entries: Vec<((usize, usize), c64)>,
    pub complex: bool,
}

/// Reads a file.
///
/// Errors: K001, K002 another format, K003 damaged, K004 not finite (with row and column from 1, as in the file), K018 a
/// pattern without numbers. Cost: the text in memory and some hundred bytes per entry. Not collective.
/// Reference: R. F. Boisvert, R. Pozo, K. Remington, The Matrix Market Exchange Formats, NISTIR 5935, 1996.
pub fn read(path: &Path) -> Result<MarketMatrix> {
    let text = std::fs::read_to_string(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::InvalidData => not_market(path, "bytes that are no text"),
        _ => cannot_read(path, &e),
    })?;
    let banner = text.lines().next().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = banner.split_whitespace().collect();
    let mut matrix = match words[..] {
        ["%%matrixmarket", "matrix", _, "complex", _] => entries(path, &text, |v: c64| v, true)?,
        ["%%matrixmarket", "matrix", _, "real" | "double", _] => {
            entries(path, &text, |v: f64| c64::new(v, 0.0), false)?
        }
        ["%%matrixmarket", "matrix", _, "integer", _] => entries(path, &text, |v: i64| c64::new(v as f64, 0.0), false)?,
        ["%%matrixmarket", "matrix", _, "pattern", _] => {
            let expected = "real, integer or complex numbers";
            return Err(Error::input("K018", path, "line 1", "a pattern", expected, "write the numbers too"));
        }
        _ => return Err(not_market(path, "another first line")),
    };
    matrix.entries.sort_by_key(|(place, _)| *place);
    let mut last: Option<(usize, usize)> = None;
    let mut entries: Vec<((usize, usize), c64)> = Vec::with_capacity(matrix.entries.len());
    for (place, value) in matrix.entries {
        match entries.last_mut().filter(|_| last == Some(place)) {
            Some((_, sum)) => *sum += value,
            None => entries.push((place, value)),
        }
        last = Some(place);
    }
    if let Some(((i, j), v)) = entries.iter().find(|(_, v)| !(v.re.is_finite() && v.im.is_finite())) {
        let place = format!("row {}, column {}", i + 1, j + 1);
        return Err(Error::input("K004", path, place, v.to_string(), "a finite number", "mend the entry"));
    }
    Ok(MarketMatrix { entries, ..matrix })
}

fn not_market(path: &Path, found: &str) -> Error {
    let expected = "%%MatrixMarket matrix coordinate real general, or another of these formats";
    Error::input("K002", path, "line 1", found, expected, "write the matrix as MatrixMarket")
}

fn entries<T: MatrixMarketScalar>(
    path: &Path,
    text: &str,
    value: impl Fn(T) -> c64,
    complex: bool,
) -> Result<MarketMatrix> {
    let coo: CooMatrix<T> = load_coo_from_matrix_market_str(text).map_err(|e| {
        let found = e.message().split_whitespace().collect::<Vec<_>>().join(" ");
        Error::input("K003", path, "", found, "a whole MatrixMarket file", "copy or write the file again")
    })?;
    let (n_rows, n_columns) = (coo.nrows(), coo.ncols());
    let entries = coo.triplet_iter().map(|(i, j, v)| ((i, j), value(v.clone()))).collect();
    Ok(MarketMatrix { n_rows, n_columns, entries, complex })
}

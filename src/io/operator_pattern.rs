//! Where the numbers of an operator stand: CSR row starts and columns, in any order within a row.

use crate::error::Result;
use crate::io::hdf;
use crate::io::operators::layout;
use crate::linalg::terms::Pattern;
use hdf5::Dataset;
use std::path::Path;

/// The pattern, its rows ascending; and where the file holds each entry, if in another order.
pub(super) fn read_pattern(
    path: &Path,
    place: &str,
    indptr: &Dataset,
    indices: &Dataset,
) -> Result<(Pattern, Option<Vec<usize>>)> {
    let read = |data: &Dataset, key: &str| {
        let place = format!("{place}/{key}");
        if data.ndim() != 1 {
            let expected = "one row of numbers: one pattern for all parameters, with zeros where a value vanishes";
            return Err(layout(path, &place, format!("{:?}", data.shape()), expected));
        }
        let values = hdf::read_f64(path, data, &place)?;
        let number = |(k, v): (usize, f64)| {
            let whole = v >= 0.0 && v.fract() == 0.0;
            whole
                .then_some(v as usize)
                .ok_or_else(|| layout(path, &format!("{place}, entry {k}"), v.to_string(), "a number from 0 on"))
        };
        values.into_iter().enumerate().map(number).collect::<Result<Vec<usize>>>()
    };
    let (indptr, indices) = (read(indptr, "indptr")?, read(indices, "indices")?);
    let n = indptr.len().saturating_sub(1);
    let ascending = indptr.first() == Some(&0) && indptr.windows(2).all(|w| w[0] <= w[1]);
    if n == 0 || !ascending || indptr.last() != Some(&indices.len()) {
        let found =
            format!("{} row starts up to {:?}, {} indices", indptr.len(), indptr.last().unwrap_or(&0), indices.len());
        return Err(layout(
            path,
            &format!("{place}/indptr"),
            found,
            "row starts that ascend from 0 to the number of indices",
        ));
    }
    if let Some(k) = indices.iter().position(|j| *j >= n) {
        let found = format!("column {} in a matrix of {n} rows", indices[k]);
        return Err(layout(
            path,
            &format!("{place}/indices, entry {k}"),
            found,
            &format!("a square matrix: columns below {n}"),
        ));
    }
    let mut order: Vec<usize> = (0..indices.len()).collect();
    for rows in indptr.windows(2) {
        order[rows[0]..rows[1]].sort_unstable_by_key(|e| indices[*e]);
        if let Some(twice) = order[rows[0]..rows[1]].windows(2).find(|w| indices[w[0]] == indices[w[1]]) {
            return Err(layout(
                path,
                &format!("{place}/indices"),
                format!("column {} twice in a row", indices[twice[0]]),
                "each column once in a row",
            ));
        }
    }
    if order.is_sorted() {
        return Ok((Pattern::Sparse { indptr, indices }, None));
    }
    let indices = order.iter().map(|e| indices[*e]).collect();
    Ok((Pattern::Sparse { indptr, indices }, Some(order)))
}

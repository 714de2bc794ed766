//! A sparse inner product in a file: a CSR group with `data`, `indices` and `indptr`.

use crate::error::{Error, Result};
use crate::io::hdf;
use hdf5::Group;
use sprs::CsMat;
use std::path::Path;

/// Relative round-off that a matrix may have and still counts as symmetric.
const TOLERANCE: f64 = 1e-10;

/// Reads the matrix M [n, n] of (u, v) = uᵀMv; the columns of a row may be in any order.
///
/// Errors: K004 an entry that is not finite; K005 arrays that do not match; K016 not symmetric, or not positive definite
/// as far as the diagonal and all pairs of rows show: m_ii >= 0, m_ij² <= m_ii m_jj. Cost: one pass over the entries.
pub(crate) fn read_inner_product(path: &Path, group: &Group, place: &str) -> Result<CsMat<f64>> {
    let array = |name: &str| {
        let place = format!("{place}/{name}");
        match hdf::dataset(group, name) {
            Some(data) => hdf::read_f64(path, &data, &place),
            None => Err(hdf::wrong_shape(path, place, "no data set".into(), "data, indices, indptr".into())),
        }
    };
    let values = array("data")?;
    if let Some(k) = values.iter().position(|v| !v.is_finite()) {
        let place = format!("{place}/data, entry {k}");
        return Err(Error::input("K004", path, place, values[k].to_string(), "a finite number", "mend the matrix"));
    }
    let numbers = |name: &str| {
        array(name)?
            .into_iter()
            .enumerate()
            .map(|(k, v)| {
                let is_number = v >= 0.0 && v.fract() == 0.0;
                let wrong = || {
                    hdf::wrong_shape(
                        path,
                        format!("{place}/{name}, entry {k}"),
                        v.to_string(),
                        "a number from 0 on".into(),
                    )
                };
                is_number.then_some(v as usize).ok_or_else(wrong)
            })
            .collect::<Result<Vec<usize>>>()
    };
    let (indices, indptr) = (numbers("indices")?, numbers("indptr")?);
    let n = indptr.len().saturating_sub(1);
    let found = format!("{} values, {} indices, {} row starts", values.len(), indices.len(), indptr.len());
    let wrong = |what: &str| hdf::wrong_shape(path, place, found.clone(), format!("a square CSR matrix ({what})"));
    // sprs takes the row starts on trust.
    let ascending = indptr.first() == Some(&0) && indptr.windows(2).all(|w| w[0] <= w[1]);
    if !ascending || indptr.last() != Some(&values.len()) || indices.len() != values.len() {
        return Err(wrong("row starts ascend from 0 to the number of values"));
    }
    let matrix =
        CsMat::new_from_unsorted((n, n), indptr, indices, values).map_err(|(_, _, _, e)| wrong(&e.to_string()))?;
    check(path, place, &matrix)?;
    Ok(matrix)
}

fn check(path: &Path, place: &str, m: &CsMat<f64>) -> Result<()> {
    let diagonal: Vec<f64> = (0..m.rows()).map(|i| m.get(i, i).copied().unwrap_or(0.0)).collect();
    let refuse = |i: usize, j: usize, found: String, expected: &str| {
        let place = format!("{place}, row {i}, column {j}");
        let mend = "mend the matrix, or choose inner_product = \"l2\"";
        Err(Error::input("K016", path, place, found, expected, mend))
    };
    for (v, (i, j)) in m.iter() {
        let other = m.get(j, i).copied().unwrap_or(0.0);
        if (v - other).abs() > TOLERANCE * diagonal[i].abs().max(diagonal[j].abs()) {
            return refuse(i, j, format!("{v}, and {other} in row {j}, column {i}"), "a symmetric matrix");
        }
        if i == j && *v < 0.0 {
            return refuse(i, j, format!("{v} on the diagonal"), "a positive definite matrix");
        }
        let most = diagonal[i].max(0.0).sqrt() * diagonal[j].max(0.0).sqrt();
        if v.abs() > (1.0 + TOLERANCE) * most {
            let found = format!("{v} between {} and {} on the diagonal", diagonal[i], diagonal[j]);
            return refuse(i, j, found, "a positive definite matrix");
        }
    }
    Ok(())
}

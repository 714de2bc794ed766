//! What the selections of interpolation points share: the rule of nearly equal candidates, rows fetched, what is returned.

use crate::comm::agree;
use crate::error::{Error, Result};
use crate::linalg::dense;
use crate::linalg::scalar::Scalar;
use crate::linalg::tall::{Layout, TallMatrix};
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::ops::Range;

/// Of candidates that are this close to the best, relative to it, the first one is taken.
pub(super) const MARGIN: f64 = 1e-10;

/// Rows that were selected on a basis V.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectedPoints {
    /// Global numbers of the rows, in the order in which they were found.
    pub points: Vec<usize>,
    /// ||(PᵀV)⁺||₂, P the selected columns of the identity: the norm of the oblique projector V (PᵀV)⁺ Pᵀ where V is
    /// orthonormal, by which it is worse than the orthogonal one at most.
    pub projector_norm: f64,
}

/// Best score over all ranks and its row, the lowest one within the margin of it; `score` gets rows of this rank, counted
/// from the first owned one. Collective.
pub(super) fn first_of_largest(layout: &Layout, score: impl Fn(usize) -> f64) -> (f64, usize) {
    let n = layout.local_range().len();
    let most = (0..n).map(&score).fold(f64::NEG_INFINITY, f64::max);
    first_in_parts(layout, &[(0..n, most)], score)
}

/// [`first_of_largest`] where the largest scores of parts of the rows, in order, are known. Collective.
pub(super) fn first_in_parts(
    layout: &Layout,
    parts: &[(Range<usize>, f64)],
    score: impl Fn(usize) -> f64,
) -> (f64, usize) {
    let (start, comm) = (layout.local_range().start, layout.comm());
    let local = parts.iter().map(|(_, most)| *most).fold(f64::NEG_INFINITY, f64::max);
    let (largest, _) = comm.all_argmax(local, start);
    let threshold = largest - MARGIN * largest.abs();
    let mut candidates = parts.iter().filter(|(_, most)| *most >= threshold);
    let first = candidates.find_map(|(rows, _)| rows.clone().find(|i| score(*i) >= threshold));
    // The lowest row is the largest negated number.
    let (negated, _) = comm.all_argmax(first.map_or(f64::NEG_INFINITY, |i| -((start + i) as f64)), 0);
    (largest, if negated.is_finite() { -negated as usize } else { 0 })
}

/// `values` of the rank that owns the row (which gets its local number), on every rank. Collective.
pub(super) fn values_at<T: Scalar>(
    layout: &Layout,
    row: usize,
    n_values: usize,
    values: impl FnOnce(usize) -> Vec<T>,
) -> Vec<T> {
    let own = layout.local_range();
    let local = own.contains(&row).then(|| values(row - own.start + layout.owned().start));
    share_values(layout, local.unwrap_or_else(|| vec![T::default(); n_values]))
}

/// The sum over ranks, where one of them holds a number and the others zero. Collective.
pub(super) fn share_values<T: Scalar>(layout: &Layout, values: Vec<T>) -> Vec<T> {
    if layout.comm().size() == 1 {
        return values;
    }
    let mut packed: Vec<f64> = values.iter().flat_map(|v| [v.re(), v.im()]).collect();
    layout.comm().all_sum(&mut packed);
    packed.chunks_exact(2).map(|v| T::from_parts(v[0], v[1])).collect()
}

/// Rows of a tall matrix, on every rank: [n_points, n_columns]. Collective.
pub(super) fn rows_at(x: &TallMatrix, points: &[usize]) -> Mat<f64> {
    let (own, n) = (x.layout().local_range(), x.n_columns());
    let mut values = vec![0.0; points.len() * n];
    for (i, row) in points.iter().enumerate().filter(|(_, row)| own.contains(row)) {
        (0..n).for_each(|j| values[i * n + j] = x.owned()[(row - own.start, j)]);
    }
    let values = share_values(x.layout(), values);
    Mat::from_fn(points.len(), n, |i, j| values[i * n + j])
}

/// ||A⁺||₂ of rows of a basis: infinite where they do not tell its columns apart.
pub(super) fn inverse_norm(a: MatRef<'_, f64>) -> Result<f64> {
    let (_, sigma, _) = dense::thin_svd(a)?;
    Ok(match sigma.last() {
        Some(least) if a.nrows() >= a.ncols() && *least > f64::EPSILON * sigma[0] => 1.0 / least,
        _ => f64::INFINITY,
    })
}

/// With the norm of the projector. Collective.
pub(super) fn selected(basis: &TallMatrix, points: Vec<usize>) -> Result<SelectedPoints> {
    let projector_norm = inverse_norm(rows_at(basis, &points).as_ref())?;
    Ok(SelectedPoints { points, projector_norm })
}

/// A basis that points can be selected on, and their number. Collective.
pub(super) fn check_basis(basis: &TallMatrix, n_points: usize) -> Result<()> {
    let (m, n) = (basis.layout().n_rows(), basis.n_columns());
    if n == 0 || m < n {
        return Err(Error::argument("basis", format!("{m} x {n}"), "at least one column, and as many rows as columns"));
    }
    if n_points < n || n_points > m {
        return Err(Error::argument("number of points", n_points, format!("{n} columns to {m} rows")));
    }
    let bad = (0..n).into_par_iter().filter(|j| not_finite(basis.owned().subcols(*j, 1))).min();
    let local = bad.map_or(Ok(()), |j| {
        Err(Error::argument(format!("column {j} of the basis"), "a value that is not finite", "finite numbers"))
    });
    agree(basis.comm(), local)
}

fn not_finite(x: MatRef<'_, f64>) -> bool {
    // Magnitudes are ordered as their bits are, and what is not finite comes last.
    let magnitude = |x: &f64| x.to_bits() & !(1 << 63);
    let column = x.col(0);
    let most = match column.try_as_col_major() {
        Some(column) => column.as_slice().iter().map(magnitude).max(),
        None => column.iter().map(magnitude).max(),
    };
    !f64::from_bits(most.unwrap_or(0)).is_finite()
}

/// Columns that the others span, as far as round-off lets see.
pub(super) fn dependent(n_found: usize, n_columns: usize) -> Error {
    let found = format!("{n_found} independent ones of {n_columns}");
    Error::argument("columns of the basis", found, "columns that are independent")
}

//! Greedy points of GNAT: where the modes so far reproduce the next one worst.

use super::point_selection::{SelectedPoints, check_basis, dependent, first_of_largest, rows_at, selected};
use crate::error::Result;
use crate::linalg::dense;
use crate::linalg::householder::qr_r;
use crate::linalg::tall::TallMatrix;
use faer::{Mat, MatRef};
use std::collections::HashSet;

/// What is missed below this, relative to the mode, is round-off.
const ROUND_OFF: f64 = 64.0 * f64::EPSILON;

/// `n_points` points, shared out evenly over the modes: for each mode, the rows where its least-squares reconstruction
/// from the modes before it and the points so far misses most.
///
/// `basis` V [n_dofs, n_modes]; n_points from n_modes to n_dofs; the first n_points mod n_modes modes get one more. Of
/// misses within 1e-10 of the largest, the first row is taken. Errors: a number of points outside, columns that are not
/// finite or not independent at the points. Cost: n_dofs n_modes² operations; collective: two reductions per point, three per mode.
/// Reference: Carlberg, Farhat, Cortial, Amsallem, J. Comput. Phys. 242 (2013) 623, algorithm 3.
#[doc(alias = "GNAT")]
pub fn gnat_points(basis: &TallMatrix, n_points: usize) -> Result<SelectedPoints> {
    check_basis(basis, n_points)?;
    let (n, own) = (basis.n_columns(), basis.layout().owned().start);
    let start = basis.layout().local_range().start;
    let (mut points, mut taken) = (Vec::new(), HashSet::new());
    for j in 0..n {
        let mut combination = Mat::zeros(n, 1);
        combination[(j, 0)] = 1.0;
        let fit = least_squares(rows_at(basis, &points).as_ref(), j).ok_or_else(|| dependent(j, n))?;
        (0..j).for_each(|m| combination[(m, 0)] = -fit[m]);
        let residual = basis.mul_small(combination.as_ref()).into_local();
        let residual = &residual.col_as_slice(0)[own..];
        let (missed, _) = first_of_largest(basis.layout(), |i| residual[i].abs());
        let (whole, _) = basis.argmax_abs(j);
        if missed <= ROUND_OFF * whole.abs() {
            return Err(dependent(j, n));
        }
        for _ in 0..n_points / n + usize::from(j < n_points % n) {
            let score = |i: usize| if taken.contains(&(start + i)) { f64::NEG_INFINITY } else { residual[i].abs() };
            let (_, point) = first_of_largest(basis.layout(), score);
            taken.insert(point);
            points.push(point);
        }
    }
    selected(basis, points)
}

/// Coefficients of column j in the columns before it; `None` where these are dependent to round-off.
fn least_squares(rows: MatRef<'_, f64>, j: usize) -> Option<Vec<f64>> {
    let r = qr_r(rows.subcols(0, j + 1).to_owned());
    let largest = (0..j).map(|m| r[(m, m)].abs()).fold(0.0, f64::max);
    if (0..j).any(|m| r[(m, m)].abs() <= f64::EPSILON * largest) {
        return None;
    }
    let mut x = Mat::from_fn(j, 1, |m, _| r[(m, j)]);
    dense::solve_upper(r.submatrix(0, 0, j, j), x.as_mut());
    Some(x.col_as_slice(0).to_vec())
}

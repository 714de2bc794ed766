//! GappyPOD+E: more points than modes, each one chosen to lift the smallest singular value.

use super::point_selection::{SelectedPoints, check_basis, first_of_largest, rows_at, selected};
use super::q_deim::pivots;
use crate::error::Result;
use crate::linalg::dense;
use crate::linalg::tall::TallMatrix;
use std::collections::HashSet;

/// `n_points` points: those of [`q_deim`](super::q_deim::q_deim), then one after the other the row v with the largest
///
/// ```text
/// g + |v|² - sqrt((g + |v|²)² - 4 g (v, w)²),   g = sigma²_(k-1) - sigma²_k
/// ```
///
/// twice the least by which it lifts the smallest eigenvalue sigma²_k of (PᵀV)ᵀ PᵀV, whose vector is w. `basis` V [n_dofs,
/// n_modes], orthonormal; n_points from n_modes to n_dofs. Of scores within 1e-10 of the largest, the first row is taken.
/// Errors: as of Q-DEIM, and a number of points outside. Cost: that of Q-DEIM and 2 n_dofs n_modes operations per point;
/// collective: three reductions per point.
/// Reference: Peherstorfer, Drmač, Gugercin, SIAM J. Sci. Comput. 42 (2020) A2837.
#[doc(alias = "ODEIM")]
pub fn gappy_pod_e(basis: &TallMatrix, n_points: usize) -> Result<SelectedPoints> {
    check_basis(basis, n_points)?;
    let mut points = pivots(basis)?;
    let mut taken: HashSet<usize> = points.iter().copied().collect();
    let (start, v) = (basis.layout().local_range().start, basis.owned());
    let mut squares = vec![0.0; v.nrows()];
    v.col_iter().for_each(|column| squares.iter_mut().zip(column.iter()).for_each(|(s, x)| *s += x * x));
    let own = basis.layout().owned().start;
    while points.len() < n_points {
        let (_, sigma, w) = dense::thin_svd(rows_at(basis, &points).as_ref())?;
        let least = w.ncols() - 1;
        let products = basis.mul_small(w.as_ref().subcols(least, 1)).into_local();
        let products = &products.col_as_slice(0)[own..];
        let gap = if least == 0 { f64::INFINITY } else { sigma[least - 1].powi(2) - sigma[least].powi(2) };
        let score = |i: usize| {
            let square = products[i] * products[i];
            match gap.is_finite() && gap > f64::EPSILON * sigma[0] * sigma[0] {
                _ if taken.contains(&(start + i)) => f64::NEG_INFINITY,
                // a - sqrt(a² - b) without its cancellation.
                true => {
                    let (a, b) = (gap + squares[i], 4.0 * gap * square);
                    if b == 0.0 { 0.0 } else { b / (a + (a * a - b).max(0.0).sqrt()) }
                }
                // One mode, or two that are equally bad: what there is in the direction of one of them.
                false => square,
            }
        };
        let (_, point) = first_of_largest(basis.layout(), score);
        taken.insert(point);
        points.push(point);
    }
    selected(basis, points)
}

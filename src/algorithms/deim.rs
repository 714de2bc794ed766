//! Discrete empirical interpolation of a basis.

use super::point_selection::{SelectedPoints, check_basis, dependent, first_in_parts, selected, values_at};
use crate::error::Result;
use crate::linalg::dense;
use crate::linalg::multiples::{Job, Measure, pieces, subtract_multiples};
use crate::linalg::tall::TallMatrix;
use faer::Mat;
use rayon::prelude::*;
use std::ops::Range;

/// Columns that are worked on before the rest of the matrix is read again.
const PANEL: usize = 8;
/// Pivots below this, relative to the first, are round-off.
const ROUND_OFF: f64 = 10.0 * f64::EPSILON;

/// As many points as columns: x_j = argmax |v_j - its interpolant of v_1, …, v_(j-1) at x_1, …, x_(j-1)|.
///
/// The rows of LU with partial pivoting of V, which it is. `basis` V [n_dofs, n_modes]. Of entries within 1e-10 of the
/// largest, the first row is taken. Errors: more columns than rows, columns that are not finite or not independent.
/// Cost: n_dofs n_modes² operations, by panels of 8 columns; collective: three reductions per column.
/// Reference: Chaturantabut, Sorensen, SIAM J. Sci. Comput. 32 (2010) 2737; Sorensen, Embree, SISC 38 (2016) A1454.
#[doc(alias = "discrete_empirical_interpolation")]
pub fn deim(basis: &TallMatrix) -> Result<SelectedPoints> {
    check_basis(basis, basis.n_columns())?;
    let (layout, n) = (basis.layout(), basis.n_columns());
    let (pieces, own) = (pieces(layout), layout.owned());
    let mut w = basis.local().to_owned();
    let mut lower: Vec<Vec<f64>> = Vec::new();
    // Row l: V at point l.
    let mut rows: Vec<Vec<f64>> = Vec::new();
    let (mut points, mut first) = (Vec::new(), 0.0);
    for start in (0..n).step_by(PANEL) {
        let panel = start..(start + PANEL).min(n);
        let factors = |j: usize| forward(&lower, rows.iter().map(|row| row[j]).collect());
        let known: Vec<Vec<f64>> = panel.clone().map(factors).collect();
        let known = Mat::from_fn(start, panel.len(), |m, j| known[j][m]);
        let (left, right) = w.as_mut().split_at_col_mut(start);
        let (left, right) = (left.as_ref(), right.subcols_mut(0, panel.len()));
        if start > 0 && right.nrows() > 0 {
            let size = layout.block_rows();
            right.par_row_chunks_mut(size).enumerate().for_each(|(i, block)| {
                let rows = left.subrows(i * size, block.nrows());
                dense::gemm(block, true, rows, known.as_ref(), -1.0);
            });
        }
        for j in panel {
            let factors = forward(&lower, rows.iter().map(|row| row[j]).collect());
            let (left, mut right) = w.as_mut().split_at_col_mut(j);
            let left = left.as_ref();
            let vectors: Vec<&[f64]> =
                (0..j).filter_map(|m| left.col(m).try_as_col_major().map(|q| q.as_slice())).collect();
            let mut most = Vec::new();
            if let Some(x) = right.as_mut().col_mut(0).try_as_col_major_mut() {
                let job = Job { x: x.as_slice_mut(), first: start, factors: &factors[start..] };
                most = subtract_multiples(&pieces, &vectors, vec![job], Measure::Largest(None));
            }
            let parts = pieces.iter().zip(most).filter(|(rows, _)| own.contains(&rows.start));
            let parts: Vec<(Range<usize>, f64)> =
                parts.map(|(rows, most)| (rows.start - own.start..rows.end - own.start, most[0])).collect();
            let column = w.col_as_slice(j);
            let (size, point) = first_in_parts(layout, &parts, |i| column[i + own.start].abs());
            if j == 0 {
                first = size;
            }
            if size <= ROUND_OFF * first {
                return Err(dependent(j, n));
            }
            let of_row = |i: usize| (0..n).map(|m| basis.local()[(i, m)]).chain((0..=j).map(|m| w[(i, m)])).collect();
            let mut row = values_at(layout, point, n + j + 1, of_row);
            let mut basis_row = row.split_off(n);
            let pivot = basis_row[j];
            basis_row[j] = 1.0;
            w.col_as_slice_mut(j).iter_mut().for_each(|x| *x /= pivot);
            points.push(point);
            rows.push(row);
            lower.push(basis_row);
        }
    }
    selected(basis, points)
}

/// B⁻¹ values, by the rows of a unit lower triangular B.
fn forward(lower: &[Vec<f64>], mut values: Vec<f64>) -> Vec<f64> {
    for l in 0..values.len() {
        values[l] = (0..l).fold(values[l], |left, m| left - lower[l][m] * values[m]);
    }
    values
}

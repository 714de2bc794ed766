//! S-OPT: points whose rows of the basis are nearly orthogonal columns with a large determinant.

use super::point_selection::{SelectedPoints, check_basis, dependent, first_of_largest, rows_at, selected};
use crate::error::Result;
use crate::linalg::dense;
use crate::linalg::householder::qr_r;
use crate::linalg::tall::TallMatrix;
use faer::{Mat, MatRef};
use rayon::prelude::*;
use std::collections::HashSet;

/// Rows that are scored together.
const CHUNK: usize = 1024;
/// What a factor is at least, so that products of four do not become zero.
const LEAST: f64 = 1e-70;

/// Angles below this are round-off.
const ROUND_OFF: f64 = 64.0 * f64::EPSILON;

/// `n_points` points, one after the other, each with the largest
///
/// ```text
/// S(A) = (sqrt(det AᵀA) / Π_j |a_j|)^(1/k),   A = PᵀV
/// ```
///
/// of the first k = 1, 2, … columns as long as there are fewer points than modes, then of all. `basis` V [n_dofs, n_modes];
/// n_points from n_modes to n_dofs. Of scores within 1e-10 of the largest, the first row is taken. A row v multiplies det
/// AᵀA by 1 + |A⁺ᵀv|², and with one more column by the square of what the interpolation of that misses. Errors: a number of
/// points outside, columns that are not finite or not independent. Cost: n_dofs n_modes² operations per point;
/// collective: four reductions per point.
/// Reference: Shin, Xiu, SIAM J. Sci. Comput. 38 (2016) A385; Lauzon, Cheung, Shin, Choi, Copeland, Huynh, SIAM J. Sci.
/// Comput. 46 (2024) B474.
#[doc(alias = "SOPT")]
pub fn s_opt(basis: &TallMatrix, n_points: usize) -> Result<SelectedPoints> {
    check_basis(basis, n_points)?;
    let (n, v) = (basis.n_columns(), basis.owned());
    let start = basis.layout().local_range().start;
    let (mut points, mut taken) = (Vec::<usize>::new(), HashSet::new());
    for step in 0..n_points {
        let a = rows_at(basis, &points);
        let scores = if step == 0 {
            // Every single row has S = 1: the one with the largest entry.
            v.col(0).iter().map(|x| x.abs().ln()).collect()
        } else if step < n {
            let map = bordered(a.as_ref(), step).ok_or_else(|| dependent(step, n))?;
            scores(v.subcols(0, step + 1), map.as_ref(), a.as_ref(), false)
        } else {
            let r = qr_r(a.clone());
            let mut inverse = Mat::identity(n, n);
            dense::solve_upper(r.as_ref(), inverse.as_mut());
            scores(v, inverse.as_ref(), a.as_ref(), true)
        };
        let score = |i: usize| if taken.contains(&(start + i)) { f64::NEG_INFINITY } else { scores[i] };
        let own = (0..scores.len()).map(score).fold(f64::NEG_INFINITY, f64::max);
        let (best, _) = basis.comm().all_argmax(own, start);
        // Squared sine of the angle between the new column and the others at the points.
        let known: f64 = (0..step.min(n)).map(|j| a.col(j).squared_norm_l2().max(LEAST).ln()).sum();
        if best == f64::NEG_INFINITY || (step < n && step > 0 && best + known <= 2.0 * ROUND_OFF.ln()) {
            return Err(dependent(step, n));
        }
        let (_, point) = first_of_largest(basis.layout(), |i| (score(i) - best).exp());
        taken.insert(point);
        points.push(point);
    }
    selected(basis, points)
}

/// The combination of the first k + 1 columns that is zero at k points, the last with the factor 1.
fn bordered(rows: MatRef<'_, f64>, k: usize) -> Option<Mat<f64>> {
    let r = qr_r(rows.subcols(0, k + 1).to_owned());
    let mut x = Mat::from_fn(k + 1, 1, |m, _| if m < k { -r[(m, k)] } else { 1.0 });
    dense::solve_upper(r.submatrix(0, 0, k, k), x.as_mut().subrows_mut(0, k));
    x.col_as_slice(0).iter().all(|x| x.is_finite()).then_some(x)
}

/// Logarithm of the factor of det AᵀA over those of the squares of the columns, of each row.
fn scores(v: MatRef<'_, f64>, map: MatRef<'_, f64>, a: MatRef<'_, f64>, one: bool) -> Vec<f64> {
    let n = v.ncols();
    let squares: Vec<f64> = (0..n).map(|j| a.col(j).iter().map(|x| x * x).sum()).collect();
    let chunk = |c: usize| {
        let rows = v.subrows(c * CHUNK, CHUNK.min(v.nrows() - c * CHUNK));
        let mapped = dense::mul(rows, map);
        let mut growth = vec![f64::from(u8::from(one)); rows.nrows()];
        let mut logarithms = vec![0.0; rows.nrows()];
        for j in 0..mapped.ncols() {
            growth.iter_mut().zip(mapped.col_as_slice(j)).for_each(|(g, y)| *g += y * y);
        }
        for columns in (0..n).collect::<Vec<_>>().chunks(4) {
            let mut products = vec![1.0; rows.nrows()];
            for j in columns {
                let grown = |(p, x): (&mut f64, &f64)| *p *= (squares[*j] + x * x).max(LEAST);
                products.iter_mut().zip(rows.col(*j).iter()).for_each(grown);
            }
            logarithms.iter_mut().zip(products).for_each(|(l, p)| *l += p.ln());
        }
        growth.iter().zip(logarithms).map(|(g, l)| g.ln() - l).collect::<Vec<f64>>()
    };
    let parts: Vec<Vec<f64>> = (0..v.nrows().div_ceil(CHUNK)).into_par_iter().map(chunk).collect();
    parts.concat()
}

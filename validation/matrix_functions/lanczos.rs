//! log det by stochastic Lanczos quadrature: a kernel matrix beside Cholesky, and a sparse matrix that no dense method holds.

use super::kernel::{NOISE, Points};
use crate::table::{Bound, Table};
use kolmo::Result;
use kolmo::algorithms::stochastic_log_det::{LogDetEstimate, Options, stochastic_log_det};
use kolmo::linalg::terms::Pattern;
use std::time::Instant;

const LENGTH: f64 = 0.3;
const N_POINTS: usize = 4000;
/// Points along a side of the grid.
const SIDE: usize = 300;

pub fn run(table: &mut Table) -> Result<()> {
    kernel(table)?;
    grid(table)
}

fn kernel(table: &mut Table) -> Result<()> {
    let points = Points::new(N_POINTS, 2);
    let start = Instant::now();
    let truth = points.terms_of_likelihood(LENGTH)?[0];
    let exact_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let k = points.matrix(LENGTH);
    let entries: Vec<f64> = k.col_iter().flat_map(|c| c.iter().copied()).collect();
    drop(k);
    let pattern = Pattern::Dense { n_rows: N_POINTS };
    // The noise is a lower bound of the spectrum: kernels are positive semidefinite.
    let options =
        Options { n_probes: 32, n_steps: 80, batch: 16, least_eigenvalue: Some(0.999 * NOISE), ..Options::default() };
    let found = stochastic_log_det(N_POINTS, &|x, y| pattern.apply(&entries, x, y), &options)?;
    let seconds = start.elapsed().as_secs_f64();
    let error = (found.value - truth).abs();
    let mut row = |what: &str, found: f64, bound: Bound| {
        table.row(format!("Lanczos, kernel of 4000 points: {what}"), found, bound)
    };
    row("log det by Cholesky", truth, Bound::Shown);
    row("error", error, Bound::Shown);
    accuracy(&mut row, &found, error);
    row("relative error", error / truth.abs(), Bound::AtMost(0.01));
    row("seconds", seconds, Bound::Shown);
    row("seconds of Cholesky", exact_seconds, Bound::Shown);
    Ok(())
}

/// Five-point Laplacian plus 0.1 on a grid, the eigenvalues of which are known.
fn grid(table: &mut Table) -> Result<()> {
    let (n, shift) = (SIDE * SIDE, 0.1);
    let eigenvalue = |i: usize| 2.0 - 2.0 * (std::f64::consts::PI * i as f64 / (SIDE + 1) as f64).cos();
    let pairs = (1..=SIDE).flat_map(|i| (1..=SIDE).map(move |j| (i, j)));
    let truth: f64 = pairs.map(|(i, j)| (shift + eigenvalue(i) + eigenvalue(j)).ln()).sum();
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for i in 0..n {
        let (row, column) = (i / SIDE, i % SIDE);
        let neighbours = [(row > 0, i.wrapping_sub(SIDE)), (column > 0, i.wrapping_sub(1)), (true, i)];
        let after = [(column + 1 < SIDE, i + 1), (row + 1 < SIDE, i + SIDE)];
        for (_, j) in neighbours.into_iter().chain(after).filter(|(there, _)| *there) {
            indices.push(j);
            values.push(if i == j { 4.0 + shift } else { -1.0 });
        }
        indptr.push(indices.len());
    }
    let pattern = Pattern::Sparse { indptr, indices };
    let options = Options { n_probes: 16, n_steps: 40, batch: 4, least_eigenvalue: Some(shift), ..Options::default() };
    let start = Instant::now();
    let found = stochastic_log_det(n, &|x, y| pattern.apply(&values, x, y), &options)?;
    let seconds = start.elapsed().as_secs_f64();
    let error = (found.value - truth).abs();
    let mut row = |what: &str, found: f64, bound: Bound| {
        table.row(format!("Lanczos, grid of 90000 points: {what}"), found, bound)
    };
    row("log det, known", truth, Bound::Shown);
    row("relative error", error / truth, Bound::AtMost(1e-3));
    accuracy(&mut row, &found, error);
    row("seconds", seconds, Bound::Shown);
    Ok(())
}

/// What the estimate says of itself, beside its error.
fn accuracy(row: &mut dyn FnMut(&str, f64, Bound), found: &LogDetEstimate, error: f64) {
    let quadrature = found.quadrature_error.unwrap_or(f64::NAN);
    row("standard error", found.standard_error, Bound::Shown);
    row("error of the quadrature, bound", quadrature, Bound::Shown);
    let share = error / (3.0 * found.standard_error + quadrature);
    row("error / (3 standard errors + that of the quadrature)", share, Bound::AtMost(1.0));
}

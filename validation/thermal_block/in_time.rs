//! The thermal block heated from rest.

use super::blocks::Blocks;
use super::{SIDE, conductivities};
use crate::plot::{Curve, plot};
use crate::scores::{largest, least};
use crate::table::{Bound, Table};
use faer::Mat;
use kolmo::Result;
use kolmo::algorithms::greedy::GreedyOptions;
use kolmo::linalg::orthonormal::norms;
use kolmo::linalg::small::norm;
use kolmo::linalg::sparse_cholesky::SparseCholesky;
use kolmo::offline::reduced_basis::Coefficients;
use kolmo::offline::reduced_basis_time::{TimeOptions, TimeProblem, reduced_basis_time};
use kolmo::online::reduced_basis_time::{ReducedBasisTime, TimeGrid};
use std::f64::consts::PI;

const N_SQUARES: usize = 30;
const N_MODES: usize = 30;

fn problem<'a>(
    blocks: &'a Blocks,
    grid: TimeGrid,
    initial: Vec<f64>,
    load: impl Fn(f64) -> f64,
) -> TimeProblem<'a, f64> {
    let load = grid.times().into_iter().map(load).collect();
    TimeProblem { space: blocks.problem(), mass: blocks.mass.clone(), initial, load, grid }
}

pub fn run(table: &mut Table) -> Result<()> {
    for (name, implicitness, order) in [("implicit Euler", 1.0, 1.0), ("Crank-Nicolson", 0.5, 2.0)] {
        table.row(
            format!("time: order, {name}"),
            order_in_time(implicitness)?,
            Bound::Between(order - 0.05, order + 0.05),
        );
    }
    pod_greedy(table)
}

/// u_0 = first eigenvector, no load: the exact solution of the semi-discrete problem is exp(-lambda t) u_0.
fn order_in_time(implicitness: f64) -> Result<f64> {
    let blocks = Blocks::new(N_SQUARES, SIDE);
    let one = Coefficients { theta: Mat::full(SIDE * SIDE, 1, 1.0), gamma: Mat::full(1, 1, 1.0) };
    let (lambda, u0) = first_eigenvector(&blocks)?;
    let t_end = 0.1;
    let mut errors = Vec::new();
    for n_steps in [40, 80, 160] {
        let grid = TimeGrid { step: t_end / f64::from(n_steps), n_steps: n_steps as usize, implicitness };
        let problem = problem(&blocks, grid, u0.clone(), |_| 0.0);
        let greedy = GreedyOptions { tolerance: 1e-8, ..GreedyOptions::default() };
        let (model, _) = reduced_basis_time(&problem, &one, &TimeOptions { greedy, ..TimeOptions::default() })?;
        let mut workspace = model.workspace(&grid);
        let n = model.model().n_modes();
        let y = model.solve(&[1.0; SIDE * SIDE], &[1.0], &problem.load, &grid, n, &mut workspace)?;
        let u = model.model().reconstruct(y.subcols(grid.n_steps, 1))?;
        let exact = (-lambda * t_end).exp();
        let difference: Vec<f64> = (0..u0.len()).map(|i| u[(i, 0)] - exact * u0[i]).collect();
        errors.push(norm(&difference) / (exact * norm(&u0)));
    }
    Ok((errors[1] / errors[2]).log2())
}

/// Least lambda with A u = lambda M u for mu = 1, by inverse iteration.
fn first_eigenvector(blocks: &Blocks) -> Result<(f64, Vec<f64>)> {
    let (a, m) = (blocks.energy(), blocks.matrix(&blocks.mass));
    let factor = SparseCholesky::new(&a)?;
    let times = |matrix: &sprs::CsMat<f64>, u: &Mat<f64>| {
        let row = |i: usize| matrix.outer_view(i).map_or(0.0, |row| row.iter().map(|(j, v)| v * u[(j, 0)]).sum());
        Mat::from_fn(u.nrows(), 1, |i, _| row(i))
    };
    let mut u = Mat::full(blocks.n_dofs(), 1, 1.0);
    for _ in 0..60 {
        u = factor.solve(times(&m, &u).as_ref())?;
        let size = u.norm_l2();
        u = Mat::from_fn(u.nrows(), 1, |i, _| u[(i, 0)] / size);
    }
    let quotient = (u.transpose() * times(&a, &u))[(0, 0)] / (u.transpose() * times(&m, &u))[(0, 0)];
    Ok((quotient, u.col(0).iter().copied().collect()))
}

/// Heated from rest by a load that swings: errors, bounds and their ratio on points that were not in training.
fn pod_greedy(table: &mut Table) -> Result<()> {
    let blocks = Blocks::new(N_SQUARES, SIDE);
    let grid = TimeGrid { step: 0.01, n_steps: 100, implicitness: 1.0 };
    let problem = problem(&blocks, grid, vec![0.0; blocks.n_dofs()], |t| 1.0 + (4.0 * PI * t).sin());
    let greedy = GreedyOptions { tolerance: 0.0, max_size: N_MODES, patience: N_MODES };
    let options = TimeOptions { greedy, ..TimeOptions::default() };
    let (model, found) = reduced_basis_time(&problem, &conductivities(60, 1), &options)?;
    let test = conductivities(10, 2);
    let full = (0..test.n_points())
        .map(|i| {
            let (theta, gamma) = test.at(i);
            problem.trajectory(&theta, &gamma)
        })
        .collect::<Result<Vec<_>>>()?;
    let mut curves = (Vec::new(), Vec::new());
    let mut effectivities = Vec::new();
    for n in [2, 5, 10, 15, 20, 25, N_MODES] {
        let scores = (0..test.n_points())
            .map(|i| score(&problem, &model, &test.at(i), &full[i], n))
            .collect::<Result<Vec<(f64, f64)>>>()?;
        let of = |of: fn(&(f64, f64)) -> f64| scores.iter().map(of).collect::<Vec<f64>>();
        curves.0.push((n as f64, largest(&of(|s| s.0))));
        curves.1.push((n as f64, largest(&of(|s| s.1))));
        effectivities.extend(of(|s| s.1 / s.0));
    }
    let n_modes = model.model().n_modes() as f64;
    table.row("time: modes of the POD-greedy algorithm", n_modes, Bound::Between(n_modes.min(30.0), 30.0));
    table.row("time: largest indicator in training", found.largest[found.largest.len() - 1], Bound::Shown);
    table.row("time: largest error, 10 modes", curves.0[2].1, Bound::Shown);
    table.row("time: largest error, 30 modes", curves.0[6].1, Bound::Shown);
    table.row("time: bound / error, least", least(&effectivities), Bound::AtLeast(1.0));
    table.row("time: bound / error, largest", largest(&effectivities), Bound::AtMost(10.0));
    let curves = [
        Curve { name: "error, largest of 10 points".into(), points: curves.0 },
        Curve { name: "bound, largest of 10 points".into(), points: curves.1 },
    ];
    plot("thermal_block_time", "modes", "relative to u in L2(0, T; X)", &curves)
}

/// Error and bound in L2(0, T; X), relative to u. From the same state, ||e|| <= ||r|| / least conductivity.
fn score(
    problem: &TimeProblem<'_, f64>,
    model: &ReducedBasisTime<f64>,
    (theta, gamma): &(Vec<f64>, Vec<f64>),
    full: &Mat<f64>,
    n: usize,
) -> Result<(f64, f64)> {
    let grid = &problem.grid;
    let mut workspace = model.workspace(grid);
    let (y, indicator) = model.solve_with_indicator(theta, gamma, &problem.load, grid, n, &mut workspace)?;
    let u = model.model().reconstruct(y)?;
    let x = &problem.space.inner_product;
    let whole = norm(&norms(x, full.as_ref()));
    let error = norm(&norms(x, (full - u).as_ref())) / whole;
    // The indicator is relative to the load over time; the state starts at rest.
    let Some(residual) = model.model().residual() else { return Ok((error, f64::NAN)) };
    let mut memory = vec![0.0; residual.n_rows()];
    let f = residual.norm(&vec![0.0; theta.len() + 1], gamma, &[], &mut memory)?.rhs_norm;
    let loads = norm(&problem.load[1..]) * f;
    Ok((error, indicator * loads / least(theta) / whole))
}

//! Rigorous bounds on the thermal block: solutions, outputs, trajectories.
//!
//! X is the matrix of mu = 1 and all terms are positive semidefinite: the least conductivity is a lower bound of the coercivity.

use super::blocks::Blocks;
use crate::plot::{Curve, plot};
use crate::scores::{largest, least, median};
use crate::table::{Bound, Table};
use faer::Mat;
use kolmo::Result;
use kolmo::algorithms::greedy::GreedyOptions;
use kolmo::algorithms::pod::Truncation;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::norms;
use kolmo::linalg::sparse_cholesky::SparseCholesky;
use kolmo::linalg::terms::{AdjointTerms, Terms};
use kolmo::offline::direct_solver::DirectSolver;
use kolmo::offline::reduced_basis::{Coefficients, Options, reduced_basis};
use kolmo::offline::reduced_basis_dual::{dual_problem, output_correction};
use kolmo::offline::reduced_basis_greedy::reduced_basis_greedy_bounded;
use kolmo::offline::reduced_basis_time::{TimeOptions, TimeProblem, reduced_basis_time};
use kolmo::online::reduced_basis_bound::{energy_bound, output_bound, solution_bound};
use kolmo::online::reduced_basis_time::TimeGrid;
use rand::{Rng, SeedableRng, rngs::StdRng};

const N_RANDOM: usize = 1000;
const N_OUTPUTS: usize = 200;
const N_TRAJECTORIES: usize = 200;

pub fn run(table: &mut Table) -> Result<()> {
    for (side, n_squares, n_modes) in [(2, 56, 27), (3, 24, 60)] {
        solutions(table, side, n_squares, n_modes)?;
    }
    outputs(table)?;
    trajectories(table)
}

fn conductivities(n_blocks: usize, m: usize, seed: u64) -> Coefficients<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    Coefficients { theta: Mat::from_fn(n_blocks, m, |_, _| rng.random_range(0.1..1.0)), gamma: Mat::full(1, m, 1.0) }
}

fn constants(points: &Coefficients<f64>) -> Vec<f64> {
    (0..points.n_points()).map(|i| least(&points.at(i).0)).collect()
}

/// Bounds over errors that are no bounds.
fn violations(ratios: &[f64]) -> f64 {
    ratios.iter().filter(|r| r.is_nan() || **r < 1.0).count() as f64
}

fn energy_norm(blocks: &Blocks, theta: &[f64], e: &Mat<f64>) -> Result<f64> {
    Ok(norms(&InnerProduct::Sparse(blocks.matrix(&blocks.terms.combine(theta)?)), e.as_ref())[0])
}

/// A greedy basis by the bound, and the bound at random parameters for few to all modes.
fn solutions(table: &mut Table, side: usize, n_squares: usize, n_modes: usize) -> Result<()> {
    let blocks = Blocks::new(n_squares, side);
    let problem = blocks.problem();
    let solver = DirectSolver::new(&problem)?;
    let training = conductivities(side * side, 256, 1);
    let choice = GreedyOptions { tolerance: 0.0, max_size: n_modes, patience: n_modes };
    let solve = |theta: &[f64], gamma: &[f64]| solver.solve(theta, gamma);
    let options = Options::default();
    let (model, found) =
        reduced_basis_greedy_bounded(&problem, &training, &constants(&training), &solve, &options, &choice)?;
    let name = |what: &str| format!("{side} x {side}: {what}");
    table.row(name("modes"), model.n_modes() as f64, Bound::Between(n_modes as f64, n_modes as f64));
    table.row(name("largest bound in training"), found.largest[found.largest.len() - 1], Bound::Shown);
    let test = conductivities(side * side, N_RANDOM, 2);
    let truth = solver.solve_all(&test)?;
    let sizes = norms(&problem.inner_product, truth.as_ref());
    let (mut ratios, mut of_energy, mut relative) = (Vec::new(), Vec::new(), Vec::new());
    let (mut curves, mut workspace) = ([Vec::new(), Vec::new()], model.workspace());
    for n in [n_modes / 4, n_modes / 2, 3 * n_modes / 4, n_modes] {
        let mut worst = [0.0_f64; 2];
        for i in 0..N_RANDOM {
            let (theta, gamma) = test.at(i);
            let (y, residual) = model.solve_with_residual(&theta, &gamma, n, &mut workspace)?;
            let size = kolmo::linalg::small::norm(y);
            let u = model.reconstruct(Mat::from_fn(n, 1, |k, _| y[k]).as_ref())?;
            let e = Mat::from_fn(u.nrows(), 1, |k, _| truth[(k, i)] - u[(k, 0)]);
            let (bound, error) =
                (solution_bound(&residual, least(&theta))?, norms(&problem.inner_product, e.as_ref())[0]);
            ratios.push(bound.total() / error);
            of_energy.push(energy_bound(&residual, least(&theta))?.total() / energy_norm(&blocks, &theta, &e)?);
            relative.push(bound.relative(size).map_or(f64::INFINITY, |b| b * sizes[i] / error));
            worst = [worst[0].max(error / sizes[i]), worst[1].max(bound.total() / sizes[i])];
        }
        (0..2).for_each(|k| curves[k].push((n as f64, worst[k])));
    }
    table.row(name("bounds below the error, of 4,000"), violations(&ratios), Bound::AtMost(0.0));
    table.row(name("bound / error, median"), median(&ratios), Bound::AtMost(10.0));
    table.row(name("bound / error, largest"), largest(&ratios), Bound::Shown);
    table.row(name("energy: bounds below the error, of 4,000"), violations(&of_energy), Bound::AtMost(0.0));
    table.row(name("energy: bound / error, median"), median(&of_energy), Bound::AtMost(10.0));
    table.row(name("relative: bounds below the error, of 4,000"), violations(&relative), Bound::AtMost(0.0));
    table.row(name("largest error, all modes"), curves[0][3].1, Bound::Shown);
    let [errors, bounds] = curves;
    let curves = [
        Curve { name: format!("error, largest of {N_RANDOM} points"), points: errors },
        Curve { name: format!("bound, largest of {N_RANDOM} points"), points: bounds },
    ];
    plot(&format!("thermal_block_certified_{side}"), "modes", "relative to u in the norm of X", &curves)
}

/// The mean of u over block 0 by a primal and a dual basis.
fn outputs(table: &mut Table) -> Result<()> {
    let blocks = Blocks::new(30, 3);
    let problem = blocks.problem();
    let solver = DirectSolver::new(&problem)?;
    let training = conductivities(9, 100, 3);
    let options = Options { truncation: Truncation::Modes(30), ..Options::default() };
    let primal = reduced_basis(&problem, solver.solve_all(&training)?.as_ref(), Some(&training), &options)?;
    let adjoint = AdjointTerms::new(&blocks.terms);
    let dual = dual_problem(&problem, &adjoint, 1)?;
    let solutions = (0..100).map(|i| solver.solve_adjoint(&training.at(i).0, 1, &[1.0])).collect::<Result<Vec<_>>>()?;
    let solutions = Mat::from_fn(blocks.n_dofs(), 100, |i, j| solutions[j][i]);
    let of_dual = reduced_basis(&dual, solutions.as_ref(), Some(&training), &options)?;
    let correction = output_correction(&problem, &primal, 1, of_dual)?;
    let (mut first, mut second) = (primal.workspace(), correction.workspace());
    let mut of_dual = correction.dual().workspace();
    let test = conductivities(9, N_OUTPUTS, 4);
    let truth = solver.solve_all(&test)?;
    let mut ratios = Vec::new();
    for n in [5, 15, 30] {
        for i in 0..N_OUTPUTS {
            let (theta, gamma) = test.at(i);
            let exact: f64 = (0..blocks.n_dofs()).map(|k| blocks.corner[k] * truth[(k, i)]).sum();
            let (y, of_primal) = primal.solve_with_residual(&theta, &gamma, n, &mut first)?;
            let found = correction.evaluate(&primal, &theta, &gamma, &[1.0], y, n, &mut second)?;
            let (_, residual) = correction.dual().solve_with_residual(&theta, &[1.0], n, &mut of_dual)?;
            let bound = output_bound(&of_primal, &residual, least(&theta))?;
            // The reference is a sum, right to round-off.
            ratios.push(bound.total() / ((found.value - exact).abs() - 1e-14 * exact.abs()).max(f64::MIN_POSITIVE));
        }
    }
    table.row("outputs: bounds below the error, of 600", violations(&ratios), Bound::AtMost(0.0));
    table.row("outputs: bound / error, median", median(&ratios), Bound::Shown);
    Ok(())
}

/// Trajectories of random conductivities under random loads, from rest.
fn trajectories(table: &mut Table) -> Result<()> {
    let blocks = Blocks::new(18, 3);
    let mut rng = StdRng::seed_from_u64(5);
    for (name, implicitness) in [("implicit Euler", 1.0), ("Crank-Nicolson", 0.5)] {
        let grid = TimeGrid { step: 0.02, n_steps: 40, implicitness };
        let mut problem = TimeProblem {
            space: blocks.problem(),
            mass: blocks.mass.clone(),
            initial: vec![0.0; blocks.n_dofs()],
            load: grid.times().into_iter().map(|t| (6.0 * t).sin()).collect(),
            grid,
        };
        let greedy = GreedyOptions { tolerance: 0.0, max_size: 24, patience: 24 };
        let options = TimeOptions { greedy, modes_per_step: 2, ..TimeOptions::default() };
        let (model, _) = reduced_basis_time(&problem, &conductivities(9, 20, 6), &options)?;
        let n = model.model().n_modes();
        let mass = InnerProduct::Sparse(blocks.matrix(&blocks.mass));
        // |l(e)| <= ||l|| in the dual norm of the mass matrix times ||e||.
        let m = SparseCholesky::new(&blocks.matrix(&blocks.mass))?;
        let corner = Mat::from_fn(blocks.n_dofs(), 1, |i, _| blocks.corner[i]);
        let of_output = m.half_solve(corner.as_ref())?.norm_l2();
        let (mut ratios, mut of_outputs, mut workspace) = (Vec::new(), Vec::new(), model.workspace(&grid));
        for i in 0..N_TRAJECTORIES {
            let (theta, gamma) = conductivities(9, 1, 1000 + i as u64).at(0);
            let (rate, shift) = (rng.random_range(1.0..10.0), rng.random_range(-1.0..1.0));
            problem.load = grid.times().into_iter().map(|t| (rate * t + shift).sin() + shift).collect();
            let modes = 1 + i % n;
            let y = model.solve(&theta, &gamma, &problem.load, &grid, modes, &mut workspace)?.to_owned();
            let alpha = least(&theta);
            let bounds = model.bounds(&theta, &gamma, &problem.load, &grid, y.as_ref(), alpha, 0.0, &mut workspace)?;
            let e = &problem.trajectory(&theta, &gamma)? - model.model().reconstruct(y.as_ref())?;
            let between = Mat::from_fn(e.nrows(), grid.n_steps, |r, k| {
                implicitness * e[(r, k + 1)] + (1.0 - implicitness) * e[(r, k)]
            });
            let (of_states, of_steps) =
                (norms(&mass, e.as_ref()), norms(&problem.space.inner_product, between.as_ref()));
            let mut sum = 0.0;
            for k in 1..=grid.n_steps {
                sum += alpha * grid.step * of_steps[k - 1].powi(2);
                let error = (of_states[k].powi(2) + sum).sqrt();
                ratios.push(bounds[k].total() / error);
                let output: f64 = (0..e.nrows()).map(|r| blocks.corner[r] * e[(r, k)]).sum();
                of_outputs.push(of_output * bounds[k].total() / output.abs());
            }
        }
        table.row(format!("{name}: bounds below the error, all steps of 200"), violations(&ratios), Bound::AtMost(0.0));
        table.row(format!("{name}: bound / error, median"), median(&ratios), Bound::AtMost(10.0));
        table.row(format!("{name}: output, bounds below the error"), violations(&of_outputs), Bound::AtMost(0.0));
        table.row(format!("{name}: output, bound / error, median"), median(&of_outputs), Bound::Shown);
    }
    Ok(())
}

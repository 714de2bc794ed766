//! A reduced basis of the thermal block, steady and in time; see README.md of this folder.

pub mod blocks;
mod certified;
mod in_time;

use crate::plot::{Curve, plot};
use crate::scores::{largest, least, mean};
use crate::table::{Bound, Table};
use blocks::Blocks;
use faer::{Mat, MatRef};
use kolmo::Result;
use kolmo::algorithms::greedy::GreedyOptions;
use kolmo::algorithms::pod::Truncation;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::{Orthonormal, norms};
use kolmo::linalg::terms::{AdjointTerms, Terms};
use kolmo::offline::direct_solver::DirectSolver;
use kolmo::offline::reduced_basis::{AffineProblem, Coefficients, Options, reduced_basis};
use kolmo::offline::reduced_basis_dual::{dual_problem, output_correction};
use kolmo::offline::reduced_basis_greedy::reduced_basis_greedy;
use kolmo::online::ReducedBasis;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Instant;

/// Squares along a side, blocks along a side.
const N_SQUARES: usize = 60;
const SIDE: usize = 3;
const N_TRAINING: usize = 300;
const N_TEST: usize = 50;
const N_MODES: usize = 50;

/// Fills the table.
pub fn run(table: &mut Table) -> Result<()> {
    finite_elements(table)?;
    let blocks = Blocks::new(N_SQUARES, SIDE);
    let problem = blocks.problem();
    let solver = DirectSolver::new(&problem)?;
    let training = conductivities(N_TRAINING, 1);
    let choice = GreedyOptions { tolerance: 0.0, max_size: N_MODES, patience: N_MODES };
    let solve = |theta: &[f64], gamma: &[f64]| solver.solve(theta, gamma);
    let (model, found) = reduced_basis_greedy(&problem, &training, &solve, &Options::default(), &choice)?;
    table.row("greedy: modes", model.n_modes() as f64, Bound::Between(N_MODES as f64, N_MODES as f64));
    table.row("greedy: rows of the residual", model.residual().map_or(0, |r| r.n_rows()) as f64, Bound::AtMost(400.0));
    let test = conductivities(N_TEST, 2);
    let truth = solver.solve_all(&test)?;
    let scores = Scores::new(&blocks, &problem, &model, &test, truth.as_ref())?;
    scores.rows(table);
    algebra(table, &blocks, &problem, &model, &test)?;
    of_snapshots(table, &problem, &solver, &training, &scores, (&test, truth.as_ref()))?;
    dual(table, &problem, &blocks, &solver, (&test, truth.as_ref()))?;
    timing(table, &problem, &model, &test)?;
    let by_modes = |name: &str, values: &[f64]| Curve {
        name: name.into(),
        points: values.iter().enumerate().map(|(i, v)| (i as f64 + 1.0, *v)).collect(),
    };
    let curves = [
        by_modes("error, largest of 50 points", &scores.worst(|s| s.error)),
        by_modes("bound, largest of 50 points", &scores.worst(|s| s.bound)),
        by_modes("best approximation", &scores.worst(|s| s.best)),
        by_modes("relative residual, largest of the training set", &found.largest[1..]),
    ];
    plot("thermal_block", "modes", "relative to u in the norm of X", &curves)?;
    in_time::run(table)?;
    certified::run(table)
}

/// mu of the blocks, uniform in (0.1, 1), and the load 1.
fn conductivities(m: usize, seed: u64) -> Coefficients<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    Coefficients { theta: Mat::from_fn(SIDE * SIDE, m, |_, _| rng.random_range(0.1..1.0)), gamma: Mat::full(1, m, 1.0) }
}

/// ∫ u for mu = 1: the torsional rigidity of a square of side 1 over 4, by Saint-Venant's series.
fn torsion() -> f64 {
    let pi = std::f64::consts::PI;
    let sum: f64 = (0..40).map(|i| 2.0 * f64::from(i) + 1.0).map(|n| (n * pi / 2.0).tanh() / n.powi(5)).sum();
    (1.0 / 3.0 - 64.0 / pi.powi(5) * sum) / 4.0
}

fn finite_elements(table: &mut Table) -> Result<()> {
    let mut errors = Vec::new();
    for n in [15, 30, 60] {
        let blocks = Blocks::new(n, SIDE);
        let problem = blocks.problem();
        let u = DirectSolver::new(&problem)?.solve(&[1.0; SIDE * SIDE], &[1.0])?;
        let integral: f64 = u.iter().zip(&blocks.load).map(|(u, f)| u * f).sum();
        errors.push((integral / torsion() - 1.0).abs());
    }
    table.row("finite elements: integral of u, mu = 1, h = 1/60", errors[2], Bound::AtMost(1e-3));
    table.row("finite elements: order, h = 1/30 to 1/60", (errors[1] / errors[2]).log2(), Bound::Between(1.9, 2.1));
    Ok(())
}

/// What is known of one point for a number of modes, relative to ||u||_X.
#[derive(Clone, Copy)]
struct Score {
    error: f64,
    bound: f64,
    best: f64,
    /// (s - s_N - |||u - u_N|||²) / s for the compliant output.
    compliance: f64,
}

/// [modes - 1][point].
struct Scores(Vec<Vec<Score>>);

impl Scores {
    fn new(
        blocks: &Blocks,
        problem: &AffineProblem<'_, f64>,
        model: &ReducedBasis<f64>,
        test: &Coefficients<f64>,
        truth: MatRef<'_, f64>,
    ) -> Result<Scores> {
        let x = &problem.inner_product;
        let mut basis = Orthonormal::new(problem.n_dofs(), x.clone())?;
        basis.append(model.basis(), 0.0, |_| 0.0)?;
        let projection = basis.coefficients(truth);
        let sizes = norms(x, truth);
        let mut workspace = model.workspace();
        let mut scores = Vec::new();
        for n in 1..=model.n_modes() {
            let mut of_points = Vec::new();
            for i in 0..test.n_points() {
                let (theta, gamma) = test.at(i);
                let (y, indicator) = model.solve_with_indicator(&theta, &gamma, n, &mut workspace)?;
                let y = Mat::from_fn(n, 1, |k, _| y[k]);
                let u = model.reconstruct(y.as_ref())?;
                let error = Mat::from_fn(u.nrows(), 1, |k, _| truth[(k, i)] - u[(k, 0)]);
                let f = dual_norm(problem, model)?;
                let output =
                    |u: &dyn Fn(usize) -> f64| (0..blocks.n_dofs()).map(|k| blocks.load[k] * u(k)).sum::<f64>();
                let exact = output(&|k| truth[(k, i)]);
                let energy = InnerProduct::Sparse(blocks.matrix(&blocks.terms.combine(&theta)?));
                let square = norms(&energy, error.as_ref())[0].powi(2);
                let seen: f64 = (0..n).map(|k| projection[(k, i)].powi(2)).sum();
                of_points.push(Score {
                    error: norms(x, error.as_ref())[0] / sizes[i],
                    bound: indicator * f / least(&theta) / sizes[i],
                    best: (sizes[i].powi(2) - seen).max(0.0).sqrt() / sizes[i],
                    compliance: (exact - output(&|k| u[(k, 0)]) - square) / exact,
                });
            }
            scores.push(of_points);
        }
        Ok(Scores(scores))
    }

    fn of(&self, n: usize, of: fn(&Score) -> f64) -> Vec<f64> {
        self.0[n - 1].iter().map(of).collect()
    }

    fn worst(&self, of: fn(&Score) -> f64) -> Vec<f64> {
        (1..=self.0.len()).map(|n| largest(&self.of(n, of))).collect()
    }

    fn rows(&self, table: &mut Table) {
        for n in [10, 20, 30, 40, 50] {
            table.row(format!("greedy: largest error, {n} modes"), largest(&self.of(n, |s| s.error)), Bound::Shown);
        }
        let ratios = |of: fn(&Score) -> f64| (1..=self.0.len()).flat_map(|n| self.of(n, of)).collect::<Vec<f64>>();
        let (over_best, effectivity) = (ratios(|s| s.error / s.best), ratios(|s| s.bound / s.error));
        // Céa: sqrt(largest over least conductivity).
        table.row("error / best approximation, largest", largest(&over_best), Bound::Between(1.0, 10.0_f64.sqrt()));
        table.row("bound / error, least", least(&effectivity), Bound::AtLeast(1.0));
        table.row("bound / error, mean", mean(&effectivity), Bound::Shown);
        table.row("bound / error, largest", largest(&effectivity), Bound::AtMost(10.0));
        let compliance = ratios(|s| s.compliance.abs());
        table.row("|s - s_N - energy of the error| / s, largest", largest(&compliance), Bound::AtMost(1e-11));
    }
}

/// ||f|| in the dual norm, as the model measures it.
fn dual_norm(problem: &AffineProblem<'_, f64>, model: &ReducedBasis<f64>) -> Result<f64> {
    let Some(residual) = model.residual() else { return Ok(f64::NAN) };
    let (theta, mut memory) = (vec![0.0; problem.matrices.n_terms()], vec![0.0; residual.n_rows()]);
    Ok(residual.norm(&theta, &[1.0], &[], &mut memory)?.rhs_norm)
}

/// VᵀA(mu)V y = Vᵀf written out, and its solution.
fn algebra(
    table: &mut Table,
    blocks: &Blocks,
    problem: &AffineProblem<'_, f64>,
    model: &ReducedBasis<f64>,
    test: &Coefficients<f64>,
) -> Result<()> {
    use faer::linalg::solvers::Solve;
    let (v, f) = (model.basis(), problem.rhs.as_ref());
    let (mut worst, mut workspace) = (0.0_f64, model.workspace());
    for i in 0..5 {
        let (theta, gamma) = test.at(i);
        let mut a = Mat::zeros(blocks.n_dofs(), blocks.n_dofs());
        blocks.matrix(&blocks.terms.combine(&theta)?).iter().for_each(|(x, (i, j))| a[(i, j)] = *x);
        let expected = (v.transpose() * (&a * v)).partial_piv_lu().solve(v.transpose() * f);
        let y = model.solve(&theta, &gamma, model.n_modes(), &mut workspace)?;
        let difference = Mat::from_fn(y.len(), 1, |k, _| y[k] - expected[(k, 0)]);
        worst = worst.max(difference.norm_l2() / expected.norm_l2());
    }
    table.row("coefficients against dense projections", worst, Bound::AtMost(1e-12));
    Ok(())
}

/// The POD of all training solutions beside the greedy choice.
fn of_snapshots(
    table: &mut Table,
    problem: &AffineProblem<'_, f64>,
    solver: &DirectSolver<'_, f64>,
    training: &Coefficients<f64>,
    greedy: &Scores,
    (test, truth): (&Coefficients<f64>, MatRef<'_, f64>),
) -> Result<()> {
    let snapshots = solver.solve_all(training)?;
    let options = Options { truncation: Truncation::Modes(N_MODES), residual_rows: 0, ..Options::default() };
    let model = reduced_basis(problem, snapshots.as_ref(), None, &options)?;
    let x = &problem.inner_product;
    for n in [20, N_MODES] {
        let y = model.solve_batch(test.theta.as_ref(), test.gamma.as_ref(), n)?;
        let u = model.reconstruct(y.as_ref())?;
        let errors = norms(x, (truth - u).as_ref());
        let relative: Vec<f64> = errors.iter().zip(norms(x, truth)).map(|(e, u)| e / u).collect();
        let other = greedy.of(n, |s| s.error);
        table.row(
            format!("POD: mean error over that of greedy, {n} modes"),
            mean(&relative) / mean(&other),
            Bound::AtMost(1.0),
        );
    }
    let y = model.solve_batch(training.theta.as_ref(), training.gamma.as_ref(), N_MODES)?;
    let sigma = &model.parts().singular_values;
    let tail: f64 = sigma[N_MODES..].iter().map(|s| s * s).sum();
    let errors: f64 = norms(x, (&snapshots - model.reconstruct(y.as_ref())?).as_ref()).iter().map(|e| e * e).sum();
    // The POD error of the snapshots themselves, and Céa.
    table.row(
        "POD: error of the snapshots over the tail of sigma",
        (errors / tail).sqrt(),
        Bound::Between(1.0, 10.0_f64.sqrt()),
    );
    Ok(())
}

/// The mean of u over block 0, corrected by a dual basis.
fn dual(
    table: &mut Table,
    problem: &AffineProblem<'_, f64>,
    blocks: &Blocks,
    solver: &DirectSolver<'_, f64>,
    (test, truth): (&Coefficients<f64>, MatRef<'_, f64>),
) -> Result<()> {
    let training = conductivities(100, 3);
    let options = Options { truncation: Truncation::Modes(40), ..Options::default() };
    let primal = reduced_basis(problem, solver.solve_all(&training)?.as_ref(), Some(&training), &options)?;
    let adjoint = AdjointTerms::new(&blocks.terms);
    let dual = dual_problem(problem, &adjoint, 1)?;
    let solutions = (0..100).map(|i| solver.solve_adjoint(&training.at(i).0, 1, &[1.0])).collect::<Result<Vec<_>>>()?;
    let solutions = Mat::from_fn(blocks.n_dofs(), 100, |i, j| solutions[j][i]);
    let correction =
        output_correction(problem, &primal, 1, reduced_basis(&dual, solutions.as_ref(), Some(&training), &options)?)?;
    let (mut first, mut second) = (primal.workspace(), correction.workspace());
    let mut worst = Vec::new();
    for n in [5, 10, 20, 40] {
        let (mut plain, mut corrected) = (Vec::new(), Vec::new());
        for i in 0..test.n_points() {
            let (theta, gamma) = test.at(i);
            let exact: f64 = (0..blocks.n_dofs()).map(|k| blocks.corner[k] * truth[(k, i)]).sum();
            let y = primal.solve(&theta, &gamma, n, &mut first)?;
            let found = correction.evaluate(&primal, &theta, &gamma, &[1.0], y, n, &mut second)?;
            plain.push(((found.value - found.correction) / exact - 1.0).powi(2));
            corrected.push((found.value / exact - 1.0).powi(2));
        }
        worst.push((n as f64, mean(&plain).sqrt(), mean(&corrected).sqrt()));
    }
    table.row("output of block 0: rms error, 40 modes", worst[3].1, Bound::Shown);
    table.row("output of block 0: corrected, 40 and 40 modes", worst[3].2, Bound::AtMost(worst[3].1 / 10.0));
    let digits = |of: fn(&(f64, f64, f64)) -> f64| (of(&worst[0]) / of(&worst[3])).log10();
    table.row("output of block 0: digits gained, 5 to 40 modes", digits(|w| w.1), Bound::Shown);
    table.row("output of block 0: digits gained, corrected", digits(|w| w.2), Bound::Shown);
    let curve = |name: &str, of: fn(&(f64, f64, f64)) -> f64| Curve {
        name: name.into(),
        points: worst.iter().map(|w| (w.0, of(w))).collect(),
    };
    let curves = [curve("output", |w| w.1), curve("corrected by a dual basis", |w| w.2)];
    plot("thermal_block_output", "modes", "relative error of the output, rms", &curves)
}

fn timing(
    table: &mut Table,
    problem: &AffineProblem<'_, f64>,
    model: &ReducedBasis<f64>,
    test: &Coefficients<f64>,
) -> Result<()> {
    let solver = DirectSolver::new(problem)?;
    let (theta, gamma) = test.at(0);
    let full = seconds(5, || solver.solve(&theta, &gamma).map(|_| ()))?;
    let mut workspace = model.workspace();
    let n = 30;
    let reduced = seconds(2000, || model.solve(&theta, &gamma, n, &mut workspace).map(|_| ()))?;
    table.row("seconds of a full solution", full, Bound::Shown);
    table.row("seconds of a reduced solution, 30 modes", reduced, Bound::AtMost(1e-4));
    table.row("speed-up", full / reduced, Bound::AtLeast(100.0));
    Ok(())
}

/// Least seconds of `n` calls.
fn seconds(n: usize, mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..n {
        let start = Instant::now();
        f()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(least)
}

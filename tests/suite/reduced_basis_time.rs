//! Reduced bases in time: orders of convergence, full trajectories, residuals of the steps, the POD-greedy algorithm.

use crate::affine::{combined, dense, distance, random, times};
use crate::blocks::Blocks;
use crate::reduced_basis::conductivities;
use faer::Mat;
use kolmo::algorithms::greedy::{GreedyOptions, Stop};
use kolmo::linalg::orthonormal::norms;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::offline::reduced_basis::{AffineProblem, Coefficients, Options};
use kolmo::offline::reduced_basis_time::{TimeOptions, TimeProblem, reduced_basis_time};
use kolmo::online::reduced_basis_time::TimeGrid;
use std::f64::consts::PI;

fn time_problem<'a>(blocks: &'a Blocks, grid: TimeGrid, initial: Vec<f64>) -> TimeProblem<'a, f64> {
    let load = grid.times().iter().map(|t| (3.0 * t).sin() + 0.3).collect();
    TimeProblem { space: blocks.problem(), mass: blocks.mass.clone(), initial, load, grid }
}

/// sin(pi x) sin(pi y) and its like are eigenvectors of the matrices on this grid where mu = 1, up to the diagonal that
/// cuts the squares: of the stiffness matrix exactly, of the mass matrix for a sum of both diagonals. The eigenvalues come
/// from the dense pencil instead.
fn eigenpairs(blocks: &Blocks, n_pairs: usize) -> (Vec<f64>, Mat<f64>) {
    let a = dense(&blocks.terms, &[1.0; 9]);
    let m = blocks.terms.pattern.to_dense(&blocks.mass);
    // M = L Lᵀ: L⁻¹ A L⁻ᵀ w = lambda w, v = L⁻ᵀ w.
    let l = m.llt(faer::Side::Lower).unwrap().L().to_owned();
    let inverse = crate::affine::solved(&l, &Mat::identity(l.nrows(), l.nrows()));
    let similar = times(times(inverse.as_ref(), a.as_ref()).as_ref(), inverse.transpose());
    let found = similar.self_adjoint_eigen(faer::Side::Lower).unwrap();
    let values = (0..n_pairs).map(|i| found.S()[i]).collect();
    (values, times(inverse.transpose(), found.U().subcols(0, n_pairs)))
}

/// u' = -lambda u + g(t) per eigenvector: the exact solution in time of the semi-discrete problem, in a basis that holds it.
#[test]
fn orders_of_convergence_in_time() {
    let blocks = Blocks::new(12, 3);
    let (values, vectors) = eigenpairs(&blocks, 3);
    assert!((values[0] / (2.0 * PI * PI) - 1.0).abs() < 0.05, "{values:?}");
    let weights = [1.0, -0.5, 0.7];
    let u0: Vec<f64> = combined(vectors.as_ref(), &weights).col(0).iter().copied().collect();
    let t_end = 0.2;
    for (implicitness, order) in [(1.0, 1.0), (0.5, 2.0)] {
        let mut errors = Vec::new();
        for n_steps in [40, 80, 160, 320] {
            let grid = TimeGrid { step: t_end / n_steps as f64, n_steps, implicitness };
            let mut problem = time_problem(&blocks, grid, u0.clone());
            problem.load.fill(0.0);
            // Three trajectories span the three eigenvectors.
            let training = Coefficients { theta: Mat::full(9, 1, 1.0), gamma: Mat::full(1, 1, 1.0) };
            let options = TimeOptions {
                greedy: GreedyOptions { tolerance: 1e-9, max_size: 3, patience: 10 },
                modes_per_step: 2,
                ..TimeOptions::default()
            };
            let (model, found) = reduced_basis_time(&problem, &training, &options).unwrap();
            assert_eq!(model.model().n_modes(), 3, "{found:?}");
            assert!(model.initial_missed() < 1e-12);
            let mut workspace = model.workspace(&grid);
            let y = model.solve(&[1.0; 9], &[1.0], &problem.load, &grid, 3, &mut workspace).unwrap();
            let u = model.model().reconstruct(y).unwrap();
            let decayed: Vec<f64> = (0..3).map(|i| weights[i] * (-values[i] * t_end).exp()).collect();
            let exact = combined(vectors.as_ref(), &decayed);
            errors.push(distance(u.as_ref().subcols(n_steps, 1), exact.as_ref()));
        }
        let orders: Vec<f64> = errors.windows(2).map(|e| (e[0] / e[1]).log2()).collect();
        assert!((orders[2] - order).abs() < 0.05, "s = {implicitness}: orders {orders:?}, errors {errors:?}");
    }
}

/// A basis of the whole space gives the full trajectory.
#[test]
fn whole_space_equals_the_full_trajectory() {
    let blocks = Blocks::new(6, 3);
    let grid = TimeGrid { step: 0.01, n_steps: 30, implicitness: 0.5 };
    let initial: Vec<f64> = random::<f64>(25, 1, 3).col(0).iter().copied().collect();
    let problem = time_problem(&blocks, grid, initial);
    let training = conductivities(4, 1);
    let options = TimeOptions {
        greedy: GreedyOptions { tolerance: 0.0, max_size: 25, patience: 50 },
        modes_per_step: 12,
        ..TimeOptions::default()
    };
    let (model, found) = reduced_basis_time(&problem, &training, &options).unwrap();
    assert_eq!(model.model().n_modes(), 25, "{found:?}");
    let (theta, gamma) = conductivities(1, 7).at(0);
    let mut workspace = model.workspace(&grid);
    let (y, indicator) = model.solve_with_indicator(&theta, &gamma, &problem.load, &grid, 25, &mut workspace).unwrap();
    assert!(indicator < 1e-10, "{indicator:e}");
    let full = problem.trajectory(&theta, &gamma).unwrap();
    let d = distance(model.model().reconstruct(y).unwrap().as_ref(), full.as_ref());
    assert!(d < 1e-11, "{d:e}");
}

/// The full trajectory against a march in dense arithmetic.
#[test]
fn full_trajectories_march() {
    let blocks = Blocks::new(6, 3);
    for implicitness in [1.0, 0.7] {
        let grid = TimeGrid { step: 0.02, n_steps: 12, implicitness };
        let problem = time_problem(&blocks, grid, vec![0.0; 25]);
        let (theta, gamma) = conductivities(1, 2).at(0);
        let found = problem.trajectory(&theta, &gamma).unwrap();
        let (a, m) = (dense(&blocks.terms, &theta), blocks.terms.pattern.to_dense(&blocks.mass));
        let sum = |factor: f64| Mat::from_fn(25, 25, |i, j| m[(i, j)] + factor * a[(i, j)]);
        let mut u = Mat::zeros(25, 1);
        for k in 0..12 {
            let g = 0.02 * (implicitness * problem.load[k + 1] + (1.0 - implicitness) * problem.load[k]);
            let old = times(sum(-(1.0 - implicitness) * 0.02).as_ref(), u.as_ref());
            let b = Mat::from_fn(25, 1, |i, _| old[(i, 0)] + g * problem.space.rhs[(i, 0)]);
            u = crate::affine::solved(&sum(implicitness * 0.02), &b);
            let d = distance(found.as_ref().subcols(k + 1, 1), u.as_ref());
            assert!(d < 1e-12, "step {k}: {d:e}");
        }
    }
}

#[test]
fn pod_greedy_reaches_its_tolerance() {
    let blocks = Blocks::new(12, 3);
    let grid = TimeGrid { step: 0.01, n_steps: 50, implicitness: 1.0 };
    let bump: Vec<f64> = (0..121).map(|i| if i % 11 == 5 { 1.0 } else { 0.0 }).collect();
    let problem = time_problem(&blocks, grid, bump);
    let training = conductivities(20, 1);
    let options =
        TimeOptions { greedy: GreedyOptions { tolerance: 3e-2, ..GreedyOptions::default() }, ..TimeOptions::default() };
    let (model, found) = reduced_basis_time(&problem, &training, &options).unwrap();
    assert_eq!(found.stop, Stop::Tolerance, "{found:?}");
    assert_eq!(model.model().n_modes(), found.chosen.len() + 1, "the initial state is the first mode");
    let n = model.model().n_modes();
    let x = &problem.space.inner_product;
    let mut workspace = model.workspace(&grid);
    let mut largest = 0.0_f64;
    for i in 0..20 {
        let (theta, gamma) = training.at(i);
        let (y, indicator) =
            model.solve_with_indicator(&theta, &gamma, &problem.load, &grid, n, &mut workspace).unwrap();
        let u = model.model().reconstruct(y).unwrap();
        let y = y.to_owned();
        largest = largest.max(indicator);
        let full = problem.trajectory(&theta, &gamma).unwrap();
        let difference = Mat::from_fn(u.nrows(), u.ncols(), |i, k| u[(i, k)] - full[(i, k)]);
        // Implicit Euler from the same state: over the smallest conductivity, residuals bound the error in L2(0, T; X).
        let squares: f64 = norms(x, difference.as_ref()).iter().map(|e| e * e).sum();
        let (residual, scale) = step_residuals(&problem, &model.model().basis().to_owned(), &y, &theta, &gamma);
        let weakest = theta.iter().copied().fold(f64::INFINITY, f64::min);
        let error = (grid.step * squares).sqrt();
        assert!(error <= residual / weakest && error > 0.05 * residual, "{error} {residual}");
        assert!((residual / scale - indicator).abs() < 1e-7 * indicator, "{residual} {scale} {indicator}");
        assert_eq!(
            model.indicator(&theta, &gamma, &problem.load, &grid, y.as_ref(), &mut model.workspace(&grid)).unwrap(),
            indicator
        );
    }
    assert!((largest - found.largest[found.largest.len() - 1]).abs() < 1e-6 * largest);
    // Fewer modes, larger residuals; the leading part of the same model.
    let (theta, gamma) = training.at(0);
    let few = model.solve_with_indicator(&theta, &gamma, &problem.load, &grid, 2, &mut workspace).unwrap();
    assert_eq!(few.0.nrows(), 2);
    assert!(few.1 > largest);
}

/// Numerator and denominator of the indicator from full vectors and dense solves.
fn step_residuals(
    problem: &TimeProblem<'_, f64>,
    v: &Mat<f64>,
    y: &Mat<f64>,
    theta: &[f64],
    gamma: &[f64],
) -> (f64, f64) {
    let n = v.nrows();
    let kolmo::linalg::inner_product::InnerProduct::Sparse(x) = &problem.space.inner_product else { unreachable!() };
    let mut dense_x = Mat::zeros(n, n);
    x.iter().for_each(|(value, (i, j))| dense_x[(i, j)] = *value);
    let square =
        |r: &Mat<f64>| crate::affine::adjoint_times(r.as_ref(), crate::affine::solved(&dense_x, r).as_ref())[(0, 0)];
    let (a, m) = (dense(problem.space.matrices, theta), problem.space.matrices.pattern().to_dense(&problem.mass));
    let f = combined(problem.space.rhs.as_ref(), gamma);
    let u = times(v.as_ref(), y.as_ref());
    let TimeGrid { step: dt, n_steps, implicitness: s } = problem.grid;
    let (mut residuals, mut loads) = (0.0, 0.0);
    for k in 0..n_steps {
        let g = s * problem.load[k + 1] + (1.0 - s) * problem.load[k];
        let rate = Mat::from_fn(n, 1, |i, _| (u[(i, k + 1)] - u[(i, k)]) / dt);
        let state = Mat::from_fn(n, 1, |i, _| s * u[(i, k + 1)] + (1.0 - s) * u[(i, k)]);
        let (mr, au) = (times(m.as_ref(), rate.as_ref()), times(a.as_ref(), state.as_ref()));
        residuals += dt * square(&Mat::from_fn(n, 1, |i, _| g * f[(i, 0)] - mr[(i, 0)] - au[(i, 0)]));
        loads += dt * g * g * square(&f);
    }
    let start = times(a.as_ref(), u.as_ref().subcols(0, 1));
    (residuals.sqrt(), loads.sqrt() + (n_steps as f64 * dt * square(&start)).sqrt())
}

/// i u' + ... : complex numbers go the same way. u' + i w u = 0 turns without losing size under Crank-Nicolson.
#[test]
fn complex_problems_in_time() {
    use faer::c64;
    let n = 6;
    let one = c64::new(1.0, 0.0);
    let diagonal = std::sync::Arc::new(Pattern::Sparse { indptr: (0..=n).collect(), indices: (0..n).collect() });
    let values = vec![(0..n).map(|i| c64::new(0.0, 1.0 + i as f64)).collect()];
    let terms = TermsInMemory { pattern: diagonal, values };
    let space = AffineProblem {
        matrices: &terms,
        rhs: Mat::full(n, 1, c64::new(0.0, 0.0)),
        outputs: vec![],
        inner_product: kolmo::linalg::inner_product::InnerProduct::Euclidean,
    };
    let grid = TimeGrid { step: 0.05, n_steps: 60, implicitness: 0.5 };
    let problem =
        TimeProblem { space, mass: vec![one; n], initial: vec![one; n], load: vec![c64::new(0.0, 0.0); 61], grid };
    let training = Coefficients { theta: Mat::full(1, 1, one), gamma: Mat::full(1, 1, one) };
    let options = TimeOptions {
        greedy: GreedyOptions { tolerance: 1e-10, ..GreedyOptions::default() },
        modes_per_step: 3,
        reduction: Options::default(),
    };
    let (model, found) = reduced_basis_time(&problem, &training, &options).unwrap();
    assert_eq!((model.model().n_modes(), found.stop), (n, Stop::Tolerance));
    let mut workspace = model.workspace(&grid);
    let y = model.solve(&[one], &[one], &problem.load, &grid, n, &mut workspace).unwrap();
    for k in 0..=60 {
        let size = y.col(k).iter().map(|y| y.modulus_squared()).sum::<f64>().sqrt();
        assert!((size - (n as f64).sqrt()).abs() < 1e-12, "step {k}: {size}");
    }
}

#[test]
fn bad_problems_in_time_are_refused() {
    let blocks = Blocks::new(6, 3);
    let grid = TimeGrid { step: 0.01, n_steps: 5, implicitness: 1.0 };
    let problem = time_problem(&blocks, grid, vec![1.0; 25]);
    let training = conductivities(2, 1);
    let options = TimeOptions::default();
    let (model, _) = reduced_basis_time(
        &problem,
        &training,
        &TimeOptions { greedy: GreedyOptions { max_size: 3, ..options.greedy }, ..options },
    )
    .unwrap();
    let mut w = model.workspace(&grid);
    let (theta, load) = ([1.0; 9], &problem.load);
    let told = |e: kolmo::Error| e.to_string();
    let steps = |grid: &TimeGrid, n: usize, theta: &[f64], load: &[f64], w: &mut _| {
        model.solve(theta, &[1.0], load, grid, n, w).map(|_| ()).map_err(told).unwrap_err()
    };
    assert!(steps(&TimeGrid { step: 0.0, ..grid }, 3, &theta, load, &mut w).starts_with("time grid"));
    assert!(steps(&TimeGrid { n_steps: 0, ..grid }, 3, &theta, load, &mut w).starts_with("time grid"));
    assert!(steps(&TimeGrid { implicitness: 0.4, ..grid }, 3, &theta, load, &mut w).starts_with("implicitness"));
    assert!(steps(&grid, 4, &theta, load, &mut w).starts_with("modes: found 4"));
    assert!(steps(&grid, 3, &theta[..8], load, &mut w).starts_with("numbers of theta"));
    assert!(steps(&grid, 3, &theta, &load[..5], &mut w).starts_with("numbers of theta"));
    assert!(steps(&grid, 3, &[f64::NAN; 9], load, &mut w).starts_with("coefficients in time"));
    let change = |change: &dyn Fn(&mut TimeProblem<'_, f64>)| {
        let mut problem = problem.clone();
        change(&mut problem);
        told(reduced_basis_time(&problem, &training, &options).unwrap_err())
    };
    assert!(change(&|p| p.mass.truncate(3)).starts_with("numbers of the mass matrix"));
    assert!(change(&|p| p.initial.truncate(3)).starts_with("numbers of the mass matrix"));
    assert!(change(&|p| p.load.truncate(3)).starts_with("numbers of the mass matrix"));
    assert!(change(&|p| p.initial[7] = f64::NAN).starts_with("entry 7 of the initial state"));
    assert!(
        change(&|p| (p.initial.fill(0.0), p.load.fill(0.0)).1).starts_with("trajectories: found nothing but zeros")
    );
    let none = TimeOptions { modes_per_step: 0, ..options };
    assert!(reduced_basis_time(&problem, &training, &none).is_err());
}

//! Rigorous bounds of reduced bases, and the norms that they rest on.

use crate::affine::{Helmholtz, combined, dense, random, solved};
use crate::blocks::Blocks;
use crate::reduced_basis::{all_modes, conductivities, thermal};
use faer::{Mat, c64};
use kolmo::algorithms::greedy::GreedyOptions;
use kolmo::algorithms::residual_norm::{ExtendedQuadraticForm, InterpolatedNorm, QuadraticForm};
use kolmo::linalg::double_double::DoubleDouble;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::norms;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::small::norm;
use kolmo::linalg::terms::Terms;
use kolmo::offline::direct_solver::DirectSolver;
use kolmo::offline::reduced_basis::{AffineProblem, Coefficients, Options, ResidualNorm, reduced_basis};
use kolmo::offline::reduced_basis_greedy::{reduced_basis_greedy, reduced_basis_greedy_bounded};
use kolmo::offline::reduced_basis_time::{TimeOptions, TimeProblem, reduced_basis_time};
use kolmo::online::ReducedBasis;
use kolmo::online::reduced_basis_bound::{ErrorBound, energy_bound, output_bound, solution_bound};
use kolmo::online::reduced_basis_residual::ResidualNorm as Told;
use kolmo::online::reduced_basis_time::TimeGrid;

fn least(theta: &[f64]) -> f64 {
    theta.iter().copied().fold(f64::INFINITY, f64::min)
}

/// A sum that no double holds, and a product.
#[test]
fn double_doubles_have_twice_the_digits() {
    let one = DoubleDouble::new(1.0);
    let small = DoubleDouble::new(1e-25);
    assert_eq!(one.plus(small).plus(one.negated()).to_f64(), 1e-25);
    // (1 + 2^-40)² = 1 + 2^-39 + 2^-80.
    let x = 1.0 + 2f64.powi(-40);
    let square = DoubleDouble::product(x, x);
    assert_eq!(square.plus(DoubleDouble::new(-1.0 - 2f64.powi(-39))).to_f64(), 2f64.powi(-80));
    let third = DoubleDouble { high: 1.0 / 3.0, low: 1.0 / 54043195528445952.0 };
    let rest = third.times(DoubleDouble::new(3.0)).plus(one.negated()).to_f64();
    assert!(rest.abs() < 1e-31, "{rest:e}");
}

/// Forms of random columns against norms of their combinations, from equal sizes to cancellation.
fn forms<T: Scalar>() {
    let (p, x) = (random::<T>(80, 7, 1), random::<T>(7, 1, 2));
    let x: Vec<T> = x.col(0).iter().copied().collect();
    let expected = norm(combined(p.as_ref(), &x).col_as_slice(0)).powi(2);
    for square in [QuadraticForm::new(p.as_ref()).square(&x), ExtendedQuadraticForm::new(p.as_ref()).square(&x)] {
        let square = square.unwrap();
        assert!((square / expected - 1.0).abs() < 1e-13, "{square} {expected}");
    }
    // The last column is the sum of the others but for 1e-12.
    let p = Mat::from_fn(80, 7, |i, j| match j {
        6 => (0..6).map(|k| p[(i, k)]).sum::<T>() + T::real(1e-12) * p[(i, 6)],
        j => p[(i, j)],
    });
    let ones: Vec<T> = (0..7).map(|j| T::real(if j < 6 { 1.0 } else { -1.0 })).collect();
    let entry = |i: usize| -> [DoubleDouble; 2] {
        let sum = |of: fn(T) -> f64| {
            let parts = (0..7).map(|j| DoubleDouble::product(ones[j].re(), of(p[(i, j)])));
            parts.fold(DoubleDouble::default(), DoubleDouble::plus)
        };
        [sum(Scalar::re), sum(Scalar::im)]
    };
    let truth = (0..80).flat_map(entry).map(|x| x.to_f64().powi(2)).sum::<f64>();
    let extended = ExtendedQuadraticForm::new(p.as_ref()).square(&ones).unwrap();
    assert!((extended / truth - 1.0).abs() < 1e-3, "{extended:e} {truth:e}");
    let classical = QuadraticForm::new(p.as_ref()).square(&ones).unwrap();
    assert!((classical / truth - 1.0).abs() > 1e3, "{classical:e} {truth:e}");
    assert!(QuadraticForm::new(p.as_ref()).square(&ones[..3]).is_err());
    assert!(ExtendedQuadraticForm::new(p.as_ref()).square(&ones[..3]).is_err());
}

#[test]
fn quadratic_forms_are_squares_of_norms_until_they_cancel() {
    forms::<f64>();
    forms::<c64>();
}

/// ||P x||² from norms at few parameters: exact on the span of their products, whatever the columns.
fn interpolated<T: Scalar>() {
    let p = random::<T>(50, 5, 3);
    // x(mu) = (1, mu, mu², i mu, 1/2).
    let x = |mu: f64| -> Vec<T> {
        let last = T::from_parts(0.0, if T::IS_COMPLEX { mu } else { 0.0 });
        vec![T::real(1.0), T::real(mu), T::real(mu * mu), last, T::real(0.5)]
    };
    let mus: Vec<f64> = (0..60).map(|i| i as f64 / 59.0).collect();
    let columns = Mat::from_fn(5, 60, |k, j| x(mus[j])[k]);
    let true_norm = |mu: f64| norm(combined(p.as_ref(), &x(mu)).col_as_slice(0));
    let mut asked = Vec::new();
    let found = InterpolatedNorm::new(columns.as_ref(), 0.0, &mut |j| {
        asked.push(j);
        Ok(true_norm(mus[j]))
    })
    .unwrap();
    // Products are 1, ..., mu⁴.
    assert_eq!(found.nodes.len(), 5);
    assert_eq!(asked, found.nodes);
    for mu in [0.013, 0.37, 0.998, 1.3] {
        let square = found.square(&x(mu)).unwrap();
        assert!((square.sqrt() / true_norm(mu) - 1.0).abs() < 1e-10, "{mu}: {square}");
    }
    let refused = InterpolatedNorm::new(columns.as_ref(), 0.0, &mut |_| Ok(f64::NAN)).unwrap_err().to_string();
    assert!(refused.contains("norm of residual"), "{refused}");
    let zeros = Mat::<T>::zeros(5, 3);
    assert!(InterpolatedNorm::new(zeros.as_ref(), 0.0, &mut |_| Ok(1.0)).is_err());
    assert!(found.square(&x(0.1)[..4]).is_err());
}

#[test]
fn norms_are_interpolated_between_few() {
    interpolated::<f64>();
    interpolated::<c64>();
}

/// No bound is below the error, for any number of modes; all of them are of its size.
#[test]
fn bounds_of_solutions_hold() {
    let blocks = Blocks::new(18, 3);
    let problem = blocks.problem();
    let (model, _) = thermal(&problem, 25, &all_modes());
    let solver = DirectSolver::new(&problem).unwrap();
    let test = conductivities(40, 8);
    let truth = solver.solve_all(&test).unwrap();
    let sizes = norms(&problem.inner_product, truth.as_ref());
    let mut workspace = model.workspace();
    let (mut largest, mut n_relative) = (0.0_f64, 0);
    for i in 0..40 {
        let (theta, gamma) = test.at(i);
        let energy = InnerProduct::Sparse(blocks.matrix(&blocks.terms.combine(&theta).unwrap()));
        for n in 1..=model.n_modes() {
            let (y, residual) = model.solve_with_residual(&theta, &gamma, n, &mut workspace).unwrap();
            let size = norm(y);
            let u = model.reconstruct(crate::affine::column(y).as_ref()).unwrap();
            let e = Mat::from_fn(u.nrows(), 1, |k, _| truth[(k, i)] - u[(k, 0)]);
            let error = norms(&problem.inner_product, e.as_ref())[0];
            let bound = solution_bound(&residual, least(&theta)).unwrap();
            assert!(bound.total() >= error, "{n} modes: {bound:?} {error:e}");
            largest = largest.max(bound.total() / error);
            let of_energy = energy_bound(&residual, least(&theta)).unwrap();
            assert!(of_energy.total() >= norms(&energy, e.as_ref())[0]);
            assert!(of_energy.total() <= bound.total() * 1.0001, "conductivities are at most 1");
            if let Some(relative) = bound.relative(size) {
                assert!(relative >= error / sizes[i]);
                n_relative += 1;
            }
        }
    }
    assert!(largest < 10.0 && n_relative > 500, "{largest} {n_relative}");
}

/// Re a(v, v) = |v'|² + mu |v|²: complex and coercive.
#[test]
fn bounds_of_complex_solutions_hold() {
    let helmholtz = Helmholtz::new(60);
    let problem = helmholtz.problem();
    let theta = |mu: f64| vec![c64::new(1.0, 0.0), c64::new(mu, 0.7 * mu), c64::new(0.0, 3.0)];
    let solve = |mu: f64| solved(&dense(&helmholtz.terms, &theta(mu)), &problem.rhs);
    let mus = [0.3, 2.0, 9.0, 40.0];
    let snapshots = Mat::from_fn(60, 4, |i, j| solve(mus[j])[(i, 0)]);
    let model = reduced_basis(&problem, snapshots.as_ref(), None, &all_modes()).unwrap();
    let mut workspace = model.workspace();
    for i in 0..50 {
        let mu = 0.3 + 0.8 * f64::from(i);
        let (y, residual) =
            model.solve_with_residual(&theta(mu), &[c64::new(1.0, 0.0)], model.n_modes(), &mut workspace).unwrap();
        let e = &solve(mu) - model.reconstruct(crate::affine::column(y).as_ref()).unwrap();
        let error = norms(&problem.inner_product, e.as_ref())[0];
        let bound = solution_bound(&residual, mu.min(1.0)).unwrap();
        assert!(bound.total() >= error && bound.bound <= 30.0 * error + bound.certificate, "{mu}: {bound:?} {error:e}");
    }
}

#[test]
fn bounds_of_trajectories_hold() {
    let blocks = Blocks::new(9, 3);
    for implicitness in [1.0, 0.7, 0.5] {
        let grid = TimeGrid { step: 0.03, n_steps: 15, implicitness };
        let load = grid.times().iter().map(|t| (9.0 * t).cos()).collect();
        let initial = random::<f64>(64, 1, 5).col(0).iter().copied().collect();
        let problem = TimeProblem { space: blocks.problem(), mass: blocks.mass.clone(), initial, load, grid };
        let options = TimeOptions {
            greedy: GreedyOptions { tolerance: 0.0, max_size: 10, patience: 20 },
            ..TimeOptions::default()
        };
        let (model, _) = reduced_basis_time(&problem, &conductivities(5, 1), &options).unwrap();
        let mass = InnerProduct::Sparse(blocks.matrix(&blocks.mass));
        let mut workspace = model.workspace(&grid);
        for i in 0..20 {
            let (theta, gamma) = conductivities(1, 50 + i).at(0);
            let n = 1 + i as usize % model.model().n_modes();
            let y = model.solve(&theta, &gamma, &problem.load, &grid, n, &mut workspace).unwrap().to_owned();
            let e = &problem.trajectory(&theta, &gamma).unwrap() - model.model().reconstruct(y.as_ref()).unwrap();
            let of_states = norms(&mass, e.as_ref());
            let (alpha, start) = (least(&theta), of_states[0] * (1.0 + 1e-14));
            let bounds =
                model.bounds(&theta, &gamma, &problem.load, &grid, y.as_ref(), alpha, start, &mut workspace).unwrap();
            assert_eq!(bounds.len(), 16);
            let mut sum = 0.0;
            for k in 0..=15 {
                let error = (of_states[k].powi(2) + sum).sqrt();
                assert!(bounds[k].total() >= error, "s = {implicitness}, step {k}: {:?} {error:e}", bounds[k]);
                if k < 15 {
                    let between =
                        Mat::from_fn(64, 1, |r, _| implicitness * e[(r, k + 1)] + (1.0 - implicitness) * e[(r, k)]);
                    sum += alpha * grid.step * norms(&problem.space.inner_product, between.as_ref())[0].powi(2);
                }
            }
            let error = (of_states[15].powi(2) + sum).sqrt();
            assert!(bounds[15].total() <= 30.0 * error, "{:?} {error:e}", bounds[15]);
            let mut refused = |alpha: f64, start: f64| {
                model
                    .bounds(&theta, &gamma, &problem.load, &grid, y.as_ref(), alpha, start, &mut workspace)
                    .unwrap_err()
                    .to_string()
            };
            assert!(refused(0.0, 0.0).contains("stability constant"));
            assert!(refused(1.0, f64::NAN).contains("initial error"));
        }
    }
}

/// The greedy algorithm by the bound: below the tolerance everywhere when it ends, and never below the error.
#[test]
fn greedy_by_the_bound_reaches_its_tolerance() {
    let blocks = Blocks::new(18, 3);
    let problem = blocks.problem();
    let solver = DirectSolver::new(&problem).unwrap();
    let solve = |theta: &[f64], gamma: &[f64]| solver.solve(theta, gamma);
    let training = conductivities(60, 3);
    let alpha: Vec<f64> = (0..60).map(|i| least(&training.at(i).0)).collect();
    let choice = GreedyOptions { tolerance: 1e-3, ..GreedyOptions::default() };
    let by_bound = |alpha: &[f64], options: &Options| {
        reduced_basis_greedy_bounded(&problem, &training, alpha, &solve, options, &choice)
    };
    let (model, found) = by_bound(&alpha, &Options::default()).unwrap();
    assert!(found.largest[found.largest.len() - 1] <= 1e-3, "{found:?}");
    let bounds =
        model.relative_bound_batch(training.theta.as_ref(), training.gamma.as_ref(), &alpha, model.n_modes()).unwrap();
    let truth = solver.solve_all(&training).unwrap();
    let y = model.solve_batch(training.theta.as_ref(), training.gamma.as_ref(), model.n_modes()).unwrap();
    let errors = norms(&problem.inner_product, (&truth - model.reconstruct(y.as_ref()).unwrap()).as_ref());
    let sizes = norms(&problem.inner_product, truth.as_ref());
    for i in 0..60 {
        assert!(bounds[i] <= 1e-3 && bounds[i] >= errors[i] / sizes[i], "{i}: {} {}", bounds[i], errors[i] / sizes[i]);
    }
    // All constants one: the residual over the size of the solution, so that another choice is possible, and no bound.
    let (_, by_residual) = reduced_basis_greedy(&problem, &training, &solve, &Options::default(), &choice).unwrap();
    assert!(by_residual.chosen.len() <= found.chosen.len());
    let refused = |alpha: &[f64], options: &Options| by_bound(alpha, options).unwrap_err().to_string();
    assert!(refused(&alpha[..3], &Options::default()).contains("stability constant"));
    assert!(refused(&[-1.0; 60], &Options::default()).contains("stability constant"));
    let euclidean = Options { norm: ResidualNorm::Euclidean, ..Options::default() };
    assert!(refused(&alpha, &euclidean).contains("dual norm"));
}

#[test]
fn bounds_of_numbers() {
    let told = |norm, uncertainty| Told { norm, rhs_norm: 1.0, uncertainty };
    let bound = solution_bound(&told(3.0, 0.5), 2.0).unwrap();
    assert_eq!(bound, ErrorBound { bound: 1.5, certificate: 0.25 });
    assert_eq!(bound.total(), 1.75);
    assert_eq!(bound.relative(3.5), Some(1.0));
    assert_eq!(bound.relative(1.75), None);
    assert_eq!(energy_bound(&told(3.0, 0.5), 4.0).unwrap(), ErrorBound { bound: 1.5, certificate: 0.25 });
    let output = output_bound(&told(3.0, 1.0), &told(2.0, 0.0), 2.0).unwrap();
    assert_eq!(output, ErrorBound { bound: 3.0, certificate: 1.0 });
    for alpha in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(solution_bound(&told(1.0, 0.0), alpha).is_err());
        assert!(energy_bound(&told(1.0, 0.0), alpha).is_err());
        assert!(output_bound(&told(1.0, 0.0), &told(1.0, 0.0), alpha).is_err());
    }
}

/// A model without residual has no bounds.
#[test]
fn bounds_need_a_residual() {
    let blocks = Blocks::new(6, 3);
    let problem: AffineProblem<'_, f64> = blocks.problem();
    let options = Options { residual_rows: 0, ..all_modes() };
    let (model, _): (ReducedBasis<f64>, _) = thermal(&problem, 4, &options);
    let points: Coefficients<f64> = conductivities(2, 4);
    let (theta, gamma) = points.at(0);
    assert!(model.solve_with_residual(&theta, &gamma, 2, &mut model.workspace()).is_err());
    assert!(model.relative_bound_batch(points.theta.as_ref(), points.gamma.as_ref(), &[0.1; 2], 2).is_err());
}

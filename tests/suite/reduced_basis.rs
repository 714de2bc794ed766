//! Reduced bases of affine problems: against dense solutions, and what has to hold exactly.

use crate::affine::{
    Helmholtz, adjoint_times, column, combined, dense, distance, random, random_coefficients, random_problem,
    random_terms, solved, times,
};
use crate::blocks::Blocks;
use faer::{Mat, c64};
use kolmo::algorithms::pod::Truncation;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::norms;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::sparse::from_triplets;
use kolmo::offline::direct_solver::DirectSolver;
use kolmo::offline::reduced_basis::{AffineProblem, Coefficients, Options, ResidualNorm, reduced_basis};
use kolmo::online::reduced_basis::{Inertia, Projection, ReducedBasis};

/// Options that keep every mode above round-off.
pub fn all_modes() -> Options {
    Options { truncation: Truncation::Tolerance(0.0), ..Options::default() }
}

/// mu of the thermal block, uniform in [0.1, 1].
pub fn conductivities(m: usize, seed: u64) -> Coefficients<f64> {
    let theta = random::<f64>(9, m, seed);
    Coefficients { theta: Mat::from_fn(9, m, |q, j| 0.55 + 0.45 * theta[(q, j)]), gamma: Mat::full(1, m, 1.0) }
}

pub fn thermal(problem: &AffineProblem<'_, f64>, m: usize, options: &Options) -> (ReducedBasis<f64>, Mat<f64>) {
    let training = conductivities(m, 1);
    let snapshots = DirectSolver::new(problem).unwrap().solve_all(&training).unwrap();
    (reduced_basis(problem, snapshots.as_ref(), Some(&training), options).unwrap(), snapshots)
}

fn whole_space<T: Scalar>(sparse: bool, x: InnerProduct, projection: Projection) {
    let n = 24;
    let terms = random_terms::<T>(n, 4, sparse, 7);
    let problem = random_problem(&terms, x);
    let options = Options { projection, ..all_modes() };
    let model = reduced_basis(&problem, random::<T>(n, n, 8).as_ref(), None, &options).unwrap();
    assert_eq!(model.n_modes(), n);
    let points = random_coefficients::<T>(4, 2, 5, 9);
    for i in 0..5 {
        let (theta, gamma) = points.at(i);
        let expected = solved(&dense(&terms, &theta), &combined(problem.rhs.as_ref(), &gamma));
        let mut workspace = model.workspace();
        let y = column(model.solve(&theta, &gamma, n, &mut workspace).unwrap());
        let d = distance(model.reconstruct(y.as_ref()).unwrap().as_ref(), expected.as_ref());
        assert!(d < 1e-12, "{projection:?}, sparse: {sparse}, complex: {}: {d:e}", T::IS_COMPLEX);
        // And the output, sum_s lambda_s l_sᴴ u.
        let lambda = [T::from_parts(0.3, 0.4), T::from_parts(-1.0, 2.0)];
        let parts = adjoint_times(problem.outputs[0].as_ref(), expected.as_ref());
        let value = lambda[0] * parts[(0, 0)] + lambda[1] * parts[(1, 0)];
        let y: Vec<T> = y.col(0).iter().copied().collect();
        let found = model.output(0, &lambda, &y).unwrap();
        assert!((found - value).modulus() < 1e-12 * value.modulus());
    }
}

/// A basis of the whole space gives the full solution.
#[test]
fn whole_space_equals_the_full_solution() {
    let triplets: Vec<_> =
        (0..24).flat_map(|i| [(i, i, 2.0), (i, (i + 1) % 24, 0.5), ((i + 1) % 24, i, 0.5)]).collect();
    for projection in [Projection::Galerkin, Projection::LeastSquares] {
        let x = || InnerProduct::Sparse(from_triplets(24, 24, &triplets));
        let weights = || InnerProduct::Diagonal((0..24).map(|i| 1.0 + i as f64).collect());
        whole_space::<f64>(true, x(), projection);
        whole_space::<f64>(false, InnerProduct::Euclidean, projection);
        whole_space::<c64>(true, x(), projection);
        whole_space::<c64>(false, weights(), projection);
    }
}

/// 3 x 3 blocks: VᵀA(mu)V y = Vᵀf solved in dense arithmetic from the full matrices.
#[test]
fn thermal_block_equals_a_dense_galerkin_solution() {
    let blocks = Blocks::new(24, 3);
    let problem = blocks.problem();
    let (model, _) = thermal(&problem, 20, &all_modes());
    assert_eq!(model.n_modes(), 20);
    let (v, f) = (model.basis(), problem.rhs.as_ref());
    let points = conductivities(10, 2);
    let mut workspace = model.workspace();
    for i in 0..points.n_points() {
        let (theta, gamma) = points.at(i);
        let a = dense(&blocks.terms, &theta);
        for n in [1, 7, 20] {
            let v = v.subcols(0, n);
            let reduced = adjoint_times(v, times(a.as_ref(), v).as_ref());
            let expected = solved(&reduced, &adjoint_times(v, f));
            let y = column(model.solve(&theta, &gamma, n, &mut workspace).unwrap());
            let d = distance(y.as_ref(), expected.as_ref());
            assert!(d < 1e-12, "point {i}, {n} modes: {d:e}");
            assert_eq!(model.inertia(&theta, n).unwrap(), Inertia { negative: 0, zero: 0, positive: n });
        }
    }
}

#[test]
fn snapshots_are_reproduced() {
    let blocks = Blocks::new(24, 3);
    let problem = blocks.problem();
    for projection in [Projection::Galerkin, Projection::LeastSquares] {
        let (model, snapshots) = thermal(&problem, 12, &Options { projection, ..all_modes() });
        let training = conductivities(12, 1);
        let y = model.solve_batch(training.theta.as_ref(), training.gamma.as_ref(), 12).unwrap();
        let d = distance(model.reconstruct(y.as_ref()).unwrap().as_ref(), snapshots.as_ref());
        assert!(d < 1e-11, "{projection:?}: {d:e}");
        let indicators = model.indicator_batch(training.theta.as_ref(), training.gamma.as_ref(), 12).unwrap();
        assert!(indicators.iter().all(|r| *r < 1e-10), "{indicators:?}");
    }
}

/// Galerkin is the best approximation in the energy norm, so that more modes are never worse; and the whole error falls.
#[test]
fn energy_error_falls_with_every_mode() {
    let blocks = Blocks::new(24, 3);
    let problem = blocks.problem();
    let (model, _) = thermal(&problem, 20, &all_modes());
    let points = conductivities(5, 3);
    let truth = DirectSolver::new(&problem).unwrap().solve_all(&points).unwrap();
    let mut workspace = model.workspace();
    for i in 0..5 {
        let (theta, gamma) = points.at(i);
        let energy =
            InnerProduct::Sparse(blocks.matrix(&kolmo::linalg::terms::Terms::combine(&blocks.terms, &theta).unwrap()));
        let mut errors = Vec::new();
        for n in 1..=20 {
            let y = column(model.solve(&theta, &gamma, n, &mut workspace).unwrap());
            let u = model.reconstruct(y.as_ref()).unwrap();
            let difference = Mat::from_fn(u.nrows(), 1, |k, _| truth[(k, i)] - u[(k, 0)]);
            errors.push(norms(&energy, difference.as_ref())[0]);
        }
        assert!(errors.windows(2).all(|e| e[1] <= e[0] * (1.0 + 1e-10)), "{errors:?}");
        assert!(errors[19] < 0.5 * errors[0], "{errors:?}");
    }
}

/// Between resonances of the Helmholtz problem: the least residual falls with every mode, and is the least there is.
#[test]
fn least_squares_never_gets_worse() {
    let helmholtz = Helmholtz::new(300);
    let problem = helmholtz.problem();
    let waves: Vec<f64> = (0..16).map(|i| 2.0 + 38.0 * f64::from(i) / 15.0).collect();
    let training = Helmholtz::coefficients(&waves);
    let snapshots = DirectSolver::new(&problem).unwrap().solve_all(&training).unwrap();
    let model = |projection| {
        let options = Options { projection, ..all_modes() };
        reduced_basis(&problem, snapshots.as_ref(), Some(&training), &options).unwrap()
    };
    let (least, galerkin) = (model(Projection::LeastSquares), model(Projection::Galerkin));
    let (mut first, mut second) = (least.workspace(), galerkin.workspace());
    let mut galerkin_grew = false;
    for k in [3.3, 11.7, 20.2, 31.4, 38.9] {
        let theta = Helmholtz::theta(k);
        let gamma = [c64::new(1.0, 0.0)];
        let mut residuals = Vec::new();
        let mut others = Vec::new();
        for n in 1..=16 {
            residuals.push(least.solve_with_indicator(&theta, &gamma, n, &mut first).unwrap().1);
            others.push(galerkin.solve_with_indicator(&theta, &gamma, n, &mut second).unwrap().1);
        }
        assert!(residuals.windows(2).all(|r| r[1] <= r[0] * (1.0 + 1e-10)), "k = {k}: {residuals:?}");
        assert!(residuals.iter().zip(&others).all(|(l, g)| *l <= g * (1.0 + 1e-8)), "{residuals:?} {others:?}");
        assert!(residuals[15] < 1e-2, "k = {k}: {residuals:?}");
        galerkin_grew |= others.windows(2).any(|r| r[1] > 1.01 * r[0]);
    }
    assert!(galerkin_grew, "the residual of Galerkin falls too: the problem is too easy to tell them apart");
}

/// Leading blocks are the model of fewer modes, made anew or cut.
#[test]
fn truncation_equals_a_model_of_fewer_modes() {
    let blocks = Blocks::new(24, 3);
    let problem = blocks.problem();
    let (all, _) = thermal(&problem, 15, &all_modes());
    let (few, _) = thermal(&problem, 15, &Options { truncation: Truncation::Modes(6), ..Options::default() });
    let cut = all.truncated(6).unwrap();
    assert_eq!((few.n_modes(), cut.n_modes()), (6, 6));
    for (a, b) in few.parts().matrices.iter().zip(&cut.parts().matrices) {
        assert!(distance(a.as_ref(), b.as_ref()) < 1e-12);
    }
    assert!(distance(few.basis(), cut.basis()) < 1e-11);
    let (theta, gamma) = conductivities(1, 5).at(0);
    let (mut first, mut second, mut third) = (all.workspace(), few.workspace(), cut.workspace());
    let (a, a_residual) = all.solve_with_indicator(&theta, &gamma, 6, &mut first).unwrap();
    let (b, b_residual) = few.solve_with_indicator(&theta, &gamma, 6, &mut second).unwrap();
    let (c, c_residual) = cut.solve_with_indicator(&theta, &gamma, 6, &mut third).unwrap();
    assert_eq!((a, a_residual), (c, c_residual));
    assert!(distance(column(a).as_ref(), column(b).as_ref()) < 1e-11);
    assert!((a_residual - b_residual).abs() < 1e-7 * b_residual, "{a_residual} {b_residual}");
    // A tolerance keeps the fewest modes that meet it.
    let sigma = &all.parts().singular_values;
    let total: f64 = sigma.iter().map(|s| s * s).sum();
    let tail = |n: usize| (sigma[n..].iter().map(|s| s * s).sum::<f64>() / total).sqrt();
    let (some, _) =
        thermal(&problem, 15, &Options { truncation: Truncation::Tolerance(1.001 * tail(4)), ..Options::default() });
    assert_eq!(some.n_modes(), 4);
}

/// Real numbers taken as complex ones go the other way to the modes, to the same model.
#[test]
fn complex_arithmetic_on_real_numbers() {
    let terms = random_terms::<f64>(40, 3, true, 1);
    let complex = |x: f64| c64::new(x, 0.0);
    let c_terms = kolmo::linalg::terms::TermsInMemory {
        pattern: terms.pattern.clone(),
        values: terms.values.iter().map(|v| v.iter().map(|x| complex(*x)).collect()).collect(),
    };
    let turned = |m: &Mat<f64>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| complex(m[(i, j)]));
    let triplets: Vec<_> =
        (0..40).flat_map(|i| [(i, i, 2.0), (i, (i + 1) % 40, 0.5), ((i + 1) % 40, i, 0.5)]).collect();
    let problem = random_problem(&terms, InnerProduct::Sparse(from_triplets(40, 40, &triplets)));
    let c_problem = AffineProblem {
        matrices: &c_terms,
        rhs: turned(&problem.rhs),
        outputs: vec![turned(&problem.outputs[0])],
        inner_product: problem.inner_product.clone(),
    };
    let snapshots = random::<f64>(40, 8, 3);
    let options = Options { truncation: Truncation::Modes(5), ..Options::default() };
    let real = reduced_basis(&problem, snapshots.as_ref(), None, &options).unwrap();
    let other = reduced_basis(&c_problem, turned(&snapshots).as_ref(), None, &options).unwrap();
    assert!(distance(turned(&real.basis().to_owned()).as_ref(), other.basis()) < 1e-11);
    let (a, b) = (&real.parts().singular_values, &other.parts().singular_values);
    assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12 * b), "{a:?} {b:?}");
    let theta = [1.0, 0.3, -0.2];
    let gamma = [1.0, 0.5];
    let (mut first, mut second) = (real.workspace(), other.workspace());
    let (y, r) = real.solve_with_indicator(&theta, &gamma, 5, &mut first).unwrap();
    let (z, s) = other.solve_with_indicator(&theta.map(complex), &gamma.map(complex), 5, &mut second).unwrap();
    assert!(y.iter().zip(z).all(|(y, z)| (complex(*y) - *z).modulus() < 1e-11));
    assert!((r - s).abs() < 1e-10 * s);
    // Modes are cut at the tolerance in both.
    let cut = Options { truncation: Truncation::Tolerance(0.4), ..Options::default() };
    let real = reduced_basis(&problem, snapshots.as_ref(), None, &cut).unwrap();
    let other = reduced_basis(&c_problem, turned(&snapshots).as_ref(), None, &cut).unwrap();
    assert!(real.n_modes() < 8 && real.n_modes() == other.n_modes(), "{} and {}", real.n_modes(), other.n_modes());
}

#[test]
fn modes_are_orthonormal_and_oriented() {
    let helmholtz = Helmholtz::new(120);
    let problem = helmholtz.problem();
    let training = Helmholtz::coefficients(&[3.0, 7.0, 12.0, 18.0, 25.0]);
    let snapshots = DirectSolver::new(&problem).unwrap().solve_all(&training).unwrap();
    let model = reduced_basis(&problem, snapshots.as_ref(), None, &all_modes()).unwrap();
    let q = kolmo::linalg::orthonormal::Orthonormal::<c64>::new(120, problem.inner_product.clone()).unwrap();
    assert_eq!(q.n_columns(), 0);
    for j in 0..model.n_modes() {
        let v = model.basis().subcols(j, 1);
        assert!((norms(&problem.inner_product, v)[0] - 1.0).abs() < 1e-13);
        let largest =
            v.col(0).iter().copied().fold(c64::new(0.0, 0.0), |m, x| if x.modulus() > m.modulus() { x } else { m });
        assert!(largest.re > 0.0 && largest.im.abs() < 1e-15, "{largest}");
    }
    assert!(model.parts().singular_values.windows(2).all(|s| s[0] >= s[1]));
}

#[test]
fn a_batch_has_the_bits_of_its_points() {
    let blocks = Blocks::new(12, 3);
    let problem = blocks.problem();
    let (model, _) = thermal(&problem, 10, &all_modes());
    let points = conductivities(53, 4);
    for n in [10, 4] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let y = model.solve_batch(points.theta.as_ref(), points.gamma.as_ref(), n).unwrap();
                (y, model.indicator_batch(points.theta.as_ref(), points.gamma.as_ref(), n).unwrap())
            })
        };
        let (one, three) = (run(1), run(3));
        assert_eq!(one, three);
        let mut workspace = model.workspace();
        for i in 0..53 {
            let (theta, gamma) = points.at(i);
            let (y, indicator) = model.solve_with_indicator(&theta, &gamma, n, &mut workspace).unwrap();
            assert_eq!((column(y).as_ref(), indicator), (one.0.as_ref().subcols(i, 1), one.1[i]));
        }
    }
}

/// The form loses definiteness where a coefficient is negative: counted as the eigenvalues of the dense matrix tell.
#[test]
fn inertia_tells_lost_definiteness() {
    let blocks = Blocks::new(12, 3);
    let problem = blocks.problem();
    let (model, _) = thermal(&problem, 12, &all_modes());
    let mut seen = Vec::new();
    for lowest in [1.0, -0.2, -1.0, -30.0] {
        let mut theta = vec![1.0; 9];
        theta[4] = lowest;
        let v = model.basis();
        let reduced = adjoint_times(v, times(dense(&blocks.terms, &theta).as_ref(), v).as_ref());
        let values = reduced.self_adjoint_eigenvalues(faer::Side::Lower).unwrap();
        let negative = values.iter().filter(|x| **x < 0.0).count();
        assert_eq!(model.inertia(&theta, 12).unwrap(), Inertia { negative, zero: 0, positive: 12 - negative });
        seen.push(negative);
    }
    assert!(seen[0] == 0 && seen[3] > 0, "{seen:?}");
    assert_eq!(model.inertia(&[0.0; 9], 3).unwrap(), Inertia { negative: 0, zero: 3, positive: 0 });
}

#[test]
fn bad_input_is_refused() {
    let blocks = Blocks::new(6, 3);
    let problem = blocks.problem();
    let (model, snapshots) = thermal(&problem, 5, &all_modes());
    let mut w = model.workspace();
    let (theta, gamma) = (vec![1.0; 9], vec![1.0]);
    let with_nan: Vec<f64> = (0..9).map(|q| if q == 3 { f64::NAN } else { 1.0 }).collect();
    let told = |e: kolmo::Error| e.to_string();
    for (outcome, expected) in [
        (model.solve(&theta[..8], &gamma, 5, &mut w).map(|_| ()), "coefficients theta: found 8; expected 9"),
        (model.solve(&theta, &[], 5, &mut w).map(|_| ()), "coefficients gamma: found 0; expected 1"),
        (model.solve(&with_nan, &gamma, 5, &mut w).map(|_| ()), "coefficient 3 of theta: found NaN"),
        (model.solve(&theta, &gamma, 0, &mut w).map(|_| ()), "modes: found 0; expected 1 to 5"),
        (model.solve(&theta, &gamma, 6, &mut w).map(|_| ()), "modes: found 6; expected 1 to 5"),
        (model.solve(&[0.0; 9], &gamma, 5, &mut w).map(|_| ()), "reduced matrix of 5 modes: found pivot 0"),
        (
            model.indicator(&theta, &gamma, &[1.0], 2, &mut w).map(|_| ()),
            "coefficients y: found 1; expected at least 2",
        ),
        (model.output(2, &[1.0], &[1.0]).map(|_| ()), "output: found 2; expected one of 2"),
        (model.output(0, &[1.0, 1.0], &[1.0]).map(|_| ()), "coefficients lambda: found 2; expected 1"),
        (model.reconstruct(Mat::zeros(6, 1).as_ref()).map(|_| ()), "coefficients y: found 6; expected at most 5"),
        (model.inertia(&theta[..1], 5).map(|_| ()), "coefficients theta: found 1"),
        (model.solve_batch(Mat::zeros(9, 2).as_ref(), Mat::zeros(1, 3).as_ref(), 5).map(|_| ()), "points of a batch"),
        (model.truncated(0).map(|_| ()), "reduced basis: found 25 x 0"),
    ] {
        let error = told(outcome.unwrap_err());
        assert!(error.starts_with(expected), "{error}\nfor {expected}");
    }
    let mut bad = snapshots.clone();
    bad[(7, 2)] = f64::INFINITY;
    let with = |change: &dyn Fn(&mut AffineProblem<'_, f64>)| {
        let mut problem = problem.clone();
        change(&mut problem);
        told(reduced_basis(&problem, snapshots.as_ref(), None, &all_modes()).unwrap_err())
    };
    let options = |change: fn(&mut Options)| {
        let mut options = all_modes();
        change(&mut options);
        told(reduced_basis(&problem, snapshots.as_ref(), None, &options).unwrap_err())
    };
    let training = Coefficients { theta: Mat::zeros(8, 2), gamma: Mat::zeros(1, 2) };
    let negative: Vec<_> = (0..25).map(|i| (i, i, if i == 20 { -1.0 } else { 1.0 })).collect();
    for (error, expected) in [
        (
            told(reduced_basis(&problem, bad.as_ref(), None, &all_modes()).unwrap_err()),
            "entry (7, 2) of snapshots: found inf",
        ),
        (
            told(reduced_basis(&problem, Mat::zeros(24, 2).as_ref(), None, &all_modes()).unwrap_err()),
            "snapshots: found 24 x 2",
        ),
        (
            told(reduced_basis(&problem, Mat::zeros(25, 2).as_ref(), None, &all_modes()).unwrap_err()),
            "snapshots: found no part",
        ),
        (
            told(reduced_basis(&problem, snapshots.as_ref(), Some(&training), &all_modes()).unwrap_err()),
            "coefficients: found theta 8 x 2",
        ),
        (with(&|p| p.rhs = Mat::zeros(24, 1)), "rows of right-hand sides: found 24; expected 25"),
        (with(&|p| p.rhs = Mat::zeros(25, 0)), "affine problem"),
        (with(&|p| p.outputs[1] = Mat::full(25, 1, f64::NAN)), "entry (0, 0) of output 1: found NaN"),
        (with(&|p| p.inner_product = InnerProduct::Diagonal(vec![1.0; 3])), "weights of an inner product: found 3"),
        (
            with(&|p| p.inner_product = InnerProduct::Sparse(from_triplets(25, 25, &negative))),
            "sparse matrix is not positive definite (pivot 20)",
        ),
        (options(|o| o.truncation = Truncation::Modes(0)), "modes: found 0"),
        (options(|o| o.truncation = Truncation::Tolerance(1.0)), "tolerance: found 1"),
        (options(|o| o.residual_tolerance = -1.0), "tolerance of the residual: found -1"),
        (
            options(|o| (o.residual_rows, o.projection) = (0, Projection::LeastSquares)),
            "least squares: found no compressed residual",
        ),
    ] {
        assert!(error.starts_with(expected), "{error}\nfor {expected}");
    }
    // A matrix of the family that is not finite, or too short.
    let mut terms = blocks.terms.clone();
    terms.values[4][11] = f64::NAN;
    let broken = AffineProblem { matrices: &terms, ..problem.clone() };
    let error = told(reduced_basis(&broken, snapshots.as_ref(), None, &all_modes()).unwrap_err());
    assert!(error.contains("of matrix 4"), "{error}");
    let mut terms = blocks.terms.clone();
    terms.values[2].pop();
    let broken = AffineProblem { matrices: &terms, ..problem.clone() };
    let error = told(reduced_basis(&broken, snapshots.as_ref(), None, &all_modes()).unwrap_err());
    assert!(error.starts_with("entries of matrix 2"), "{error}");
    // Without residual there is no indicator.
    let silent =
        reduced_basis(&problem, snapshots.as_ref(), None, &Options { residual_rows: 0, ..all_modes() }).unwrap();
    assert!(silent.indicator(&theta, &gamma, &[1.0; 5], 5, &mut silent.workspace()).is_err());
    let euclidean = Options { norm: ResidualNorm::Euclidean, ..all_modes() };
    assert!(reduced_basis(&problem, snapshots.as_ref(), None, &euclidean).is_ok());
}

//! The greedy algorithm, bases that it chooses, outputs corrected by dual bases.

use crate::affine::{
    Helmholtz, adjoint_times, column, distance, random, random_coefficients, random_problem, random_terms,
};
use crate::blocks::Blocks;
use crate::reduced_basis::{all_modes, conductivities, thermal};
use faer::{Mat, c64};
use kolmo::algorithms::greedy::{Approximation, Greedy, GreedyOptions, Stop, greedy};
use kolmo::algorithms::pod::Truncation;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::Orthonormal;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::terms::AdjointTerms;
use kolmo::offline::direct_solver::DirectSolver;
use kolmo::offline::reduced_basis::{Options, reduced_basis};
use kolmo::offline::reduced_basis_dual::{dual_problem, output_correction};
use kolmo::offline::reduced_basis_greedy::reduced_basis_greedy;
use kolmo::online::reduced_basis::Projection;

/// Candidates whose errors are told by a table: one row per dimension, the last for all beyond.
struct Told {
    rows: Vec<Vec<f64>>,
    size: usize,
    gain: usize,
}

impl Approximation for Told {
    fn size(&self) -> usize {
        self.size
    }
    fn errors(&mut self) -> kolmo::Result<Vec<f64>> {
        Ok(self.rows[self.size.min(self.rows.len() - 1)].clone())
    }
    fn extend(&mut self, _: usize) -> kolmo::Result<usize> {
        self.size += self.gain;
        Ok(self.gain)
    }
}

fn run(rows: &[&[f64]], gain: usize, options: GreedyOptions) -> kolmo::Result<Greedy> {
    greedy(&mut Told { rows: rows.iter().map(|r| r.to_vec()).collect(), size: 0, gain }, &options)
}

#[test]
fn greedy_takes_the_worst_and_the_first_of_equals() {
    let options = GreedyOptions { tolerance: 0.1, max_size: 10, patience: 3 };
    let found =
        run(&[&[1.0, 1.0 + 1e-12, 0.5], &[0.2, 0.3, 0.6], &[0.2, 0.05, 0.01], &[0.1, 0.1, 0.1]], 1, options).unwrap();
    assert_eq!(found, Greedy { chosen: vec![0, 2, 0], largest: vec![1.0, 0.6, 0.2, 0.1], stop: Stop::Tolerance });
    let found = run(&[&[1.0], &[0.9]], 1, GreedyOptions { max_size: 2, ..options }).unwrap();
    assert_eq!((found.chosen, found.stop), (vec![0, 0], Stop::Size));
    // The largest error has to fall within three steps.
    let found = run(&[&[1.0], &[0.9], &[0.95], &[0.92], &[0.91]], 1, options).unwrap();
    assert_eq!((found.chosen.len(), found.stop), (4, Stop::Stagnation));
    let found = run(&[&[1.0, 2.0]], 0, options).unwrap();
    assert_eq!((found.chosen, found.stop), (vec![], Stop::Stagnation));
    assert!(run(&[&[]], 1, options).is_err());
    assert!(run(&[&[1.0, f64::NAN]], 1, options).unwrap_err().to_string().contains("candidate 1"));
    for bad in [
        GreedyOptions { tolerance: -1.0, ..options },
        GreedyOptions { tolerance: f64::NAN, ..options },
        GreedyOptions { max_size: 0, ..options },
        GreedyOptions { patience: 0, ..options },
    ] {
        assert!(run(&[&[1.0]], 1, bad).is_err(), "{bad:?}");
    }
}

#[test]
fn greedy_reaches_its_tolerance_on_the_thermal_block() {
    let blocks = Blocks::new(18, 3);
    let problem = blocks.problem();
    let solver = DirectSolver::new(&problem).unwrap();
    let training = conductivities(60, 3);
    let solve = |theta: &[f64], gamma: &[f64]| solver.solve(theta, gamma);
    let choice = GreedyOptions { tolerance: 1e-2, ..GreedyOptions::default() };
    let (model, found) = reduced_basis_greedy(&problem, &training, &solve, &Options::default(), &choice).unwrap();
    assert_eq!(found.stop, Stop::Tolerance);
    assert_eq!((found.chosen[0], found.largest[0]), (0, 1.0));
    let mut once = found.chosen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len(), model.n_modes()), (found.chosen.len(), found.chosen.len()));
    let n = model.n_modes();
    let indicators = model.indicator_batch(training.theta.as_ref(), training.gamma.as_ref(), n).unwrap();
    let largest = indicators.iter().copied().fold(0.0, f64::max);
    assert!((largest - found.largest[n]).abs() < 1e-6 * largest && largest <= 1e-2, "{largest}");
    // Nothing new at what was chosen.
    assert!(found.chosen.iter().all(|i| indicators[*i] < 1e-10), "{indicators:?}");
    let mut q = Orthonormal::new(blocks.n_dofs(), problem.inner_product.clone()).unwrap();
    q.append(model.basis(), 0.0, |_| 0.0).unwrap();
    let gram = q.coefficients(model.basis());
    assert!(distance(gram.as_ref(), Mat::<f64>::identity(n, n).as_ref()) < 1e-12);
    // Again, and the same.
    let (again, same) = reduced_basis_greedy(&problem, &training, &solve, &Options::default(), &choice).unwrap();
    assert_eq!((again.basis(), same), (model.basis(), found));
    let silent = Options { residual_rows: 0, ..Options::default() };
    assert!(reduced_basis_greedy(&problem, &training, &solve, &silent, &choice).is_err());
    let failing = |_: &[f64], _: &[f64]| Err(kolmo::Error::argument("solver", "smoke", "none"));
    assert!(reduced_basis_greedy(&problem, &training, &failing, &Options::default(), &choice).is_err());
    let short = |_: &[f64], _: &[f64]| Ok(vec![1.0; 3]);
    assert!(reduced_basis_greedy(&problem, &training, &short, &Options::default(), &choice).is_err());
    let mut nothing = training.clone();
    nothing.gamma.fill(0.0);
    let error = reduced_basis_greedy(&problem, &nothing, &solve, &Options::default(), &choice).unwrap_err();
    assert!(error.to_string().starts_with("training set: found right-hand sides that are all zero"), "{error}");
}

/// Complex, indefinite; the tolerance lies below what the candidates can give: it ends all the same.
#[test]
fn greedy_with_least_squares_on_the_helmholtz_problem() {
    let helmholtz = Helmholtz::new(200);
    let problem = helmholtz.problem();
    let solver = DirectSolver::new(&problem).unwrap();
    let waves: Vec<f64> = (0..80).map(|i| 2.0 + 28.0 * f64::from(i) / 79.0).collect();
    let training = Helmholtz::coefficients(&waves);
    let options = Options { projection: Projection::LeastSquares, ..Options::default() };
    let solve = |theta: &[c64], gamma: &[c64]| solver.solve(theta, gamma);
    let choice = GreedyOptions { tolerance: 1e-6, ..GreedyOptions::default() };
    let (model, found) = reduced_basis_greedy(&problem, &training, &solve, &options, &choice).unwrap();
    assert_eq!(found.stop, Stop::Tolerance);
    assert!(model.n_modes() < 25, "{} modes", model.n_modes());
    let held_out = Helmholtz::coefficients(&[2.77, 9.13, 17.6, 26.21, 29.9]);
    let truth = solver.solve_all(&held_out).unwrap();
    let y = model.solve_batch(held_out.theta.as_ref(), held_out.gamma.as_ref(), model.n_modes()).unwrap();
    let d = distance(model.reconstruct(y.as_ref()).unwrap().as_ref(), truth.as_ref());
    assert!(d < 1e-5, "{d:e}");
    let (_, endless) =
        reduced_basis_greedy(&problem, &training, &solve, &options, &GreedyOptions { tolerance: 0.0, ..choice })
            .unwrap();
    assert_eq!(endless.stop, Stop::Stagnation);
}

/// In the primal basis as dual basis, Galerkin: zᴴf is the output itself, and nothing is left to correct.
#[test]
fn dual_and_primal_agree() {
    fn agree<T: Scalar>() {
        let terms = random_terms::<T>(40, 3, true, 3);
        let mut problem = random_problem(&terms, InnerProduct::Euclidean);
        problem.outputs = vec![random(40, 1, 17), random(40, 2, 18)];
        let columns = random::<T>(40, 6, 4);
        let primal = reduced_basis(&problem, columns.as_ref(), None, &all_modes()).unwrap();
        let adjoint = AdjointTerms::new(&terms);
        let solver = DirectSolver::new(&problem).unwrap();
        for output in 0..2 {
            let dual_problem = dual_problem(&problem, &adjoint, output).unwrap();
            let dual = reduced_basis(&dual_problem, columns.as_ref(), None, &all_modes()).unwrap();
            assert_eq!(dual.basis(), primal.basis());
            let correction = output_correction(&problem, &primal, output, dual).unwrap();
            let points = random_coefficients::<T>(3, 2, 4, 5);
            let (mut first, mut second) = (primal.workspace(), correction.workspace());
            for i in 0..4 {
                let (theta, gamma) = points.at(i);
                let lambda: Vec<T> = (0..output + 1).map(|s| T::from_parts(1.0, 0.5 * s as f64)).collect();
                let y = primal.solve(&theta, &gamma, 6, &mut first).unwrap();
                let plain = primal.output(output, &lambda, y).unwrap();
                let found = correction.evaluate(&primal, &theta, &gamma, &lambda, y, 6, &mut second).unwrap();
                assert!(found.correction.modulus() < 1e-13 * plain.modulus().max(1.0), "{found:?}");
                // l(u_N) = z_Nᴴ f: the output of the dual model is the conjugate.
                let conjugates = |v: &[T]| v.iter().map(|x| x.conjugate()).collect::<Vec<T>>();
                let mut third = correction.dual().workspace();
                let z = correction.dual().solve(&conjugates(&theta), &conjugates(&lambda), 6, &mut third).unwrap();
                let seen = correction.dual().output(0, &conjugates(&gamma), z).unwrap().conjugate();
                assert!((seen - plain).modulus() < 1e-12 * plain.modulus().max(1.0), "{seen} {plain}");
                // And for full solutions.
                let (u, z) =
                    (solver.solve(&theta, &gamma).unwrap(), solver.solve_adjoint(&theta, output, &lambda).unwrap());
                let f = crate::affine::combined(problem.rhs.as_ref(), &gamma);
                let l = crate::affine::combined(problem.outputs[output].as_ref(), &conjugates(&lambda));
                let left = adjoint_times(l.as_ref(), column(&u).as_ref())[(0, 0)];
                let right = adjoint_times(column(&z).as_ref(), f.as_ref())[(0, 0)];
                assert!((left - right).modulus() < 1e-12 * left.modulus().max(1.0));
            }
        }
        assert!(kolmo::offline::reduced_basis_dual::dual_problem(&problem, &adjoint, 2).is_err());
        assert!(solver.solve_adjoint(&[T::real(1.0); 3], 2, &[]).is_err());
    }
    agree::<f64>();
    agree::<c64>();
}

/// The output is that of one block, the load that of all: with a dual basis of as many modes its error falls twice as fast.
#[test]
fn corrected_outputs_converge_twice_as_fast() {
    let blocks = Blocks::new(24, 3);
    let problem = blocks.problem();
    let solver = DirectSolver::new(&problem).unwrap();
    let training = conductivities(60, 1);
    let options = |n: usize| Options {
        truncation: Truncation::Modes(n),
        projection: Projection::LeastSquares,
        ..Options::default()
    };
    let (primal, _) = thermal(&problem, 60, &options(32));
    let adjoint = AdjointTerms::new(&blocks.terms);
    let dual_problem = dual_problem(&problem, &adjoint, 1).unwrap();
    let duals: Vec<Vec<f64>> = (0..60).map(|i| solver.solve_adjoint(&training.at(i).0, 1, &[1.0]).unwrap()).collect();
    let duals = Mat::from_fn(blocks.n_dofs(), 60, |i, j| duals[j][i]);
    let dual = reduced_basis(&dual_problem, duals.as_ref(), Some(&training), &options(32)).unwrap();
    let correction = output_correction(&problem, &primal, 1, dual).unwrap();
    let points = conductivities(40, 9);
    let truth = solver.solve_all(&points).unwrap();
    let (mut first, mut second) = (primal.workspace(), correction.workspace());
    let mut table = Vec::new();
    for n in [4, 8, 16, 32] {
        let (mut plain, mut corrected) = (0.0_f64, 0.0_f64);
        for i in 0..points.n_points() {
            let (theta, gamma) = points.at(i);
            let exact = adjoint_times(problem.outputs[1].as_ref(), truth.as_ref().subcols(i, 1))[(0, 0)];
            let y = primal.solve(&theta, &gamma, n, &mut first).unwrap();
            let found = correction.evaluate(&primal, &theta, &gamma, &[1.0], y, n, &mut second).unwrap();
            plain += ((found.value - found.correction - exact) / exact).powi(2);
            corrected += ((found.value - exact) / exact).powi(2);
        }
        table.push(((plain / 40.0).sqrt(), (corrected / 40.0).sqrt()));
    }
    assert!(table.iter().all(|(plain, corrected)| corrected < plain), "{table:?}");
    let rate = |of: fn(&(f64, f64)) -> f64| (of(&table[0]) / of(&table[3])).ln();
    let factor = rate(|t| t.1) / rate(|t| t.0);
    assert!(factor > 1.6, "the rate grows by {factor}: {table:?}");
}

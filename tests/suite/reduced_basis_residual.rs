//! The compressed residual of a reduced basis: against residuals of full size, and against the quadratic form that it replaces.

use crate::affine::{
    Helmholtz, adjoint_times, column, combined, dense, distance, random, random_coefficients, random_problem,
    random_terms, solved, times,
};
use crate::blocks::Blocks;
use crate::reduced_basis::{all_modes, conductivities, thermal};
use faer::{Mat, MatRef};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::norms;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::small::norm;
use kolmo::linalg::sparse::from_triplets;
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::offline::direct_solver::DirectSolver;
use kolmo::offline::reduced_basis::{AffineProblem, Coefficients, Options, ResidualNorm, reduced_basis};
use kolmo::online::reduced_basis::{Projection, ReducedBasis};
use std::sync::Arc;

/// X in full.
fn dense_product(x: &InnerProduct, n: usize) -> Mat<f64> {
    let mut a = Mat::<f64>::identity(n, n);
    match x {
        InnerProduct::Euclidean => {}
        InnerProduct::Diagonal(w) => (0..n).for_each(|i| a[(i, i)] = w[i]),
        InnerProduct::Sparse(m) => {
            a.fill(0.0);
            m.iter().for_each(|(v, (i, j))| a[(i, j)] = *v);
        }
        InnerProduct::Components(..) => unreachable!("of vector fields, which these problems do not have"),
    }
    a
}

/// sqrt(rᴴX⁻¹r) by a dense solve, which squares.
fn dual_norm<T: Scalar>(x: &Mat<f64>, r: MatRef<'_, T>) -> f64 {
    let x = Mat::from_fn(x.nrows(), x.ncols(), |i, j| T::real(x[(i, j)]));
    let r = r.to_owned();
    adjoint_times(r.as_ref(), solved(&x, &r).as_ref())[(0, 0)].re().max(0.0).sqrt()
}

/// f(mu) - A(mu) V y, in full.
fn full_residual<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    model: &ReducedBasis<T>,
    theta: &[T],
    gamma: &[T],
    y: &[T],
) -> Mat<T> {
    let u = combined(model.basis().subcols(0, y.len()), y);
    let au = times(dense(problem.matrices, theta).as_ref(), u.as_ref());
    let f = combined(problem.rhs.as_ref(), gamma);
    Mat::from_fn(f.nrows(), 1, |i, _| f[(i, 0)] - au[(i, 0)])
}

/// Every norm that is told is that of the full residual: to 1e-8 of it above its uncertainty.
fn indicators_are_exact<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    model: &ReducedBasis<T>,
    points: &Coefficients<T>,
    x: &Mat<f64>,
) {
    let mut sharp = 0;
    let mut workspace = model.workspace();
    for i in 0..points.n_points() {
        let (theta, gamma) = points.at(i);
        for n in 1..=model.n_modes() {
            let (y, indicator) = model.solve_with_indicator(&theta, &gamma, n, &mut workspace).unwrap();
            let y = y.to_vec();
            let residual = model.residual().unwrap();
            let told = residual.norm(&theta, &gamma, &y, &mut vec![T::default(); residual.n_rows()]).unwrap();
            let truth = dual_norm(x, full_residual(problem, model, &theta, &gamma, &y).as_ref());
            let f = dual_norm(x, combined(problem.rhs.as_ref(), &gamma).as_ref());
            assert!((told.rhs_norm - f).abs() < 1e-8 * f, "norm of f: {} and {f}", told.rhs_norm);
            assert_eq!(indicator, told.norm / told.rhs_norm);
            // The dense reference itself is good to round-off of its parts.
            let floor = told.uncertainty + 1e-13 * f;
            assert!((told.norm - truth).abs() <= floor.max(1e-8 * truth), "{n} modes: {told:?}, truth {truth}");
            sharp += usize::from(told.uncertainty < 1e-8 * truth);
        }
    }
    assert!(sharp * 2 > points.n_points() * model.n_modes(), "only {sharp} residuals are above their uncertainty");
}

fn random_indicators<T: Scalar>(x: InnerProduct, norm: ResidualNorm, projection: Projection) {
    let n = 40;
    let terms = random_terms::<T>(n, 3, true, 3);
    let problem = random_problem(&terms, x);
    let options = Options { norm, projection, ..all_modes() };
    let model = reduced_basis(&problem, random::<T>(n, 8, 4).as_ref(), None, &options).unwrap();
    let matrix = match norm {
        ResidualNorm::Dual => dense_product(&problem.inner_product, n),
        ResidualNorm::Euclidean => Mat::identity(n, n),
    };
    indicators_are_exact(&problem, &model, &random_coefficients(3, 2, 4, 5), &matrix);
}

#[test]
fn indicators_are_norms_of_full_residuals() {
    let triplets: Vec<_> =
        (0..40).flat_map(|i| [(i, i, 2.0), (i, (i + 1) % 40, 0.5), ((i + 1) % 40, i, 0.5)]).collect();
    for projection in [Projection::Galerkin, Projection::LeastSquares] {
        for norm in [ResidualNorm::Dual, ResidualNorm::Euclidean] {
            let weights = || InnerProduct::Diagonal((0..40).map(|i| 0.5 + i as f64).collect());
            let sparse = || InnerProduct::Sparse(from_triplets(40, 40, &triplets));
            random_indicators::<f64>(sparse(), norm, projection);
            random_indicators::<f64>(weights(), norm, projection);
            random_indicators::<faer::c64>(sparse(), norm, projection);
            random_indicators::<faer::c64>(weights(), norm, projection);
        }
    }
    let blocks = Blocks::new(12, 3);
    let problem = blocks.problem();
    let (model, _) = thermal(&problem, 8, &all_modes());
    let x = dense_product(&problem.inner_product, blocks.n_dofs());
    indicators_are_exact(&problem, &model, &conductivities(4, 2), &x);
    let helmholtz = Helmholtz::new(150);
    let problem = helmholtz.problem();
    let waves = [2.0, 5.0, 8.0, 11.0, 14.0, 17.0];
    let training = Helmholtz::coefficients(&waves);
    let snapshots = DirectSolver::new(&problem).unwrap().solve_all(&training).unwrap();
    let model = reduced_basis(&problem, snapshots.as_ref(), Some(&training), &all_modes()).unwrap();
    let x = dense_product(&problem.inner_product, 150);
    indicators_are_exact(&problem, &model, &Helmholtz::coefficients(&[3.5, 9.5, 15.5]), &x);
}

/// With few rows the uncertainty is large, and holds.
#[test]
fn what_is_cut_off_is_known() {
    let blocks = Blocks::new(18, 3);
    let problem = blocks.problem();
    let x = dense_product(&problem.inner_product, blocks.n_dofs());
    let points = conductivities(20, 6);
    let mut largest = Vec::new();
    // 15 rows take two passes, as more than four times as many columns come.
    for rows in [15, 40, 400] {
        let (model, _) = thermal(&problem, 12, &Options { residual_rows: rows, ..all_modes() });
        let residual = model.residual().unwrap();
        assert!(residual.n_rows() <= rows, "{} rows of {rows}", residual.n_rows());
        let mut workspace = model.workspace();
        let mut worst = 0.0_f64;
        for i in 0..20 {
            let (theta, gamma) = points.at(i);
            for n in [1, 5, 12] {
                let y = model.solve(&theta, &gamma, n, &mut workspace).unwrap().to_vec();
                let told = residual.norm(&theta, &gamma, &y, &mut vec![0.0; residual.n_rows()]).unwrap();
                let truth = dual_norm(&x, full_residual(&problem, &model, &theta, &gamma, &y).as_ref());
                assert!((told.norm - truth).abs() <= told.uncertainty + 1e-12, "{rows} rows: {told:?}, truth {truth}");
                worst = worst.max((told.norm - truth).abs() / truth);
            }
        }
        largest.push(worst);
    }
    assert!(largest[0] > 1e-3 && largest[2] < 1e-8 && largest[1] < largest[0], "{largest:?}");
}

/// Columns too many to be kept: what is missed of each bounds every residual, and all of it together, weighted as the choice
/// was, is that of the best space of as many rows up to the factor of a range finder.
fn two_passes<T: Scalar>(x: InnerProduct, projection: Projection, n_terms: usize, rows: usize) -> f64 {
    let n = 40;
    let terms = random_terms::<T>(n, n_terms, true, 3);
    let problem = random_problem(&terms, x);
    let options = Options { projection, residual_rows: rows, ..all_modes() };
    let model = reduced_basis(&problem, random::<T>(n, 8, 4).as_ref(), None, &options).unwrap();
    let (n_modes, residual) = (model.n_modes(), model.residual().unwrap());
    assert_eq!((n_modes, residual.n_rows()), (8, rows));
    let x = dense_product(&problem.inner_product, n);
    let points = random_coefficients::<T>(n_terms, 2, 4, 5);
    let mut workspace = model.workspace();
    for i in 0..4 {
        let (theta, gamma) = points.at(i);
        let y = model.solve(&theta, &gamma, n_modes, &mut workspace).unwrap().to_vec();
        let told = residual.norm(&theta, &gamma, &y, &mut vec![T::default(); rows]).unwrap();
        let truth = dual_norm(&x, full_residual(&problem, &model, &theta, &gamma, &y).as_ref());
        assert!((told.norm - truth).abs() <= told.uncertainty + 1e-12 * truth, "{told:?}, truth {truth}");
    }
    // PᴴX⁻¹P of the weighted columns, and what is missed of them.
    let sizes: Vec<f64> = model.parts().singular_values.iter().map(|s| s / 8.0_f64.sqrt()).collect();
    let (mut columns, mut missed) = (problem.rhs.clone(), residual.rhs_columns().missed);
    for q in 0..n_terms {
        let mut av = Mat::zeros(n, n_modes);
        terms.pattern.apply(&terms.values[q], model.basis(), av.as_mut()).unwrap();
        let (old, own) = (columns.ncols(), residual.columns(q).missed);
        let weighted = |i: usize, j: usize| av[(i, j)] * T::real(sizes[j]);
        columns = Mat::from_fn(n, old + n_modes, |i, j| if j < old { columns[(i, j)] } else { weighted(i, j - old) });
        missed.extend(own.iter().zip(&sizes).map(|(m, s)| m * s));
    }
    assert!(columns.ncols() > 4 * rows);
    let x = Mat::from_fn(n, n, |i, j| T::real(x[(i, j)]));
    let gram = adjoint_times(columns.as_ref(), solved(&x, &columns).as_ref());
    let squares = T::hermitian_eigenvalues(gram.as_ref()).unwrap();
    let best: f64 = squares[..squares.len() - rows].iter().map(|s| s.max(0.0)).sum();
    (missed.iter().map(|m| m * m).sum::<f64>() / best).sqrt()
}

#[test]
fn two_passes_miss_little_more_than_the_best() {
    let triplets: Vec<_> =
        (0..40).flat_map(|i| [(i, i, 2.0), (i, (i + 1) % 40, 0.5), ((i + 1) % 40, i, 0.5)]).collect();
    for projection in [Projection::Galerkin, Projection::LeastSquares] {
        let sparse = || InnerProduct::Sparse(from_triplets(40, 40, &triplets));
        let weights = || InnerProduct::Diagonal((0..40).map(|i| 0.5 + i as f64).collect());
        let found = [
            two_passes::<f64>(sparse(), projection, 8, 12),
            two_passes::<f64>(weights(), projection, 6, 10),
            two_passes::<faer::c64>(sparse(), projection, 8, 12),
            two_passes::<faer::c64>(weights(), projection, 6, 10),
        ];
        println!("missed over the least that can be: {found:.3?}");
        // Two parts, at right angles, are added.
        assert!(found.iter().all(|f| (1.0 - 1e-9..3.0_f64.sqrt() * 2.0_f64.sqrt()).contains(f)), "{found:?}");
        // As many directions as dofs: nothing but the cut is missed.
        let all = two_passes::<f64>(sparse(), projection, 16, 30);
        assert!((all - 1.0).abs() < 1e-6, "{all}");
    }
}

/// -u'' + mu u = 1 on ]0, 1[ with u = 0 at both ends: K, M on n - 1 points.
fn reaction(n: usize) -> (TermsInMemory<f64>, InnerProduct) {
    let (h, size) = (1.0 / n as f64, n - 1);
    let (mut indptr, mut indices, mut k, mut m, mut triplets) =
        (vec![0], Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for i in 0..size {
        for j in i.saturating_sub(1)..(i + 2).min(size) {
            indices.push(j);
            k.push(if i == j { 2.0 / h } else { -1.0 / h });
            m.push(if i == j { 4.0 * h / 6.0 } else { h / 6.0 });
            triplets.push((i, j, k[k.len() - 1] + m[m.len() - 1]));
        }
        indptr.push(indices.len());
    }
    let pattern = Arc::new(Pattern::Sparse { indptr, indices });
    (TermsInMemory { pattern, values: vec![k, m] }, InnerProduct::Sparse(from_triplets(size, size, &triplets)))
}

/// The quadratic form xᵀ(PᵀX⁻¹P)x stalls at the root of round-off; the norm of R_P x follows the residual of full size
/// within 10 % down to 1e-11; over min(1, mu) it bounds the error.
#[test]
fn norms_reach_where_squares_stall() {
    let (terms, x) = reaction(200);
    let problem =
        AffineProblem { matrices: &terms, rhs: Mat::full(199, 1, 0.005), outputs: vec![], inner_product: x.clone() };
    let InnerProduct::Sparse(matrix) = &x else { unreachable!() };
    let cholesky = kolmo::linalg::sparse_cholesky::SparseCholesky::new(matrix).unwrap();
    let dual = |r: &Mat<f64>| {
        let half = cholesky.half_solve(r.as_ref()).unwrap();
        norm(&half.col(0).iter().copied().collect::<Vec<f64>>())
    };
    let load = dual(&problem.rhs);
    assert!((load - 0.2753).abs() < 1e-4, "{load}");
    let solver = DirectSolver::new(&problem).unwrap();
    let points: Vec<f64> = (0..300).map(|i| 1.0 + 99.0 * (f64::from(i) + 0.5) / 300.0).collect();
    let mut floors = Vec::new();
    for n in [3, 5, 7, 9] {
        let chosen: Vec<f64> = (0..n).map(|i| 100.0_f64.powf(f64::from(i) / f64::from(n - 1))).collect();
        let training = Coefficients {
            theta: Mat::from_fn(2, n as usize, |q, j| if q == 0 { 1.0 } else { chosen[j] }),
            gamma: Mat::full(1, n as usize, 1.0),
        };
        let snapshots = solver.solve_all(&training).unwrap();
        let options = Options { residual_tolerance: 1e-15, ..all_modes() };
        let model = reduced_basis(&problem, snapshots.as_ref(), Some(&training), &options).unwrap();
        let n = model.n_modes();
        // P and its Gram matrix.
        let mut p = vec![problem.rhs.clone()];
        for values in &terms.values {
            let mut av = Mat::zeros(199, n);
            terms.pattern.apply(values, model.basis(), av.as_mut()).unwrap();
            p.extend((0..n).map(|i| av.as_ref().subcols(i, 1).to_owned()));
        }
        let p = Mat::from_fn(199, p.len(), |i, j| p[j][(i, 0)]);
        let gram = adjoint_times(p.as_ref(), cholesky.solve(p.as_ref()).unwrap().as_ref());
        let mut workspace = model.workspace();
        let (mut largest, mut largest_square) = (0.0_f64, 0.0_f64);
        for mu in &points {
            let y = model.solve(&[1.0, *mu], &[1.0], n, &mut workspace).unwrap().to_vec();
            let truth = dual(&full_residual(&problem, &model, &[1.0, *mu], &[1.0], &y));
            let told = load * model.indicator(&[1.0, *mu], &[1.0], &y, n, &mut workspace).unwrap();
            if truth > 1e-11 {
                assert!((told - truth).abs() < 0.1 * truth, "{n} modes, mu = {mu}: {told:e}, truth {truth:e}");
            }
            let u = column(&solver.solve(&[1.0, *mu], &[1.0]).unwrap());
            let u_n = model.reconstruct(column(&y).as_ref()).unwrap();
            let error = norms(&x, Mat::from_fn(199, 1, |i, _| u[(i, 0)] - u_n[(i, 0)]).as_ref())[0];
            assert!(
                told / mu.min(1.0) >= error * (1.0 - 1e-6) - 1e-12,
                "{n} modes, mu = {mu}: {told:e}, error {error:e}"
            );
            let z: Vec<f64> = [1.0].into_iter().chain(y.iter().map(|y| -y)).chain(y.iter().map(|y| -mu * y)).collect();
            let square = adjoint_times(column(&z).as_ref(), combined(gram.as_ref(), &z).as_ref())[(0, 0)];
            largest = largest.max(told);
            largest_square = largest_square.max(square.abs().sqrt());
        }
        floors.push((largest, largest_square));
    }
    // Few modes: the same. Many: the form stalls near 1e-8, the norm falls on.
    assert!((floors[0].0 / floors[0].1 - 1.0).abs() < 1e-6, "{floors:?}");
    assert!((1e-5..1e-3).contains(&floors[0].0), "{floors:?}");
    assert!(floors[2].1 > 2e-9 && floors[3].1 > 2e-9, "{floors:?}");
    assert!(floors[2].0 < 1e-10 && floors[3].0 < 2e-11, "{floors:?}");
}

/// The columns that a residual is made of, and the same for fewer modes.
#[test]
fn columns_go_in_and_come_out() {
    let terms = random_terms::<f64>(30, 3, true, 3);
    let problem = random_problem(&terms, InnerProduct::Euclidean);
    let model = reduced_basis(&problem, random::<f64>(30, 4, 4).as_ref(), None, &all_modes()).unwrap();
    let residual = model.residual().unwrap();
    let columns: Vec<_> = (0..3).map(|q| residual.columns(q)).collect();
    let again = kolmo::online::reduced_basis_residual::Residual::new(&columns, &residual.rhs_columns()).unwrap();
    let (theta, gamma, y) = ([1.0, 0.4, -0.3], [1.0, 2.0], [0.3, -0.7, 0.2, 0.1]);
    let mut memory = vec![0.0; residual.n_rows()];
    let whole = residual.norm(&theta, &gamma, &y, &mut memory).unwrap();
    assert_eq!(again.norm(&theta, &gamma, &y, &mut memory).unwrap(), whole);
    assert_eq!(
        residual.truncated(2).norm(&theta, &gamma, &y[..2], &mut memory).unwrap(),
        residual.norm(&theta, &gamma, &y[..2], &mut memory).unwrap()
    );
    // Norms of the columns are those of A_q v_i.
    let mut av = Mat::zeros(30, 4);
    terms.pattern.apply(&terms.values[1], model.basis(), av.as_mut()).unwrap();
    let expected = norms(&InnerProduct::Euclidean, av.as_ref());
    assert!(columns[1].norms.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-13 * b));
    let gram = adjoint_times(columns[1].rows.as_ref(), columns[1].rows.as_ref());
    assert!(distance(gram.as_ref(), adjoint_times(av.as_ref(), av.as_ref()).as_ref()) < 1e-9);
    for (theta, gamma, y, rows) in [(2, 2, 4, 30), (3, 1, 4, 30), (3, 2, 5, 30), (3, 2, 4, 1)] {
        let refused = residual.norm(&vec![1.0; theta], &vec![1.0; gamma], &vec![1.0; y], &mut vec![0.0; rows]);
        assert!(refused.unwrap_err().to_string().starts_with("norm of a residual"));
    }
    let mut short = columns.clone();
    short[1].missed.pop();
    assert!(kolmo::online::reduced_basis_residual::Residual::new(&short, &residual.rhs_columns()).is_err());
}

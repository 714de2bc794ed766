//! Functions of parametrised matrices: exact cases, bounds against dense truths, what is refused.

use faer::Mat;
use kolmo::algorithms::eim::lebesgue_sum;
use kolmo::algorithms::matrix_functions::monomials::Monomials;
use kolmo::algorithms::matrix_functions::{
    LogDeterminant, MatrixFunctions, Options, Residual, Series, TermNorms, matrix_functions,
};
use kolmo::linalg::scalar::{Scalar, c64, product};
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::{Error, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

fn random<T: Scalar>(n: usize, m: usize, rng: &mut StdRng) -> Mat<T> {
    Mat::from_fn(n, m, |_, _| T::from_parts(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)))
}

/// B Bᴴ / n + shift.
pub fn definite<T: Scalar>(n: usize, shift: f64, rng: &mut StdRng) -> Mat<T> {
    let b: Mat<T> = random(n, n, rng);
    let square = Mat::from_fn(n, n, |i, j| (0..n).map(|l| b[(i, l)] * b[(j, l)].conjugate()).sum::<T>());
    Mat::from_fn(n, n, |i, j| square[(i, j)] * T::real(1.0 / n as f64) + T::real(if i == j { shift } else { 0.0 }))
}

fn in_memory<T: Scalar>(terms: &[Mat<T>]) -> TermsInMemory<T> {
    let n = terms[0].nrows();
    let rows = |a: &Mat<T>| (0..n * n).map(|e| a[(e / n, e % n)]).collect();
    TermsInMemory { pattern: Arc::new(Pattern::Dense { n_rows: n }), values: terms.iter().map(rows).collect() }
}

fn combined<T: Scalar>(terms: &[Mat<T>], alpha: &[T]) -> Mat<T> {
    let n = terms[0].nrows();
    Mat::from_fn(n, n, |i, j| terms.iter().zip(alpha).map(|(a, c)| a[(i, j)] * *c).sum())
}

fn inverse<T: Scalar>(a: &Mat<T>) -> Mat<T> {
    let identity: Mat<T> = Mat::identity(a.nrows(), a.nrows());
    T::lu_solve(a.as_ref(), identity.as_ref(), "A").unwrap().0
}

/// log |det A|.
pub fn log_det<T: Scalar>(a: &Mat<T>) -> f64 {
    T::thin_svd(a.as_ref()).unwrap().1.iter().map(|s| s.ln()).sum()
}

fn difference<T: Scalar>(a: &Mat<T>, b: &Mat<T>) -> Mat<T> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] - b[(i, j)])
}

fn frobenius<T: Scalar>(a: &Mat<T>) -> f64 {
    a.col_iter().map(|c| c.iter().map(|x| x.modulus_squared()).sum::<f64>()).sum::<f64>().sqrt()
}

fn spectral<T: Scalar>(a: &Mat<T>) -> f64 {
    T::thin_svd(a.as_ref()).unwrap().1[0]
}

/// 1, and functions of two parameters in [0, 1] that are not affine.
fn alphas<T: Scalar>(mu: [f64; 2]) -> Vec<T> {
    let turn = if T::IS_COMPLEX { (3.0 * mu[0]).sin() } else { 0.0 };
    vec![T::real(1.0), T::from_parts((1.0 + mu[0] * mu[1]).ln(), 0.3 * turn), T::real((2.0 * mu[1]).sin().powi(2))]
}

fn training<T: Scalar>(m: usize) -> Mat<T> {
    let fraction = |j: usize, step: f64| (0.5 + step * (j + 1) as f64).fract();
    let columns: Vec<Vec<T>> =
        (0..m).map(|j| alphas([fraction(j, 0.754_877_666), fraction(j, 0.569_840_291)])).collect();
    Mat::from_fn(3, m, |k, j| columns[j][k])
}

fn options(degree: usize, max_nodes: Option<usize>) -> Options {
    Options { degree, max_nodes, ..Options::default() }
}

fn at_node<T: Scalar>(f: &MatrixFunctions<T>, r: usize) -> Vec<T> {
    f.node_alphas.col(r).iter().copied().collect()
}

#[test]
fn monomials_are_all_products_of_powers_and_none_twice() {
    let monomials = Monomials::new(3, 4).unwrap();
    assert_eq!(monomials.len(), 35);
    let found = monomials.values(&[2.0, 3.0, 5.0]);
    let mut expected = Vec::new();
    for (i, j, k) in (0..125).map(|e| (e / 25, e / 5 % 5, e % 5)).filter(|(i, j, k)| i + j + k <= 4) {
        expected.push(2f64.powi(i) * 3f64.powi(j) * 5f64.powi(k));
    }
    let sorted = |v: &[f64]| {
        let mut v = v.to_vec();
        v.sort_by(f64::total_cmp);
        v
    };
    assert_eq!(sorted(&found), sorted(&expected));
    assert!(monomials.steps().windows(2).all(|s| s[0].degree <= s[1].degree));
    assert_eq!(Monomials::new(0, 7).unwrap().values::<f64>(&[]), [1.0]);
}

fn weights_are_those_of_an_interpolation<T: Scalar>() {
    for (degree, n) in [(1, 3), (2, 6), (4, 11), (5, 21)] {
        let f = matrix_functions(training::<T>(90).as_ref(), &options(degree, Some(n))).unwrap();
        assert_eq!(f.n_nodes(), n);
        for r in 0..n {
            let weights = f.weights(&at_node(&f, r)).unwrap();
            for (s, w) in weights.iter().enumerate() {
                let unit = T::real(if s == r { 1.0 } else { 0.0 });
                assert!((*w - unit).modulus() < 1e-13, "degree {degree}, node {r}: {w}");
            }
        }
        for j in 0..50 {
            let mu = [(0.37 * j as f64).fract(), (0.21 * j as f64).fract()];
            let weights = f.weights(&alphas::<T>(mu)).unwrap();
            let sum: T = weights.iter().copied().sum();
            assert!((sum - T::real(1.0)).modulus() < 1e-13 * lebesgue_sum(&weights).max(10.0), "{sum}");
        }
    }
}

#[test]
fn weights_are_one_at_a_node_and_add_up_to_one() {
    weights_are_those_of_an_interpolation::<f64>();
    weights_are_those_of_an_interpolation::<c64>();
}

/// A = 2 (I - alpha_1 N_1 - alpha_2 N_2), N_k from each of four blocks to the one before: words of four letters are zero.
fn nilpotent<T: Scalar>(degree: usize) -> f64 {
    let mut rng = StdRng::seed_from_u64(4);
    let block: [Mat<T>; 2] = [random(3, 3, &mut rng), random(3, 3, &mut rng)];
    let shift =
        |k: usize| {
            Mat::from_fn(12, 12, |i, j| {
                if i / 3 + 1 == j / 3 { block[k][(i % 3, j % 3)] * T::real(-2.0) } else { T::default() }
            })
        };
    let terms = [Mat::from_fn(12, 12, |i, j| T::real(if i == j { 2.0 } else { 0.0 })), shift(0), shift(1)];
    let f = matrix_functions(training::<T>(90).as_ref(), &options(degree, None)).unwrap();
    assert_eq!(f.n_nodes(), (degree + 1) * (degree + 2) / 2);
    let inverses: Vec<Mat<T>> = (0..f.n_nodes()).map(|r| inverse(&combined(&terms, &at_node(&f, r)))).collect();
    let mut worst = 0.0_f64;
    for j in 0..30 {
        let alpha = alphas::<T>([(0.37 * j as f64).fract(), (0.21 * j as f64).fract()]);
        let truth = inverse(&combined(&terms, &alpha));
        let found = f.combine_matrices(&inverses, &f.weights(&alpha).unwrap()).unwrap();
        worst = worst.max(frobenius(&difference(&truth, &found)) / frobenius(&truth));
    }
    worst
}

#[test]
fn words_up_to_the_degree_are_exact() {
    assert!(nilpotent::<f64>(3) < 1e-12, "{}", nilpotent::<f64>(3));
    assert!(nilpotent::<c64>(3) < 1e-12, "{}", nilpotent::<c64>(3));
    assert!(nilpotent::<f64>(2) > 1e-4, "the case must be able to fail");
}

#[test]
fn combinations_are_the_same_for_scalars_vectors_and_matrices() {
    let mut rng = StdRng::seed_from_u64(3);
    let f = matrix_functions(training::<f64>(40).as_ref(), &options(2, None)).unwrap();
    let matrices: Vec<Mat<f64>> = (0..f.n_nodes()).map(|_| random(3, 2, &mut rng)).collect();
    let weights = f.weights(&alphas([0.2, 0.9])).unwrap();
    let columns = Mat::from_fn(6, f.n_nodes(), |e, r| matrices[r][(e % 3, e / 3)]);
    let (of_matrices, of_columns) =
        (f.combine_matrices(&matrices, &weights).unwrap(), f.combine(columns.as_ref(), &weights).unwrap());
    for (e, found) in of_columns.iter().enumerate() {
        let direct: f64 = (0..f.n_nodes()).map(|r| weights[r] * matrices[r][(e % 3, e / 3)]).sum();
        assert!((found - direct).abs() < 1e-14 && (of_matrices[(e % 3, e / 3)] - direct).abs() < 1e-14);
    }
}

/// Bounds of inverses and solutions of a random family against dense truths.
fn inverse_bounds<T: Scalar>(n: usize, degree: usize, hermitian: bool, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let terms: Vec<Mat<T>> = (0..3)
        .map(|k| match hermitian {
            true => definite(n, if k == 0 { 1.5 } else { 0.0 }, &mut rng),
            false => {
                let a: Mat<T> = random(n, n, &mut rng);
                let size = 0.5 / (n as f64).sqrt();
                Mat::from_fn(n, n, |i, j| a[(i, j)] * T::real(size) + T::real(if i == j && k == 0 { 2.0 } else { 0.0 }))
            }
        })
        .collect();
    let f = matrix_functions(training::<T>(80).as_ref(), &options(degree, None)).unwrap();
    let d = f.n_nodes();
    let (memory, b): (_, Mat<T>) = (in_memory(&terms), random(n, 1, &mut rng));
    let inverses: Vec<Mat<T>> = (0..d).map(|r| inverse(&combined(&terms, &at_node(&f, r)))).collect();
    let solutions: Vec<Mat<T>> = inverses.iter().map(|x| product(x.as_ref(), b.as_ref())).collect();
    let identity: Mat<T> = Mat::identity(n, n);
    let of_inverse = Residual::new(&f, &memory, identity.as_ref(), &inverses).unwrap();
    let of_solution = Residual::new(&f, &memory, b.as_ref(), &solutions).unwrap();
    let norms = TermNorms::of_matrices(&terms, &alphas([0.6, 0.6])).unwrap();
    let series = Series::new(&f, norms, 30).unwrap();
    let inverse_norms: Vec<f64> = inverses.iter().map(spectral).collect();
    for _ in 0..60 {
        let alpha = alphas::<T>([rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)]);
        let weights = f.weights(&alpha).unwrap();
        let a = combined(&terms, &alpha);
        let truth = inverse(&a);
        let x = f.combine_matrices(&inverses, &weights).unwrap();
        let missed = difference(&truth, &x);
        let least = 1.0 / spectral(&truth);
        // The norm of the residual against its definition.
        let residual = frobenius(&difference(&identity, &product(a.as_ref(), x.as_ref())));
        let norm = of_inverse.norm(&alpha, &weights).unwrap();
        assert!(norm >= residual * (1.0 - 1e-12) && norm <= residual * (1.0 + 1e-9) + 1e-11, "{norm} {residual}");
        let stability = of_inverse.stability(&alpha, &weights, &inverse_norms).unwrap();
        let sum: f64 = weights.iter().zip(&inverse_norms).map(|(w, n)| w.modulus() * n).sum();
        assert!(stability <= least * (1.0 + 1e-12), "{stability} {least}");
        assert!((stability * sum - (1.0 - residual)).abs() < 1e-9, "{stability} {residual}");
        let sharp = of_inverse.bound(&alpha, &weights, least).unwrap();
        let condition = spectral(&a) / least;
        assert!(sharp >= frobenius(&missed) && sharp <= 1.01 * condition * frobenius(&missed) + 1e-10);
        assert!(of_inverse.bound(&alpha, &weights, stability).unwrap() >= frobenius(&missed));
        let u = product(truth.as_ref(), b.as_ref());
        let of_u = f.combine_matrices(&solutions, &weights).unwrap();
        let error = frobenius(&difference(&u, &of_u));
        let bound = of_solution.bound(&alpha, &weights, least).unwrap();
        assert!(bound >= error && bound <= 1.01 * condition * error + 1e-10, "{bound} {error}");
        let bounds = series.bounds(&alpha, &weights).unwrap();
        assert!(bounds.inverse_spectral >= spectral(&missed) && bounds.inverse_frobenius >= frobenius(&missed));
        assert!(bounds.ratio < 1.0 && bounds.inverse_spectral < 1e6 * spectral(&missed) + 1e-8);
    }
}

#[test]
fn errors_of_inverses_and_solutions_are_not_above_their_bounds() {
    for (seed, degree) in [(1, 1), (2, 3), (3, 5)] {
        inverse_bounds::<f64>(9, degree, true, seed);
        inverse_bounds::<f64>(8, degree, false, seed);
        inverse_bounds::<c64>(6, degree, true, seed);
        inverse_bounds::<c64>(7, degree, false, seed);
    }
}

/// Bounds of log-determinants, `degree` beyond which little is missed.
fn log_det_bounds<T: Scalar>(n: usize, degree: usize, max_nodes: Option<usize>, seed: u64) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let terms: Vec<Mat<T>> = (0..3).map(|k| definite(n, if k == 0 { 1.0 } else { 0.05 }, &mut rng)).collect();
    // Hermitian for real coefficients only.
    let real = |mu: [f64; 2]| -> Vec<T> { alphas::<f64>(mu).into_iter().map(T::real).collect() };
    let of_training = training::<f64>(80);
    let training = Mat::from_fn(3, 80, |k, j| T::real(of_training[(k, j)]));
    let f = matrix_functions(training.as_ref(), &options(degree, max_nodes)).unwrap();
    let at: Vec<Mat<T>> = (0..f.n_nodes()).map(|r| combined(&terms, &at_node(&f, r))).collect();
    let inverses: Vec<Mat<T>> = at.iter().map(inverse).collect();
    let values: Vec<f64> = at.iter().map(log_det).collect();
    let line = LogDeterminant::new(&f, &in_memory(&terms), &inverses, &values).unwrap();
    let norms = TermNorms::of_matrices(&terms, &real([0.6, 0.6])).unwrap();
    let series = Series::new(&f, norms, 30).unwrap();
    let mut worst = 0.0_f64;
    for _ in 0..60 {
        let alpha = real([rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)]);
        let a = combined(&terms, &alpha);
        let (truth, least) = (log_det(&a), 1.0 / spectral(&inverse(&a)));
        let weights = f.weights(&alpha).unwrap();
        for stability in [Some(least), None] {
            let found = line.value(&alpha, stability).unwrap();
            let direct: f64 = weights.iter().zip(&values).map(|(w, v)| w.re() * v).sum();
            assert!((found.interpolated - direct).abs() < 1e-12);
            let (one, two) = ((found.interpolated - truth).abs(), (found.integrated - truth).abs());
            assert!(found.interpolated_bound >= one && found.integrated_bound >= two, "{found:?} {truth}");
            assert!(found.interpolated_bound <= 1e3 * one + 1e3 * two + 1e-9, "{found:?} {truth}");
            worst = worst.max(one);
        }
        let bound = series.bounds(&alpha, &weights).unwrap().log_det;
        assert!(
            bound
                >= (f.combine(Mat::from_fn(1, values.len(), |_, r| T::real(values[r])).as_ref(), &weights).unwrap()[0]
                    .re()
                    - truth)
                    .abs()
        );
    }
    // At a node nothing is missed, and nothing but round-off is bounded.
    let found = line.value(&at_node(&f, 1), None).unwrap();
    assert!((found.integrated - values[1]).abs() < 1e-12 && found.integrated_bound < 1e-10, "{found:?}");
    worst
}

#[test]
fn errors_of_log_determinants_are_not_above_their_bounds() {
    for seed in 0..4 {
        let coarse = log_det_bounds::<f64>(10, 2, None, seed);
        let fine = log_det_bounds::<f64>(10, 6, None, seed);
        assert!(fine < 0.05 * coarse, "{fine} {coarse}");
        // Fewer nodes than monomials: the low degrees are missed as well.
        log_det_bounds::<f64>(10, 4, Some(9), seed);
        log_det_bounds::<c64>(6, 3, None, seed);
    }
}

/// Alphas that hardly vary: what is missed is round-off, and so is what is bounded.
#[test]
fn bounds_by_residuals_hold_down_to_round_off() {
    let mut rng = StdRng::seed_from_u64(11);
    let terms: Vec<Mat<f64>> = (0..3).map(|k| definite(8, if k == 0 { 1.0 } else { 0.0 }, &mut rng)).collect();
    let small = |v: Vec<f64>| vec![1.0, 0.02 * v[1], 0.02 * v[2]];
    let wide = training::<f64>(80);
    let narrow = Mat::from_fn(3, 80, |k, j| if k == 0 { 1.0 } else { 0.02 * wide[(k, j)] });
    let f = matrix_functions(narrow.as_ref(), &options(7, None)).unwrap();
    let at: Vec<Mat<f64>> = (0..f.n_nodes()).map(|r| combined(&terms, &at_node(&f, r))).collect();
    let inverses: Vec<Mat<f64>> = at.iter().map(inverse).collect();
    let values: Vec<f64> = at.iter().map(log_det).collect();
    let line = LogDeterminant::new(&f, &in_memory(&terms), &inverses, &values).unwrap();
    for _ in 0..200 {
        let alpha = small(alphas([rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)]));
        let a = combined(&terms, &alpha);
        let (truth, value) = (inverse(&a), log_det(&a));
        let weights = f.weights(&alpha).unwrap();
        let missed = frobenius(&difference(&truth, &f.combine_matrices(&inverses, &weights).unwrap()));
        let bound = line.residual().bound(&alpha, &weights, 1.0 / spectral(&truth)).unwrap();
        assert!(bound >= missed && bound < 1e-9, "{bound} {missed}");
        let found = line.value(&alpha, None).unwrap();
        let (one, two) = ((found.interpolated - value).abs(), (found.integrated - value).abs());
        assert!(found.interpolated_bound >= one && found.interpolated_bound < 1e-9, "{found:?} {one}");
        assert!(found.integrated_bound >= two && found.integrated_bound < 1e-9, "{found:?} {two}");
    }
}

/// log det is the sum of logarithms of the diagonal; words of diagonal matrices commute, and the series is exact for one term.
#[test]
fn the_series_is_sharp_where_norms_add_up() {
    let one = Mat::from_fn(1, 1, |_, _| 1.0);
    let points = Mat::from_fn(2, 21, |k, j| if k == 0 { 1.0 } else { j as f64 / 20.0 });
    let f = matrix_functions(points.as_ref(), &options(3, None)).unwrap();
    let series = Series::new(&f, TermNorms::of_matrices(&[one.clone(), one], &[1.0, 0.0]).unwrap(), 400);
    // 1 + x, x up to 1: the series does not converge at the end.
    assert!(matches!(series, Err(Error::Argument { .. })), "{series:?}");
    let terms = [Mat::from_fn(1, 1, |_, _| 1.0), Mat::from_fn(1, 1, |_, _| 0.5)];
    let series = Series::new(&f, TermNorms::of_matrices(&terms, &[1.0, 0.0]).unwrap(), 100).unwrap();
    let alpha = [1.0, 0.77];
    let weights = f.weights(&alpha).unwrap();
    let nodes: Vec<f64> = (0..f.n_nodes()).map(|r| 1.0 + 0.5 * f.node_alphas[(1, r)]).collect();
    let miss = |g: fn(f64) -> f64| (g(1.385) - weights.iter().zip(&nodes).map(|(w, a)| w * g(*a)).sum::<f64>()).abs();
    let found = series.bounds(&alpha, &weights).unwrap();
    // Signs alternate in the series, not in its bound.
    let (inverse, log) = (miss(|a| 1.0 / a), miss(f64::ln));
    assert!(
        (found.inverse_spectral / inverse).log10() > 0.0 && found.inverse_spectral < 20.0 * inverse,
        "{found:?} {inverse}"
    );
    assert!(found.log_det >= log && found.log_det < 20.0 * log, "{found:?} {log}");
}

pub fn refused<A: std::fmt::Debug>(found: Result<A>, words: &str) {
    let error = found.expect_err(words);
    assert!(
        matches!(error, Error::Argument { .. }) && error.to_string().contains(words),
        "`{error}` without `{words}`"
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let good = training::<f64>(30);
    let with = |o: Options| matrix_functions(good.as_ref(), &o);
    refused(with(Options { degree: 0, ..Options::default() }), "degree");
    refused(with(Options { degree: 2000, ..Options::default() }), "monomials");
    refused(with(Options { decay: 1.0, ..Options::default() }), "decay");
    refused(with(Options { decay: f64::NAN, ..Options::default() }), "decay");
    refused(with(Options { scales: Some(vec![1.0; 2]), ..Options::default() }), "scales");
    refused(with(Options { scales: Some(vec![1.0, 1e-3, 1.0]), ..Options::default() }), "scale of alpha 1");
    refused(matrix_functions(Mat::<f64>::zeros(0, 3).as_ref(), &Options::default()), "alphas");
    let mut bad = good.clone();
    bad[(2, 5)] = f64::INFINITY;
    refused(matrix_functions(bad.as_ref(), &Options::default()), "alpha 2 at training parameter 5");
    let f = with(options(2, None)).unwrap();
    refused(f.weights(&[1.0, 0.5]), "alphas");
    refused(f.weights(&[1.0, 0.5, f64::NAN]), "alpha 2");
    refused(f.weights(&[1.1, 0.5, 0.5]), "alpha 0");
    let weights = f.weights(&[1.0, 0.3, 0.5]).unwrap();
    refused(f.combine(Mat::zeros(4, 5).as_ref(), &weights), "values at the nodes");
    refused(f.combine_matrices(&[Mat::zeros(2, 2)], &weights), "matrices at the nodes");
    let uneven: Vec<Mat<f64>> = (0..6).map(|r| Mat::zeros(2, if r == 4 { 3 } else { 2 })).collect();
    refused(f.combine_matrices(&uneven, &weights), "matrix at node 4");
}

#[test]
fn bounds_are_refused_where_they_do_not_hold() {
    let mut rng = StdRng::seed_from_u64(8);
    let f = matrix_functions(training::<f64>(40).as_ref(), &options(2, None)).unwrap();
    let terms: Vec<Mat<f64>> = (0..3).map(|k| definite(5, if k == 0 { 1.0 } else { 0.0 }, &mut rng)).collect();
    let centre = alphas::<f64>([0.6, 0.6]);
    let norms = TermNorms::of_matrices(&terms, &centre).unwrap();
    let wide = TermNorms { spectral: vec![1.0, 9.0, 9.0], frobenius: vec![2.0, 9.0, 9.0], ..norms.clone() };
    refused(Series::new(&f, wide, 9), "ratio of the power series at node");
    refused(Series::new(&f, TermNorms { centre: vec![1.5, 0.3, 0.5], ..norms.clone() }, 9), "alpha 0");
    refused(Series::new(&f, TermNorms { frobenius: vec![1.0; 2], ..norms.clone() }, 9), "norms of terms");
    refused(Series::new(&f, TermNorms { spectral: vec![1.0, -1.0, 1.0], ..norms.clone() }, 9), "norms of terms");
    refused(
        Series::new(&f, TermNorms { spectral: vec![1.0, 0.0, 0.1], ..norms.clone() }, 9),
        "spectral norm of term 1",
    );
    refused(TermNorms::of_matrices(&terms, &[0.0; 3]), "centre");
    refused(TermNorms::of_matrices(&terms, &[1.0; 2]), "terms");
    let series = Series::new(&f, norms, 9).unwrap();
    refused(series.bounds(&[1.0, 90.0, 0.1], &f.weights(&[1.0, 0.3, 0.5]).unwrap()), "new parameter");
    let inverses: Vec<Mat<f64>> = (0..f.n_nodes()).map(|r| inverse(&combined(&terms, &at_node(&f, r)))).collect();
    let (memory, identity) = (in_memory(&terms), Mat::<f64>::identity(5, 5));
    refused(Residual::new(&f, &memory, identity.as_ref(), &inverses[1..]), "residual");
    refused(Residual::new(&f, &memory, Mat::zeros(5, 2).as_ref(), &inverses), "shape of a solution");
    let residual = Residual::new(&f, &memory, identity.as_ref(), &inverses).unwrap();
    let alpha = alphas::<f64>([0.1, 0.9]);
    let weights = f.weights(&alpha).unwrap();
    refused(residual.bound(&alpha, &weights, 0.0), "smallest singular value");
    refused(residual.bound(&alpha, &weights[1..], 1.0), "residual");
    refused(residual.norm(&[1.0, f64::NAN, 0.5], &weights), "finite alphas");
    refused(residual.stability(&[1.0, 40.0, 40.0], &weights, &[1.0; 6]), "norm of I - A X");
    let values = vec![0.5; f.n_nodes()];
    refused(LogDeterminant::new(&f, &memory, &inverses, &values[1..]), "log-determinants");
    let wrong = vec![Mat::<f64>::zeros(5, 5); f.n_nodes()];
    refused(LogDeterminant::new(&f, &memory, &wrong, &values), "norm of I - A X");
    let line = LogDeterminant::new(&f, &memory, &inverses, &values).unwrap();
    refused(line.value(&alpha, Some(-1.0)), "smallest eigenvalue");
}

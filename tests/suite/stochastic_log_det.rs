//! log det by stochastic Lanczos quadrature: exact cases, dense ones, threads, what is refused.

use crate::matrix_functions::{definite, log_det, refused};
use faer::{Mat, MatMut, MatRef};
use kolmo::algorithms::stochastic_log_det::{self as slq, LogDetEstimate, stochastic_log_det};
use kolmo::linalg::scalar::product;
use kolmo::{Error, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn dense_log_det(a: &Mat<f64>, options: &slq::Options) -> Result<LogDetEstimate> {
    let apply = |x: MatRef<'_, f64>, mut y: MatMut<'_, f64>| {
        y.copy_from(product(a.as_ref(), x));
        Ok(())
    };
    stochastic_log_det(a.nrows(), &apply, options)
}

#[test]
fn diagonal_matrices_are_exact_however_the_signs_fall() {
    let a = Mat::from_fn(60, 60, |i, j| if i == j { [0.5, 1.0, 3.0, 8.0][i % 4] } else { 0.0 });
    let truth = 15.0 * 12f64.ln();
    let found = dense_log_det(&a, &slq::Options { n_probes: 5, ..slq::Options::default() }).unwrap();
    assert!((found.value - truth).abs() < 1e-12 * truth && found.standard_error < 1e-12, "{found:?}");
    // The Krylov space ends after four steps.
    assert_eq!(found.n_products, 20);
    // Fewer steps: an upper bound, and a bracket where the spectrum is known to end.
    let few = slq::Options { n_probes: 5, n_steps: 2, ..slq::Options::default() };
    let above = dense_log_det(&a, &few).unwrap();
    assert!(above.value > truth + 0.1 && above.quadrature_error.is_none(), "{above:?}");
    let between = dense_log_det(&a, &slq::Options { least_eigenvalue: Some(0.4), ..few }).unwrap();
    let half = between.quadrature_error.unwrap();
    assert!((between.value - truth).abs() <= half && half > 0.05 && half < 30.0, "{between:?}");
    assert!((between.value + half - above.value).abs() < 1e-10);
}

#[test]
fn stochastic_log_determinants_meet_dense_ones_within_their_errors() {
    let mut far = 0;
    for seed in 0..8 {
        let a: Mat<f64> = definite(70, 0.3, &mut StdRng::seed_from_u64(seed));
        let options =
            slq::Options { n_probes: 40, n_steps: 40, seed, least_eigenvalue: Some(0.29), ..slq::Options::default() };
        let found = dense_log_det(&a, &options).unwrap();
        let quadrature = found.quadrature_error.unwrap();
        assert!(quadrature < 1e-6, "{quadrature}");
        let distance = (found.value - log_det(&a)).abs() / found.standard_error;
        assert!(distance < 4.0, "{distance} standard errors");
        far += usize::from(distance > 1.0);
        assert!(found.standard_error > 1e-3 && found.standard_error < 2.0, "{}", found.standard_error);
    }
    assert!(far <= 6, "{far} of 8 beyond one standard error");
}

#[test]
fn stochastic_log_determinants_depend_on_the_seed_only() {
    let a: Mat<f64> = definite(50, 0.1, &mut StdRng::seed_from_u64(1));
    let run = |threads: usize, seed: u64, batch: usize| {
        let options = slq::Options { n_probes: 7, n_steps: 12, seed, batch, ..slq::Options::default() };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| dense_log_det(&a, &options).unwrap())
    };
    let first = run(1, 5, 3);
    assert_eq!(first, run(3, 5, 3));
    assert_eq!(first.probes.len(), 7);
    let other = run(1, 6, 3);
    assert!(first.probes.iter().zip(&other.probes).all(|(a, b)| a != b));
    let batches = run(2, 5, 7);
    assert!(first.probes.iter().zip(&batches.probes).all(|(a, b)| (a - b).abs() < 1e-9));
}

#[test]
fn stochastic_log_determinants_refuse_what_is_not_definite() {
    let a = Mat::from_fn(9, 9, |i, j| if i == j { i as f64 - 1.0 } else { 0.0 });
    refused(dense_log_det(&a, &slq::Options::default()), "eigenvalue");
    let b = Mat::from_fn(9, 9, |i, j| if i == j { i as f64 + 1.0 } else { 0.0 });
    let with = |o: slq::Options| dense_log_det(&b, &o);
    refused(
        with(slq::Options { least_eigenvalue: Some(3.0), n_steps: 5, ..slq::Options::default() }),
        "least eigenvalue",
    );
    refused(with(slq::Options { least_eigenvalue: Some(-1.0), ..slq::Options::default() }), "least eigenvalue");
    refused(with(slq::Options { n_probes: 1, ..slq::Options::default() }), "probes");
    refused(with(slq::Options { n_steps: 0, ..slq::Options::default() }), "steps");
    refused(with(slq::Options { batch: 0, ..slq::Options::default() }), "batch");
    let c = Mat::from_fn(9, 9, |_, _| f64::NAN);
    refused(dense_log_det(&c, &slq::Options::default()), "product 0");
    let failing = |_: MatRef<'_, f64>, _: MatMut<'_, f64>| Err(Error::argument("file", "gone", "there"));
    refused(stochastic_log_det(9, &failing, &slq::Options::default()), "file");
}

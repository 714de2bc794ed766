//! The two ways of the library to the coefficients of the terms: from functions, and from some entries.

use super::problem::{N_ENTRIES, errors, functions, matrix, midpoints, tests, training};
use faer::Mat;
use kolmo::algorithms::affine_decomposition::entries::choose_entries;
use kolmo::algorithms::affine_decomposition::{EntryFit, EntryOptions, FunctionFit};
use kolmo::algorithms::eim::EimOptions;
use kolmo::{Error, Result};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::sample;

/// Entries that are sampled of the 397.
pub const N_SAMPLED: usize = 60;
/// Worst relative errors of matrix and solution over the tests, and those at the parameters of the terms.
pub struct Errors {
    pub tests: [f64; 2],
    pub terms: [f64; 2],
}

/// From g1 and g2, stacked and scaled to the same largest value.
pub fn by_functions(n_terms: usize) -> Result<Errors> {
    let (x, training) = (midpoints(), training());
    let values = Mat::from_fn(2 * x.len(), training.len(), |i, j| functions(training[j], x[i % x.len()])[i / x.len()]);
    let options = EimOptions { tolerance: 0.0, max_terms: Some(n_terms), ..EimOptions::default() };
    let fit = FunctionFit::new(values.as_ref(), 2, &vec![1.0; training.len()], &options)?;
    let terms: Vec<f64> = fit.eim.columns.iter().map(|j| training[*j]).collect();
    let coefficients = |mu: f64| {
        let at = |p: &usize| fit.weights[p / x.len()] * functions(mu, x[p % x.len()])[p / x.len()];
        fit.coefficients(&fit.eim.points.iter().map(at).collect::<Vec<f64>>(), 1.0)
    };
    Ok(Errors { tests: errors(&tests(), &terms, coefficients)?, terms: errors(&terms, &terms, coefficients)? })
}

/// From 60 entries, drawn by `seed`.
pub fn by_entries(n_terms: usize, seed: u64) -> Result<Errors> {
    let training = training();
    let numbers = sample(&mut StdRng::seed_from_u64(seed), N_ENTRIES, N_SAMPLED).into_vec();
    let matrices: Vec<Vec<f64>> = training.iter().map(|mu| matrix(*mu)).collect();
    let pool = Mat::from_fn(N_SAMPLED, training.len(), |i, j| matrices[j][numbers[i]]);
    let options = EntryOptions { tolerance: 0.0, terms: Some(n_terms), entries: Some(N_SAMPLED), validation: 0 };
    let fit: EntryFit<f64> = choose_entries(pool.as_ref(), &numbers, &options)?;
    let terms: Vec<f64> = fit.members.iter().map(|j| training[*j]).collect();
    let coefficients = |mu: f64| {
        let a = matrix(mu);
        Ok::<_, Error>(fit.coefficients(&fit.entries.iter().map(|e| a[*e]).collect::<Vec<f64>>()))
    };
    Ok(Errors { tests: errors(&tests(), &terms, coefficients)?, terms: errors(&terms, &terms, coefficients)? })
}

/// Medians over the seeds 1 to 10.
pub fn by_entries_median(n_terms: usize) -> Result<Errors> {
    let all = (1..=10).map(|seed| by_entries(n_terms, seed)).collect::<Result<Vec<Errors>>>()?;
    let of = |f: &dyn Fn(&Errors) -> f64| {
        let mut v: Vec<f64> = all.iter().map(f).collect();
        v.sort_by(f64::total_cmp);
        0.5 * (v[4] + v[5])
    };
    Ok(Errors { tests: [of(&|e| e.tests[0]), of(&|e| e.tests[1])], terms: [of(&|e| e.terms[0]), of(&|e| e.terms[1])] })
}

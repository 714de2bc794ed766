//! Awkward but regular problems: columns in any order, indefinite matrices, a singular sample whose solution is handed in.

use crate::operator_files::{Small, put, put_numbers, put_parameters};
use crate::tool::{kolmo, write_text};
use faer::Mat;
use faer::prelude::Solve;
use std::path::Path;

const STUDY: &str = "[data]\nsamples = \"train.h5\"\n[reduction]\ntolerance = 1e-10\n";

fn solutions(folder: &Path, at: &str) -> Vec<f64> {
    kolmo(folder, &["predict", "model.h5", "--operators", at, "-o", "out.h5", "--quiet"]).success();
    hdf5::File::open(folder.join("out.h5")).unwrap().dataset("snapshots/solution").unwrap().read_raw().unwrap()
}

#[test]
fn columns_may_stand_in_any_order() {
    let small = Small::new(9, 8);
    // The last entry of a row first.
    let turned: Vec<usize> = small.indptr.windows(2).flat_map(|r| (r[0]..r[1]).rev()).collect();
    let mut answers = Vec::new();
    for order in [None, Some(&turned)] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        write_text(folder, "study.toml", STUDY);
        for (name, small) in [("train.h5", &small), ("new.h5", &Small::new(9, 3))] {
            let mut own = small.clone();
            if let Some(order) = order {
                own.indices = order.iter().map(|e| small.indices[*e]).collect();
                own.values = small.values.iter().map(|v| order.iter().map(|e| v[*e]).collect()).collect();
            }
            own.write(&folder.join(name));
        }
        kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
        answers.push(solutions(folder, "new.h5"));
    }
    assert_eq!(answers[0], answers[1]);
}

/// Dense matrices [n_mu, n, n] and their parameters, right-hand sides of ones, solutions where they are given.
fn write_dense(
    path: &Path,
    parameters: &[f64],
    n: usize,
    matrix: &dyn Fn(f64) -> Mat<f64>,
    solutions: Option<Vec<f64>>,
) {
    let file = hdf5::File::create(path).unwrap();
    let values: Vec<f64> = parameters
        .iter()
        .map(|mu| matrix(*mu))
        .flat_map(|a| (0..n * n).map(|k| a[(k / n, k % n)]).collect::<Vec<f64>>())
        .collect();
    put(&file, "operators/A/dense", &[parameters.len(), n, n], values);
    put(&file, "operators/rhs", &[n], vec![1.0; n]);
    if let Some(solutions) = solutions {
        put(&file, "solutions", &[parameters.len(), n], solutions);
    }
    put_parameters(&file, &["mu"], &parameters.iter().map(|mu| vec![*mu]).collect::<Vec<_>>());
}

fn solved(a: &Mat<f64>) -> Vec<f64> {
    let ones = Mat::from_fn(a.nrows(), 1, |_, _| 1.0);
    let x = a.partial_piv_lu().solve(&ones);
    (0..a.nrows()).map(|i| x[(i, 0)]).collect()
}

fn relative(found: &[f64], truth: &[f64]) -> f64 {
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>();
    (square(&mut found.iter().zip(truth).map(|(f, t)| f - t)) / square(&mut truth.iter().copied())).sqrt()
}

/// Skew-symmetric: the projection on an odd number of modes is singular.
#[test]
fn a_skew_symmetric_problem_is_answered() {
    let n = 20;
    let matrix = |mu: f64| {
        let upper = |i: usize, j: usize| {
            if j == i + 1 {
                2.0 + mu * (i as f64 / 5.0).cos()
            } else if j == i + 3 {
                mu
            } else {
                0.0
            }
        };
        Mat::from_fn(n, n, |i, j| upper(i, j) - upper(j, i))
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let parameters: Vec<f64> = (0..10).map(|k| 0.2 + 0.05 * k as f64).collect();
    write_dense(&folder.join("train.h5"), &parameters, n, &matrix, None);
    write_dense(&folder.join("new.h5"), &[0.33, 0.51], n, &matrix, None);
    write_text(folder, "study.toml", STUDY);
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let found = solutions(folder, "new.h5");
    for (k, mu) in [0.33, 0.51].into_iter().enumerate() {
        let error = relative(&found[k * n..(k + 1) * n], &solved(&matrix(mu)));
        println!("mu = {mu}: error {error:.1e}");
        assert!(error < 1e-6, "{error:e}");
    }
}

#[test]
fn a_singular_sample_whose_solution_is_handed_in_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut small = Small::new(6, 8);
    let truth: Vec<Vec<f64>> = small.values.iter().map(|v| solved(&small_dense(&small, v))).collect();
    small.values[3][..2].fill(0.0);
    let file = small.write(&folder.join("train.h5"));
    put(&file, "solutions", &[8, 6], truth.concat());
    drop(file);
    write_text(folder, "study.toml", STUDY);
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let file = hdf5::File::create(folder.join("new.h5")).unwrap();
    put_numbers(&file, "operators/A/indptr", &small.indptr);
    put_numbers(&file, "operators/A/indices", &small.indices);
    let matrix = Small::matrix(6, 1.3);
    put(&file, "operators/A/values", &[1, matrix.len()], matrix.clone());
    put(&file, "operators/rhs", &[6], vec![1.0; 6]);
    put_parameters(&file, &["mu"], &[vec![1.3]]);
    drop(file);
    let error = relative(&solutions(folder, "new.h5"), &solved(&small_dense(&small, &matrix)));
    println!("error {error:.1e}");
    assert!(error < 1e-3, "{error:e}");
}

fn small_dense(small: &Small, values: &[f64]) -> Mat<f64> {
    let mut a = Mat::zeros(small.n, small.n);
    for (i, rows) in small.indptr.windows(2).enumerate() {
        (rows[0]..rows[1]).for_each(|e| a[(i, small.indices[e])] = values[e]);
    }
    a
}

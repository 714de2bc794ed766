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

/// Diffusion with a layer that moves: columns of the residual are equal to round-off.
#[test]
fn residuals_are_not_too_small() {
    let (n, folder) = (100, tempfile::tempdir().unwrap());
    let (folder, h) = (folder.path(), 1.0 / 101.0);
    let point = |k: usize| {
        let share = |step: f64| (0.5 + step * (k + 1) as f64).fract();
        vec![0.2 + 0.6 * share(0.754_877_666_246_693), 0.2 + 0.8 * share(0.569_840_290_998_053)]
    };
    let matrix = |p: &[f64]| {
        let g = |x: f64| (1.0 + 0.8 * p[1] * (-30.0 * (x - p[0]).powi(2)).exp()) / (h * h);
        let at = |i: usize| g((i as f64 + 0.5) * h);
        Mat::from_fn(n, n, |i, j| match i.abs_diff(j) {
            0 => at(i) + at(i + 1),
            1 => -at(i.max(j)),
            _ => 0.0,
        })
    };
    let sets = [("train.h5", (0..30).map(point).collect::<Vec<_>>()), ("test.h5", (40..48).map(point).collect())];
    for (name, points) in &sets {
        let file = hdf5::File::create(folder.join(name)).unwrap();
        let matrices: Vec<Mat<f64>> = points.iter().map(|p| matrix(p)).collect();
        let values = matrices.iter().flat_map(|a| (0..n * n).map(|k| a[(k / n, k % n)])).collect();
        put(&file, "operators/A/dense", &[points.len(), n, n], values);
        put(&file, "operators/rhs", &[n], vec![1.0; n]);
        put(&file, "solutions", &[points.len(), n], matrices.iter().flat_map(solved).collect());
        put_parameters(&file, &["a", "b"], points);
    }
    write_text(folder, "study.toml", &STUDY.replace("1e-10", "1e-6"));
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let model = hdf5::File::open(folder.join("model.h5")).unwrap();
    let residual = model.group("reduced/residual").unwrap();
    let mut largest = 0.0_f64;
    for term in residual.groups().unwrap() {
        let rows = term.dataset("rows").unwrap().read_2d::<f64>().unwrap();
        let norms: Vec<f64> = term.dataset("norms").unwrap().read_raw().unwrap();
        for (row, norm) in rows.rows().into_iter().zip(norms) {
            largest = largest.max(row.dot(&row).sqrt() / norm);
        }
    }
    println!("norms of the columns in the basis over their own: at most {largest}");
    assert!((0.5..1.0 + 1e-9).contains(&largest), "{largest}");
    drop(model);
    // One mode: a large error, whose indicator has to be as large.
    let run = ["validate", "model.h5", "--data", "test.h5", "--modes", "1", "--json", "scores.json", "--quiet"];
    kolmo(folder, &run).success();
    let scores: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("scores.json")).unwrap()).unwrap();
    let least = scores["indicator"]["effectivity_min"].as_f64().unwrap();
    println!("indicator / error: at least {least:.2}");
    assert!(least > 0.5, "{least}");
}

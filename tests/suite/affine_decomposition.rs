//! Affine decompositions by functions and by entries, against figures of an independent program.

#[path = "../../validation/operator_1d/problem.rs"]
mod problem;
#[path = "../../validation/operator_1d/ways.rs"]
mod ways;

use crate::tool::{kolmo, write_text};
use faer::{Mat, c64};
use hdf5::types::VarLenUnicode;
use kolmo::algorithms::affine_decomposition::entries::choose_entries;
use kolmo::algorithms::affine_decomposition::{EntryOptions, FunctionFit, predicted_terms};
use kolmo::algorithms::eim::{EimOptions, eim_of};
use ndarray::Array2;
use problem::{N, functions, matrix, midpoints, relative, solve, tests, training};
use serde_json::Value;
use std::path::Path;
use ways::{by_entries, by_entries_median, by_functions};

/// Terms; errors of matrix and solution that an independent program found by functions, scaled to the same largest value.
const BY_FUNCTIONS: [(usize, [f64; 2]); 4] =
    [(10, [9e-3, 3e-2]), (12, [1e-4, 5e-4]), (14, [4e-6, 3e-5]), (16, [2.4e-7, 3e-6])];
/// What 60 entries of the 397 must reach.
const BY_ENTRIES: [(usize, [f64; 2]); 4] =
    [(10, [2e-3, 4e-2]), (12, [5e-5, 4e-3]), (14, [3e-6, 2e-4]), (16, [5e-8, 5e-6])];

#[test]
fn functions_do_as_well_as_an_independent_program() {
    for (d, reference) in BY_FUNCTIONS {
        let found = by_functions(d).unwrap();
        println!("{d} terms: {:?}, reference {reference:?}", found.tests);
        for (found, reference) in found.tests.iter().zip(reference) {
            assert!(*found <= 2.0 * reference, "{d} terms: {found:.2e}, reference {reference:.2e}");
        }
        // Exact where the terms are.
        assert!(found.terms.iter().all(|e| *e <= 1e-12), "{d} terms: {:?}", found.terms);
    }
}

#[test]
fn sixty_entries_decompose_the_operator() {
    for (d, targets) in BY_ENTRIES {
        let found = by_entries_median(d).unwrap();
        println!("{d} terms: {:?}, targets {targets:?}; at the terms {:?}", found.tests, found.terms);
        for (found, target) in found.tests.iter().zip(targets) {
            assert!(*found <= target, "{d} terms: {found:.2e}, target {target:.2e}");
        }
    }
    // Exact where the terms are, whatever is drawn.
    for seed in 1..=10 {
        let found = by_entries(16, seed).unwrap();
        assert!(found.terms.iter().all(|e| *e <= 1e-12), "seed {seed}: {:?}", found.terms);
    }
}

#[test]
fn a_factor_that_is_told_costs_no_terms() {
    // g = rho(mu) exp(-mu x): with the amplitude the terms are those of exp(-mu x).
    let (x, mu) = (midpoints(), training());
    let rho = |mu: f64| (mu * mu * mu).exp();
    let plain = Mat::from_fn(x.len(), mu.len(), |i, j| (-mu[j] * x[i]).exp());
    let times = Mat::from_fn(x.len(), mu.len(), |i, j| rho(mu[j]) * plain[(i, j)]);
    let options = EimOptions { tolerance: 1e-10, ..EimOptions::default() };
    let own: Vec<f64> = mu.iter().map(|m| rho(*m)).collect();
    let with = FunctionFit::new(times.as_ref(), 1, &own, &options).unwrap();
    let of_plain = FunctionFit::new(plain.as_ref(), 1, &vec![1.0; mu.len()], &options).unwrap();
    assert_eq!(with.eim.columns, of_plain.eim.columns);
    // rho comes back in the coefficients.
    let at = 2.345_f64;
    let values: Vec<f64> = with.eim.points.iter().map(|p| with.weights[0] * (-at * x[*p]).exp()).collect();
    let beta = with.coefficients(&values, rho(at)).unwrap();
    for xi in [0.1, 0.5, 0.9] {
        let fitted: f64 = with.eim.columns.iter().zip(&beta).map(|(j, b)| b * rho(mu[*j]) * (-mu[*j] * xi).exp()).sum();
        let exact = rho(at) * (-at * xi).exp();
        assert!((fitted - exact).abs() <= 1e-8 * exact, "x = {xi}: {fitted} and {exact}");
    }
    let wrong = FunctionFit::new(times.as_ref(), 1, &vec![0.0; mu.len()], &options).unwrap_err();
    assert_eq!(wrong.code(), "K100");
}

#[test]
fn entries_of_an_operator_that_is_affine_give_its_terms() {
    // A(mu) = B + mu C + mu^2 D: three terms, coefficients of Lagrange's interpolation, whatever the matrices.
    let b = |e: usize, q: usize| ((q + 2) as f64 * (3 * e + 1) as f64).sin();
    let at = |mu: f64, e: usize| b(e, 0) + mu * b(e, 1) + mu * mu * b(e, 2);
    let mus: Vec<f64> = (0..20).map(|i| 0.1 * i as f64).collect();
    let pool = Mat::from_fn(100, mus.len(), |e, j| at(mus[j], e));
    let numbers: Vec<usize> = (0..100).collect();
    let fit = choose_entries(pool.as_ref(), &numbers, &EntryOptions::default()).unwrap();
    assert_eq!(fit.n_terms(), 3);
    let mu = 0.777;
    let a: Vec<f64> = fit.entries.iter().map(|e| at(mu, *e)).collect();
    let beta = fit.coefficients(&a);
    let nodes: Vec<f64> = fit.members.iter().map(|j| mus[*j]).collect();
    for (m, found) in beta.iter().enumerate() {
        let others = (0..3).filter(|k| *k != m);
        let lagrange: f64 = others.map(|k| (mu - nodes[k]) / (nodes[m] - nodes[k])).product();
        assert!((found - lagrange).abs() <= 1e-11, "{beta:?} at {nodes:?}");
    }
    let (fitted, validated) = fit.misfit(&a, &beta);
    assert!(fitted <= 1e-13 && validated <= 1e-13, "{fitted:.1e} {validated:.1e}");
    // Another operator is told by its misfit.
    let other: Vec<f64> = a.iter().enumerate().map(|(i, v)| v + if i % 7 == 0 { 0.5 } else { 0.0 }).collect();
    assert!(fit.misfit(&other, &fit.coefficients(&other)).1 > 1e-2);
    let more = EntryOptions { terms: Some(21), ..EntryOptions::default() };
    assert_eq!(choose_entries(pool.as_ref(), &numbers, &more).unwrap_err().code(), "K100");
    let zeros = Mat::<f64>::zeros(100, 20);
    assert_eq!(choose_entries(zeros.as_ref(), &numbers, &EntryOptions::default()).unwrap_err().code(), "K100");
}

#[test]
fn an_oscillatory_kernel_needs_as_many_terms_as_the_law_says() {
    // exp(ikr), r in [0, 2], k in [kmax / 20, kmax]: terms for 1e-3, 1e-6, 1e-9 by an independent program.
    const TABLE: [(f64, [usize; 3]); 5] =
        [(10.0, [7, 10, 12]), (20.0, [9, 13, 15]), (40.0, [13, 17, 21]), (80.0, [20, 25, 30]), (160.0, [34, 40, 44])];
    for (product, terms) in TABLE {
        let k_max = 0.5 * product;
        let k = |j: usize| k_max * (0.05 + 0.95 * j as f64 / 599.0);
        let g = Mat::from_fn(2001, 600, |i, j| {
            let (sin, cos) = (k(j) * 1e-3 * i as f64).sin_cos();
            c64::new(cos, sin)
        });
        for (tolerance, expected) in [1e-3, 1e-6, 1e-9].into_iter().zip(terms) {
            let found = eim_of(g.as_ref(), &EimOptions { tolerance, ..EimOptions::default() }).unwrap().n_terms();
            let predicted = predicted_terms(0.95 * k_max, 2.0, tolerance);
            println!("k r up to {product}, {tolerance:.0e}: {found} terms, table {expected}, predicted {predicted}");
            assert!(found.abs_diff(expected) <= 1, "{product}, {tolerance:.0e}: {found} and {expected}");
            assert!(predicted.abs_diff(expected) <= 1, "{product}, {tolerance:.0e}: {predicted} and {expected}");
        }
    }
}

/// The operator of one dimension as a file: the full pattern, a matrix for each parameter.
fn write(folder: &Path, name: &str, parameters: &[f64], solutions: bool) {
    let file = hdf5::File::create(folder.join(name)).unwrap();
    let (mut indptr, mut indices, mut entries) = (vec![0_i64], Vec::new(), Vec::new());
    for i in 0..N {
        for (j, entry) in [(i.wrapping_sub(1), (N + i).wrapping_sub(1)), (i, i), (i + 1, N + i)] {
            if j < N {
                indices.push(j as i64);
                entries.push(entry);
            }
        }
        indptr.push(indices.len() as i64);
    }
    let rows: Vec<Vec<f64>> = parameters.iter().map(|mu| matrix(*mu)).collect();
    let values = Array2::from_shape_fn((rows.len(), entries.len()), |(i, e)| rows[i][entries[e]]);
    file.new_dataset_builder().with_data(&indptr).create("operators/A/indptr").unwrap();
    file.new_dataset_builder().with_data(&indices).create("operators/A/indices").unwrap();
    file.new_dataset_builder().with_data(&values).create("operators/A/values").unwrap();
    file.new_dataset_builder().with_data(&vec![1.0 / (N + 1) as f64; N]).create("operators/rhs").unwrap();
    let column = Array2::from_shape_fn((parameters.len(), 1), |(i, _)| parameters[i]);
    let data = file.new_dataset_builder().with_data(&column).create("parameters").unwrap();
    let names: Vec<VarLenUnicode> = vec!["mu".parse().unwrap()];
    data.new_attr::<VarLenUnicode>().shape(1).create("names").unwrap().write(&names).unwrap();
    if solutions {
        let u: Vec<Vec<f64>> = rows.iter().map(|a| solve(a)).collect();
        let u = Array2::from_shape_fn((rows.len(), N), |(i, k)| u[i][k]);
        file.new_dataset_builder().with_data(&u).create("solutions").unwrap();
    }
}

#[test]
fn functions_of_a_study_answer_without_entries() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let training: Vec<f64> = (0..60).map(|i| 1.0 + 3.0 * i as f64 / 59.0).collect();
    // Full problems are solved by the program: the file holds no solutions.
    write(folder, "train.h5", &training, false);
    let others: Vec<f64> = tests().into_iter().step_by(10).collect();
    write(folder, "test.h5", &others, true);
    let study = r#"
[data]
samples = "train.h5"
[reduction]
method = "reduced-basis"
tolerance = 1e-8
inner_product = "euclidean"
[operators.A]
expressions = ["1 + 0.9 * sin(2 * PI * mu * x) * exp(-mu * x)", "50 * mu^2 * cos(PI * mu * x)^2"]
points = { x = [0.0025, 0.9975, 200] }
tolerance = 1e-9
"#;
    write_text(folder, "study.toml", study);
    let fit = kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    println!("{}", fit.stdout);
    let run = kolmo(folder, &["validate", "model.h5", "--data", "test.h5", "--quiet", "--json"]).success();
    let scores: Value = serde_json::from_str(&run.stdout).unwrap();
    let worst = scores["fields"]["solution"]["rel_l2_max"].as_f64().unwrap();
    let projection = scores["fields"]["solution"]["projection_rel_l2_mean"].as_f64().unwrap();
    println!("largest relative error {worst:.2e}, projection {projection:.2e}");
    assert!(worst <= 1e-4, "{worst:.2e}");
    // The parameter is enough.
    write_text(folder, "points.csv", "mu\n1.2345\n3.21\n");
    kolmo(folder, &["predict", "model.h5", "--parameters", "points.csv", "-o", "out.h5"]).success();
    let file = hdf5::File::open(folder.join("out.h5")).unwrap();
    let u = file.dataset("snapshots/solution").unwrap().read_2d::<f64>().unwrap();
    for (i, mu) in [1.2345, 3.21].into_iter().enumerate() {
        let error = relative(&solve(&matrix(mu)), u.row(i).as_slice().unwrap());
        assert!(error <= 1e-4, "mu = {mu}: {error:.2e}");
    }
    assert!(functions(2.0, 0.0) == [1.0, 200.0]);
}

//! Reduced bases from matrices alone, through the command line as a user would: a boundary-element solver of our own beside
//! Mie's series, and matrices of other codes.

#[path = "../../validation/acoustic_sphere/solver.rs"]
mod solver;

use crate::operator_files::{put, put_complex, put_parameters, shared};
use crate::tool::{kolmo, write_text};
use faer::c64;
use kolmo::io::operator_model_file::{AnyModel, read};
use kolmo::io::operators::OperatorFile;
use kolmo::linalg::scalar::Scalar;
use kolmo::online::coefficients::{Given, Rule};
use kolmo::online::operator_model::OperatorModel;
use serde_json::Value;
use solver::{Sphere, exact_far_field, far_fields, solve};
use std::path::Path;

const INCIDENT: [f64; 3] = [1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0];

fn norm<T: Scalar>(a: impl Iterator<Item = T>) -> f64 {
    a.map(|v| v.modulus_squared()).sum::<f64>().sqrt()
}

fn relative<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    norm(a.iter().zip(b).map(|(a, b)| *a - *b)) / norm(a.iter().copied())
}

fn median(v: &[f64]) -> f64 {
    let mut v = v.to_vec();
    v.sort_by(f64::total_cmp);
    v[v.len() / 2]
}

/// Scores of `kolmo validate MODEL --data DATA`.
fn scores(folder: &Path, model: &str, data: &str) -> Value {
    let run = kolmo(folder, &["validate", model, "--data", data, "--quiet", "--json"]).success();
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:#?}"))
}

/// A score of the solution.
fn of_solution(scores: &Value, key: &str) -> f64 {
    scores["fields"]["solution"][key].as_f64().unwrap_or_else(|| panic!("{key}: {scores}"))
}

/// Largest relative error (Frobenius) of the matrices `tests`, where the terms of operator `k` are those of `training`: sample `rows[m]` of the
/// file for training matrix m.
fn matrix_error<T: Scalar>(
    model: &OperatorModel<T>,
    training: &OperatorFile,
    rows: &[usize],
    file: &OperatorFile,
    tests: &[usize],
) -> (usize, f64) {
    let part = &model.operators[0];
    let k = |file: &OperatorFile| file.operators.iter().position(|o| o.name == part.name).unwrap();
    let members: Vec<usize> = match &part.rule {
        Rule::Entries { fit, .. } => fit.members.clone(),
        Rule::Functions(f) => f.fit.eim.columns.clone(),
        other => panic!("{other:?}"),
    };
    let terms: Vec<Vec<T>> = members.iter().map(|m| training.matrix(k(training), rows[*m]).unwrap()).collect();
    let mut worst = 0.0_f64;
    for i in tests {
        let a: Vec<T> = file.matrix(k(file), *i).unwrap();
        let own: Vec<T> = part.entries().iter().map(|e| a[*e]).collect();
        let beta = part.coefficients(file.parameters.row(*i), Given::of(&own)).unwrap().values;
        let mut combined = vec![T::default(); a.len()];
        for (b, term) in beta.iter().zip(&terms) {
            combined.iter_mut().zip(term).for_each(|(c, t)| *c += *b * *t);
        }
        worst = worst.max(relative(&a, &combined));
    }
    (terms.len(), worst)
}

#[test]
fn the_boundary_element_solver_converges_to_the_exact_far_field() {
    // The exact one by its optical theorem: Im F(forwards) k / (4 pi) = mean |F|^2.
    for k in [1.0, 2.5, 5.0] {
        let n = 4000;
        let at = |s: usize| exact_far_field(k, -1.0 + 2.0 * (s as f64 + 0.5) / n as f64).modulus_squared();
        let scattered = (0..n).map(at).sum::<f64>() / n as f64;
        let forwards = exact_far_field(k, 1.0).im / k;
        assert!((scattered - forwards).abs() <= 1e-5 * forwards, "k = {k}: {scattered} and {forwards}");
    }
    let mut before = f64::INFINITY;
    for level in 1..=3 {
        let sphere = Sphere::new(level);
        let at = |k: f64| {
            let phi = solve(&sphere.matrix(k), &sphere.rhs(k, INCIDENT)).unwrap();
            let (found, exact) = far_fields(&sphere, k, &phi, INCIDENT);
            relative(&exact, &found)
        };
        let errors = [1.0, 3.0, 5.0].map(at);
        let worst = errors.into_iter().fold(0.0, f64::max);
        println!("{} triangles: far field missed by {errors:?} at k = 1, 3, 5", sphere.triangles.len());
        // Second order: the error falls by 4.
        assert!(worst <= before / 3.4, "{worst:.2e} after {before:.2e}");
        before = worst;
    }
    // Eight points per wave at k = 5.
    assert!(before <= 2e-2, "{before:.2e}");
}

/// The sphere at these wavenumbers as a file.
fn write_sphere(path: &Path, sphere: &Sphere, wavenumbers: &[f64]) {
    let (n, m) = (sphere.points.len(), wavenumbers.len());
    let matrices: Vec<Vec<c64>> = wavenumbers.iter().map(|k| sphere.matrix(*k)).collect();
    let rhs: Vec<Vec<c64>> = wavenumbers.iter().map(|k| sphere.rhs(*k, INCIDENT)).collect();
    let solutions: Vec<Vec<c64>> = matrices.iter().zip(&rhs).map(|(a, f)| solve(a, f).unwrap()).collect();
    let file = hdf5::File::create(path).unwrap();
    put_complex(&file, "operators/A/dense", &[m, n, n], &matrices.concat());
    put_complex(&file, "operators/rhs", &[m, n], &rhs.concat());
    put_complex(&file, "solutions", &[m, n], &solutions.concat());
    put_parameters(&file, &["k"], &wavenumbers.iter().map(|k| vec![*k]).collect::<Vec<_>>());
    put(&file, "mesh/points", &[n, 3], sphere.points.concat());
    let cells: Vec<i64> = sphere.triangles.concat().iter().map(|p| *p as i64).collect();
    let cells = ndarray::Array2::from_shape_vec((sphere.triangles.len(), 3), cells).unwrap();
    file.new_dataset_builder().with_data(&cells).create("mesh/cells").unwrap();
}

#[test]
fn scattering_by_a_sphere_is_reduced_by_entries_and_by_functions() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sphere = Sphere::new(2);
    let step = 4.0 / 23.0;
    let training: Vec<f64> = (0..24).map(|i| 1.0 + step * i as f64).collect();
    let tests: Vec<f64> = (0..23).map(|i| 1.0 + step * (i as f64 + 0.5)).collect();
    write_sphere(&folder.join("train.h5"), &sphere, &training);
    write_sphere(&folder.join("test.h5"), &sphere, &tests);
    let common = "[data]\nsamples = \"train.h5\"\n[reduction]\nmethod = \"reduced-basis\"\ntolerance = 1e-8\ninner_product = \"euclidean\"\n";
    let by_entries = "[operators.A]\ndoor = \"entries\"\nterms = 13\n";
    // exp(ikr) and ikr exp(ikr) over the distances, exp(ikt) over the heights.
    let by_functions = "[operators.A]\n\
        expressions = [{ re = \"cos(k * r)\", im = \"sin(k * r)\" }, { re = \"-k * r * sin(k * r)\", im = \"k * r * cos(k * r)\" }]\n\
        points = { r = [0.0, 2.0, 401] }\nterms = 13\n\
        [operators.rhs]\nexpressions = [{ re = \"cos(k * t)\", im = \"sin(k * t)\" }]\npoints = { t = [-1.0, 1.0, 401] }\ntolerance = 1e-8\n";
    let (train_file, test_file) = (folder.join("train.h5"), folder.join("test.h5"));
    let files = || (OperatorFile::open(&train_file).unwrap(), OperatorFile::open(&test_file).unwrap());
    for (way, own) in [("entries", by_entries), ("functions", by_functions)] {
        let (study, model) = (format!("{way}.toml"), format!("{way}.h5"));
        write_text(folder, &study, &format!("{common}{own}"));
        let fit = kolmo(folder, &["fit", &study, "-o", &model, "--quiet"]).success();
        println!("{}", fit.stdout);
        let found = scores(folder, &model, "test.h5");
        let (AnyModel::Complex(read), _) = read(&folder.join(&model)).unwrap() else { panic!("a real model") };
        let (training, tests) = files();
        let rows: Vec<usize> = (0..24).collect();
        let (n, error) = matrix_error(&read, &training, &rows, &tests, &(0..23).collect::<Vec<_>>());
        let worst = of_solution(&found, "rel_l2_max");
        println!("{way}: {n} terms, matrices missed by {error:.2e}, densities by {worst:.2e}");
        assert!(n <= 13 && error <= 1e-6, "{way}: {n} terms, {error:.2e}");
        assert!(worst <= 1e-5, "{way}: {worst:.2e}");
        if way == "entries" {
            // The law is told before the work.
            assert!(fit.stdout.contains("oscillatory kernel, k 1 to "), "{}", fit.stdout);
            continue;
        }
        // By functions the wavenumber is enough.
        write_text(folder, "points.csv", "k\n2.345\n");
        kolmo(folder, &["predict", &model, "--parameters", "points.csv", "-o", "out.h5"]).success();
        let file = hdf5::File::open(folder.join("out.h5")).unwrap();
        let exact = solve(&sphere.matrix(2.345), &sphere.rhs(2.345, INCIDENT)).unwrap();
        let data = file.dataset("snapshots/solution").unwrap();
        let u: Vec<c64> = data
            .read_raw::<crate::operator_files::Complex>()
            .unwrap()
            .into_iter()
            .map(|c| c64::new(c.r, c.i))
            .collect();
        assert!(relative(&exact, &u) <= 1e-5, "{:.2e}", relative(&exact, &u));
    }
}

#[test]
fn eight_terms_decompose_the_ellipsoid() {
    let Some(data) = shared("bem_ellipsoid.h5") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let study = format!(
        "[data]\nsamples = {data:?}\nholdout = {{ every = 3, offset = 1 }}\n[reduction]\nmethod = \"reduced-basis\"\n\
         tolerance = 1e-8\ninner_product = \"euclidean\"\n[operators.A]\nterms = 8\n"
    );
    write_text(folder, "study.toml", &study);
    println!("{}", kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success().stdout);
    let found = scores(folder, "model.h5", "study.toml");
    assert_eq!(found["n_samples"], 7);
    let worst = of_solution(&found, "rel_l2_max");
    let (AnyModel::Complex(model), _) = read(&folder.join("model.h5")).unwrap() else { panic!("a real model") };
    let file = OperatorFile::open(&data).unwrap();
    let (tests, rows): (Vec<usize>, Vec<usize>) = (0..22).partition(|i| i % 3 == 1);
    let (n, error) = matrix_error(&model, &file, &rows, &file, &tests);
    println!("{n} terms, matrices missed by {error:.2e}, solutions by {worst:.2e}");
    assert_eq!(n, 8);
    assert!(error <= 3e-6, "{error:.2e}");
    assert!(worst <= 5e-6, "{worst:.2e}");
}

/// The data set NAME in 64-bit numbers: shape and values.
fn numbers(file: &hdf5::File, name: &str) -> (Vec<usize>, Vec<f64>) {
    let data = file.dataset(name).unwrap();
    (data.shape(), data.read_raw().unwrap())
}

/// Rows `rows` of values [n, width].
fn rows_of(values: &[f64], width: usize, rows: &[usize]) -> Vec<f64> {
    rows.iter().flat_map(|i| values[i * width..(i + 1) * width].to_vec()).collect()
}

/// Relative errors and flags of the predictions in a file.
fn answers(path: &Path, truth: &[f64], n: usize) -> (Vec<f64>, Vec<bool>) {
    let file = hdf5::File::open(path).unwrap();
    let (_, u) = numbers(&file, "snapshots/solution");
    let errors = u.chunks(n).zip(truth.chunks(n)).map(|(u, t)| relative(t, u)).collect();
    (errors, numbers(&file, "flags").1.into_iter().map(|f| f != 0.0).collect())
}

#[test]
fn convection_and_diffusion_are_answered_by_entries_and_without_them() {
    let Some(data) = shared("convection_diffusion.h5") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let source = hdf5::File::open(&data).unwrap();
    let tests: Vec<usize> = (0..100).filter(|i| i % 4 == 3).collect();
    let (_, solutions) = numbers(&source, "solutions");
    let n = solutions.len() / 100;
    let truth = rows_of(&solutions, n, &tests);
    let study = format!(
        "[data]\nsamples = {data:?}\nholdout = {{ every = 4, offset = 3 }}\n[reduction]\nmethod = \"reduced-basis\"\n\
         tolerance = 1e-5\ninner_product = \"euclidean\"\n"
    );
    write_text(folder, "study.toml", &study);
    println!("{}", kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success().stdout);
    let found = scores(folder, "model.h5", "study.toml");
    let by_entries = of_solution(&found, "rel_l2_mean");
    assert_eq!(found["n_samples"], 25);

    // The new operators: only the entries that the model asks for.
    let info = kolmo(folder, &["info", "model.h5", "--entries", "--json"]).success();
    let info: Value = serde_json::from_str(&info.stdout).unwrap();
    assert!(info["operators"]["A"]["terms"].as_u64().unwrap() <= 75, "{}", info["operators"]);
    let new = hdf5::File::create(folder.join("new.h5")).unwrap();
    for (name, values, place) in
        [("A", "operators/A/values", "operators/A/entries"), ("rhs", "operators/rhs", "operators/rhs")]
    {
        let asked: Vec<usize> =
            info["entries"][name]["entries"].as_array().unwrap().iter().map(|e| e.as_u64().unwrap() as usize).collect();
        let (shape, all) = numbers(&source, values);
        let own: Vec<f64> =
            tests.iter().flat_map(|i| asked.iter().map(|e| all[i * shape[1] + e]).collect::<Vec<_>>()).collect();
        put(&new, place, &[tests.len(), asked.len()], own);
    }
    let (_, parameters) = numbers(&source, "parameters");
    let parameters: Vec<Vec<f64>> = parameters.chunks(3).map(<[f64]>::to_vec).collect();
    put_parameters(&new, &["mu1", "mu2", "mu3"], &tests.iter().map(|i| parameters[*i].clone()).collect::<Vec<_>>());
    drop(new);
    kolmo(folder, &["predict", "model.h5", "--operators", "new.h5", "-o", "given.h5", "--quiet"]).success();
    let rows: Vec<String> =
        tests.iter().map(|i| format!("{},{},{}", parameters[*i][0], parameters[*i][1], parameters[*i][2])).collect();
    write_text(folder, "points.csv", &format!("mu1,mu2,mu3\n{}\n", rows.join("\n")));
    kolmo(folder, &["predict", "model.h5", "--parameters", "points.csv", "-o", "learnt.h5", "--quiet"]).success();

    // The same solutions as snapshots.
    let stacked = hdf5::File::create(folder.join("snapshots.h5")).unwrap();
    put(&stacked, "snapshots/solution", &[100, n], solutions);
    put_parameters(&stacked, &["mu1", "mu2", "mu3"], &parameters);
    let (shape, points) = numbers(&source, "mesh/points");
    put(&stacked, "mesh/points", &shape, points);
    let cells = source.dataset("mesh/cells").unwrap().read_2d::<i64>().unwrap();
    stacked.new_dataset_builder().with_data(&cells).create("mesh/cells").unwrap();
    drop(stacked);
    let study = "[data]\nsamples = \"snapshots.h5\"\nholdout = { every = 4, offset = 3 }\n[reduction]\nmethod = \"pod\"\n\
        tolerance = 1e-5\ninner_product = \"euclidean\"\n";
    write_text(folder, "pod.toml", study);
    kolmo(folder, &["fit", "pod.toml", "-o", "pod.h5", "--quiet"]).success();
    let by_snapshots = of_solution(&scores(folder, "pod.h5", "pod.toml"), "rel_l2_mean");

    for way in ["given", "learnt"] {
        let (errors, flags) = answers(&folder.join(format!("{way}.h5")), &truth, n);
        let (mean, middle) = (errors.iter().sum::<f64>() / errors.len() as f64, median(&errors));
        let bad: Vec<(f64, bool)> =
            errors.iter().zip(&flags).filter(|(e, _)| **e > 3.0 * middle).map(|(e, f)| (e / middle, *f)).collect();
        let flagged = flags.iter().filter(|f| **f).count();
        println!(
            "{way}: mean {mean:.4}, median {middle:.4}, {flagged} of 25 flagged; worse than 3 times the median: {bad:?}"
        );
        assert!(bad.iter().all(|(_, flagged)| *flagged), "{way}: {bad:?}");
        // Flags mean something: not all are.
        assert!(flagged < 15, "{way}: {flagged}");
        if way == "given" {
            assert!((mean - by_entries).abs() <= 1e-9 * mean, "{mean} and {by_entries}");
        } else {
            println!("POD and regression of the same solutions: mean {by_snapshots:.4}");
            assert!(mean <= by_snapshots * (1.0 + 1e-6), "{mean} and {by_snapshots}");
        }
    }
    assert!(by_entries <= 1.5e-2, "{by_entries:.4}");
}

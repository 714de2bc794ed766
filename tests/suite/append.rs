//! `kolmo fit --append`: a model of some samples, updated with others, beside the model of all of them.

use crate::tool::{Stacked, check_message, contents, data_sets, kolmo, write_text};
use faer::Mat;
use kolmo::comm::SingleComm;
use kolmo::data::Location;
use kolmo::io::pod_model::{Provenance, read, write};
use kolmo::linalg::inner_product::{InnerProduct, orthonormality};
use kolmo::linalg::sparse::from_triplets;
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::mesh::mass_matrix::mass_matrix;
use kolmo::online::{PodRegression, ReducedField};
use ndarray::{Array1, Array2, Axis};
use std::ops::Range;
use std::path::Path;
use tempfile::TempDir;

const ALL: usize = 36;
/// Samples that no model has seen follow.
const WITH_UNSEEN: usize = 60;

/// Samples `rows` of a data set.
fn part(all: &Stacked, rows: Range<usize>) -> Stacked {
    let rows: Vec<usize> = rows.collect();
    let snapshots = all.snapshots.iter().map(|(n, v, l)| (n.clone(), v.select(Axis(0), &rows), l.clone())).collect();
    Stacked { parameters: all.parameters.select(Axis(0), &rows), snapshots, ..all.clone() }
}

/// `all.h5`, `a.h5` (24 samples), `b.h5` and `c.h5` (6 each), and `bc.h5` (12); a study for the first two.
fn folder(settings: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let all = Stacked::new(WITH_UNSEEN, 6);
    for (name, rows) in
        [("all", 0..ALL), ("unseen", ALL..WITH_UNSEEN), ("a", 0..24), ("b", 24..30), ("c", 30..36), ("bc", 24..36)]
    {
        part(&all, rows).write(folder.path(), &format!("{name}.h5"));
    }
    for name in ["all", "a"] {
        let text = format!("[data]\nsamples = \"{name}.h5\"\n[reduction]\n{settings}\n[regression]\nrestarts = 2\n");
        write_text(folder.path(), &format!("{name}.toml"), &text);
    }
    folder
}

fn product(field: &ReducedField, about: &Provenance) -> InnerProduct {
    let mesh = about.mesh.as_ref().unwrap();
    match (about.inner_product.as_str(), field.info.location) {
        ("l2", Location::Point) => InnerProduct::Sparse(mass_matrix(mesh).unwrap()),
        ("l2", _) => InnerProduct::Diagonal(mesh.cell_volumes()),
        _ => InnerProduct::Euclidean,
    }
}

/// All snapshots of a field [n_dofs, n].
fn snapshots(name: &str) -> Mat<f64> {
    let all = Stacked::new(ALL, 6);
    let values = &all.snapshots.iter().find(|s| s.0 == name).unwrap().1;
    Mat::from_fn(values.ncols(), values.nrows(), |i, j| values[(j, i)])
}

/// sqrt(Σ ||u - mean - V Vᵀ M (u - mean)||² / Σ ||u - mean||²) over all snapshots.
fn projection_error(field: &ReducedField, m: &InnerProduct) -> f64 {
    let mut x = snapshots(&field.info.name);
    if let Some(mean) = &field.mean {
        x.col_iter_mut().for_each(|c| c.iter_mut().zip(mean).for_each(|(x, m)| *x -= m));
    }
    let layout = Layout::serial(x.nrows());
    let tall = |x: Mat<f64>| TallMatrix::new(layout.clone(), x).unwrap();
    let (basis, x) = (tall(field.basis.clone()), tall(x));
    assert!(orthonormality(&basis, m) < 1e-11);
    let mut rest = x.clone();
    rest.subtract_product(&basis, m.cross(&basis, &x).as_ref()).unwrap();
    let square = |x: &TallMatrix| m.norms(x).iter().map(|v| v * v).sum::<f64>();
    (square(&rest) / square(&x)).sqrt()
}

/// Largest difference of the predictions of two models, relative to the largest value, at points inside the box.
fn difference(a: &PodRegression, b: &PodRegression) -> f64 {
    let x = Mat::from_fn(25, 2, |i, j| if j == 0 { 1.1 + 0.03 * i as f64 } else { 0.1 + 0.15 * (i % 6) as f64 });
    let (p, q) = (a.predict(x.as_ref()).unwrap(), b.predict(x.as_ref()).unwrap());
    let of = |k: usize| {
        let u = a.fields[k].reconstruct(p.coefficients[k].as_ref()).unwrap();
        let v = b.fields[k].reconstruct(q.coefficients[k].as_ref()).unwrap();
        (&u - &v).norm_max() / v.norm_max()
    };
    (0..a.fields.len()).map(of).fold(0.0, f64::max)
}

fn check(updated: &Path, whole: &Path, tolerance: Option<f64>) {
    let ((model, about), (expected, of_all)) = (read(updated).unwrap(), read(whole).unwrap());
    assert_eq!((model.n_snapshots, about.training.len()), (ALL, 2 * ALL));
    assert_eq!(about.training, of_all.training);
    assert_eq!((&model.inputs.lower, &model.inputs.upper), (&expected.inputs.lower, &expected.inputs.upper));
    for (field, of_all_samples) in model.fields.iter().zip(&expected.fields) {
        let (name, m) = (&field.info.name, product(field, &about));
        let truth = projection_error(field, &m);
        let stated = field.projection_error;
        assert!(truth <= stated * (1.0 + 1e-9) + 1e-14, "{name}: {truth:e} above the stated {stated:e}");
        assert!(stated <= 3.0 * truth + 1e-14, "{name}: {stated:e} says little of {truth:e}");
        if let Some(tolerance) = tolerance {
            assert!(stated <= tolerance, "{name}: {stated:e}");
            assert!(field.n_modes() <= of_all_samples.n_modes() + 2);
        }
        // No mode is invented, and none is off by more than what is missed can hide.
        let size = field.singular_values.iter().map(|s| s * s).sum::<f64>().sqrt();
        let missed = stated * size * (1.0 + 1e-6);
        let pairs = field.singular_values.iter().zip(&of_all_samples.singular_values);
        for (j, (found, truth)) in pairs.take(field.n_modes()).enumerate() {
            let right = *found <= truth * (1.0 + 1e-9) && *truth <= found.hypot(missed) * (1.0 + 1e-9);
            assert!(right, "{name}, sigma_{j}: {found:e}, {truth:e}");
            assert!(
                (found / truth - 1.0).abs() <= 1e-3 || *truth < 10.0 * missed,
                "{name}, sigma_{j}: {found:e}, {truth:e}"
            );
        }
        for (what, found, expected) in [
            ("residual", field.residual_square, (stated * size).powi(2) / ALL as f64),
            ("interval", field.interval_factor, of_all_samples.interval_factor),
            ("indicator", field.indicator_factor, of_all_samples.indicator_factor),
        ] {
            println!("{name}: {what} {found:.3e}, {expected:.3e}");
            assert!(found <= 2.0 * expected && expected <= 2.0 * found, "{name}: {what} {found:e}, {expected:e}");
        }
    }
    let off = difference(&model, &expected);
    println!("predictions differ by {off:.1e}");
    assert!(off <= 2e-3, "{off:e}");
}

/// Share of entries of unseen samples inside the intervals, per field.
fn coverage(folder: &Path, model: &str) -> [f64; 2] {
    let run = kolmo(folder, &["validate", model, "--data", "unseen.h5", "--json"]).success();
    let scores: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    ["density", "pressure"].map(|f| scores["fields"][f]["coverage"].as_f64().unwrap())
}

#[test]
fn an_updated_model_is_that_of_all_samples() {
    for (settings, tolerance) in [
        ("tolerance = 1e-4", Some(1e-4)),
        ("tolerance = 1e-3\ncenter = true", Some(1e-3)),
        ("modes = 5\ninner_product = \"euclidean\"", None),
        ("modes = 7\ncenter = true", None),
    ] {
        println!("{settings}");
        let folder = folder(settings);
        let at = |name: &str| folder.path().join(name);
        kolmo(folder.path(), &["fit", "all.toml", "-o", "all_model.h5"]).success();
        kolmo(folder.path(), &["fit", "a.toml", "-o", "model.h5"]).success();
        let before = std::fs::read(at("model.h5")).unwrap();
        // Beside it, then in its place; at once, and in two steps.
        let run = kolmo(folder.path(), &["fit", "--append", "bc.h5", "model.h5", "-o", "updated.h5"]).success();
        assert!(run.stdout.contains("36 samples, 12 of them new"), "{run:#?}");
        assert_eq!(std::fs::read(at("model.h5")).unwrap(), before);
        check(&at("updated.h5"), &at("all_model.h5"), tolerance);
        kolmo(folder.path(), &["fit", "--append", "b.h5", "model.h5"]).success();
        kolmo(folder.path(), &["fit", "--append", "c.h5", "model.h5"]).success();
        check(&at("model.h5"), &at("all_model.h5"), tolerance);
        kolmo(folder.path(), &["check", "model.h5"]).success();
        let run = kolmo(folder.path(), &["validate", "model.h5", "--data", "all.h5"]).success();
        assert!(run.stderr.contains("36 of 36 samples have parameters of training samples"), "{run:#?}");
        // Intervals cover as well, where no model has seen the samples.
        let [of_all, updated, twice] = ["all_model.h5", "updated.h5", "model.h5"].map(|m| coverage(folder.path(), m));
        println!("coverage: {of_all:?} of all, {updated:?} updated, {twice:?} updated twice");
        for k in 0..2 {
            assert!(updated[k] >= of_all[k].min(0.95) - 0.05 && twice[k] >= of_all[k].min(0.95) - 0.05);
        }
        let (_, about) = read(&at("model.h5")).unwrap();
        assert!(about.study.contains("# 6 samples of b.h5 were appended\n# 6 samples of c.h5 were appended"));
    }
}

#[test]
fn fewer_modes_of_an_updated_model_state_their_error_too() {
    let folder = folder("tolerance = 1e-4");
    kolmo(folder.path(), &["fit", "a.toml", "-o", "model.h5"]).success();
    kolmo(folder.path(), &["fit", "--append", "bc.h5", "model.h5"]).success();
    let (model, about) = read(&folder.path().join("model.h5")).unwrap();
    let short = model.truncated(3);
    for field in &short.fields {
        let truth = projection_error(field, &product(field, &about));
        assert!(truth <= field.projection_error * (1.0 + 1e-9) && field.projection_error <= 1.01 * truth);
        let missed = field.missed.iter().map(|m| m * m).sum::<f64>();
        assert!((missed / ALL as f64 / field.residual_square - 1.0).abs() < 1e-6);
        assert_eq!((field.coefficients.nrows(), field.coefficients.ncols()), (3, ALL));
    }
    // What was cut away is among what is missed: such a model may be updated as well.
    write(&folder.path().join("short.h5"), &short, &about, &SingleComm).unwrap();
    kolmo(folder.path(), &["fit", "--append", "b.h5", "short.h5"]).success();
}

#[test]
fn a_field_that_was_zero_comes_alive() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Stacked::new(12, 3);
    all.snapshots[0].1.slice_mut(ndarray::s![..6, ..]).fill(0.0);
    part(&all, 0..6).write(folder.path(), "a.h5");
    part(&all, 6..12).write(folder.path(), "b.h5");
    kolmo(folder.path(), &["fit", "a.h5", "-o", "model.h5"]).success();
    kolmo(folder.path(), &["fit", "--append", "b.h5", "model.h5"]).success();
    let (model, _) = read(&folder.path().join("model.h5")).unwrap();
    assert!(model.fields.iter().all(|f| f.n_modes() > 0 && f.projection_error <= 1e-4), "a field without modes");
}

#[test]
fn what_is_left_out_and_what_is_a_bound_is_told() {
    let folder = folder("tolerance = 1e-3");
    let at = folder.path();
    kolmo(at, &["fit", "a.toml", "-o", "model.h5"]).success();
    let mut more = part(&Stacked::new(ALL, 6), 24..30);
    let (name, values, location) = more.snapshots[0].clone();
    more.snapshots.insert(0, (format!("{name}_raw"), values.clone(), location.clone()));
    more.snapshots.push(("swirl".into(), values, location));
    more.write(at, "more.h5");
    let update = |new: &str| kolmo(at, &["fit", "--append", new, "model.h5", "-o", "out.h5"]).success();
    let run = update("more.h5");
    let warning = "warning: more.h5: fields that the model has not learnt are left out: pressure_raw, swirl";
    assert!(run.stderr.contains(warning), "{run:#?}");
    let of_more = read(&at.join("out.h5")).unwrap().0;
    let run = update("b.h5");
    assert!(!run.stderr.contains("left out"), "{run:#?}");
    let of_b = read(&at.join("out.h5")).unwrap().0;
    assert_eq!(of_more.fields[0].singular_values, of_b.fields[0].singular_values);
    for field in ["pressure", "density"] {
        let line = run.stdout.lines().find(|l| l.starts_with(field)).unwrap();
        assert!(line.contains("projection error at most") && line.contains("upper bound"), "{line}");
    }
    let run = kolmo(at, &["fit", "--append", "b.h5", "model.h5", "-o", "out.h5", "--json"]).success();
    let value: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    for field in &of_b.fields {
        let of = &value["fields"][&field.info.name];
        assert_eq!(of["projection_error_bound"].as_f64(), Some(field.projection_error));
        assert_eq!(of["projection_error"], of["projection_error_bound"]);
    }
}

#[test]
fn samples_that_move_do_not_fit_a_model_that_stands() {
    let folder = folder("tolerance = 1e-3");
    let at = folder.path();
    kolmo(at, &["fit", "a.toml", "-o", "model.h5"]).success();
    kolmo(at, &["convert", "b.h5", "b/"]).success();
    // The first sample lies on the mesh of the model, a later one does not.
    let mut moved = part(&Stacked::new(ALL, 6), 26..27);
    moved.points[(8, 0)] += 0.03;
    moved.write(at, "moved.h5");
    kolmo(at, &["convert", "moved.h5", "moved/"]).success();
    let names = |folder: &str| {
        let files = crate::tool::listing(&at.join(folder)).into_iter();
        files.filter(|p| p.extension().is_some_and(|e| e == "vtu")).collect::<Vec<_>>()
    };
    std::fs::copy(&names("moved")[0], &names("b")[2]).unwrap();
    let before = contents(at);
    for args in [&["fit", "--append", "b/", "model.h5"][..], &["validate", "model.h5", "--data", "b/"]] {
        check_message(&kolmo(at, args), 2, &["K017"], &["points that move from sample to sample"]);
    }
    assert_eq!(contents(at), before);
}

#[test]
fn what_does_not_fit_is_refused_and_the_model_stays() {
    let folder = folder("tolerance = 1e-3");
    let at = folder.path();
    kolmo(at, &["fit", "a.toml", "-o", "model.h5"]).success();
    let (model, about) = read(&at.join("model.h5")).unwrap();
    let mut old = model.clone();
    for field in &mut old.fields {
        (field.coefficients, field.missed) = (Mat::zeros(field.n_modes(), 0), Vec::new());
    }
    write(&at.join("old.h5"), &old, &about, &SingleComm).unwrap();
    let all = Stacked::new(ALL, 6);
    let new = part(&all, 24..30);
    let spoil = |name: &str, change: &dyn Fn(&mut Stacked)| {
        let mut s = new.clone();
        change(&mut s);
        s.write(at, name);
    };
    spoil("field.h5", &|s| s.snapshots[1].0 = "densiti".into());
    spoil("few.h5", &|s| drop(s.snapshots.remove(1)));
    spoil("name.h5", &|s| s.names[0] = "mac".into());
    spoil("bare.h5", &|_| ());
    hdf5::File::append(at.join("bare.h5")).unwrap().unlink("parameters").unwrap();
    spoil("moved.h5", &|s| s.points[(8, 0)] += 0.03);
    spoil("nan.h5", &|s| s.snapshots[0].1[(2, 5)] = f64::NAN);
    spoil("large.h5", &|s| s.snapshots[0].1[(2, 5)] = 1e200);
    Stacked::new(6, 5).write(at, "coarse.h5");
    let before = contents(at);
    let cases: [(&[&str], &str, &[&str]); 14] = [
        (&["lost.h5", "model.h5"], "K001", &["lost.h5"]),
        (&["b.h5", "lost.h5"], "K001", &["lost.h5"]),
        (&["b.h5", "a.h5"], "K002", &["a.h5"]),
        (&["b.h5", "old.h5"], "K002", &["old.h5", "fit all samples anew"]),
        (&["field.h5", "model.h5"], "K006", &["no field `density` among", "did you mean `densiti`?"]),
        (&["name.h5", "model.h5"], "K006", &["no input `mach` among mac, gamma", "did you mean `mac`?"]),
        (&["few.h5", "model.h5"], "K006", &["no field `density` among pressure", "add `density`"]),
        (&["bare.h5", "model.h5"], "K007", &["bare.h5", "write /parameters"]),
        (&["moved.h5", "model.h5"], "K017", &["points at other places"]),
        (&["coarse.h5", "model.h5"], "K017", &["36 points, not 49"]),
        (&["nan.h5", "model.h5"], "K004", &["sample 2", "entry 5"]),
        (&["large.h5", "model.h5"], "K019", &["large.h5", "pressure"]),
        (&["b.h5", "model.h5", "-o", "b.h5"], "K009", &["b.h5"]),
        (&["b.h5", "model.h5", "-o", "no/model.h5"], "K001", &["no"]),
    ];
    for (arguments, code, words) in cases {
        let run = kolmo(at, &[&["fit", "--append"], arguments].concat());
        let line = check_message(&run, 2, &[code], words);
        // No study chooses among new samples, and an HDF5 file has no columns.
        assert!(["select", "column", "header", "[data]"].iter().all(|w| !line.contains(w)), "{line}");
        assert_eq!(contents(at), before, "{arguments:?}");
    }
    // Scores on another mesh would compare values of different places.
    let run = kolmo(at, &["validate", "model.h5", "--data", "moved.h5"]);
    check_message(&run, 2, &["K017"], &["moved.h5", "points at other places"]);
    check_message(&kolmo(at, &["fit", "--append", "b.h5", "model.h5", "--resume"]), 2, &["K012"], &["resume"]);
    assert_eq!(contents(at), before);
}

#[test]
fn inner_products_of_files_constants_and_scalars() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut all = Stacked::new(20, 3);
    all.snapshots.truncate(1);
    all.names.push("height".into());
    let columns = |s: usize, j: usize| if j < 2 { all.parameters[(s, j)] } else { 7.0 };
    all.parameters = Array2::from_shape_fn((20, 3), |(s, j)| columns(s, j));
    // A matrix and scalars go in by hand.
    let write = |name: &str, rows: Range<usize>, diagonal: Option<f64>, scalars: bool| {
        let path = part(&all, rows.clone()).write(at, name);
        let file = hdf5::File::append(path).unwrap();
        let put = |name: &str, values: Vec<f64>| {
            file.new_dataset_builder().with_data(&Array1::from(values)).create(name).unwrap();
        };
        if let Some(weight) = diagonal {
            let n = 16;
            let m = from_triplets(n, n, &(0..n).map(|i| (i, i, weight + i as f64)).collect::<Vec<_>>());
            put("inner_product/data", m.data().to_vec());
            put("inner_product/indices", m.indices().iter().map(|i| *i as f64).collect());
            put("inner_product/indptr", m.indptr().raw_storage().iter().map(|i| *i as f64).collect());
        }
        if scalars {
            let values = Array2::from_shape_fn((rows.len(), 1), |(i, _)| all.parameters[(rows.start + i, 0)].powi(2));
            let data = file.new_dataset_builder().with_data(&values).create("scalars").unwrap();
            let name: hdf5::types::VarLenUnicode = "drag".parse().unwrap();
            data.new_attr::<hdf5::types::VarLenUnicode>().shape(1).create("names").unwrap().write(&[name]).unwrap();
        }
    };
    write("a.h5", 0..14, Some(1.0), true);
    write("b.h5", 14..20, Some(1.0), true);
    write("no_product.h5", 14..20, None, true);
    write("other_product.h5", 14..20, Some(2.0), true);
    write("no_scalars.h5", 14..20, Some(1.0), false);
    write_text(at, "a.toml", "[data]\nsamples = \"a.h5\"\n[reduction]\ninner_product = \"file\"\n");
    kolmo(at, &["fit", "a.toml", "-o", "model.h5"]).success();
    let before = std::fs::read(at.join("model.h5")).unwrap();
    for (name, code, word) in [
        ("no_product.h5", "K006", "/inner_product"),
        ("other_product.h5", "K005", "/inner_product"),
        ("no_scalars.h5", "K006", "drag"),
    ] {
        check_message(&kolmo(at, &["fit", "--append", name, "model.h5"]), 2, &[code], &[word]);
    }
    let mut other = part(&all, 14..20);
    other.parameters[(3, 2)] = 8.0;
    other.write(at, "height.h5");
    check_message(
        &kolmo(at, &["fit", "--append", "height.h5", "model.h5"]),
        2,
        &["K009"],
        &["height", "sample 3", "7"],
    );
    assert_eq!(std::fs::read(at.join("model.h5")).unwrap(), before);
    kolmo(at, &["fit", "--append", "b.h5", "model.h5"]).success();
    let (model, about) = read(&at.join("model.h5")).unwrap();
    assert_eq!((model.n_snapshots, model.scalars[0].training.len(), about.dropped.len()), (20, 20, 1));
    let p = model.predict(Mat::from_fn(1, 2, |_, j| [1.4, 0.5][j]).as_ref()).unwrap();
    assert!((p.scalars[0] - 1.96).abs() < 1e-3, "{}", p.scalars[0]);
    let held = data_sets(&at.join("model.h5"));
    assert_eq!(held["/pod/pressure/coefficients"].0, [model.fields[0].n_modes(), 20]);
    assert_eq!(held["/pod/pressure/missed"].0, [20]);
}

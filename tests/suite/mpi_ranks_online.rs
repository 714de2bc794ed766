//! `mpirun -n N kolmo predict` and `validate` over pieces of a mesh give the serial answer. Runs where tests/mpirun.sh sets
//! KOLMO_MPIRUN (a build with MPI).

use crate::mpi_ranks::{difference, ranks, wanted};
use crate::tool::{Stacked, kolmo, listing, write_text};
use serde_json::Value;
use std::path::Path;

/// Largest difference of the numbers of two JSON values, relative to 1 or the larger one; seconds do not count.
#[track_caller]
fn apart(a: &Value, b: &Value, place: &str) -> f64 {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            assert_eq!(x.len(), y.len(), "{place}");
            let keys = x.iter().filter(|(k, _)| *k != "seconds");
            keys.map(|(k, v)| apart(v, &y[k], &format!("{place}/{k}"))).fold(0.0, f64::max)
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{place}");
            x.iter().zip(y).map(|(a, b)| apart(a, b, place)).fold(0.0, f64::max)
        }
        _ => match (a.as_f64(), b.as_f64()) {
            (Some(x), Some(y)) => (x - y).abs() / x.abs().max(y.abs()).max(1e-12),
            _ => {
                assert_eq!(a, b, "{place}");
                0.0
            }
        },
    }
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

/// More rows than a block on points and on cells, a vector field, and a test set.
fn prepare(folder: &Path) {
    for (n_samples, skip, name) in [(16, 0, "train.h5"), (20, 16, "test.h5")] {
        let mut data = Stacked::new(n_samples, 130);
        data.parameters = data.parameters.slice(ndarray::s![skip.., ..]).to_owned();
        data.snapshots.iter_mut().for_each(|s| s.1 = s.1.slice(ndarray::s![skip.., ..]).to_owned());
        data.write(folder, name);
    }
    write_text(folder, "study.toml", "[data]\nsamples = \"train.h5\"\n[reduction]\ntolerance = 1e-3\ncenter = true\n");
    write_text(folder, "p.csv", "mach,gamma\n1.7,0.3\n1.2,0.4\n2.1,0.6\n");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5"]).success();
}

#[test]
fn mpi_ranks_predict_on_pieces_of_the_mesh() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    kolmo(folder, &["predict", "model.h5", "--parameters", "p.csv", "-o", "serial.h5"]).success();
    kolmo(folder, &["predict", "model.h5", "--at", "mach=1.7,gamma=0.3", "-o", "serial.vtu"]).success();
    kolmo(folder, &["predict", "model.h5", "--parameters", "p.csv", "-o", "whole/"]).success();
    let sorted = |source: &str| {
        let file = kolmo::io::open_mesh(&folder.join(source)).unwrap();
        let mesh = file.mesh(0).unwrap();
        let mut entries = Vec::new();
        for array in file.arrays(0).unwrap() {
            let values = file.read(0, &array).unwrap();
            let places = match array.field.location {
                kolmo::data::Location::Cell => mesh.cell_centres(),
                _ => mesh.points.clone(),
            };
            let mut rows: Vec<(i64, i64, f64)> = values
                .iter()
                .zip(places.chunks(mesh.dim))
                .map(|(v, x)| ((x[0] * 1e6).round() as i64, (x[1] * 1e6).round() as i64, *v))
                .collect();
            rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
            entries.push((array.field.name.clone(), rows));
        }
        (entries, file.field_data(0).unwrap())
    };
    let same = |a: &str, b: &str, tolerance: f64| {
        let ((x, xf), (y, yf)) = (sorted(a), sorted(b));
        assert_eq!(xf.len(), yf.len());
        for ((name, x), (other, y)) in x.iter().zip(&y) {
            assert_eq!((name, x.len()), (other, y.len()));
            let scale = x.iter().fold(0.0f64, |m, v| m.max(v.2.abs()));
            for (p, q) in x.iter().zip(y) {
                assert_eq!((p.0, p.1), (q.0, q.1), "{a} and {b}, {name}");
                assert!((p.2 - q.2).abs() <= tolerance * scale, "{a} and {b}, {name}: {} and {}", p.2, q.2);
            }
        }
    };
    for n_ranks in 1..=3 {
        ranks(folder, n_ranks, &["predict", "model.h5", "--parameters", "p.csv", "-o", "ranks.h5"]).success();
        let (serial, found) = (folder.join("serial.h5"), folder.join("ranks.h5"));
        assert!(std::fs::read(&serial).unwrap() == std::fs::read(&found).unwrap(), "{n_ranks} ranks, stacked");
        for out in ["one.pvtu", "one.vtu"] {
            ranks(folder, n_ranks, &["predict", "model.h5", "--at", "mach=1.7,gamma=0.3", "-o", out]).success();
            same("serial.vtu", out, 0.0);
        }
        for out in ["many/", "series.pvd"] {
            ranks(folder, n_ranks, &["predict", "model.h5", "--parameters", "p.csv", "-o", out]).success();
        }
        let ending = if n_ranks > 1 { "pvtu" } else { "vtu" };
        for k in 0..3 {
            same(&format!("whole/point_{k}.vtu"), &format!("many/point_{k}.{ending}"), 1e-12);
            same(&format!("whole/point_{k}.vtu"), &format!("series/series_0000{k}.{ending}"), 1e-12);
        }
        for made in ["many", "series", "one"] {
            let _ = std::fs::remove_dir_all(folder.join(made));
        }
    }
}

#[test]
fn mpi_ranks_validate_their_rows() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    let against = ["validate", "model.h5", "--data", "test.h5"];
    let folds = ["validate", "study.toml", "--folds", "4"];
    for (verb, serial) in [(&against[..], "against.json"), (&folds[..], "folds.json")] {
        kolmo(folder, &[verb, &["--json", serial]].concat()).success();
        for n_ranks in 1..=3 {
            let with = ["--plots", "pictures", "--html", "report.html", "--json", "ranks.json"];
            ranks(folder, n_ranks, &[verb, &with].concat()).success();
            let off = apart(&json(folder, serial), &json(folder, "ranks.json"), "");
            println!("{}, {n_ranks} ranks: largest relative difference {off:.1e}", verb[1]);
            assert!(off <= 1e-9, "{n_ranks} ranks: {off:e}");
            assert!(folder.join("pictures/pressure_worst.svg").exists() && folder.join("report.html").exists());
            std::fs::remove_dir_all(folder.join("pictures")).unwrap();
        }
    }
    // Models of ranks answer as those of one.
    ranks(folder, 3, &["fit", "study.toml", "-o", "ranks.h5"]).success();
    let off = difference(&folder.join("model.h5"), &folder.join("ranks.h5"), "/pod");
    assert!(off <= 1e-10, "{off:e}");
}

#[test]
fn mpi_ranks_refuse_together() {
    if !wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    prepare(folder);
    let mut spoilt = Stacked::new(4, 130);
    // The last entry: only the last rank reads it.
    let last = spoilt.snapshots[0].1.ncols() - 1;
    spoilt.snapshots[0].1[(2, last)] = f64::NAN;
    spoilt.write(folder, "spoilt.h5");
    write_text(folder, "lost.csv", "mach\n1.5\n");
    write_text(folder, "in_the_way", "");
    let before = listing(folder);
    let cases: [(&[&str], &str); 7] = [
        (&["predict", "model.h5", "--at", "mach=1.5", "-o", "out.pvtu"], "K006"),
        (&["predict", "model.h5", "--parameters", "lost.csv", "-o", "out.h5"], "K006"),
        (&["predict", "model.h5", "--parameters", "p.csv", "-o", "out.pvtu"], "K009"),
        (&["predict", "gone.h5", "--parameters", "p.csv", "-o", "out/"], "K001"),
        (&["validate", "model.h5", "--data", "spoilt.h5"], "K004"),
        (&["validate", "spoilt.h5", "--data", "test.h5"], "K002"),
        (&["validate", "study.toml", "--folds", "99"], "K009"),
    ];
    for n_ranks in 1..=3 {
        for (args, code) in cases {
            let run = ranks(folder, n_ranks, args);
            assert_eq!(run.code, Some(2), "{n_ranks} ranks: {run:#?}");
            assert!(run.line("error[").starts_with(&format!("error[{code}]: ")), "{n_ranks} ranks: {run:#?}");
            assert_eq!(listing(folder), before, "{n_ranks} ranks, {args:?}");
        }
        // A place that cannot be written to: found by the first rank only.
        let run =
            ranks(folder, n_ranks, &["predict", "model.h5", "--at", "mach=1.5,gamma=0.2", "-o", "in_the_way/a.pvd"]);
        assert!(run.code == Some(1) && run.line("error[").starts_with("error[K103]"), "{run:#?}");
    }
}

//! `kolmo validate --plots` and `kolmo demo`: which pictures are written, what they show, what is told.

use crate::svg::{Element, check_picture, count, texts};
use crate::tool::{KOLMO, Run, Stacked, kolmo, listing, names_number, write_text};
use ndarray::{Array2, s};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const STUDY: &str = "[data]\nsamples = \"train.h5\"\nscalars = \"scalars.csv\"\nholdout = { every = 5, offset = 2 }\n";

/// A folder with 20 samples on 16 cells, 4 of them held out, and the model `model.h5`; `spoil` changes the data.
fn fitted(spoil: impl FnOnce(&mut Stacked)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut data = Stacked::new(20, 4);
    spoil(&mut data);
    let column = |i: usize| data.parameters[(i, 0)].powi(2) + data.parameters[(i, 1)];
    let rows: String = (0..20).map(|i| format!("{}\n", column(i))).collect();
    write_text(folder.path(), "scalars.csv", &format!("lift\n{rows}"));
    data.write(folder.path(), "train.h5");
    write_text(folder.path(), "study.toml", STUDY);
    kolmo(folder.path(), &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    folder
}

const SCORES: [&str; 5] =
    ["singular_values", "error_per_sample", "error_against_indicator", "error_by_modes", "parity_lift"];
const VALIDATE: [&str; 6] = ["validate", "model.h5", "--data", "study.toml", "--plots", "new/pictures"];

/// Standard output must name exactly these pictures, and all are there.
#[track_caller]
fn check_named(run: &Run, folder: &Path, lines: &str, names: &[&str]) -> BTreeMap<String, Vec<Element>> {
    let named: Vec<&str> = lines.lines().filter(|l| l.ends_with(".svg")).collect();
    let expected: Vec<String> = names.iter().map(|n| format!("new/pictures/{n}.svg")).collect();
    assert_eq!(named, expected, "{run:#?}");
    assert_eq!(listing(&folder.join("new/pictures")).len(), names.len());
    let read = |n: &str| std::fs::read_to_string(folder.join(format!("new/pictures/{n}.svg"))).unwrap();
    names.iter().map(|n| (n.to_string(), check_picture(&read(n)))).collect()
}

#[test]
fn validate_draws() {
    let folder = fitted(|_| ());
    let run = kolmo(folder.path(), &[&VALIDATE[..], &["--json", "s.json"]].concat()).success();
    let fields = ["density_worst", "density_median", "pressure_worst", "pressure_median"];
    let pictures = check_named(&run, folder.path(), &run.stdout, &[&SCORES[..], &fields].concat());
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("s.json")).unwrap()).unwrap();
    for (field, kind) in [("pressure", "worst"), ("pressure", "median"), ("density", "worst"), ("density", "median")] {
        let found = &pictures[&format!("{field}_{kind}")];
        assert_eq!(count(found, "polygon"), 3 * 16, "three panels of 16 cells");
        let title = texts(found)[0];
        let held_out = [2, 7, 12, 17].into_iter().any(|i| names_number(title, i));
        assert!(title.starts_with(&format!("{field}, sample ")) && title.contains(kind) && held_out, "{title}");
        if kind == "worst" {
            let largest = format!("relative error {:.2e}", json["fields"][field]["rel_l2_max"].as_f64().unwrap());
            assert!(title.ends_with(&largest), "{title}: {largest}");
        }
        let has = |text: &str| texts(found).iter().any(|t| t.contains(text));
        assert!(has("mach = 1.") && has("gamma = 0.") && has("truth") && has("prediction"), "{:?}", texts(found));
    }
    // Four samples, and one disc in the legend.
    assert_eq!(count(&pictures["error_against_indicator"], "circle"), 5);
    assert_eq!(count(&pictures["parity_lift"], "circle"), 5);
    assert_eq!(count(&pictures["error_per_sample"], "circle"), 10);
    let kept = json["by_modes"].as_array().unwrap().len();
    assert_eq!(count(&pictures["error_by_modes"], "circle"), 3 * (kept + 1));
    let singular = &pictures["singular_values"];
    // 16 singular values of two fields, two kinds of discs and two fields in the legend.
    assert_eq!(count(singular, "circle"), 2 * 16 + 4);
    assert!(texts(singular).contains(&format!("{kept} modes kept").as_str()), "{:?}", texts(singular));
}

#[test]
fn json_stays_alone_on_standard_output() {
    let folder = fitted(|_| ());
    let run = kolmo(folder.path(), &[&VALIDATE[..], &["--json"]].concat()).success();
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["n_samples"], 4);
    assert_eq!(
        run.stderr.lines().filter(|l| l.starts_with("new/pictures/") && l.ends_with(".svg")).count(),
        9,
        "{run:#?}"
    );
}

#[test]
fn folds_are_drawn_pooled() {
    let folder = fitted(|_| ());
    let run = kolmo(folder.path(), &["validate", "study.toml", "--folds", "3", "--plots", "new/pictures"]).success();
    let pictures = check_named(&run, folder.path(), &run.stdout, &SCORES);
    assert!(run.stdout.contains("no pictures of samples"), "{run:#?}");
    // The 16 samples that are not held out.
    assert_eq!(count(&pictures["error_against_indicator"], "circle"), 17);
}

#[test]
fn a_folder_that_cannot_be() {
    let folder = fitted(|_| ());
    write_text(folder.path(), "new", "a file");
    let before = listing(folder.path());
    let run = kolmo(folder.path(), &VALIDATE);
    assert_eq!(run.code, Some(1), "{run:#?}");
    assert!(run.line("error[").starts_with("error[K103]: new/pictures"), "{run:#?}");
    assert!(run.stdout.is_empty(), "told before the work: {run:#?}");
    assert_eq!(listing(folder.path()), before);
    let run = kolmo(folder.path(), &["validate", "model.h5", "--data", "study.toml", "--html", "r.html"]);
    assert!(run.line("error[").starts_with("error[K014]"), "{run:#?}");
}

#[test]
fn what_has_no_picture_is_told() {
    let cube = |d: &mut Stacked| {
        d.points = Array2::from_shape_fn((27, 3), |(k, a)| (k / [1, 3, 9][a] % 3) as f64);
        let corner = [0, 1, 4, 3, 9, 10, 13, 12];
        d.cells = Array2::from_shape_fn((8, 8), |(c, k)| (c % 2 + c / 2 % 2 * 3 + c / 4 * 9 + corner[k]) as i32);
        d.snapshots[0].1 = d.snapshots[0].1.slice(s![.., ..8]).to_owned();
        d.snapshots.truncate(1);
    };
    let folder = fitted(cube);
    let run = kolmo(folder.path(), &VALIDATE).success();
    check_named(&run, folder.path(), &run.stdout, &SCORES);
    assert!(run.stdout.lines().any(|l| l == "no picture of pressure: a 3-D mesh"), "{run:#?}");
}

#[test]
fn a_field_that_is_zero() {
    let folder = fitted(|d| {
        d.snapshots[0].1.fill(0.0);
        d.snapshots[1].1.fill(3.0);
    });
    let run = kolmo(folder.path(), &VALIDATE).success();
    let fields = ["density_worst", "density_median", "pressure_worst", "pressure_median"];
    let pictures = check_named(&run, folder.path(), &run.stdout, &[&SCORES[..], &fields].concat());
    assert!(texts(&pictures["pressure_worst"])[0].ends_with("error 0.0e0, solution of norm 0"));
}

/// Scores of many samples, which are read in batches, are those of their parts; the indicator of n modes is that of the model
/// truncated to n modes.
#[test]
fn scores_in_batches_and_by_modes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let all = Stacked::new(150, 4);
    let part = |rows: std::ops::Range<usize>| {
        let mut part = all.clone();
        part.parameters = all.parameters.slice(s![rows.clone(), ..]).to_owned();
        part.snapshots.iter_mut().for_each(|f| f.1 = f.1.slice(s![rows.clone(), ..]).to_owned());
        part
    };
    all.write(folder, "all.h5");
    write_text(folder, "study.toml", "[data]\nsamples = \"all.h5\"\nselect = \"0:20\"\n[reduction]\ncenter = true\n");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let scores = |data: &str, more: &[&str]| -> serde_json::Value {
        let run = kolmo(folder, &[&["validate", "model.h5", "--data", data][..], more, &["--json"]].concat()).success();
        serde_json::from_str(&run.stdout).unwrap()
    };
    let whole = scores("all.h5", &[]);
    let parts: Vec<serde_json::Value> = (0..3)
        .map(|k| {
            part(50 * k..50 * (k + 1)).write(folder, "part.h5");
            scores("part.h5", &[])
        })
        .collect();
    for field in ["pressure", "density"] {
        for key in ["rel_l2_mean", "projection_rel_l2_mean", "coverage", "interval_width_mean"] {
            let number = |v: &serde_json::Value| v["fields"][field][key].as_f64().unwrap();
            let (a, b) = (number(&whole), parts.iter().map(number).sum::<f64>() / 3.0);
            assert!((a - b).abs() <= 1e-10 * b, "{field} {key}: {a} {b}");
        }
    }
    let by_modes = whole["by_modes"].as_array().unwrap();
    assert!(by_modes.len() > 3);
    for n in [1, 3] {
        let truncated = scores("all.h5", &["--modes", &n.to_string()]);
        let last = truncated["by_modes"].as_array().unwrap().last().unwrap();
        for key in ["rel_l2_mean", "projection_rel_l2_mean", "indicator_mean"] {
            let (a, b) = (by_modes[n - 1][key].as_f64().unwrap(), last[key].as_f64().unwrap());
            assert!((a - b).abs() <= 1e-10 * b, "{n} modes, {key}: {a} {b}");
        }
    }
}

#[test]
fn the_demonstration() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| Run::of(Command::new(KOLMO).args(args).current_dir(folder.path()));
    let shown = run(&["demo", "a b/out"]).success();
    let mut n_files = 0;
    for line in shown.stdout.lines().filter(|l| !l.starts_with("$ ")) {
        let Some((_, name)) = line.split_once("a b/") else { continue };
        let name = name.split([' ', ',']).next().unwrap();
        let path = folder.path().join("a b").join(name);
        let size = std::fs::metadata(&path).unwrap_or_else(|e| panic!("{name}: {e}")).len();
        assert!(size > 0, "{name}");
        n_files += 1;
    }
    assert!(n_files >= 12, "{n_files} files: {shown:#?}");
    for name in ["step.vtu", "points.h5", "scores.json", "model.h5", "pictures/p_worst.svg"] {
        assert!(shown.stdout.contains(name), "{name}: {shown:#?}");
    }
    let picture =
        check_picture(&std::fs::read_to_string(folder.path().join("a b/out/pictures/rho_median.svg")).unwrap());
    assert_eq!(count(&picture, "polygon"), 3 * 2328);
    // What it shows is what a user can type.
    let command = shown.stdout.lines().find(|l| l.starts_with("$ kolmo validate")).unwrap().replace('\'', "");
    assert!(command.contains("--plots") && command.contains("--json"), "{command}");
    let without_seconds = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.split(" samples, ").next().unwrap().to_string()).collect()
    };
    let again = run(&["demo", "a b/out", "--quiet"]).success();
    assert_eq!(without_seconds(&again.stdout), without_seconds(&shown.stdout));
}

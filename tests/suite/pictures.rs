//! `kolmo validate --plots` and `kolmo demo`: which pictures are written, what they show, what is told.

use crate::svg::{Element, check_picture, count, images, texts};
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

const SCORES: [&str; 13] = [
    "singular_values",
    "left_out_by_modes",
    "error_by_modes",
    "error_per_sample",
    "error_against_indicator",
    "parity_lift",
    "residuals_lift",
    "entries_density",
    "entries_residuals_density",
    "entries_pressure",
    "entries_residuals_pressure",
    "coverage",
    "parameter_space",
];
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
        assert_eq!(count(found, "image"), 4, "truth, prediction, difference, standard deviation");
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
    // Four samples, the ring around the worst one, and both in the legend.
    assert_eq!(count(&pictures["error_against_indicator"], "circle"), 7);
    assert_eq!(count(&pictures["error_per_sample"], "circle"), 7);
    assert_eq!(count(&pictures["parity_lift"], "circle"), 5);
    // Discs with a border, three rings, 16 training samples, two entries of the legend.
    assert_eq!(count(&pictures["parameter_space"], "circle"), 2 * 4 + 3 + 16 + 2);
    assert_eq!(count(&pictures["coverage"], "circle"), 3);
    let kept = json["by_modes"].as_array().unwrap().len();
    let by_modes = &pictures["error_by_modes"];
    assert_eq!((count(by_modes, "circle"), count(by_modes, "polygon")), (kept + 1, 2 * (kept + 1)));
    let singular = &pictures["singular_values"];
    // 16 singular values of the first field, in the legend that field and two kinds of discs.
    assert_eq!(count(singular, "circle"), 16 + 3);
    let largest = texts(singular).iter().any(|t| t.ends_with(&format!(": {kept} modes kept")));
    assert!(largest, "{:?}", texts(singular));
}

#[test]
fn json_stays_alone_on_standard_output() {
    let folder = fitted(|_| ());
    let run = kolmo(folder.path(), &[&VALIDATE[..], &["--json"]].concat()).success();
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json["n_samples"], 4);
    assert_eq!(
        run.stderr.lines().filter(|l| l.starts_with("new/pictures/") && l.ends_with(".svg")).count(),
        SCORES.len() + 4,
        "{run:#?}"
    );
}

#[test]
fn folds_are_drawn_pooled() {
    let folder = fitted(|_| ());
    let run = kolmo(folder.path(), &["validate", "study.toml", "--folds", "3", "--plots", "new/pictures"]).success();
    let fields = ["density_worst", "density_median", "pressure_worst", "pressure_median"];
    let pictures = check_named(&run, folder.path(), &run.stdout, &[&SCORES[..], &fields].concat());
    let json = kolmo(folder.path(), &["validate", "study.toml", "--folds", "3", "--json"]).success();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    for field in ["density", "pressure"] {
        let title = texts(&pictures[&format!("{field}_worst")])[0];
        let largest = format!("relative error {:.2e}", json["fields"][field]["rel_l2_max"].as_f64().unwrap());
        assert!(title.ends_with(&largest), "{title}: {largest}");
    }
    // The 16 samples that are not held out, the ring around the worst one, and both in the legend.
    assert_eq!(count(&pictures["error_against_indicator"], "circle"), 19);
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
    let run = kolmo(folder.path(), &["validate", "model.h5", "--data", "study.toml", "--html", "no/r.html"]);
    assert!(run.line("error[").starts_with("error[K001]"), "{run:#?}");
    assert!(run.stdout.is_empty(), "told before the work: {run:#?}");
    let run = kolmo(folder.path(), &["info", "model.h5", "--html", "model.h5"]);
    assert!(run.line("error[").starts_with("error[K009]"), "{run:#?}");
}

/// Cubes of 2 x 2 x 2 hexahedra with a field of cells.
fn cubes(d: &mut Stacked) {
    d.points = Array2::from_shape_fn((27, 3), |(k, a)| (k / [1, 3, 9][a] % 3) as f64);
    let corner = [0, 1, 4, 3, 9, 10, 13, 12];
    d.cells = Array2::from_shape_fn((8, 8), |(c, k)| (c % 2 + c / 2 % 2 * 3 + c / 4 * 9 + corner[k]) as i32);
    d.snapshots[0].1 = d.snapshots[0].1.slice(s![.., ..8]).to_owned();
    d.snapshots.truncate(1);
}

#[test]
fn volumes_are_drawn_from_outside() {
    let folder = fitted(cubes);
    let run = kolmo(folder.path(), &VALIDATE).success();
    let names: Vec<&str> = SCORES.into_iter().filter(|n| !n.contains("density")).collect();
    let pictures =
        check_named(&run, folder.path(), &run.stdout, &[&names[..], &["pressure_worst", "pressure_median"]].concat());
    let worst = &pictures["pressure_worst"];
    assert!(texts(worst).iter().any(|t| t.starts_with("Seen from (1, 1, 1)")), "{:?}", texts(worst));
    let (width, height, image) = &images(worst)[0];
    // The hexagon of a cube in an isometric view fills three quarters of the rectangle around it.
    let filled = image.iter().filter(|p| p[3] > 0).count() as f64 / (width * height) as f64;
    assert!((filled - 0.75).abs() < 0.01, "{filled}");
}

#[test]
fn what_has_no_picture_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = Stacked::new(20, 4);
    data.write(folder, "train.h5");
    let npy = data.snapshots[0].1.clone();
    ndarray_npy::write_npy(folder.join("train.npy"), &npy).unwrap();
    let rows: String = (0..20).map(|i| format!("{},{}\n", data.parameters[(i, 0)], data.parameters[(i, 1)])).collect();
    write_text(folder, "parameters.csv", &format!("mach,gamma\n{rows}"));
    write_text(
        folder,
        "study.toml",
        "[data]\nsamples = \"train.npy\"\nparameters = \"parameters.csv\"\nholdout = { every = 5, offset = 2 }\n",
    );
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let run = kolmo(folder, &[&VALIDATE[..], &["--html", "r.html"]].concat()).success();
    assert!(run.stdout.lines().any(|l| l.starts_with("no picture of ") && l.ends_with(": no mesh")), "{run:#?}");
    let page = std::fs::read_to_string(folder.join("r.html")).unwrap();
    assert!(page.contains("<p>No picture of "), "the page tells it too");
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
    assert_eq!(images(&picture).len(), 4);
    // What it shows is what a user can type.
    let command = shown.stdout.lines().find(|l| l.starts_with("$ kolmo validate")).unwrap().replace('\'', "");
    assert!(["--html", "--plots", "--json"].iter().all(|o| command.contains(o)), "{command}");
    let report = std::fs::metadata(folder.path().join("a b/out/report.html")).unwrap().len();
    assert!(report < 5_000_000, "{report} bytes");
    let without_seconds = |text: &str| -> Vec<String> {
        text.lines().map(|l| l.split(" samples, ").next().unwrap().to_string()).collect()
    };
    let again = run(&["demo", "a b/out", "--quiet"]).success();
    assert_eq!(without_seconds(&again.stdout), without_seconds(&shown.stdout));
}

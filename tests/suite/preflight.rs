//! `kolmo check STUDY.toml`: all problems at once, before the work.

use crate::tool::{Run, Stacked, check_message, contents, data_sets, kolmo, write_text};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

const STUDY: &str = "[data]\nsamples = \"train.h5\"\n";

fn folder(study: &str, spoil: impl FnOnce(&mut Stacked)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut data = Stacked::new(30, 4);
    spoil(&mut data);
    data.write(folder.path(), "train.h5");
    write_text(folder.path(), "study.toml", study);
    folder
}

/// Runs `kolmo check study.toml`; the folder stays as it was.
fn check(folder: &Path) -> Run {
    let before = contents(folder);
    let run = kolmo(folder, &["check", "study.toml"]);
    assert!(contents(folder) == before, "{run:#?}");
    run
}

fn as_json(folder: &Path, file: &str) -> Value {
    let run = kolmo(folder, &["check", file, "--json"]);
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:#?}"))
}

/// The numbered lines.
fn problems(run: &Run) -> Vec<&str> {
    let numbered = |l: &&str| l.split_once(". [K").is_some_and(|(n, _)| n.parse::<usize>().is_ok());
    run.stdout.lines().filter(numbered).collect()
}

#[test]
fn a_sound_study_is_told_line_by_line() {
    let folder = folder(&format!("{STUDY}select = \"0:20\"\n[reduction]\nmemory = \"1GiB\"\n"), |d| {
        d.parameters.column_mut(1).fill(1.4);
        d.snapshots[1].1.fill(-2.5);
    });
    let run = check(folder.path()).success();
    assert_eq!(run.stdout.lines().last(), Some("ok"));
    for line in [
        "samples: 30 in train.h5, 20 to train on, 0 held out",
        "input gamma: 1.4 in all samples; dropped",
        "mesh: 25 points, 16 cells (quad), 2-D",
        "field density: 16 cell values x 1, largest magnitude 2.5000e0",
        "model: study.model.h5 (new)",
        // 20 samples and 20 modes of 25 and 16 values of 8 bytes, and three times the samples of the larger field.
        "memory: at most about 10.3 KiB, 7.8 KiB of it for pressure",
    ] {
        assert!(run.stdout.lines().any(|l| l.starts_with(line)), "`{line}` is missing: {}", run.stdout);
    }
    assert!(run.stdout.contains("input mach: 1."), "{}", run.stdout);
    let json = as_json(folder.path(), "study.toml");
    assert_eq!((&json["ok"], &json["problems"]), (&Value::Bool(true), &Value::Array(vec![])));
    let checked = json["checked"].as_array().unwrap();
    assert_eq!(checked.len() + 1, run.stdout.lines().count());
    assert!(
        checked.iter().any(|c| c["what"] == "field density" && c["found"].as_str().unwrap().starts_with("16 cell"))
    );
}

#[test]
fn all_problems_are_told_at_once() {
    let study = format!(
        "model = \"nowhere/model.h5\"\nauthor = \"me\"\n{STUDY}fields = [\"presure\", \"density\", \"densty\"]\n\
         inputs = [\"mach\", \"mch\"]\nscalars = \"lost.csv\"\nslect = 3\n\n[reduction]\ntolerence = 1\ntolerance = 7.0\n\
         method = \"dmd\"\n\n[regression]\nkernel = \"matern53\"\nconfidence = 2.0\n\n[inputs.angle]\nstd = 1.0\nsdt = 2.0\n"
    );
    let folder = folder(&study, |d| {
        d.snapshots[1].1[(3, 2)] = f64::NAN;
        d.snapshots[1].1[(17, 0)] = f64::INFINITY;
        d.cells[(2, 1)] = 3;
    });
    let run = check(folder.path());
    assert_eq!(run.code, Some(2), "{run:#?}");
    let expected = [
        "[K006] study.toml, top level: found unknown key `author`",
        "[K006] study.toml, [data]: found unknown key `slect`",
        "[K006] study.toml, [reduction]: found unknown key `tolerence`",
        "[K006] study.toml, [inputs.angle]: found unknown key `sdt`",
        "[K014] study.toml, [reduction] method: found `dmd`",
        "[K006] study.toml, [regression] kernel: found unknown kernel `matern53`",
        "[K009] study.toml, [reduction] tolerance: found 7",
        "[K009] study.toml, [regression] confidence: found 2",
        "[K001] nowhere: found no such folder",
        "[K001] lost.csv: found no such file",
        "[K006] study.toml, [inputs.angle]: found unknown input `angle`",
        "[K006] study.toml, [data] inputs: found unknown input `mch`",
        "[K006] study.toml, [data] fields: found unknown field `presure`",
        "[K006] study.toml, [data] fields: found unknown field `densty`",
        "[K004] train.h5, /snapshots/density, sample 3, entry 2: found NaN",
        "[K004] train.h5, /snapshots/density, sample 17, entry 0: found inf",
    ];
    let told = problems(&run);
    for text in expected {
        let hits = told.iter().filter(|l| l.contains(text)).count();
        assert_eq!(hits, 1, "`{text}`: {told:#?}");
    }
    assert!(told.iter().all(|l| l.contains("; expected ") && l.contains("; mend: ")), "{told:#?}");
    assert!(told.iter().zip(1..).all(|(l, i)| l.starts_with(&format!("{i}. "))), "{told:#?}");
    assert!(run.line("error[K006]: study.toml: found ").contains(&format!("{} problems", told.len())), "{run:#?}");
    let json = as_json(folder.path(), "study.toml");
    let all = json["problems"].as_array().unwrap();
    assert_eq!((&json["ok"], all.len()), (&Value::Bool(false), told.len()));
    for problem in all {
        let keys: Vec<&str> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["code", "file", "place", "found", "expected", "mend"]);
    }
}

#[test]
fn many_bad_samples_are_counted() {
    let folder = folder(STUDY, |d| (2..27).for_each(|s| d.snapshots[0].1[(s, s - 2)] = f64::NAN));
    let run = check(folder.path());
    let told = problems(&run);
    assert_eq!(told.len(), 21, "{told:#?}");
    for s in 2..22 {
        assert!(told[s - 2].contains(&format!("/snapshots/pressure, sample {s}, entry {}", s - 2)), "{told:#?}");
    }
    assert!(told[20].contains("5 more samples"), "{told:#?}");
}

#[test]
fn every_missing_file_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let study = "[data]\nsamples = \"lost.h5\"\nparameters = \"p.csv\"\nscalars = \"s.csv\"\n";
    write_text(folder.path(), "study.toml", study);
    let run = check(folder.path());
    let told = problems(&run);
    assert_eq!(told.len(), 3, "{told:#?}");
    for (line, file) in told.iter().zip(["lost.h5", "p.csv", "s.csv"]) {
        assert!(line.contains(&format!("[K001] {file}: ")), "{line}");
    }
    // The mesh and the fields are looked at even where the parameters are missing.
    Stacked::new(8, 3).write(folder.path(), "lost.h5");
    let run = check(folder.path());
    assert_eq!(problems(&run).len(), 1, "{run:#?}");
    assert!(run.stdout.contains("field pressure: 16 point values"), "{run:#?}");
}

#[test]
fn too_little_memory_is_told_before_any_work() {
    for algorithm in ["auto", "incremental"] {
        let study = |memory: &str| format!("{STUDY}[reduction]\nmemory = \"{memory}\"\nalgorithm = \"{algorithm}\"\n");
        let folder = folder(&study("1kB"), |_| ());
        let folder = folder.path();
        let run = check(folder);
        let told = problems(&run);
        assert_eq!(told.len(), 1, "{told:#?}");
        // The field that needs most, though it is the second one.
        let line =
            "[K009] study.toml, [reduction] memory: found 1000 bytes for 25 x 30 of pressure; expected at least ";
        assert!(told[0].contains(line), "{told:#?}");
        let fit = kolmo(folder, &["fit", "study.toml"]);
        let message = check_message(&fit, 2, &["K009"], &["1000 bytes for 25 x 30 of pressure", "raise memory to \""]);
        assert!(!fit.stderr.contains("POD of"), "{fit:#?}");
        let least = message.split("raise memory to \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        assert!(told[0].contains(&format!("raise memory to \"{least}\" (bytes)")), "{told:#?}");
        write_text(folder, "study.toml", &study(least));
        check(folder).success();
        kolmo(folder, &["fit", "study.toml"]).success();
    }
}

#[test]
fn data_sets_and_models() {
    let folder = folder(STUDY, |_| ());
    let folder = folder.path();
    let of_data = kolmo(folder, &["check", "train.h5"]).success().stdout;
    assert!(
        of_data.starts_with("samples: 30\nparameters: mach, gamma in train.h5\nmesh: 25 points")
            && of_data.ends_with("ok\n"),
        "{of_data}"
    );
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5"]).success();
    let of_model = kolmo(folder, &["check", "model.h5"]).success().stdout;
    assert!(of_model.contains("every checksum holds") && of_model.ends_with("ok\n"), "{of_model}");
    assert_eq!(as_json(folder, "model.h5")["ok"], true);
    let mut data = Stacked::new(8, 3);
    data.snapshots[0].1[(5, 1)] = f64::NAN;
    data.write(folder, "bad.h5");
    let run = kolmo(folder, &["check", "bad.h5"]);
    assert_eq!((run.code, problems(&run).len()), (Some(2), 1), "{run:#?}");
    assert!(run.line("error[K004]: bad.h5").contains("sample 5"));
}

#[test]
fn magnitudes_within_the_range_change_nothing() {
    // 2^±428 is about 1e±129.
    let answers = [0, 428, -428].map(|exponent| {
        let factor = 2f64.powi(exponent);
        let folder = folder(&format!("{STUDY}\n[reduction]\nmodes = 4\n"), |d| {
            d.snapshots.iter_mut().for_each(|f| f.1 *= factor)
        });
        let folder = folder.path();
        check(folder).success();
        kolmo(folder, &["fit", "study.toml", "-o", "model.h5"]).success();
        kolmo(folder, &["predict", "model.h5", "--at", "mach=1.5,gamma=0.5", "-o", "out.h5"]).success();
        let mut out = data_sets(&folder.join("out.h5"));
        for (name, (_, values)) in &mut out {
            if ["/snapshots", "/uncertainty", "/interval/"].iter().any(|start| name.starts_with(start)) {
                values.iter_mut().for_each(|v| *v /= factor);
            }
        }
        out
    });
    assert!(answers[0].keys().any(|name| name == "/uncertainty/pressure"), "{:?}", answers[0].keys());
    for answer in &answers[1..] {
        for (name, (_, values)) in answer {
            let expected = &answers[0][name].1;
            let largest = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            let same = values.iter().zip(expected).all(|(v, e)| (v - e).abs() <= 1e-9 * largest);
            assert!(same, "{name}: {values:?}, {expected:?}");
        }
    }
}

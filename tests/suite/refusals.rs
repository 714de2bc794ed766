//! Variants of bad input through the command line (one case per code, with its mend, is in tests/bad_inputs): exit code 2, a message with file, place, found, expected and mend, and no output.

use crate::tool::{Run, Stacked, check_message, data_sets, kolmo, listing, names_number, write_text};
use ndarray::{Array2, s};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::path::Path;
use tempfile::TempDir;

const STUDY: &str = "[data]\nsamples = \"train.h5\"\n";

/// A folder with the data set `train.h5`, spoilt by `spoil`, and the study `study.toml`.
fn case(study: &str, spoil: impl FnOnce(&mut Stacked)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut data = Stacked::new(12, 4);
    spoil(&mut data);
    data.write(folder.path(), "train.h5");
    write_text(folder.path(), "study.toml", study);
    folder
}

/// A folder with a data set, its study and the model `model.h5`.
fn fitted() -> TempDir {
    let folder = case(STUDY, |_| ());
    kolmo(folder.path(), &["fit", "study.toml", "-o", "model.h5"]).success();
    folder
}

/// Runs `kolmo` and checks the refusal: exit code 2, one line `error[CODE]: …` with one of `codes`, that holds `file`,
/// what was found, what was expected and the mend, and every one of `holds`; the folder is as it was.
#[track_caller]
fn refused(folder: &Path, args: &[&str], codes: &[&str], file: &str, holds: &[&str]) -> String {
    let before = listing(folder);
    let run = kolmo(folder, args);
    check_refusal(&run, codes, file, holds);
    assert_eq!(listing(folder), before, "files were left behind: {run:#?}");
    run.line("error[").to_string()
}

#[track_caller]
fn check_refusal(run: &Run, codes: &[&str], file: &str, holds: &[&str]) {
    let line = check_message(run, 2, codes, holds);
    let place = line.split(": found ").next().unwrap_or_default();
    assert!(place.contains(file), "file `{file}` is not named: {line}");
}

/// Refusal of `kolmo fit study.toml` for a data set spoilt by `spoil`.
#[track_caller]
fn refused_data(spoil: impl FnOnce(&mut Stacked), codes: &[&str], holds: &[&str]) -> String {
    let folder = case(STUDY, spoil);
    refused(folder.path(), &["fit", "study.toml", "-o", "model.h5"], codes, "train.h5", holds)
}

/// Refusal of `kolmo fit study.toml` for a study with `text` after the path of the samples.
#[track_caller]
fn refused_study(text: &str, codes: &[&str], holds: &[&str]) -> String {
    let folder = case(&format!("{STUDY}{text}"), |_| ());
    refused(folder.path(), &["fit", "study.toml", "-o", "model.h5"], codes, "study.toml", holds)
}

#[test]
fn the_checker_refuses_what_it_should() {
    let run = |code, stderr: &str| Run { code: Some(code), stdout: String::new(), stderr: stderr.into() };
    let good = "error[K004]: train.h5, sample 7: found NaN; expected finite numbers; mend: leave it out";
    let fails =
        |run: Run| std::panic::catch_unwind(move || check_refusal(&run, &["K004"], "train.h5", &["sample 7"])).is_err();
    assert!(!fails(run(2, good)));
    assert!(fails(run(1, good)));
    for (from, to) in [
        ("K004", "K005"),
        ("train", "test"),
        ("7", "8"),
        ("; mend", "; end"),
        ("found NaN", "found "),
        ("error[", "error ("),
    ] {
        assert!(fails(run(2, &good.replace(from, to))), "{from} -> {to}");
    }
    assert!(fails(run(2, &format!("{good}\nthread 'main' panicked at"))));
}

#[test]
fn missing_files() {
    let folder = fitted();
    let folder = folder.path();
    refused(folder, &["fit", "no_study.toml", "-o", "new.h5"], &["K001"], "no_study.toml", &[]);
    refused(folder, &["fit", "no_data.h5", "-o", "new.h5"], &["K001"], "no_data.h5", &[]);
    refused(
        folder,
        &["predict", "no_model.h5", "--at", "mach=1.5,gamma=0.5", "-o", "out.h5"],
        &["K001"],
        "no_model.h5",
        &[],
    );
    refused(folder, &["predict", "model.h5", "--parameters", "no.csv", "-o", "out.h5"], &["K001"], "no.csv", &[]);
    refused(folder, &["check", "no_model.h5"], &["K001"], "no_model.h5", &[]);
    refused(folder, &["info", "nothing.h5"], &["K001"], "nothing.h5", &[]);
    refused(folder, &["validate", "model.h5", "--data", "no_test.h5"], &["K001"], "no_test.h5", &[]);
    write_text(folder, "lost_table.toml", &format!("{STUDY}scalars = \"lost.csv\"\n"));
    refused(folder, &["fit", "lost_table.toml", "-o", "new.h5"], &["K001"], "lost.csv", &[]);
}

#[test]
fn folders_that_do_not_exist() {
    let folder = fitted();
    let at = "mach=1.5,gamma=0.5";
    refused(
        folder.path(),
        &["predict", "model.h5", "--at", at, "-o", "no_folder/out.h5"],
        &["K001", "K103"],
        "no_folder",
        &[],
    );
    refused(folder.path(), &["fit", "study.toml", "-o", "no_folder/new.h5"], &["K001", "K103"], "no_folder", &[]);
}

#[test]
fn not_hdf5() {
    let folder = fitted();
    let folder = folder.path();
    write_text(folder, "text.h5", "mach,gamma\n1,2\n");
    write_text(folder, "empty.h5", "");
    write_text(folder, "text.toml", "[data]\nsamples = \"text.h5\"\n");
    refused(folder, &["fit", "text.toml", "-o", "new.h5"], &["K002"], "text.h5", &[]);
    refused(folder, &["fit", "empty.h5", "-o", "new.h5"], &["K002", "K003"], "empty.h5", &[]);
    // A text and a data set are no models.
    for model in ["text.h5", "train.h5"] {
        refused(folder, &["predict", model, "--at", "mach=1.5,gamma=0.5", "-o", "out.h5"], &["K002"], model, &[]);
    }
    refused(
        folder,
        &["predict", "empty.h5", "--at", "mach=1.5,gamma=0.5", "-o", "out.h5"],
        &["K002", "K003"],
        "empty.h5",
        &[],
    );
}

#[test]
fn truncated_data() {
    let folder = case(STUDY, |_| ());
    let path = folder.path().join("train.h5");
    let bytes = std::fs::read(&path).unwrap();
    for part in [9, 7, 4] {
        std::fs::write(&path, &bytes[..bytes.len() * part / 10]).unwrap();
        refused(folder.path(), &["fit", "study.toml", "-o", "model.h5"], &["K003"], "train.h5", &[]);
    }
}

#[test]
fn numbers_that_are_not_finite() {
    for (spoilt, field) in [(f64::NAN, 0), (f64::INFINITY, 0), (f64::NEG_INFINITY, 1)] {
        let name = ["pressure", "density"][field];
        let line = refused_data(|d| d.snapshots[field].1[(7, 11)] = spoilt, &["K004"], &[name]);
        assert!(names_number(&line, 7) && names_number(&line, 11), "sample 7 and entry 11 are to be named: {line}");
    }
    refused_data(|d| d.parameters[(5, 0)] = f64::NAN, &["K004"], &["5"]);
    refused_data(|d| d.parameters[(5, 1)] = f64::INFINITY, &["K004"], &["5"]);
    refused_data(|d| d.points[(3, 1)] = f64::NAN, &["K004", "K015"], &["3"]);
}

#[test]
fn wrong_lengths() {
    let shorter = |values: &Array2<f64>| values.slice(s![..11, ..]).to_owned();
    let line = refused_data(|d| d.snapshots[0].1 = shorter(&d.snapshots[0].1), &["K005"], &["pressure"]);
    assert!(names_number(&line, 11) && names_number(&line, 12), "11 and 12 samples: {line}");
    let line = refused_data(|d| d.parameters = shorter(&d.parameters), &["K005", "K007"], &["parameters"]);
    assert!(names_number(&line, 11) && names_number(&line, 12), "11 rows for 12 samples: {line}");
    refused_data(|d| d.names.truncate(1), &["K005"], &["parameters"]);
    refused_data(|d| d.cells[(2, 1)] = -1, &["K015"], &["-1"]);
}

#[test]
fn no_samples() {
    refused_data(
        |d| {
            d.parameters = Array2::zeros((0, 2));
            d.snapshots.iter_mut().for_each(|f| f.1 = Array2::zeros((0, f.1.ncols())));
        },
        &["K008"],
        &[],
    );
    refused_data(|d| d.snapshots.clear(), &["K002", "K006", "K008"], &["snapshots"]);
    refused_study("select = \"5:5\"\n", &["K008"], &["select"]);
    refused_study("select = []\n", &["K008"], &["select"]);
    let line = refused_study("select = \"0:99\"\n", &["K009"], &["select"]);
    assert!(names_number(&line, 12) || names_number(&line, 11), "how many samples are there? {line}");
    refused_study("select = [3, 12]\n", &["K009"], &["select", "12"]);
    refused_study("select = \"some\"\n", &["K009"], &["select", "some"]);
    refused_study("holdout = { every = 5, offset = 5 }\n", &["K009"], &["every"]);
}

#[test]
fn unknown_names() {
    refused_study("fields = [\"density\", \"presure\"]\n", &["K006"], &["presure", "`pressure`"]);
    refused_study("inputs = [\"mch\"]\n", &["K006"], &["mch", "`mach`"]);
    refused_study("[regresion]\nseed = 1\n", &["K006"], &["regresion", "`regression`"]);
    refused_study("[regression]\nkernel = \"matern53\"\n", &["K006"], &["matern53", "`matern5", "[regression] kernel"]);
    refused_study("[reduction]\nmethod = \"podd\"\n", &["K006"], &["podd", "`pod`"]);
}

#[test]
fn settings_out_of_range() {
    refused_study("[reduction]\nmodes = -3\n", &["K009"], &["modes", "-3"]);
    refused_study("[reduction]\nmodes = 0\n", &["K009"], &["modes", "0"]);
    refused_study("[reduction]\ntolerance = -0.5\n", &["K009"], &["tolerance", "-0.5"]);
    refused_study("[reduction]\ntolerance = nan\n", &["K009"], &["tolerance"]);
    refused_study("[reduction]\ntolerance = 1e-3\nmodes = 3\n", &["K009"], &["tolerance", "modes"]);
    refused_study("[regression]\nconfidence = 1.0\n", &["K009"], &["confidence"]);
    refused_study("[regression]\nrestarts = -1\n", &["K009"], &["restarts", "-1"]);
    let folder = case("name = \"no samples\"\n", |_| ());
    refused(folder.path(), &["fit", "study.toml", "-o", "model.h5"], &["K012"], "study.toml", &["samples"]);
}

#[test]
fn parameter_table_lacks_a_sample() {
    let data = Stacked::new(12, 4);
    let folder = tempfile::tempdir().unwrap();
    ndarray_npy::write_npy(folder.path().join("snapshots.npy"), &data.snapshots[0].1).unwrap();
    write_text(folder.path(), "study.toml", "[data]\nsamples = \"snapshots.npy\"\nparameters = \"parameters.csv\"\n");
    let table = |rows: usize, spoilt: &str| {
        let row = |i: usize| format!("{},{}\n", data.parameters[(i, 0)], data.parameters[(i, 1)]);
        let text: String = std::iter::once("mach,gamma\n".to_string()).chain((0..rows).map(row)).collect();
        write_text(folder.path(), "parameters.csv", &text.replacen("0.", spoilt, 1));
    };
    let fit = ["fit", "study.toml", "-o", "model.h5"];
    table(11, "0.");
    let line = refused(folder.path(), &fit, &["K005", "K007"], "parameters.csv", &[]);
    assert!(names_number(&line, 11), "row or sample 11 is to be named: {line}");
    table(12, "zero");
    refused(folder.path(), &fit, &["K002", "K004", "K012"], "parameters.csv", &["zero"]);
    table(12, "nan ");
    refused(folder.path(), &fit, &["K002", "K004", "K012"], "parameters.csv", &[]);
    std::fs::remove_file(folder.path().join("parameters.csv")).unwrap();
    refused(folder.path(), &fit, &["K001"], "parameters.csv", &[]);
    write_text(folder.path(), "study.toml", "[data]\nsamples = \"snapshots.npy\"\n");
    refused(folder.path(), &fit, &["K007", "K012"], "", &["parameters"]);
}

#[test]
fn bad_queries() {
    let folder = fitted();
    let folder = folder.path();
    let at = |values: &str, codes: &[&str], holds: &[&str]| {
        refused(folder, &["predict", "model.h5", "--at", values, "-o", "out.h5"], codes, "", holds);
    };
    at("mach=nan,gamma=0.5", &["K004", "K009"], &["mach"]);
    at("mach=inf,gamma=0.5", &["K004", "K009"], &["mach"]);
    at("mach=1.5", &["K006", "K007", "K012"], &["gamma"]);
    at("mach=1.5,gama=0.5", &["K006", "K007", "K012"], &["gamma"]);
    at("mach=fast,gamma=0.5", &["K004", "K012"], &["fast"]);
    at("mach", &["K012"], &["mach"]);
    let table = |text: &str, codes: &[&str], holds: &[&str]| {
        write_text(folder, "p.csv", text);
        refused(folder, &["predict", "model.h5", "--parameters", "p.csv", "-o", "out.h5"], codes, "p.csv", holds);
    };
    table("mach,gama\n1.5,0.5\n", &["K006", "K007"], &["gamma"]);
    table("mach\n1.5\n", &["K006", "K007"], &["gamma"]);
    table("mach,gamma\n1.5,0.5\n1.5\n", &["K002", "K005", "K007", "K012"], &[]);
    table("mach,gamma\n1.5,0.5\n1.5,nan\n", &["K004"], &["gamma"]);
    table("mach,gamma\n1.5,0.5\n1.5,much\n", &["K002", "K004", "K012"], &["much"]);
    table("", &["K002", "K008", "K012"], &[]);
}

#[test]
fn number_of_modes_of_a_model() {
    let folder = fitted();
    for modes in ["0", "999", "-1"] {
        let run = kolmo(
            folder.path(),
            &["predict", "model.h5", "--modes", modes, "--at", "mach=1.5,gamma=0.5", "-o", "out.h5"],
        );
        assert_eq!(run.code, Some(2), "{modes}: {run:#?}");
        assert!(run.stderr.contains("modes") || run.stderr.contains("-1"), "{modes}: {run:#?}");
        assert!(!folder.path().join("out.h5").exists());
    }
}

#[test]
fn usage() {
    let folder = fitted();
    let usage = |args: &[&str], holds: &str| {
        let before = listing(folder.path());
        let run = kolmo(folder.path(), args);
        assert_eq!(run.code, Some(2), "{args:?}: {run:#?}");
        assert!(run.stderr.starts_with("error") && run.stderr.contains(holds), "{args:?}: {run:#?}");
        assert!(!run.stderr.contains("panicked"), "{run:#?}");
        assert_eq!(listing(folder.path()), before);
    };
    usage(&["fitt", "study.toml"], "fitt");
    usage(&["fit"], "fit");
    usage(&["fit", "study.toml", "-o", "new.h5", "--threads", "many"], "many");
    usage(&["predict", "model.h5", "-o", "out.h5"], "--at");
    // Verbs of later versions say so.
    let loads = ["predict", "model.h5", "--loads", "new.h5", "-o", "out.h5"];
    let geometries = ["predict", "model.h5", "--samples=new", "-o", "out.h5"];
    let verbs = [&["sample", "model.h5", "--draws", "9"][..], &["export", "model.h5", "--flat", "f"]];
    for verb in verbs.into_iter().chain([&loads[..], &geometries]) {
        usage(verb, verb[0]);
        check_later(&kolmo(folder.path(), verb));
    }
    usage(&["explain", "K999"], "K999");
    let version = kolmo(folder.path(), &["--version"]).success();
    assert!(version.stdout.contains(env!("CARGO_PKG_VERSION")), "{version:#?}");
    assert!(kolmo(folder.path(), &["--help"]).success().stdout.contains("predict"));
}

#[track_caller]
fn check_later(run: &Run) {
    assert!(run.line("error[").starts_with("error[K014]: "), "{run:#?}");
}

#[test]
fn accepted_with_a_warning() {
    let duplicate = |d: &mut Stacked| {
        for j in 0..2 {
            d.parameters[(4, j)] = d.parameters[(9, j)];
        }
    };
    let constant = |d: &mut Stacked| d.parameters.column_mut(1).fill(1.4);
    let fit = |folder: &TempDir| kolmo(folder.path(), &["fit", "study.toml", "-o", "model.h5"]).success();
    let warned =
        |run: &Run, holds: &dyn Fn(&str) -> bool| run.stderr.lines().any(|l| l.starts_with("warning: ") && holds(l));
    let of_duplicates = |line: &str| names_number(line, 4) && names_number(line, 9);
    let of_constant = |line: &str| line.contains("gamma") && line.contains("constant");

    let folder = case(STUDY, duplicate);
    let run = fit(&folder);
    assert!(warned(&run, &of_duplicates), "samples 4 and 9 are to be named: {run:#?}");
    kolmo(folder.path(), &["check", "model.h5"]).success();

    let folder = case(STUDY, constant);
    let run = fit(&folder);
    assert!(warned(&run, &of_constant), "the constant input gamma is to be named: {run:#?}");
    kolmo(folder.path(), &["predict", "model.h5", "--at", "mach=1.5", "-o", "out.h5"]).success();

    let clean = fit(&case(STUDY, |_| ()));
    assert!(!warned(&clean, &of_duplicates) && !warned(&clean, &of_constant), "{clean:#?}");
}

#[test]
fn accepted_with_a_flag() {
    let folder = fitted();
    write_text(folder.path(), "p.csv", "mach,gamma\n1.5,0.5\n4.0,0.5\n1.5,-2.0\n");
    kolmo(folder.path(), &["predict", "model.h5", "--parameters", "p.csv", "-o", "out.h5"]).success();
    let out = data_sets(&folder.path().join("out.h5"));
    assert_eq!(out["/flags"], (vec![3], vec![0.0, 1.0, 1.0]));
    assert!(out["/snapshots/pressure"].1.iter().all(|v| v.is_finite()));
    assert!(out["/uncertainty/pressure"].1.iter().all(|v| v.is_finite() && *v >= 0.0));
}

#[test]
fn flipped_bytes_of_a_model() {
    let folder = fitted();
    let folder = folder.path();
    let bytes = std::fs::read(folder.join("model.h5")).unwrap();
    write_text(folder, "p.csv", "mach,gamma\n1.5,0.5\n1.2,0.8\n");
    kolmo(folder, &["predict", "model.h5", "--parameters", "p.csv", "-o", "out.h5"]).success();
    let answer = data_sets(&folder.join("out.h5"));
    assert!(answer.len() >= 5, "{:?}", answer.keys());
    let mut random = StdRng::seed_from_u64(20);
    for trial in 0..100 {
        // A tenth in the user block, the rest anywhere.
        let position = random.random_range(0..if trial % 10 == 0 { 512 } else { bytes.len() });
        let mut damaged = bytes.clone();
        damaged[position] ^= random.random_range(1..=255u8);
        std::fs::write(folder.join("damaged.h5"), &damaged).unwrap();
        let codes = ["K002", "K003", "K010", "K011"];
        refused(folder, &["check", "damaged.h5"], &codes, "damaged.h5", &[]);
        let run = kolmo(folder, &["predict", "damaged.h5", "--parameters", "p.csv", "-o", "again.h5"]);
        if run.code == Some(0) {
            assert!(data_sets(&folder.join("again.h5")) == answer, "byte {position}: another answer");
            std::fs::remove_file(folder.join("again.h5")).unwrap();
        } else {
            check_refusal(&run, &codes, "damaged.h5", &[]);
            assert!(!folder.join("again.h5").exists(), "byte {position}: output left");
        }
    }
    refused(folder, &["info", "damaged.h5"], &["K002", "K003", "K010", "K011"], "damaged.h5", &[]);
}

#[test]
fn truncated_models() {
    let folder = fitted();
    let bytes = std::fs::read(folder.path().join("model.h5")).unwrap();
    for length in [0, 7, 100, 511, 512, 600, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(folder.path().join("short.h5"), &bytes[..length]).unwrap();
        let codes = if length < 512 { &["K002", "K003"][..] } else { &["K003"] };
        refused(folder.path(), &["check", "short.h5"], codes, "short.h5", &[]);
        refused(
            folder.path(),
            &["predict", "short.h5", "--at", "mach=1.5,gamma=0.5", "-o", "out.h5"],
            codes,
            "short.h5",
            &[],
        );
    }
    // Bytes after the end are damage too.
    std::fs::write(folder.path().join("long.h5"), [&bytes[..], b"more"].concat()).unwrap();
    refused(folder.path(), &["check", "long.h5"], &["K003", "K010"], "long.h5", &[]);
}

#[test]
fn a_tolerance_that_gram_cannot_reach_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut data = Stacked::new(12, 6);
    // A Cauchy matrix: singular values fall by an order of magnitude or more, far below 1e-8 of the largest.
    for (_, values, _) in &mut data.snapshots {
        values.indexed_iter_mut().for_each(|((s, i), v)| *v = 1.0 / (1.0 + 0.1 * i as f64 + 0.05 * s as f64));
    }
    data.write(folder.path(), "train.h5");
    for (algorithm, tolerance, told) in [("gram", "1e-12", true), ("gram", "1e-3", false), ("tsqr", "0", false)] {
        let text = format!(
            "[data]\nsamples = \"train.h5\"\n[reduction]\nalgorithm = \"{algorithm}\"\ntolerance = {tolerance}\n"
        );
        write_text(folder.path(), "study.toml", &text);
        let run = kolmo(folder.path(), &["fit", "study.toml", "-o", "model.h5"]).success();
        assert_eq!(run.stderr.contains("above the tolerance"), told, "{algorithm} {tolerance}: {run:#?}");
    }
}

//! Operators that cannot be used are refused, with the place and the mend.

use crate::operator_files::{Small, put, put_complex, put_numbers, put_parameters};
use crate::tool::{check_message, contents, kolmo, write_text};
use faer::c64;
use std::path::Path;

const N: usize = 6;
const N_MU: usize = 8;

/// What a case does to the data, the study's tables of operators, the code, and what the message holds.
struct Case {
    what: &'static str,
    spoil: fn(&hdf5::File, &Small),
    tables: &'static str,
    code: &'static str,
    words: &'static [&'static str],
}

fn nothing(_: &hdf5::File, _: &Small) {}

/// Two affine terms instead of a matrix for each parameter.
fn terms(file: &hdf5::File, small: &Small) {
    file.unlink("operators/A/values").unwrap();
    put(file, "operators/A/terms", &[2, small.indices.len()], small.values[..2].concat());
}

fn values_with(file: &hdf5::File, small: &Small, spoil: impl Fn(&mut [Vec<f64>])) {
    let mut values = small.values.clone();
    spoil(&mut values);
    put(file, "operators/A/values", &[N_MU, values[0].len()], values.concat());
}

const CASES: &[Case] = &[
    Case {
        what: "a matrix whose first row is zero, and no solutions",
        spoil: |f, s| values_with(f, s, |v| v[3][..2].fill(0.0)),
        tables: "",
        code: "K021",
        words: &["train.h5, /operators, sample 3", "singular", "a regular matrix", "hand in /solutions"],
    },
    Case {
        what: "nothing but zeros",
        spoil: |f, s| values_with(f, s, |v| v.iter_mut().for_each(|v| v.fill(0.0))),
        tables: "",
        code: "K021",
        words: &["train.h5, /operators/A", "zeros", "matrices that are not zero"],
    },
    Case {
        what: "a column beyond the rows",
        spoil: |f, s| put_numbers(f, "operators/A/indices", &[&s.indices[..s.indices.len() - 1], &[N]].concat()),
        tables: "",
        code: "K005",
        words: &["/operators/A/indices, entry 15", "column 6 in a matrix of 6 rows", "a square matrix"],
    },
    Case {
        what: "dense matrices that are not square",
        spoil: |f, _| {
            f.unlink("operators/A").unwrap();
            put(f, "operators/A/dense", &[N_MU, N, N + 1], vec![1.0; N_MU * N * (N + 1)]);
        },
        tables: "",
        code: "K005",
        words: &["/operators/A/dense", "[8, 6, 7]", "square matrices"],
    },
    Case {
        what: "a pattern for each parameter",
        spoil: |f, s| {
            let all = [&s.indices[..]; N_MU].concat().iter().map(|i| *i as f64).collect();
            put(f, "operators/A/indices", &[N_MU, s.indices.len()], all);
        },
        tables: "",
        code: "K005",
        words: &["/operators/A/indices", "[8, 16]", "one pattern for all parameters"],
    },
    Case {
        what: "fewer values than the pattern has places",
        spoil: |f, s| {
            let short: Vec<f64> = s.values.iter().flat_map(|v| v[1..].to_vec()).collect();
            put(f, "operators/A/values", &[N_MU, s.indices.len() - 1], short);
        },
        tables: "",
        code: "K005",
        words: &["/operators/A/values", "[8, 15]", "[8, 16]"],
    },
    Case {
        what: "a value that is not a number",
        spoil: |f, s| values_with(f, s, |v| v[5][4] = f64::NAN),
        tables: "",
        code: "K004",
        words: &["/operators/A/values, sample 5, entry 4", "found NaN;", "leave it out with `select`"],
    },
    Case {
        what: "such a value in the one right-hand side",
        spoil: |f, _| put(f, "operators/rhs", &[N], vec![1.0, 1.0, f64::INFINITY, 1.0, 1.0, 1.0]),
        tables: "",
        code: "K004",
        words: &["/operators/rhs, entry 2", "found inf;"],
    },
    Case {
        what: "a function that divides by zero at the first training point",
        spoil: nothing,
        tables: "[operators.A]\nexpressions = [\"x / (mu - 1)\"]\npoints = { x = [0.5, 1.0, 11] }\n",
        code: "K004",
        words: &["study.toml, [operators.A] expressions, training sample 0", "`x / (mu - 1)`", "inf"],
    },
    Case {
        what: "an amplitude that does so at the last one",
        spoil: nothing,
        tables: "[operators.A]\nexpressions = [\"x + mu\"]\namplitude = \"1 / (2 - mu)\"\npoints = { x = [0.5, 1.0, 11] }\n",
        code: "K004",
        words: &["study.toml, [operators.A]", "training sample 7", "amplitude `1 / (2 - mu)`"],
    },
    Case {
        what: "a coefficient of an affine term that does so",
        spoil: terms,
        tables: "[operators.A]\nexpressions = [\"1\", \"1 / (mu - 1)\"]\n",
        code: "K004",
        words: &["study.toml, [operators.A] expressions, training sample 0", "coefficient 2 of A", "`1 / (mu - 1)`"],
    },
    Case {
        what: "a complex function of real matrices",
        spoil: nothing,
        tables: "[operators.A]\nexpressions = [{ re = \"x + mu\", im = \"x\" }]\npoints = { x = [0.5, 1.0, 11] }\n",
        code: "K009",
        words: &["study.toml, [operators.A] expressions", "im = \"x\"", "real functions", "complex matrices"],
    },
    Case {
        what: "more points than memory holds",
        spoil: nothing,
        tables: "[operators.A]\nexpressions = [\"x + mu\"]\npoints = { x = [0.5, 1.0, 2000000000] }\n",
        code: "K009",
        words: &["study.toml, [operators.A] points", "2000000000 points", "at most 10000000 points"],
    },
    Case {
        what: "complex theta",
        spoil: |f, s| {
            terms(f, s);
            put_complex(f, "operators/A/theta", &[N_MU, 2], &[c64::new(1.0, 0.5); 2 * N_MU]);
        },
        tables: "",
        code: "K005",
        words: &["/operators/A/theta", "complex numbers", "real numbers"],
    },
    Case {
        what: "a complex coefficient",
        spoil: terms,
        tables: "[operators.A]\nexpressions = [\"1\", { re = \"mu\", im = \"1\" }]\n",
        code: "K012",
        words: &["study.toml, [operators.A] expressions", "a complex coefficient", "a real one"],
    },
    Case {
        what: "fewer coefficients than terms",
        spoil: terms,
        tables: "[operators.A]\nexpressions = [\"1\"]\n",
        code: "K009",
        words: &["study.toml, [operators.A] expressions", "1 expressions", "2, one per term"],
    },
    Case {
        what: "terms without coefficients",
        spoil: terms,
        tables: "",
        code: "K002",
        words: &["/operators/A", "terms without theta"],
    },
    Case {
        what: "complex parameters",
        spoil: |f, _| {
            f.unlink("parameters").unwrap();
            put_complex(f, "parameters", &[N_MU, 1], &[c64::new(1.0, 2.0); N_MU]);
        },
        tables: "",
        code: "K005",
        words: &["/parameters", "split complex ones"],
    },
    Case {
        what: "a table of an operator that is not there",
        spoil: nothing,
        tables: "[operators.B]\nterms = 3\n",
        code: "K006",
        words: &["study.toml, [operators.B]", "unknown operator `B`", "one of: A, rhs"],
    },
    Case {
        what: "an operator that is not there declared affine",
        spoil: nothing,
        tables: "[operators]\naffine = [\"mass\"]\n",
        code: "K006",
        words: &["study.toml", "unknown operator `mass`"],
    },
    Case {
        what: "more terms than matrices",
        spoil: nothing,
        tables: "[operators.A]\nterms = 30\n",
        code: "K009",
        words: &["study.toml, [operators.A] terms", "30", "at most 8, the training matrices", "fewer `terms`"],
    },
    Case {
        what: "functions that are not written down",
        spoil: nothing,
        tables: "[operators.A]\ndoor = \"functions\"\n",
        code: "K009",
        words: &["study.toml, [operators.A] door", "functions without expressions"],
    },
    Case {
        what: "no right-hand side",
        spoil: |f, _| f.unlink("operators/rhs").unwrap(),
        tables: "",
        code: "K002",
        words: &["/operators/rhs", "no right-hand side"],
    },
    Case {
        what: "solutions of another problem",
        spoil: |f, _| put(f, "solutions", &[N_MU, N + 1], vec![1.0; N_MU * (N + 1)]),
        tables: "",
        code: "K005",
        words: &["/solutions", "7 numbers per parameter", "6, the rows of the operators"],
    },
];

fn write_study(folder: &Path, tables: &str) {
    let common = "[data]\nsamples = \"train.h5\"\n[reduction]\nmethod = \"reduced-basis\"\n";
    write_text(folder, "study.toml", &format!("{common}{tables}"));
}

#[test]
fn each_bad_input_is_refused_where_it_is() {
    for case in CASES {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let small = Small::new(N, N_MU);
        write_study(folder, "");
        small.write(&folder.join("train.h5"));
        // Without the mistake it works.
        kolmo(folder, &["fit", "study.toml", "-o", "good.h5"]).success();
        let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
        (case.spoil)(&file, &small);
        drop(file);
        write_study(folder, case.tables);
        let before = contents(folder);
        let run = kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]);
        println!("{}: {}", case.what, run.stderr.trim());
        check_message(&run, 2, &[case.code], case.words);
        // All of them are known before the work.
        let check = kolmo(folder, &["check", "study.toml"]);
        check_message(&check, 2, &[case.code], case.words);
        assert!(contents(folder) == before, "{}: files changed", case.what);
    }
}

/// A matrix without a zero row or column may be singular as well; and what is solved for already is not refused.
#[test]
fn a_check_factorises_the_first_matrix() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = Small::new(N, N_MU);
    write_study(folder, "");
    small.write(&folder.join("train.h5"));
    kolmo(folder, &["check", "study.toml"]).success();
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    // The first two rows hold nothing but the same number in the first column: structurally singular.
    values_with(&file, &small, |v| {
        v[0][..5].fill(0.0);
        (v[0][0], v[0][2]) = (1.0, 1.0);
    });
    drop(file);
    let words = ["train.h5, /operators, sample 0", "a regular matrix"];
    for verb in [&["check", "study.toml"][..], &["fit", "study.toml", "-o", "model.h5", "--quiet"]] {
        check_message(&kolmo(folder, verb), 2, &["K021"], &words);
    }
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    let solutions = (0..N_MU * N).map(|i| 1.0 + (i as f64).sin()).collect();
    put(&file, "solutions", &[N_MU, N], solutions);
    drop(file);
    kolmo(folder, &["check", "study.toml"]).success();
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
}

#[test]
fn a_singular_sample_may_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut small = Small::new(N, N_MU);
    small.values[3][..2].fill(0.0);
    small.write(&folder.join("train.h5"));
    write_study(folder, "[operators.A]\nterms = 5\n");
    check_message(&kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]), 2, &["K021"], &["sample 3"]);
    let study = std::fs::read_to_string(folder.join("study.toml")).unwrap();
    write_text(
        folder,
        "study.toml",
        &study.replace("\"train.h5\"\n", "\"train.h5\"\nselect = [0, 1, 2, 4, 5, 6, 7]\n"),
    );
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
}

#[test]
fn entries_that_do_not_fit_the_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = Small::new(N, N_MU);
    small.write(&folder.join("train.h5"));
    write_study(folder, "[operators]\ndoor = \"entries\"\n");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let info = kolmo(folder, &["info", "model.h5", "--entries", "--json"]).success();
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    let asked: Vec<usize> =
        info["entries"]["A"]["entries"].as_array().unwrap().iter().map(|e| e.as_u64().unwrap() as usize).collect();
    let p = asked.len();
    let matrix = Small::matrix(N, 1.3);
    let own: Vec<f64> = asked.iter().map(|e| matrix[*e]).collect();
    let new = |fill: &dyn Fn(&hdf5::File)| {
        let file = hdf5::File::create(folder.join("new.h5")).unwrap();
        put_parameters(&file, &["mu"], &[vec![1.3]]);
        fill(&file);
    };
    let predict = ["predict", "model.h5", "--operators", "new.h5", "-o", "out.h5", "--quiet"];
    let refused = |code: &str, words: &[&str]| {
        let run = kolmo(folder, &predict);
        println!("{}", run.stderr.trim());
        check_message(&run, 2, &[code], words);
        assert!(!folder.join("out.h5").exists());
    };

    new(&|f| put(f, "operators/A/entries", &[1, p - 1], own[1..].to_vec()));
    let found = format!("found {} numbers per parameter", p - 1);
    refused(
        "K005",
        &[
            "new.h5, /operators/A/entries",
            &found,
            &format!("the {p} entries that `kolmo info MODEL.h5 --entries` lists"),
        ],
    );
    new(&|f| put(f, "operators/B/entries", &[1, p], own.clone()));
    refused("K002", &["new.h5, /operators/A", "no such data", "or the whole matrix"]);
    new(&|f| put(f, "operators/A/entries", &[1, p], vec![f64::NAN; p]));
    refused("K004", &["new.h5, /operators/A/entries, sample 0, entry 0", "NaN"]);
    new(&|f| put_complex(f, "operators/A/entries", &[1, p], &vec![c64::new(1.0, 1.0); p]));
    refused("K005", &["new.h5, /operators/A/entries", "complex numbers", "real numbers"]);
    new(&|f| put(f, "operators/A/entries", &[2, p], [own.clone(), own.clone()].concat()));
    refused("K005", &["new.h5, /operators/A/entries", &format!("[2, {p}]"), "[1, n_entries]"]);
    // None at all, by either way to name a point.
    write_text(folder, "points.csv", "mu\n1.3\n");
    for point in [["--at", "mu=1.3"], ["--parameters", "points.csv"]] {
        let run = kolmo(folder, &["predict", "model.h5", point[0], point[1], "-o", "out.h5", "--quiet"]);
        let words =
            ["model.h5, entries of A", "none", &format!("{p} entries of the new operator"), "--operators NEW.h5"];
        check_message(&run, 2, &["K012"], &words);
        assert!(!folder.join("out.h5").exists());
    }
    // The right ones, and the whole matrix, give the same answer.
    let answer = || {
        kolmo(folder, &predict).success();
        let u =
            hdf5::File::open(folder.join("out.h5")).unwrap().dataset("snapshots/solution").unwrap().read_raw::<f64>();
        std::fs::remove_file(folder.join("out.h5")).unwrap();
        u.unwrap()
    };
    new(&|f| put(f, "operators/A/entries", &[1, p], own.clone()));
    let by_entries = answer();
    new(&|f| {
        put_numbers(f, "operators/A/indptr", &small.indptr);
        put_numbers(f, "operators/A/indices", &small.indices);
        put(f, "operators/A/values", &[1, matrix.len()], matrix.clone());
    });
    assert_eq!(answer(), by_entries);
}

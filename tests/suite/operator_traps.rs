//! What looks right and is not: names of constants, keys of tables, files without a row, entries in an order of their own, outputs
//! that the terms miss, full disks.

use crate::operator_files::{Small, put};
use crate::tool::{check_message, kolmo, write_text};
use kolmo::algorithms::affine_decomposition::EntryOptions;
use kolmo::algorithms::affine_decomposition::entries::choose_entries;
use kolmo::data::Expression;
use std::path::Path;
use std::process::Command;

fn value(text: &str, names: &[&str], values: &[f64]) -> f64 {
    let names: Vec<String> = names.iter().map(|n| n.to_string()).collect();
    Expression::parse(text, &names, Path::new("study.toml"), "expressions").unwrap().value(values)
}

#[test]
fn numbers_may_have_exponents() {
    for (text, truth) in [
        ("1e-3*mu", 2e-3),
        ("1E+2 * mu", 200.0),
        ("2.5e1+mu", 27.0),
        (".5e0", 0.5),
        ("1e-3", 1e-3),
        ("mu-1e-3-1", 2.0 - 1e-3 - 1.0),
        ("e1*mu", 14.0),
        ("mu1e2 + 1", 4.0),
        ("exp(1e-300)", 1.0),
    ] {
        let found = value(text, &["mu", "e1", "mu1e2"], &[2.0, 7.0, 3.0]);
        assert!((found - truth).abs() <= 1e-15 * truth.abs(), "{text}: {found}");
    }
}

#[test]
fn parameters_named_like_constants_are_not_taken_for_them() {
    let names = ["E", "PI", "c", "e"].map(str::to_string);
    let parse = |text: &str| Expression::parse(text, &names, Path::new("study.toml"), "[operators.K] expressions");
    for text in ["E", "2*E+c", "sin(PI)", "c*e", "e"] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.code(), "K006");
        assert!(error.to_string().contains("constant") && error.to_string().contains("braces"), "{error}");
    }
    assert_eq!(parse("{E} * c").unwrap().value(&[100.0, 3.0, 2.0, 5.0]), 200.0);
    assert_eq!(parse("{e} + exp(0) + 1e1").unwrap().value(&[100.0, 3.0, 2.0, 5.0]), 16.0);
    // A constant that no parameter is called like.
    assert!((value("2*PI*mu", &["mu"], &[1.0]) - 2.0 * std::f64::consts::PI).abs() < 1e-15);
}

#[test]
fn keys_of_a_table_number_the_matrices() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = Small::new(8, 10);
    let file = small.write(&folder.join("train.h5"));
    file.unlink("parameters").unwrap();
    drop(file);
    let study = "[data]\nsamples = \"train.h5\"\nparameters = \"table.csv\"\n[reduction]\nmethod = \"reduced-basis\"\n";
    write_text(folder, "study.toml", study);
    let table = |key: &dyn Fn(usize) -> String| {
        let row = |k: usize| format!("{},{}", key(k), small.parameters[k]);
        let rows: Vec<String> = (0..10).rev().map(row).collect();
        write_text(folder, "table.csv", &format!("sample,mu\n{}\n", rows.join("\n")));
    };
    let fit = || kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]);
    table(&|k| k.to_string());
    fit().success();
    // As with rows in their order.
    let rows: Vec<String> = small.parameters.iter().map(f64::to_string).collect();
    let predict = |out: &str| {
        kolmo(folder, &["predict", "model.h5", "--at", "mu=1.37", "-o", out, "--quiet"]).success();
        let file = hdf5::File::open(folder.join(out)).unwrap();
        file.dataset("snapshots/solution").unwrap().read_raw::<f64>().unwrap()
    };
    let by_key = predict("by_key.h5");
    write_text(folder, "table.csv", &format!("mu\n{}\n", rows.join("\n")));
    fit().success();
    assert_eq!(by_key, predict("by_row.h5"));
    table(&|k| format!("case_{k}"));
    check_message(&fit(), 2, &["K005"], &["table.csv", "case_", "0 to 9"]);
    table(&|k| (k + 1).to_string());
    check_message(&fit(), 2, &["K007"], &["table.csv", "no row for matrix 0"]);
}

#[test]
fn entries_that_are_all_there_are_come_in_their_order() {
    let pool = faer::Mat::from_fn(60, 9, |i, j| ((i + 1) as f64 * 0.1 * (j + 1) as f64).sin());
    // In an order of their own, as they are drawn.
    let numbers: Vec<usize> = (0..60).map(|i| (i * 37) % 60).collect();
    let fit = choose_entries(pool.as_ref(), &numbers, &EntryOptions::default()).unwrap();
    assert_eq!(fit.entries, (0..60).collect::<Vec<_>>());
    assert_eq!(fit.n_fitted, 60);
}

/// An output that changes in one entry that is not sampled: its interval covers the truth.
#[test]
fn outputs_that_the_terms_miss_have_wider_intervals() {
    const N: usize = 300;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let outputs = |file: &hdf5::File, small: &Small, more: f64| {
        let rows = small.parameters.iter().flat_map(|mu| {
            (0..N)
                .map(move |i| (-(i as f64 / 300.0 - 0.3 * mu).powi(2) / 0.02).exp() + if i == 131 { more } else { 0.0 })
        });
        put(file, "outputs/mean", &[small.parameters.len(), N], rows.collect());
    };
    let small = Small::new(N, 20);
    let file = small.write(&folder.join("train.h5"));
    outputs(&file, &small, 0.0);
    drop(file);
    write_text(folder, "study.toml", "[data]\nsamples = \"train.h5\"\n[reduction]\nmethod = \"reduced-basis\"\n");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let new = Small::new(N, 7);
    let mut halves = Vec::new();
    for more in [0.0, 5.0] {
        let file = new.write(&folder.join("new.h5"));
        outputs(&file, &new, more);
        drop(file);
        kolmo(folder, &["predict", "model.h5", "--operators", "new.h5", "-o", "out.h5", "--quiet"]).success();
        let read = |name: &str| -> Vec<f64> {
            hdf5::File::open(folder.join("out.h5")).unwrap().dataset(name).unwrap().read_raw().unwrap()
        };
        let (value, half, u) = (read("scalars"), read("scalars_interval"), read("snapshots/solution"));
        if more > 0.0 {
            for (i, mu) in new.parameters.iter().enumerate() {
                let l = |k: usize| {
                    (-(k as f64 / 300.0 - 0.3 * mu).powi(2) / 0.02).exp() + if k == 131 { more } else { 0.0 }
                };
                let truth: f64 = (0..N).map(|k| l(k) * u[i * N + k]).sum();
                assert!((value[i] - truth).abs() <= half[i], "{i}: {} {truth} {}", value[i], half[i]);
            }
        }
        halves.push(half);
    }
    assert!(halves[0].iter().zip(&halves[1]).all(|(a, b)| b > a), "{halves:?}");
}

fn market(folder: &Path, small: &Small) {
    std::fs::create_dir_all(folder.join("market")).unwrap();
    let mut table = String::from("sample,mu\n");
    for (k, mu) in small.parameters.iter().enumerate() {
        table += &format!("s{k},{mu}\n");
        let text = crate::matrix_market::coordinates(small, &small.values[k]);
        write_text(folder, &format!("market/A_s{k}.mtx"), &text);
    }
    write_text(folder, "market/parameters.csv", &table);
    let ones = "1\n".repeat(small.n);
    write_text(folder, "market/rhs.mtx", &format!("%%MatrixMarket matrix array real general\n{} 1\n{ones}", small.n));
}

#[test]
fn matrices_without_a_row_are_no_operators() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, &Small::new(6, 8));
    std::fs::copy(folder.join("market/A_s3.mtx"), folder.join("market/A_s20.mtx")).unwrap();
    let convert = || kolmo(folder, &["convert", "market", "operators.h5"]);
    check_message(&convert(), 2, &["K005"], &["A_s20.mtx", "parameters.csv"]);
    // Another name is an operator of its own.
    std::fs::rename(folder.join("market/A_s20.mtx"), folder.join("market/A_wall.mtx")).unwrap();
    convert().success();
    let huge = "%%MatrixMarket matrix coordinate real general\n99999999999 99999999999 1\n1 1 1\n";
    write_text(folder, "market/A_wall.mtx", huge);
    check_message(&convert(), 2, &["K005"], &["A_wall.mtx", "99999999999"]);
}

/// A full disk, by a limit of the size of files: the old file stays.
#[test]
fn a_full_disk_leaves_the_old_operators() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    market(folder, &Small::new(400, 30));
    kolmo(folder, &["convert", "market", "operators.h5", "--quiet"]).success();
    let old = std::fs::read(folder.join("operators.h5")).unwrap();
    // Blocks of 512 bytes.
    for share in [0.1, 0.5, 0.95] {
        let blocks = (share * old.len() as f64 / 512.0) as usize;
        let script = format!("ulimit -f {blocks}; {} convert market operators.h5 --quiet", env!("CARGO_BIN_EXE_kolmo"));
        let run = Command::new("sh").arg("-c").arg(script).current_dir(folder).output().unwrap();
        assert!(!run.status.success(), "{share}: {run:?}");
        assert!(std::fs::read(folder.join("operators.h5")).unwrap() == old, "{share}");
    }
}

/// Convection and diffusion on a line: a layer that moves, so that every solution brings in something of its own.
fn layer(n: usize, eps: f64, c: f64) -> (faer::Mat<f64>, faer::Mat<f64>) {
    let h = 1.0 / (n + 1) as f64;
    let x = |i: usize| (i + 1) as f64 * h;
    let a = faer::Mat::from_fn(n, n, |i, j| {
        let wind = 5.0 + 20.0 * (-(x(i) - c).powi(2) / 0.02).exp();
        match (i as i64) - (j as i64) {
            0 => 2.0 * eps / (h * h) + wind / h,
            1 => -eps / (h * h) - wind / h,
            -1 => -eps / (h * h),
            _ => 0.0,
        }
    });
    (a, faer::Mat::from_fn(n, 1, |i, _| (-(x(i) - 0.3 * c).powi(2) / 0.02).exp()))
}

/// What is left out of the basis is what one solution alone has brought in: typical errors are those of new points, and most of these
/// raise no flag.
#[test]
fn solutions_that_are_left_out_are_as_hard_as_new_ones() {
    use faer::prelude::Solve;
    const N: usize = 80;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let points = |m: usize, shift: f64| -> Vec<Vec<f64>> {
        let entry = |s: usize, step: f64| (shift + step * (s + 1) as f64).fract();
        (0..m)
            .map(|s| vec![0.05 + 0.3 * entry(s, 0.754_877_666_246_693), 0.2 + 0.6 * entry(s, 0.569_840_290_998_053)])
            .collect()
    };
    let write = |name: &str, points: &[Vec<f64>]| -> Vec<f64> {
        let file = hdf5::File::create(folder.join(name)).unwrap();
        let systems: Vec<_> = points.iter().map(|p| layer(N, p[0], p[1])).collect();
        let rows = |m: &faer::Mat<f64>| -> Vec<f64> {
            m.row_iter().flat_map(|r| r.iter().copied().collect::<Vec<_>>()).collect()
        };
        put(&file, "operators/A/dense", &[points.len(), N, N], systems.iter().flat_map(|s| rows(&s.0)).collect());
        put(&file, "operators/rhs", &[points.len(), N], systems.iter().flat_map(|s| rows(&s.1)).collect());
        let solutions: Vec<f64> = systems.iter().flat_map(|s| rows(&s.0.partial_piv_lu().solve(&s.1))).collect();
        put(&file, "solutions", &[points.len(), N], solutions.clone());
        crate::operator_files::put_parameters(&file, &["eps", "c"], points);
        solutions
    };
    write("train.h5", &points(40, 0.5));
    let inside = |p: &Vec<f64>| (0.07..0.33).contains(&p[0]) && (0.23..0.77).contains(&p[1]);
    let new: Vec<Vec<f64>> = points(60, 0.21).into_iter().filter(inside).collect();
    let truth = write("new.h5", &new);
    write_text(
        folder,
        "study.toml",
        "[data]\nsamples = \"train.h5\"\n[reduction]\nmethod = \"reduced-basis\"\ntolerance = 1e-6\ninner_product = \"euclidean\"\n",
    );
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    kolmo(folder, &["predict", "model.h5", "--operators", "new.h5", "-o", "out.h5", "--quiet"]).success();
    let file = hdf5::File::open(folder.join("out.h5")).unwrap();
    let u: Vec<f64> = file.dataset("snapshots/solution").unwrap().read_raw().unwrap();
    let flags: Vec<u8> = file.dataset("flags").unwrap().read_raw().unwrap();
    let indicator: Vec<f64> = file.dataset("indicator").unwrap().read_raw().unwrap();
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let errors: Vec<f64> = (u.chunks(N).zip(truth.chunks(N)))
        .map(|(u, t)| norm(&mut u.iter().zip(t).map(|(u, t)| u - t)) / norm(&mut t.iter().copied()))
        .collect();
    let flagged = flags.iter().filter(|f| **f != 0).count();
    println!("{} points, {flagged} flagged", new.len());
    assert!(3 * flagged <= new.len(), "{flagged} of {} are flagged: {errors:?}", new.len());
    let low = errors.iter().zip(&indicator).filter(|(e, i)| e > i).count();
    assert!(5 * low <= new.len(), "{low} of {} errors are above the indicator", new.len());
}

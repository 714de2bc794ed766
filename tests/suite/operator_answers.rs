//! What models of operators answer, and what they say of it: estimates, intervals and flags beside the truth; operators of
//! other storage; operators that do not fit.

use crate::operator_files::{Small, put, put_numbers};
use crate::tool::{check_message, kolmo, write_text};
use faer::{Mat, MatRef};
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::sketch::{PROBES, Sketch};
use kolmo::linalg::terms::Pattern;
use std::path::Path;

const N: usize = 24;
const N_MU: usize = 14;

fn dense(mu: f64) -> Mat<f64> {
    let (small, values) = (Small::new(N, 2), Small::matrix(N, mu));
    let mut a = Mat::zeros(N, N);
    for i in 0..N {
        (small.indptr[i]..small.indptr[i + 1]).for_each(|e| a[(i, small.indices[e])] = values[e]);
    }
    a
}

fn solved(mu: f64) -> Vec<f64> {
    let f = [1.0; N];
    let f = MatRef::from_column_major_slice(&f, N, 1);
    f64::lu_solve(dense(mu).as_ref(), f, "test").unwrap().0.col_as_slice(0).to_vec()
}

/// Points between those of the training.
fn between(n: usize) -> Vec<f64> {
    (0..n).map(|i| 1.0 + (i as f64 + 0.5) / n as f64).collect()
}

fn study(folder: &Path, more: &str, tables: &str) {
    let text = format!(
        "[data]\nsamples = \"train.h5\"\n{more}[reduction]\nmethod = \"reduced-basis\"\ntolerance = 1e-9\ninner_product = \"euclidean\"\n{tables}"
    );
    write_text(folder, "study.toml", &text);
}

/// Whole operators at these parameters, with the solutions.
fn write(path: &Path, mu: &[f64]) -> hdf5::File {
    let small = Small::new(N, 2);
    let values = mu.iter().map(|mu| Small::matrix(N, *mu)).collect();
    let file = Small { parameters: mu.to_vec(), values, ..small }.write(path);
    put(&file, "solutions", &[mu.len(), N], mu.iter().flat_map(|mu| solved(*mu)).collect());
    file
}

fn numbers(path: &Path, name: &str) -> Vec<f64> {
    hdf5::File::open(path).unwrap().dataset(name).unwrap().read_raw().unwrap()
}

/// Relative errors of the solutions in a file of predictions.
fn errors(path: &Path, mu: &[f64]) -> Vec<f64> {
    let u = numbers(path, "snapshots/solution");
    let norm = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
    let of = |(u, mu): (&[f64], &f64)| {
        let truth = solved(*mu);
        norm(&mut u.iter().zip(&truth).map(|(u, t)| u - t)) / norm(&mut truth.iter().copied())
    };
    u.chunks(N).zip(mu).map(of).collect()
}

/// A model of the small problem with this study.
fn fitted(folder: &Path, tables: &str) {
    Small::new(N, N_MU).write(&folder.join("train.h5"));
    study(folder, "", tables);
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
}

const PREDICT: [&str; 6] = ["predict", "model.h5", "--operators", "new.h5", "-o", "out.h5"];

#[test]
fn a_sketch_tells_matrices_apart_and_not_their_storage() {
    let (a, b) = (dense(1.3), dense(1.7));
    let row_major = |m: &Mat<f64>| (0..N * N).map(|e| m[(e / N, e % N)]).collect::<Vec<f64>>();
    let whole = Sketch::of_matrix(&Pattern::Dense { n_rows: N }, &row_major(&a));
    let small = Small::new(N, 2);
    // Columns of each row in the other order.
    let (mut indices, mut values) = (small.indices.clone(), Small::matrix(N, 1.3));
    small.indptr.windows(2).for_each(|r| {
        indices[r[0]..r[1]].reverse();
        values[r[0]..r[1]].reverse();
    });
    let sparse = Sketch::of_matrix(&Pattern::Sparse { indptr: small.indptr, indices }, &values);
    assert!(whole.sums.iter().zip(&sparse.sums).all(|(a, b)| (a - b).abs() <= 1e-12));
    assert!((whole.square - sparse.square).abs() <= 1e-12 * whole.square);
    let other = Sketch::of_matrix(&Pattern::Dense { n_rows: N }, &row_major(&b));
    let terms = Mat::from_fn(PROBES, 2, |k, m| if m == 0 { whole.sums[k] } else { other.sums[k] });
    // The norm of a difference: the misfit of A by B alone.
    let exact = (&a - &b).norm_l2() / a.norm_l2();
    let found = whole.misfit(terms.as_ref(), &[0.0, 1.0]);
    assert!(found > 0.4 * exact && found < 2.0 * exact, "{found} and {exact}");
    assert!(whole.misfit(terms.as_ref(), &[1.0, 0.0]) == 0.0);
    // Linear: A/2 + B/2 by its own coefficients.
    let half: Vec<f64> = row_major(&a).iter().zip(row_major(&b)).map(|(a, b)| 0.5 * (a + b)).collect();
    let half = Sketch::of_matrix(&Pattern::Dense { n_rows: N }, &half);
    assert!(half.misfit(terms.as_ref(), &[0.5, 0.5]) <= 1e-14);
    // Zero beside the terms is not missed by round-off.
    assert!(Sketch::of_vectors(N, &[0.0; N]).misfit(terms.as_ref(), &[1e-17, 0.0]) <= 1.0);
}

#[test]
fn whole_operators_of_another_storage_get_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fitted(folder, "");
    let mu = between(6);
    let answer = || {
        kolmo(folder, &PREDICT).success();
        errors(&folder.join("out.h5"), &mu)
    };
    drop(write(&folder.join("new.h5"), &mu));
    let same = answer();
    assert!(same.iter().all(|e| *e <= 2e-2), "{same:?}");
    let small = Small::new(N, 2);
    let compared = |what: &str, found: Vec<f64>| {
        for (a, b) in same.iter().zip(&found) {
            assert!((a - b).abs() <= 1e-9, "{what}: {found:?} and {same:?}");
        }
    };
    // Dense.
    let file = hdf5::File::open_rw(folder.join("new.h5")).unwrap();
    file.unlink("operators/A").unwrap();
    let all: Vec<f64> = mu.iter().flat_map(|mu| (0..N * N).map(move |e| dense(*mu)[(e / N, e % N)])).collect();
    put(&file, "operators/A/dense", &[mu.len(), N, N], all);
    drop(file);
    compared("dense", answer());
    // Columns of each row in the other order; and five diagonals, two of zeros.
    let reversed = |i: usize| -> Vec<usize> {
        small.indices[small.indptr[i]..small.indptr[i + 1]].iter().rev().copied().collect()
    };
    let penta = |i: usize| -> Vec<usize> { (i.saturating_sub(2)..N.min(i + 3)).collect() };
    for (what, columns) in [("reversed", &reversed as &dyn Fn(usize) -> Vec<usize>), ("five diagonals", &penta)] {
        let file = hdf5::File::open_rw(folder.join("new.h5")).unwrap();
        file.unlink("operators/A").unwrap();
        let (mut indptr, mut indices) = (vec![0], Vec::new());
        (0..N).for_each(|i| {
            indices.extend(columns(i));
            indptr.push(indices.len());
        });
        let of = |mu: &f64| -> Vec<f64> {
            let a = dense(*mu);
            (0..N).flat_map(|i| columns(i).into_iter().map(|j| a[(i, j)]).collect::<Vec<_>>()).collect()
        };
        put_numbers(&file, "operators/A/indptr", &indptr);
        put_numbers(&file, "operators/A/indices", &indices);
        put(&file, "operators/A/values", &[mu.len(), indices.len()], mu.iter().flat_map(of).collect());
        drop(file);
        compared(what, answer());
    }
}

#[test]
fn whole_operators_that_do_not_fit_the_model_are_refused_or_flagged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fitted(folder, "");
    let mu = between(3);
    let refused = |code: &str, spoil: &dyn Fn(&hdf5::File), more: &[&str], words: &[&str]| {
        let file = write(&folder.join("new.h5"), &mu);
        spoil(&file);
        drop(file);
        let run = kolmo(folder, &[&PREDICT[..], more].concat());
        println!("{}", run.stderr.trim());
        check_message(&run, 2, &[code], words);
        assert!(!folder.join("out.h5").exists());
    };
    let seven = |f: &hdf5::File| put(f, "operators/rhs", &[N], vec![7.0; N]);
    refused(
        "K022",
        &seven,
        &[],
        &["new.h5, /operators/rhs, sample 0", "differ from the model's by", "the same as in training"],
    );
    let another = |f: &hdf5::File| put(f, "operators/B/dense", &[N, N], vec![1.0; N * N]);
    refused(
        "K022",
        &another,
        &[],
        &["new.h5, /operators/B/dense", "an operator `B`", "the operators of the model", "A"],
    );
    let larger = |f: &hdf5::File| {
        f.unlink("operators/A").unwrap();
        f.unlink("solutions").unwrap();
        put(f, "operators/rhs", &[N + 1], vec![1.0; N + 1]);
        put(f, "operators/A/dense", &[3, N + 1, N + 1], vec![1.0; 3 * (N + 1) * (N + 1)]);
    };
    refused("K005", &larger, &[], &["new.h5, /operators", "25 rows", "24 rows, as in the model"]);
    // Points in another order than the operators.
    let reversed: Vec<String> = mu.iter().rev().map(f64::to_string).collect();
    write_text(folder, "points.csv", &format!("mu\n{}\n", reversed.join("\n")));
    let other = ["--parameters", "points.csv"];
    refused("K022", &|_| (), &other, &["new.h5, /parameters, row 1, mu", &mu[0].to_string(), "as in the points"]);
    // The same for validate.
    let file = write(&folder.join("new.h5"), &mu);
    seven(&file);
    drop(file);
    let run = kolmo(folder, &["validate", "model.h5", "--data", "new.h5"]);
    check_message(&run, 2, &["K022"], &["new.h5, /operators/rhs, sample 0"]);
    // An entry where no training matrix has one: no term can combine to it.
    let file = write(&folder.join("new.h5"), &mu);
    file.unlink("operators/A").unwrap();
    let with = |e: usize, mu: f64| dense(mu)[(e / N, e % N)] + if e == N - 1 { 5.0 } else { 0.0 };
    let all: Vec<f64> = mu.iter().flat_map(|mu| (0..N * N).map(|e| with(e, *mu)).collect::<Vec<_>>()).collect();
    put(&file, "operators/A/dense", &[3, N, N], all);
    drop(file);
    let run = kolmo(folder, &PREDICT).success();
    assert!(run.stdout.contains("3 flagged: 3 with an operator that the terms miss"), "{}", run.stdout);
    assert!(numbers(&folder.join("out.h5"), "indicator").iter().all(|i| *i > 0.05));
}

#[test]
fn what_is_declared_is_compared_with_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = Small::new(N, N_MU);
    small.write(&folder.join("train.h5"));
    study(folder, "", "[operators]\naffine = [\"A\"]\n");
    let words = ["study.toml, [operators] affine, A", "sample 13 that differs from sample 0 by", "leave `A` out"];
    check_message(&kolmo(folder, &["fit", "study.toml", "-o", "model.h5"]), 2, &["K022"], &words);
    // Coefficients that are not those of the file.
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    file.unlink("operators/A/values").unwrap();
    put(&file, "operators/A/terms", &[2, small.indices.len()], [Small::matrix(N, 1.0), Small::matrix(N, 2.0)].concat());
    put(&file, "operators/A/theta", &[N_MU, 2], small.parameters.iter().flat_map(|mu| [1.0, *mu]).collect());
    drop(file);
    study(folder, "", "[operators.A]\nexpressions = [\"1\", \"mu + 0.1\"]\n");
    let words = ["study.toml, [operators.A] expressions, term 2", "`mu + 0.1` at sample 0", "theta of the file"];
    check_message(&kolmo(folder, &["fit", "study.toml", "-o", "model.h5"]), 2, &["K022"], &words);
    study(folder, "", "[operators.A]\nexpressions = [\"1\", \"mu\"]\n");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    // Exact: nothing is flagged for round-off.
    write_text(folder, "points.csv", "mu\n1.05\n1.35\n1.71\n");
    let run = kolmo(folder, &["predict", "model.h5", "--parameters", "points.csv", "-o", "out.h5"]).success();
    assert!(run.stdout.contains("(3 points, 0 flagged;"), "{}", run.stdout);
    // Outside, the reason is that.
    write_text(folder, "points.csv", "mu\n2.05\n1.35\n");
    let run = kolmo(folder, &["predict", "model.h5", "--parameters", "points.csv", "-o", "out.h5"]).success();
    assert!(run.stdout.contains("1 flagged: 1 outside the training box;"), "{}", run.stdout);
}

/// A functional that moves with the parameter.
fn spot(mu: f64) -> Vec<f64> {
    (0..N).map(|i| (-40.0 * (i as f64 / N as f64 - 0.6 * (mu - 0.9)).powi(2)).exp()).collect()
}

#[test]
fn intervals_of_outputs_know_that_the_output_is_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let small = Small::new(N, N_MU);
    let file = small.write(&folder.join("train.h5"));
    file.unlink("operators/A/values").unwrap();
    put(&file, "operators/A/terms", &[2, small.indices.len()], [Small::matrix(N, 1.0), Small::matrix(N, 2.0)].concat());
    put(&file, "outputs/spot", &[N_MU, N], small.parameters.iter().flat_map(|mu| spot(*mu)).collect());
    drop(file);
    study(folder, "", "[operators.A]\nexpressions = [\"1\", \"mu\"]\n");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let mu = between(20);
    let points: Vec<String> = mu.iter().map(f64::to_string).collect();
    write_text(folder, "points.csv", &format!("mu\n{}\n", points.join("\n")));
    let run = kolmo(folder, &["predict", "model.h5", "--parameters", "points.csv", "-o", "out.h5"]).success();
    assert!(run.stderr.contains("20 of 20 points were learnt"), "{}", run.stderr);
    let out = folder.join("out.h5");
    assert_eq!(numbers(&out, "learned"), vec![1.0; 20]);
    let (found, half) = (numbers(&out, "scalars"), numbers(&out, "scalars_interval"));
    let truth = |mu: f64| -> f64 {
        let a = |k: f64| Small::matrix(N, k);
        let (one, two) = (a(1.0), a(2.0));
        let mut m = Mat::zeros(N, N);
        for i in 0..N {
            (small.indptr[i]..small.indptr[i + 1]).for_each(|e| m[(i, small.indices[e])] = one[e] + mu * two[e]);
        }
        let f = [1.0; N];
        let u = f64::lu_solve(m.as_ref(), MatRef::from_column_major_slice(&f, N, 1), "test").unwrap().0;
        spot(mu).iter().enumerate().map(|(i, l)| l * u[(i, 0)]).sum()
    };
    let missed: Vec<f64> = mu.iter().zip(&found).map(|(mu, v)| (truth(*mu) - v).abs()).collect();
    let inside = missed.iter().zip(&half).filter(|(e, h)| e <= h).count();
    println!("output missed by {missed:?}, half-widths {half:?}");
    // The solution is exact, the output is not.
    assert!(missed.iter().copied().fold(0.0, f64::max) > 1e-9, "the output should be hard");
    assert!(inside >= 17, "{inside} of 20");
}

#[test]
fn little_data_and_zeros_give_finite_intervals_and_a_warning() {
    let finite = |folder: &Path, new: &str| {
        kolmo(folder, &["predict", "model.h5", "--operators", new, "-o", "out.h5", "--quiet"]).success();
        for name in ["interval/solution", "uncertainty/solution", "indicator"] {
            let all = numbers(&folder.join("out.h5"), name);
            assert!(all.iter().all(|v| v.is_finite()) && all.iter().any(|v| *v > 0.0), "{name}: {all:?}");
        }
    };
    // One right-hand side among many is zero.
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let file = Small::new(N, N_MU).write(&folder.join("train.h5"));
    put(&file, "operators/rhs", &[N_MU, N], (0..N_MU * N).map(|k| f64::from(u8::from(k / N != 4))).collect());
    drop(file);
    study(folder, "", "");
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    finite(folder, "train.h5");
    // Matrices that are all the same, a row for each parameter.
    let file = hdf5::File::open_rw(folder.join("train.h5")).unwrap();
    let nnz = Small::matrix(N, 1.0).len();
    put(&file, "operators/A/values", &[N_MU, nnz], [&Small::matrix(N, 1.0)[..]; N_MU].concat());
    put(&file, "operators/rhs", &[N], vec![1.0; N]);
    drop(file);
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    finite(folder, "train.h5");
    // Few samples: told; a solution that is zero does not count.
    for (zeros, words) in [(1, "2 solutions could be left out in turn"), (0, "are calibrated on 3 solutions only")] {
        let file = Small::new(N, 3).write(&folder.join("train.h5"));
        put(&file, "operators/rhs", &[3, N], (0..3 * N).map(|k| f64::from(u8::from(k / N >= zeros))).collect());
        drop(file);
        let run = kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
        assert!(run.stderr.contains(words), "{zeros}: {}", run.stderr);
        finite(folder, "train.h5");
    }
}

#[test]
fn learnt_models_say_what_they_are_worth_with_fewer_modes_and_ask_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fitted(folder, "[operators]\ndoor = \"learned\"\n");
    let run = kolmo(folder, &["info", "model.h5", "--entries"]).success();
    assert!(run.stdout.contains("entries: none are asked for"), "{}", run.stdout);
    let mu = between(8);
    let points: Vec<String> = mu.iter().map(f64::to_string).collect();
    write_text(folder, "points.csv", &format!("mu\n{}\n", points.join("\n")));
    for modes in ["1", "2", "3"] {
        let predict = ["predict", "model.h5", "--parameters", "points.csv", "-o", "out.h5", "--modes", modes];
        let run = kolmo(folder, &predict).success();
        assert!(!run.stderr.contains("--operators"), "{}", run.stderr);
        let found = errors(&folder.join("out.h5"), &mu);
        let indicator = numbers(&folder.join("out.h5"), "indicator");
        println!("{modes} modes: errors {found:?}, indicators {indicator:?}");
        assert!(found.iter().zip(&indicator).all(|(e, i)| *i >= 0.9 * e), "{modes} modes: {found:?} {indicator:?}");
    }
    assert_eq!(numbers(&folder.join("out.h5"), "learned"), vec![1.0; 8]);
}

#[test]
fn solutions_of_other_operators_and_too_few_terms_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mu = Small::new(N, N_MU).parameters;
    // All solutions but that of the middle are those of another sample.
    let file = write(&folder.join("train.h5"), &mu);
    let middle = (0..N_MU).min_by(|a, b| (mu[*a] - 1.5).abs().total_cmp(&(mu[*b] - 1.5).abs())).unwrap();
    let of = |i: usize| solved(if i == middle { mu[i] } else { mu[(i + 5) % N_MU] });
    put(&file, "solutions", &[N_MU, N], (0..N_MU).flat_map(of).collect());
    drop(file);
    study(folder, "", "");
    let run = kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    let words = format!("{} of {N_MU} solutions leave a relative residual above 1e-3", N_MU - 1);
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    drop(write(&folder.join("train.h5"), &mu));
    let run = kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    assert!(!run.stderr.contains("relative residual"), "{}", run.stderr);
    study(folder, "", "[operators.A]\nterms = 3\n");
    let run = kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    assert!(run.stderr.contains("the terms of the operators limit the answers"), "{}", run.stderr);
}

/// Shares of the entries in their intervals, of the errors below their indicators, and of good and bad answers that are flagged.
#[test]
fn intervals_hold_what_they_promise_and_flags_single_out_what_is_bad() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mu = between(40);
    drop(write(&folder.join("new.h5"), &mu));
    let (mut covered, mut below, mut all) = (0.0, 0, 0);
    let (mut good, mut flagged_good) = (0, 0);
    for terms in [4, 5, 6, 7] {
        fitted(folder, &format!("[operators.A]\nterms = {terms}\n"));
        kolmo(folder, &PREDICT).success();
        let out = folder.join("out.h5");
        let (u, half) = (numbers(&out, "snapshots/solution"), numbers(&out, "interval/solution"));
        let truth: Vec<f64> = mu.iter().flat_map(|mu| solved(*mu)).collect();
        let inside = (0..u.len()).filter(|i| (u[*i] - truth[*i]).abs() <= half[*i]).count();
        let (found, indicator, flags) = (errors(&out, &mu), numbers(&out, "indicator"), numbers(&out, "flags"));
        let share = inside as f64 / u.len() as f64;
        let own = found.iter().zip(&indicator).filter(|(e, i)| e <= i).count();
        let mut sorted = found.clone();
        sorted.sort_by(f64::total_cmp);
        let well = |e: f64| e <= 3.0 * sorted[sorted.len() / 2];
        let n_good = found.iter().filter(|e| well(**e)).count();
        let n_flagged = found.iter().zip(&flags).filter(|(e, f)| well(**e) && **f != 0.0).count();
        println!(
            "{terms} terms: {share:.3} in their intervals, {own} of 40 below the indicator, {n_flagged} of {n_good} good ones flagged"
        );
        covered += share;
        (below, all) = (below + own, all + mu.len());
        (good, flagged_good) = (good + n_good, flagged_good + n_flagged);
    }
    assert!(covered / 4.0 >= 0.92, "{}", covered / 4.0);
    assert!(below * 100 >= all * 92, "{below} of {all}");
    assert!(flagged_good * 5 <= good, "{flagged_good} of {good}");
}

#[test]
fn folds_need_no_solutions_where_the_matrices_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mu = Small::new(N, N_MU).parameters;
    study(folder, "holdout = { every = 4, offset = 1 }\n", "");
    let scores = |args: &[&str]| {
        let run = kolmo(folder, args).success();
        let scores: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        scores["fields"]["solution"]["rel_l2_mean"].as_f64().unwrap()
    };
    let mut found = Vec::new();
    for with_solutions in [true, false] {
        let file = write(&folder.join("train.h5"), &mu);
        if !with_solutions {
            file.unlink("solutions").unwrap();
        }
        drop(file);
        kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
        let held_out = scores(&["validate", "model.h5", "--data", "study.toml", "--quiet", "--json"]);
        found.push([held_out, scores(&["validate", "study.toml", "--folds", "4", "--quiet", "--json"])]);
    }
    for (with, without) in found[0].iter().zip(&found[1]) {
        assert!((with - without).abs() <= 1e-6 * with + 1e-12, "{found:?}");
    }
}

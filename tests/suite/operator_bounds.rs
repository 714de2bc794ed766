//! Rigorous bounds in files and scores: where coefficients are exact and the operator coercive.

use crate::blocks::Blocks;
use crate::operator_files::{put, put_numbers, put_parameters};
use crate::reduced_basis::conductivities;
use crate::tool::{kolmo, write_text};
use kolmo::linalg::terms::Pattern;
use kolmo::offline::direct_solver::DirectSolver;
use std::path::Path;

const NAMES: [&str; 9] = ["m0", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"];

/// Affine terms of a thermal block with solutions at m random parameters.
fn write(path: &Path, blocks: &Blocks, m: usize, seed: u64) -> (Vec<Vec<f64>>, Vec<f64>) {
    let points = conductivities(m, seed);
    let parameters: Vec<Vec<f64>> = (0..m).map(|i| points.at(i).0).collect();
    let problem = blocks.problem();
    let truth = DirectSolver::new(&problem).unwrap().solve_all(&points).unwrap();
    let truth: Vec<f64> = truth.col_iter().flat_map(|c| c.iter().copied().collect::<Vec<_>>()).collect();
    let file = hdf5::File::create(path).unwrap();
    let Pattern::Sparse { indptr, indices } = blocks.terms.pattern.as_ref() else { unreachable!("a sparse pattern") };
    put_numbers(&file, "operators/K/indptr", indptr);
    put_numbers(&file, "operators/K/indices", indices);
    put(&file, "operators/K/terms", &[9, indices.len()], blocks.terms.values.concat());
    put(&file, "operators/rhs", &[blocks.n_dofs()], blocks.load.clone());
    put(&file, "solutions", &[m, blocks.n_dofs()], truth.clone());
    put_parameters(&file, &NAMES, &parameters);
    (parameters, truth)
}

fn study(folder: &Path, expressions: &str) {
    let text = format!(
        "[data]\nsamples = \"train.h5\"\n[reduction]\nmethod = \"reduced-basis\"\nmodes = 12\ninner_product = \"euclidean\"\n[operators.K]\nexpressions = [{expressions}]\n"
    );
    write_text(folder, "study.toml", &text);
}

fn numbers(path: &Path, name: &str) -> Vec<f64> {
    hdf5::File::open(path).unwrap().dataset(name).unwrap().read_raw().unwrap()
}

#[test]
fn bounds_are_written_and_hold() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let blocks = Blocks::new(12, 3);
    let n = blocks.n_dofs();
    write(&folder.join("train.h5"), &blocks, 30, 1);
    let (parameters, truth) = write(&folder.join("test.h5"), &blocks, 40, 2);
    study(folder, &NAMES.map(|n| format!("\"{n}\"")).join(", "));
    let out = kolmo(folder, &["fit", "study.toml", "-o", "model.h5"]).success();
    assert!(out.stdout.contains("bound: rigorous"), "{}", out.stdout);
    let rows: Vec<String> =
        parameters.iter().map(|p| p.iter().map(f64::to_string).collect::<Vec<_>>().join(",")).collect();
    write_text(folder, "points.csv", &format!("{}\n{}\n", NAMES.join(","), rows.join("\n")));
    for modes in ["12", "5"] {
        let args = ["predict", "model.h5", "--parameters", "points.csv", "-o", "out.h5", "--modes", modes, "--quiet"];
        kolmo(folder, &args).success();
        let (bound, u) =
            (numbers(&folder.join("out.h5"), "bound"), numbers(&folder.join("out.h5"), "snapshots/solution"));
        assert_eq!(bound.len(), 40);
        let mut finite = 0;
        for (i, bound) in bound.iter().enumerate() {
            let square = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>().sqrt();
            let own = i * n..(i + 1) * n;
            let error = square(&mut own.clone().map(|k| u[k] - truth[k])) / square(&mut own.map(|k| truth[k]));
            assert!(*bound >= error, "{modes} modes, {i}: {bound} {error:e}");
            finite += usize::from(bound.is_finite());
        }
        assert!(modes == "5" || finite >= 20, "{finite}");
    }
    kolmo(folder, &["validate", "model.h5", "--data", "test.h5", "--json", "scores.json", "--quiet"]).success();
    let scores: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("scores.json")).unwrap()).unwrap();
    assert_eq!(scores["bound"]["below_error"], 0);
    assert!(scores["bound"]["effectivity_min"].as_f64().unwrap() >= 1.0, "{}", scores["bound"]);
}

#[test]
fn coefficients_that_are_learnt_have_no_bound() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    crate::operator_files::Small::new(8, 10).write(&folder.join("train.h5"));
    write_text(folder, "study.toml", "[data]\nsamples = \"train.h5\"\n[reduction]\nmethod = \"reduced-basis\"\n");
    let out = kolmo(folder, &["fit", "study.toml", "-o", "model.h5"]).success();
    assert!(out.stdout.contains("bound: none"), "{}", out.stdout);
}

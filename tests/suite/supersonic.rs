//! The main job from end to end: five folds of 60 OpenFOAM solutions, against scikit-learn's errors and the promised coverage.

use crate::tool::{kolmo, write_text};
use serde_json::Value;
use std::path::Path;

/// Scores of `kolmo validate --folds 5` with a study on the data of the worked example.
fn scores(folder: &Path, study: &str) -> Value {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/supersonic_step.h5");
    write_text(folder, "study.toml", &format!("[data]\nsamples = {data:?}\nfields = [\"rho\", \"p\"]\n{study}"));
    let run = kolmo(folder, &["validate", "study.toml", "--folds", "5", "--quiet", "--json"]).success();
    serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:#?}"))
}

#[test]
fn errors_are_at_most_those_of_scikit_learn() {
    let folder = tempfile::tempdir().unwrap();
    let reference: Value = serde_json::from_str(include_str!("sklearn_gp.json")).unwrap();
    // scikit-learn's fixture has a Euclidean POD.
    let found = scores(folder.path(), "[reduction]\ninner_product = \"euclidean\"\ntolerance = 1e-4\n");
    assert_eq!(found["n_samples"], 60);
    for name in ["rho", "p"] {
        let error = found["fields"][name]["rel_l2_mean"].as_f64().unwrap();
        let projection = found["fields"][name]["projection_rel_l2_mean"].as_f64().unwrap();
        let expected = reference["supersonic_step"]["errors"][name].as_f64().unwrap();
        let of_basis = reference["supersonic_step"]["projection"][name].as_f64().unwrap();
        println!("{name}: error {error:.5}, scikit-learn {expected:.5}; projection {projection:.5} and {of_basis:.5}");
        assert!(error <= 1.1 * expected, "{name}: {error} and {expected}");
        assert!((projection - of_basis).abs() <= 1e-3 * of_basis, "{name}: {projection} and {of_basis}");
    }
}

#[test]
fn intervals_cover_what_they_promise() {
    let folder = tempfile::tempdir().unwrap();
    let file =
        hdf5::File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/supersonic_step.h5")).unwrap();
    let field = |name: &str| file.dataset(&format!("snapshots/{name}")).unwrap().read_2d::<f64>().unwrap();
    let (rho, p) = (field("rho"), field("p"));
    let mut csv = String::from("p_max,p_mean,rho_max,rho_mean\n");
    for (rho, p) in rho.rows().into_iter().zip(p.rows()) {
        let max = |v: ndarray::ArrayView1<f64>| v.iter().copied().fold(f64::MIN, f64::max);
        csv += &format!("{},{},{},{}\n", max(p), p.mean().unwrap(), max(rho), rho.mean().unwrap());
    }
    write_text(folder.path(), "scalars.csv", &csv);
    let found = scores(folder.path(), "scalars = \"scalars.csv\"\n");
    for kind in ["fields", "scalars"] {
        let of = found[kind].as_object().unwrap();
        let coverage: Vec<f64> = of.values().map(|f| f["coverage"].as_f64().unwrap()).collect();
        println!("{kind}: {:?}: {coverage:.3?}", of.keys());
        assert!(coverage.iter().all(|c| (0.90..=0.99).contains(c)), "{kind}: {coverage:?}");
        let mean = coverage.iter().sum::<f64>() / coverage.len() as f64;
        assert!((0.93..=0.97).contains(&mean), "{kind}: {mean}");
    }
    let median = found["indicator"]["effectivity_median"].as_f64().unwrap();
    assert!((0.5..2.0).contains(&median), "{median}");
}

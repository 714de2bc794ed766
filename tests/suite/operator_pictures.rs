//! Pictures of the samples that a model of operators was tried on.

use crate::operator_files::{Small, put};
use crate::tool::{kolmo, write_text};
use faer::Mat;
use kolmo::linalg::scalar::Scalar;
use std::path::Path;

const N: usize = 30;

/// Matrices, their solutions and, where asked, the interval that the nodes lie on.
fn write(path: &Path, small: &Small, with_mesh: bool) {
    let file = small.write(path);
    let solve = |values: &Vec<f64>| {
        let mut a = Mat::<f64>::zeros(N, N);
        for (i, rows) in small.indptr.windows(2).enumerate() {
            (rows[0]..rows[1]).for_each(|e| a[(i, small.indices[e])] = values[e]);
        }
        let (u, _) = f64::lu_solve(a.as_ref(), Mat::full(N, 1, 1.0).as_ref(), "matrix").unwrap();
        u.col(0).iter().copied().collect::<Vec<f64>>()
    };
    let solutions: Vec<f64> = small.values.iter().flat_map(solve).collect();
    put(&file, "solutions", &[small.values.len(), N], solutions);
    if with_mesh {
        put(&file, "mesh/points", &[N, 1], (0..N).map(|i| i as f64).collect());
        let cells = ndarray::Array2::from_shape_fn((N - 1, 2), |(c, k)| (c + k) as i64);
        file.new_dataset_builder().with_data(&cells).create("mesh/cells").unwrap();
    }
}

#[test]
fn the_worst_and_the_median_sample_are_drawn() {
    for with_mesh in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut test = Small::new(N, 12);
        test.parameters.iter_mut().for_each(|mu| *mu = 1.04 + 0.9 * (*mu - 1.0));
        test.values = test.parameters.iter().map(|mu| Small::matrix(N, *mu)).collect();
        write(&folder.join("train.h5"), &Small::new(N, 8), with_mesh);
        write(&folder.join("test.h5"), &test, with_mesh);
        let study = "[data]\nsamples = \"train.h5\"\n[reduction]\nmethod = \"reduced-basis\"\ntolerance = 1e-3\n";
        write_text(folder, "study.toml", study);
        kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
        let validate = ["validate", "model.h5", "--data", "test.h5", "--quiet"];
        let scores = kolmo(folder, &[&validate[..], &["--json"]].concat()).success();
        let scores: serde_json::Value = serde_json::from_str(&scores.stdout).unwrap();
        let drawn = [&validate[..], &["--plots", "pictures", "--html", "report.html"]].concat();
        let run = kolmo(folder, &drawn).success();
        let page = std::fs::read_to_string(folder.join("report.html")).unwrap();
        if !with_mesh {
            assert!(run.stdout.contains("no picture of solution: no mesh"), "{run:#?}");
            assert!(!folder.join("pictures/solution_worst.svg").exists());
            continue;
        }
        let worst = scores["fields"]["solution"]["rel_l2_max"].as_f64().unwrap();
        assert!(worst > 0.0, "{worst}");
        for (kind, text) in
            [("worst", format!("worst of 12: relative error {worst:.2e}")), ("median", "median of 12".into())]
        {
            let picture = std::fs::read_to_string(folder.join(format!("pictures/solution_{kind}.svg"))).unwrap();
            assert!(picture.contains("solution, sample ") && picture.contains(&text), "{text}: {picture}");
            assert!(page.contains(&text), "{text}");
        }
    }
}

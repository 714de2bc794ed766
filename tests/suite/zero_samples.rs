//! A load history starts from nothing: fields of zeros among the training samples.

use crate::tool::{kolmo, write_text};
use hdf5::types::VarLenUnicode;
use ndarray::{Array1, Array2};
use std::path::Path;

const N: usize = 60;

fn field(a: f64, load: f64) -> Vec<f64> {
    (0..N)
        .map(|i| i as f64 / N as f64)
        .map(|x| load * ((a * x).sin() + x) + 0.3 * load * load * (2.0 * x).cos())
        .collect()
}

fn write(path: &Path, first_load: f64) {
    let points: Vec<(f64, f64)> = (0..4)
        .flat_map(|a| (0..6).map(move |l| (1.0 + 0.3 * a as f64, first_load + (1.0 - first_load) * l as f64 / 5.0)))
        .collect();
    let file = hdf5::File::create(path).unwrap();
    let values: Vec<f64> = points.iter().flat_map(|(a, load)| field(*a, *load)).collect();
    let values = Array2::from_shape_vec((points.len(), N), values).unwrap();
    file.new_dataset_builder().with_data(&values).create("snapshots/T").unwrap();
    let inputs =
        Array2::from_shape_vec((points.len(), 2), points.iter().flat_map(|(a, l)| [*a, *l]).collect()).unwrap();
    let data = file.new_dataset_builder().with_data(&inputs).create("parameters").unwrap();
    let names: Array1<VarLenUnicode> = ["a", "load"].iter().map(|n| n.parse().unwrap()).collect();
    data.new_attr::<VarLenUnicode>().shape(2).create("names").unwrap().write(&names).unwrap();
}

/// The indicator of a prediction, and its true relative error.
fn indicator_and_error(folder: &Path, first_load: f64) -> (f64, f64) {
    write(&folder.join("train.h5"), first_load);
    let study = "[data]\nsamples = \"train.h5\"\n[reduction]\ntolerance = 1e-6\n";
    write_text(folder, "study.toml", study);
    kolmo(folder, &["fit", "study.toml", "-o", "model.h5", "--quiet"]).success();
    kolmo(folder, &["predict", "model.h5", "--at", "a=1.45,load=0.5", "-o", "out.h5", "--quiet"]).success();
    let out = hdf5::File::open(folder.join("out.h5")).unwrap();
    let found: Vec<f64> = out.dataset("snapshots/T").unwrap().read_raw().unwrap();
    let truth = field(1.45, 0.5);
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|x| x * x).sum::<f64>();
    let error = square(&mut found.iter().zip(&truth).map(|(f, t)| f - t)) / square(&mut truth.iter().copied());
    (out.dataset("indicator").unwrap().read_raw::<f64>().unwrap()[0], error.sqrt())
}

#[test]
fn a_field_of_zeros_does_not_spoil_the_indicator() {
    let folder = tempfile::tempdir().unwrap();
    let (with_zeros, error) = indicator_and_error(folder.path(), 0.0);
    let (without, _) = indicator_and_error(folder.path(), 0.05);
    println!("indicator {with_zeros:.1e} with fields of zeros, {without:.1e} without; error {error:.1e}");
    // An estimate, not a bound.
    assert!(
        with_zeros >= error / 3.0 && with_zeros <= 30.0 * without,
        "{with_zeros:e} and {without:e}; error {error:e}"
    );
}

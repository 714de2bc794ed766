//! Gaussian processes: one kernel for 20 outputs (the model of tests/reference/sklearn_gp_timing.py), groups, prediction.

use crate::limits::{Table, Work};
use criterion::Criterion;
use faer::Mat;
use kolmo::algorithms::gaussian_process::{GpOptions, Mean, gaussian_process};
use kolmo::algorithms::gaussian_process_groups::grouped_gaussian_processes;
use kolmo::algorithms::kernel::Kernel;
use kolmo::data::{FieldInfo, Location};
use kolmo::online::pod_regression::Groups;
use kolmo::online::{InputSpace, PodRegression, ReducedField};
use serde_json::Value;

fn matrix(v: &Value) -> Mat<f64> {
    let number = |v: &Value| v.as_f64().unwrap_or(0.0);
    let empty = Vec::new();
    let rows: Vec<&Vec<Value>> = v.as_array().unwrap_or(&empty).iter().filter_map(Value::as_array).collect();
    Mat::from_fn(rows.len(), rows.first().map_or(0, |r| r.len()), |i, j| number(&rows[i][j]))
}

fn model(groups: Groups, n_inputs: usize) -> PodRegression {
    let n_modes = groups.iter().map(|(outputs, _)| outputs.len()).sum();
    let field = ReducedField {
        part: None,
        info: FieldInfo { name: "u".into(), location: Location::Free, n_entities: 1, n_components: 1, vector: false },
        basis: Mat::zeros(1, n_modes),
        mean: None,
        mean_coefficients: vec![0.0; n_modes],
        mean_square: 0.0,
        residual_variance: vec![0.0],
        residual_square: 0.0,
        coefficients: Mat::zeros(n_modes, 0),
        missed: Vec::new(),
        singular_values: vec![1.0; n_modes],
        projection_error: 0.0,
        truncation: kolmo::algorithms::pod::Truncation::Tolerance(0.0),
        groups,
        interval_factor: 1.0,
        indicator_factor: 1.0,
    };
    let inputs = InputSpace {
        names: (0..n_inputs).map(|j| format!("x{j}")).collect(),
        lower: vec![-1.0; n_inputs],
        upper: vec![1.0; n_inputs],
    };
    PodRegression { inputs, fields: vec![field], scalars: Vec::new(), confidence: 0.95, n_snapshots: 1 }
}

/// Fits, and coefficients of one point and of many.
pub fn bench(c: &mut Criterion, table: &mut Table) {
    let fixture: Value =
        serde_json::from_str(include_str!("../tests/suite/sklearn_gp.json")).expect("reference figures");
    let case = &fixture["shared_kernel"];
    let (x, y) = (matrix(&case["x"]), matrix(&case["y"]));
    let same_model = GpOptions {
        kernel: Some(Kernel::Matern52),
        mean: Some(Mean::Zero),
        restarts: 4,
        priors: false,
        noise_floor: 1e-12,
        length_bounds: (1e-5, 1e5),
        shared_amplitude: true,
        ..Default::default()
    };
    table.time(c, "GP fit 200 x 8, 20 outputs, one kernel, 4 starts", Work::None, || {
        gaussian_process(x.as_ref(), y.as_ref(), None, &same_model).expect("a process")
    });
    let few_x = x.as_ref().submatrix(0, 0, 48, 2);
    let few_y = Mat::from_fn(48, 20, |i, j| ((1 + j % 5) as f64 * few_x[(i, 0)] + few_x[(i, 1)] + j as f64).sin());
    let few_y = few_y.as_ref();
    table.time(c, "GP fit 48 x 2, 20 outputs, groups, all defaults", Work::None, || {
        grouped_gaussian_processes(few_x, few_y, None, &GpOptions::default()).expect("processes")
    });
    let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &same_model).expect("a process");
    let few = gaussian_process(few_x, few_y, None, &GpOptions::default()).expect("a process");
    assert!(!few.is_mean().iter().chain(gp.is_mean()).any(|is_mean| *is_mean), "an output that is only a mean");
    let all: Vec<usize> = (0..20).collect();
    let models = [("48 samples", model(vec![(all.clone(), few)], 2)), ("200 samples", model(vec![(all, gp)], 8))];
    for (name, model) in models {
        let d = model.inputs.names.len();
        for n in [1, 1000] {
            let points = Mat::from_fn(n, d, |i, j| ((i * 7 + j * 3) % 101) as f64 / 50.0 - 1.0);
            let name = format!("coefficients of 20 modes, {name}, {n} point{}", if n == 1 { "" } else { "s" });
            table.time(c, &name, Work::None, || model.predict(points.as_ref()).expect("coefficients"));
        }
    }
}

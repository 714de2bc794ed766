//! Gaussian processes: one kernel for 20 outputs (the model of tests/reference/sklearn_gp_timing.py), groups, prediction.

use criterion::Criterion;
use faer::Mat;
use kolmo::algorithms::gaussian_process::{GpOptions, Mean, gaussian_process};
use kolmo::algorithms::gaussian_process_groups::grouped_gaussian_processes;
use kolmo::algorithms::kernel::Kernel;
use serde_json::Value;

fn matrix(v: &Value) -> Mat<f64> {
    let number = |v: &Value| v.as_f64().unwrap_or(0.0);
    let empty = Vec::new();
    let rows: Vec<&Vec<Value>> = v.as_array().unwrap_or(&empty).iter().filter_map(Value::as_array).collect();
    Mat::from_fn(rows.len(), rows.first().map_or(0, |r| r.len()), |i, j| number(&rows[i][j]))
}

/// Registers the benchmarks.
pub fn bench(c: &mut Criterion) {
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
    let mut group = c.benchmark_group("gaussian_process");
    group.sample_size(10);
    group.bench_function("fit 200 x 8, 20 outputs, one kernel", |b| {
        b.iter(|| gaussian_process(x.as_ref(), y.as_ref(), None, &same_model));
    });
    let (few_x, few_y) = (x.subrows(0, 48).subcols(0, 2), y.subrows(0, 48).subcols(0, 15));
    group.bench_function("fit groups 48 x 2, 15 outputs", |b| {
        b.iter(|| grouped_gaussian_processes(few_x, few_y, None, &GpOptions::default()));
    });
    let gp = gaussian_process(x.as_ref(), y.as_ref(), None, &same_model).expect("a process");
    let points = Mat::from_fn(1000, 8, |i, j| ((i * 7 + j * 3) % 101) as f64 / 50.0 - 1.0);
    group.bench_function("predict 1000 points, 200 samples, 20 outputs", |b| b.iter(|| gp.predict(points.as_ref())));
    group.finish();
}

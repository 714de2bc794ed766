//! A reduced model from snapshots in memory, asked, written and read: `cargo run --release --example in_memory`.
//!
//! The snapshots are heat kernels u(x; t, a) = exp(-(x - a)² / 4t) / sqrt(4 pi t) on [0, 1].

use faer::Mat;
use kolmo::comm::SingleComm;
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::io::pod_model::{Provenance, read, write};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::offline::pod_regression::{FieldSnapshots, Options, pod_regression};

const N_DOFS: usize = 2001;
const N_SNAPSHOTS: usize = 49;

fn heat_kernel(i: usize, t: f64, a: f64) -> f64 {
    let x = i as f64 / (N_DOFS - 1) as f64;
    (-(x - a).powi(2) / (4.0 * t)).exp() / (4.0 * std::f64::consts::PI * t).sqrt()
}

fn main() -> kolmo::Result<()> {
    // Training: a grid of 7 times and 7 places.
    let points: Vec<[f64; 2]> =
        (0..N_SNAPSHOTS).map(|s| [0.02 + 0.005 * (s / 7) as f64, 0.35 + 0.05 * (s % 7) as f64]).collect();
    let inputs = Table::new(vec!["t".into(), "a".into()], points.concat())?;
    let snapshots = Mat::from_fn(N_DOFS, N_SNAPSHOTS, |i, s| heat_kernel(i, points[s][0], points[s][1]));
    let field = FieldSnapshots {
        info: FieldInfo {
            name: "u".into(),
            location: Location::Free,
            n_entities: N_DOFS,
            n_components: 1,
            vector: false,
        },
        snapshots: Box::new(TallMatrix::new(Layout::serial(N_DOFS), snapshots)?),
        // Weights of the trapezoidal rule.
        inner_product: InnerProduct::Diagonal(
            (0..N_DOFS).map(|i| if i % (N_DOFS - 1) == 0 { 0.5 } else { 1.0 } / (N_DOFS - 1) as f64).collect(),
        ),
        rows: None,
    };
    let options = Options::default();
    let model = pod_regression(&inputs, vec![field], &Table::default(), &options)?;

    // The model file holds all that a prediction needs.
    let file = std::env::temp_dir().join(format!("kolmo_in_memory_{}.h5", std::process::id()));
    write(&file, &model, &Provenance { training: inputs.values.clone(), ..Provenance::default() }, &SingleComm)?;
    let (model, _) = read(&file)?;
    std::fs::remove_file(&file).ok();

    // Two points that training has not seen; the second lies outside its box.
    let asked = [[0.0325, 0.525], [0.07, 0.5]];
    let p = model.predict(Mat::from_fn(2, 2, |i, j| asked[i][j]).as_ref())?;
    let u = model.fields[0].reconstruct(p.coefficients[0].as_ref())?;
    let std = model.fields[0].standard_deviation(p.variances[0].as_ref())?;
    let half_width = model.fields[0].interval_factor;
    let middle = N_DOFS / 2;
    for (k, [t, a]) in asked.into_iter().enumerate() {
        let truth = heat_kernel(middle, t, a);
        println!(
            "u(0.5; {t}, {a}) = {:.5}, std {:.1e}, 95 % interval +- {:.1e}, truth {truth:.5}; relative error about {:.1e}, {}",
            u[(middle, k)],
            std[(middle, k)],
            half_width * std[(middle, k)],
            p.indicator()[k],
            if p.flags[k] == 0 { "inside the training box" } else { "outside the training box" },
        );
    }
    let square = |v: &dyn Fn(usize) -> f64| (0..N_DOFS).map(|i| v(i).powi(2)).sum::<f64>();
    let truth = |i: usize| heat_kernel(i, asked[0][0], asked[0][1]);
    let error = (square(&|i| u[(i, 0)] - truth(i)) / square(&truth)).sqrt();
    println!("{} modes, relative L2 error {error:.1e}", model.fields[0].n_modes());
    assert!(error < 1e-3 && p.flags == [0, 1] && std[(middle, 1)] > std[(middle, 0)]);
    Ok(())
}

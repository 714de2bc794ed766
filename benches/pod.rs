//! POD of 1,000,000 x 200 in memory, singular values over 14 decades, 50 modes: `cargo bench --bench pod`. The same in
//! NumPy, SciPy and pyMOR, as far as Python has them: pod_peers.py, started from here.

mod cpu_time;

use cpu_time::{forget_peak, median, peak_gigabytes, timed};
use faer::{Mat, MatRef};
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::linalg::dense;
use kolmo::linalg::inner_product::{InnerProduct, orthonormality};
use kolmo::linalg::tall::{Layout, TallMatrix};
use rayon::prelude::*;
use std::f64::consts::PI;
use std::process::Command;

const N_DOFS: usize = 1_000_000;
const N_SNAPSHOTS: usize = 200;
const N_MODES: usize = 50;
const DECADES: f64 = 14.0;
const REPEATS: usize = 5;

/// Column k of the orthonormal cosine transform of length n.
fn cosine(n: usize, i: usize, k: usize) -> f64 {
    let scale = if k == 0 { (1.0 / n as f64).sqrt() } else { (2.0 / n as f64).sqrt() };
    scale * (PI * (i as f64 + 0.5) * k as f64 / n as f64).cos()
}

fn sigma(j: usize) -> f64 {
    10f64.powf(-DECADES * j as f64 / (N_SNAPSHOTS - 1) as f64)
}

/// Cosines times singular values times cosines: the singular value decomposition is known.
fn snapshots() -> Mat<f64> {
    let right = Mat::from_fn(N_SNAPSHOTS, N_SNAPSHOTS, |j, k| sigma(j) * cosine(N_SNAPSHOTS, k, j));
    let mut x = Mat::zeros(N_DOFS, N_SNAPSHOTS);
    x.par_row_chunks_mut(8192).enumerate().for_each(|(b, block)| {
        let left = Mat::from_fn(block.nrows(), N_SNAPSHOTS, |i, j| cosine(N_DOFS, b * 8192 + i, j));
        dense::gemm(block, false, left.as_ref(), right.as_ref(), 1.0);
    });
    x
}

/// AᵀA by faer on all threads as rows of blocks: the limit.
fn gemm_rate(x: MatRef<'_, f64>) -> f64 {
    let seconds = (0..REPEATS).map(|_| {
        let blocks = N_DOFS.div_ceil(8192);
        let product = |b: usize| {
            let rows = x.subrows(b * 8192, 8192.min(N_DOFS - b * 8192));
            dense::mul(rows.transpose(), rows)
        };
        timed(|| (0..blocks).into_par_iter().map(product).reduce(|| Mat::zeros(N_SNAPSHOTS, N_SNAPSHOTS), |a, b| a + b))
            .0
    });
    2.0 * (N_SNAPSHOTS * N_SNAPSHOTS * N_DOFS) as f64 / median(seconds.collect())
}

fn show(name: &str, x: &TallMatrix, options: &PodOptions, floor: f64) -> f64 {
    forget_peak();
    // One decomposition at a time is held.
    let mut seconds = Vec::new();
    let mut run = || {
        let (time, found) = timed(|| pod(x, &InnerProduct::Euclidean, options).expect("a decomposition"));
        seconds.push(time);
        found
    };
    (1..REPEATS).for_each(|_| drop(run()));
    let found = run();
    let seconds = median(seconds);
    let off = |j: usize| (found.singular_values[j] / sigma(j) - 1.0).abs();
    let worst = (0..N_SNAPSHOTS).filter(|j| sigma(*j) > floor).map(off).fold(0.0, f64::max);
    println!(
        "{name:50} {seconds:6.2} CPU s  {} modes  peak {:.2} GB  sigma above {floor:.0e}: off by {worst:.1e}  VtV - I {:.1e}",
        found.n_modes(),
        peak_gigabytes(),
        orthonormality(&found.basis, &InnerProduct::Euclidean),
    );
    seconds
}

fn main() {
    let x = TallMatrix::new(Layout::serial(N_DOFS), snapshots()).expect("a tall matrix");
    let rate = gemm_rate(x.local());
    println!("limit: AtA by faer's gemm {:.1} GF per CPU s; {} threads", rate / 1e9, rayon::current_num_threads());
    let (m, n, k) = (N_DOFS as f64, N_SNAPSHOTS as f64, N_MODES as f64);
    let of = |algorithm, truncation| PodOptions { algorithm, truncation, ..PodOptions::default() };
    let seconds = show("QR way, 50 modes", &x, &of(Algorithm::Tsqr, Truncation::Modes(N_MODES)), 1e-12);
    let share = (2.0 * m * n * n + 2.0 * m * n * k) / seconds / rate;
    println!("    2 m n^2 + 2 m n k operations: {:.0} % of the gemm rate", 100.0 * share);
    let gram: Vec<f64> = (0..REPEATS).map(|_| timed(|| x.gram()).0).collect();
    let rate_of_gram = m * n * n / median(gram);
    println!(
        "    Gram matrix alone, n^2 m operations: {:.1} GF per CPU s, {:.0} % of the gemm rate",
        rate_of_gram / 1e9,
        100.0 * rate_of_gram / rate
    );
    show("Gram way, cut at 1e-7", &x, &of(Algorithm::Gram, Truncation::Tolerance(1e-7)), 1e-7);
    show("auto, tolerance 1e-4", &x, &of(Algorithm::Auto, Truncation::Tolerance(1e-4)), 1e-4);
    drop(x);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/pod_peers.py");
    match Command::new("python3").arg(script).status() {
        Ok(status) if status.success() => {}
        other => println!("peers: not run ({other:?}); pip install numpy scipy pymor"),
    }
}

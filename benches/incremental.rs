//! Incremental SVD beside one batch POD of the same data, in CPU seconds of one thread: `cargo bench --bench incremental`.
//! A number behind `--` is that of the runs whose median counts.

mod cpu_time;

use cpu_time::{forget_peak, median, peak_gigabytes, timed};
use faer::{Mat, MatRef};
use kolmo::algorithms::incremental_svd::{IncrementalOptions, Svd, incremental_svd};
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::linalg::dense;
use kolmo::linalg::inner_product::{InnerProduct, orthonormality};
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::linalg::tsqr::tsqr;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::f64::consts::PI;
use std::sync::Arc;

const FITS: &str = "shapes that fit";
const EUCLIDEAN: InnerProduct = InnerProduct::Euclidean;

/// sum_k amplitude(k) sin(k pi x_i + phi_k) cos(k pi mu_j) + noise z_ij, 60 terms.
fn waves(n: usize, m: usize, amplitude: impl Fn(f64) -> f64, noise: f64) -> Mat<f64> {
    let phase = |k: usize| 2.0 * PI * (0.618_033_988_749_894_9 * k as f64).fract();
    let left = Mat::from_fn(n, 60, |i, k| {
        let (k, x) = (k + 1, (i as f64 + 0.5) / n as f64);
        amplitude(k as f64) * (k as f64 * PI * x + phase(k)).sin()
    });
    let right = Mat::from_fn(60, m, |k, j| ((k + 1) as f64 * PI * j as f64 / (m - 1) as f64).cos());
    let mut rng = StdRng::seed_from_u64(1);
    let mut s = Mat::from_fn(n, m, |_, _| noise * rng.random_range(-1.0..1.0));
    dense::gemm(s.as_mut(), true, left.as_ref(), right.as_ref(), 1.0);
    s
}

fn stream(a: MatRef<'_, f64>, layout: &Arc<Layout>, s: usize, options: &IncrementalOptions) -> Svd {
    let mut svd = incremental_svd(layout.clone(), EUCLIDEAN, options).expect(FITS);
    for from in (0..a.ncols()).step_by(s) {
        let block = a.subcols(from, s.min(a.ncols() - from)).to_owned();
        svd.append(&TallMatrix::new(layout.clone(), block).expect(FITS)).expect(FITS);
    }
    svd.finish().expect(FITS)
}

/// ||A - V S Wᵀ||, a hundred columns at a time.
fn measured_error(a: MatRef<'_, f64>, svd: &Svd) -> f64 {
    let coefficients = svd.coefficients().expect("right vectors");
    let square = |from: usize| {
        let s = 100.min(a.ncols() - from);
        let mut rest = TallMatrix::new(svd.basis.layout().clone(), a.subcols(from, s).to_owned()).expect(FITS);
        rest.subtract_product(&svd.basis, coefficients.as_ref().subcols(from, s)).expect(FITS);
        rest.norms().iter().map(|v| v * v).sum::<f64>()
    };
    (0..a.ncols()).step_by(100).map(square).sum::<f64>().sqrt()
}

fn beside_batch(repeats: usize) {
    let (n, m, s, rank) = (200_000, 1000, 5, 50);
    let layout = Layout::serial(n);
    let x = TallMatrix::new(layout.clone(), waves(n, m, |k| 1.0 / (k * k), 1e-4)).expect(FITS);
    let options =
        IncrementalOptions { tolerance: 0.0, max_modes: Some(rank), right: true, ..IncrementalOptions::default() };
    let batch = PodOptions { truncation: Truncation::Modes(rank), algorithm: Algorithm::Tsqr, ..PodOptions::default() };
    let (mut pods, mut streams, mut last, mut peak) = (Vec::new(), Vec::new(), None, 0.0);
    for _ in 0..repeats {
        pods.push(timed(|| pod(&x, &EUCLIDEAN, &batch).expect(FITS)).0);
        forget_peak();
        let (seconds, svd) = timed(|| stream(x.local(), &layout, s, &options));
        streams.push(seconds);
        peak = peak_gigabytes();
        last = Some(svd);
    }
    let svd = last.expect("at least one run");
    let (batch, streamed) = (median(pods), median(streams));
    let off = (svd.error / measured_error(x.local(), &svd) - 1.0).abs();
    println!(
        "{n} x {m} in blocks of {s}, rank {rank}: incremental {streamed:.2} CPU s, batch POD (TSQR) {batch:.2} CPU s, \
         {:.2} times; certificate {:.6e}, off the measured error by {off:.1e}; orthonormality {:.1e}; \
         peak {peak:.2} GB, {:.2} of it the data",
        streamed / batch,
        svd.error,
        orthonormality(&svd.basis, &EUCLIDEAN),
        8e-9 * (n * m) as f64
    );
}

fn near_the_tolerance(repeats: usize) {
    let (n, m, tolerance) = (100_000, 200, 1e-7);
    let layout = Layout::serial(n);
    let x = TallMatrix::new(layout.clone(), waves(n, m, |k| 2f64.powf(-k / 1.5), 1e-10)).expect(FITS);
    let (_, truth, _) = dense::thin_svd(tsqr(&x).as_ref()).expect("a decomposition");
    let options = IncrementalOptions { tolerance, ..IncrementalOptions::default() };
    let runs: Vec<(f64, Svd)> = (0..repeats).map(|_| timed(|| stream(x.local(), &layout, 1, &options))).collect();
    let svd = &runs[0].1;
    let total = truth.iter().map(|s| s * s).sum::<f64>().sqrt();
    let above = truth.iter().filter(|s| **s > tolerance * total).count();
    let off = |(found, truth): (&f64, &f64)| (found / truth - 1.0).abs();
    println!(
        "stream {n} x {m}, tolerance {tolerance:.0e}: {} modes where {above} singular values are above it, off by {:.1e} at most; \
         {:.2} CPU s; orthonormality {:.1e}",
        svd.singular_values.len(),
        svd.singular_values.iter().zip(&truth).map(off).fold(0.0, f64::max),
        median(runs.iter().map(|r| r.0).collect()),
        orthonormality(&svd.basis, &EUCLIDEAN)
    );
}

fn main() {
    let repeats = std::env::args().find_map(|a| a.parse().ok()).unwrap_or(5);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    one.install(|| {
        near_the_tolerance(repeats);
        beside_batch(repeats);
    });
}

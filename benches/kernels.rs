//! Kernels beside the limits of this machine: `make bench`. See README.md here.

mod gaussian_process;
mod limits;

use criterion::Criterion;
use faer::Mat;
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::reconstruction::{mul_vector, mul_vector_and_squares};
use kolmo::linalg::reconstruction_batch::{mul_batch, mul_squares_batch};
use kolmo::linalg::simd::Instructions;
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::linalg::tsqr::tsqr;
use limits::{Table, Work, matrix, multiply};

const N_DOFS: usize = 100_000;
const N_SNAPSHOTS: usize = 200;
const N_POINTS: usize = 1000;
const FITS: &str = "shapes that fit";

/// Snapshots of a bump that wanders, with a little roughness: singular values fall, and none vanishes.
fn snapshots() -> Mat<f64> {
    let rough = matrix(N_DOFS, N_SNAPSHOTS);
    Mat::from_fn(N_DOFS, N_SNAPSHOTS, |i, j| {
        let x = i as f64 / N_DOFS as f64 - j as f64 / N_SNAPSHOTS as f64;
        1.0 / (1.0 + 100.0 * x * x) + 1e-6 * rough[(i, j)]
    })
}

fn offline(c: &mut Criterion, table: &mut Table) {
    let x = TallMatrix::new(Layout::serial(N_DOFS), snapshots()).expect("a tall matrix");
    let square = (N_SNAPSHOTS * N_SNAPSHOTS * N_DOFS) as f64;
    table.time(c, "Gram 100,000 x 200 (n² m operations)", Work::Flops(square), || x.gram());
    table.time(c, "TSQR 100,000 x 200, R only (2 n² m)", Work::Flops(2.0 * square), || tsqr(&x));
    for (algorithm, name, operations) in [
        (Algorithm::Gram, "POD 100,000 x 200, 20 modes, Gram (n² m)", square),
        (Algorithm::Tsqr, "POD 100,000 x 200, 20 modes, TSQR (2 n² m)", 2.0 * square),
    ] {
        let options = PodOptions { truncation: Truncation::Modes(20), algorithm, ..PodOptions::default() };
        table.time(c, name, Work::Flops(operations), || pod(&x, &InnerProduct::Euclidean, &options).expect(FITS));
    }
}

fn one_point(c: &mut Criterion, table: &mut Table, n: usize, r: usize, place: &str) {
    let with = Instructions::best();
    let v = matrix(n, r);
    let (shift, base) = (vec![0.5; n], vec![0.1; n]);
    let (coefficients, variances) = (vec![1.5; r], vec![0.2; r]);
    let (mut y, mut s) = (vec![0.0; n], vec![0.0; n]);
    let bytes = |arrays: usize| Work::Bytes(8.0 * n as f64 * (r + arrays) as f64);
    table.time(c, &format!("one point, {place}: field"), bytes(2), || {
        mul_vector(with, v.as_ref(), &coefficients, Some(&shift), &mut y).expect(FITS)
    });
    table.time(c, &format!("one point, {place}: field and deviation"), bytes(4), || {
        let (value, deviation) = ((&coefficients[..], Some(&shift[..])), (&variances[..], &base[..]));
        mul_vector_and_squares(with, v.as_ref(), value, deviation, &mut y, &mut s).expect(FITS)
    });
}

fn batch(c: &mut Criterion, table: &mut Table, r: usize, out: &mut Mat<f64>) {
    let with = Instructions::best();
    let (v, coefficients) = (matrix(N_DOFS, r), matrix(r, N_POINTS));
    let variances = Mat::from_fn(r, N_POINTS, |i, j| coefficients[(i, j)].abs());
    let (shift, base) = (vec![0.5; N_DOFS], vec![0.1; N_DOFS]);
    let work = Work::Batch { flops: 2.0 * (N_DOFS * r * N_POINTS) as f64, bytes: 8.0 * (N_DOFS * N_POINTS) as f64 };
    table.time(c, &format!("1,000 points, 100,000 x {r}: product alone"), work, || {
        multiply(8192, &v, &coefficients, out);
    });
    table.time(c, &format!("1,000 points, 100,000 x {r}: fields"), work, || {
        mul_batch(with, v.as_ref(), coefficients.as_ref(), Some(&shift), out.as_mut()).expect(FITS)
    });
    table.time(c, &format!("1,000 points, 100,000 x {r}: deviations"), work, || {
        mul_squares_batch(with, v.as_ref(), variances.as_ref(), &base, out.as_mut()).expect(FITS)
    });
}

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let mut table = Table::default();
    table.limits.measure();
    offline(&mut c, &mut table);
    gaussian_process::bench(&mut c, &mut table);
    one_point(&mut c, &mut table, 1_000_000, 50, "1,000,000 x 50");
    one_point(&mut c, &mut table, N_DOFS, 20, "100,000 x 20 (in cache)");
    let mut out = Mat::zeros(N_DOFS, N_POINTS);
    for r in [20, 50, 100] {
        batch(&mut c, &mut table, r, &mut out);
    }
    drop(out);
    table.limits.measure();
    table.print();
    c.final_summary();
}

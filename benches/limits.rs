//! The limits of the machine, measured in the run that they are compared with, and the table of shares.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion};
use faer::Mat;
use kolmo::linalg::dense::gemm;
use kolmo::linalg::simd::Instructions;
use rayon::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Entries of the arrays of the triad: 3 x 160 MB, far above any cache.
const TRIAD: usize = 20_000_000;
/// Rows and columns of the square product, and rows that a thread takes.
const SQUARE: usize = 2048;
const SQUARE_ROWS: usize = 256;

/// What a kernel moves or computes, in bytes or operations, and which limit it meets.
#[derive(Clone, Copy)]
pub enum Work {
    /// Bytes read and written once, against the triad.
    Bytes(f64),
    /// Floating-point operations, against the product of square matrices.
    Flops(f64),
    /// Operations and bytes of the result, against the product or the writing, whichever takes longer.
    Batch { flops: f64, bytes: f64 },
    /// No limit is stated.
    None,
}

/// Least seconds of repeated calls.
pub fn best(repeats: usize, mut f: impl FnMut()) -> f64 {
    let once = |_| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64()
    };
    (0..repeats).map(once).fold(f64::INFINITY, f64::min)
}

/// Rates per second; the best that was seen.
#[derive(Default)]
pub struct Limits {
    triad: f64,
    read: f64,
    write: f64,
    gemm: f64,
}

impl Limits {
    /// Measures for about two seconds; called before and after the kernels, since a neighbour may be busy at one time.
    pub fn measure(&mut self) {
        let chunk = 1 << 20;
        let (mut a, b, c) = (vec![0.0; TRIAD], vec![1.0; TRIAD], vec![2.0; TRIAD]);
        let seconds = best(10, || {
            let parts = a.par_chunks_mut(chunk).zip(b.par_chunks(chunk)).zip(c.par_chunks(chunk));
            parts.for_each(|((a, b), c)| a.iter_mut().zip(b).zip(c).for_each(|((a, b), c)| *a = b + 3.0 * c));
        });
        self.triad = self.triad.max(24.0 * TRIAD as f64 / seconds);
        let seconds = best(10, || {
            let sum: f64 = b.par_chunks(chunk).map(sum).sum();
            black_box(sum);
        });
        self.read = self.read.max(8.0 * TRIAD as f64 / seconds);
        let mut written = Mat::zeros(TRIAD / 200, 200);
        let seconds = best(10, || write(&mut written));
        self.write = self.write.max(8.0 * TRIAD as f64 / seconds);
        let x = matrix(SQUARE, SQUARE);
        let mut product = Mat::zeros(SQUARE, SQUARE);
        let seconds = best(6, || multiply(SQUARE_ROWS, &x, &x, &mut product));
        self.gemm = self.gemm.max(2.0 * (SQUARE as f64).powi(3) / seconds);
    }
}

/// A sum in sixteen lanes, so that additions do not wait for each other.
fn sum(x: &[f64]) -> f64 {
    let mut lanes = [0.0; 16];
    for part in x.chunks_exact(16) {
        lanes.iter_mut().zip(part).for_each(|(l, x)| *l += x);
    }
    lanes.iter().sum()
}

/// Numbers between -1 and 1.
pub fn matrix(n: usize, r: usize) -> Mat<f64> {
    Mat::from_fn(n, r, |i, j| ((i * 7 + j * 13 + i * j % 17) % 101) as f64 / 50.0 - 1.0)
}

/// c = a b by row blocks in parallel, as the engine multiplies.
pub fn multiply(rows: usize, a: &Mat<f64>, b: &Mat<f64>, c: &mut Mat<f64>) {
    c.as_mut().par_row_chunks_mut(rows).enumerate().for_each(|(i, c)| {
        let a = a.as_ref().subrows(i * rows, c.nrows());
        gemm(c, false, a, b.as_ref(), 1.0);
    });
}

/// Measured kernels.
#[derive(Default)]
pub struct Table {
    pub limits: Limits,
    rows: Vec<(String, f64, Work)>,
}

impl Table {
    /// Times `f` by criterion, and keeps the shortest call for the table, as the limits are the best that was seen.
    pub fn time<T>(&mut self, c: &mut Criterion, name: &str, work: Work, mut f: impl FnMut() -> T) {
        let mut least = f64::INFINITY;
        let mut group: BenchmarkGroup<'_, WallTime> = c.benchmark_group("kolmo");
        group.sample_size(10).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
        group.bench_function(name, |b| {
            b.iter_custom(|n| {
                let call = |_| {
                    let start = Instant::now();
                    drop(black_box(f()));
                    let elapsed = start.elapsed();
                    least = least.min(elapsed.as_secs_f64());
                    elapsed
                };
                (0..n).map(call).sum()
            });
        });
        group.finish();
        if least.is_finite() {
            self.rows.push((name.to_string(), least, work));
        }
    }

    /// Prints limits and kernels; the share is that of the limit named beside it.
    pub fn print(&self) {
        let Limits { triad, read, write, gemm } = self.limits;
        let giga = 1e-9;
        println!(
            "\nlimits: triad {:.1} GB/s, read {:.1} GB/s, write {:.1} GB/s, gemm {:.1} GF/s; {} threads; {:?}",
            triad * giga,
            read * giga,
            write * giga,
            gemm * giga,
            rayon::current_num_threads(),
            Instructions::best(),
        );
        println!("{:<56} {:>10} {:>11} {:>12}", "kernel", "seconds", "rate", "share of");
        for (name, seconds, work) in &self.rows {
            let (amount, unit, least, limit) = match *work {
                Work::Bytes(n) => (n, "GB/s", n / triad, "triad"),
                Work::Flops(n) => (n, "GF/s", n / gemm, "gemm"),
                Work::Batch { flops, bytes } if bytes / write > flops / gemm => (flops, "GF/s", bytes / write, "write"),
                Work::Batch { flops, .. } => (flops, "GF/s", flops / gemm, "gemm"),
                Work::None => (0.0, "", 0.0, ""),
            };
            let (mut rate, mut share) = (String::new(), String::new());
            if least > 0.0 {
                rate = format!("{:.1} {unit}", amount / seconds * giga);
                share = format!("{:.0} % {limit:>5}", 100.0 * least / seconds);
            }
            println!("{name:<56} {seconds:>10.2e} {rate:>11} {share:>12}");
        }
    }
}

/// Writes every entry.
pub fn write(x: &mut Mat<f64>) {
    x.as_mut().par_row_chunks_mut(1024).for_each(|mut rows| {
        for column in rows.as_mut().col_iter_mut() {
            if let Some(column) = column.try_as_col_major_mut() {
                column.as_slice_mut().fill(1.0);
            }
        }
    });
}

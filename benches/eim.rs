//! Empirical interpolation of 100,000 x 300 snapshots to 40 points, DEIM and Q-DEIM of a basis of 100,000 x 40, beside
//! pyMOR and SciPy (eim_peers.py, started from here) on the same matrices: `cargo bench --bench eim`. CPU seconds of all
//! threads, median of 5; peers with one BLAS thread.

mod cpu_time;

use cpu_time::{forget_peak, median, peak_gigabytes, timed};
use faer::{Mat, MatRef};
use kolmo::algorithms::deim::deim;
use kolmo::algorithms::eim::{Eim, EimOptions, Norm, eim, eim_in_place};
use kolmo::algorithms::gappy_pod_e::gappy_pod_e;
use kolmo::algorithms::gnat_points::gnat_points;
use kolmo::algorithms::pod::{PodOptions, Truncation, pod};
use kolmo::algorithms::point_selection::SelectedPoints;
use kolmo::algorithms::q_deim::q_deim;
use kolmo::algorithms::s_opt::s_opt;
use kolmo::error::Result;
use kolmo::linalg::dense;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::linalg::tsqr::tsqr;
use ndarray::{Array1, Array2, ShapeBuilder};
use ndarray_npy::{read_npy, write_npy};
use rayon::prelude::*;
use std::path::Path;
use std::process::Command;

const N_DOFS: usize = 100_000;
const N_SNAPSHOTS: usize = 300;
const N_POINTS: usize = 40;
const REPEATS: usize = 5;

/// Gaussians that oscillate, of different places, widths and rates: singular values fall over 16 decades.
fn snapshots() -> Mat<f64> {
    let fraction = |j: usize, step: f64| (0.5 + step * (j + 1) as f64).fract();
    Mat::from_fn(N_DOFS, N_SNAPSHOTS, |i, j| {
        let x = (i as f64 + 0.5) / N_DOFS as f64 - fraction(j, 0.819_172_513_396_164_4);
        let width = 0.04 + 0.06 * fraction(j, 0.671_043_606_703_789_3);
        let rate = 30.0 * fraction(j, 0.549_700_477_901_956_9);
        (-0.5 * (x / width).powi(2)).exp() * (rate * x).cos()
    })
}

fn serial(x: Mat<f64>) -> TallMatrix {
    TallMatrix::new(Layout::serial(x.nrows()), x).expect("fits")
}

fn size(x: &[f64], maximum: bool) -> f64 {
    match maximum {
        true => x.iter().fold(0.0, |m, x| m.max(x.abs())),
        false => x.iter().map(|x| x * x).sum::<f64>().sqrt(),
    }
}

/// Largest norm of what interpolation in the span of Q misses of a column, relative to that column.
fn error(x: MatRef<'_, f64>, q: MatRef<'_, f64>, points: &[usize], maximum: bool) -> f64 {
    let at = |a: MatRef<'_, f64>| Mat::from_fn(points.len(), a.ncols(), |l, j| a[(points[l], j)]);
    let (factors, _) = f64::lu_solve(at(q).as_ref(), at(x).as_ref(), "Q").expect("independent points");
    let missed = |j: usize| {
        let left = x.subcols(j, 1) - dense::mul(q, factors.as_ref().subcols(j, 1));
        let column: Vec<f64> = x.col(j).iter().copied().collect();
        size(left.col_as_slice(0), maximum) / size(&column, maximum)
    };
    (0..x.ncols()).into_par_iter().map(missed).reduce(|| 0.0, f64::max)
}

fn measured<T>(mut job: impl FnMut() -> T) -> (f64, T) {
    let mut seconds = Vec::new();
    let mut last = None;
    for _ in 0..REPEATS {
        drop(last.take());
        let (time, found) = timed(&mut job);
        seconds.push(time);
        last = Some(found);
    }
    (median(seconds), last.expect("at least one"))
}

/// What a peer left behind: CPU seconds, points, and the basis where it has one of its own.
struct Peer {
    seconds: f64,
    points: Vec<usize>,
    basis: Option<Mat<f64>>,
}

fn peer(folder: &Path, name: &str) -> Option<Peer> {
    let path = |what: &str| folder.join(format!("{name}_{what}.npy"));
    let seconds: Array1<f64> = read_npy(path("seconds")).ok()?;
    let points: Array1<i64> = read_npy(path("points")).ok()?;
    let basis: Option<Array2<f64>> = read_npy(path("basis")).ok();
    let basis = basis.map(|b| Mat::from_fn(b.nrows(), b.ncols(), |i, j| b[(i, j)]));
    Some(Peer { seconds: median(seconds.to_vec()), points: points.iter().map(|p| *p as usize).collect(), basis })
}

fn write(folder: &Path, name: &str, x: MatRef<'_, f64>) {
    let values: Vec<f64> = x.col_iter().flat_map(|c| c.iter().copied().collect::<Vec<_>>()).collect();
    let array = Array2::from_shape_vec((x.nrows(), x.ncols()).f(), values).expect("fits");
    write_npy(folder.join(name), &array).expect("room for a file");
}

fn main() {
    let x = serial(snapshots());
    let options = |norm: Norm| EimOptions { tolerance: 0.0, max_terms: Some(N_POINTS), norm, scale: None };
    let euclidean = || Norm::L2(InnerProduct::Euclidean);
    let truncation = PodOptions { truncation: Truncation::Modes(N_POINTS), ..PodOptions::default() };
    let basis = pod(&x, &InnerProduct::Euclidean, &truncation).expect("modes").basis;
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(folder.path(), "snapshots.npy", x.local());
    write(folder.path(), "basis.npy", basis.local());

    println!("{N_DOFS} x {N_SNAPSHOTS} snapshots, {N_POINTS} points; {} threads", rayon::current_num_threads());
    let mut ours: Vec<(&str, f64, Eim<f64>)> = Vec::new();
    for (name, norm) in [("eim_maximum", Norm::Maximum), ("eim_euclidean", euclidean())] {
        forget_peak();
        let (seconds, found) = measured(|| eim(&x, &options(norm.clone())).expect("a reduced set"));
        println!("{name:24} {seconds:8.3} CPU s, peak memory {:.2} GB", peak_gigabytes());
        ours.push((name, seconds, found));
    }
    let mut by_value = Vec::new();
    for _ in 0..REPEATS {
        let copy = x.clone();
        by_value.push(timed(|| eim_in_place(copy, &options(euclidean())).expect("a reduced set")).0);
    }
    println!("EIM, Euclidean, in the memory of the columns: {:.2} CPU s", median(by_value));
    let (seconds, _) = measured(|| tsqr(&x));
    println!("for comparison, TSQR of the snapshots alone: {seconds:.2} CPU s");
    type Way = fn(&TallMatrix) -> Result<SelectedPoints>;
    let ways: [(&str, Way); 5] = [
        ("deim", deim),
        ("q_deim", q_deim),
        ("gappy_pod_e, 80 points", |v| gappy_pod_e(v, 2 * N_POINTS)),
        ("gnat_points, 80 points", |v| gnat_points(v, 2 * N_POINTS)),
        ("s_opt, 80 points", |v| s_opt(v, 2 * N_POINTS)),
    ];
    let mut selections = Vec::new();
    for (name, way) in ways {
        // Steps of the clock are 1/100 s.
        let times = if name.len() > 6 { 1 } else { 20 };
        let (seconds, found) = measured(|| {
            (1..times).for_each(|_| drop(way(&basis)));
            way(&basis).expect("points")
        });
        let seconds = seconds / times as f64;
        println!("{name:24} {seconds:8.4} CPU s, norm of the projector {:.2}", found.projector_norm);
        selections.push((name, seconds, found));
    }

    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/eim_peers.py");
    match Command::new("python3").arg(script).arg(folder.path()).arg(N_POINTS.to_string()).status() {
        Ok(status) if status.success() => {}
        other => println!("peers: not run ({other:?}); pip install numpy scipy pymor"),
    }
    for (name, seconds, found) in &ours {
        let maximum = *name == "eim_maximum";
        let own = error(x.local(), found.basis.as_ref(), &found.points, maximum);
        println!("{name:24} {seconds:8.3} CPU s, largest relative error {own:.3e}");
        let Some(Peer { seconds: theirs, points, basis: Some(q) }) = peer(folder.path(), name) else { continue };
        let other = error(x.local(), q.as_ref(), &points, maximum);
        let same = found.points.iter().zip(&points).take_while(|(a, b)| a == b).count();
        println!(
            "  pyMOR ei_greedy        {theirs:8.3} CPU s, largest relative error {other:.3e}, first {same} points the same"
        );
        println!("  {:.1} times as fast, error {:.2} times", theirs / seconds, own / other);
    }
    for (name, seconds, found) in &selections[..2] {
        for who in ["pymor", "scipy"] {
            let Some(other) = peer(folder.path(), &format!("{name}_{who}")) else { continue };
            let same = found.points.iter().zip(&other.points).take_while(|(a, b)| a == b).count();
            println!(
                "{name:8} {seconds:.4} CPU s; {who} {:.4} CPU s; {:.1} times as fast, first {same} points the same",
                other.seconds,
                other.seconds / seconds
            );
        }
    }
}

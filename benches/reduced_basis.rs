//! Online solution of reduced bases of random terms, in one thread and in batches, and what pyMOR needs for the same
//! matrices: `cargo bench --bench reduced_basis`. reduced_basis_peers.py is started where Python has pyMOR.

use faer::Mat;
use kolmo::algorithms::pod::Truncation;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::{Scalar, c64};
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::offline::reduced_basis::{AffineProblem, Options, reduced_basis};
use kolmo::online::reduced_basis::{Projection, ReducedBasis};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

const N_TERMS: usize = 9;
const N_POINTS: usize = 1000;

/// Least seconds of one call, over enough of them for a tenth of a second and 20 at least.
fn least(mut f: impl FnMut()) -> f64 {
    let (begin, mut least, mut calls) = (Instant::now(), f64::INFINITY, 0);
    while calls < 20 || begin.elapsed().as_secs_f64() < 0.3 {
        let start = Instant::now();
        f();
        least = least.min(start.elapsed().as_secs_f64());
        calls += 1;
    }
    least
}

/// Seconds of one of many short calls.
fn least_of_many(mut f: impl FnMut()) -> f64 {
    least(|| (0..100).for_each(|_| f())) / 100.0
}

fn model<T: Scalar>(n: usize, n_modes: usize, projection: Projection) -> ReducedBasis<T> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut number = || T::from_parts(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0));
    let diagonal = |e: usize| if e / n == e % n { T::real(n as f64) } else { T::default() };
    let values = (0..N_TERMS).map(|_| (0..n * n).map(|e| number() + diagonal(e)).collect()).collect();
    let terms = TermsInMemory { pattern: Arc::new(Pattern::Dense { n_rows: n }), values };
    let mut matrix = |columns: usize| Mat::from_fn(n, columns, |_, _| number());
    let (rhs, snapshots) = (matrix(1), matrix(n_modes));
    let problem = AffineProblem { matrices: &terms, rhs, outputs: vec![], inner_product: InnerProduct::Euclidean };
    let options = Options { truncation: Truncation::Modes(n_modes), projection, ..Options::default() };
    reduced_basis(&problem, snapshots.as_ref(), None, &options).expect("a reduced basis")
}

fn coefficients<T: Scalar>(n_points: usize) -> (Mat<T>, Mat<T>) {
    let mut rng = StdRng::seed_from_u64(2);
    let theta = Mat::from_fn(N_TERMS, n_points, |_, _| T::real(rng.random_range(0.1..1.0)));
    (theta, Mat::from_fn(1, n_points, |_, _| T::real(1.0)))
}

fn online<T: Scalar>(name: &str, n: usize, n_modes: usize, projection: Projection) {
    let model = model::<T>(n, n_modes, projection);
    let (thetas, gammas) = coefficients::<T>(N_POINTS);
    let theta: Vec<T> = thetas.col(0).iter().copied().collect();
    let (gamma, mut workspace) = ([T::real(1.0)], model.workspace());
    let solve = least_of_many(|| {
        std::hint::black_box(model.solve(&theta, &gamma, n_modes, &mut workspace).expect("a solution"));
    });
    let y = model.solve(&theta, &gamma, n_modes, &mut workspace).expect("a solution").to_vec();
    let indicator = least_of_many(|| {
        std::hint::black_box(model.indicator(&theta, &gamma, &y, n_modes, &mut workspace).expect("a number"));
    });
    let batch = least(|| {
        std::hint::black_box(model.solve_batch(thetas.as_ref(), gammas.as_ref(), n_modes).expect("solutions"));
    });
    let rows = model.residual().map_or(0, |r| r.n_rows());
    println!(
        "{name:<28} {n_modes:>3} modes  solve {:>8.2} µs  indicator ({rows} rows) {:>7.2} µs  batch of {N_POINTS} {:>7.2} ms, {:>6.2} µs each",
        1e6 * solve,
        1e6 * indicator,
        1e3 * batch,
        1e6 * batch / N_POINTS as f64
    );
}

/// The matrices of the real model of 30 modes as text, for the peers.
fn write(model: &ReducedBasis<f64>, path: &Path) -> std::io::Result<()> {
    let mut text = format!("{} {N_TERMS}\n", model.n_modes());
    let parts = model.parts();
    for m in parts.matrices.iter().chain([&parts.rhs]) {
        for i in 0..m.nrows() {
            let row: Vec<String> = m.row(i).iter().map(|x| format!("{x:e}")).collect();
            text += &(row.join(" ") + "\n");
        }
    }
    std::fs::write(path, text)
}

fn main() {
    println!("{N_TERMS} terms, least of many calls; {} threads", rayon::current_num_threads());
    online::<f64>("real, Galerkin", 400, 10, Projection::Galerkin);
    online::<f64>("real, Galerkin", 400, 30, Projection::Galerkin);
    online::<f64>("real, Galerkin", 400, 100, Projection::Galerkin);
    online::<c64>("complex, Galerkin", 400, 30, Projection::Galerkin);
    online::<f64>("real, least squares", 400, 30, Projection::LeastSquares);
    online::<c64>("complex, least squares", 400, 30, Projection::LeastSquares);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("matrices.txt");
    write(&model(400, 30, Projection::Galerkin), &path).expect("a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/reduced_basis_peers.py");
    match Command::new("python3").arg(script).arg(&path).status() {
        Ok(status) if status.success() => {}
        _ => println!("pyMOR: not there (pip install pymor)"),
    }
}

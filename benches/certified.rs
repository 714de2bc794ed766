//! Greedy basis of the 2 x 2 thermal block by its bound, and the online solution with its bound, beside pyMOR on the same reduced
//! data: `cargo bench --bench certified`. certified_peers.py is started where Python has pyMOR.

#[path = "../validation/thermal_block/blocks.rs"]
mod blocks;
mod cpu_time;

use blocks::Blocks;
use cpu_time::{forget_peak, median, peak_gigabytes, timed};
use faer::Mat;
use kolmo::algorithms::greedy::GreedyOptions;
use kolmo::offline::direct_solver::DirectSolver;
use kolmo::offline::reduced_basis::{Coefficients, Options};
use kolmo::offline::reduced_basis_greedy::reduced_basis_greedy_bounded;
use kolmo::online::ReducedBasis;
use kolmo::online::reduced_basis_bound::solution_bound;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// 55 x 55 unknowns, 2 x 2 blocks.
const N_SQUARES: usize = 56;
const SIDE: usize = 2;
const N_TRAINING: usize = 256;
const N_MODES: usize = 27;
const RUNS: usize = 5;

fn conductivities(m: usize, seed: u64) -> Coefficients<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    Coefficients { theta: Mat::from_fn(SIDE * SIDE, m, |_, _| rng.random_range(0.1..1.0)), gamma: Mat::full(1, m, 1.0) }
}

fn least(theta: &[f64]) -> f64 {
    theta.iter().copied().fold(f64::INFINITY, f64::min)
}

fn greedy(blocks: &Blocks) -> kolmo::Result<ReducedBasis<f64>> {
    let problem = blocks.problem();
    let solver = DirectSolver::new(&problem)?;
    let training = conductivities(N_TRAINING, 1);
    let alpha: Vec<f64> = (0..N_TRAINING).map(|i| least(&training.at(i).0)).collect();
    let choice = GreedyOptions { tolerance: 0.0, max_size: N_MODES, patience: N_MODES };
    let solve = |theta: &[f64], gamma: &[f64]| solver.solve(theta, gamma);
    Ok(reduced_basis_greedy_bounded(&problem, &training, &alpha, &solve, &Options::default(), &choice)?.0)
}

/// Least seconds of one of 1,000 calls, over 300 such.
fn least_seconds(mut f: impl FnMut()) -> f64 {
    let once = |f: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..1000).for_each(|_| f());
        start.elapsed().as_secs_f64() / 1000.0
    };
    (0..300).map(|_| once(&mut f)).fold(f64::INFINITY, f64::min)
}

/// The reduced matrices, the load and the residual's rows as text.
fn write(model: &ReducedBasis<f64>, path: &Path) -> std::io::Result<()> {
    let parts = model.parts();
    let residual = model.residual().expect("a residual");
    let mut all: Vec<Mat<f64>> = parts.matrices.clone();
    all.push(parts.rhs.clone());
    all.extend((0..parts.matrices.len()).map(|q| residual.columns(q).rows));
    all.push(residual.rhs_columns().rows);
    let mut text = format!("{} {} {}\n", model.n_modes(), parts.matrices.len(), residual.n_rows());
    for m in all {
        for row in m.row_iter() {
            let row: Vec<String> = row.iter().map(|x| format!("{x:e}")).collect();
            text += &(row.join(" ") + "\n");
        }
    }
    std::fs::write(path, text)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let blocks = Blocks::new(N_SQUARES, SIDE);
    let mut seconds = Vec::new();
    forget_peak();
    for _ in 0..RUNS {
        seconds.push(timed(|| greedy(&blocks).map(|_| ())).0);
    }
    let model = greedy(&blocks)?;
    let rows = model.residual().map_or(0, |r| r.n_rows());
    println!(
        "greedy, {N_TRAINING} training points, {} unknowns, {} modes: {:.2} CPU s, median of {RUNS}, peak memory {:.2} GB",
        blocks.n_dofs(),
        model.n_modes(),
        median(seconds),
        peak_gigabytes()
    );
    let (theta, gamma) = conductivities(1, 2).at(0);
    let mut workspace = model.workspace();
    let solve = least_seconds(|| {
        std::hint::black_box(model.solve(&theta, &gamma, N_MODES, &mut workspace).expect("a solution"));
    });
    let both = least_seconds(|| {
        let (_, residual) = model.solve_with_residual(&theta, &gamma, N_MODES, &mut workspace).expect("a solution");
        std::hint::black_box(solution_bound(&residual, least(&theta)).expect("a bound"));
    });
    println!("solve {:.2} µs; solve and bound ({rows} rows of the residual) {:.2} µs", 1e6 * solve, 1e6 * both);
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("reduced.txt");
    write(&model, &path)?;
    let (_, residual) = model.solve_with_residual(&theta, &gamma, N_MODES, &mut workspace)?;
    let bound = format!("{:e}", solution_bound(&residual, least(&theta))?.bound);
    let theta: Vec<String> = theta.iter().map(|t| format!("{t:e}")).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/certified_peers.py");
    match Command::new("python3").arg(script).arg(&path).arg(bound).args(theta).status() {
        Ok(status) if status.success() => {}
        _ => println!("pyMOR: not there (pip install pymor)"),
    }
    Ok(())
}

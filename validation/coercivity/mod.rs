//! Stability constants of the thermal block; see README.md of this folder.

use crate::scores::{largest, median};
use crate::table::{Bound, Table};
use crate::thermal_block::blocks::Blocks;
use faer::Mat;
use kolmo::Result;
use kolmo::algorithms::coercivity::multipliers::Workspace;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::symmetric_pencil::{Smallest, SymmetricPencil};
use kolmo::offline::coercivity::{ScmOptions, min_theta_references, successive_constraint_method};
use rand::{Rng, SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use std::time::Instant;

/// Squares along a side; of the large problem.
const N_SQUARES: usize = 60;
const N_SQUARES_LARGE: usize = 315;
const SIDE: usize = 3;
const N_TERMS: usize = SIDE * SIDE;
const N_TRAINING: usize = 1000;
const N_TEST: usize = 1000;

/// Fills the table.
pub fn run(table: &mut Table) -> Result<()> {
    let blocks = Blocks::new(N_SQUARES, SIDE);
    let energy = blocks.energy();
    let with_mass: Vec<f64> = energy.data().iter().zip(&blocks.mass).map(|(k, m)| k + m).collect();
    let mut constants = Vec::new();
    for (name, x, most) in [
        ("energy", energy, Bound::AtMost(0.2)),
        ("H1", blocks.matrix(&with_mass), Bound::AtMost(0.2)),
        // The range of each quotient is as wide as the grid is fine: nothing is promised.
        ("L2", blocks.matrix(&blocks.mass), Bound::Shown),
    ] {
        let pencil = SymmetricPencil::new(&blocks.terms, &InnerProduct::Sparse(x))?;
        let truth = truths(&pencil)?;
        bounds(table, name, &pencil, &truth, most)?;
        constants.push(truth);
    }
    // A hat function inside a block has all its energy there.
    let test = conductivities(N_TEST, 2);
    let least = |j: usize| test.col(j).iter().copied().fold(f64::INFINITY, f64::min);
    let off: Vec<f64> = constants[0].iter().enumerate().map(|(j, c)| (c.upper / least(j) - 1.0).abs()).collect();
    table.row("energy: constant against the least conductivity", largest(&off), Bound::AtMost(1e-9));
    large(table)
}

/// mu of the blocks, uniform in (0.1, 1), as coefficients.
fn conductivities(m: usize, seed: u64) -> Mat<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    Mat::from_fn(N_TERMS, m, |_, _| rng.random_range(0.1..1.0))
}

fn column(m: &Mat<f64>, j: usize) -> Vec<f64> {
    m.col(j).iter().copied().collect()
}

/// The constants at the test points, enclosed.
fn truths(pencil: &SymmetricPencil) -> Result<Vec<Smallest>> {
    let test = conductivities(N_TEST, 2);
    (0..N_TEST).into_par_iter().map(|j| pencil.smallest(&column(&test, j))).collect()
}

/// Lower and upper bounds and those of min-theta beside the constants.
fn bounds(table: &mut Table, name: &str, pencil: &SymmetricPencil, truth: &[Smallest], most: Bound) -> Result<()> {
    let (training, test) = (conductivities(N_TRAINING, 1), conductivities(N_TEST, 2));
    let options = ScmOptions { max_constraints: 60, ..ScmOptions::default() };
    let begin = cpu_seconds();
    let (model, found) = successive_constraint_method(pencil, training.as_ref(), &options)?;
    let seconds = cpu_seconds() - begin;
    table.row(format!("{name}: constraints"), model.constraints().len() as f64, Bound::Shown);
    table.row(format!("{name}: largest gap in training"), found.largest[found.largest.len() - 1], Bound::Shown);
    table.row(format!("{name}: CPU seconds of training"), seconds, Bound::Shown);
    let mut memory = Workspace::default();
    let begin = Instant::now();
    let found = (0..N_TEST).map(|j| model.bounds(&column(&test, j), &mut memory)).collect::<Result<Vec<_>>>()?;
    let seconds = begin.elapsed().as_secs_f64() / N_TEST as f64;
    table.row(format!("{name}: seconds of a bound"), seconds, Bound::Shown);
    let lower: Vec<f64> = found.iter().map(|b| b.lower).collect();
    gaps(table, name, "lower bound", &lower, truth, most);
    let above: Vec<f64> = found.iter().zip(truth).map(|(b, t)| b.upper / t.upper - 1.0).collect();
    table.row(format!("{name}: upper bound over the constant, largest"), 1.0 + largest(&above), Bound::Shown);
    table.row(format!("{name}: upper bound over the constant, median"), 1.0 + median(&above), Bound::Shown);
    let one = Mat::full(N_TERMS, 1, 1.0);
    let chosen = Mat::from_fn(N_TERMS, model.constraints().len(), |q, j| model.constraints()[j].theta[q]);
    for (what, references) in [("min-theta, mu = 1", one), ("min-theta, where constraints are", chosen)] {
        let simple = min_theta_references(pencil, references.as_ref())?;
        let least = (0..N_TEST).map(|j| Ok(simple.min_theta(&column(&test, j))?.value()));
        gaps(table, name, what, &least.collect::<Result<Vec<_>>>()?, truth, Bound::Shown);
    }
    Ok(())
}

fn gaps(table: &mut Table, name: &str, what: &str, lower: &[f64], truth: &[Smallest], most: Bound) {
    let wrong = lower.iter().zip(truth).filter(|(b, t)| **b > t.upper).count();
    let gaps: Vec<f64> = lower.iter().zip(truth).map(|(b, t)| (t.upper - b) / t.upper).collect();
    table.row(format!("{name}: {what}: points above the constant"), wrong as f64, Bound::AtMost(0.0));
    table.row(format!("{name}: {what}: gap, largest"), largest(&gaps), most);
    table.row(format!("{name}: {what}: gap, median"), median(&gaps), Bound::Shown);
}

/// One constant of a large problem, and the width of its proof.
fn large(table: &mut Table) -> Result<()> {
    let blocks = Blocks::new(N_SQUARES_LARGE, SIDE);
    let begin = cpu_seconds();
    let pencil = SymmetricPencil::new(&blocks.terms, &InnerProduct::Sparse(blocks.energy()))?;
    table.row("large: dofs", blocks.n_dofs() as f64, Bound::Shown);
    table.row("large: CPU seconds of the norm", cpu_seconds() - begin, Bound::Shown);
    let begin = cpu_seconds();
    let found = pencil.smallest(&column(&conductivities(1, 3), 0))?;
    table.row("large: CPU seconds of a constant", cpu_seconds() - begin, Bound::Shown);
    let width = (found.upper - found.lower) / found.upper;
    table.row("large: width of its enclosure", width, Bound::Between(0.0, 1e-4));
    Ok(())
}

/// CPU seconds of this process: where others use the machine, these tell more.
fn cpu_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = text.split_whitespace().skip(13).take(2).filter_map(|t| t.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

//! The likelihood of a Gaussian process: kernel matrices as functions of the length scale, interpolated at EIM nodes.

use crate::scores::largest;
use crate::table::{Bound, Table};
use faer::Mat;
use kolmo::Result;
use kolmo::algorithms::affine_decomposition::EntryOptions;
use kolmo::algorithms::affine_decomposition::entries::choose_entries;
use kolmo::algorithms::kernel::Kernel;
use kolmo::algorithms::matrix_functions::{Options, matrix_functions};
use kolmo::linalg::dense;
use kolmo::{Error, algorithms::eim::lebesgue_sum};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::time::Instant;

/// Points in the unit square, their observations, and the noise.
pub struct Points {
    pub x: Vec<[f64; 2]>,
    pub y: Vec<f64>,
}

pub const NOISE: f64 = 0.01;
const RANGE: (f64, f64) = (0.1, 0.8);
const N_POINTS: usize = 1000;
const N_TRAINING: usize = 80;
const N_TEST: usize = 20;

impl Points {
    pub fn new(n: usize, seed: u64) -> Points {
        let mut rng = StdRng::seed_from_u64(seed);
        let x: Vec<[f64; 2]> = (0..n).map(|_| [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)]).collect();
        let y = x.iter().map(|x| (5.0 * x[0]).sin() * (4.0 * x[1]).cos() + rng.random_range(-0.1..0.1)).collect();
        Points { x, y }
    }

    /// Entry (i, j) of the Matérn 5/2 kernel with noise.
    pub fn entry(&self, i: usize, j: usize, length: f64) -> f64 {
        let (a, b) = (self.x[i], self.x[j]);
        let r2 = ((a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2)) / (length * length);
        Kernel::Matern52.correlation(r2) + if i == j { NOISE } else { 0.0 }
    }

    pub fn matrix(&self, length: f64) -> Mat<f64> {
        let n = self.x.len();
        let lower = Mat::from_fn(n, n, |i, j| if i >= j { self.entry(i, j, length) } else { 0.0 });
        Mat::from_fn(n, n, |i, j| lower[(i.max(j), i.min(j))])
    }

    /// log det K and yᵀ K⁻¹ y by Cholesky.
    pub fn terms_of_likelihood(&self, length: f64) -> Result<[f64; 2]> {
        let mut k = self.matrix(length);
        dense::cholesky_in_place(k.as_mut()).map_err(|p| Error::argument("kernel matrix", p, "definite"))?;
        let n = self.y.len();
        let mut half = Mat::from_fn(n, 1, |i, _| self.y[i]);
        dense::solve_lower(k.as_ref(), half.as_mut());
        let log_det = (0..n).map(|i| 2.0 * k[(i, i)].ln()).sum();
        Ok([log_det, half.col(0).squared_norm_l2()])
    }
}

/// -(log det K + yᵀ K⁻¹ y + n log 2 pi) / 2 without the constant.
fn likelihood(terms: [f64; 2]) -> f64 {
    -0.5 * (terms[0] + terms[1])
}

fn length(t: f64) -> f64 {
    RANGE.0 * (RANGE.1 / RANGE.0).powf(t)
}

pub fn run(table: &mut Table) -> Result<()> {
    let points = Points::new(N_POINTS, 0);
    let mut rng = StdRng::seed_from_u64(1);
    let entries: Vec<(usize, usize)> =
        (0..300).map(|_| (rng.random_range(0..N_POINTS), rng.random_range(0..N_POINTS))).collect();
    let numbers: Vec<usize> = entries.iter().map(|(i, j)| i * N_POINTS + j).collect();
    let training: Vec<f64> = (0..N_TRAINING).map(|j| length(j as f64 / (N_TRAINING - 1) as f64)).collect();
    let pool = Mat::from_fn(300, N_TRAINING, |e, j| points.entry(entries[e].0, entries[e].1, training[j]));
    let options = EntryOptions { terms: Some(4), ..EntryOptions::default() };
    let fit = choose_entries(pool.as_ref(), &numbers, &options)?;
    let alpha = |length: f64| {
        let own: Vec<f64> = fit.entries.iter().map(|e| points.entry(e / N_POINTS, e % N_POINTS, length)).collect();
        fit.coefficients(&own)
    };
    let alphas: Vec<Vec<f64>> = training.iter().map(|l| alpha(*l)).collect();
    let alphas = Mat::from_fn(fit.n_terms(), N_TRAINING, |k, j| alphas[j][k]);
    let tests: Vec<f64> = (0..N_TEST).map(|_| length(rng.random_range(0.0..1.0))).collect();
    let start = Instant::now();
    let truth = tests.iter().map(|l| points.terms_of_likelihood(*l)).collect::<Result<Vec<_>>>()?;
    let exact_seconds = start.elapsed().as_secs_f64() / N_TEST as f64;
    table.row(
        "kernel, 1000 points: log det, least of 20",
        truth.iter().map(|t| t[0]).fold(f64::INFINITY, f64::min),
        Bound::Shown,
    );
    for (d, bound) in [(10, Bound::AtMost(1.0)), (15, Bound::AtMost(1e-2))] {
        let f = matrix_functions(alphas.as_ref(), &Options { degree: 2, max_nodes: Some(d), ..Options::default() })?;
        let values = f.nodes.iter().map(|j| points.terms_of_likelihood(training[*j])).collect::<Result<Vec<_>>>()?;
        let values = Mat::from_fn(2, d, |i, r| values[r][i]);
        let (mut of_log_det, mut of_likelihood, mut sums) = (Vec::new(), Vec::new(), Vec::new());
        let start = Instant::now();
        for (l, truth) in tests.iter().zip(&truth) {
            let weights = f.weights(&alpha(*l))?;
            let found = f.combine(values.as_ref(), &weights)?;
            of_log_det.push((found[0] - truth[0]).abs());
            of_likelihood.push((likelihood([found[0], found[1]]) - likelihood(*truth)).abs());
            sums.push(lebesgue_sum(&weights));
        }
        let seconds = start.elapsed().as_secs_f64() / N_TEST as f64;
        let mut row =
            |what: &str, found: f64, bound: Bound| table.row(format!("kernel, {d} nodes: {what}"), found, bound);
        row("log det, largest error", largest(&of_log_det), bound);
        row("log likelihood, largest error", largest(&of_likelihood), Bound::Shown);
        row("largest sum of |lambda|", largest(&sums), Bound::Shown);
        row("log det, largest error of Chebyshev interpolation", chebyshev(&points, d, &tests, &truth)?, Bound::Shown);
        row("seconds of a likelihood", seconds, Bound::Shown);
        row("speed-up over Cholesky", exact_seconds / seconds, Bound::AtLeast(10.0));
    }
    table.row("kernel, 1000 points: seconds of a likelihood by Cholesky", exact_seconds, Bound::Shown);
    Ok(())
}

/// Largest error of log det by interpolation in the logarithm of the length scale, at d Chebyshev points.
fn chebyshev(points: &Points, d: usize, tests: &[f64], truth: &[[f64; 2]]) -> Result<f64> {
    let angle = |r: usize| std::f64::consts::PI * (r as f64 + 0.5) / d as f64;
    let at: Vec<f64> = (0..d).map(|r| 0.5 + 0.5 * angle(r).cos()).collect();
    let values = at.iter().map(|t| Ok(points.terms_of_likelihood(length(*t))?[0])).collect::<Result<Vec<f64>>>()?;
    let missed = tests.iter().zip(truth).map(|(l, truth)| {
        let t = (l / RANGE.0).ln() / (RANGE.1 / RANGE.0).ln();
        // Barycentric formula.
        let share = |r: usize| (1.0 - 2.0 * (r % 2) as f64) * angle(r).sin() / (t - at[r]);
        let (over, under) = (0..d).fold((0.0, 0.0), |(o, u), r| (o + share(r) * values[r], u + share(r)));
        (over / under - truth[0]).abs()
    });
    Ok(largest(&missed.collect::<Vec<f64>>()))
}

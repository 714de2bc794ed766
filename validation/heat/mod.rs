//! POD and Gaussian processes against a full-order heat solver; see README.md of this folder.

mod solver;

use crate::scores::{Scores, deviation, largest, least, mean, median, rank_correlation, scores};
use crate::table::{Bound, Table};
use faer::Mat;
use kolmo::Result;
use kolmo::algorithms::pod::{PodOptions, Truncation};
use kolmo::data::{self, FieldInfo, Location};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::mesh::mass_matrix::mass_matrix;
use kolmo::offline::pod_regression::{FieldSnapshots, Options, pod_regression};
use kolmo::online::PodRegression;
use rand::{Rng, SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use solver::{Problem, Solver};
use sprs::CsMat;
use std::time::Instant;

/// Squares along a side: 40,401 points; and of the coarse mesh on which many models are trained.
const N_FINE: usize = 200;
const N_COARSE: usize = 40;
const N_TRAINING: usize = 60;
const N_TEST: usize = 100;
/// Training sets over which coverage is averaged.
const N_SETS: u64 = 8;
const INPUTS: [&str; 3] = ["log10_conductivity", "log10_transfer", "source_x"];
const RANGES: [(f64, f64); 3] = [(-1.0, 1.0), (-1.0, 1.0), (0.2, 0.8)];
const OUTPUTS: [&str; 2] = ["mean", "largest"];

/// Fills the table.
pub fn run(table: &mut Table) -> Result<()> {
    convergence(table)?;
    let fine = Solver::new(N_FINE)?;
    let data = DataSet::new(&fine, 1)?;
    let model = data.train()?;
    accuracy(table, &data, &model)?;
    by_modes(table, &data, &model)?;
    timing(table, &fine, &data, &model)?;
    coverage_over_training_sets(table)
}

/// The plate with an inclusion in its middle, cooled from below by h = 10 and by h from the other sides, heated by a
/// spot of total power 1.
fn plate(solver: &Solver, inputs: &[f64; 3]) -> Result<Vec<f64>> {
    let (k, h, centre) = (10.0_f64.powf(inputs[0]), 10.0_f64.powf(inputs[1]), inputs[2]);
    let inclusion = |[x, y]: [f64; 2]| (0.3..0.7).contains(&x) && (0.3..0.6).contains(&y);
    let square = 0.1_f64.powi(2);
    solver.solve(&Problem {
        conductivity: &|p| if inclusion(p) { k } else { 1.0 },
        source: &|[x, y]| {
            let distance = (x - centre).powi(2) + (y - 0.8).powi(2);
            (-0.5 * distance / square).exp() / (2.0 * std::f64::consts::PI * square)
        },
        transfer: &|[_, y]| if y < 1e-9 { 10.0 } else { h },
        outside: &|_| 0.0,
    })
}

/// Random inputs and the full-order answers: the first `N_TRAINING` train, the others test.
struct DataSet {
    x: Vec<[f64; 3]>,
    solutions: Vec<Vec<f64>>,
    outputs: Vec<[f64; 2]>,
    mass: CsMat<f64>,
}

impl DataSet {
    fn new(solver: &Solver, seed: u64) -> Result<DataSet> {
        let mut rng = StdRng::seed_from_u64(seed);
        let x: Vec<[f64; 3]> =
            (0..N_TRAINING + N_TEST).map(|_| RANGES.map(|(low, high)| rng.random_range(low..high))).collect();
        let solutions: Vec<Vec<f64>> = x.par_iter().map(|x| plate(solver, x)).collect::<Result<_>>()?;
        let mass = mass_matrix(&solver.mesh)?;
        let weights: Vec<f64> = mass.outer_iterator().map(|row| row.data().iter().sum()).collect();
        let average = |u: &[f64]| u.iter().zip(&weights).map(|(u, w)| u * w).sum::<f64>();
        let outputs = solutions.iter().map(|u| [average(u), largest(u)]).collect();
        Ok(DataSet { x, solutions, outputs, mass })
    }

    fn columns(&self, first: usize, n: usize) -> Mat<f64> {
        Mat::from_fn(self.mass.rows(), n, |i, j| self.solutions[first + j][i])
    }

    fn train(&self) -> Result<PodRegression> {
        let n_dofs = self.mass.rows();
        let name = "temperature".to_string();
        let info = FieldInfo { name, location: Location::Point, n_entities: n_dofs, n_components: 1, vector: false };
        let snapshots = Box::new(TallMatrix::new(Layout::serial(n_dofs), self.columns(0, N_TRAINING))?);
        let inner_product = InnerProduct::Sparse(self.mass.clone());
        let field = FieldSnapshots { info, snapshots, inner_product, rows: None };
        let inputs = data::Table::new(INPUTS.map(String::from).to_vec(), self.x[..N_TRAINING].concat())?;
        let outputs = data::Table::new(OUTPUTS.map(String::from).to_vec(), self.outputs[..N_TRAINING].concat())?;
        let pod = PodOptions { truncation: Truncation::Tolerance(1e-4), ..PodOptions::default() };
        pod_regression(&inputs, vec![field], &outputs, &Options { pod, confidence: 0.95, ..Options::default() })
    }

    fn test_points(&self) -> Mat<f64> {
        Mat::from_fn(N_TEST, INPUTS.len(), |i, j| self.x[N_TRAINING + i][j])
    }

    fn scores(&self, model: &PodRegression) -> Result<Scores> {
        let truth = self.columns(N_TRAINING, N_TEST);
        scores(model, self.test_points().as_ref(), truth.as_ref(), &self.mass)
    }

    /// Relative errors of a scalar output, and the share inside the interval.
    fn scalar_scores(&self, model: &PodRegression, k: usize) -> Result<(Vec<f64>, f64)> {
        let p = model.predict(self.test_points().as_ref())?;
        let n = OUTPUTS.len();
        let error = |i: usize| (p.scalars[n * i + k] - self.outputs[N_TRAINING + i][k]).abs();
        let inside = (0..N_TEST).filter(|&i| error(i) <= p.scalars_interval[n * i + k]).count();
        let relative = (0..N_TEST).map(|i| error(i) / self.outputs[N_TRAINING + i][k]).collect();
        Ok((relative, inside as f64 / N_TEST as f64))
    }

    /// Test points outside the box of the training points.
    fn outside(&self) -> Vec<u8> {
        let (training, test) = self.x.split_at(N_TRAINING);
        let beyond =
            |x: &[f64; 3], j: usize| training.iter().all(|t| t[j] < x[j]) || training.iter().all(|t| t[j] > x[j]);
        test.iter().map(|x| u8::from((0..3).any(|j| beyond(x, j)))).collect()
    }
}

/// Order of the solver on a smooth problem with a known solution.
fn convergence(table: &mut Table) -> Result<()> {
    let exact = |[x, y]: [f64; 2]| 2.0 + (2.0 * x).sin() * (3.0 * y).cos();
    let gradient =
        |[x, y]: [f64; 2]| [2.0 * (2.0 * x).cos() * (3.0 * y).cos(), -3.0 * (2.0 * x).sin() * (3.0 * y).sin()];
    let conductivity = |[x, y]: [f64; 2]| 1.0 + x + y * y;
    let transfer = |[x, y]: [f64; 2]| 2.0 + x - y;
    let source = |p: [f64; 2]| {
        let [dx, dy] = gradient(p);
        13.0 * conductivity(p) * (exact(p) - 2.0) - (dx + 2.0 * p[1] * dy)
    };
    let outside = |p: [f64; 2]| {
        let [dx, dy] = gradient(p);
        let normal = |x: f64| f64::from(x > 1.0 - 1e-9) - f64::from(x < 1e-9);
        exact(p) + conductivity(p) * (dx * normal(p[0]) + dy * normal(p[1])) / transfer(p)
    };
    let problem = Problem { conductivity: &conductivity, source: &source, transfer: &transfer, outside: &outside };
    let mut errors = Vec::new();
    for n in [32, 64, 128] {
        let solver = Solver::new(n)?;
        errors.push(solver.l2_distance(&solver.solve(&problem)?, &exact));
    }
    table.row("solver: L2 error, h = 1/128", errors[2], Bound::AtMost(6e-5));
    for (k, n) in [(1, 64), (2, 128)] {
        let order = (errors[k - 1] / errors[k]).log2();
        table.row(format!("solver: order in L2, h = 1/{} to 1/{n}", n / 2), order, Bound::Between(1.9, 2.1));
    }
    Ok(())
}

fn accuracy(table: &mut Table, data: &DataSet, model: &PodRegression) -> Result<()> {
    let s = data.scores(model)?;
    table.row("field: modes", model.fields[0].n_modes() as f64, Bound::Between(20.0, 30.0));
    table.row("field: relative L2 error, mean", mean(&s.error), Bound::AtMost(4e-3));
    table.row("field: relative L2 error, largest", largest(&s.error), Bound::AtMost(2.5e-2));
    table.row("field: best approximation in the basis, mean", mean(&s.projection), Bound::AtMost(4e-4));
    table.row("field: best approximation in the basis, largest", largest(&s.projection), Bound::AtMost(3e-3));
    table.row("field: coverage of the 95 % interval", mean(&s.coverage), Bound::Between(0.85, 0.99));
    for (k, name) in OUTPUTS.iter().enumerate() {
        let (error, coverage) = data.scalar_scores(model, k)?;
        table.row(format!("{name} temperature: relative error, mean"), mean(&error), Bound::AtMost(3e-3));
        table.row(format!("{name} temperature: relative error, largest"), largest(&error), Bound::AtMost(2.5e-2));
        table.row(format!("{name} temperature: coverage"), coverage, Bound::AtLeast(0.75));
    }
    let p = model.predict(data.test_points().as_ref())?;
    let ratio: Vec<f64> = p.indicator().iter().zip(&s.error).map(|(i, e)| i / e).collect();
    table.row("indicator / error, least", least(&ratio), Bound::AtLeast(0.25));
    table.row("indicator / error, median", median(&ratio), Bound::Between(0.7, 2.0));
    table.row("indicator / error, largest", largest(&ratio), Bound::AtMost(6.0));
    let correlation = rank_correlation(&p.indicator(), &s.error);
    table.row("indicator and error: rank correlation", correlation, Bound::AtLeast(0.7));
    let outside = data.outside();
    let wrong = p.flags.iter().zip(&outside).filter(|(flag, out)| flag != out).count();
    table.row(
        "test points outside the training box",
        outside.iter().filter(|o| **o == 1).count() as f64,
        Bound::AtLeast(1.0),
    );
    table.row("wrong flags", wrong as f64, Bound::AtMost(0.0));
    Ok(())
}

fn by_modes(table: &mut Table, data: &DataSet, model: &PodRegression) -> Result<()> {
    let mut worst = 0.0_f64;
    for (n, most) in [(1, 0.3), (2, 0.16), (4, 0.06), (8, 0.015), (16, 4.6e-3)] {
        let s = data.scores(&model.truncated(n))?;
        table.row(format!("field: mean error, n_modes = {n}"), mean(&s.error), Bound::AtMost(most));
        if n <= 8 {
            worst = worst.max(mean(&s.error) / mean(&s.projection));
        }
    }
    table.row("field: error / best approximation, up to 8 modes", worst, Bound::Between(1.0, 1.1));
    Ok(())
}

/// One thread does the full solve, so the reduced answers are given one thread too.
fn timing(table: &mut Table, solver: &Solver, data: &DataSet, model: &PodRegression) -> Result<()> {
    let evaluate = |x: &Mat<f64>| -> Result<f64> {
        let (start, field) = (Instant::now(), &model.fields[0]);
        let p = model.predict(x.as_ref())?;
        let u = field.reconstruct(p.coefficients[0].as_ref())?;
        std::hint::black_box((u, field.standard_deviation(p.variances[0].as_ref())?));
        Ok(start.elapsed().as_secs_f64() / x.nrows() as f64)
    };
    let (mut full, mut single, mut batch) = (Vec::new(), Vec::new(), Vec::new());
    let points = data.test_points();
    let one_thread = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .map_err(|e| kolmo::Error::argument("threads", e, "a pool of one thread"))?;
    for i in 0..9 {
        let start = Instant::now();
        std::hint::black_box(plate(solver, &data.x[i])?);
        full.push(start.elapsed().as_secs_f64());
        single.push(one_thread.install(|| evaluate(&points.subrows(i, 1).to_owned()))?);
        batch.push(one_thread.install(|| evaluate(&points))?);
    }
    table.row("seconds of a full solve", median(&full), Bound::Shown);
    table.row("seconds of field and deviation, one point", median(&single), Bound::Shown);
    table.row("seconds of field and deviation, one of 100", median(&batch), Bound::Shown);
    table.row("speed-up, one point", median(&full) / median(&single), Bound::AtLeast(3.0));
    table.row("speed-up, batch of 100 points", median(&full) / median(&batch), Bound::AtLeast(10.0));
    Ok(())
}

/// Coverage is a promise on average over training sets; a single one may lie far from it.
fn coverage_over_training_sets(table: &mut Table) -> Result<()> {
    let solver = Solver::new(N_COARSE)?;
    let one = |seed: u64| -> Result<(Scores, [f64; 2])> {
        let data = DataSet::new(&solver, seed)?;
        let model = data.train()?;
        Ok((data.scores(&model)?, [data.scalar_scores(&model, 0)?.1, data.scalar_scores(&model, 1)?.1]))
    };
    let sets: Vec<(Scores, [f64; 2])> = (1..=N_SETS).into_par_iter().map(one).collect::<Result<_>>()?;
    let error: f64 = sets.iter().map(|(s, _)| s.mean_square_error).sum();
    let width: f64 = sets.iter().map(|(s, _)| s.mean_square_width).sum();
    let field: Vec<f64> = sets.iter().map(|(s, _)| mean(&s.coverage)).collect();
    let [average, highest] = [0, 1].map(|k| sets.iter().map(|(_, shares)| shares[k]).collect::<Vec<f64>>());
    let bound = Bound::Between(0.85, 1.0);
    for (what, shares) in [("field", field), ("mean temperature", average), ("largest temperature", highest)] {
        table.row(format!("{N_SETS} training sets: coverage, {what}"), mean(&shares), bound);
        table.row(format!("{N_SETS} training sets: its standard deviation"), deviation(&shares), Bound::Shown);
    }
    let ratio = (error / width).sqrt();
    table.row(format!("{N_SETS} training sets: rms error / rms half-width"), ratio, Bound::Between(0.3, 0.8));
    Ok(())
}

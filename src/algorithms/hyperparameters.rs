//! Length scales and noise of a Gaussian process by maximum posterior, kernel and mean by leave-one-out likelihood.

use crate::algorithms::gaussian_process::{GaussianProcess, GpOptions, GpParts, Mean, check_data, rows};
use crate::algorithms::kernel::Kernel;
use crate::algorithms::restricted_likelihood::{Priors, RestrictedLikelihood, Solution};
use crate::comm::{Communicator, SingleComm, share_out};
use crate::error::{Error, Result};
use crate::linalg::quasi_newton::{QuasiNewtonOptions, minimize_bounded};
use faer::{Mat, MatRef};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cell::RefCell;

/// Largest noise variance, relative to the amplitude.
const NOISE_CEILING: f64 = 1e3;
/// A restart replaces an earlier one if its objective is lower by this, relative to 1 + |objective|.
const RESTART_MARGIN: f64 = 1e-7;
/// Another kernel or mean replaces the first if its leave-one-out log likelihood is higher by this.
const CHOICE_MARGIN: f64 = 1.0;
/// Above this number of samples the restarts are screened by a few steps before the best ones go on.
const SCREENED_FROM: usize = 100;

/// The chosen model of one group of outputs.
pub(crate) struct Choice {
    pub kernel: Kernel,
    pub mean: Mean,
    /// log length scales, log noise ratio
    pub theta: Vec<f64>,
    pub solution: Solution,
    /// Leave-one-out log predictive likelihood of each output.
    pub scores: Vec<f64>,
}

impl Choice {
    fn score(&self, weights: &[f64]) -> f64 {
        self.scores.iter().zip(weights).map(|(s, w)| s * w).sum()
    }

    /// What determines it, and the scores: choices between models are made by the same numbers on all ranks.
    pub fn pack(&self) -> Vec<f64> {
        let position = |found: Option<usize>| found.unwrap_or_default() as f64;
        let kernel = position(Kernel::ALL.iter().position(|k| *k == self.kernel));
        let mean = position(Mean::ALL.iter().position(|m| *m == self.mean));
        [&[kernel, mean], &self.scores[..], &self.theta].concat()
    }
}

/// Trend functions at standardised points (m x d): none, 1, or 1 and the inputs, held to the training box widened
/// by a tenth so that a linear mean does not run away.
pub(crate) fn trend(mean: Mean, x: MatRef<'_, f64>, ranges: &[(f64, f64)]) -> Mat<f64> {
    let varying: Vec<(usize, f64, f64)> = match mean {
        Mean::Linear => {
            let widened = |(j, (low, high)): (usize, &(f64, f64))| {
                let margin = 0.1 * (high - low);
                (high > low).then_some((j, low - margin, high + margin))
            };
            ranges.iter().enumerate().filter_map(widened).collect()
        }
        _ => Vec::new(),
    };
    let p = if mean == Mean::Zero { 0 } else { 1 + varying.len() };
    let mut h = Mat::from_fn(x.nrows(), p, |_, _| 1.0);
    for (k, (j, low, high)) in varying.into_iter().enumerate() {
        for i in 0..x.nrows() {
            h[(i, k + 1)] = x[(i, j)].clamp(low, high);
        }
    }
    h
}

/// Least and largest entry of each column.
pub(crate) fn ranges(x: MatRef<'_, f64>) -> Vec<(f64, f64)> {
    let range = |j: usize| {
        x.col(j).iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(*v), high.max(*v)))
    };
    (0..x.ncols()).map(range).collect()
}

/// Standardised data x (n x d), y (n x r), and the ranks that share out starts and models.
struct Task<'a> {
    x: &'a Mat<f64>,
    y: &'a Mat<f64>,
    weights: &'a [f64],
    options: &'a GpOptions,
    comm: &'a dyn Communicator,
}

/// Chooses everything from the given starting points. Collective.
fn choose(task: &Task<'_>, starts: &[Vec<f64>]) -> Result<Choice> {
    let (d, options) = (task.x.ncols(), task.options);
    let first_kernel = options.kernel.unwrap_or(Kernel::ALL[0]);
    let first_mean = options.mean.unwrap_or(Mean::Constant);
    let mut best = fit(task, first_kernel, first_mean, starts)?;
    if options.kernel.is_none() {
        let others = Kernel::ALL.into_iter().filter(|k| *k != first_kernel);
        best = better(task, best, &others.map(|k| (k, first_mean)).collect::<Vec<_>>())?;
    }
    if options.mean.is_none() && task.x.nrows() >= 2 * d + 4 {
        let kernel = best.kernel;
        best = better(task, best, &[(kernel, Mean::Linear)])?;
    }
    Ok(best)
}

/// The best of a choice and of other models fitted from its theta; the first stays unless another is better by the
/// margin. Collective.
fn better(task: &Task<'_>, mut best: Choice, others: &[(Kernel, Mean)]) -> Result<Choice> {
    let (start, alone) = ([best.theta.clone()], Task { comm: &SingleComm, ..*task });
    // A model that cannot be fitted is none.
    let fits = share_out(task.comm, others.len(), |i| {
        Ok(fit(&alone, others[i].0, others[i].1, &start).map(|c| c.pack()).unwrap_or_default())
    })?;
    for packed in fits.iter().filter(|packed| !packed.is_empty()) {
        let other = unpack(task, packed)?;
        if other.score(task.weights) > best.score(task.weights) + CHOICE_MARGIN {
            best = other;
        }
    }
    Ok(best)
}

/// A model that this or another rank has [packed](Choice::pack).
fn unpack(task: &Task<'_>, packed: &[f64]) -> Result<Choice> {
    let named = packed.split_first_chunk::<2>().and_then(|([kernel, mean], rest)| {
        let (scores, theta) = rest.split_at_checked(task.y.ncols())?;
        Some((*Kernel::ALL.get(*kernel as usize)?, *Mean::ALL.get(*mean as usize)?, scores.to_vec(), theta.to_vec()))
    });
    let (kernel, mean, scores, theta) =
        named.ok_or_else(|| Error::argument("numbers of a packed model", packed.len(), "those of a model"))?;
    let solution = likelihood(task, kernel, mean)?.solution(&theta, None).ok_or_else(not_definite)?;
    Ok(Choice { kernel, mean, theta, solution, scores })
}

/// A moderate start, one at the spacing of the samples, and seeded random ones between and beyond.
///
/// Without the short one an output that oscillates between few samples is taken for noise.
fn random_starts(n: usize, d: usize, options: &GpOptions) -> Vec<Vec<f64>> {
    let mut rng = StdRng::seed_from_u64(options.seed);
    let moderate = 0.5 * (d.max(1) as f64).ln();
    // Samples spread evenly over a box of deviation 1.
    let spacing = 12f64.sqrt() * (n.max(1) as f64).powf(-1.0 / d.max(1) as f64);
    let short = (1.5 * spacing).ln().min(moderate - 0.7);
    let mut starts = vec![vec![moderate; d], vec![short; d]];
    starts.iter_mut().for_each(|s| s.push(-9.0));
    while starts.len() < options.restarts {
        let mut start: Vec<f64> = match starts.len() % 2 {
            0 => (0..d).map(|_| moderate + rng.random_range(-1.2..2.3)).collect(),
            // All inputs alike, at any scale.
            _ => vec![rng.random_range(short..moderate + 1.0); d],
        };
        start.push(rng.random_range(-16.0..-3.0));
        starts.push(start);
    }
    starts.truncate(options.restarts);
    starts
}

fn likelihood(task: &Task<'_>, kernel: Kernel, mean: Mean) -> Result<RestrictedLikelihood> {
    let x = task.x;
    let h = trend(mean, x.as_ref(), &ranges(x.as_ref()));
    let mut likelihood = RestrictedLikelihood::new(kernel, x.clone(), task.y.clone(), h, task.weights.to_vec())?;
    likelihood.shared_amplitude = task.options.shared_amplitude;
    likelihood.priors = task.options.priors.then(|| Priors::weak(x.ncols()));
    Ok(likelihood)
}

fn not_definite() -> Error {
    Error::NotPositiveDefinite {
        what: "correlation matrix of the samples".into(),
        pivot: 0,
        mend: "raise the noise floor".into(),
    }
}

/// One kernel and mean, from the given starting points. Collective.
fn fit(task: &Task<'_>, kernel: Kernel, mean: Mean, starts: &[Vec<f64>]) -> Result<Choice> {
    let (d, options) = (task.x.ncols(), task.options);
    let likelihood = likelihood(task, kernel, mean)?;
    let (low, high) = options.length_bounds;
    let mut lower = vec![low.ln(); d];
    let mut upper = vec![high.ln(); d];
    lower.push(options.noise_floor.ln());
    upper.push(NOISE_CEILING.ln());
    let run = |start: &[f64], max_iterations: usize| {
        let scratch = RefCell::new(likelihood.scratch());
        let f = |theta: &[f64]| likelihood.value_and_gradient(theta, &mut scratch.borrow_mut());
        let precision =
            QuasiNewtonOptions { max_iterations, gradient_tolerance: 1e-4, value_tolerance: 1e-9, max_step: 2.0 };
        let found = minimize_bounded(f, start, &lower, &upper, &precision);
        [vec![found.value], found.x].concat()
    };
    let runs = |starts: &[&[f64]], most: usize| task.comm.share(starts.len(), &|i| run(starts[i], most));
    let all: Vec<&[f64]> = starts.iter().map(Vec::as_slice).collect();
    let minima = if starts.len() > 2 && task.x.nrows() > SCREENED_FROM {
        let screened = runs(&all, 10);
        let mut order: Vec<usize> = (0..screened.len()).collect();
        order.sort_by(|a, b| screened[*a][0].total_cmp(&screened[*b][0]).then(a.cmp(b)));
        order.truncate(2);
        order.sort_unstable();
        runs(&order.iter().map(|i| &screened[*i][1..]).collect::<Vec<_>>(), 200)
    } else {
        runs(&all, 200)
    };
    let theta = best_of(minima).ok_or_else(not_definite)?;
    let solution = likelihood.solution(&theta, None).ok_or_else(not_definite)?;
    let scores = (0..task.y.ncols()).map(|j| leave_one_out_score(&solution, j)).collect();
    Ok(Choice { kernel, mean, theta, solution, scores })
}

/// The point of the first feasible minimum (value, point), unless a later one is lower by the margin.
fn best_of(minima: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let mut best: Option<Vec<f64>> = None;
    for m in minima.into_iter().filter(|m| m[0].is_finite()) {
        let lower = |b: &Vec<f64>| m[0] < b[0] - RESTART_MARGIN * (1.0 + b[0].abs());
        if best.as_ref().is_none_or(lower) {
            best = Some(m);
        }
    }
    best.map(|mut m| m.split_off(1))
}

/// sum_i log N(e_i; 0, s_i²) with the leave-one-out residual e_i = [P y]_i / P_ii and variance s_i² = s2 / P_ii.
fn leave_one_out_score(solution: &Solution, output: usize) -> f64 {
    let s2 = solution.amplitudes[output];
    let term = |(a, p): (&f64, &f64)| -0.5 * ((2.0 * std::f64::consts::PI * s2 / p).ln() + a * a / (p * s2));
    solution.alpha.col_as_slice(output).iter().zip(&solution.precision).map(term).sum()
}

impl Priors {
    /// Length scales around 3 √d standard deviations of an input and noise around 1e-6 of the amplitude, both within
    /// factors of many: they decide only where the data do not.
    pub fn weak(n_inputs: usize) -> Self {
        let log_length = 3.0f64.ln() + 0.5 * (n_inputs.max(1) as f64).ln();
        Priors { log_length: (log_length, 3.0f64.sqrt()), log_noise: (1e-6f64.ln(), 6.0) }
    }
}

/// Checked and standardised data.
pub(crate) struct Training {
    x: Mat<f64>,
    y: Mat<f64>,
    pub weights: Vec<f64>,
    input_shift: Vec<f64>,
    input_scale: Vec<f64>,
    output_shift: Vec<f64>,
    output_scale: Vec<f64>,
    is_constant: Vec<bool>,
}

impl Training {
    pub fn new(x: MatRef<'_, f64>, y: MatRef<'_, f64>, weights: Option<&[f64]>, options: &GpOptions) -> Result<Self> {
        check_data(x, y)?;
        options.check()?;
        let weights = match weights {
            None => vec![1.0; y.ncols()],
            Some(w) => {
                let largest = w.iter().copied().fold(0.0, f64::max);
                let usable = w.len() == y.ncols() && w.iter().all(|w| w.is_finite() && *w >= 0.0) && largest > 0.0;
                if !usable {
                    let expected = format!("{} finite weights >= 0, not all zero", y.ncols());
                    return Err(Error::argument("output weights", format!("{w:?}"), expected));
                }
                // A weight of zero would leave an amplitude without an estimate in a group of its own.
                w.iter().map(|w| (w / largest).max(1e-12)).collect()
            }
        };
        let (x, input_shift, input_scale, _) = standardise(x);
        let (y, output_shift, output_scale, is_constant) = standardise(y);
        Ok(Training { x, y, weights, input_shift, input_scale, output_shift, output_scale, is_constant })
    }

    pub fn varying(&self, outputs: &[usize]) -> Vec<usize> {
        outputs.iter().copied().filter(|j| !self.is_constant[*j]).collect()
    }

    fn columns(&self, outputs: &[usize]) -> Mat<f64> {
        Mat::from_fn(self.y.nrows(), outputs.len(), |i, j| self.y[(i, outputs[j])])
    }

    /// Model of a group of varying outputs, started from `warm` points as well. Collective.
    pub fn choose(
        &self,
        comm: &dyn Communicator,
        outputs: &[usize],
        options: &GpOptions,
        warm: &[Vec<f64>],
    ) -> Result<Choice> {
        let mut starts = warm.to_vec();
        starts.extend(random_starts(self.x.nrows(), self.x.ncols(), options));
        self.with_task(comm, outputs, options, |task| choose(task, &starts))
    }

    /// The same from `starts` only, on one rank.
    pub fn choose_from(&self, outputs: &[usize], options: &GpOptions, starts: &[Vec<f64>]) -> Result<Choice> {
        self.with_task(&SingleComm, outputs, options, |task| choose(task, starts))
    }

    /// A model of a group that a rank has chosen and [packed](Choice::pack).
    pub fn unpack(&self, outputs: &[usize], options: &GpOptions, packed: &[f64]) -> Result<Choice> {
        self.with_task(&SingleComm, outputs, options, |task| unpack(task, packed))
    }

    fn with_task<T>(
        &self,
        comm: &dyn Communicator,
        outputs: &[usize],
        options: &GpOptions,
        work: impl FnOnce(&Task<'_>) -> Result<T>,
    ) -> Result<T> {
        let largest = outputs.iter().map(|j| self.weights[*j]).fold(0.0, f64::max);
        let weights: Vec<f64> = outputs.iter().map(|j| self.weights[*j] / largest).collect();
        work(&Task { x: &self.x, y: &self.columns(outputs), weights: &weights, options, comm })
    }

    /// The process of a group, from the model of its varying outputs.
    pub fn finish(&self, outputs: &[usize], choice: Option<Choice>, options: &GpOptions) -> Result<GaussianProcess> {
        let (n, d) = (self.x.nrows(), self.x.ncols());
        let (kernel, mean, theta, solution) = match choice {
            Some(c) => (c.kernel, c.mean, c.theta, Some(c.solution)),
            None => (options.kernel.unwrap_or(Kernel::Matern52), Mean::Zero, vec![0.0; d + 1], None),
        };
        let p = solution.as_ref().map_or(0, |s| s.coefficients.nrows());
        let mut alpha = self.columns(outputs);
        let mut coefficients = Mat::zeros(p, outputs.len());
        let mut amplitudes = Vec::new();
        let mut is_mean = Vec::new();
        let mut varying = 0;
        for (k, j) in outputs.iter().enumerate() {
            let column = alpha.col_as_slice_mut(k);
            let sum_of_squares: f64 = column.iter().map(|v| v * v).sum();
            let fitted = if self.is_constant[*j] { None } else { solution.as_ref().map(|s| (s, varying)) };
            varying += usize::from(fitted.is_some());
            match fitted {
                Some((s, i)) if !options.fallback_to_mean || beats_mean(column, s, i) => {
                    column.copy_from_slice(s.alpha.col_as_slice(i));
                    coefficients.col_as_slice_mut(k).copy_from_slice(s.coefficients.col_as_slice(i));
                    amplitudes.push(s.amplitudes[i]);
                    is_mean.push(false);
                }
                _ => {
                    amplitudes.push(sum_of_squares / (n.max(2) - 1) as f64);
                    is_mean.push(true);
                }
            }
        }
        let (log_noise, log_lengths) = theta.split_last().ok_or_else(|| Error::argument("theta", 0, d + 1))?;
        GaussianProcess::from_parts(GpParts {
            kernel,
            mean,
            n_samples: n,
            n_inputs: d,
            n_outputs: outputs.len(),
            length_scales: log_lengths.iter().map(|l| l.exp()).collect(),
            noise_ratio: log_noise.exp(),
            amplitudes,
            x: rows(self.x.as_ref()),
            alpha: rows(alpha.as_ref()),
            coefficients: rows(coefficients.as_ref()),
            input_shift: self.input_shift.clone(),
            input_scale: self.input_scale.clone(),
            output_shift: outputs.iter().map(|j| self.output_shift[*j]).collect(),
            output_scale: outputs.iter().map(|j| self.output_scale[*j]).collect(),
            is_mean,
            log_likelihood: solution.as_ref().map_or(0.0, |s| s.log_likelihood),
        })
    }
}

/// Whether the squared leave-one-out errors are smaller than those of the mean, by more than half the standard
/// error of the difference.
fn beats_mean(y: &[f64], solution: &Solution, output: usize) -> bool {
    let n = y.len() as f64;
    let loo_mean = |y: &f64| (y * n / (n - 1.0)).powi(2);
    let loo_process = solution.alpha.col_as_slice(output).iter().zip(&solution.precision).map(|(a, p)| (a / p).powi(2));
    let gains: Vec<f64> = y.iter().map(loo_mean).zip(loo_process).map(|(m, p)| m - p).collect();
    let mean = gains.iter().sum::<f64>() / n;
    let variance = gains.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0);
    mean > 0.5 * (variance / n).sqrt()
}

/// (standardised columns, shifts, scales, whether constant to round-off); constant columns become zero with scale 1.
fn standardise(a: MatRef<'_, f64>) -> (Mat<f64>, Vec<f64>, Vec<f64>, Vec<bool>) {
    let n = a.nrows() as f64;
    let (mut shifts, mut scales, mut constants) = (Vec::new(), Vec::new(), Vec::new());
    for column in a.col_iter() {
        // Relative to the largest entry, so that squares of tiny or huge outputs do not leave the range of doubles.
        let largest = column.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let unit = if largest > 0.0 { largest } else { 1.0 };
        let mean = column.iter().map(|v| v / unit).sum::<f64>() / n;
        let deviation = (column.iter().map(|v| (v / unit - mean).powi(2)).sum::<f64>() / n).sqrt();
        let constant = deviation <= 1e-14;
        shifts.push(mean * unit);
        scales.push(if constant { 1.0 } else { deviation * unit });
        constants.push(constant);
    }
    let entry = |i: usize, j: usize| if constants[j] { 0.0 } else { (a[(i, j)] - shifts[j]) / scales[j] };
    (Mat::from_fn(a.nrows(), a.ncols(), entry), shifts, scales, constants)
}

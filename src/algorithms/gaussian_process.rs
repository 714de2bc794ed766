//! Gaussian-process regression of several outputs that share one correlation.

use crate::algorithms::hyperparameters::{Training, ranges, trend};
use crate::algorithms::kernel::Kernel;
use crate::algorithms::restricted_likelihood::RestrictedLikelihood;
use crate::comm::SingleComm;
use crate::error::{Error, Result};
use crate::linalg::dense;
use faer::{Mat, MatRef};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Points predicted at a time by one thread.
const CHUNK: usize = 128;

/// The mean function of a Gaussian process, in standardised inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    /// The training mean, taken as known. Never chosen automatically.
    Zero,
    /// A constant, estimated by generalised least squares.
    Constant,
    /// A constant and a slope per input, estimated likewise; constant again a tenth outside the training box.
    Linear,
}

impl Mean {
    /// All mean functions.
    pub const ALL: [Mean; 3] = [Mean::Zero, Mean::Constant, Mean::Linear];
}

/// Options of [`gaussian_process`].
#[derive(Debug, Clone, PartialEq)]
pub struct GpOptions {
    /// Correlation function; `None`: the one with the best leave-one-out likelihood.
    pub kernel: Option<Kernel>,
    /// Mean function; `None`: constant, or linear where that has the better leave-one-out likelihood.
    pub mean: Option<Mean>,
    /// Number of starts of the optimiser: a moderate one, one at the spacing of the samples, then random ones.
    pub restarts: usize,
    /// Seed of the random starts.
    pub seed: u64,
    /// Weak log-normal priors of the length scales (growing with √d) and of the noise.
    pub priors: bool,
    /// Least noise variance, relative to the amplitude. Smooth noise-free data are met the better the lower it is.
    pub noise_floor: f64,
    /// Least and largest length scale, in standard deviations of an input.
    pub length_bounds: (f64, f64),
    /// One amplitude for all (standardised) outputs instead of one each.
    pub shared_amplitude: bool,
    /// Answers with the mean where leave-one-out says that the process is no better.
    pub fallback_to_mean: bool,
}

impl Default for GpOptions {
    fn default() -> Self {
        GpOptions {
            kernel: None,
            mean: None,
            restarts: 4,
            seed: 0,
            priors: true,
            noise_floor: 1e-10,
            length_bounds: (1e-3, 1e3),
            shared_amplitude: false,
            fallback_to_mean: true,
        }
    }
}

/// A trained process as plain numbers, for files. Matrices are stored by rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpParts {
    /// Correlation function.
    pub kernel: Kernel,
    /// Mean function.
    pub mean: Mean,
    /// Number of training samples n, inputs d and outputs r.
    pub n_samples: usize,
    pub n_inputs: usize,
    pub n_outputs: usize,
    /// Length scales of the standardised inputs, d.
    pub length_scales: Vec<f64>,
    /// Noise variance over amplitude.
    pub noise_ratio: f64,
    /// Amplitude (prior variance) of each standardised output, r.
    pub amplitudes: Vec<f64>,
    /// Standardised training inputs, n x d.
    pub x: Vec<f64>,
    /// P Y of the standardised outputs, n x r; for an output that fell back to its mean, the standardised output
    /// itself.
    pub alpha: Vec<f64>,
    /// Trend coefficients, p x r (p = 0, 1, or 1 + number of varying inputs).
    pub coefficients: Vec<f64>,
    /// Standardised input = (input - shift) / scale, d each.
    pub input_shift: Vec<f64>,
    pub input_scale: Vec<f64>,
    /// Standardised output = (output - shift) / scale, r each.
    pub output_shift: Vec<f64>,
    pub output_scale: Vec<f64>,
    /// Outputs that are answered by their mean, r.
    pub is_mean: Vec<bool>,
    /// log p of the standardised outputs, weights included, priors left out.
    pub log_likelihood: f64,
}

/// Leave-one-out residuals (truth - prediction) and standard deviations, n x r each, in units of the outputs.
#[derive(Debug, Clone)]
pub struct LooResult {
    pub residuals: Mat<f64>,
    pub std: Mat<f64>,
}

/// A trained Gaussian process; see [`gaussian_process`].
#[derive(Debug, Clone)]
pub struct GaussianProcess {
    parts: GpParts,
    /// Training inputs over length scales, n x d.
    scaled: Mat<f64>,
    /// alpha with zeros for outputs that fell back to the mean.
    alpha: Mat<f64>,
    coefficients: Mat<f64>,
    input_ranges: Vec<(f64, f64)>,
    /// Empty after [`release`](GaussianProcess::release).
    factors: OnceLock<Factors>,
}

/// What only variances and leave-one-out need; empty where all outputs are answered by their mean.
#[derive(Debug, Clone)]
struct Factors {
    /// C = L Lᵀ [n, n].
    factor: Mat<f64>,
    /// q = L⁻¹ H and the factor of qᵀq.
    trend_half: Mat<f64>,
    trend_factor: Mat<f64>,
}

/// Gaussian-process regression: y_j = h(x)ᵀ b_j + z_j(x) + noise, cov z_j = s2_j k(x, x'), var noise = s2_j lambda.
///
/// All outputs share the correlation k, its length scales and the noise ratio lambda; the amplitudes s2_j are their
/// own. Length scales and lambda maximise the restricted likelihood (see
/// [`RestrictedLikelihood`](crate::algorithms::restricted_likelihood::RestrictedLikelihood)) times weak priors;
/// kernel and mean are chosen by the leave-one-out log likelihood, where the first (Matern 5/2, constant) stays
/// unless another is better by 1. Inputs and outputs are standardised inside. A theta whose matrix is not positive
/// definite shortens the step; nothing is added to the diagonal but lambda.
///
/// `x` (n x d): inputs in any units. `y` (n x r): outputs in any units. `weights` (r): how much each output counts
/// in the choice of the shared numbers; only ratios matter. Errors: shapes that do not fit, numbers that are not
/// finite, options outside their range. Cost: O(n³ + n² (d + r)) per evaluation, some hundred evaluations; starts
/// run in parallel, and the result does not depend on the number of threads. Not collective.
///
/// Reference: C. Rasmussen, C. Williams, Gaussian Processes for Machine Learning, chapters 2, 5; O. Dubrule, Math.
/// Geology 15 (1983) 687.
#[doc(alias = "Kriging")]
#[doc(alias = "GPR")]
pub fn gaussian_process(
    x: MatRef<'_, f64>,
    y: MatRef<'_, f64>,
    weights: Option<&[f64]>,
    options: &GpOptions,
) -> Result<GaussianProcess> {
    let training = Training::new(x, y, weights, options)?;
    let all: Vec<usize> = (0..y.ncols()).collect();
    let varying = training.varying(&all);
    let choice = match varying.is_empty() {
        true => None,
        false => Some(training.choose(&SingleComm, &varying, options, &[])?),
    };
    training.finish(&all, choice, options)
}

impl GpOptions {
    pub(crate) fn check(&self) -> Result<()> {
        let (low, high) = self.length_bounds;
        if self.restarts == 0 {
            return Err(Error::argument("restarts", 0, "at least 1"));
        }
        if !(self.noise_floor > 0.0 && self.noise_floor < 1.0) {
            return Err(Error::argument("noise floor", self.noise_floor, "between 0 and 1"));
        }
        if !(low > 0.0 && low < high && high.is_finite()) {
            return Err(Error::argument("length bounds", format!("{low} … {high}"), "0 < least < largest"));
        }
        Ok(())
    }
}

pub(crate) fn check_data(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<()> {
    if x.nrows() == 0 || x.nrows() != y.nrows() {
        return Err(Error::argument(
            "rows of x and y",
            format!("{} and {}", x.nrows(), y.nrows()),
            "the same number, at least 1",
        ));
    }
    check_finite("training inputs", x)?;
    check_finite("training outputs", y)
}

fn check_finite(what: &str, a: MatRef<'_, f64>) -> Result<()> {
    for j in 0..a.ncols() {
        if let Some(i) = (0..a.nrows()).find(|i| !a[(*i, j)].is_finite()) {
            let found = format!("{} in row {i}, column {j}", a[(i, j)]);
            return Err(Error::argument(what, found, "finite numbers"));
        }
    }
    Ok(())
}

pub(crate) fn rows(a: MatRef<'_, f64>) -> Vec<f64> {
    (0..a.nrows()).flat_map(|i| (0..a.ncols()).map(move |j| a[(i, j)])).collect()
}

fn from_rows(values: &[f64], n_rows: usize, n_columns: usize) -> Mat<f64> {
    Mat::from_fn(n_rows, n_columns, |i, j| values[i * n_columns + j])
}

impl GaussianProcess {
    /// The process with given hyper-parameters, for comparisons: nothing is standardised, optimised or replaced by
    /// the mean.
    ///
    /// `length_scales` (d) in units of the inputs; `signal_variance` and `noise_variance` in squared units of the
    /// outputs.
    pub fn with_hyperparameters(
        x: MatRef<'_, f64>,
        y: MatRef<'_, f64>,
        kernel: Kernel,
        mean: Mean,
        length_scales: &[f64],
        signal_variance: f64,
        noise_variance: f64,
    ) -> Result<GaussianProcess> {
        check_data(x, y)?;
        let (n, d, r) = (x.nrows(), x.ncols(), y.ncols());
        let h = trend(mean, x, &ranges(x));
        let likelihood = RestrictedLikelihood::new(kernel, x.to_owned(), y.to_owned(), h, vec![1.0; r])?;
        let mut theta: Vec<f64> = length_scales.iter().map(|l| l.ln()).collect();
        theta.push((noise_variance / signal_variance).ln());
        let amplitudes = vec![signal_variance; r];
        let usable = length_scales.len() == d && signal_variance > 0.0 && noise_variance >= 0.0;
        let solution = if usable { likelihood.solution(&theta, Some(&amplitudes)) } else { None };
        let Some(solution) = solution else {
            let found = format!("lengths {length_scales:?}, variances {signal_variance} and {noise_variance}");
            return Err(Error::argument("hyper-parameters", found, format!("{d} lengths and a definite matrix")));
        };
        Self::from_parts(GpParts {
            kernel,
            mean,
            n_samples: n,
            n_inputs: d,
            n_outputs: r,
            length_scales: length_scales.to_vec(),
            noise_ratio: noise_variance / signal_variance,
            amplitudes,
            x: rows(x),
            alpha: rows(solution.alpha.as_ref()),
            coefficients: rows(solution.coefficients.as_ref()),
            input_shift: vec![0.0; d],
            input_scale: vec![1.0; d],
            output_shift: vec![0.0; r],
            output_scale: vec![1.0; r],
            is_mean: vec![false; r],
            log_likelihood: solution.log_likelihood,
        })
    }

    /// The process as plain numbers.
    pub fn to_parts(&self) -> GpParts {
        self.parts.clone()
    }

    /// The process from plain numbers; the Cholesky factor is computed again (O(n³)), so the answers are those of
    /// the original.
    pub fn from_parts(parts: GpParts) -> Result<GaussianProcess> {
        let (n, d, r) = (parts.n_samples, parts.n_inputs, parts.n_outputs);
        let lengths = [
            ("length_scales", parts.length_scales.len(), d),
            ("amplitudes", parts.amplitudes.len(), r),
            ("x", parts.x.len(), n.saturating_mul(d)),
            ("alpha", parts.alpha.len(), n.saturating_mul(r)),
            ("input_shift", parts.input_shift.len(), d),
            ("input_scale", parts.input_scale.len(), d),
            ("output_shift", parts.output_shift.len(), r),
            ("output_scale", parts.output_scale.len(), r),
            ("is_mean", parts.is_mean.len(), r),
        ];
        for (name, found, expected) in lengths {
            if found != expected {
                return Err(Error::argument(format!("{name} of a Gaussian process"), found, expected));
            }
        }
        if n == 0 {
            return Err(Error::argument("samples of a Gaussian process", 0, "at least 1"));
        }
        let x = from_rows(&parts.x, n, d);
        let input_ranges = ranges(x.as_ref());
        let p = trend(parts.mean, x.as_ref().subrows(0, 1), &input_ranges).ncols();
        if parts.coefficients.len() != p * r {
            return Err(Error::argument("coefficients of a Gaussian process", parts.coefficients.len(), p * r));
        }
        let scaled = Mat::from_fn(n, d, |i, j| x[(i, j)] * (1.0 / parts.length_scales[j]));
        let mut alpha = from_rows(&parts.alpha, n, r);
        for (j, _) in parts.is_mean.iter().enumerate().filter(|(_, is_mean)| **is_mean) {
            alpha.col_as_slice_mut(j).fill(0.0);
        }
        let (coefficients, factors) = (from_rows(&parts.coefficients, p, r), OnceLock::new());
        let this = GaussianProcess { parts, scaled, alpha, coefficients, input_ranges, factors };
        this.factors()?;
        Ok(this)
    }

    /// The factors, computed where they are not there.
    fn factors(&self) -> Result<&Factors> {
        if let Some(factors) = self.factors.get() {
            return Ok(factors);
        }
        let parts = &self.parts;
        let mut found = Factors { factor: Mat::new(), trend_half: Mat::new(), trend_factor: Mat::new() };
        if parts.is_mean.iter().any(|is_mean| !is_mean) {
            let not_definite = |pivot| Error::NotPositiveDefinite {
                what: "correlation matrix of a stored Gaussian process".into(),
                pivot,
                mend: "fit the model again".into(),
            };
            let n = parts.n_samples;
            let mut factor = Mat::zeros(n, n);
            parts.kernel.cross(self.scaled.as_ref(), self.scaled.as_ref(), factor.as_mut());
            (0..n).for_each(|i| factor[(i, i)] = 1.0 + parts.noise_ratio);
            dense::cholesky_in_place(factor.as_mut()).map_err(not_definite)?;
            (1..n).for_each(|j| factor.col_as_slice_mut(j).iter_mut().take(j).for_each(|v| *v = 0.0));
            let x = from_rows(&parts.x, n, parts.n_inputs);
            let mut trend_half = trend(parts.mean, x.as_ref(), &self.input_ranges);
            dense::solve_lower(factor.as_ref(), trend_half.as_mut());
            let mut trend_factor = dense::mul(trend_half.transpose(), trend_half.as_ref());
            dense::cholesky_in_place(trend_factor.as_mut()).map_err(not_definite)?;
            found = Factors { factor, trend_half, trend_factor };
        }
        Ok(self.factors.get_or_init(|| found))
    }

    /// Gives the memory of n x n numbers back; the next prediction computes them again (O(n³)), to the same bits.
    pub fn release(&mut self) {
        self.factors = OnceLock::new();
    }

    /// The correlation function.
    pub fn kernel(&self) -> Kernel {
        self.parts.kernel
    }

    /// log p of the standardised training outputs (restricted likelihood where the mean is estimated), without
    /// priors.
    pub fn log_likelihood(&self) -> f64 {
        self.parts.log_likelihood
    }

    /// Outputs that are answered by their mean because leave-one-out says that the process is no better, or because
    /// they are constant.
    pub fn is_mean(&self) -> &[bool] {
        &self.parts.is_mean
    }

    /// Prediction at the rows of `x` (m x d): mean and standard deviation (m x r) of a new *observation*, in units
    /// of the outputs.
    ///
    /// var = s2 (1 + lambda - |v|² + |t|²), v = L⁻¹ k(x), t the part of the estimated mean. It includes the learnt
    /// noise, which is at its floor for noise-free data. O(m n (n + r)), in parallel over blocks of points. Errors:
    /// wrong width, numbers that are not finite.
    pub fn predict(&self, x: MatRef<'_, f64>) -> Result<(Mat<f64>, Mat<f64>)> {
        let (d, r) = (self.parts.n_inputs, self.parts.n_outputs);
        if x.ncols() != d {
            return Err(Error::argument("inputs of a Gaussian process", x.ncols(), d));
        }
        check_finite("inputs of a Gaussian process", x)?;
        let factors = self.factors()?;
        let m = x.nrows();
        let starts: Vec<usize> = (0..m).step_by(CHUNK).collect();
        // Handing one block to another thread would cost more than a point does.
        let blocks: Vec<(Mat<f64>, Vec<f64>)> = match starts.len() {
            1 => vec![self.predict_block(x, factors)],
            _ => starts.par_iter().map(|s| self.predict_block(x.subrows(*s, CHUNK.min(m - s)), factors)).collect(),
        };
        let (mut mean, mut std) = (Mat::zeros(m, r), Mat::zeros(m, r));
        let mean_only = 1.0 + 1.0 / self.parts.n_samples as f64;
        for (start, (values, variances)) in starts.into_iter().zip(&blocks) {
            for j in 0..r {
                let scale = self.parts.output_scale[j];
                for (i, variance) in variances.iter().enumerate() {
                    mean[(start + i, j)] = self.parts.output_shift[j] + scale * values[(i, j)];
                    let v = if self.parts.is_mean[j] { mean_only } else { *variance };
                    std[(start + i, j)] = scale * (self.parts.amplitudes[j] * v).sqrt();
                }
            }
        }
        Ok((mean, std))
    }

    /// Standardised means (m x r) and variances over amplitude (m).
    fn predict_block(&self, x: MatRef<'_, f64>, factors: &Factors) -> (Mat<f64>, Vec<f64>) {
        let (m, n) = (x.nrows(), self.parts.n_samples);
        let p = &self.parts;
        let standard = Mat::from_fn(m, p.n_inputs, |i, j| (x[(i, j)] - p.input_shift[j]) / p.input_scale[j]);
        let scaled = Mat::from_fn(m, p.n_inputs, |i, j| standard[(i, j)] * (1.0 / p.length_scales[j]));
        let mut k = Mat::zeros(n, m);
        p.kernel.cross(self.scaled.as_ref(), scaled.as_ref(), k.as_mut());
        let h = trend(p.mean, standard.as_ref(), &self.input_ranges);
        let mut mean = dense::mul(k.transpose(), self.alpha.as_ref());
        dense::gemm(mean.as_mut(), true, h.as_ref(), self.coefficients.as_ref(), 1.0);
        if p.is_mean.iter().all(|is_mean| *is_mean) {
            return (mean, vec![1.0; m]);
        }
        dense::solve_lower(factors.factor.as_ref(), k.as_mut());
        let mut t = h.transpose().to_owned();
        dense::gemm(t.as_mut(), true, factors.trend_half.transpose(), k.as_ref(), -1.0);
        dense::solve_lower(factors.trend_factor.as_ref(), t.as_mut());
        let squares = |column: &[f64]| column.iter().map(|v| v * v).sum::<f64>();
        let variance = |i: usize| 1.0 - squares(k.col_as_slice(i)) + squares(t.col_as_slice(i));
        (mean, (0..m).map(|i| variance(i).max(0.0) + p.noise_ratio).collect())
    }

    /// Residuals and standard deviations of each sample, predicted from all others with the same hyper-parameters.
    ///
    /// e_i = [P y]_i / P_ii and s_i² = s2 / P_ii, the estimate of the mean function included (it is made again
    /// without sample i). An output answered by its mean has e_i = (y_i - mean) n / (n - 1) and the sample
    /// deviation of the others. O(n³).
    pub fn leave_one_out(&self) -> LooResult {
        let (n, r) = (self.parts.n_samples, self.parts.n_outputs);
        let mut precision = vec![1.0; n];
        if let Some(f) = self.factors().ok().filter(|f| f.factor.nrows() > 0) {
            let (mut inverse, mut scratch) = (Mat::zeros(n, n), Mat::zeros(n, n));
            dense::spd_inverse_lower(inverse.as_mut(), f.factor.as_ref(), scratch.as_mut());
            let mut q = f.trend_half.clone();
            dense::solve_lower_transposed(f.factor.as_ref(), q.as_mut());
            let mut z = q.transpose().to_owned();
            dense::solve_lower(f.trend_factor.as_ref(), z.as_mut());
            let of_trend = |i: usize| z.col_as_slice(i).iter().map(|v| v * v).sum::<f64>();
            precision = (0..n).map(|i| inverse[(i, i)] - of_trend(i)).collect();
        }
        let (mut residuals, mut std) = (Mat::zeros(n, r), Mat::zeros(n, r));
        let count = n as f64;
        let others = count / (count - 1.0).max(1.0);
        for j in 0..r {
            let (scale, s2) = (self.parts.output_scale[j], self.parts.amplitudes[j]);
            for i in 0..n {
                let alpha = self.parts.alpha[i * r + j];
                if self.parts.is_mean[j] {
                    let sum_of_squares = (s2 * (count - 1.0) - alpha * alpha * others).max(0.0);
                    residuals[(i, j)] = scale * alpha * others;
                    std[(i, j)] = scale * (sum_of_squares / (count - 2.0).max(1.0) * others).sqrt();
                } else {
                    residuals[(i, j)] = scale * alpha / precision[i];
                    std[(i, j)] = scale * (s2 / precision[i]).sqrt();
                }
            }
        }
        LooResult { residuals, std }
    }
}

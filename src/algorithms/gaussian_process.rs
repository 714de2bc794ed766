//! Gaussian-process regression with analytic gradients; one factorisation for all outputs that share a kernel.
//!
//! y_c(x) = h(x)ᵀ beta_c + f_c(x) + noise, cov f_c = sigma_c² k(x, x'), noise variance sigma_c² eta. With K = k + eta I the
//! amplitudes sigma_c² and the mean coefficients beta_c have closed forms and are profiled out of the likelihood; what is
//! optimised are the logarithms of the length scales and of eta.

use super::kernel::Kernel;
use crate::error::{Error, Result};
use crate::linalg::dense;
use crate::linalg::quasi_newton::{QuasiNewtonOptions, minimize_bounded};
use faer::{Mat, MatRef};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// Mean function h(x)ᵀ beta.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mean {
    Zero,
    Constant,
    Linear,
}

/// Options of [`gaussian_process`].
#[derive(Debug, Clone)]
pub struct GpOptions {
    /// Chosen by leave-one-out if `None`.
    pub kernel: Option<Kernel>,
    /// Constant or linear by leave-one-out if `None`.
    pub mean: Option<Mean>,
    /// Random starts of the likelihood search beside the fixed one.
    pub restarts: usize,
    pub seed: u64,
    /// Weak log-normal priors on length scales (growing with sqrt(n_inputs)) and noise.
    pub priors: bool,
    /// Least noise ratio eta.
    pub noise_floor: f64,
    /// One amplitude for all outputs instead of one each.
    pub shared_amplitude: bool,
    /// Log bounds of the length scales, inputs having unit variance.
    pub length_bounds: (f64, f64),
}

impl Default for GpOptions {
    fn default() -> Self {
        GpOptions {
            kernel: None,
            mean: None,
            restarts: 4,
            seed: 0,
            priors: true,
            noise_floor: 1e-8,
            shared_amplitude: false,
            length_bounds: (1e-2, 1e3),
        }
    }
}

/// Largest noise ratio that the search may reach.
const NOISE_CEILING: f64 = 1e2;

/// Hyper-parameters, in units of standardised inputs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hyperparameters {
    pub kernel: Kernel,
    pub mean: Mean,
    /// One per input.
    pub length_scales: Vec<f64>,
    /// eta, noise variance over signal variance.
    pub noise: f64,
    /// 1, or 0 for a process that is its mean and noise only.
    pub signal: f64,
}

/// Everything that determines a trained process; numbers as stored in a model file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpParts {
    pub hyperparameters: Hyperparameters,
    /// Standardised inputs are (x - shift) / scale.
    pub input_shift: Vec<f64>,
    pub input_scale: Vec<f64>,
    /// Standardised outputs are (y - shift) / scale.
    pub output_shift: Vec<f64>,
    pub output_scale: Vec<f64>,
    /// Standardised training inputs, row by row [n, d].
    pub x: Vec<f64>,
    /// Standardised training outputs, column by column [n, r].
    pub y: Vec<f64>,
    /// Amplitudes sigma_c² of standardised outputs.
    pub variance: Vec<f64>,
}

/// A trained process for r outputs.
#[derive(Debug)]
pub struct GaussianProcess {
    parts: GpParts,
    n: usize,
    solved: OnceLock<Solved>,
}

/// What follows from the parts by one factorisation.
#[derive(Debug)]
struct Solved {
    /// Lower Cholesky factor of K.
    l: Mat<f64>,
    /// L⁻¹H [n, p], and the Cholesky factor of HᵀK⁻¹H.
    h: Mat<f64>,
    lh: Mat<f64>,
    beta: Mat<f64>,
    /// K⁻¹(y - H beta) [n, r].
    alpha: Mat<f64>,
}

/// Leave-one-out residuals and standard deviations [n, r], in the units of y.
#[derive(Debug, Clone)]
pub struct LooResult {
    pub residuals: Mat<f64>,
    pub std: Mat<f64>,
    /// Sum of the log predictive densities per output, of standardised outputs.
    pub log_density: Vec<f64>,
}

/// Fits one process to outputs that share a kernel.
///
/// `x` [n, d], `y` [n, r]. Inputs and outputs are standardised inside. Maximises the log marginal likelihood
/// -1/2 sum_c n log sigma_c² - r/2 log|K| (+ priors) from a fixed and `restarts` seeded random starts; a start wins over an
/// earlier one only if it is better by 1e-6 n. Errors: shapes, values that are not finite, fewer than 2 samples.
/// Cost: O(n³ + d n² + r n²) per evaluation; no communication. Reference: Rasmussen, Williams, GPML, ch. 2 and 5.
#[doc(alias = "Kriging")]
pub fn gaussian_process(x: MatRef<'_, f64>, y: MatRef<'_, f64>, options: &GpOptions) -> Result<GaussianProcess> {
    let data = standardize(x, y)?;
    let n = x.nrows();
    let kernels = options.kernel.map_or(Kernel::ALL.to_vec(), |k| vec![k]);
    let first_mean = options.mean.unwrap_or(Mean::Constant);
    let mut candidates: Vec<(Kernel, Mean)> = kernels.iter().map(|k| (*k, first_mean)).collect();
    // A linear mean costs d + 1 degrees of freedom: only where there are data for it.
    if options.mean.is_none() && n > 4 * (x.ncols() + 1) {
        candidates.extend(kernels.iter().map(|k| (*k, Mean::Linear)));
    }
    let trained: Vec<Result<GaussianProcess>> =
        candidates.into_par_iter().map(|(kernel, mean)| search(&data, kernel, mean, options)).collect();
    let mut best: Option<(f64, GaussianProcess)> = None;
    for gp in trained {
        let gp = gp?;
        let score: f64 = gp.leave_one_out()?.log_density.iter().sum();
        let margin = 0.01 * (n * y.ncols()) as f64;
        if best.as_ref().is_none_or(|(b, _)| score > b + margin) {
            best = Some((score, gp));
        }
    }
    best.map(|(_, gp)| gp).ok_or_else(|| Error::argument("kernels to choose from", 0, "at least one"))
}

fn standardize(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<GpParts> {
    let (n, d) = (x.nrows(), x.ncols());
    if n < 2 || y.nrows() != n || y.ncols() == 0 {
        return Err(Error::argument("samples of a Gaussian process", format!("{n} inputs, {} x {} outputs", y.nrows(), y.ncols()), "as many outputs as inputs, at least 2 of them"));
    }
    for (name, m) in [("inputs", x), ("outputs", y)] {
        if let Some(j) = m.col_iter().position(|c| c.iter().any(|v| !v.is_finite())) {
            return Err(Error::argument(format!("{name} of a Gaussian process, column {j}"), "a value that is not finite", "finite numbers"));
        }
    }
    let moments = |m: MatRef<'_, f64>| -> (Vec<f64>, Vec<f64>) {
        m.col_iter()
            .map(|c| {
                let mean = c.iter().sum::<f64>() / n as f64;
                let std = (c.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n as f64).sqrt();
                // A constant column keeps its unit: its standardised values are 0.
                (mean, if std > 1e-14 * mean.abs() && std > 0.0 { std } else { 1.0 })
            })
            .unzip()
    };
    let (input_shift, input_scale) = moments(x);
    let (output_shift, output_scale) = moments(y);
    let xs = (0..n).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| (x[(i, j)] - input_shift[j]) / input_scale[j]).collect();
    let ys = (0..y.ncols()).flat_map(|j| (0..n).map(move |i| (i, j))).map(|(i, j)| (y[(i, j)] - output_shift[j]) / output_scale[j]).collect();
    let hyperparameters = Hyperparameters { kernel: Kernel::Matern52, mean: Mean::Zero, length_scales: vec![1.0; d], noise: 1e-6, signal: 1.0 };
    Ok(GpParts { hyperparameters, input_shift, input_scale, output_shift, output_scale, x: xs, y: ys, variance: vec![1.0; y.ncols()] })
}

/// Best of all starts for one kernel and mean.
fn search(data: &GpParts, kernel: Kernel, mean: Mean, options: &GpOptions) -> Result<GaussianProcess> {
    let d = data.input_shift.len();
    let n = data.n();
    let mut lower = vec![options.length_bounds.0.ln(); d];
    let mut upper = vec![options.length_bounds.1.ln(); d];
    lower.push(options.noise_floor.ln());
    upper.push(NOISE_CEILING.ln());
    let middle = (2.0 * (d as f64).sqrt()).ln();
    let mut starts = vec![[vec![middle; d], vec![1e-4_f64.ln()]].concat()];
    let mut rng = StdRng::seed_from_u64(options.seed);
    for _ in 0..options.restarts {
        let mut start: Vec<f64> = (0..d).map(|_| middle + rng.random_range(-2.0..2.0)).collect();
        start.push(rng.random_range(1e-7_f64.ln()..1e-1_f64.ln()));
        starts.push(start);
    }
    let objective = |theta: &[f64]| negative_log_posterior(data, kernel, mean, theta, options);
    let search = QuasiNewtonOptions { max_iterations: 150, gradient_tolerance: 1e-5, value_tolerance: 1e-10 };
    let found: Vec<_> = starts.par_iter().map(|s| minimize_bounded(objective, s, &lower, &upper, &search)).collect();
    let mut best: Option<(f64, Vec<f64>)> = None;
    for minimum in found.into_iter().flatten() {
        if best.as_ref().is_none_or(|(value, _)| minimum.value < value - 1e-6 * n as f64) {
            best = Some((minimum.value, minimum.x));
        }
    }
    let (_, theta) = best.ok_or_else(|| Error::NotPositiveDefinite {
        what: "the kernel matrix at every start".into(),
        pivot: 0,
        mend: "raise the noise floor, or check for duplicate samples".into(),
    })?;
    let mut parts = data.clone();
    parts.hyperparameters = unpack(kernel, mean, &theta);
    GaussianProcess::with_profiled_variance(parts, options.shared_amplitude)
}

fn unpack(kernel: Kernel, mean: Mean, theta: &[f64]) -> Hyperparameters {
    let d = theta.len() - 1;
    Hyperparameters { kernel, mean, length_scales: theta[..d].iter().map(|t| t.exp()).collect(), noise: theta[d].exp(), signal: 1.0 }
}

/// Value and gradient of -(log likelihood + log priors) over log length scales and log noise; `None` where K is not
/// positive definite.
pub fn negative_log_posterior(data: &GpParts, kernel: Kernel, mean: Mean, theta: &[f64], options: &GpOptions) -> Option<(f64, Vec<f64>)> {
    let (n, d, r) = (data.n(), data.input_shift.len(), data.output_shift.len());
    let hyper = unpack(kernel, mean, theta);
    let scaled = scale_inputs(&data.x, &hyper.length_scales);
    let mut k = Mat::zeros(n, n);
    let mut slopes = vec![0.0; n * n];
    for j in 0..n {
        for i in j..n {
            let r2: f64 = (0..d).map(|a| (scaled[i * d + a] - scaled[j * d + a]).powi(2)).sum();
            (k[(i, j)], slopes[j * n + i]) = kernel.correlation(r2);
        }
        k[(j, j)] += hyper.noise;
    }
    let y = MatRef::from_column_major_slice(&data.y, n, r);
    let solved = solve(k, basis_functions(mean, &data.x, d), y).ok()?;
    let energy: Vec<f64> = (0..r).map(|c| y.col(c).iter().zip(solved.alpha.col(c).iter()).map(|(a, b)| a * b).sum::<f64>() / n as f64).collect();
    let sigma2 = amplitudes(&energy, options.shared_amplitude);
    let log_det: f64 = 2.0 * (0..n).map(|i| solved.l[(i, i)].ln()).sum::<f64>();
    let (nf, rf) = (n as f64, r as f64);
    let mut value = 0.5 * nf * sigma2.iter().map(|s| s.ln()).sum::<f64>() + 0.5 * rf * log_det + 0.5 * nf * rf * (1.0 + (2.0 * std::f64::consts::PI).ln());

    // W = r K⁻¹ - sum_c alpha_c alpha_cᵀ / sigma_c², so that dvalue/dtheta = 1/2 sum_ij W_ij dK_ij.
    let mut w = Mat::identity(n, n);
    dense::solve_lower(solved.l.as_ref(), w.as_mut());
    w = dense::mul(w.transpose(), w.as_ref());
    let weighted = Mat::from_fn(n, r, |i, c| solved.alpha[(i, c)] / sigma2[c]);
    w *= faer::Scale(rf);
    dense::gemm(w.as_mut(), true, weighted.as_ref(), solved.alpha.transpose(), -1.0);
    let mut gradient = vec![0.0; d + 1];
    for j in 0..n {
        for i in j + 1..n {
            let factor = w[(i, j)] * slopes[j * n + i];
            for a in 0..d {
                gradient[a] += factor * (scaled[i * d + a] - scaled[j * d + a]).powi(2);
            }
        }
        gradient[d] += 0.5 * hyper.noise * w[(j, j)];
    }
    if options.priors {
        let spread = 3.0_f64.sqrt();
        let centre = (3.0 * (d.max(1) as f64).sqrt()).ln();
        for a in 0..d {
            let z = (theta[a] - centre) / spread;
            value += 0.5 * z * z;
            gradient[a] += z / spread;
        }
        let z = (theta[d] - 1e-6_f64.ln()) / 4.0;
        value += 0.5 * z * z;
        gradient[d] += z / 4.0;
    }
    (value.is_finite() && gradient.iter().all(|g| g.is_finite())).then_some((value, gradient))
}

/// sigma_c², with a floor that keeps the logarithm of a constant output finite.
fn amplitudes(energy: &[f64], shared: bool) -> Vec<f64> {
    let floor = 1e-30;
    if shared {
        let mean = energy.iter().sum::<f64>() / energy.len() as f64;
        return vec![mean.max(floor); energy.len()];
    }
    energy.iter().map(|e| e.max(floor)).collect()
}

fn scale_inputs(x: &[f64], length_scales: &[f64]) -> Vec<f64> {
    let d = length_scales.len();
    x.iter().enumerate().map(|(k, v)| v / length_scales[k % d]).collect()
}

/// H [n, p].
fn basis_functions(mean: Mean, x: &[f64], d: usize) -> Mat<f64> {
    let n = if d == 0 { 0 } else { x.len() / d };
    match mean {
        Mean::Zero => Mat::zeros(n, 0),
        Mean::Constant => Mat::full(n, 1, 1.0),
        Mean::Linear => Mat::from_fn(n, d + 1, |i, j| if j == 0 { 1.0 } else { x[i * d + j - 1] }),
    }
}

fn solve(k: Mat<f64>, h: Mat<f64>, y: MatRef<'_, f64>) -> Result<Solved> {
    let l = dense::cholesky(k.as_ref(), "the kernel matrix")?;
    let mut lh = h;
    dense::solve_lower(l.as_ref(), lh.as_mut());
    let mut ly = y.to_owned();
    dense::solve_lower(l.as_ref(), ly.as_mut());
    let p = lh.ncols();
    let (mut beta, mut factor) = (Mat::zeros(p, y.ncols()), Mat::zeros(p, p));
    if p > 0 {
        factor = dense::cholesky(dense::mul(lh.transpose(), lh.as_ref()).as_ref(), "the mean of the Gaussian process")?;
        beta = dense::mul(lh.transpose(), ly.as_ref());
        dense::solve_lower(factor.as_ref(), beta.as_mut());
        dense::solve_lower_transposed(factor.as_ref(), beta.as_mut());
        dense::gemm(ly.as_mut(), true, lh.as_ref(), beta.as_ref(), -1.0);
    }
    let mut alpha = ly;
    dense::solve_lower_transposed(l.as_ref(), alpha.as_mut());
    Ok(Solved { l, h: lh, lh: factor, beta, alpha })
}

impl GpParts {
    /// Number of training samples.
    pub fn n(&self) -> usize {
        self.y.len() / self.output_shift.len().max(1)
    }

    fn kernel_matrix(&self) -> Mat<f64> {
        let (n, d, hyper) = (self.n(), self.input_shift.len(), &self.hyperparameters);
        let scaled = scale_inputs(&self.x, &hyper.length_scales);
        let mut k = Mat::zeros(n, n);
        for j in 0..n {
            for i in j..n {
                let r2: f64 = (0..d).map(|a| (scaled[i * d + a] - scaled[j * d + a]).powi(2)).sum();
                k[(i, j)] = hyper.signal * hyper.kernel.correlation(r2).0;
            }
            k[(j, j)] += hyper.noise;
        }
        k
    }
}

impl GaussianProcess {
    /// From stored numbers; the factorisation is made when it is first needed.
    pub fn from_parts(parts: GpParts) -> Result<Self> {
        let (n, d, r) = (parts.n(), parts.input_shift.len(), parts.output_shift.len());
        let right = [parts.input_scale.len() == d, parts.hyperparameters.length_scales.len() == d, parts.output_scale.len() == r, parts.variance.len() == r, parts.x.len() == n * d, parts.y.len() == n * r, n > 0];
        if right.contains(&false) {
            return Err(Error::argument("parts of a Gaussian process", format!("n = {n}, d = {d}, r = {r}"), "arrays that fit together"));
        }
        Ok(GaussianProcess { parts, n, solved: OnceLock::new() })
    }

    /// The numbers that determine it.
    pub fn parts(&self) -> &GpParts {
        &self.parts
    }

    /// With hyper-parameters as given (length scales in units of standardised inputs) and the amplitudes that maximise
    /// the likelihood.
    pub fn with_hyperparameters(x: MatRef<'_, f64>, y: MatRef<'_, f64>, hyperparameters: Hyperparameters, shared_amplitude: bool) -> Result<Self> {
        let mut parts = standardize(x, y)?;
        parts.hyperparameters = hyperparameters;
        Self::with_profiled_variance(parts, shared_amplitude)
    }

    /// The mean of each output and its spread, without any dependence on the inputs.
    pub fn mean_only(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Result<Self> {
        let length_scales = vec![1.0; x.ncols()];
        let hyper = Hyperparameters { kernel: Kernel::Matern52, mean: Mean::Constant, length_scales, noise: 1.0, signal: 0.0 };
        Self::with_hyperparameters(x, y, hyper, false)
    }

    fn with_profiled_variance(parts: GpParts, shared: bool) -> Result<Self> {
        let mut gp = Self::from_parts(parts)?;
        let (n, r) = (gp.n, gp.parts.output_shift.len());
        let alpha = &gp.solved()?.alpha;
        let energy: Vec<f64> = (0..r).map(|c| gp.y().col(c).iter().zip(alpha.col(c).iter()).map(|(a, b)| a * b).sum::<f64>() / n as f64).collect();
        gp.parts.variance = amplitudes(&energy, shared);
        Ok(gp)
    }

    fn y(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.parts.y, self.n, self.parts.output_shift.len())
    }

    fn solved(&self) -> Result<&Solved> {
        if let Some(solved) = self.solved.get() {
            return Ok(solved);
        }
        let p = &self.parts;
        let h = match p.hyperparameters.mean {
            // Without inputs there is no x to count rows by.
            Mean::Constant => Mat::full(self.n, 1, 1.0),
            mean => basis_functions(mean, &p.x, p.input_shift.len()),
        };
        let solved = solve(p.kernel_matrix(), h, self.y())?;
        Ok(self.solved.get_or_init(|| solved))
    }

    /// Number of outputs.
    pub fn n_outputs(&self) -> usize {
        self.parts.output_shift.len()
    }

    /// True where the process has fallen back to mean and spread.
    pub fn is_mean(&self) -> bool {
        self.parts.hyperparameters.signal == 0.0
    }

    /// Condition number of K in the Frobenius sense of its Cholesky diagonal: (max L_ii / min L_ii)², a lower bound.
    pub fn condition(&self) -> Result<f64> {
        let l = &self.solved()?.l;
        let (low, high) = (0..self.n).fold((f64::INFINITY, 0.0_f64), |(a, b), i| (a.min(l[(i, i)]), b.max(l[(i, i)])));
        Ok((high / low).powi(2))
    }

    /// Log marginal likelihood of the standardised outputs (amplitudes as stored, mean profiled).
    pub fn log_likelihood(&self) -> Result<f64> {
        let s = self.solved()?;
        let n = self.n as f64;
        let log_det: f64 = 2.0 * (0..self.n).map(|i| s.l[(i, i)].ln()).sum::<f64>();
        Ok((0..self.n_outputs())
            .map(|c| {
                let quadratic: f64 = self.y().col(c).iter().zip(s.alpha.col(c).iter()).map(|(a, b)| a * b).sum();
                let v = self.parts.variance[c];
                -0.5 * (quadratic / v + n * v.ln() + log_det + n * (2.0 * std::f64::consts::PI).ln())
            })
            .sum())
    }

    /// Mean and standard deviation [m, r] at points [m, d], the noise included, so that intervals cover observations.
    ///
    /// Cost per point: d n + r n for the mean, n² for the deviation (one triangular solve for all outputs).
    pub fn predict(&self, x: MatRef<'_, f64>) -> Result<(Mat<f64>, Mat<f64>)> {
        let (m, d, r) = (x.nrows(), self.parts.input_shift.len(), self.n_outputs());
        if x.ncols() != d {
            return Err(Error::argument("inputs of a prediction", x.ncols(), d));
        }
        let solved = self.solved()?;
        const CHUNK: usize = 256;
        let chunks: Vec<(Mat<f64>, Mat<f64>)> =
            (0..m.div_ceil(CHUNK)).into_par_iter().map(|c| self.predict_chunk(x.subrows(c * CHUNK, CHUNK.min(m - c * CHUNK)), solved)).collect();
        let (mut mean, mut std) = (Mat::zeros(m, r), Mat::zeros(m, r));
        for (c, (chunk_mean, chunk_std)) in chunks.into_iter().enumerate() {
            mean.as_mut().subrows_mut(c * CHUNK, chunk_mean.nrows()).copy_from(&chunk_mean);
            std.as_mut().subrows_mut(c * CHUNK, chunk_std.nrows()).copy_from(&chunk_std);
        }
        Ok((mean, std))
    }

    fn predict_chunk(&self, x: MatRef<'_, f64>, solved: &Solved) -> (Mat<f64>, Mat<f64>) {
        let (p, hyper) = (&self.parts, &self.parts.hyperparameters);
        let (m, d) = (x.nrows(), x.ncols());
        let points: Vec<f64> = (0..m).flat_map(|i| (0..d).map(move |a| (i, a))).map(|(i, a)| (x[(i, a)] - p.input_shift[a]) / p.input_scale[a]).collect();
        let (at, train) = (scale_inputs(&points, &hyper.length_scales), scale_inputs(&p.x, &hyper.length_scales));
        let mut cross = Mat::from_fn(self.n, m, |i, j| {
            let r2: f64 = (0..d).map(|a| (train[i * d + a] - at[j * d + a]).powi(2)).sum();
            hyper.signal * hyper.kernel.correlation(r2).0
        });
        let mut mean = dense::mul(cross.transpose(), solved.alpha.as_ref());
        let h = match hyper.mean {
            Mean::Constant => Mat::full(m, 1, 1.0),
            other => basis_functions(other, &points, d),
        };
        dense::gemm(mean.as_mut(), true, h.as_ref(), solved.beta.as_ref(), 1.0);
        dense::solve_lower(solved.l.as_ref(), cross.as_mut());
        // What the estimated mean adds: uᵀ(HᵀK⁻¹H)⁻¹u, u = h - HᵀK⁻¹k.
        let mut u = dense::mul(solved.h.transpose(), cross.as_ref());
        u = h.transpose() - &u;
        if u.nrows() > 0 {
            dense::solve_lower(solved.lh.as_ref(), u.as_mut());
        }
        let unit: Vec<f64> = (0..m)
            .map(|j| (hyper.signal - cross.col(j).squared_norm_l2()).max(0.0) + u.col(j).squared_norm_l2() + hyper.noise)
            .collect();
        let std = Mat::from_fn(m, self.n_outputs(), |j, c| (unit[j] * p.variance[c]).sqrt() * p.output_scale[c]);
        (Mat::from_fn(m, self.n_outputs(), |j, c| p.output_shift[c] + p.output_scale[c] * mean[(j, c)]), std)
    }

    /// Leave-one-out in closed form: residual [B y]_i / B_ii and variance sigma² / B_ii with
    /// B = K⁻¹ - K⁻¹H(HᵀK⁻¹H)⁻¹HᵀK⁻¹ (the mean is estimated anew without sample i). Cost n³.
    /// Reference: Dubrule, Math. Geol. 15 (1983) 687.
    pub fn leave_one_out(&self) -> Result<LooResult> {
        let s = self.solved()?;
        let (n, r, p) = (self.n, self.n_outputs(), &self.parts);
        let mut inverse = Mat::identity(n, n);
        dense::solve_lower(s.l.as_ref(), inverse.as_mut());
        let mut kh = s.h.clone();
        dense::solve_lower_transposed(s.l.as_ref(), kh.as_mut());
        let mut t = kh.transpose().to_owned();
        if t.nrows() > 0 {
            dense::solve_lower(s.lh.as_ref(), t.as_mut());
        }
        let b: Vec<f64> = (0..n).map(|i| (inverse.col(i).squared_norm_l2() - t.col(i).squared_norm_l2()).max(f64::MIN_POSITIVE)).collect();
        let residual = |i: usize, c: usize| s.alpha[(i, c)] / b[i];
        let log_density = (0..r)
            .map(|c| {
                (0..n)
                    .map(|i| {
                        let v = p.variance[c] / b[i];
                        -0.5 * (residual(i, c).powi(2) / v + v.ln() + (2.0 * std::f64::consts::PI).ln())
                    })
                    .sum()
            })
            .collect();
        Ok(LooResult {
            residuals: Mat::from_fn(n, r, |i, c| residual(i, c) * p.output_scale[c]),
            std: Mat::from_fn(n, r, |i, c| (p.variance[c] / b[i]).sqrt() * p.output_scale[c]),
            log_density,
        })
    }
}

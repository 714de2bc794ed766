//! The restricted likelihood of a Gaussian process whose outputs share one correlation, and its gradient.

use crate::algorithms::kernel::{Kernel, squared_distances};
use crate::error::{Error, Result};
use crate::linalg::dense;
use faer::{Mat, MatRef};

/// A sum of squares of standardised outputs below this is round-off.
const LEAST_VARIANCE: f64 = 1e-24;

/// -log p(Y | theta) of n samples of r outputs, theta = (log l_1, …, log l_d, log lambda).
///
/// With C = R(l) + lambda I, H (n x p) the trend functions, P = C⁻¹ - C⁻¹H (HᵀC⁻¹H)⁻¹ HᵀC⁻¹ and nu = n - p,
///
///   log p = sum_j w_j [ -nu/2 log(2 pi s2_j) - y_jᵀP y_j / (2 s2_j) - 1/2 log|C| - 1/2 log|HᵀC⁻¹H| + 1/2 log|HᵀH| ]
///
/// with the amplitude at its best value s2_j = y_jᵀP y_j / nu, or one s2 for all outputs. The derivative is 1/2
/// tr(G dC), G = sum_j (w_j / s2_j) (P y_j)(P y_j)ᵀ - (sum_j w_j) P: one Cholesky factor and one inverse serve all
/// outputs and all length scales. Without a trend this is the usual marginal likelihood.
///
/// Reference: D. Harville, JASA 72 (1977) 320; T. Santner, B. Williams, W. Notz, The Design and Analysis of Computer
/// Experiments, section 3.3.
pub struct RestrictedLikelihood {
    /// Correlation function.
    pub kernel: Kernel,
    /// One amplitude for all outputs instead of one each.
    pub shared_amplitude: bool,
    /// Penalty on theta, or none.
    pub priors: Option<Priors>,
    /// Standardised inputs (n x d).
    pub x: Mat<f64>,
    /// Standardised outputs (n x r).
    pub y: Mat<f64>,
    /// Trend functions at the samples (n x p); p = 0 for a known zero mean.
    pub h: Mat<f64>,
    /// Weight of each output.
    pub weights: Vec<f64>,
    log_det_trend: f64,
}

/// Independent normal priors of the logarithms: (mean, standard deviation).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Priors {
    /// Of every log length scale.
    pub log_length: (f64, f64),
    /// Of the log noise ratio.
    pub log_noise: (f64, f64),
}

/// What one theta determines: C = L Lᵀ and everything solved with it.
pub struct Solution {
    /// Lower Cholesky factor of C (its upper triangle is zero).
    pub factor: Mat<f64>,
    /// P Y (n x r).
    pub alpha: Mat<f64>,
    /// Trend coefficients (p x r).
    pub coefficients: Mat<f64>,
    /// Amplitudes s2 of the outputs.
    pub amplitudes: Vec<f64>,
    /// Diagonal of P.
    pub precision: Vec<f64>,
    /// log p, without priors.
    pub log_likelihood: f64,
}

/// Memory for evaluations, reused from one theta to the next.
pub struct Scratch {
    u: Mat<f64>,
    c: Mat<f64>,
    slope: Mat<f64>,
    g: Mat<f64>,
    inverse_factor: Mat<f64>,
}

struct Solved {
    alpha: Mat<f64>,
    coefficients: Mat<f64>,
    amplitudes: Vec<f64>,
    /// Z with P = C⁻¹ - Z Zᵀ.
    z: Mat<f64>,
    log_likelihood: f64,
}

impl RestrictedLikelihood {
    /// Collects the data; an error where the trend functions are dependent or leave no degree of freedom.
    pub fn new(kernel: Kernel, x: Mat<f64>, y: Mat<f64>, h: Mat<f64>, weights: Vec<f64>) -> Result<Self> {
        let (n, p) = (x.nrows(), h.ncols());
        if y.nrows() != n || h.nrows() != n || weights.len() != y.ncols() {
            let found =
                format!("{} x {} outputs, {} x {p} trend, {} weights", y.nrows(), y.ncols(), h.nrows(), weights.len());
            return Err(Error::argument("Gaussian process", found, format!("{n} rows and one weight per output")));
        }
        if n <= p {
            return Err(Error::argument(
                "samples of a Gaussian process",
                n,
                format!("more than {p}, the trend functions"),
            ));
        }
        let mut gram = dense::mul(h.transpose(), h.as_ref());
        let squares: Vec<f64> = (0..p).map(|i| gram[(i, i)]).collect();
        let factorised = dense::cholesky_in_place(gram.as_mut());
        // What round-off leaves of a dependent column may have either sign.
        let dependent = || (0..p).find(|&i| gram[(i, i)].powi(2) <= 1e-10 * squares[i]);
        if let Some(pivot) = factorised.err().or_else(dependent) {
            let mend = "use a constant mean, or drop dependent inputs".into();
            return Err(Error::NotPositiveDefinite { what: "Gram matrix of the trend functions".into(), pivot, mend });
        }
        let log_det_trend = log_det(gram.as_ref());
        Ok(RestrictedLikelihood { kernel, shared_amplitude: false, priors: None, x, y, h, weights, log_det_trend })
    }

    /// Memory for [`value_and_gradient`](Self::value_and_gradient).
    pub fn scratch(&self) -> Scratch {
        let (n, d) = (self.x.nrows(), self.x.ncols());
        let square = || Mat::zeros(n, n);
        Scratch { u: Mat::zeros(n, d), c: square(), slope: square(), g: square(), inverse_factor: square() }
    }

    /// -log p (plus priors) and its gradient at theta (d + 1 entries); `None` where C is not positive definite.
    ///
    /// O(n³ + n² (d + r)), sequential.
    pub fn value_and_gradient(&self, theta: &[f64], scratch: &mut Scratch) -> Option<(f64, Vec<f64>)> {
        let lambda = self.assemble(theta, scratch)?;
        let Scratch { u, c, slope, g, inverse_factor } = scratch;
        let solved = self.solve(c.as_ref(), None)?;
        let total: f64 = self.weights.iter().sum();
        // -G = total C⁻¹ - total Z Zᵀ - A Aᵀ, lower triangle
        dense::spd_inverse_lower(g.as_mut(), c.as_ref(), inverse_factor.as_mut());
        let mut z = solved.z;
        dense::scale(z.as_mut(), total.sqrt());
        let mut a = solved.alpha;
        for j in 0..a.ncols() {
            let factor = (self.weights[j] / solved.amplitudes[j]).sqrt();
            a.col_as_slice_mut(j).iter_mut().for_each(|v| *v *= factor);
        }
        dense::scale(g.as_mut(), total);
        dense::rank_update_lower(g.as_mut(), z.as_ref(), -1.0);
        dense::rank_update_lower(g.as_mut(), a.as_ref(), -1.0);
        let n = g.nrows();
        let d = u.ncols();
        let mut gradient = vec![0.0; d + 1];
        for j in 0..n {
            let below = slope.col_as_slice_mut(j).get_mut(j + 1..)?;
            let weight = g.col_as_slice(j).get(j + 1..)?;
            below.iter_mut().zip(weight).for_each(|(s, w)| *s *= w);
            for (i_input, sum) in gradient.iter_mut().enumerate().take(d) {
                let column = u.col_as_slice(i_input);
                *sum += weighted_squares(below, column.get(j + 1..)?, *column.get(j)?);
            }
            *gradient.last_mut()? += 0.5 * lambda * g[(j, j)];
        }
        let mut value = -solved.log_likelihood;
        if let Some(priors) = self.priors {
            for (i, (t, slope)) in theta.iter().zip(&mut gradient).enumerate() {
                let (mean, deviation) = if i < d { priors.log_length } else { priors.log_noise };
                value += 0.5 * ((t - mean) / deviation).powi(2);
                *slope += (t - mean) / (deviation * deviation);
            }
        }
        Some((value, gradient))
    }

    /// Everything a trained process needs at theta; with amplitudes given instead of estimated where `amplitudes`
    /// is set.
    pub fn solution(&self, theta: &[f64], amplitudes: Option<&[f64]>) -> Option<Solution> {
        let mut scratch = self.scratch();
        self.assemble(theta, &mut scratch)?;
        let Scratch { mut c, mut g, mut inverse_factor, .. } = scratch;
        let solved = self.solve(c.as_ref(), amplitudes)?;
        dense::spd_inverse_lower(g.as_mut(), c.as_ref(), inverse_factor.as_mut());
        let n = c.nrows();
        let trend = |i: usize| (0..solved.z.ncols()).map(|k| solved.z[(i, k)].powi(2)).sum::<f64>();
        let precision = (0..n).map(|i| g[(i, i)] - trend(i)).collect();
        for j in 1..n {
            c.col_as_slice_mut(j).iter_mut().take(j).for_each(|v| *v = 0.0);
        }
        let Solved { alpha, coefficients, amplitudes, log_likelihood, .. } = solved;
        Some(Solution { factor: c, alpha, coefficients, amplitudes, precision, log_likelihood })
    }

    /// Fills u (scaled inputs), the factor L in c, and the slopes h(r) below the diagonal; gives lambda.
    fn assemble(&self, theta: &[f64], scratch: &mut Scratch) -> Option<f64> {
        let (n, d) = (self.x.nrows(), self.x.ncols());
        let (log_lambda, log_lengths) = theta.split_last()?;
        if log_lengths.len() != d {
            return None;
        }
        let lambda = log_lambda.exp();
        for (j, log_length) in log_lengths.iter().enumerate() {
            let inverse = (-log_length).exp();
            let scaled = scratch.u.col_as_slice_mut(j).iter_mut().zip(self.x.col_as_slice(j));
            scaled.for_each(|(u, x)| *u = x * inverse);
        }
        let Scratch { u, c, slope, .. } = scratch;
        for j in 0..n {
            let column = c.col_as_slice_mut(j).get_mut(j..)?;
            squared_distances(u.as_ref(), j, |d| u[(j, d)], column);
            let slopes = slope.col_as_slice_mut(j).get_mut(j..)?;
            for (c, h) in column.iter_mut().zip(slopes) {
                (*c, *h) = self.kernel.correlation_and_slope(*c);
            }
            *column.first_mut()? = 1.0 + lambda;
        }
        dense::cholesky_in_place(c.as_mut()).ok()?;
        Some(lambda)
    }

    fn solve(&self, l: MatRef<'_, f64>, given: Option<&[f64]>) -> Option<Solved> {
        let (n, p, r) = (self.x.nrows(), self.h.ncols(), self.y.ncols());
        let mut q = self.h.clone();
        let mut half = self.y.clone();
        dense::solve_lower(l, q.as_mut());
        dense::solve_lower(l, half.as_mut());
        let mut t = dense::mul(q.transpose(), q.as_ref());
        dense::cholesky_in_place(t.as_mut()).ok()?;
        let mut coefficients = dense::mul(q.transpose(), half.as_ref());
        dense::solve_lower(t.as_ref(), coefficients.as_mut());
        dense::solve_lower_transposed(t.as_ref(), coefficients.as_mut());
        dense::gemm(half.as_mut(), true, q.as_ref(), coefficients.as_ref(), -1.0);
        let quadratic: Vec<f64> = (0..r).map(|j| half.col_as_slice(j).iter().map(|v| v * v).sum::<f64>()).collect();
        let nu = (n - p) as f64;
        let total: f64 = self.weights.iter().sum();
        let amplitudes: Vec<f64> = match given {
            Some(values) => values.to_vec(),
            None if self.shared_amplitude => {
                let sum: f64 = quadratic.iter().zip(&self.weights).map(|(q, w)| q * w).sum();
                vec![sum / (nu * total) + LEAST_VARIANCE; r]
            }
            None => quadratic.iter().map(|q| q / nu + LEAST_VARIANCE).collect(),
        };
        let log_dets = log_det(l) + log_det(t.as_ref()) - self.log_det_trend;
        let mut log_likelihood = -0.5 * total * log_dets;
        for ((q, s2), w) in quadratic.iter().zip(&amplitudes).zip(&self.weights) {
            log_likelihood -= 0.5 * w * (nu * (2.0 * std::f64::consts::PI * s2).ln() + q / s2);
        }
        dense::solve_lower_transposed(l, half.as_mut());
        // z = L⁻ᵀ q T⁻ᵀ with t = T Tᵀ: its transpose is a lower solve
        dense::solve_lower_transposed(l, q.as_mut());
        let mut zt = q.transpose().to_owned();
        dense::solve_lower(t.as_ref(), zt.as_mut());
        let z = zt.transpose().to_owned();
        Some(Solved { alpha: half, coefficients, amplitudes, z, log_likelihood })
    }
}

/// log|L Lᵀ|.
fn log_det(l: MatRef<'_, f64>) -> f64 {
    (0..l.nrows()).map(|i| 2.0 * l[(i, i)].ln()).sum()
}

/// sum_i w_i (x_i - p)², in four fixed partial sums so that it vectorises.
fn weighted_squares(w: &[f64], x: &[f64], p: f64) -> f64 {
    let mut sums = [0.0; 4];
    let (w4, x4) = (w.chunks_exact(4), x.chunks_exact(4));
    let rest: f64 = w4.remainder().iter().zip(x4.remainder()).map(|(w, x)| w * (x - p) * (x - p)).sum();
    for (w, x) in w4.zip(x4) {
        for ((sum, w), x) in sums.iter_mut().zip(w).zip(x) {
            *sum += w * (x - p) * (x - p);
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

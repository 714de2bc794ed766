//! log det of a large symmetric positive definite matrix from products with it.

use crate::error::{Error, Result};
use crate::linalg::dense;
use faer::{Mat, MatMut, MatRef};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rayon::prelude::*;

/// Options of [`stochastic_log_det`].
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Random vectors; the standard error falls with their root.
    pub n_probes: usize,
    /// Lanczos steps of each at most: their square grows with the condition number.
    pub n_steps: usize,
    /// Seed of the random vectors.
    pub seed: u64,
    /// Vectors that are multiplied at once: n_steps times as many are held.
    pub batch: usize,
    /// A number below all eigenvalues, where one is known: then the error of the Lanczos process is bracketed.
    pub least_eigenvalue: Option<f64>,
}

impl Default for Options {
    fn default() -> Self {
        Options { n_probes: 32, n_steps: 50, seed: 0, batch: 8, least_eigenvalue: None }
    }
}

/// What [`stochastic_log_det`] found.
#[derive(Debug, Clone, PartialEq)]
pub struct LogDetEstimate {
    /// Estimate of log det A: the mean over the probes.
    pub value: f64,
    /// Standard deviation of that mean, from the spread of the probes.
    pub standard_error: f64,
    /// Half the mean distance of upper and lower quadrature, where the least eigenvalue is known: at most so much of the
    /// error is due to the number of steps. `value` is in the middle then, else at the upper end.
    pub quadrature_error: Option<f64>,
    /// Estimate of each probe.
    pub probes: Vec<f64>,
    /// Products with a vector.
    pub n_products: usize,
}

/// One random vector on its way.
struct Probe {
    /// q_1, q_2, … one after the other.
    basis: Vec<f64>,
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    /// The Krylov space is invariant: nothing more is to be found.
    done: bool,
}

/// y = A x for x, y [n, b].
pub type Apply<'a> = dyn Fn(MatRef<'_, f64>, MatMut<'_, f64>) -> Result<()> + 'a;

/// Stochastic Lanczos quadrature: log det A = tr log A ≈ mean over probes of n e_1ᵀ log(T) e_1.
///
/// Each probe is a vector z of random signs, T the tridiagonal matrix of the Lanczos process with full orthogonalisation
/// (twice) started with z / sqrt(n); e_1ᵀ log(T) e_1 is Gauss quadrature, from above since the even derivatives of log
/// are negative; with one node at a lower bound of the spectrum it is Gauss-Radau quadrature, from below.
///
/// `n`: rows. `apply(x, y)`: y = A x for x, y [n, b], b <= batch; the result depends on the seed and on what it gives
/// only, not on the number of threads. Errors: options outside their range, an eigenvalue estimate that is not positive,
/// a product that is not finite, a least eigenvalue above the spectrum, what `apply` gives. Cost: n_probes n_steps
/// products, 4 n n_steps² operations per probe and batch n n_steps numbers of memory. Not collective.
///
/// Reference: S. Ubaru, J. Chen, Y. Saad, SIAM J. Matrix Anal. Appl. 38 (2017) 1075; G. Golub, G. Meurant, Matrices, Moments and
/// Quadrature with Applications, Princeton 2010, chapter 6.
#[doc(alias = "SLQ")]
pub fn stochastic_log_det(n: usize, apply: &Apply<'_>, options: &Options) -> Result<LogDetEstimate> {
    let floor = options.least_eigenvalue;
    let counts =
        [("rows", n, 1), ("probes", options.n_probes, 2), ("steps", options.n_steps, 1), ("batch", options.batch, 1)];
    if let Some((what, found, least)) = counts.into_iter().find(|(_, found, least)| found < least) {
        return Err(Error::argument(what, found, format!("at least {least}")));
    }
    if let Some(floor) = floor.filter(|f| !(*f > 0.0 && f.is_finite())) {
        return Err(Error::argument("least eigenvalue", floor, "a positive number"));
    }
    let (mut upper, mut lower, mut n_products) = (Vec::new(), Vec::new(), 0);
    for first in (0..options.n_probes).step_by(options.batch) {
        let numbers = first..options.n_probes.min(first + options.batch);
        let mut probes: Vec<Probe> = numbers.map(|i| Probe::start(n, options.seed, i)).collect();
        for _ in 0..options.n_steps.min(n) {
            let mut open: Vec<&mut Probe> = probes.iter_mut().filter(|p| !p.done).collect();
            if open.is_empty() {
                break;
            }
            let x = Mat::from_fn(n, open.len(), |i, j| open[j].last(n)[i]);
            let mut y = Mat::zeros(n, open.len());
            apply(x.as_ref(), y.as_mut())?;
            n_products += open.len();
            let products: Vec<Vec<f64>> = (0..open.len()).map(|j| y.col_as_slice(j).to_vec()).collect();
            if let Some(j) = products.iter().position(|y| y.iter().any(|v| !v.is_finite())) {
                return Err(Error::argument(
                    format!("product {j} with the matrix"),
                    "a value that is not finite",
                    "finite numbers",
                ));
            }
            open.par_iter_mut().zip(products).for_each(|(probe, y)| probe.step(n, y));
        }
        for probe in &probes {
            let (high, low) = probe.quadratures(floor)?;
            upper.push(n as f64 * high);
            lower.push(n as f64 * low);
        }
    }
    let values: Vec<f64> = upper.iter().zip(&lower).map(|(h, l)| 0.5 * (h + l)).collect();
    let count = values.len() as f64;
    let value = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|v| (v - value) * (v - value)).sum::<f64>() / (count - 1.0);
    let gap = upper.iter().zip(&lower).map(|(h, l)| 0.5 * (h - l)).sum::<f64>() / count;
    Ok(LogDetEstimate {
        value,
        standard_error: (variance / count).sqrt(),
        quadrature_error: floor.map(|_| gap),
        probes: values,
        n_products,
    })
}

/// A rest of less than this share of a product is round-off.
const INVARIANT: f64 = 1e-13;

impl Probe {
    fn start(n: usize, seed: u64, number: usize) -> Probe {
        let mut rng = StdRng::seed_from_u64(seed.wrapping_add((number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let size = 1.0 / (n as f64).sqrt();
        let basis = (0..n).map(|_| if rng.random::<bool>() { size } else { -size }).collect();
        Probe { basis, diagonal: Vec::new(), beside: Vec::new(), done: false }
    }

    fn last(&self, n: usize) -> &[f64] {
        &self.basis[self.basis.len() - n..]
    }

    /// The next row of T from y = A q, and the next q.
    fn step(&mut self, n: usize, y: Vec<f64>) {
        let k = self.basis.len() / n;
        let basis = MatRef::from_column_major_slice(&self.basis, n, k);
        let mut rest = Mat::from_fn(n, 1, |i, _| y[i]);
        let size = rest.col(0).norm_l2();
        let mut diagonal = 0.0;
        for _ in 0..2 {
            let c = dense::mul(basis.transpose(), rest.as_ref());
            dense::gemm(rest.as_mut(), true, basis, c.as_ref(), -1.0);
            diagonal += c[(k - 1, 0)];
        }
        let left = rest.col(0).norm_l2();
        self.diagonal.push(diagonal);
        self.done = left <= INVARIANT * size || k == n;
        self.beside.push(if self.done { 0.0 } else { left });
        if !self.done {
            self.basis.extend(rest.col_as_slice(0).iter().map(|x| x / left));
        }
    }

    /// Gauss quadrature of log, and Gauss-Radau with a node at `floor`: from above and from below; twice the former
    /// without a floor.
    fn quadratures(&self, floor: Option<f64>) -> Result<(f64, f64)> {
        let high = quadrature(&self.diagonal, &self.beside)?;
        let Some(floor) = floor.filter(|_| !self.done) else { return Ok((high, high)) };
        // The last entry that makes `floor` an eigenvalue of T with one row more.
        let mut before = 0.0;
        for (a, b) in self.diagonal.iter().zip(&self.beside) {
            let pivot = a - floor - before;
            if pivot.is_nan() || pivot <= 0.0 {
                let expected = "a lower bound of all eigenvalues of the matrix";
                return Err(Error::argument("least eigenvalue", floor, expected));
            }
            before = b * b / pivot;
        }
        let mut diagonal = self.diagonal.clone();
        diagonal.push(floor + before);
        Ok((high, quadrature(&diagonal, &self.beside)?))
    }
}

/// e_1ᵀ log(T) e_1.
fn quadrature(diagonal: &[f64], beside: &[f64]) -> Result<f64> {
    let k = diagonal.len();
    let entry = |i: usize, j: usize| match i.abs_diff(j) {
        0 => diagonal[i],
        1 => beside[i.min(j)],
        _ => 0.0,
    };
    let (values, vectors) = dense::symmetric_eigen(Mat::from_fn(k, k, entry).as_ref())?;
    if let Some(value) = values.iter().find(|v| v.is_nan() || **v <= 0.0) {
        return Err(Error::argument(
            "eigenvalue of the matrix, as estimated",
            value,
            "positive: a positive definite matrix",
        ));
    }
    Ok(values.iter().enumerate().map(|(j, v)| vectors[(0, j)] * vectors[(0, j)] * v.ln()).sum())
}

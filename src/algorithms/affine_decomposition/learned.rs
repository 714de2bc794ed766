//! Entries of the operator at a new parameter by Gaussian processes: the door for codes that can give nothing online.

use crate::algorithms::gaussian_process::{GaussianProcess, GpOptions};
use crate::algorithms::gaussian_process_groups::grouped_gaussian_processes;
use crate::error::Result;
use crate::linalg::dense;
use crate::linalg::scalar::Scalar;
use faer::{Mat, MatRef};

/// Processes of the leading left singular vectors' coefficients.
pub type Groups = Vec<(Vec<usize>, GaussianProcess)>;

/// a(mu) ≈ mean + U c(mu): POD of the sampled entries, real and imaginary parts one above the other, and a Gaussian process for
/// each coefficient.
#[derive(Debug, Clone)]
pub struct LearnedEntries {
    pub mean: Vec<f64>,
    /// [n_entries or twice that, n_modes].
    pub modes: Mat<f64>,
    /// c at the training parameters by processes that have not seen them [n_training, n_modes]; empty in a model from a file.
    pub left_out: Mat<f64>,
    /// Root of the sum of the variances of c there [n_training]; empty in a model from a file.
    pub left_out_deviation: Vec<f64>,
    pub groups: Groups,
}

/// Parts of the spread that no process is fitted to.
const TOLERANCE: f64 = 1e-6;

impl LearnedEntries {
    /// From entries [n_entries, n_training] at the inputs `x` [n_training, n_inputs]; about their mean where `centred`. Errors:
    /// those of the processes. Cost: as many processes as modes.
    pub fn new<T: Scalar>(
        entries: MatRef<'_, T>,
        x: MatRef<'_, f64>,
        centred: bool,
        options: &GpOptions,
    ) -> Result<LearnedEntries> {
        let (p, n) = (entries.nrows(), entries.ncols());
        let rows = if T::IS_COMPLEX { 2 * p } else { p };
        let part = |i: usize, j: usize| if i < p { entries[(i, j)].re() } else { entries[(i - p, j)].im() };
        let centre = |i: usize| if centred { (0..n).map(|j| part(i, j)).sum::<f64>() / n as f64 } else { 0.0 };
        let mean: Vec<f64> = (0..rows).map(centre).collect();
        let parts = Mat::from_fn(rows, n, |i, j| part(i, j) - mean[i]);
        let (u, s, v) = dense::thin_svd(parts.as_ref())?;
        let total: f64 = s.iter().map(|s| s * s).sum();
        let left = |k: usize| s[k..].iter().map(|s| s * s).sum::<f64>().sqrt();
        let modes = (0..=s.len()).find(|k| left(*k) <= TOLERANCE * total.sqrt()).unwrap_or(s.len());
        let scores = Mat::from_fn(n, modes, |j, k| v[(j, k)] * s[k]);
        let groups: Groups =
            if modes == 0 { Vec::new() } else { grouped_gaussian_processes(x, scores.as_ref(), None, options)? };
        let (mut left_out, mut squares) = (scores, vec![0.0; n]);
        for (outputs, process) in &groups {
            let found = process.leave_one_out();
            for (k, j) in outputs.iter().enumerate() {
                for (i, square) in squares.iter_mut().enumerate() {
                    left_out[(i, *j)] -= found.residuals[(i, k)];
                    *square += found.std[(i, k)].powi(2);
                }
            }
        }
        let left_out_deviation = squares.into_iter().map(f64::sqrt).collect();
        Ok(LearnedEntries { mean, modes: u.subcols(0, modes).to_owned(), left_out, left_out_deviation, groups })
    }

    /// The same processes for B a, B [n, n_entries], where the entries have no mean.
    pub fn times<T: Scalar>(self, b: MatRef<'_, T>) -> LearnedEntries {
        let (n, p) = (b.nrows(), b.ncols());
        // Of the parts: [Re -Im; Im Re].
        let part = |i: usize, j: usize| match (i < n, j < p) {
            (true, true) => b[(i, j)].re(),
            (true, false) => -b[(i, j - p)].im(),
            (false, true) => b[(i - n, j)].im(),
            (false, false) => b[(i - n, j - p)].re(),
        };
        let parts = if T::IS_COMPLEX { 2 } else { 1 };
        let modes = dense::mul(Mat::from_fn(parts * n, parts * p, part).as_ref(), self.modes.as_ref());
        LearnedEntries { mean: vec![0.0; parts * n], modes, ..self }
    }

    /// The entries [n_entries] at training parameter `sample` from processes that have not seen it, with the same hyper-parameters.
    pub fn without<T: Scalar>(&self, sample: usize) -> Vec<T> {
        let c = Mat::from_fn(self.modes.ncols(), 1, |k, _| self.left_out[(sample, k)]);
        self.expand::<T>(c.as_ref()).col_as_slice(0).to_vec()
    }

    /// The entries [n_entries, b] at the inputs `x` [b, n_inputs].
    pub fn entries<T: Scalar>(&self, x: MatRef<'_, f64>) -> Result<Mat<T>> {
        Ok(self.entries_with_deviation(x)?.0)
    }

    /// The same, and the root of the sum of the variances of c [b]: the norm of the deviation of all entries.
    pub fn entries_with_deviation<T: Scalar>(&self, x: MatRef<'_, f64>) -> Result<(Mat<T>, Vec<f64>)> {
        let (mut c, mut squares) = (Mat::zeros(self.modes.ncols(), x.nrows()), vec![0.0; x.nrows()]);
        for (outputs, process) in &self.groups {
            let (mean, std) = process.predict(x)?;
            for (k, j) in outputs.iter().enumerate() {
                for (i, square) in squares.iter_mut().enumerate() {
                    c[(*j, i)] = mean[(i, k)];
                    *square += std[(i, k)].powi(2);
                }
            }
        }
        Ok((self.expand(c.as_ref()), squares.into_iter().map(f64::sqrt).collect()))
    }

    fn expand<T: Scalar>(&self, c: MatRef<'_, f64>) -> Mat<T> {
        let values = dense::mul(self.modes.as_ref(), c);
        let p = if T::IS_COMPLEX { self.mean.len() / 2 } else { self.mean.len() };
        let part = |i: usize, j: usize| values[(i, j)] + self.mean[i];
        Mat::from_fn(p, c.ncols(), |i, j| T::from_parts(part(i, j), if T::IS_COMPLEX { part(i + p, j) } else { 0.0 }))
    }
}

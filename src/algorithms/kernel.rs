//! Correlation functions of Gaussian processes, with one length scale per input.

use crate::error::{Error, Result};
use faer::{MatMut, MatRef};
use serde::{Deserialize, Serialize};

/// A stationary correlation k(r) of the scaled distance, r² = sum_d (x_d - x'_d)² / l_d².
///
/// Reference: C. Rasmussen, C. Williams, Gaussian Processes for Machine Learning, chapter 4.
#[doc(alias = "covariance")]
#[doc(alias = "RBF")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// (1 + √5 r + 5 r² / 3) exp(-√5 r): twice differentiable.
    Matern52,
    /// (1 + √3 r) exp(-√3 r): once differentiable.
    Matern32,
    /// exp(-r² / 2): analytic.
    SquaredExponential,
}

const SQRT_3: f64 = 1.732_050_807_568_877_2;
const SQRT_5: f64 = 2.236_067_977_499_79;

impl Kernel {
    /// All kernels, in the order in which an automatic choice tries them.
    pub const ALL: [Kernel; 3] = [Kernel::Matern52, Kernel::SquaredExponential, Kernel::Matern32];

    /// Name in studies and model files.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Matern52 => "matern52",
            Kernel::Matern32 => "matern32",
            Kernel::SquaredExponential => "squared-exponential",
        }
    }

    /// The kernel of that [`name`](Kernel::name).
    pub fn from_name(name: &str) -> Result<Kernel> {
        let names = "matern52, matern32 or squared-exponential";
        Self::ALL.into_iter().find(|k| k.name() == name).ok_or_else(|| Error::argument("kernel", name, names))
    }

    /// k(r) from the squared scaled distance r².
    pub fn correlation(self, r2: f64) -> f64 {
        self.correlation_and_slope(r2).0
    }

    /// k(r) and h(r) = -k'(r) / r, from r²: the derivative of k in log l_d is h(r) (x_d - x'_d)² / l_d², finite at
    /// r = 0.
    #[inline]
    pub fn correlation_and_slope(self, r2: f64) -> (f64, f64) {
        match self {
            Kernel::Matern52 => {
                let a = SQRT_5 * r2.sqrt();
                let e = (-a).exp();
                ((1.0 + a + (5.0 / 3.0) * r2) * e, (5.0 / 3.0) * (1.0 + a) * e)
            }
            Kernel::Matern32 => {
                let a = SQRT_3 * r2.sqrt();
                let e = (-a).exp();
                ((1.0 + a) * e, 3.0 * e)
            }
            Kernel::SquaredExponential => {
                let e = (-0.5 * r2).exp();
                (e, e)
            }
        }
    }

    /// Correlations of all rows of `a` (n x d) with all rows of `b` (m x d), both already divided by the length
    /// scales: `k` (n x m), whose columns must be contiguous. O(n m d).
    pub(crate) fn cross(self, a: MatRef<'_, f64>, b: MatRef<'_, f64>, mut k: MatMut<'_, f64>) {
        for j in 0..k.ncols() {
            let Some(column) = k.as_mut().col_mut(j).try_as_col_major_mut() else { return };
            let column = column.as_slice_mut();
            squared_distances(a, 0, |d| b[(j, d)], column);
            for value in column.iter_mut() {
                *value = self.correlation(*value);
            }
        }
    }
}

/// Squared distances of the rows of `a` from number `first` on to one point.
pub(crate) fn squared_distances(a: MatRef<'_, f64>, first: usize, point: impl Fn(usize) -> f64, r2: &mut [f64]) {
    r2.fill(0.0);
    for d in 0..a.ncols() {
        let p = point(d);
        let Some(column) = a.col(d).try_as_col_major() else { return };
        for (r2, x) in r2.iter_mut().zip(column.as_slice().iter().skip(first)) {
            *r2 += (x - p) * (x - p);
        }
    }
}

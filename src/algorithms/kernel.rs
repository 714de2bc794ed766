//! Stationary correlation functions with one length scale per input.

use serde::{Deserialize, Serialize};

/// Correlation as a function of r² = sum_d (x_d - x'_d)² / l_d².
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// (1 + √5 r + 5 r²/3) exp(-√5 r)
    Matern52,
    /// (1 + √3 r) exp(-√3 r)
    Matern32,
    /// exp(-r²/2)
    SquaredExponential,
}

impl Kernel {
    /// All, in the order in which they are tried.
    pub const ALL: [Kernel; 3] = [Kernel::Matern52, Kernel::Matern32, Kernel::SquaredExponential];

    /// k and g with dk/dlog l_d = g (x_d - x'_d)²/l_d², finite at r = 0.
    #[inline]
    pub fn correlation(self, r2: f64) -> (f64, f64) {
        match self {
            Kernel::Matern52 => {
                let z = (5.0 * r2).sqrt();
                let e = (-z).exp();
                ((1.0 + z + z * z / 3.0) * e, 5.0 / 3.0 * (1.0 + z) * e)
            }
            Kernel::Matern32 => {
                let z = (3.0 * r2).sqrt();
                let e = (-z).exp();
                ((1.0 + z) * e, 3.0 * e)
            }
            Kernel::SquaredExponential => {
                let e = (-0.5 * r2).exp();
                (e, e)
            }
        }
    }

    /// Name in studies and files.
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Matern52 => "matern52",
            Kernel::Matern32 => "matern32",
            Kernel::SquaredExponential => "squared-exponential",
        }
    }

    /// From the name in studies and files.
    pub fn from_name(name: &str) -> Option<Self> {
        Kernel::ALL.into_iter().find(|k| k.name() == name)
    }
}

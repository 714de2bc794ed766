//! Trained models: evaluation only, no snapshots, no ranks.

pub mod coefficients;
pub mod operator_bound;
pub mod operator_model;
pub mod pod_regression;
pub mod reduced_basis;
mod reduced_basis_batch;
pub mod reduced_basis_bound;
pub mod reduced_basis_dual;
pub mod reduced_basis_residual;
pub mod reduced_basis_time;

pub use pod_regression::{PodRegression, Prediction, ReducedField, ScalarModel};
pub use reduced_basis::ReducedBasis;

/// The inputs of a model and the box of the training points.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputSpace {
    pub names: Vec<String>,
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

impl InputSpace {
    /// True where a point lies in the training box, up to round-off of its width.
    pub fn contains(&self, point: &[f64]) -> bool {
        point.iter().enumerate().all(|(j, x)| {
            let slack = 1e-9 * (self.upper[j] - self.lower[j]);
            *x >= self.lower[j] - slack && *x <= self.upper[j] + slack
        })
    }
}

//! The constants of rigorous bounds in a model file.

use crate::algorithms::coercivity::{Constraint, SuccessiveConstraints};
use crate::error::Result;
use crate::online::operator_bound::Certified;
use serde::{Deserialize, Serialize};

/// Ranges of the terms, constants with their coefficients and minimisers, the ratio of norms.
#[derive(Serialize, Deserialize)]
pub(super) struct CertifiedText {
    range: Vec<(f64, f64)>,
    constraints: Vec<(Vec<f64>, f64, Vec<f64>)>,
    norm_ratio: f64,
}

impl CertifiedText {
    pub fn of(c: &Certified) -> CertifiedText {
        let constraints = c.coercivity.constraints().iter();
        CertifiedText {
            range: c.coercivity.range().to_vec(),
            constraints: constraints.map(|c| (c.theta.clone(), c.lower, c.minimiser.clone())).collect(),
            norm_ratio: c.norm_ratio,
        }
    }

    /// Errors: numbers that do not fit together.
    pub fn read(self) -> Result<Certified> {
        let constraints = self.constraints.into_iter();
        let constraints = constraints.map(|(theta, lower, minimiser)| Constraint { theta, lower, minimiser }).collect();
        let coercivity = SuccessiveConstraints::new(self.range, constraints, usize::MAX)?;
        Ok(Certified { coercivity, norm_ratio: self.norm_ratio })
    }
}

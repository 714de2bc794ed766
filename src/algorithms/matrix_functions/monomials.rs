//! Monomials of several variables up to a degree, lower degrees first.

use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;

/// More are refused: nobody would wait for their interpolation.
const MOST: usize = 100_000;

/// A monomial as the product of one of lower degree and a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The monomial of lower degree.
    pub parent: usize,
    /// The variable, none of the parent's is later.
    pub variable: usize,
    /// Degree of the product, and its power of the variable.
    pub degree: usize,
    pub power: usize,
}

/// x^i for all |i| <= degree; number 0 is 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Monomials {
    n_variables: usize,
    degree: usize,
    /// How each monomial but the first is made.
    steps: Vec<Step>,
}

impl Monomials {
    /// All of `n_variables` up to `degree`. Errors: more than 100,000.
    pub fn new(n_variables: usize, degree: usize) -> Result<Monomials> {
        // C(n_variables + degree, degree), kept below what overflows.
        let (mut count, most) = (1.0_f64, n_variables.min(degree));
        (1..=most).for_each(|j| count *= (n_variables.saturating_add(degree) - most + j) as f64 / j as f64);
        if count > MOST as f64 {
            let found = format!("{count:.0} ({n_variables} variables, degree {degree})");
            return Err(Error::argument("monomials", found, format!("at most {MOST}; lower the degree")));
        }
        let mut steps: Vec<Step> = Vec::new();
        // Of the degree before: number, last variable, its power.
        let mut before = vec![(0, 0, 0)];
        for degree in 1..=degree {
            let mut now = Vec::new();
            for (parent, last, last_power) in before {
                for variable in last..n_variables {
                    let power = if variable == last { last_power + 1 } else { 1 };
                    steps.push(Step { parent, variable, degree, power });
                    now.push((steps.len(), variable, power));
                }
            }
            if now.is_empty() {
                break;
            }
            before = now;
        }
        Ok(Monomials { n_variables, degree, steps })
    }

    /// Number of monomials, C(n_variables + degree, degree).
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.steps.len() + 1
    }

    /// Largest degree.
    pub fn degree(&self) -> usize {
        self.degree
    }

    /// How monomials 1, 2, … are made of earlier ones.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// All monomials of `x` [n_variables]; one product each.
    pub fn values<T: Scalar>(&self, x: &[T]) -> Vec<T> {
        debug_assert_eq!(x.len(), self.n_variables);
        let mut values = Vec::with_capacity(self.len());
        values.push(T::real(1.0));
        self.steps.iter().for_each(|s| values.push(values[s.parent] * x[s.variable]));
        values
    }
}

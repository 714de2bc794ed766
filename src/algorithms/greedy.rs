//! Weak greedy algorithm.

use crate::error::{Error, Result};

/// What grows: a space, and its estimated error at each candidate.
pub trait Approximation {
    /// Dimension of the space.
    fn size(&self) -> usize;
    /// Estimated error at each candidate, from small numbers only.
    fn errors(&mut self) -> Result<Vec<f64>>;
    /// Extends the space by what it misses at one candidate; returns how many dimensions that gave.
    fn extend(&mut self, candidate: usize) -> Result<usize>;
}

/// Options of [`greedy`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GreedyOptions {
    /// Ends where no candidate has a larger estimated error.
    pub tolerance: f64,
    /// Ends at this dimension.
    pub max_size: usize,
    /// Ends after this many extensions without a new least value of the largest error.
    pub patience: usize,
}

impl Default for GreedyOptions {
    fn default() -> Self {
        GreedyOptions { tolerance: 1e-6, max_size: 100, patience: 10 }
    }
}

/// Why [`greedy`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The largest error is at most the tolerance.
    Tolerance,
    /// The space is as large as was allowed.
    Size,
    /// The worst candidate gave nothing new, or the largest error no longer falls: the estimate has reached its floor.
    Stagnation,
}

/// Result of [`greedy`].
#[derive(Debug, Clone, PartialEq)]
pub struct Greedy {
    /// Candidates in the order of their choice.
    pub chosen: Vec<usize>,
    /// Largest error before each choice, and at the end.
    pub largest: Vec<f64>,
    pub stop: Stop,
}

/// A larger error counts only where it is larger by more than this share, so that round-off chooses no candidate.
const MARGIN: f64 = 1e-9;

/// Chooses the candidate of the largest estimated error, extends the space by its solution, and begins again.
///
/// Of nearly equal candidates the first is taken. Errors: options out of range, no candidates, an error that is not a
/// number, and those of the approximation. Cost: an estimate per candidate and one full solution per step.
///
/// Reference: Veroy, Prud'homme, Rovas, Patera, AIAA 2003-3847; Binev, Cohen, Dahmen, DeVore, Petrova, Wojtaszczyk, SIAM J.
/// Math. Anal. 43 (2011) 1457 (rates).
#[doc(alias = "weak greedy")]
#[doc(alias = "POD-greedy")]
pub fn greedy(approximation: &mut dyn Approximation, options: &GreedyOptions) -> Result<Greedy> {
    if !(options.tolerance >= 0.0 && options.tolerance.is_finite()) || options.max_size == 0 || options.patience == 0 {
        let GreedyOptions { tolerance, max_size, patience } = options;
        let found = format!("tolerance {tolerance}, {max_size} dimensions, patience {patience}");
        return Err(Error::argument(
            "options of a greedy algorithm",
            found,
            "a tolerance >= 0 and counts of at least 1",
        ));
    }
    let (mut chosen, mut largest, mut least, mut waited) = (Vec::new(), Vec::new(), f64::INFINITY, 0);
    loop {
        let errors = approximation.errors()?;
        if let Some(i) = errors.iter().position(|e| e.is_nan()) {
            return Err(Error::argument(format!("estimated error of candidate {i}"), f64::NAN, "a number"));
        }
        let Some((worst, error)) = errors
            .iter()
            .copied()
            .enumerate()
            .reduce(|most, next| if next.1 > most.1 * (1.0 + MARGIN) { next } else { most })
        else {
            return Err(Error::argument("candidates of a greedy algorithm", 0, "at least 1"));
        };
        largest.push(error);
        waited = if error < least { 0 } else { waited + 1 };
        least = least.min(error);
        let stop = if error <= options.tolerance {
            Some(Stop::Tolerance)
        } else if approximation.size() >= options.max_size {
            Some(Stop::Size)
        } else if waited >= options.patience {
            Some(Stop::Stagnation)
        } else {
            None
        };
        if let Some(stop) = stop {
            return Ok(Greedy { chosen, largest, stop });
        }
        if approximation.extend(worst)? == 0 {
            return Ok(Greedy { chosen, largest, stop: Stop::Stagnation });
        }
        chosen.push(worst);
    }
}

//! Sums of all entries of a matrix with random signs: two matrices are told apart by few numbers, however they are stored.

use super::scalar::Scalar;
use super::terms::Pattern;
use faer::MatRef;

/// Sums that are kept of a matrix.
pub const PROBES: usize = 16;

/// A matrix below this share of the terms is zero.
const ZERO: f64 = 1e-14;

/// s_k = sum_ij h_k(i, j) a_ij with signs h_k(i, j) = ±1 that depend on row and column only.
///
/// The sketch is linear in the matrix, and the mean of |s_k|² over the signs is ||A||² (Frobenius): the sketch of a difference tells its
/// norm up to a factor of 1 ± sqrt(2 / 16), whatever the pattern, the order of its columns, and zeros that are stored. Cost: one pass over
/// the entries. Not collective.
///
/// Reference: N. Alon, Y. Matias, M. Szegedy, The space complexity of approximating the frequency moments, J. Comput. Syst. Sci. 58
/// (1999).
#[derive(Debug, Clone, PartialEq)]
#[doc(alias = "AMS")]
pub struct Sketch<T> {
    /// [PROBES].
    pub sums: Vec<T>,
    /// ||A||².
    pub square: f64,
}

/// Random bits of a place; part of the model file, never to be changed (SplitMix64 of both numbers).
fn bits(i: usize, j: usize) -> u64 {
    let mix = |z: u64| {
        let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    mix(mix(i as u64) ^ (j as u64).rotate_left(32))
}

impl<T: Scalar> Sketch<T> {
    /// Of nothing.
    pub fn new() -> Sketch<T> {
        Sketch { sums: vec![T::default(); PROBES], square: 0.0 }
    }

    /// Adds entry (i, j).
    pub fn add(&mut self, i: usize, j: usize, value: T) {
        let bits = bits(i, j);
        self.square += value.modulus_squared();
        for (k, sum) in self.sums.iter_mut().enumerate() {
            if bits >> k & 1 == 1 { *sum += value } else { *sum -= value }
        }
    }

    /// Of the matrix with `values` on a pattern.
    pub fn of_matrix(pattern: &Pattern, values: &[T]) -> Sketch<T> {
        let mut sketch = Sketch::new();
        match pattern {
            Pattern::Dense { n_rows } => {
                values.iter().enumerate().for_each(|(e, v)| sketch.add(e / n_rows, e % n_rows, *v));
            }
            Pattern::Sparse { indptr, indices } => {
                for (i, row) in indptr.windows(2).enumerate() {
                    (row[0]..row[1]).for_each(|e| sketch.add(i, indices[e], values[e]));
                }
            }
        }
        sketch
    }

    /// Of vectors of length `n`, one after the other.
    pub fn of_vectors(n: usize, values: &[T]) -> Sketch<T> {
        let mut sketch = Sketch::new();
        values.iter().enumerate().for_each(|(e, v)| sketch.add(e % n, e / n, *v));
        sketch
    }

    /// ||A||.
    pub fn norm(&self) -> f64 {
        self.square.sqrt()
    }

    /// ||A - sum_m beta_m A_m|| / ||A|| from the sketches of the terms, `terms` [PROBES, n_terms].
    pub fn misfit(&self, terms: MatRef<'_, T>, beta: &[T]) -> f64 {
        let missed = |k: usize| {
            let fitted: T = beta.iter().enumerate().map(|(m, b)| terms[(k, m)] * *b).sum();
            (self.sums[k] - fitted).modulus_squared()
        };
        let missed = (0..PROBES).map(missed).sum::<f64>() / PROBES as f64;
        // What is zero beside the terms is missed by round-off only.
        let of_terms = (0..PROBES).flat_map(|k| terms.row(k).iter().map(|s| s.modulus_squared())).fold(0.0, f64::max);
        let scale = self.square.max(ZERO * ZERO * of_terms);
        if missed == 0.0 || scale == 0.0 { missed.min(1.0) } else { (missed / scale).sqrt() }
    }
}

impl<T: Scalar> Default for Sketch<T> {
    fn default() -> Self {
        Sketch::new()
    }
}

//! Lanczos' iteration: extreme eigenvalues of an operator that is self-adjoint in an inner product.

use super::dense;
use super::inner_product::InnerProduct;
use super::orthonormal::applied;
use super::scalar::{Scalar, add_tall_product, tall_adjoint_product};
use crate::error::{Error, Result};
use faer::{Mat, MatRef};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Steps between two looks at the small eigenproblem.
const STEPS_BETWEEN: usize = 4;
/// A new direction of less than this share of the operator's size is round-off: the space is invariant.
const INVARIANT: f64 = 1e-13;

/// Options of [`lanczos`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LanczosOptions {
    /// The least eigenvalue is waited for too, not the largest alone.
    pub both_ends: bool,
    /// Ends where the residual of what is waited for is at most this share of the largest absolute Ritz value; the error of
    /// the eigenvalue is of its square.
    pub tolerance: f64,
    /// Ends after this many steps.
    pub max_steps: usize,
    /// Seed of the first vector.
    pub seed: u64,
}

impl Default for LanczosOptions {
    fn default() -> Self {
        LanczosOptions { both_ends: false, tolerance: 1e-8, max_steps: 300, seed: 0 }
    }
}

/// Bv from v and Xv.
pub type Apply<'a, T> = &'a mut dyn FnMut(&[T], &[T]) -> Result<Vec<T>>;

/// Ritz values at both ends: never beyond the eigenvalues, up to round-off.
#[derive(Debug, Clone)]
pub struct Ritz<T> {
    pub largest: f64,
    pub smallest: f64,
    /// Of norm 1 in X.
    pub largest_vector: Vec<T>,
    /// X-norms of B v - theta v of the two.
    pub residuals: (f64, f64),
    pub n_steps: usize,
}

/// Extreme eigenvalues of B [n, n] with (u, Bv)_X = (Bu, v)_X, X symmetric positive definite.
///
/// `apply` gets v and Xv and returns Bv. The basis is X-orthonormal, orthogonalised twice against all of it in each step, so
/// that no eigenvalue comes again as a copy. The first vector is random with a seed; the bits depend on nothing else. What
/// has not converged is returned all the same, with its residual. Not collective.
///
/// Errors: those of `apply`, a size of zero, numbers that are not finite. Cost: k applications and O(n k²) for k steps; two
/// vectors are held for each.
///
/// Reference: B. Parlett, The Symmetric Eigenvalue Problem, SIAM 1998, chapter 13.
pub fn lanczos<T: Scalar>(
    n: usize,
    x: &InnerProduct,
    apply: Apply<'_, T>,
    options: &LanczosOptions,
) -> Result<Ritz<T>> {
    x.check(n)?;
    if n == 0 || options.max_steps == 0 {
        let found = format!("{n} rows, {} steps", options.max_steps);
        return Err(Error::argument("Lanczos' iteration", found, "at least one of each"));
    }
    let mut rng = StdRng::seed_from_u64(options.seed);
    let imaginary = if T::IS_COMPLEX { 1.0 } else { 0.0 };
    let mut number = || T::from_parts(rng.random_range(-1.0..1.0), imaginary * rng.random_range(-1.0..1.0));
    let mut w = Mat::from_fn(n, 1, |_, _| number());
    let (mut v, mut xv): (Vec<T>, Vec<T>) = (Vec::new(), Vec::new());
    let (mut alpha, mut beta): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    norm_and_append(x, &w, &mut v, &mut xv)?;
    let mut size = 0.0_f64;
    loop {
        let k = alpha.len();
        let image = apply(&v[k * n..], &xv[k * n..])?;
        w = Mat::from_fn(n, 1, |i, _| image[i]);
        let whole = MatRef::from_column_major_slice(&v, n, k + 1);
        let whole_x = MatRef::from_column_major_slice(&xv, n, k + 1);
        for pass in 0..2 {
            let c = tall_adjoint_product(whole_x, w.as_ref());
            add_tall_product(w.as_mut(), whole, c.as_ref(), T::real(-1.0));
            if pass == 0 {
                alpha.push(c[(k, 0)].re());
            }
        }
        size = size.max(alpha[k].abs()).max(beta.last().copied().unwrap_or(0.0));
        let rest = norm_and_append(x, &w, &mut v, &mut xv)?;
        let steps = k + 1;
        let done = steps == options.max_steps || steps == n || rest <= INVARIANT * size;
        if done || steps % STEPS_BETWEEN == 0 {
            let rest = if rest <= INVARIANT * size { 0.0 } else { rest };
            let (values, vectors) = small_eigen(&alpha, &beta)?;
            let residual = |j: usize| rest * vectors[(k, j)].abs();
            let (first, last) = (residual(0), residual(k));
            let enough = options.tolerance * values[0].abs().max(values[k].abs());
            if done || first <= enough && (!options.both_ends || last <= enough) {
                let mut u = Mat::zeros(n, 1);
                let top = Mat::from_fn(steps, 1, |i, _| T::real(vectors[(i, 0)]));
                let basis = MatRef::from_column_major_slice(&v[..steps * n], n, steps);
                add_tall_product(u.as_mut(), basis, top.as_ref(), T::real(1.0));
                return Ok(Ritz {
                    largest: values[0],
                    smallest: values[k],
                    largest_vector: u.col(0).iter().copied().collect(),
                    residuals: (first, last),
                    n_steps: steps,
                });
            }
        }
        beta.push(rest);
    }
}

/// The X-norm of w; appends w and Xw over it.
fn norm_and_append<T: Scalar>(x: &InnerProduct, w: &Mat<T>, v: &mut Vec<T>, xv: &mut Vec<T>) -> Result<f64> {
    let product = applied(x, w.as_ref());
    let xw = product.as_ref().unwrap_or(w);
    let square: f64 = w.col(0).iter().zip(xw.col(0).iter()).map(|(a, b)| (a.conjugate() * *b).re()).sum();
    if !square.is_finite() {
        return Err(Error::argument("vector of Lanczos' iteration", square, "finite numbers"));
    }
    let norm = square.max(0.0).sqrt();
    let inverse = T::real(if norm > 0.0 { 1.0 / norm } else { 0.0 });
    v.extend(w.col(0).iter().map(|a| *a * inverse));
    xv.extend(xw.col(0).iter().map(|a| *a * inverse));
    Ok(norm)
}

/// Eigenvalues, descending, and vectors of the tridiagonal matrix.
fn small_eigen(alpha: &[f64], beta: &[f64]) -> Result<(Vec<f64>, Mat<f64>)> {
    let k = alpha.len();
    let t = Mat::from_fn(k, k, |i, j| match i.abs_diff(j) {
        0 => alpha[i],
        1 => beta[i.min(j)],
        _ => 0.0,
    });
    dense::symmetric_eigen(t.as_ref())
}

//! Inf-sup constants of real or complex matrices that need not be symmetric.

use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::lanczos::{LanczosOptions, lanczos};
use crate::linalg::scalar::Scalar;
use crate::linalg::sparse_cholesky::SparseCholesky;
use crate::linalg::sparse_lu::LuAnalysis;
use crate::linalg::terms::Terms;
use faer::MatRef;

/// Largest residual, relative, of an eigenvalue that is returned.
const TOLERANCE: f64 = 1e-4;

/// Error: X that is not positive definite.
fn check_definite(x: &InnerProduct) -> Result<()> {
    match x {
        InnerProduct::Euclidean => Ok(()),
        InnerProduct::Diagonal(w) => match w.iter().position(|w| *w <= 0.0) {
            Some(i) => Err(Error::argument(format!("weight {i} of the inner product"), w[i], "a number > 0")),
            None => Ok(()),
        },
        InnerProduct::Sparse(m) | InnerProduct::Components(m, _) => SparseCholesky::new(m).map(|_| ()),
    }
}

/// beta = min_v max_w |wᴴA v| / (||v||_X ||w||_X), the least singular value of X^(-1/2) A X^(-1/2), for the matrices
/// sum_q theta_q A_q at the columns of `theta` [n_terms, m].
///
/// 1 / beta² is the largest eigenvalue of A⁻¹ X A⁻ᴴ X: Lanczos' iteration in X with a factorisation of A, dense where the
/// pattern is. A number, not a bound: the iteration converges from above. Errors: shapes, numbers that are not finite, a singular
/// matrix, no convergence. Not collective. Cost per column: a sparse LU and some 40 solutions.
pub fn inf_sup_constants<T: Scalar>(
    matrices: &dyn Terms<T>,
    x: &InnerProduct,
    theta: MatRef<'_, T>,
) -> Result<Vec<f64>> {
    let n = matrices.n_rows();
    x.check(n)?;
    if theta.nrows() != matrices.n_terms() || theta.ncols() == 0 {
        let found = format!("{} x {}", theta.nrows(), theta.ncols());
        return Err(Error::argument("coefficients theta", found, format!("{} x m, m >= 1", matrices.n_terms())));
    }
    super::reduced_basis::check_finite("theta", theta)?;
    check_definite(x)?;
    let analysis = LuAnalysis::new(matrices.pattern())?;
    let constant = |j: usize| -> Result<f64> {
        let coefficients: Vec<T> = theta.col(j).iter().copied().collect();
        let lu = analysis.factorize(matrices.combine(&coefficients)?)?;
        let mut apply = |_: &[T], xv: &[T]| {
            let half = lu.solve_adjoint(MatRef::from_column_major_slice(xv, n, 1))?;
            let product = crate::linalg::orthonormal::applied(x, half.as_ref());
            let whole = lu.solve(product.as_ref().unwrap_or(&half).as_ref())?;
            Ok(whole.col(0).iter().copied().collect())
        };
        let found = lanczos(n, x, &mut apply, &LanczosOptions::default())?;
        let reached = found.residuals.0 / found.largest;
        match reached <= TOLERANCE {
            true => Ok(1.0 / found.largest.sqrt()),
            false => Err(Error::NotConverged { what: format!("inf-sup constant {j}"), reached, wanted: TOLERANCE }),
        }
    };
    (0..theta.ncols()).map(constant).collect()
}

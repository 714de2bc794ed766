//! Block Gram-Schmidt with re-orthogonalisation, that reveals the rank of what is new.

use super::dense;
use super::inner_product::{InnerProduct, square_roots};
use super::tall::TallMatrix;
use super::tsqr::weighted_tsqr;
use crate::error::{Error, Result};
use faer::{Mat, MatRef};

/// Below this, relative to the largest column, what is left of a block is round-off.
const ROUND_OFF: f64 = 64.0 * f64::EPSILON;
/// Below this, relative to the largest, the square of a direction has been lost to the second pass.
const LOST: f64 = 1e-6;

/// B = V C + Q R up to what was left out.
#[derive(Debug, Clone)]
pub struct Split {
    /// C [k, s].
    pub coefficients: Mat<f64>,
    /// Q [n_dofs, q], q <= s: [V Q] is orthonormal in M.
    pub new: TallMatrix,
    /// R [q, s].
    pub new_coefficients: Mat<f64>,
    /// Squared M-norm of what was left out: round-off of B, and nothing else.
    pub left_out: f64,
}

/// Splits a block into its part in an orthonormal basis and an orthonormal rest: B = V C + Q R, [V Q]ᵀM[V Q] = I.
///
/// `basis` V [n_dofs, k], `block` B [n_dofs, s], which is overwritten. Two projections; between them the rest is
/// factorised by [`tsqr`](super::tsqr::tsqr) in the metric of M's diagonal and cut at round-off, so that each direction is of unit norm when it
/// is projected again: small new directions beside large ones are as orthogonal as these. Cost: V is read four times,
/// 8 n k s flops, and 6 n s² for the rest. Collective.
/// Reference: Barlow, Smoktunowicz, Numer. Math. 123 (2013) 395; Giraud et al., Numer. Math. 101 (2005) 87 ("twice is enough").
pub fn block_gram_schmidt(basis: &TallMatrix, block: &mut TallMatrix, m: &InnerProduct) -> Result<Split> {
    let metric = match m.sparse() {
        Some((matrix, k)) => {
            let diagonal = matrix.diag();
            let mut weights = vec![0.0; matrix.rows() * k];
            diagonal.iter().for_each(|(i, w)| weights[i * k..(i + 1) * k].fill(w.max(0.0)));
            InnerProduct::Diagonal(weights)
        }
        None => m.clone(),
    };
    let largest = metric.norms(block).into_iter().fold(0.0, f64::max);
    let mut coefficients = m.cross(basis, block);
    block.subtract_product(basis, coefficients.as_ref())?;
    let r = match &metric {
        InnerProduct::Diagonal(w) => weighted_tsqr(block, Some(&square_roots(w))),
        _ => weighted_tsqr(block, None),
    };
    let (_, s, z) = dense::thin_svd(r.as_ref())?;
    let rank = s.iter().take_while(|s| **s > ROUND_OFF * largest).count();
    let rest = block.mul_small(z.subcols(rank, z.ncols() - rank));
    let mut left_out = square(&m.norms(&rest));
    let mut new = block.mul_small(Mat::from_fn(z.nrows(), rank, |i, j| z[(i, j)] / s[j]).as_ref());
    let mut r = Mat::from_fn(rank, z.nrows(), |i, j| s[i] * z[(j, i)]);

    let again = m.cross(basis, &new);
    new.subtract_product(basis, again.as_ref())?;
    coefficients += dense::mul(again.as_ref(), r.as_ref());
    // Near I where M is diagonal; as far from it as M from its diagonal elsewhere: then once more.
    let mut even = false;
    while !even && new.n_columns() > 0 {
        let (lambda, u) = dense::symmetric_eigen(m.gram(&new).as_ref())?;
        let least = lambda[lambda.len() - 1];
        if least < -LOST * lambda[0] {
            let mend = "check the inner product: a combination of the columns has a negative square".into();
            return Err(Error::NotPositiveDefinite { what: "the inner product".into(), pivot: lambda.len() - 1, mend });
        }
        even = least > 0.5 * lambda[0];
        let kept = lambda.iter().take_while(|l| **l > LOST * lambda[0]).count();
        let rotated = dense::mul(u.transpose(), r.as_ref());
        let row = |i: usize| lambda[i].max(0.0).sqrt();
        left_out += (kept..lambda.len()).map(|i| row(i).powi(2) * rotated.row(i).squared_norm_l2()).sum::<f64>();
        r = Mat::from_fn(kept, r.ncols(), |i, j| row(i) * rotated[(i, j)]);
        new.combine_columns(scaled(u.as_ref(), kept, |j| 1.0 / row(j)).as_ref())?;
    }
    Ok(Split { coefficients, new, new_coefficients: r, left_out })
}

fn scaled(u: MatRef<'_, f64>, n: usize, factor: impl Fn(usize) -> f64) -> Mat<f64> {
    Mat::from_fn(u.nrows(), n, |i, j| u[(i, j)] * factor(j))
}

fn square(norms: &[f64]) -> f64 {
    norms.iter().fold(0.0, |sum, v| sum + v * v)
}

//! Compression of the residual of a reduced basis whose columns are too many to be kept.

use super::reduced_basis::{AffineProblem, Options};
use super::reduced_basis_projection::read;
use super::reduced_basis_residual::{Owner, ResidualBuilder, Sizes};
use crate::error::Result;
use crate::linalg::scalar::{Scalar, add_tall_product};
use crate::online::reduced_basis_residual::Residual;
use faer::{Mat, MatRef};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, StandardNormal};

/// Directions that are sought, over the rows that are kept at most: as many more as the range finder needs for a remainder near
/// the best.
const OVERSAMPLING: f64 = 1.5;
const SEED: u64 = 0;

/// Leading left singular space of P = [f_p | A_q v_i], its columns weighted by `sizes`, by a randomised range finder in two
/// passes over the matrices.
///
/// ```text
/// Y = P D Omega,   Y = Q R,   R_P = UᴴQᴴP,   missed_j = ||p_j - Q Qᴴp_j|| + ||what U cuts off||
/// ```
///
/// D the sizes, Omega [d N + n_rhs, l] of normal numbers, l = 1.5 `options.residual_rows`. What Q misses of every column is
/// measured in full, so that the choice of Q decides how sharp a bound is, not whether it holds. Where l reaches the number of
/// dofs, Q = I. One matrix, l columns of n_dofs, and l rows of P in memory. O(n l (d N + n_rhs)); not collective.
///
/// Reference: Halko, Martinsson, Tropp, SIAM Review 53 (2011) 217, theorem 10.5: l = 1.5 k gives a remainder within a factor of
/// sqrt(3) of the best one with k rows.
pub(super) fn compressed_in_two_passes<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    basis: MatRef<'_, T>,
    options: &Options,
    sizes: &Sizes,
) -> Result<Residual<T>> {
    let (n, n_modes) = (problem.n_dofs(), basis.ncols());
    let l = ((OVERSAMPLING * options.residual_rows as f64).ceil() as usize).max(n_modes + 1).min(n);
    let (x, rows) = (&problem.inner_product, options.residual_rows);
    let mut builder = ResidualBuilder::new(n, options.norm, x, options.residual_tolerance, rows)?;
    if l == n {
        builder.span(Mat::identity(n, n).as_ref())?;
    } else {
        let mut random = StdRng::seed_from_u64(SEED);
        let mut y = Mat::zeros(n, l);
        each_block(problem, basis, |w, owner| {
            let mut weighted = builder.whitened(w)?;
            for (j, column) in weighted.col_iter_mut().enumerate() {
                let size = T::real(sizes.of(owner(j)));
                column.iter_mut().for_each(|v| *v *= size);
            }
            let omega = Mat::from_fn(w.ncols(), l, |_, _| T::real(StandardNormal.sample(&mut random)));
            add_tall_product(y.as_mut(), weighted.as_ref(), omega.as_ref(), T::real(1.0));
            Ok(())
        })?;
        builder.span(y.as_ref())?;
    }
    each_block(problem, basis, |w, owner| builder.project(w, owner))?;
    builder.compressed(sizes, n_modes + 1)
}

/// Calls `use_block` with f, then with A_q V for one term after the other, and the owner of each column.
fn each_block<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    basis: MatRef<'_, T>,
    mut use_block: impl FnMut(MatRef<'_, T>, &dyn Fn(usize) -> Owner) -> Result<()>,
) -> Result<()> {
    use_block(problem.rhs.as_ref(), &Owner::Rhs)?;
    let mut w = Mat::zeros(basis.nrows(), basis.ncols());
    for q in 0..problem.matrices.n_terms() {
        let values = read(problem.matrices, q)?;
        problem.matrices.pattern().apply(&values, basis, w.as_mut())?;
        drop(values);
        use_block(w.as_ref(), &|i| Owner::Matrix(q, i))?;
    }
    Ok(())
}

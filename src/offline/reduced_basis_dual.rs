//! Dual problems of outputs, and the correction that a dual basis gives.

use super::reduced_basis::AffineProblem;
use super::reduced_basis_projection::read;
use crate::error::{Error, Result};
use crate::linalg::scalar::{Scalar, tall_adjoint_product};
use crate::linalg::terms::AdjointTerms;
use crate::online::reduced_basis::ReducedBasis;
use crate::online::reduced_basis_dual::OutputCorrection;
use faer::Mat;

/// A(mu)ᴴ z = l_k(mu): its coefficients are conj(theta) and conj(lambda), its output the load f of `problem`.
///
/// `adjoint` holds the terms of `problem`. Solutions come from
/// [`DirectSolver::solve_adjoint`](super::direct_solver::DirectSolver::solve_adjoint) or from this problem itself. Error:
/// an output that is not there.
pub fn dual_problem<'a, T: Scalar>(
    problem: &AffineProblem<'_, T>,
    adjoint: &'a AdjointTerms<'_, T>,
    output: usize,
) -> Result<AffineProblem<'a, T>> {
    let Some(l) = problem.outputs.get(output) else {
        return Err(Error::argument("output", output, format!("one of {}", problem.outputs.len())));
    };
    Ok(AffineProblem {
        matrices: adjoint,
        rhs: l.clone(),
        outputs: vec![problem.rhs.clone()],
        inner_product: problem.inner_product.clone(),
    })
}

/// Projects the primal residual on the modes of `dual`, a reduced basis of [`dual_problem`].
///
/// Errors: bases of other sizes, those of reading. One pass over the matrices.
/// Reference: Pierce, Giles, SIAM Review 42 (2000) 247.
pub fn output_correction<T: Scalar>(
    problem: &AffineProblem<'_, T>,
    primal: &ReducedBasis<T>,
    output: usize,
    dual: ReducedBasis<T>,
) -> Result<OutputCorrection<T>> {
    problem.check()?;
    let n = problem.n_dofs();
    let (v, w) = (primal.basis(), dual.basis());
    if (v.nrows(), w.nrows()) != (n, n) || output >= problem.outputs.len() {
        let found = format!("{} and {} dofs, output {output}", v.nrows(), w.nrows());
        return Err(Error::argument(
            "output correction",
            found,
            format!("{n} dofs, {} outputs", problem.outputs.len()),
        ));
    }
    let mut applied = Mat::zeros(n, v.ncols());
    let mut matrices = Vec::with_capacity(problem.matrices.n_terms());
    for q in 0..problem.matrices.n_terms() {
        problem.matrices.pattern().apply(&read(problem.matrices, q)?, v, applied.as_mut())?;
        matrices.push(tall_adjoint_product(w, applied.as_ref()));
    }
    let rhs = tall_adjoint_product(w, problem.rhs.as_ref());
    OutputCorrection::new(output, dual, &matrices, &rhs)
}

//! Constants for the rigorous bound of an operator model.

use super::coercivity::{ScmOptions, successive_constraint_method};
use crate::error::Result;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::scalar::Scalar;
use crate::linalg::symmetric_pencil::SymmetricPencil;
use crate::linalg::terms::{Pattern, Terms, TermsInMemory};
use crate::online::coefficients::Rule;
use crate::online::operator_bound::Certified;
use crate::online::operator_model::OperatorModel;
use faer::MatRef;
use std::sync::Arc;

/// Eigenproblems of larger matrices are left alone, and those of more terms.
const MOST_ROWS: usize = 200_000;
const MOST_TERMS: usize = 50;
/// Constraints at most, and the gap of the bounds of the constant that is small enough: the bound of the error grows by as much.
const OPTIONS: ScmOptions = ScmOptions { tolerance: 0.2, max_constraints: 30, n_nearest: usize::MAX };

/// Real parts of terms that have no others.
#[derive(Debug)]
struct RealTerms<'a, T: Scalar>(&'a dyn Terms<T>);

impl<T: Scalar> Terms<f64> for RealTerms<'_, T> {
    fn n_rows(&self) -> usize {
        self.0.n_rows()
    }
    fn n_terms(&self) -> usize {
        self.0.n_terms()
    }
    fn values(&self, term: usize) -> Result<Vec<f64>> {
        Ok(self.0.values(term)?.into_iter().map(Scalar::re).collect())
    }
    fn pattern(&self) -> &Arc<Pattern> {
        self.0.pattern()
    }
}

/// Lower bounds of the coercivity, proved, for the terms of `model`; else why there are none.
///
/// `theta` [n_terms, n_training] are the coefficients in training, `x` the inner product of the basis, `norm` that of errors. Cost: that
/// of [`successive_constraint_method`] with at most 30 constraints. Not collective.
pub(super) fn certified<T: Scalar>(
    model: &OperatorModel<T>,
    terms: &dyn Terms<T>,
    theta: MatRef<'_, T>,
    x: &InnerProduct,
    norm: &InnerProduct,
) -> std::result::Result<(Certified, String), String> {
    let exact = |rule: &Rule<T>| matches!(rule, Rule::Constant | Rule::Expressions(_));
    let parts = model.operators.iter().chain([&model.rhs]);
    if let Some(part) = parts.into_iter().find(|p| !exact(&p.rule)) {
        return Err(format!("the coefficients of {} are not exact", part.name));
    }
    if T::IS_COMPLEX {
        return Err("the operator is complex".into());
    }
    if terms.n_rows() > MOST_ROWS || terms.n_terms() > MOST_TERMS {
        return Err(format!("more than {MOST_ROWS} rows or {MOST_TERMS} terms"));
    }
    let real = RealTerms(terms);
    let found = || -> Result<(Certified, f64, usize)> {
        let pencil = SymmetricPencil::new(&real, x)?;
        let training = faer::Mat::from_fn(theta.nrows(), theta.ncols(), |q, i| theta[(q, i)].re());
        let (coercivity, greedy) = successive_constraint_method(&pencil, training.as_ref(), &OPTIONS)?;
        let n_constraints = coercivity.constraints().len();
        let gap = greedy.largest.last().copied().unwrap_or(f64::NAN);
        Ok((Certified { coercivity, norm_ratio: norm_ratio(x, norm, terms.n_rows())? }, gap, n_constraints))
    };
    let (certified, gap, n) = found().map_err(|e| e.to_string())?;
    let positive = certified.coercivity.constraints().iter().all(|c| c.lower > 0.0);
    if !(positive && certified.norm_ratio > 0.0) {
        return Err("the operator is not coercive at all training points".into());
    }
    Ok((certified, format!("{n} constants, a gap of at most {:.0} % in training", 100.0 * gap)))
}

/// min_v ||v||_X² / ||v||² in the norm of errors, proved.
fn norm_ratio(x: &InnerProduct, norm: &InnerProduct, n: usize) -> Result<f64> {
    let ones = || InnerProduct::Diagonal(vec![1.0; n]);
    let (entries, norm) = match (x, norm) {
        (InnerProduct::Euclidean, InnerProduct::Euclidean) => return Ok(1.0),
        (InnerProduct::Sparse(x), InnerProduct::Sparse(m)) if x == m => return Ok(1.0),
        (x, InnerProduct::Euclidean) => (x, ones()),
        (x, norm) => (x, norm.clone()),
    };
    let (indptr, indices, values) = match entries {
        InnerProduct::Sparse(m) | InnerProduct::Components(m, 1) => {
            (m.proper_indptr().to_vec(), m.indices().to_vec(), m.data().to_vec())
        }
        InnerProduct::Diagonal(w) => ((0..=n).collect(), (0..n).collect(), w.clone()),
        _ => ((0..=n).collect(), (0..n).collect(), vec![1.0; n]),
    };
    let pattern = Arc::new(Pattern::Sparse { indptr, indices });
    let pencil = SymmetricPencil::new(&TermsInMemory { pattern, values: vec![values] }, &norm)?;
    Ok(pencil.smallest(&[1.0])?.lower)
}

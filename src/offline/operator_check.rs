//! What can be known of operators before a training, by less than a training does.

use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::sparse_lu::LuAnalysis;
use crate::linalg::terms::{Pattern, Terms};
use crate::offline::decompose::{Quantity, check};
use crate::offline::full_problem::{Chosen, Matrices, full_solve, singular, union_of};
use faer::MatRef;
use std::sync::Arc;

/// Rows of a sparse and of a dense matrix up to which one is factorised: a few seconds.
const SPARSE_ROWS: usize = 100_000;
const DENSE_ROWS: usize = 2_000;

/// Refusals of [`operator_model`](super::operator_model::operator_model) that are found without decomposing or projecting, with
/// the same codes.
///
/// `quantities` are all that is to be decomposed, `operators` the matrices, `x` [n_training, n_inputs] the inputs; `solved`: that
/// solutions are solved for. K004 an expression that is not finite at a training point; K009 more terms than matrices; K021 nothing
/// but zeros, and, where solutions are solved for, a zero row or column at any training point, or no LU factorisation at the first
/// (of at most 100,000 rows, 2,000 dense ones). What cannot be read is passed over. Not collective. Cost: one pass over the matrices, one
/// factorisation.
pub fn operator_check<T: Scalar>(
    quantities: &[&Quantity<'_, T>],
    operators: &[Matrices<'_, T>],
    rhs: &Quantity<'_, T>,
    x: MatRef<'_, f64>,
    solved: bool,
) -> Vec<Error> {
    let mut problems: Vec<Error> = quantities.iter().filter_map(|q| check(q, x).err()).collect();
    if !problems.is_empty() || !solved || operators.is_empty() {
        return problems;
    }
    let patterns: Vec<&Arc<Pattern>> = operators.iter().map(|o| &o.pattern).collect();
    let (union, places) = union_of(&patterns);
    let chosen = Chosen { operators, terms: Vec::new(), union, places };
    let row = |i: usize| -> Vec<f64> { x.row(i).iter().copied().collect() };
    for i in 0..x.nrows() {
        let Ok(values) = chosen.at(i, &row(i)) else { continue };
        match zero_line(chosen.pattern(), &values) {
            Some(line) => problems.push(singular(i, format!("{line} is zero: singular"))),
            None if i == 0 => problems.extend(no_factors(chosen.pattern(), values, rhs, &row(0)).err()),
            None => {}
        }
    }
    problems
}

/// K021 where the first system has no solution; what is too large is passed over, and a right-hand side that cannot be read.
fn no_factors<T: Scalar>(pattern: &Arc<Pattern>, a: Vec<T>, rhs: &Quantity<'_, T>, x: &[f64]) -> Result<()> {
    let most = if matches!(pattern.as_ref(), Pattern::Dense { .. }) { DENSE_ROWS } else { SPARSE_ROWS };
    match rhs.at(0, x) {
        Ok(f) if pattern.n_rows() <= most => full_solve(&LuAnalysis::new(pattern)?, a, &f, 0).map(|_| ()),
        _ => Ok(()),
    }
}

/// The first row, or column, that has no number but zero.
fn zero_line<T: Scalar>(pattern: &Pattern, values: &[T]) -> Option<String> {
    let n = pattern.n_rows();
    let (mut rows, mut columns) = (vec![true; n], vec![true; n]);
    let mut see = |e: usize, i: usize, j: usize| {
        if values[e] != T::default() {
            (rows[i], columns[j]) = (false, false);
        }
    };
    match pattern {
        Pattern::Dense { .. } => (0..n * n).for_each(|e| see(e, e / n, e % n)),
        Pattern::Sparse { indptr, indices } => {
            (0..n).for_each(|i| (indptr[i]..indptr[i + 1]).for_each(|e| see(e, i, indices[e])));
        }
    }
    let of = |name: &str, zero: &[bool]| zero.iter().position(|z| *z).map(|i| format!("{name} {i} of the matrix"));
    of("row", &rows).or_else(|| of("column", &columns))
}

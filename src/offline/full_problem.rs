//! The full problems of a training: sums of operators on the union of their patterns, and their solutions.

use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::linalg::sparse_lu::LuAnalysis;
use crate::linalg::terms::{Pattern, Terms};
use crate::offline::decompose::Quantity;
use faer::{Mat, MatRef};
use std::sync::Arc;

/// One operator: its matrices, and where their numbers are.
#[derive(Debug)]
pub struct Matrices<'a, T> {
    pub quantity: Quantity<'a, T>,
    pub pattern: Arc<Pattern>,
}

/// The matrices that are the terms, read one at a time, on the union of the operators' patterns.
#[derive(Debug)]
pub(super) struct Chosen<'a, 'b, T: Scalar> {
    pub operators: &'b [Matrices<'a, T>],
    /// Operator and member of each term.
    pub terms: Vec<(usize, usize)>,
    pub union: Arc<Pattern>,
    /// Place in the union of each entry of each operator; None where it is the union itself.
    pub places: Vec<Option<Vec<usize>>>,
}

impl<T: Scalar> Terms<T> for Chosen<'_, '_, T> {
    fn n_rows(&self) -> usize {
        self.union.n_rows()
    }

    fn n_terms(&self) -> usize {
        self.terms.len()
    }

    fn values(&self, term: usize) -> Result<Vec<T>> {
        let (k, member) = self.terms[term];
        self.of(k, member)
    }

    fn pattern(&self) -> &Arc<Pattern> {
        &self.union
    }
}

impl<T: Scalar> Chosen<'_, '_, T> {
    /// The sum of the operators at training parameter `sample`, whose inputs are `x`.
    pub fn at(&self, sample: usize, x: &[f64]) -> Result<Vec<T>> {
        let mut all = vec![T::default(); self.union.n_entries()];
        for (operator, places) in self.operators.iter().zip(&self.places) {
            let values = operator.quantity.at(sample, x)?;
            match places {
                None => all.iter_mut().zip(values).for_each(|(a, v)| *a += v),
                Some(places) => places.iter().zip(values).for_each(|(p, v)| all[*p] += v),
            }
        }
        Ok(all)
    }

    fn of(&self, k: usize, member: usize) -> Result<Vec<T>> {
        let values = (self.operators[k].quantity.read)(member)?;
        let Some(places) = &self.places[k] else { return Ok(values) };
        let mut all = vec![T::default(); self.union.n_entries()];
        places.iter().zip(values).for_each(|(p, v)| all[*p] += v);
        Ok(all)
    }
}

/// The union of patterns, and the place in it of each entry of each.
pub(super) fn union_of(patterns: &[&Arc<Pattern>]) -> (Arc<Pattern>, Vec<Option<Vec<usize>>>) {
    if patterns.iter().all(|p| p == &patterns[0]) {
        return (patterns[0].clone(), vec![None; patterns.len()]);
    }
    let n = patterns[0].n_rows();
    if let Some(dense) = patterns.iter().find(|p| matches!(p.as_ref(), Pattern::Dense { .. })) {
        let place = |p: &Pattern| (0..p.n_entries()).map(|e| p.place(e)).map(|(i, j)| i * n + j).collect();
        let places = patterns.iter().map(|p| (*p != *dense).then(|| place(p))).collect();
        return ((*dense).clone(), places);
    }
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); n];
    let each = |p: &Pattern, f: &mut dyn FnMut(usize, usize)| {
        if let Pattern::Sparse { indptr, indices } = p {
            for i in 0..n {
                indices[indptr[i]..indptr[i + 1]].iter().for_each(|j| f(i, *j));
            }
        }
    };
    patterns.iter().for_each(|p| each(p, &mut |i, j| rows[i].push(j)));
    let mut indptr = vec![0];
    for row in &mut rows {
        row.sort_unstable();
        row.dedup();
        indptr.push(indptr[indptr.len() - 1] + row.len());
    }
    let of = |p: &Arc<Pattern>| {
        let mut places = Vec::with_capacity(p.n_entries());
        each(p, &mut |i, j| places.push(indptr[i] + rows[i].partition_point(|c| *c < j)));
        Some(places)
    };
    let places = patterns.iter().map(|p| of(p)).collect();
    (Arc::new(Pattern::Sparse { indptr, indices: rows.concat() }), places)
}

/// ||f - A u|| / ||f||.
pub(super) fn relative_residual<T: Scalar>(pattern: &Pattern, a: &[T], f: &[T], u: MatRef<'_, T>) -> Result<f64> {
    let mut au = Mat::zeros(u.nrows(), 1);
    pattern.apply(a, u, au.as_mut())?;
    let missed: f64 = f.iter().enumerate().map(|(i, f)| (*f - au[(i, 0)]).modulus_squared()).sum();
    let all: f64 = f.iter().map(|f| f.modulus_squared()).sum();
    Ok(if missed == 0.0 { 0.0 } else { (missed / all.max(f64::MIN_POSITIVE)).sqrt() })
}

/// Solutions [n, n_samples] of the full problems at the inputs `x` [n_samples, n_inputs], which the numbers of the quantities are read for.
///
/// Errors: what reading gives; K021 a singular matrix. Cost: a sparse LU each, the pattern of which is analysed once.
pub fn full_solutions<T: Scalar>(
    operators: &[Matrices<'_, T>],
    rhs: &Quantity<'_, T>,
    x: MatRef<'_, f64>,
) -> Result<Mat<T>> {
    let patterns: Vec<&Arc<Pattern>> = operators.iter().map(|o| &o.pattern).collect();
    let (union, places) = union_of(&patterns);
    let chosen = Chosen { operators, terms: Vec::new(), union, places };
    let analysis = LuAnalysis::new(&chosen.union)?;
    let mut u = Mat::zeros(chosen.n_rows(), x.nrows());
    for i in 0..x.nrows() {
        let inputs: Vec<f64> = x.row(i).iter().copied().collect();
        let solved = full_solve(&analysis, chosen.at(i, &inputs)?, &rhs.at(i, &inputs)?, i)?;
        u.as_mut().col_mut(i).copy_from(solved.col(0));
    }
    Ok(u)
}

/// Solution of the full problem at training parameter `sample`. Error: K021.
pub(super) fn full_solve<T: Scalar>(analysis: &Arc<LuAnalysis>, a: Vec<T>, f: &[T], sample: usize) -> Result<Mat<T>> {
    let solved = analysis.factorize(a).and_then(|lu| lu.solve(MatRef::from_column_major_slice(f, f.len(), 1)));
    let finite = |u: &Mat<T>| u.col(0).iter().all(|v| v.finite());
    match solved {
        Ok(u) if finite(&u) => Ok(u),
        Ok(_) => Err(singular(sample, "a solution that is not finite".into())),
        Err(Error::Argument { found, .. }) => Err(singular(sample, found)),
        Err(e) => Err(singular(sample, e.to_string())),
    }
}

/// K021 of the operator at training parameter `sample`.
pub(super) fn singular(sample: usize, found: String) -> Error {
    let mend = "mend the matrix, leave out the sample with `select`, or hand in /solutions";
    Error::input("K021", "", format!("/operators, sample {sample}"), found, "a regular matrix", mend)
}

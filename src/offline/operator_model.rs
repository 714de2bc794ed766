//! Reduced basis from matrices alone: decompose the operators, compress the solutions, project, and try it on solutions that
//! are left out.

use crate::algorithms::gaussian_process::GpOptions;
use crate::algorithms::pod::Truncation;
use crate::data::FieldInfo;
use crate::data::study_operators;
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::scalar::{Scalar, product};
use crate::linalg::sparse_cholesky::SparseCholesky;
use crate::linalg::sparse_lu::LuAnalysis;
use crate::linalg::terms::{Pattern, Terms};
use crate::offline::Progress;
use crate::offline::decompose::{Decomposed, Quantity, decompose};
use crate::offline::held_out::{Tried, held_out};
use crate::offline::reduced_basis::{self, AffineProblem, Coefficients, ResidualNorm, reduced_basis};
use crate::online::InputSpace;
use crate::online::coefficients::{Given, Part};
use crate::online::operator_model::{OperatorModel, Output, Trust};
use crate::online::reduced_basis::{Projection, ReducedBasis};
use faer::{Mat, MatRef};
use sprs::CsMat;
use std::sync::Arc;

/// One operator: its matrices, and where their numbers are.
#[derive(Debug)]
pub struct Matrices<'a, T> {
    pub quantity: Quantity<'a, T>,
    pub pattern: Arc<Pattern>,
}

/// What a training has.
#[derive(Debug)]
pub struct Training<'a, T: Scalar> {
    pub inputs: InputSpace,
    /// [n_training, n_inputs].
    pub x: Mat<f64>,
    /// A(mu) is their sum.
    pub operators: Vec<Matrices<'a, T>>,
    pub rhs: Quantity<'a, T>,
    /// With the number of rows of each.
    pub outputs: Vec<(Quantity<'a, T>, usize)>,
    /// Solutions [n_dofs, n_training]; None: they are solved for.
    pub solutions: Option<Mat<T>>,
    /// X; None: the symmetric part of the operator at the middle parameter, where it is definite.
    pub inner_product: Option<CsMat<f64>>,
    /// Norm of errors.
    pub norm: InnerProduct,
    pub info: FieldInfo,
}

/// Options of the recipe.
#[derive(Debug, Clone)]
pub struct Options {
    pub truncation: Truncation,
    pub projection: study_operators::Projection,
    pub regression: GpOptions,
    pub confidence: f64,
    pub seed: u64,
    pub progress: Progress,
}

/// A model, and what is told of it.
#[derive(Debug)]
pub struct Fitted<T: Scalar> {
    pub model: OperatorModel<T>,
    /// Of each operator, the right-hand side, each output.
    pub decomposed: Vec<(String, Decomposed<T>)>,
    pub remarks: Vec<String>,
    /// Largest sum of |coefficients| of the operators with a matrix left out.
    pub sum_theta: f64,
    /// Relative, in X, root mean square over the training.
    pub projection_error: f64,
    /// What X is.
    pub inner_product: String,
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

/// Reduced basis of a parameter-dependent linear problem from its matrices.
///
/// ```text
/// A(mu) ≈ sum_q theta_q(mu) A_q,  f(mu) ≈ sum_p gamma_p(mu) f_p,  u(mu) ≈ V y(mu)
/// ```
///
/// Matrices are read one at a time: once to choose terms and entries, those that are terms once more to be projected. Errors: what
/// reading gives; K004 expressions that are not finite; K021 a singular matrix, where solutions are solved for; K100. Cost: two passes
/// over the matrices, d n N products, an SVD of the solutions; at most 40 reduced problems with a solution left out. Not collective.
///
/// Reference: F. Casenave, A. Ern, T. Lelièvre, G. Sylvand, arXiv:1307.4330 and arXiv:1401.3684.
pub fn operator_model<T: Scalar>(training: Training<'_, T>, options: &Options) -> Result<Fitted<T>> {
    let (x, n_training) = (training.x.as_ref(), training.x.nrows());
    let row = |i: usize| -> Vec<f64> { x.row(i).iter().copied().collect() };
    let mut remarks = Vec::new();
    let all: Vec<&Quantity<'_, T>> = (training.operators.iter().map(|o| &o.quantity))
        .chain(std::iter::once(&training.rhs))
        .chain(training.outputs.iter().map(|(q, _)| q))
        .collect();
    let (n_operators, steps) = (training.operators.len(), all.len() + 3);
    let (mut parts, mut decomposed) = (Vec::new(), Vec::new());
    for (step, quantity) in all.iter().enumerate() {
        options.progress.tell(&format!("terms of {}", quantity.name), step, steps);
        let (part, d) = decompose(quantity, x, options.seed, &options.regression)?;
        parts.push(part);
        decomposed.push((quantity.name.clone(), d));
    }
    let of_operators = decomposed[..n_operators].iter().enumerate();
    let terms = of_operators.flat_map(|(k, (_, d))| d.members.iter().map(move |m| (k, *m))).collect();
    let patterns: Vec<&Arc<Pattern>> = training.operators.iter().map(|o| &o.pattern).collect();
    let (union, places) = union_of(&patterns);
    let chosen = Chosen { operators: &training.operators, terms, union, places };
    let rhs = columns(&training.rhs, &decomposed[n_operators].1.members)?;
    let middle = middle(x);
    let matrix_at = |i: usize| chosen.at(i, &row(i));
    let rhs_at = |i: usize| training.rhs.at(i, &row(i));
    options.progress.tell("solutions", steps - 3, steps);
    let (metric, inner_product) = metric(training.inner_product.as_ref(), &chosen.union, || matrix_at(middle))?;
    let solutions = match training.solutions {
        Some(u) => {
            let missed =
                relative_residual(&chosen.union, &matrix_at(middle)?, &rhs_at(middle)?, u.as_ref().subcols(middle, 1))?;
            if missed > 1e-3 {
                remarks.push(format!(
                    "warning: solution {middle} leaves a relative residual of {missed:.1e}: solutions and operators may not belong together"
                ));
            }
            u
        }
        None => {
            let mut u = Mat::zeros(chosen.n_rows(), n_training);
            let analysis = LuAnalysis::new(&chosen.union)?;
            for i in 0..n_training {
                let solved = full_solve(&analysis, matrix_at(i)?, &rhs_at(i)?, i)?;
                u.as_mut().col_mut(i).copy_from(solved.col(0));
            }
            remarks.push(format!("solutions: none in the file; {n_training} full problems were solved"));
            u
        }
    };
    options.progress.tell("basis and projection", steps - 2, steps);
    let coefficients = training_coefficients(&parts[..n_operators + 1], &decomposed, x)?;
    let (reduced, projection_error) = project(&chosen, rhs, &solutions, &metric, &coefficients, options.truncation)?;
    let mut outputs = Vec::new();
    for (k, (quantity, n_rows)) in training.outputs.iter().enumerate() {
        let members = &decomposed[n_operators + 1 + k].1.members;
        let functionals = columns(quantity, members)?;
        let n = chosen.n_rows();
        let l = Mat::from_fn(members.len() * n_rows, n, |r, i| functionals[((r % n_rows) * n + i, r / n_rows)]);
        outputs.push(Output {
            part: parts[n_operators + 1 + k].clone(),
            n_rows: *n_rows,
            reduced: product(l.as_ref(), reduced.basis()),
        });
    }
    parts.truncate(n_operators + 1);
    let Some(rhs_part) = parts.pop() else { return Err(Error::argument("right-hand side", "none", "one")) };
    let no_trust = Trust { misfit_weight: 1.0, factor: 1.0, typical: 0.0, alarm: f64::INFINITY };
    let mut model = OperatorModel {
        inputs: training.inputs,
        info: training.info,
        operators: parts,
        rhs: rhs_part,
        outputs,
        reduced,
        trust: no_trust,
        trust_learned: None,
        direct: None,
        inertia: None,
        spread: vec![0.0; chosen.n_rows()],
        interval_factor: 1.0,
        confidence: options.confidence,
        n_snapshots: n_training,
    };
    options.progress.tell("solutions left out", steps - 1, steps);
    let entries =
        |i: usize| -> Vec<Vec<T>> { decomposed.iter().map(|(_, d)| d.entries.col_as_slice(i).to_vec()).collect() };
    let tried = Tried { x, solutions: solutions.as_ref(), norm: &training.norm, metric: &metric, entries: &entries };
    choose_projection(&mut model, &tried, options.projection, &mut remarks)?;
    let sum_theta = held_out(&mut model, &tried, options)?;
    if model.direct.is_some() {
        let why = "which does better on solutions left out than learnt operators";
        remarks.push(format!("without entries: the coefficients of the solution are learnt, {why}"));
    }
    options.progress.tell("done", steps, steps);
    Ok(Fitted { model, decomposed, remarks, sum_theta, projection_error, inner_product })
}

/// theta and gamma that the model finds at the training points.
fn training_coefficients<T: Scalar>(
    parts: &[Part<T>],
    decomposed: &[(String, Decomposed<T>)],
    x: MatRef<'_, f64>,
) -> Result<Coefficients<T>> {
    let mut found: Vec<Vec<Vec<T>>> = Vec::new();
    for (part, (_, d)) in parts.iter().zip(decomposed) {
        let at = |i: usize| {
            let x: Vec<f64> = x.row(i).iter().copied().collect();
            Ok(part.coefficients(&x, Given::of(d.entries.col_as_slice(i)))?.values)
        };
        found.push((0..x.nrows()).map(at).collect::<Result<_>>()?);
    }
    let stacked = |parts: &[Vec<Vec<T>>]| {
        let columns: Vec<Vec<T>> = (0..x.nrows()).map(|i| parts.iter().flat_map(|p| p[i].clone()).collect()).collect();
        Mat::from_fn(columns[0].len(), columns.len(), |q, i| columns[i][q])
    };
    let n = parts.len() - 1;
    Ok(Coefficients { theta: stacked(&found[..n]), gamma: stacked(&found[n..]) })
}

/// Vectors `members` of a quantity as columns.
fn columns<T: Scalar>(quantity: &Quantity<'_, T>, members: &[usize]) -> Result<Mat<T>> {
    let mut columns = Mat::zeros(quantity.n_entries, members.len());
    for (p, member) in members.iter().enumerate() {
        let values = (quantity.read)(*member)?;
        values.iter().enumerate().for_each(|(i, v)| columns[(i, p)] = *v);
    }
    Ok(columns)
}

/// The training point that is nearest to the middle of their box, each input by its range.
fn middle(x: MatRef<'_, f64>) -> usize {
    let range = |j: usize| x.col(j).iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
    let ranges: Vec<(f64, f64)> = (0..x.ncols()).map(range).collect();
    let distance = |i: usize| -> f64 {
        let part =
            |(j, (l, h)): (usize, &(f64, f64))| ((x[(i, j)] - 0.5 * (l + h)) / (h - l).max(f64::MIN_POSITIVE)).powi(2);
        ranges.iter().enumerate().map(part).sum()
    };
    (0..x.nrows()).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap_or(0)
}

/// X: the one of the file; else the symmetric part of a sparse real operator at the middle parameter, where it is definite; else I.
fn metric<T: Scalar>(
    given: Option<&CsMat<f64>>,
    pattern: &Pattern,
    at_middle: impl Fn() -> Result<Vec<T>>,
) -> Result<(InnerProduct, String)> {
    if let Some(m) = given {
        return Ok((InnerProduct::Sparse(m.clone()), "of the file".into()));
    }
    let Pattern::Sparse { indptr, indices } = pattern else { return Ok((InnerProduct::Euclidean, "euclidean".into())) };
    if T::IS_COMPLEX {
        return Ok((InnerProduct::Euclidean, "euclidean".into()));
    }
    let values: Vec<f64> = at_middle()?.into_iter().map(Scalar::re).collect();
    let n = pattern.n_rows();
    let Ok(a) = CsMat::new_from_unsorted((n, n), indptr.clone(), indices.clone(), values) else {
        return Ok((InnerProduct::Euclidean, "euclidean".into()));
    };
    let transposed = a.transpose_view().to_csr();
    let symmetric = (&a + &transposed).map(|v| 0.5 * v);
    match SparseCholesky::new(&symmetric) {
        Ok(_) => Ok((InnerProduct::Sparse(symmetric), "symmetric part of the operator at the middle parameter".into())),
        Err(_) => Ok((InnerProduct::Euclidean, "euclidean".into())),
    }
}

/// ||f - A u|| / ||f||.
fn relative_residual<T: Scalar>(pattern: &Pattern, a: &[T], f: &[T], u: MatRef<'_, T>) -> Result<f64> {
    let mut au = Mat::zeros(u.nrows(), 1);
    pattern.apply(a, u, au.as_mut())?;
    let missed: f64 = f.iter().enumerate().map(|(i, f)| (*f - au[(i, 0)]).modulus_squared()).sum();
    let all: f64 = f.iter().map(|f| f.modulus_squared()).sum();
    Ok(if missed == 0.0 { 0.0 } else { (missed / all.max(f64::MIN_POSITIVE)).sqrt() })
}

/// Modes of the solutions in X, and the projection of all terms; the residual is most accurate at the training points.
fn project<T: Scalar>(
    chosen: &Chosen<'_, '_, T>,
    rhs: Mat<T>,
    solutions: &Mat<T>,
    metric: &InnerProduct,
    training: &Coefficients<T>,
    truncation: Truncation,
) -> Result<(ReducedBasis<T>, f64)> {
    let problem = AffineProblem { matrices: chosen, rhs, outputs: Vec::new(), inner_product: metric.clone() };
    let norm = if matches!(metric, InnerProduct::Euclidean) { ResidualNorm::Euclidean } else { ResidualNorm::Dual };
    let options = reduced_basis::Options { truncation, norm, ..Default::default() };
    let reduced = reduced_basis(&problem, solutions.as_ref(), Some(training), &options)?;
    let energy = |sigma: &[f64]| sigma.iter().map(|s| s * s).sum::<f64>();
    let sigma = &reduced.parts().singular_values;
    let (all, left) = (energy(sigma), energy(&sigma[reduced.n_modes().min(sigma.len())..]));
    let missed = if left == 0.0 { 0.0 } else { (left / all).sqrt() };
    Ok((reduced, missed))
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

/// Galerkin where the reduced operator is definite in training, or as told; notes the inertia.
fn choose_projection<T: Scalar>(
    model: &mut OperatorModel<T>,
    tried: &Tried<'_, T>,
    asked: study_operators::Projection,
    remarks: &mut Vec<String>,
) -> Result<()> {
    let n = model.n_modes();
    let mut found: Option<(usize, usize)> = None;
    let mut same = true;
    for i in 0..tried.x.nrows() {
        let x: Vec<f64> = tried.x.row(i).iter().copied().collect();
        let c = model.coefficients(&x, Some(&(tried.entries)(i)))?;
        let inertia = model.reduced.inertia(&c.theta, n)?;
        let counts = (inertia.negative, inertia.positive);
        same &= *found.get_or_insert(counts) == counts && inertia.zero == 0;
    }
    let inertia = found.filter(|_| same);
    let definite = inertia.is_some_and(|(negative, positive)| negative == 0 || positive == 0);
    let (projection, why) = match asked {
        study_operators::Projection::Galerkin => (Projection::Galerkin, "as the study says"),
        study_operators::Projection::LeastSquares => (Projection::LeastSquares, "as the study says"),
        study_operators::Projection::Auto if definite => (Projection::Galerkin, "the operator is definite"),
        study_operators::Projection::Auto => (Projection::LeastSquares, "the operator is not definite"),
    };
    let name = if projection == Projection::Galerkin { "Galerkin" } else { "least squares" };
    remarks.push(format!("projection: {name}, {why}"));
    let mut parts = model.reduced.clone().into_parts();
    parts.projection = projection;
    model.reduced = ReducedBasis::new(parts)?;
    model.inertia = inertia.filter(|_| definite && projection == Projection::Galerkin);
    Ok(())
}

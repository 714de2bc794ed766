//! Reduced basis from matrices alone: decompose the operators, compress the solutions, project, and try it on solutions that
//! are left out.

use crate::algorithms::conformal::normal_quantile;
use crate::algorithms::gaussian_process::GpOptions;
use crate::algorithms::pod::Truncation;
use crate::data::FieldInfo;
use crate::data::study_operators;
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::orthonormal::applied;
use crate::linalg::scalar::{Scalar, adjoint_product, product};
use crate::linalg::sketch::{PROBES, Sketch};
use crate::linalg::sparse_cholesky::SparseCholesky;
use crate::linalg::sparse_lu::LuAnalysis;
use crate::linalg::terms::{Pattern, Terms};
use crate::offline::Progress;
use crate::offline::decompose::{Decomposed, Quantity, decompose};
use crate::offline::full_problem::{Chosen, full_solve, relative_residual, union_of};
pub use crate::offline::full_problem::{Matrices, full_solutions};
use crate::offline::held_out::{MOST, Tried, evenly, held_out};
use crate::offline::operator_bound::certified;
use crate::offline::reduced_basis::{self, AffineProblem, Coefficients, ResidualNorm, reduced_basis};
use crate::online::InputSpace;
use crate::online::coefficients::{Given, Known, Part, Rule};
use crate::online::operator_model::{ALWAYS, OperatorModel, Output, Trust};
use crate::online::reduced_basis::{Projection, ReducedBasis};
use faer::{Mat, MatRef};
use sprs::CsMat;
use std::sync::Arc;

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

/// Training matrices beside the terms that are compared with them as a whole.
const COMPARED: usize = 8;
/// Matrices may be missed more than the functions that they are linear in by this factor.
const FUNCTIONS: f64 = 100.0;

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
    for (k, (part, (_, d))) in parts.iter_mut().zip(&decomposed).enumerate() {
        let n = patterns[0].n_rows();
        let sketch = |values: &[T]| match patterns.get(k) {
            Some(pattern) => Sketch::of_matrix(pattern, values),
            None => Sketch::of_vectors(n, values),
        };
        let known = known(part, d, all[k], x, &sketch)?;
        if let (Rule::Functions(_), true) = (&part.rule, known.usual[0] > FUNCTIONS * d.misfit.max(1e-6)) {
            remarks.push(format!(
                "warning: {}: training matrices are missed by {:.1e}, the functions by {:.1e}: the matrices may not be linear in these functions",
                part.name, known.usual[0], d.misfit
            ));
        }
        part.known = Some(known);
    }
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
            let tried = evenly(n_training, MOST);
            let mut residuals = Vec::new();
            for i in &tried {
                let u = u.as_ref().subcols(*i, 1);
                residuals.push((relative_residual(&chosen.union, &matrix_at(*i)?, &rhs_at(*i)?, u)?, *i));
            }
            residuals.retain(|(missed, _)| *missed > 1e-3);
            if let Some((missed, i)) = residuals.iter().copied().max_by(|a, b| a.0.total_cmp(&b.0)) {
                remarks.push(format!(
                    "warning: {} of {} solutions leave a relative residual above 1e-3, solution {i} one of {missed:.1e}: solutions and operators may not belong together",
                    residuals.len(),
                    tried.len()
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
            factors: vec![[1.0; 2]; *n_rows],
        });
    }
    parts.truncate(n_operators + 1);
    let Some(rhs_part) = parts.pop() else { return Err(Error::argument("right-hand side", "none", "one")) };
    let dual = applied(&training.norm, reduced.basis());
    let gram = adjoint_product(reduced.basis(), dual.as_ref().map_or(reduced.basis(), |d| d.as_ref()));
    drop(dual);
    let no_trust = Trust { misfit_weight: 1.0, factor: 1.0, typical: 0.0, alarm: ALWAYS };
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
        gram: Some(gram),
        spread: vec![0.0; chosen.n_rows()],
        interval_factor: [normal_quantile(options.confidence); 2],
        confidence: options.confidence,
        n_snapshots: n_training,
        certified: None,
    };
    options.progress.tell("solutions left out", steps - 1, steps);
    let entries =
        |i: usize| -> Vec<Vec<T>> { decomposed.iter().map(|(_, d)| d.entries.col_as_slice(i).to_vec()).collect() };
    let functionals = |k: usize, i: usize| training.outputs[k].0.at(i, &row(i));
    let tried = Tried {
        x,
        solutions: solutions.as_ref(),
        norm: &training.norm,
        metric: &metric,
        truncation: options.truncation,
        entries: &entries,
        outputs: &functionals,
    };
    choose_projection(&mut model, &tried, options.projection, &mut remarks)?;
    let sum_theta = held_out(&mut model, &tried, options, &mut remarks)?;
    match certified(&model, &chosen, coefficients.theta.as_ref(), &metric, &training.norm) {
        Ok((found, how)) => {
            model.certified = Some(found);
            remarks.push(format!("bound: rigorous, {how}"));
        }
        Err(why) => remarks.push(format!("bound: none, {why}")),
    }
    if model.direct.is_some() {
        let why = "which does better on solutions left out than learnt operators";
        remarks.push(format!("without entries: the coefficients of the solution are learnt, {why}"));
    }
    options.progress.tell("done", steps, steps);
    Ok(Fitted { model, decomposed, remarks, sum_theta, projection_error, inner_product })
}

/// Sketches of the terms, and how much some of the training matrices are missed by the terms: with given entries, and with learnt ones.
fn known<T: Scalar>(
    part: &Part<T>,
    decomposed: &Decomposed<T>,
    quantity: &Quantity<'_, T>,
    x: MatRef<'_, f64>,
    sketch: &dyn Fn(&[T]) -> Sketch<T>,
) -> Result<Known<T>> {
    let members = &decomposed.members;
    let mut terms = Mat::zeros(PROBES, members.len());
    for (m, member) in members.iter().enumerate() {
        let own = sketch(&(quantity.read)(*member)?);
        own.sums.iter().enumerate().for_each(|(k, s)| terms[(k, m)] = *s);
    }
    let mut usual = [0.0_f64; 2];
    let by_samples = match &part.rule {
        Rule::Entries { fit, .. } => fit.of_samples,
        Rule::Functions(_) => true,
        _ => false,
    };
    if !by_samples {
        return Ok(Known { terms, usual });
    }
    let others: Vec<usize> = (0..x.nrows()).filter(|i| !members.contains(i)).collect();
    for k in evenly(others.len(), COMPARED) {
        let i = others[k];
        let own = sketch(&(quantity.read)(i)?);
        let inputs: Vec<f64> = x.row(i).iter().copied().collect();
        let beta = part.coefficients(&inputs, Given::of(decomposed.entries.col_as_slice(i)))?.values;
        usual[0] = usual[0].max(own.misfit(terms.as_ref(), &beta));
        if let Rule::Entries { fit, learned: Some(learned) } = &part.rule {
            let beta = fit.coefficients(&learned.without::<T>(i));
            usual[1] = usual[1].max(own.misfit(terms.as_ref(), &beta));
        }
    }
    Ok(Known { terms, usual })
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

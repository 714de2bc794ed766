//! Reduced problems at training points, with the solution, the matrix, or both left out of what they are made of.

use crate::algorithms::affine_decomposition::LearnedEntries;
use crate::algorithms::pod::{Truncation, count};
use crate::error::Result;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::orthonormal::norms;
use crate::linalg::scalar::{Scalar, adjoint_product, product};
use crate::online::coefficients::{Given, Part, Rule, misfit_of};
use crate::online::operator_model::{OperatorModel, norm_of};
use crate::online::reduced_basis::{Parts, ReducedBasis};
use crate::online::reduced_basis_residual::{Columns, Residual};
use faer::{Mat, MatRef};

/// The training, for what is left out of it.
pub struct Tried<'a, T> {
    /// Inputs [n_training, n_inputs].
    pub x: MatRef<'a, f64>,
    /// [n_dofs, n_training].
    pub solutions: MatRef<'a, T>,
    /// Norm of errors.
    pub norm: &'a InnerProduct,
    /// X, in which the basis is orthonormal.
    pub metric: &'a InnerProduct,
    /// Entries of each part at a training parameter.
    pub entries: &'a (dyn Fn(usize) -> Vec<Vec<T>> + Sync),
    /// How the modes of the model were counted: those of the others are counted in the same way.
    pub truncation: Truncation,
    /// All numbers of an output at a training parameter.
    pub outputs: &'a (dyn Fn(usize, usize) -> Result<Vec<T>> + Sync),
}

/// What is left out of a reduced problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    /// The solution, of the basis.
    Solution,
    /// The matrix, of the terms.
    Matrix,
    Both,
}

/// One training point, tried with something left out.
#[derive(Debug)]
pub(super) struct Trial<T> {
    pub sample: usize,
    pub residual: f64,
    pub misfit: f64,
    /// Relative error.
    pub error: f64,
    /// Sum of |theta|.
    pub sum_theta: f64,
    /// Coefficients in the model's basis.
    pub y: Vec<T>,
}

/// Solution `i` by processes of the coefficients that have not seen it.
pub(super) fn without_system<T: Scalar>(
    model: &OperatorModel<T>,
    tried: &Tried<'_, T>,
    direct: &LearnedEntries,
    i: usize,
) -> Trial<T> {
    let y = direct.without::<T>(i);
    let deviation = direct.left_out_deviation[i] / norm_of(&y).max(f64::MIN_POSITIVE);
    Trial::of(model, tried, i, y, [deviation, 0.0, 1.0])
}

/// Coefficients and misfit of a part at training point `i`, by entries or by processes that have not seen it; without its matrix among
/// the terms where `leave` says so.
pub(super) fn without_sample<T: Scalar>(
    part: &Part<T>,
    x: &[f64],
    entries: &[T],
    i: usize,
    learned: bool,
    leave: bool,
) -> Result<(Vec<T>, f64)> {
    let Rule::Entries { fit, learned: process } = &part.rule else {
        let c = part.coefficients(x, Given::Nothing)?;
        return Ok((c.values, c.misfit));
    };
    let (a, deviation) = match (learned, process) {
        (true, Some(process)) => (process.without::<T>(i), process.left_out_deviation[i]),
        _ => (entries.to_vec(), 0.0),
    };
    match fit.members.iter().position(|m| *m == i).filter(|_| leave && fit.n_terms() > 1 && fit.of_samples) {
        None => {
            let beta = fit.coefficients(&a);
            let misfit = misfit_of(fit, &a, &beta, deviation);
            Ok((beta, misfit))
        }
        Some(place) => {
            let fit = fit.without(place)?;
            let mut beta = fit.coefficients(&a);
            let misfit = misfit_of(&fit, &a, &beta, deviation);
            beta.insert(place, T::default());
            Ok((beta, misfit))
        }
    }
}

/// None where the reduced problem is singular.
pub(super) fn leave_out<T: Scalar>(
    model: &OperatorModel<T>,
    tried: &Tried<'_, T>,
    coordinates: MatRef<'_, T>,
    i: usize,
    learned: bool,
    left: Left,
) -> Result<Option<Trial<T>>> {
    let x: Vec<f64> = tried.x.row(i).iter().copied().collect();
    let entries = (tried.entries)(i);
    let (mut theta, mut gamma, mut misfit) = (Vec::new(), Vec::new(), 0.0_f64);
    let n_operators = model.operators.len();
    for (k, part) in model.operators.iter().chain([&model.rhs]).enumerate() {
        let own = if k < n_operators { &mut theta } else { &mut gamma };
        let (beta, missed) = without_sample(part, &x, &entries[k], i, learned, left != Left::Solution)?;
        misfit = misfit.max(missed);
        own.extend(beta);
    }
    let sum_theta = theta.iter().map(|t| t.modulus()).sum();
    let turned =
        if left == Left::Matrix { None } else { Some(without_solution(model, tried.truncation, coordinates, i)?) };
    let reduced = turned.as_ref().unwrap_or(&model.reduced);
    let mut workspace = reduced.workspace();
    let n = reduced.n_modes();
    let Ok((y, residual)) = reduced.solve_with_indicator(&theta, &gamma, n, &mut workspace) else { return Ok(None) };
    let y = match &turned {
        None => y.to_vec(),
        Some(turned) => {
            let y = product(turned.basis(), MatRef::from_column_major_slice(y, n, 1));
            y.col_as_slice(0).to_vec()
        }
    };
    Ok(Some(Trial::of(model, tried, i, y, [residual, misfit, sum_theta])))
}

/// The reduced problem in the span of the other solutions, as far as a fit of these would keep it: what they hardly have, one solution
/// alone has brought in. Its basis is in coordinates of the model's.
fn without_solution<T: Scalar>(
    model: &OperatorModel<T>,
    truncation: Truncation,
    coordinates: MatRef<'_, T>,
    i: usize,
) -> Result<ReducedBasis<T>> {
    let parts = model.reduced.parts();
    let others: Vec<usize> = (0..coordinates.ncols()).filter(|j| *j != i).collect();
    let c = Mat::from_fn(coordinates.nrows(), others.len(), |k, j| coordinates[(k, others[j])]);
    let (w, s, _) = T::thin_svd(c.as_ref())?;
    let rank = s.iter().take_while(|x| **x > 1e-12 * s[0]).count();
    let rank = count(&s, rank, truncation, 0.0).max(1);
    let w = w.subcols(0, rank).to_owned();
    let inner = |a: &Mat<T>| adjoint_product(w.as_ref(), product(a.as_ref(), w.as_ref()).as_ref());
    let residual = match &parts.residual {
        None => None,
        Some(r) => {
            let rotated = |q: usize| {
                let rows = product(r.columns(q).rows.as_ref(), w.as_ref());
                let norms =
                    rows.col_iter().map(|c| c.iter().map(|v| v.modulus_squared()).sum::<f64>().sqrt()).collect();
                Columns { norms, missed: vec![0.0; rank], rows }
            };
            let matrices: Vec<Columns<T>> = (0..parts.matrices.len()).map(rotated).collect();
            Some(Residual::new(&matrices, &r.rhs_columns())?)
        }
    };
    ReducedBasis::new(Parts {
        matrices: parts.matrices.iter().map(inner).collect(),
        rhs: adjoint_product(w.as_ref(), parts.rhs.as_ref()),
        outputs: Vec::new(),
        residual,
        projection: parts.projection,
        singular_values: Vec::new(),
        basis: w,
    })
}

impl<T: Scalar> Trial<T> {
    /// Solution `i` beside V y.
    fn of(
        model: &OperatorModel<T>,
        tried: &Tried<'_, T>,
        i: usize,
        y: Vec<T>,
        [residual, misfit, sum_theta]: [f64; 3],
    ) -> Trial<T> {
        let predicted = product(model.reduced.basis(), MatRef::from_column_major_slice(&y, y.len(), 1));
        let difference: Vec<T> = (0..predicted.nrows()).map(|k| tried.solutions[(k, i)] - predicted[(k, 0)]).collect();
        let truth: Vec<T> = tried.solutions.col(i).iter().copied().collect();
        let (missed, all) = (norm_in(tried.norm, &difference), norm_in(tried.norm, &truth));
        let error = if missed == 0.0 { 0.0 } else { missed / all.max(f64::MIN_POSITIVE) };
        Trial { sample: i, residual, misfit, sum_theta, error, y }
    }
}

/// sqrt(uᴴMu).
fn norm_in<T: Scalar>(m: &InnerProduct, u: &[T]) -> f64 {
    norms(m, MatRef::from_column_major_slice(u, u.len(), 1))[0]
}

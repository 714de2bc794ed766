//! What answers are worth: reduced problems with one training solution (and its matrix) left out.

use crate::algorithms::affine_decomposition::LearnedEntries;
use crate::algorithms::conformal::conformal_factor;
use crate::error::Result;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::orthonormal::{applied, norms};
use crate::linalg::scalar::{Scalar, adjoint_product, product};
use crate::offline::operator_model::Options;
use crate::online::coefficients::{Given, Rule};
use crate::online::operator_model::{ALARM, OperatorModel, Trust};
use crate::online::reduced_basis::{Parts, ReducedBasis};
use crate::online::reduced_basis_residual::{Columns, Residual};
use faer::{Mat, MatRef};
use rayon::prelude::*;

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
}

/// Solutions that are left out, at most.
const MOST: usize = 40;
/// Fewer training solutions tell nothing.
const FEWEST: usize = 5;
/// Weights of the misfit beside the residual that are tried, over the ratio of their medians.
const WEIGHTS: [f64; 7] = [0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0];

/// One solution left out.
struct Trial {
    residual: f64,
    misfit: f64,
    /// Relative error.
    error: f64,
    /// Sum of |theta|.
    sum_theta: f64,
    /// Absolute error at each dof over ||y||.
    deviations: Vec<f64>,
}

/// Gives `model` its trust, spread and interval from solutions that are left out, with given entries and with learnt ones.
///
/// Of `MOST` training points at most, one after the other: the basis spans the others' solutions, the fit of entries has the others'
/// matrices, learnt entries are those of processes without the point. Fewer than five training points: factors stay 1, no flag is
/// raised.
///
/// Where entries are learnt, so are the coefficients y themselves; the way that does better is kept. Returns the largest sum of
/// |theta|, which round-off and errors of the entries grow by.
pub fn held_out<T: Scalar>(model: &mut OperatorModel<T>, tried: &Tried<'_, T>, options: &Options) -> Result<f64> {
    let n = tried.x.nrows();
    if n < FEWEST {
        return Ok(0.0);
    }
    let chosen: Vec<usize> = (0..n.min(MOST)).map(|k| k * n / n.min(MOST)).collect();
    let dual = applied(tried.metric, model.reduced.basis());
    let coordinates = adjoint_product(dual.as_ref().map_or(model.reduced.basis(), |d| d.as_ref()), tried.solutions);
    let trials = |learned: bool| -> Result<Vec<Trial>> {
        let one = |i: &usize| leave_out(model, tried, coordinates.as_ref(), *i, learned);
        let found: Vec<Option<Trial>> = chosen.par_iter().map(one).collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    };
    let given = trials(false)?;
    let with_learned = model.parts().any(|p| matches!(&p.rule, Rule::Entries { learned: Some(_), .. }));
    let learned = if with_learned { trials(true)? } else { Vec::new() };
    let sum_theta = given.iter().map(|t| t.sum_theta).fold(0.0, f64::max);
    if given.len() < FEWEST {
        return Ok(sum_theta);
    }
    model.trust = trust_of(&given, options.confidence)?;
    if learned.len() >= FEWEST {
        let direct = learn_directly(model, tried, coordinates.as_ref(), options)?;
        let trials: Vec<Trial> = chosen.iter().map(|i| without_system(model, tried, &direct, *i)).collect();
        let mean = |t: &[Trial]| t.iter().map(|t| t.error).sum::<f64>() / t.len() as f64;
        let better = mean(&trials) < mean(&learned);
        model.trust_learned = Some(trust_of(if better { &trials } else { &learned }, options.confidence)?);
        model.direct = better.then_some(direct);
    }
    let scale = |t: &Trial, trust: &Trust| trust.indicator(t.residual, t.misfit).max(f64::MIN_POSITIVE);
    let n_dofs = tried.solutions.nrows();
    let mut spread = vec![0.0; n_dofs];
    for t in &given {
        let s = scale(t, &model.trust).powi(2) * given.len() as f64;
        spread.iter_mut().zip(&t.deviations).for_each(|(sum, e)| *sum += e * e / s);
    }
    // No dof is known better than a thousandth of the others.
    let mean = (spread.iter().sum::<f64>() / n_dofs.max(1) as f64).sqrt();
    spread.iter_mut().for_each(|s| *s = s.sqrt().max(1e-3 * mean));
    let mut scores = Vec::new();
    for t in &given {
        let s = scale(t, &model.trust);
        let mut own: Vec<f64> =
            t.deviations.iter().zip(&spread).map(|(d, sd)| d / (sd * s).max(f64::MIN_POSITIVE)).collect();
        let place = ((own.len() as f64 * options.confidence).ceil() as usize).clamp(1, own.len()) - 1;
        own.select_nth_unstable_by(place, f64::total_cmp);
        scores.push(own[place]);
    }
    scores.sort_by(f64::total_cmp);
    // Half of the solutions have a larger share inside, half a smaller one.
    model.interval_factor = scores[scores.len() / 2].max(f64::MIN_POSITIVE);
    model.spread = spread;
    Ok(sum_theta)
}

/// Processes of the coefficients in the modes of the solutions in the norm of errors: POD and regression, in the span of the basis.
fn learn_directly<T: Scalar>(
    model: &OperatorModel<T>,
    tried: &Tried<'_, T>,
    coordinates: MatRef<'_, T>,
    options: &Options,
) -> Result<LearnedEntries> {
    let v = model.reduced.basis();
    let mv = applied(tried.norm, v);
    // G = VᴴMV = U S Uᴴ: z = S^(1/2) Uᴴ y has the norm of V y in M.
    let gram = adjoint_product(v, mv.as_ref().map_or(v, |m| m.as_ref()));
    let (u, s, _) = T::thin_svd(gram.as_ref())?;
    let kept = s.iter().take_while(|s| **s > 1e-14 * gram_scale(&gram)).count().max(1);
    let forth = Mat::from_fn(kept, u.nrows(), |k, i| u[(i, k)].conjugate() * T::real(s[k].sqrt()));
    let back = Mat::from_fn(u.nrows(), kept, |i, k| u[(i, k)] * T::real(1.0 / s[k].sqrt()));
    let z = product(forth.as_ref(), coordinates);
    Ok(LearnedEntries::new(z.as_ref(), tried.x, false, &options.regression)?.times(back.as_ref()))
}

/// Largest diagonal entry.
fn gram_scale<T: Scalar>(g: &Mat<T>) -> f64 {
    (0..g.nrows()).map(|i| g[(i, i)].re()).fold(0.0, f64::max)
}

/// Solution `i` by processes of the coefficients that have not seen it.
fn without_system<T: Scalar>(
    model: &OperatorModel<T>,
    tried: &Tried<'_, T>,
    direct: &LearnedEntries,
    i: usize,
) -> Trial {
    let y = direct.without::<T>(i);
    let deviation = direct.left_out_deviation[i] / crate::online::operator_model::norm_of(&y).max(f64::MIN_POSITIVE);
    Trial::of(model, tried, i, MatRef::from_column_major_slice(&y, y.len(), 1), [deviation, 0.0, 1.0])
}

/// Weight, factor and alarm from what was left out.
fn trust_of(trials: &[Trial], confidence: f64) -> Result<Trust> {
    let median = |mut v: Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v[v.len() / 2]
    };
    let of = |f: fn(&Trial) -> f64| median(trials.iter().map(f).collect());
    let (residual, misfit, typical) = (of(|t| t.residual), of(|t| t.misfit), of(|t| t.error));
    let ratio = if misfit > 0.0 { residual / misfit } else { 0.0 };
    let raw = |t: &Trial, weight: f64| (t.residual + weight * t.misfit).max(f64::MIN_POSITIVE);
    // The weight for which error over indicator varies least, in orders of magnitude.
    let dispersion = |weight: f64| {
        let logs: Vec<f64> = trials.iter().map(|t| (t.error.max(f64::MIN_POSITIVE) / raw(t, weight)).ln()).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>()
    };
    let weights = WEIGHTS.iter().map(|w| w * ratio);
    let weight = weights.min_by(|a, b| dispersion(*a).total_cmp(&dispersion(*b))).unwrap_or(0.0);
    let scores: Vec<f64> = trials.iter().map(|t| t.error / raw(t, weight)).collect();
    let factor = conformal_factor(&scores, confidence)?;
    Ok(Trust { misfit_weight: weight, factor, typical, alarm: ALARM * typical.max(f64::EPSILON) })
}

/// None where the reduced problem without the solution is singular.
fn leave_out<T: Scalar>(
    model: &OperatorModel<T>,
    tried: &Tried<'_, T>,
    coordinates: MatRef<'_, T>,
    i: usize,
    learned: bool,
) -> Result<Option<Trial>> {
    let (n_training, parts) = (tried.x.nrows(), model.reduced.parts());
    let others: Vec<usize> = (0..n_training).filter(|j| *j != i).collect();
    let c = Mat::from_fn(coordinates.nrows(), others.len(), |k, j| coordinates[(k, others[j])]);
    let (w, s, _) = T::thin_svd(c.as_ref())?;
    let rank = s.iter().take_while(|x| **x > 1e-12 * s[0]).count().max(1);
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
    let without = ReducedBasis::new(Parts {
        matrices: parts.matrices.iter().map(inner).collect(),
        rhs: adjoint_product(w.as_ref(), parts.rhs.as_ref()),
        outputs: Vec::new(),
        residual,
        projection: parts.projection,
        singular_values: Vec::new(),
        basis: w.clone(),
    })?;
    let x: Vec<f64> = tried.x.row(i).iter().copied().collect();
    let entries = (tried.entries)(i);
    let (mut theta, mut gamma, mut misfit) = (Vec::new(), Vec::new(), 0.0_f64);
    let n_operators = model.operators.len();
    for (k, part) in model.operators.iter().chain([&model.rhs]).enumerate() {
        let own = if k < n_operators { &mut theta } else { &mut gamma };
        let Rule::Entries { fit, learned: process } = &part.rule else {
            own.extend(part.coefficients(&x, Given::Nothing)?.values);
            continue;
        };
        let a = match (learned, process) {
            (true, Some(process)) => process.without::<T>(i),
            _ => entries[k].clone(),
        };
        let place = fit.members.iter().position(|m| *m == i).filter(|_| fit.n_terms() > 1 && fit.of_samples);
        match place {
            None => {
                let beta = fit.coefficients(&a);
                let (fitted, validated) = fit.misfit(&a, &beta);
                misfit = misfit.max(fitted).max(validated);
                own.extend(beta);
            }
            Some(place) => {
                let fit = fit.without(place)?;
                let mut beta = fit.coefficients(&a);
                let (fitted, validated) = fit.misfit(&a, &beta);
                misfit = misfit.max(fitted).max(validated);
                beta.insert(place, T::default());
                own.extend(beta);
            }
        }
    }
    let mut workspace = without.workspace();
    let Ok((y, residual)) = without.solve_with_indicator(&theta, &gamma, rank, &mut workspace) else { return Ok(None) };
    let y = product(w.as_ref(), MatRef::from_column_major_slice(y, rank, 1));
    let sum_theta = theta.iter().map(|t| t.modulus()).sum();
    Ok(Some(Trial::of(model, tried, i, y.as_ref(), [residual, misfit, sum_theta])))
}

impl Trial {
    /// Solution `i` beside V y.
    fn of<T: Scalar>(
        model: &OperatorModel<T>,
        tried: &Tried<'_, T>,
        i: usize,
        y: MatRef<'_, T>,
        [residual, misfit, sum_theta]: [f64; 3],
    ) -> Trial {
        let predicted = product(model.reduced.basis(), y);
        let difference: Vec<T> = (0..predicted.nrows()).map(|k| tried.solutions[(k, i)] - predicted[(k, 0)]).collect();
        let truth: Vec<T> = tried.solutions.col(i).iter().copied().collect();
        let (missed, all) = (norm_in(tried.norm, &difference), norm_in(tried.norm, &truth));
        let size = y.col(0).iter().map(|v| v.modulus_squared()).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        let deviations: Vec<f64> = difference.iter().map(|d| d.modulus() / size).collect();
        Trial {
            residual,
            misfit,
            sum_theta,
            error: if missed == 0.0 { 0.0 } else { missed / all.max(f64::MIN_POSITIVE) },
            deviations,
        }
    }
}

/// sqrt(uᴴMu).
fn norm_in<T: Scalar>(m: &InnerProduct, u: &[T]) -> f64 {
    norms(m, MatRef::from_column_major_slice(u, u.len(), 1))[0]
}

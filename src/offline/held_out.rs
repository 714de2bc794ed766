//! What answers are worth: reduced problems with one training solution, its matrix, or both left out.

use crate::algorithms::affine_decomposition::LearnedEntries;
use crate::algorithms::conformal::{conformal_factor, normal_quantile};
use crate::algorithms::pod::Truncation;
use crate::error::Result;
use crate::linalg::orthonormal::{applied, norms};
use crate::linalg::scalar::{Scalar, adjoint_product, product};
use crate::offline::operator_model::Options;
pub use crate::offline::trials::Tried;
use crate::offline::trials::{Left, Trial, leave_out, without_sample, without_system};
use crate::online::coefficients::{Part, Rule};
use crate::online::operator_model::{ALARM, ALWAYS, NEVER, OperatorModel, QUIET, ROUND_OFF, Trust, norm_of};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// Solutions that are left out, at most.
pub const MOST: usize = 40;
/// Fewer training solutions tell nothing; and fewer than the second number little.
const FEWEST: usize = 3;
const FEW: usize = 5;
/// So many points whose matrices are no terms suffice.
const ENOUGH: usize = 10;
/// Weights of the misfit beside the residual that are tried, in half decades: never without it.
const WEIGHTS: std::ops::RangeInclusive<i32> = -4..=8;
/// A solution whose norm is below this share of the largest one has no relative error.
const ZERO: f64 = 1e-14;
/// Dofs of a solution whose errors calibrate the intervals, at most.
const DOFS: usize = 5000;
/// Indicators up to this multiple of a typical one raise no flag.
const LOUD: f64 = 1.5;
/// Errors by the terms alone that are warned of, over the tolerance of the basis.
const LIMITED: f64 = 3.0;

/// `m` at most of the numbers below `n`, spread evenly.
pub fn evenly(n: usize, m: usize) -> Vec<usize> {
    (0..n.min(m)).map(|k| k * n / n.min(m)).collect()
}

/// Trials of one kind of answers: with solution and matrix left out, the matrix only, the solution only.
struct Trials<T> {
    both: Vec<Trial<T>>,
    matrix: Vec<Trial<T>>,
    solution: Vec<Trial<T>>,
}

impl<T> Trials<T> {
    fn sets(&self) -> impl Iterator<Item = &Vec<Trial<T>>> {
        [&self.both, &self.matrix, &self.solution].into_iter().filter(|set| set.len() >= FEWEST)
    }
}

/// Gives `model` its trust, spread and intervals from solutions that are left out, with given entries and with learnt ones.
///
/// Of `MOST` training points at most, one after the other: the basis spans the others' solutions, the fit of entries has the others'
/// matrices, learnt entries are those of processes without the point. What is new at a test point may be the solution more than the
/// matrix, or the other way round: each is left out alone too, and the largest of the three factors is taken. With fewer than three
/// such points nothing is calibrated, and a remark says so.
///
/// Where entries are learnt, so are the coefficients y themselves; the way that does better is kept. Returns the largest sum of
/// |theta|, which round-off and errors of the entries grow by.
pub fn held_out<T: Scalar>(
    model: &mut OperatorModel<T>,
    tried: &Tried<'_, T>,
    options: &Options,
    remarks: &mut Vec<String>,
) -> Result<f64> {
    let n = tried.x.nrows();
    let sizes = norms(tried.norm, tried.solutions);
    let largest = sizes.iter().copied().fold(0.0, f64::max);
    let some: Vec<usize> = (0..n).filter(|i| sizes[*i] > ZERO * largest).collect();
    // Points whose matrices are terms are not like new ones: few terms cannot do without one. The others are taken where most are such.
    let others: Vec<usize> = some.iter().copied().filter(|i| !is_term(model, *i)).collect();
    let some = if others.len() >= ENOUGH && 2 * others.len() >= some.len() { others } else { some };
    let chosen: Vec<usize> = evenly(some.len(), MOST).into_iter().map(|k| some[k]).collect();
    model.spread = root_mean_square(model, tried, &chosen);
    let few = |remarks: &mut Vec<String>, n: usize| {
        remarks.push(format!(
            "warning: {n} solutions could be left out in turn: indicator and intervals are not calibrated; hand in more samples"
        ));
    };
    if n < FEWEST || chosen.len() < FEWEST {
        few(remarks, chosen.len());
        return Ok(0.0);
    }
    let dual = applied(tried.metric, model.reduced.basis());
    let coordinates = adjoint_product(dual.as_ref().map_or(model.reduced.basis(), |d| d.as_ref()), tried.solutions);
    drop(dual);
    let set = |model: &OperatorModel<T>, learned: bool, left: Left| -> Result<Vec<Trial<T>>> {
        let one = |i: &usize| leave_out(model, tried, coordinates.as_ref(), *i, learned, left);
        let found: Vec<Option<Trial<T>>> = chosen.par_iter().map(one).collect::<Result<_>>()?;
        Ok(found.into_iter().flatten().collect())
    };
    let trials = |model: &OperatorModel<T>, learned: bool| -> Result<Trials<T>> {
        let solution = if learned { Vec::new() } else { set(model, learned, Left::Solution)? };
        Ok(Trials { both: set(model, learned, Left::Both)?, matrix: set(model, learned, Left::Matrix)?, solution })
    };
    let given = trials(model, false)?;
    let sum_theta = given.both.iter().map(|t| t.sum_theta).fold(0.0, f64::max);
    if given.both.len() < FEWEST {
        few(remarks, given.both.len());
        return Ok(sum_theta);
    }
    if given.both.len() < FEW {
        let n = given.both.len();
        remarks.push(format!("warning: indicator and intervals are calibrated on {n} solutions only"));
    }
    model.trust = trust_of(&given, options.confidence)?;
    limited(model, &given, options, remarks);
    let of_operators = model.operators.iter().chain([&model.rhs]).any(Part::is_learned);
    let mut learned = None;
    if of_operators || model.outputs.iter().any(|o| o.part.is_learned()) {
        let mut found = trials(model, true)?;
        if found.both.len() >= FEWEST {
            if of_operators {
                let direct = learn_directly(model, tried, coordinates.as_ref(), options)?;
                let directly: Vec<Trial<T>> =
                    chosen.iter().map(|i| without_system(model, tried, &direct, *i)).collect();
                let mean = |t: &[Trial<T>]| t.iter().map(|t| t.error).sum::<f64>() / t.len() as f64;
                if mean(&directly) < mean(&found.both) {
                    found = Trials { both: directly, matrix: Vec::new(), solution: Vec::new() };
                    model.direct = Some(direct);
                }
            }
            model.trust_learned = Some(trust_of(&found, options.confidence)?);
            learned = Some(found);
        }
    }
    let trust_learned = model.trust_learned.unwrap_or(model.trust);
    calibrate(model, tried, &given, learned.as_ref(), &trust_learned, options.confidence);
    for (which, trials, trust) in
        [(0, Some(&given), model.trust), (1, learned.as_ref().or(Some(&given)), trust_learned)]
    {
        let Some(trials) = trials else { continue };
        for k in 0..model.outputs.len() {
            let found = output_factors(model, tried, k, trials, &trust, which == 1, options.confidence)?;
            model.outputs[k].factors.iter_mut().zip(found).for_each(|(f, found)| f[which] = found);
        }
    }
    Ok(sum_theta)
}

/// A remark where the terms, not the basis, limit what is answered.
fn limited<T: Scalar>(model: &OperatorModel<T>, given: &Trials<T>, options: &Options, remarks: &mut Vec<String>) {
    let Truncation::Tolerance(tolerance) = options.truncation else { return };
    let others: Vec<f64> = given.matrix.iter().filter(|t| !is_term(model, t.sample)).map(|t| t.error).collect();
    let errors = if others.len() >= FEWEST { others } else { given.matrix.iter().map(|t| t.error).collect() };
    if errors.len() < FEWEST {
        return;
    }
    let typical = median(errors);
    if typical > LIMITED * tolerance.max(1e-10) {
        remarks.push(format!(
            "warning: the terms of the operators limit the answers: solutions that the basis holds are missed by {typical:.1e}, its tolerance is {tolerance:.1e}; lower the `tolerance` of [operators], raise `terms` or `entries`, or hand in more matrices"
        ));
    }
}

/// Whether the matrix or right-hand side of training point `i` is a term.
fn is_term<T: Scalar>(model: &OperatorModel<T>, i: usize) -> bool {
    let member = |p: &Part<T>| match &p.rule {
        Rule::Entries { fit, .. } => fit.of_samples && fit.members.contains(&i),
        Rule::Functions(f) => f.fit.eim.columns.contains(&i),
        _ => false,
    };
    model.operators.iter().chain([&model.rhs]).any(member)
}

fn median(mut v: Vec<f64>) -> f64 {
    v.sort_by(f64::total_cmp);
    v.get(v.len() / 2).copied().unwrap_or(0.0)
}

/// At each dof the root mean square of the solutions over ||y||: the spread of errors that are spread like the solution.
fn root_mean_square<T: Scalar>(model: &OperatorModel<T>, tried: &Tried<'_, T>, chosen: &[usize]) -> Vec<f64> {
    let dual = applied(tried.metric, tried.solutions);
    let square = |i: usize| -> f64 {
        let other = dual.as_ref().map_or(tried.solutions, |d| d.as_ref());
        let column = tried.solutions.col(i).iter().zip(other.col(i).iter());
        column.map(|(a, b)| (a.conjugate() * *b).re()).sum()
    };
    let mut spread = vec![0.0; model.info.n_entities.max(tried.solutions.nrows())];
    for i in chosen {
        let size = square(*i).max(f64::MIN_POSITIVE) * chosen.len() as f64;
        spread.iter_mut().zip(tried.solutions.col(*i).iter()).for_each(|(s, u)| *s += u.modulus_squared() / size);
    }
    spread.into_iter().map(f64::sqrt).collect()
}

/// Absolute errors at each dof over ||y|| and the indicator.
fn deviations<T: Scalar>(model: &OperatorModel<T>, tried: &Tried<'_, T>, t: &Trial<T>, trust: &Trust) -> Vec<f64> {
    let predicted = product(model.reduced.basis(), MatRef::from_column_major_slice(&t.y, t.y.len(), 1));
    let scale = norm_of(&t.y).max(f64::MIN_POSITIVE) * trust.indicator(t.residual, t.misfit);
    let column = tried.solutions.col(t.sample);
    (0..predicted.nrows()).map(|k| (column[k] - predicted[(k, 0)]).modulus() / scale).collect()
}

/// Spread over the dofs, and the factors of intervals that hold the promised share of the entries of solutions left out.
///
/// The score of an entry is its error over its spread in the other trials. Scores of a trial depend on each other: the rank of the factor
/// is that of as many solutions, not entries.
fn calibrate<T: Scalar>(
    model: &mut OperatorModel<T>,
    tried: &Tried<'_, T>,
    given: &Trials<T>,
    learned: Option<&Trials<T>>,
    trust_learned: &Trust,
    confidence: f64,
) {
    // Of round-off nothing is learnt: it is taken to be spread like the solution.
    if model.trust.typical <= ROUND_OFF[1] {
        return;
    }
    let n_dofs = tried.solutions.nrows();
    let sets: Vec<&Vec<Trial<T>>> = [&given.both, &given.matrix].into_iter().filter(|s| s.len() >= FEWEST).collect();
    let count: usize = sets.iter().map(|s| s.len()).sum();
    let mut squares = vec![0.0; n_dofs];
    for t in sets.iter().flat_map(|s| s.iter()) {
        let own = deviations(model, tried, t, &model.trust);
        squares.iter_mut().zip(own).for_each(|(s, d)| *s += d * d);
    }
    // No dof is known better than a thousandth of the others.
    let least = 1e-6 * squares.iter().sum::<f64>() / n_dofs.max(1) as f64;
    if least == 0.0 {
        return;
    }
    let step = n_dofs.div_ceil(DOFS).max(1);
    let factor = |set: &[Trial<T>], trust: &Trust, among: bool| {
        let mut scores = Vec::new();
        for t in set {
            let own = deviations(model, tried, t, trust);
            for k in (0..n_dofs).step_by(step) {
                let (sum, n) = if among { (squares[k] - own[k] * own[k], count - 1) } else { (squares[k], count) };
                scores.push(own[k] / (sum.max(least) / n as f64).sqrt());
            }
        }
        scores.sort_by(f64::total_cmp);
        let m = set.len() as f64;
        let share = (confidence * (m + 1.0) / m).min(1.0);
        let place = ((scores.len() as f64 * share).ceil() as usize).clamp(1, scores.len()) - 1;
        // Beyond the largest score, the tail of a normal distribution, as for the indicator.
        let beyond = normal_quantile(confidence) / normal_quantile(m / (m + 1.0));
        scores[place] * if share < 1.0 { 1.0 } else { beyond.max(1.0) }
    };
    let of = |trials: &Trials<T>, trust: &Trust, among: bool| {
        [&trials.both, &trials.matrix]
            .into_iter()
            .filter(|s| s.len() >= FEWEST)
            .map(|s| factor(s, trust, among))
            .fold(0.0, f64::max)
    };
    let given = of(given, &model.trust, true).max(f64::MIN_POSITIVE);
    let learned = learned.map_or(given, |t| of(t, trust_learned, false).max(f64::MIN_POSITIVE));
    model.interval_factor = [given, learned];
    model.spread = squares.into_iter().map(|s| (s.max(least) / count as f64).sqrt()).collect();
}

/// Half-widths of the intervals of the rows of output `k` over ||l V|| ||y|| (indicator + misfit), at the confidence of the study.
fn output_factors<T: Scalar>(
    model: &OperatorModel<T>,
    tried: &Tried<'_, T>,
    k: usize,
    trials: &Trials<T>,
    trust: &Trust,
    learned: bool,
    confidence: f64,
) -> Result<Vec<f64>> {
    let output = &model.outputs[k];
    let mut factors = vec![0.0_f64; output.n_rows];
    for set in [&trials.both, &trials.matrix].into_iter().filter(|s| s.len() >= FEWEST) {
        let scores = output_scores(model, tried, k, set, trust, learned)?;
        for (factor, scores) in factors.iter_mut().zip(scores) {
            *factor = factor.max(conformal_factor(&scores, confidence)?);
        }
    }
    Ok(factors)
}

/// Errors of the rows of output `k` over what their intervals are multiples of.
fn output_scores<T: Scalar>(
    model: &OperatorModel<T>,
    tried: &Tried<'_, T>,
    k: usize,
    trials: &[Trial<T>],
    trust: &Trust,
    learned: bool,
) -> Result<Vec<Vec<f64>>> {
    let output = &model.outputs[k];
    let mut scores = vec![Vec::new(); output.n_rows];
    for t in trials {
        let functional = (tried.outputs)(k, t.sample)?;
        let entries = (tried.entries)(t.sample);
        let own = entries.get(model.operators.len() + 1 + k).map_or(&[][..], |e| &e[..]);
        let x: Vec<f64> = tried.x.row(t.sample).iter().copied().collect();
        let (lambda, misfit) = without_sample(&output.part, &x, own, t.sample, learned, true)?;
        let n = tried.solutions.nrows();
        for (row, scores) in scores.iter_mut().enumerate() {
            let u = tried.solutions.col(t.sample);
            let truth: T = functional[row * n..(row + 1) * n].iter().zip(u.iter()).map(|(l, u)| *l * *u).sum();
            let (value, size) = output.value(&lambda, row, &t.y);
            let scale = size * (trust.indicator(t.residual, t.misfit) + misfit);
            scores.push(if scale > 0.0 { (truth - value).modulus() / scale } else { 0.0 });
        }
    }
    Ok(scores)
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

/// Weight, factor and alarm from what was left out.
fn trust_of<T: Scalar>(trials: &Trials<T>, confidence: f64) -> Result<Trust> {
    // Weights over a wide range about the one that makes residual and misfit count alike.
    let of = |f: fn(&Trial<T>) -> f64| median(trials.sets().flatten().map(f).filter(|v| *v > ROUND_OFF[0]).collect());
    let ratio = match (of(|t| t.residual), of(|t| t.misfit)) {
        (residual, misfit) if residual > 0.0 && misfit > 0.0 => residual / misfit,
        _ => 1.0,
    };
    let with = |weight: f64| Trust { misfit_weight: weight, factor: 1.0, typical: 0.0, alarm: ALWAYS };
    let all = || trials.sets().flatten();
    // The weight for which error over indicator varies least, in orders of magnitude.
    let dispersion = |weight: f64| {
        let trust = with(weight);
        let log = |t: &Trial<T>| (t.error.max(ROUND_OFF[1]) / trust.raw(t.residual, t.misfit)).ln();
        let logs: Vec<f64> = all().map(log).collect();
        let mean = logs.iter().sum::<f64>() / logs.len().max(1) as f64;
        logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>()
    };
    let weights = WEIGHTS.map(|k| 10.0_f64.powf(0.5 * f64::from(k)) * ratio);
    let weight = weights.min_by(|a, b| dispersion(*a).total_cmp(&dispersion(*b))).unwrap_or(ratio);
    let trust = with(weight);
    let raw = |t: &Trial<T>| trust.raw(t.residual, t.misfit);
    let mut factor = 0.0_f64;
    for set in trials.sets() {
        let scores: Vec<f64> = set.iter().map(|t| t.error / raw(t)).collect();
        factor = factor.max(conformal_factor(&scores, confidence)?);
    }
    let typical = median(trials.both.iter().map(|t| t.error).collect());
    // Twice the typical indicator; lower, where an answer worse than three times the typical error would not be flagged.
    let middle = median(trials.both.iter().map(raw).collect());
    let bad = trials.both.iter().filter(|t| t.error > ALARM * typical).map(raw).fold(QUIET * middle, f64::min);
    let trust = Trust { factor, typical, ..trust };
    let alarm = factor * bad.max(LOUD * middle) * (1.0 - 1e-9);
    Ok(Trust { alarm: alarm.clamp(NEVER, ALWAYS), ..trust })
}

//! A reduced basis with everything that turns a parameter (and some entries of the new operator) into an answer.

use crate::algorithms::affine_decomposition::LearnedEntries;
use crate::data::FieldInfo;
use crate::error::{Error, Result};
use crate::linalg::scalar::{Scalar, adjoint_product, product};
use crate::online::InputSpace;
use crate::online::coefficients::{Given, Part};
use crate::online::operator_bound::Certified;
use crate::online::reduced_basis::{Inertia, ReducedBasis, Workspace};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// A(mu) u = f(mu), A = sum over operators, each with its terms, reduced to the span of a basis.
#[derive(Debug, Clone)]
pub struct OperatorModel<T: Scalar> {
    pub inputs: InputSpace,
    /// The solution.
    pub info: FieldInfo,
    /// Operators; their terms follow each other in `reduced`.
    pub operators: Vec<Part<T>>,
    pub rhs: Part<T>,
    pub outputs: Vec<Output<T>>,
    pub reduced: ReducedBasis<T>,
    /// Entries that were given.
    pub trust: Trust,
    /// Entries that were learnt, or the coefficients themselves; None where neither is.
    pub trust_learned: Option<Trust>,
    /// y(mu) by Gaussian processes, where that does better on solutions left out than learnt entries of the operators.
    pub direct: Option<LearnedEntries>,
    /// Norms and reduced matrices of the training: inertia that answers should have; None where it varied in training.
    pub inertia: Option<(usize, usize)>,
    /// Gram matrix of the modes in the norm of errors; None in models of older versions: then the modes' own norm is taken.
    pub gram: Option<Mat<T>>,
    /// Root mean square of the error at each dof, over the norm of the solution and the indicator.
    pub spread: Vec<f64>,
    /// Half-width of the intervals over the standard deviation: with given entries, and with learnt ones.
    pub interval_factor: [f64; 2],
    pub confidence: f64,
    pub n_snapshots: usize,
    /// Where the error can be bounded rigorously.
    pub certified: Option<Certified>,
}

/// A linear functional, or several rows of one: l_k(u) = sum_s lambda_s conj(l_ks) u.
#[derive(Debug, Clone)]
pub struct Output<T: Scalar> {
    pub part: Part<T>,
    /// Rows of one term.
    pub n_rows: usize,
    /// Rows l_s V, one after the other for each term [n_terms * n_rows, n_modes].
    pub reduced: Mat<T>,
    /// Half-width of each row's interval over ||l V|| ||y|| and the sum of indicator and misfit: where everything is given, and
    /// where something is learnt.
    pub factors: Vec<[f64; 2]>,
}

impl<T: Scalar> Output<T> {
    /// l(u) of row `row` for u = V y in the leading modes, and ||l V|| ||y||, which it cannot exceed.
    pub(crate) fn value(&self, lambda: &[T], row: usize, y: &[T]) -> (T, f64) {
        let combined = |k: usize| -> T {
            lambda.iter().enumerate().map(|(s, l)| *l * self.reduced[(s * self.n_rows + row, k)]).sum()
        };
        let l: Vec<T> = (0..y.len()).map(combined).collect();
        (l.iter().zip(y).map(|(l, y)| *l * *y).sum(), norm_of(&l) * norm_of(y))
    }
}

/// What solutions that were left out tell about the indicator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trust {
    /// Weight of the misfit of the terms beside the residual.
    pub misfit_weight: f64,
    /// Error over (residual + weight misfit + round-off), at the confidence of the study.
    pub factor: f64,
    /// Median of the relative error of the solutions that were left out.
    pub typical: f64,
    /// Indicator from which on an answer is flagged.
    pub alarm: f64,
}

/// The entries of a new operator: those of each operator, the right-hand side, the outputs, in the order of
/// [`OperatorModel::parts`]; empty for a part that needs none.
pub type Entries<T> = Vec<Vec<T>>;

/// Answers at b points.
#[derive(Debug, Clone)]
pub struct Answers<T> {
    /// y [n_modes, b].
    pub coefficients: Mat<T>,
    /// Estimate of the relative error in the study's norm.
    pub indicator: Vec<f64>,
    /// 0 inside the training region, 1 outside or unlike anything seen.
    pub flags: Vec<u8>,
    /// Why a flag is raised; None where it is not.
    pub reasons: Vec<Option<Reason>>,
    /// Whether coefficients of the operators, the right-hand side or an output were learnt.
    pub learned: Vec<bool>,
    /// Values of all rows of all outputs, output after output [n_rows, b].
    pub outputs: Mat<T>,
    /// Half-widths of their intervals [n_rows, b].
    pub output_halves: Mat<f64>,
    /// Whether the reduced operator has another inertia than in training.
    pub indefinite: Vec<bool>,
    /// Rigorous bound of the relative error in the study's norm, infinite where there is none; None for models without.
    pub bound: Option<Vec<f64>>,
    /// Whether the solution rests on learnt coefficients: which of the intervals' factors counts.
    pub by_learned: Vec<bool>,
}

/// Why an answer is flagged; the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A parameter outside the box of the training.
    Outside,
    /// The reduced operator is not definite, although all of the training were.
    Indefinite,
    /// The estimate is above the alarm since the terms do not combine to the new operator.
    Misfit,
    /// The estimate is above the alarm.
    Estimate,
}

impl Reason {
    /// All, in their order.
    pub const ALL: [Reason; 4] = [Reason::Outside, Reason::Indefinite, Reason::Misfit, Reason::Estimate];

    /// In the words of a message.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Outside => "outside the training box",
            Reason::Indefinite => "with a reduced operator that is not definite, unlike in training",
            Reason::Misfit => "with an operator that the terms miss",
            Reason::Estimate => "with an estimated error above the alarm",
        }
    }
}

/// Errors above this multiple of the typical one are to be flagged.
pub const ALARM: f64 = 3.0;
/// Largest indicator over that of a typical solution left out that raises no flag: those are harder than points between them.
pub const QUIET: f64 = 2.0;
/// Norms of differences by sketches are too small by this factor at most, but for few.
const OF_SKETCHES: f64 = 2.0;
/// An indicator above this share is always flagged, one below the other never for itself.
pub const ALWAYS: f64 = 0.5;
pub const NEVER: f64 = 1e-12;
/// What residuals and errors are not known better than.
pub const ROUND_OFF: [f64; 2] = [1e-15, 1e-13];

impl Trust {
    /// Residual, misfit and round-off in one number.
    pub fn raw(&self, residual: f64, misfit: f64) -> f64 {
        residual + self.misfit_weight * misfit + ROUND_OFF[0]
    }

    /// The indicator from the relative residual and the misfit of the terms.
    pub fn indicator(&self, residual: f64, misfit: f64) -> f64 {
        self.factor * self.raw(residual, misfit) + ROUND_OFF[1]
    }
}

impl<T: Scalar> Answers<T> {
    /// Answer `i` is to an operator that the terms miss by `misfit`: it is no better than that.
    pub fn distrust(&mut self, i: usize, misfit: f64) {
        let rows = self.output_halves.nrows();
        let worse = misfit / self.indicator[i].max(f64::MIN_POSITIVE);
        if worse > 1.0 {
            (0..rows).for_each(|k| self.output_halves[(k, i)] *= worse);
            self.indicator[i] = misfit;
        }
        if let Some(bound) = &mut self.bound {
            bound[i] = f64::INFINITY;
        }
        self.flags[i] = 1;
        self.reasons[i].get_or_insert(Reason::Misfit);
    }
}

/// Coefficients of all terms at one point.
pub(crate) struct AtPoint<T> {
    pub theta: Vec<T>,
    pub gamma: Vec<T>,
    pub misfit: f64,
    pub learned: bool,
}

impl<T: Scalar> OperatorModel<T> {
    /// Operators, right-hand side, outputs.
    pub fn parts(&self) -> impl Iterator<Item = &Part<T>> {
        self.operators.iter().chain(std::iter::once(&self.rhs)).chain(self.outputs.iter().map(|o| &o.part))
    }

    /// Names of the rows of the outputs; a complex one has two.
    pub fn output_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for output in &self.outputs {
            for row in 0..output.n_rows {
                let one = output.n_rows == 1;
                names.push(if one { output.part.name.clone() } else { format!("{}_{row}", output.part.name) });
            }
        }
        names
    }

    /// Whether entries have to be given: a part needs some, and has not learnt them.
    pub fn needs_entries(&self) -> bool {
        self.parts().any(|p| !p.entries().is_empty() && !p.is_learned())
    }

    /// Number of modes.
    pub fn n_modes(&self) -> usize {
        self.reduced.n_modes()
    }

    pub(crate) fn coefficients(&self, x: &[f64], given: Option<&Entries<T>>) -> Result<AtPoint<T>> {
        let n_operators = self.operators.len();
        let of = |k: usize, part: &Part<T>| {
            let entries = given.and_then(|g| g.get(k)).filter(|e| !e.is_empty());
            part.coefficients(x, entries.map_or(Given::Nothing, |e| Given::Entries(e)))
        };
        let (mut theta, mut misfit, mut learned) = (Vec::new(), 0.0_f64, false);
        for (k, part) in self.operators.iter().enumerate() {
            let c = of(k, part)?;
            (misfit, learned) = (misfit.max(c.misfit), learned | c.learned);
            theta.extend(c.values);
        }
        let gamma = of(n_operators, &self.rhs)?;
        (misfit, learned) = (misfit.max(gamma.misfit), learned | gamma.learned);
        Ok(AtPoint { theta, gamma: gamma.values, misfit, learned })
    }

    /// Answers at the points `x` [b, n_inputs] in the leading `n_modes` modes; `entries` of each point, where they are given.
    ///
    /// O(d p + d N² + N³) per point for p entries, d terms, N modes; points are shared out over threads. Errors: K100 of the first
    /// point that has one: entries that are missing, a reduced matrix that is singular.
    pub fn answer(&self, x: MatRef<'_, f64>, entries: Option<&[Entries<T>]>, n_modes: usize) -> Result<Answers<T>> {
        if x.ncols() != self.inputs.names.len() {
            return Err(Error::argument("inputs of a prediction", x.ncols(), self.inputs.names.len()));
        }
        let b = x.nrows();
        let one = |w: &mut Workspace<T>, i: usize| {
            self.at(w, &x.row(i).iter().copied().collect::<Vec<_>>(), entries.map(|e| &e[i]), n_modes)
        };
        let answers: Vec<Answer<T>> =
            (0..b).into_par_iter().map_init(|| self.reduced.workspace(), |w, i| one(w, i)).collect::<Result<_>>()?;
        let n_outputs = self.outputs.iter().map(|o| o.n_rows).sum();
        Ok(Answers {
            coefficients: Mat::from_fn(n_modes, b, |k, i| answers[i].y[k]),
            indicator: answers.iter().map(|a| a.indicator).collect(),
            flags: answers.iter().map(|a| u8::from(a.reason.is_some())).collect(),
            reasons: answers.iter().map(|a| a.reason).collect(),
            learned: answers.iter().map(|a| a.learned).collect(),
            outputs: Mat::from_fn(n_outputs, b, |k, i| answers[i].outputs[k].0),
            output_halves: Mat::from_fn(n_outputs, b, |k, i| answers[i].outputs[k].1),
            indefinite: answers.iter().map(|a| a.indefinite).collect(),
            by_learned: answers.iter().map(|a| a.by_learned).collect(),
            bound: answers.iter().map(|a| a.bound).collect(),
        })
    }

    fn at(&self, w: &mut Workspace<T>, x: &[f64], entries: Option<&Entries<T>>, n_modes: usize) -> Result<Answer<T>> {
        // Entries of nothing are none.
        let entries = entries.filter(|all| all.iter().any(|e| !e.is_empty()));
        let solved = match (&self.direct, entries) {
            (Some(direct), None) => self.direct(direct, x, n_modes)?,
            _ => self.solved(w, x, entries, n_modes)?,
        };
        let Solved { y, indicator, alarm, learned: by_learned, indefinite, by_misfit, bound } = solved;
        let (mut outputs, mut learned) = (Vec::new(), by_learned);
        for (k, output) in self.outputs.iter().enumerate() {
            let given = entries.and_then(|e| e.get(self.operators.len() + 1 + k)).filter(|e| !e.is_empty());
            let lambda = output.part.coefficients(x, given.map_or(Given::Nothing, |e| Given::Entries(e)))?;
            learned |= lambda.learned;
            let which = usize::from(by_learned || lambda.learned);
            for row in 0..output.n_rows {
                let (value, size) = output.value(&lambda.values, row, &y);
                let factor = output.factors.get(row).map_or(1.0, |f| f[which]);
                outputs.push((value, factor * size * (indicator + lambda.misfit)));
            }
        }
        let reason = match () {
            () if !self.inputs.contains(x) => Some(Reason::Outside),
            () if indefinite => Some(Reason::Indefinite),
            () if (indicator > alarm || indicator.is_nan()) && by_misfit => Some(Reason::Misfit),
            () if indicator > alarm || indicator.is_nan() => Some(Reason::Estimate),
            () => None,
        };
        Ok(Answer { y, indicator, reason, learned, outputs, indefinite, by_learned, bound })
    }

    /// Coefficients from the reduced system.
    fn solved(
        &self,
        w: &mut Workspace<T>,
        x: &[f64],
        entries: Option<&Entries<T>>,
        n_modes: usize,
    ) -> Result<Solved<T>> {
        let c = self.coefficients(x, entries)?;
        let (all, residual) = self.reduced.solve_with_indicator(&c.theta, &c.gamma, self.n_modes(), w)?;
        let all = all.to_vec();
        // Calibrated are answers in all modes: what fewer change is known, and added.
        let (mut y, mut truncated) = (all.clone(), 0.0);
        if n_modes < all.len() {
            y = self.reduced.solve(&c.theta, &c.gamma, n_modes, w)?.to_vec();
            let change: Vec<T> = (0..all.len()).map(|k| y.get(k).map_or(all[k], |y| all[k] - *y)).collect();
            truncated = self.norm_in_errors(&change) / self.norm_in_errors(&all).max(f64::MIN_POSITIVE);
        }
        let trust = if c.learned { self.trust_learned.unwrap_or(self.trust) } else { self.trust };
        let indefinite = match self.inertia {
            Some((negative, _)) if n_modes == self.n_modes() => {
                let Inertia { negative: found, .. } = self.reduced.inertia(&c.theta, n_modes)?;
                found != negative
            }
            _ => false,
        };
        let indicator = trust.indicator(residual, c.misfit) + truncated;
        let by_misfit = trust.misfit_weight * c.misfit > residual + truncated;
        let bound = self.bound(&c, &y, &mut w.residual)?;
        Ok(Solved { y, indicator, alarm: trust.alarm, learned: c.learned, indefinite, by_misfit, bound })
    }

    /// Coefficients from the parameter alone; what is left out of them is known, and added to the estimate.
    fn direct(&self, direct: &LearnedEntries, x: &[f64], n_modes: usize) -> Result<Solved<T>> {
        let (all, deviation) = direct.entries_with_deviation::<T>(MatRef::from_row_major_slice(x, 1, x.len()))?;
        let all = all.col_as_slice(0);
        let trust = self.trust_learned.unwrap_or(self.trust);
        let size = norm_of(all).max(f64::MIN_POSITIVE);
        let left_out: Vec<T> = (0..all.len()).map(|k| if k < n_modes { T::default() } else { all[k] }).collect();
        let truncated = match n_modes < all.len() {
            true => self.norm_in_errors(&left_out) / self.norm_in_errors(all).max(f64::MIN_POSITIVE),
            false => 0.0,
        };
        let indicator = trust.indicator(deviation[0] / size, 0.0) + truncated;
        let y = all[..n_modes].to_vec();
        Ok(Solved { y, indicator, alarm: trust.alarm, learned: true, indefinite: false, by_misfit: false, bound: None })
    }

    /// Norm of V y, y in the leading modes, in which errors are measured.
    pub(crate) fn norm_in_errors(&self, y: &[T]) -> f64 {
        let Some(gram) = &self.gram else { return norm_of(y) };
        let gram = gram.as_ref().submatrix(0, 0, y.len(), y.len());
        let y = MatRef::from_column_major_slice(y, y.len(), 1);
        let square = adjoint_product(y, product(gram, y).as_ref())[(0, 0)].re();
        square.max(0.0).sqrt()
    }

    /// V y [n_dofs, b].
    pub fn reconstruct(&self, coefficients: MatRef<'_, T>) -> Mat<T> {
        product(self.reduced.basis().subcols(0, coefficients.nrows()), coefficients)
    }

    /// Widens the intervals of output `k` of answer `i`, whose functional is missed by `missed` in its norm, up to the accuracy of
    /// sketches: |dl u| <= ||dl|| ||u||.
    pub fn widen(&self, answers: &mut Answers<T>, i: usize, k: usize, missed: f64) {
        let first = self.outputs[..k].iter().map(|o| o.n_rows).sum::<usize>();
        let u = self.reconstruct(answers.coefficients.as_ref().subcols(i, 1));
        let more = OF_SKETCHES * missed * norm_of(u.col_as_slice(0));
        (first..first + self.outputs[k].n_rows).for_each(|row| answers.output_halves[(row, i)] += more);
    }

    /// Standard deviation at each dof [n_dofs, b]: the spread of the solutions that were left out, by indicator and norm.
    pub fn standard_deviation(&self, answers: &Answers<T>) -> Mat<f64> {
        let y = &answers.coefficients;
        let scale: Vec<f64> = (0..y.ncols()).map(|j| answers.indicator[j] * norm_of(y.col_as_slice(j))).collect();
        Mat::from_fn(self.spread.len(), y.ncols(), |i, j| self.spread[i] * scale[j])
    }

    /// Half-widths of the intervals at each dof [n_dofs, b], from the standard deviations.
    pub fn intervals(&self, answers: &Answers<T>, std: MatRef<'_, f64>) -> Mat<f64> {
        let factor = |j: usize| self.interval_factor[usize::from(answers.by_learned[j])];
        Mat::from_fn(std.nrows(), std.ncols(), |i, j| factor(j) * std[(i, j)])
    }
}

struct Solved<T> {
    y: Vec<T>,
    indicator: f64,
    alarm: f64,
    learned: bool,
    indefinite: bool,
    /// Whether the misfit of the terms is most of the indicator.
    by_misfit: bool,
    bound: Option<f64>,
}

/// Euclidean.
pub(crate) fn norm_of<T: Scalar>(y: &[T]) -> f64 {
    y.iter().map(|c| c.modulus_squared()).sum::<f64>().sqrt()
}

struct Answer<T> {
    y: Vec<T>,
    indicator: f64,
    reason: Option<Reason>,
    learned: bool,
    /// Values and half-widths.
    outputs: Vec<(T, f64)>,
    indefinite: bool,
    by_learned: bool,
    bound: Option<f64>,
}

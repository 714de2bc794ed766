//! A reduced basis with everything that turns a parameter (and some entries of the new operator) into an answer.

use crate::algorithms::affine_decomposition::LearnedEntries;
use crate::data::FieldInfo;
use crate::error::{Error, Result};
use crate::linalg::scalar::{Scalar, product};
use crate::online::InputSpace;
use crate::online::coefficients::{Given, Part};
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
    /// Root mean square of the error at each dof, over the norm of the solution and the indicator.
    pub spread: Vec<f64>,
    /// Half-width of the intervals over the standard deviation.
    pub interval_factor: f64,
    pub confidence: f64,
    pub n_snapshots: usize,
}

/// A linear functional, or several rows of one: l_k(u) = sum_s lambda_s conj(l_ks) u.
#[derive(Debug, Clone)]
pub struct Output<T: Scalar> {
    pub part: Part<T>,
    /// Rows of one term.
    pub n_rows: usize,
    /// Rows l_s V, one after the other for each term [n_terms * n_rows, n_modes].
    pub reduced: Mat<T>,
}

/// What solutions that were left out tell about the indicator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trust {
    /// Weight of the misfit of entries beside the residual.
    pub misfit_weight: f64,
    /// Error over (residual + weight misfit), at the confidence of the study.
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
    /// Whether coefficients were learnt.
    pub learned: Vec<bool>,
    /// Values of all rows of all outputs, output after output [n_rows, b].
    pub outputs: Mat<T>,
    /// Whether the reduced operator has another inertia than in training.
    pub indefinite: Vec<bool>,
}

/// Largest indicator over the typical error that raises no flag.
pub const ALARM: f64 = 3.0;

impl Trust {
    /// The indicator from the relative residual and the misfit of entries.
    pub fn indicator(&self, residual: f64, misfit: f64) -> f64 {
        self.factor * (residual + self.misfit_weight * misfit)
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
        use crate::online::coefficients::Rule;
        self.parts().any(|p| matches!(&p.rule, Rule::Entries { learned: None, .. }))
    }

    /// Keeps the leading modes; nothing is computed again.
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
            flags: answers.iter().map(|a| a.flag).collect(),
            learned: answers.iter().map(|a| a.learned).collect(),
            outputs: Mat::from_fn(n_outputs, b, |k, i| answers[i].outputs[k]),
            indefinite: answers.iter().map(|a| a.indefinite).collect(),
        })
    }

    fn at(&self, w: &mut Workspace<T>, x: &[f64], entries: Option<&Entries<T>>, n_modes: usize) -> Result<Answer<T>> {
        let solved = match (&self.direct, entries) {
            (Some(direct), None) => self.direct(direct, x, n_modes)?,
            _ => self.solved(w, x, entries, n_modes)?,
        };
        let Solved { y, indicator, alarm, learned, indefinite } = solved;
        let mut outputs = Vec::new();
        for (k, output) in self.outputs.iter().enumerate() {
            let given = entries.and_then(|e| e.get(self.operators.len() + 1 + k)).filter(|e| !e.is_empty());
            let lambda = output.part.coefficients(x, given.map_or(Given::Nothing, |e| Given::Entries(e)))?.values;
            let column = MatRef::from_column_major_slice(&y, n_modes, 1);
            let values = product(output.reduced.subcols(0, n_modes), column);
            for row in 0..output.n_rows {
                outputs.push(lambda.iter().enumerate().map(|(s, l)| *l * values[(s * output.n_rows + row, 0)]).sum());
            }
        }
        let outside = !self.inputs.contains(x);
        let flag = u8::from(outside || indefinite || indicator > alarm || indicator.is_nan());
        Ok(Answer { y, indicator, flag, learned, outputs, indefinite })
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
        let (y, residual) = self.reduced.solve_with_indicator(&c.theta, &c.gamma, n_modes, w)?;
        let y = y.to_vec();
        let trust = if c.learned { self.trust_learned.unwrap_or(self.trust) } else { self.trust };
        let indefinite = match self.inertia {
            Some((negative, _)) if n_modes == self.n_modes() => {
                let Inertia { negative: found, .. } = self.reduced.inertia(&c.theta, n_modes)?;
                found != negative
            }
            _ => false,
        };
        let indicator = trust.indicator(residual, c.misfit);
        Ok(Solved { y, indicator, alarm: trust.alarm, learned: c.learned, indefinite })
    }

    /// Coefficients from the parameter alone.
    fn direct(&self, direct: &LearnedEntries, x: &[f64], n_modes: usize) -> Result<Solved<T>> {
        let (y, deviation) = direct.entries_with_deviation::<T>(MatRef::from_row_major_slice(x, 1, x.len()))?;
        let y = y.col_as_slice(0)[..n_modes].to_vec();
        let trust = self.trust_learned.unwrap_or(self.trust);
        let indicator = trust.indicator(deviation[0] / norm_of(&y).max(f64::MIN_POSITIVE), 0.0);
        Ok(Solved { y, indicator, alarm: trust.alarm, learned: true, indefinite: false })
    }

    /// V y [n_dofs, b].
    pub fn reconstruct(&self, coefficients: MatRef<'_, T>) -> Mat<T> {
        product(self.reduced.basis().subcols(0, coefficients.nrows()), coefficients)
    }

    /// Standard deviation at each dof [n_dofs, b]: the spread of the solutions that were left out, by indicator and norm.
    pub fn standard_deviation(&self, answers: &Answers<T>) -> Mat<f64> {
        let y = &answers.coefficients;
        let scale: Vec<f64> = (0..y.ncols()).map(|j| answers.indicator[j] * norm_of(y.col_as_slice(j))).collect();
        Mat::from_fn(self.spread.len(), y.ncols(), |i, j| self.spread[i] * scale[j])
    }
}

struct Solved<T> {
    y: Vec<T>,
    indicator: f64,
    alarm: f64,
    learned: bool,
    indefinite: bool,
}

/// Euclidean.
pub(crate) fn norm_of<T: Scalar>(y: &[T]) -> f64 {
    y.iter().map(|c| c.modulus_squared()).sum::<f64>().sqrt()
}

struct Answer<T> {
    y: Vec<T>,
    indicator: f64,
    flag: u8,
    learned: bool,
    outputs: Vec<T>,
    indefinite: bool,
}

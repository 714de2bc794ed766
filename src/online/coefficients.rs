//! Coefficients of the terms of an operator, a right-hand side or an output at a new parameter.

use crate::algorithms::affine_decomposition::{EntryFit, FunctionFit, LearnedEntries};
use crate::data::Expression;
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use faer::{Mat, MatRef};

/// One quantity A(mu) = sum_m beta_m(mu) A_m: what it is called, and how beta is found.
#[derive(Debug, Clone)]
pub struct Part<T: Scalar> {
    pub name: String,
    pub rule: Rule<T>,
    /// Row and column of the entries of a rule, in their order; empty for other rules.
    pub places: Vec<(usize, usize)>,
    /// Whether these entries are asked for online; not where they are learnt whatever there is.
    pub asked: bool,
    /// What tells a matrix that is no combination of the terms; None in models of older versions.
    pub known: Option<Known<T>>,
}

/// The terms in few numbers, so that whole matrices can be compared with them.
#[derive(Debug, Clone)]
pub struct Known<T> {
    /// Sketches of the terms [PROBES, n_terms].
    pub terms: Mat<T>,
    /// How much training matrices are missed at most, relative: with given and with learnt coefficients.
    pub usual: [f64; 2],
}

/// How coefficients are found; there is one per operator, so that its size does not matter.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)]
pub enum Rule<T: Scalar> {
    /// One term, coefficient 1.
    Constant,
    /// Expressions of the inputs, one per term.
    Expressions(Vec<Expression>),
    /// Functions of inputs and coordinates at the points of an interpolation.
    Functions(Box<Interpolated<T>>),
    /// Some entries, given or learnt.
    Entries { fit: EntryFit<T>, learned: Option<LearnedEntries> },
}

/// An interpolation with what is evaluated at its points.
#[derive(Debug, Clone)]
pub struct Interpolated<T: Scalar> {
    pub fit: FunctionFit<T>,
    /// Real and imaginary part of each function of inputs and coordinates.
    pub functions: Vec<(Expression, Option<Expression>)>,
    /// Inputs and coordinates, the variables of the functions.
    pub variables: Vec<String>,
    /// rho(mu).
    pub amplitude: Option<Expression>,
    /// Function and coordinates of each point of the interpolation.
    pub points: Vec<(usize, Vec<f64>)>,
    /// The same of points that only tell how well the interpolation does; empty in models of older versions.
    pub checks: Vec<(usize, Vec<f64>)>,
    /// The functions at `checks` for each term, weighted [n_checks, n_terms].
    pub check_values: Mat<T>,
}

/// Where the entries come from.
#[derive(Debug, Clone, Copy)]
pub enum Given<'a, T> {
    /// The entries of this part, in its order.
    Entries(&'a [T]),
    /// Nothing but the parameter.
    Nothing,
}

impl<'a, T> Given<'a, T> {
    /// These entries; nothing, where there are none.
    pub fn of(entries: &'a [T]) -> Given<'a, T> {
        if entries.is_empty() { Given::Nothing } else { Given::Entries(entries) }
    }
}

/// Coefficients at one parameter.
#[derive(Debug, Clone)]
pub struct Coefficients<T> {
    pub values: Vec<T>,
    /// How much the entries are missed, relative; 0 where there are none.
    pub misfit: f64,
    /// Whether they were learnt.
    pub learned: bool,
}

impl<T: Scalar> Interpolated<T> {
    fn value(&self, x: &[f64], (s, point): &(usize, Vec<f64>)) -> T {
        let variables: Vec<f64> = x.iter().chain(point).copied().collect();
        let (re, im) = &self.functions[*s];
        T::from_parts(re.value(&variables), im.as_ref().map_or(0.0, |e| e.value(&variables)))
    }

    /// The functions' values at the points of the interpolation.
    pub fn values(&self, x: &[f64]) -> Vec<T> {
        self.points.iter().map(|p| self.value(x, p)).collect()
    }

    /// How much the combination of the terms misses the functions at points that are not interpolated, relative.
    pub fn misfit(&self, x: &[f64], coefficients: &[T]) -> f64 {
        let (mut missed, mut all) = (0.0, 0.0);
        for (k, point) in self.checks.iter().enumerate() {
            let value = self.value(x, point) * T::real(self.fit.weights[point.0]);
            let fitted: T = coefficients.iter().enumerate().map(|(m, b)| self.check_values[(k, m)] * *b).sum();
            missed += (value - fitted).modulus_squared();
            all += value.modulus_squared();
        }
        if missed == 0.0 { 0.0 } else { (missed / all.max(f64::MIN_POSITIVE)).sqrt() }
    }

    /// With the points `checks`, at which the terms have the weighted values `values`.
    pub fn checked_at(self, checks: Vec<(usize, Vec<f64>)>, values: Mat<T>) -> Interpolated<T> {
        Interpolated { checks, check_values: values, ..self }
    }

    /// Coefficients at the inputs `x`. Error: K100 a value that is not finite.
    pub fn coefficients(&self, x: &[f64]) -> Result<Vec<T>> {
        let values = self.values(x);
        let amplitude = self.amplitude.as_ref().map_or(1.0, |e| e.value(x));
        if let Some(k) = values.iter().position(|v| !v.finite()) {
            let what = format!("function {} at {:?}", self.points[k].0 + 1, self.points[k].1);
            return Err(Error::argument(what, values[k], "a finite number"));
        }
        if !(amplitude.is_finite() && amplitude != 0.0) {
            return Err(Error::argument("amplitude", amplitude, "a finite number that is not zero"));
        }
        let weights = &self.fit.weights;
        let scaled: Vec<T> =
            values.iter().zip(&self.points).map(|(v, (s, _))| *v * T::real(weights[*s] / amplitude)).collect();
        self.fit.coefficients(&scaled, amplitude)
    }
}

impl<T: Scalar> Part<T> {
    /// Number of terms.
    pub fn n_terms(&self) -> usize {
        match &self.rule {
            Rule::Constant => 1,
            Rule::Expressions(e) => e.len(),
            Rule::Functions(f) => f.fit.n_terms(),
            Rule::Entries { fit, .. } => fit.n_terms(),
        }
    }

    /// One that has not been compared with anything.
    pub fn new(name: String, rule: Rule<T>, places: Vec<(usize, usize)>) -> Part<T> {
        Part { name, rule, places, asked: true, known: None }
    }

    /// Numbers of the entries that are asked for online.
    pub fn entries(&self) -> &[usize] {
        match &self.rule {
            Rule::Entries { fit, .. } if self.asked => &fit.entries,
            _ => &[],
        }
    }

    /// Whether coefficients are learnt, where no entries are given.
    pub fn is_learned(&self) -> bool {
        matches!(&self.rule, Rule::Entries { learned: Some(_), .. })
    }

    /// Coefficients at the inputs `x`.
    ///
    /// Errors: K100 entries of another number, entries that are needed and neither given nor learnt, values that are not finite.
    pub fn coefficients(&self, x: &[f64], given: Given<'_, T>) -> Result<Coefficients<T>> {
        let exact = |values| Coefficients { values, misfit: 0.0, learned: false };
        match &self.rule {
            Rule::Constant => Ok(exact(vec![T::real(1.0)])),
            Rule::Expressions(e) => {
                let values: Vec<T> = e.iter().map(|e| T::real(e.value(x))).collect();
                match values.iter().position(|v| !v.finite()) {
                    Some(q) => {
                        let what = format!("coefficient {} of {}, `{}`", q + 1, self.name, e[q].text());
                        Err(Error::argument(what, values[q], "a finite number"))
                    }
                    None => Ok(exact(values)),
                }
            }
            Rule::Functions(f) => {
                let values = f.coefficients(x)?;
                let misfit = f.misfit(x, &values);
                Ok(Coefficients { values, misfit, learned: false })
            }
            Rule::Entries { fit, learned } => {
                let (entries, is_learned, deviation) = match (given, learned) {
                    (Given::Entries(entries), _) if entries.len() == fit.entries.len() => {
                        (entries.to_vec(), false, 0.0)
                    }
                    (Given::Entries(entries), _) => {
                        let what = format!("entries of {}", self.name);
                        return Err(Error::argument(what, entries.len(), fit.entries.len()));
                    }
                    (Given::Nothing, Some(learned)) => {
                        let x = MatRef::from_row_major_slice(x, 1, x.len());
                        let (entries, deviation): (Mat<T>, _) = learned.entries_with_deviation(x)?;
                        (entries.col_as_slice(0).to_vec(), true, deviation[0])
                    }
                    (Given::Nothing, None) => {
                        let expected = format!("{} entries of the new operator", fit.entries.len());
                        return Err(Error::argument(format!("entries of {}", self.name), "none", expected));
                    }
                };
                let values = fit.coefficients(&entries);
                let misfit = misfit_of(fit, &entries, &values, deviation);
                Ok(Coefficients { values, misfit, learned: is_learned })
            }
        }
    }
}

/// Relative misfit of entries, those that validate among them, and the standard deviation of learnt ones over their norm.
pub(crate) fn misfit_of<T: Scalar>(fit: &EntryFit<T>, entries: &[T], coefficients: &[T], deviation: f64) -> f64 {
    let norm = |a: &mut dyn Iterator<Item = T>| a.map(|a| a.modulus_squared()).sum::<f64>().sqrt();
    let size = norm(&mut entries.iter().copied());
    let of_terms = fit.values.col_iter().map(|c| norm(&mut c.iter().copied())).fold(0.0, f64::max);
    // What is zero beside the terms is fitted exactly.
    if size <= 1e-14 * of_terms && deviation == 0.0 {
        return 0.0;
    }
    let (fitted, validated) = fit.misfit(entries, coefficients);
    let learnt = if deviation == 0.0 { 0.0 } else { deviation / size.max(1e-14 * of_terms).max(f64::MIN_POSITIVE) };
    fitted.max(validated).max(learnt)
}

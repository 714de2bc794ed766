//! Which training matrices (or vectors) become terms, and how their coefficients are found online.

use crate::algorithms::affine_decomposition::entries::{choose_entries, nothing_but_zeros, too_many};
use crate::algorithms::affine_decomposition::{EntryFit, EntryOptions, FunctionFit, LearnedEntries};
use crate::algorithms::eim::EimOptions;
use crate::algorithms::gaussian_process::GpOptions;
use crate::data::Expression;
use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use crate::online::coefficients::{Given, Interpolated, Part, Rule, misfit_of};
use faer::{Mat, MatRef};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::index::sample;

/// Reads the numbers of one training matrix or vector.
pub type Read<'a, T> = dyn Fn(usize) -> Result<Vec<T>> + Sync + 'a;

/// One operator, right-hand side or output, as the training gives it.
pub struct Quantity<'a, T> {
    pub name: String,
    /// Numbers of each matrix.
    pub n_entries: usize,
    /// Numbers of matrix `member` (or of an affine term).
    pub read: Box<Read<'a, T>>,
    pub way: Way,
    /// Row and column of an entry.
    pub place: Box<dyn Fn(usize) -> (usize, usize) + Sync + 'a>,
}

impl<T> std::fmt::Debug for Quantity<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Quantity({}, {:?})", self.name, self.way)
    }
}

/// How coefficients are to be found.
#[derive(Debug, Clone)]
pub enum Way {
    /// The same at all parameters: one term.
    Constant,
    /// Affine already: `n_terms` matrices with these expressions as coefficients.
    Expressions(Vec<Expression>),
    /// Affine already: `theta` [n_training, n_terms] are the coefficients.
    Theta(Mat<f64>),
    /// Functions of inputs and coordinates.
    Functions(Box<Functions>),
    /// Entries that are given online, and learnt where `learn` says so.
    Entries { options: EntryOptions, learn: bool },
}

/// Functions g_s(mu, x), to be interpolated over `points`.
#[derive(Debug, Clone)]
pub struct Functions {
    /// Real and imaginary parts; variables are the inputs, then the coordinates.
    pub functions: Vec<(Expression, Option<Expression>)>,
    pub amplitude: Option<Expression>,
    /// Inputs and coordinates, the variables of the functions.
    pub variables: Vec<String>,
    /// Coordinates of the sample of x.
    pub points: Vec<Vec<f64>>,
    /// An independent sample, on which the interpolation is checked.
    pub check: Vec<Vec<f64>>,
    pub terms: Option<usize>,
    pub tolerance: f64,
}

impl<T: Scalar> Quantity<'_, T> {
    /// All numbers at training parameter `sample`, whose inputs are `x`.
    pub fn at(&self, sample: usize, x: &[f64]) -> Result<Vec<T>> {
        let combined = |coefficients: Vec<f64>| {
            let mut all = vec![T::default(); self.n_entries];
            for (q, c) in coefficients.into_iter().enumerate() {
                let values = (self.read)(q)?;
                all.iter_mut().zip(values).for_each(|(a, v)| *a += T::real(c) * v);
            }
            Ok(all)
        };
        match &self.way {
            Way::Constant => (self.read)(0),
            Way::Expressions(e) => combined(e.iter().map(|e| e.value(x)).collect()),
            Way::Theta(theta) => combined((0..theta.ncols()).map(|q| theta[(sample, q)]).collect()),
            Way::Functions(_) | Way::Entries { .. } => (self.read)(sample),
        }
    }
}

/// What was chosen, and how well it does on the training matrices.
#[derive(Debug, Clone)]
pub struct Decomposed<T> {
    /// The entries that are asked for online, of every training matrix [n_entries, n_training].
    pub entries: Mat<T>,
    /// Which matrix (or affine term) each term is.
    pub members: Vec<usize>,
    /// Largest misfit of a training matrix, relative; on an independent sample of points for functions.
    pub misfit: f64,
    /// Largest sum of |beta| over the training parameters.
    pub sum_beta: f64,
}

/// Entries that are sampled of every training matrix.
const POOL: usize = 4096;
/// Points at which each function is compared with its interpolation online.
const CHECKS: usize = 25;

/// Decomposes one quantity. `x` [n_training, n_inputs] are the inputs of the training.
///
/// Each training matrix is read once, one at a time; what is kept are at most 4,096 of its entries. Errors: what reading gives;
/// K004 an expression that is not finite at a training point; K100 as
/// [`choose_entries`](crate::algorithms::affine_decomposition::entries::choose_entries).
pub fn decompose<T: Scalar>(
    quantity: &Quantity<'_, T>,
    x: MatRef<'_, f64>,
    seed: u64,
    gp: &GpOptions,
) -> Result<(Part<T>, Decomposed<T>)> {
    let n = x.nrows();
    let row = |i: usize| -> Vec<f64> { x.row(i).iter().copied().collect() };
    let part = |rule, places| Part::new(quantity.name.clone(), rule, places);
    match &quantity.way {
        Way::Constant => Ok((
            part(Rule::Constant, Vec::new()),
            Decomposed { entries: Mat::zeros(0, n), members: vec![0], misfit: 0.0, sum_beta: 1.0 },
        )),
        Way::Expressions(expressions) => {
            let part = part(Rule::Expressions(expressions.clone()), Vec::new());
            let mut sum_beta = 0.0_f64;
            for i in 0..n {
                let beta = part.coefficients(&row(i), Given::Nothing).map_err(|e| not_finite(e, &quantity.name, i))?;
                sum_beta = sum_beta.max(beta.values.iter().map(|b| b.modulus()).sum());
            }
            Ok((
                part,
                Decomposed {
                    entries: Mat::zeros(0, n),
                    members: (0..expressions.len()).collect(),
                    misfit: 0.0,
                    sum_beta,
                },
            ))
        }
        Way::Theta(theta) => {
            // The coefficients themselves are the entries.
            let q = theta.ncols();
            let identity = Mat::from_fn(q, q, |i, j| if i == j { T::real(1.0) } else { T::default() });
            let fit = EntryFit::new((0..q).collect(), (0..q).collect(), q, identity)?.of_terms();
            let values = Mat::from_fn(q, n, |k, i| T::real(theta[(i, k)]));
            let learned = Some(LearnedEntries::new(values.as_ref(), x, true, gp)?);
            let sum = |i: usize| (0..q).map(|k| theta[(i, k)].abs()).sum::<f64>();
            let sum_beta = (0..n).map(sum).fold(0.0, f64::max);
            let places = (0..q).map(|k| (k, 0)).collect();
            Ok((
                part(Rule::Entries { fit, learned }, places),
                Decomposed { entries: values, members: (0..q).collect(), misfit: 0.0, sum_beta },
            ))
        }
        Way::Functions(functions) => {
            let (interpolated, decomposed) = interpolate(&quantity.name, functions, x)?;
            Ok((part(Rule::Functions(Box::new(interpolated)), Vec::new()), decomposed))
        }
        Way::Entries { options, learn } => {
            let mut random = StdRng::seed_from_u64(seed);
            let numbers = sample(&mut random, quantity.n_entries, POOL.min(quantity.n_entries)).into_vec();
            let mut pool = Mat::zeros(numbers.len(), n);
            for j in 0..n {
                let values = (quantity.read)(j)?;
                numbers.iter().enumerate().for_each(|(i, e)| pool[(i, j)] = values[*e]);
            }
            let fit = choose_entries(pool.as_ref(), &numbers, options).map_err(|e| in_words(e, &quantity.name))?;
            let position: std::collections::HashMap<usize, usize> =
                numbers.iter().enumerate().map(|(i, e)| (*e, i)).collect();
            let chosen = Mat::from_fn(fit.entries.len(), n, |i, j| pool[(position[&fit.entries[i]], j)]);
            let (mut misfit, mut sum_beta) = (0.0_f64, 0.0_f64);
            for j in 0..n {
                let a = chosen.col_as_slice(j);
                let beta = fit.coefficients(a);
                misfit = misfit.max(misfit_of(&fit, a, &beta, 0.0));
                sum_beta = sum_beta.max(beta.iter().map(|b| b.modulus()).sum());
            }
            let learned = if *learn { Some(LearnedEntries::new(chosen.as_ref(), x, true, gp)?) } else { None };
            let places = fit.entries.iter().map(|e| (quantity.place)(*e)).collect();
            let members = fit.members.clone();
            Ok((
                part(Rule::Entries { fit, learned }, places),
                Decomposed { entries: chosen, members, misfit, sum_beta },
            ))
        }
    }
}

/// What the choice of terms and entries refuses, in the words of a study and a file.
fn in_words(e: Error, name: &str) -> Error {
    match e {
        Error::Argument { what, found, expected } if what == "number of terms" => {
            let mend = "ask for fewer `terms`, or hand in more matrices";
            Error::input("K009", "", format!("[operators.{name}] terms"), found, expected, mend)
        }
        Error::Argument { found, expected, .. } if found == "zeros" => {
            Error::input("K021", "", format!("/operators/{name}"), found, expected, "write the numbers of the matrices")
        }
        other => other,
    }
}

/// K004 at a training parameter.
fn not_finite(e: Error, name: &str, sample: usize) -> Error {
    match e {
        Error::Argument { what, found, .. } => {
            let place = format!("[operators.{name}] expressions, training sample {sample}, {what}");
            let mend = "mend the expression, or leave out the sample with `select`";
            Error::input("K004", "", place, found, "a finite number", mend)
        }
        other => other,
    }
}

/// Refuses what [`decompose`] would refuse before it decomposes: K004 an expression that is not finite at a training point, K009
/// more terms than matrices, K021 nothing but zeros. Cost: the expressions; matrices are read up to the first that is not zero.
pub fn check<T: Scalar>(quantity: &Quantity<'_, T>, x: MatRef<'_, f64>) -> Result<()> {
    let (name, n) = (&quantity.name, x.nrows());
    match &quantity.way {
        Way::Constant | Way::Theta(_) => Ok(()),
        Way::Expressions(expressions) => {
            let part = Part::<T>::new(name.clone(), Rule::Expressions(expressions.clone()), Vec::new());
            let at = |i: usize| {
                let x: Vec<f64> = x.row(i).iter().copied().collect();
                part.coefficients(&x, Given::Nothing).map(|_| ()).map_err(|e| not_finite(e, name, i))
            };
            (0..n).try_for_each(at)
        }
        Way::Functions(f) => {
            f.amplitudes(name, x)?;
            [&f.points, &f.check].into_iter().try_for_each(|points| f.values::<T>(name, x, points).map(|_| ()))
        }
        Way::Entries { options, .. } => {
            if let Some(terms) = options.terms.filter(|terms| *terms > n) {
                return Err(in_words(too_many(terms, n), name));
            }
            // What cannot be read is another matter.
            let zero = |m| (quantity.read)(m).is_ok_and(|values| values.iter().all(|v| *v == T::default()));
            if n > 0 && (0..n).all(zero) { Err(in_words(nothing_but_zeros(), name)) } else { Ok(()) }
        }
    }
}

impl Functions {
    /// g_s(mu_j, x_i) at (s n_points + i, j). Error: K004.
    fn values<T: Scalar>(&self, name: &str, x: MatRef<'_, f64>, points: &[Vec<f64>]) -> Result<Mat<T>> {
        let (n, n_functions) = (x.nrows(), self.functions.len());
        let mut g = Mat::zeros(n_functions * points.len(), n);
        for j in 0..n {
            let mu: Vec<f64> = x.row(j).iter().copied().collect();
            for (s, (re, im)) in self.functions.iter().enumerate() {
                for (i, point) in points.iter().enumerate() {
                    let variables = [&mu[..], point].concat();
                    let imaginary = im.as_ref().map_or(0.0, |e| e.value(&variables));
                    let v = T::from_parts(re.value(&variables), imaginary);
                    if !v.finite() {
                        let what = format!("`{}` at x = {point:?}, mu = {mu:?}", re.text());
                        return Err(not_finite(Error::argument(what, v, "a finite number"), name, j));
                    }
                    g[(s * points.len() + i, j)] = v;
                }
            }
        }
        Ok(g)
    }

    /// The amplitude at each training parameter. Error: K004.
    fn amplitudes(&self, name: &str, x: MatRef<'_, f64>) -> Result<Vec<f64>> {
        let Some(rho) = &self.amplitude else { return Ok(vec![1.0; x.nrows()]) };
        let at = |j: usize| {
            let a = rho.value(&x.row(j).iter().copied().collect::<Vec<f64>>());
            if a.is_finite() && a != 0.0 {
                return Ok(a);
            }
            let what = format!("amplitude `{}`", rho.text());
            Err(not_finite(Error::argument(what, a, "a finite number that is not zero"), name, j))
        };
        (0..x.nrows()).map(at).collect()
    }
}

fn interpolate<T: Scalar>(name: &str, f: &Functions, x: MatRef<'_, f64>) -> Result<(Interpolated<T>, Decomposed<T>)> {
    let (n, n_points, n_functions) = (x.nrows(), f.points.len(), f.functions.len());
    let row = |i: usize| -> Vec<f64> { x.row(i).iter().copied().collect() };
    let amplitudes = f.amplitudes(name, x)?;
    let g = f.values::<T>(name, x, &f.points)?;
    let mut options = EimOptions { tolerance: f.tolerance, ..EimOptions::default() };
    if let Some(terms) = f.terms {
        (options.max_terms, options.tolerance) = (Some(terms), 0.0);
    }
    let fit = FunctionFit::new(g.as_ref(), n_functions, &amplitudes, &options)?;
    let points = fit.eim.points.iter().map(|p| (p / n_points, f.points[p % n_points].clone())).collect();
    let members = fit.eim.columns.clone();
    // On points that the interpolation has not seen.
    let (seen, check) = (g, f.values(name, x, &f.check)?);
    let interpolated = Interpolated {
        fit,
        functions: f.functions.clone(),
        amplitude: f.amplitude.clone(),
        variables: f.variables.clone(),
        points,
        checks: Vec::new(),
        check_values: Mat::zeros(0, 0),
    };
    // Some of them tell online how well it does; of the sample itself, where there are no others.
    let (beside, values) = if f.check.is_empty() { (&f.points, &seen) } else { (&f.check, &check) };
    let step = beside.len().div_ceil(CHECKS).max(1);
    let checks: Vec<(usize, usize)> =
        (0..n_functions).flat_map(|s| (0..beside.len()).step_by(step).map(move |i| (s, i))).collect();
    let weights = &interpolated.fit.weights;
    let own = Mat::from_fn(checks.len(), members.len(), |k, m| {
        let (s, i) = checks[k];
        values[(s * beside.len() + i, members[m])] * T::real(weights[s])
    });
    let interpolated = interpolated.checked_at(checks.into_iter().map(|(s, i)| (s, beside[i].clone())).collect(), own);
    let (mut misfit, mut sum_beta) = (0.0_f64, 0.0_f64);
    for j in 0..n {
        let beta = interpolated.coefficients(&row(j))?;
        sum_beta = sum_beta.max(beta.iter().map(|b| b.modulus()).sum());
        for (g, n_points) in [(&seen, n_points), (&check, f.check.len())] {
            for s in 0..n_functions {
                let rows = s * n_points..(s + 1) * n_points;
                let largest =
                    rows.clone().map(|i| (0..n).map(|j| g[(i, j)].modulus()).fold(0.0, f64::max)).fold(0.0, f64::max);
                for i in rows {
                    let fitted: T = members.iter().zip(&beta).map(|(m, b)| g[(i, *m)] * *b).sum();
                    misfit = misfit.max((g[(i, j)] - fitted).modulus() / largest.max(f64::MIN_POSITIVE));
                }
            }
        }
    }
    Ok((interpolated, Decomposed { entries: Mat::zeros(0, n), members, misfit, sum_beta }))
}

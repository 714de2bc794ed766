//! Families of matrices in memory, what the library makes of them, and its errors on a family that it has not seen.

use faer::Mat;
use kolmo::algorithms::affine_decomposition::EntryOptions;
use kolmo::algorithms::gaussian_process::GpOptions;
use kolmo::algorithms::pod::Truncation;
use kolmo::data::study_operators::Projection;
use kolmo::data::{FieldInfo, Location};
use kolmo::io::operators::OperatorFile;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::terms::Pattern;
use kolmo::offline::Progress;
use kolmo::offline::decompose::{Quantity, Way, decompose};
use kolmo::offline::operator_model::{Fitted, Matrices, Options, Training, operator_model};
use kolmo::online::InputSpace;
use kolmo::online::coefficients::{Given, Part};
use kolmo::online::operator_model::Answers;
use kolmo::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// Matrices, right-hand sides and solutions at parameters.
pub struct Family<T> {
    pub names: Vec<String>,
    pub pattern: Arc<Pattern>,
    pub parameters: Vec<Vec<f64>>,
    pub matrices: Vec<Vec<T>>,
    pub rhs: Vec<Vec<T>>,
    pub solutions: Vec<Vec<T>>,
}

/// Euclidean.
pub fn norm<T: Scalar>(a: &[T]) -> f64 {
    a.iter().map(|v| v.modulus_squared()).sum::<f64>().sqrt()
}

/// ||a - b|| / ||a||.
pub fn relative<T: Scalar>(a: &[T], b: &[T]) -> f64 {
    norm(&a.iter().zip(b).map(|(a, b)| *a - *b).collect::<Vec<T>>()) / norm(a)
}

impl<T: Scalar> Family<T> {
    fn x(&self) -> Mat<f64> {
        Mat::from_fn(self.parameters.len(), self.names.len(), |i, j| self.parameters[i][j])
    }

    fn quantity<'a>(&'a self, name: &str, values: &'a [Vec<T>], way: Way) -> Quantity<'a, T> {
        let (pattern, is_matrix) = (self.pattern.clone(), name == "A");
        Quantity {
            name: name.into(),
            n_entries: values[0].len(),
            read: Box::new(move |m| Ok(values[m].clone())),
            way,
            place: Box::new(move |e| if is_matrix { pattern.place(e) } else { (e, 0) }),
        }
    }

    /// Number of terms that the entries of the matrices lead to, and the largest relative error (Frobenius) of the
    /// matrices of `others`.
    pub fn matrix_error(&self, others: &Family<T>, options: &EntryOptions) -> Result<(usize, f64)> {
        let way = Way::Entries { options: options.clone(), learn: false };
        let quantity = self.quantity("A", &self.matrices, way);
        let (part, found) = decompose(&quantity, self.x().as_ref(), 0, &GpOptions::default())?;
        let mut worst = 0.0_f64;
        for (x, a) in others.parameters.iter().zip(&others.matrices) {
            let own = entries(&part, a);
            let beta = part.coefficients(x, Given::Entries(&own))?.values;
            let mut combined = vec![T::default(); a.len()];
            for (b, m) in beta.iter().zip(&found.members) {
                combined.iter_mut().zip(&self.matrices[*m]).for_each(|(c, t)| *c += *b * *t);
            }
            worst = worst.max(relative(a, &combined));
        }
        Ok((found.members.len(), worst))
    }

    /// A reduced basis; coefficients by entries, and learnt ones beside them where `learn` says so.
    pub fn reduced(&self, options: &EntryOptions, learn: bool, tolerance: f64) -> Result<Fitted<T>> {
        let way = || Way::Entries { options: options.clone(), learn };
        // As many terms as the right-hand side asks for.
        let of_rhs = Way::Entries { options: EntryOptions { terms: None, ..options.clone() }, learn };
        let n = self.solutions[0].len();
        let x = self.x();
        let end = |j: usize, f: fn(f64, f64) -> f64, start: f64| self.parameters.iter().map(|p| p[j]).fold(start, f);
        let inputs = InputSpace {
            names: self.names.clone(),
            lower: (0..self.names.len()).map(|j| end(j, f64::min, f64::INFINITY)).collect(),
            upper: (0..self.names.len()).map(|j| end(j, f64::max, f64::NEG_INFINITY)).collect(),
        };
        let training = Training {
            inputs,
            x,
            operators: vec![Matrices {
                quantity: self.quantity("A", &self.matrices, way()),
                pattern: self.pattern.clone(),
            }],
            rhs: self.quantity("rhs", &self.rhs, of_rhs),
            outputs: Vec::new(),
            solutions: Some(Mat::from_fn(n, self.solutions.len(), |i, j| self.solutions[j][i])),
            inner_product: None,
            norm: InnerProduct::Euclidean,
            info: FieldInfo {
                name: "solution".into(),
                location: Location::Free,
                n_entities: n,
                n_components: 1,
                vector: false,
            },
        };
        let options = Options {
            truncation: Truncation::Tolerance(tolerance),
            projection: Projection::Auto,
            regression: GpOptions::default(),
            confidence: 0.95,
            seed: 0,
            progress: Progress::default(),
        };
        operator_model(training, &options)
    }

    /// What a model answers here: from the entries, or from the parameters alone; and the relative errors.
    pub fn answers(&self, fitted: &Fitted<T>, with_entries: bool) -> Result<(Answers<T>, Vec<f64>)> {
        let model = &fitted.model;
        let own = |i: usize| vec![entries(&model.operators[0], &self.matrices[i]), entries(&model.rhs, &self.rhs[i])];
        let all: Vec<Vec<Vec<T>>> = (0..self.parameters.len()).map(own).collect();
        let given = with_entries.then_some(&all[..]);
        let answers = model.answer(self.x().as_ref(), given, model.n_modes())?;
        let u = model.reconstruct(answers.coefficients.as_ref());
        let errors = self.solutions.iter().enumerate().map(|(j, s)| relative(s, u.col_as_slice(j))).collect();
        Ok((answers, errors))
    }
}

/// The entries of a matrix or vector that a part asks for.
fn entries<T: Scalar>(part: &Part<T>, values: &[T]) -> Vec<T> {
    part.entries().iter().map(|e| values[*e]).collect()
}

/// The family of the file `matrices/NAME` of the shared data, in two: those that train, and those that `tests` names. None, with the
/// reason on standard error, where there is no such file.
pub fn from_file<T: Scalar>(name: &str, tests: fn(usize) -> bool) -> Result<Option<(Family<T>, Family<T>)>> {
    let Some(path) = std::env::var_os("KOLMO_DATA").map(|data| Path::new(&data).join("matrices").join(name)) else {
        eprintln!("skipped: KOLMO_DATA is not set, {name} is not known");
        return Ok(None);
    };
    if !path.is_file() {
        eprintln!("skipped: {} is not there", path.display());
        return Ok(None);
    }
    let file = OperatorFile::open(&path)?;
    let (Some(pattern), Some(rhs), Some(solutions)) = (file.operators[0].pattern(), &file.rhs, &file.solutions) else {
        return Err(Error::argument(name, "no matrices, right-hand sides or solutions", "all three"));
    };
    let part = |rows: Vec<usize>| -> Result<Family<T>> {
        Ok(Family {
            names: file.parameters.names.clone(),
            pattern: pattern.clone(),
            parameters: rows.iter().map(|i| file.parameters.row(*i).to_vec()).collect(),
            matrices: rows.iter().map(|i| file.matrix(0, *i)).collect::<Result<_>>()?,
            rhs: rows.iter().map(|i| file.vector(rhs, *i)).collect::<Result<_>>()?,
            solutions: rows.iter().map(|i| file.vector(solutions, *i)).collect::<Result<_>>()?,
        })
    };
    let (held_out, training): (Vec<usize>, Vec<usize>) = (0..file.n_samples).partition(|i| tests(*i));
    Ok(Some((part(training)?, part(held_out)?)))
}

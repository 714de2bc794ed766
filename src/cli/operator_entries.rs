//! The entries of new operators that a model asks for: which they are, and from a file.

use faer::MatRef;
use kolmo::error::{Error, Result};
use kolmo::io::operators::{Form, OperatorFile, Quantity};
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::sketch::Sketch;
use kolmo::linalg::terms::Pattern;
use kolmo::online::coefficients::{Given, Part, Rule};
use kolmo::online::operator_model::{Answers, Entries, OperatorModel};
use serde_json::{Value, json};

/// What `info --entries` tells: a line for each entry, and the same as JSON.
pub fn listed<T: Scalar>(model: &OperatorModel<T>) -> (Vec<String>, Value) {
    let (mut lines, mut value) = (Vec::new(), json!({}));
    let n_operators = model.operators.len();
    for (k, part) in model.parts().enumerate() {
        if part.entries().is_empty() {
            continue;
        }
        let (what, place) = if k < n_operators {
            let what = if coefficients_only(part) { "coefficient" } else { "entry" };
            (what, format!("/operators/{}/entries", part.name))
        } else if k == n_operators {
            ("entry", "/operators/rhs".to_string())
        } else {
            ("entry", format!("/outputs/{}", part.name))
        };
        lines.push(format!("{place}: {} numbers ({what}, row, column):", part.entries().len()));
        for (e, (i, j)) in part.entries().iter().zip(&part.places) {
            lines.push(format!("{} {e} {i} {j}", part.name));
        }
        let (rows, columns): (Vec<usize>, Vec<usize>) = part.places.iter().copied().unzip();
        value[&part.name] = json!({"place": place, "entries": part.entries(), "rows": rows, "columns": columns});
    }
    if lines.is_empty() {
        lines.push("entries: none are asked for, the parameter is enough".into());
    }
    (lines, value)
}

/// The coefficients of affine terms are what is asked for, not entries of a matrix.
fn coefficients_only<T: Scalar>(part: &Part<T>) -> bool {
    matches!(&part.rule, Rule::Entries { fit, .. } if !fit.of_samples)
}

/// The entries of one part from numbers in its file: as many as are asked for, or all.
fn picked<T: Scalar>(
    values: Vec<T>,
    asked: &[usize],
    all: Option<usize>,
    place: &str,
    file: &OperatorFile,
) -> Result<Vec<T>> {
    if values.len() == asked.len() && all != Some(values.len()) {
        return Ok(values);
    }
    if Some(values.len()) == all
        || values.len() > asked.len() && all.is_none() && asked.iter().all(|e| *e < values.len())
    {
        return Ok(asked.iter().map(|e| values[*e]).collect());
    }
    let found = format!("{} numbers per parameter", values.len());
    let whole = all.map_or(String::new(), |n| format!(", or all {n}"));
    let expected = format!("the {} entries that `kolmo info MODEL.h5 --entries` lists{whole}", asked.len());
    Err(Error::input("K005", file.path(), place, found, expected, "write these entries, in that order"))
}

/// Operators of constant parts may differ from the model's by this, relative: numbers may have been written in single precision.
const SAME: f64 = 1e-6;
/// A matrix may be missed as a whole more than its entries are, and more than in training, by this factor.
const UNLIKE: f64 = 10.0;
/// What is missed less is no misfit.
const NO_MISFIT: f64 = 1e-7;

/// Entries of a sample, what is missed of its operators, and of its outputs.
type AtSample<T> = (Entries<T>, Option<f64>, Vec<Option<f64>>);

/// What a file says of new operators.
#[derive(Debug)]
pub struct Taken<T> {
    /// Of each sample, where the model asks for any.
    pub entries: Vec<Entries<T>>,
    /// By how much the terms miss the operators of a sample, where that is more than the entries tell.
    pub unlike: Vec<Option<f64>>,
    /// The same of each output of a sample, as the norm of the difference.
    pub outputs: Vec<Vec<Option<f64>>>,
}

/// Entries `places` of a matrix on another pattern; what is not stored is zero.
fn at_places(pattern: &Pattern, places: &[(usize, usize)]) -> Vec<Option<usize>> {
    let of = |(i, j): &(usize, usize)| match pattern {
        Pattern::Dense { n_rows } => (*i < *n_rows && *j < *n_rows).then_some(i * n_rows + j),
        Pattern::Sparse { indptr, indices } => {
            let row = *indptr.get(*i)?..*indptr.get(i + 1)?;
            row.clone().find(|e| indices[*e] == *j)
        }
    };
    places.iter().map(of).collect()
}

/// The operators of a file beside those of a model. Errors: K022 an operator that the model does not know, one that differs from the one
/// that it holds for all parameters; K005 another size, another number of entries; K002 an operator that is not there.
struct Reader<'a, T: Scalar> {
    file: &'a OperatorFile,
    model: &'a OperatorModel<T>,
    /// Number of the operator of each part in the file, and where its entries are.
    operators: Vec<Option<(usize, Vec<Option<usize>>)>>,
}

impl<'a, T: Scalar> Reader<'a, T> {
    fn new(file: &'a OperatorFile, model: &'a OperatorModel<T>) -> Result<Self> {
        let (n, path) = (model.info.n_entities, file.path());
        let known: Vec<&str> = model.operators.iter().map(|p| p.name.as_str()).collect();
        if let Some(other) = file.operators.iter().find(|o| !known.contains(&o.name.as_str())) {
            // Without an operator that the model asks for, the name is what is wrong.
            let missing = |p: &&Part<T>| !p.entries().is_empty() && file.operators.iter().all(|o| o.name != p.name);
            if let Some(part) = model.operators.iter().find(missing) {
                return Err(lost(file, format!("/operators/{}", part.name), part.entries().len()));
            }
            let found = format!("an operator `{}`", other.name);
            let expected = format!("the operators of the model, whose sum is A(mu): {}", known.join(", "));
            return Err(Error::input(
                "K022",
                path,
                other.place(),
                found,
                expected,
                "fit a model with that operator, or leave it out",
            ));
        }
        if let Some(m) = file.n_rows.filter(|m| *m != n) {
            let expected = format!("{n} rows, as in the model");
            return Err(Error::input(
                "K005",
                path,
                "/operators",
                format!("{m} rows"),
                expected,
                "hand in operators of the same problem",
            ));
        }
        let at = |part: &Part<T>| {
            let k = file.operators.iter().position(|o| o.name == part.name)?;
            let pattern = file.operators[k].pattern();
            Some((k, pattern.map_or(Vec::new(), |p| at_places(p, &part.places))))
        };
        Ok(Reader { file, model, operators: model.operators.iter().map(at).collect() })
    }

    /// The whole matrix of operator `k`, where the file has it.
    fn whole(&self, k: usize, sample: usize) -> Result<Option<Vec<T>>> {
        match &self.file.operators[k].form {
            Form::Matrices { .. } => Ok(Some(self.file.matrix(k, sample)?)),
            Form::Affine { n_terms, theta: Some(theta), pattern } => {
                let row = if theta.nrows() == 1 { 0 } else { sample };
                let mut all = vec![T::default(); pattern.n_entries()];
                for q in 0..*n_terms {
                    let term: Vec<T> = self.file.matrix(k, q)?;
                    all.iter_mut().zip(term).for_each(|(a, t)| *a += T::real(theta[(row, q)]) * t);
                }
                Ok(Some(all))
            }
            _ => Ok(None),
        }
    }

    /// Entries of operator `part`, and its sketch where the file has the whole matrix.
    fn operator(&self, part: &Part<T>, which: usize, sample: usize) -> Result<(Vec<T>, Option<Sketch<T>>)> {
        let (asked, file) = (part.entries(), self.file);
        let Some((k, places)) = &self.operators[which] else {
            return match asked.is_empty() {
                true => Ok((Vec::new(), None)),
                false => Err(lost(file, format!("/operators/{}", part.name), asked.len())),
            };
        };
        let operator = &file.operators[*k];
        if matches!(operator.form, Form::Entries { .. }) {
            if asked.is_empty() {
                return Err(not_asked(file, operator.place()));
            }
            return Ok((picked(file.matrix(*k, sample)?, asked, None, operator.place(), file)?, None));
        }
        let whole = self.whole(*k, sample)?;
        let sketch = match (&whole, operator.pattern()) {
            (Some(values), Some(pattern)) => Some(Sketch::of_matrix(pattern, values)),
            _ => None,
        };
        let entries = match (&operator.form, &whole) {
            _ if asked.is_empty() => Vec::new(),
            (Form::Affine { theta: Some(theta), .. }, _) if coefficients_only(part) => {
                if theta.ncols() != asked.len() {
                    let (found, expected) =
                        (format!("{} terms", theta.ncols()), format!("{}, as in the model", asked.len()));
                    return Err(Error::input(
                        "K005",
                        file.path(),
                        operator.place(),
                        found,
                        expected,
                        "hand in the same terms",
                    ));
                }
                let row = if theta.nrows() == 1 { 0 } else { sample };
                theta.row(row).iter().map(|t| T::real(*t)).collect()
            }
            (_, Some(values)) if !coefficients_only(part) => {
                places.iter().map(|e| e.map_or(T::default(), |e| values[e])).collect()
            }
            _ => return Err(lost(file, format!("/operators/{}", part.name), asked.len())),
        };
        Ok((entries, sketch))
    }

    /// The same of a vector, of `n` numbers where it is whole.
    fn vector(
        &self,
        part: &Part<T>,
        found: Option<&Quantity>,
        place: &str,
        n: usize,
        sample: usize,
    ) -> Result<(Vec<T>, Option<Sketch<T>>)> {
        let asked = part.entries();
        let Some(q) = found else {
            return match asked.is_empty() {
                true => Ok((Vec::new(), None)),
                false => Err(lost(self.file, place.into(), asked.len())),
            };
        };
        let values: Vec<T> = self.file.vector(q, sample)?;
        let sketch = (values.len() == n).then(|| Sketch::of_vectors(self.model.info.n_entities, &values));
        if asked.is_empty() {
            return match sketch {
                Some(_) => Ok((Vec::new(), sketch)),
                None => Err(not_asked(self.file, q.place())),
            };
        }
        Ok((picked(values, asked, Some(n), q.place(), self.file)?, sketch))
    }

    /// How much the terms miss a whole matrix or vector, where that is more than its entries tell.
    fn unlike(
        &self,
        part: &Part<T>,
        x: &[f64],
        entries: &[T],
        sketch: Option<Sketch<T>>,
        place: &str,
        sample: usize,
    ) -> Result<Option<f64>> {
        let (Some(known), Some(sketch)) = (&part.known, sketch) else { return Ok(None) };
        // Coefficients that cannot be found are told by the answer.
        let Ok(c) = part.coefficients(x, Given::of(entries)) else { return Ok(None) };
        let missed = sketch.misfit(known.terms.as_ref(), &c.values);
        if matches!(part.rule, Rule::Constant) {
            return match missed > SAME {
                false => Ok(None),
                true => {
                    let found = format!("numbers that differ from the model's by {missed:.1e}, relative");
                    let expected = "the same as in training: the model holds it for all parameters";
                    let mend = "hand in operators of the same problem, or fit with samples in which it varies";
                    Err(Error::input(
                        "K022",
                        self.file.path(),
                        format!("{place}, sample {sample}"),
                        found,
                        expected,
                        mend,
                    ))
                }
            };
        }
        let usual = known.usual[usize::from(c.learned)];
        Ok((missed > UNLIKE * usual.max(c.misfit) && missed > NO_MISFIT).then_some(missed))
    }

    /// Entries, what is missed of operators and right-hand side, what of each output.
    fn at(&self, x: &[f64], sample: usize) -> Result<AtSample<T>> {
        let (mut all, mut unlike, mut outputs) = (Vec::new(), None, Vec::new());
        let mut take = |part: &Part<T>, (entries, sketch): (Vec<T>, Option<Sketch<T>>), place: &str, counts: bool| {
            let size = sketch.as_ref().map_or(0.0, Sketch::norm);
            let missed = self.unlike(part, x, &entries, sketch, place, sample)?;
            match counts {
                true => unlike = missed.map_or(unlike, |m| Some(m.max(unlike.unwrap_or(0.0)))),
                // What an output is missed by enters its own interval.
                false => outputs.push(missed.map(|m| m * size)),
            }
            all.push(entries);
            Ok::<(), Error>(())
        };
        for (k, part) in self.model.operators.iter().enumerate() {
            take(part, self.operator(part, k, sample)?, &format!("/operators/{}", part.name), true)?;
        }
        let (n, rhs) = (self.model.info.n_entities, &self.model.rhs);
        let found = self.vector(rhs, self.file.rhs.as_ref(), "/operators/rhs", n, sample)?;
        take(rhs, found, "/operators/rhs", true)?;
        for output in &self.model.outputs {
            let place = format!("/outputs/{}", output.part.name);
            let found = self.file.outputs.iter().find(|o| o.name == output.part.name);
            let found = self.vector(&output.part, found, &place, n * output.n_rows, sample)?;
            take(&output.part, found, &place, false)?;
        }
        Ok((all, unlike, outputs))
    }
}

/// Widens the intervals of outputs by what their terms miss, of each answer and output.
pub fn widen<T: Scalar>(model: &OperatorModel<T>, answers: &mut Answers<T>, outputs: &[Vec<Option<f64>>]) {
    for (i, missed) in outputs.iter().enumerate() {
        for (k, missed) in missed.iter().enumerate() {
            missed.iter().for_each(|m| model.widen(answers, i, k, *m));
        }
    }
}

fn lost(file: &OperatorFile, place: String, n: usize) -> Error {
    let expected = format!("{n} entries, or the whole matrix");
    let mend = "write what `kolmo info MODEL.h5 --entries` lists";
    Error::input("K002", file.path(), place, "no such data", expected, mend)
}

fn not_asked(file: &OperatorFile, place: &str) -> Error {
    let expected = "nothing, or all of its numbers: the model asks for no entries of it";
    Error::input("K005", file.path(), place, "entries", expected, "leave it out")
}

/// What the samples of a file at the inputs `x` [n_samples, n_inputs] give a model; whole operators are compared with its terms.
pub fn taken<T: Scalar>(
    file: &OperatorFile,
    model: &OperatorModel<T>,
    x: MatRef<'_, f64>,
    samples: &[usize],
) -> Result<Taken<T>> {
    let reader = Reader::new(file, model)?;
    let mut taken = Taken { entries: Vec::new(), unlike: Vec::new(), outputs: Vec::new() };
    for (k, sample) in samples.iter().enumerate() {
        let (entries, unlike, outputs) = reader.at(&x.row(k).iter().copied().collect::<Vec<_>>(), *sample)?;
        taken.entries.push(entries);
        taken.unlike.push(unlike);
        taken.outputs.push(outputs);
    }
    Ok(taken)
}

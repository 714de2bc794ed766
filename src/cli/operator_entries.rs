//! The entries of new operators that a model asks for: which they are, and from a file.

use kolmo::error::{Error, Result};
use kolmo::io::operators::{Form, OperatorFile, Quantity};
use kolmo::linalg::scalar::Scalar;
use kolmo::online::coefficients::{Part, Rule};
use kolmo::online::operator_model::{Entries, OperatorModel};
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

/// The entries of all parts at parameter `sample` of a file. Errors: K002 an operator that is not there, K005 another number.
pub fn entries_of<T: Scalar>(file: &OperatorFile, model: &OperatorModel<T>, sample: usize) -> Result<Entries<T>> {
    let lost = |place: String, n: usize| {
        let expected = format!("{n} entries, or the whole matrix");
        Error::input(
            "K002",
            file.path(),
            place,
            "no such data",
            expected,
            "write what `kolmo info MODEL.h5 --entries` lists",
        )
    };
    let mut all = Vec::new();
    for part in &model.operators {
        let asked = part.entries();
        if asked.is_empty() {
            all.push(Vec::new());
            continue;
        }
        let place = format!("/operators/{}", part.name);
        let Some(k) = file.operators.iter().position(|o| o.name == part.name) else {
            return Err(lost(place, asked.len()));
        };
        let operator = &file.operators[k];
        all.push(match (&operator.form, coefficients_only(part)) {
            (Form::Affine { theta: Some(theta), .. }, true) => {
                let row = if theta.nrows() == 1 { 0 } else { sample };
                theta.row(row).iter().map(|t| T::real(*t)).collect()
            }
            (Form::Entries { .. }, _) => picked(file.matrix(k, sample)?, asked, None, operator.place(), file)?,
            (Form::Matrices { pattern, .. }, false) => {
                picked(file.matrix(k, sample)?, asked, Some(pattern.n_entries()), operator.place(), file)?
            }
            _ => return Err(lost(place, asked.len())),
        });
    }
    let vector = |part: &Part<T>, found: Option<&Quantity>, place: String, n: Option<usize>| {
        let asked = part.entries();
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        match found {
            Some(q) => picked(file.vector(q, sample)?, asked, n, q.place(), file),
            None => Err(lost(place, asked.len())),
        }
    };
    let n = model.info.n_entities;
    all.push(vector(&model.rhs, file.rhs.as_ref(), "/operators/rhs".into(), Some(n))?);
    for output in &model.outputs {
        let name = &output.part.name;
        let found = file.outputs.iter().find(|o| &o.name == name);
        all.push(vector(&output.part, found, format!("/outputs/{name}"), Some(n * output.n_rows))?);
    }
    Ok(all)
}

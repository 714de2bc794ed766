//! `kolmo info` and `check` of operators and of their models.

use super::operator_entries::listed;
use kolmo::error::Result;
use kolmo::io::operator_model_file::{AnyModel, METHOD, read};
use kolmo::io::operators::{Form, OperatorFile};
use kolmo::io::pod_model::Provenance;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::terms::Pattern;
use kolmo::online::coefficients::Rule;
use kolmo::online::operator_model::OperatorModel;
use kolmo::online::reduced_basis::Projection;
use serde_json::{Value, json};
use std::path::Path;

/// What a model of operators holds; with `entries` the list of those that it asks for.
pub fn of_model(file: &Path, entries: bool) -> Result<(Vec<String>, Value)> {
    let (model, about) = read(file)?;
    Ok(match model {
        AnyModel::Real(m) => told(&m, &about, entries),
        AnyModel::Complex(m) => told(&m, &about, entries),
    })
}

fn told<T: Scalar>(model: &OperatorModel<T>, about: &Provenance, entries: bool) -> (Vec<String>, Value) {
    let numbers = if T::IS_COMPLEX { "complex" } else { "real" };
    let parts = model.reduced.parts();
    let projection = if parts.projection == Projection::LeastSquares { "least squares" } else { "Galerkin" };
    let mut lines = vec![
        format!("model: {}", about.study_name),
        format!("method: {METHOD} ({numbers}, {projection})"),
        format!("samples: {}", model.n_snapshots),
        format!("inner product of the basis: {}", about.inner_product),
        format!("fit: {:.2} s", about.seconds),
    ];
    let mut value = json!({"kind": "model", "name": about.study_name, "method": METHOD, "n_samples": model.n_snapshots,
        "inner_product": about.inner_product, "confidence": model.confidence, "seconds_fit": about.seconds,
        "complex": T::IS_COMPLEX, "projection": projection, "inputs": {}, "constant": {}, "operators": {}, "fields": {}, "scalars": []});
    for (j, name) in model.inputs.names.iter().enumerate() {
        let (low, high) = (model.inputs.lower[j], model.inputs.upper[j]);
        lines.push(format!("input {name}: {low} to {high}"));
        value["inputs"][name] = json!([low, high]);
    }
    for (name, constant) in &about.dropped {
        lines.push(format!("constant {name}: {constant}"));
        value["constant"][name] = json!(constant);
    }
    for part in model.parts() {
        let (door, asks) = match &part.rule {
            Rule::Constant => ("constant", String::new()),
            Rule::Expressions(_) => ("expressions", String::new()),
            Rule::Functions(_) => ("functions", String::new()),
            Rule::Entries { fit, learned } => {
                let learned = if learned.is_some() { ", learnt where none are given" } else { "" };
                match part.asked {
                    true => ("entries", format!(", {} entries{learned}", fit.entries.len())),
                    false => ("learned", ", asks for nothing".to_string()),
                }
            }
        };
        lines.push(format!("{}: {} terms by {door}{asks}", part.name, part.n_terms()));
        value["operators"][&part.name] =
            json!({"terms": part.n_terms(), "door": door, "entries": part.entries().len()});
    }
    let info = &model.info;
    lines.push(format!(
        "field {}: {} {} values, {} modes",
        info.name,
        info.n_entities,
        info.location.name(),
        model.n_modes()
    ));
    value["fields"][&info.name] = json!({"n_entities": info.n_entities, "location": info.location.name(),
        "n_components": 1, "modes": model.n_modes()});
    value["scalars"] = json!(model.output_names());
    if entries {
        let (more, list) = listed(model);
        lines = more;
        value["entries"] = list;
    }
    (lines, value)
}

/// What a file of operators holds.
pub fn of_data(file: &Path) -> Result<(Vec<String>, Value)> {
    let data = OperatorFile::open(file)?;
    let numbers = if data.is_complex() { "complex" } else { "real" };
    let mut lines = vec![format!("operators: {numbers}, {} parameters", data.n_samples)];
    let mut value = json!({"kind": "operators", "n_samples": data.n_samples, "n_rows": data.n_rows, "complex": data.is_complex(),
        "parameters": data.parameters.names, "operators": {}, "outputs": [], "solutions": data.solutions.is_some(),
        "inner_product": data.inner_product.is_some(), "mesh": null});
    for o in &data.operators {
        let (what, n) = match &o.form {
            Form::Matrices { pattern, constant } => {
                let kind = if matches!(**pattern, Pattern::Dense { .. }) { "dense" } else { "sparse" };
                let all = if *constant { "one matrix for all parameters" } else { "a matrix per parameter" };
                (format!("{kind}, {all}"), pattern.n_entries())
            }
            Form::Affine { pattern, n_terms, .. } => (format!("{n_terms} affine terms"), pattern.n_entries()),
            Form::Entries { n_entries } => ("entries only".to_string(), *n_entries),
        };
        lines.push(format!("operator {}: {what}, {n} numbers each", o.name));
        value["operators"][&o.name] = json!({"form": what, "n_entries": n});
    }
    if let Some(n) = data.n_rows {
        lines.push(format!("rows: {n}"));
    }
    if let Some(rhs) = &data.rhs {
        let all = if rhs.constant { "one for all parameters" } else { "one per parameter" };
        lines.push(format!("right-hand side: {} numbers, {all}", rhs.length));
    }
    for output in &data.outputs {
        lines.push(format!("output {}", output.name));
    }
    value["outputs"] = json!(data.outputs.iter().map(|o| o.name.as_str()).collect::<Vec<_>>());
    if data.solutions.is_some() {
        lines.push("solutions: one per parameter".into());
    }
    if data.parameters.n_columns() > 0 {
        lines.push(format!("parameters: {}", data.parameters.names.join(", ")));
    }
    if let Some(mesh) = &data.mesh {
        let (points, cells, dim) = (mesh.n_points(), mesh.n_cells(), mesh.dim);
        lines.push(format!("mesh: {points} points, {cells} cells, {dim}-D"));
        value["mesh"] = json!({"n_points": points, "n_cells": cells, "dim": dim});
    }
    Ok((lines, value))
}

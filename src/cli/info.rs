//! `kolmo info`.

use super::fit::{answered_by_mean, with_method};
use super::{Global, operator_info, source, tables};
use kolmo::data::study::Study;
use kolmo::error::{Error, Result};
use kolmo::io::operator_model_file::{METHOD, method_of};
use kolmo::io::operators::holds_operators;
use kolmo::io::pod_model;
use serde_json::{Value, json};
use std::path::Path;

/// Prints what a model, a study or a data file holds.
pub fn run(file: &Path, entries: bool, html: Option<&Path>, global: &Global) -> Result<()> {
    let model = file.extension().is_none_or(|e| e != "toml") && super::check::is_model(file);
    if model {
        super::check::refuse_neither(file)?;
    }
    let operators = model && method_of(file)? == METHOD;
    if entries && !operators {
        let (found, expected) = ("--entries", "a model of method reduced-basis");
        return Err(Error::input("K012", file, "--entries", found, expected, "leave out --entries"));
    }
    let (lines, value) = if operators {
        operator_info::of_model(file, entries)?
    } else if !model && holds_operators(file) {
        operator_info::of_data(file)?
    } else if file.extension().is_some_and(|e| e == "toml") {
        of_study(&with_method(Study::read(file)?))
    } else if super::check::is_model(file) {
        of_model(file)?
    } else {
        of_data(file)?
    };
    if let Some(html) = html {
        super::info_report::write(file, html, &lines)?;
        super::pictures::say(global.json == Some(None), &html.display().to_string());
    }
    global.result(&lines.join("\n"), &value)
}

fn of_study(study: &Study) -> (Vec<String>, Value) {
    let samples = study.resolve(&study.data.samples);
    let lines = vec![
        format!("study: {}", study.name),
        format!("samples: {}", samples.display()),
        format!("method: {}", study.reduction.method),
    ];
    (lines, json!({"kind": "study", "name": study.name, "samples": samples, "method": study.reduction.method}))
}

fn of_model(file: &Path) -> Result<(Vec<String>, Value)> {
    let (model, about) = pod_model::read(file)?;
    let mut lines = vec![
        format!("model: {}", about.study_name),
        "method: pod".to_string(),
        format!("samples: {}", model.n_snapshots),
        format!("inner product: {}", about.inner_product),
        format!("confidence of the intervals: {}", model.confidence),
        format!("fit: {:.2} s", about.seconds),
    ];
    let mut value = json!({"kind": "model", "name": about.study_name, "method": "pod", "n_samples": model.n_snapshots,
        "inner_product": about.inner_product, "confidence": model.confidence, "seconds_fit": about.seconds,
        "inputs": {}, "constant": {}, "fields": {}, "scalars": []});
    for (j, name) in model.inputs.names.iter().enumerate() {
        let (low, high) = (model.inputs.lower[j], model.inputs.upper[j]);
        lines.push(format!("input {name}: {low} to {high}"));
        value["inputs"][name] = json!([low, high]);
    }
    for (name, constant) in &about.dropped {
        lines.push(format!("constant {name}: {constant}"));
        value["constant"][name] = json!(constant);
    }
    for f in &model.fields {
        let (info, error, by_mean) = (&f.info, f.projection_error, answered_by_mean(&f.groups));
        let kernels: Vec<&str> = f.groups.iter().map(|(_, process)| process.kernel().name()).collect();
        lines.push(format!(
            "field {}: {} {} values x {}, {} modes, projection error {error:.2e}, {} processes, {by_mean} modes answered \
             by their mean, interval {:.3} standard deviations",
            info.name,
            info.n_entities,
            info.location.name(),
            info.n_components,
            f.n_modes(),
            f.groups.len(),
            f.interval_factor
        ));
        value["fields"][&info.name] = json!({"n_entities": info.n_entities, "location": info.location.name(),
            "n_components": info.n_components, "modes": f.n_modes(), "projection_error": error, "kernels": kernels,
            "answered_by_mean": by_mean, "interval_factor": f.interval_factor, "indicator_factor": f.indicator_factor});
    }
    let scalars: Vec<&str> = model.scalars.iter().map(|s| s.name.as_str()).collect();
    scalars.iter().for_each(|s| lines.push(format!("scalar {s}")));
    value["scalars"] = json!(scalars);
    Ok((lines, value))
}

fn of_data(file: &Path) -> Result<(Vec<String>, Value)> {
    let (data, product) = source::open(file)?;
    let mut lines = vec![format!("samples: {}", data.n_samples())];
    let mut value = json!({"kind": "data", "n_samples": data.n_samples(), "mesh": null, "parameters": [], "scalars": [],
        "tags": [], "remarks": data.remarks(), "time": data.time().is_some(), "inner_product": product.is_some(), "fields": {}});
    lines.extend(data.remarks());
    if let Some(mesh) = data.mesh() {
        let (points, cells, dim) = (mesh.n_points(), mesh.n_cells(), mesh.dim);
        lines.push(format!("mesh: {points} points, {cells} cells, {dim}-D"));
        value["mesh"] = json!({"n_points": points, "n_cells": cells, "dim": dim});
    }
    let (parameters, scalars) = tables::tables_beside(file)?;
    let parameters = tables::table_if_any(file, parameters.as_deref(), data.parameters(), data.as_ref(), "parameters")?;
    let scalars = tables::table_if_any(file, scalars.as_deref(), data.scalars(), data.as_ref(), "scalars")?;
    for (what, table) in [("parameters", parameters), ("scalars", scalars)] {
        if table.n_columns() > 0 {
            lines.push(format!("{what}: {}", table.names.join(", ")));
            value[what] = json!(table.names);
        }
        for column in table.unusable.iter().filter(|c| !c.text) {
            let line =
                format!("{what}: column {} cannot be used: [{}] {}", column.name, column.reason.code(), column.reason);
            if let Some(remarks) = value["remarks"].as_array_mut() {
                remarks.push(json!(line));
            }
            lines.push(line);
        }
    }
    match data.time() {
        Some([first, .., last]) => lines.push(format!("time: {first} to {last}")),
        Some([time]) => lines.push(format!("time: {time}")),
        _ => {}
    }
    for f in data.tags() {
        lines.push(format!("tag array {}: {} {} values", f.name, f.n_entities, f.location.name()));
    }
    value["tags"] = json!(data.tags().iter().map(|f| f.name.as_str()).collect::<Vec<_>>());
    for f in data.fields() {
        let location = f.location.name();
        lines.push(format!("field {}: {} {location} values x {}", f.name, f.n_entities, f.n_components));
        value["fields"][&f.name] =
            json!({"n_entities": f.n_entities, "location": location, "n_components": f.n_components});
    }
    Ok((lines, value))
}

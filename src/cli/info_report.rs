//! `kolmo info --html`: what a model, a study or a data file holds, as a page.

use super::pictures::{Figure, Place};
use super::report::draw;
use super::scores::importance;
use super::source;
use super::{check, spare_from};
use kolmo::data::study::Study;
use kolmo::data::{FieldInfo, Table};
use kolmo::error::Result;
use kolmo::io::{SnapshotSource, pod_model};
use kolmo::mesh::Mesh;
use kolmo::report::html::{Cell, Page};
use kolmo::report::modes::{Spectrum, left_out_by_modes, singular_values};
use kolmo::report::parameter_space::{Points, parameter_space};
use kolmo::report::{mesh_picture, number, parameter_text};
use std::path::Path;

/// Values that are held at a time for the ranges of a field.
const AT_ONCE: usize = 1 << 22;

/// Writes the page; `lines` is what the terminal is told.
pub fn write(file: &Path, html: &Path, lines: &[String]) -> Result<()> {
    spare_from("--html", html, &[file])?;
    drop(kolmo::io::atomic::temporary(html)?);
    let name = file.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
    let mut page = Page::new(&format!("What {name} holds"));
    page.verdict(lines.first().map_or("", String::as_str), &[]);
    if file.extension().is_some_and(|e| e == "toml") {
        of_study(&mut page, &Study::read(file)?)?;
    } else if check::is_model(file) {
        of_model(&mut page, file)?;
    } else {
        let (data, _) = source::open(file)?;
        of_data(&mut page, data.as_ref(), data.parameters())?;
    }
    page.section("Summary");
    page.verbatim(&lines.join("\n"));
    kolmo::io::atomic::write_bytes(html, page.html().as_bytes())
}

fn of_study(page: &mut Page, study: &Study) -> Result<()> {
    page.section("Study");
    page.verbatim(&study.text);
    match source::Samples::of(study) {
        Ok(samples) => of_data(page, samples.source.as_ref(), Some(&samples.parameters)),
        Err(e) => {
            page.section("Data");
            page.paragraph(&format!("The data of this study cannot be read: {e}"));
            Ok(())
        }
    }
}

/// A table of names with their least and largest value.
fn ranges(page: &mut Page, caption: &str, rows: impl IntoIterator<Item = (String, f64, f64)>) {
    let cells = |(name, low, high): (String, f64, f64)| {
        (name, vec![Cell::Number(parameter_text(low)), Cell::Number(parameter_text(high))])
    };
    let rows: Vec<(String, Vec<Cell>)> = rows.into_iter().map(cells).collect();
    page.table(caption, &["", "least", "largest"], &rows);
}

fn bounds(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values.into_iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)))
}

fn mesh_of(page: &mut Page, mesh: Option<&Mesh>) -> Result<()> {
    let Some(mesh) = mesh else { return Ok(()) };
    page.section("Mesh");
    let (points, cells, dim) = (mesh.n_points(), mesh.n_cells(), mesh.dim);
    page.paragraph(&format!("{points} points, {cells} cells, {dim}-D."));
    let count = |name: &str, n: usize| (name.to_string(), vec![Cell::Number(n.to_string())]);
    let rows: Vec<(String, Vec<Cell>)> = mesh.cells.iter().map(|b| count(b.cell_type.name(), b.n_cells())).collect();
    page.table("Cells by type", &["type", "number"], &rows);
    match mesh.top_dimension() {
        Some(2 | 3) => {
            let drawing = mesh_picture::mesh_alone(mesh, "The mesh")?;
            draw(page, &[Figure::new("mesh", Place::Space, drawing, "Its surface.")], Place::Space);
        }
        _ => page.paragraph("It has no surface to be drawn."),
    }
    Ok(())
}

fn space(page: &mut Page, points: &Points) -> Result<()> {
    if points.names.is_empty() || points.inputs.is_empty() {
        return Ok(());
    }
    let (drawn, all) = points.drawn();
    let caption = format!("{} samples; {} of {all} inputs are drawn.", points.inputs.len(), drawn.len());
    let figure = Figure::new("parameter_space", Place::Space, parameter_space(points)?, caption);
    draw(page, &[figure], Place::Space);
    Ok(())
}

fn of_model(page: &mut Page, file: &Path) -> Result<()> {
    let (model, about) = pod_model::read(file)?;
    page.section("Inputs");
    let inputs = &model.inputs;
    let box_of = inputs.names.iter().zip(inputs.lower.iter().zip(&inputs.upper));
    ranges(page, "Training box", box_of.map(|(name, (low, high))| (name.clone(), *low, *high)));
    for (name, value) in &about.dropped {
        page.paragraph(&format!("{name} was constant ({}) and is no input.", parameter_text(*value)));
    }
    let d = inputs.names.len().max(1);
    let rows: Vec<Vec<f64>> = about.training.chunks(d).map(<[f64]>::to_vec).collect();
    let importance = importance(&model);
    space(page, &Points { names: inputs.names.clone(), importance, inputs: rows, ..Points::default() })?;
    page.section("Fields");
    let text = |v: &str| Cell::Text(v.to_string());
    let rows = model.fields.iter().map(|f| {
        let info = &f.info;
        let kernels: Vec<&str> = f.groups.iter().map(|(_, process)| process.kernel().name()).collect();
        let cells = vec![
            text(&size_of(info)),
            Cell::Number(f.n_modes().to_string()),
            Cell::Number(number(f.projection_error)),
            text(kernels.first().copied().unwrap_or("none")),
            Cell::Number(number(f.interval_factor)),
            Cell::Number(number(f.indicator_factor)),
        ];
        (info.name.clone(), cells)
    });
    let columns = [
        "field",
        "values",
        "modes",
        "projection error",
        "first kernel",
        "interval / standard deviation",
        "calibration of the indicator",
    ];
    page.table("How each field is answered", &columns, &rows.collect::<Vec<_>>());
    if !model.scalars.is_empty() {
        let names: Vec<&str> = model.scalars.iter().map(|s| s.name.as_str()).collect();
        page.paragraph(&format!("Scalars: {}.", names.join(", ")));
    }
    page.section("Modes");
    let spectra: Vec<Spectrum> = model
        .fields
        .iter()
        .map(|f| Spectrum {
            field: f.info.name.clone(),
            values: f.singular_values.clone(),
            n_modes: f.n_modes(),
            projection_error: f.projection_error,
        })
        .collect();
    let decay = "The broken line ends the modes that were kept.";
    let left = "Square root of the share of energy (squared singular values) beyond the leading modes.";
    let figures = [
        Figure::new("singular_values", Place::Modes, singular_values(&spectra)?, decay),
        Figure::new("left_out_by_modes", Place::Modes, left_out_by_modes(&spectra, None)?, left),
    ];
    draw(page, &figures, Place::Modes);
    mesh_of(page, about.mesh.as_ref())?;
    page.section("Study");
    page.verbatim(&about.study);
    Ok(())
}

fn size_of(field: &FieldInfo) -> String {
    let components =
        if field.n_components > 1 { format!(" of {} components", field.n_components) } else { String::new() };
    format!("{} {} values{components}", field.n_entities, field.location.name())
}

/// Least and largest value of a field over all samples, read in batches.
fn range_of(data: &dyn SnapshotSource, field: &FieldInfo) -> Result<(f64, f64)> {
    let n = field.n_dofs().max(1);
    let batch = (AT_ONCE / n).max(1);
    let all: Vec<usize> = (0..data.n_samples()).collect();
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for samples in all.chunks(batch) {
        let values = data.read(field, samples, 0..field.n_dofs())?;
        let own = bounds((0..values.ncols()).flat_map(|j| values.col(j).iter().copied()));
        range = (range.0.min(own.0), range.1.max(own.1));
    }
    Ok(range)
}

fn of_data(page: &mut Page, data: &dyn SnapshotSource, parameters: Option<&Table>) -> Result<()> {
    page.section("Fields");
    let rows = data.fields().iter().map(|field| {
        let mut cells = vec![Cell::Text(size_of(field))];
        match range_of(data, field) {
            Ok((low, high)) => cells.extend([low, high].map(|v| Cell::Number(number(v)))),
            Err(e) => cells.extend([Cell::Missing(e.to_string()), Cell::Missing("see there".into())]),
        }
        (field.name.clone(), cells)
    });
    let caption = format!("{} samples; least and largest value of each field over all of them", data.n_samples());
    page.table(&caption, &["field", "values", "least", "largest"], &rows.collect::<Vec<_>>());
    if let Some(table) = parameters.filter(|t| t.n_columns() > 0) {
        page.section("Parameters");
        let all = (0..table.n_columns()).map(|j| (table.names[j].clone(), bounds(table.column(j))));
        ranges(page, "Least and largest value of each parameter", all.map(|(name, (low, high))| (name, low, high)));
        let inputs = (0..table.n_rows()).map(|i| table.row(i).to_vec()).collect();
        space(page, &Points { names: table.names.clone(), inputs, ..Points::default() })?;
    }
    if let Some(table) = data.scalars().filter(|t| t.n_columns() > 0) {
        let all = (0..table.n_columns()).map(|j| (table.names[j].clone(), bounds(table.column(j))));
        ranges(page, "Least and largest value of each scalar", all.map(|(name, (low, high))| (name, low, high)));
    }
    mesh_of(page, data.mesh())
}

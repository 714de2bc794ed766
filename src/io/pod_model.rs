//! The POD + GP model as a model file.

use crate::algorithms::gaussian_process::{GaussianProcess, GpParts};
use crate::algorithms::pod::Truncation;
use crate::data::{FieldInfo, Location};
use crate::error::{Error, Result};
use crate::io::model_reader::ModelReader;
use crate::io::model_writer::ModelWriter;
use crate::mesh::runs;
use crate::mesh::{CellBlock, CellType, Mesh};
use crate::online::{InputSpace, PodRegression, ReducedField, ScalarModel};
use faer::{Mat, MatRef};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Data sets of cells: one per block; and of meshes of very many blocks one per type, with `/mesh/runs` for their order.
const BLOCKS: &str = "cells";
const SORTED: &str = "sorted";

/// What a model file holds beside the model.
#[derive(Debug, Clone, Default)]
pub struct Provenance {
    pub study: String,
    pub study_name: String,
    pub inner_product: String,
    pub seconds: f64,
    pub mesh: Option<Mesh>,
    /// Parameters of the training samples that are inputs, row by row.
    pub training: Vec<f64>,
    /// Constant parameters that were dropped, with their values.
    pub dropped: Vec<(String, f64)>,
}

#[derive(Serialize, Deserialize)]
struct Group {
    outputs: Vec<usize>,
    process: GpParts,
}

fn damaged(file: &Path, place: &str) -> Error {
    Error::input(
        "K010",
        file,
        place,
        "content that does not fit together",
        "a model written by kolmo fit",
        "fit the model again",
    )
}

/// Writes a model; the file appears whole or not at all.
pub fn write(path: &Path, model: &PodRegression, about: &Provenance) -> Result<()> {
    let mut w = ModelWriter::create(path)?;
    w.attr_str("/", "method", "pod")?;
    w.attr_str("/", "study_name", &about.study_name)?;
    w.attr_str("/", "inner_product", &about.inner_product)?;
    w.attr_f64("/", "confidence", model.confidence)?;
    w.attr_u64("/", "n_samples", model.n_snapshots as u64)?;
    w.attr_f64("/", "seconds_fit", about.seconds)?;
    w.attr_str("/", "study", &about.study)?;
    w.attr_strs("/inputs", "names", &model.inputs.names)?;
    w.f64("/inputs/lower", &[model.inputs.lower.len()], &model.inputs.lower)?;
    w.f64("/inputs/upper", &[model.inputs.upper.len()], &model.inputs.upper)?;
    w.f64("/inputs/training", &[model.n_snapshots, model.inputs.names.len()], &about.training)?;
    let (names, values): (Vec<String>, Vec<f64>) = about.dropped.iter().cloned().unzip();
    w.attr_strs("/inputs", "constant_names", &names)?;
    w.f64("/inputs/constant_values", &[values.len()], &values)?;
    let order: Vec<&str> = model.fields.iter().map(|f| f.info.name.as_str()).collect();
    w.attr_strs("/pod", "fields", &order)?;
    for field in &model.fields {
        write_field(&mut w, field)?;
    }
    let scalars: Vec<&str> = model.scalars.iter().map(|s| s.name.as_str()).collect();
    w.attr_strs("/regression", "scalars", &scalars)?;
    for (k, scalar) in model.scalars.iter().enumerate() {
        let place = format!("/scalar_models/{k}");
        w.attr_f64(&place, "interval_factor", scalar.interval_factor)?;
        w.text(&format!("{place}/process"), &json(&scalar.process.to_parts())?)?;
        w.f64(&format!("{place}/training"), &[scalar.training.len()], &scalar.training)?;
    }
    if let Some(mesh) = &about.mesh {
        w.f64("/mesh/points", &[mesh.n_points(), mesh.dim], &mesh.points)?;
        let sorted = (mesh.cells.len() > runs::MAX_BLOCKS).then(|| runs::by_type(&mesh.cells));
        let (cells, name) = match &sorted {
            Some((types, order)) => {
                w.u32("/mesh/runs", &[order.len() / 2, 2], order)?;
                (types, SORTED)
            }
            None => (&mesh.cells, BLOCKS),
        };
        let types: Vec<&str> = cells.iter().map(|b| b.cell_type.name()).collect();
        w.attr_strs("/mesh", "types", &types)?;
        for (k, block) in cells.iter().enumerate() {
            let place = format!("/mesh/{name}_{k}");
            if block.cell_type.is_ragged() {
                let sizes: Vec<u32> = block.iter().map(|cell| cell.len() as u32).collect();
                w.u32(&format!("{place}_sizes"), &[sizes.len()], &sizes)?;
                w.u32(&place, &[block.connectivity.len()], &block.connectivity)?;
            } else {
                w.u32(&place, &[block.n_cells(), block.cell_type.n_nodes()], &block.connectivity)?;
            }
        }
    }
    w.finish()
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::argument("numbers of a process", e, "finite numbers"))
}

fn write_field(w: &mut ModelWriter, field: &ReducedField) -> Result<()> {
    let info = &field.info;
    let (pod, regression) = (format!("/pod/{}", info.name), format!("/regression/{}", info.name));
    w.attr_str(&pod, "location", info.location.name())?;
    w.attr_u64(&pod, "n_entities", info.n_entities as u64)?;
    w.attr_u64(&pod, "n_components", info.n_components as u64)?;
    w.attr_u64(&pod, "vector", u64::from(info.vector))?;
    let mut shape = vec![field.n_modes(), info.n_entities];
    if info.vector {
        shape.push(info.n_components);
    }
    w.f64_from(&format!("{pod}/basis"), &shape, field.basis.as_ref())?;
    w.f64(&format!("{pod}/singular_values"), &[field.singular_values.len()], &field.singular_values)?;
    w.f64(&format!("{pod}/residual_variance"), &[field.residual_variance.len()], &field.residual_variance)?;
    w.attr_f64(&pod, "residual_square", field.residual_square)?;
    let c = &field.coefficients;
    let by_mode: Vec<f64> = c.row_iter().flat_map(|row| row.iter().copied().collect::<Vec<_>>()).collect();
    w.f64(&format!("{pod}/coefficients"), &[c.nrows(), c.ncols()], &by_mode)?;
    w.f64(&format!("{pod}/missed"), &[field.missed.len()], &field.missed)?;
    w.attr_f64(&pod, "projection_error", field.projection_error)?;
    match field.truncation {
        Truncation::Tolerance(tolerance) => w.attr_f64(&pod, "tolerance", tolerance)?,
        Truncation::Modes(modes) => w.attr_u64(&pod, "modes", modes as u64)?,
    }
    if let Some(mean) = &field.mean {
        w.f64(&format!("{pod}/mean"), &shape[1..], mean)?;
    }
    w.f64(&format!("{pod}/mean_coefficients"), &[field.mean_coefficients.len()], &field.mean_coefficients)?;
    w.attr_f64(&pod, "mean_square", field.mean_square)?;
    w.attr_f64(&regression, "interval_factor", field.interval_factor)?;
    w.attr_f64(&regression, "indicator_factor", field.indicator_factor)?;
    let groups: Vec<Group> =
        field.groups.iter().map(|(o, g)| Group { outputs: o.clone(), process: g.to_parts() }).collect();
    w.text(&format!("{regression}/processes"), &json(&groups)?)
}

/// Reads a model; every byte is checked before it is used.
pub fn read(path: &Path) -> Result<(PodRegression, Provenance)> {
    let r = ModelReader::open(path)?;
    let method = r.attr_str("/", "method")?;
    if method != "pod" {
        return Err(Error::input("K014", path, "attribute method", format!("`{method}`"), "`pod`", "update kolmo"));
    }
    let names = r.attr_strs("/inputs", "names")?;
    let inputs = InputSpace { names, lower: r.f64("/inputs/lower")?.1, upper: r.f64("/inputs/upper")?.1 };
    if inputs.lower.len() != inputs.names.len() || inputs.upper.len() != inputs.names.len() {
        return Err(damaged(path, "/inputs"));
    }
    let mut fields = Vec::new();
    for name in r.attr_strs("/pod", "fields")? {
        fields.push(read_field(&r, path, name)?);
    }
    let mut scalars = Vec::new();
    for (k, name) in r.attr_strs("/regression", "scalars")?.into_iter().enumerate() {
        let place = format!("/scalar_models/{k}");
        let parts: GpParts =
            serde_json::from_str(&r.text(&format!("{place}/process"))?).map_err(|_| damaged(path, &place))?;
        scalars.push(ScalarModel {
            name,
            process: GaussianProcess::from_parts(parts)?,
            interval_factor: r.attr_f64(&place, "interval_factor")?,
            training: optional(&r, &format!("{place}/training"))?,
        });
    }
    let mut mesh = None;
    if r.exists("/mesh/points") {
        let (shape, points) = r.f64("/mesh/points")?;
        let mut cells = Vec::new();
        let sorted = r.exists("/mesh/runs");
        for (k, name) in r.attr_strs("/mesh", "types")?.iter().enumerate() {
            let cell_type = CellType::from_name(name).ok_or_else(|| damaged(path, "/mesh"))?;
            let place = format!("/mesh/{}_{k}", if sorted { SORTED } else { BLOCKS });
            let connectivity = r.u32(&place)?.1;
            cells.push(match cell_type.is_ragged() {
                false => CellBlock::new(cell_type, connectivity),
                true => {
                    let sizes = r.u32(&format!("{place}_sizes"))?.1;
                    CellBlock::of_sizes(cell_type, connectivity, sizes.into_iter().map(|n| n as usize))
                }
            });
        }
        if sorted {
            cells = runs::in_runs(&cells, &r.u32("/mesh/runs")?.1).ok_or_else(|| damaged(path, "/mesh/runs"))?;
        }
        mesh = Some(Mesh { dim: *shape.get(1).ok_or_else(|| damaged(path, "/mesh/points"))?, points, cells });
    }
    let dropped =
        r.attr_strs("/inputs", "constant_names")?.into_iter().zip(r.f64("/inputs/constant_values")?.1).collect();
    let about = Provenance {
        study: r.attr_str("/", "study")?,
        study_name: r.attr_str("/", "study_name")?,
        inner_product: r.attr_str("/", "inner_product")?,
        seconds: r.attr_f64("/", "seconds_fit")?,
        mesh,
        training: r.f64("/inputs/training")?.1,
        dropped,
    };
    let model = PodRegression {
        inputs,
        fields,
        scalars,
        confidence: r.attr_f64("/", "confidence")?,
        n_snapshots: r.attr_u64("/", "n_samples")? as usize,
    };
    Ok((model, about))
}

/// The values of a data set, none where it is not there.
fn optional(r: &ModelReader, place: &str) -> Result<Vec<f64>> {
    if r.exists(place) { Ok(r.f64(place)?.1) } else { Ok(Vec::new()) }
}

fn read_field(r: &ModelReader, path: &Path, name: String) -> Result<ReducedField> {
    let (pod, regression) = (format!("/pod/{name}"), format!("/regression/{name}"));
    let location = Location::from_name(&r.attr_str(&pod, "location")?).ok_or_else(|| damaged(path, &pod))?;
    let info = FieldInfo {
        name,
        location,
        n_entities: r.attr_u64(&pod, "n_entities")? as usize,
        n_components: r.attr_u64(&pod, "n_components")? as usize,
        vector: r.attr_u64(&pod, "vector")? == 1,
    };
    let (shape, values) = r.f64(&format!("{pod}/basis"))?;
    let (n_modes, n_dofs) = (shape.first().copied().unwrap_or(0), info.n_dofs());
    if values.len() != n_modes * n_dofs {
        return Err(damaged(path, &format!("{pod}/basis")));
    }
    // Files of older versions hold neither.
    let (c, missed) = (optional(r, &format!("{pod}/coefficients"))?, optional(r, &format!("{pod}/missed"))?);
    let n_snapshots = missed.len();
    if c.len() != n_modes * n_snapshots {
        return Err(damaged(path, &format!("{pod}/coefficients")));
    }
    let groups: Vec<Group> =
        serde_json::from_str(&r.text(&format!("{regression}/processes"))?).map_err(|_| damaged(path, &regression))?;
    let groups = groups
        .into_iter()
        .map(|g| Ok((g.outputs, GaussianProcess::from_parts(g.process)?)))
        .collect::<Result<Vec<_>>>()?;
    Ok(ReducedField {
        info,
        part: None,
        basis: MatRef::from_column_major_slice(&values, n_dofs, n_modes).to_owned() as Mat<f64>,
        mean: if r.exists(&format!("{pod}/mean")) { Some(r.f64(&format!("{pod}/mean"))?.1) } else { None },
        mean_coefficients: r.f64(&format!("{pod}/mean_coefficients"))?.1,
        mean_square: r.attr_f64(&pod, "mean_square")?,
        residual_variance: r.f64(&format!("{pod}/residual_variance"))?.1,
        residual_square: r.attr_f64(&pod, "residual_square")?,
        coefficients: Mat::from_fn(n_modes, n_snapshots, |i, j| c[i * n_snapshots + j]),
        missed,
        singular_values: r.f64(&format!("{pod}/singular_values"))?.1,
        projection_error: r.attr_f64(&pod, "projection_error")?,
        truncation: match r.has_attr(&pod, "modes") {
            true => Truncation::Modes(r.attr_u64(&pod, "modes")? as usize),
            false => Truncation::Tolerance(r.attr_f64(&pod, "tolerance")?),
        },
        groups,
        interval_factor: r.attr_f64(&regression, "interval_factor")?,
        indicator_factor: r.attr_f64(&regression, "indicator_factor")?,
    })
}

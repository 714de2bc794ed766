//! The POD + GP model as a model file.
//!
//! Where ranks hold a part of each field only, the first one writes what is small and makes room for the rest, which all
//! fill in turn; and each reads back what it needs, on any number of ranks.

use crate::algorithms::gaussian_process::{GaussianProcess, GpParts};
use crate::algorithms::pod::Truncation;
use crate::comm::{Communicator, agree};
use crate::data::{FieldInfo, Location};
use crate::error::{Error, Result};
use crate::io::atomic::write_error;
use crate::io::hdf;
use crate::io::model_reader::ModelReader;
use crate::io::model_writer::ModelWriter;
use crate::io::rank_order::{flush, in_rank_order, path_of_first, within};
use crate::mesh::runs;
use crate::mesh::{CellBlock, CellType, Mesh};
use crate::online::{InputSpace, PodRegression, ReducedField, ScalarModel};
use faer::Mat;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

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
///
/// A model that every rank holds whole is written by rank 0. Of one that is shared out ([`ReducedField::part`]) every rank
/// writes its rows, in turn; a row that several ranks hold has the same values on all. Errors: [`Error::Write`], K001; K100 where
/// the ranks do not hold all rows between them. Collective; no rank gets rows of others.
pub fn write(path: &Path, model: &PodRegression, about: &Provenance, comm: &dyn Communicator) -> Result<()> {
    let first = comm.rank() == 0;
    if model.fields.iter().all(|f| f.part.is_none()) {
        return agree(comm, if first { begin(path, model, about).and_then(ModelWriter::finish) } else { Ok(()) });
    }
    let mut held: Vec<f64> = model.fields.iter().map(|f| f.basis.nrows() as f64).collect();
    comm.all_sum(&mut held);
    let lacking = model.fields.iter().zip(&held).find(|(f, held)| **held < f.info.n_dofs() as f64);
    let complete = match lacking {
        None => Ok(()),
        Some((f, held)) => Err(Error::argument(format!("rows of {}", f.info.name), held, f.info.n_dofs())),
    };
    let begun = complete.and_then(|()| match first {
        true => begin(path, model, about).and_then(ModelWriter::close).map(Some),
        false => Ok(None),
    });
    let begun = agree(comm, begun)?;
    let file = path_of_first(comm, begun.as_ref().map(|model| model.path()));
    in_rank_order(comm, || {
        within(path, &file, |hdf5| model.fields.iter().try_for_each(|field| write_rows(path, hdf5, field)))?;
        flush(path, &file)
    })?;
    agree(comm, begun.map_or(Ok(()), |model| model.finish()))
}

/// Writes all but the rows that ranks share, for which there is room then.
fn begin(path: &Path, model: &PodRegression, about: &Provenance) -> Result<ModelWriter> {
    let mut w = ModelWriter::create(path)?;
    write_about(&mut w, "pod", &model.inputs, about, model.confidence, model.n_snapshots)?;
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
    Ok(w)
}

/// What models of all methods have: where they come from, their inputs, the mesh.
pub(crate) fn write_about(
    w: &mut ModelWriter,
    method: &str,
    inputs: &InputSpace,
    about: &Provenance,
    confidence: f64,
    n_snapshots: usize,
) -> Result<()> {
    w.attr_str("/", "method", method)?;
    w.attr_str("/", "study_name", &about.study_name)?;
    w.attr_str("/", "inner_product", &about.inner_product)?;
    w.attr_f64("/", "confidence", confidence)?;
    w.attr_u64("/", "n_samples", n_snapshots as u64)?;
    w.attr_f64("/", "seconds_fit", about.seconds)?;
    w.attr_str("/", "study", &about.study)?;
    w.attr_strs("/inputs", "names", &inputs.names)?;
    w.f64("/inputs/lower", &[inputs.lower.len()], &inputs.lower)?;
    w.f64("/inputs/upper", &[inputs.upper.len()], &inputs.upper)?;
    w.f64("/inputs/training", &[n_snapshots, inputs.names.len()], &about.training)?;
    let (names, values): (Vec<String>, Vec<f64>) = about.dropped.iter().cloned().unzip();
    w.attr_strs("/inputs", "constant_names", &names)?;
    w.f64("/inputs/constant_values", &[values.len()], &values)?;
    match &about.mesh {
        Some(mesh) => write_mesh(w, mesh),
        None => Ok(()),
    }
}

fn write_mesh(w: &mut ModelWriter, mesh: &Mesh) -> Result<()> {
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
    Ok(())
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
    let whole = field.part.is_none();
    match whole {
        true => w.f64_from(&format!("{pod}/basis"), &shape, field.basis.as_ref())?,
        false => w.f64_reserve(&format!("{pod}/basis"), &shape)?,
    }
    w.f64(&format!("{pod}/singular_values"), &[field.singular_values.len()], &field.singular_values)?;
    match whole {
        true => w.f64(&format!("{pod}/residual_variance"), &[info.n_dofs()], &field.residual_variance)?,
        false => w.f64_reserve(&format!("{pod}/residual_variance"), &[info.n_dofs()])?,
    }
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
    match &field.mean {
        Some(mean) if whole => w.f64(&format!("{pod}/mean"), &shape[1..], mean)?,
        Some(_) => w.f64_reserve(&format!("{pod}/mean"), &shape[1..])?,
        None => {}
    }
    w.f64(&format!("{pod}/mean_coefficients"), &[field.mean_coefficients.len()], &field.mean_coefficients)?;
    w.attr_f64(&pod, "mean_square", field.mean_square)?;
    w.attr_f64(&regression, "interval_factor", field.interval_factor)?;
    w.attr_f64(&regression, "indicator_factor", field.indicator_factor)?;
    let groups: Vec<Group> =
        field.groups.iter().map(|(o, g)| Group { outputs: o.clone(), process: g.to_parts() }).collect();
    w.text(&format!("{regression}/processes"), &json(&groups)?)
}

/// Writes the rows of this rank into the room that is there for them, run by run.
fn write_rows(target: &Path, file: &hdf5::File, field: &ReducedField) -> Result<()> {
    let Some(rows) = &field.part else { return Ok(()) };
    let place = |name: &str| {
        let place = format!("pod/{}/{name}", field.info.name);
        hdf::dataset(file, &place).ok_or_else(|| write_error(target, format!("no room for /{place}")))
    };
    let (basis, variance) = (place("basis")?, place("residual_variance")?);
    let mean = field.mean.as_ref().map(|values| Ok((place("mean")?, values))).transpose()?;
    let k = field.info.n_components.max(1);
    let mut start = 0;
    for run in rows.chunk_by(|a, b| a + 1 == *b) {
        let (held, dofs) = (start..start + run.len(), run[0]..run[0] + run.len());
        if dofs.start % k != 0 || dofs.end % k != 0 {
            return Err(Error::argument(format!("rows of {}", field.info.name), format!("{dofs:?}"), "whole entities"));
        }
        let entities = dofs.start / k..dofs.end / k;
        for j in 0..field.n_modes() {
            let values = &field.basis.col_as_slice(j)[held.clone()];
            hdf::write_entities(target, &basis, Some(j), entities.clone(), values)?;
        }
        hdf::write_entities(target, &variance, None, dofs, &field.residual_variance[held.clone()])?;
        if let Some((data, values)) = &mean {
            hdf::write_entities(target, data, None, entities, &values[held])?;
        }
        start += run.len();
    }
    Ok(())
}

/// An open model file: what is small has been read, the rows of fields are read on demand.
#[derive(Debug)]
pub struct PodModelFile {
    reader: ModelReader,
    path: PathBuf,
    inputs: InputSpace,
    fields: Vec<FieldInfo>,
    /// What the file holds beside the model, with the whole mesh.
    pub about: Provenance,
}

/// Reads a model; every byte is checked before it is used. Beside the model, a piece of the file per thread is held.
pub fn read(path: &Path) -> Result<(PodRegression, Provenance)> {
    let file = PodModelFile::open(path)?;
    let all = vec![None; file.fields.len()];
    Ok((file.model(all)?, file.about))
}

/// Reads some rows of each field (all where there is `None`) and what is small, as [`PodModelFile::model`].
pub fn read_part(path: &Path, rows: Vec<Option<Vec<usize>>>) -> Result<(PodRegression, Provenance)> {
    let file = PodModelFile::open(path)?;
    Ok((file.model(rows)?, file.about))
}

impl PodModelFile {
    /// Opens a model file and reads its mesh and all that is small. Errors: as [`ModelReader::open`]; K014 another method.
    pub fn open(path: &Path) -> Result<PodModelFile> {
        let reader = ModelReader::open(path)?;
        let method = reader.attr_str("/", "method")?;
        if method != "pod" {
            return Err(Error::input("K014", path, "attribute method", format!("`{method}`"), "`pod`", "update kolmo"));
        }
        let names = reader.attr_strs("/inputs", "names")?;
        let inputs = InputSpace { names, lower: reader.f64("/inputs/lower")?.1, upper: reader.f64("/inputs/upper")?.1 };
        if inputs.lower.len() != inputs.names.len() || inputs.upper.len() != inputs.names.len() {
            return Err(damaged(path, "/inputs"));
        }
        let names = reader.attr_strs("/pod", "fields")?.into_iter();
        let fields = names.map(|name| read_info(&reader, path, name)).collect::<Result<_>>()?;
        let about = read_about(&reader, path)?;
        Ok(PodModelFile { reader, path: path.into(), inputs, fields, about })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The inputs of the model.
    pub fn inputs(&self) -> &InputSpace {
        &self.inputs
    }

    /// The fields, in the order of the model.
    pub fn fields(&self) -> &[FieldInfo] {
        &self.fields
    }

    /// Number of modes of each field.
    pub fn n_modes(&self) -> Result<Vec<usize>> {
        let shape =
            |f: &FieldInfo| Ok(self.reader.shape(&format!("/pod/{}/basis", f.name))?.first().copied().unwrap_or(0));
        self.fields.iter().map(shape).collect()
    }

    /// The model with the rows `rows` of each field (degrees of freedom, ascending), all where there is `None`.
    ///
    /// Errors: K002, K010; K100 rows that are not there. Cost: the pieces of the file that hold a row; beside the model, one
    /// per thread is held.
    pub fn model(&self, rows: Vec<Option<Vec<usize>>>) -> Result<PodRegression> {
        let (r, path) = (&self.reader, self.path.as_path());
        if rows.len() != self.fields.len() {
            return Err(Error::argument("rows of the fields of a model", rows.len(), self.fields.len()));
        }
        let fields = self.fields.iter().zip(rows).map(|(info, part)| read_field(r, path, info.clone(), part));
        let mut scalars = Vec::new();
        for (k, name) in r.attr_strs("/regression", "scalars")?.into_iter().enumerate() {
            let place = format!("/scalar_models/{k}");
            let parts: GpParts =
                serde_json::from_str(&r.text(&format!("{place}/process"))?).map_err(|_| damaged(path, &place))?;
            scalars.push(ScalarModel {
                name,
                process: GaussianProcess::from_parts(parts)?,
                interval_factor: r.attr_f64(&place, "interval_factor")?,
                training: optional(r, &format!("{place}/training"))?,
            });
        }
        Ok(PodRegression {
            inputs: self.inputs.clone(),
            fields: fields.collect::<Result<_>>()?,
            scalars,
            confidence: r.attr_f64("/", "confidence")?,
            n_snapshots: r.attr_u64("/", "n_samples")? as usize,
        })
    }
}

pub(crate) fn read_about(r: &ModelReader, path: &Path) -> Result<Provenance> {
    let dropped =
        r.attr_strs("/inputs", "constant_names")?.into_iter().zip(r.f64("/inputs/constant_values")?.1).collect();
    Ok(Provenance {
        study: r.attr_str("/", "study")?,
        study_name: r.attr_str("/", "study_name")?,
        inner_product: r.attr_str("/", "inner_product")?,
        seconds: r.attr_f64("/", "seconds_fit")?,
        mesh: if r.exists("/mesh/points") { Some(read_mesh(r, path)?) } else { None },
        training: r.f64("/inputs/training")?.1,
        dropped,
    })
}

/// The values of a data set, none where it is not there.
fn optional(r: &ModelReader, place: &str) -> Result<Vec<f64>> {
    if r.exists(place) { Ok(r.f64(place)?.1) } else { Ok(Vec::new()) }
}

fn read_mesh(r: &ModelReader, path: &Path) -> Result<Mesh> {
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
    Ok(Mesh { dim: *shape.get(1).ok_or_else(|| damaged(path, "/mesh/points"))?, points, cells })
}

fn read_info(r: &ModelReader, path: &Path, name: String) -> Result<FieldInfo> {
    let pod = format!("/pod/{name}");
    let location = Location::from_name(&r.attr_str(&pod, "location")?).ok_or_else(|| damaged(path, &pod))?;
    Ok(FieldInfo {
        name,
        location,
        n_entities: r.attr_u64(&pod, "n_entities")? as usize,
        n_components: r.attr_u64(&pod, "n_components")? as usize,
        vector: r.attr_u64(&pod, "vector")? == 1,
    })
}

fn read_field(r: &ModelReader, path: &Path, info: FieldInfo, part: Option<Vec<usize>>) -> Result<ReducedField> {
    let (pod, regression) = (format!("/pod/{}", info.name), format!("/regression/{}", info.name));
    let (entries, n_dofs) = (part.as_deref(), info.n_dofs());
    let columns = |name: &str, n_columns: Option<usize>| {
        let place = format!("{pod}/{name}");
        let shape = r.shape(&place)?;
        let n = n_columns.or(shape.first().copied()).unwrap_or(0);
        if shape.iter().try_fold(1, |n: usize, m| n.checked_mul(*m)) != n_dofs.checked_mul(n) {
            return Err(damaged(path, &place));
        }
        r.f64_columns(&place, n, entries)
    };
    let column = |name: &str| Ok::<Vec<f64>, Error>(columns(name, Some(1))?.col_as_slice(0).to_vec());
    // Files of older versions hold neither.
    let (c, missed) = (optional(r, &format!("{pod}/coefficients"))?, optional(r, &format!("{pod}/missed"))?);
    let n_snapshots = missed.len();
    let n_modes = r.shape(&format!("{pod}/basis"))?.first().copied().unwrap_or(0);
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
        basis: columns("basis", None)?,
        mean: if r.exists(&format!("{pod}/mean")) { Some(column("mean")?) } else { None },
        mean_coefficients: r.f64(&format!("{pod}/mean_coefficients"))?.1,
        mean_square: r.attr_f64(&pod, "mean_square")?,
        residual_variance: column("residual_variance")?,
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
        part,
        info,
    })
}

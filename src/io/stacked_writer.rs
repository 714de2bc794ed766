//! Samples into one stacked HDF5 file, field by field in blocks of samples.

use crate::data::{FieldInfo, Table};
use crate::error::Result;
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::link_names::{link_names, write_field_name};
use crate::io::mesh_file::Number;
use crate::io::stacked::{ROLE, TAG};
use crate::io::stacked_mesh::write_mesh;
use crate::io::{SnapshotSource, hdf};
use faer::{Mat, MatRef};
use hdf5::Dataset;
use std::path::Path;

/// What is written beside the fields.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tables<'a> {
    pub parameters: Option<&'a Table>,
    pub scalars: Option<&'a Table>,
    pub time: Option<&'a [f64]>,
    pub trajectory: Option<&'a [i64]>,
}

/// Writes the samples `samples` of a source with the fields `fields`, in the precision of the source; not compressed.
///
/// `memory` (bytes) bounds a block of samples; one sample is always held. `tell` hears how many samples of a field are done.
/// Errors: those of reading; K103 where the file cannot be written (an old file is untouched).
pub fn write_stacked(
    path: &Path,
    source: &dyn SnapshotSource,
    samples: &[usize],
    fields: &[FieldInfo],
    tables: Tables<'_>,
    memory: f64,
    tell: &dyn Fn(&str, usize),
) -> Result<()> {
    let mesh = source.mean_mesh(samples)?;
    let moving = source.points_move().then(|| source.fields().last()).flatten();
    let temporary = AtomicFile::create(path)?;
    let refuse = |e: hdf5::Error| write_error(path, e);
    let file =
        hdf5::File::with_options().with_fapl(|p| p.file_locking(false)).create(temporary.path()).map_err(refuse)?;
    let points = match &mesh {
        Some(mesh) => Some(write_mesh(path, &file, mesh, moving.map(|_| samples.len()))?),
        None => None,
    };
    write_tables(&file, tables).map_err(refuse)?;
    let group = file.create_group("snapshots").map_err(refuse)?;
    for (field, link) in fields.iter().zip(link_names(fields)) {
        let data = match (&points, Some(field) == moving) {
            (Some(points), true) => points.clone(),
            _ => {
                let tag = source.tags().contains(field);
                create(&group, (field, &link), samples.len(), source.number(field), tag).map_err(refuse)?
            }
        };
        let single = source.number(field) == Number::Float32;
        // A block, and its copy in the order or the precision of the file.
        let per_block = (memory / (2.0 * 8.0 * field.n_dofs().max(1) as f64)) as usize;
        let per_block = per_block.clamp(1, samples.len().max(1));
        let mut done = 0;
        let mut held = Mat::zeros(field.n_dofs(), per_block);
        for block in samples.chunks(per_block) {
            source.read_into(field, block, 0..field.n_dofs(), held.as_mut().subcols_mut(0, block.len()))?;
            let values = held.as_ref().subcols(0, block.len());
            match single {
                true => write_single(path, &data, done, values)?,
                false => hdf::write_columns(path, &data, done, values)?,
            }
            done += block.len();
            tell(&field.name, done);
        }
    }
    drop((group, points));
    file.flush().and_then(|()| file.close()).map_err(refuse)?;
    temporary.commit()
}

fn create(
    group: &hdf5::Group,
    (field, link): (&FieldInfo, &str),
    n_samples: usize,
    number: Number,
    tag: bool,
) -> hdf5::Result<Dataset> {
    let mut shape = vec![n_samples, field.n_entities];
    if field.vector || field.n_components > 1 {
        shape.push(field.n_components);
    }
    let data = match number {
        Number::Float32 => hdf::create::<f32>(group, link, &shape)?,
        Number::Float64 => hdf::create::<f64>(group, link, &shape)?,
        Number::Integer => hdf::create::<i64>(group, link, &shape)?,
    };
    write_field_name(&data, field, link)?;
    hdf::write_attribute(&data, "location", field.location.name())?;
    if tag {
        hdf::write_attribute(&data, ROLE, TAG)?;
    }
    Ok(data)
}

fn write_single(path: &Path, data: &Dataset, first: usize, values: MatRef<'_, f64>) -> Result<()> {
    for (j, column) in values.col_iter().enumerate() {
        let single: Vec<f32> = column.iter().map(|v| *v as f32).collect();
        hdf::write_rows(path, data, first + j..first + j + 1, &single)?;
    }
    Ok(())
}

fn write_tables(file: &hdf5::File, tables: Tables<'_>) -> hdf5::Result<()> {
    for (name, table) in [("parameters", tables.parameters), ("scalars", tables.scalars)] {
        let Some(table) = table.filter(|t| t.n_columns() > 0) else { continue };
        let data = hdf::create::<f64>(file, name, &[table.n_rows(), table.n_columns()])?;
        data.write_raw(&table.values)?;
        hdf::write_attribute_strings(&data, "names", &table.names)?;
    }
    if let Some(time) = tables.time {
        hdf::create::<f64>(file, "time", &[time.len()])?.write_raw(time)?;
    }
    if let Some(trajectory) = tables.trajectory {
        hdf::create::<i64>(file, "trajectory", &[trajectory.len()])?.write_raw(trajectory)?;
    }
    Ok(())
}

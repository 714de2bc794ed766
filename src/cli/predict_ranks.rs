//! `kolmo predict` on several ranks: each holds the rows of the model that it writes, and no others.

use super::predict::{BATCH, Points, Sample, Told, expand, load, no_mesh, predict_batch};
use super::spare_files;
use faer::MatRef;
use kolmo::comm::{Communicator, agree};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::error::Result;
use kolmo::io::piece_writer::{PieceWriter, piece_outputs};
use kolmo::io::pod_model::PodModelFile;
use kolmo::io::predictions::is_points;
use kolmo::io::rank_predictions::RankPredictions;
use kolmo::io::sample_writer::spare_rows;
use kolmo::linalg::tall::Layout;
use kolmo::mesh::Mesh;
use kolmo::mesh::partition::{partition, piece};
use kolmo::offline::Progress;
use std::path::Path;
use std::sync::Arc;

/// A rank's piece of a mesh, and the rows of fields on it.
struct Share {
    mesh: Mesh,
    /// Of each field; all where there is `None`.
    rows: Vec<Option<Vec<usize>>>,
    /// Whether each field is the points of the mesh.
    moves: Vec<bool>,
}

/// Piece `rank` of `size`. Where a field covers the cells of the highest dimension only, these are what is shared out.
fn share(mesh: Mesh, fields: &[FieldInfo], rank: usize, size: usize) -> Share {
    let moves = fields.iter().map(|f| is_points(f, Some(&mesh))).collect();
    if size == 1 {
        return Share { mesh, rows: vec![None; fields.len()], moves };
    }
    let on_cells = fields.iter().filter(|f| f.location == Location::Cell).map(|f| f.n_entities).min();
    let carrier = on_cells.and_then(|n| mesh.with_cells(n));
    let carrier = carrier.as_deref().unwrap_or(&mesh);
    // Numbers of the cells that are shared out among all cells.
    let mut numbers = Vec::new();
    if carrier.n_cells() < mesh.n_cells() {
        let mut first = 0;
        for block in &mesh.cells {
            if mesh.is_top(block) {
                numbers.extend(first..first + block.n_cells());
            }
            first += block.n_cells();
        }
    }
    let own = piece(carrier, &partition(carrier, size), rank, size);
    let rows = |f: &FieldInfo| {
        let dofs = |entities: &[usize]| -> Vec<usize> {
            entities.iter().flat_map(|e| e * f.n_components..(e + 1) * f.n_components).collect()
        };
        Some(match f.location {
            Location::Point => dofs(&own.points),
            Location::Cell if f.n_entities == carrier.n_cells() => dofs(&own.cells),
            Location::Cell => dofs(&own.cells.iter().filter_map(|c| numbers.get(*c).copied()).collect::<Vec<_>>()),
            // What belongs to no entity is not in files of meshes.
            Location::Free => Vec::new(),
        })
    };
    let rows = fields.iter().map(rows).collect();
    Share { mesh: own.mesh, rows, moves }
}

/// Predictions on pieces of the mesh, one for each rank; on one rank the mesh is its only piece. Collective.
///
/// The fields of a point are evaluated one by one, each row by itself: both sides of an interface have the same bits.
pub fn on_pieces(
    comm: &Arc<dyn Communicator>,
    mut file: PodModelFile,
    output: &Path,
    modes: Option<i64>,
    points: &Points,
    x: MatRef<'_, f64>,
    steps: &Progress,
) -> Result<Told> {
    let n = x.nrows();
    let names = points.names(n);
    let mut prepare = || {
        let mesh = file.about.mesh.take().ok_or_else(|| no_mesh(output))?;
        let outputs = piece_outputs(output, &names, comm.size()).map_err(|e| e.inside("-o"))?;
        spare_files(&outputs, &points.inputs(file.path()))?;
        spare_rows(output, &names, &[Some(&points.table), None]).map_err(|e| e.inside("-o"))?;
        let Share { mesh, rows, moves } = share(mesh, file.fields(), comm.rank(), comm.size());
        Ok((mesh, moves, load(&file, rows, modes)?))
    };
    let (mesh, moves, model) = agree(comm.as_ref(), prepare())?;
    let writer = PieceWriter::create(comm.clone(), output, &names, mesh.points.is_empty());
    let mut writer = writer.map_err(|e| e.inside("-o"))?;
    let (mut told, mut scalars) = (Told::default(), Vec::new());
    for start in (0..n).step_by(BATCH) {
        if n > BATCH {
            steps.tell("points", start, n);
        }
        let p = agree(comm.as_ref(), predict_batch(&model, &file.about, points, x, start))?;
        told.add(&p);
        for j in 0..p.flags.len() {
            let one = agree(comm.as_ref(), expand(&model, &p, j..j + 1))?;
            let sample = Sample::of(&model, &one, 0, &moves);
            let moved = sample.moved(&mesh);
            let mesh = moved.as_ref().unwrap_or(&mesh);
            writer.append(points.time(start + j), mesh, &sample.arrays(), &sample.field_data)?;
        }
        scalars.extend(p.scalars);
    }
    let names = model.scalars.iter().map(|s| s.name.clone()).collect();
    let scalars = agree(comm.as_ref(), Table::new(names, scalars))?;
    writer.finish(Some(&points.table), Some(&scalars))?;
    steps.tell("done", n, n);
    Ok(told)
}

/// Predictions as stacked HDF5: the rows of each field are shared out evenly. Collective.
pub fn stacked_on_ranks(
    comm: &Arc<dyn Communicator>,
    mut file: PodModelFile,
    output: &Path,
    modes: Option<i64>,
    points: &Points,
    x: MatRef<'_, f64>,
    steps: &Progress,
) -> Result<Told> {
    let n = x.nrows();
    let rows: Vec<_> =
        file.fields().iter().map(|f| Layout::even(f.n_entities, f.n_components, comm.clone()).local_range()).collect();
    let mesh = file.about.mesh.take();
    let read = load(&file, rows.iter().map(|r| Some(r.clone().collect())).collect(), modes);
    let model = agree(comm.as_ref(), read)?;
    let infos = file.fields().to_vec();
    let scalars: Vec<String> = model.scalars.iter().map(|s| s.name.clone()).collect();
    let mut writer =
        RankPredictions::create(comm.clone(), output, mesh.as_ref(), &points.table, infos, rows, &scalars)?;
    drop(mesh);
    let mut told = Told::default();
    for start in (0..n).step_by(BATCH) {
        if n > BATCH {
            steps.tell("points", start, n);
        }
        let predicted = predict_batch(&model, &file.about, points, x, start);
        let batch = predicted.and_then(|p| Ok((expand(&model, &p, 0..p.flags.len())?, p)));
        let (batch, p) = agree(comm.as_ref(), batch)?;
        told.add(&p);
        writer.append(&batch)?;
    }
    writer.finish()?;
    steps.tell("done", n, n);
    Ok(told)
}

//! Mass and stiffness matrices over a mesh.
//!
//! M_ij = ∫ N_i N_j dV and K_ij = ∫ grad N_i . grad N_j dV over the cells of the highest dimension of the mesh (cells of fewer
//! dimensions, such as boundary faces in the same file, do not count). Sums run over the cells in their order, so that results do
//! not depend on the number of threads.

use super::mesh::{CellBlock, CellType, Mesh};
use super::shape_functions::ReferenceCell;
use crate::error::{Error, Result};
use rayon::prelude::*;
use sprs::CsMat;
use std::ops::Range;
use std::path::Path;

/// Cells whose element matrices are held at once, and points whose neighbours are found at once.
const CHUNK: usize = 8192;

/// Mass matrix [n_points, n_points], symmetric positive definite.
///
/// Errors: K015 where the mesh is not usable, and where a point belongs to no cell of the highest dimension: the matrix would be
/// singular, and the point's value would have no weight. Cost: one pass over the cells; not collective.
pub fn mass_matrix(mesh: &Mesh) -> Result<CsMat<f64>> {
    on_the_whole_mesh(mesh, Kind::Mass)
}

/// Refuses what [`mass_matrix`] refuses, without the matrix. Cost: a look at each cell; not collective.
pub fn check_mass_matrix(mesh: &Mesh) -> Result<()> {
    mesh.validate(Path::new("mesh"))?;
    refuse_ragged(mesh)?;
    let mut touched = vec![false; mesh.n_points()];
    for block in mesh.top_blocks() {
        block.connectivity.iter().for_each(|p| touched[*p as usize] = true);
    }
    (0..touched.len()).try_for_each(|point| check_row(mesh, point, usize::from(touched[point])))
}

/// Stiffness matrix [n_points, n_points] of the Laplacian, symmetric positive semi-definite (constants in its kernel); the H1 inner
/// product is the sum of the mass matrix and this. Errors and cost: see [`mass_matrix`].
pub fn stiffness_matrix(mesh: &Mesh) -> Result<CsMat<f64>> {
    on_the_whole_mesh(mesh, Kind::Stiffness)
}

/// Mass matrix integrated over `cells` only, between the points `points` (global numbers, ascending): [points.len(), points.len()].
///
/// The matrices of the parts of a partition of the cells add up to [`mass_matrix`], with the points of interfaces on every side: an
/// inner product over a distributed mesh is a sum of local ones. Points without a cell in `cells` have a row of zeros here.
///
/// Errors: K015 where the mesh is not usable; `Argument` where a cell is not in the mesh, or one of its points not in `points`.
/// Not collective.
pub fn mass_matrix_of_cells(mesh: &Mesh, cells: &[usize], points: &[usize]) -> Result<CsMat<f64>> {
    assemble(mesh, cells, points, Kind::Mass)
}

/// Stiffness matrix integrated over `cells` only; see [`mass_matrix_of_cells`].
pub fn stiffness_matrix_of_cells(mesh: &Mesh, cells: &[usize], points: &[usize]) -> Result<CsMat<f64>> {
    assemble(mesh, cells, points, Kind::Stiffness)
}

/// The rows `owned` of [`mass_matrix`] for their owner: the other points that they touch (ghosts, ascending), and the matrix between
/// ghosts below, own points and ghosts above, where ghosts have empty rows; as [`owned_part`](crate::linalg::sparse::owned_part)
/// cuts it out of the whole, to the last bit, without the whole.
///
/// Errors: see [`mass_matrix`]. Cost: one pass over the cells, and the cells around own points; not collective.
pub fn mass_matrix_rows(mesh: &Mesh, owned: Range<usize>) -> Result<(Vec<usize>, CsMat<f64>)> {
    mesh.validate(Path::new("mesh"))?;
    let top = mesh.top_dimension();
    let is_own = |p: &u32| owned.contains(&(*p as usize));
    let (mut cells, mut near, mut first) = (Vec::new(), vec![false; mesh.n_points()], 0);
    near.iter_mut().take(owned.end).skip(owned.start).for_each(|near| *near = true);
    for block in &mesh.cells {
        for i in (0..block.n_cells()).filter(|_| Some(block.cell_type.dimension()) == top) {
            let points = block.points(i);
            if points.iter().any(is_own) {
                cells.push(first + i);
                points.iter().for_each(|p| near[*p as usize] = true);
            }
        }
        first += block.n_cells();
    }
    let points: Vec<usize> = (0..near.len()).filter(|p| near[*p]).collect();
    let matrix = assemble(mesh, &cells, &points, Kind::Mass)?;
    let (n, own) = (points.len(), points.partition_point(|p| *p < owned.start));
    let own = own..own + owned.len();
    // Rows of ghosts lack the cells of others.
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for (i, row) in matrix.outer_iterator().enumerate() {
        if own.contains(&i) {
            check_row(mesh, points[i], row.nnz())?;
            indices.extend_from_slice(row.indices());
            data.extend_from_slice(row.data());
        }
        indptr.push(indices.len());
    }
    let ghosts = points.into_iter().filter(|p| !owned.contains(p)).collect();
    Ok((ghosts, CsMat::new((n, n), indptr, indices, data)))
}

/// Row sums of a mass matrix: the diagonal of its lumped form, the integral of each shape function.
///
/// Error: [`Error::NotPositiveDefinite`] where a sum is not positive (corners of quadratic cells: take the full matrix).
pub fn lumped(matrix: &CsMat<f64>) -> Result<Vec<f64>> {
    let sums: Vec<f64> = matrix.outer_iterator().map(|row| row.data().iter().sum()).collect();
    match sums.iter().position(|s| s.is_nan() || *s <= 0.0) {
        Some(pivot) => Err(Error::NotPositiveDefinite {
            what: "the lumped mass matrix".into(),
            pivot,
            mend: "take the full mass matrix: that of quadratic cells cannot be lumped by row sums".into(),
        }),
        None => Ok(sums),
    }
}

/// Kronecker product of `matrix` and the identity of size `n_components`: the same inner product for each component of a vector
/// field whose components lie side by side (dof = entity n_components + component).
pub fn expand_components(matrix: &CsMat<f64>, n_components: usize) -> CsMat<f64> {
    let (rows, columns) = matrix.shape();
    let mut indptr = Vec::with_capacity(rows * n_components + 1);
    let mut indices = Vec::with_capacity(matrix.nnz() * n_components);
    let mut data = Vec::with_capacity(matrix.nnz() * n_components);
    indptr.push(0);
    let csr = matrix.to_csr();
    for row in csr.outer_iterator() {
        for component in 0..n_components {
            for (column, value) in row.iter() {
                indices.push(column * n_components + component);
                data.push(*value);
            }
            indptr.push(indices.len());
        }
    }
    CsMat::new((rows * n_components, columns * n_components), indptr, indices, data)
}

#[derive(Clone, Copy)]
enum Kind {
    Mass,
    Stiffness,
}

fn on_the_whole_mesh(mesh: &Mesh, kind: Kind) -> Result<CsMat<f64>> {
    let file = Path::new("mesh");
    mesh.validate(file)?;
    let cells: Vec<usize> = (0..mesh.n_cells()).collect();
    let points: Vec<usize> = (0..mesh.n_points()).collect();
    let matrix = assemble(mesh, &cells, &points, kind)?;
    matrix.outer_iterator().enumerate().try_for_each(|(i, row)| check_row(mesh, i, row.nnz()))?;
    Ok(matrix)
}

/// Refuses a point without a cell around it.
fn check_row(mesh: &Mesh, point: usize, n_entries: usize) -> Result<()> {
    if n_entries > 0 {
        return Ok(());
    }
    let found = format!("no cell of dimension {} around it", mesh.top_dimension().unwrap_or(0));
    let mend = "remove the point, or set inner_product = \"euclidean\"";
    Err(Error::input("K015", "mesh", format!("/mesh/points, point {point}"), found, "every point in a cell", mend))
}

/// Cells of one type and of the highest dimension, with their nodes numbered in `points`.
struct Part {
    cell_type: CellType,
    /// Global point numbers, n_nodes per cell.
    nodes: Vec<u32>,
    /// The same in the numbering of the matrix.
    local: Vec<usize>,
}

fn assemble(mesh: &Mesh, cells: &[usize], points: &[usize], kind: Kind) -> Result<CsMat<f64>> {
    mesh.check_structure(Path::new("mesh"))?;
    let n = points.len();
    if points.windows(2).any(|w| w[0] >= w[1]) {
        return Err(Error::argument(
            "points of a part of a mesh",
            "numbers that do not ascend",
            "ascending global point numbers",
        ));
    }
    refuse_ragged(mesh)?;
    let parts = gather_parts(mesh, cells, points)?;
    let (indptr, indices) = pattern(&parts, n);
    let mut data = vec![0.0; indices.len()];
    for part in &parts {
        let n_nodes = part.cell_type.n_nodes();
        let reference = ReferenceCell::new(part.cell_type);
        for (nodes, local) in part.nodes.chunks(CHUNK * n_nodes).zip(part.local.chunks(CHUNK * n_nodes)) {
            let elements: Vec<Vec<f64>> =
                nodes.par_chunks_exact(n_nodes).map(|nodes| element_matrix(mesh, &reference, nodes, kind)).collect();
            for (element, local) in elements.iter().zip(local.chunks_exact(n_nodes)) {
                for (row, &i) in element.chunks_exact(n_nodes).zip(local) {
                    let start = indptr[i];
                    let columns = &indices[start..indptr[i + 1]];
                    for (value, j) in row.iter().zip(local) {
                        // The pattern holds every pair of nodes of every cell.
                        if let Ok(k) = columns.binary_search(j) {
                            data[start + k] += value;
                        }
                    }
                }
            }
        }
    }
    Ok(CsMat::new((n, n), indptr, indices, data))
}

/// Polygons and polyhedra have volumes, but no shape functions.
fn refuse_ragged(mesh: &Mesh) -> Result<()> {
    let ragged = |b: &&CellBlock| b.cell_type.is_ragged() && b.n_cells() > 0;
    let Some(block) = mesh.top_blocks().find(ragged) else { return Ok(()) };
    let name = block.cell_type.name();
    let found = format!("cells of type {name}, on which point values have no shape functions");
    let mend = "use the values on cells, or set inner_product = \"euclidean\"";
    Err(Error::input("K015", "mesh", format!("cells of type {name}"), found, "cells with shape functions", mend))
}

fn gather_parts(mesh: &Mesh, cells: &[usize], points: &[usize]) -> Result<Vec<Part>> {
    let top = mesh.top_dimension();
    let mut offsets = vec![0];
    for block in &mesh.cells {
        offsets.push(offsets[offsets.len() - 1] + block.n_cells());
    }
    let mut parts: Vec<Part> =
        mesh.cells.iter().map(|b| Part { cell_type: b.cell_type, nodes: Vec::new(), local: Vec::new() }).collect();
    for &cell in cells {
        let b = offsets.partition_point(|&o| o <= cell) - 1;
        let Some((block, part)) = mesh.cells.get(b).zip(parts.get_mut(b)) else {
            return Err(Error::argument(
                "cells of a part of a mesh",
                format!("cell {cell}"),
                format!("cells below {}", mesh.n_cells()),
            ));
        };
        if Some(block.cell_type.dimension()) != top {
            continue;
        }
        let n_nodes = block.cell_type.n_nodes();
        let c = cell - offsets[b];
        for &p in &block.connectivity[c * n_nodes..(c + 1) * n_nodes] {
            let local = match points.get(p as usize) {
                // Numbering by all points: no search.
                Some(&q) if q == p as usize => p as usize,
                _ => points.binary_search(&(p as usize)).map_err(|_| {
                    Error::argument(
                        "points of a part of a mesh",
                        format!("no point {p} of cell {cell}"),
                        "all points of its cells",
                    )
                })?,
            };
            part.nodes.push(p);
            part.local.push(local);
        }
    }
    parts.retain(|p| !p.nodes.is_empty());
    Ok(parts)
}

/// Row pointers and ascending column indices of all pairs of points that share a cell.
fn pattern(parts: &[Part], n: usize) -> (Vec<usize>, Vec<usize>) {
    // Cells around each point, as (part, first node of the cell).
    let mut start = vec![0usize; n + 1];
    for part in parts {
        part.local.iter().for_each(|&i| start[i + 1] += 1);
    }
    for i in 0..n {
        start[i + 1] += start[i];
    }
    let mut around = vec![(0u32, 0usize); start[n]];
    let mut next = start.clone();
    for (p, part) in parts.iter().enumerate() {
        let n_nodes = part.cell_type.n_nodes();
        for (k, &i) in part.local.iter().enumerate() {
            around[next[i]] = (p as u32, k - k % n_nodes);
            next[i] += 1;
        }
    }
    let row = |i: usize| {
        let mut row: Vec<usize> = around[start[i]..start[i + 1]]
            .iter()
            .flat_map(|&(p, first)| {
                let part = &parts[p as usize];
                part.local[first..first + part.cell_type.n_nodes()].iter().copied()
            })
            .collect();
        row.sort_unstable();
        row.dedup();
        row
    };
    let (mut indptr, mut indices) = (Vec::with_capacity(n + 1), Vec::new());
    indptr.push(0);
    // A row begins with an entry for each cell and node: few of them are there at a time.
    for first in (0..n).step_by(CHUNK) {
        let rows: Vec<Vec<usize>> = (first..(first + CHUNK).min(n)).into_par_iter().map(row).collect();
        for row in rows {
            indices.extend(row);
            indptr.push(indices.len());
        }
    }
    indices.shrink_to_fit();
    (indptr, indices)
}

/// Element matrix [n_nodes, n_nodes].
fn element_matrix(mesh: &Mesh, reference: &ReferenceCell, nodes: &[u32], kind: Kind) -> Vec<f64> {
    let n = nodes.len();
    let x = mesh.coordinates(nodes);
    let mut element = vec![0.0; n * n];
    for (q, dv) in reference.measures(&x, mesh.dim).enumerate() {
        match kind {
            Kind::Mass => {
                let values = &reference.values[q * n..(q + 1) * n];
                for (row, a) in element.chunks_exact_mut(n).zip(values) {
                    // Grouped so that the entries (i, j) and (j, i) are equal to the last bit.
                    row.iter_mut().zip(values).for_each(|(e, b)| *e += dv * (a * b));
                }
            }
            Kind::Stiffness => {
                let gradients = reference.physical_gradients(q, &x);
                for (row, a) in element.chunks_exact_mut(n).zip(&gradients) {
                    for (e, b) in row.iter_mut().zip(&gradients) {
                        *e += dv * (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
                    }
                }
            }
        }
    }
    element
}

//! Cells of a mesh in pieces, one for each rank.

use super::mesh::{CellBlock, CellType, Mesh};
use super::polyhedron;

/// Steps of a coordinate in the whole mesh.
const FINE: f64 = (1_u64 << 31) as f64;
/// Steps along the longest side of a box: centres that differ by round-off are on one plane. A power of 2, of which the planes of
/// a regular grid never lie half-way between two steps.
const COARSE: f64 = (1 << 20) as f64;

/// Place of a cell, in steps from the lower corner of the mesh.
type Centre = [u32; 3];

/// Some of the cells of a mesh, with their points.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// Numbers of the cells in the mesh, ascending.
    pub cells: Vec<usize>,
    /// Numbers of the points in the mesh, ascending.
    pub points: Vec<usize>,
    /// Whether each point is this piece's own: a point of an interface belongs to the lowest piece that has it.
    pub owned: Vec<bool>,
    /// These cells and points alone, numbered from 0; blocks without a cell are left out.
    pub mesh: Mesh,
}

/// The piece (from 0) of each cell, by recursive coordinate bisection.
///
/// The cells are halved, in numbers, across the longest side of the box around their centres, and so are the halves; for
/// 3 pieces the first cut is 1 : 2. Sizes differ by log2(n_pieces) cells at most. Cells of all dimensions count alike.
/// The same on every rank; not collective. O(n_cells log n_pieces); holds 24 bytes per cell.
///
/// Reference: M. J. Berger, S. H. Bokhari, A partitioning strategy for nonuniform problems on multiprocessors, IEEE
/// Transactions on Computers C-36 (1987) 570-580.
#[doc(alias = "recursive coordinate bisection")]
#[doc(alias = "RCB")]
pub fn partition(mesh: &Mesh, n_pieces: usize) -> Vec<u32> {
    let mut pieces = vec![0; mesh.n_cells()];
    if n_pieces > 1 {
        let centres = centres(mesh);
        let mut cells: Vec<usize> = (0..pieces.len()).collect();
        bisect(&centres, &mut cells, 0, n_pieces, &mut pieces);
    }
    pieces
}

/// Means of the corners.
fn centres(mesh: &Mesh) -> Vec<Centre> {
    let (mut lower, mut upper) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
    for i in 0..mesh.n_points() {
        for (k, x) in mesh.point(i).into_iter().enumerate() {
            (lower[k], upper[k]) = (lower[k].min(x), upper[k].max(x));
        }
    }
    let scale = (0..3).map(|k| upper[k] - lower[k]).fold(0.0, f64::max);
    let step = if scale > 0.0 { FINE / scale } else { 0.0 };
    let mut centres = Vec::with_capacity(mesh.n_cells());
    each_cell(mesh, |_, block, i| {
        let centre = polyhedron::mean(&mesh.coordinates(&block.corners(i)));
        centres.push(std::array::from_fn(|k| ((centre[k] - lower[k]) * step).round() as u32));
    });
    centres
}

/// Shares `cells` out over the pieces `first..first + n_pieces`.
fn bisect(centres: &[Centre], cells: &mut [usize], first: u32, n_pieces: usize, pieces: &mut [u32]) {
    if n_pieces < 2 || cells.is_empty() {
        cells.iter().for_each(|c| pieces[*c] = first);
        return;
    }
    let (mut lower, mut upper) = ([u32::MAX; 3], [0; 3]);
    for centre in cells.iter().map(|c| centres[*c]) {
        for k in 0..3 {
            (lower[k], upper[k]) = (lower[k].min(centre[k]), upper[k].max(centre[k]));
        }
    }
    let side = |k: usize| f64::from(upper[k] - lower[k]);
    let step = COARSE / (0..3).map(side).fold(1.0, f64::max);
    let mut axes = [0, 1, 2];
    // The longest side first; the first one of sides that are equal but for round-off.
    axes.sort_by_key(|k| -(side(*k) * step).round() as i64);
    let key = |c: &usize| (axes.map(|k| (f64::from(centres[*c][k] - lower[k]) * step).round() as u32), *c);
    let n_left = n_pieces / 2;
    let middle = (cells.len() as u128 * n_left as u128 / n_pieces as u128) as usize;
    if middle < cells.len() {
        cells.select_nth_unstable_by_key(middle, key);
    }
    let (left, right) = cells.split_at_mut(middle);
    bisect(centres, left, first, n_left, pieces);
    bisect(centres, right, first + n_left as u32, n_pieces - n_left, pieces);
}

/// Piece `number` of the `n_pieces` that `pieces` (see [`partition`]) makes of a mesh.
///
/// Points without a cell are shared out evenly, in their order. Not collective. Two passes over all cells; holds 5 bytes
/// per point of the mesh, and the piece.
pub fn piece(mesh: &Mesh, pieces: &[u32], number: usize, n_pieces: usize) -> Piece {
    let owners = owners(mesh, pieces, n_pieces);
    let is_owner = |p: usize| owners.get(p).is_some_and(|o| *o as usize == number);
    let mut here: Vec<bool> = (0..owners.len()).map(is_owner).collect();
    let mut cells = Vec::new();
    each_cell(mesh, |c, block, i| {
        if pieces.get(c).is_some_and(|p| *p as usize == number) {
            cells.push(c);
            let named = block.points(i);
            named.iter().for_each(|p| here.get_mut(*p as usize).into_iter().for_each(|here| *here = true));
        }
    });
    let points: Vec<usize> = (0..here.len()).filter(|p| here[*p]).collect();
    let owned = points.iter().map(|p| is_owner(*p)).collect();
    let mesh = restricted(mesh, &cells, &points);
    Piece { cells, points, owned, mesh }
}

/// The lowest piece of each point.
fn owners(mesh: &Mesh, pieces: &[u32], n_pieces: usize) -> Vec<u32> {
    let mut owners = vec![u32::MAX; mesh.n_points()];
    each_cell(mesh, |c, block, i| {
        let own = pieces.get(c).copied().unwrap_or(0);
        for p in block.points(i).iter() {
            owners.get_mut(*p as usize).into_iter().for_each(|o| *o = own.min(*o));
        }
    });
    let n_free = owners.iter().filter(|o| **o == u32::MAX).count();
    let free = owners.iter_mut().filter(|o| **o == u32::MAX);
    free.enumerate().for_each(|(k, o)| *o = (k * n_pieces / n_free.max(1)) as u32);
    owners
}

/// Calls `f(number of the cell in the mesh, its block, number in the block)`.
fn each_cell(mesh: &Mesh, mut f: impl FnMut(usize, &CellBlock, usize)) {
    let mut first = 0;
    for block in &mesh.cells {
        (0..block.n_cells()).for_each(|i| f(first + i, block, i));
        first += block.n_cells();
    }
}

/// The mesh of `cells` and `points` (ascending, those of the cells among them).
fn restricted(mesh: &Mesh, cells: &[usize], points: &[usize]) -> Mesh {
    let number = |p: &u32| points.binary_search(&(*p as usize)).map_or(u32::MAX, |i| i as u32);
    let coordinates = points.iter().flat_map(|p| mesh.points.iter().skip(p * mesh.dim).take(mesh.dim).copied());
    let mut blocks = Vec::new();
    let (mut first, mut rest) = (0, cells);
    for block in &mesh.cells {
        let end = first + block.n_cells();
        let (here, after) = rest.split_at(rest.partition_point(|c| *c < end));
        let mut part = CellBlock::new(block.cell_type, Vec::new());
        for c in here {
            let cell = block.cell(c - first);
            match block.cell_type {
                CellType::Polyhedron => renumber(cell, number, &mut part.connectivity),
                _ => part.connectivity.extend(cell.iter().map(number)),
            }
            if block.cell_type.is_ragged() {
                part.ends.push(part.connectivity.len());
            }
        }
        if !here.is_empty() {
            blocks.push(part);
        }
        (first, rest) = (end, after);
    }
    Mesh { dim: mesh.dim, points: coordinates.collect(), cells: blocks }
}

/// The stream of faces of a polyhedron with other numbers of its points.
fn renumber(stream: &[u32], number: impl Fn(&u32) -> u32, to: &mut Vec<u32>) {
    let faces = polyhedron::faces(stream).unwrap_or_default();
    to.push(faces.len() as u32);
    for face in faces {
        to.push(face.len() as u32);
        to.extend(face.iter().map(&number));
    }
}

//! The surface of a mesh: what one sees of it.

use super::{CellBlock, CellType, Mesh, polyhedron};
use rayon::prelude::*;

/// Faces, each the ring of its corners, with the cell that each belongs to (numbered through all blocks).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Skin {
    nodes: Vec<u32>,
    ends: Vec<usize>,
    /// The cell of each face.
    pub cells: Vec<usize>,
}

impl Skin {
    /// Number of faces.
    pub fn n_faces(&self) -> usize {
        self.cells.len()
    }

    /// The ring of corners of face `i`; empty for a face that is not there.
    pub fn face(&self, i: usize) -> &[u32] {
        let start = if i == 0 { 0 } else { self.ends.get(i - 1).copied().unwrap_or(usize::MAX) };
        self.ends.get(i).and_then(|end| self.nodes.get(start..*end)).unwrap_or_default()
    }

    /// The faces in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        (0..self.n_faces()).map(|i| self.face(i))
    }

    fn push(&mut self, ring: impl IntoIterator<Item = u32>, cell: usize) {
        self.nodes.extend(ring);
        self.ends.push(self.nodes.len());
        self.cells.push(cell);
    }
}

/// Faces of a cell as places of its corners, in the node order of VTK.
fn rings(cell_type: CellType) -> &'static [&'static [usize]] {
    use CellType::*;
    match cell_type {
        Tetra | Tetra10 => &[&[0, 2, 1], &[0, 1, 3], &[1, 2, 3], &[0, 3, 2]],
        Pyramid | Pyramid13 => &[&[0, 3, 2, 1], &[0, 1, 4], &[1, 2, 4], &[2, 3, 4], &[3, 0, 4]],
        Wedge | Wedge15 => &[&[0, 1, 2], &[3, 5, 4], &[0, 3, 4, 1], &[1, 4, 5, 2], &[2, 5, 3, 0]],
        Hexahedron | Hexahedron20 | Hexahedron27 => {
            &[&[0, 4, 7, 3], &[1, 2, 6, 5], &[0, 1, 5, 4], &[3, 7, 6, 2], &[0, 3, 2, 1], &[4, 5, 6, 7]]
        }
        _ => &[],
    }
}

/// The faces of one cell of dimension 3.
fn faces_of(block: &CellBlock, i: usize, mut each: impl FnMut(&[u32])) {
    if block.cell_type == CellType::Polyhedron {
        polyhedron::faces(block.cell(i)).unwrap_or_default().into_iter().for_each(each);
        return;
    }
    let nodes = block.cell(i);
    let mut ring = Vec::with_capacity(4);
    for places in rings(block.cell_type) {
        ring.clear();
        ring.extend(places.iter().filter_map(|k| nodes.get(*k)));
        each(&ring);
    }
}

/// The same for two faces with the same corners, in whatever order: the three smallest corners, the largest, their number and sum.
type Key = ([u32; 4], u32, u64);

fn key(ring: &[u32]) -> Key {
    let mut sorted = ring.to_vec();
    sorted.sort_unstable();
    let at = |k: usize| sorted.get(k).copied().unwrap_or(u32::MAX);
    let sum = sorted.iter().map(|p| u64::from(*p)).sum();
    ([at(0), at(1), at(2), sorted.last().copied().unwrap_or(u32::MAX)], ring.len() as u32, sum)
}

/// The faces that belong to one cell only, of meshes of volumes; the cells themselves, of meshes of surfaces; nothing else.
///
/// Only corners count: faces of quadratic cells are those of the linear ones. Faces on a cut through a mesh whose cells do not
/// share points stay. Cost: one sort of all faces.
pub fn skin(mesh: &Mesh) -> Skin {
    let mut found = Skin::default();
    let top = mesh.top_dimension();
    let blocks = mesh.cells.iter().scan(0, |first, block| {
        let own = *first;
        *first += block.n_cells();
        Some((own, block))
    });
    if top == Some(2) {
        for (first, block) in blocks.filter(|(_, b)| b.cell_type.dimension() == 2) {
            (0..block.n_cells()).for_each(|i| found.push(block.corners(i).iter().copied(), first + i));
        }
        return found;
    }
    if top != Some(3) {
        return found;
    }
    let volumes: Vec<(usize, &CellBlock)> = blocks.filter(|(_, b)| b.cell_type.dimension() == 3).collect();
    let mut keys: Vec<(Key, usize)> = Vec::new();
    let mut number = 0;
    for (_, block) in &volumes {
        for i in 0..block.n_cells() {
            faces_of(block, i, |ring| {
                keys.push((key(ring), number));
                number += 1;
            });
        }
    }
    keys.par_sort_unstable();
    let mut is_outside = vec![false; number];
    for same in keys.chunk_by(|a, b| a.0 == b.0) {
        if let [(_, face)] = same
            && let Some(outside) = is_outside.get_mut(*face)
        {
            *outside = true;
        }
    }
    let mut outside = is_outside.into_iter();
    for (first, block) in volumes {
        for i in 0..block.n_cells() {
            faces_of(block, i, |ring| {
                if outside.next() == Some(true) {
                    found.push(ring.iter().copied(), first + i);
                }
            });
        }
    }
    found
}

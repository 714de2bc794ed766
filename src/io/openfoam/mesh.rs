//! A polyMesh of OpenFOAM: faces with the cells on either side, from which cells are built.
//!
//! A face is a ring of points; seen from its owner it is turned outwards. Cells that are tetrahedra, pyramids, wedges or hexahedra
//! become that, with nodes in the order of VTK and positive volume; all others become polyhedra with faces turned outwards.

use crate::error::{Error, Result};
use crate::io::mesh_file::damaged;
use crate::io::openfoam::file::{FoamFile, plain_or_packed};
use crate::io::openfoam::list::{Length, NO_LABEL};
use crate::mesh::{CellBlock, CellType, Mesh, polyhedron};
use std::path::{Path, PathBuf};

/// The folders `polyMesh` with the points and with all else: in a mesh that moves, points alone are written anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MeshFolders {
    pub points: PathBuf,
    pub faces: PathBuf,
}

/// Faces and the cells beside them.
struct Faces {
    /// Points of all faces, and where each face ends.
    points: Vec<u32>,
    ends: Vec<usize>,
    /// The cell inside of each face, and the one outside of the first faces.
    owner: Vec<u32>,
    neighbour: Vec<u32>,
    n_cells: usize,
}

use CellType::{Hexahedron, Pyramid, Tetra, Wedge};

/// Cells with an order of nodes of their own, by their faces turned outwards: first the base, whose nodes come first, then faces on
/// each edge of the base, whose third node is the one above the second.
const SHAPES: [(CellType, &[&[usize]]); 4] = [
    (Tetra, &[&[0, 2, 1], &[0, 1, 3], &[1, 2, 3], &[2, 0, 3]]),
    (Pyramid, &[&[0, 3, 2, 1], &[0, 1, 4], &[1, 2, 4], &[2, 3, 4], &[3, 0, 4]]),
    (Wedge, &[&[0, 2, 1], &[0, 1, 4, 3], &[1, 2, 5, 4], &[2, 0, 3, 5], &[3, 4, 5]]),
    (Hexahedron, &[&[0, 3, 2, 1], &[0, 1, 5, 4], &[1, 2, 6, 5], &[2, 3, 7, 6], &[3, 0, 4, 7], &[4, 5, 6, 7]]),
];

/// Number of points and of cells of a mesh. Errors: as [`read_mesh`].
pub(crate) fn count_points_and_cells(folders: &MeshFolders) -> Result<(usize, usize)> {
    let (_, _, n_cells) = read_cells(&folders.faces, None)?;
    let mut points = open(&folders.points, "points", &["vectorField"])?;
    let n_points = match points.count::<f64>(3)? {
        Some(n) => n,
        None => read_points(&folders.points)?.len() / 3,
    };
    Ok((n_points, n_cells))
}

/// Reads a mesh; cells keep their numbers, neighbouring ones of one type are a block. Errors: K001 missing, K002 another file,
/// K003 damaged, K004 points that are not finite, K005 lists that do not belong together, K015 faces or cells that are none,
/// K018 a variant that is not read.
pub(crate) fn read_mesh(folders: &MeshFolders) -> Result<Mesh> {
    let points = read_points(&folders.points)?;
    let n_points = points.len() / 3;
    let faces = read_faces(&folders.faces, n_points)?;
    let cells = build_cells(&faces, &folders.faces)?;
    Ok(Mesh { dim: 3, points, cells })
}

fn open(folder: &Path, name: &str, classes: &[&str]) -> Result<FoamFile> {
    FoamFile::open(&plain_or_packed(folder, name), classes)
}

fn read_points(folder: &Path) -> Result<Vec<f64>> {
    let mut file = open(folder, "points", &["vectorField"])?;
    let mut points = Vec::new();
    file.list(3, Length::Any, &mut points)?;
    if let Some(i) = points.iter().position(|x: &f64| !x.is_finite()) {
        let (place, found) = (format!("point {}, coordinate {}", i / 3, i % 3), points[i].to_string());
        return Err(Error::input("K004", &file.path, place, found, "finite coordinates", "mend the point"));
    }
    Ok(points)
}

/// Owners and neighbours of faces, of `n_faces` where their number is known, and the number of cells.
fn read_cells(folder: &Path, n_faces: Option<usize>) -> Result<(Vec<u32>, Vec<u32>, usize)> {
    let (mut owner, mut neighbour) = (Vec::new(), Vec::new());
    let mut file = open(folder, "owner", &["labelList"])?;
    let length = n_faces.map_or(Length::AtMost(usize::MAX), Length::Exactly);
    let n_faces = file.list(1, length, &mut owner)?;
    let mut file = open(folder, "neighbour", &["labelList"])?;
    file.list(1, Length::AtMost(n_faces), &mut neighbour)?;
    // Old versions write -1 for each face on the boundary.
    let n_internal = neighbour.iter().rposition(|&cell| cell != NO_LABEL).map_or(0, |last| last + 1);
    neighbour.truncate(n_internal);
    let highest = owner.iter().chain(&neighbour).max().copied();
    let n_cells = highest.map_or(0, |cell| cell as usize + 1);
    // Each face has a cell on one side or on both.
    if n_cells.saturating_mul(4) > owner.len() + neighbour.len() {
        let cell = highest.filter(|&cell| cell != NO_LABEL).map_or(-1, i64::from);
        let found = format!("cell {cell} among {} faces", owner.len());
        return Err(damaged(&file.path, "", found, "cells numbered from 0 on, each with 4 faces or more"));
    }
    Ok((owner, neighbour, n_cells))
}

fn read_faces(folder: &Path, n_points: usize) -> Result<Faces> {
    let mut file = open(folder, "faces", &["faceList", "faceCompactList"])?;
    let (mut points, mut ends) = (Vec::new(), Vec::new());
    if file.header.class == "faceList" {
        file.lists(&mut points, &mut ends)?;
    } else {
        let mut starts: Vec<u32> = Vec::new();
        file.list(1, Length::Any, &mut starts)?;
        file.list(1, Length::Any, &mut points)?;
        let whole = starts.first().is_none_or(|&first| first == 0)
            && starts.is_sorted()
            && starts.last().map_or(0, |&last| last as usize) == points.len();
        if !whole {
            return Err(
                file.damaged("starts of faces that do not fit", "starts from 0 to the number of points of faces")
            );
        }
        ends.extend(starts.iter().skip(1).map(|&end| end as usize));
    }
    let path = file.path;
    let mut start = 0;
    for (i, &end) in ends.iter().enumerate() {
        let ring = points.get(start..end).unwrap_or_default();
        if ring.len() < 3 || ring.iter().any(|&p| p as usize >= n_points) {
            let (place, found) = (format!("face {i}"), format!("the points {ring:?}"));
            let expected = format!("3 points or more, from 0 to {}", n_points as i64 - 1);
            return Err(Error::input("K015", &path, place, found, expected, "write the mesh again"));
        }
        start = end;
    }
    let (owner, neighbour, n_cells) = read_cells(folder, Some(ends.len()))?;
    Ok(Faces { points, ends, owner, neighbour, n_cells })
}

impl Faces {
    /// Points of a face as its owner sees it.
    fn ring(&self, face: usize) -> &[u32] {
        let start = if face == 0 { 0 } else { self.ends.get(face - 1).copied().unwrap_or(0) };
        self.ends.get(face).and_then(|&end| self.points.get(start..end)).unwrap_or_default()
    }

    /// Cells beside a face: inside, and outside if there is one.
    fn beside(&self, face: usize) -> impl Iterator<Item = usize> {
        let sides = [self.owner.get(face), self.neighbour.get(face)];
        sides.into_iter().flatten().map(|&cell| cell as usize)
    }

    /// The faces of all cells one after the other, and where those of each cell start; one start more than there are cells.
    fn by_cell(&self) -> (Vec<usize>, Vec<u32>) {
        let n_faces = self.ends.len();
        let mut starts = vec![0usize; self.n_cells + 1];
        for cell in (0..n_faces).flat_map(|face| self.beside(face)) {
            starts[cell + 1] += 1;
        }
        for cell in 0..self.n_cells {
            starts[cell + 1] += starts[cell];
        }
        let mut next = starts.clone();
        let mut faces = vec![0u32; starts.last().copied().unwrap_or(0)];
        for face in 0..n_faces {
            for cell in self.beside(face) {
                faces[next[cell]] = face as u32;
                next[cell] += 1;
            }
        }
        (starts, faces)
    }
}

fn build_cells(faces: &Faces, folder: &Path) -> Result<Vec<CellBlock>> {
    let refuse = |place: String, found: String, expected: &str| {
        Err(Error::input("K015", folder, place, found, expected, "write the mesh again, `checkMesh` tells more"))
    };
    let same = faces.owner.iter().zip(&faces.neighbour).position(|(inside, outside)| inside == outside);
    if let Some(face) = same {
        return refuse(format!("face {face}"), "one cell on both sides".into(), "two different cells");
    }
    let (starts, of_cells) = faces.by_cell();
    let mut blocks: Vec<CellBlock> = Vec::new();
    // A cell as the stream of a polyhedron.
    let mut stream: Vec<u32> = Vec::new();
    for cell in 0..faces.n_cells {
        let own = &of_cells[starts[cell]..starts[cell + 1]];
        if own.len() < 4 {
            return refuse(format!("cell {cell}"), format!("{} faces", own.len()), "4 faces or more");
        }
        stream.clear();
        stream.push(own.len() as u32);
        for &face in own {
            let ring = faces.ring(face as usize);
            stream.push(ring.len() as u32);
            if faces.owner.get(face as usize) == Some(&(cell as u32)) {
                stream.extend(ring);
            } else {
                stream.extend(ring.first().into_iter().chain(ring.iter().skip(1).rev()));
            }
        }
        let outward = polyhedron::faces(&stream).unwrap_or_default();
        match shape(&outward) {
            Some((cell_type, nodes)) => append(&mut blocks, cell_type, &nodes[..cell_type.n_nodes()]),
            None => append(&mut blocks, CellType::Polyhedron, &stream),
        }
    }
    Ok(blocks)
}

/// Appends a cell to the last block, or to a new one where that is of another type.
fn append(blocks: &mut Vec<CellBlock>, cell_type: CellType, entries: &[u32]) {
    if blocks.last().is_none_or(|block| block.cell_type != cell_type) {
        blocks.push(CellBlock::new(cell_type, Vec::new()));
    }
    if let Some(block) = blocks.last_mut() {
        block.connectivity.extend(entries);
        if cell_type.is_ragged() {
            block.ends.push(block.connectivity.len());
        }
    }
}

/// Type and nodes of a cell of one of the [`SHAPES`] with the faces `faces`, turned outwards.
fn shape(faces: &[&[u32]]) -> Option<(CellType, [u32; 8])> {
    SHAPES.iter().filter(|(_, wanted)| wanted.len() == faces.len()).find_map(|(cell_type, wanted)| {
        let base = wanted.first()?;
        let ring = faces.iter().find(|face| face.len() == base.len())?;
        let mut nodes = [NO_LABEL; 8];
        base.iter().zip(*ring).for_each(|(&node, &point)| nodes[node] = point);
        for side in wanted.iter().filter(|side| side[0] < base.len()).skip(1) {
            nodes[side[2]] = faces.iter().find_map(|face| behind(face, nodes[side[0]], nodes[side[1]]))?;
        }
        let own = &nodes[..cell_type.n_nodes()];
        let distinct = own.iter().enumerate().all(|(i, node)| !own[..i].contains(node));
        let is_there = |wanted: &&[usize]| {
            let ring = wanted.iter().map(|&node| nodes[node]);
            faces.iter().any(|face| equal_rings(face, ring.clone()))
        };
        (distinct && wanted.iter().all(is_there)).then_some((*cell_type, nodes))
    })
}

/// The point behind the edge from `a` to `b` of a ring.
fn behind(ring: &[u32], a: u32, b: u32) -> Option<u32> {
    let n = ring.len();
    let i = (0..n).find(|&i| ring[i] == a && ring[(i + 1) % n] == b)?;
    Some(ring[(i + 2) % n])
}

/// Whether two rings are the same, wherever they start.
fn equal_rings(ring: &[u32], mut other: impl ExactSizeIterator<Item = u32>) -> bool {
    if ring.len() != other.len() {
        return false;
    }
    let start = other.next().and_then(|first| ring.iter().position(|&p| p == first));
    start.is_some_and(|start| other.enumerate().all(|(i, p)| ring[(start + 1 + i) % ring.len()] == p))
}

//! The cells of a piece of a .vtu file: types in any order become blocks of one type each.

use crate::error::{Error, Result};
use crate::io::vtk::data::Decoder;
use crate::io::vtk::head::{DataArray, Piece};
use crate::mesh::{CellBlock, CellType};
use std::ops::Range;

/// Cells on a grid, with the order of their corners in the cells of kolmo.
const PIXEL: (i64, CellType, &[usize]) = (8, CellType::Quad, &[0, 1, 3, 2]);
const VOXEL: (i64, CellType, &[usize]) = (11, CellType::Hexahedron, &[0, 1, 3, 2, 4, 5, 7, 6]);

/// Cell types of VTK that kolmo does not know.
const UNKNOWN: [(i64, &str); 14] = [
    (0, "empty cell"),
    (2, "poly-vertex"),
    (4, "poly-line"),
    (6, "triangle strip"),
    (15, "pentagonal prism"),
    (16, "hexagonal prism"),
    (30, "quadratic linear quad"),
    (31, "quadratic linear wedge"),
    (32, "biquadratic quadratic wedge"),
    (33, "biquadratic quadratic hexahedron"),
    (34, "biquadratic triangle"),
    (35, "cubic line"),
    (36, "quadratic polygon"),
    (37, "triquadratic pyramid"),
];

/// Adds the cells of `piece`, whose points follow `first` others, to `blocks`.
///
/// Errors: K003 cut or damaged, K005 lengths that do not fit, K015 points that are not there, K018 a cell type that is not read.
pub(super) fn append_cells(
    decoder: &Decoder<'_>,
    piece: &Piece,
    first: usize,
    blocks: &mut Vec<CellBlock>,
) -> Result<()> {
    if piece.n_cells == 0 {
        return Ok(());
    }
    let types: Vec<i64> = decoder.read(cell_array(decoder, piece, "types")?, Some(piece.n_cells))?;
    let cells = Cells { decoder, first, n_points: piece.n_points };
    let ends = cells.ends(piece, "offsets", Some(piece.n_cells))?;
    let n = ends.last().copied().unwrap_or(0);
    let connectivity: Vec<i64> = decoder.read(cell_array(decoder, piece, "connectivity")?, Some(n))?;
    let faces = if types.contains(&i64::from(CellType::Polyhedron.vtk_code())) {
        Some(Faces::read(&cells, piece)?)
    } else {
        None
    };
    let mut c = 0;
    for run in types.chunk_by(|a, b| a == b) {
        let width = ranges(&ends, c).next().map_or(0, |r| r.len());
        let (cell_type, order) = cells.cell_type(c, run.first().copied().unwrap_or(-1), width)?;
        if blocks.last().is_none_or(|b| b.cell_type != cell_type) {
            blocks.push(CellBlock::new(cell_type, Vec::new()));
        }
        let Some(block) = blocks.last_mut() else { continue };
        let begin = block.connectivity.len();
        for (c, range) in (c..c + run.len()).zip(ranges(&ends, c)) {
            let nodes = connectivity.get(range).unwrap_or_default();
            if let (CellType::Polyhedron, Some(faces)) = (cell_type, &faces) {
                faces.append(&cells, c, &mut block.connectivity)?;
            } else if !cell_type.is_ragged() && nodes.len() != cell_type.n_nodes() {
                let found = format!("{} points", nodes.len());
                return Err(cells.refuse("K005", c, cell_type, found, format!("{}", cell_type.n_nodes())));
            } else {
                cells.check_points(c, nodes)?;
                block.connectivity.extend(nodes.iter().map(|&p| (p as usize + first) as u32));
            }
            if cell_type.is_ragged() {
                block.ends.push(block.connectivity.len());
            }
        }
        if !order.is_empty() {
            for cell in block.connectivity.get_mut(begin..).unwrap_or_default().chunks_exact_mut(order.len()) {
                let grid = cell.to_vec();
                cell.iter_mut().zip(order.iter().filter_map(|&i| grid.get(i))).for_each(|(to, p)| *to = *p);
            }
        }
        c += run.len();
    }
    Ok(())
}

fn cell_array<'a>(decoder: &Decoder<'_>, piece: &'a Piece, name: &str) -> Result<&'a DataArray> {
    let missing = || {
        let mend = "write the file again with whole Cells";
        Error::input("K003", &decoder.bytes.path, "Cells", format!("no array `{name}`"), "it", mend)
    };
    piece.cells.iter().find(|a| a.name == name).ok_or_else(missing)
}

/// The entries of each cell or face from number `from` on.
fn ranges(ends: &[usize], from: usize) -> impl Iterator<Item = Range<usize>> {
    let start = if from == 0 { 0 } else { ends.get(from - 1).copied().unwrap_or(0) };
    let ends = ends.get(from..).unwrap_or_default();
    std::iter::once(start).chain(ends.iter().copied()).zip(ends).map(|(start, &end)| start..end)
}

struct Cells<'a> {
    decoder: &'a Decoder<'a>,
    first: usize,
    n_points: usize,
}

impl Cells<'_> {
    /// Where each cell or face ends. Errors: K003 where one ends before the last.
    fn ends(&self, piece: &Piece, name: &str, n: Option<usize>) -> Result<Vec<usize>> {
        let ends: Vec<i64> = self.decoder.read(cell_array(self.decoder, piece, name)?, n)?;
        let whole = ends.first().is_none_or(|&e| e >= 0) && ends.is_sorted();
        if !whole {
            let mend = "write the file again";
            let found = "numbers that fall";
            return Err(Error::input("K003", &self.decoder.bytes.path, name, found, "numbers that rise", mend));
        }
        Ok(ends.into_iter().map(|e| e as usize).collect())
    }

    /// The type, and the order of the nodes where it is another one; `width` is the number of nodes.
    fn cell_type(&self, c: usize, code: i64, width: usize) -> Result<(CellType, &'static [usize])> {
        for (own, cell_type, order) in [PIXEL, VOXEL] {
            if own == code {
                return Ok((cell_type, order));
            }
        }
        let known = u8::try_from(code).ok().and_then(CellType::from_vtk_code);
        if let Some(cell_type) = known.or_else(|| CellType::from_vtk_lagrange(code, width)) {
            return Ok((cell_type, &[]));
        }
        let name = UNKNOWN.iter().find(|(n, _)| *n == code).map_or("", |(_, name)| name);
        let found = format!("the VTK cell type {code} {name}").trim_end().to_string();
        let known: Vec<&str> = CellType::all().map(CellType::name).collect();
        let mend = "write these cells as cells of a known type";
        Err(Error::input("K018", &self.decoder.bytes.path, format!("cell {c}"), found, known.join(", "), mend))
    }

    fn refuse(&self, code: &'static str, c: usize, t: CellType, found: String, expected: String) -> Error {
        let place = format!("cell {c} ({})", t.name());
        Error::input(code, &self.decoder.bytes.path, place, found, expected, "write the file again")
    }

    /// Errors: K015 for a point that the piece does not have, or beyond 32 bits in all.
    fn check_points(&self, c: usize, points: &[i64]) -> Result<()> {
        let end = self.n_points.min((u32::MAX as usize).saturating_sub(self.first));
        let Some(p) = points.iter().find(|&&p| p < 0 || p as u64 >= end as u64) else { return Ok(()) };
        let expected = format!("point numbers from 0 to {}", end as i64 - 1);
        let (place, mend) = (format!("cell {c}"), "cells count points from zero");
        Err(Error::input("K015", &self.decoder.bytes.path, place, format!("point {p}"), expected, mend))
    }
}

/// Faces of polyhedra.
enum Faces {
    /// One stream `[n_faces, n_0, points of face 0, …]` per polyhedron, and where it ends; other cells have -1.
    Streams { stream: Vec<i64>, cells: Vec<Range<usize>> },
    /// Faces, and the numbers of the faces of each cell (VTK 9.4 and later).
    Lists { points: Vec<i64>, faces: Vec<Range<usize>>, numbers: Vec<i64>, cells: Vec<Range<usize>> },
}

impl Faces {
    fn read(cells: &Cells<'_>, piece: &Piece) -> Result<Faces> {
        let read = |name: &str, n: Option<usize>| -> Result<Vec<i64>> {
            cells.decoder.read(cell_array(cells.decoder, piece, name)?, n)
        };
        let n = Some(piece.n_cells);
        if piece.cells.iter().any(|a| a.name == "faces") {
            let cells = stream_ranges(&read("faceoffsets", n)?);
            return Ok(Faces::Streams { stream: read("faces", None)?, cells });
        }
        let face_ends = cells.ends(piece, "face_offsets", None)?;
        let cell_ends = cells.ends(piece, "polyhedron_offsets", n)?;
        let points = read("face_connectivity", face_ends.last().copied())?;
        let numbers = read("polyhedron_to_faces", cell_ends.last().copied())?;
        let faces: Vec<Range<usize>> = ranges(&face_ends, 0).collect();
        let face = |n: &i64| usize::try_from(*n).ok().and_then(|n| faces.get(n)).map_or(0, ExactSizeIterator::len);
        // A face lies between two cells at most; otherwise a small file could fill the memory.
        if numbers.iter().map(face).sum::<usize>() > 2 * points.len() {
            let (path, mend) = (&cells.decoder.bytes.path, "write the file again");
            let found = "faces that many cells share";
            return Err(Error::input("K003", path, "polyhedron_to_faces", found, "two cells per face", mend));
        }
        Ok(Faces::Lists { points, faces, numbers, cells: ranges(&cell_ends, 0).collect() })
    }

    /// The faces of cell `c` as one stream.
    fn append(&self, cells: &Cells<'_>, c: usize, to: &mut Vec<u32>) -> Result<()> {
        let Some(faces) = self.of_cell(c) else {
            let found = "faces that do not fit".to_string();
            return Err(cells.refuse("K003", c, CellType::Polyhedron, found, "faces with their points".into()));
        };
        to.push(faces.len() as u32);
        for face in faces {
            to.push(face.len() as u32);
            cells.check_points(c, face)?;
            to.extend(face.iter().map(|&p| (p as usize + cells.first) as u32));
        }
        Ok(())
    }

    fn of_cell(&self, c: usize) -> Option<Vec<&[i64]>> {
        match self {
            Faces::Streams { stream, cells } => {
                let (&n_faces, mut rest) = stream.get(cells.get(c)?.clone())?.split_first()?;
                let mut faces = Vec::new();
                for _ in 0..n_faces {
                    let (&n, tail) = rest.split_first()?;
                    let (face, tail) = tail.split_at_checked(usize::try_from(n).ok()?)?;
                    faces.push(face);
                    rest = tail;
                }
                Some(faces)
            }
            Faces::Lists { points, faces, numbers, cells } => {
                let face = |n: &i64| points.get(faces.get(usize::try_from(*n).ok()?)?.clone());
                numbers.get(cells.get(c)?.clone())?.iter().map(face).collect()
            }
        }
    }
}

/// The streams of faces in a row: each ends where its number tells, cells without have -1.
fn stream_ranges(ends: &[i64]) -> Vec<Range<usize>> {
    let mut start = 0;
    let range = |&end: &i64| {
        let end = usize::try_from(end).unwrap_or(start);
        std::mem::replace(&mut start, end)..end
    };
    ends.iter().map(range).collect()
}

//! Cells of a zone of a CGNS file, with the node order of VTK.
//!
//! CGNS Standard Interface Data Structures, section 3.3 (numbering of nodes) and 7.3 (Elements_t).

use crate::error::{Error, Result};
use crate::io::cgns::tree::Node;
use crate::mesh::{CellBlock, CellType};
use CellType::*;
use std::path::Path;

/// Code of an element type, name, type, and for each node of VTK its place among those of the SIDS (empty: the same order).
const ELEMENT_TYPES: [(i64, CellType, &[usize]); 17] = [
    (2, Vertex, &[]),
    (3, Line, &[]),
    (4, Line3, &[]),
    (5, Triangle, &[]),
    (6, Triangle6, &[]),
    (7, Quad, &[]),
    (8, Quad8, &[]),
    (9, Quad9, &[]),
    (10, Tetra, &[]),
    (11, Tetra10, &[]),
    (12, Pyramid, &[]),
    (14, Wedge, &[]),
    (15, Wedge15, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 13, 14, 9, 10, 11]),
    (17, Hexahedron, &[]),
    (18, Hexahedron20, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 12, 13, 14, 15]),
    (
        19,
        Hexahedron27,
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 12, 13, 14, 15, 24, 22, 21, 23, 20, 25, 26],
    ),
    (21, Pyramid13, &[]),
];
const MIXED: i64 = 20;
const NGON: i64 = 22;
const NFACE: i64 = 23;

/// A section of elements: those numbered from `first` to `last` in its zone.
#[derive(Debug)]
struct Section {
    node: Node,
    code: i64,
    first: i64,
    last: i64,
}

/// Cells of a zone in blocks. Where a section mixes types, its cells are sorted by type.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    pub blocks: Vec<CellBlock>,
    /// For each cell of the blocks its number among the elements of the zone.
    pub numbers: Vec<u32>,
}

/// Reads the sections of a zone with `n_points` points in a base of `dimension`. Errors: K003, K005, K015 for a point that is not
/// there, K018.
pub(crate) fn cells(path: &Path, zone: &Node, n_points: usize, dimension: i64) -> Result<Cells> {
    let mut sections = Vec::new();
    for node in zone.labelled(path, "Elements_t")? {
        sections.push(section(path, node)?);
    }
    sections.sort_by_key(|s| s.first);
    for pair in sections.windows(2) {
        if let [a, b] = pair
            && b.first <= a.last
        {
            let found = format!("elements from {}, when {} has those up to {}", b.first, a.node.name, a.last);
            return Err(b.node.wrong_shape(path, found, "sections that follow each other".into()));
        }
    }
    let polyhedral = sections.iter().any(|s| s.code == NFACE);
    let (mut cells, mut faces) = (Cells::default(), Faces::default());
    // The faces of polyhedra are no cells of their own.
    for section in sections.iter().filter(|s| polyhedral && s.code == NGON) {
        let polygons = Reader { path, section, n_points }.polygons()?;
        faces.sections.push((section.first, vec![0; polygons.n_cells()], polygons));
    }
    for section in sections.iter().filter(|s| !polyhedral || s.code != NGON) {
        let reader = Reader { path, section, n_points };
        match section.code {
            NGON => {
                if dimension == 3 && section.node.named(path, "ParentElements")?.is_some() {
                    return Err(reader.unread(
                        "polyhedra that their faces name",
                        "the faces of each polyhedron",
                        "write a section NFACE_n",
                    ));
                }
                cells.push(reader.polygons()?, section.first);
            }
            NFACE => cells.push(reader.polyhedra(&mut faces)?, section.first),
            MIXED => reader.mixed(&mut cells)?,
            _ => cells.push(reader.plain()?, section.first),
        }
    }
    Ok(cells)
}

/// Faces of polyhedra: sections with the number of their first face, and how many cells each face has.
#[derive(Default)]
struct Faces {
    sections: Vec<(i64, Vec<u8>, CellBlock)>,
}

impl Faces {
    /// The points of a face, which no more than two cells may have.
    fn of_cell(&mut self, number: i64) -> Option<&[u32]> {
        let holds = |first: i64, n: usize| (first..first + n as i64).contains(&number);
        let (first, uses, block) = self.sections.iter_mut().find(|(first, uses, _)| holds(*first, uses.len()))?;
        let i = usize::try_from(number - *first).ok()?;
        let uses = uses.get_mut(i)?;
        *uses += 1;
        (*uses <= 2).then(|| block.cell(i))
    }
}

impl Cells {
    fn push(&mut self, block: CellBlock, first: i64) {
        self.numbers.extend((0..block.n_cells()).map(|i| first.saturating_add(i as i64) as u32));
        self.blocks.push(block);
    }
}

fn section(path: &Path, node: Node) -> Result<Section> {
    let code = node.integers(path)?.first().copied().unwrap_or(0);
    let range = node.required(path, "ElementRange")?;
    match range.integers(path)?.as_slice() {
        &[first, last] if first >= 1 && last >= first && last <= i64::from(u32::MAX) => {
            Ok(Section { node, code, first, last })
        }
        other => {
            let found = format!("{:?}", other.get(..4).unwrap_or(other));
            Err(range.wrong_shape(path, found, "the numbers of the first and the last element".into()))
        }
    }
}

/// Reads one section.
struct Reader<'a> {
    path: &'a Path,
    section: &'a Section,
    n_points: usize,
}

impl Reader<'_> {
    fn n_elements(&self) -> usize {
        (self.section.last - self.section.first + 1) as usize
    }

    fn connectivity(&self) -> Result<Vec<i64>> {
        self.section.node.required(self.path, "ElementConnectivity")?.integers(self.path)
    }

    fn unread(&self, found: &str, expected: &str, mend: &str) -> Error {
        Error::input("K018", self.path, &self.section.node.place, found, expected, mend)
    }

    fn wrong_length(&self, found: usize, expected: impl std::fmt::Display) -> Error {
        let expected = format!("{expected} for {} elements", self.n_elements());
        self.section.node.wrong_shape(self.path, format!("{found} numbers in ElementConnectivity"), expected)
    }

    fn element_type(&self, code: i64) -> Result<(CellType, &'static [usize])> {
        let row = ELEMENT_TYPES.iter().find(|row| row.0 == code);
        row.map(|row| (row.1, row.2)).ok_or_else(|| {
            let expected = "linear and quadratic elements but PYRA_14 and PENTA_18, MIXED, NGON_n, NFACE_n";
            self.unread(&format!("element type {code}"), expected, "write elements of order 1 or 2")
        })
    }

    fn point(&self, number: i64) -> Result<u32> {
        if (1..=self.n_points as i64).contains(&number) {
            return Ok((number - 1) as u32);
        }
        let expected = format!("points from 1 to {}", self.n_points);
        let mend = "mend the element, or write the zone again";
        Err(Error::input("K015", self.path, &self.section.node.place, format!("point {number}"), expected, mend))
    }

    fn row(&self, order: &[usize], row: &[i64], nodes: &mut Vec<u32>) -> Result<()> {
        if order.is_empty() {
            return row.iter().try_for_each(|&p| self.point(p).map(|p| nodes.push(p)));
        }
        order.iter().filter_map(|&i| row.get(i)).try_for_each(|&p| self.point(p).map(|p| nodes.push(p)))
    }

    /// Elements of one type.
    fn plain(&self) -> Result<CellBlock> {
        let (cell_type, order) = self.element_type(self.section.code)?;
        let (connectivity, n) = (self.connectivity()?, cell_type.n_nodes());
        if self.n_elements().checked_mul(n) != Some(connectivity.len()) {
            return Err(self.wrong_length(connectivity.len(), format!("{n} each")));
        }
        let mut nodes = Vec::with_capacity(connectivity.len());
        for row in connectivity.chunks_exact(n) {
            self.row(order, row, &mut nodes)?;
        }
        Ok(CellBlock::new(cell_type, nodes))
    }

    /// Elements of several types, each behind its code: one block per type, in the order in which they come first.
    fn mixed(&self, cells: &mut Cells) -> Result<()> {
        let connectivity = self.connectivity()?;
        let mut found: Vec<(CellBlock, Vec<u32>)> = Vec::new();
        let mut rest = connectivity.as_slice();
        for i in 0..self.n_elements() {
            let Some((&code, tail)) = rest.split_first() else {
                return Err(self.wrong_length(connectivity.len(), "a type and its points each"));
            };
            let (cell_type, order) = self.element_type(code)?;
            let Some((row, tail)) = tail.split_at_checked(cell_type.n_nodes()) else {
                return Err(self.wrong_length(connectivity.len(), "a type and its points each"));
            };
            rest = tail;
            let at = match found.iter().position(|(block, _)| block.cell_type == cell_type) {
                Some(at) => at,
                None => {
                    found.push((CellBlock::new(cell_type, Vec::new()), Vec::new()));
                    found.len() - 1
                }
            };
            if let Some((block, numbers)) = found.get_mut(at) {
                self.row(order, row, &mut block.connectivity)?;
                numbers.push(self.section.first.saturating_add(i as i64) as u32);
            }
        }
        if !rest.is_empty() {
            return Err(self.wrong_length(connectivity.len(), "a type and its points each"));
        }
        for (block, numbers) in found {
            cells.blocks.push(block);
            cells.numbers.extend(numbers);
        }
        Ok(())
    }

    /// Lists of numbers of any length, by ElementStartOffset or, before version 4, each behind its length.
    fn lists(&self) -> Result<(Vec<i64>, Vec<std::ops::Range<usize>>)> {
        let (connectivity, n) = (self.connectivity()?, self.n_elements());
        let mut ranges = Vec::new();
        if let Some(node) = self.section.node.named(self.path, "ElementStartOffset")? {
            let starts = node.integers(self.path)?;
            let whole = (starts.first(), starts.last()) == (Some(&0), Some(&(connectivity.len() as i64)));
            if starts.len() != n + 1 || !whole || !starts.is_sorted() {
                let expected = format!("{} starts from 0 to {}", n + 1, connectivity.len());
                return Err(node.wrong_shape(self.path, format!("{} others", starts.len()), expected));
            }
            ranges.extend(starts.windows(2).map(|w| w[0] as usize..w[1] as usize));
        } else {
            let mut at = 0usize;
            for _ in 0..n {
                let length = connectivity.get(at).and_then(|&l| usize::try_from(l).ok());
                let range = length.and_then(|l| Some(at + 1..(at + 1).checked_add(l)?));
                let Some(range) = range.filter(|r| r.end <= connectivity.len()) else {
                    return Err(self.wrong_length(connectivity.len(), "a length and a list each"));
                };
                at = range.end;
                ranges.push(range);
            }
            if at != connectivity.len() {
                return Err(self.wrong_length(connectivity.len(), "a length and a list each"));
            }
        }
        Ok((connectivity, ranges))
    }

    fn polygons(&self) -> Result<CellBlock> {
        let (connectivity, ranges) = self.lists()?;
        let mut nodes = Vec::with_capacity(connectivity.len());
        let mut ends = Vec::with_capacity(ranges.len());
        for range in ranges {
            self.row(&[], connectivity.get(range).unwrap_or_default(), &mut nodes)?;
            ends.push(nodes.len());
        }
        Ok(CellBlock::ragged(Polygon, nodes, ends))
    }

    fn polyhedra(&self, faces: &mut Faces) -> Result<CellBlock> {
        let (connectivity, ranges) = self.lists()?;
        let (mut stream, mut ends) = (Vec::new(), Vec::with_capacity(ranges.len()));
        for range in ranges {
            let cell = connectivity.get(range).unwrap_or_default();
            stream.push(cell.len() as u32);
            for &face in cell {
                // A minus sign says that the face is turned inwards.
                let Some(points) = faces.of_cell(face.saturating_abs()) else {
                    let (found, expected) =
                        (format!("face {face}"), "faces of sections NGON_n, each of two cells at most");
                    let place = &self.section.node.place;
                    return Err(Error::input(
                        "K015",
                        self.path,
                        place,
                        found,
                        expected,
                        "mend the cell, or write the zone again",
                    ));
                };
                stream.push(points.len() as u32);
                stream.extend(points);
            }
            ends.push(stream.len());
        }
        Ok(CellBlock::ragged(Polyhedron, stream, ends))
    }
}

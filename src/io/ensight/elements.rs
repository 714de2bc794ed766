//! Elements of EnSight Gold: their names, the order of their nodes, and their connectivity.

use crate::error::{Error, Result};
use crate::io::ensight::records::Records;
use crate::mesh::{CellBlock, CellType};

/// A type of elements.
#[derive(Debug)]
pub(crate) struct Element {
    pub name: &'static str,
    cell_type: CellType,
    /// Which node of the file stands at each place of VTK, where the orders differ. That of wedges is the same: 1, 2, 3 turn
    /// inwards, as VTK measures them.
    order: &'static [usize],
}

const fn element(name: &'static str, cell_type: CellType, order: &'static [usize]) -> Element {
    Element { name, cell_type, order }
}

const ELEMENTS: &[Element] = &[
    element("point", CellType::Vertex, &[]),
    element("bar2", CellType::Line, &[]),
    element("bar3", CellType::Line3, &[0, 2, 1]),
    element("tria3", CellType::Triangle, &[]),
    element("tria6", CellType::Triangle6, &[]),
    element("quad4", CellType::Quad, &[]),
    element("quad8", CellType::Quad8, &[]),
    element("tetra4", CellType::Tetra, &[]),
    element("tetra10", CellType::Tetra10, &[]),
    element("pyramid5", CellType::Pyramid, &[]),
    element("pyramid13", CellType::Pyramid13, &[]),
    element("penta6", CellType::Wedge, &[]),
    element("penta15", CellType::Wedge15, &[]),
    element("hexa8", CellType::Hexahedron, &[]),
    element("hexa20", CellType::Hexahedron20, &[]),
    element("nsided", CellType::Polygon, &[]),
    element("nfaced", CellType::Polyhedron, &[]),
];

impl Element {
    /// By its name, and whether these are ghosts (`g_…`): elements of the neighbours of a piece of the domain.
    pub fn from_keyword(keyword: &str) -> Option<(&'static Element, bool)> {
        let plain = keyword.strip_prefix("g_");
        ELEMENTS.iter().find(|e| e.name == plain.unwrap_or(keyword)).map(|e| (e, plain.is_some()))
    }

    /// Skips the connectivity of `n` elements.
    pub fn skip(&self, records: &mut Records<'_>, n: u64) -> Result<()> {
        let mut n_nodes = n.saturating_mul(self.cell_type.n_nodes() as u64);
        if self.cell_type == CellType::Polyhedron {
            let n_faces = sum(&records.counts(n)?);
            n_nodes = sum(&records.counts(n_faces)?);
        } else if self.cell_type.is_ragged() {
            n_nodes = sum(&records.counts(n)?);
        }
        records.skip(n_nodes)
    }

    /// Appends `n` elements on the points `base..base + n_points` of a mesh. Errors: K003, K015 a point that the part has not.
    pub fn read(
        &self,
        records: &mut Records<'_>,
        n: u64,
        n_points: u64,
        base: usize,
        cells: &mut Vec<CellBlock>,
    ) -> Result<()> {
        if n == 0 {
            return Ok(());
        }
        let (path, place) = (records.scanner.path(), records.scanner.place.clone());
        let point = |p: i64| match u64::try_from(p) {
            Ok(p) if (1..=n_points).contains(&p) => Ok((base as u64 + p - 1) as u32),
            _ => {
                let expected = format!("points from 1 to {n_points}");
                let mend = "elements name the points of their part, counted from 1";
                Err(Error::input("K015", path, &place, format!("point {p}"), expected, mend))
            }
        };
        if cells.last().is_none_or(|block| block.cell_type != self.cell_type) {
            cells.push(CellBlock::new(self.cell_type, Vec::new()));
        }
        let Some(block) = cells.last_mut() else { return Ok(()) };
        if self.cell_type == CellType::Polyhedron {
            return polyhedra(records, n, point, block);
        }
        let n_nodes = self.cell_type.n_nodes();
        let (mut sizes, mut n_all) = (Vec::new(), n.saturating_mul(n_nodes as u64));
        if n_nodes == 0 {
            sizes = records.counts(n)?;
            n_all = sum(&sizes);
        }
        records.check(n_all)?;
        let begin = block.connectivity.len();
        block.connectivity.reserve(n_all as usize);
        records.integers(n_all, |p| {
            block.connectivity.push(point(p)?);
            Ok(())
        })?;
        let mut end = begin;
        block.ends.extend(sizes.into_iter().map(|n| {
            end += n as usize;
            end
        }));
        if !self.order.is_empty() {
            let added = block.connectivity.get_mut(begin..).unwrap_or_default();
            for nodes in added.chunks_exact_mut(n_nodes) {
                let old = nodes.to_vec();
                nodes.iter_mut().zip(self.order).for_each(|(node, &i)| *node = old[i]);
            }
        }
        Ok(())
    }
}

fn sum(counts: &[u32]) -> u64 {
    counts.iter().map(|&n| u64::from(n)).sum()
}

/// Numbers of faces, then numbers of nodes of all faces, then all nodes: put into one stream for each cell.
fn polyhedra(
    records: &mut Records<'_>,
    n: u64,
    point: impl Fn(i64) -> Result<u32>,
    block: &mut CellBlock,
) -> Result<()> {
    let n_faces = records.counts(n)?;
    let n_nodes = records.counts(sum(&n_faces))?;
    let n_all = sum(&n_nodes);
    records.check(n_all)?;
    let stream = &mut block.connectivity;
    stream.reserve(n_faces.len() + n_nodes.len() + n_all as usize);
    let mut faces = n_nodes.into_iter();
    for n in n_faces {
        stream.push(n);
        for n in faces.by_ref().take(n as usize) {
            stream.push(n);
            records.integers(n.into(), |p| {
                stream.push(point(p)?);
                Ok(())
            })?;
        }
        block.ends.push(stream.len());
    }
    Ok(())
}

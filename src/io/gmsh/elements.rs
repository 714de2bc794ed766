//! Nodes and elements of gmsh under their tags, and the mesh that they make.
//!
//! Node orders: Gmsh Reference Manual, section "Node ordering"; VTK File Formats, figures of the linear and quadratic cells.

use crate::error::{Error, Result};
use crate::io::gmsh::cursor::Cursor;
use crate::io::mesh_file::damaged;
use crate::mesh::{CellBlock, CellType, Mesh};
use CellType::*;
use std::path::Path;

/// Numbers behind tags, which may be sparse and in any order.
#[derive(Debug, Clone)]
pub(crate) enum Tags {
    /// Counted on from the first, as most files have them.
    Counted { first: u64, n: usize },
    /// Tags with their numbers.
    Sorted(Vec<(u64, u32)>),
}

impl Tags {
    /// The tag of each number.
    pub fn new(tags: &[u64]) -> Self {
        let first = tags.first().copied().unwrap_or(0);
        if tags.iter().zip(0..).all(|(&tag, i)| first.checked_add(i) == Some(tag)) {
            return Tags::Counted { first, n: tags.len() };
        }
        let mut sorted: Vec<(u64, u32)> = tags.iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        Tags::Sorted(sorted)
    }

    pub fn find(&self, tag: u64) -> Option<u32> {
        match self {
            Tags::Counted { first, n } => {
                let number = tag.checked_sub(*first)?;
                (number < *n as u64).then_some(number as u32)
            }
            Tags::Sorted(sorted) => {
                let at = sorted.binary_search_by_key(&tag, |s| s.0).ok()?;
                sorted.get(at).map(|s| s.1)
            }
        }
    }

    /// A tag that two numbers have.
    pub fn twice(&self) -> Option<u64> {
        match self {
            Tags::Counted { .. } => None,
            Tags::Sorted(sorted) => sorted.windows(2).find(|w| w[0].0 == w[1].0).map(|w| w[0].0),
        }
    }
}

/// Number of an element type of gmsh, type, and for each node of VTK its place among those of gmsh (empty: the same order).
pub(crate) const ELEMENT_TYPES: [(i64, CellType, &[usize]); 17] = [
    (1, Line, &[]),
    (2, Triangle, &[]),
    (3, Quad, &[]),
    (4, Tetra, &[]),
    (5, Hexahedron, &[]),
    (6, Wedge, &[]),
    (7, Pyramid, &[]),
    (8, Line3, &[]),
    (9, Triangle6, &[]),
    (10, Quad9, &[]),
    (11, Tetra10, &[0, 1, 2, 3, 4, 5, 6, 7, 9, 8]),
    (
        12,
        Hexahedron27,
        &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 9, 16, 18, 19, 17, 10, 12, 14, 15, 22, 23, 21, 24, 20, 25, 26],
    ),
    (15, Vertex, &[]),
    (16, Quad8, &[]),
    (17, Hexahedron20, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 9, 16, 18, 19, 17, 10, 12, 14, 15]),
    (18, Wedge15, &[0, 1, 2, 3, 4, 5, 6, 9, 7, 12, 14, 13, 8, 10, 11]),
    (19, Pyramid13, &[0, 1, 2, 3, 4, 5, 8, 10, 6, 7, 9, 11, 12]),
];

/// The type of an element and its order of nodes. Errors: K018 for one that is not read.
pub(crate) fn element_type(c: &Cursor<'_>, number: i64) -> Result<(CellType, &'static [usize])> {
    let row = ELEMENT_TYPES.iter().find(|row| row.0 == number);
    row.map(|row| (row.1, row.2)).ok_or_else(|| {
        let mend = "mesh with order 1 or 2, for wedges and pyramids with Mesh.SecondOrderIncomplete = 1";
        let expected = "elements of order 1 or 2: types 1 to 12 and 15 to 19";
        Error::input("K018", c.path, c.place(), format!("element type {number}"), expected, mend)
    })
}

/// Nodes in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    pub tags: Vec<u64>,
    /// [n_nodes, 3].
    pub points: Vec<f64>,
}

/// Elements of one type in the order of the file.
#[derive(Debug)]
struct Group {
    cell_type: CellType,
    nodes: Vec<u32>,
    tags: Vec<u64>,
    physical: Vec<i32>,
    geometrical: Vec<i32>,
}

impl Group {
    fn new(cell_type: CellType) -> Self {
        Group { cell_type, nodes: Vec::new(), tags: Vec::new(), physical: Vec::new(), geometrical: Vec::new() }
    }
}

/// Elements by type, in the order in which the types come first.
#[derive(Debug)]
pub(crate) struct Elements {
    nodes: Tags,
    groups: Vec<Group>,
    row: Vec<u32>,
}

impl Elements {
    /// Errors: K003 where two nodes have one tag, or there are more than numbers of 32 bits.
    pub fn new(path: &Path, nodes: &Nodes) -> Result<Self> {
        if nodes.tags.len() > u32::MAX as usize {
            return Err(damaged(path, "$Nodes", format!("{} nodes", nodes.tags.len()), "fewer than 2^32 nodes"));
        }
        let tags = Tags::new(&nodes.tags);
        if let Some(tag) = tags.twice() {
            return Err(damaged(path, "$Nodes", format!("two nodes with the tag {tag}"), "a tag for each node"));
        }
        Ok(Elements { nodes: tags, groups: Vec::new(), row: Vec::new() })
    }

    /// An element whose nodes are next; `tag` reads one of them. Errors: K003, K015 for a node that is not there, K018.
    pub fn push<'a>(
        &mut self,
        c: &mut Cursor<'a>,
        number: i64,
        tag: u64,
        entity: (i32, i32),
        node: impl Fn(&mut Cursor<'a>) -> Result<u64>,
    ) -> Result<()> {
        let (cell_type, order) = element_type(c, number)?;
        self.row.clear();
        for _ in 0..cell_type.n_nodes() {
            let found = node(c)?;
            let Some(number) = self.nodes.find(found) else {
                let expected = "tags of nodes that the file holds";
                let mend = "write the file again with all nodes";
                return Err(Error::input(
                    "K015",
                    c.path,
                    format!("element {tag}"),
                    format!("node {found}"),
                    expected,
                    mend,
                ));
            };
            self.row.push(number);
        }
        let at = match self.groups.iter().position(|g| g.cell_type == cell_type) {
            Some(at) => at,
            None => {
                self.groups.push(Group::new(cell_type));
                self.groups.len() - 1
            }
        };
        let Some(group) = self.groups.get_mut(at) else { return Ok(()) };
        let row = &self.row;
        match order {
            [] => group.nodes.extend(row),
            order => group.nodes.extend(order.iter().filter_map(|&i| row.get(i))),
        }
        group.tags.push(tag);
        group.physical.push(entity.0);
        group.geometrical.push(entity.1);
        Ok(())
    }

    /// Keeps the first of the elements that have the same nodes: files of version 2 write an element once for each of its
    /// physical groups, under other tags and perhaps turned round.
    pub fn drop_copies(&mut self) {
        for group in &mut self.groups {
            let n = group.cell_type.n_nodes();
            if group.physical.windows(2).all(|w| w[0] == w[1]) {
                continue;
            }
            let sorted = |i: u32| {
                let mut nodes = group.nodes.get(i as usize * n..(i as usize + 1) * n).unwrap_or_default().to_vec();
                nodes.sort_unstable();
                nodes
            };
            let hash = |i: u32| {
                sorted(i)
                    .iter()
                    .fold(0u64, |h, &p| (h ^ u64::from(p)).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29))
            };
            let mut order: Vec<(u64, u32)> = (0..group.tags.len() as u32).map(|i| (hash(i), i)).collect();
            order.sort_unstable();
            let mut keep = vec![true; order.len()];
            for same in order.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
                let mut seen: Vec<Vec<u32>> = Vec::new();
                for &(_, i) in same {
                    let nodes = sorted(i);
                    match seen.contains(&nodes) {
                        true => keep[i as usize] = false,
                        false => seen.push(nodes),
                    }
                }
            }
            if keep.iter().all(|&k| k) {
                continue;
            }
            let kept = |i: usize| keep.get(i).copied().unwrap_or(false);
            let mut at = 0..;
            group.nodes.retain(|_| at.next().is_some_and(|i: usize| kept(i / n)));
            group.tags = filtered(&group.tags, kept);
            group.physical = filtered(&group.physical, kept);
            group.geometrical = filtered(&group.geometrical, kept);
        }
    }
}

fn filtered<T: Copy>(values: &[T], keep: impl Fn(usize) -> bool) -> Vec<T> {
    values.iter().enumerate().filter(|(i, _)| keep(*i)).map(|(_, v)| *v).collect()
}

/// The mesh of a file with the tags of its points and cells, and the groups of its cells.
#[derive(Debug)]
pub(crate) struct Topology {
    pub mesh: Mesh,
    pub point_tags: Vec<u64>,
    /// Nodes of no element, which are left out.
    pub n_lone: usize,
    pub cell_tags: Vec<u64>,
    pub physical: Vec<i32>,
    pub geometrical: Vec<i32>,
}

impl Topology {
    /// Without the nodes of no element, where there are elements. Errors: K004 for a point that is not finite.
    pub fn new(path: &Path, nodes: Nodes, elements: Elements) -> Result<Self> {
        let Nodes { mut tags, mut points } = nodes;
        let mut groups = elements.groups;
        drop(elements.nodes);
        let mut used = vec![groups.is_empty(); tags.len()];
        for &p in groups.iter().flat_map(|g| &g.nodes) {
            if let Some(used) = used.get_mut(p as usize) {
                *used = true;
            }
        }
        let n_lone = used.iter().filter(|u| !**u).count();
        if n_lone > 0 {
            let mut next = 0u32;
            let number = |u: &bool| {
                next += u32::from(*u);
                next.saturating_sub(1)
            };
            let numbers: Vec<u32> = used.iter().map(number).collect();
            for p in groups.iter_mut().flat_map(|g| &mut g.nodes) {
                *p = numbers.get(*p as usize).copied().unwrap_or_default();
            }
            let is_used = |i: usize| used.get(i).copied().unwrap_or(false);
            tags = filtered(&tags, is_used);
            let mut at = 0..;
            points.retain(|_| at.next().is_some_and(|i: usize| is_used(i / 3)));
        }
        if let Some(i) = points.iter().position(|x| !x.is_finite()) {
            let place = format!("node {}", tags.get(i / 3).copied().unwrap_or_default());
            let found = points.get(i).copied().unwrap_or(f64::NAN).to_string();
            return Err(Error::input("K004", path, place, found, "finite coordinates", "mend the node"));
        }
        let mut topology = Topology {
            mesh: Mesh { dim: 3, points, cells: Vec::with_capacity(groups.len()) },
            point_tags: tags,
            n_lone,
            cell_tags: Vec::new(),
            physical: Vec::new(),
            geometrical: Vec::new(),
        };
        for group in groups {
            topology.mesh.cells.push(CellBlock::new(group.cell_type, group.nodes));
            topology.cell_tags.extend(group.tags);
            topology.physical.extend(group.physical);
            topology.geometrical.extend(group.geometrical);
        }
        Ok(topology)
    }

    /// Tags of the cells of the highest dimension.
    pub fn top_tags(&self) -> Vec<u64> {
        let mut first = 0;
        let mut tags = Vec::with_capacity(self.mesh.n_top_cells());
        for block in &self.mesh.cells {
            let range = first..first + block.n_cells();
            first = range.end;
            if self.mesh.is_top(block) {
                tags.extend(self.cell_tags.get(range).unwrap_or_default());
            }
        }
        tags
    }
}

//! Entities, nodes and elements of .msh files of versions 4.0 (text) and 4.1.
//!
//! Gmsh Reference Manual, section "MSH file format"; 4.0 as in that of gmsh 4.0.

use crate::error::Result;
use crate::io::gmsh::cursor::Cursor;
use crate::io::gmsh::elements::{Elements, Nodes};
use std::collections::HashMap;

/// First physical group of each entity, by its dimension and tag.
pub(crate) type Groups = HashMap<(i64, i64), i32>;

/// Section $Entities. Errors: K003.
pub(crate) fn entities(c: &mut Cursor<'_>, old: bool) -> Result<Groups> {
    let mut groups = Groups::new();
    let counts = [c.size()?, c.size()?, c.size()?, c.size()?];
    for (dimension, n) in (0..).zip(counts) {
        // A point has its place, all else a box around it; so have the points of version 4.0.
        let n_reals = if dimension == 0 && !old { 3 } else { 6 };
        let n_lists = if dimension == 0 { 1 } else { 2 };
        for _ in 0..c.room(n, 1, n_lists, n_reals)? {
            let tag = c.int()?;
            for _ in 0..n_reals {
                c.real()?;
            }
            for list in 0..n_lists {
                let n = c.size()?;
                for i in 0..c.room(n, 1, 0, 0)? {
                    let value = c.int()?;
                    if list == 0 && i == 0 {
                        let group =
                            i32::try_from(value).map_err(|_| c.damaged(value.to_string(), "a tag of 32 bits"))?;
                        // A minus sign says that the group is turned round.
                        groups.insert((dimension, tag), group.saturating_abs());
                    }
                }
            }
        }
    }
    Ok(groups)
}

/// Section $Nodes. Errors: K003.
pub(crate) fn nodes(c: &mut Cursor<'_>, old: bool) -> Result<Nodes> {
    let (n_blocks, n_nodes) = (c.size()?, c.size()?);
    if !old {
        // Least and largest tag.
        c.size()?;
        c.size()?;
    }
    let n_blocks = c.room(n_blocks, 3, 1, 0)?;
    let n_nodes = c.room(n_nodes, 0, 1, 3)?;
    let mut nodes = Nodes { tags: Vec::with_capacity(n_nodes), points: Vec::with_capacity(3 * n_nodes) };
    for _ in 0..n_blocks {
        let (a, b, parametric) = (c.int()?, c.int()?, c.int()?);
        let dimension = if old { b } else { a };
        if !(0..=3).contains(&dimension) || !(0..=1).contains(&parametric) {
            let found = format!("dimension {dimension}, parametric {parametric}");
            return Err(c.damaged(found, "a dimension of 0 to 3, parametric 0 or 1"));
        }
        let n_parameters = if parametric == 1 { dimension as usize } else { 0 };
        let n = c.size()?;
        let n = c.room(n, 0, 1, 3 + n_parameters)?;
        if nodes.tags.len() + n > n_nodes {
            return Err(c.damaged(format!("{} nodes", nodes.tags.len() + n), format!("{n_nodes} nodes")));
        }
        if !old {
            for _ in 0..n {
                nodes.tags.push(c.size()?);
            }
        }
        for _ in 0..n {
            if old {
                nodes.tags.push(c.size()?);
            }
            for _ in 0..3 {
                nodes.points.push(c.real()?);
            }
            for _ in 0..n_parameters {
                c.real()?;
            }
        }
    }
    match nodes.tags.len() == n_nodes {
        true => Ok(nodes),
        false => Err(c.damaged(format!("{} nodes in the blocks", nodes.tags.len()), format!("{n_nodes} nodes"))),
    }
}

/// Section $Elements. Errors: K003, K015, K018.
pub(crate) fn elements(c: &mut Cursor<'_>, old: bool, groups: &Groups, elements: &mut Elements) -> Result<()> {
    let (n_blocks, n_elements) = (c.size()?, c.size()?);
    if !old {
        c.size()?;
        c.size()?;
    }
    let n_blocks = c.room(n_blocks, 3, 1, 0)?;
    let n_elements = c.room(n_elements, 0, 2, 0)?;
    let mut n_read = 0;
    for _ in 0..n_blocks {
        let (a, b, number) = (c.int()?, c.int()?, c.int()?);
        let (dimension, entity) = if old { (b, a) } else { (a, b) };
        let physical = groups.get(&(dimension, entity)).copied().unwrap_or(0);
        let entity = i32::try_from(entity).map_err(|_| c.damaged(entity.to_string(), "a tag of 32 bits"))?;
        let n = c.size()?;
        let n = c.room(n, 0, 2, 0)?;
        n_read += n;
        if n_read > n_elements {
            return Err(c.damaged(format!("{n_read} elements"), format!("{n_elements} elements")));
        }
        for _ in 0..n {
            let tag = c.size()?;
            elements.push(c, number, tag, (physical, entity), Cursor::size)?;
        }
    }
    match n_read == n_elements {
        true => Ok(()),
        false => Err(c.damaged(format!("{n_read} elements in the blocks"), format!("{n_elements} elements"))),
    }
}

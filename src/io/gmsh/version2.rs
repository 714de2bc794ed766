//! Nodes and elements of .msh files of version 2.
//!
//! Gmsh Reference Manual, section "MSH file format version 2 (Legacy)".

use crate::error::Result;
use crate::io::gmsh::cursor::{Cursor, Encoding};
use crate::io::gmsh::elements::{Elements, Nodes};

/// Section $Nodes. Errors: K003.
pub(crate) fn nodes(c: &mut Cursor<'_>) -> Result<Nodes> {
    let n = c.text_count()?;
    let n = c.room(n, 1, 0, 3)?;
    let mut nodes = Nodes { tags: Vec::with_capacity(n), points: Vec::with_capacity(3 * n) };
    for _ in 0..n {
        nodes.tags.push(c.tag()?);
        for _ in 0..3 {
            nodes.points.push(c.real()?);
        }
    }
    Ok(nodes)
}

/// Section $Elements: the tags of an element are its physical group, its entity, and its partitions. Errors: K003, K015, K018.
pub(crate) fn elements(c: &mut Cursor<'_>, elements: &mut Elements) -> Result<()> {
    let n = c.text_count()?;
    let n = c.room(n, 2, 0, 0)?;
    let mut n_read = 0;
    while n_read < n {
        // Binary files write the type once for elements that follow each other.
        let (number, n_follow, n_tags, first) = match c.encoding {
            Encoding::Text => {
                let first = c.tag()?;
                (c.int()?, 1, c.tag()?, Some(first))
            }
            Encoding::Binary { .. } => (c.int()?, c.tag()?, c.tag()?, None),
        };
        let n_follow = c.room(n_follow, 1, 0, 0)?;
        if n_follow > n - n_read {
            return Err(c.damaged(format!("{} elements", n_read + n_follow), format!("{n} elements")));
        }
        let n_tags = c.room(n_tags, 1, 0, 0)?;
        for _ in 0..n_follow {
            let tag = first.map_or_else(|| c.tag(), Ok)?;
            let mut entity = [0; 2];
            for i in 0..n_tags {
                let value = c.int()?;
                if let Some(entity) = entity.get_mut(i) {
                    *entity = i32::try_from(value).map_err(|_| c.damaged(value.to_string(), "a tag of 32 bits"))?;
                }
            }
            // A minus sign says that the group is turned round.
            elements.push(c, number, tag, (entity[0].saturating_abs(), entity[1]), Cursor::tag)?;
        }
        n_read += n_follow;
    }
    elements.drop_copies();
    Ok(())
}

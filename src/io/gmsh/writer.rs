//! Meshes and series of views for gmsh (.msh, version 2.2, binary).
//!
//! Gmsh Reference Manual, section "MSH file format version 2 (Legacy)".

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::gmsh::elements::ELEMENT_TYPES;
use crate::io::gmsh::sections::{GEOMETRICAL, PHYSICAL, data_section};
use crate::io::mesh_file::{MeshArray, TagName, carrier, check_length, restricted};
use crate::mesh::{CellBlock, Mesh};
use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A .msh file under construction; dropping it without [`finish`](MshWriter::finish) leaves nothing.
///
/// One mesh, and a view for each array with a step for each state. Points are padded with zeros to three coordinates, and vectors of two
/// components likewise, which gmsh needs; values are in double precision. The integer arrays `gmsh:physical` and `gmsh:geometrical`
/// are the groups and entities of the elements, as the reader here names them. Arrays that belong to no entity are left out: the
/// format has no place for them.
#[derive(Debug)]
pub struct MshWriter {
    file: AtomicFile,
    mesh: Mesh,
    n_states: usize,
}

impl MshWriter {
    /// Begins a file with the mesh that carries `arrays`, those of its first state; `names` of groups in `gmsh:physical`.
    ///
    /// Errors: K009 for polygons and polyhedra, and beyond 2^31 points or cells; K015 for a mesh with numbers out of range; K100 where
    /// lengths do not fit; K001 where the folder is missing, K103.
    pub fn create(path: &Path, mesh: &Mesh, arrays: &[MeshArray<'_>], names: &[TagName]) -> Result<MshWriter> {
        mesh.check_structure(path)?;
        arrays.iter().try_for_each(|a| check_length(mesh, a))?;
        let refuse = |found: String, expected: &str| {
            Err(Error::input("K009", path, "cells", found, expected, "write a .vtu file, which holds them"))
        };
        if let Some(block) = mesh.cells.iter().find(|b| element_type(b).is_none()) {
            return refuse(format!("cells of type {}", block.cell_type.name()), "cells that gmsh knows");
        }
        if mesh.n_points().max(mesh.n_cells()) > i32::MAX as usize {
            return refuse(format!("{} points, {} cells", mesh.n_points(), mesh.n_cells()), "below 2^31 of them");
        }
        let carrier = carrier(mesh, arrays);
        let group = |name: &str| {
            let found = arrays.iter().find(|a| a.name == name && a.location == Location::Cell && a.n_components == 1);
            found.map(|a| restricted(mesh, &carrier, a))
        };
        let file = AtomicFile::create(path)?;
        let groups = Groups { names, physical: group(PHYSICAL), entity: group(GEOMETRICAL) };
        let written = to(&file, |out| write_mesh(out, &carrier, &groups));
        written.map_err(|e| write_error(path, e))?;
        Ok(MshWriter { file, mesh: carrier.into_owned(), n_states: 0 })
    }

    /// Writes the next state; its time, where it has none its number. Errors: K009 for another mesh than the first, K100, K103.
    pub fn append(&mut self, time: Option<f64>, mesh: &Mesh, arrays: &[MeshArray<'_>]) -> Result<()> {
        arrays.iter().try_for_each(|a| check_length(mesh, a))?;
        let path = self.file.target();
        if *carrier(mesh, arrays) != self.mesh {
            let (found, mend) = (format!("another mesh in state {}", self.n_states), "choose a .pvd file or a folder");
            return Err(Error::input("K009", path, "", found, "one mesh in a .msh file", mend));
        }
        let step = self.n_states;
        let time = time.unwrap_or(step as f64);
        let is_view = |a: &&MeshArray<'_>| a.location != Location::Free && ![PHYSICAL, GEOMETRICAL].contains(&a.name);
        let mut views = arrays.iter().filter(is_view);
        let view =
            |out: &mut dyn Write, a: &MeshArray<'_>| write_view(out, a, &restricted(mesh, &self.mesh, a), step, time);
        let written = to(&self.file, |out| views.try_for_each(|a| view(out, a)));
        written.map_err(|e| write_error(path, e))?;
        self.n_states += 1;
        Ok(())
    }

    /// Gives the file its name. Errors: K103.
    pub fn finish(self) -> Result<()> {
        self.file.commit()
    }
}

fn to(file: &AtomicFile, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 18, file.file());
    write(&mut out)?;
    out.flush()
}

/// The number of the type in gmsh, and for each node of VTK its place among those of gmsh.
fn element_type(block: &CellBlock) -> Option<(i64, &'static [usize])> {
    ELEMENT_TYPES.iter().find(|row| row.1 == block.cell_type).map(|row| (row.0, row.2))
}

/// Physical groups and entities of the cells, and the names of the groups.
struct Groups<'a> {
    names: &'a [TagName],
    physical: Option<Cow<'a, [f64]>>,
    entity: Option<Cow<'a, [f64]>>,
}

fn write_names(out: &mut dyn Write, names: &[TagName]) -> io::Result<()> {
    let names: Vec<&TagName> = names.iter().filter(|name| name.array == PHYSICAL).collect();
    if names.is_empty() {
        return Ok(());
    }
    write!(out, "$PhysicalNames\n{}\n", names.len())?;
    for TagName { name, dimension, tag, .. } in names {
        writeln!(out, "{dimension} {tag} \"{}\"", plain(name))?;
    }
    writeln!(out, "$EndPhysicalNames")
}

/// A name in quotes on one line.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_control() || c == '"' { ' ' } else { c }).collect()
}

fn write_mesh(out: &mut dyn Write, mesh: &Mesh, groups: &Groups<'_>) -> io::Result<()> {
    let Groups { names, physical, entity } = groups;
    let (physical, entity) = (physical.as_deref(), entity.as_deref());
    out.write_all(b"$MeshFormat\n2.2 1 8\n")?;
    int(out, 1)?;
    let n_points = mesh.n_points();
    writeln!(out, "\n$EndMeshFormat")?;
    write_names(out, names)?;
    write!(out, "$Nodes\n{n_points}\n")?;
    for i in 0..n_points {
        int(out, i as i32 + 1)?;
        mesh.point(i).iter().try_for_each(|x| out.write_all(&x.to_le_bytes()))?;
    }
    write!(out, "\n$EndNodes\n$Elements\n{}\n", mesh.n_cells())?;
    let group =
        |values: Option<&[f64]>, c: usize, other: i32| values.and_then(|v| v.get(c)).map_or(other, |&v| v as i32);
    let mut c = 0;
    for block in mesh.cells.iter().filter(|b| b.n_cells() > 0) {
        let Some((number, order)) = element_type(block) else { continue };
        // Type, elements that follow, groups of each.
        [number as i32, block.n_cells() as i32, 2].into_iter().try_for_each(|n| int(out, n))?;
        let mut row = vec![0; block.cell_type.n_nodes()];
        for cell in block.iter() {
            // Elements of an entity need one: 1 where nothing is told.
            [c as i32 + 1, group(physical, c, 0), group(entity, c, 1)].into_iter().try_for_each(|n| int(out, n))?;
            for (i, &p) in cell.iter().enumerate() {
                let place = order.get(i).copied().unwrap_or(i);
                if let Some(to) = row.get_mut(place) {
                    *to = p as i32 + 1;
                }
            }
            row.iter().try_for_each(|&p| int(out, p))?;
            c += 1;
        }
    }
    out.write_all(b"\n$EndElements\n")
}

fn write_view(out: &mut dyn Write, a: &MeshArray<'_>, values: &[f64], step: usize, time: f64) -> io::Result<()> {
    let section = data_section(a.location);
    let stored = if a.n_components == 2 { 3 } else { a.n_components };
    let name = plain(a.name);
    let n = values.len() / a.n_components.max(1);
    write!(out, "${section}\n1\n\"{name}\"\n1\n{time:?}\n3\n{step}\n{stored}\n{n}\n")?;
    for (i, row) in values.chunks_exact(a.n_components.max(1)).enumerate() {
        int(out, i as i32 + 1)?;
        let padding = std::iter::repeat_n(&0.0, stored - a.n_components);
        row.iter().chain(padding).try_for_each(|v| out.write_all(&v.to_le_bytes()))?;
    }
    write!(out, "\n$End{section}\n")
}

fn int(out: &mut dyn Write, n: i32) -> io::Result<()> {
    out.write_all(&n.to_le_bytes())
}

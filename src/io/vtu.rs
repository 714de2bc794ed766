//! VTK XML unstructured grids (.vtu), written with raw appended data.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::mesh::Mesh;
use std::fs::Permissions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An array on points or cells: `values` holds n_entities n_components numbers, components of an entity side by side.
#[derive(Debug, Clone, Copy)]
pub struct VtuArray<'a> {
    pub name: &'a str,
    pub location: Location,
    pub n_components: usize,
    pub values: &'a [f64],
}

/// Writes `path` so that it is at any moment either the old file or the whole new one: under the temporary name `.NAME.XXXXXX.tmp` in
/// the same folder, flushed to the disk, renamed.
///
/// `write` gets a buffered writer. Error: K103 with the reason of the operating system; the temporary file is removed.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let refuse = |reason: io::Error| Error::Write { file: path.to_path_buf(), reason: reason.to_string() };
    let Some(name) = path.file_name() else {
        return Err(refuse(io::Error::other("not the name of a file")));
    };
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(&format!(".{}.", name.to_string_lossy()))
        .suffix(".tmp")
        // Rights as of any new file: the system takes the user's mask away.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        .map_err(refuse)?;
    let mut buffer = BufWriter::with_capacity(1 << 18, file.as_file_mut());
    write(&mut buffer).and_then(|()| buffer.flush()).map_err(refuse)?;
    drop(buffer);
    file.as_file().sync_all().map_err(refuse)?;
    file.persist(path).map_err(|e| refuse(e.error))?;
    Ok(())
}

/// Writes a mesh with arrays on points and cells, and field data (arrays that belong to no entity), for ParaView, meshio and whatever
/// reads VTK XML.
///
/// Points and vectors of two components are padded with a zero to three; an array whose location is free is written as field data.
/// Values are float64, raw appended, little endian, with headers of 64 bits, not compressed.
///
/// Errors: K015 for a mesh with numbers out of range, K100 where lengths do not fit, K103 where the file cannot be written (an old
/// file is untouched). Not collective.
pub fn write_vtu(path: &Path, mesh: &Mesh, arrays: &[VtuArray<'_>], field_data: &[(String, Vec<f64>)]) -> Result<()> {
    mesh.check_structure(path)?;
    for a in arrays {
        let n_entities = n_entities(mesh, a);
        if a.n_components == 0 || a.values.len() != n_entities * a.n_components {
            let expected = format!("{n_entities} x {} on a {}", a.n_components, a.location.name());
            return Err(Error::argument(format!("array `{}` of a VTU file", a.name), a.values.len(), expected));
        }
    }
    let mut file = Document::default();
    let (n_points, n_cells) = (mesh.n_points(), mesh.n_cells());
    file.text("<?xml version=\"1.0\"?>\n");
    file.text(
        "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n",
    );
    file.text("<UnstructuredGrid>\n<FieldData>\n");
    for (name, values) in field_data {
        file.free(name, 1, values);
    }
    for a in arrays.iter().filter(|a| a.location == Location::Free) {
        file.free(a.name, a.n_components, a.values);
    }
    file.text("</FieldData>\n");
    file.text(&format!("<Piece NumberOfPoints=\"{n_points}\" NumberOfCells=\"{n_cells}\">\n<Points>\n"));
    file.rows("Points", mesh.dim, 3, &mesh.points);
    file.text("</Points>\n<Cells>\n");
    file.declare(
        "Int64",
        "connectivity",
        "",
        8 * mesh.cells.iter().map(|b| b.connectivity.len()).sum::<usize>(),
        Block::Connectivity,
    );
    file.declare("Int64", "offsets", "", 8 * n_cells, Block::Offsets);
    file.declare("UInt8", "types", "", n_cells, Block::Types);
    file.text("</Cells>\n");
    for (location, tag) in [(Location::Point, "PointData"), (Location::Cell, "CellData")] {
        file.text(&format!("<{tag}>\n"));
        for a in arrays.iter().filter(|a| a.location == location) {
            file.rows(a.name, a.n_components, if a.n_components == 2 { 3 } else { a.n_components }, a.values);
        }
        file.text(&format!("</{tag}>\n"));
    }
    file.text("</Piece>\n</UnstructuredGrid>\n<AppendedData encoding=\"raw\">\n_");
    write_atomically(path, |w| file.write(w, mesh))
}

fn n_entities(mesh: &Mesh, a: &VtuArray<'_>) -> usize {
    match a.location {
        Location::Point => mesh.n_points(),
        Location::Cell => mesh.n_cells(),
        Location::Free => a.values.len() / a.n_components.max(1),
    }
}

/// What an appended block holds.
enum Block<'a> {
    /// Rows of `from` numbers, padded with zeros to `to`.
    Rows {
        values: &'a [f64],
        from: usize,
        to: usize,
    },
    Connectivity,
    Offsets,
    Types,
}

/// The text that comes first, and the blocks that it declares, each with its size in bytes.
#[derive(Default)]
struct Document<'a> {
    head: String,
    blocks: Vec<(usize, Block<'a>)>,
    offset: usize,
}

impl<'a> Document<'a> {
    fn text(&mut self, text: &str) {
        self.head.push_str(text);
    }

    fn declare(&mut self, kind: &str, name: &str, extra: &str, n_bytes: usize, block: Block<'a>) {
        let (name, offset) = (escape(name), self.offset);
        self.text(&format!(
            "<DataArray type=\"{kind}\" Name=\"{name}\"{extra} format=\"appended\" offset=\"{offset}\"/>\n"
        ));
        self.blocks.push((n_bytes, block));
        self.offset += 8 + n_bytes;
    }

    fn rows(&mut self, name: &str, from: usize, to: usize, values: &'a [f64]) {
        let n_bytes = 8 * (values.len() / from) * to;
        self.declare(
            "Float64",
            name,
            &format!(" NumberOfComponents=\"{to}\""),
            n_bytes,
            Block::Rows { values, from, to },
        );
    }

    fn free(&mut self, name: &str, n: usize, values: &'a [f64]) {
        let extra = format!(" NumberOfComponents=\"{n}\" NumberOfTuples=\"{}\"", values.len() / n);
        self.declare("Float64", name, &extra, 8 * values.len(), Block::Rows { values, from: n, to: n });
    }

    fn write(&self, w: &mut dyn Write, mesh: &Mesh) -> io::Result<()> {
        w.write_all(self.head.as_bytes())?;
        for (n_bytes, block) in &self.blocks {
            w.write_all(&(*n_bytes as u64).to_le_bytes())?;
            match *block {
                Block::Rows { values, from, to } => {
                    for row in values.chunks_exact(from) {
                        row.iter().try_for_each(|v| w.write_all(&v.to_le_bytes()))?;
                        (from..to).try_for_each(|_| w.write_all(&0f64.to_le_bytes()))?;
                    }
                }
                Block::Connectivity => {
                    for p in mesh.cells.iter().flat_map(|b| &b.connectivity) {
                        w.write_all(&i64::from(*p).to_le_bytes())?;
                    }
                }
                Block::Offsets => {
                    let mut end = 0i64;
                    for b in &mesh.cells {
                        for _ in 0..b.n_cells() {
                            end += b.cell_type.n_nodes() as i64;
                            w.write_all(&end.to_le_bytes())?;
                        }
                    }
                }
                Block::Types => {
                    for b in &mesh.cells {
                        w.write_all(&vec![b.cell_type.vtk_code(); b.n_cells()])?;
                    }
                }
            }
        }
        w.write_all(b"\n</AppendedData>\n</VTKFile>\n")
    }
}

/// Text as an attribute of XML; control characters, which XML cannot hold, become spaces.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

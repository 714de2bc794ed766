//! VTK XML unstructured grids (.vtu): field data as text, all else as raw appended data.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::mesh::Mesh;
use std::borrow::Cow;
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
/// Where an array on cells covers those of the highest dimension only, the file holds these cells only. Values are float64, raw
/// appended, little endian, with headers of 64 bits, not compressed; field data are text of 17 digits.
///
/// Errors: K015 for a mesh with numbers out of range, K100 where lengths do not fit, K103 where the file cannot be written (an old
/// file is untouched). Not collective.
pub fn write_vtu(path: &Path, mesh: &Mesh, arrays: &[VtuArray<'_>], field_data: &[(String, Vec<f64>)]) -> Result<()> {
    mesh.check_structure(path)?;
    arrays.iter().try_for_each(|a| check_length(mesh, a))?;
    let on_cells = arrays.iter().filter(|a| a.location == Location::Cell);
    let n_cells = on_cells.map(|a| a.values.len() / a.n_components).min();
    let carrier = n_cells.and_then(|n| mesh.with_cells(n)).unwrap_or(Cow::Borrowed(mesh));
    let values: Vec<Cow<'_, [f64]>> = arrays.iter().map(|a| restricted(mesh, &carrier, a)).collect();
    let arrays: Vec<VtuArray<'_>> = arrays.iter().zip(&values).map(|(a, values)| VtuArray { values, ..*a }).collect();
    let mesh: &Mesh = &carrier;
    let mut file = Document::default();
    let (n_points, n_cells) = (mesh.n_points(), mesh.n_cells());
    file.text("<?xml version=\"1.0\"?>\n");
    file.text(
        "<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n",
    );
    file.text("<UnstructuredGrid>\n<FieldData>\n");
    for (name, values) in field_data {
        file.field_data(name, 1, values);
    }
    for a in arrays.iter().filter(|a| a.location == Location::Free) {
        file.field_data(a.name, a.n_components, a.values);
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

fn check_length(mesh: &Mesh, a: &VtuArray<'_>) -> Result<()> {
    let k = a.n_components;
    let whole = k > 0 && a.values.len().is_multiple_of(k);
    let n = a.values.len() / k.max(1);
    let (fits, expected) = match a.location {
        Location::Point => (n == mesh.n_points(), format!("{} x {k} on points", mesh.n_points())),
        Location::Cell => {
            (n == mesh.n_cells() || n == mesh.n_top_cells(), format!("{} x {k} on cells", mesh.n_cells()))
        }
        Location::Free => (true, format!("rows of {k}")),
    };
    if whole && fits {
        return Ok(());
    }
    Err(Error::argument(format!("array `{}` of a VTU file", a.name), a.values.len(), expected))
}

/// The values of an array on the cells of `carrier`, which are all cells of `mesh` or those of the highest dimension.
fn restricted<'a>(mesh: &Mesh, carrier: &Mesh, a: &VtuArray<'a>) -> Cow<'a, [f64]> {
    let k = a.n_components;
    if a.location != Location::Cell || a.values.len() == carrier.n_cells() * k {
        return Cow::Borrowed(a.values);
    }
    let (mut kept, mut rest) = (Vec::new(), a.values);
    for block in &mesh.cells {
        let (own, tail) = rest.split_at(block.n_cells() * k);
        if mesh.is_top(block) {
            kept.extend(own);
        }
        rest = tail;
    }
    Cow::Owned(kept)
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
        self.declare("Float64", name, &components(to), n_bytes, Block::Rows { values, from, to });
    }

    /// Text, for readers that count the offsets of appended data from the points (meshio).
    fn field_data(&mut self, name: &str, n: usize, values: &[f64]) {
        let (name, components) = (escape(name), components(n));
        let text: Vec<String> = values.iter().map(|v| format!("{v:.16e}")).collect();
        self.text(&format!(
            "<DataArray type=\"Float64\" Name=\"{name}\"{components} NumberOfTuples=\"{}\" format=\"ascii\">\n{}\n</DataArray>\n",
            values.len() / n,
            text.join(" ")
        ));
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

/// One component is what readers assume: meshio makes two axes of an array that says so.
fn components(n: usize) -> String {
    if n == 1 { String::new() } else { format!(" NumberOfComponents=\"{n}\"") }
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

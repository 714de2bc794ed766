//! VTK XML unstructured grids (.vtu): field data as text, all else as raw appended data in blocks of zlib.

use crate::data::Location;
use crate::error::Result;
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::mesh_file::{MeshArray, Number, carrier, check_length, restricted};
use crate::mesh::{CellType, Mesh};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use rayon::prelude::*;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Bytes that are compressed together, as many as VTK takes; more did not pay.
const BLOCK: usize = 1 << 15;
/// The fastest: higher levels take twice the time for a tenth of the bytes of a field.
const LEVEL: Compression = Compression::new(1);

/// Writes a mesh with arrays on points and cells, and field data (arrays that belong to no entity), for ParaView, meshio and whatever
/// reads VTK XML.
///
/// Points and vectors of one or two components are padded with zeros to three, which an attribute `OriginalComponents` tells; an
/// array whose location is free is written as field data. Where an array on cells covers those of the highest dimension only, the
/// file holds these cells only. Values are raw appended, little endian, in blocks compressed with zlib, headers of 64 bits; field
/// data are text of 17 digits. The bytes do not depend on the number of threads.
///
/// Errors: K015 for a mesh with numbers out of range, K100 where lengths do not fit or an integer array has fractions, K001 where
/// the folder is missing, K103 where the file cannot be written (an old file is untouched). Cost: holds the compressed file. Not
/// collective.
pub fn write_vtu(path: &Path, mesh: &Mesh, arrays: &[MeshArray<'_>], field_data: &[(String, Vec<f64>)]) -> Result<()> {
    mesh.check_structure(path)?;
    arrays.iter().try_for_each(|a| check_length(mesh, a))?;
    let carrier = carrier(mesh, arrays);
    let mut file = Document::default();
    file.text(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"UnstructuredGrid\" version=\"1.0\" byte_order=\"LittleEndian\"",
    );
    file.text(" header_type=\"UInt64\" compressor=\"vtkZLibDataCompressor\">\n<UnstructuredGrid>\n<FieldData>\n");
    for (name, values) in field_data {
        file.field_data(name, 1, values);
    }
    for a in arrays.iter().filter(|a| a.location == Location::Free) {
        file.field_data(a.name, a.n_components, a.values);
    }
    let (n_points, n_cells) = (carrier.n_points(), carrier.n_cells());
    file.text(&format!("</FieldData>\n<Piece NumberOfPoints=\"{n_points}\" NumberOfCells=\"{n_cells}\">\n<Points>\n"));
    let points = Rows { from: mesh.dim, to: 3, number: Number::Float64, values: &mesh.points };
    let write = |e: io::Error| write_error(path, e);
    file.rows("Points", points).map_err(write)?;
    file.text("</Points>\n<Cells>\n");
    file.cells(&carrier).map_err(write)?;
    file.text("</Cells>\n");
    for (location, tag) in [(Location::Point, "PointData"), (Location::Cell, "CellData")] {
        file.text(&format!("<{tag}>\n"));
        for a in arrays.iter().filter(|a| a.location == location) {
            let to = if a.n_components == 2 { 3 } else { a.n_components };
            let values: &[f64] = &restricted(mesh, &carrier, a);
            file.rows(a.name, Rows { from: a.n_components, to, number: a.number, values }).map_err(write)?;
        }
        file.text(&format!("</{tag}>\n"));
    }
    file.text("</Piece>\n</UnstructuredGrid>\n<AppendedData encoding=\"raw\">\n_");
    let target = AtomicFile::create(path)?;
    file.write(target.file()).map_err(write)?;
    target.commit()
}

/// Rows of `from` numbers, padded with zeros to `to`.
struct Rows<'a> {
    from: usize,
    to: usize,
    number: Number,
    values: &'a [f64],
}

impl Rows<'_> {
    fn bytes(&self) -> Vec<u8> {
        let size = if self.number == Number::Float32 { 4 } else { 8 };
        let mut bytes = Vec::with_capacity(self.values.len() / self.from * self.to * size);
        for row in self.values.chunks_exact(self.from) {
            for &v in row {
                match self.number {
                    Number::Float32 => bytes.extend((v as f32).to_le_bytes()),
                    Number::Float64 => bytes.extend(v.to_le_bytes()),
                    Number::Integer => bytes.extend((v as i64).to_le_bytes()),
                }
            }
            // All three write zero as zeros.
            bytes.resize(bytes.len() + (self.to - self.from) * size, 0);
        }
        bytes
    }
}

/// The text that comes first, and the blocks of each array that it declares.
#[derive(Default)]
struct Document {
    head: String,
    arrays: Vec<Vec<u8>>,
    offset: usize,
}

impl Document {
    fn text(&mut self, text: &str) {
        self.head.push_str(text);
    }

    fn declare(&mut self, kind: &str, name: &str, extra: &str, bytes: &[u8]) -> io::Result<()> {
        let (name, offset) = (escape(name), self.offset);
        self.text(&format!(
            "<DataArray type=\"{kind}\" Name=\"{name}\"{extra} format=\"appended\" offset=\"{offset}\"/>\n"
        ));
        let array = compressed(bytes)?;
        self.offset += array.len();
        self.arrays.push(array);
        Ok(())
    }

    fn rows(&mut self, name: &str, rows: Rows<'_>) -> io::Result<()> {
        let kind = match rows.number {
            Number::Float32 => "Float32",
            Number::Float64 => "Float64",
            Number::Integer => "Int64",
        };
        let mut extra = components(rows.to);
        if rows.from < rows.to {
            extra.push_str(&format!(" OriginalComponents=\"{}\"", rows.from));
        }
        self.declare(kind, name, &extra, &rows.bytes())
    }

    fn cells(&mut self, mesh: &Mesh) -> io::Result<()> {
        let (mut connectivity, mut ends, mut types) = (Vec::new(), Vec::new(), Vec::new());
        let (mut faces, mut face_ends) = (Vec::new(), Vec::new());
        for block in &mesh.cells {
            for i in 0..block.n_cells() {
                connectivity.extend(block.points(i).iter().map(|&p| i64::from(p)));
                ends.push(connectivity.len() as i64);
                types.push(block.cell_type.vtk_code());
                if block.cell_type == CellType::Polyhedron {
                    faces.extend(block.cell(i).iter().map(|&n| i64::from(n)));
                    face_ends.push(faces.len() as i64);
                } else {
                    face_ends.push(-1);
                }
            }
        }
        let bytes = |numbers: &[i64]| numbers.iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>();
        self.declare("Int64", "connectivity", "", &bytes(&connectivity))?;
        self.declare("Int64", "offsets", "", &bytes(&ends))?;
        self.declare("UInt8", "types", "", &types)?;
        if !faces.is_empty() {
            self.declare("Int64", "faces", "", &bytes(&faces))?;
            self.declare("Int64", "faceoffsets", "", &bytes(&face_ends))?;
        }
        Ok(())
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

    fn write(&self, to: impl Write) -> io::Result<()> {
        let mut to = BufWriter::with_capacity(1 << 18, to);
        to.write_all(self.head.as_bytes())?;
        self.arrays.iter().try_for_each(|a| to.write_all(a))?;
        to.write_all(b"\n</AppendedData>\n</VTKFile>\n")?;
        to.flush()
    }
}

/// `[n_blocks, bytes of a block, bytes of the last one (0: it is full), compressed bytes of each, blocks]`.
fn compressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let pack = |block: &[u8], level: Compression| {
        let mut packed = ZlibEncoder::new(Vec::new(), level);
        packed.write_all(block)?;
        packed.finish()
    };
    // Digits of a field may be as good as random: such a block is stored as it is, which is read faster.
    let smaller = |block: &[u8]| match pack(block, LEVEL)? {
        packed if packed.len() < block.len() => Ok(packed),
        _ => pack(block, Compression::none()),
    };
    let blocks: Vec<Vec<u8>> = bytes.par_chunks(BLOCK).map(smaller).collect::<io::Result<_>>()?;
    let header = [blocks.len(), BLOCK, bytes.len() % BLOCK].into_iter().chain(blocks.iter().map(Vec::len));
    let mut array: Vec<u8> = header.flat_map(|n| (n as u64).to_le_bytes()).collect();
    blocks.iter().for_each(|b| array.extend(b));
    Ok(array)
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

//! XDMF written beside an HDF5 file: one state, or a series.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::hdf;
use crate::io::mesh_file::{MeshArray, Number};
use crate::io::vtk::vtu_writer::escape;
use crate::io::xdmf::topology::{has_count, name_and_code};
use crate::io::xdmf::{COUNTED, ORIGINAL};
use crate::mesh::{CellBlock, CellType, Mesh};
use hdf5::H5Type;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Values per chunk of a data set.
const CHUNK: usize = 1 << 16;
/// Largest integer that float64 holds with all its neighbours.
const MAX_INTEGER: f64 = 9007199254740992.0;

/// An .xdmf file and its .h5 file under construction; dropping it without [`finish`](XdmfWriter::finish) leaves nothing.
#[derive(Debug)]
pub struct XdmfWriter {
    states: Vec<State>,
    first: Written,
    n_data: usize,
    /// Name of the .h5 file in the .xdmf file.
    h5_name: String,
    // HDF5 has to close the file before the temporary name goes away: fields are dropped in this order.
    hdf5: hdf5::File,
    h5: AtomicFile,
    xdmf: AtomicFile,
}

/// Whether `path` is an .h5 file that holds the numbers of the .xdmf file of the same stem.
pub fn is_data_of_xdmf(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.extension().is_some_and(|e| e == "h5") && path.is_file() && names(&path.with_extension("xdmf"), &name)
}

/// Whether the text of an .xdmf file that is there names an .h5 file.
fn names(path: &Path, h5_name: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("{h5_name}:")))
}

/// A mesh that is in the file.
#[derive(Debug, Clone)]
struct Written {
    text: String,
    n_points: usize,
    n_cells: usize,
}

#[derive(Debug)]
struct State {
    time: Option<f64>,
    text: String,
}

impl XdmfWriter {
    /// Begins `path`, whose numbers go into the .h5 file of the same stem beside it, and writes the mesh.
    ///
    /// Points of dimension 1 are padded to two coordinates, which the reader here drops again. Polygons, and cells of several
    /// types, become a Mixed topology. An .h5 file that is not the data of an .xdmf file of this name is never replaced (K009).
    /// Errors: K001 where the folder is missing, K009 for polyhedra and for a path that ends in .h5,
    /// K015 for a mesh with numbers out of range, K103.
    pub fn create(path: impl AsRef<Path>, mesh: &Mesh) -> Result<XdmfWriter> {
        let path = path.as_ref();
        check_mesh(path, mesh)?;
        let h5_path: PathBuf = path.with_extension("h5");
        if h5_path == path {
            let mend = "give the file the ending .xdmf; its numbers go into the .h5 file beside it";
            return Err(Error::input("K009", path, "", "the ending .h5", "the ending .xdmf", mend));
        }
        let h5_name = h5_path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if h5_path.exists() && !names(path, &h5_name) {
            let found = "a file that this one does not name as its data";
            let mend = format!("choose another name than {}, or remove the file", path.display());
            return Err(Error::input("K009", &h5_path, "", found, "a free name for the numbers", mend));
        }
        let xdmf = AtomicFile::create(path)?;
        let h5 = AtomicFile::create(&h5_path)?;
        let hdf5 = hdf5::File::with_options()
            .with_fapl(|p| p.file_locking(false))
            .create(h5.path())
            .map_err(|e| write_error(&h5_path, e))?;
        let first = Written { text: String::new(), n_points: 0, n_cells: 0 };
        let mut writer = XdmfWriter { states: Vec::new(), first, n_data: 0, h5_name, hdf5, h5, xdmf };
        writer.first = writer.write_mesh(mesh)?;
        Ok(writer)
    }

    /// Writes the next state; `mesh` where its points or cells differ from those of the first.
    ///
    /// `field_data`, and arrays that belong to no entity, become Information. Vectors of two components are padded to three, which
    /// ParaView needs; the reader here drops the padding. Errors: K015, K009 as [`create`](Self::create); K100 where lengths do not
    /// fit, or a value of an integer array is no integer; K103.
    pub fn append(
        &mut self,
        time: Option<f64>,
        mesh: Option<&Mesh>,
        arrays: &[MeshArray<'_>],
        field_data: &[(String, Vec<f64>)],
    ) -> Result<()> {
        if time.is_some_and(|t| !t.is_finite()) {
            return Err(Error::argument("time of a state", time.unwrap_or_default(), "a finite number"));
        }
        let written = match mesh {
            None => self.first.clone(),
            Some(mesh) => {
                check_mesh(self.xdmf.target(), mesh)?;
                self.write_mesh(mesh)?
            }
        };
        arrays.iter().try_for_each(|a| check_array(&written, a))?;
        let mut text = written.text;
        for a in arrays {
            match a.location {
                Location::Free => text += &information(a.name, a.values),
                _ => text += &self.attribute(a)?,
            }
        }
        field_data.iter().for_each(|(name, values)| text += &information(name, values));
        self.states.push(State { time, text });
        Ok(())
    }

    /// Gives both files their names, the .h5 file first. One state without a time is a uniform grid, else there is a temporal
    /// collection; steps without times count 0, 1, 2, …. Errors: K100 without states, or where some have times and others not;
    /// K103.
    pub fn finish(mut self) -> Result<()> {
        let n_times = self.states.iter().filter(|s| s.time.is_some()).count();
        if self.states.is_empty() || (n_times != 0 && n_times != self.states.len()) {
            let found = format!("{} states, {n_times} of them with times", self.states.len());
            return Err(Error::argument("states of an XDMF file", found, "one or more, all with times or none"));
        }
        let states = std::mem::take(&mut self.states);
        let XdmfWriter { hdf5, h5, xdmf, .. } = self;
        write_light(&xdmf, &states).map_err(|e| write_error(xdmf.target(), e))?;
        hdf5.flush().and_then(|()| hdf5.close()).map_err(|e| write_error(h5.target(), e))?;
        h5.commit()?;
        xdmf.commit()
    }

    /// Geometry and Topology as elements of the text.
    fn write_mesh(&mut self, mesh: &Mesh) -> Result<Written> {
        let stored = mesh.dim.max(2);
        let kind = if stored == 2 { "XY" } else { "XYZ" };
        let points = self.rows(&mesh.points, mesh.dim, stored, Number::Float64)?;
        let geometry = format!("<Geometry GeometryType=\"{kind}\"{}>{points}</Geometry>\n", padded(mesh.dim, stored));
        let n_cells = mesh.n_cells();
        let (name, n_nodes, cells) = match mesh.cells.as_slice() {
            [block] if block.cell_type != CellType::Polygon => {
                let n = block.cell_type.n_nodes();
                let shape = [block.n_cells(), n];
                (
                    name_and_code(block.cell_type).0,
                    Some(n),
                    self.data(&shape, "", |range| {
                        block.connectivity.get(range).unwrap_or_default().iter().map(|&p| i64::from(p)).collect()
                    })?,
                )
            }
            blocks => {
                let mixed: Vec<i64> = blocks.iter().flat_map(mixed).collect();
                let item = self.data(&[mixed.len()], "", |range| mixed.get(range).unwrap_or_default().to_vec())?;
                ("Mixed", None, item)
            }
        };
        let n_nodes = n_nodes.map(|n| format!(" NodesPerElement=\"{n}\"")).unwrap_or_default();
        let topology =
            format!("<Topology TopologyType=\"{name}\" NumberOfElements=\"{n_cells}\"{n_nodes}>{cells}</Topology>\n");
        Ok(Written { text: topology + &geometry, n_points: mesh.n_points(), n_cells })
    }

    fn attribute(&mut self, a: &MeshArray<'_>) -> Result<String> {
        let stored = if a.n_components == 2 { 3 } else { a.n_components };
        // VTK would put Tensor6 into a full tensor, in an order of its own.
        let kind = match stored {
            1 => "Scalar",
            3 => "Vector",
            9 => "Tensor",
            _ => "Matrix",
        };
        let center = if a.location == Location::Cell { "Cell" } else { "Node" };
        let item = self.rows(a.values, a.n_components, stored, a.number)?;
        let (name, padded) = (escape(a.name), padded(a.n_components, stored));
        Ok(format!(
            "<Attribute Name=\"{name}\" AttributeType=\"{kind}\" Center=\"{center}\"{padded}>{item}</Attribute>\n"
        ))
    }

    /// Rows of `from` numbers, padded with zeros to `to`.
    fn rows(&mut self, values: &[f64], from: usize, to: usize, number: Number) -> Result<String> {
        let from = from.max(1);
        let n = values.len() / from;
        let shape = if to == 1 { vec![n] } else { vec![n, to] };
        // VTK takes a Matrix of two axes for a single row.
        let more = if matches!(to, 1 | 2 | 3 | 9) { "" } else { " 1" };
        // Whole rows: a piece has as many as fit into a chunk.
        let piece = |range: std::ops::Range<usize>| {
            let rows = values.get(range.start / to * from..range.end / to * from).unwrap_or_default();
            rows.chunks_exact(from).flat_map(move |row| (0..to).map(move |k| row.get(k).copied().unwrap_or(0.0)))
        };
        match number {
            Number::Float64 => self.data(&shape, more, |range| piece(range).collect::<Vec<f64>>()),
            Number::Float32 => self.data(&shape, more, |range| piece(range).map(|v| v as f32).collect()),
            Number::Integer => self.data(&shape, more, |range| piece(range).map(|v| v as i64).collect()),
        }
    }

    /// Writes a data set, packed, and gives the data item that names it, with `more` behind its Dimensions.
    fn data<T: H5Type + Kind>(
        &mut self,
        shape: &[usize],
        more: &str,
        piece: impl Fn(std::ops::Range<usize>) -> Vec<T>,
    ) -> Result<String> {
        let path = self.h5.target().to_path_buf();
        let name = format!("data{}", self.n_data);
        self.n_data += 1;
        let (n, width): (usize, usize) = (shape.iter().product(), shape.iter().skip(1).product());
        let per_chunk = (CHUNK / width.max(1)).max(1);
        let created = if n == 0 {
            hdf::create::<T>(&self.hdf5, &name, shape)
        } else {
            let mut chunk = shape.to_vec();
            chunk.iter_mut().take(1).for_each(|rows| *rows = (*rows).min(per_chunk));
            let builder = self.hdf5.new_dataset_builder().with_dcpl(|p| p.obj_track_times(false));
            builder.empty::<T>().shape(shape).chunk(chunk).shuffle().deflate(4).create(name.as_str())
        };
        let data = created.map_err(|e| write_error(&path, e))?;
        let n_rows = n / width.max(1);
        for start in (0..n_rows).step_by(per_chunk) {
            let rows = start..n_rows.min(start + per_chunk);
            hdf::write_rows(&path, &data, rows.clone(), &piece(rows.start * width..rows.end * width))?;
        }
        let dims: Vec<String> = shape.iter().map(usize::to_string).collect();
        let (dims, h5) = (dims.join(" "), escape(&self.h5_name));
        let (kind, size) = (T::KIND, std::mem::size_of::<T>());
        Ok(format!(
            "<DataItem Dimensions=\"{dims}{more}\" NumberType=\"{kind}\" Precision=\"{size}\" Format=\"HDF\">{h5}:/{name}</DataItem>"
        ))
    }
}

/// Name of a type of numbers.
trait Kind {
    const KIND: &'static str;
}

impl Kind for f64 {
    const KIND: &'static str = "Float";
}

impl Kind for f32 {
    const KIND: &'static str = "Float";
}

impl Kind for i64 {
    const KIND: &'static str = "Int";
}

fn check_mesh(path: &Path, mesh: &Mesh) -> Result<()> {
    if mesh.cells.iter().any(|b| b.cell_type == CellType::Polyhedron) {
        let expected = "cells that programs read from XDMF";
        return Err(Error::input(
            "K009",
            path,
            "cells",
            "polyhedra",
            expected,
            "write a .vtu file, which holds polyhedra",
        ));
    }
    mesh.check_structure(path)
}

fn check_array(mesh: &Written, a: &MeshArray<'_>) -> Result<()> {
    let what = || format!("array `{}` of an XDMF file", a.name);
    let n = match a.location {
        Location::Point => mesh.n_points,
        Location::Cell => mesh.n_cells,
        Location::Free => return Ok(()),
    };
    if a.n_components == 0 || n.checked_mul(a.n_components) != Some(a.values.len()) {
        return Err(Error::argument(what(), a.values.len(), format!("{n} x {}", a.n_components)));
    }
    let whole = |v: &f64| v.fract() == 0.0 && v.abs() <= MAX_INTEGER;
    match a.values.iter().find(|v| a.number == Number::Integer && !whole(v)) {
        Some(v) => Err(Error::argument(what(), v, "integers")),
        None => Ok(()),
    }
}

/// The cells of a block, each behind its code, and where the type asks for it its number of points.
fn mixed(block: &CellBlock) -> impl Iterator<Item = i64> + '_ {
    let code = name_and_code(block.cell_type).1;
    let count = has_count(block.cell_type);
    block.iter().flat_map(move |cell| {
        let head = std::iter::once(code).chain(count.then_some(cell.len() as u32));
        head.chain(cell.iter().copied()).map(i64::from)
    })
}

fn padded(n: usize, stored: usize) -> String {
    if n == stored { String::new() } else { format!(" {ORIGINAL}=\"{n}\"") }
}

/// Numbers that belong to the grid. As an Attribute they would keep meshio from opening the file; it takes the text of an
/// Information for an XML document of its own.
fn information(name: &str, values: &[f64]) -> String {
    let values: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
    format!("<Information Name=\"{}\" Value=\"{}\">&lt;none/&gt;</Information>\n", escape(name), values.join(" "))
}

fn write_light(file: &AtomicFile, states: &[State]) -> std::io::Result<()> {
    let mut w = std::io::BufWriter::new(file.file());
    write!(w, "<?xml version=\"1.0\"?>\n<Xdmf Version=\"3.0\">\n<Domain>\n")?;
    match states {
        [State { time: None, text }] => write!(w, "<Grid Name=\"mesh\" GridType=\"Uniform\">\n{text}</Grid>\n")?,
        _ => {
            let mark =
                if states.iter().all(|s| s.time.is_none()) { format!(" {COUNTED}=\"1\"") } else { String::new() };
            writeln!(w, "<Grid Name=\"series\" GridType=\"Collection\" CollectionType=\"Temporal\"{mark}>")?;
            for (i, State { time, text }) in states.iter().enumerate() {
                let time = time.unwrap_or(i as f64);
                write!(w, "<Grid Name=\"mesh\" GridType=\"Uniform\">\n<Time Value=\"{time:?}\"/>\n{text}</Grid>\n")?;
            }
            writeln!(w, "</Grid>")?;
        }
    }
    write!(w, "</Domain>\n</Xdmf>\n")?;
    w.flush()
}

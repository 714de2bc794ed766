//! What all mesh formats have in common: states of a mesh with named arrays, read on demand.

use crate::data::{FieldInfo, Location};
use crate::error::{Error, Result};
use crate::io::vtk::pvtu::PvtuFile;
use crate::mesh::Mesh;
use std::borrow::Cow;
use std::fmt::Debug;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How a file stores the numbers of an array. In memory all are float64, which holds integers up to 2^53 exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Float32,
    Float64,
    /// Tags and numbers of entities: no field to learn, unless a study names it.
    Integer,
}

/// An array on the points or cells of a mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrayInfo {
    pub field: FieldInfo,
    pub number: Number,
}

impl ArrayInfo {
    /// A scalar where `n_components` is 1, else a vector.
    pub fn new(name: &str, location: Location, n_entities: usize, n_components: usize, number: Number) -> Self {
        let vector = n_components > 1;
        ArrayInfo { field: FieldInfo { name: name.into(), location, n_entities, n_components, vector }, number }
    }
}

/// An array to be written: `values` holds [n_entities, n_components], row-major. One on `Location::Free` belongs to no entity.
#[derive(Debug, Clone, Copy)]
pub struct MeshArray<'a> {
    pub name: &'a str,
    pub location: Location,
    pub n_components: usize,
    /// How the file stores the values.
    pub number: Number,
    pub values: &'a [f64],
}

/// The mesh that a file holds beside `arrays`: where one of them covers the cells of the highest dimension only, these cells.
pub(crate) fn carrier<'a>(mesh: &'a Mesh, arrays: &[MeshArray<'_>]) -> Cow<'a, Mesh> {
    let on_cells = arrays.iter().filter(|a| a.location == Location::Cell);
    let n_cells = on_cells.map(|a| a.values.len() / a.n_components.max(1)).min();
    n_cells.and_then(|n| mesh.with_cells(n)).unwrap_or(Cow::Borrowed(mesh))
}

/// The values of an array on the cells of `carrier`, which are all cells of `mesh` or those of the highest dimension.
pub(crate) fn restricted<'a>(mesh: &Mesh, carrier: &Mesh, a: &MeshArray<'a>) -> Cow<'a, [f64]> {
    let k = a.n_components;
    if a.location != Location::Cell || a.values.len() != mesh.n_cells() * k || carrier.n_cells() == mesh.n_cells() {
        return Cow::Borrowed(a.values);
    }
    let (mut kept, mut rest, top) = (Vec::new(), a.values, mesh.top_dimension());
    for block in &mesh.cells {
        let (own, tail) = rest.split_at(block.n_cells() * k);
        if Some(block.cell_type.dimension()) == top {
            kept.extend(own);
        }
        rest = tail;
    }
    Cow::Owned(kept)
}

/// Refuses values that do not cover the points, all cells, or the cells of the highest dimension, and fractions among integers (K100).
pub(crate) fn check_length(mesh: &Mesh, a: &MeshArray<'_>) -> Result<()> {
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
        let fraction = |v: &&f64| a.number == Number::Integer && (**v as i64) as f64 != **v;
        return match a.values.iter().find(fraction) {
            Some(v) => Err(Error::argument(format!("array `{}` of integers", a.name), v, "integers")),
            None => Ok(()),
        };
    }
    Err(Error::argument(format!("array `{}`", a.name), a.values.len(), expected))
}

/// Field data that hold the time of a file, as VTK and ParaView name them.
pub(crate) const TIME: &str = "TimeValue";

/// A named set of cells, as gmsh's physical groups are: cells with the value `tag` in the integer array `array`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagName {
    pub name: String,
    pub array: String,
    pub dimension: usize,
    pub tag: i64,
}

/// A file (or case) of a mesh format: one state, or the steps of a series.
///
/// What is small is held, everything else is read on demand; no file stays open between calls, so thousands of them fit beside
/// each other. Arrays of the same name on points and on cells are told apart by `_cells` behind the name of the latter.
/// Readers know the mesh as it is in the file: not validated beyond [`Mesh::check_structure`].
pub trait MeshFile: Send + Sync + Debug {
    /// The file or folder, for messages.
    fn path(&self) -> &Path;
    /// All files that are read, as far as they are known by name.
    fn files(&self) -> Vec<PathBuf> {
        vec![self.path().to_path_buf()]
    }
    /// Name of a state, where it has a file of its own: the stem.
    fn state_name(&self, _state: usize) -> Option<String> {
        None
    }
    /// Name of the format, for messages and `info`.
    fn format(&self) -> &'static str;
    /// Number of states: 1, or the steps of a series.
    fn n_states(&self) -> usize {
        1
    }
    /// Time of each state, where the file tells it.
    fn times(&self) -> Option<&[f64]> {
        None
    }
    /// Whether all states have the mesh of the first.
    fn mesh_is_shared(&self) -> bool {
        true
    }
    /// The mesh of a state. Errors: K003 truncated or damaged, K004 points that are not finite, K015 cells out of range.
    fn mesh(&self, state: usize) -> Result<Mesh>;
    /// The mesh of a state as its file encodes it, not decoded: states of which these bytes are equal have the same mesh. `None`
    /// where the format does not tell. Errors: K003 truncated.
    fn encoded_mesh(&self, _state: usize) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    /// The arrays of a state in the order of the file.
    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>>;
    /// The values of an array, [n_entities, n_components] row-major: points in the order of the mesh, cells in the order of its
    /// blocks. Not checked for finite numbers. Errors: K003 truncated or damaged.
    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>>;
    /// The values of some entities of an array. Where a mesh lies in several files, only those that hold some of them are read.
    fn read_rows(&self, state: usize, array: &ArrayInfo, entities: Range<usize>) -> Result<Vec<f64>> {
        let (values, k) = (self.read(state, array)?, array.field.n_components.max(1));
        if entities == (0..array.field.n_entities) {
            return Ok(values);
        }
        let rows = values.get(entities.start * k..entities.end * k).map(<[f64]>::to_vec);
        rows.ok_or_else(|| Error::argument(format!("entities of {}", array.field.name), values.len() / k, entities.end))
    }
    /// The file as pieces that can be read one by one, where its mesh is made of such.
    fn pieces(&self) -> Option<&PvtuFile> {
        None
    }
    /// Arrays that belong to no entity, such as parameters. Text is left out.
    fn field_data(&self, _state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        Ok(Vec::new())
    }
    /// What the file holds of a state and the reader leaves out, in words: arrays on faces, points of no cell.
    fn left_out(&self, _state: usize) -> Vec<String> {
        Vec::new()
    }
    /// Names of tags.
    fn tag_names(&self) -> &[TagName] {
        &[]
    }
}

/// Refuses a state that a file does not have.
pub(crate) fn check_state(file: &dyn MeshFile, state: usize) -> Result<()> {
    if state < file.n_states() {
        return Ok(());
    }
    Err(Error::argument(format!("state of {}", file.path().display()), state, format!("below {}", file.n_states())))
}

/// A file that is read in pieces, each checked against its length before memory is asked for. It is opened for each piece.
#[derive(Debug, Clone)]
pub(crate) struct Bytes {
    pub path: PathBuf,
    pub len: u64,
}

impl Bytes {
    /// Errors: K001 missing or not readable, K002 a folder, K003 empty.
    pub fn of(path: &Path) -> Result<Bytes> {
        let meta = std::fs::metadata(path).map_err(|e| cannot_read(path, &e))?;
        if meta.is_dir() {
            return Err(Error::input("K002", path, "", "a folder", "a file", "name a file in it"));
        }
        if meta.len() == 0 {
            return Err(Error::input("K003", path, "", "an empty file", "a mesh file", "copy or write the file again"));
        }
        Ok(Bytes { path: path.into(), len: meta.len() })
    }

    /// `n` bytes from `offset` on. Errors: K001, K003 where the file ends before them, naming `place`.
    pub fn read(&self, place: &str, offset: u64, n: u64) -> Result<Vec<u8>> {
        if offset.checked_add(n).is_none_or(|end| end > self.len) {
            let found = format!("the end of the file at byte {}", self.len);
            let expected = format!("{n} bytes from byte {offset} on");
            return Err(Error::input("K003", &self.path, place, found, expected, "copy or write the file again"));
        }
        let mut bytes = vec![0; n as usize];
        let file = File::open(&self.path).map_err(|e| cannot_read(&self.path, &e))?;
        file.read_exact_at(&mut bytes, offset).map_err(|e| match e.kind() {
            ErrorKind::UnexpectedEof => {
                let mend = "wait until the program that writes it has ended, or copy the file again";
                Error::input("K003", &self.path, place, "a file that has become shorter", "a whole file", mend)
            }
            _ => cannot_read(&self.path, &e),
        })?;
        Ok(bytes)
    }

    /// The whole file.
    pub fn read_all(&self) -> Result<Vec<u8>> {
        self.read("", 0, self.len)
    }
}

/// K001 with the reason of the operating system.
pub(crate) fn cannot_read(path: &Path, e: &std::io::Error) -> Error {
    let found = if e.kind() == ErrorKind::NotFound { "no such file".to_string() } else { e.to_string() };
    Error::input("K001", path, "", found, "a readable file", "check the path and its permissions")
}

/// Of a file that another one names: that it is missing tells by which.
pub(crate) fn named_by(e: Error, by: &Path) -> Error {
    match e {
        Error::Input { code: "K001", file, place, found, expected, mend } if place.is_empty() => {
            let place = format!("named by {}", by.display());
            Error::Input { code: "K001", file, place, found, expected, mend }
        }
        other => other,
    }
}

/// K003 at a place in a file.
pub(crate) fn damaged(
    path: &Path,
    place: impl Into<String>,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> Error {
    Error::input("K003", path, place, found, expected, "copy or write the file again")
}

//! Reads partitioned VTK XML unstructured grids (.pvtu): the pieces that ranks wrote become one mesh again.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, check_state, damaged};
use crate::io::vtk::vtu::VtuFile;
use crate::io::vtk::xml::{Item, Xml, check_end};
use crate::mesh::{CellBlock, CellType, Mesh};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Cell arrays that mark cells of other pieces: by bit 1, and by any number above 0.
const GHOST_TYPE: &str = "vtkGhostType";
const GHOST_LEVELS: &str = "vtkGhostLevels";
/// Stands for a point that belongs to ghost cells only.
const DROPPED: u32 = u32::MAX;

/// A .pvtu file with its pieces.
///
/// Cells that are marked as copies of those of another piece are left out. Points of different pieces are one where their
/// coordinates are equal, bit by bit; then the first piece gives the values.
#[derive(Debug)]
pub struct PvtuFile {
    path: PathBuf,
    pieces: Vec<VtuFile>,
    joined: OnceLock<Joined>,
}

/// What of the pieces belongs to the mesh.
#[derive(Debug)]
struct Joined {
    n_points: usize,
    n_cells: usize,
    /// Number in the mesh of each point of each piece.
    points: Vec<Vec<u32>>,
    /// Which cells of each piece are its own.
    cells: Vec<Vec<bool>>,
}

/// Attribute of lists of files that tells which program wrote them: what it has written it may remove.
pub(super) const BY: &str = "WrittenBy";
pub(super) const KOLMO: &str = "kolmo";

/// The files that a .pvtu file names. Errors: K001, K002, K003.
pub(super) fn sources(path: &Path) -> Result<Vec<PathBuf>> {
    read_list(path).map(|list| list.0)
}

/// The same of a file that kolmo wrote, none of another one.
pub(in crate::io) fn sources_of_kolmo(path: &Path) -> Result<Vec<PathBuf>> {
    read_list(path).map(|(sources, ours)| if ours { sources } else { Vec::new() })
}

/// Files that are named, and whether kolmo wrote the list.
fn read_list(path: &Path) -> Result<(Vec<PathBuf>, bool)> {
    let bytes = Bytes::of(path)?;
    let (mut xml, _) = Xml::open(&bytes, "PUnstructuredGrid")?;
    check_end(&bytes)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut found, mut ours) = (Vec::new(), false);
    while let Some(item) = xml.next()? {
        match item {
            Item::Start(name, attributes) if name == "PUnstructuredGrid" => ours = attributes.get(BY) == Some(KOLMO),
            Item::Start(name, attributes) if name == "Piece" => {
                let missing = || damaged(path, "Piece", "no Source", "the name of a file");
                found.push(folder.join(attributes.get("Source").ok_or_else(missing)?));
            }
            _ => {}
        }
    }
    if found.is_empty() {
        return Err(damaged(path, "PUnstructuredGrid", "no Piece", "one or more"));
    }
    Ok((found, ours))
}

impl PvtuFile {
    /// Reads the heads of all pieces. Errors: as [`VtuFile::open`], naming the piece; K001 for a piece that is missing.
    pub fn open(path: impl AsRef<Path>) -> Result<PvtuFile> {
        let path = path.as_ref();
        let pieces = sources(path)?.iter().map(VtuFile::open).collect::<Result<_>>()?;
        Ok(PvtuFile { path: path.into(), pieces, joined: OnceLock::new() })
    }

    fn join(&self) -> Result<(Mesh, Joined)> {
        let mut mesh = Mesh { dim: 3, points: Vec::new(), cells: Vec::new() };
        let mut joined = Joined { n_points: 0, n_cells: 0, points: Vec::new(), cells: Vec::new() };
        let mut known = HashMap::new();
        for file in &self.pieces {
            let piece = file.mesh(0)?;
            if mesh.points.is_empty() {
                mesh.dim = piece.dim;
            } else if mesh.dim != piece.dim && !piece.points.is_empty() {
                let (found, expected) = (format!("points of dimension {}", piece.dim), format!("{}", mesh.dim));
                let mend = "write all pieces with the same number of coordinates";
                return Err(Error::input("K005", file.path(), "Points", found, expected, mend));
            }
            let own = own_cells(file, piece.n_cells())?;
            let numbers = add_points(file.path(), &piece, &own, &mut mesh, &mut known)?;
            add_cells(&piece, &own, &numbers, &mut mesh.cells);
            joined.points.push(numbers);
            joined.cells.push(own);
        }
        (joined.n_points, joined.n_cells) = (mesh.n_points(), mesh.n_cells());
        Ok((mesh, joined))
    }

    fn joined(&self) -> Result<&Joined> {
        if let Some(joined) = self.joined.get() {
            return Ok(joined);
        }
        let (_, joined) = self.join()?;
        Ok(self.joined.get_or_init(|| joined))
    }

    /// The array of a piece with this name, place and number of components; `None` in a piece without entities.
    fn part(&self, piece: usize, array: &ArrayInfo) -> Result<Option<ArrayInfo>> {
        let (Some(file), field) = (self.pieces.get(piece), &array.field) else { return Ok(None) };
        let Some(joined) = self.joined.get() else { return Ok(None) };
        let empty = match field.location {
            Location::Point => joined.points.get(piece).is_none_or(Vec::is_empty),
            _ => joined.cells.get(piece).is_none_or(Vec::is_empty),
        };
        if empty {
            return Ok(None);
        }
        let same = |a: &ArrayInfo| {
            a.field.name == field.name
                && (a.field.location, a.field.n_components) == (field.location, field.n_components)
        };
        file.arrays(0)?.into_iter().find(same).map(Some).ok_or_else(|| {
            let found = format!("no array `{}` of {} components", field.name, field.n_components);
            let mend = "write all pieces with the same arrays";
            Error::input("K005", file.path(), "", found, "the arrays of the first piece", mend)
        })
    }
}

/// Which cells belong to a piece: those that are not marked as copies.
fn own_cells(file: &VtuFile, n_cells: usize) -> Result<Vec<bool>> {
    let mut own = vec![true; n_cells];
    for array in file.arrays(0)?.iter().filter(|a| a.field.location == Location::Cell && is_ghost_mark(a)) {
        let by_type = array.field.name.starts_with(GHOST_TYPE);
        for (own, mark) in own.iter_mut().zip(file.read(0, array)?) {
            *own &= if by_type { mark as i64 & 1 == 0 } else { mark <= 0.0 };
        }
    }
    Ok(own)
}

fn is_ghost_mark(array: &ArrayInfo) -> bool {
    let name = array.field.name.trim_end_matches("_cells");
    [GHOST_TYPE, GHOST_LEVELS].contains(&name)
}

/// Coordinates bit by bit, and how many points before it in the piece lie there too: both sides of a crack stay two.
type Key = ([u64; 3], u32);

/// Adds the points of a piece that are new. Returns the number in the mesh of each.
fn add_points(
    path: &Path,
    piece: &Mesh,
    own: &[bool],
    mesh: &mut Mesh,
    known: &mut HashMap<Key, u32>,
) -> Result<Vec<u32>> {
    let (mut in_own, mut in_ghosts) = (vec![false; piece.n_points()], vec![false; piece.n_points()]);
    let cells = piece.cells.iter().flat_map(|block| (0..block.n_cells()).map(move |i| block.points(i)));
    for (points, &own) in cells.zip(own) {
        let marks = if own { &mut in_own } else { &mut in_ghosts };
        points.iter().for_each(|&p| marks.get_mut(p as usize).into_iter().for_each(|mark| *mark = true));
    }
    let mut here: HashMap<[u64; 3], u32> = HashMap::new();
    let mut numbers = Vec::with_capacity(piece.n_points());
    for (i, (in_own, in_ghosts)) in in_own.into_iter().zip(in_ghosts).enumerate() {
        if in_ghosts && !in_own {
            numbers.push(DROPPED);
            continue;
        }
        // Zero has two signs.
        let bits = piece.point(i).map(|x| (x + 0.0).to_bits());
        let count = here.entry(bits).or_insert(0);
        let next = u32::try_from(mesh.n_points()).ok().filter(|&n| n < DROPPED).ok_or_else(|| {
            let expected = format!("{} at most", DROPPED - 1);
            Error::input("K015", path, "Points", "too many points", expected, "divide the mesh")
        })?;
        let number = *known.entry((bits, *count)).or_insert(next);
        *count += 1;
        if number == next {
            mesh.points.extend(piece.points.iter().skip(i * piece.dim).take(piece.dim));
        }
        numbers.push(number);
    }
    Ok(numbers)
}

fn add_cells(piece: &Mesh, own: &[bool], numbers: &[u32], blocks: &mut Vec<CellBlock>) {
    let number = |p: &u32| numbers.get(*p as usize).copied().unwrap_or(DROPPED);
    let mut own = own.iter();
    for block in &piece.cells {
        for cell in block.iter() {
            if own.next() == Some(&false) {
                continue;
            }
            if blocks.last().is_none_or(|b| b.cell_type != block.cell_type) {
                blocks.push(CellBlock::new(block.cell_type, Vec::new()));
            }
            let Some(to) = blocks.last_mut() else { continue };
            if block.cell_type == CellType::Polyhedron {
                let faces = crate::mesh::polyhedron::faces(cell).unwrap_or_default();
                to.connectivity.push(faces.len() as u32);
                for face in faces {
                    to.connectivity.push(face.len() as u32);
                    to.connectivity.extend(face.iter().map(number));
                }
            } else {
                to.connectivity.extend(cell.iter().map(number));
            }
            if block.cell_type.is_ragged() {
                to.ends.push(to.connectivity.len());
            }
        }
    }
}

impl MeshFile for PvtuFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self) -> &'static str {
        "PVTU"
    }

    fn files(&self) -> Vec<PathBuf> {
        std::iter::once(self.path.clone()).chain(self.pieces.iter().map(|p| p.path().to_path_buf())).collect()
    }

    fn times(&self) -> Option<&[f64]> {
        self.pieces.first()?.times()
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        check_state(self, state)?;
        let (mesh, joined) = self.join()?;
        self.joined.get_or_init(|| joined);
        mesh.check_structure(&self.path)?;
        Ok(mesh)
    }

    /// Reads the meshes of all pieces the first time, which tell how many points they share.
    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        check_state(self, state)?;
        let joined = self.joined()?;
        let first = joined.points.iter().position(|p| !p.is_empty()).unwrap_or(0);
        let mut arrays = self.pieces.get(first).map_or(Ok(Vec::new()), |p| p.arrays(0))?;
        arrays.retain(|a| !is_ghost_mark(a));
        for array in &mut arrays {
            array.field.n_entities =
                if array.field.location == Location::Point { joined.n_points } else { joined.n_cells };
            (0..self.pieces.len()).try_for_each(|p| self.part(p, array).map(drop))?;
        }
        Ok(arrays)
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        check_state(self, state)?;
        let joined = self.joined()?;
        let k = array.field.n_components.max(1);
        let mut values: Vec<f64> = Vec::new();
        for (p, (file, (numbers, own))) in self.pieces.iter().zip(joined.points.iter().zip(&joined.cells)).enumerate() {
            let Some(part) = self.part(p, array)? else { continue };
            let read = file.read(0, &part)?;
            let rows = read.chunks_exact(k);
            if array.field.location == Location::Point {
                for (row, &number) in rows.zip(numbers) {
                    // Points are numbered as they come.
                    if number as usize == values.len() / k {
                        values.extend(row);
                    }
                }
            } else {
                rows.zip(own).filter(|(_, own)| **own).for_each(|(row, _)| values.extend(row));
            }
        }
        Ok(values)
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        check_state(self, state)?;
        self.pieces.first().map_or(Ok(Vec::new()), |p| p.field_data(0))
    }
}

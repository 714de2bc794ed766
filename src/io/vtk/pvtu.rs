//! Reads partitioned VTK XML unstructured grids (.pvtu): the pieces that ranks wrote become one mesh again.

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, check_state, damaged, named_by};
use crate::io::vtk::vtu::VtuFile;
use crate::io::vtk::xml::{Item, Xml, check_end};
use crate::mesh::{CellBlock, CellType, Mesh};
use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// Cell arrays that mark cells of other pieces: by bit 1, and by any number above 0.
const GHOST_TYPE: &str = "vtkGhostType";
const GHOST_LEVELS: &str = "vtkGhostLevels";
/// Stands for a point that belongs to ghost cells only.
const DROPPED: u32 = u32::MAX;

/// A .pvtu file with its pieces.
///
/// Cells that are marked as copies of those of another piece are left out. Points of different pieces are one where their
/// coordinates are equal, bit by bit; then the first piece gives the values. So the entities that a piece gives are numbered
/// one after the other, those of the first piece first.
#[derive(Debug)]
pub struct PvtuFile {
    path: PathBuf,
    sources: Vec<Source>,
    /// Files with the very same pieces share it.
    joined: OnceLock<Arc<Joined>>,
}

/// A piece, opened when it is needed.
#[derive(Debug)]
struct Source {
    path: PathBuf,
    /// The list that names it.
    by: Arc<Path>,
    file: OnceLock<VtuFile>,
}

impl Source {
    fn open(&self) -> Result<&VtuFile> {
        if let Some(file) = self.file.get() {
            return Ok(file);
        }
        let file = VtuFile::open(&self.path).map_err(|e| named_by(e, &self.by))?;
        Ok(self.file.get_or_init(|| file))
    }
}

/// What of the pieces belongs to the mesh.
#[derive(Debug)]
struct Joined {
    /// Number in the mesh of each point of each piece.
    points: Vec<Vec<u32>>,
    /// Which cells of each piece are its own.
    cells: Vec<Vec<bool>>,
    /// Number of the first point, and cell, that each piece gives; at the end how many there are.
    first_points: Vec<usize>,
    first_cells: Vec<usize>,
}

impl Joined {
    /// Entities of the mesh that a piece gives.
    fn given(&self, piece: usize, location: Location) -> Range<usize> {
        let first = if location == Location::Point { &self.first_points } else { &self.first_cells };
        let at = |p: usize| first.get(p).copied().unwrap_or(0);
        at(piece)..at(piece + 1)
    }

    fn n_entities(&self, location: Location) -> usize {
        let first = if location == Location::Point { &self.first_points } else { &self.first_cells };
        first.last().copied().unwrap_or(0)
    }
}

/// The mesh of a piece, and which of its cells are its own.
pub(in crate::io) type PieceMesh = (Mesh, Vec<bool>);

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
        let file = PvtuFile::listed(path.as_ref())?;
        file.sources.iter().try_for_each(|source| source.open().map(drop))?;
        Ok(file)
    }

    /// Reads the list of pieces only; each is opened when something of it is asked for. Errors: K001, K002, K003 of the list.
    pub(in crate::io) fn listed(path: &Path) -> Result<PvtuFile> {
        let by: Arc<Path> = path.into();
        let source = |path| Source { path, by: by.clone(), file: OnceLock::new() };
        let sources = sources(path)?.into_iter().map(source).collect();
        Ok(PvtuFile { path: path.into(), sources, joined: OnceLock::new() })
    }

    /// Number of pieces.
    pub(in crate::io) fn n_pieces(&self) -> usize {
        self.sources.len()
    }

    /// Numbers of the points or cells of the mesh that a piece gives. Reads the meshes of all pieces the first time.
    pub(in crate::io) fn given(&self, piece: usize, location: Location) -> Result<Range<usize>> {
        Ok(self.joined()?.given(piece, location))
    }

    /// Reads the mesh of one piece.
    pub(in crate::io) fn piece(&self, piece: usize) -> Result<PieceMesh> {
        let Some(source) = self.sources.get(piece) else {
            let what = format!("piece of {}", self.path.display());
            return Err(Error::argument(what, piece, format!("below {}", self.n_pieces())));
        };
        let file = source.open()?;
        let mesh = file.mesh(0)?;
        let own = own_cells(file, mesh.n_cells())?;
        Ok((mesh, own))
    }

    /// Takes over how the pieces of `other` are joined, which must be the very same ones: their meshes need not be read then.
    pub(in crate::io) fn join_as(&self, other: &PvtuFile) {
        if let Some(joined) = other.joined.get() {
            let _ = self.joined.set(joined.clone());
        }
    }

    fn join(&self) -> Result<(Mesh, Joined)> {
        let mut mesh = Mesh { dim: 3, points: Vec::new(), cells: Vec::new() };
        let (mut points, mut cells) = (Vec::new(), Vec::new());
        let (mut first_points, mut first_cells, mut n_cells) = (vec![0], vec![0], 0);
        let mut known = HashMap::new();
        for (p, source) in self.sources.iter().enumerate() {
            let (piece, own) = self.piece(p)?;
            if mesh.points.is_empty() {
                mesh.dim = piece.dim;
            } else if mesh.dim != piece.dim && !piece.points.is_empty() {
                let (found, expected) = (format!("points of dimension {}", piece.dim), format!("{}", mesh.dim));
                let mend = "write all pieces with the same number of coordinates";
                return Err(Error::input("K005", &source.path, "Points", found, expected, mend));
            }
            let numbers = add_points(&source.path, &piece, &own, &mut mesh, &mut known)?;
            add_cells(&piece, &own, &numbers, &mut mesh.cells);
            n_cells += own.iter().filter(|own| **own).count();
            points.push(numbers);
            cells.push(own);
            first_points.push(mesh.n_points());
            first_cells.push(n_cells);
        }
        Ok((mesh, Joined { points, cells, first_points, first_cells }))
    }

    fn joined(&self) -> Result<&Joined> {
        if let Some(joined) = self.joined.get() {
            return Ok(joined);
        }
        let (_, joined) = self.join()?;
        Ok(self.joined.get_or_init(|| Arc::new(joined)))
    }

    /// The array of a piece with this name, place and number of components; `None` in a piece without entities.
    fn part(&self, piece: usize, array: &ArrayInfo) -> Result<Option<ArrayInfo>> {
        let (Some(source), field) = (self.sources.get(piece), &array.field) else { return Ok(None) };
        let Some(joined) = self.joined.get() else { return Ok(None) };
        let empty = match field.location {
            Location::Point => joined.points.get(piece).is_none_or(Vec::is_empty),
            _ => joined.cells.get(piece).is_none_or(Vec::is_empty),
        };
        if empty {
            return Ok(None);
        }
        let file = source.open()?;
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
        std::iter::once(self.path.clone()).chain(self.sources.iter().map(|p| p.path.clone())).collect()
    }

    fn times(&self) -> Option<&[f64]> {
        self.sources.first()?.open().ok()?.times()
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        check_state(self, state)?;
        let (mesh, joined) = self.join()?;
        self.joined.get_or_init(|| Arc::new(joined));
        mesh.check_structure(&self.path)?;
        Ok(mesh)
    }

    /// Reads the meshes of all pieces the first time, which tell how many points they share. Of pieces that nobody has opened it is
    /// told by [`read`](MeshFile::read) where they lack an array.
    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        check_state(self, state)?;
        let joined = self.joined()?;
        let first = joined.points.iter().position(|p| !p.is_empty()).unwrap_or(0);
        let mut arrays = self.sources.get(first).map_or(Ok(Vec::new()), |p| p.open()?.arrays(0))?;
        arrays.retain(|a| !is_ghost_mark(a));
        let is_open = |p: &usize| self.sources.get(*p).is_some_and(|source| source.file.get().is_some());
        let open: Vec<usize> = (0..self.n_pieces()).filter(is_open).collect();
        for array in &mut arrays {
            array.field.n_entities = joined.n_entities(array.field.location);
            open.iter().try_for_each(|p| self.part(*p, array).map(drop))?;
        }
        Ok(arrays)
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        let n = self.joined()?.n_entities(array.field.location);
        self.read_rows(state, array, 0..n)
    }

    /// Reads the pieces that give some of the entities.
    fn read_rows(&self, state: usize, array: &ArrayInfo, entities: Range<usize>) -> Result<Vec<f64>> {
        check_state(self, state)?;
        let joined = self.joined()?;
        let (k, location) = (array.field.n_components.max(1), array.field.location);
        let n = joined.n_entities(location);
        if entities.end > n {
            return Err(Error::argument(
                format!("entities of {}", array.field.name),
                entities.end,
                format!("{n} at most"),
            ));
        }
        let mut values: Vec<f64> = Vec::with_capacity(entities.len() * k);
        for (p, (source, (numbers, own))) in
            self.sources.iter().zip(joined.points.iter().zip(&joined.cells)).enumerate()
        {
            let given = joined.given(p, location);
            let wanted = given.start.max(entities.start)..given.end.min(entities.end);
            if wanted.is_empty() {
                continue;
            }
            let Some(part) = self.part(p, array)? else { continue };
            let read = source.open()?.read(0, &part)?;
            let rows = read.chunks_exact(k);
            if location == Location::Point {
                // Points that the piece gives are numbered as they come; others come from pieces before it.
                let here = rows.zip(numbers).filter(|(_, number)| wanted.contains(&(**number as usize)));
                here.for_each(|(row, _)| values.extend(row));
            } else {
                let here = rows.zip(own).filter(|(_, own)| **own).map(|(row, _)| row);
                here.skip(wanted.start - given.start).take(wanted.len()).for_each(|row| values.extend(row));
            }
        }
        Ok(values)
    }

    fn pieces(&self) -> Option<&PvtuFile> {
        Some(self)
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        check_state(self, state)?;
        self.sources.first().map_or(Ok(Vec::new()), |p| p.open()?.field_data(0))
    }
}

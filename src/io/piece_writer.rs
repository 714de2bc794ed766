//! Samples on a partitioned mesh, each rank its piece: .pvtu files, one by one, in a folder, or as a series (.pvd).

use crate::comm::{Communicator, agree};
use crate::data::Table;
use crate::error::{Error, Result};
use crate::io::atomic_folder::{AtomicFolder, moved};
use crate::io::csv::write_table;
use crate::io::former_pieces::FormerPieces;
use crate::io::mesh_file::{MeshArray, TIME};
use crate::io::rank_order::path_of_first;
use crate::io::sample_writer::{TABLES, file_names, step_names};
use crate::io::vtk::pvd::write_pvd;
use crate::io::vtk::pvtu_writer::write_pvtu;
use crate::io::vtk::vtu_writer::write_vtu;
use crate::mesh::Mesh;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the pieces of samples go.
///
/// `OUT.pvtu` takes one sample; its pieces are `OUT/OUT_0.vtu`, `OUT/OUT_1.vtu`, … as ParaView writes them. `OUT.pvd` lists
/// `OUT/OUT_00000.pvtu` and so on, a folder holds `NAME.pvtu` and the tables; their pieces lie beside them. Rank r writes piece r,
/// ranks without a point none. All is written into a hidden folder first and moved at the end, what lists others last;
/// dropping the writer without [`finish`](PieceWriter::finish) leaves nothing.
#[derive(Debug)]
pub struct PieceWriter {
    comm: Arc<dyn Communicator>,
    path: PathBuf,
    kind: Kind,
    /// Where the files are to lie, and where they are written: the same on all ranks.
    target: PathBuf,
    temporary: PathBuf,
    /// Of rank 0.
    folder: Option<AtomicFolder>,
    names: Vec<String>,
    /// Ranks that have a piece.
    ranks: Vec<usize>,
    times: Vec<Option<f64>>,
    /// The list of a single sample, on rank 0.
    list: Option<crate::io::atomic::AtomicFile>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    One,
    Folder,
    Series,
}

fn kind(path: &Path, n_samples: usize) -> Result<Kind> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let found = match ending.as_deref() {
        _ if path.is_dir() => return Ok(Kind::Folder),
        None => return Ok(Kind::Folder),
        Some("pvd") => return Ok(Kind::Series),
        Some("pvtu") if n_samples == 1 => return Ok(Kind::One),
        Some("pvtu") => format!("{n_samples} samples"),
        Some(other) => format!("the ending .{other}"),
    };
    let (expected, mend) = ("one sample for .pvtu, .pvd, or a folder", "name a folder or a .pvd file");
    Err(Error::input("K009", path, "", found, expected, mend))
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Folder of the pieces, and names of the samples in it.
fn places(path: &Path, kind: Kind, names: &[String]) -> (PathBuf, Vec<String>) {
    match kind {
        Kind::One => (path.with_extension(""), vec![stem(path)]),
        Kind::Folder => (path.to_path_buf(), file_names(names)),
        Kind::Series => (path.with_extension(""), step_names(path, names.len())),
    }
}

/// The files that samples of these names are written to on `n_pieces` ranks, tables too. Errors: K009 for another ending, and several
/// samples for one .pvtu.
pub fn piece_outputs(path: &Path, names: &[String], n_pieces: usize) -> Result<Vec<PathBuf>> {
    let kind = kind(path, names.len())?;
    let (folder, names) = places(path, kind, names);
    let pieces = names.iter().flat_map(|n| (0..n_pieces).map(move |r| format!("{n}_{r}.vtu")));
    let mut files: Vec<PathBuf> = pieces.map(|name| folder.join(name)).collect();
    match kind {
        Kind::One => files.push(path.to_path_buf()),
        Kind::Folder => files.extend(TABLES.map(|table| folder.join(table))),
        Kind::Series => files.push(path.to_path_buf()),
    }
    if kind != Kind::One {
        files.extend(names.iter().map(|n| folder.join(format!("{n}.pvtu"))));
    }
    Ok(files)
}

impl PieceWriter {
    /// For one sample of each name on pieces of a mesh; `is_empty`: this rank has no point. Collective.
    ///
    /// Errors: as [`piece_outputs`]; K103 where the place cannot be written to.
    pub fn create(comm: Arc<dyn Communicator>, path: &Path, names: &[String], is_empty: bool) -> Result<PieceWriter> {
        let first = comm.rank() == 0;
        let begin = || {
            let kind = kind(path, names.len())?;
            let (target, names) = places(path, kind, names);
            let folder = if first { Some(AtomicFolder::create(&target)?) } else { None };
            Ok((kind, target, names, folder))
        };
        let (kind, target, names, folder) = agree(comm.as_ref(), begin())?;
        let place = folder.as_ref().map(|folder| folder.path(""));
        let temporary = path_of_first(comm.as_ref(), place.as_deref());
        let empty = comm.all_gather(&[f64::from(u8::from(is_empty))]);
        let ranks = (0..comm.size()).filter(|r| empty[*r][0] == 0.0).collect();
        Ok(PieceWriter {
            comm,
            path: path.into(),
            kind,
            target,
            temporary,
            folder,
            names,
            ranks,
            times: Vec::new(),
            list: None,
        })
    }

    /// Writes the next sample: its values on this rank's piece. Errors: those of [`write_vtu`] on any rank; [`Error::Argument`] for
    /// a sample too many. Collective.
    pub fn append(
        &mut self,
        time: Option<f64>,
        piece: &Mesh,
        arrays: &[MeshArray<'_>],
        field_data: &[(String, Vec<f64>)],
    ) -> Result<()> {
        let n = self.times.len();
        self.times.push(time);
        let rank = self.comm.rank();
        let name = self.names.get(n).cloned();
        let stated = field_data.iter().any(|(name, _)| name == TIME);
        let time = time.filter(|_| !stated).map(|t| (TIME.to_string(), vec![t]));
        let field_data: Vec<_> = field_data.iter().cloned().chain(time).collect();
        let write = || {
            let name = name.ok_or_else(|| Error::argument("samples", n + 1, n))?;
            if self.ranks.contains(&rank) {
                let file = self.temporary.join(format!("{name}_{rank}.vtu"));
                write_vtu(&file, piece, arrays, &field_data).map_err(|e| moved(e, &self.temporary, &self.target))?;
            }
            if rank > 0 {
                return Ok(None);
            }
            let (place, folder) = match self.kind {
                Kind::One => (self.path.clone(), format!("{}/", stem(&self.path))),
                _ => (self.temporary.join(format!("{name}.pvtu")), String::new()),
            };
            let pieces: Vec<String> = self.ranks.iter().map(|r| format!("{folder}{name}_{r}.vtu")).collect();
            let list = write_pvtu(&place, &pieces, arrays).map_err(|e| moved(e, &self.temporary, &self.target))?;
            match self.kind {
                Kind::One => Ok(Some(list)),
                _ => list.commit().map(|()| None),
            }
        };
        let written = write();
        self.list = agree(self.comm.as_ref(), written)?;
        Ok(())
    }

    /// The files of the samples at their places, without tables.
    fn written(&self) -> Vec<PathBuf> {
        let files = |name: &String| {
            let pieces = self.ranks.iter().map(|r| self.target.join(format!("{name}_{r}.vtu")));
            pieces.chain([self.target.join(format!("{name}.pvtu"))]).collect::<Vec<_>>()
        };
        self.names.iter().flat_map(files).collect()
    }

    /// Moves the files to their places, then writes what lists them, and in a folder `parameters.csv` and `scalars.csv`; in the end
    /// removes pieces of more ranks that stood under the same names, see [`FormerPieces`]. Collective.
    pub fn finish(mut self, parameters: Option<&Table>, scalars: Option<&Table>) -> Result<()> {
        let (folder, list) = (self.folder.take(), self.list.take());
        let end = || {
            let Some(folder) = folder else { return Ok(()) };
            let former = FormerPieces::of(&self.path, &self.names);
            match self.kind {
                Kind::One => {
                    folder.commit()?;
                    list.map_or(Ok(()), |list| list.commit())?;
                }
                Kind::Series => {
                    folder.commit()?;
                    let files: Vec<PathBuf> =
                        self.names.iter().map(|n| self.target.join(format!("{n}.pvtu"))).collect();
                    write_pvd(&self.path, crate::io::sample_writer::steps(&self.times).as_deref(), &files)?;
                }
                Kind::Folder => {
                    for (table, file) in [parameters, scalars].into_iter().zip(TABLES) {
                        if let Some(table) = table.filter(|t| t.n_columns() > 0) {
                            let written = write_table(folder.path(file), Some(&self.names), table);
                            written.map_err(|e| folder.at_target(e))?;
                        }
                    }
                    folder.commit()?;
                }
            }
            former.remove(&self.written());
            Ok(())
        };
        agree(self.comm.as_ref(), end())
    }
}

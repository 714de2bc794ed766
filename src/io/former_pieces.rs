//! What former runs have written under names that are written again: pieces of more ranks, steps of longer series.

use crate::io::sample_writer::file_names;
use crate::io::vtk::pvd::files_of_kolmo;
use crate::io::vtk::pvtu::sources_of_kolmo;
use std::path::{Path, PathBuf};

/// Files that are named by lists of kolmo's own, found before these lists are replaced.
///
/// Only a file counts that such a list names, that lies where kolmo puts it and is called as kolmo calls it: `NAME_7.vtu` for
/// `NAME.pvtu`. What other programs wrote, and what no list names, is never among them.
#[derive(Debug, Default)]
pub struct FormerPieces {
    files: Vec<PathBuf>,
}

impl FormerPieces {
    /// Those of an output `OUT.pvtu` or `OUT.pvd`, whose files lie in `OUT/`, or of samples of these names in a folder; none of other
    /// outputs. Lists that cannot be read count for nothing.
    pub fn of(path: &Path, names: &[String]) -> FormerPieces {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let files = match ending.as_deref() {
            Some("pvtu") if !path.is_dir() => pieces(path, &path.with_extension("")),
            Some("pvd") if !path.is_dir() => steps(path).into_iter().flat_map(with_pieces).collect(),
            Some(_) if !path.is_dir() => Vec::new(),
            _ => file_names(names).iter().flat_map(|name| with_pieces(path.join(format!("{name}.pvtu")))).collect(),
        };
        FormerPieces { files }
    }

    /// Removes those that are not among `written`, when the new files are in place. What cannot be removed stays.
    pub fn remove(self, written: &[PathBuf]) {
        for file in self.files.iter().filter(|file| !written.contains(file)) {
            let _ = std::fs::remove_file(file);
        }
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The number behind `NAME_` in the name of a file.
fn number(file: &Path, name: &str) -> Option<usize> {
    stem(file).strip_prefix(name)?.strip_prefix('_')?.parse().ok()
}

/// The files `OUT/OUT_00000.vtu`, or `.pvtu`, of a series `OUT.pvd`.
fn steps(list: &Path) -> Vec<PathBuf> {
    let (folder, name) = (list.with_extension(""), stem(list));
    let is_step = |file: &PathBuf| {
        let places = |n: usize| ["vtu", "pvtu"].map(|ending| folder.join(format!("{name}_{n:05}.{ending}")));
        number(file, &name).is_some_and(|n| places(n).contains(file))
    };
    files_of_kolmo(list).unwrap_or_default().into_iter().filter(is_step).collect()
}

/// The pieces `folder/NAME_R.vtu` of a list `NAME.pvtu`.
fn pieces(list: &Path, folder: &Path) -> Vec<PathBuf> {
    let name = stem(list);
    let is_piece =
        |file: &PathBuf| number(file, &name).is_some_and(|r| *file == folder.join(format!("{name}_{r}.vtu")));
    sources_of_kolmo(list).unwrap_or_default().into_iter().filter(is_piece).collect()
}

/// A file of a sample; a list with its pieces, or nothing where it is not of kolmo.
fn with_pieces(file: PathBuf) -> Vec<PathBuf> {
    if file.extension().is_none_or(|e| e != "pvtu") {
        return vec![file];
    }
    let mut all = pieces(&file, file.parent().unwrap_or(Path::new("")));
    if !all.is_empty() {
        all.push(file);
    }
    all
}

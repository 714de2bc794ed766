//! Which files of a folder are samples, in which order, and which tables lie beside them.

use crate::error::{Error, Result};
use crate::io::mesh_file::cannot_read;
use crate::io::open_mesh::MeshFormat;
use crate::io::vtk::pvd::pieces_of;
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// A sample's file with the key under which tables name it: the stem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleFile {
    pub key: String,
    pub path: PathBuf,
}

/// What a folder of results holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The folder of the mesh files, or one stacked file.
    pub samples: PathBuf,
    pub parameters: Option<PathBuf>,
    pub scalars: Option<PathBuf>,
}

/// The order of people: runs of digits count as numbers, so that `run_2` comes before `run_10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    loop {
        let (Some(x), Some(y)) = (left.chars().next(), right.chars().next()) else {
            // Equal but for zeros in front: the bytes decide.
            return left.len().cmp(&right.len()).then(a.cmp(b));
        };
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (m, n) = (take_number(&mut left), take_number(&mut right));
            m.len().cmp(&n.len()).then(m.cmp(n))
        } else {
            (left, right) = (&left[x.len_utf8()..], &right[y.len_utf8()..]);
            x.cmp(&y)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// The digits at the start of a text, without zeros in front.
fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

/// Whether a path of a study is a pattern.
pub fn is_pattern(path: &Path) -> bool {
    path.to_str().is_some_and(|p| p.contains(['*', '?', '['])) && !path.exists()
}

/// The mesh files of a folder, or those that match a pattern, in natural order. A single file is one sample.
///
/// Files that a `.pvtu` or `.pvd` of the same folder names are pieces of it, not samples.
/// Errors: K001 no such folder, K002 files of several formats, K008 none, K012 a pattern that is none.
pub fn sample_files(path: &Path) -> Result<Vec<SampleFile>> {
    let mut found = if is_pattern(path) {
        matching(path)?
    } else if path.is_dir() && MeshFormat::of(path).is_none() {
        inside(path)?
    } else {
        return Ok(vec![SampleFile { key: stem(path), path: path.to_path_buf() }]);
    };
    let mut pieces = Vec::new();
    for container in found.iter().filter(|p| matches!(MeshFormat::of(p), Some(MeshFormat::Pvtu | MeshFormat::Pvd))) {
        // A damaged one is told when it is read.
        pieces.extend(pieces_of(container).unwrap_or_default());
    }
    found.retain(|p| !pieces.contains(p));
    found.sort_by(|a, b| natural(&a.to_string_lossy(), &b.to_string_lossy()));
    one_format(path, &found)?;
    let stems: Vec<String> = found.iter().map(|p| stem(p)).collect();
    let twice = |k: &String| stems.iter().filter(|s| *s == k).count() > 1;
    // The same stem in several folders: the folder tells them apart.
    let key = |k: &String, p: &Path| match p.parent().and_then(Path::file_name) {
        Some(folder) if twice(k) => format!("{}/{k}", folder.to_string_lossy()),
        _ => k.clone(),
    };
    Ok(stems.iter().zip(&found).map(|(k, p)| SampleFile { key: key(k, p), path: p.clone() }).collect())
}

/// Name without ending; of a folder its whole name.
fn stem(path: &Path) -> String {
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    name.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

fn is_sample(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
    !hidden && MeshFormat::of(path).is_some()
}

fn inside(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|e| cannot_read(folder, &e))?;
    Ok(entries.filter_map(|e| e.ok()).map(|e| e.path()).filter(|p| is_sample(p)).collect())
}

fn matching(pattern: &Path) -> Result<Vec<PathBuf>> {
    let text = pattern.to_string_lossy();
    let found = glob::glob(&text).map_err(|e| {
        let mend = "write a pattern like samples/*.vtu";
        Error::input("K012", pattern, "", e.to_string(), "a pattern with *, ? or [...]", mend)
    })?;
    Ok(found.filter_map(|p| p.ok()).filter(|p| is_sample(p)).collect())
}

fn one_format(path: &Path, found: &[PathBuf]) -> Result<()> {
    let mut counts: Vec<(MeshFormat, usize, String)> = Vec::new();
    for file in found {
        let Some(format) = MeshFormat::of(file) else { continue };
        match counts.iter_mut().find(|(f, _, _)| *f == format) {
            Some((_, n, _)) => *n += 1,
            None => {
                let ending = file.extension().filter(|_| !file.is_dir());
                let name = ending.map_or("OpenFOAM cases".to_string(), |e| format!("*.{}", e.to_string_lossy()));
                counts.push((format, 1, name));
            }
        }
    }
    match &counts[..] {
        [] => {
            let expected = format!("files of one format ({}), or folders of OpenFOAM cases", MeshFormat::endings());
            let found = "no result files";
            Err(Error::input("K008", path, "", found, expected, "name the folder that holds the result files"))
        }
        [_] => Ok(()),
        [(_, _, first), ..] => {
            let all: Vec<String> = counts.iter().map(|(_, n, name)| format!("{n} {name}")).collect();
            let mend = format!("name those that are meant, as samples = \"{}\"", path.join(first).display());
            Err(Error::input("K002", path, "", all.join(", "), "samples of one format", mend))
        }
    }
}

/// What `kolmo fit FOLDER` works on: mesh files in the folder or in its `samples/`, or the one stacked file in it; tables
/// `parameters.csv` and `scalars.csv` in the folder, beside the samples, or beside the folder.
///
/// Errors: K002, K008 as [`sample_files`], and where there are several stacked files.
pub fn contents(folder: &Path) -> Result<Contents> {
    let samples = samples_in(folder)?;
    let parent = folder.canonicalize().ok().and_then(|p| p.parent().map(Path::to_path_buf));
    let beside = |name: &str| {
        let places = [Some(folder.join(name)), Some(samples.join(name)), parent.as_ref().map(|p| p.join(name))];
        places.into_iter().flatten().find(|p| p.is_file())
    };
    Ok(Contents { parameters: beside("parameters.csv"), scalars: beside("scalars.csv"), samples })
}

fn samples_in(folder: &Path) -> Result<PathBuf> {
    if MeshFormat::of(folder).is_some() || !inside(folder)?.is_empty() {
        return Ok(folder.to_path_buf());
    }
    let samples = folder.join("samples");
    if samples.is_dir() && !inside(&samples)?.is_empty() {
        return Ok(samples);
    }
    let entries = std::fs::read_dir(folder).map_err(|e| cannot_read(folder, &e))?;
    let ending = |p: &Path| p.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stacked = |p: &PathBuf| ["h5", "hdf5", "npz", "npy"].contains(&ending(p).as_str());
    let mut files: Vec<PathBuf> = entries.filter_map(|e| e.ok()).map(|e| e.path()).filter(stacked).collect();
    files.sort();
    // Models and predictions of earlier runs lie in the same folder.
    files.retain(|p| !p.to_string_lossy().ends_with(".model.h5"));
    match &files[..] {
        [file] => Ok(file.clone()),
        [] => one_format(folder, &[]).map(|()| folder.to_path_buf()),
        several => {
            let names: Vec<String> =
                several.iter().filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect();
            let mend = "name the file itself";
            Err(Error::input("K002", folder, "", names.join(", "), "one file of samples", mend))
        }
    }
}

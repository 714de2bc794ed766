//! Series of VTK XML files (.pvd): one .vtu or .pvtu file per time.

use crate::error::{Error, Result};
use crate::io::atomic::write_bytes;
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, cannot_read, check_state, damaged};
use crate::io::vtk::pvtu::{PvtuFile, sources};
use crate::io::vtk::vtu::VtuFile;
use crate::io::vtk::vtu_writer::escape;
use crate::io::vtk::xml::{Attributes, Item, Xml, check_end};
use crate::mesh::Mesh;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A .pvd file. Its states are opened on demand; the last one stays known.
#[derive(Debug)]
pub struct PvdFile {
    path: PathBuf,
    times: Vec<f64>,
    files: Vec<PathBuf>,
    last: Mutex<Option<(usize, Arc<dyn MeshFile>)>>,
}

impl PvdFile {
    /// Reads the list of files. Errors: K001 also for a file of the series that is missing, K002, K003, K018 for several files of
    /// one time and for files that are not .vtu or .pvtu.
    pub fn open(path: impl AsRef<Path>) -> Result<PvdFile> {
        let path = path.as_ref();
        let steps = steps(path)?;
        if let Some(w) = steps.windows(2).find(|w| w[0].0 == w[1].0) {
            let found = format!("several files at the time {}", w[0].0);
            let mend = "write the parts of each time as one .vtu or .pvtu file";
            return Err(Error::input("K018", path, "Collection", found, "one file per time", mend));
        }
        for (_, file) in &steps {
            std::fs::metadata(file).map_err(|e| cannot_read(file, &e))?;
            if !["vtu", "pvtu"].contains(&ending(file).as_str()) {
                let mend = "write the states as unstructured grids (.vtu)";
                return Err(Error::input(
                    "K018",
                    path,
                    "Collection",
                    file.display().to_string(),
                    ".vtu or .pvtu",
                    mend,
                ));
            }
        }
        let (times, files) = steps.into_iter().unzip();
        Ok(PvdFile { path: path.into(), times, files, last: Mutex::new(None) })
    }

    fn state(&self, state: usize) -> Result<Arc<dyn MeshFile>> {
        check_state(self, state)?;
        let last = || self.last.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((_, file)) = last().as_ref().filter(|(s, _)| *s == state) {
            return Ok(file.clone());
        }
        let path = self.files.get(state).map_or(Path::new(""), PathBuf::as_path);
        let file: Arc<dyn MeshFile> = match ending(path).as_str() {
            "pvtu" => Arc::new(PvtuFile::open(path)?),
            _ => Arc::new(VtuFile::open(path)?),
        };
        *last() = Some((state, file.clone()));
        Ok(file)
    }
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Times and files, in the order of the file; a file without a time counts as its number.
fn steps(path: &Path) -> Result<Vec<(f64, PathBuf)>> {
    let bytes = Bytes::of(path)?;
    let (mut xml, _) = Xml::open(&bytes, "Collection")?;
    check_end(&bytes)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut found = Vec::new();
    while let Some(item) = xml.next()? {
        match item {
            Item::Start(name, attributes) if name == "DataSet" => {
                found.push((time(path, &attributes, found.len())?, folder.join(file(path, &attributes)?)));
            }
            _ => {}
        }
    }
    if found.is_empty() {
        return Err(damaged(path, "Collection", "no DataSet", "one or more"));
    }
    Ok(found)
}

fn time(path: &Path, attributes: &Attributes, number: usize) -> Result<f64> {
    let Some(text) = attributes.get("timestep") else { return Ok(number as f64) };
    let time = text.trim().parse().ok().filter(|t: &f64| t.is_finite());
    time.ok_or_else(|| damaged(path, format!("DataSet {number}"), format!("timestep=\"{text}\""), "a number"))
}

fn file<'a>(path: &Path, attributes: &'a Attributes) -> Result<&'a str> {
    attributes.get("file").ok_or_else(|| damaged(path, "DataSet", "no file", "the name of a file"))
}

impl MeshFile for PvdFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self) -> &'static str {
        "PVD"
    }

    fn n_states(&self) -> usize {
        self.files.len()
    }

    fn times(&self) -> Option<&[f64]> {
        Some(&self.times)
    }

    fn mesh_is_shared(&self) -> bool {
        self.files.len() == 1
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        self.state(state)?.mesh(0)
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        self.state(state)?.arrays(0)
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        self.state(state)?.read(0, array)
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        self.state(state)?.field_data(0)
    }
}

/// The files that a .pvtu or .pvd file is made of, those of its pieces too: not samples of their own in a folder.
///
/// Errors: K001 for the file itself, K002, K003. Files that it names need not exist.
pub fn pieces_of(path: &Path) -> Result<Vec<PathBuf>> {
    if ending(path) == "pvtu" {
        return sources(path);
    }
    let mut found = Vec::new();
    for (_, file) in steps(path)? {
        if ending(&file) == "pvtu" && file.exists() {
            found.extend(sources(&file)?);
        }
        found.push(file);
    }
    Ok(found)
}

/// Writes a series: times and files, named relative to the folder of `path` where they are below it. Atomic. Errors: K001 where
/// the folder is missing, K103.
pub fn write_pvd(path: &Path, states: &[(f64, PathBuf)]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut text = String::from(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"Collection\" version=\"1.0\" byte_order=\"LittleEndian\">\n<Collection>\n",
    );
    for (time, file) in states {
        let name = escape(&file.strip_prefix(folder).unwrap_or(file).to_string_lossy());
        let _ = writeln!(text, "<DataSet timestep=\"{time:?}\" group=\"\" part=\"0\" file=\"{name}\"/>");
    }
    text.push_str("</Collection>\n</VTKFile>\n");
    write_bytes(path, text.as_bytes())
}

//! Series of VTK XML files (.pvd): one .vtu or .pvtu file per time.

use crate::error::{Error, Result};
use crate::io::atomic::write_bytes;
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, cannot_read, check_state, damaged, named_by};
use crate::io::vtk::pvtu::{BY, KOLMO, PvtuFile, sources};
use crate::io::vtk::vtu::VtuFile;
use crate::io::vtk::vtu_writer::escape;
use crate::io::vtk::xml::{Attributes, Item, Xml, check_end};
use crate::mesh::Mesh;
use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A .pvd file. Its states are opened on demand; the last one stays known.
#[derive(Debug)]
pub struct PvdFile {
    path: PathBuf,
    times: Option<Vec<f64>>,
    files: Vec<PathBuf>,
    last: Mutex<Option<(usize, Arc<dyn MeshFile>)>>,
}

impl PvdFile {
    /// Reads the list of files. Errors: K001 also for a file of the series that is missing, K002, K003, K018 for several files of
    /// one time and for files that are not .vtu or .pvtu.
    pub fn open(path: impl AsRef<Path>) -> Result<PvdFile> {
        let path = path.as_ref();
        let Steps { steps, counted, .. } = steps(path)?;
        if let Some(w) = steps.windows(2).find(|w| w[0].0 == w[1].0) {
            let found = format!("several files at the time {}", w[0].0);
            let mend = "write the parts of each time as one .vtu or .pvtu file";
            return Err(Error::input("K018", path, "Collection", found, "one file per time", mend));
        }
        for (_, file) in &steps {
            std::fs::metadata(file).map_err(|e| named_by(cannot_read(file, &e), path))?;
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
        let mut series = PvdFile { path: path.into(), times: Some(times), files, last: Mutex::new(None) };
        if counted {
            let own = |i| Ok(series.state(i)?.times().and_then(|t| t.first().copied()));
            series.times = (0..series.files.len()).map(own).collect::<Result<Option<Vec<f64>>>>()?;
        }
        Ok(series)
    }

    fn state(&self, state: usize) -> Result<Arc<dyn MeshFile>> {
        check_state(self, state)?;
        let last = || self.last.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((_, file)) = last().as_ref().filter(|(s, _)| *s == state) {
            return Ok(file.clone());
        }
        let path = self.files.get(state).map_or(Path::new(""), PathBuf::as_path);
        let opened: Result<Arc<dyn MeshFile>> = match ending(path).as_str() {
            "pvtu" => PvtuFile::open(path).map(|file| Arc::new(file) as Arc<dyn MeshFile>),
            _ => VtuFile::open(path).map(|file| Arc::new(file) as Arc<dyn MeshFile>),
        };
        let file = opened.map_err(|e| named_by(e, &self.path))?;
        *last() = Some((state, file.clone()));
        Ok(file)
    }
}

fn ending(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// What a .pvd file lists.
struct Steps {
    /// Times and files, in the order of the file; a file without a time counts as its number.
    steps: Vec<(f64, PathBuf)>,
    /// The times are no times, only numbers of the files.
    counted: bool,
    /// Kolmo wrote the list.
    ours: bool,
}

fn steps(path: &Path) -> Result<Steps> {
    let bytes = Bytes::of(path)?;
    let (mut xml, _) = Xml::open(&bytes, "Collection")?;
    check_end(&bytes)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let (mut found, mut counted, mut timed, mut ours) = (Vec::new(), false, false, false);
    while let Some(item) = xml.next()? {
        match item {
            Item::Start(name, attributes) if name == "Collection" => {
                counted = attributes.get(COUNTED).is_some();
                ours = attributes.get(BY) == Some(KOLMO);
            }
            Item::Start(name, attributes) if name == "DataSet" => {
                timed |= attributes.get("timestep").is_some();
                found.push((time(path, &attributes, found.len())?, folder.join(file(path, &attributes)?)));
            }
            _ => {}
        }
    }
    if found.is_empty() {
        return Err(damaged(path, "Collection", "no DataSet", "one or more"));
    }
    Ok(Steps { steps: found, counted: counted || !timed, ours })
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
        self.times.as_deref()
    }

    fn files(&self) -> Vec<PathBuf> {
        // Pieces that cannot be listed are told when they are read.
        let pieces = pieces_of(&self.path).unwrap_or_else(|_| self.files.clone());
        std::iter::once(self.path.clone()).chain(pieces).collect()
    }

    fn state_name(&self, state: usize) -> Option<String> {
        self.files.get(state)?.file_stem().map(|stem| stem.to_string_lossy().into_owned())
    }

    fn mesh_is_shared(&self) -> bool {
        self.files.len() == 1
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        self.state(state)?.mesh(0)
    }

    fn encoded_mesh(&self, state: usize) -> Result<Option<Vec<u8>>> {
        self.state(state)?.encoded_mesh(0)
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        self.state(state)?.arrays(0)
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        self.state(state)?.read(0, array)
    }

    fn read_rows(&self, state: usize, array: &ArrayInfo, entities: Range<usize>) -> Result<Vec<f64>> {
        self.state(state)?.read_rows(0, array, entities)
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
    for (_, file) in steps(path)?.steps {
        if ending(&file) == "pvtu" && file.exists() {
            found.extend(sources(&file)?);
        }
        found.push(file);
    }
    Ok(found)
}

/// The files of a series that kolmo wrote, without their pieces; none of another one. Errors: K001, K002, K003.
pub(in crate::io) fn files_of_kolmo(path: &Path) -> Result<Vec<PathBuf>> {
    let Steps { steps, ours, .. } = steps(path)?;
    Ok(if ours { steps.into_iter().map(|(_, file)| file).collect() } else { Vec::new() })
}

/// Marks a collection whose times are only numbers of its files.
const COUNTED: &str = "CountedTimes";

/// Writes a series: times (else the numbers of the files, marked as such) and files, named relative to the folder of `path` where
/// they are below it. Atomic. Errors: K001 where the folder is missing, K100 where the lengths differ, K103.
pub fn write_pvd(path: &Path, times: Option<&[f64]>, files: &[PathBuf]) -> Result<()> {
    if let Some(times) = times.filter(|t| t.len() != files.len()) {
        return Err(Error::argument("times of a series", times.len(), files.len()));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut text = String::from(
        "<?xml version=\"1.0\"?>\n<VTKFile type=\"Collection\" version=\"1.0\" byte_order=\"LittleEndian\">\n",
    );
    let mark = if times.is_none() { format!(" {COUNTED}=\"1\"") } else { String::new() };
    let _ = writeln!(text, "<Collection{mark} {BY}=\"{KOLMO}\">");
    for (i, file) in files.iter().enumerate() {
        let time = times.and_then(|t| t.get(i)).copied().unwrap_or(i as f64);
        let name = escape(&file.strip_prefix(folder).unwrap_or(file).to_string_lossy());
        let _ = writeln!(text, "<DataSet timestep=\"{time:?}\" group=\"\" part=\"0\" file=\"{name}\"/>");
    }
    text.push_str("</Collection>\n</VTKFile>\n");
    write_bytes(path, text.as_bytes())
}

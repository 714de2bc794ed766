//! Samples one by one into files of mesh formats: one file (.vtu, .vtk), a folder of VTU, a series (.pvd, .xdmf, .msh).

use crate::data::Table;
use crate::error::{Error, Result};
use crate::io::atomic_folder::AtomicFolder;
use crate::io::csv::{read_table, write_table};
use crate::io::gmsh::writer::MshWriter;
use crate::io::mesh_file::{MeshArray, TIME, TagName, carrier, restricted};
use crate::io::vtk::legacy_writer::write_vtk;
use crate::io::vtk::pvd::write_pvd;
use crate::io::vtk::vtu_writer::write_vtu;
use crate::io::xdmf::writer::XdmfWriter;
use crate::mesh::Mesh;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Where samples go; dropping it without [`finish`](SampleWriter::finish) leaves no file of several samples.
#[derive(Debug)]
pub struct SampleWriter {
    path: PathBuf,
    target: Target,
    /// Of the files of a folder, without ending.
    names: Vec<String>,
    times: Vec<Option<f64>>,
    /// Of groups of cells, where the format has a place for them.
    tag_names: Vec<TagName>,
}

#[derive(Debug)]
enum Target {
    /// The one sample of a file.
    One(One),
    /// Files in a folder, with tables beside them.
    Folder(AtomicFolder),
    /// The same, in the order of time, with a list of them.
    Pvd(AtomicFolder),
    /// With the first mesh, which samples on the same one share.
    Xdmf(Option<Box<(XdmfWriter, Mesh)>>),
    Msh(Option<Box<MshWriter>>),
}

/// Formats of one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
enum One {
    Vtu,
    Vtk,
}

impl One {
    fn write(self, path: &Path, mesh: &Mesh, arrays: &[MeshArray<'_>], data: &[(String, Vec<f64>)]) -> Result<()> {
        match self {
            One::Vtu => write_vtu(path, mesh, arrays, data),
            One::Vtk => write_vtk(path, mesh, arrays, data),
        }
    }
}

/// Endings that name a target, for messages; without an ending it is a folder.
pub const ENDINGS: &str = ".h5, .vtu, .vtk, .pvd, .xdmf, .msh, or a folder";
pub(super) const TABLES: [&str; 2] = ["parameters.csv", "scalars.csv"];

/// The files that samples of these names are written to, tables too.
///
/// `.vtu` and `.vtk` are for one sample, `.pvd`, `.xdmf` and `.msh` for a series; a name without ending or with a slash behind it, or a
/// folder that is there, for files in it. Errors: K009 several samples for one `.vtu` or `.vtk`, or another ending.
pub fn sample_outputs(path: &Path, names: &[String]) -> Result<Vec<PathBuf>> {
    let vtu = |folder: &Path, names: Vec<String>| names.iter().map(|n| folder.join(format!("{n}.vtu"))).collect();
    Ok(match kind(path, names.len())? {
        Kind::One(_) | Kind::Msh => vec![path.to_path_buf()],
        Kind::Folder => {
            let mut files: Vec<PathBuf> = vtu(path, file_names(names));
            files.extend(TABLES.map(|table| path.join(table)));
            files
        }
        Kind::Pvd => {
            let mut files: Vec<PathBuf> = vtu(&path.with_extension(""), step_names(path, names.len()));
            files.push(path.to_path_buf());
            files
        }
        Kind::Xdmf => vec![path.to_path_buf(), path.with_extension("h5")],
    })
}

/// Refuses to replace a table in a folder that has rows of other samples than those of `names`. Errors: K009.
pub fn spare_rows(path: &Path, names: &[String], tables: &[Option<&Table>; 2]) -> Result<()> {
    if !path.is_dir() {
        return Ok(());
    }
    let names: HashSet<String> = file_names(names).into_iter().collect();
    for (_, file) in tables.iter().zip(TABLES).filter(|(table, _)| table.is_some_and(|t| t.n_columns() > 0)) {
        let place = path.join(file);
        let refuse = |found: String| {
            let (expected, mend) =
                ("rows of the samples that are written", "choose another folder, or remove the table");
            Err(Error::input("K009", &place, "", found, expected, mend))
        };
        if !place.exists() {
            continue;
        }
        match read_table(&place) {
            Ok((Some(keys), _)) => {
                let others: Vec<&String> = keys.iter().filter(|key| !names.contains(*key)).collect();
                if let Some(other) = others.first() {
                    return refuse(format!(
                        "rows of {} other samples, {other} the first, which would be lost",
                        others.len()
                    ));
                }
            }
            _ => return refuse("a table without the column `sample`, which would be replaced".into()),
        }
    }
    Ok(())
}

enum Kind {
    One(One),
    Folder,
    Pvd,
    Xdmf,
    Msh,
}

/// Whether a path means a folder: one that is there, a name without ending, or one with a slash behind it.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir() || path.extension().is_none() || path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn kind(path: &Path, n_samples: usize) -> Result<Kind> {
    let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let found = match ending.as_deref() {
        _ if is_folder(path) => return Ok(Kind::Folder),
        Some("pvd") => return Ok(Kind::Pvd),
        Some("xdmf") => return Ok(Kind::Xdmf),
        Some("msh") => return Ok(Kind::Msh),
        Some("vtu") if n_samples == 1 => return Ok(Kind::One(One::Vtu)),
        Some("vtk") if n_samples == 1 => return Ok(Kind::One(One::Vtk)),
        Some(one @ ("vtu" | "vtk")) => {
            let mend = "name a folder, a .pvd or an .xdmf file";
            let found = format!("{n_samples} samples");
            return Err(Error::input("K009", path, "", found, format!("one sample for a .{one} file"), mend));
        }
        other => format!("the ending .{}", other.unwrap_or_default()),
    };
    Err(Error::input("K009", path, "", found, ENDINGS, "choose one of these names"))
}

impl SampleWriter {
    /// For one sample of each name, see [`sample_outputs`]. Errors: K009 as there; K001, K103 where the place cannot be written to.
    pub fn create(path: &Path, names: &[String]) -> Result<SampleWriter> {
        let (target, names) = match kind(path, names.len())? {
            Kind::One(one) => (Target::One(one), Vec::new()),
            Kind::Folder => (Target::Folder(AtomicFolder::create(path)?), file_names(names)),
            Kind::Pvd => (Target::Pvd(AtomicFolder::create(&path.with_extension(""))?), step_names(path, names.len())),
            Kind::Xdmf => (Target::Xdmf(None), Vec::new()),
            Kind::Msh => (Target::Msh(None), Vec::new()),
        };
        Ok(SampleWriter { path: path.into(), target, names, times: Vec::new(), tag_names: Vec::new() })
    }

    /// Hands over the names of groups of cells, before the first sample. Whether the format has a place for them.
    pub fn name_tags(&mut self, names: &[TagName]) -> bool {
        self.tag_names = names.to_vec();
        matches!(self.target, Target::Msh(_))
    }

    /// Writes the next sample. Errors: those of the format, [`Error::Argument`] for one too many.
    pub fn append(
        &mut self,
        time: Option<f64>,
        mesh: &Mesh,
        arrays: &[MeshArray<'_>],
        field_data: &[(String, Vec<f64>)],
    ) -> Result<()> {
        let n = self.times.len();
        self.times.push(time);
        // In a file of its own a sample carries its time as VTK has it.
        let with_time = || {
            let stated = field_data.iter().any(|(name, _)| name == TIME);
            let time = time.filter(|_| !stated).map(|t| (TIME.to_string(), vec![t]));
            field_data.iter().cloned().chain(time).collect::<Vec<_>>()
        };
        match &mut self.target {
            Target::One(one) => one.write(&self.path, mesh, arrays, &with_time()),
            Target::Folder(folder) | Target::Pvd(folder) => {
                let name = self.names.get(n).ok_or_else(|| Error::argument("samples", n + 1, n))?;
                let file = folder.path(format!("{name}.vtu"));
                write_vtu(&file, mesh, arrays, &with_time()).map_err(|e| folder.at_target(e))
            }
            Target::Xdmf(series) => append_to_series(&self.path, series, time, mesh, arrays, field_data),
            Target::Msh(series) => {
                let series = match series {
                    Some(series) => series,
                    None => series.insert(Box::new(MshWriter::create(&self.path, mesh, arrays, &self.tag_names)?)),
                };
                series.append(time, mesh, arrays)
            }
        }
    }

    /// Writes what comes last: the list of a series, or beside the files of a folder `parameters.csv` and `scalars.csv`.
    ///
    /// A .pvd file holds the times where they differ, else the numbers of the samples.
    pub fn finish(self, parameters: Option<&Table>, scalars: Option<&Table>) -> Result<()> {
        match self.target {
            Target::One(_) | Target::Xdmf(None) | Target::Msh(None) => Ok(()),
            Target::Msh(Some(written)) => written.finish(),
            Target::Xdmf(Some(written)) => written.0.finish(),
            Target::Pvd(folder) => {
                folder.commit()?;
                let place = self.path.with_extension("");
                let files: Vec<PathBuf> = self.names.iter().map(|n| place.join(format!("{n}.vtu"))).collect();
                write_pvd(&self.path, steps(&self.times).as_deref(), &files)
            }
            Target::Folder(folder) => {
                for (table, file) in [parameters, scalars].into_iter().zip(TABLES) {
                    if let Some(table) = table.filter(|t| t.n_columns() > 0) {
                        write_table(folder.path(file), Some(&self.names), table).map_err(|e| folder.at_target(e))?;
                    }
                }
                folder.commit()
            }
        }
    }
}

/// A state of an XDMF series. Where arrays cover the cells of the highest dimension only, it holds these cells.
fn append_to_series(
    path: &Path,
    series: &mut Option<Box<(XdmfWriter, Mesh)>>,
    time: Option<f64>,
    mesh: &Mesh,
    arrays: &[MeshArray<'_>],
    field_data: &[(String, Vec<f64>)],
) -> Result<()> {
    let carrier = carrier(mesh, arrays);
    let values: Vec<_> = arrays.iter().map(|a| restricted(mesh, &carrier, a)).collect();
    let arrays: Vec<MeshArray<'_>> = arrays.iter().zip(&values).map(|(a, values)| MeshArray { values, ..*a }).collect();
    match series {
        None => {
            let mut writer = XdmfWriter::create(path, &carrier)?;
            writer.append(time, None, &arrays, field_data)?;
            *series = Some(Box::new((writer, carrier.into_owned())));
        }
        Some(series) => {
            let other = (*carrier != series.1).then_some(&*carrier);
            series.0.append(time, other, &arrays, field_data)?;
        }
    }
    Ok(())
}

/// The times of a series, where all samples have one and these differ.
pub(super) fn steps(times: &[Option<f64>]) -> Option<Vec<f64>> {
    let times: Option<Vec<f64>> = times.iter().copied().collect();
    times.filter(|t| t.iter().map(|t| t.to_bits()).collect::<HashSet<_>>().len() == t.len())
}

/// Names of the files of a series.
pub(super) fn step_names(path: &Path, n: usize) -> Vec<String> {
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    (0..n).map(|i| format!("{stem}_{i:05}")).collect()
}

/// Names without what separates folders, makes a pattern, or hides a file; a name that is taken gets a number.
pub(super) fn file_names(names: &[String]) -> Vec<String> {
    let plain = |c: char| if c.is_control() || "/\\*?[]".contains(c) { '_' } else { c };
    let mut taken = HashSet::new();
    let free = |name: &String| {
        let name: String = name.chars().map(plain).collect();
        let name = if name.starts_with('.') || name.is_empty() { format!("_{name}") } else { name };
        let numbered = (2..).map(|i| format!("{name}_{i}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|n| taken.insert(n.clone()));
        free.unwrap_or(name)
    };
    names.iter().map(free).collect()
}

//! Samples one by one into files of mesh formats: one VTU, a folder of VTU, a series (.pvd, .xdmf).

use crate::data::Table;
use crate::error::{Error, Result};
use crate::io::csv::write_table;
use crate::io::mesh_file::{MeshArray, TIME, carrier, restricted};
use crate::io::vtk::pvd::write_pvd;
use crate::io::vtk::vtu_writer::write_vtu;
use crate::io::xdmf::writer::XdmfWriter;
use crate::mesh::Mesh;
use std::path::{Path, PathBuf};

/// Where samples go.
#[derive(Debug)]
pub struct SampleWriter {
    path: PathBuf,
    target: Target,
    names: Vec<String>,
    times: Vec<f64>,
}

#[derive(Debug)]
enum Target {
    /// The one sample of a file.
    Vtu,
    /// Files in a folder, with tables beside them.
    Folder,
    /// The same, in the order of time, with a list of them.
    Pvd(PathBuf),
    /// With the mesh that comes first.
    Xdmf(Option<Box<(XdmfWriter, Mesh)>>),
}

/// Endings that name a target, for messages; without an ending it is a folder.
pub const ENDINGS: &str = ".h5, .vtu, .pvd, .xdmf, or a folder";

impl SampleWriter {
    /// `.vtu` for one sample, `.pvd` or `.xdmf` for a series; a name without ending, or a folder that is there, for files in it.
    ///
    /// Errors: K009 several samples for one `.vtu`, or another ending; K001, K103 where the place cannot be written to.
    pub fn create(path: &Path, n_samples: usize) -> Result<SampleWriter> {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let target = match ending.as_deref() {
            _ if path.is_dir() => Target::Folder,
            None => Target::Folder,
            Some("vtu") if n_samples == 1 => Target::Vtu,
            Some("vtu") => {
                let mend = "name a folder, a .pvd or an .xdmf file";
                let found = format!("{n_samples} samples");
                return Err(Error::input("K009", path, "", found, "one sample for a .vtu file", mend));
            }
            Some("pvd") => Target::Pvd(path.with_extension("")),
            Some("xdmf") => Target::Xdmf(None),
            Some(other) => {
                let found = format!("the ending .{other}");
                return Err(Error::input("K009", path, "", found, ENDINGS, "choose one of these names"));
            }
        };
        let folder = match &target {
            Target::Folder => Some(path),
            Target::Pvd(folder) => Some(folder.as_path()),
            _ => None,
        };
        if let Some(folder) = folder {
            let refuse = |e: std::io::Error| Error::Write { file: folder.into(), reason: e.to_string() };
            std::fs::create_dir_all(folder).map_err(refuse)?;
        }
        Ok(SampleWriter { path: path.into(), target, names: Vec::new(), times: Vec::new() })
    }

    /// Writes a sample; `time` goes into the files too. Errors: those of the format.
    pub fn append(
        &mut self,
        name: &str,
        time: Option<f64>,
        mesh: &Mesh,
        arrays: &[MeshArray<'_>],
        field_data: &[(String, Vec<f64>)],
    ) -> Result<()> {
        let n = self.names.len();
        let file = match &mut self.target {
            Target::Vtu => self.path.clone(),
            Target::Folder => self.path.join(format!("{}.vtu", file_name(name))),
            Target::Pvd(folder) => folder.join(format!("{}_{n:05}.vtu", stem(&self.path))),
            Target::Xdmf(series) => {
                append_to_series(&self.path, series, time, mesh, arrays, field_data)?;
                self.names.push(name.into());
                return Ok(());
            }
        };
        let mut field_data = field_data.to_vec();
        if let Some(time) = time.filter(|_| field_data.iter().all(|(name, _)| name != TIME)) {
            field_data.push((TIME.into(), vec![time]));
        }
        write_vtu(&file, mesh, arrays, &field_data)?;
        self.names.push(name.into());
        self.times.push(time.unwrap_or(n as f64));
        Ok(())
    }

    /// Writes what comes last: the list of a series, or beside the files of a folder `parameters.csv` and `scalars.csv`.
    pub fn finish(self, parameters: Option<&Table>, scalars: Option<&Table>) -> Result<()> {
        match self.target {
            Target::Vtu | Target::Xdmf(None) => Ok(()),
            Target::Xdmf(Some(series)) => series.0.finish(),
            Target::Pvd(folder) => {
                let file = |i: usize| folder.join(format!("{}_{i:05}.vtu", stem(&self.path)));
                let series: Vec<(f64, PathBuf)> = self.times.iter().enumerate().map(|(i, t)| (*t, file(i))).collect();
                write_pvd(&self.path, &series)
            }
            Target::Folder => {
                let names: Vec<String> = self.names.iter().map(|n| file_name(n)).collect();
                for (table, file) in [(parameters, "parameters.csv"), (scalars, "scalars.csv")] {
                    if let Some(table) = table.filter(|t| t.n_columns() > 0) {
                        write_table(self.path.join(file), Some(&names), table)?;
                    }
                }
                Ok(())
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

fn stem(path: &Path) -> String {
    path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A name without what separates folders.
fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() || "-_.+".contains(c) { c } else { '_' }).collect()
}

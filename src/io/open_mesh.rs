//! Which format a file has, and its reader.

use crate::error::{Error, Result};
use crate::io::cgns::CgnsFile;
use crate::io::ensight::EnsightCase;
use crate::io::gmsh::GmshFile;
use crate::io::mesh_file::MeshFile;
use crate::io::openfoam::OpenFoamCase;
use crate::io::vtk::legacy::LegacyVtkFile;
use crate::io::vtk::pvd::PvdFile;
use crate::io::vtk::pvtu::PvtuFile;
use crate::io::vtk::vtu::VtuFile;
use crate::io::xdmf::XdmfFile;
use std::path::Path;

/// The mesh formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeshFormat {
    Vtu,
    Pvtu,
    Pvd,
    LegacyVtk,
    Gmsh,
    Xdmf,
    Cgns,
    OpenFoam,
    EnSight,
}

use MeshFormat::*;

/// Endings of files.
const ENDINGS: &[(&str, MeshFormat)] = &[
    ("vtu", Vtu),
    ("pvtu", Pvtu),
    ("pvd", Pvd),
    ("vtk", LegacyVtk),
    ("msh", Gmsh),
    ("xdmf", Xdmf),
    ("xmf", Xdmf),
    ("cgns", Cgns),
    ("foam", OpenFoam),
    ("openfoam", OpenFoam),
    ("case", EnSight),
    ("encas", EnSight),
];

impl MeshFormat {
    /// By the ending of a file; a folder with `constant/polyMesh` or `system/controlDict` is an OpenFOAM case.
    pub fn of(path: &Path) -> Option<MeshFormat> {
        if path.is_dir() {
            let case = ["constant/polyMesh", "system/controlDict"].iter().any(|inside| path.join(inside).exists());
            return case.then_some(OpenFoam);
        }
        let ending = path.extension()?.to_str()?.to_lowercase();
        ENDINGS.iter().find(|(known, _)| *known == ending).map(|(_, format)| *format)
    }

    /// Endings for messages.
    pub fn endings() -> String {
        ENDINGS.iter().map(|(ending, _)| format!(".{ending}")).collect::<Vec<_>>().join(", ")
    }
}

/// Opens a file, or the folder of a case, with the reader of its format. Errors: K002 for a format that is not known, and those
/// of the reader.
pub fn open_mesh(path: &Path) -> Result<Box<dyn MeshFile>> {
    open(path, false)
}

/// The same of one sample of many: pieces of partitioned meshes are opened when they are needed.
pub(super) fn open_sample(path: &Path) -> Result<Box<dyn MeshFile>> {
    open(path, true)
}

fn open(path: &Path, lazily: bool) -> Result<Box<dyn MeshFile>> {
    let Some(format) = MeshFormat::of(path) else {
        let found = match path.extension() {
            Some(ending) => format!("the ending .{}", ending.to_string_lossy()),
            None => "no ending".to_string(),
        };
        let expected = format!("one of {}, or the folder of an OpenFOAM case", MeshFormat::endings());
        return Err(Error::input(
            "K002",
            path,
            "",
            found,
            expected,
            "convert the file, or give it the ending of its format",
        ));
    };
    Ok(match format {
        Vtu => Box::new(VtuFile::open(path)?),
        Pvtu if lazily => Box::new(PvtuFile::listed(path)?),
        Pvtu => Box::new(PvtuFile::open(path)?),
        Pvd => Box::new(PvdFile::open(path)?),
        LegacyVtk => Box::new(LegacyVtkFile::open(path)?),
        Gmsh => Box::new(GmshFile::open(path)?),
        Xdmf => Box::new(XdmfFile::open(path)?),
        Cgns => Box::new(CgnsFile::open(path)?),
        OpenFoam => Box::new(OpenFoamCase::open(path)?),
        EnSight => Box::new(EnsightCase::open(path)?),
    })
}

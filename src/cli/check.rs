//! `kolmo check`.

use super::Global;
use super::findings::Findings;
use kolmo::error::{Error, Result};
use kolmo::io::model_file::{self, MAGIC};
use kolmo::io::open_mesh::MeshFormat;
use kolmo::io::operator_model_file::{METHOD, method_of};
use kolmo::io::pod_model;
use std::io::Read;
use std::path::Path;

/// True for a file that starts like a model file, or that by its name could be one with a damaged start: it is no HDF5 file either.
pub fn is_model(file: &Path) -> bool {
    const HDF5: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
    let mut start = [0; 8];
    let read = std::fs::File::open(file).and_then(|mut f| f.read_exact(&mut start));
    let named = file.extension().is_none_or(|e| ["h5", "hdf5"].iter().any(|known| e.eq_ignore_ascii_case(known)));
    let mesh = MeshFormat::of(file).is_some();
    read.is_ok() && !mesh && (start == MAGIC || named && start != HDF5)
}

/// Refuses a file that is [taken for a model](is_model) by its name but has neither its mark nor that of HDF5.
pub fn refuse_neither(file: &Path) -> Result<()> {
    let mut start = Vec::new();
    let read = std::fs::File::open(file).and_then(|f| f.take(MAGIC.len() as u64).read_to_end(&mut start));
    if read.is_err() || start == MAGIC {
        return Ok(());
    }
    let found = "a file with neither the signature of HDF5 nor the mark of a model";
    let mend = "name one of these, or copy the file again; a file of another format needs its ending";
    Err(Error::input("K002", file, "first bytes", found, "samples in HDF5, or a model written by `kolmo fit`", mend))
}

/// Checks a model byte by byte, or a study and its data without working on them.
pub fn run(file: &Path, global: &Global) -> Result<()> {
    global.check_json()?;
    let found = if file.extension().is_some_and(|e| e == "toml") {
        Findings::of_study(file, global)
    } else if is_model(file) {
        refuse_neither(file)?;
        of_model(file)?
    } else {
        Findings::of_data(file, global)?
    };
    found.finish(file, global)
}

fn of_model(file: &Path) -> Result<Findings> {
    model_file::verify_file(file)?;
    if method_of(file)? == METHOD {
        let mut found = Findings::default();
        let length = std::fs::metadata(file).map_or(0, |m| m.len());
        found.told("bytes", format!("{length}, every checksum holds"));
        for line in super::operator_info::of_model(file, false)?.0 {
            if let Some((what, text)) = line.split_once(": ") {
                found.told(what, text);
            }
        }
        return Ok(found);
    }
    let (model, about) = pod_model::read(file)?;
    let mut found = Findings::default();
    let length = std::fs::metadata(file).map_or(0, |m| m.len());
    found.told("bytes", format!("{length}, every checksum holds"));
    found.told("model", format!("{}, {} samples", about.study_name, model.n_snapshots));
    found.told("inputs", model.inputs.names.join(", "));
    for f in &model.fields {
        found.told(format!("field {}", f.info.name), format!("{} modes", f.n_modes()));
    }
    if !model.scalars.is_empty() {
        found.told("scalars", model.scalars.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join(", "));
    }
    Ok(found)
}

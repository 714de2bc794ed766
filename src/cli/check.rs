//! `kolmo check`.

use super::Global;
use super::source::{Samples, inner_product, open};
use kolmo::error::Result;
use kolmo::io::open_mesh::MeshFormat;
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// True for a file that starts like a model file, or whose start is damaged so that it is no HDF5 file either.
pub fn is_model(file: &Path) -> bool {
    const HDF5: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
    let mut start = [0; 8];
    let read = std::fs::File::open(file).and_then(|mut f| f.read_exact(&mut start));
    let mesh = MeshFormat::of(file).is_some();
    read.is_ok() && start != HDF5 && !mesh && !["npy", "npz"].iter().any(|e| file.extension().is_some_and(|x| x == *e))
}

/// Checks a model byte by byte, or a study and its data without working on them.
pub fn run(file: &Path, global: &Global) -> Result<()> {
    if file.extension().is_some_and(|e| e == "toml") {
        let study = kolmo::data::study::Study::read(file)?;
        let samples = Samples::of(&study)?;
        let (rows, _) = study.select(samples.source.n_samples())?;
        super::fit::enough(&study, &rows)?;
        samples.inputs(&study, &rows)?;
        let mesh = samples.source.mean_mesh(&rows)?;
        for field in samples.fields(&study)? {
            let (kind, product) = (&study.reduction.inner_product, samples.file_product.as_ref());
            inner_product(kind, &field, mesh.as_ref(), product, samples.source.path())?;
        }
    } else if is_model(file) || !file.exists() {
        kolmo::io::model_file::verify_file(file)?;
        kolmo::io::pod_model::read(file)?;
    } else {
        open(file)?;
    }
    global.result("ok", &json!({"ok": true}))
}

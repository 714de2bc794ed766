//! `kolmo demo`.

use super::{Global, print};
use kolmo::data::study::Study;
use kolmo::error::{Error, Result};
use std::path::Path;

const DATA: &[u8] = include_bytes!("../../examples/data/supersonic_step.h5");
const STUDY: &str = include_str!("../../examples/data/supersonic_step.toml");

/// Fits 48 of 60 full-order solutions of a supersonic flow, and scores the model on the 12 others.
pub fn run(folder: Option<&Path>, global: &Global) -> Result<()> {
    let folder = folder.unwrap_or(Path::new("kolmo-demo"));
    std::fs::create_dir_all(folder).map_err(|e| Error::Write { file: folder.to_path_buf(), reason: e.to_string() })?;
    let put = |name: &str, bytes: &[u8]| kolmo::io::atomic::write_bytes(folder.join(name), bytes);
    put("supersonic_step.h5", DATA)?;
    put("supersonic_step.toml", STUDY.as_bytes())?;
    let file = folder.join("supersonic_step.toml");
    let study = Study::read(&file)?;
    let samples = super::source::Samples::of(&study)?;
    let (rows, _) = study.select(samples.source.n_samples())?;
    let (model, about) = super::fit::fit(&study, &samples, &rows, global)?;
    let model_file = folder.join("model.h5");
    kolmo::io::pod_model::write(&model_file, &model, &about)?;
    let scores = super::validate::against(&model_file, &file, None)?.json();
    super::validate::table(&scores);
    put("scores.json", format!("{scores:#}\n").as_bytes())?;
    for name in ["model.h5", "scores.json"] {
        print(&folder.join(name).display().to_string());
    }
    Ok(())
}

//! `kolmo info`.

use super::{print, source};
use kolmo::error::Result;
use std::path::Path;

/// Prints what a model, a study or a data file holds.
pub fn run(file: &Path) -> Result<()> {
    if file.extension().is_some_and(|e| e == "toml") {
        let study = kolmo::data::study::Study::read(file)?;
        print(&format!(
            "study: {}\nsamples: {}\nmethod: {}",
            study.name,
            study.resolve(&study.data.samples).display(),
            study.reduction.method
        ));
        return Ok(());
    }
    if super::check::is_model(file) {
        let (model, about) = kolmo::io::pod_model::read(file)?;
        print(&format!(
            "model: {}\nmethod: pod\nsamples: {}\ninner product: {}\nfit: {:.2} s",
            about.study_name, model.n_snapshots, about.inner_product, about.seconds
        ));
        for (j, name) in model.inputs.names.iter().enumerate() {
            print(&format!("input {name}: {} to {}", model.inputs.lower[j], model.inputs.upper[j]));
        }
        for f in &model.fields {
            print(&format!(
                "field {}: {} {} values x {}, {} modes",
                f.info.name,
                f.info.n_entities,
                f.info.location.name(),
                f.info.n_components,
                f.n_modes()
            ));
        }
        model.scalars.iter().for_each(|s| print(&format!("scalar {}", s.name)));
        return Ok(());
    }
    let (data, _) = source::open(file)?;
    print(&format!("samples: {}", data.n_samples()));
    if let Some(mesh) = data.mesh() {
        print(&format!("mesh: {} points, {} cells, {}-D", mesh.n_points(), mesh.n_cells(), mesh.dim));
    }
    data.parameters().into_iter().for_each(|p| print(&format!("parameters: {}", p.names.join(", "))));
    data.scalars().into_iter().for_each(|p| print(&format!("scalars: {}", p.names.join(", "))));
    for f in data.fields() {
        print(&format!("field {}: {} {} values x {}", f.name, f.n_entities, f.location.name(), f.n_components));
    }
    Ok(())
}

//! `kolmo fit --append NEW MODEL.h5`.

use super::compare::{check_mesh, missing_name};
use super::fit::options_of;
use super::predict::inputs_from;
use super::source::{Samples, inner_product};
use super::{Global, spare, spare_files, warn};
use kolmo::comm::{SingleComm, agree};
use kolmo::data::study::Study;
use kolmo::data::{FieldInfo, Table};
use kolmo::error::{Error, Result};
use kolmo::io::pod_model::{Provenance, read, write};
use kolmo::linalg::inner_product::orthonormality;
use kolmo::linalg::tall::{Layout, TallMatrix};
use kolmo::offline::Progress;
use kolmo::offline::append_samples::{NewSnapshots, append_samples};
use kolmo::offline::pod_regression::Options;
use kolmo::online::{PodRegression, ReducedField};
use serde_json::json;
use std::path::Path;
use std::time::Instant;

/// Largest |VᵀMV - I| with the inner product of the training.
const ORTHONORMAL: f64 = 1e-6;

/// Updates a model with new samples. The first rank does it.
pub fn append(new: &Path, file: &Path, output: Option<&Path>, global: &Global) -> Result<()> {
    let comm = global.comm();
    let done = if comm.rank() == 0 { update(new, file, output.unwrap_or(file), global) } else { Ok(()) };
    agree(comm.as_ref(), done)
}

fn update(new: &Path, file: &Path, output: &Path, global: &Global) -> Result<()> {
    let start = Instant::now();
    let (old, mut about) = read(file)?;
    if !old.can_grow() {
        let (found, mend) =
            ("a model of an older version, without the coefficients of its samples", "fit all samples anew");
        return Err(Error::input("K002", file, "/pod", found, "a model written by this version", mend));
    }
    spare(output, &[new])?;
    global.check_json()?;
    drop(kolmo::io::atomic::temporary(output)?);
    let study = Study::parse(&about.study, file)?;
    // What a study says of its samples need not hold for these.
    let mut bare = study.clone();
    bare.described.clear();
    bare.scores.floor.clear();
    let samples = Samples::in_file(&bare, new, None, None).map_err(of_new)?;
    spare_files(&[output.to_path_buf()], &samples.files)?;
    let n = samples.source.n_samples();
    if n == 0 {
        return Err(Error::input("K008", new, "", "no samples", "at least one", "hand in new samples"));
    }
    let known: Vec<FieldInfo> = old.fields.iter().map(|f| f.info.clone()).collect();
    check_mesh(&known, about.mesh.as_ref(), &samples, new)?;
    tell_ignored(&old, &samples, new);
    let inputs = inputs_of(&old, &about, &samples, new)?;
    let scalars = scalars_of(&old, &samples, new)?;
    let infos = old.fields.iter().map(|f| field_of(&old, f, &samples, new)).collect::<Result<Vec<_>>>()?;
    let mut fields = Vec::new();
    for (field, info) in old.fields.iter().zip(&infos) {
        let source = samples.source.as_ref();
        let read =
            move |columns: std::ops::Range<usize>| source.read(info, &columns.collect::<Vec<_>>(), 0..info.n_dofs());
        fields.push(NewSnapshots { read: Box::new(read), inner_product: product_of(field, &about, &samples, new)? });
    }
    global.progress(&format!("fit: {n} samples are appended to {}", old.n_snapshots));
    let progress: Progress = global.steps("fit");
    let options = Options { progress, confidence: old.confidence, ..options_of(&study) };
    let model = append_samples(&old, &inputs, &fields, &scalars, &options).map_err(|e| match e.code() {
        "K019" => e.in_file(new),
        _ => of_new(e),
    })?;
    about.training = inputs.values;
    about.seconds += start.elapsed().as_secs_f64();
    about.study = format!("{}\n# {n} samples of {} were appended\n", about.study.trim_end(), new.display());
    write(output, &model, &about, &SingleComm)?;
    tell(&model, output, n, start.elapsed().as_secs_f64(), global)
}

/// An error of samples that no study has chosen: nothing can be left out by a setting.
fn of_new(error: Error) -> Error {
    match error {
        Error::Input { code: "K007", file, place, found, .. } if place == "/parameters" => {
            let (expected, mend) = ("a row of parameters for each sample", "write /parameters into the file");
            Error::input("K007", file, place, found, expected, mend)
        }
        Error::Input { code, file, place, found, expected, mend } => {
            let mend = mend.replace(", name other `fields`", "").replace(" with `select`", " of the new samples");
            Error::Input { code, file, place, found, expected, mend }
        }
        other => other,
    }
}

/// Warns of outputs that only the new samples have.
fn tell_ignored(old: &PodRegression, samples: &Samples, new: &Path) {
    for (what, names) in [("fields", fields_beyond(old, samples)), ("scalars", scalars_beyond(old, samples))] {
        if !names.is_empty() {
            let names = names.join(", ");
            warn(&format!("{}: {what} that the model has not learnt are left out: {names}", new.display()));
        }
    }
}

/// The fields of samples that a model has not learnt.
fn fields_beyond<'a>(old: &PodRegression, samples: &'a Samples) -> Vec<&'a str> {
    let learnt = |name: &&str| old.fields.iter().any(|f| f.info.name == *name);
    samples.source.fields().iter().map(|f| f.name.as_str()).filter(|name| !learnt(name)).collect()
}

/// The scalars of samples that a model has not learnt.
fn scalars_beyond<'a>(old: &PodRegression, samples: &'a Samples) -> Vec<&'a str> {
    let learnt = |name: &&str| old.scalars.iter().any(|s| s.name == *name);
    samples.scalars.names.iter().map(String::as_str).filter(|name| !learnt(name)).collect()
}

fn tell(model: &PodRegression, output: &Path, n: usize, seconds: f64, global: &Global) -> Result<()> {
    let mut lines = Vec::new();
    let mut fields = serde_json::Map::new();
    for f in &model.fields {
        let (name, error) = (&f.info.name, f.projection_error);
        // What the old snapshots miss is known by its size only: see `append_samples`.
        lines.push(format!("{name}: {} modes, projection error at most {error:.2e} (upper bound)", f.n_modes()));
        let value = json!({"modes": f.n_modes(), "projection_error": error, "projection_error_bound": error});
        fields.insert(name.clone(), value);
    }
    let all = model.n_snapshots;
    lines.push(format!("model: {} ({all} samples, {n} of them new, {seconds:.2} s)", output.display()));
    let value = json!({"model": output, "n_samples": all, "appended": n, "fields": fields, "seconds": seconds});
    global.result(&lines.join("\n"), &value)
}

/// Old inputs, then new ones.
fn inputs_of(old: &PodRegression, about: &Provenance, samples: &Samples, new: &Path) -> Result<Table> {
    let x = inputs_from(&samples.parameters, &old.inputs.names, new)?;
    for (name, value) in &about.dropped {
        let Some(column) = samples.parameters.position(name) else { continue };
        let other = samples.parameters.column(column).into_iter().enumerate().find(|(_, v)| v != value);
        if let Some((sample, found)) = other {
            let expected = format!("{value}, as in all samples of the training, where it is no input for that reason");
            let place = format!("parameters, sample {sample}, {name}");
            return Err(Error::input("K009", new, place, found.to_string(), expected, "fit all samples anew"));
        }
    }
    let mut values = about.training.clone();
    x.row_iter().for_each(|row| values.extend(row.iter()));
    let table = Table::new(old.inputs.names.clone(), values)?;
    let n_old = old.n_snapshots;
    for i in n_old..table.n_rows() {
        if let Some(k) = (0..i).find(|&k| table.row(k) == table.row(i)) {
            let before = if k < n_old { format!("training sample {k}") } else { format!("new sample {}", k - n_old) };
            let sample = i - n_old;
            warn(&format!("new sample {sample} has the parameters of {before}; their difference counts as noise"));
        }
    }
    Ok(table)
}

/// Old scalars, then new ones.
fn scalars_of(old: &PodRegression, samples: &Samples, new: &Path) -> Result<Table> {
    let (known, others) = (&samples.scalars.names, scalars_beyond(old, samples));
    let mut columns = Vec::new();
    for scalar in &old.scalars {
        let column = samples.scalars.position(&scalar.name);
        let column = column.ok_or_else(|| match samples.scalars.reason(&scalar.name) {
            Some(reason) => reason.clone(),
            None => missing_name(new, "scalar", &scalar.name, known, &others),
        })?;
        columns.push([scalar.training.clone(), samples.scalars.column(column)].concat());
    }
    let n = if columns.is_empty() { 0 } else { columns[0].len() };
    let values = (0..n).flat_map(|i| columns.iter().map(move |c| c[i])).collect();
    Table::new(old.scalars.iter().map(|s| s.name.clone()).collect(), values)
}

/// The field of the new samples that is the model's.
fn field_of<'a>(old: &PodRegression, field: &ReducedField, samples: &'a Samples, new: &Path) -> Result<&'a FieldInfo> {
    let (all, wanted) = (samples.source.fields(), &field.info);
    let place = format!("field {}", wanted.name);
    let info = all.iter().chain(samples.source.tags()).find(|f| f.name == wanted.name).ok_or_else(|| {
        let known: Vec<String> = all.iter().map(|f| f.name.clone()).collect();
        missing_name(new, "field", &wanted.name, &known, &fields_beyond(old, samples))
    })?;
    let describe = |f: &FieldInfo| format!("{} {} values x {}", f.n_entities, f.location.name(), f.n_components);
    if (info.n_entities, info.n_components, info.location) == (wanted.n_entities, wanted.n_components, wanted.location)
    {
        return Ok(info);
    }
    let mend = "hand in samples on the mesh of the model";
    Err(Error::input("K005", new, place, describe(info), describe(wanted), mend))
}

/// The inner product of the training: from the mesh of the model, or from the file of the new samples.
fn product_of(
    field: &ReducedField,
    about: &Provenance,
    samples: &Samples,
    new: &Path,
) -> Result<kolmo::linalg::inner_product::InnerProduct> {
    let (kind, mesh) = (&about.inner_product, about.mesh.as_ref());
    let product = inner_product(kind, &field.info, mesh, samples.file_product.as_ref(), new)?;
    let basis = TallMatrix::new(Layout::serial(field.basis.nrows()), field.basis.clone())?;
    if orthonormality(&basis, &product) <= ORTHONORMAL {
        return Ok(product);
    }
    let (found, expected) = ("another inner product than that of the model", "the one that the model was fitted with");
    let mend = "copy /inner_product from the training data";
    Err(Error::input("K005", new, "/inner_product", found, expected, mend))
}

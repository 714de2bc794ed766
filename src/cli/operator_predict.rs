//! `kolmo predict` with a model of operators.

use super::flags::Flags;
use super::operator_entries::{Taken, taken};
use super::predict::{BATCH, Points, Predict, Sample, inputs_from};
use super::{Global, spare_files, warn};
use faer::{Mat, MatRef};
use kolmo::algorithms::conformal::normal_quantile;
use kolmo::data::{FieldInfo, Table};
use kolmo::error::{Error, Result};
use kolmo::io::operator_model_file::{AnyModel, read};
use kolmo::io::operators::OperatorFile;
use kolmo::io::pod_model::Provenance;
use kolmo::io::predictions::{PredictedField, PredictionBatch, PredictionWriter};
use kolmo::io::sample_writer::{SampleWriter, sample_outputs};
use kolmo::linalg::scalar::Scalar;
use kolmo::online::operator_model::{Answers, OperatorModel, Reason};
use serde_json::json;

/// Refuses `--modes` that a model does not hold; all where it is not told.
pub fn modes_of<T: Scalar>(model: &OperatorModel<T>, asked: Option<i64>, file: &std::path::Path) -> Result<usize> {
    let largest = model.n_modes();
    match asked {
        None => Ok(largest),
        Some(m) if m >= 1 && m as usize <= largest => Ok(m as usize),
        Some(m) => {
            let mend = "choose a number of modes that the model holds";
            Err(Error::input("K009", file, "--modes", m.to_string(), format!("1 to {largest}"), mend))
        }
    }
}

/// That a model needs entries, in the words of a user.
pub fn in_words(e: Error, file: &std::path::Path, x: &[f64]) -> Error {
    match e {
        Error::Argument { what, found, expected } if what.starts_with("entries of") => {
            let mend = "add --operators NEW.h5 with the entries that `kolmo info MODEL.h5 --entries` lists";
            Error::input("K012", file, what, found, expected, mend)
        }
        Error::Argument { what, found, expected } if expected == "a finite number" => {
            Error::input("K004", file, what, found, expected, format!("choose other parameters than {x:?}"))
        }
        Error::Argument { what, found, .. } if what.starts_with("reduced matrix") => {
            let expected = "a regular reduced operator";
            Error::input(
                "K021",
                file,
                what,
                found,
                expected,
                format!("choose other parameters than {x:?}, or fewer --modes"),
            )
        }
        other => other,
    }
}

/// Reads, answers, writes; on the first rank only.
pub fn run(args: &Predict, global: &Global) -> Result<()> {
    let (model, about) = read(&args.model)?;
    match model {
        AnyModel::Real(model) => run_of(args, &model, &about, global),
        AnyModel::Complex(model) => run_of(args, &model, &about, global),
    }
}

fn run_of<T: Scalar>(args: &Predict, model: &OperatorModel<T>, about: &Provenance, global: &Global) -> Result<()> {
    let n_modes = modes_of(model, args.modes, &args.model)?;
    let file = args.operators.as_deref().map(OperatorFile::open).transpose()?;
    let points = match &file {
        Some(file) if args.parameters.is_none() && args.at.is_none() => {
            Points { table: file.parameters.clone(), names: None, file: file.path().to_path_buf() }
        }
        _ => args.points()?,
    };
    let x = inputs_from(&points.table, &model.inputs.names, &points.file)?;
    let n = x.nrows();
    if n == 0 {
        return Err(Error::input("K008", &points.file, "", "no rows", "at least one point", "add a row"));
    }
    let entries = match &file {
        None => None,
        Some(file) if file.n_samples != n => {
            let (found, expected) = (format!("{} parameters", file.n_samples), format!("{n}, one per point"));
            return Err(Error::input(
                "K005",
                file.path(),
                "/parameters",
                found,
                expected,
                "hand in as many operators as points",
            ));
        }
        Some(file) => {
            same_parameters(file, &points, &model.inputs.names, x.as_ref())?;
            Some(taken(file, model, x.as_ref(), &(0..n).collect::<Vec<_>>())?)
        }
    };
    let told = write(args, model, about, &points, x.as_ref(), entries.as_ref(), n_modes)?;
    // A model that asks for nothing is given nothing.
    if told.learned > 0 && model.parts().any(|p| !p.entries().is_empty()) {
        warn(&format!(
            "coefficients of {} of {n} points were learnt, not taken from the operators: --operators NEW.h5 gives better answers",
            told.learned
        ));
    }
    let largest = if n == 1 { "estimated relative error" } else { "largest estimated relative error" };
    global.result(
        &format!(
            "predictions: {} ({n} point{}, {}; {largest} {:.1e})",
            args.output.display(),
            if n == 1 { "" } else { "s" },
            told.flags.words(),
            told.largest
        ),
        &json!({"predictions": args.output, "n_points": n, "extrapolating": told.flags.count(), "flags": told.flags.json(),
            "indicator_max": told.largest, "learned": told.learned}),
    )
}

/// That the parameters of the points are those of the operators, where the file names them. Error: K022.
fn same_parameters(file: &OperatorFile, points: &Points, names: &[String], x: MatRef<'_, f64>) -> Result<()> {
    if points.file == file.path() {
        return Ok(());
    }
    for (j, name) in names.iter().enumerate() {
        let Some(column) = file.parameters.position(name) else { continue };
        for i in 0..x.nrows() {
            let (own, asked) = (file.parameters.row(i)[column], x[(i, j)]);
            if (own - asked).abs() > 1e-9 * own.abs().max(asked.abs()) {
                let expected = format!("{asked}, as in the points");
                return Err(Error::input(
                    "K022",
                    file.path(),
                    format!("/parameters, row {}, {name}", i + 1),
                    own.to_string(),
                    expected,
                    "hand in the operators of these points in their order, or leave --parameters out",
                ));
            }
        }
    }
    Ok(())
}

#[derive(Default)]
struct Told {
    flags: Flags,
    learned: usize,
    largest: f64,
}

/// Real and imaginary parts as fields of their own, where there are two.
fn infos_of<T: Scalar>(model: &OperatorModel<T>) -> Vec<FieldInfo> {
    let named = |suffix: &str| FieldInfo { name: format!("{}{suffix}", model.info.name), ..model.info.clone() };
    if T::IS_COMPLEX { vec![named("_re"), named("_im")] } else { vec![named("")] }
}

/// Names of the scalar outputs; complex ones have two.
pub fn scalar_names<T: Scalar>(model: &OperatorModel<T>) -> Vec<String> {
    let names = model.output_names().into_iter();
    if T::IS_COMPLEX { names.flat_map(|n| [format!("{n}_re"), format!("{n}_im")]).collect() } else { names.collect() }
}

/// A batch of answers with the fields; complex ones as real and imaginary part.
pub fn expand<T: Scalar>(model: &OperatorModel<T>, answers: &Answers<T>) -> PredictionBatch {
    let u = model.reconstruct(answers.coefficients.as_ref());
    let std = model.standard_deviation(answers);
    let interval = model.intervals(answers, std.as_ref());
    let part = |f: fn(T) -> f64| PredictedField {
        values: Mat::from_fn(u.nrows(), u.ncols(), |i, j| f(u[(i, j)])),
        std: std.clone(),
        interval: interval.clone(),
        indicator: answers.indicator.clone(),
    };
    let z = normal_quantile(model.confidence);
    let (mut scalars, mut scalars_std, mut scalars_interval) = (Vec::new(), Vec::new(), Vec::new());
    for j in 0..u.ncols() {
        for (v, half) in answers.outputs.col(j).iter().zip(answers.output_halves.col(j).iter().copied()) {
            for part in if T::IS_COMPLEX { vec![v.re(), v.im()] } else { vec![v.re()] } {
                scalars.push(part);
                scalars_interval.push(half);
                scalars_std.push(half / z);
            }
        }
    }
    let mut fields = vec![part(Scalar::re)];
    if T::IS_COMPLEX {
        fields.push(part(Scalar::im));
    }
    PredictionBatch {
        fields,
        scalars,
        scalars_std,
        scalars_interval,
        indicator: answers.indicator.clone(),
        flags: answers.flags.clone(),
        bound: answers.bound.clone(),
    }
}

fn write<T: Scalar>(
    args: &Predict,
    model: &OperatorModel<T>,
    about: &Provenance,
    points: &Points,
    x: MatRef<'_, f64>,
    operators: Option<&Taken<T>>,
    n_modes: usize,
) -> Result<Told> {
    let (n, scalars) = (x.nrows(), scalar_names(model));
    let (mut told, mut learned, mut bound) = (Told::default(), Vec::<u8>::with_capacity(n), Vec::<f64>::new());
    let mut answer = |start: usize| -> Result<PredictionBatch> {
        let b = BATCH.min(n - start);
        let own = operators.map(|o| &o.entries[start..start + b]);
        let mut answers = model
            .answer(x.subrows(start, b), own, n_modes)
            .map_err(|e| in_words(e, &args.model, &x.row(start).iter().copied().collect::<Vec<_>>()))?;
        let unlike = operators.into_iter().flat_map(|o| o.unlike[start..start + b].iter().enumerate());
        unlike.for_each(|(i, missed)| missed.iter().for_each(|m| answers.distrust(i, *m)));
        if let Some(o) = operators {
            super::operator_entries::widen(model, &mut answers, &o.outputs[start..start + b]);
        }
        super::predict::flag_constants(&mut answers.flags, about, &points.table, start);
        for (flag, reason) in answers.flags.iter().zip(&answers.reasons) {
            // A constant input that has another value lies outside too.
            told.flags.add(if *flag == 0 { None } else { reason.or(Some(Reason::Outside)) });
        }
        bound.extend(answers.bound.iter().flatten());
        told.learned += answers.learned.iter().filter(|l| **l).count();
        learned.extend(answers.learned.iter().map(|l| u8::from(*l)));
        told.largest = answers.indicator.iter().copied().fold(told.largest, f64::max);
        Ok(expand(model, &answers))
    };
    if args.is_stacked() {
        let infos = std::slice::from_ref(&model.info);
        let mut writer =
            PredictionWriter::create_for::<T>(&args.output, about.mesh.as_ref(), &points.table, infos, n, &scalars)?;
        for start in (0..n).step_by(BATCH) {
            writer.append(&answer(start)?)?;
        }
        if told.learned > 0 {
            writer.numbers("learned", &learned)?;
        }
        if bound.len() == n {
            writer.numbers("bound", &bound)?;
        }
        writer.finish()?;
        return Ok(told);
    }
    let mesh = about.mesh.as_ref().ok_or_else(|| super::predict::no_mesh(&args.output))?;
    let names = points.names(n);
    spare_files(&sample_outputs(&args.output, &names).map_err(|e| e.inside("-o"))?, &points.inputs(&args.model))?;
    let mut writer = SampleWriter::create(&args.output, &names).map_err(|e| e.inside("-o"))?;
    let (infos, mut all) = (infos_of(model), Vec::new());
    for start in (0..n).step_by(BATCH) {
        let batch = answer(start)?;
        for j in 0..batch.flags.len() {
            let sample = Sample::new(&infos, &scalars, &batch, j, &vec![false; infos.len()]);
            writer.append(points.time(start + j), mesh, &sample.arrays(), &sample.field_data)?;
        }
        all.extend(batch.scalars);
    }
    writer.finish(Some(&points.table), Some(&Table::new(scalars, all)?))?;
    Ok(told)
}

//! `kolmo fit` of operators: matrices at training parameters in, a reduced basis out.

use super::operator_parts::{Quantities, quantities};
use super::source::{inner_product, inputs_of};
use super::tables::table_of_numbers;
use super::{Global, spare_files, warn};
use kolmo::algorithms::pod::Truncation;
use kolmo::data::study::{DEFAULT_TOLERANCE, Study};
use kolmo::data::study_operators::Door;
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::error::{Error, Result};
use kolmo::io::operator_model_file::{self, AnyModel};
use kolmo::io::operators::OperatorFile;
use kolmo::io::pod_model::Provenance;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::{Scalar, c64};
use kolmo::offline::operator_model::{Fitted, Options, Training, operator_model};
use kolmo::online::InputSpace;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Sum of |coefficients| that is warned of.
const LARGE: f64 = 1e4;

/// The operators that a study names, with their parameters.
pub struct Operators {
    pub file: OperatorFile,
    pub parameters: Table,
}

impl Operators {
    /// Opens what a study names.
    pub fn of(study: &Study) -> Result<Operators> {
        let beside = study.data.parameters.as_deref().map(|p| study.resolve(p));
        Operators::open(&study.resolve(&study.data.samples), beside.as_deref())
    }

    /// Opens a file, with a table of parameters beside it.
    pub fn open(path: &Path, beside: Option<&Path>) -> Result<Operators> {
        let file = OperatorFile::open(path)?;
        let parameters = match beside {
            None => file.parameters.clone(),
            Some(table) => table_of_numbers(table, file.n_samples, "matrix")?,
        };
        if parameters.n_rows() != file.n_samples {
            let place = if beside.is_some() { "" } else { "/parameters" };
            return Err(Error::input(
                "K007",
                beside.unwrap_or(path),
                place,
                format!("{} rows of parameters", parameters.n_rows()),
                format!("{} rows, one per matrix", file.n_samples),
                "write /parameters [n_mu, n_parameters] with the attribute `names`",
            ));
        }
        Ok(Operators { file, parameters })
    }
}

/// The field that a model of operators answers with.
pub fn solution_info(file: &OperatorFile, n: usize) -> FieldInfo {
    let on_points = file.mesh.as_ref().is_some_and(|m| m.n_points() == n);
    let location = if on_points { Location::Point } else { Location::Free };
    FieldInfo { name: "solution".into(), location, n_entities: n, n_components: 1, vector: false }
}

/// Fits the matrices `rows` of a study.
pub fn fit(
    study: &Study,
    operators: &Operators,
    rows: &[usize],
    global: &Global,
) -> Result<(AnyModel, Provenance, Vec<String>, Value)> {
    let start = Instant::now();
    super::fit::enough(study, rows)?;
    let (inputs, dropped) = inputs_of(&operators.parameters, study, rows)?;
    let (model, lines, value) = match operators.file.is_complex() {
        true => {
            let (fitted, lines, value) = fit_of::<c64>(study, operators, rows, &inputs, global)?;
            (AnyModel::Complex(fitted.model), lines, value)
        }
        false => {
            let (fitted, lines, value) = fit_of::<f64>(study, operators, rows, &inputs, global)?;
            (AnyModel::Real(fitted.model), lines, value)
        }
    };
    let about = Provenance {
        study: study.text.clone(),
        study_name: study.name.clone(),
        inner_product: value["inner_product"].as_str().unwrap_or("euclidean").to_string(),
        seconds: start.elapsed().as_secs_f64(),
        mesh: operators.file.mesh.clone(),
        training: inputs.values.clone(),
        dropped,
    };
    Ok((model, about, lines, value))
}

fn fit_of<T: Scalar>(
    study: &Study,
    operators: &Operators,
    rows: &[usize],
    inputs: &Table,
    global: &Global,
) -> Result<(Fitted<T>, Vec<String>, Value)> {
    let file = &operators.file;
    let n = file.n_rows.ok_or_else(|| no_matrices(file.path()))?;
    let Quantities { operators: ops, rhs, outputs, mut lines } = quantities::<T>(study, file, rows, inputs)?;
    let solutions = match &file.solutions {
        Some(s) => Some(file.vectors::<T>(s, rows)?),
        None => None,
    };
    let (lower, upper) = bounds(inputs);
    let base = super::fit::options_of(study);
    let options = Options {
        truncation: match study.reduction.modes {
            Some(m) => Truncation::Modes(m.max(1) as usize),
            None => Truncation::Tolerance(study.reduction.tolerance.unwrap_or(DEFAULT_TOLERANCE)),
        },
        projection: study.operators.projection,
        regression: base.regression,
        confidence: base.confidence,
        seed: study.regression.seed,
        progress: global.steps("fit"),
    };
    let training = Training {
        inputs: InputSpace { names: inputs.names.clone(), lower, upper },
        x: faer::Mat::from_fn(inputs.n_rows(), inputs.n_columns(), |i, j| inputs.row(i)[j]),
        operators: ops,
        rhs,
        outputs,
        solutions,
        inner_product: file.inner_product.clone(),
        norm: norm_of(study, file, n)?,
        info: solution_info(file, n),
    };
    let mut fitted = operator_model(training, &options).map_err(|e| in_file(e, file, study))?;
    // What the study wants to be learnt asks for nothing online.
    let model = &mut fitted.model;
    let parts = model.operators.iter_mut().chain([&mut model.rhs]).chain(model.outputs.iter_mut().map(|o| &mut o.part));
    parts.for_each(|p| p.asked = !(p.is_learned() && study.operators.of(&p.name).door == Some(Door::Learned)));
    for (name, d) in &fitted.decomposed {
        lines.push(format!("{name}: {} terms, training missed by at most {:.1e}", d.members.len(), d.misfit));
    }
    if fitted.sum_theta > 0.0 {
        lines.push(format!("sum of |coefficients| with a matrix left out: at most {:.1e}", fitted.sum_theta));
    }
    if fitted.sum_theta > LARGE {
        let text = "errors of the entries, and round-off, may grow by as much; use fewer `terms` or more `entries`";
        warn(&format!("coefficients add up to {:.1e}: {text}", fitted.sum_theta));
    }
    for remark in &fitted.remarks {
        if let Some(text) = remark.strip_prefix("warning: ") {
            warn(text);
        }
    }
    lines.extend(fitted.remarks.iter().filter(|r| !r.starts_with("warning: ")).cloned());
    let r = &fitted.model.reduced;
    lines.push(format!("solution: {} modes, projection error {:.2e}", r.n_modes(), fitted.projection_error));
    let parts: serde_json::Map<String, Value> = fitted
        .decomposed
        .iter()
        .map(|(name, d)| (name.clone(), json!({"terms": d.members.len(), "misfit": d.misfit})))
        .collect();
    let value = json!({"operators": parts, "sum_theta": fitted.sum_theta, "inner_product": fitted.inner_product,
        "fields": {"solution": {"modes": r.n_modes(), "projection_error": fitted.projection_error}}});
    Ok((fitted, lines, value))
}

/// The norm of errors: that of the study.
fn norm_of(study: &Study, file: &OperatorFile, n: usize) -> Result<InnerProduct> {
    let mesh = file.mesh.as_ref().filter(|m| m.n_cells() > 0);
    inner_product(
        &study.reduction.inner_product,
        &solution_info(file, n),
        mesh,
        file.inner_product.as_ref(),
        file.path(),
    )
}

fn no_matrices(path: &Path) -> Error {
    let (found, expected) = ("entries only", "matrices: values on a pattern, dense, or affine terms");
    Error::input("K005", path, "/operators", found, expected, "hand in the file with the training matrices")
}

/// Errors of the recipe in the words of the file.
pub fn in_file(e: Error, file: &OperatorFile, study: &Study) -> Error {
    match e {
        Error::Input { code, file: f, place, found, expected, mend } if f.as_os_str().is_empty() => {
            let of_study = place.starts_with('[');
            let file = if of_study { study.file.clone() } else { file.path().to_path_buf() };
            Error::Input { code, file, place, found, expected, mend }
        }
        other => other,
    }
}

fn bounds(inputs: &Table) -> (Vec<f64>, Vec<f64>) {
    let of = |j: usize, f: fn(f64, f64) -> f64, start: f64| inputs.column(j).into_iter().fold(start, f);
    let n = inputs.n_columns();
    let lower = (0..n).map(|j| of(j, f64::min, f64::INFINITY)).collect();
    let upper = (0..n).map(|j| of(j, f64::max, f64::NEG_INFINITY)).collect();
    (lower, upper)
}

/// Reads, fits, writes; on the first rank only. `beside` is where the study goes that the user did not write.
pub fn run(study: &Study, output: &Path, beside: Option<&Path>, resume: bool, global: &Global) -> Result<()> {
    if resume {
        global.progress("fit: no checkpoint of this method; starts from the beginning");
    }
    let operators = Operators::of(study)?;
    spare_files(&[output.to_path_buf()], &[operators.file.path().to_path_buf()])?;
    let (rows, _) = study.select(operators.file.n_samples)?;
    global.progress(&format!("fit: {} operators, {} parameters", operators.file.operators.len(), rows.len()));
    let (model, about, mut lines, mut value) = fit(study, &operators, &rows, global)?;
    operator_model_file::write(output, &model, &about)?;
    if let Some(file) = beside {
        super::fit::write_study(file, study)?;
    }
    lines.push(format!("model: {} ({} samples, {:.2} s)", output.display(), rows.len(), about.seconds));
    value["model"] = json!(output);
    value["n_samples"] = json!(rows.len());
    value["seconds"] = json!(about.seconds);
    global.result(&lines.join("\n"), &value)
}

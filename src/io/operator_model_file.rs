//! The model of parameter-dependent operators as a model file.
//!
//! Complex numbers have one more axis: real and imaginary part.

use crate::algorithms::affine_decomposition::{EntryFit, FunctionFit, LearnedEntries};
use crate::algorithms::eim::{Eim, Stop};
use crate::algorithms::gaussian_process::{GaussianProcess, GpParts};
use crate::data::{Expression, FieldInfo, Location};
use crate::error::{Error, Result};
use crate::io::model_reader::ModelReader;
use crate::io::model_writer::ModelWriter;
use crate::io::operator_bound_text::CertifiedText;
use crate::io::pod_model::{Provenance, read_about, write_about};
use crate::linalg::scalar::{Scalar, c64, product};
use crate::linalg::sketch::PROBES;
use crate::online::InputSpace;
use crate::online::coefficients::{Interpolated, Known, Part, Rule};
use crate::online::operator_model::{OperatorModel, Output, Trust};
use crate::online::reduced_basis::{Parts, Projection, ReducedBasis};
use crate::online::reduced_basis_residual::{Columns, Residual};
use faer::Mat;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Name of the method in files and studies.
pub const METHOD: &str = "reduced-basis";

/// A model of real or of complex operators.
#[derive(Debug, Clone)]
pub enum AnyModel {
    Real(OperatorModel<f64>),
    Complex(OperatorModel<c64>),
}

/// What is small of a part, as text.
#[derive(Serialize, Deserialize)]
struct PartText {
    name: String,
    rule: RuleText,
    places: Vec<(usize, usize)>,
    /// Absent in older files: entries were asked for whatever the door.
    #[serde(default = "yes")]
    asked: bool,
    /// Largest misfits of training matrices; absent in older files, which have no sketches of the terms either.
    #[serde(default)]
    usual: Option<[f64; 2]>,
}

fn yes() -> bool {
    true
}

#[derive(Serialize, Deserialize)]
enum RuleText {
    Constant,
    Expressions(Vec<String>),
    Functions {
        functions: Vec<(String, Option<String>)>,
        amplitude: Option<String>,
        variables: Vec<String>,
        points: Vec<(usize, Vec<f64>)>,
        amplitudes: Vec<f64>,
        weights: Vec<f64>,
        columns: Vec<usize>,
        rows: Vec<usize>,
        errors: Vec<f64>,
        /// Absent in older files.
        #[serde(default)]
        checks: Vec<(usize, Vec<f64>)>,
    },
    Entries {
        members: Vec<usize>,
        entries: Vec<usize>,
        n_fitted: usize,
        of_samples: bool,
        learned: Option<Vec<GroupText>>,
    },
}

#[derive(Serialize, Deserialize)]
struct GroupText {
    outputs: Vec<usize>,
    process: GpParts,
}

#[derive(Serialize, Deserialize)]
struct TrustText {
    misfit_weight: f64,
    factor: f64,
    typical: f64,
    /// JSON has no infinity: none for a model that raises no flag.
    alarm: Option<f64>,
}

impl From<Trust> for TrustText {
    fn from(t: Trust) -> TrustText {
        let alarm = t.alarm.is_finite().then_some(t.alarm);
        TrustText { misfit_weight: t.misfit_weight, factor: t.factor, typical: t.typical, alarm }
    }
}

impl From<TrustText> for Trust {
    fn from(t: TrustText) -> Trust {
        let alarm = t.alarm.unwrap_or(f64::INFINITY);
        Trust { misfit_weight: t.misfit_weight, factor: t.factor, typical: t.typical, alarm }
    }
}

#[derive(Serialize, Deserialize)]
struct ModelText {
    operators: Vec<PartText>,
    rhs: PartText,
    outputs: Vec<(PartText, usize)>,
    least_squares: bool,
    trust: TrustText,
    trust_learned: Option<TrustText>,
    direct: Option<Vec<GroupText>>,
    inertia: Option<(usize, usize)>,
    /// Of the rows of each output; absent in older files.
    #[serde(default)]
    output_factors: Vec<Vec<[f64; 2]>>,
    /// Absent in older files.
    #[serde(default)]
    certified: Option<CertifiedText>,
}

fn damaged(file: &Path, place: &str) -> Error {
    let (found, expected) = ("content that does not fit together", "a model written by kolmo fit");
    Error::input("K010", file, place, found, expected, "fit the model again")
}

/// Writes numbers, complex ones with an axis of two more.
fn put<T: Scalar>(w: &mut ModelWriter, place: &str, shape: &[usize], values: impl Iterator<Item = T>) -> Result<()> {
    if !T::IS_COMPLEX {
        return w.f64(place, shape, &values.map(Scalar::re).collect::<Vec<_>>());
    }
    let pairs: Vec<f64> = values.flat_map(|v| [v.re(), v.im()]).collect();
    w.f64(place, &[shape, &[2]].concat(), &pairs)
}

/// The columns of a matrix as rows.
fn put_columns<T: Scalar>(w: &mut ModelWriter, place: &str, m: &Mat<T>) -> Result<()> {
    put(w, place, &[m.ncols(), m.nrows()], m.col_iter().flat_map(|c| c.iter().copied().collect::<Vec<_>>()))
}

fn get<T: Scalar>(r: &ModelReader, place: &str) -> Result<(Vec<usize>, Vec<T>)> {
    let (mut shape, values) = r.f64(place)?;
    if !T::IS_COMPLEX {
        return Ok((shape, values.into_iter().map(T::real).collect()));
    }
    if shape.pop() != Some(2) {
        return Err(damaged(r.path(), place));
    }
    Ok((shape, values.chunks_exact(2).map(|p| T::from_parts(p[0], p[1])).collect()))
}

fn get_columns<T: Scalar>(r: &ModelReader, place: &str) -> Result<Mat<T>> {
    let (shape, values) = get::<T>(r, place)?;
    match shape[..] {
        [columns, rows] => Ok(Mat::from_fn(rows, columns, |i, j| values[j * rows + i])),
        [columns, rows, components] => {
            Ok(Mat::from_fn(rows * components, columns, |i, j| values[j * rows * components + i]))
        }
        _ => Err(damaged(r.path(), place)),
    }
}

/// Writes a model; the file appears whole or not at all. Errors: [`Error::Write`], K001.
pub fn write(path: &Path, model: &AnyModel, about: &Provenance) -> Result<()> {
    match model {
        AnyModel::Real(m) => write_of(path, m, about),
        AnyModel::Complex(m) => write_of(path, m, about),
    }
}

fn write_of<T: Scalar>(path: &Path, model: &OperatorModel<T>, about: &Provenance) -> Result<()> {
    let mut w = ModelWriter::create(path)?;
    write_about(&mut w, METHOD, &model.inputs, about, model.confidence, model.n_snapshots)?;
    w.attr_u64("/", "complex", u64::from(T::IS_COMPLEX))?;
    let info = &model.info;
    let pod = format!("/pod/{}", info.name);
    w.attr_strs("/pod", "fields", &[&info.name])?;
    w.attr_str(&pod, "location", info.location.name())?;
    w.attr_u64(&pod, "n_entities", info.n_entities as u64)?;
    let parts = model.reduced.parts();
    put_columns(&mut w, &format!("{pod}/basis"), &parts.basis)?;
    w.f64(&format!("{pod}/singular_values"), &[parts.singular_values.len()], &parts.singular_values)?;
    w.f64(&format!("{pod}/spread"), &[model.spread.len()], &model.spread)?;
    w.attr_f64(&pod, "interval_factor", model.interval_factor[0])?;
    w.attr_f64(&pod, "interval_factor_learned", model.interval_factor[1])?;
    let n = model.n_modes();
    let all = parts.matrices.iter().flat_map(|m| m.col_iter().flat_map(|c| c.iter().copied().collect::<Vec<_>>()));
    put(&mut w, "/reduced/matrices", &[parts.matrices.len(), n, n], all)?;
    put_columns(&mut w, "/reduced/rhs", &parts.rhs)?;
    if let Some(gram) = &model.gram {
        put_columns(&mut w, "/reduced/gram", gram)?;
    }
    if let Some(residual) = &parts.residual {
        let (_, n_terms, _) = residual.shape();
        for q in 0..n_terms {
            put_residual(&mut w, &format!("/reduced/residual/{q}"), &residual.columns(q))?;
        }
        put_residual(&mut w, "/reduced/residual/rhs", &residual.rhs_columns())?;
    }
    let mut text = ModelText {
        operators: Vec::new(),
        rhs: put_part(&mut w, "/parts/rhs", &model.rhs)?,
        outputs: Vec::new(),
        least_squares: parts.projection == Projection::LeastSquares,
        trust: model.trust.into(),
        trust_learned: model.trust_learned.map(TrustText::from),
        direct: model.direct.as_ref().map(|d| put_learned(&mut w, "/parts/direct", d)).transpose()?,
        inertia: model.inertia,
        output_factors: model.outputs.iter().map(|o| o.factors.clone()).collect(),
        certified: model.certified.as_ref().map(CertifiedText::of),
    };
    for (k, part) in model.operators.iter().enumerate() {
        text.operators.push(put_part(&mut w, &format!("/parts/operator_{k}"), part)?);
    }
    for (k, output) in model.outputs.iter().enumerate() {
        let place = format!("/parts/output_{k}");
        text.outputs.push((put_part(&mut w, &place, &output.part)?, output.n_rows));
        put_columns(&mut w, &format!("{place}/reduced"), &output.reduced)?;
    }
    let text = serde_json::to_string(&text).map_err(|e| Error::argument("numbers of a model", e, "finite numbers"))?;
    w.text("/reduced/rules", &text)?;
    w.finish()
}

fn put_residual<T: Scalar>(w: &mut ModelWriter, place: &str, c: &Columns<T>) -> Result<()> {
    put_columns(w, &format!("{place}/rows"), &c.rows)?;
    w.f64(&format!("{place}/norms"), &[c.norms.len()], &c.norms)?;
    w.f64(&format!("{place}/missed"), &[c.missed.len()], &c.missed)
}

fn get_residual<T: Scalar>(r: &ModelReader, place: &str) -> Result<Columns<T>> {
    Ok(Columns {
        rows: get_columns(r, &format!("{place}/rows"))?,
        norms: r.f64(&format!("{place}/norms"))?.1,
        missed: r.f64(&format!("{place}/missed"))?.1,
    })
}

fn put_part<T: Scalar>(w: &mut ModelWriter, place: &str, part: &Part<T>) -> Result<PartText> {
    let rule = match &part.rule {
        Rule::Constant => RuleText::Constant,
        Rule::Expressions(e) => RuleText::Expressions(e.iter().map(|e| e.text().to_string()).collect()),
        Rule::Functions(f) => {
            put_columns(w, &format!("{place}/lower"), &f.fit.eim.lower)?;
            put_columns(w, &format!("{place}/upper"), &f.fit.eim.upper)?;
            if !f.checks.is_empty() {
                put_columns(w, &format!("{place}/check_values"), &f.check_values)?;
            }
            let text = |e: &Expression| e.text().to_string();
            RuleText::Functions {
                functions: f.functions.iter().map(|(re, im)| (text(re), im.as_ref().map(text))).collect(),
                amplitude: f.amplitude.as_ref().map(text),
                variables: f.variables.clone(),
                points: f.points.clone(),
                amplitudes: f.fit.amplitudes.clone(),
                weights: f.fit.weights.clone(),
                columns: f.fit.eim.columns.clone(),
                rows: f.fit.eim.points.clone(),
                errors: f.fit.eim.errors.clone(),
                checks: f.checks.clone(),
            }
        }
        Rule::Entries { fit, learned } => {
            put_columns(w, &format!("{place}/values"), &fit.values)?;
            let learned = match learned {
                None => None,
                Some(l) => Some(put_learned(w, place, l)?),
            };
            RuleText::Entries {
                members: fit.members.clone(),
                entries: fit.entries.clone(),
                n_fitted: fit.n_fitted,
                of_samples: fit.of_samples,
                learned,
            }
        }
    };
    if let Some(known) = &part.known {
        put_columns(w, &format!("{place}/sketch"), &known.terms)?;
    }
    let usual = part.known.as_ref().map(|k| k.usual);
    Ok(PartText { name: part.name.clone(), rule, places: part.places.clone(), asked: part.asked, usual })
}

fn put_learned(w: &mut ModelWriter, place: &str, l: &LearnedEntries) -> Result<Vec<GroupText>> {
    w.f64(&format!("{place}/learned_mean"), &[l.mean.len()], &l.mean)?;
    put_columns(w, &format!("{place}/learned_modes"), &l.modes)?;
    let group = |(o, g): &(Vec<usize>, GaussianProcess)| GroupText { outputs: o.clone(), process: g.to_parts() };
    Ok(l.groups.iter().map(group).collect())
}

fn get_learned(r: &ModelReader, place: &str, groups: Vec<GroupText>) -> Result<LearnedEntries> {
    let groups = groups.into_iter().map(|g| Ok((g.outputs, GaussianProcess::from_parts(g.process)?)));
    Ok(LearnedEntries {
        mean: r.f64(&format!("{place}/learned_mean"))?.1,
        modes: get_columns(r, &format!("{place}/learned_modes"))?,
        left_out: Mat::zeros(0, 0),
        left_out_deviation: Vec::new(),
        groups: groups.collect::<Result<_>>()?,
    })
}

fn get_part<T: Scalar>(r: &ModelReader, place: &str, text: PartText, inputs: &[String]) -> Result<Part<T>> {
    let parse = |text: &str, variables: &[String]| Expression::parse(text, variables, r.path(), place);
    let rule = match text.rule {
        RuleText::Constant => Rule::Constant,
        RuleText::Expressions(e) => Rule::Expressions(e.iter().map(|e| parse(e, inputs)).collect::<Result<_>>()?),
        RuleText::Functions {
            functions,
            amplitude,
            variables,
            points,
            amplitudes,
            weights,
            columns,
            rows,
            errors,
            checks,
        } => {
            let (lower, upper) =
                (get_columns(r, &format!("{place}/lower"))?, get_columns(r, &format!("{place}/upper"))?);
            if columns.len() != lower.nrows() || upper.nrows() != lower.nrows() || points.len() != columns.len() {
                return Err(damaged(r.path(), place));
            }
            let check_values = match checks.is_empty() {
                true => Mat::zeros(0, 0),
                false => get_columns(r, &format!("{place}/check_values"))?,
            };
            let known = checks.iter().all(|(s, _)| *s < weights.len());
            if !known
                || !checks.is_empty() && (check_values.nrows(), check_values.ncols()) != (checks.len(), columns.len())
            {
                return Err(damaged(r.path(), place));
            }
            let eim = Eim {
                columns,
                points: rows,
                basis: Mat::zeros(0, 0),
                values: product(lower.as_ref(), upper.as_ref()),
                lower,
                upper,
                errors,
                stopped: Stop::Terms,
                check: None,
            };
            let functions = functions
                .iter()
                .map(|(re, im)| Ok((parse(re, &variables)?, im.as_ref().map(|t| parse(t, &variables)).transpose()?)));
            Rule::Functions(Box::new(Interpolated {
                fit: FunctionFit { eim, amplitudes, weights },
                functions: functions.collect::<Result<_>>()?,
                amplitude: amplitude.map(|t| parse(&t, inputs)).transpose()?,
                variables,
                points,
                checks,
                check_values,
            }))
        }
        RuleText::Entries { members, entries, n_fitted, of_samples, learned } => {
            let values = get_columns(r, &format!("{place}/values"))?;
            let fit = EntryFit::new(members, entries, n_fitted, values).map_err(|_| damaged(r.path(), place))?;
            let fit = if of_samples { fit } else { fit.of_terms() };
            let learned = match learned {
                None => None,
                Some(groups) => Some(get_learned(r, place, groups)?),
            };
            Rule::Entries { fit, learned }
        }
    };
    let mut part = Part { name: text.name, rule, places: text.places, asked: text.asked, known: None };
    if let Some(usual) = text.usual {
        let terms = get_columns(r, &format!("{place}/sketch"))?;
        if (terms.nrows(), terms.ncols()) != (PROBES, part.n_terms()) {
            return Err(damaged(r.path(), place));
        }
        part.known = Some(Known { terms, usual });
    }
    Ok(part)
}

/// The method of a model file. Errors: as [`ModelReader::open`].
pub fn method_of(path: &Path) -> Result<String> {
    ModelReader::open(path)?.attr_str("/", "method")
}

/// Reads a model; every byte is checked before it is used. Errors: as [`ModelReader::open`]; K014 another method.
pub fn read(path: &Path) -> Result<(AnyModel, Provenance)> {
    let r = ModelReader::open(path)?;
    let method = r.attr_str("/", "method")?;
    if method != METHOD {
        let expected = format!("`{METHOD}`");
        return Err(Error::input("K014", path, "attribute method", format!("`{method}`"), expected, "update kolmo"));
    }
    let about = read_about(&r, path)?;
    let model = match r.attr_u64("/", "complex")? {
        0 => AnyModel::Real(read_of(&r)?),
        _ => AnyModel::Complex(read_of(&r)?),
    };
    Ok((model, about))
}

fn read_of<T: Scalar>(r: &ModelReader) -> Result<OperatorModel<T>> {
    let path = r.path();
    let name = r.attr_strs("/pod", "fields")?.into_iter().next().ok_or_else(|| damaged(path, "/pod"))?;
    let pod = format!("/pod/{name}");
    let location = Location::from_name(&r.attr_str(&pod, "location")?).ok_or_else(|| damaged(path, &pod))?;
    let n_entities = r.attr_u64(&pod, "n_entities")? as usize;
    let inputs = InputSpace {
        names: r.attr_strs("/inputs", "names")?,
        lower: r.f64("/inputs/lower")?.1,
        upper: r.f64("/inputs/upper")?.1,
    };
    let text: ModelText =
        serde_json::from_str(&r.text("/reduced/rules")?).map_err(|_| damaged(path, "/reduced/rules"))?;
    let (shape, values) = get::<T>(r, "/reduced/matrices")?;
    let [n_terms, n, _] = shape[..] else { return Err(damaged(path, "/reduced/matrices")) };
    let matrices: Vec<Mat<T>> = (0..n_terms).map(|q| Mat::from_fn(n, n, |i, j| values[(q * n + j) * n + i])).collect();
    let residual = match r.exists("/reduced/residual/rhs") {
        false => None,
        true => {
            let columns =
                (0..n_terms).map(|q| get_residual(r, &format!("/reduced/residual/{q}"))).collect::<Result<Vec<_>>>()?;
            Some(Residual::new(&columns, &get_residual(r, "/reduced/residual/rhs")?)?)
        }
    };
    let reduced = ReducedBasis::new(Parts {
        basis: get_columns(r, &format!("{pod}/basis"))?,
        matrices,
        rhs: get_columns(r, "/reduced/rhs")?,
        outputs: Vec::new(),
        residual,
        projection: if text.least_squares { Projection::LeastSquares } else { Projection::Galerkin },
        singular_values: r.f64(&format!("{pod}/singular_values"))?.1,
    })?;
    let names = inputs.names.clone();
    let operators = text.operators.into_iter().enumerate();
    let mut outputs = Vec::new();
    for (k, (part, n_rows)) in text.outputs.into_iter().enumerate() {
        let factors = text.output_factors.get(k).cloned().unwrap_or_default();
        let place = format!("/parts/output_{k}");
        outputs.push(Output {
            reduced: get_columns(r, &format!("{place}/reduced"))?,
            part: get_part(r, &place, part, &names)?,
            n_rows,
            factors,
        });
    }
    let given = r.attr_f64(&pod, "interval_factor")?;
    let gram = if r.exists("/reduced/gram") { Some(get_columns(r, "/reduced/gram")?) } else { None };
    if gram.as_ref().is_some_and(|g: &Mat<T>| (g.nrows(), g.ncols()) != (n, n)) {
        return Err(damaged(path, "/reduced/gram"));
    }
    Ok(OperatorModel {
        info: FieldInfo { name, location, n_entities, n_components: 1, vector: false },
        operators: operators
            .map(|(k, t)| get_part(r, &format!("/parts/operator_{k}"), t, &names))
            .collect::<Result<_>>()?,
        rhs: get_part(r, "/parts/rhs", text.rhs, &names)?,
        outputs,
        reduced,
        trust: text.trust.into(),
        trust_learned: text.trust_learned.map(Trust::from),
        direct: text.direct.map(|d| get_learned(r, "/parts/direct", d)).transpose()?,
        inertia: text.inertia,
        spread: r.f64(&format!("{pod}/spread"))?.1,
        // Older files have one for all answers.
        interval_factor: [given, if gram.is_some() { r.attr_f64(&pod, "interval_factor_learned")? } else { given }],
        gram,
        confidence: r.attr_f64("/", "confidence")?,
        n_snapshots: r.attr_u64("/", "n_samples")? as usize,
        certified: text.certified.map(CertifiedText::read).transpose().map_err(|_| damaged(path, "/reduced/rules"))?,
        inputs,
    })
}

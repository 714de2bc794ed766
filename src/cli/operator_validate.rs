//! `kolmo validate` of a model of operators.

use super::operator_entries::taken;
use super::operator_fit::{Operators, fit, solution_info};
use super::operator_parts::quantities;
use super::operator_predict::{in_words, modes_of, scalar_names};
use super::predict::inputs_from;
use super::scores::{Collected, FieldScores};
use super::source::inner_product;
use super::{Global, warn};
use faer::Mat;
use kolmo::data::Table;
use kolmo::data::study::Study;
use kolmo::error::{Error, Result};
use kolmo::io::operator_model_file::{AnyModel, METHOD, read};
use kolmo::io::operators::OperatorFile;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::{applied, norms};
use kolmo::linalg::scalar::{Scalar, adjoint_product, product};
use kolmo::mesh::Mesh;
use kolmo::offline::operator_model::full_solutions;
use kolmo::online::coefficients::Given;
use kolmo::online::operator_model::{Answers, OperatorModel};
use kolmo::report::modes::Spectrum;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

/// Entries that are kept for pictures, over all samples.
const SHOWN: usize = 700;
/// Reduced matrices whose condition is looked at.
const CONDITIONS: usize = 3;

/// What a model was compared with.
pub struct Against {
    pub scores: Collected,
    pub value: Value,
    pub study: Study,
    pub model: AnyModel,
    pub operators: Operators,
    /// Of the training file.
    pub mesh: Option<Mesh>,
    /// Samples with parameters of training samples.
    pub known: usize,
}

/// Scores of a model file on the operators and solutions of another file, or the held-out ones of a study.
pub fn against(model_file: &Path, data: &Path, modes: Option<i64>) -> Result<Against> {
    let (model, about) = read(model_file)?;
    let study = Study::parse(&about.study, model_file)?;
    let by_study = data.extension().is_some_and(|e| e == "toml");
    let (operators, rows) = if by_study {
        let asked = Study::read(data)?;
        let operators = Operators::of(&asked)?;
        let (train, held_out) = asked.select(operators.file.n_samples)?;
        (operators, if held_out.is_empty() { train } else { held_out })
    } else {
        let operators = Operators::open(data, None)?;
        let rows = (0..operators.file.n_samples).collect();
        (operators, rows)
    };
    let mut scores = Collected::new(about.seconds, study.scores.floor.clone());
    let names = match &model {
        AnyModel::Real(m) => &m.inputs.names,
        AnyModel::Complex(m) => &m.inputs.names,
    };
    let x = inputs_from(&operators.parameters, names, data)?;
    let training: Vec<Vec<f64>> = about.training.chunks(x.ncols().max(1)).map(<[f64]>::to_vec).collect();
    let is_known = |i: &&usize| training.iter().any(|t| (0..x.ncols()).all(|j| t[j] == x[(**i, j)]));
    let known = rows.iter().filter(is_known).count();
    if known > 0 {
        let n = rows.len();
        warn(&format!("{known} of {n} samples have parameters of training samples: their scores are optimistic"));
    }
    let conditions = add(&mut scores, &model, &study, &operators, &rows, modes, model_file)?;
    scores.points.training = training;
    let value = json_of(&scores, &conditions);
    Ok(Against { scores, value, study, model, operators, mesh: about.mesh, known })
}

/// Cross-validation: a model for each fold, tried on the samples that it has not seen.
pub fn cross(study: &Study, k: usize, modes: Option<i64>, global: &Global) -> Result<(Collected, Value)> {
    let operators = Operators::of(study)?;
    let (rows, _) = study.select(operators.file.n_samples)?;
    if k < 2 || k > rows.len() {
        let (expected, mend) = (format!("2 to {}", rows.len()), "choose a number of folds in that range");
        return Err(Error::input("K009", &study.file, "--folds", k.to_string(), expected, mend));
    }
    let mut pooled = Collected::new(0.0, study.scores.floor.clone());
    let (mut parts, mut conditions) = (Vec::new(), Vec::new());
    for fold in 0..k {
        let (test, train): (Vec<usize>, Vec<usize>) = rows.iter().copied().partition(|i| i % k == fold);
        if test.is_empty() {
            continue;
        }
        global.progress(&format!("validate: fold {} of {k}", fold + 1));
        let (model, about, _, _) = fit(study, &operators, &train, global)?;
        let mut part = Collected::new(about.seconds, study.scores.floor.clone());
        let modes = modes.map(|m| m.min(n_modes(&model) as i64));
        conditions = add(&mut part, &model, study, &operators, &test, modes, &study.file)?;
        parts.push(json_of(&part, &conditions));
        pooled.merge(part);
    }
    let mut value = json_of(&pooled, &conditions);
    value["folds"] = json!(parts);
    Ok((pooled, value))
}

fn n_modes(model: &AnyModel) -> usize {
    match model {
        AnyModel::Real(m) => m.n_modes(),
        AnyModel::Complex(m) => m.n_modes(),
    }
}

/// The scores in the form of all methods, with the condition of the reduced matrices.
fn json_of(scores: &Collected, conditions: &[f64]) -> Value {
    let mut value = scores.json();
    value["method"] = json!(METHOD);
    if let Some(flags) = &scores.flags {
        value["flags"]["reasons"] = flags.json();
    }
    for (row, condition) in value["by_modes"].as_array_mut().into_iter().flatten().zip(conditions) {
        row["condition"] = json!(condition);
        if let (Some(row), true) = (row.as_object_mut(), condition.is_finite()) {
            row.remove("condition_reason");
        }
    }
    value
}

fn add(
    scores: &mut Collected,
    model: &AnyModel,
    study: &Study,
    operators: &Operators,
    rows: &[usize],
    modes: Option<i64>,
    file: &Path,
) -> Result<Vec<f64>> {
    match model {
        AnyModel::Real(m) => add_of(scores, m, study, operators, rows, modes, file),
        AnyModel::Complex(m) => add_of(scores, m, study, operators, rows, modes, file),
    }
}

/// M x.
fn product_with<T: Scalar>(m: &InnerProduct, x: &Mat<T>) -> Mat<T> {
    applied(m, x.as_ref()).unwrap_or_else(|| x.clone())
}

/// What the samples `rows` say of a model; returns the condition of the reduced matrix by number of modes.
fn add_of<T: Scalar>(
    scores: &mut Collected,
    model: &OperatorModel<T>,
    study: &Study,
    operators: &Operators,
    rows: &[usize],
    modes: Option<i64>,
    model_file: &Path,
) -> Result<Vec<f64>> {
    let file = &operators.file;
    let n_modes = modes_of(model, modes, model_file)?;
    let x_all = inputs_from(&operators.parameters, &model.inputs.names, file.path())?;
    let x = Mat::from_fn(rows.len(), x_all.ncols(), |i, j| x_all[(rows[i], j)]);
    let given = taken(file, model, x.as_ref(), rows)?;
    let truth = truth_of::<T>(study, file, rows, model, &x)?;
    let entries = model.parts().any(|p| !p.entries().is_empty()).then_some(given.entries);
    let start = Instant::now();
    let mut answers =
        model.answer(x.as_ref(), entries.as_deref(), n_modes).map_err(|e| in_words(e, file.path(), &[]))?;
    for (i, missed) in given.unlike.iter().enumerate() {
        missed.iter().for_each(|m| answers.distrust(i, *m));
    }
    super::operator_entries::widen(model, &mut answers, &given.outputs);
    let predicted = model.reconstruct(answers.coefficients.as_ref());
    scores.seconds += start.elapsed().as_secs_f64();
    let info = solution_info(file, model.info.n_entities);
    let kind = &study.reduction.inner_product;
    let m = inner_product(
        kind,
        &info,
        file.mesh.as_ref().filter(|m| m.n_cells() > 0),
        file.inner_product.as_ref(),
        file.path(),
    )?;
    let std = model.standard_deviation(&answers);
    let intervals = model.intervals(&answers, std.as_ref());
    let (size, error) = (norms(&m, truth.as_ref()), norms(&m, (&truth - &predicted).as_ref()));
    // Coordinates of the truth in the basis, and what no combination of it reaches.
    let v = model.reduced.basis().subcols(0, n_modes).to_owned();
    let mv = product_with(&m, &v);
    let gram = adjoint_product(v.as_ref(), mv.as_ref());
    let c =
        T::lu_solve(gram.as_ref(), adjoint_product(mv.as_ref(), truth.as_ref()).as_ref(), "Gram matrix of the modes")?
            .0;
    let missed = norms(&m, (&truth - &product(v.as_ref(), c.as_ref())).as_ref());
    let distance = |d: &Mat<T>, missed: f64| {
        let inside = adjoint_product(d.as_ref(), product(gram.as_ref(), d.as_ref()).as_ref())[(0, 0)].re();
        (inside.max(0.0) + missed * missed).sqrt()
    };
    let floor = scores.floors.get(&info.name).copied().unwrap_or(0.0);
    let relative = |e: f64, j: usize| e / size[j].max(floor);
    let mut s = FieldScores { name: info.name.clone(), ..FieldScores::default() };
    for j in 0..rows.len() {
        s.relative.push(relative(error[j], j));
        s.absolute.push(error[j]);
        s.projection.push(relative(missed[j], j));
        let largest = truth.col(j).iter().map(|v| v.modulus_squared()).fold(0.0, f64::max);
        let difference: f64 = (0..truth.nrows()).map(|i| (truth[(i, j)] - predicted[(i, j)]).modulus_squared()).sum();
        s.rrmse.push(difference / (truth.nrows() as f64 * largest.max(floor * floor)));
        for i in 0..truth.nrows() {
            let half = intervals[(i, j)];
            s.covered += usize::from((truth[(i, j)] - predicted[(i, j)]).modulus() <= half);
            s.width += 2.0 * half;
        }
        s.entries += truth.nrows();
        let step = truth.nrows().div_ceil(SHOWN.div_ceil(rows.len())).max(1);
        for i in (0..truth.nrows()).step_by(step) {
            s.shown.push([truth[(i, j)].re(), predicted[(i, j)].re(), intervals[(i, j)]]);
        }
    }
    let worst = s.relative.clone();
    match scores.fields.iter_mut().find(|f| f.name == s.name) {
        Some(f) => f.merge(s),
        None => scores.fields.push(s),
    }
    let singular = model.reduced.parts().singular_values.clone();
    let total: f64 = singular.iter().map(|s| s * s).sum();
    let left: f64 = singular.iter().skip(n_modes).map(|s| s * s).sum();
    scores.spectra.push(Spectrum {
        field: info.name.clone(),
        projection_error: if total > 0.0 { (left / total).sqrt() } else { 0.0 },
        values: singular,
        n_modes,
    });
    let (mut by_modes, mut conditions) = (Vec::new(), Vec::new());
    for k in 1..=n_modes {
        let mut row = [0.0, 0.0, 0.0, rows.len() as f64];
        let own = model.answer(x.as_ref(), entries.as_deref(), k);
        let block = gram.as_ref().submatrix(0, 0, k, k);
        let best = T::lu_solve(block, product(gram.as_ref().subrows(0, k), c.as_ref()).as_ref(), "Gram matrix")?.0;
        #[allow(clippy::needless_range_loop)]
        for j in 0..rows.len() {
            let rest = |y: &Mat<T>, j: usize| {
                Mat::from_fn(n_modes, 1, |i, _| c[(i, j)] - if i < k { y[(i, j)] } else { T::default() })
            };
            row[1] += relative(distance(&rest(&best, j), missed[j]), j);
            match &own {
                Ok(own) => {
                    row[0] += relative(distance(&rest(&own.coefficients, j), missed[j]), j);
                    row[2] += own.indicator[j];
                }
                Err(_) => (row[0], row[2]) = (f64::INFINITY, f64::INFINITY),
            }
        }
        by_modes.push(row);
        let of = |j: usize| condition(model, &x, entries.as_deref().map(|e| &e[j]), j, k);
        conditions.push((0..rows.len().min(CONDITIONS)).map(of).fold(0.0, f64::max));
    }
    scores.merge_modes(by_modes);
    let points = &mut scores.points;
    points.names.clone_from(&model.inputs.names);
    points.importance.resize(points.names.len(), 1.0);
    points.samples.extend(rows);
    points.inputs.extend((0..rows.len()).map(|i| x.row(i).iter().copied().collect::<Vec<f64>>()));
    points.error.extend(&worst);
    scores.confidence = model.confidence;
    scores.samples.extend(rows);
    scores.indicator.extend(&answers.indicator);
    scores.bound.extend(answers.bound.iter().flatten());
    scores.error.extend(worst);
    scores.outside += answers.flags.iter().filter(|f| **f != 0).count();
    answers.reasons.iter().for_each(|r| scores.flags.get_or_insert_default().add(*r));
    add_outputs(scores, model, file, rows, &truth, &answers)?;
    Ok(conditions)
}

/// Full-order solutions: of the file; else of the full problems, where it holds whole operators.
/// Solutions of the samples `rows` at the inputs `x`: those of the file, else of the full problems.
pub fn truth_of<T: Scalar>(
    study: &Study,
    file: &OperatorFile,
    rows: &[usize],
    model: &OperatorModel<T>,
    x: &Mat<f64>,
) -> Result<Mat<T>> {
    let n = model.info.n_entities;
    let Some(solutions) = &file.solutions else {
        let whole = file.operators.iter().all(|o| o.pattern().is_some())
            && file.rhs.as_ref().is_some_and(|r| r.length == n)
            && model.operators.iter().all(|p| file.operators.iter().any(|o| o.name == p.name));
        if !whole {
            let expected =
                "/solutions [n_mu, n] to compare with, or whole operators and right-hand sides to solve with";
            return Err(Error::input(
                "K002",
                file.path(),
                "/solutions",
                "no such data set",
                expected,
                "write the solutions",
            ));
        }
        let values = (0..x.nrows()).flat_map(|i| x.row(i).iter().copied().collect::<Vec<_>>()).collect();
        let inputs = Table::new(model.inputs.names.clone(), values)?;
        let all = quantities::<T>(study, file, rows, &inputs)?;
        warn(&format!("{}: no /solutions; {} full problems are solved", file.path().display(), rows.len()));
        return full_solutions(&all.operators, &all.rhs, x.as_ref()).map_err(|e| e.in_file(file.path()));
    };
    if solutions.length != n {
        let (found, expected) =
            (format!("{} numbers per parameter", solutions.length), format!("{n}, as in the model"));
        return Err(Error::input(
            "K005",
            file.path(),
            "/solutions",
            found,
            expected,
            "hand in solutions of the same problem",
        ));
    }
    file.vectors(solutions, rows)
}

/// sigma_1 / sigma_n of a reduced matrix.
fn condition<T: Scalar>(
    model: &OperatorModel<T>,
    x: &Mat<f64>,
    entries: Option<&Vec<Vec<T>>>,
    i: usize,
    n_modes: usize,
) -> f64 {
    let x: Vec<f64> = x.row(i).iter().copied().collect();
    let mut a = Mat::<T>::zeros(n_modes, n_modes);
    let mut first = 0;
    for (k, part) in model.operators.iter().enumerate() {
        let given = entries.map(|e| &e[k]).filter(|e| !e.is_empty()).map_or(Given::Nothing, |e| Given::Entries(e));
        let Ok(c) = part.coefficients(&x, given) else { return f64::NAN };
        for (q, theta) in c.values.iter().enumerate() {
            let term = &model.reduced.parts().matrices[first + q];
            for j in 0..n_modes {
                (0..n_modes).for_each(|i| a[(i, j)] += *theta * term[(i, j)]);
            }
        }
        first += c.values.len();
    }
    T::thin_svd(a.as_ref()).map_or(f64::NAN, |(_, s, _)| s[0] / s[s.len() - 1])
}

/// Outputs of the true solutions beside those of the model.
fn add_outputs<T: Scalar>(
    scores: &mut Collected,
    model: &OperatorModel<T>,
    file: &OperatorFile,
    rows: &[usize],
    truth: &Mat<T>,
    answers: &Answers<T>,
) -> Result<()> {
    let mut first = 0;
    let names = scalar_names(model);
    let parts = if T::IS_COMPLEX { 2 } else { 1 };
    for output in &model.outputs {
        let found = file.outputs.iter().find(|o| o.name == output.part.name);
        for row in 0..output.n_rows {
            let Some(functional) = found else { continue };
            for part in 0..parts {
                let mut triples = Vec::new();
                for (j, sample) in rows.iter().enumerate() {
                    let l = file.vector::<T>(functional, *sample)?;
                    let n = truth.nrows();
                    let value: T =
                        l[row * n..(row + 1) * n].iter().zip(truth.col(j).iter()).map(|(l, u)| *l * *u).sum();
                    let answer = answers.outputs[(first + row, j)];
                    let half = answers.output_halves[(first + row, j)];
                    let of = |v: T| if part == 0 { v.re() } else { v.im() };
                    triples.push([of(value), of(answer), half]);
                }
                let name = &names[(first + row) * parts + part];
                match scores.scalars.iter_mut().find(|(n, _)| n == name) {
                    Some((_, all)) => all.extend(triples),
                    None => scores.scalars.push((name.clone(), triples)),
                }
            }
        }
        first += output.n_rows;
    }
    Ok(())
}

//! What a study and a file of operators ask to be decomposed, and by which door.

use kolmo::algorithms::affine_decomposition::{EntryOptions, predicted_terms};
use kolmo::data::study::{Study, unknown_name};
use kolmo::data::study_operators::{Door, Function, OwnTable};
use kolmo::data::{Expression, Table};
use kolmo::error::{Error, Result};
use kolmo::io::operators::{Form, Operator, OperatorFile, Quantity as Vector};
use kolmo::linalg::scalar::{Scalar, c64};
use kolmo::mesh::Mesh;
use kolmo::offline::decompose::{Functions, Quantity, Way};
use kolmo::offline::operator_model::Matrices;
use std::path::Path;

/// What is to be decomposed, and a line for each on what was chosen and why.
pub struct Quantities<'a, T> {
    pub operators: Vec<Matrices<'a, T>>,
    pub rhs: Quantity<'a, T>,
    pub outputs: Vec<(Quantity<'a, T>, usize)>,
    pub lines: Vec<String>,
}

/// Tolerance of a decomposition where the study names neither tolerance nor terms.
const TOLERANCE: f64 = 1e-7;
/// What may differ where all is said to be the same, relative.
const SAME: f64 = 1e-6;
/// Points of a mesh that functions are sampled at.
const MOST_POINTS: usize = 20_000;

/// All operators, the right-hand side and the outputs of a file.
pub fn quantities<'a, T: Scalar>(
    study: &Study,
    file: &'a OperatorFile,
    rows: &[usize],
    inputs: &Table,
) -> Result<Quantities<'a, T>> {
    let names: Vec<&str> = file
        .operators
        .iter()
        .map(|o| o.name.as_str())
        .chain(["rhs"])
        .chain(file.outputs.iter().map(|o| o.name.as_str()))
        .collect();
    for name in study.operators.own.keys().chain(&study.operators.affine) {
        if !names.contains(&name.as_str()) {
            return Err(unknown_name(&study.file, &format!("[operators.{name}]"), "operator", name, &names));
        }
    }
    let mut lines = Vec::new();
    let mut operators = Vec::new();
    for (k, operator) in file.operators.iter().enumerate() {
        let pattern = operator.pattern().cloned().ok_or_else(|| only_entries(file, operator))?;
        let own = study.operators.of(&operator.name);
        let declared = study.operators.affine.contains(&operator.name);
        let (way, why) = way_of_matrix(study, file, operator, &own, declared, rows, inputs)?;
        lines.push(format!("{}: {why}", operator.name));
        if T::IS_COMPLEX
            && matches!(way, Way::Entries { .. })
            && let Some(line) = waves(file, inputs, own.tolerance.unwrap_or(TOLERANCE))
        {
            lines.push(line);
        }
        // Affine terms are numbered by themselves, matrices by their sample.
        let by_sample = matches!(operator.form, Form::Matrices { .. });
        let members: Vec<usize> = rows.to_vec();
        let read = move |m: usize| file.matrix::<T>(k, if by_sample { members[m] } else { m });
        let of_place = pattern.clone();
        let quantity = Quantity {
            name: operator.name.clone(),
            n_entries: pattern.n_entries(),
            read: Box::new(read),
            way,
            place: Box::new(move |e| of_place.place(e)),
        };
        operators.push(Matrices { quantity, pattern });
    }
    let Some(rhs) = &file.rhs else {
        let (found, expected) = ("no right-hand side", "/operators/rhs [n], or [n_mu, n]");
        return Err(Error::input("K002", file.path(), "/operators/rhs", found, expected, "write the right-hand side"));
    };
    if Some(rhs.length) != file.n_rows {
        let found = format!("{} numbers per parameter", rhs.length);
        let expected = format!("{} numbers, the rows of the operators", file.n_rows.unwrap_or(0));
        return Err(Error::input("K005", file.path(), rhs.place(), found, expected, "write the whole right-hand side"));
    }
    let (rhs, why) = vector(study, file, rhs, rows, inputs)?;
    lines.push(format!("rhs: {why}"));
    let mut outputs = Vec::new();
    for output in &file.outputs {
        let n_rows = output.length / file.n_rows.unwrap_or(1).max(1);
        let (quantity, why) = vector(study, file, output, rows, inputs)?;
        lines.push(format!("{}: {why}", output.name));
        outputs.push((quantity, n_rows));
    }
    Ok(Quantities { operators, rhs, outputs, lines })
}

fn only_entries(file: &OperatorFile, operator: &Operator) -> Error {
    let expected = "matrices: values on a pattern, dense, or affine terms";
    Error::input("K005", file.path(), operator.place(), "entries only", expected, "hand in the training matrices")
}

fn entry_options(own: &OwnTable) -> EntryOptions {
    EntryOptions {
        tolerance: own.tolerance.unwrap_or(TOLERANCE),
        terms: own.terms,
        entries: own.entries,
        ..EntryOptions::default()
    }
}

/// How the coefficients of a family are found: what the study says, else by what there is.
fn way_of(study: &Study, file: &OperatorFile, name: &str, own: &OwnTable, inputs: &Table) -> Result<(Way, String)> {
    if !own.expressions.is_empty() && matches!(own.door, None | Some(Door::Functions)) {
        let functions = functions(study, file, name, own, inputs)?;
        let n = functions.points.len();
        return Ok((
            Way::Functions(Box::new(functions)),
            format!("by the functions of the study, at {n} points; asks for nothing online"),
        ));
    }
    let learn = own.door != Some(Door::Entries);
    let why = match own.door {
        Some(Door::Entries) => "by entries of the new operator, as the study says",
        Some(Door::Learned) => "learnt from the training matrices, as the study says; asks for nothing online",
        Some(Door::Functions) => {
            let (found, expected) = ("no expressions", "expressions = [\"…\"] of this operator");
            let place = format!("[operators.{name}]");
            return Err(Error::input(
                "K012",
                &study.file,
                place,
                found,
                expected,
                "add the functions, or choose another door",
            ));
        }
        None => {
            "by entries of the new operator (no functions are known); where none are given, coefficients are learnt, and marked so (/learned)"
        }
    };
    Ok((Way::Entries { options: entry_options(own), learn }, why.into()))
}

fn way_of_matrix(
    study: &Study,
    file: &OperatorFile,
    operator: &Operator,
    own: &OwnTable,
    declared: bool,
    rows: &[usize],
    inputs: &Table,
) -> Result<(Way, String)> {
    match &operator.form {
        Form::Matrices { constant: true, .. } => Ok((Way::Constant, "one matrix for all parameters".into())),
        Form::Matrices { .. } if declared => {
            let k = file.operators.iter().position(|o| o.name == operator.name).unwrap_or(0);
            let read = |sample: usize| file.matrix::<c64>(k, sample);
            let tolerance = own.tolerance.unwrap_or(SAME).max(SAME);
            is_constant(&study.file, &operator.name, rows, tolerance, &read)?;
            Ok((Way::Constant, "declared the same for all parameters".into()))
        }
        Form::Affine { n_terms, theta, .. } => {
            if !own.expressions.is_empty() {
                if own.expressions.len() != *n_terms {
                    let place = format!("[operators.{}] expressions", operator.name);
                    let found = format!("{} expressions", own.expressions.len());
                    let expected = format!("{n_terms}, one per term");
                    return Err(Error::input(
                        "K009",
                        &study.file,
                        place,
                        found,
                        expected,
                        "write a coefficient for each term",
                    ));
                }
                let place = format!("[operators.{}] expressions", operator.name);
                let real = |f: &Function| match f {
                    Function::Real(text) => Expression::parse(text, &inputs.names, &study.file, &place),
                    Function::Complex { .. } => {
                        let (found, expected) = ("a complex coefficient", "a real one");
                        Err(Error::input("K012", &study.file, &place, found, expected, "write two terms"))
                    }
                };
                let expressions = own.expressions.iter().map(real).collect::<Result<Vec<_>>>()?;
                if let Some(theta) = theta {
                    agree_with(&expressions, theta, rows, inputs, study, &place)?;
                }
                return Ok((
                    Way::Expressions(expressions),
                    format!("{n_terms} affine terms with the study's coefficients"),
                ));
            }
            match theta {
                Some(theta) => {
                    let theta = faer::Mat::from_fn(rows.len(), theta.ncols(), |i, q| theta[(rows[i], q)]);
                    let why = format!("{n_terms} affine terms; coefficients from theta, learnt where none are given");
                    Ok((Way::Theta(theta), why))
                }
                None => {
                    let place = format!("/operators/{}", operator.name);
                    let (found, expected) = ("terms without theta", "theta [n_mu, Q], or expressions in the study");
                    Err(Error::input("K002", file.path(), place, found, expected, "add one of them"))
                }
            }
        }
        _ => way_of(study, file, &operator.name, own, inputs),
    }
}

fn vector<'a, T: Scalar>(
    study: &Study,
    file: &'a OperatorFile,
    vector: &'a Vector,
    rows: &[usize],
    inputs: &Table,
) -> Result<(Quantity<'a, T>, String)> {
    let own = study.operators.of(&vector.name);
    let declared = study.operators.affine.contains(&vector.name);
    if declared && !vector.constant {
        let read = |sample: usize| file.vector::<c64>(vector, sample);
        is_constant(&study.file, &vector.name, rows, own.tolerance.unwrap_or(SAME).max(SAME), &read)?;
    }
    let (way, why) = match vector.constant || declared {
        true => (Way::Constant, "the same for all parameters".to_string()),
        false => way_of(study, file, &vector.name, &own, inputs)?,
    };
    let members = rows.to_vec();
    let n = file.n_rows.unwrap_or(vector.length).max(1);
    let quantity = Quantity {
        name: vector.name.clone(),
        n_entries: vector.length,
        read: Box::new(move |m| file.vector::<T>(vector, members[m])),
        way,
        place: Box::new(move |e| (e % n, e / n)),
    };
    Ok((quantity, why))
}

/// That what is declared the same for all parameters is so in the file. Error: K022 with the sample that differs most. Cost: reads all.
fn is_constant(
    study: &Path,
    name: &str,
    rows: &[usize],
    tolerance: f64,
    read: &dyn Fn(usize) -> Result<Vec<c64>>,
) -> Result<()> {
    let Some((first, others)) = rows.split_first() else { return Ok(()) };
    let reference = read(*first)?;
    let norm = |v: &[c64]| v.iter().map(|v| v.modulus_squared()).sum::<f64>().sqrt();
    let size = norm(&reference);
    let mut worst = (0.0, *first);
    for sample in others {
        let missed: Vec<c64> = read(*sample)?.iter().zip(&reference).map(|(a, b)| *a - *b).collect();
        let missed = norm(&missed) / size.max(f64::MIN_POSITIVE);
        if missed > worst.0 {
            worst = (missed, *sample);
        }
    }
    if worst.0 <= tolerance {
        return Ok(());
    }
    let found = format!("sample {} that differs from sample {first} by {:.1e}, relative", worst.1, worst.0);
    let mend = format!("leave `{name}` out of `affine`");
    Err(Error::input(
        "K022",
        study,
        format!("[operators] affine, {name}"),
        found,
        "the same numbers for all parameters",
        mend,
    ))
}

/// That the coefficients of a study are those of the file. Error: K022.
fn agree_with(
    expressions: &[Expression],
    theta: &faer::Mat<f64>,
    rows: &[usize],
    inputs: &Table,
    study: &Study,
    place: &str,
) -> Result<()> {
    for (q, e) in expressions.iter().enumerate() {
        let largest = theta.col(q).iter().fold(0.0_f64, |m, t| m.max(t.abs()));
        for (i, sample) in rows.iter().enumerate() {
            let (value, own) = (e.value(inputs.row(i)), theta[(*sample, q)]);
            // What is not finite is told where it is used.
            if value.is_finite() && (value - own).abs() > SAME * largest {
                let found = format!("{value} by `{}` at sample {sample}", e.text());
                let expected = format!("{own}, theta of the file");
                let mend = "mend the expression, or leave it out and theta is taken";
                return Err(Error::input(
                    "K022",
                    &study.file,
                    format!("{place}, term {}", q + 1),
                    found,
                    expected,
                    mend,
                ));
            }
        }
    }
    Ok(())
}

/// Terms that the band of wavenumbers and the size of the mesh let expect.
fn waves(file: &OperatorFile, inputs: &Table, tolerance: f64) -> Option<String> {
    let mesh = file.mesh.as_ref().filter(|_| inputs.n_columns() == 1)?;
    let name = inputs.names[0].to_lowercase();
    if !["k", "wavenumber", "wave_number", "kappa"].contains(&name.as_str()) {
        return None;
    }
    let column = inputs.column(0);
    let (low, high) = column.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), x| (l.min(*x), h.max(*x)));
    let diameter = diameter(mesh);
    let n = predicted_terms(high - low, diameter, tolerance);
    Some(format!(
        "oscillatory kernel, k {low} to {high}, diameter {diameter:.3}: about {n} terms for {tolerance:.0e} are to be expected"
    ))
}

/// Of the box around a mesh, longest side at least.
fn diameter(mesh: &Mesh) -> f64 {
    let of = |a: usize| {
        let x = mesh.points.iter().skip(a).step_by(mesh.dim.max(1));
        let (low, high) = x.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(*x), h.max(*x)));
        high - low
    };
    (0..mesh.dim).map(of).fold(0.0, f64::max)
}

/// The functions of a study over their sample of points, and an independent sample between them.
fn functions(study: &Study, file: &OperatorFile, name: &str, own: &OwnTable, inputs: &Table) -> Result<Functions> {
    let place = format!("[operators.{name}] expressions");
    let (coordinates, points, check) = match (own.points.is_empty(), &file.mesh) {
        (false, _) => {
            let names: Vec<String> = own.points.keys().cloned().collect();
            let axes: Vec<(f64, f64, usize)> = own.points.values().copied().collect();
            (names, grid(&axes, 0.0), grid(&axes, 0.5))
        }
        (true, Some(mesh)) => {
            let names = ["x", "y", "z"][..mesh.dim].iter().map(|n| n.to_string()).collect();
            let (cells, nodes) = (centres(mesh), mesh.points.chunks(mesh.dim).map(<[f64]>::to_vec).collect());
            let (points, check) = if cells.is_empty() { (nodes, Vec::new()) } else { (cells, nodes) };
            (names, thinned(points), thinned(check))
        }
        (true, None) => {
            let (found, expected) =
                ("no points to sample the functions at", "points = { x = [from, to, number] }, or a /mesh");
            return Err(Error::input(
                "K022",
                &study.file,
                format!("[operators.{name}]"),
                found,
                expected,
                "add the points",
            ));
        }
    };
    if let Some(both) = coordinates.iter().find(|c| inputs.names.contains(c)) {
        let found = format!("`{both}`, the name of a parameter and of a coordinate");
        let (expected, mend) = ("names that differ", "give the parameter another name");
        return Err(Error::input("K006", &study.file, format!("[operators.{name}]"), found, expected, mend));
    }
    let variables: Vec<String> = inputs.names.iter().chain(&coordinates).cloned().collect();
    let parse = |text: &String| Expression::parse(text, &variables, &study.file, &place);
    let one = |f: &Function| match f {
        Function::Real(text) => Ok((parse(text)?, None)),
        Function::Complex { im, .. } if !file.is_complex() => {
            let expected = format!("real functions: all numbers of {} are real", file.path().display());
            let found = format!("im = \"{im}\"");
            Err(Error::input(
                "K009",
                &study.file,
                &place,
                found,
                expected,
                "leave `im` out, or hand in complex matrices",
            ))
        }
        Function::Complex { re, im } => Ok((parse(re)?, Some(parse(im)?))),
    };
    let place = format!("[operators.{name}] amplitude");
    let amplitude =
        own.amplitude.as_ref().map(|text| Expression::parse(text, &inputs.names, &study.file, &place)).transpose()?;
    Ok(Functions {
        functions: own.expressions.iter().map(one).collect::<Result<_>>()?,
        amplitude,
        variables: variables.clone(),
        points,
        check,
        terms: own.terms,
        tolerance: own.tolerance.unwrap_or(TOLERANCE),
    })
}

/// Points of a grid, all moved by `shift` steps; without the last of each axis where they are.
fn grid(axes: &[(f64, f64, usize)], shift: f64) -> Vec<Vec<f64>> {
    let mut points = vec![Vec::new()];
    for (from, to, n) in axes {
        let step = (to - from) / (n - 1) as f64;
        let count = if shift > 0.0 { n - 1 } else { *n };
        let axis: Vec<f64> = (0..count).map(|i| from + step * (i as f64 + shift)).collect();
        points = points.iter().flat_map(|p| axis.iter().map(move |x| [&p[..], &[*x]].concat())).collect();
    }
    points
}

fn centres(mesh: &Mesh) -> Vec<Vec<f64>> {
    let dim = mesh.dim;
    let centre = |cell: &[u32]| -> Vec<f64> {
        let mean =
            |a: usize| cell.iter().map(|p| mesh.points[*p as usize * dim + a]).sum::<f64>() / cell.len().max(1) as f64;
        (0..dim).map(mean).collect()
    };
    mesh.cells
        .iter()
        .filter(|b| !b.cell_type.is_ragged())
        .flat_map(|b| b.iter().map(centre).collect::<Vec<_>>())
        .collect()
}

fn thinned(points: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let step = points.len().div_ceil(MOST_POINTS).max(1);
    points.into_iter().step_by(step).collect()
}

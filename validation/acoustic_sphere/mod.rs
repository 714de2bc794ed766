//! Acoustic scattering by the unit sphere; see README.md of this folder.

mod solver;

use crate::operators::{Family, relative};
use crate::plot::{Curve, plot};
use crate::scores::{largest, least, median};
use crate::table::{Bound, Table};
use faer::c64;
use kolmo::Result;
use kolmo::algorithms::affine_decomposition::{EntryOptions, predicted_terms};
use kolmo::linalg::terms::Pattern;
use solver::{Sphere, far_fields, solve};
use std::sync::Arc;

/// Incident direction: (1, 2, 2) / 3.
const INCIDENT: [f64; 3] = [1.0 / 3.0, 2.0 / 3.0, 2.0 / 3.0];
const RANGE: (f64, f64) = (1.0, 5.0);
const N_TRAINING: usize = 24;
/// Cuts of the icosahedron for the reduced basis: 320 triangles, 162 vertices.
const LEVEL: usize = 2;

/// Fills the table.
pub fn run(table: &mut Table) -> Result<()> {
    convergence(table)?;
    let sphere = Sphere::new(LEVEL);
    let step = (RANGE.1 - RANGE.0) / (N_TRAINING - 1) as f64;
    let training = family(&sphere, (0..N_TRAINING).map(|i| RANGE.0 + step * i as f64))?;
    let tests = family(&sphere, (0..N_TRAINING - 1).map(|i| RANGE.0 + step * (i as f64 + 0.5)))?;
    let terms = terms(table, &training, &tests)?;
    let options = EntryOptions { terms: Some(terms), ..EntryOptions::default() };
    let fitted = training.reduced(&options, false, 1e-8)?;
    let (answers, errors) = tests.answers(&fitted, true)?;
    table.row("modes of the density", fitted.model.n_modes() as f64, Bound::Shown);
    table.row("density: largest relative error", largest(&errors), Bound::AtMost(1e-5));
    table.row("density: median relative error", median(&errors), Bound::Shown);
    let ratios: Vec<f64> = answers.indicator.iter().zip(&errors).map(|(i, e)| i / e).collect();
    table.row("indicator / error, least", least(&ratios), Bound::AtLeast(1.0));
    table.row("indicator / error, median", median(&ratios), Bound::Shown);
    // Solutions left out are harder than those between: the estimate is on the safe side.
    table.row("indicator / error, largest", largest(&ratios), Bound::Shown);
    let far = |i: usize| {
        let (k, u) = (tests.parameters[i][0], fitted.model.reconstruct(answers.coefficients.as_ref().subcols(i, 1)));
        let reduced = far_fields(&sphere, k, u.col_as_slice(0), INCIDENT).0;
        relative(&far_fields(&sphere, k, &tests.solutions[i], INCIDENT).0, &reduced)
    };
    let missed: Vec<f64> = (0..errors.len()).map(far).collect();
    table.row("far field of the reduced solution: largest relative error", largest(&missed), Bound::AtMost(1e-5));
    Ok(())
}

/// The solver beside the exact series: the far field's error, and by how much it falls when triangles are cut in four.
fn convergence(table: &mut Table) -> Result<()> {
    let mut before: Option<f64> = None;
    for level in 1..=3 {
        let sphere = Sphere::new(level);
        let at = |k: f64| {
            let phi = solve(&sphere.matrix(k), &sphere.rhs(k, INCIDENT))?;
            let (found, exact) = far_fields(&sphere, k, &phi, INCIDENT);
            Ok(relative(&exact, &found))
        };
        let errors = [1.0, 3.0, 5.0].into_iter().map(at).collect::<Result<Vec<f64>>>()?;
        let (n, worst) = (sphere.triangles.len(), largest(&errors));
        for (k, error) in [1, 3, 5].into_iter().zip(&errors) {
            table.row(format!("far field: relative error, {n} triangles, k = {k}"), *error, Bound::Shown);
        }
        if let Some(before) = before {
            table.row(
                format!("far field: order in h, up to {n} triangles"),
                (before / worst).log2(),
                Bound::AtLeast(1.8),
            );
        }
        before = Some(worst);
    }
    table.row("far field: largest relative error, 1280 triangles", before.unwrap_or(f64::NAN), Bound::AtMost(2e-2));
    Ok(())
}

/// Errors of the matrices by number of terms; returns the fewest for 1e-6.
fn terms(table: &mut Table, training: &Family<c64>, tests: &Family<c64>) -> Result<usize> {
    let (mut fewest, mut curve) = (None, Vec::new());
    for terms in 4..=16 {
        let options = EntryOptions { terms: Some(terms), ..EntryOptions::default() };
        let (n, error) = training.matrix_error(tests, &options)?;
        curve.push((n as f64, error));
        if error <= 1e-6 && fewest.is_none() {
            fewest = Some(n);
        }
    }
    let predicted = predicted_terms(RANGE.1 - RANGE.0, 2.0, 1e-6);
    let found = fewest.map_or(f64::INFINITY, |n| n as f64);
    table.row("terms for a largest matrix error of 1e-6", found, Bound::AtMost(13.0));
    table.row("terms that are predicted for it", predicted as f64, Bound::Shown);
    table.row("terms found less those predicted", found - predicted as f64, Bound::Between(-2.0, 2.0));
    plot(
        "acoustic_sphere",
        "terms",
        "largest relative error of the matrix",
        &[Curve { name: "entries".into(), points: curve }],
    )?;
    Ok(fewest.unwrap_or(13))
}

fn family(sphere: &Sphere, wavenumbers: impl Iterator<Item = f64>) -> Result<Family<c64>> {
    let wavenumbers: Vec<f64> = wavenumbers.collect();
    let matrices: Vec<Vec<c64>> = wavenumbers.iter().map(|k| sphere.matrix(*k)).collect();
    let rhs: Vec<Vec<c64>> = wavenumbers.iter().map(|k| sphere.rhs(*k, INCIDENT)).collect();
    let solutions = matrices.iter().zip(&rhs).map(|(a, f)| solve(a, f)).collect::<Result<_>>()?;
    Ok(Family {
        names: vec!["k".into()],
        pattern: Arc::new(Pattern::Dense { n_rows: sphere.points.len() }),
        parameters: wavenumbers.into_iter().map(|k| vec![k]).collect(),
        matrices,
        rhs,
        solutions,
    })
}

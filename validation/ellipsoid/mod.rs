//! Matrices of another boundary-element code; see README.md of this folder.

use crate::operators::from_file;
use crate::plot::{Curve, plot};
use crate::scores::{largest, median};
use crate::table::{Bound, Table};
use faer::c64;
use kolmo::Result;
use kolmo::algorithms::affine_decomposition::EntryOptions;

/// Fills the table, where the data is there.
pub fn run(table: &mut Table) -> Result<()> {
    let Some((training, tests)) = from_file::<c64>("bem_ellipsoid.h5", |i| i % 3 == 1)? else { return Ok(()) };
    let mut curve = Vec::new();
    for terms in 3..=12 {
        let options = EntryOptions { terms: Some(terms), ..EntryOptions::default() };
        let (n, error) = training.matrix_error(&tests, &options)?;
        curve.push((n as f64, error));
        if n == 8 {
            table.row("matrices, 8 terms: largest relative error", error, Bound::AtMost(3e-6));
        }
    }
    plot(
        "ellipsoid",
        "terms",
        "largest relative error of the matrix",
        &[Curve { name: "entries".into(), points: curve }],
    )?;
    let options = EntryOptions { terms: Some(8), ..EntryOptions::default() };
    let fitted = training.reduced(&options, false, 1e-8)?;
    let (answers, errors) = tests.answers(&fitted, true)?;
    table.row("densities: modes", fitted.model.n_modes() as f64, Bound::Shown);
    table.row("densities: largest relative error", largest(&errors), Bound::AtMost(5e-6));
    let ratios: Vec<f64> = answers.indicator.iter().zip(&errors).map(|(i, e)| i / e).collect();
    table.row("indicator / error, median", median(&ratios), Bound::Shown);
    Ok(())
}

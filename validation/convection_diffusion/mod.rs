//! Matrices of a finite-element code that are not affine in three parameters; see README.md of this folder.

use crate::operators::from_file;
use crate::plot::{Curve, plot};
use crate::scores::{largest, mean, median};
use crate::table::{Bound, Table};
use kolmo::Result;
use kolmo::algorithms::affine_decomposition::EntryOptions;

/// Fills the table, where the data is there.
pub fn run(table: &mut Table) -> Result<()> {
    let Some((training, tests)) = from_file::<f64>("convection_diffusion.h5", |i| i % 4 == 3)? else { return Ok(()) };
    let fitted = training.reduced(&EntryOptions::default(), true, 1e-5)?;
    table.row("terms of the operator", fitted.decomposed[0].1.members.len() as f64, Bound::AtMost(75.0));
    table.row("modes", fitted.model.n_modes() as f64, Bound::Shown);
    let mut curves = Vec::new();
    for (name, given, bound) in [("entries", true, Bound::AtMost(1.5e-2)), ("learnt", false, Bound::Shown)] {
        let (answers, errors) = tests.answers(&fitted, given)?;
        table.row(format!("{name}: mean relative error"), mean(&errors), bound);
        table.row(format!("{name}: median"), median(&errors), Bound::Shown);
        table.row(format!("{name}: largest"), largest(&errors), Bound::Shown);
        let middle = median(&errors);
        let bad = |i: &usize| errors[*i] > 3.0 * middle;
        let missed = (0..errors.len()).filter(bad).filter(|i| answers.flags[*i] == 0).count();
        let flagged = answers.flags.iter().filter(|f| **f != 0).count();
        table.row(
            format!("{name}: answers worse than 3 medians"),
            (0..errors.len()).filter(bad).count() as f64,
            Bound::Shown,
        );
        table.row(format!("{name}: of these without a flag"), missed as f64, Bound::AtMost(0.0));
        table.row(format!("{name}: flags of 25"), flagged as f64, Bound::AtMost(14.0));
        let mut points: Vec<(f64, f64)> = answers.indicator.iter().zip(&errors).map(|(i, e)| (i.log10(), *e)).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves.push(Curve { name: name.into(), points });
    }
    plot("convection_diffusion", "log10 of the indicator", "relative error", &curves)
}

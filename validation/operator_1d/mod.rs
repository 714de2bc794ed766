//! Affine decompositions of a one-dimensional operator; see README.md of this folder.

mod problem;
mod ways;

use crate::plot::{Curve, plot};
use crate::table::{Bound, Table};
use kolmo::Result;
use problem::{N, matrix, relative, solve};
use ways::{Errors, by_entries_median, by_functions};

/// Terms; errors of matrix and solution that an independent program found by functions; and targets by entries.
pub const CASES: [(usize, [f64; 2], [f64; 2]); 4] = [
    (10, [9e-3, 3e-2], [2e-3, 4e-2]),
    (12, [1e-4, 5e-4], [5e-5, 4e-3]),
    (14, [4e-6, 3e-5], [3e-6, 2e-4]),
    (16, [2.4e-7, 3e-6], [5e-8, 5e-6]),
];

/// Fills the table.
pub fn run(table: &mut Table) -> Result<()> {
    table.row("solver: relative residual, mu = 4", residual(4.0), Bound::AtMost(1e-12));
    let mut curves: Vec<Curve> = ["functions: matrix", "functions: solution", "entries: matrix", "entries: solution"]
        .map(|name| Curve { name: name.into(), points: Vec::new() })
        .into();
    let mut at_terms = 0.0_f64;
    for (d, reference, target) in CASES {
        let functions = by_functions(d)?;
        let entries = by_entries_median(d)?;
        // Within a factor 2 of the reference.
        rows(table, &format!("functions, {d} terms"), &functions, reference.map(|r| 2.0 * r));
        rows(table, &format!("60 entries, {d} terms, median of 10"), &entries, target);
        let found = [functions.tests[0], functions.tests[1], entries.tests[0], entries.tests[1]];
        curves.iter_mut().zip(found).for_each(|(c, error)| c.points.push((d as f64, error)));
        at_terms = [functions.terms, entries.terms].concat().into_iter().fold(at_terms, f64::max);
    }
    table.row("largest error at the parameters of the terms", at_terms, Bound::AtMost(1e-12));
    plot("operator_1d", "terms", "largest relative error", &curves)
}

fn rows(table: &mut Table, name: &str, found: &Errors, bounds: [f64; 2]) {
    for (what, found, bound) in [("matrix", found.tests[0], bounds[0]), ("solution", found.tests[1], bounds[1])] {
        table.row(format!("{name}: {what}"), found, Bound::AtMost(bound));
    }
}

/// ||1 - A u|| / ||1|| of the full-order solver.
fn residual(mu: f64) -> f64 {
    let (a, h) = (matrix(mu), 1.0 / (N + 1) as f64);
    let u = solve(&a);
    let beside = |i: usize, j: usize| if j < N { a[N + i.min(j)] * u[j] } else { 0.0 };
    let au: Vec<f64> =
        (0..N).map(|i| a[i] * u[i] + beside(i, i + 1) + if i > 0 { beside(i, i - 1) } else { 0.0 }).collect();
    relative(&vec![h; N], &au)
}

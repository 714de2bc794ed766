//! Cases with known answers: `cargo run --release --example validation [CASE]`. Exit code 1 where a bound fails.

mod acoustic_sphere;
mod coercivity;
mod convection_diffusion;
mod ellipsoid;
mod heat;
mod matrix_functions;
mod operator_1d;
mod operators;
mod plot;
mod residual_norm;
mod scores;
mod table;
mod thermal_block;

use std::process::ExitCode;
use table::Table;

/// A case: its name, that of its folder, and what fills the table.
type Case = (&'static str, fn(&mut Table) -> kolmo::Result<()>);

const CASES: &[Case] = &[
    ("heat", heat::run),
    ("operator_1d", operator_1d::run),
    ("acoustic_sphere", acoustic_sphere::run),
    ("ellipsoid", ellipsoid::run),
    ("convection_diffusion", convection_diffusion::run),
    ("thermal_block", thermal_block::run),
    ("residual_norm", residual_norm::run),
    ("coercivity", coercivity::run),
    ("matrix_functions", matrix_functions::run),
];

fn main() -> ExitCode {
    let chosen: Vec<String> = std::env::args().skip(1).collect();
    let known: Vec<&str> = CASES.iter().map(|c| c.0).collect();
    if let Some(name) = chosen.iter().find(|c| !known.contains(&c.as_str())) {
        eprintln!("unknown case `{name}`; known: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let mut table = Table::default();
    let mut n_errors = 0;
    for (name, run) in CASES.iter().filter(|c| chosen.is_empty() || chosen.iter().any(|name| name == c.0)) {
        table.begin(name);
        if let Err(error) = run(&mut table) {
            eprintln!("{name}: {error}");
            n_errors += 1;
        }
    }
    print!("{table}");
    let n_failed = table.n_failed();
    if n_failed + n_errors > 0 {
        eprintln!("{n_failed} bounds failed, {n_errors} cases ended in an error");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

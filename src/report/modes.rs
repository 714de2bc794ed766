//! How fast a basis gathers what there is: singular values, what is left out, errors by number of modes.

use super::axis::{Axis, bounds};
use super::canvas::{Drawing, Marker, Spot};
use super::colour::{BLACK, GREY, curve};
use super::frame::{Entry, Frame, Sign};
use super::plot::{SIZE, chain, framed, straight};
use crate::error::Result;

/// Singular values of a field, how many modes were kept, and sqrt(sum of discarded sigma² / sum of all sigma²).
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    pub field: String,
    pub values: Vec<f64>,
    pub n_modes: usize,
    pub projection_error: f64,
}

impl Spectrum {
    /// What 0, 1, 2, … modes leave out: sqrt(sum of sigma² beyond them / sum of all sigma²).
    pub fn left_out(&self) -> Vec<f64> {
        let n = self.n_modes.min(self.values.len());
        let (kept, rest) = self.values.split_at(n);
        let beyond = |part: &[f64]| {
            let mut sum = 0.0;
            let mut sums: Vec<f64> = part
                .iter()
                .rev()
                .map(|s| {
                    sum += s * s;
                    sum
                })
                .collect();
            sums.reverse();
            sums.iter().map(|s| if sum > 0.0 { s / sum } else { 0.0 }).collect::<Vec<f64>>()
        };
        // The sum of all is told by the projection error, also where not all singular values were computed.
        let tail = self.projection_error.powi(2);
        let inside = beyond(kept).into_iter().map(|share| tail + (1.0 - tail) * share);
        let outside = beyond(rest).into_iter().map(|share| tail * share);
        inside.chain(outside).map(f64::sqrt).collect()
    }
}

/// The names of all fields once, in order.
fn names(spectra: &[Spectrum]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    spectra.iter().for_each(|s| {
        if !names.contains(&s.field.as_str()) {
            names.push(&s.field);
        }
    });
    names
}

fn entries(spectra: &[Spectrum]) -> Vec<Entry> {
    let entry = |(i, name): (usize, &&str)| {
        let own = spectra.iter().filter(|s| s.field == **name);
        let kept = bounds(own.map(|s| s.n_modes as f64)).unwrap_or((0.0, 0.0));
        let kept = if kept.0 == kept.1 { format!("{}", kept.0) } else { format!("{} to {}", kept.0, kept.1) };
        let modes = if kept == "1" { "mode" } else { "modes" };
        (Sign::Chain(i), curve(i), format!("{}: {kept} {modes} kept", super::canvas::cut(name, 24)))
    };
    names(spectra).iter().enumerate().map(entry).collect()
}

/// Several spectra of one field (one per fold) have one colour; `first` is the abscissa of their first value.
fn spectra_of(
    frame: &Frame<'_, '_>,
    spectra: &[Spectrum],
    first: f64,
    values: impl Fn(&Spectrum) -> Vec<f64>,
) -> Result<()> {
    let names = names(spectra);
    for s in spectra {
        let i = names.iter().position(|n| *n == s.field).unwrap_or(0);
        let spots: Vec<Spot> =
            values(s).iter().enumerate().filter_map(|(k, v)| frame.at(k as f64 + first, *v)).collect();
        frame.canvas.curve(&spots, i, curve(i), 1.0)?;
        for (k, spot) in spots.iter().enumerate() {
            frame.canvas.marker(Marker::of(i), *spot, 2.8, curve(i), (k as f64 + first) <= s.n_modes as f64)?;
        }
        let end = s.n_modes as f64 + 0.5;
        straight(frame, (end, f64::INFINITY), (end, 0.0), true, curve(i))?;
    }
    Ok(())
}

fn longest(spectra: &[Spectrum]) -> usize {
    spectra.iter().map(|s| s.values.len()).max().unwrap_or(1).max(1)
}

/// Singular values over the largest one of their field, on a logarithmic axis: filled for modes that were kept.
pub fn singular_values(spectra: &[Spectrum]) -> Result<Drawing> {
    let relative = |s: &Spectrum| {
        let first = s.values.first().copied().filter(|v| *v > 0.0).unwrap_or(1.0);
        s.values.iter().map(|v| v / first).collect::<Vec<f64>>()
    };
    let all: Vec<f64> = spectra.iter().flat_map(&relative).collect();
    let mut entries = entries(spectra);
    entries.push((Sign::Full(Marker::Disc), GREY, "kept".into()));
    entries.push((Sign::Hollow(Marker::Disc), GREY, "left out".into()));
    let x = Axis::counts("mode", [1, longest(spectra)], SIZE.0);
    let axes = (x, Axis::log("singular value / largest one", &all));
    framed("Singular values", axes, &entries, |frame| spectra_of(frame, spectra, 1.0, relative))
}

/// Share of the norm of all training snapshots that 0, 1, 2, … modes leave out, on a logarithmic axis.
pub fn left_out_by_modes(spectra: &[Spectrum], tolerance: Option<f64>) -> Result<Drawing> {
    let mut all: Vec<f64> = spectra.iter().flat_map(Spectrum::left_out).collect();
    all.extend(tolerance);
    let mut entries = entries(spectra);
    if let Some(tolerance) = tolerance {
        entries.push((Sign::Dashes, BLACK, format!("tolerance {}", super::parameter_text(tolerance))));
    }
    let x = Axis::counts("number of modes", [0, longest(spectra)], SIZE.0);
    let axes = (x, Axis::log("left out of the training data", &all));
    framed("What the modes leave out", axes, &entries, |frame| {
        if let Some(t) = tolerance {
            straight(frame, (frame.x.lower, t), (frame.x.upper, t), true, BLACK)?;
        }
        spectra_of(frame, spectra, 0.0, Spectrum::left_out)
    })
}

/// Mean error, best error in the basis and mean indicator for 1, 2, … modes, on a logarithmic axis.
pub fn error_by_modes(error: &[f64], projection: &[f64], indicator: &[f64]) -> Result<Drawing> {
    let curves = [("error", error), ("projection error", projection), ("indicator", indicator)];
    let mut entries: Vec<Entry> = Vec::new();
    for (i, (name, values)) in curves.iter().enumerate() {
        let note = if values.iter().any(|v| v.is_finite()) { "" } else { " (a solution has norm 0)" };
        entries.push((Sign::Chain(i), curve(i), format!("{name}{note}")));
    }
    let axes = (
        Axis::counts("modes per field", [1, error.len().max(1)], SIZE.0),
        Axis::log("mean relative error", &[error, projection, indicator].concat()),
    );
    framed("Error by number of modes", axes, &entries, |frame| {
        curves.iter().enumerate().try_for_each(|(i, (_, values))| {
            chain(frame, values.iter().enumerate().map(|(k, v)| (k as f64 + 1.0, *v)), i, curve(i))
        })
    })
}

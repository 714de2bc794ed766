//! Curves and points: singular values, errors, scalars.

use super::axis::{Axis, bounds};
use super::canvas::{Canvas, Frame, NUMBER, RIGHT, Spot, TITLE, cut, picture};
use super::colour::{BLACK, GREY, curve};
use crate::error::Result;
use plotters::style::RGBColor;

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 460.0;
const CORNER: Spot = (80.0, 48.0);
const SIZE: Spot = (530.0, 350.0);

/// Singular values of a field, and how many modes were kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Spectrum {
    pub field: String,
    pub values: Vec<f64>,
    pub n_modes: usize,
}

/// How an entry of the legend looks.
enum Sign {
    Disc,
    Ring,
    Line,
    Chain,
    Dashes,
    Nothing,
}

fn legend(canvas: &Canvas<'_>, entries: &[(Sign, RGBColor, String)]) -> Result<()> {
    let x = CORNER.0 + SIZE.0 + 18.0;
    for (i, (sign, colour, text)) in entries.iter().enumerate() {
        let y = CORNER.1 + 8.0 + 20.0 * i as f64;
        let middle = (x + 11.0, y);
        match sign {
            Sign::Disc => canvas.disc(middle, 4.0, *colour, true)?,
            Sign::Ring => canvas.disc(middle, 4.0, *colour, false)?,
            Sign::Line => canvas.line([(x, y), (x + 22.0, y)], *colour, 1.5)?,
            Sign::Chain => {
                canvas.line([(x, y), (x + 22.0, y)], *colour, 1.5)?;
                canvas.disc(middle, 3.0, *colour, true)?;
            }
            Sign::Dashes => canvas.dashes((x, y), (x + 22.0, y), *colour)?,
            Sign::Nothing => {}
        }
        canvas.text(&cut(text, 23), (x + 29.0, y), RIGHT, NUMBER)?;
    }
    Ok(())
}

/// A picture with one frame, a title and a legend.
fn framed(
    title: &str,
    (x, y): (Axis, Axis),
    entries: &[(Sign, RGBColor, String)],
    draw: impl FnOnce(&Frame<'_, '_>) -> Result<()>,
) -> Result<String> {
    picture(WIDTH, HEIGHT, |canvas| {
        canvas.text(&cut(title, 95), (CORNER.0, 24.0), RIGHT, TITLE)?;
        let frame = Frame::new(canvas, CORNER, SIZE, x, y);
        frame.grid()?;
        draw(&frame)?;
        frame.border(true, true)?;
        frame.names(Some(58.0), true)?;
        legend(canvas, entries)
    })
}

fn chain(frame: &Frame<'_, '_>, points: impl IntoIterator<Item = (f64, f64)>, colour: RGBColor) -> Result<()> {
    let spots: Vec<Spot> = points.into_iter().filter_map(|(x, y)| frame.at(x, y)).collect();
    frame.canvas.line(spots.iter().copied(), colour, 1.5)?;
    spots.into_iter().try_for_each(|s| frame.canvas.disc(s, 3.0, colour, true))
}

/// Singular values over the largest one of their field, on a logarithmic axis: discs for modes that were kept, rings for
/// others. Several spectra of one field (one per fold) have one colour.
pub fn singular_values(spectra: &[Spectrum]) -> Result<String> {
    let relative = |s: &Spectrum| {
        let first = s.values.first().copied().filter(|v| *v > 0.0).unwrap_or(1.0);
        s.values.iter().map(|v| v / first).collect::<Vec<f64>>()
    };
    let mut names: Vec<&str> = Vec::new();
    spectra.iter().for_each(|s| {
        if !names.contains(&s.field.as_str()) {
            names.push(&s.field);
        }
    });
    let all: Vec<f64> = spectra.iter().flat_map(&relative).collect();
    let longest = spectra.iter().map(|s| s.values.len()).max().unwrap_or(1).max(1);
    let mut entries = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let own = || spectra.iter().filter(|s| s.field == *name);
        let kept = bounds(own().map(|s| s.n_modes as f64)).unwrap_or((0.0, 0.0));
        let kept = if kept.0 == kept.1 { format!("{}", kept.0) } else { format!("{} to {}", kept.0, kept.1) };
        entries.push((Sign::Chain, curve(i), name.to_string()));
        let modes = if kept == "1" { "mode" } else { "modes" };
        entries.push((Sign::Nothing, BLACK, format!("{kept} {modes} kept")));
    }
    entries.push((Sign::Disc, GREY, "kept".into()));
    entries.push((Sign::Ring, GREY, "left out".into()));
    let axes = (Axis::counts("mode", [1, longest]), Axis::log("singular value / largest one", &all));
    framed("Singular values", axes, &entries, |frame| {
        for s in spectra {
            let colour = curve(names.iter().position(|n| *n == s.field).unwrap_or(0));
            let spots: Vec<Spot> =
                relative(s).iter().enumerate().filter_map(|(k, v)| frame.at(k as f64 + 1.0, *v)).collect();
            frame.canvas.line(spots.iter().copied(), colour, 1.0)?;
            for (k, spot) in spots.iter().enumerate() {
                frame.canvas.disc(*spot, 3.0, colour, k < s.n_modes)?;
            }
            let end = s.n_modes as f64 + 0.5;
            if let (Some(top), Some(bottom)) = (frame.at(end, f64::INFINITY), frame.at(end, 0.0)) {
                frame.canvas.dashes(top, bottom, colour)?;
            }
        }
        Ok(())
    })
}

/// True relative error and indicator of each sample, on a logarithmic axis. `samples` are the numbers of the samples.
pub fn error_per_sample(samples: &[usize], error: &[f64], indicator: &[f64]) -> Result<String> {
    let entries = [
        (Sign::Disc, curve(0), "relative error".to_string()),
        (Sign::Nothing, BLACK, "(largest of all fields)".into()),
        (Sign::Ring, curve(1), "indicator".into()),
    ];
    let axes =
        (Axis::counts("sample", samples.iter().copied()), Axis::log("relative error", &[error, indicator].concat()));
    framed("Error and indicator per sample", axes, &entries, |frame| {
        for ((i, e), d) in samples.iter().zip(error).zip(indicator) {
            let (e, d) = (frame.at(*i as f64, *e), frame.at(*i as f64, *d));
            if let (Some(e), Some(d)) = (e, d) {
                frame.canvas.line([e, d], GREY, 0.7)?;
            }
            if let Some(e) = e {
                frame.canvas.disc(e, 4.0, curve(0), true)?;
            }
            if let Some(d) = d {
                frame.canvas.disc(d, 4.0, curve(1), false)?;
            }
        }
        Ok(())
    })
}

/// True relative error over the indicator, with the diagonal on which they are equal and half and twice of it.
pub fn error_against_indicator(error: &[f64], indicator: &[f64]) -> Result<String> {
    let entries = [
        (Sign::Disc, curve(0), "sample".to_string()),
        (Sign::Line, BLACK, "error = indicator".into()),
        (Sign::Dashes, GREY, "half and twice of it".into()),
    ];
    let all = [error, indicator].concat();
    let axes = (Axis::log("indicator", &all), Axis::log("relative error", &all));
    let (lower, upper) = (axes.0.lower, axes.0.upper);
    framed("Error against indicator", axes, &entries, |frame| {
        let ends = |factor: f64| {
            let shift = factor.log10();
            let (a, b) = (lower.max(lower - shift), upper.min(upper - shift));
            let at = |p: f64| frame.at(10f64.powf(p), 10f64.powf(p + shift));
            at(a).zip(at(b))
        };
        if let Some((a, b)) = ends(1.0) {
            frame.canvas.line([a, b], BLACK, 1.2)?;
        }
        for (a, b) in [0.5, 2.0].into_iter().filter_map(ends) {
            frame.canvas.dashes(a, b, GREY)?;
        }
        let spots = indicator.iter().zip(error).filter_map(|(d, e)| frame.at(*d, *e));
        spots.into_iter().try_for_each(|s| frame.canvas.disc(s, 4.0, curve(0), true))
    })
}

/// Mean error, best error in the basis and mean indicator for 1, 2, … modes, on a logarithmic axis.
pub fn error_by_modes(error: &[f64], projection: &[f64], indicator: &[f64]) -> Result<String> {
    let curves = [("error", error), ("projection error", projection), ("indicator", indicator)];
    let mut entries = Vec::new();
    for (i, (name, values)) in curves.iter().enumerate() {
        entries.push((Sign::Chain, curve(i), name.to_string()));
        if !values.iter().any(|v| v.is_finite()) {
            entries.push((Sign::Nothing, BLACK, "(a solution has norm 0)".into()));
        }
    }
    let axes = (
        Axis::counts("modes per field", [1, error.len().max(1)]),
        Axis::log("mean relative error", &[error, projection, indicator].concat()),
    );
    framed("Error by number of modes", axes, &entries, |frame| {
        curves.iter().enumerate().try_for_each(|(i, (_, values))| {
            chain(frame, values.iter().enumerate().map(|(k, v)| (k as f64 + 1.0, *v)), curve(i))
        })
    })
}

/// Predicted over true values of a scalar, with intervals; `triples` are truth, prediction and half-width.
pub fn parity(name: &str, triples: &[[f64; 3]]) -> Result<String> {
    let entries =
        [(Sign::Disc, curve(0), "sample with interval".to_string()), (Sign::Line, BLACK, "prediction = truth".into())];
    let all = || triples.iter().flat_map(|t| [t[0], t[1] - t[2], t[1] + t[2]]);
    let axes = (Axis::linear("truth", all()), Axis::linear("prediction", all()));
    let (lower, upper) = (axes.0.lower, axes.0.upper);
    framed(&format!("{name}: prediction against truth"), axes, &entries, |frame| {
        if let Some((a, b)) = frame.at(lower, lower).zip(frame.at(upper, upper)) {
            frame.canvas.line([a, b], BLACK, 1.2)?;
        }
        for [truth, prediction, half] in triples {
            if let Some((a, b)) = frame.at(*truth, prediction - half).zip(frame.at(*truth, prediction + half)) {
                frame.canvas.line([a, b], curve(0), 1.2)?;
                for end in [a, b] {
                    frame.canvas.line([(end.0 - 3.0, end.1), (end.0 + 3.0, end.1)], curve(0), 1.2)?;
                }
            }
            if let Some(spot) = frame.at(*truth, *prediction) {
                frame.canvas.disc(spot, 3.5, curve(0), true)?;
            }
        }
        Ok(())
    })
}

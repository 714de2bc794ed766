//! Predictions against true values.

use super::axis::{Axis, bounds};
use super::canvas::{Drawing, Marker};
use super::colour::{BAND, BLACK, curve};
use super::frame::{Frame, Sign};
use super::plot::{SIZE, framed, straight};
use crate::error::Result;

/// Points of a plot of entries of fields, at most.
const MOST: usize = 700;

fn interval(frame: &Frame<'_, '_>, x: f64, from: f64, to: f64) -> Result<()> {
    if let Some((a, b)) = frame.at(x, from).zip(frame.at(x, to)) {
        frame.canvas.line([a, b], curve(0), 1.2)?;
        for end in [a, b] {
            frame.canvas.line([(end.0 - 3.0, end.1), (end.0 + 3.0, end.1)], curve(0), 1.2)?;
        }
    }
    Ok(())
}

/// Predicted over true values of a scalar, with intervals; `triples` are truth, prediction and half-width.
pub fn parity(name: &str, triples: &[[f64; 3]]) -> Result<Drawing> {
    let entries = [
        (Sign::Full(Marker::Disc), curve(0), "sample with interval".to_string()),
        (Sign::Line, BLACK, "prediction = truth".into()),
    ];
    let all = || triples.iter().flat_map(|t| [t[0], t[1] - t[2], t[1] + t[2]]);
    let axes = (Axis::linear_along("truth", all(), SIZE.0), Axis::linear("prediction", all()));
    let (lower, upper) = (axes.0.lower, axes.0.upper);
    framed(&format!("{name}: prediction against truth"), axes, &entries, |frame| {
        straight(frame, (lower, lower), (upper, upper), false, BLACK)?;
        for [truth, prediction, half] in triples {
            interval(frame, *truth, prediction - half, prediction + half)?;
            if let Some(spot) = frame.at(*truth, *prediction) {
                frame.canvas.disc(spot, 3.5, curve(0), true)?;
            }
        }
        Ok(())
    })
}

/// Prediction minus truth of a scalar over the truth, with intervals: those that miss 0 miss the truth.
pub fn residuals(name: &str, triples: &[[f64; 3]]) -> Result<Drawing> {
    let entries = [
        (Sign::Full(Marker::Disc), curve(0), "interval holds the truth".to_string()),
        (Sign::Full(Marker::Diamond), curve(1), "interval misses it".into()),
    ];
    let all = triples.iter().flat_map(|[t, p, h]| [p - t - h, p - t + h, 0.0]);
    let truths = triples.iter().map(|t| t[0]);
    let axes = (Axis::linear_along("truth", truths, SIZE.0), Axis::linear("prediction \u{2212} truth", all));
    framed(&format!("{name}: residuals"), axes, &entries, |frame| {
        straight(frame, (frame.x.lower, 0.0), (frame.x.upper, 0.0), false, BLACK)?;
        for [truth, prediction, half] in triples {
            let r = prediction - truth;
            interval(frame, *truth, r - half, r + half)?;
            let holds = r.abs() <= *half;
            let (marker, colour) = if holds { (Marker::Disc, curve(0)) } else { (Marker::Diamond, curve(1)) };
            if let Some(spot) = frame.at(*truth, r) {
                frame.canvas.marker(marker, spot, 3.5, colour, true)?;
            }
        }
        Ok(())
    })
}

fn thinned(triples: &[[f64; 3]]) -> impl Iterator<Item = &[f64; 3]> + Clone {
    triples.iter().step_by(triples.len().div_ceil(MOST).max(1))
}

/// Predicted over true entries of a field.
pub fn parity_of_entries(name: &str, triples: &[[f64; 3]]) -> Result<Drawing> {
    let entries = [
        (Sign::Full(Marker::Disc), curve(0), "entry of a sample".to_string()),
        (Sign::Line, BLACK, "prediction = truth".into()),
    ];
    let all = || triples.iter().flat_map(|t| [t[0], t[1]]);
    let axes = (Axis::linear_along("truth", all(), SIZE.0), Axis::linear("prediction", all()));
    let (lower, upper) = (axes.0.lower, axes.0.upper);
    framed(&format!("{name}: entries against truth"), axes, &entries, |frame| {
        straight(frame, (lower, lower), (upper, upper), false, BLACK)?;
        let spots = thinned(triples).filter_map(|t| frame.at(t[0], t[1]));
        spots.into_iter().try_for_each(|s| frame.canvas.disc(s, 1.6, curve(0), true))
    })
}

/// Prediction minus truth of entries of a field over the half-width of their intervals: beyond ±1 the interval misses the truth.
pub fn residuals_of_entries(name: &str, triples: &[[f64; 3]]) -> Result<Drawing> {
    let entries = [
        (Sign::Full(Marker::Disc), curve(0), "inside its interval".to_string()),
        (Sign::Full(Marker::Diamond), curve(1), "outside".into()),
        (Sign::Band, BAND, "interval".into()),
    ];
    let ratio = |[t, p, h]: &[f64; 3]| if p == t { 0.0 } else { (p - t) / h };
    let largest = bounds(triples.iter().map(|t| ratio(t).abs())).map_or(1.0, |b| b.1);
    let reach = largest.clamp(1.5, 6.0);
    let truths = triples.iter().map(|t| t[0]);
    let y = Axis::linear("residual / half-width of interval", [-reach, reach]);
    let axes = (Axis::linear_along("truth", truths, SIZE.0), y);
    framed(&format!("{name}: residuals of entries"), axes, &entries, |frame| {
        let ends = [(frame.x.lower, -1.0), (frame.x.upper, -1.0), (frame.x.upper, 1.0), (frame.x.lower, 1.0)];
        frame.canvas.polygon(ends.into_iter().filter_map(|(x, y)| frame.at(x, y)), BAND)?;
        straight(frame, (frame.x.lower, 0.0), (frame.x.upper, 0.0), false, BLACK)?;
        for t in thinned(triples) {
            let r = ratio(t);
            let (marker, size, colour) =
                if r.abs() <= 1.0 { (Marker::Disc, 1.6, curve(0)) } else { (Marker::Diamond, 2.0, curve(1)) };
            if let Some(spot) = frame.at(t[0], r) {
                frame.canvas.marker(marker, spot, size, colour, true)?;
            }
        }
        Ok(())
    })
}

//! Where in the parameter space a model is right and where it is wrong.

use super::axis::Axis;
use super::canvas::{Drawing, Marker, Spot, picture};
use super::colour::{BLACK, GREY, curve};
use super::errors::{Rings, worst};
use super::frame::{Frame, Sign, legend};
use super::plot::{SIZE, framed};
use super::scale::Scale;
use crate::error::Result;

/// Inputs that are drawn in pairs, at most.
const MOST_INPUTS: usize = 4;
/// Samples that are ringed.
const RINGED: usize = 3;
/// Points that are drawn, at most.
const MOST_POINTS: usize = 2000;

/// Points of a parameter space with the errors there.
#[derive(Debug, Clone, Default)]
pub struct Points {
    pub names: Vec<String>,
    /// How much each input matters: the most important ones are drawn.
    pub importance: Vec<f64>,
    /// Numbers, inputs and errors of the samples; no errors where only their places are known.
    pub samples: Vec<usize>,
    pub inputs: Vec<Vec<f64>>,
    pub error: Vec<f64>,
    /// Inputs of training samples.
    pub training: Vec<Vec<f64>>,
}

impl Points {
    /// The most important inputs in the order of the study.
    fn chosen(&self) -> Vec<usize> {
        let weight = |j: usize| self.importance.get(j).copied().unwrap_or(0.0);
        let mut order: Vec<usize> = (0..self.names.len()).collect();
        order.sort_by(|a, b| weight(*b).total_cmp(&weight(*a)));
        order.truncate(MOST_INPUTS);
        order.sort_unstable();
        order
    }

    /// Names of the inputs that are drawn, and how many there are.
    pub fn drawn(&self) -> (Vec<&str>, usize) {
        (self.chosen().into_iter().map(|j| self.names[j].as_str()).collect(), self.names.len())
    }

    fn column<'a>(rows: &'a [Vec<f64>], j: usize) -> impl Iterator<Item = f64> + 'a {
        rows.iter().map(move |r| r.get(j).copied().unwrap_or(f64::NAN))
    }
}

fn thinned(n: usize) -> impl Iterator<Item = usize> {
    (0..n).step_by(n.div_ceil(MOST_POINTS).max(1))
}

/// Pairs of inputs (of the four most important ones at most), samples in the colour of their error, the worst ringed, training samples as
/// small dots. With one input: error over it.
pub fn parameter_space(points: &Points) -> Result<Drawing> {
    let chosen = points.chosen();
    if let [j] = *chosen
        && !points.error.is_empty()
    {
        return one_input(points, j);
    }
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    for (k, a) in chosen.iter().enumerate() {
        pairs.extend(chosen[k + 1..].iter().map(|b| (*a, *b)));
    }
    if let (true, [j]) = (pairs.is_empty(), chosen.as_slice()) {
        pairs.push((*j, *j));
    }
    let scored = !points.error.is_empty();
    let columns = pairs.len().clamp(1, 3);
    let rows = pairs.len().div_ceil(columns).max(1);
    let panel: Spot = if columns == 1 { SIZE } else { (960.0 / columns as f64 - 92.0, 220.0) };
    let (width, step) = (columns as f64 * (panel.0 + 92.0) - 6.0, panel.1 + 58.0);
    let below = rows as f64 * step + 10.0;
    let scale = Scale::logarithmic(&points.error);
    let height = below + if scored { 80.0 } else { 24.0 };
    picture("Parameter space", (width, height), |canvas| {
        for (k, (a, b)) in pairs.iter().enumerate() {
            let corner = (66.0 + (k % columns) as f64 * (panel.0 + 92.0), 12.0 + (k / columns) as f64 * step);
            let all = |j: usize| Points::column(&points.inputs, j).chain(Points::column(&points.training, j));
            let x = Axis::linear_along(&points.names[*a], all(*a), panel.0);
            let frame = Frame::new(canvas, corner, panel, x, Axis::linear(&points.names[*b], all(*b)));
            frame.grid()?;
            let at = |row: &Vec<f64>| frame.at(*row.get(*a)?, *row.get(*b)?);
            for s in thinned(points.training.len()).filter_map(|i| at(&points.training[i])) {
                canvas.disc(s, 1.8, GREY, true)?;
            }
            for i in thinned(points.inputs.len()) {
                let Some(s) = at(&points.inputs[i]) else { continue };
                match points.error.get(i) {
                    Some(e) => {
                        canvas.disc(s, 5.0, scale.of(*e), true)?;
                        canvas.disc(s, 5.0, GREY, false)?;
                    }
                    None => canvas.disc(s, 3.0, curve(0), true)?,
                }
            }
            let mut rings = Rings::new(&frame);
            for i in worst(&points.error, RINGED) {
                if let Some(s) = points.inputs.get(i).and_then(at) {
                    rings.draw(s, points.samples[i])?;
                }
            }
            frame.border(true, true)?;
            frame.names(Some(54.0), true)?;
        }
        if !scored {
            let entry = (Sign::Full(Marker::Disc), curve(0), "sample".to_string());
            return legend(canvas, (66.0, below), width - 66.0, &[entry]);
        }
        scale.bar(canvas, "relative error (largest of all fields)", (66.0, 66.0 + 300.0), below + 22.0)?;
        let mut entries = vec![(Sign::Hollow(Marker::Disc), BLACK, "worst samples".to_string())];
        if !points.training.is_empty() {
            entries.push((Sign::Full(Marker::Disc), GREY, "training samples".into()));
        }
        legend(canvas, (66.0, below + 58.0), width - 66.0, &entries)
    })
}

fn one_input(points: &Points, j: usize) -> Result<Drawing> {
    let mut entries = vec![
        (Sign::Full(Marker::Disc), curve(0), "sample".to_string()),
        (Sign::Hollow(Marker::Disc), BLACK, "worst samples".into()),
    ];
    if !points.training.is_empty() {
        entries.push((Sign::Full(Marker::Disc), GREY, "training samples (on the axis)".into()));
    }
    let all = Points::column(&points.inputs, j).chain(Points::column(&points.training, j));
    let axes = (Axis::linear_along(&points.names[j], all, SIZE.0), Axis::log("relative error", &points.error));
    framed("Parameter space", axes, &entries, |frame| {
        for i in thinned(points.training.len()) {
            if let Some(s) = points.training[i].get(j).and_then(|x| frame.at(*x, 0.0)) {
                frame.canvas.disc(s, 1.8, GREY, true)?;
            }
        }
        let at = |i: usize| frame.at(*points.inputs.get(i)?.get(j)?, *points.error.get(i)?);
        for s in thinned(points.inputs.len()).filter_map(at) {
            frame.canvas.disc(s, 3.6, curve(0), true)?;
        }
        let mut rings = Rings::new(frame);
        worst(&points.error, RINGED)
            .into_iter()
            .filter_map(|i| Some((i, at(i)?)))
            .try_for_each(|(i, s)| rings.draw(s, points.samples[i]))
    })
}

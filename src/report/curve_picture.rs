//! Fields on a curve of line cells: truth, prediction and interval over its length.

use super::axis::Axis;
use super::canvas::{Drawing, Spot, picture};
use super::colour::{BAND, BLACK, curve};
use super::frame::{Entry, Frame, Sign, legend};
use super::sample::Sample;
use crate::data::Location;
use crate::error::{Error, Result};
use crate::mesh::Mesh;
use plotters::style::RGBColor;

/// Points and cells of a mesh of lines in the order in which one walks along it; a closed curve names its first point twice.
pub(super) struct Chain {
    points: Vec<usize>,
    cells: Vec<usize>,
}

/// The one curve that the lines of a mesh form; `None` where they branch or fall into pieces.
pub(super) fn chain(mesh: &Mesh) -> Option<Chain> {
    let mut ends: Vec<(usize, [usize; 2])> = Vec::new();
    let mut first = 0;
    for block in &mesh.cells {
        if block.cell_type.dimension() == 1 {
            ends.extend(block.iter().enumerate().map(|(i, n)| (first + i, [n[0] as usize, n[1] as usize])));
        }
        first += block.n_cells();
    }
    let mut around = vec![[usize::MAX; 2]; mesh.n_points()];
    for (k, (_, nodes)) in ends.iter().enumerate() {
        for &p in nodes {
            *around.get_mut(p)?.iter_mut().find(|slot| **slot == usize::MAX)? = k;
        }
    }
    let start = around.iter().position(|a| a[0] != usize::MAX && a[1] == usize::MAX);
    let start = start.or_else(|| around.iter().position(|a| a[0] != usize::MAX))?;
    let (mut points, mut cells, mut at, mut next) = (vec![start], Vec::new(), start, around[start][0]);
    while next != usize::MAX && cells.len() < ends.len() {
        let (cell, [a, b]) = ends[next];
        cells.push(cell);
        at = if a == at { b } else { a };
        points.push(at);
        next = if around[at][0] == next { around[at][1] } else { around[at][0] };
    }
    (cells.len() == ends.len()).then_some(Chain { points, cells })
}

/// Name of the abscissa, and its values with the entities that stand there.
fn abscissa(mesh: &Mesh, chain: &Chain, location: Location) -> (&'static str, Vec<f64>, Vec<usize>) {
    let x = |i: usize| mesh.point(chain.points[i]);
    let name = if mesh.dim == 1 { "x" } else { "arc length" };
    let mut s = vec![if mesh.dim == 1 { x(0)[0] } else { 0.0 }];
    for i in 1..chain.points.len() {
        let (a, b) = (x(i - 1), x(i));
        let step = if mesh.dim == 1 { b[0] - a[0] } else { (0..3).map(|k| (b[k] - a[k]).powi(2)).sum::<f64>().sqrt() };
        s.push(s[i - 1] + step);
    }
    match location {
        Location::Cell => (name, s.windows(2).map(|w| 0.5 * (w[0] + w[1])).collect(), chain.cells.clone()),
        _ => (name, s, chain.points.clone()),
    }
}

/// Truth, prediction and interval above; below it their difference with the interval around 0. Vectors have no interval.
pub(super) fn curves(mesh: &Mesh, sample: &Sample<'_>) -> Result<Drawing> {
    let Some(chain) = chain(mesh) else {
        return Err(Error::argument("a picture", "lines that are not one curve", "one curve"));
    };
    let (name, s, entities) = abscissa(mesh, &chain, sample.field.location);
    let along = |v: Vec<f64>| entities.iter().map(|i| v[*i]).collect::<Vec<f64>>();
    let (truth, prediction) = (along(sample.numbers(sample.truth)), along(sample.numbers(sample.prediction)));
    let difference = along(sample.differences());
    let half = if sample.is_vector() { vec![0.0; s.len()] } else { along(sample.interval.to_vec()) };
    let band = |around: &[f64], sign: f64| around.iter().zip(&half).map(|(v, h)| v + sign * h).collect::<Vec<f64>>();
    let zero = vec![0.0; s.len()];
    let bands = [prediction.as_slice(), zero.as_slice()].map(|v| (band(v, -1.0), band(v, 1.0)));
    let values = [truth.iter().chain(&prediction), difference.iter().chain(&zero)];
    let axis =
        |y: usize, label: &str| Axis::linear(label, values[y].clone().chain(&bands[y].0).chain(&bands[y].1).copied());
    let (left, top, width) = (72.0, 12.0, 860.0);
    let entries = legend_of(sample);
    picture(sample.title, (950.0, top + 488.0), |canvas| {
        let x = || Axis::linear_along(name, s.iter().copied(), 0.5 * width);
        let upper = Frame::new(canvas, (left, top), (width, 250.0), x(), axis(0, &sample.name()));
        let lower = Frame::new(canvas, (left, top + 272.0), (width, 140.0), x(), axis(1, sample.name_of_difference()));
        for (frame, (low, high)) in [&upper, &lower].into_iter().zip(&bands) {
            frame.grid()?;
            if !sample.is_vector() {
                let there = s.iter().zip(low).filter_map(|(s, v)| frame.at(*s, *v));
                let back = s.iter().zip(high).rev().filter_map(|(s, v)| frame.at(*s, *v));
                canvas.polygon(there.chain(back), BAND)?;
            }
        }
        let draw = |frame: &Frame<'_, '_>, v: &[f64], i: usize, colour: RGBColor| {
            let spots: Vec<Spot> = s.iter().zip(v).filter_map(|(s, v)| frame.at(*s, *v)).collect();
            canvas.curve(&spots, i, colour, 1.4)
        };
        draw(&upper, &truth, 0, BLACK)?;
        draw(&upper, &prediction, 1, curve(1))?;
        draw(&lower, &difference, 0, curve(1))?;
        for (frame, numbers) in [(&upper, false), (&lower, true)] {
            frame.border(numbers, true)?;
            frame.names(Some(58.0), numbers)?;
        }
        legend(canvas, (left, top + 458.0), width, &entries)
    })
}

fn legend_of(sample: &Sample<'_>) -> Vec<Entry> {
    let mut entries = vec![(Sign::Line, BLACK, "truth".to_string()), (Sign::Dashes, curve(1), "prediction".into())];
    if !sample.is_vector() {
        let percent = 1e-3 * (1e5 * sample.confidence).round();
        entries.push((Sign::Band, BAND, format!("{percent} % interval")));
    }
    entries
}

//! What all plots with one frame share.

use super::axis::Axis;
use super::canvas::{Drawing, Marker, Spot, picture};
use super::frame::{Entry, Frame, legend, rows};
use crate::error::Result;
use plotters::style::RGBColor;

/// Two of them stand side by side on a page.
const WIDTH: f64 = 480.0;
const CORNER: Spot = (66.0, 14.0);
/// Width and height of the frame.
pub(super) const SIZE: Spot = (394.0, 250.0);

/// A picture with one frame, and a legend below it.
pub(super) fn framed(
    title: &str,
    (x, y): (Axis, Axis),
    entries: &[Entry],
    draw: impl FnOnce(&Frame<'_, '_>) -> Result<()>,
) -> Result<Drawing> {
    let below = CORNER.1 + SIZE.1 + 46.0;
    let width = WIDTH - CORNER.0 - 8.0;
    picture(title, (WIDTH, below + rows(entries, width).1 + 4.0), |canvas| {
        let frame = Frame::new(canvas, CORNER, SIZE, x, y);
        frame.grid()?;
        draw(&frame)?;
        frame.border(true, true)?;
        frame.names(Some(54.0), true)?;
        legend(canvas, (CORNER.0, below), width, entries)
    })
}

/// Curve `i` through the points that can be placed, with a marker on each.
pub(super) fn chain(
    frame: &Frame<'_, '_>,
    points: impl IntoIterator<Item = (f64, f64)>,
    i: usize,
    colour: RGBColor,
) -> Result<()> {
    let spots: Vec<Spot> = points.into_iter().filter_map(|(x, y)| frame.at(x, y)).collect();
    frame.canvas.curve(&spots, i, colour, 1.5)?;
    spots.into_iter().try_for_each(|s| frame.canvas.marker(Marker::of(i), s, 3.0, colour, true))
}

/// A straight line between two points, broken or not.
pub(super) fn straight(
    frame: &Frame<'_, '_>,
    from: (f64, f64),
    to: (f64, f64),
    broken: bool,
    colour: RGBColor,
) -> Result<()> {
    match frame.at(from.0, from.1).zip(frame.at(to.0, to.1)) {
        Some((a, b)) if broken => frame.canvas.dashes(a, b, colour),
        Some((a, b)) => frame.canvas.line([a, b], colour, 1.2),
        None => Ok(()),
    }
}

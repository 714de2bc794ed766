//! Rectangles with axes, and legends.

use super::axis::Axis;
use super::canvas::{AROUND, CHARACTER, Canvas, LABEL, LEFT, Marker, NUMBER, RIGHT, Spot, cut};
use super::colour::{GREY, PALE};
use crate::error::Result;
use plotters::style::RGBColor;

/// A rectangle with axes.
pub(super) struct Frame<'c, 'a> {
    pub canvas: &'c Canvas<'a>,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    pub x: Axis,
    pub y: Axis,
}

impl<'c, 'a> Frame<'c, 'a> {
    /// A frame that is not drawn yet; `corner` is the upper left one.
    pub fn new(canvas: &'c Canvas<'a>, corner: Spot, size: Spot, x: Axis, y: Axis) -> Self {
        Frame { canvas, left: corner.0, top: corner.1, width: size.0, height: size.1, x, y }
    }

    fn spot(&self, x: f64, y: f64) -> Spot {
        (self.left + self.x.share(x) * self.width, self.top + (1.0 - self.y.share(y)) * self.height)
    }

    /// Upper left and lower right corner.
    pub fn ends(&self) -> (Spot, Spot) {
        ((self.left, self.top), (self.left + self.width, self.top + self.height))
    }

    /// Where (x, y) stands; `None` if one of them is NaN.
    pub fn at(&self, x: f64, y: f64) -> Option<Spot> {
        Some(self.spot(self.x.place(x)?, self.y.place(y)?))
    }

    /// Lines at the marks, below what the frame shows.
    pub fn grid(&self) -> Result<()> {
        let (x, y) = (&self.x, &self.y);
        for (positions, width) in [(&y.fine, 0.5), (&y.marks.iter().map(|m| m.0).collect(), 1.0)] {
            for &p in positions {
                self.canvas.line([self.spot(x.lower, p), self.spot(x.upper, p)], PALE, width)?;
            }
        }
        for (positions, width) in [(&x.fine, 0.5), (&x.marks.iter().map(|m| m.0).collect(), 1.0)] {
            for &p in positions {
                self.canvas.line([self.spot(p, y.lower), self.spot(p, y.upper)], PALE, width)?;
            }
        }
        Ok(())
    }

    /// The rectangle and its marks, with numbers where asked for.
    pub fn border(&self, x_numbers: bool, y_numbers: bool) -> Result<()> {
        let (right, bottom) = (self.left + self.width, self.top + self.height);
        let corners =
            [(self.left, self.top), (right, self.top), (right, bottom), (self.left, bottom), (self.left, self.top)];
        self.canvas.line(corners, GREY, 1.0)?;
        for (position, text) in &self.x.marks {
            let (at, _) = self.spot(*position, self.y.lower);
            self.canvas.line([(at, bottom), (at, bottom + 4.0)], GREY, 1.0)?;
            if x_numbers {
                self.canvas.text(text, (at, bottom + 13.0), AROUND, NUMBER)?;
            }
        }
        for (position, text) in &self.y.marks {
            let (_, at) = self.spot(self.x.lower, *position);
            self.canvas.line([(self.left - 4.0, at), (self.left, at)], GREY, 1.0)?;
            if y_numbers {
                self.canvas.text(text, (self.left - 7.0, at), LEFT, NUMBER)?;
            }
        }
        Ok(())
    }

    /// Names of the axes, where there is room for them: of y `away` pixels to the left of the frame, of x below it.
    pub fn names(&self, away: Option<f64>, below: bool) -> Result<()> {
        let (x, y) = (self.left + 0.5 * self.width, self.top + 0.5 * self.height);
        let room = |pixels: f64| ((pixels + 30.0) / CHARACTER) as usize;
        if below {
            let name = cut(&self.x.name, room(self.width));
            self.canvas.text(&name, (x, self.top + self.height + 31.0), AROUND, LABEL)?;
        }
        away.into_iter()
            .try_for_each(|away| self.canvas.upwards(&cut(&self.y.name, room(self.height)), (self.left - away, y)))
    }
}

/// How an entry of a legend looks.
#[derive(Clone, Copy)]
pub(super) enum Sign {
    /// A filled marker.
    Full(Marker),
    /// A marker as an outline.
    Hollow(Marker),
    /// The line of curve `i` with its marker.
    Chain(usize),
    Line,
    Dashes,
    Band,
}

/// Width of an entry.
const SIGN: f64 = 28.0;
/// Height of a row.
const ROW: f64 = 18.0;

/// An entry of a legend.
pub(super) type Entry = (Sign, RGBColor, String);

/// The place of each entry in rows of `width`, and the height of all.
pub(super) fn rows(entries: &[Entry], width: f64) -> (Vec<Spot>, f64) {
    let (mut x, mut y) = (0.0, 0.0);
    let place = |(_, _, text): &Entry| {
        let own = SIGN + CHARACTER * text.chars().count() as f64;
        if x > 0.0 && x + own > width {
            (x, y) = (0.0, y + ROW);
        }
        let at = (x, y);
        x += own + 14.0;
        at
    };
    let places: Vec<Spot> = entries.iter().map(place).collect();
    let height = places.last().map_or(0.0, |last| last.1 + ROW);
    (places, height)
}

/// Draws the entries in rows from `corner` on.
pub(super) fn legend(canvas: &Canvas<'_>, corner: Spot, width: f64, entries: &[Entry]) -> Result<()> {
    let (places, _) = rows(entries, width);
    for ((sign, colour, text), place) in entries.iter().zip(places) {
        let (x, y) = (corner.0 + place.0, corner.1 + place.1 + 0.5 * ROW);
        let (from, middle, to) = ((x, y), (x + 11.0, y), (x + 22.0, y));
        match sign {
            Sign::Full(marker) => canvas.marker(*marker, middle, 4.0, *colour, true)?,
            Sign::Hollow(marker) => canvas.marker(*marker, middle, 4.0, *colour, false)?,
            Sign::Line => canvas.line([from, to], *colour, 1.5)?,
            Sign::Chain(i) => {
                canvas.curve(&[from, to], *i, *colour, 1.5)?;
                canvas.marker(Marker::of(*i), middle, 3.0, *colour, true)?;
            }
            Sign::Dashes => canvas.dashes(from, to, *colour)?,
            Sign::Band => canvas.rectangle((x, y - 5.0), (x + 22.0, y + 5.0), *colour)?,
        }
        canvas.text(text, (x + SIGN, y), RIGHT, NUMBER)?;
    }
    Ok(())
}

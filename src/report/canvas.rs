//! Lines, discs, surfaces and text on an SVG picture, and frames with axes.

use super::axis::Axis;
use super::colour::{BLACK, GREY, PALE};
use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// The drawing library places everything on whole pixels: it is given this many per pixel of the picture.
const FINE: f64 = 10.0;
/// The drawing library writes sizes of text divided by this.
const TEXT: f64 = 1.24;

pub(super) const TITLE: f64 = 15.0;
pub(super) const LABEL: f64 = 13.0;
pub(super) const NUMBER: f64 = 12.0;

/// A point of the picture in pixels, from the upper left corner.
pub(super) type Spot = (f64, f64);

/// A picture being drawn.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

/// Where text stands beside its spot: to the right, around, to the left.
pub(super) const RIGHT: HPos = HPos::Left;
pub(super) const AROUND: HPos = HPos::Center;
pub(super) const LEFT: HPos = HPos::Right;

fn fine((x, y): Spot) -> (i32, i32) {
    ((FINE * x).round() as i32, (FINE * y).round() as i32)
}

fn done<E: std::error::Error + Send + Sync>(result: std::result::Result<(), DrawingAreaErrorKind<E>>) -> Result<()> {
    result.map_err(|e| Error::argument("a picture", e, "one that can be drawn"))
}

/// An SVG picture of `width` x `height` pixels, white where `draw` draws nothing.
pub(super) fn picture(width: f64, height: f64, draw: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<String> {
    let (w, h) = (width.ceil(), height.ceil());
    let mut svg = String::new();
    {
        let size = ((FINE * w) as u32, (FINE * h) as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        done(area.fill(&WHITE))?;
        let canvas = Canvas { area };
        draw(&canvas)?;
        done(canvas.area.present())?;
    }
    let size = |w: f64, h: f64| format!("width=\"{w}\" height=\"{h}\"");
    let svg = svg.replacen(&size(FINE * w, FINE * h), &size(w, h), 1);
    Ok(svg.replace(" opacity=\"1\"", "").replace(" \"/>", "\"/>").replace(" stroke=\"none\"", ""))
}

impl Canvas<'_> {
    /// A curve through `points`.
    pub fn line(&self, points: impl IntoIterator<Item = Spot>, colour: RGBColor, width: f64) -> Result<()> {
        let points: Vec<(i32, i32)> = points.into_iter().map(fine).collect();
        if points.len() < 2 {
            return Ok(());
        }
        done(self.area.draw(&PathElement::new(points, colour.stroke_width((FINE * width).round() as u32))))
    }

    /// A broken straight line.
    pub fn dashes(&self, from: Spot, to: Spot, colour: RGBColor) -> Result<()> {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let n = (length / 9.0).ceil().max(1.0);
        let at = |t: f64| (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
        (0..n as usize).try_for_each(|k| {
            let t = k as f64 / n;
            self.line([at(t), at((t + 0.55 / n).min(1.0))], colour, 1.0)
        })
    }

    /// A disc, or a ring.
    pub fn disc(&self, centre: Spot, radius: f64, colour: RGBColor, filled: bool) -> Result<()> {
        let style = ShapeStyle { color: colour.into(), filled, stroke_width: (1.4 * FINE) as u32 };
        done(self.area.draw(&Circle::new(fine(centre), (FINE * radius) as i32, style)))
    }

    /// A filled rectangle.
    pub fn rectangle(&self, a: Spot, b: Spot, colour: RGBColor) -> Result<()> {
        done(self.area.draw(&Rectangle::new([fine(a), fine(b)], colour.filled())))
    }

    /// A filled polygon.
    pub fn polygon(&self, corners: impl IntoIterator<Item = Spot>, colour: RGBColor) -> Result<()> {
        done(self.area.draw(&Polygon::new(corners.into_iter().map(fine).collect::<Vec<_>>(), colour.filled())))
    }

    /// Text whose middle line is at the height of the spot.
    pub fn text(&self, text: &str, spot: Spot, side: HPos, size: f64) -> Result<()> {
        self.turned(text, spot, side, size, FontTransform::None)
    }

    fn turned(&self, text: &str, spot: Spot, side: HPos, size: f64, turn: FontTransform) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let font = ("sans-serif", FINE * TEXT * size).into_font().transform(turn);
        let style = TextStyle::from(font).color(&BLACK).pos(Pos::new(side, VPos::Center));
        // XML has no place for control characters.
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        done(self.area.draw(&Text::new(text, fine(spot), style)))
    }
}

/// A rectangle with axes.
pub(super) struct Frame<'c, 'a> {
    pub canvas: &'c Canvas<'a>,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: Axis,
    y: Axis,
}

impl<'c, 'a> Frame<'c, 'a> {
    /// A frame that is not drawn yet; `corner` is the upper left one.
    pub fn new(canvas: &'c Canvas<'a>, corner: Spot, size: Spot, x: Axis, y: Axis) -> Self {
        Frame { canvas, left: corner.0, top: corner.1, width: size.0, height: size.1, x, y }
    }

    fn spot(&self, x: f64, y: f64) -> Spot {
        (self.left + self.x.share(x) * self.width, self.top + (1.0 - self.y.share(y)) * self.height)
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

    /// Names of the axes: of y `away` pixels to the left of the frame, of x below it.
    pub fn names(&self, away: Option<f64>, below: bool) -> Result<()> {
        let (x, y) = (self.left + 0.5 * self.width, self.top + 0.5 * self.height);
        if below {
            self.canvas.text(&self.x.name, (x, self.top + self.height + 32.0), AROUND, LABEL)?;
        }
        away.into_iter().try_for_each(|away| {
            self.canvas.turned(&self.y.name, (self.left - away, y), AROUND, LABEL, FontTransform::Rotate270)
        })
    }
}

/// At most `n` characters, the last of them dots where text is cut.
pub(super) fn cut(text: &str, n: usize) -> String {
    if text.chars().count() <= n {
        return text.to_string();
    }
    text.chars().take(n - 1).chain(['\u{2026}']).collect()
}

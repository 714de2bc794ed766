//! Lines, markers, images and text on an SVG picture.

use super::colour::{BLACK, variable};
use super::html::escape;
use crate::error::{Error, Result};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::cell::RefCell;
use std::fmt::Write;

/// The drawing library places everything on whole pixels: it is given this many per pixel of the picture.
const FINE: f64 = 10.0;
/// The drawing library writes sizes of text divided by this.
const TEXT: f64 = 1.24;

const TITLE: f64 = 15.0;
pub(super) const LABEL: f64 = 13.0;
pub(super) const NUMBER: f64 = 12.0;
/// Width of a character of [`NUMBER`], at most on average.
pub(super) const CHARACTER: f64 = 7.0;

/// A point of the picture in pixels, from the upper left corner.
pub(super) type Spot = (f64, f64);

/// A picture being drawn.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    images: RefCell<String>,
}

/// Where text stands beside its spot: to the right, around, to the left.
pub(super) const RIGHT: HPos = HPos::Left;
pub(super) const AROUND: HPos = HPos::Center;
pub(super) const LEFT: HPos = HPos::Right;

/// A picture that is drawn: it stands alone as a file, or in a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    pub title: String,
    /// What is told about it above a picture that stands alone.
    pub lines: Vec<String>,
    pub width: f64,
    pub height: f64,
    body: String,
}

/// Signs of points, told apart by shape as well as by colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Marker {
    Disc,
    Square,
    Triangle,
    Diamond,
}

impl Marker {
    /// Of curve `i`, from the start again after the last.
    pub fn of(i: usize) -> Marker {
        [Marker::Disc, Marker::Square, Marker::Triangle, Marker::Diamond][i % 4]
    }
}

/// Length of strokes and gaps of curve `i`; `None` for an unbroken one.
pub(super) fn pattern(i: usize) -> Option<(f64, f64)> {
    [None, Some((7.0, 3.0)), Some((2.0, 2.5)), Some((11.0, 5.0))][i % 4]
}

fn fine((x, y): Spot) -> (i32, i32) {
    ((FINE * x).round() as i32, (FINE * y).round() as i32)
}

fn done<E: std::error::Error + Send + Sync>(result: std::result::Result<(), DrawingAreaErrorKind<E>>) -> Result<()> {
    result.map_err(|e| Error::argument("a picture", e, "one that can be drawn"))
}

/// A picture of `width` x `height` pixels.
pub(super) fn picture(
    title: &str,
    (width, height): Spot,
    draw: impl FnOnce(&Canvas<'_>) -> Result<()>,
) -> Result<Drawing> {
    let (width, height) = (width.ceil(), height.ceil());
    let mut svg = String::new();
    let images = {
        let area = SVGBackend::with_string(&mut svg, ((FINE * width) as u32, (FINE * height) as u32));
        let canvas = Canvas { area: area.into_drawing_area(), images: RefCell::default() };
        draw(&canvas)?;
        done(canvas.area.present())?;
        canvas.images.into_inner()
    };
    let drawn = svg.split_once('>').map_or("", |(_, rest)| rest).trim_end().trim_end_matches("</svg>").trim();
    let drawn = drawn.replace(" opacity=\"1\"", "").replace(" \"/>", "\"/>").replace(" stroke=\"none\"", "");
    Ok(Drawing { title: title.into(), lines: Vec::new(), width, height, body: images + &drawn + "\n" })
}

impl Drawing {
    /// The same with lines.
    pub(super) fn with_lines(self, lines: Vec<String>) -> Drawing {
        Drawing { lines, ..self }
    }

    /// An SVG file: title, lines and picture on white.
    pub fn stand_alone(&self) -> String {
        let top = 12.0 + 20.0 * (1 + self.lines.len()) as f64;
        let (w, h) = (self.width, self.height + top);
        let (fine_w, fine_h) = (FINE * w, FINE * h);
        let mut svg = format!(
            "<svg width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {fine_w} {fine_h}\" xmlns=\"http://www.w3.org/2000/svg\">\n\
             <rect x=\"0\" y=\"0\" width=\"{fine_w}\" height=\"{fine_h}\" fill=\"#FFFFFF\"/>\n"
        );
        let room = (w / 7.6) as usize;
        for (i, line) in std::iter::once(&self.title).chain(&self.lines).enumerate() {
            let (size, y) = (FINE * if i == 0 { TITLE } else { LABEL }, FINE * (24.0 + 20.0 * i as f64));
            let text = escape(&cut(line, room));
            let _ = writeln!(
                svg,
                "<text x=\"120\" y=\"{y}\" font-family=\"sans-serif\" font-size=\"{size}\" fill=\"#000000\">{text}</text>"
            );
        }
        let _ = write!(svg, "<g transform=\"translate(0 {})\">\n{}</g>\n</svg>\n", FINE * top, self.body);
        svg
    }

    /// An `svg` element of a page, named by its title: its colours are those of the page, its width at most that of its surroundings.
    pub(super) fn inline(&self, id: &str) -> String {
        let mut body = String::with_capacity(self.body.len());
        let mut rest = self.body.as_str();
        // Colours of lines and text follow the page; those of images and colour bars do not.
        while let Some(at) = rest.find("=\"#") {
            let (before, from) = rest.split_at(at + 2);
            let colour = from.get(..7).unwrap_or(from);
            body.push_str(before);
            body.push_str(variable(colour).unwrap_or(colour));
            rest = from.get(colour.len()..).unwrap_or_default();
        }
        body.push_str(rest);
        let (w, h) = (self.width, self.height);
        format!(
            "<svg viewBox=\"0 0 {} {}\" style=\"max-width:{}px\" role=\"img\" aria-labelledby=\"{id}-title\" \
             xmlns=\"http://www.w3.org/2000/svg\">\n<title id=\"{id}-title\">{}</title>\n{body}</svg>\n",
            FINE * w,
            FINE * h,
            (1.15 * w).round(),
            escape(&self.title)
        )
    }
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

    /// A curve through `points` in strokes and gaps.
    pub fn broken(&self, points: &[Spot], (stroke, gap): Spot, colour: RGBColor, width: f64) -> Result<()> {
        let period = stroke + gap;
        let mut walked = 0.0;
        for pair in points.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            let length = (b.0 - a.0).hypot(b.1 - a.1);
            let at = |s: f64| (a.0 + s / length * (b.0 - a.0), a.1 + s / length * (b.1 - a.1));
            let first = (walked / period).floor() as usize;
            let last = ((walked + length) / period).ceil().max(0.0) as usize;
            for k in first..last {
                let from = (k as f64 * period - walked).max(0.0);
                let to = (k as f64 * period + stroke - walked).min(length);
                if to > from && length > 0.0 {
                    self.line([at(from), at(to)], colour, width)?;
                }
            }
            walked += length;
        }
        Ok(())
    }

    /// A curve in the pattern of curve `i`.
    pub fn curve(&self, points: &[Spot], i: usize, colour: RGBColor, width: f64) -> Result<()> {
        match pattern(i) {
            None => self.line(points.iter().copied(), colour, width),
            Some(pattern) => self.broken(points, pattern, colour, width),
        }
    }

    /// A thin broken straight line.
    pub fn dashes(&self, from: Spot, to: Spot, colour: RGBColor) -> Result<()> {
        self.broken(&[from, to], (5.0, 4.0), colour, 1.0)
    }

    /// A disc, or a ring.
    pub fn disc(&self, centre: Spot, radius: f64, colour: RGBColor, filled: bool) -> Result<()> {
        let style = ShapeStyle { color: colour.into(), filled, stroke_width: (1.4 * FINE) as u32 };
        done(self.area.draw(&Circle::new(fine(centre), (FINE * radius) as i32, style)))
    }

    /// A marker, filled or as an outline.
    pub fn marker(&self, marker: Marker, (x, y): Spot, r: f64, colour: RGBColor, filled: bool) -> Result<()> {
        let corners: &[Spot] = match marker {
            Marker::Disc => return self.disc((x, y), r, colour, filled),
            Marker::Square => &[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)],
            Marker::Triangle => &[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)],
            Marker::Diamond => &[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)],
        };
        let place = |c: &Spot| (x + r * c.0, y + r * c.1);
        match filled {
            true => self.polygon(corners.iter().map(place), colour),
            false => self.line(corners.iter().chain(&corners[..1]).map(place), colour, 1.4),
        }
    }

    /// A filled rectangle.
    pub fn rectangle(&self, a: Spot, b: Spot, colour: RGBColor) -> Result<()> {
        done(self.area.draw(&Rectangle::new([fine(a), fine(b)], colour.filled())))
    }

    /// A filled polygon.
    pub fn polygon(&self, corners: impl IntoIterator<Item = Spot>, colour: RGBColor) -> Result<()> {
        done(self.area.draw(&Polygon::new(corners.into_iter().map(fine).collect::<Vec<_>>(), colour.filled())))
    }

    /// An image at a `data:` address, below everything else.
    pub fn image(&self, corner: Spot, size: Spot, address: &str) {
        let ((x, y), (w, h)) = (fine(corner), fine(size));
        let _ = writeln!(
            self.images.borrow_mut(),
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\" href=\"{address}\"/>"
        );
    }

    /// Text whose middle line is at the height of the spot.
    pub fn text(&self, text: &str, spot: Spot, side: HPos, size: f64) -> Result<()> {
        self.written(text, spot, side, size, FontTransform::None)
    }

    /// Text that is read from below.
    pub fn upwards(&self, text: &str, spot: Spot) -> Result<()> {
        self.written(text, spot, AROUND, LABEL, FontTransform::Rotate270)
    }

    fn written(&self, text: &str, spot: Spot, side: HPos, size: f64, turn: FontTransform) -> Result<()> {
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

/// At most `n` characters, the last of them dots where text is cut.
pub(super) fn cut(text: &str, n: usize) -> String {
    if text.chars().count() <= n {
        return text.to_string();
    }
    text.chars().take(n.saturating_sub(1)).chain(['\u{2026}']).collect()
}

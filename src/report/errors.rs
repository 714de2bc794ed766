//! Errors and indicators of samples, and how far intervals hold.

use super::axis::Axis;
use super::canvas::{CHARACTER, Drawing, LEFT, Marker, NUMBER, RIGHT, Spot, cut, picture};
use super::colour::{BAND, BLACK, GREY, curve};
use super::frame::{Frame, Sign};
use super::plot::{SIZE, framed, straight};
use crate::error::Result;

/// Places of the largest errors, at most `n`, the largest first; NaN counts as none.
pub fn worst(error: &[f64], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..error.len()).filter(|i| !error[*i].is_nan()).collect();
    order.sort_by(|a, b| error[*b].total_cmp(&error[*a]));
    order.truncate(n);
    order
}

/// Rings around spots of a frame, with the numbers of their samples.
pub(super) struct Rings<'f, 'c, 'a> {
    frame: &'f Frame<'c, 'a>,
    /// Where numbers stand: left, right, middle line.
    taken: Vec<[f64; 3]>,
}

impl<'f, 'c, 'a> Rings<'f, 'c, 'a> {
    /// No ring yet.
    pub fn new(frame: &'f Frame<'c, 'a>) -> Self {
        Rings { frame, taken: Vec::new() }
    }

    /// A ring, and the number beside it where there is room for it within the frame: on the right, on the left, below or above.
    pub fn draw(&mut self, (x, y): Spot, sample: usize) -> Result<()> {
        self.frame.canvas.disc((x, y), 7.0, BLACK, false)?;
        let text = sample.to_string();
        let width = CHARACTER * text.len() as f64;
        let ((left, top), (right, bottom)) = self.frame.ends();
        let starts = [(x + 11.0, y), (x - 11.0 - width, y), (x - 0.5 * width, y + 16.0), (x - 0.5 * width, y - 16.0)];
        let free = |(from, line): &Spot| {
            let inside = *from >= left && from + width <= right && line - 8.0 >= top && line + 8.0 <= bottom;
            inside && self.taken.iter().all(|[a, b, l]| *b < *from || *a > from + width || (l - line).abs() > 14.0)
        };
        let Some((from, line)) = starts.into_iter().find(free) else { return Ok(()) };
        self.taken.push([from, from + width, line]);
        self.frame.canvas.text(&text, (from, line), RIGHT, NUMBER)
    }
}

/// True relative error and indicator of each sample, on a logarithmic axis. `samples` are the numbers of the samples; the worst is ringed.
pub fn error_per_sample(samples: &[usize], error: &[f64], indicator: &[f64]) -> Result<Drawing> {
    let entries = [
        (Sign::Full(Marker::Disc), curve(0), "relative error (largest of all fields)".to_string()),
        (Sign::Hollow(Marker::Square), curve(1), "indicator".into()),
        (Sign::Hollow(Marker::Disc), BLACK, "worst sample".into()),
    ];
    let axes = (
        Axis::counts("sample", samples.iter().copied(), SIZE.0),
        Axis::log("relative error", &[error, indicator].concat()),
    );
    framed("Error and indicator per sample", axes, &entries, |frame| {
        for ((i, e), d) in samples.iter().zip(error).zip(indicator) {
            let (e, d) = (frame.at(*i as f64, *e), frame.at(*i as f64, *d));
            if let Some((e, d)) = e.zip(d) {
                frame.canvas.line([e, d], GREY, 0.7)?;
            }
            if let Some(d) = d {
                frame.canvas.marker(Marker::Square, d, 3.6, curve(1), false)?;
            }
            if let Some(e) = e {
                frame.canvas.disc(e, 3.6, curve(0), true)?;
            }
        }
        mark_worst(frame, samples, error, |k| frame.at(samples[k] as f64, error[k]))
    })
}

fn mark_worst(
    frame: &Frame<'_, '_>,
    samples: &[usize],
    error: &[f64],
    spot: impl Fn(usize) -> Option<Spot>,
) -> Result<()> {
    let mut rings = Rings::new(frame);
    let known = worst(error, 1).into_iter().filter(|k| *k < samples.len());
    known.filter_map(|k| Some((k, spot(k)?))).try_for_each(|(k, s)| rings.draw(s, samples[k]))
}

/// True relative error over the indicator, with the diagonal on which they are equal and the band between half and twice of it.
pub fn error_against_indicator(samples: &[usize], error: &[f64], indicator: &[f64]) -> Result<Drawing> {
    let entries = [
        (Sign::Full(Marker::Disc), curve(0), "sample".to_string()),
        (Sign::Line, BLACK, "error = indicator".into()),
        (Sign::Band, BAND, "half to twice of it".into()),
        (Sign::Hollow(Marker::Disc), BLACK, "worst sample".into()),
    ];
    let all = [error, indicator].concat();
    let axes = (Axis::log("indicator", &all), Axis::log("relative error", &all));
    let (lower, upper) = (axes.0.lower, axes.0.upper);
    framed("Error against indicator", axes, &entries, |frame| {
        let at = |p: f64, q: f64| frame.at(10f64.powf(p), 10f64.powf(q));
        let s = 2f64.log10().min(upper - lower);
        let band = [
            (lower, lower),
            (lower, lower + s),
            (upper - s, upper),
            (upper, upper),
            (upper, upper - s),
            (lower + s, lower),
        ];
        frame.canvas.polygon(band.into_iter().filter_map(|(p, q)| at(p, q)), BAND)?;
        if let Some((a, b)) = at(lower, lower).zip(at(upper, upper)) {
            frame.canvas.line([a, b], BLACK, 1.2)?;
        }
        for s in indicator.iter().zip(error).filter_map(|(d, e)| frame.at(*d, *e)) {
            frame.canvas.disc(s, 3.6, curve(0), true)?;
        }
        mark_worst(frame, samples, error, |k| frame.at(*indicator.get(k)?, error[k]))
    })
}

/// Share of values inside their intervals, output by output, beside the share that is promised.
pub fn coverage(outputs: &[(String, f64)], confidence: f64) -> Result<Drawing> {
    const LEFT_END: f64 = 150.0;
    let least = outputs.iter().map(|o| o.1).fold(confidence, f64::min);
    let lower = if least > 0.8 { 0.8 } else { 0.0 };
    let rows = outputs.len().max(1) as f64;
    let height = 30.0 * rows + 14.0;
    picture("Coverage of the intervals", (480.0, height + 60.0), |canvas| {
        let size = (480.0 - LEFT_END - 24.0, height);
        let x = Axis::along("share of values inside their interval", lower, 1.0, size.0);
        // From above: row k stands at -k.
        let mut y = Axis::between("", 0.3 - rows, 0.7, 1);
        y.marks.clear();
        let frame = Frame::new(canvas, (LEFT_END, 10.0), size, x, y);
        frame.grid()?;
        straight(&frame, (confidence, f64::INFINITY), (confidence, f64::NEG_INFINITY), true, BLACK)?;
        for (k, (name, share)) in outputs.iter().enumerate() {
            let (Some(from), Some(to)) = (frame.at(confidence, -(k as f64)), frame.at(*share, -(k as f64))) else {
                continue;
            };
            canvas.line([from, to], curve(0), 2.0)?;
            canvas.disc(to, 4.5, curve(0), true)?;
            canvas.text(&cut(name, 19), (LEFT_END - 10.0, to.1), LEFT, NUMBER)?;
        }
        frame.border(true, false)?;
        frame.names(None, true)?;
        Ok(())
    })
}

//! Values to colours, and the bar that says which is which.

use super::axis::{Axis, marks_along};
use super::canvas::{AROUND, Canvas, LABEL, NUMBER};
use super::colour::{GREY, diverging, sequential};
use crate::error::Result;
use plotters::style::RGBColor;

/// Values to colours.
pub(super) struct Scale {
    pub lower: f64,
    pub upper: f64,
    log: bool,
    colour: fn(f64) -> RGBColor,
}

/// Colours of a scale that are told apart: images of them have a palette.
const LEVELS: f64 = 250.0;

impl Scale {
    /// From dark to light.
    pub fn sequential(lower: f64, upper: f64) -> Scale {
        // Round-off is not a difference to be shown.
        let upper = if upper - lower > 1e-13 * lower.abs().max(upper.abs()) { upper } else { lower };
        Scale { lower, upper, log: false, colour: sequential }
    }

    /// From blue over white at 0 to red.
    pub fn diverging(largest: f64) -> Scale {
        Scale { lower: -largest, upper: largest, log: false, colour: diverging }
    }

    /// From dark to light by the logarithm of positive values; others are dark.
    pub fn logarithmic(values: &[f64]) -> Scale {
        let axis = Axis::log("", values);
        Scale { lower: axis.lower, upper: axis.upper, log: true, colour: sequential }
    }

    fn share(&self, value: f64) -> f64 {
        let value = if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        let width = self.upper - self.lower;
        // Half of each end first: the width of the largest numbers is not finite.
        let t = if width > 0.0 { (0.5 * value - 0.5 * self.lower) / (0.5 * width) } else { 0.5 };
        if t.is_finite() { t.clamp(0.0, 1.0) } else { 0.5 }
    }

    /// The colour of a value; that of the middle where there is none.
    pub fn of(&self, value: f64) -> RGBColor {
        (self.colour)((LEVELS * self.share(value)).round() / LEVELS)
    }

    /// The same as bytes.
    pub fn bytes(&self, value: f64) -> [u8; 3] {
        let RGBColor(r, g, b) = self.of(value);
        [r, g, b]
    }

    /// A bar with numbers beneath and a name above; `x` is from where to where.
    pub fn bar(&self, canvas: &Canvas<'_>, name: &str, x: (f64, f64), top: f64) -> Result<()> {
        const HEIGHT: f64 = 10.0;
        const STEPS: usize = 100;
        canvas.text(name, (0.5 * (x.0 + x.1), top - 11.0), AROUND, LABEL)?;
        let at = |t: f64| x.0 + t * (x.1 - x.0);
        let flat = self.upper <= self.lower;
        for k in 0..STEPS {
            let (a, b) = (k as f64 / STEPS as f64, (k + 1) as f64 / STEPS as f64);
            let colour = (self.colour)(if flat { 0.5 } else { 0.5 * (a + b) });
            // Each reaches below the next: no pale seams.
            canvas.rectangle((at(a), top), (at((b + 0.5 / STEPS as f64).min(1.0)), top + HEIGHT), colour)?;
        }
        let corners = [(x.0, top), (x.1, top), (x.1, top + HEIGHT), (x.0, top + HEIGHT), (x.0, top)];
        canvas.line(corners, GREY, 1.0)?;
        let marks = match self.log {
            true => Axis::log("", &[10f64.powf(self.lower), 10f64.powf(self.upper)]).marks,
            false => marks_along(self.lower, self.upper, x.1 - x.0),
        };
        for (value, text) in marks {
            let t = if flat { 0.5 } else { (value - self.lower) / (self.upper - self.lower) };
            canvas.line([(at(t), top + HEIGHT), (at(t), top + HEIGHT + 4.0)], GREY, 1.0)?;
            canvas.text(&text, (at(t), top + HEIGHT + 13.0), AROUND, NUMBER)?;
        }
        Ok(())
    }
}

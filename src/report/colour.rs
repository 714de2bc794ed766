//! Colour maps of even lightness, and colours of curves.

use plotters::style::RGBColor;

pub(super) const BLACK: RGBColor = RGBColor(0, 0, 0);
pub(super) const GREY: RGBColor = RGBColor(128, 128, 128);
pub(super) const PALE: RGBColor = RGBColor(225, 225, 225);
/// Behind curves: an interval.
pub(super) const BAND: RGBColor = RGBColor(205, 226, 240);

/// Colours of lines, text and grounds as files have them, and the properties of a page that take their place.
const VARIABLES: [(&str, &str); 11] = [
    ("#000000", "currentColor"),
    ("#808080", "var(--axis)"),
    ("#E1E1E1", "var(--grid)"),
    ("#CDE2F0", "var(--band)"),
    ("#0072B2", "var(--blue)"),
    ("#D55E00", "var(--vermilion)"),
    ("#009E73", "var(--green)"),
    ("#CC79A7", "var(--purple)"),
    ("#E69F00", "var(--orange)"),
    ("#56B4E9", "var(--sky)"),
    ("#5A5A5A", "var(--dim)"),
];

/// The property of a page for the colour `#RRGGBB` of a line, of text or of the ground.
pub(super) fn variable(colour: &str) -> Option<&'static str> {
    VARIABLES.iter().find(|v| v.0 == colour).map(|v| v.1)
}

/// Colours that stay apart for colour-blind eyes (Okabe and Ito, 2008).
const CURVES: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
];

/// Colour of curve `i`, from the start again after the last.
pub(super) fn curve(i: usize) -> RGBColor {
    CURVES[i % CURVES.len()]
}

/// Lightness, chroma and hue in degrees (OKLab in polar form): dark violet, blue, teal, green, yellow, lightness in even steps.
const SEQUENTIAL: [[f64; 3]; 5] =
    [[0.28, 0.11, 315.0], [0.44, 0.11, 265.0], [0.60, 0.10, 200.0], [0.76, 0.15, 145.0], [0.92, 0.17, 105.0]];

/// Blue, nearly white, red: as light on one side as on the other.
const DIVERGING: [[f64; 3]; 5] =
    [[0.45, 0.15, 258.0], [0.72, 0.10, 250.0], [0.96, 0.0, 0.0], [0.72, 0.13, 40.0], [0.45, 0.16, 27.0]];

/// From dark to light for t in [0, 1].
pub(super) fn sequential(t: f64) -> RGBColor {
    between(&SEQUENTIAL, t)
}

/// From blue over white (t = 1/2) to red for t in [0, 1].
pub(super) fn diverging(t: f64) -> RGBColor {
    between(&DIVERGING, t)
}

/// Interpolated linearly in OKLab, in which equal distances look equal.
fn between(points: &[[f64; 3]; 5], t: f64) -> RGBColor {
    let place = t.clamp(0.0, 1.0) * 4.0;
    let i = (place as usize).min(3);
    let (p, q, w) = (lab(points[i]), lab(points[i + 1]), place - i as f64);
    rgb([0, 1, 2].map(|k| (1.0 - w) * p[k] + w * q[k]))
}

fn lab([lightness, chroma, hue]: [f64; 3]) -> [f64; 3] {
    let (sin, cos) = hue.to_radians().sin_cos();
    [lightness, chroma * cos, chroma * sin]
}

/// OKLab to sRGB (B. Ottosson, "A perceptual color space for image processing", 2020).
fn rgb([l, a, b]: [f64; 3]) -> RGBColor {
    let long = (l + 0.3963377774 * a + 0.2158037573 * b).powi(3);
    let middle = (l - 0.1055613458 * a - 0.0638541728 * b).powi(3);
    let short = (l - 0.0894841775 * a - 1.2914855480 * b).powi(3);
    let channel = |linear: f64| {
        let linear = linear.clamp(0.0, 1.0);
        let coded = if linear <= 0.0031308 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        (255.0 * coded).round() as u8
    };
    RGBColor(
        channel(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        channel(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        channel(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of sRGB (IEC 61966-2-1).
    fn luminance(c: RGBColor) -> f64 {
        let linear = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(c.0) + 0.7152 * linear(c.1) + 0.0722 * linear(c.2)
    }

    #[test]
    fn lightness_rises_evenly() {
        // Cube root of luminance is nearly the lightness that the eye sees.
        let seen: Vec<f64> = (0..=50).map(|i| luminance(sequential(f64::from(i) / 50.0)).cbrt()).collect();
        let step = (seen[50] - seen[0]) / 50.0;
        assert!(step > 0.01, "{step}");
        for pair in seen.windows(2) {
            let ratio = (pair[1] - pair[0]) / step;
            assert!((0.5..1.5).contains(&ratio), "{seen:?}");
        }
        for i in 0..=25 {
            let t = f64::from(i) / 50.0;
            let (blue, red) = (luminance(diverging(t)).cbrt(), luminance(diverging(1.0 - t)).cbrt());
            assert!((blue - red).abs() < 0.06, "{t}: {blue} {red}");
        }
    }

    #[test]
    fn pages_have_a_property_for_each_colour_but_those_of_values() {
        let text = |c: RGBColor| format!("#{:02X}{:02X}{:02X}", c.0, c.1, c.2);
        for colour in [BLACK, GREY, PALE, BAND].into_iter().chain(CURVES) {
            assert!(variable(&text(colour)).is_some(), "{colour:?}");
        }
        for k in 0..=1000 {
            let t = f64::from(k) / 1000.0;
            assert_eq!((variable(&text(sequential(t))), variable(&text(diverging(t)))), (None, None), "{t}");
        }
    }

    #[test]
    fn ends_and_middle() {
        let middle = diverging(0.5);
        assert!(middle.0.abs_diff(middle.2) < 3 && middle.1 > 235, "{middle:?}");
        assert_eq!(sequential(-1.0), sequential(0.0));
        assert_eq!(sequential(2.0), sequential(1.0));
        assert_eq!(rgb([1.0, 0.0, 0.0]), RGBColor(255, 255, 255));
        assert_eq!(rgb([0.0, 0.0, 0.0]), RGBColor(0, 0, 0));
    }
}

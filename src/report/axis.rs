//! Axes: where a value stands, which values are marked and how they are written.

/// A linear or logarithmic axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub name: String,
    /// Positions of the ends: values, or their decimal logarithms.
    pub lower: f64,
    pub upper: f64,
    log: bool,
    pub marks: Vec<(f64, String)>,
    /// Positions of fine lines without labels.
    pub fine: Vec<f64>,
}

/// Smaller values than this share of the largest are drawn as 0 on a logarithmic axis.
const LEAST: f64 = 1e-18;

/// Least and largest finite value.
pub(super) fn bounds(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().filter(|v| v.is_finite()).fold(None, |b, v| match b {
        None => Some((v, v)),
        Some((lo, hi)) => Some((v.min(lo), v.max(hi))),
    })
}

/// About `n` round numbers (1, 2, 5 times a power of ten apart) in [lo, hi]; the middle alone where lo = hi.
pub(super) fn round_numbers(lo: f64, hi: f64, n: usize) -> Vec<f64> {
    let rough = (hi - lo) / n.max(1) as f64;
    // Below round-off of the ends there is nothing to be told apart.
    if rough <= 1e-14 * lo.abs().max(hi.abs()) || !rough.is_normal() {
        return vec![0.5 * (lo + hi)];
    }
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= 0.999 * rough).unwrap_or(rough);
    let first = (lo / step - 1e-9).ceil();
    (0..4 * n.max(1)).map(|k| (first + k as f64) * step).take_while(|v| *v <= hi + 1e-9 * step).collect()
}

/// Mantissa of at most `decimals` decimals, without zeros at its end, and power of ten.
pub(super) fn scientific(v: f64, decimals: usize) -> String {
    let text = format!("{v:.decimals$e}");
    match text.split_once('e') {
        Some((mantissa, power)) if mantissa.contains('.') => {
            format!("{}e{power}", mantissa.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// Numbers with as many digits as tell them apart, all with powers of ten unless they lie between 1e-3 and 1e5.
pub(super) fn written(numbers: &[f64]) -> Vec<String> {
    let largest = numbers.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if largest == 0.0 {
        return numbers.iter().map(|_| "0".to_string()).collect();
    }
    let step = numbers.windows(2).map(|w| (w[1] - w[0]).abs()).fold(f64::INFINITY, f64::min);
    let magnitude = largest.log10().floor();
    // Digits after the first one of the largest number.
    let digits = if step.is_finite() && step > 0.0 {
        // 2.5 apart needs a digit more than 2 apart.
        let exact = |d: i32| {
            let scaled = step / 10f64.powf(magnitude - f64::from(d));
            (scaled - scaled.round()).abs() < 1e-6 * scaled.max(1.0) && scaled > 0.5
        };
        (0..15).find(|d| exact(*d)).unwrap_or(3)
    } else {
        3
    };
    let plain = (-3.0..5.0).contains(&magnitude);
    let decimals = (f64::from(digits) - magnitude).max(0.0) as usize;
    numbers
        .iter()
        .map(|v| match *v {
            v if v.abs() < 1e-9 * largest => "0".to_string(),
            v if plain => format!("{v:.decimals$}"),
            v => {
                let own = (f64::from(digits) - (magnitude - v.abs().log10().floor())).max(0.0) as usize;
                scientific(v, own)
            }
        })
        .collect()
}

/// Round numbers in [lower, upper], as many (6 at most) as can be written side by side on `pixels`.
pub(super) fn marks_along(lower: f64, upper: f64, pixels: f64) -> Vec<(f64, String)> {
    const CHARACTER: f64 = 7.5;
    let mut best = Vec::new();
    for n in (1..=6).rev() {
        let numbers = round_numbers(lower, upper, n);
        let texts = written(&numbers);
        let longest = texts.iter().map(|t| t.chars().count()).max().unwrap_or(0) as f64;
        let gap = numbers.windows(2).map(|w| w[1] - w[0]).fold(f64::INFINITY, f64::min) / (upper - lower) * pixels;
        best = numbers.into_iter().zip(texts).collect();
        if gap >= CHARACTER * longest + 6.0 {
            break;
        }
    }
    best
}

impl Axis {
    /// From the least to the largest of `values`, with a margin, over `pixels` from left to right.
    pub fn linear_along(name: &str, values: impl IntoIterator<Item = f64>, pixels: f64) -> Axis {
        let Axis { lower, upper, .. } = Axis::linear(name, values);
        Axis::along(name, lower, upper, pixels)
    }

    /// From the least to the largest of `values`, with a margin.
    pub fn linear(name: &str, values: impl IntoIterator<Item = f64>) -> Axis {
        let (lo, hi) = bounds(values).unwrap_or((0.0, 1.0));
        let margin = if hi - lo > 1e-12 * lo.abs().max(hi.abs()) {
            0.04 * (hi - lo)
        } else if lo != 0.0 {
            0.5 * lo.abs()
        } else {
            1.0
        };
        Axis::between(name, lo - margin, hi + margin, 6)
    }

    /// From `lower` to `upper`, with about `n` marks.
    pub fn between(name: &str, lower: f64, upper: f64, n: usize) -> Axis {
        let numbers = round_numbers(lower, upper, n);
        let marks = numbers.iter().copied().zip(written(&numbers)).collect();
        Axis { name: name.into(), lower, upper, log: false, marks, fine: Vec::new() }
    }

    /// From `lower` to `upper` over `pixels` from left to right.
    pub fn along(name: &str, lower: f64, upper: f64, pixels: f64) -> Axis {
        let marks = marks_along(lower, upper, pixels);
        Axis { name: name.into(), lower, upper, log: false, marks, fine: Vec::new() }
    }

    /// For whole numbers, from half below the least to half above the largest, over `pixels` from left to right.
    pub fn counts(name: &str, values: impl IntoIterator<Item = usize>, pixels: f64) -> Axis {
        let (lo, hi) = bounds(values.into_iter().map(|v| v as f64)).unwrap_or((0.0, 1.0));
        let margin = 0.5_f64.max(0.03 * (hi - lo));
        let mut axis = Axis::along(name, lo - margin, hi + margin, pixels);
        axis.marks.retain(|(v, _)| v.fract() == 0.0 && *v >= lo && *v <= hi);
        if axis.marks.is_empty() {
            axis.marks = vec![(lo, format!("{lo}"))];
        }
        axis.marks.iter_mut().for_each(|(v, text)| *text = format!("{v}"));
        axis
    }

    /// From a round number below the positive ones of `values` to one above; where there are others, a little further down
    /// to a mark for 0.
    pub fn log(name: &str, values: &[f64]) -> Axis {
        let (least, most) = bounds(values.iter().copied().filter(|v| *v > 0.0)).unwrap_or((0.1, 1.0));
        let least = least.max(LEAST * most);
        let zero = values.iter().any(|v| *v < least);
        let mantissas: &[u8] = if most / least < 100.0 { &[1, 2, 5] } else { &[1] };
        let place = |(m, d): (u8, i32)| f64::from(m).log10() + f64::from(d);
        let (first, last) = (least.log10().floor() as i32 - 1, most.log10().ceil() as i32 + 1);
        let round: Vec<(u8, i32)> = (first..=last).flat_map(|d| mantissas.iter().map(move |m| (*m, d))).collect();
        let below = round.iter().rposition(|n| place(*n) <= least.log10() + 1e-9).unwrap_or(0);
        let above = round.iter().position(|n| place(*n) >= most.log10() - 1e-9).unwrap_or(0).max(below + 1);
        let round = round.get(below..=above).unwrap_or(&round);
        let ends = bounds(round.iter().map(|n| place(*n))).unwrap_or((-1.0, 0.0));
        let plain = ends.0 >= -3.0 && ends.1 <= 4.0;
        let text = |(m, d): (u8, i32)| match d {
            0 => format!("{m}"),
            d if plain => format!("{:.*}", (-d).max(0) as usize, f64::from(m) * 10f64.powi(d)),
            d => format!("{m}e{d}"),
        };
        let marked = round.iter().step_by(round.len().div_ceil(10));
        let mut marks: Vec<(f64, String)> = marked.map(|n| (place(*n), text(*n))).collect();
        let (mut lower, upper) = ends;
        let mut fine = Vec::new();
        if upper - lower <= 4.0 {
            fine = (first..=last).flat_map(|d| (2..10).map(move |m| place((m, d)))).collect();
            fine.retain(|p| *p > lower && *p < upper);
        }
        if zero {
            lower -= 0.12 * (upper - lower);
            marks.push((lower, "0".into()));
        }
        Axis { name: name.into(), lower, upper, log: true, marks, fine }
    }

    /// Position of a value, held between the ends; `None` for NaN.
    pub fn place(&self, value: f64) -> Option<f64> {
        let position = match (self.log, value) {
            (_, v) if v.is_nan() => return None,
            (true, v) if v <= 0.0 => self.lower,
            (true, v) => v.log10(),
            (false, v) => v,
        };
        Some(position.clamp(self.lower, self.upper))
    }

    /// Position as a share of the axis.
    pub fn share(&self, position: f64) -> f64 {
        (position - self.lower) / (self.upper - self.lower)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_numbers_are_round_and_inside() {
        assert_eq!(round_numbers(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(round_numbers(3.0, 3.0, 5), [3.0]);
        for (lo, hi) in [(-1.3, 2.9), (1e-12, 3e-12), (1e5, 1e5 + 0.3), (-7e8, 2e9), (1e-300, 1e-299)] {
            let numbers = round_numbers(lo, hi, 5);
            assert!((2..=11).contains(&numbers.len()), "{lo} {hi}: {numbers:?}");
            let slack = 1e-6 * (hi - lo);
            assert!(numbers.iter().all(|v| *v >= lo - slack && *v <= hi + slack), "{numbers:?}");
        }
    }

    #[test]
    fn numbers_are_told_apart() {
        assert_eq!(written(&[0.0, 0.5, 1.0]), ["0", "0.5", "1.0"]);
        assert_eq!(written(&[0.0, 2.0, 4.0]), ["0", "2", "4"]);
        assert_eq!(written(&[100000.1, 100000.2]), ["1.000001e5", "1.000002e5"]);
        assert_eq!(written(&[-2e-7, 0.0, 2e-7]), ["-2e-7", "0", "2e-7"]);
        assert_eq!(written(&[1000.0, 1002.0]), ["1000", "1002"]);
        assert_eq!(written(&[0.0, 0.0]), ["0", "0"]);
        assert_eq!(written(&[5e-7, 1e-6, 1.5e-6]), ["5e-7", "1e-6", "1.5e-6"]);
        assert_eq!(written(&[0.1234567]), ["0.1235"]);
    }

    #[test]
    fn marks_have_room() {
        let texts = |pixels| marks_along(0.0, 0.0023, pixels).into_iter().map(|m| m.1).collect::<Vec<String>>();
        assert_eq!(texts(400.0), ["0", "0.0005", "0.0010", "0.0015", "0.0020"]);
        assert_eq!(texts(140.0), ["0", "0.001", "0.002"]);
        assert_eq!(texts(60.0).len(), 2);
        assert_eq!(marks_along(3.0, 3.0, 100.0), [(3.0, "3.000".to_string())]);
    }

    #[test]
    fn a_logarithmic_axis_has_a_place_for_zero() {
        let axis = Axis::log("e", &[3e-3, 0.2, 0.0, f64::NAN]);
        assert!(axis.lower < 3e-3_f64.log10() - 0.1 && axis.upper >= 0.2_f64.log10(), "{axis:?}");
        assert!(axis.marks.contains(&(axis.lower, "0".to_string())), "{:?}", axis.marks);
        assert_eq!(axis.place(0.0), Some(axis.lower));
        assert_eq!(axis.place(f64::INFINITY), Some(axis.upper));
        assert_eq!(axis.place(f64::NAN), None);
        assert_eq!(axis.place(0.01), Some(-2.0));
        for values in [&[][..], &[0.0], &[f64::NAN, f64::INFINITY], &[1e-320], &[5.0, 5.0]] {
            let axis = Axis::log("e", values);
            assert!(axis.lower.is_finite() && axis.upper > axis.lower, "{values:?}: {axis:?}");
        }
        for (values, expected) in [
            (&[0.02, 0.12][..], &["0.02", "0.05", "0.1", "0.2"][..]),
            (&[1e-6, 0.9], &["1e-6", "1e-5", "1e-4", "1e-3", "1e-2", "1e-1", "1"]),
            (&[3e-9, 4e-9], &["2e-9", "5e-9"]),
        ] {
            let axis = Axis::log("e", values);
            let texts: Vec<&str> = axis.marks.iter().map(|m| m.1.as_str()).collect();
            assert_eq!(texts, expected);
            assert!(axis.lower <= values[0].log10() && axis.upper >= values[1].log10(), "{axis:?}");
        }
        for values in [&[][..], &[0.0], &[f64::NAN, f64::INFINITY], &[1e20, 1e20], &[5.0, 6.0]] {
            let axis = Axis::linear("e", values.iter().copied());
            assert!(axis.lower.is_finite() && axis.upper > axis.lower && !axis.marks.is_empty(), "{axis:?}");
        }
    }
}

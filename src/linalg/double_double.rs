//! Numbers of about 32 digits as sums of two doubles, for small checks of what doubles compute.

/// high + low, |low| at most half an ulp of high.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DoubleDouble {
    pub high: f64,
    pub low: f64,
}

impl DoubleDouble {
    /// A double.
    pub fn new(x: f64) -> DoubleDouble {
        DoubleDouble { high: x, low: 0.0 }
    }

    /// a b, exact unless it over- or underflows.
    pub fn product(a: f64, b: f64) -> DoubleDouble {
        let high = a * b;
        DoubleDouble { high, low: a.mul_add(b, -high) }
    }

    /// Rounded to a double.
    pub fn to_f64(self) -> f64 {
        self.high + self.low
    }

    /// The sum, to a few units in the 32nd digit of its parts' absolute values.
    pub fn plus(self, other: DoubleDouble) -> DoubleDouble {
        let (high, rest) = two_sum(self.high, other.high);
        let (low, lower) = two_sum(self.low, other.low);
        let (high, rest) = quick_two_sum(high, rest + low);
        let (high, low) = quick_two_sum(high, rest + lower);
        DoubleDouble { high, low }
    }

    /// The product, to a few units in the 32nd digit.
    pub fn times(self, other: DoubleDouble) -> DoubleDouble {
        let exact = DoubleDouble::product(self.high, other.high);
        let (high, low) = quick_two_sum(exact.high, exact.low + (self.high * other.low + self.low * other.high));
        DoubleDouble { high, low }
    }

    /// -x.
    pub fn negated(self) -> DoubleDouble {
        DoubleDouble { high: -self.high, low: -self.low }
    }
}

/// a + b and what rounding it loses. Reference: Knuth, The Art of Computer Programming 2, section 4.2.2.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let of_b = sum - a;
    (sum, (a - (sum - of_b)) + (b - of_b))
}

/// [`two_sum`] where |a| >= |b|. Reference: Dekker, Numer. Math. 18 (1971) 224.
fn quick_two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    (sum, b - (sum - a))
}

//! Coefficients of an interpolant with all their digits.

use super::eim::Eim;
use crate::error::Result;
use crate::linalg::scalar::Scalar;

/// More steps than are ever needed where any digit is right at first.
const MOST_STEPS: usize = 30;

impl<T: Scalar> Eim<T> {
    /// The solution beta of F beta = (g(x_1), …, g(x_d)) to round-off of beta itself, as long as F is regular to round-off:
    /// beta_m of column n is delta_mn however small the last pivots are.
    ///
    /// Iterative refinement: what is left of the values is computed from F with twice the digits. Some steps of O(d²), each
    /// ten times as long as [`coefficients`](Self::coefficients). Errors: another number of values.
    /// Reference: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 12.1.
    pub fn refined_coefficients(&self, at_points: &[T]) -> Result<Vec<T>> {
        let mut beta = self.coefficients(at_points)?;
        let size = |v: &[T]| v.iter().map(|x| x.modulus()).fold(0.0, f64::max);
        let mut last = f64::INFINITY;
        for _ in 0..MOST_STEPS {
            let mut change: Vec<T> = (0..beta.len()).map(|l| self.left(l, at_points[l], &beta)).collect();
            self.coefficients_into(&mut change)?;
            let step = size(&change);
            if step == 0.0 || step > 0.5 * last {
                break;
            }
            beta.iter_mut().zip(&change).for_each(|(b, c)| *b = *b + *c);
            last = step;
        }
        Ok(beta)
    }

    /// g(x_l) - (F beta)_l, rounded once.
    fn left(&self, l: usize, value: T, beta: &[T]) -> T {
        let (mut re, mut im) = ((value.re(), 0.0), (value.im(), 0.0));
        for (m, b) in beta.iter().enumerate() {
            let f = self.values[(l, m)];
            re = minus_product(re, f.re(), b.re());
            if T::IS_COMPLEX {
                re = minus_product(re, -f.im(), b.im());
                im = minus_product(im, f.re(), b.im());
                im = minus_product(im, f.im(), b.re());
            }
        }
        T::from_parts(re.0 + re.1, im.0 + im.1)
    }
}

/// s - a b for a sum of two numbers, without the error of the product and that of the sum.
fn minus_product((high, low): (f64, f64), a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    let rest = a.mul_add(b, -p);
    let s = high - p;
    let part = s - high;
    let lost = (high - (s - part)) - (p + part);
    (s, low + lost - rest)
}

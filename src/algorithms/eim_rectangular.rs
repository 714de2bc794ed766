//! Empirical interpolation with other numbers of points than of columns: a broken sensor, or more than are needed.

use crate::error::{Error, Result};
use crate::linalg::scalar::Scalar;
use faer::{Mat, MatRef};

/// Result of [`rectangular_eim`]: F P = Q R, and where columns are more than the rank, R = Sᴴ Zᴴ with orthonormal Z.
#[derive(Debug, Clone)]
pub struct RectangularEim<T: Scalar> {
    /// Q [p, p], unitary.
    q: Mat<T>,
    /// R [p, q], upper trapezoidal.
    r: Mat<T>,
    /// Column of F that each column of R is.
    order: Vec<usize>,
    rank: usize,
    /// Z [q, rank] and S [rank, rank], upper triangular.
    least: Option<(Mat<T>, Mat<T>)>,
    cut_off: f64,
}

/// beta = F⁺ (g(x_1), …, g(x_p)) for q columns g_m and p points x_l: least squares, of minimum norm where F lacks rank.
///
/// `f` [p, q], F_lm = g_m(x_l); `cut_off`: diagonal entries of R of at most this times the largest count as zero (R from
/// pivoted columns; its largest is the largest singular value up to sqrt(q)). With p = q and full rank it is the
/// interpolation of [`eim`](super::eim::eim). Errors: an empty, zero or not finite matrix, a cut-off outside [0, 1).
/// Cost: Householder QR, 2 p² q and p³ operations; not collective.
/// Reference: Casenave, Ern, Lelièvre, Appl. Math. Lett. 56 (2016) 23; Golub, Van Loan, Matrix Computations, 5.5 and 6.5.3.
#[doc(alias = "gappy_eim")]
pub fn rectangular_eim<T: Scalar>(f: MatRef<'_, T>, cut_off: f64) -> Result<RectangularEim<T>> {
    let (p, q) = (f.nrows(), f.ncols());
    if p == 0 || q == 0 {
        return Err(Error::argument("values of columns at points", format!("{p} x {q}"), "at least one of each"));
    }
    if !(0.0..1.0).contains(&cut_off) {
        return Err(Error::argument("cut-off", cut_off, "a number in [0, 1)"));
    }
    for j in 0..q {
        if let Some(i) = (0..p).find(|i| !f[(*i, j)].finite()) {
            let found = format!("{} in row {i}, column {j}", f[(i, j)]);
            return Err(Error::argument("values of columns at points", found, "finite numbers"));
        }
    }
    let (unitary, r, order) = householder(f.to_owned(), true);
    RectangularEim { q: unitary, r, order, rank: 0, least: None, cut_off }.with_rank()
}

impl<T: Scalar> RectangularEim<T> {
    /// Number of points p.
    pub fn n_points(&self) -> usize {
        self.q.nrows()
    }

    /// Number of columns q.
    pub fn n_columns(&self) -> usize {
        self.order.len()
    }

    /// Numerical rank of F.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// beta [q] from the values at the points [p], O(p q). Errors: another number of values.
    pub fn coefficients(&self, at_points: &[T]) -> Result<Vec<T>> {
        let mut c = self.rotated(at_points, 0..self.rank)?;
        match &self.least {
            None => {
                for m in (0..self.rank).rev() {
                    let column = self.r.col_as_slice(m);
                    c[m] /= column[m];
                    let beta = c[m];
                    c[..m].iter_mut().zip(column).for_each(|(c, r)| *c -= beta * *r);
                }
            }
            Some((z, s)) => {
                for m in 0..self.rank {
                    let column = s.col_as_slice(m);
                    let known: T = (0..m).map(|l| column[l].conjugate() * c[l]).sum();
                    c[m] = (c[m] - known) / column[m].conjugate();
                }
                c = (0..z.nrows()).map(|i| c.iter().enumerate().map(|(m, c)| z[(i, m)] * *c).sum()).collect();
            }
        }
        let mut beta = vec![T::default(); c.len()];
        self.order.iter().zip(c).for_each(|(j, c)| beta[*j] = c);
        Ok(beta)
    }

    /// ||g - F beta||₂ at the points: what the columns cannot reproduce of the values. Errors: another number of values.
    pub fn misfit(&self, at_points: &[T]) -> Result<f64> {
        let rest = self.rotated(at_points, self.rank..self.n_points())?;
        Ok(rest.iter().map(|x| x.modulus_squared()).sum::<f64>().sqrt())
    }

    /// Entries of Qᴴ g.
    fn rotated(&self, values: &[T], entries: std::ops::Range<usize>) -> Result<Vec<T>> {
        if values.len() != self.n_points() {
            return Err(Error::argument("values at interpolation points", values.len(), self.n_points()));
        }
        let entry = |m: usize| self.q.col_as_slice(m).iter().zip(values).map(|(q, v)| q.conjugate() * *v).sum();
        Ok(entries.map(entry).collect())
    }

    /// The same without point `i` of those that are left, by a down-date of Q and R with Givens rotations: O(p² + p q), and
    /// O(p² (q - p)) where there are fewer points than columns. Where rank is lost, what is left is factorised again.
    /// Errors: no such point, or the last one.
    /// Reference: Golub, Van Loan, Matrix Computations, 6.5.3.
    pub fn without_point(&self, i: usize) -> Result<RectangularEim<T>> {
        let (p, q) = (self.n_points(), self.n_columns());
        if i >= p || p == 1 {
            return Err(Error::argument("point to leave out", format!("{i} of {p}"), "one of at least two points"));
        }
        let (mut unitary, mut r) = (self.q.clone(), self.r.clone());
        for m in (1..p).rev() {
            let (a, b) = (unitary[(i, m - 1)].conjugate(), unitary[(i, m)].conjugate());
            let (c, s) = givens(a, b);
            for l in 0..p {
                let (x, y) = (unitary[(l, m - 1)], unitary[(l, m)]);
                unitary[(l, m - 1)] = c * x + s.conjugate() * y;
                unitary[(l, m)] = c * y - s * x;
            }
            for j in m - 1..q {
                let (x, y) = (r[(m - 1, j)], r[(m, j)]);
                r[(m - 1, j)] = c * x + s * y;
                r[(m, j)] = c * y - s.conjugate() * x;
            }
        }
        let unitary = Mat::from_fn(p - 1, p - 1, |l, m| unitary[(if l < i { l } else { l + 1 }, m + 1)]);
        let r = Mat::from_fn(p - 1, q, |l, j| if l <= j { r[(l + 1, j)] } else { T::default() });
        let (order, cut_off) = (self.order.clone(), self.cut_off);
        let sizes: Vec<f64> = (0..q.min(p - 1)).map(|m| r[(m, m)].modulus()).collect();
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        if sizes.iter().all(|s| *s > cut_off * largest) {
            return RectangularEim { q: unitary, r, order, rank: 0, least: None, cut_off }.with_rank();
        }
        let (left, r, again) = householder(r, true);
        let order = again.into_iter().map(|j| order[j]).collect();
        let q = crate::linalg::scalar::product(unitary.as_ref(), left.as_ref());
        RectangularEim { q, r, order, rank: 0, least: None, cut_off }.with_rank()
    }

    /// Counts the rank, and factorises R once more where columns are more.
    fn with_rank(mut self) -> Result<Self> {
        let sizes: Vec<f64> = (0..self.r.nrows().min(self.r.ncols())).map(|m| self.r[(m, m)].modulus()).collect();
        let largest = sizes.iter().copied().fold(0.0, f64::max);
        self.rank = sizes.iter().take_while(|s| **s > self.cut_off * largest).count();
        if self.rank == 0 {
            return Err(Error::argument("values of columns at points", "zeros only", "a matrix that is not zero"));
        }
        let (rank, n) = (self.rank, self.n_columns());
        if rank < n {
            let (z, s, _) = householder(Mat::from_fn(n, rank, |j, m| self.r[(m, j)].conjugate()), false);
            self.least = Some((z.subcols(0, rank).to_owned(), s.subrows(0, rank).to_owned()));
        }
        Ok(self)
    }
}

/// c and s with (c a + s b, c b - s̄ a) = (·, 0), c real, c² + |s|² = 1.
fn givens<T: Scalar>(a: T, b: T) -> (T, T) {
    let (size, length) = (a.modulus(), a.modulus().hypot(b.modulus()));
    if size == 0.0 {
        return (T::default(), T::real(1.0));
    }
    (T::real(size / length), a * b.conjugate() * T::real(1.0 / (size * length)))
}

/// Q [m, m], R [m, n] and the order of the columns with a P = Q R; `pivoted`: always the column with most left. The lower
/// part of R is exactly zero.
fn householder<T: Scalar>(mut a: Mat<T>, pivoted: bool) -> (Mat<T>, Mat<T>, Vec<usize>) {
    let (m, n) = (a.nrows(), a.ncols());
    let mut order: Vec<usize> = (0..n).collect();
    let mut reflections = Vec::new();
    for k in 0..m.min(n) {
        if pivoted {
            // Summed anew for each column: nothing is lost to cancellation.
            let left = |j: usize| a.col_as_slice(j)[k..].iter().map(|x| x.modulus_squared()).sum::<f64>();
            let sizes: Vec<f64> = (k..n).map(left).collect();
            let largest = sizes.iter().copied().fold(0.0, f64::max);
            let j = k + sizes.iter().position(|s| *s >= largest * (1.0 - 1e-10)).unwrap_or(0);
            (0..m).for_each(|i| (a[(i, k)], a[(i, j)]) = (a[(i, j)], a[(i, k)]));
            order.swap(k, j);
        }
        let mut v = a.col_as_slice(k)[k..].to_vec();
        let norm = v.iter().map(|x| x.modulus_squared()).sum::<f64>().sqrt();
        let (head, size) = (v[0], v[0].modulus());
        if v[1..].iter().all(|x| *x == T::default()) {
            continue;
        }
        let phase = if size == 0.0 { T::real(1.0) } else { head * T::real(1.0 / size) };
        v[0] += phase * T::real(norm);
        // vᴴv = 2 norm (norm + size).
        let tau = 1.0 / (norm * (norm + size));
        (k + 1..n).for_each(|j| reflect(&mut a.col_as_slice_mut(j)[k..], &v, tau));
        let column = &mut a.col_as_slice_mut(k)[k..];
        column.fill(T::default());
        column[0] = -phase * T::real(norm);
        reflections.push((k, v, tau));
    }
    let mut q = Mat::<T>::identity(m, m);
    for (k, v, tau) in reflections.iter().rev() {
        (*k..m).for_each(|j| reflect(&mut q.col_as_slice_mut(j)[*k..], v, *tau));
    }
    (q, a, order)
}

/// x <- x - tau v vᴴ x.
fn reflect<T: Scalar>(x: &mut [T], v: &[T], tau: f64) {
    let product: T = v.iter().zip(x.iter()).map(|(v, x)| v.conjugate() * *x).sum();
    let factor = T::real(tau) * product;
    x.iter_mut().zip(v).for_each(|(x, v)| *x -= factor * *v);
}

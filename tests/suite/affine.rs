//! Small affine problems with known structure, and slow references for them.

use faer::linalg::solvers::Solve;
use faer::{Mat, MatRef, c64};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::terms::{Pattern, Terms, TermsInMemory};
use kolmo::offline::reduced_basis::{AffineProblem, Coefficients};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::Arc;

/// A matrix of uniform numbers in the unit square (or interval).
pub fn random<T: Scalar>(rows: usize, columns: usize, seed: u64) -> Mat<T> {
    let mut rng = StdRng::seed_from_u64(seed);
    Mat::from_fn(rows, columns, |_, _| T::from_parts(rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)))
}

/// d random matrices, not symmetric, with a strong diagonal in the first; a band where sparse.
pub fn random_terms<T: Scalar>(n: usize, d: usize, sparse: bool, seed: u64) -> TermsInMemory<T> {
    let near = |i: usize, j: usize| i.abs_diff(j) <= 2 || (i + 3 * j).is_multiple_of(17);
    let pattern = match sparse {
        false => Pattern::Dense { n_rows: n },
        true => {
            let row = |i: usize| (0..n).filter(|j| near(i, *j)).collect::<Vec<usize>>();
            let mut indptr = vec![0];
            (0..n).for_each(|i| indptr.push(indptr[i] + row(i).len()));
            Pattern::Sparse { indptr, indices: (0..n).flat_map(row).collect() }
        }
    };
    let mut rng = StdRng::seed_from_u64(seed);
    let mut term = |q: usize| -> Vec<T> {
        let number = |e: usize| {
            let (i, j) = pattern.place(e);
            let diagonal = if q == 0 && i == j { n as f64 } else { 0.0 };
            T::from_parts(rng.random_range(-1.0..1.0) + diagonal, rng.random_range(-1.0..1.0))
        };
        (0..pattern.n_entries()).map(number).collect()
    };
    let values = (0..d).map(&mut term).collect();
    TermsInMemory { pattern: Arc::new(pattern), values }
}

/// Two right-hand sides and one output of two parts.
pub fn random_problem<T: Scalar>(terms: &TermsInMemory<T>, inner_product: InnerProduct) -> AffineProblem<'_, T> {
    let n = terms.pattern.n_rows();
    AffineProblem { matrices: terms, rhs: random(n, 2, 91), outputs: vec![random(n, 2, 92)], inner_product }
}

/// Coefficients near 1 for the first term, small for the others.
pub fn random_coefficients<T: Scalar>(d: usize, p: usize, m: usize, seed: u64) -> Coefficients<T> {
    let mut theta = random::<T>(d, m, seed);
    (0..m).for_each(|j| theta[(0, j)] = T::real(1.0) + T::real(0.2) * theta[(0, j)]);
    Coefficients { theta, gamma: random(p, m, seed + 1) }
}

/// A(mu), in full.
pub fn dense<T: Scalar>(terms: &dyn Terms<T>, theta: &[T]) -> Mat<T> {
    let n = terms.n_rows();
    let mut a = Mat::zeros(n, n);
    for (q, t) in theta.iter().enumerate() {
        let part = terms.pattern().to_dense(&terms.values(q).unwrap());
        (0..n).for_each(|j| (0..n).for_each(|i| a[(i, j)] += *t * part[(i, j)]));
    }
    a
}

/// a b by its definition.
pub fn times<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(a.nrows(), b.ncols(), |i, j| (0..a.ncols()).map(|k| a[(i, k)] * b[(k, j)]).sum())
}

/// aᴴ b by its definition.
pub fn adjoint_times<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> Mat<T> {
    Mat::from_fn(a.ncols(), b.ncols(), |i, j| (0..a.nrows()).map(|k| a[(k, i)].conjugate() * b[(k, j)]).sum())
}

/// sum_p c_p times column p.
pub fn combined<T: Scalar>(columns: MatRef<'_, T>, c: &[T]) -> Mat<T> {
    times(columns, Mat::from_fn(c.len(), 1, |i, _| c[i]).as_ref())
}

/// Solution of a x = b by the dense LU of faer.
pub fn solved<T: Scalar>(a: &Mat<T>, b: &Mat<T>) -> Mat<T> {
    a.partial_piv_lu().solve(b)
}

/// ||a - b|| / ||b||.
pub fn distance<T: Scalar>(a: MatRef<'_, T>, b: MatRef<'_, T>) -> f64 {
    let norm = |m: &Mat<T>| m.col_iter().flat_map(|c| c.iter()).map(|x| x.modulus_squared()).sum::<f64>().sqrt();
    norm(&Mat::from_fn(a.nrows(), a.ncols(), |i, j| a[(i, j)] - b[(i, j)])) / norm(&b.to_owned())
}

/// One column of a slice.
pub fn column<T: Scalar>(y: &[T]) -> Mat<T> {
    Mat::from_fn(y.len(), 1, |i, _| y[i])
}

/// -u'' - (k² + i eta k) u = 1 on ]0, 1[, u(0) = 0, u'(1) = i k u(1), by linear finite elements: theta = 1, -k² - i eta k, -i k.
/// X is the stiffness plus the mass matrix.
pub struct Helmholtz {
    pub terms: TermsInMemory<c64>,
    pub x: InnerProduct,
}

impl Helmholtz {
    pub fn new(n: usize) -> Helmholtz {
        let h = 1.0 / n as f64;
        let mut indptr = vec![0];
        let mut indices = Vec::new();
        let mut values = vec![Vec::new(); 3];
        let mut triplets = Vec::new();
        for i in 0..n {
            for j in i.saturating_sub(1)..(i + 2).min(n) {
                let half = if i + 1 == n { 1.0 } else { 2.0 };
                let (k, m) = if i == j { (half / h, half * h / 3.0) } else { (-1.0 / h, h / 6.0) };
                let end = if i == j && i + 1 == n { 1.0 } else { 0.0 };
                indices.push(j);
                [k, m, end].iter().zip(&mut values).for_each(|(x, v)| v.push(c64::new(*x, 0.0)));
                triplets.push((i, j, k + m));
            }
            indptr.push(indices.len());
        }
        let x = InnerProduct::Sparse(kolmo::linalg::sparse::from_triplets(n, n, &triplets));
        Helmholtz { terms: TermsInMemory { pattern: Arc::new(Pattern::Sparse { indptr, indices }), values }, x }
    }

    pub fn theta(k: f64) -> Vec<c64> {
        vec![c64::new(1.0, 0.0), c64::new(-k * k, -0.01 * k), c64::new(0.0, -k)]
    }

    pub fn problem(&self) -> AffineProblem<'_, c64> {
        let n = self.terms.pattern.n_rows();
        let h = 1.0 / n as f64;
        let load = Mat::from_fn(n, 1, |i, _| c64::new(if i + 1 == n { 0.5 * h } else { h }, 0.0));
        let end = Mat::from_fn(n, 1, |i, _| c64::new(if i + 1 == n { 1.0 } else { 0.0 }, 0.0));
        AffineProblem { matrices: &self.terms, rhs: load, outputs: vec![end], inner_product: self.x.clone() }
    }

    /// Coefficients at wave numbers.
    pub fn coefficients(waves: &[f64]) -> Coefficients<c64> {
        let theta: Vec<Vec<c64>> = waves.iter().map(|k| Helmholtz::theta(*k)).collect();
        Coefficients {
            theta: Mat::from_fn(3, waves.len(), |q, j| theta[j][q]),
            gamma: Mat::from_fn(1, waves.len(), |_, _| c64::new(1.0, 0.0)),
        }
    }
}

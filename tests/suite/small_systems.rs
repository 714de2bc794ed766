//! Small dense systems without allocation, sparse LU, orthonormal columns, adjoint families: against the slow ways.

use crate::affine::{adjoint_times, combined, dense, distance, random, random_terms, solved, times};
use faer::linalg::solvers::SolveLstsq;
use faer::{Mat, c64};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::orthonormal::{Orthonormal, norms};
use kolmo::linalg::scalar::{Scalar, add_tall_product, tall_adjoint_product};
use kolmo::linalg::small::{
    add_combination, least_squares_in_place, lu_in_place, lu_solve_adjoint_in_place, lu_solve_in_place, norm,
};
use kolmo::linalg::sparse::from_triplets;
use kolmo::linalg::sparse_cholesky::SparseCholesky;
use kolmo::linalg::sparse_lu::LuAnalysis;
use kolmo::linalg::terms::{AdjointTerms, Pattern, Terms, TermsInMemory};
use std::sync::Arc;

fn flat<T: Scalar>(m: &Mat<T>) -> Vec<T> {
    m.col_iter().flat_map(|c| c.iter().copied()).collect()
}

fn lu_solves<T: Scalar>() {
    // One panel, several, and the sizes at which the way changes.
    for n in [1, 2, 3, 17, 64, 95, 96, 97, 130, 200] {
        let (a, b) = (random::<T>(n, n, n as u64), random::<T>(n, 1, 5));
        let (mut lu, mut swaps, mut largest) = (flat(&a), vec![0; n], vec![0.0; n]);
        lu_in_place(&mut lu, n, &mut swaps, &mut largest).unwrap();
        let (mut x, mut z) = (flat(&b), flat(&b));
        lu_solve_in_place(&lu, n, &swaps, &mut x);
        lu_solve_adjoint_in_place(&lu, n, &swaps, &mut z);
        let rest = distance(combined(a.as_ref(), &x).as_ref(), b.as_ref());
        assert!(rest < 1e-11, "n = {n}: {rest:e}");
        let adjoint = Mat::from_fn(n, n, |i, j| a[(j, i)].conjugate());
        let rest = distance(combined(adjoint.as_ref(), &z).as_ref(), b.as_ref());
        assert!(rest < 1e-11, "adjoint, n = {n}: {rest:e}");
    }
}

#[test]
fn lu_solves_real_and_complex_systems() {
    lu_solves::<f64>();
    lu_solves::<c64>();
}

/// Rows that have to change places, and scales of columns that a pivot relative to the whole matrix would refuse.
#[test]
fn lu_pivots_and_takes_any_scale() {
    let a = [0.0, 1e-20, 1.0, 1e-20];
    let (mut lu, mut swaps, mut largest) = (a.to_vec(), [0; 2], [0.0; 2]);
    lu_in_place(&mut lu, 2, &mut swaps, &mut largest).unwrap();
    assert_eq!(swaps, [1, 1]);
    let mut x = [2.0, 3e-20];
    lu_solve_in_place(&lu, 2, &swaps, &mut x);
    assert!((x[0] - 1.0).abs() < 1e-15 && (x[1] - 2.0).abs() < 1e-15, "{x:?}");
}

#[test]
fn singular_matrices_are_told() {
    for n in [3, 120] {
        let mut a = random::<f64>(n, n, 1);
        // The last column is the sum of the others.
        (0..n).for_each(|i| a[(i, n - 1)] = (0..n - 1).map(|j| a[(i, j)]).sum());
        let told = lu_in_place(&mut flat(&a), n, &mut vec![0; n], &mut vec![0.0; n]).unwrap_err();
        assert_eq!(told.column, n - 1, "{told:?}");
    }
    let mut zero = vec![0.0; 4];
    assert_eq!(lu_in_place(&mut zero, 2, &mut [0; 2], &mut [0.0; 2]).unwrap_err().column, 0);
    let mut nan = vec![1.0, f64::NAN, 0.0, 1.0];
    assert!(lu_in_place(&mut nan, 2, &mut [0; 2], &mut [0.0; 2]).is_err());
    let mut flat = vec![1.0, 1.0, 1.0, 2.0, 2.0, 2.0];
    assert_eq!(least_squares_in_place(&mut flat, 3, 2, &mut [1.0; 3]).unwrap_err().column, 1);
}

fn least_squares<T: Scalar>() {
    for (m, n) in [(1, 1), (5, 5), (40, 7), (300, 30)] {
        let (a, b) = (random::<T>(m, n, m as u64), random::<T>(m, 1, 5));
        let (mut qr, mut x) = (flat(&a), flat(&b));
        let left = least_squares_in_place(&mut qr, m, n, &mut x).unwrap();
        let reference = a.qr().solve_lstsq(&b);
        let x = Mat::from_fn(n, 1, |i, _| x[i]);
        let d = distance(x.as_ref(), reference.as_ref());
        assert!(d < 1e-12, "{m} x {n}: {d:e}");
        let rest = times(a.as_ref(), x.as_ref());
        let rest = norm(&(0..m).map(|i| b[(i, 0)] - rest[(i, 0)]).collect::<Vec<T>>());
        assert!((rest - left).abs() < 1e-12 * norm(&flat(&b)), "{m} x {n}: {left} and {rest}");
    }
}

#[test]
fn least_squares_by_householder() {
    least_squares::<f64>();
    least_squares::<c64>();
}

#[test]
fn combinations_of_blocks() {
    let blocks: Vec<f64> = (0..70).map(|i| (i as f64).sin()).collect();
    for n in 0..8 {
        let mut out = vec![1.0; 7];
        add_combination(&mut out, n, |j| j as f64 - 2.5, &blocks, 9);
        for (i, found) in out.iter().enumerate() {
            let expected: f64 = 1.0 + (0..n).map(|j| (j as f64 - 2.5) * blocks[j * 9 + i]).sum::<f64>();
            assert!((found - expected).abs() < 1e-14, "{n} blocks, entry {i}");
        }
    }
    for scale in [1e200, 1.0, 1e-200] {
        assert!((norm::<f64>(&[3.0 * scale, 4.0 * scale]) / (5.0 * scale) - 1.0).abs() < 1e-15);
    }
    assert!(norm(&[1.0, f64::NAN]).is_nan() && norm::<f64>(&[]) == 0.0);
}

fn sparse_lu<T: Scalar>(sparse: bool) {
    for n in [1, 7, 60, 400] {
        let terms = random_terms::<T>(n, 2, sparse, n as u64);
        let analysis = LuAnalysis::new(&terms.pattern).unwrap();
        let b = random::<T>(n, 3, 5);
        // One analysis, two sets of numbers.
        for theta in [[T::real(1.0), T::real(0.5)], [T::from_parts(0.8, 0.3), T::from_parts(-1.0, 0.7)]] {
            let a = dense(&terms, &theta);
            let lu = analysis.factorize(terms.combine(&theta).unwrap()).unwrap();
            let (x, z) = (lu.solve(b.as_ref()).unwrap(), lu.solve_adjoint(b.as_ref()).unwrap());
            let d = distance(x.as_ref(), solved(&a, &b).as_ref());
            assert!(d < 1e-13, "n = {n}: {d:e}");
            let adjoint = Mat::from_fn(n, n, |i, j| a[(j, i)].conjugate());
            let d = distance(z.as_ref(), solved(&adjoint, &b).as_ref());
            assert!(d < 1e-13, "adjoint, n = {n}: {d:e}");
        }
    }
}

#[test]
fn sparse_lu_solves() {
    sparse_lu::<f64>(true);
    sparse_lu::<f64>(false);
    sparse_lu::<c64>(true);
    sparse_lu::<c64>(false);
}

#[test]
fn sparse_lu_refuses() {
    let pattern = |indptr: &[usize], indices: &[usize]| {
        Arc::new(Pattern::Sparse { indptr: indptr.to_vec(), indices: indices.to_vec() })
    };
    for (indptr, indices, told) in [
        (&[0, 2, 3][..], &[1, 0, 1][..], "columns of row 0"),
        (&[0, 1, 2], &[0, 2], "columns of row 1"),
        (&[0, 2, 1], &[0, 1], "rows of a sparse matrix"),
        (&[0, 1, 3], &[0, 1], "rows of a sparse matrix"),
        (&[0], &[], "rows of a sparse matrix"),
    ] {
        let error = LuAnalysis::new(&pattern(indptr, indices)).unwrap_err().to_string();
        assert!(error.starts_with(told), "{error}");
    }
    let full = LuAnalysis::new(&pattern(&[0, 2, 4], &[0, 1, 0, 1])).unwrap();
    let told = |outcome: kolmo::Result<Mat<f64>>| outcome.unwrap_err().to_string();
    let singular = |values: Vec<f64>| {
        full.factorize(values).and_then(|lu| lu.solve(Mat::from_fn(2, 1, |i, _| 1.0 + i as f64).as_ref()))
    };
    for values in [vec![1.0, 2.0, 0.5, 1.0], vec![1.0, 1.0 / 3.0, 3.0, 1.0 + 1e-16], vec![0.0; 4]] {
        let error = told(singular(values));
        assert!(error.starts_with("matrix: found ") && error.contains("expected a regular matrix"), "{error}");
    }
    assert!(told(singular(vec![1.0; 3])).contains("found 3; expected 4"));
    assert!(told(singular(vec![1.0, f64::NAN, 0.0, 1.0])).contains("entry (0, 1)"));
    let lu = full.factorize(vec![1.0, 0.0, 0.0, 1.0]).unwrap();
    assert!(told(lu.solve(Mat::zeros(3, 1).as_ref())).contains("found 3; expected 2"));
    // No entry in the second row.
    let empty = LuAnalysis::new(&pattern(&[0, 2, 2], &[0, 1]));
    assert!(empty.and_then(|a| a.factorize(vec![1.0, 1.0])?.solve(Mat::zeros(2, 1).as_ref())).is_err());
}

fn orthonormal_columns<T: Scalar>() {
    let n = 200;
    let triplets: Vec<_> = (0..n).flat_map(|i| [(i, i, 2.5), (i, (i + 1) % n, -1.0), ((i + 1) % n, i, -1.0)]).collect();
    let weights = (0..n).map(|i| 0.5 + i as f64 / n as f64).collect();
    let products = [
        InnerProduct::Euclidean,
        InnerProduct::Diagonal(weights),
        InnerProduct::Sparse(from_triplets(n, n, &triplets)),
    ];
    for product in products {
        // Nearly dependent columns: 1e-9 apart, and one that is a sum of others.
        let base = random::<T>(n, 6, 1);
        let noise = random::<T>(n, 6, 2);
        let w = Mat::from_fn(n, 13, |i, j| match j {
            0..6 => base[(i, j)],
            6..12 => base[(i, j - 6)] + T::real(1e-9) * noise[(i, j - 6)],
            _ => base[(i, 0)] + base[(i, 3)],
        });
        let mut q = Orthonormal::new(n, product.clone()).unwrap();
        let first = q.append(w.as_ref().subcols(0, 4), 1e-13, |_| 0.0).unwrap();
        let second = q.append(w.as_ref().subcols(4, 9), 1e-13, |_| 0.0).unwrap();
        assert_eq!((first.kept.len(), second.kept.clone()), (4, (0..8).collect()));
        let identity = q.coefficients(q.columns());
        let off = (0..12)
            .flat_map(|i| (0..12).map(move |j| (i, j)))
            .fold(0.0_f64, |m, (i, j)| m.max((identity[(i, j)] - T::real(if i == j { 1.0 } else { 0.0 })).modulus()));
        assert!(off < 1e-13, "{product:?}: {off:e}");
        let again = times(q.columns(), second.coefficients.as_ref());
        let d = distance(again.as_ref(), w.as_ref().subcols(4, 9));
        assert!(d < 1e-14, "{product:?}: {d:e}");
        let expected = norms(&product, w.as_ref().subcols(4, 9));
        assert_eq!(second.norms, expected);
        assert!(second.missed[8] < 1e-13 * expected[8] && second.missed[..8].iter().all(|m| *m == 0.0));
        // A floor leaves out what is below it.
        let mut q = Orthonormal::new(n, product).unwrap();
        let found = q.append(w.as_ref(), 0.0, |_| 1e-6).unwrap();
        assert_eq!(found.kept, (0..6).collect::<Vec<usize>>());
        assert!(found.missed[6..12].iter().all(|m| *m > 1e-10 && *m < 1e-7), "{:?}", found.missed);
    }
}

/// More columns than one panel has: sums of columns of the same panel and of those before it give none, columns 1e-9 apart do.
fn orthonormal_panels<T: Scalar>() {
    let (n, m) = (150, 70);
    let base = random::<T>(n, m, 3);
    let w = Mat::from_fn(n, m, |i, j| match j {
        10 | 40 | 69 => base[(i, 1)] + base[(i, j - 1)],
        20..25 => base[(i, j - 17)] + T::real(1e-9) * base[(i, j)],
        _ => base[(i, j)],
    });
    let mut q = Orthonormal::new(n, InnerProduct::Euclidean).unwrap();
    let found = q.append(w.as_ref(), 1e-13, |_| 0.0).unwrap();
    assert_eq!(found.kept, (0..m).filter(|j| ![10, 40, 69].contains(j)).collect::<Vec<usize>>());
    assert_eq!((q.n_columns(), found.coefficients.nrows()), (67, 67));
    let off = distance(q.coefficients(q.columns()).as_ref(), Mat::identity(67, 67).as_ref());
    assert!(off < 1e-13, "{off:e}");
    let d = distance(times(q.columns(), found.coefficients.as_ref()).as_ref(), w.as_ref());
    assert!(d < 1e-14, "{d:e}");
    // Upper trapezoidal: a column has parts in those before it only.
    (0..67).for_each(|k| (0..found.kept[k]).for_each(|j| assert_eq!(found.coefficients[(k, j)], T::default())));
}

#[test]
fn columns_stay_orthonormal() {
    orthonormal_columns::<f64>();
    orthonormal_columns::<c64>();
    orthonormal_panels::<f64>();
    orthonormal_panels::<c64>();
    let mut q = Orthonormal::<f64>::new(3, InnerProduct::Euclidean).unwrap();
    assert!(q.append(Mat::zeros(4, 1).as_ref(), 0.0, |_| 0.0).is_err());
    assert!(q.append(Mat::full(3, 1, f64::NAN).as_ref(), 0.0, |_| 0.0).is_err());
    assert!(Orthonormal::<f64>::new(3, InnerProduct::Diagonal(vec![1.0])).is_err());
}

/// The largest entry becomes real and positive; of equals the first.
#[test]
fn columns_are_oriented() {
    let mut real = [1.0, -3.0, 3.0];
    kolmo::linalg::orthonormal::orient(&mut real);
    assert_eq!(real, [-1.0, 3.0, -3.0]);
    let mut complex = [c64::new(1.0, 0.0), c64::new(0.0, 2.0)];
    kolmo::linalg::orthonormal::orient(&mut complex);
    assert_eq!(complex, [c64::new(0.0, -1.0), c64::new(2.0, 0.0)]);
}

#[test]
fn tall_products_do_not_depend_on_threads() {
    let (a, b) = (random::<c64>(9000, 5, 1), random::<c64>(9000, 3, 2));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut c = random::<c64>(9000, 3, 4);
            add_tall_product(c.as_mut(), a.as_ref(), random(5, 3, 3).as_ref(), c64::new(-1.0, 0.5));
            (tall_adjoint_product(a.as_ref(), b.as_ref()), c)
        })
    };
    let (one, three) = (run(1), run(3));
    assert_eq!(one, three);
    assert!(distance(one.0.as_ref(), adjoint_times(a.as_ref(), b.as_ref()).as_ref()) < 1e-14);
}

fn adjoint<T: Scalar>(sparse: bool) {
    let terms = random_terms::<T>(30, 2, sparse, 3);
    let adjoint = AdjointTerms::new(&terms);
    let (x, y) = (random::<T>(30, 2, 1), random::<T>(30, 2, 2));
    for q in 0..2 {
        let (a, ah) = (terms.values(q).unwrap(), adjoint.values(q).unwrap());
        let (mut ax, mut ahy, mut same) = (Mat::zeros(30, 2), Mat::zeros(30, 2), Mat::zeros(30, 2));
        terms.pattern.apply(&a, x.as_ref(), ax.as_mut()).unwrap();
        adjoint.pattern().apply(&ah, y.as_ref(), ahy.as_mut()).unwrap();
        terms.pattern.apply_adjoint(&a, y.as_ref(), same.as_mut()).unwrap();
        let (left, right) = (adjoint_times(y.as_ref(), ax.as_ref()), adjoint_times(ahy.as_ref(), x.as_ref()));
        assert!(distance(left.as_ref(), right.as_ref()) < 1e-13);
        assert!(distance(ahy.as_ref(), same.as_ref()) < 1e-14);
        let dense = terms.pattern.to_dense(&a);
        assert!(distance(ax.as_ref(), times(dense.as_ref(), x.as_ref()).as_ref()) < 1e-13);
    }
    assert!(LuAnalysis::new(adjoint.pattern()).is_ok(), "rows of the transpose are sorted");
}

#[test]
fn adjoint_families() {
    adjoint::<f64>(true);
    adjoint::<f64>(false);
    adjoint::<c64>(true);
    adjoint::<c64>(false);
}

/// One after the other, as from a file, or all at once: the same numbers.
#[test]
fn families_are_combined() {
    #[derive(Debug)]
    struct Streamed(TermsInMemory<f64>);
    impl Terms<f64> for Streamed {
        fn n_rows(&self) -> usize {
            self.0.n_rows()
        }
        fn n_terms(&self) -> usize {
            self.0.n_terms()
        }
        fn values(&self, term: usize) -> kolmo::Result<Vec<f64>> {
            self.0.values(term)
        }
        fn pattern(&self) -> &Arc<Pattern> {
            &self.0.pattern
        }
    }
    let terms = random_terms::<f64>(20, 3, true, 1);
    let theta = [0.5, -2.0, 3.0];
    let expected = terms.combine(&theta).unwrap();
    assert_eq!(Streamed(terms.clone()).combine(&theta).unwrap(), expected);
    assert!(terms.combine(&theta[..2]).is_err() && Streamed(terms).combine(&theta[..2]).is_err());
}

/// bᵀA⁻¹b as the square of a norm, column by column and in blocks.
#[test]
fn half_solves_give_dual_norms() {
    for n in [4, 60] {
        let mut triplets = Vec::new();
        for i in 0..n * n {
            triplets.push((i, i, 4.1));
            for j in [(i % n + 1 < n).then_some(i + 1), (i + n < n * n).then_some(i + n)].into_iter().flatten() {
                triplets.extend([(i, j, -1.0), (j, i, -1.0)]);
            }
        }
        let factor = SparseCholesky::new(&from_triplets(n * n, n * n, &triplets)).unwrap();
        let b = random::<f64>(n * n, 2, 3);
        let (half, whole) = (factor.half_solve(b.as_ref()).unwrap(), factor.solve(b.as_ref()).unwrap());
        let (found, expected) =
            (adjoint_times(half.as_ref(), half.as_ref()), adjoint_times(b.as_ref(), whole.as_ref()));
        assert!(distance(found.as_ref(), expected.as_ref()) < 1e-13);
        assert!(factor.half_solve(Mat::zeros(3, 1).as_ref()).is_err());
    }
}

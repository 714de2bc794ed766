//! Sparse Cholesky factorisation: against dense solves, other numbers on one pattern, what is refused.

use faer::Mat;
use faer::linalg::solvers::Solve;
use kolmo::error::Error;
use kolmo::linalg::sparse::from_triplets;
use kolmo::linalg::sparse_cholesky::SparseCholesky;
use rand::{Rng, SeedableRng, rngs::StdRng};
use sprs::CsMat;

/// Five-point Laplacian of an n x n grid with random conductances and a positive diagonal shift: definite.
fn grid(n: usize, seed: u64) -> CsMat<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut triplets: Vec<(usize, usize, f64)> = (0..n * n).map(|i| (i, i, rng.random_range(0.1..1.0))).collect();
    for i in 0..n * n {
        for j in [(i % n + 1 < n).then_some(i + 1), (i + n < n * n).then_some(i + n)].into_iter().flatten() {
            let k = 10.0_f64.powf(rng.random_range(-2.0..2.0));
            triplets.extend([(i, i, k), (j, j, k), (i, j, -k), (j, i, -k)]);
        }
    }
    from_triplets(n * n, n * n, &triplets)
}

/// Rows tied to nothing.
fn diagonal(values: &[f64]) -> CsMat<f64> {
    let triplets: Vec<_> = values.iter().enumerate().map(|(i, v)| (i, i, *v)).collect();
    from_triplets(values.len(), values.len(), &triplets)
}

fn dense(a: &CsMat<f64>) -> Mat<f64> {
    let mut d = Mat::zeros(a.rows(), a.cols());
    a.iter().for_each(|(v, (i, j))| d[(i, j)] = *v);
    d
}

fn assert_solves(a: &CsMat<f64>, factor: &SparseCholesky) {
    let b = Mat::from_fn(a.rows(), 3, |i, j| ((7 * i + 3 * j) as f64).sin());
    let (x, reference) = (factor.solve(b.as_ref()).unwrap(), dense(a).partial_piv_lu().solve(&b));
    let difference = (&x - &reference).norm_l2() / reference.norm_l2();
    assert!(difference < 1e-12, "{difference:e} from the dense solve");
}

fn refused(outcome: kolmo::Result<SparseCholesky>) -> Error {
    outcome.map(|_| ()).unwrap_err()
}

#[test]
fn solves_to_round_off() {
    for n in [1, 2, 5, 30] {
        let a = grid(n, n as u64);
        let factor = SparseCholesky::new(&a).unwrap();
        assert_eq!(factor.n_rows(), n * n);
        assert_solves(&a, &factor);
        // Columns are rows of a symmetric matrix.
        assert_solves(&a, &SparseCholesky::new(&a.to_csc()).unwrap());
    }
}

/// Fill stays far below the dense triangle: the order of elimination is used.
#[test]
fn fill_is_small() {
    let factor = SparseCholesky::new(&grid(60, 1)).unwrap();
    let dense = 3600 * 3601 / 2;
    assert!(20 * factor.n_entries() < dense, "{} of {dense}", factor.n_entries());
}

#[test]
fn other_numbers_need_no_analysis() {
    let (a, b) = (grid(30, 1), grid(30, 2));
    let first = SparseCholesky::new(&a).unwrap();
    let second = first.refactorize(&b).unwrap();
    assert_solves(&b, &second);
    assert_solves(&a, &first);
    // To the last bit what a new analysis gives.
    let rhs = Mat::from_fn(900, 1, |i, _| i as f64);
    let anew = SparseCholesky::new(&b).unwrap();
    assert_eq!(second.solve(rhs.as_ref()).unwrap(), anew.solve(rhs.as_ref()).unwrap());
}

/// A row tied to nothing fails at itself, wherever it is eliminated: column by column, and in blocks where there is much fill.
#[test]
fn indefinite_matrices_are_refused_with_the_pivot() {
    let pivot_of = |a: &CsMat<f64>| match refused(SparseCholesky::new(a)) {
        Error::NotPositiveDefinite { pivot, .. } => pivot,
        other => panic!("{other}"),
    };
    for bad in [0, 3, 6] {
        let mut values = vec![1.0; 7];
        values[bad] = -1.0;
        assert_eq!(pivot_of(&diagonal(&values)), bad);
        values[bad] = 0.0;
        assert_eq!(pivot_of(&diagonal(&values)), bad);
    }
    let full = |i: usize| (0..400).map(move |j| (i, j, if i == j { 400.0 } else { 0.5 }));
    let full = from_triplets(400, 400, &(0..400).flat_map(full).collect::<Vec<_>>());
    for (matrix, bad) in [(&grid(50, 3), [0, 1234, 2499]), (&full, [0, 123, 399])] {
        for bad in bad {
            let mut triplets: Vec<_> = matrix.iter().map(|(v, (i, j))| (i, j, *v)).collect();
            triplets.retain(|(i, j, _)| *i != bad && *j != bad);
            triplets.push((bad, bad, -1.0));
            assert_eq!(pivot_of(&from_triplets(matrix.rows(), matrix.rows(), &triplets)), bad);
        }
    }
}

/// A failed factorisation leaves the one before as it was.
#[test]
fn indefinite_numbers_on_a_good_pattern_are_refused() {
    let a = grid(30, 1);
    let factor = SparseCholesky::new(&a).unwrap();
    let error = refused(factor.refactorize(&a.map(|v| -v)));
    assert!(matches!(error, Error::NotPositiveDefinite { .. }), "{error}");
    assert_eq!(error.code(), "K101");
    assert_solves(&a, &factor);
}

#[test]
fn other_patterns_are_refused() {
    let factor = SparseCholesky::new(&grid(5, 1)).unwrap();
    let mut triplets: Vec<_> = grid(5, 1).iter().map(|(v, (i, j))| (i, j, *v)).collect();
    triplets.extend([(7, 20, -0.01), (20, 7, -0.01)]);
    let message = refused(factor.refactorize(&from_triplets(25, 25, &triplets))).to_string();
    assert!(message.contains("row 7 with entries in columns [2, 6, 7, 8, 12, 20]"), "{message}");
    assert!(message.contains("[2, 6, 7, 8, 12] of the first matrix"), "{message}");
    let message = refused(factor.refactorize(&grid(6, 1))).to_string();
    assert!(message.contains("found 36; expected 25"), "{message}");
}

#[test]
fn bad_arguments_are_refused() {
    let refusal = |a: &CsMat<f64>| refused(SparseCholesky::new(a)).to_string();
    let message = refusal(&from_triplets(2, 3, &[(0, 0, 1.0), (1, 1, 1.0)]));
    assert!(message.contains("2 x 3"), "{message}");
    let message = refusal(&CsMat::zero((0, 0)));
    assert!(message.contains("0 x 0"), "{message}");
    let message = refusal(&from_triplets(2, 2, &[(0, 0, 1.0), (1, 1, 1.0), (0, 1, 0.5)]));
    assert!(message.contains("entries (0, 1) and (1, 0) that differ"), "{message}");
    let message = refusal(&diagonal(&[1.0, f64::NAN]));
    assert!(message.contains("entry (1, 1)"), "{message}");
    let factor = SparseCholesky::new(&diagonal(&[1.0, 2.0])).unwrap();
    let message = factor.solve(Mat::zeros(3, 1).as_ref()).unwrap_err().to_string();
    assert!(message.contains("found 3; expected 2"), "{message}");
}

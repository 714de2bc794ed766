//! Tall matrices and what is built on them, against slow, obvious references; on any number of threads and ranks.

use faer::{Mat, MatRef};
use kolmo::comm::run_on_threads;
use kolmo::linalg::dense;
use kolmo::linalg::gram_schmidt::gram_schmidt;
use kolmo::linalg::inner_product::{InnerProduct, orthonormality, orthonormalize};
use kolmo::linalg::randomized_svd::randomized_svd;
use kolmo::linalg::sparse::{self, from_nalgebra, from_triplets, to_nalgebra, with_faer};
use kolmo::linalg::tall::{Layout, TallMatrix, gather_rows};
use kolmo::linalg::tsqr::{tsqr, weighted_tsqr};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sprs::CsMat;

pub fn random(m: usize, n: usize, seed: u64) -> Mat<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    Mat::from_fn(m, n, |_, _| rng.random_range(-1.0..1.0))
}

pub fn tall(x: &Mat<f64>) -> TallMatrix {
    TallMatrix::new(Layout::serial(x.nrows()), x.clone()).unwrap()
}

/// P1 mass matrix of a chain of intervals of different lengths.
pub fn chain(n: usize) -> CsMat<f64> {
    let mut triplets = Vec::new();
    for i in 0..n - 1 {
        let h = 1.0 + 0.3 * (i % 7) as f64;
        for (a, b, v) in [(0, 0, 2.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 2.0)] {
            triplets.push((i + a, i + b, v * h / 6.0));
        }
    }
    from_triplets(n, n, &triplets)
}

fn dense_of(m: &InnerProduct, n: usize) -> Mat<f64> {
    match m {
        InnerProduct::Euclidean => Mat::identity(n, n),
        InnerProduct::Diagonal(w) => Mat::from_fn(n, n, |i, j| if i == j { w[i] } else { 0.0 }),
        InnerProduct::Sparse(m) => Mat::from_fn(n, n, |i, j| m.get(i, j).copied().unwrap_or(0.0)),
        InnerProduct::Components(m, k) => {
            Mat::from_fn(n, n, |i, j| if i % k == j % k { m.get(i / k, j / k).copied().unwrap_or(0.0) } else { 0.0 })
        }
    }
}

/// Σ a_ki b_kj, entry by entry.
fn slow_cross(a: MatRef<'_, f64>, m: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let n = a.nrows();
    let entry = |i: usize, j: usize| {
        let row = |k: usize| (0..n).map(|l| m[(k, l)] * b[(l, j)]).sum::<f64>();
        (0..n).map(|k| a[(k, i)] * row(k)).sum::<f64>()
    };
    Mat::from_fn(a.ncols(), b.ncols(), entry)
}

/// One of each kind, n even.
fn products(n: usize) -> [InnerProduct; 4] {
    let weights = (0..n).map(|i| (1 + i % 5) as f64).collect();
    let components = InnerProduct::Components(chain(n / 2), 2);
    [InnerProduct::Euclidean, InnerProduct::Diagonal(weights), InnerProduct::Sparse(chain(n)), components]
}

fn off(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (a - b).norm_max()
}

#[test]
fn products_agree_with_sums_entry_by_entry() {
    let (a, b) = (random(60, 4, 1), random(60, 3, 2));
    for m in products(60) {
        let full = dense_of(&m, 60);
        let (ta, tb) = (tall(&a), tall(&b));
        assert!(off(&m.cross(&ta, &tb), &slow_cross(a.as_ref(), full.as_ref(), b.as_ref())) < 1e-12);
        let gram = slow_cross(a.as_ref(), full.as_ref(), a.as_ref());
        assert!(off(&m.gram(&ta), &gram) < 1e-12);
        let norms = m.norms(&ta);
        assert!((0..4).all(|j| (norms[j] - gram[(j, j)].sqrt()).abs() < 1e-12));
    }
    let c = random(4, 6, 3);
    assert!(off(&tall(&a).mul_small(c.as_ref()).into_local(), &dense::mul(a.as_ref(), c.as_ref())) < 1e-14);
    assert!(off(&tall(&a).tr_mul(&tall(&b)).unwrap(), &dense::mul(a.transpose(), b.as_ref())) < 1e-13);
    assert!(tall(&a).tr_mul(&tall(&random(59, 2, 0))).is_err());
    assert_eq!(tall(&a).row(17), (0..4).map(|j| a[(17, j)]).collect::<Vec<_>>());
}

#[test]
fn the_largest_entry_is_that_of_the_lowest_row_on_ties() {
    let mut x = random(20_000, 1, 4);
    x[(777, 0)] = -3.0;
    x[(15_000, 0)] = 3.0 * (1.0 + 1e-15);
    assert_eq!(tall(&x).argmax_abs(0), (-3.0, 777));
    assert_eq!(tall(&Mat::zeros(5, 1)).argmax_abs(0).0, 0.0);
}

#[test]
fn r_of_a_tall_matrix() {
    for (m, n) in [(20_000, 7), (8192, 5), (8193, 5), (3, 5), (1, 1), (0, 4), (40_000, 1)] {
        let x = random(m, n, m as u64);
        let r = tsqr(&tall(&x));
        assert_eq!((r.nrows(), r.ncols()), (n, n));
        assert!((0..n).all(|j| (j + 1..n).all(|i| r[(i, j)] == 0.0)), "upper triangular");
        assert!(off(&dense::mul(r.transpose(), r.as_ref()), &tall(&x).gram()) <= 1e-12 * m.max(1) as f64);
        let w: Vec<f64> = (0..m).map(|i| 0.5 + (i % 3) as f64).collect();
        let r = weighted_tsqr(&tall(&x), Some(&w));
        let scaled = Mat::from_fn(m, n, |i, j| w[i] * x[(i, j)]);
        assert!(off(&dense::mul(r.transpose(), r.as_ref()), &tall(&scaled).gram()) <= 1e-11 * m.max(1) as f64);
    }
}

/// Everything that sums over rows, at once.
fn all_sums(x: &TallMatrix, m: &InnerProduct) -> Vec<Mat<f64>> {
    let norms = m.norms(x);
    let column = Mat::from_fn(norms.len(), 1, |i, _| norms[i]);
    vec![x.gram(), m.gram(x), m.cross(x, x), column, tsqr(x), x.tr_mul(x).unwrap()]
}

#[test]
fn sums_over_rows_are_equal_to_the_bit_on_threads_and_ranks() {
    let (n_entities, n_components, n) = (30_001, 2, 5);
    let m = n_entities * n_components;
    let x = random(m, n, 9);
    let whole = Layout::even(n_entities, n_components, std::sync::Arc::new(kolmo::comm::SingleComm));
    for product in products(m) {
        let serial = TallMatrix::new(whole.clone(), x.clone()).unwrap();
        let expected = all_sums(&serial, &product);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert!(pool.install(|| all_sums(&serial, &product)) == expected, "one thread");
        for size in [1, 2, 3, 7] {
            run_on_threads(size, |comm| {
                let even = Layout::even(n_entities, n_components, comm);
                let (layout, part) = product.of_rank(&even).unwrap();
                let rows = layout.rows();
                let local = TallMatrix::new(layout, Mat::from_fn(rows.len(), n, |i, j| x[(rows[i], j)])).unwrap();
                part.check(rows.len()).unwrap();
                assert!(all_sums(&local, &part) == expected, "{size} ranks");
                assert_eq!(local.argmax_abs(2), serial.argmax_abs(2));
                assert_eq!(local.row(40_000), serial.row(40_000));
            });
        }
    }
}

#[test]
fn ranks_that_begin_inside_blocks_agree_to_round_off() {
    let x = random(20_000, 4, 5);
    let expected = tall(&x).gram();
    for offsets in [vec![0, 5, 20_000], vec![0, 0, 9000], vec![0, 12_345, 20_000]] {
        let m = offsets[2];
        let expected = if m == 20_000 { expected.clone() } else { tall(&x.subrows(0, m).to_owned()).gram() };
        run_on_threads(2, |comm| {
            let layout = Layout::from_offsets(offsets.clone(), comm).unwrap();
            let range = layout.local_range();
            let local = TallMatrix::new(layout, x.subrows(range.start, range.len()).to_owned()).unwrap();
            assert!(off(&local.gram(), &expected) < 1e-11);
            let r = tsqr(&local);
            assert!(off(&dense::mul(r.transpose(), r.as_ref()), &expected) < 1e-11);
        });
    }
}

#[test]
fn rows_are_gathered_where_they_belong() {
    let all = run_on_threads(3, |comm| {
        // Row 4 is on two ranks.
        let rows = [vec![0, 4], vec![3], vec![4, 1]][comm.rank()].clone();
        let local = Mat::from_fn(rows.len(), 2, |i, j| (10 * rows[i] + j) as f64);
        gather_rows(comm.as_ref(), &rows, local.as_ref(), 5)
    });
    let expected = Mat::from_fn(5, 2, |i, j| if i == 2 { 0.0 } else { (10 * i + j) as f64 });
    assert!(all.iter().all(|m| *m == expected));
}

#[test]
fn orthonormal_columns_in_every_inner_product() {
    for m in products(9000) {
        // Condition 1e8: more than a Gram matrix survives.
        let x = random(9000, 6, 3);
        let x = Mat::from_fn(9000, 6, |i, j| x[(i, 0)] + 1e-8 * x[(i, j)] * j as f64);
        let q = orthonormalize(&tall(&x), &m).unwrap();
        let after = orthonormalize(&q, &m).unwrap();
        println!("orthonormality {:.1e}, again {:.1e}", orthonormality(&q, &m), orthonormality(&after, &m));
        assert!(orthonormality(&after, &m) < 1e-13);
    }
    let indefinite = from_triplets(3, 3, &[(0, 0, 1.0), (1, 1, -1.0), (2, 2, 1.0)]);
    assert!(orthonormalize(&tall(&Mat::identity(3, 2)), &InnerProduct::Sparse(indefinite)).is_err());
}

#[test]
fn gram_schmidt_extends_a_basis_and_drops_dependent_columns() {
    for m in products(9000) {
        let x = random(9000, 5, 6);
        let (basis, kept) = gram_schmidt(None, &tall(&x.subcols(0, 2).to_owned()), &m, 1e-10).unwrap();
        assert_eq!((basis.n_columns(), kept), (2, vec![0, 1]));
        // A dependent column, a nearly dependent one, a new one, zero.
        let new = Mat::from_fn(9000, 4, |i, j| match j {
            0 => 2.0 * x[(i, 0)] - x[(i, 1)],
            1 => x[(i, 0)] + 1e-6 * x[(i, 2)],
            2 => x[(i, 3)],
            _ => 0.0,
        });
        let (basis, kept) = gram_schmidt(Some(&basis), &tall(&new), &m, 1e-10).unwrap();
        assert_eq!(kept, vec![1, 2]);
        assert!(orthonormality(&basis, &m) < 1e-13, "{}", orthonormality(&basis, &m));
        // What was kept lies in the span.
        let c = m.cross(&basis, &tall(&new));
        let missed = tall(&(new - basis.mul_small(c.as_ref()).local()));
        assert!(m.norms(&missed).iter().all(|e| *e < 1e-10 * 9000.0));
    }
}

#[test]
fn randomized_svd_states_what_it_misses() {
    let (m, n, k) = (9000, 60, 8);
    let u = orthonormalize(&tall(&random(m, n, 1)), &InnerProduct::Euclidean).unwrap();
    let v = orthonormalize(&tall(&random(n, n, 2)), &InnerProduct::Euclidean).unwrap();
    let sigma = |j: usize| 0.5f64.powi(j as i32);
    let scaled = Mat::from_fn(n, n, |i, j| sigma(i) * v.local()[(j, i)]);
    let x = u.mul_small(scaled.as_ref());
    for product in products(m) {
        let svd = randomized_svd(&x, &product, k, 3).unwrap();
        let c = product.cross(&svd.left, &x);
        let missed = TallMatrix::new(x.layout().clone(), x.local() - svd.left.mul_small(c.as_ref()).local()).unwrap();
        let truth = product.norms(&missed).iter().map(|e| e * e).sum::<f64>().sqrt();
        assert!((svd.error - truth).abs() <= 1e-6 * truth, "{} and {truth}", svd.error);
        assert!(orthonormality(&svd.left, &product) < 1e-12);
        if let InnerProduct::Euclidean = product {
            assert!((0..k).all(|j| (svd.sigma[j] - sigma(j)).abs() < 1e-6 * sigma(j)), "{:?}", svd.sigma);
        }
        let again = randomized_svd(&x, &product, k, 3).unwrap();
        assert!(again.sigma == svd.sigma && again.left.local() == svd.left.local(), "the seed decides");
    }
    // Fewer columns than asked for, and a matrix of rank 1.
    let one = tall(&Mat::from_fn(50, 4, |i, j| (i + 1) as f64 * (j + 1) as f64));
    let svd = randomized_svd(&one, &InnerProduct::Euclidean, 4, 0).unwrap();
    assert!((svd.sigma[0] - one.norms().iter().map(|v| v * v).sum::<f64>().sqrt()).abs() < 1e-9);
}

#[test]
fn sparse_matrices_convert_and_multiply() {
    let m = from_triplets(3, 4, &[(0, 3, 2.0), (2, 1, -1.0), (0, 0, 1.0), (2, 1, 0.5)]);
    assert_eq!((m.nnz(), m.get(2, 1), m.get(0, 3)), (3, Some(&-0.5), Some(&2.0)));
    assert_eq!(from_nalgebra(to_nalgebra(&m).unwrap()), m);
    let x = random(4, 2, 1);
    let y = sparse::mul(&m, x.as_ref());
    assert!(off(&y, &Mat::from_fn(3, 2, |i, j| (0..4).map(|k| m.get(i, k).unwrap_or(&0.0) * x[(k, j)]).sum())) < 1e-15);
    assert_eq!(sparse::mul_rows(&m, x.as_ref(), 2..3), y.subrows(2, 1).to_owned());
    let chain = chain(50);
    let sum = with_faer(&chain, |f| f.to_dense().as_ref().sum());
    assert!((sum - chain.data().iter().sum::<f64>()).abs() < 1e-12);
}

#[test]
fn wrong_inner_products_are_refused() {
    let bad = from_triplets(3, 3, &[(0, 0, 1.0), (1, 1, 1.0), (2, 2, 1.0), (0, 1, 0.5), (1, 0, 0.4)]);
    for (product, n_local, word) in [
        (InnerProduct::Diagonal(vec![1.0, -1.0]), 2, "weight 1"),
        (InnerProduct::Diagonal(vec![1.0, f64::NAN]), 2, "weight 1"),
        (InnerProduct::Diagonal(vec![1.0]), 2, "weights"),
        (InnerProduct::Sparse(bad), 3, "(0, 1)"),
        (InnerProduct::Sparse(chain(4)), 3, "shape"),
    ] {
        let message = product.check(n_local).unwrap_err().to_string();
        assert!(message.contains(word), "{message}");
    }
    assert!(TallMatrix::new(Layout::serial(4), Mat::zeros(3, 1)).is_err());
}

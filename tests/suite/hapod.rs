//! Hierarchical approximate POD: the promised mean error, measured on random trees in all inner products.

use crate::linalg::{chain, tall};
use faer::Mat;
use kolmo::algorithms::hapod::{Hapod, HapodOptions, Load, Tree, hapod, hapod_over_ranks};
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::comm::run_on_threads;
use kolmo::error::{Error, Result};
use kolmo::linalg::inner_product::{InnerProduct, orthonormality};
use kolmo::linalg::tall::{Layout, TallMatrix, gather_rows};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::ops::Range;

/// Bumps that wander and change their width, one per column.
fn bumps(n: usize, m: usize, rng: &mut StdRng) -> Mat<f64> {
    let shapes: Vec<[f64; 3]> = (0..m)
        .map(|_| [rng.random_range(0.2..0.8), rng.random_range(0.05..0.3), rng.random_range(0.1..10.0)])
        .collect();
    Mat::from_fn(n, m, |i, j| {
        let [centre, width, height] = shapes[j];
        height * (-((i as f64 / n as f64 - centre) / width).powi(2)).exp()
    })
}

/// A tree over the columns of a matrix: leaves of any size, nodes of 1 to 4 children, uneven depths.
fn random_tree<'a>(a: &'a Mat<f64>, columns: Range<usize>, rng: &mut StdRng, depth: usize) -> Tree<'a> {
    let n = columns.len();
    if depth == 0 || n < 2 || rng.random_bool(0.25) {
        return Tree::Leaf(load(a, columns));
    }
    let mut cuts: Vec<usize> = (0..rng.random_range(0..4)).map(|_| columns.start + rng.random_range(0..=n)).collect();
    cuts.extend([columns.start, columns.end]);
    cuts.sort_unstable();
    Tree::Node(cuts.windows(2).map(|w| random_tree(a, w[0]..w[1], rng, depth - 1)).collect())
}

fn load(a: &Mat<f64>, columns: Range<usize>) -> Load<'_> {
    Box::new(move || Ok(tall(&a.as_ref().subcols(columns.start, columns.len()).to_owned())))
}

/// sqrt(1/n Σ ||u - V Vᵀ M u||²), by subtraction.
fn mean_error(a: &Mat<f64>, m: &InnerProduct, found: &Hapod) -> f64 {
    let a = tall(a);
    let mut missed = a.clone();
    missed.subtract_product(&found.basis, m.cross(&found.basis, &a).as_ref()).unwrap();
    (m.norms(&missed).iter().map(|v| v * v).sum::<f64>() / a.n_columns() as f64).sqrt()
}

fn size_of(a: &Mat<f64>, m: &InnerProduct) -> f64 {
    (m.norms(&tall(a)).iter().map(|v| v * v).sum::<f64>() / a.ncols() as f64).sqrt()
}

#[test]
fn the_mean_error_is_kept_on_twenty_random_trees() {
    let n = 300;
    let (mut used, mut depths) = (0.0_f64, 0);
    for case in 0..20 {
        let mut rng = StdRng::seed_from_u64(case);
        let a = bumps(n, rng.random_range(5..80), &mut rng);
        let m = match case % 3 {
            0 => InnerProduct::Euclidean,
            1 => InnerProduct::Diagonal((0..n).map(|_| rng.random_range(0.1..3.0)).collect()),
            _ => InnerProduct::Sparse(chain(n)),
        };
        let error = size_of(&a, &m) * 10f64.powf(rng.random_range(-7.0..-0.5));
        let options = HapodOptions { error, omega: rng.random_range(0.05..0.95), ..HapodOptions::default() };
        let tree = random_tree(&a, 0..a.ncols(), &mut rng, 5);
        depths += tree.depth();
        let found = hapod(tree, &m, &options).unwrap();
        let truth = mean_error(&a, &m, &found);
        assert!(truth <= error, "case {case}: {truth:e} where {error:e} was promised");
        used = used.max(truth / error);
        assert_eq!(found.n_snapshots, a.ncols());
        assert!(orthonormality(&found.basis, &m) < 1e-12);
        // No more modes than one POD of all for omega times the error.
        let best = PodOptions {
            truncation: Truncation::Tolerance(options.omega * error / size_of(&a, &m)),
            algorithm: Algorithm::Tsqr,
            ..PodOptions::default()
        };
        assert!(found.basis.n_columns() <= pod(&tall(&a), &m, &best).unwrap().n_modes(), "case {case}");
    }
    println!(
        "depths {} on average; the tree with the largest error used {:.0} % of the bound",
        depths / 20,
        100.0 * used
    );
    assert!(depths > 40, "the trees are flat");
    assert!(used > 0.1, "a bound that is never near is not tested");
}

#[test]
fn the_shapes_of_streams_and_of_ranks() {
    let mut rng = StdRng::seed_from_u64(100);
    let a = bumps(400, 90, &mut rng);
    let m = InnerProduct::Sparse(chain(400));
    let error = 1e-4 * size_of(&a, &m);
    let options = HapodOptions { error, ..HapodOptions::default() };
    let leaves = || (0..90).step_by(9).map(|j| load(&a, j..j + 9)).collect();
    let one = hapod(Tree::leaf(&tall(&a)), &m, &options).unwrap();
    let whole =
        pod(&tall(&a), &m, &PodOptions { truncation: Truncation::Tolerance(1e-4), ..PodOptions::default() }).unwrap();
    assert_eq!(one.basis.n_columns(), whole.n_modes(), "a leaf alone is one POD");
    for (tree, depth) in [(Tree::distributed(leaves()), 2), (Tree::incremental(leaves()), 10)] {
        assert_eq!(tree.depth(), depth);
        let found = hapod(tree, &m, &options).unwrap();
        assert!(mean_error(&a, &m, &found) <= error);
        assert!(found.largest < 90, "{} columns at once", found.largest);
        for j in 0..5 {
            assert!((found.singular_values[j] / whole.singular_values[j] - 1.0).abs() < 1e-4);
        }
    }
}

#[test]
fn ranks_agree() {
    let mut rng = StdRng::seed_from_u64(200);
    let (n, m) = (20_000, 24);
    let a = bumps(n, m, &mut rng);
    let options = HapodOptions { error: 1e-3 * size_of(&a, &InnerProduct::Euclidean), ..HapodOptions::default() };
    let leaves = (0..m).step_by(6).map(|j| load(&a, j..j + 6)).collect();
    let expected = hapod(Tree::distributed(leaves), &InnerProduct::Euclidean, &options).unwrap();
    for size in [2, 3] {
        run_on_threads(size, |comm| {
            let layout = Layout::even(n, 1, comm);
            let own = layout.local_range();
            let block = |from: usize| -> Load<'_> {
                let layout = layout.clone();
                let local = a.as_ref().submatrix(own.start, from, own.len(), 6).to_owned();
                Box::new(move || TallMatrix::new(layout, local))
            };
            let tree = Tree::distributed((0..m).step_by(6).map(block).collect());
            let found = hapod(tree, &InnerProduct::Euclidean, &options).unwrap();
            assert_eq!(found.singular_values, expected.singular_values);
        });
    }
}

#[test]
fn ranks_with_snapshots_of_their_own_keep_the_mean_error() {
    let mut rng = StdRng::seed_from_u64(201);
    let (n, m) = (20_000, 24);
    let a = bumps(n, m, &mut rng);
    let weights = InnerProduct::Diagonal((0..n).map(|_| rng.random_range(0.1..3.0)).collect());
    for product in [InnerProduct::Euclidean, weights, InnerProduct::Sparse(chain(n))] {
        for (size, error) in [(1, 1e-3), (2, 1e-3), (3, 1e-2), (5, 1e-6)] {
            let options = HapodOptions { error: error * size_of(&a, &product), ..HapodOptions::default() };
            // The last rank has no snapshots; the leaves of the same tree in one process.
            let cuts: Vec<usize> = (0..=size).map(|r| (m * r / (size - 1).max(1)).min(m)).collect();
            let leaves = cuts.windows(2).filter(|w| w[1] > w[0]).map(|w| load(&a, w[0]..w[1])).collect();
            let expected = match size {
                1 => hapod(Tree::leaf(&tall(&a)), &product, &options).unwrap(),
                _ => hapod(Tree::distributed(leaves), &product, &options).unwrap(),
            };
            run_on_threads(size, |comm| {
                let (from, to) = (cuts[comm.rank()], cuts[comm.rank() + 1]);
                let own = tall(&a.as_ref().subcols(from, to - from).to_owned());
                let found = hapod_over_ranks(own, &product, &comm, &options).unwrap();
                assert_eq!((found.n_snapshots, found.largest), (m, expected.largest));
                assert_eq!(found.basis.n_columns(), expected.basis.n_columns());
                let largest = expected.singular_values[0];
                for (a, b) in found.singular_values.iter().zip(&expected.singular_values) {
                    assert!((a - b).abs() <= 1e-13 * largest, "{a:e} {b:e}");
                }
                let rows: Vec<usize> = found.basis.layout().local_range().collect();
                let local = gather_rows(comm.as_ref(), &rows, found.basis.owned(), n);
                let whole = Hapod { basis: tall(&local), ..found };
                let truth = mean_error(&a, &product, &whole);
                assert!(truth <= options.error, "{truth:e} where {:e} was promised", options.error);
                assert!(orthonormality(&whole.basis, &product) < 1e-12);
            });
        }
    }
}

#[test]
fn ranks_that_do_not_fit_together_are_refused_on_all() {
    let refused = |rows: [usize; 2], columns: [usize; 2]| {
        let found = run_on_threads(2, |comm| {
            let own = tall(&Mat::from_fn(rows[comm.rank()], columns[comm.rank()], |i, j| (i + 2 * j) as f64));
            let options = HapodOptions::default();
            hapod_over_ranks(own, &InnerProduct::Euclidean, &comm, &options).map(|_| ()).unwrap_err().to_string()
        });
        found.join("\n")
    };
    let text = refused([9, 7], [2, 2]);
    assert!(text.contains("rows of the snapshots of a rank") && text.contains('9') && text.contains('7'), "{text}");
    assert!(refused([9, 9], [0, 0]).contains("snapshots of all ranks"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut rng = StdRng::seed_from_u64(300);
    let a = bumps(50, 6, &mut rng);
    let run = |tree: Tree<'_>, options: &HapodOptions| hapod(tree, &InnerProduct::Euclidean, options);
    let good = HapodOptions::default();
    for options in [
        HapodOptions { error: -1.0, ..good },
        HapodOptions { error: f64::NAN, ..good },
        HapodOptions { omega: 0.0, ..good },
        HapodOptions { omega: 1.0, ..good },
        HapodOptions { algorithm: Algorithm::Randomized, ..good },
    ] {
        assert!(run(Tree::leaf(&tall(&a)), &options).is_err(), "{options:?}");
    }
    assert!(run(Tree::Node(vec![]), &good).is_err());
    assert!(run(Tree::incremental(vec![]), &good).is_err());
    let lost =
        || -> Result<TallMatrix> { Err(Error::input("K001", "lost.h5", "", "no such file", "a file", "find it")) };
    let tree = Tree::distributed(vec![load(&a, 0..3), Box::new(lost)]);
    assert_eq!(run(tree, &good).unwrap_err().code(), "K001");
    let b = bumps(49, 3, &mut rng);
    assert!(run(Tree::distributed(vec![load(&a, 0..3), load(&b, 0..3)]), &good).is_err());
    // All below the error: no modes, which is right.
    let all = HapodOptions { error: 1e3, ..good };
    assert_eq!(run(Tree::leaf(&tall(&a)), &all).unwrap().basis.n_columns(), 0);
    let exact = HapodOptions { error: 0.0, ..good };
    let found = run(Tree::distributed(vec![load(&a, 0..3), load(&a, 3..6)]), &exact).unwrap();
    assert!(mean_error(&a, &InnerProduct::Euclidean, &found) < 1e-12);
}

//! The communicator and what is shared out over it, on the ranks that `mpirun` starts (tests/mpirun.sh): every rank
//! compares with the serial answer. Plain `cargo test` runs it on one rank.

use faer::Mat;
use kolmo::algorithms::coercivity::multipliers::Workspace;
use kolmo::algorithms::deim::deim;
use kolmo::algorithms::eim::{EimOptions, Norm, eim};
use kolmo::algorithms::hapod::{HapodOptions, hapod_over_ranks};
use kolmo::algorithms::pod::{Algorithm, PodOptions, Truncation, pod};
use kolmo::algorithms::q_deim::q_deim;
use kolmo::comm::mpi::{MpiComm, finish};
use kolmo::comm::{Communicator, agree};
use kolmo::error::Error;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::symmetric_pencil::SymmetricPencil;
use kolmo::linalg::tall::{Layout, TallMatrix, gather_rows};
use kolmo::linalg::terms::{Pattern, TermsInMemory};
use kolmo::offline::coercivity::{ScmOptions, successive_constraint_method};
use sprs::{CsMat, TriMat};
use std::sync::Arc;

fn main() {
    let outcome = std::panic::catch_unwind(|| {
        let comm: Arc<dyn Communicator> = Arc::new(MpiComm::world().expect("MPI starts"));
        collectives(comm.as_ref());
        errors(comm.as_ref());
        decompositions(&comm);
        points(&comm);
        stability(comm.as_ref());
        leaves(&comm);
        if comm.rank() == 0 {
            println!("mpi: {} ranks, all right", comm.size());
        }
    });
    if outcome.is_err() {
        kolmo::comm::mpi::abort(1);
        std::process::exit(1);
    }
    finish();
}

fn collectives(comm: &dyn Communicator) {
    let (rank, size) = (comm.rank(), comm.size());
    let mut sum = [0.1 * (rank + 1) as f64, 1e16, rank as f64];
    comm.all_sum(&mut sum);
    let expected = tree_sum((0..size).map(|r| 0.1 * (r + 1) as f64).collect());
    assert_eq!(sum[0].to_bits(), expected.to_bits(), "added along the tree");
    assert_eq!(sum[2], (size * (size - 1) / 2) as f64);
    let own = vec![rank as f64; 2 * rank];
    let all = comm.all_gather(&own);
    (0..size).for_each(|r| assert_eq!(all[r], vec![r as f64; 2 * r]));
    for root in 0..size {
        let mut values = if rank == root { [3.0, root as f64] } else { [f64::NAN; 2] };
        comm.broadcast(&mut values, root);
        assert_eq!(values, [3.0, root as f64]);
    }
    assert_eq!(comm.all_argmax(rank as f64, 10 + rank), ((size - 1) as f64, 9 + size));
    assert_eq!(comm.all_argmax(1.0, 10 + rank), (1.0, 10), "the lowest index on ties");
    assert_eq!(comm.all_argmax(if rank == 0 { 2.0 } else { f64::NAN }, rank), (2.0, 0));
}

/// Neighbours first, then their sums: how ranks add.
fn tree_sum(mut values: Vec<f64>) -> f64 {
    while values.len() > 1 {
        values = values.chunks(2).map(|pair| pair.iter().sum()).collect();
    }
    values[0]
}

fn errors(comm: &dyn Communicator) {
    let last = comm.size() - 1;
    let local = match comm.rank() == last {
        true => Err(Error::input("K004", "train.h5", "sample 3", "NaN", "a number", "mend it")),
        false => Ok(()),
    };
    let error = agree(comm, local).expect_err("an error on one rank is an error on all");
    assert_eq!((error.code(), error.exit_code()), ("K004", 2));
    assert!(error.to_string().contains("sample 3"), "{error}");
    assert_eq!(agree(comm, Ok(7)).expect("no error"), 7);
}

/// P1 mass matrix of a chain of intervals.
fn mass(n: usize) -> CsMat<f64> {
    let mut m = TriMat::new((n, n));
    for i in 0..n - 1 {
        let h = 1.0 + 0.3 * (i % 7) as f64;
        for (a, b, v) in [(0, 0, 2.0), (0, 1, 1.0), (1, 0, 1.0), (1, 1, 2.0)] {
            m.add_triplet(i + a, i + b, v * h / 6.0);
        }
    }
    m.to_csr()
}

fn decompositions(comm: &Arc<dyn Communicator>) {
    let (m, n) = (40_000, 12);
    let entry = |i: usize, j: usize| {
        let x = i as f64 / m as f64;
        (-(3.0 * x - j as f64 / 4.0).powi(2)).exp() + 1e-6 * (40.0 * x * (j + 1) as f64).sin()
    };
    let matrix = mass(m);
    let weights: Vec<f64> = (0..m).map(|i| 1.0 + (i % 5) as f64).collect();
    let serial = TallMatrix::new(Layout::serial(m), Mat::from_fn(m, n, entry)).expect("fits");
    for way in [Algorithm::Tsqr, Algorithm::Gram] {
        for kind in 0..3 {
            let options = PodOptions { truncation: Truncation::Modes(5), algorithm: way, ..PodOptions::default() };
            let whole = [
                InnerProduct::Euclidean,
                InnerProduct::Diagonal(weights.clone()),
                InnerProduct::Sparse(matrix.clone()),
            ];
            let expected = pod(&serial, &whole[kind], &options).expect("serial POD");
            let even = Layout::even(m, 1, comm.clone());
            let (layout, part) = whole[kind].of_rank(&even).expect("rows of others");
            let rows = layout.rows();
            let local = Mat::from_fn(rows.len(), n, |i, j| entry(rows[i], j));
            let snapshots = TallMatrix::new(layout.clone(), local).expect("fits");
            let found = pod(&snapshots, &part, &options).expect("POD on ranks");
            assert_eq!(found.singular_values, expected.singular_values, "{way:?} {kind}");
            let own: Vec<usize> = layout.local_range().collect();
            let basis = gather_rows(comm.as_ref(), &own, found.basis.owned(), m);
            assert_eq!(basis, expected.basis.local(), "{way:?} {kind}");
        }
    }
}

/// Each rank is a leaf of a tree of PODs: the mean error is kept.
fn leaves(comm: &Arc<dyn Communicator>) {
    let (m, n_own) = (20_000, 6);
    let (first, size) = (n_own * comm.rank(), comm.size());
    let entry =
        |i: usize, j: usize| (-(((i as f64 / m as f64) - 0.2 - 0.5 * (0.618 * j as f64).fract()) / 0.1).powi(2)).exp();
    let block = |rows: &[usize], columns: std::ops::Range<usize>| {
        Mat::from_fn(rows.len(), columns.len(), |i, j| entry(rows[i], columns.start + j))
    };
    let all: Vec<usize> = (0..m).collect();
    let own = TallMatrix::new(Layout::serial(m), block(&all, first..first + n_own)).expect("fits");
    let options = HapodOptions { error: 1e-2, ..HapodOptions::default() };
    let found = hapod_over_ranks(own, &InnerProduct::Sparse(mass(m)), comm, &options).expect("a tree over ranks");
    assert_eq!(found.n_snapshots, n_own * size);
    let (layout, product) =
        InnerProduct::Sparse(mass(m)).of_rank(&Layout::even(m, 1, comm.clone())).expect("rows of others");
    let x = TallMatrix::new(layout.clone(), block(&layout.rows(), 0..n_own * size)).expect("fits");
    let mut missed = x.clone();
    missed.subtract_product(&found.basis, product.cross(&found.basis, &x).as_ref()).expect("fits");
    let squares: f64 = product.norms(&missed).iter().map(|v| v * v).sum();
    let truth = (squares / (n_own * size) as f64).sqrt();
    assert!(truth > 0.0 && truth <= options.error, "{truth:e} where {:e} was promised", options.error);
}

/// The columns and points of one rank.
fn points(comm: &Arc<dyn Communicator>) {
    let (m, n) = (40_000, 30);
    let entry = |i: usize, j: usize| {
        let x = 3.0 * i as f64 / m as f64 - (j * 7 % n) as f64 / 10.0;
        (-x * x).exp() * (4.0 * x).cos()
    };
    let serial = TallMatrix::new(Layout::serial(m), Mat::from_fn(m, n, entry)).expect("fits");
    for layout in [
        Layout::even(m, 1, comm.clone()),
        Layout::from_offsets((0..=comm.size()).map(|r| m * r * r / comm.size().pow(2)).collect(), comm.clone())
            .expect("fits"),
    ] {
        let rows = layout.rows();
        let x = TallMatrix::new(layout, Mat::from_fn(rows.len(), n, |i, j| entry(rows[i], j))).expect("fits");
        for norm in [Norm::Maximum, Norm::L2(InnerProduct::Euclidean)] {
            let options = EimOptions { tolerance: 1e-10, norm, ..EimOptions::default() };
            let (expected, found) =
                (eim(&serial, &options).expect("serial EIM"), eim(&x, &options).expect("EIM on ranks"));
            assert_eq!((&found.columns, &found.points), (&expected.columns, &expected.points));
            assert_eq!((&found.lower, &found.upper), (&expected.lower, &expected.upper));
        }
        let leading = |x: &TallMatrix| x.mul_small(Mat::identity(n, 8).as_ref());
        for way in [deim, q_deim] {
            let expected = way(&leading(&serial)).expect("serial points");
            assert_eq!(way(&leading(&x)).expect("points on ranks"), expected);
        }
    }
}

/// Bounds of stability constants: each rank trains alone, all have the same bits.
fn stability(comm: &dyn Communicator) {
    let n = 3_000;
    let columns = |i: usize| i.saturating_sub(1)..(i + 2).min(n);
    let mut indptr = vec![0];
    (0..n).for_each(|i| indptr.push(indptr[i] + columns(i).len()));
    // A chain of springs; the first third has its own stiffness.
    let term = |of: fn(usize) -> bool| {
        let spring = |i: usize| if of(i) { 1.0 } else { 0.0 };
        let entry = |i: usize, j: usize| if i == j { spring(i) + spring(i + 1) } else { -spring(i.max(j)) };
        (0..n).flat_map(|i| columns(i).map(move |j| entry(i, j))).collect::<Vec<f64>>()
    };
    let values = vec![term(|i| i < 1_000), term(|i| i >= 1_000)];
    let indices = (0..n).flat_map(columns).collect();
    let terms = TermsInMemory { pattern: Arc::new(Pattern::Sparse { indptr, indices }), values };
    let pencil = SymmetricPencil::new(&terms, &InnerProduct::Euclidean).expect("a pencil");
    let training = Mat::from_fn(2, 30, |q, j| 0.1 + ((7 * j + 13 * q) % 30) as f64 / 30.0);
    let (model, _) =
        successive_constraint_method(&pencil, training.as_ref(), &ScmOptions::default()).expect("constraints");
    let mut memory = Workspace::default();
    let mut own = Vec::new();
    for j in 0..30 {
        let bounds = model.bounds(&[0.2 + 0.02 * j as f64, 0.9 - 0.02 * j as f64], &mut memory).expect("bounds");
        assert!(bounds.lower <= bounds.upper && bounds.upper > 0.0);
        own.extend([bounds.lower, bounds.upper]);
    }
    for other in comm.all_gather(&own) {
        assert!(other.iter().zip(&own).all(|(a, b)| a.to_bits() == b.to_bits()), "ranks bound differently");
    }
}

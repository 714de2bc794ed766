//! Evaluation of reduced models allocates nothing: counted by an allocator of this binary.

use faer::{Mat, c64};
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::Scalar;
use kolmo::linalg::terms::{AdjointTerms, Pattern, TermsInMemory};
use kolmo::offline::reduced_basis::{AffineProblem, Options, reduced_basis};
use kolmo::offline::reduced_basis_dual::{dual_problem, output_correction};
use kolmo::online::reduced_basis::{Projection, ReducedBasis};
use kolmo::online::reduced_basis_time::{ReducedBasisTime, TimeGrid};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: all is handed on to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn allocations(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    f();
    ALLOCATIONS.with(Cell::get) - before
}

fn number<T: Scalar>(seed: usize) -> T {
    T::from_parts((seed as f64 * 0.7).sin(), (seed as f64 * 1.3).cos())
}

/// Dense terms of which the first is far from singular.
fn terms<T: Scalar>(n: usize, d: usize) -> TermsInMemory<T> {
    let entry = |q: usize, e: usize| {
        let diagonal = if q == 0 && e / n == e % n { T::real(3.0 * n as f64) } else { T::default() };
        number::<T>(7 * q + e * (q + 3)) + diagonal
    };
    let values = (0..d).map(|q| (0..n * n).map(|e| entry(q, e)).collect()).collect();
    TermsInMemory { pattern: Arc::new(Pattern::Dense { n_rows: n }), values }
}

fn problem<T: Scalar>(terms: &TermsInMemory<T>) -> AffineProblem<'_, T> {
    let n = terms.pattern.n_rows();
    AffineProblem {
        matrices: terms,
        rhs: Mat::from_fn(n, 2, |i, j| number(i + 11 * j)),
        outputs: vec![Mat::from_fn(n, 1, |i, _| number(3 * i))],
        inner_product: InnerProduct::Euclidean,
    }
}

fn model<T: Scalar>(n: usize, d: usize, n_modes: usize, projection: Projection) -> ReducedBasis<T> {
    let terms = terms::<T>(n, d);
    let snapshots = Mat::from_fn(n, n_modes, |i, j| number(i * (j + 2) + i * i));
    let options =
        Options { projection, truncation: kolmo::algorithms::pod::Truncation::Modes(n_modes), ..Options::default() };
    let model = reduced_basis(&problem(&terms), snapshots.as_ref(), None, &options).unwrap();
    assert_eq!(model.n_modes(), n_modes);
    model
}

fn solve_allocates_nothing<T: Scalar>() {
    for (n_modes, projection) in
        [(30, Projection::Galerkin), (30, Projection::LeastSquares), (120, Projection::Galerkin)]
    {
        let model = model::<T>(150, 3, n_modes, projection);
        let (theta, gamma) = ([number::<T>(1), number(2), number(3)], [number::<T>(4), number(5)]);
        let mut workspace = model.workspace();
        for n in [n_modes, n_modes / 2, 1] {
            let mut y = vec![T::default(); n];
            let count = allocations(|| {
                y.copy_from_slice(model.solve(&theta, &gamma, n, &mut workspace).unwrap());
                let known = model.indicator(&theta, &gamma, &y, n, &mut workspace).unwrap();
                let (_, indicator) = model.solve_with_indicator(&theta, &gamma, n, &mut workspace).unwrap();
                assert_eq!(known, indicator);
                model.output(0, &[T::real(1.0)], &y).unwrap();
            });
            assert_eq!(count, 0, "{projection:?}, {n} of {n_modes} modes, complex: {}", T::IS_COMPLEX);
        }
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(vec![1.0; 7]))), 1);
}

#[test]
fn solutions_and_indicators() {
    solve_allocates_nothing::<f64>();
    solve_allocates_nothing::<c64>();
}

#[test]
fn corrected_outputs() {
    let terms = terms::<c64>(60, 3);
    let problem = problem(&terms);
    let columns = Mat::from_fn(60, 10, |i, j| number::<c64>(i * (j + 2) + i * i));
    let primal = reduced_basis(&problem, columns.as_ref(), None, &Options::default()).unwrap();
    let adjoint = AdjointTerms::new(&terms);
    let dual = dual_problem(&problem, &adjoint, 0).unwrap();
    let dual = reduced_basis(&dual, columns.as_ref(), None, &Options::default()).unwrap();
    let correction = output_correction(&problem, &primal, 0, dual).unwrap();
    let (theta, gamma, lambda) = ([number(1), number(2), number(3)], [number(4), number(5)], [number::<c64>(6)]);
    let (mut first, mut second) = (primal.workspace(), correction.workspace());
    let count = allocations(|| {
        let y = primal.solve(&theta, &gamma, 8, &mut first).unwrap();
        correction.evaluate(&primal, &theta, &gamma, &lambda, y, 9, &mut second).unwrap();
    });
    assert_eq!(count, 0);
}

#[test]
fn steps_in_time() {
    let model = model::<f64>(40, 3, 12, Projection::Galerkin);
    let model = ReducedBasisTime::new(model, vec![0.5; 12], 0.0).unwrap();
    let grid = TimeGrid { step: 0.01, n_steps: 500, implicitness: 0.5 };
    let load: Vec<f64> = grid.times().iter().map(|t| t.cos()).collect();
    let mut workspace = model.workspace(&grid);
    let count = allocations(|| {
        model.solve_with_indicator(&[1.0, 0.5], &[1.0, 2.0], &load, &grid, 12, &mut workspace).unwrap();
    });
    assert_eq!(count, 0);
}

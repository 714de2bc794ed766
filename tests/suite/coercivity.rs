//! Stability constants: bounds on either side of dense eigenvalues, proofs, linear programs.

use crate::affine::{dense, random, random_terms};
use crate::blocks::Blocks;
use faer::{Mat, Side};
use kolmo::algorithms::coercivity::multipliers::Workspace;
use kolmo::algorithms::coercivity::{Constant, Constraint, MinTheta, SuccessiveConstraints, dual_bound};
use kolmo::algorithms::greedy::Stop;
use kolmo::comm::run_on_threads;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::lanczos::{LanczosOptions, lanczos};
use kolmo::linalg::sparse::from_triplets;
use kolmo::linalg::sparse_cholesky::SparseCholesky;
use kolmo::linalg::symmetric_pencil::SymmetricPencil;
use kolmo::linalg::terms::{Pattern, Terms, TermsInMemory};
use kolmo::offline::coercivity::{ScmOptions, min_theta_references, successive_constraint_method};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sprs::CsMat;
use std::sync::Arc;

/// L⁻¹ A_q L⁻ᵀ of the symmetric parts, X = L Lᵀ: what eigenvalues are taken of, slowly.
pub struct Whitened(Vec<Mat<f64>>);

impl Whitened {
    pub fn new(terms: &dyn Terms<f64>, x: &Mat<f64>) -> Whitened {
        let l = x.llt(Side::Lower).unwrap().L().to_owned();
        let unit = |q: usize| (0..terms.n_terms()).map(|k| if k == q { 1.0 } else { 0.0 }).collect::<Vec<f64>>();
        let whitened = |q: usize| {
            let a = dense(terms, &unit(q));
            let s = Mat::from_fn(a.nrows(), a.ncols(), |i, j| 0.5 * (a[(i, j)] + a[(j, i)]));
            let mut half = s;
            kolmo::linalg::dense::solve_lower(l.as_ref(), half.as_mut());
            let mut whole = half.transpose().to_owned();
            kolmo::linalg::dense::solve_lower(l.as_ref(), whole.as_mut());
            Mat::from_fn(whole.nrows(), whole.ncols(), |i, j| 0.5 * (whole[(i, j)] + whole[(j, i)]))
        };
        Whitened((0..terms.n_terms()).map(whitened).collect())
    }

    /// Least and largest eigenvalue at theta.
    pub fn ends(&self, theta: &[f64]) -> (f64, f64) {
        let n = self.0[0].nrows();
        let entry = |i, j| theta.iter().zip(&self.0).map(|(t, b)| t * b[(i, j)]).sum::<f64>();
        let values = Mat::from_fn(n, n, entry).self_adjoint_eigenvalues(Side::Lower).unwrap();
        (values[0], values[n - 1])
    }
}

/// m columns of numbers between 0.1 and 1; the first all ones where `one`.
pub fn positive(n_terms: usize, m: usize, seed: u64, one: bool) -> Mat<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    Mat::from_fn(n_terms, m, |_, j| if one && j == 0 { 1.0 } else { rng.random_range(0.1..1.0) })
}

pub fn full(m: &CsMat<f64>) -> Mat<f64> {
    let mut d = Mat::zeros(m.rows(), m.cols());
    m.iter().for_each(|(v, (i, j))| d[(i, j)] = *v);
    d
}

/// The energy at mu = 1, and the mass where asked for.
fn norm_of(blocks: &Blocks, with_mass: bool) -> CsMat<f64> {
    let weight = if with_mass { 1.0 } else { 0.0 };
    let values: Vec<f64> = blocks.energy().data().iter().zip(&blocks.mass).map(|(k, m)| k + weight * m).collect();
    blocks.matrix(&values)
}

pub fn column(m: &Mat<f64>, j: usize) -> Vec<f64> {
    m.col(j).iter().copied().collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// 1,000 random parameters: no bound is above the truth, no gap above a fifth, min-theta below the truth too.
fn thermal_block(n: usize, side: usize, with_mass: bool) {
    let blocks = Blocks::new(n, side);
    let x = norm_of(&blocks, with_mass);
    let reference = Whitened::new(&blocks.terms, &full(&x));
    let pencil = SymmetricPencil::new(&blocks.terms, &InnerProduct::Sparse(x)).unwrap();
    let n_terms = side * side;
    let training = positive(n_terms, 300, 1, true);
    let (model, found) = successive_constraint_method(&pencil, training.as_ref(), &ScmOptions::default()).unwrap();
    assert_eq!(found.stop, Stop::Tolerance, "{:?}", found.largest);
    let simple = min_theta_references(&pencil, training.as_ref().subcols(0, 1)).unwrap();
    let (mut memory, test) = (Workspace::default(), positive(n_terms, 1000, 2, false));
    let (mut gaps, mut simple_gaps, mut missed) = (Vec::new(), Vec::new(), 0.0_f64);
    for j in 0..1000 {
        let theta = column(&test, j);
        let (truth, _) = reference.ends(&theta);
        let bounds = model.bounds(&theta, &mut memory).unwrap();
        assert!(bounds.lower <= truth, "point {j}: {} above {truth}", bounds.lower);
        assert!(truth <= bounds.upper * (1.0 + 1e-10), "point {j}: {} below {truth}", bounds.upper);
        let Constant::LowerBound(least) = simple.min_theta(&theta).unwrap() else { panic!("a bound") };
        assert!(least <= truth, "point {j}: min-theta {least} above {truth}");
        gaps.push((truth - bounds.lower) / truth);
        simple_gaps.push((truth - least) / truth);
        missed = missed.max(bounds.upper / truth - 1.0);
    }
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    println!(
        "{side} x {side} blocks, {} dofs, mass {with_mass}: {} constraints; gap {worst:.2e}, median {:.2e}; upper bound {missed:.2e}; min-theta {:.2e}, median {:.2e}",
        blocks.n_dofs(),
        model.constraints().len(),
        median(gaps),
        simple_gaps.iter().copied().fold(0.0, f64::max),
        median(simple_gaps),
    );
    assert!(worst < 0.2, "gap {worst}");
}

#[test]
fn bounds_of_the_thermal_block_2_by_2() {
    thermal_block(10, 2, true);
    thermal_block(10, 2, false);
}

#[test]
fn bounds_of_the_thermal_block_3_by_3() {
    thermal_block(12, 3, true);
    thermal_block(12, 3, false);
}

/// The thermal block 2 x 2 in terms A'_p = sum_q s_pq A_q that are not definite.
fn mixed() -> (TermsInMemory<f64>, Mat<f64>, CsMat<f64>) {
    let (blocks, mix) = (Blocks::new(8, 2), random::<f64>(4, 4, 5));
    let combined = |p: usize| {
        let entry = |e: usize| (0..4).map(|q| mix[(p, q)] * blocks.terms.values[q][e]).sum();
        (0..blocks.mass.len()).map(entry).collect::<Vec<f64>>()
    };
    let values = (0..4).map(combined).collect();
    let x = norm_of(&blocks, true);
    (TermsInMemory { pattern: blocks.terms.pattern, values }, mix, x)
}

/// The same matrices by coefficients of both signs, as those of an interpolation are: mu = mixᵀ theta.
#[test]
fn bounds_hold_for_coefficients_of_both_signs() {
    let (terms, mix, x) = mixed();
    let reference = Whitened::new(&terms, &full(&x));
    let pencil = SymmetricPencil::new(&terms, &InnerProduct::Sparse(x)).unwrap();
    let theta_of = |mu: &Mat<f64>| crate::affine::solved(&mix.transpose().to_owned(), mu);
    // The corners of the box of parameters too: their constraints reach all points between.
    let inside = positive(4, 300, 1, true);
    let corner = |q: usize, j: usize| if j >> q & 1 == 1 { 1.0 } else { 0.1 };
    let mu = Mat::from_fn(4, 316, |q, j| if j < 16 { corner(q, j) } else { inside[(q, j - 16)] });
    let (model, found) = successive_constraint_method(&pencil, theta_of(&mu).as_ref(), &ScmOptions::default()).unwrap();
    assert_eq!(found.stop, Stop::Tolerance, "{:?}", found.largest);
    let test = theta_of(&positive(4, 1000, 2, false));
    let (mut memory, mut gaps, mut n_signed) = (Workspace::default(), Vec::new(), 0);
    for j in 0..1000 {
        let theta = column(&test, j);
        let (truth, _) = reference.ends(&theta);
        let bounds = model.bounds(&theta, &mut memory).unwrap();
        assert!(bounds.lower <= truth && truth <= bounds.upper * (1.0 + 1e-10), "point {j}: {bounds:?}, {truth}");
        gaps.push((truth - bounds.lower) / truth);
        n_signed += usize::from(theta.iter().any(|t| *t < 0.0) && theta.iter().any(|t| *t > 0.0));
    }
    let worst = gaps.iter().copied().fold(0.0, f64::max);
    println!("both signs: {} constraints; gap {worst:.2e}, median {:.2e}", model.constraints().len(), median(gaps));
    assert!(worst < 0.2 && n_signed > 900, "gap {worst}, {n_signed} of both signs");
}

/// Coefficients of any sign, whose matrices need not be definite.
#[test]
fn bounds_hold_where_matrices_are_not_definite() {
    let (terms, _, x) = mixed();
    let reference = Whitened::new(&terms, &full(&x));
    let pencil = SymmetricPencil::new(&terms, &InnerProduct::Sparse(x)).unwrap();
    let training = random::<f64>(4, 200, 6);
    let options = ScmOptions { tolerance: 0.05, max_constraints: 40, n_nearest: usize::MAX };
    let (model, _) = successive_constraint_method(&pencil, training.as_ref(), &options).unwrap();
    let near = SuccessiveConstraints::new(model.range().to_vec(), model.constraints().to_vec(), 5).unwrap();
    let (mut memory, test) = (Workspace::default(), random::<f64>(4, 1000, 7));
    let (mut n_negative, mut gaps) = (0, Vec::new());
    for j in 0..1000 {
        let theta = column(&test, j);
        let (truth, largest) = reference.ends(&theta);
        let size = truth.abs().max(largest.abs());
        let bounds = model.bounds(&theta, &mut memory).unwrap();
        assert!(bounds.lower <= truth && truth <= bounds.upper + 1e-10 * size, "point {j}: {bounds:?}, {truth}");
        let fewer = near.bounds(&theta, &mut memory).unwrap();
        assert!(fewer.lower <= bounds.lower + 1e-9 * size, "fewer constraints bound no better");
        n_negative += usize::from(truth < 0.0);
        gaps.push((truth - bounds.lower) / size);
    }
    println!("{n_negative} of 1000 not definite; gap over the largest eigenvalue, median {:.2e}", median(gaps.clone()));
    assert!(n_negative > 100 && n_negative < 1000);
    assert!(median(gaps) < 0.2);
    let refused = min_theta_references(&pencil, training.as_ref().subcols(0, 1)).unwrap_err().to_string();
    assert!(refused.contains("successive constraint method"), "{refused}");
}

/// Least constants and ranges against dense eigenvalues: matrices that are not symmetric, all inner products.
#[test]
fn eigenvalues_are_enclosed() {
    let n = 60;
    let grid: Vec<(usize, usize, f64)> = (0..n)
        .flat_map(|i| [(i, i, 2.5 + i as f64 / 9.0)].into_iter().chain((i > 0).then(|| (i, i - 1, -1.0))))
        .flat_map(|(i, j, v)| if i == j { vec![(i, j, v)] } else { vec![(i, j, v), (j, i, v)] })
        .collect();
    let matrix = from_triplets(n, n, &grid);
    let of_entities = from_triplets(n / 2, n / 2, &[(0, 1, 0.3), (1, 0, 0.3)])
        .iter()
        .map(|(v, (i, j))| (i, j, *v))
        .chain((0..n / 2).map(|i| (i, i, 1.0 + i as f64)))
        .collect::<Vec<_>>();
    let of_entities = from_triplets(n / 2, n / 2, &of_entities);
    let weights: Vec<f64> = (0..n).map(|i| 0.1 + i as f64).collect();
    let components = full(&of_entities);
    let products = [
        (InnerProduct::Euclidean, Mat::identity(n, n)),
        (InnerProduct::Diagonal(weights.clone()), Mat::from_fn(n, n, |i, j| if i == j { weights[i] } else { 0.0 })),
        (InnerProduct::Sparse(matrix.clone()), full(&matrix)),
        (
            InnerProduct::Components(of_entities, 2),
            Mat::from_fn(n, n, |i, j| if i % 2 == j % 2 { components[(i / 2, j / 2)] } else { 0.0 }),
        ),
    ];
    for ((x, whole), sparse) in products.iter().flat_map(|x| [(x, true), (x, false)]) {
        let terms = random_terms::<f64>(n, 3, sparse, 11);
        let (reference, pencil) = (Whitened::new(&terms, whole), SymmetricPencil::new(&terms, x).unwrap());
        for theta in [[1.0, 0.3, -0.2], [0.0, 1.0, 0.0], [-1.0, 0.5, 0.1], [1e-3, -2.0, 3.0]] {
            let (truth, largest) = reference.ends(&theta);
            let size = truth.abs().max(largest.abs());
            let found = pencil.smallest(&theta).unwrap();
            assert!(found.lower <= truth && truth <= found.upper + 1e-12 * size, "{found:?}, {truth}");
            assert!(found.upper - found.lower <= 1e-7 * size, "{found:?}, {truth}");
        }
        for q in 0..3 {
            let unit: Vec<f64> = (0..3).map(|k| if k == q { 1.0 } else { 0.0 }).collect();
            let (truth, found) = (reference.ends(&unit), pencil.range(q).unwrap());
            let size = truth.0.abs().max(truth.1.abs());
            assert!(found.0 <= truth.0 && truth.1 <= found.1, "{found:?}, {truth:?}");
            assert!(truth.0 - found.0 <= 1e-2 * size && found.1 - truth.1 <= 1e-2 * size, "{found:?}, {truth:?}");
        }
    }
}

#[test]
fn a_semidefinite_term_is_known_by_its_range() {
    let blocks = Blocks::new(9, 3);
    let pencil = SymmetricPencil::new(&blocks.terms, &InnerProduct::Sparse(blocks.energy())).unwrap();
    for q in 0..9 {
        let (lower, upper) = pencil.range(q).unwrap();
        assert!(lower < 0.0 && lower > -1e-8, "{lower}");
        assert!(upper > 1.0 && upper < 1.0 + 1e-8, "a bubble in one block has all of its energy there: {upper}");
    }
    let zero = TermsInMemory { pattern: Arc::new(Pattern::Dense { n_rows: 3 }), values: vec![vec![0.0; 9]] };
    assert_eq!(SymmetricPencil::new(&zero, &InnerProduct::Euclidean).unwrap().range(0).unwrap(), (0.0, 0.0));
}

#[test]
fn lanczos_ends_in_an_invariant_space_and_finds_both_ends() {
    let values: Vec<f64> = (0..200).map(|i| [3.0, -1.0, 0.5][i % 3]).collect();
    let mut apply = |v: &[f64], _: &[f64]| Ok(v.iter().zip(&values).map(|(v, d)| v * d).collect());
    let options = LanczosOptions { both_ends: true, ..LanczosOptions::default() };
    let found = lanczos(200, &InnerProduct::Euclidean, &mut apply, &options).unwrap();
    assert!(found.n_steps <= 4, "three distinct eigenvalues, {} steps", found.n_steps);
    assert!((found.largest - 3.0).abs() < 1e-13 && (found.smallest + 1.0).abs() < 1e-13, "{found:?}");
    let none = |_: &[f64], _: &[f64]| Ok(vec![f64::NAN; 200]);
    assert!(lanczos(200, &InnerProduct::Euclidean, &mut { none }, &options).is_err());
    assert!(lanczos::<f64>(0, &InnerProduct::Euclidean, &mut |_, _| Ok(Vec::new()), &options).is_err());
}

#[test]
fn entries_per_row_and_column_of_a_factor() {
    let n = 40;
    let full = |i: usize, j: usize| (i, j, if i == j { n as f64 } else { 0.5 });
    let dense: Vec<_> = (0..n * n).map(|e| full(e / n, e % n)).collect();
    let counts =
        |t: &[(usize, usize, f64)]| SparseCholesky::new(&from_triplets(n, n, t)).unwrap().fullest_row_and_column();
    assert_eq!(counts(&dense), (n, n));
    assert_eq!(counts(&(0..n).map(|i| (i, i, 1.0)).collect::<Vec<_>>()), (1, 1));
    // An arrow: its head is eliminated last, one row of L is full.
    let arrow: Vec<_> = dense.iter().copied().filter(|(i, j, _)| i == j || *i == 0 || *j == 0).collect();
    assert_eq!(counts(&arrow), (n, 2));
}

/// A finite set of points y in place of all Rayleigh quotients: constraints and truth are exact.
struct Points(Vec<Vec<f64>>);

impl Points {
    fn new(n: usize, m: usize, seed: u64) -> Points {
        let y = random::<f64>(n, m, seed);
        Points((0..m).map(|j| (0..n).map(|q| y[(q, j)] * 10.0_f64.powi(q as i32 % 3)).collect()).collect())
    }

    fn least(&self, theta: &[f64]) -> (f64, &[f64]) {
        let product = |y: &Vec<f64>| theta.iter().zip(y).map(|(t, y)| t * y).sum::<f64>();
        let best = self.0.iter().min_by(|a, b| product(a).total_cmp(&product(b))).unwrap();
        (product(best), best)
    }

    fn range(&self) -> Vec<(f64, f64)> {
        let of = |q: usize, f: fn(f64, f64) -> f64, start: f64| self.0.iter().map(|y| y[q]).fold(start, f);
        (0..self.0[0].len()).map(|q| (of(q, f64::min, f64::INFINITY), of(q, f64::max, f64::NEG_INFINITY))).collect()
    }

    fn constraint(&self, theta: Vec<f64>) -> Constraint {
        let (lower, y) = self.least(&theta);
        Constraint { lower, minimiser: y.to_vec(), theta }
    }
}

/// min theta·y over the box and the constraints, by a general solver.
pub fn general_solver(range: &[(f64, f64)], constraints: &[Constraint], theta: &[f64]) -> f64 {
    use microlp::{ComparisonOp, OptimizationDirection, Problem};
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let y: Vec<_> = range.iter().zip(theta).map(|(r, t)| problem.add_var(*t, *r)).collect();
    for c in constraints {
        let row: Vec<_> = y.iter().copied().zip(c.theta.iter().copied()).collect();
        problem.add_constraint(&row, ComparisonOp::Ge, c.lower);
    }
    problem.solve().unwrap().into_solution().unwrap().objective()
}

#[test]
fn linear_programs_are_solved_to_the_end() {
    for (n, m, seed) in [(1, 1, 1), (2, 3, 2), (5, 12, 3), (9, 30, 4), (16, 60, 5)] {
        let points = Points::new(n, 80, seed);
        let thetas = random::<f64>(n, m, seed + 20);
        let constraints: Vec<Constraint> = (0..m).map(|j| points.constraint(column(&thetas, j))).collect();
        let model = SuccessiveConstraints::new(points.range(), constraints.clone(), usize::MAX).unwrap();
        let (mut memory, test) = (Workspace::default(), random::<f64>(n, 100, seed + 40));
        for j in 0..100 {
            let theta = column(&test, j);
            let bounds = model.bounds(&theta, &mut memory).unwrap();
            let size: f64 = theta.iter().zip(points.range()).map(|(t, r)| t.abs() * r.0.abs().max(r.1)).sum();
            let best = general_solver(&points.range(), &constraints, &theta);
            assert!(bounds.lower <= points.least(&theta).0, "n {n}, point {j}");
            assert!((bounds.lower - best).abs() <= 1e-6 * size, "n {n}, point {j}: {} and {best}", bounds.lower);
            assert!(points.least(&theta).0 <= bounds.upper);
        }
        // At a constraint the bound is that constraint.
        for c in &constraints {
            let bounds = model.bounds(&c.theta, &mut memory).unwrap();
            assert!((bounds.upper - bounds.lower).abs() < 1e-11 * bounds.upper.abs().max(1.0), "{bounds:?}");
        }
    }
}

/// Whatever the multipliers are, and however large.
#[test]
fn any_multipliers_bound() {
    let points = Points::new(6, 50, 8);
    let thetas = random::<f64>(6, 10, 9);
    let constraints: Vec<Constraint> = (0..10).map(|j| points.constraint(column(&thetas, j))).collect();
    let mut rng = StdRng::seed_from_u64(10);
    for k in 0..2000 {
        let theta: Vec<f64> = (0..6).map(|_| rng.random_range(-1.0..1.0)).collect();
        let size = 10.0_f64.powi(k % 9 - 4);
        let lambda: Vec<f64> = (0..10).map(|_| size * rng.random_range(-1.0..1.0)).collect();
        let bound = dual_bound(&points.range(), &theta, constraints.iter().zip(lambda));
        assert!(bound <= points.least(&theta).0);
    }
    // Rounding errors alone: theta is the only constraint, and cancels but for them.
    let c = points.constraint((0..6).map(|q| 0.1 * (q + 1) as f64).collect());
    let bound = dual_bound(&points.range(), &c.theta, std::iter::once((&c, 1.0)));
    assert!(bound < c.lower && c.lower - bound < 1e-12);
}

#[test]
fn without_constraints_the_box_bounds() {
    let model = SuccessiveConstraints::new(vec![(-1.0, 2.0), (0.5, 3.0)], Vec::new(), 3).unwrap();
    let mut memory = Workspace::default();
    let bounds = |theta: [f64; 2], memory: &mut Workspace| model.bounds(&theta, memory).unwrap();
    for (theta, lower, upper) in [([1.0, 1.0], -0.5, 5.0), ([-1.0, 2.0], -1.0, 7.0), ([0.0, -2.0], -6.0, -1.0)] {
        let found = bounds(theta, &mut memory);
        assert!((found.lower - lower).abs() < 1e-13 && found.lower <= lower, "{found:?}");
        assert!((found.upper - upper).abs() < 1e-13, "{found:?}");
    }
    assert_eq!(bounds([0.0, 0.0], &mut memory).lower, 0.0);
}

#[test]
fn the_order_of_terms_does_not_matter() {
    let points = Points::new(7, 60, 12);
    let thetas = random::<f64>(7, 20, 13);
    let constraints: Vec<Constraint> = (0..20).map(|j| points.constraint(column(&thetas, j))).collect();
    let turned = |v: &[f64]| v.iter().rev().copied().collect::<Vec<f64>>();
    let turn = |c: &Constraint| Constraint { theta: turned(&c.theta), lower: c.lower, minimiser: turned(&c.minimiser) };
    let model = SuccessiveConstraints::new(points.range(), constraints.clone(), 12).unwrap();
    let other = SuccessiveConstraints::new(
        points.range().into_iter().rev().collect(),
        constraints.iter().map(turn).collect(),
        12,
    )
    .unwrap();
    let (mut memory, test) = (Workspace::default(), random::<f64>(7, 200, 14));
    for j in 0..200 {
        let theta = column(&test, j);
        let (a, b) = (model.bounds(&theta, &mut memory).unwrap(), other.bounds(&turned(&theta), &mut memory).unwrap());
        assert!((a.lower - b.lower).abs() < 1e-9 && (a.upper - b.upper).abs() < 1e-12, "{a:?} {b:?}");
        assert_eq!(a, model.bounds(&theta, &mut memory).unwrap(), "the same bits again");
    }
}

#[test]
fn ranks_and_threads_train_and_answer_to_the_same_bits() {
    let train = || {
        let blocks = Blocks::new(12, 2);
        let x = InnerProduct::Sparse(norm_of(&blocks, true));
        let pencil = SymmetricPencil::new(&blocks.terms, &x).unwrap();
        let training = positive(4, 100, 1, true);
        let (model, _) = successive_constraint_method(&pencil, training.as_ref(), &ScmOptions::default()).unwrap();
        let simple = min_theta_references(&pencil, training.as_ref().subcols(0, 2)).unwrap();
        let test = positive(4, 50, 2, false);
        let mut memory = Workspace::default();
        let answer = |j: usize| {
            let bounds = model.bounds(&column(&test, j), &mut memory).unwrap();
            let least = simple.min_theta(&column(&test, j)).unwrap().value();
            [bounds.lower.to_bits(), bounds.upper.to_bits(), least.to_bits()]
        };
        (0..50).flat_map(answer).collect::<Vec<u64>>()
    };
    let expected = train();
    for size in [1, 2, 3] {
        assert!(run_on_threads(size, |_| train()).iter().all(|bits| *bits == expected), "{size} ranks");
    }
    for threads in [1, 2, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(train), expected, "{threads} threads");
    }
}

#[test]
fn online_data_survive_a_file() {
    let points = Points::new(3, 20, 30);
    let constraints = vec![points.constraint(vec![0.1, -0.2, 0.3]), points.constraint(vec![1.0, 1.0, 1.0])];
    let model = SuccessiveConstraints::new(points.range(), constraints, usize::MAX).unwrap();
    let text = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<SuccessiveConstraints>(&text).unwrap(), model);
    let reference = Constraint { theta: vec![1.0], lower: 0.5, minimiser: vec![0.5] };
    let simple = MinTheta::new(vec![(0.0, 1.0)], vec![reference]).unwrap();
    let text = serde_json::to_string(&simple).unwrap();
    assert_eq!(serde_json::from_str::<MinTheta>(&text).unwrap(), simple);
    assert!((simple.min_theta(&[3.0]).unwrap().value() - 1.5).abs() < 1e-12);
}

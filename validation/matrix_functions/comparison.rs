//! Solutions and log-determinants from the same number of evaluations: weights of monomials, reduced basis, polynomials,
//! Gaussian process.

use super::problem::{Family, N};
use super::{AtNodes, grid_functions, uniform};
use crate::scores::largest;
use crate::table::{Bound, Table};
use faer::{Mat, MatRef};
use kolmo::Result;
use kolmo::algorithms::gaussian_process::{GpOptions, gaussian_process};
use kolmo::algorithms::matrix_functions::monomials::Monomials;
use kolmo::algorithms::matrix_functions::{LogDeterminant, MatrixFunctions, Options, matrix_functions};
use kolmo::algorithms::pod::Truncation;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::scalar::Scalar;
use kolmo::offline::reduced_basis::{AffineProblem, Options as BasisOptions, reduced_basis};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// A problem of the comparison: alpha as a function of parameters in [0, 1]^n.
struct Setting {
    name: &'static str,
    alpha: fn(&[f64]) -> Vec<f64>,
    n_parameters: usize,
}

/// Two parameters that enter as they are, and four that enter by two functions.
const SETTINGS: [Setting; 2] = [
    Setting { name: "2 parameters", alpha: |mu| vec![1.0, mu[0], mu[1]], n_parameters: 2 },
    Setting {
        name: "4 parameters",
        alpha: |mu| {
            let wave = |x: f64| 0.5 + 0.5 * (2.0 * std::f64::consts::PI * x).sin();
            vec![1.0, wave(mu[0] + mu[1]), wave(mu[2] * mu[3])]
        },
        n_parameters: 4,
    },
];

pub fn run(table: &mut Table, family: &Family) -> Result<()> {
    for setting in &SETTINGS {
        for (degree, d) in [(4, 15), (8, 45)] {
            let functions = match setting.n_parameters {
                2 => grid_functions(degree, Some(d))?,
                _ => random_functions(setting, degree, d)?,
            };
            compare(table, family, setting, functions, degree)?;
        }
    }
    Ok(())
}

/// Trained on 500 random parameters.
fn random_functions(setting: &Setting, degree: usize, d: usize) -> Result<MatrixFunctions<f64>> {
    let mu = random_parameters(500, setting.n_parameters, 3);
    let alphas: Vec<Vec<f64>> = mu.iter().map(|mu| (setting.alpha)(mu)).collect();
    let options = Options { degree, max_nodes: Some(d), ..Options::default() };
    matrix_functions(Mat::from_fn(3, 500, |k, j| alphas[j][k]).as_ref(), &options)
}

fn random_parameters(m: usize, n: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..m).map(|_| (0..n).map(|_| rng.random_range(0.0..1.0)).collect()).collect()
}

/// Largest relative error of solutions [n, m], largest error of log-determinants [m].
fn worst(truth: (&Mat<f64>, &[f64]), found: (MatRef<'_, f64>, &[f64])) -> [f64; 2] {
    let missed = truth.0 - found.0;
    let relative: Vec<f64> = (0..missed.ncols()).map(|j| missed.col(j).norm_l2() / truth.0.col(j).norm_l2()).collect();
    let log_dets: Vec<f64> = truth.1.iter().zip(found.1).map(|(a, b)| (a - b).abs()).collect();
    [largest(&relative), largest(&log_dets)]
}

fn compare(
    table: &mut Table,
    family: &Family,
    setting: &Setting,
    functions: MatrixFunctions<f64>,
    degree: usize,
) -> Result<()> {
    let d = functions.n_nodes();
    let tests: Vec<Vec<f64>> = match setting.n_parameters {
        2 => uniform(100, 1).into_iter().map(|alpha| alpha[1..].to_vec()).collect(),
        n => random_parameters(100, n, 4),
    };
    let alphas: Vec<Vec<f64>> = tests.iter().map(|mu| (setting.alpha)(mu)).collect();
    let (truth, log_dets) = evaluate(family, &alphas)?;
    let mut row = |method: &str, what: &str, found: f64| {
        table.row(format!("{}, {d} evaluations: {what}, {method}", setting.name), found, Bound::Shown);
    };
    // Weights of monomials, and derivatives as well.
    let at_nodes = AtNodes::new(family, functions)?;
    let f = &at_nodes.functions;
    let nodes: Vec<Vec<f64>> = (0..d).map(|r| f.node_alphas.col_as_slice(r).to_vec()).collect();
    let snapshots = evaluate(family, &nodes)?.0;
    let line = LogDeterminant::new(f, &family.in_memory, &at_nodes.inverses, &at_nodes.log_dets)?;
    let (mut u, mut values, mut integrated) = (Mat::zeros(N, alphas.len()), Vec::new(), Vec::new());
    for (j, alpha) in alphas.iter().enumerate() {
        u.col_as_slice_mut(j).copy_from_slice(&f.combine(snapshots.as_ref(), &f.weights(alpha)?)?);
        let found = line.value(alpha, Some(family.least(alpha)))?;
        values.push(found.interpolated);
        integrated.push(found.integrated);
    }
    let own = worst((&truth, &log_dets), (u.as_ref(), &values));
    row("monomial weights", "solution", own[0]);
    row("monomial weights", "log det", own[1]);
    row("integrated", "log det", worst((&truth, &log_dets), (u.as_ref(), &integrated))[1]);
    let basis = galerkin(family, &snapshots, &alphas)?;
    row("reduced basis (intrusive)", "solution", worst((&truth, &log_dets), (basis.as_ref(), &log_dets))[0]);
    // Methods that see parameters only, at points of their own.
    let polynomial_degree = if setting.n_parameters == 2 { degree } else { if d < 35 { 2 } else { 3 } };
    let points = if setting.n_parameters == 2 { padua(degree) } else { spread(d, setting.n_parameters) };
    let of_points: Vec<Vec<f64>> = points.iter().map(|mu| (setting.alpha)(mu)).collect();
    let (fields, scalars) = evaluate(family, &of_points)?;
    let all = Mat::from_fn(d, N + 1, |r, i| if i < N { fields[(i, r)] } else { scalars[r] });
    let found = polynomials(&points, all.as_ref(), &tests, polynomial_degree)?;
    let own = split_worst((&truth, &log_dets), found.as_ref());
    row("polynomials", "solution", own[0]);
    row("polynomials", "log det", own[1]);
    let points = spread(d, setting.n_parameters);
    let (fields, scalars) = evaluate(family, &points.iter().map(|mu| (setting.alpha)(mu)).collect::<Vec<_>>())?;
    let rows = |v: &[Vec<f64>]| Mat::from_fn(v.len(), setting.n_parameters, |i, j| v[i][j]);
    let (x, at) = (rows(&points), rows(&tests));
    let process = |y: Mat<f64>| -> Result<Mat<f64>> {
        Ok(gaussian_process(x.as_ref(), y.as_ref(), None, &GpOptions::default())?.predict(at.as_ref())?.0)
    };
    let of_fields = process(fields.transpose().to_owned())?;
    let of_scalars = process(Mat::from_fn(d, 1, |r, _| scalars[r]))?;
    let own = worst((&truth, &log_dets), (of_fields.transpose(), of_scalars.col_as_slice(0)));
    row("Gaussian process", "solution", own[0]);
    row("Gaussian process", "log det", own[1]);
    Ok(())
}

/// [`worst`] of predictions [m, n + 1], log det last.
fn split_worst(truth: (&Mat<f64>, &[f64]), found: MatRef<'_, f64>) -> [f64; 2] {
    let log_dets: Vec<f64> = found.col(N).iter().copied().collect();
    worst(truth, (found.subcols(0, N).transpose(), &log_dets))
}

/// Solutions and log-determinants.
fn evaluate(family: &Family, alphas: &[Vec<f64>]) -> Result<(Mat<f64>, Vec<f64>)> {
    let (mut u, mut log_dets) = (Mat::zeros(N, alphas.len()), Vec::new());
    for (j, alpha) in alphas.iter().enumerate() {
        u.col_as_slice_mut(j).copy_from_slice(family.solution(alpha)?.col_as_slice(0));
        log_dets.push(family.truth(alpha)?.1);
    }
    Ok((u, log_dets))
}

/// Galerkin solutions in the span of the snapshots.
fn galerkin(family: &Family, snapshots: &Mat<f64>, alphas: &[Vec<f64>]) -> Result<Mat<f64>> {
    let problem = AffineProblem {
        matrices: &family.in_memory,
        rhs: family.b.clone(),
        outputs: Vec::new(),
        inner_product: InnerProduct::Euclidean,
    };
    let options =
        BasisOptions { truncation: Truncation::Tolerance(1e-14), residual_rows: 0, ..BasisOptions::default() };
    let model = reduced_basis(&problem, snapshots.as_ref(), None, &options)?;
    let (mut workspace, n_modes) = (model.workspace(), model.n_modes());
    let mut y = Mat::zeros(n_modes, alphas.len());
    for (j, alpha) in alphas.iter().enumerate() {
        y.col_as_slice_mut(j).copy_from_slice(model.solve(alpha, &[1.0], n_modes, &mut workspace)?);
    }
    model.reconstruct(y.as_ref())
}

/// Least squares by polynomials of total degree, interpolation where there are as many as points.
fn polynomials(points: &[Vec<f64>], values: MatRef<'_, f64>, tests: &[Vec<f64>], degree: usize) -> Result<Mat<f64>> {
    let monomials = Monomials::new(points[0].len(), degree)?;
    let rows = |v: &[Vec<f64>]| {
        let own: Vec<Vec<f64>> =
            v.iter().map(|mu| monomials.values(&mu.iter().map(|x| 2.0 * x - 1.0).collect::<Vec<f64>>())).collect();
        Mat::from_fn(v.len(), monomials.len(), |i, j| own[i][j])
    };
    let (u, s, v) = f64::thin_svd(rows(points).as_ref())?;
    let mut c = u.transpose() * values;
    c.col_iter_mut().for_each(|column| column.iter_mut().zip(&s).for_each(|(c, s)| *c /= s));
    Ok(rows(tests) * (v * c))
}

/// The Padua points of a degree on [0, 1]²: as many as polynomials of that total degree.
///
/// Reference: Caliari, De Marchi, Vianello, Appl. Math. Comput. 165 (2005) 261.
fn padua(degree: usize) -> Vec<Vec<f64>> {
    let place = |i: usize, n: usize| 0.5 + 0.5 * (i as f64 * std::f64::consts::PI / n as f64).cos();
    let pairs = (0..=degree).flat_map(|i| (0..=degree + 1).map(move |j| (i, j)));
    pairs.filter(|(i, j)| (i + j) % 2 == 0).map(|(i, j)| vec![place(i, degree), place(j, degree + 1)]).collect()
}

/// d points spread evenly over [0, 1]^n: multiples of powers of the root of x^(n + 1) = x + 1, modulo 1.
fn spread(d: usize, n: usize) -> Vec<Vec<f64>> {
    let root = (0..50).fold(1.5_f64, |x, _| (1.0 + x).powf(1.0 / (n as f64 + 1.0)));
    (1..=d).map(|j| (1..=n).map(|k| (0.5 + j as f64 / root.powi(k as i32)).fract()).collect()).collect()
}

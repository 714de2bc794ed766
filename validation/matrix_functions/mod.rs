//! Functions of parametrised matrices; see README.md of this folder.

mod comparison;
mod kernel;
mod lanczos;
mod problem;

use crate::plot::{Curve, plot};
use crate::scores::{largest, least, median};
use crate::table::{Bound, Table};
use faer::Mat;
use kolmo::Result;
use kolmo::algorithms::eim::lebesgue_sum;
use kolmo::algorithms::matrix_functions::{
    LogDeterminant, MatrixFunctions, Options, Series, TermNorms, matrix_functions,
};
use problem::{Family, frobenius};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Degree, nodes; largest relative error of the inverse, error of the log-determinant and sum of |lambda| that an
/// independent program found for other random matrices of the same kind.
const CASES: [(usize, usize, [f64; 3]); 5] = [
    (2, 6, [2.7e-2, 2.9e-1, 3.6]),
    (4, 10, [3.1e-3, 2.2e-2, 5.0]),
    (4, 15, [4.6e-4, 3.1e-3, 9.9]),
    (6, 28, [2.1e-5, 6.6e-5, 8.4]),
    (8, 45, [4.9e-7, 8.8e-7, 12.3]),
];
const N_TEST: usize = 100;
const N_BOUNDS: usize = 1000;

/// Fills the table.
pub fn run(table: &mut Table) -> Result<()> {
    let family = Family::new(0)?;
    let mut curves: Vec<Curve> = [
        "inverse: relative error",
        "inverse: bound by residual",
        "log det: error",
        "log det: bound by residual",
        "log det: bound by norms",
    ]
    .map(|name| Curve { name: name.into(), points: Vec::new() })
    .into();
    let mut ratios: Vec<Ratios> = Vec::new();
    for (degree, d, reference) in CASES {
        let values = AtNodes::new(&family, grid_functions(degree, Some(d))?)?;
        let found = values.errors(&family, &uniform(N_TEST, 1))?;
        let names = ["inverse, largest relative error", "log det, largest error", "largest sum of |lambda|"];
        for (name, (found, reference)) in names.iter().zip(found.iter().zip(reference)) {
            table.row(
                format!("degree {degree}, {d} nodes: {name}"),
                *found,
                Bound::Between(0.5 * reference, 2.0 * reference),
            );
        }
        let (own, worst) = values.bounds(&family, &uniform(N_BOUNDS, 2))?;
        curves.iter_mut().zip(worst).for_each(|(c, value)| c.points.push((d as f64, value)));
        ratios.push(own);
    }
    for (i, name) in BOUNDS.iter().enumerate() {
        let all: Vec<f64> = ratios.iter().flat_map(|r| r[i].iter().copied()).collect();
        table.row(format!("{name}: bound / error, least of 5 x 1000"), least(&all), Bound::AtLeast(1.0));
        for (case, ratio) in CASES.iter().zip(&ratios).filter(|(c, _)| [15, 45].contains(&c.1)) {
            table.row(format!("{name}: bound / error, {} nodes, median", case.1), median(&ratio[i]), Bound::Shown);
            table.row(format!("{name}: bound / error, {} nodes, largest", case.1), largest(&ratio[i]), Bound::Shown);
        }
    }
    plot("matrix_functions", "nodes", "largest of 1000 parameters", &curves)?;
    comparison::run(table, &family)?;
    kernel::run(table)?;
    lanczos::run(table)
}

/// Pairs uniform in [0, 1]².
fn uniform(m: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = StdRng::seed_from_u64(seed);
    (0..m).map(|_| vec![1.0, rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)]).collect()
}

/// The interpolation trained on 15 x 15 points of [0, 1]², alpha = (1, mu_1, mu_2).
fn grid_functions(degree: usize, max_nodes: Option<usize>) -> Result<MatrixFunctions<f64>> {
    let of_grid = |k: usize, j: usize| [1.0, (j / 15) as f64 / 14.0, (j % 15) as f64 / 14.0][k];
    matrix_functions(Mat::from_fn(3, 225, of_grid).as_ref(), &Options { degree, max_nodes, ..Options::default() })
}

/// What the black box gives at the nodes.
struct AtNodes {
    functions: MatrixFunctions<f64>,
    inverses: Vec<Mat<f64>>,
    log_dets: Vec<f64>,
}

const BOUNDS: [&str; 5] = [
    "inverse, residual",
    "inverse, norms alone",
    "log det, residual",
    "log det integrated, residual",
    "log det, norms alone",
];
/// Bound over error of each of [`BOUNDS`] at each parameter.
type Ratios = [Vec<f64>; 5];

impl AtNodes {
    fn new(family: &Family, functions: MatrixFunctions<f64>) -> Result<AtNodes> {
        let (mut inverses, mut log_dets) = (Vec::new(), Vec::new());
        for r in 0..functions.n_nodes() {
            let (inverse, log_det) = family.truth(functions.node_alphas.col_as_slice(r))?;
            inverses.push(inverse);
            log_dets.push(log_det);
        }
        Ok(AtNodes { functions, inverses, log_dets })
    }

    /// Largest relative error of the inverse, error of log det and sum of |lambda|.
    fn errors(&self, family: &Family, tests: &[Vec<f64>]) -> Result<[f64; 3]> {
        let mut worst = [0.0_f64; 3];
        for alpha in tests {
            let (inverse, log_det) = family.truth(alpha)?;
            let weights = self.functions.weights(alpha)?;
            let found = self.functions.combine_matrices(&self.inverses, &weights)?;
            let value: f64 = weights.iter().zip(&self.log_dets).map(|(w, v)| w * v).sum();
            let own =
                [frobenius(&(&inverse - found)) / frobenius(&inverse), (value - log_det).abs(), lebesgue_sum(&weights)];
            worst.iter_mut().zip(own).for_each(|(w, own)| *w = w.max(own));
        }
        Ok(worst)
    }

    /// Bounds over errors; and the largest relative error of the inverse and its bound by the residual, the largest error
    /// of log det and its bounds by the residual and by norms.
    fn bounds(&self, family: &Family, tests: &[Vec<f64>]) -> Result<(Ratios, [f64; 5])> {
        let f = &self.functions;
        let line = LogDeterminant::new(f, &family.in_memory, &self.inverses, &self.log_dets)?;
        let series = Series::new(f, TermNorms::of_matrices(&family.terms, &[1.0, 0.5, 0.5])?, 60)?;
        let (mut ratios, mut worst) = (Ratios::default(), [0.0_f64; 5]);
        for alpha in tests {
            let (inverse, log_det) = family.truth(alpha)?;
            let (weights, floor) = (f.weights(alpha)?, family.least(alpha));
            let missed = frobenius(&(&inverse - f.combine_matrices(&self.inverses, &weights)?));
            let by_residual = line.residual().bound(alpha, &weights, floor)?;
            let by_norms = series.bounds(alpha, &weights)?;
            let found = line.value(alpha, Some(floor))?;
            let (one, two) = ((found.interpolated - log_det).abs(), (found.integrated - log_det).abs());
            let own = [
                by_residual / missed,
                by_norms.inverse_frobenius / missed,
                found.interpolated_bound / one,
                found.integrated_bound / two,
                by_norms.log_det / one,
            ];
            ratios.iter_mut().zip(own).for_each(|(r, own)| r.push(own));
            let size = frobenius(&inverse);
            let own = [missed / size, by_residual / size, one, found.interpolated_bound, by_norms.log_det];
            worst.iter_mut().zip(own).for_each(|(w, own)| *w = w.max(own));
        }
        Ok((ratios, worst))
    }
}

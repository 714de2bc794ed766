//! Proper orthogonal decomposition.

use crate::error::{Error, Result};
use crate::linalg::dense;
use crate::linalg::inner_product::{InnerProduct, orthonormality, orthonormalize, square_roots};
use crate::linalg::randomized_svd::randomized_svd;
use crate::linalg::tall::TallMatrix;
use crate::linalg::tsqr::{tsqr, weighted_tsqr};
use faer::{Mat, MatRef};

/// How many modes are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truncation {
    /// The fewest modes with sqrt(sum of discarded sigma² / sum of all sigma²) <= tolerance.
    Tolerance(f64),
    /// This many, or the rank where that is lower.
    Modes(usize),
}

/// Where the singular values come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Gram where its floor of sqrt(eps) sigma_1 cannot matter, randomized for few of many, else TSQR.
    Auto,
    /// Eigenvalues of XᵀMX (method of snapshots): one cheap pass, blind below sqrt(eps) sigma_1.
    Gram,
    /// SVD of the R of a QR factorisation: every sigma to eps sigma_1.
    Tsqr,
    /// SVD of a random projection: for few modes of many snapshots.
    Randomized,
}

/// Options of [`pod`].
#[derive(Debug, Clone)]
pub struct PodOptions {
    pub truncation: Truncation,
    pub algorithm: Algorithm,
    /// Subtract the (weighted) mean first.
    pub center: bool,
    /// Non-negative weight of each snapshot; all 1 if `None`.
    pub weights: Option<Vec<f64>>,
    /// Seed of the randomized way.
    pub seed: u64,
}

impl Default for PodOptions {
    fn default() -> Self {
        PodOptions {
            truncation: Truncation::Tolerance(1e-4),
            algorithm: Algorithm::Auto,
            center: false,
            weights: None,
            seed: 0,
        }
    }
}

/// Result of [`pod`].
#[derive(Debug, Clone)]
pub struct Pod {
    /// V [n_dofs, n_modes], VᵀMV = I; the largest entry of each mode is positive (the lowest row on ties).
    pub basis: TallMatrix,
    /// All singular values that were computed, descending.
    pub singular_values: Vec<f64>,
    /// Sum of all sigma², those that were not computed included.
    pub total: f64,
    /// Mean of the snapshots on the local rows, where centred.
    pub mean: Option<Vec<f64>>,
    /// VᵀM(X - mean) [n_modes, n_snapshots].
    pub coefficients: Mat<f64>,
    /// sqrt(sum of discarded sigma² / sum of all sigma²): the guaranteed relative projection error of the snapshots.
    pub projection_error: f64,
    /// max |VᵀMV - I|, measured.
    pub orthonormality: f64,
    /// The way that was taken (never `Auto`).
    pub algorithm: Algorithm,
    /// Number of singular values above max(m, n) eps sigma_1.
    pub rank: usize,
}

impl Pod {
    /// Number of modes.
    pub fn n_modes(&self) -> usize {
        self.basis.n_columns()
    }

    /// Number of leading modes that another truncation keeps, at most those that are here.
    pub fn count(&self, truncation: Truncation) -> usize {
        count(&self.singular_values, self.rank, truncation, self.total).min(self.n_modes())
    }

    /// [`projection_error`](Self::projection_error) of the leading modes alone.
    pub fn projection_error_of(&self, n_modes: usize) -> f64 {
        projection_error(&self.singular_values, self.total, n_modes)
    }
}

/// Below this, relative to sigma_1, the Gram way is not trusted: half the digits that sqrt(eps) would leave.
const GRAM_FLOOR: f64 = 1e-6;

/// Modes and singular values of weighted snapshots in an inner product: X W^(1/2) = V S Zᵀ with VᵀMV = I.
///
/// `snapshots` [n_dofs, n_snapshots]. Modes below the numerical rank are never returned, so `n_modes` may be lower than
/// asked. Errors: shapes, weights, values that are not finite, an inner product that is not positive definite.
/// Cost: Gram n² m flops and two passes, TSQR 2 n² m and three; collective.
/// Reference: Sirovich, Quart. Appl. Math. 45 (1987) 561; Demmel et al., SISC 34 (2012) A206 (TSQR).
#[doc(alias = "PCA")]
#[doc(alias = "method_of_snapshots")]
pub fn pod(snapshots: &TallMatrix, inner_product: &InnerProduct, options: &PodOptions) -> Result<Pod> {
    let n = snapshots.n_columns();
    check(snapshots, inner_product, options)?;
    let mean = options.center.then(|| weighted_mean(snapshots.local(), options.weights.as_deref()));
    let centred = match &mean {
        Some(mean) => Some(subtract(snapshots, mean)?),
        None => None,
    };
    let x = centred.as_ref().unwrap_or(snapshots);
    let scaled = options
        .weights
        .as_ref()
        .map(|w| x.mul_small(Mat::from_fn(n, n, |i, j| if i == j { w[i].sqrt() } else { 0.0 }).as_ref()));
    let y = scaled.as_ref().unwrap_or(x);

    let (algorithm, svd) = decompose(y, inner_product, options)?;
    let n_modes = count(&svd.sigma, svd.rank, options.truncation, svd.total);
    let mut basis = orthonormalize(&svd.leading(n_modes), inner_product)?;
    orient(&mut basis)?;
    Ok(Pod {
        coefficients: inner_product.cross(&basis, x),
        orthonormality: orthonormality(&basis, inner_product),
        projection_error: projection_error(&svd.sigma, svd.total, n_modes),
        singular_values: svd.sigma,
        total: svd.total,
        basis,
        mean,
        algorithm,
        rank: svd.rank,
    })
}

/// Y = (B C) S Zᵀ up to what was discarded: left vectors are combinations C of the columns of B.
struct Decomposition<'a> {
    columns: std::borrow::Cow<'a, TallMatrix>,
    combination: Mat<f64>,
    sigma: Vec<f64>,
    rank: usize,
    /// Sum of all sigma², those that were not computed included.
    total: f64,
}

impl Decomposition<'_> {
    fn leading(&self, n_modes: usize) -> TallMatrix {
        self.columns.mul_small(self.combination.subcols(0, n_modes))
    }
}

fn decompose<'a>(y: &'a TallMatrix, m: &InnerProduct, options: &PodOptions) -> Result<(Algorithm, Decomposition<'a>)> {
    let n = y.n_columns();
    let way = match (options.algorithm, options.truncation) {
        (Algorithm::Auto, Truncation::Modes(k)) if few_of_many(k, n) => Algorithm::Randomized,
        (Algorithm::Auto, Truncation::Tolerance(t)) if t < GRAM_FLOOR => Algorithm::Tsqr,
        (Algorithm::Auto, _) => {
            let gram = by_gram(y, m)?;
            let kept = count(&gram.sigma, gram.rank, options.truncation, gram.total);
            // The tail must be seen to be small, too: its noise is n eps sigma_1².
            let safe = kept == 0 || gram.sigma[kept - 1] > GRAM_FLOOR * gram.sigma[0];
            // Modes below the floor of this way may be there all the same.
            let enough = !matches!(options.truncation, Truncation::Modes(k) if kept < k.min(n));
            if safe && enough && gram.rank > 0 {
                return Ok((Algorithm::Gram, gram));
            }
            Algorithm::Tsqr
        }
        (way, _) => way,
    };
    let svd = match (way, options.truncation) {
        (Algorithm::Gram, _) => by_gram(y, m)?,
        (Algorithm::Randomized, Truncation::Modes(k)) => by_projection(y, m, k, options.seed)?,
        (Algorithm::Randomized, _) => {
            return Err(Error::argument("truncation of the randomized way", "a tolerance", "a number of modes"));
        }
        _ => by_tsqr(y, m)?,
    };
    Ok((way, svd))
}

/// Whether `Auto` takes the randomized way for this shape.
pub(crate) fn few_of_many(n_modes: usize, n_snapshots: usize) -> bool {
    n_snapshots > 1000 && (n_modes + 10) * 4 < n_snapshots
}

fn rank_of(sigma: &[f64], floor: f64) -> usize {
    let threshold = floor * sigma.first().copied().unwrap_or(0.0);
    sigma.iter().take_while(|s| **s > threshold).count()
}

/// Z S⁻¹ for the columns up to `rank`.
fn divided(z: MatRef<'_, f64>, sigma: &[f64], rank: usize) -> Mat<f64> {
    Mat::from_fn(z.nrows(), rank, |i, j| z[(i, j)] / sigma[j])
}

fn by_gram<'a>(y: &'a TallMatrix, m: &InnerProduct) -> Result<Decomposition<'a>> {
    let (values, vectors) = dense::symmetric_eigen(m.gram(y).as_ref())?;
    let (largest, smallest) = values.iter().fold((0.0_f64, 0.0_f64), |(l, s), v| (l.max(*v), s.min(*v)));
    if smallest < -GRAM_FLOOR * largest {
        let mend = "check the inner product: a combination of the snapshots has a negative square".into();
        return Err(Error::NotPositiveDefinite { what: "the inner product".into(), pivot: values.len() - 1, mend });
    }
    let sigma: Vec<f64> = values.iter().map(|v| v.max(0.0).sqrt()).collect();
    let rank = rank_of(&sigma, (y.n_columns().max(1) as f64 * f64::EPSILON).sqrt());
    let total = sigma.iter().map(|s| s * s).sum();
    Ok(Decomposition {
        columns: std::borrow::Cow::Borrowed(y),
        combination: divided(vectors.as_ref(), &sigma, rank),
        sigma,
        rank,
        total,
    })
}

fn by_tsqr<'a>(y: &'a TallMatrix, m: &InnerProduct) -> Result<Decomposition<'a>> {
    let n_rows = y.layout().n_rows();
    let floor = n_rows.max(y.n_columns()) as f64 * f64::EPSILON;
    let r = match m {
        InnerProduct::Euclidean | InnerProduct::Sparse(_) => tsqr(y),
        InnerProduct::Diagonal(w) => weighted_tsqr(y, Some(&square_roots(w))),
    };
    let (_, sigma, z) = dense::thin_svd(r.as_ref())?;
    // eps sigma_1 is what a backward stable factorisation can tell from zero; sqrt(n) covers the sums over rows.
    let rank = rank_of(&sigma, floor.min(64.0 * f64::EPSILON));
    let combination = divided(z.as_ref(), &sigma, rank);
    let columns = std::borrow::Cow::Borrowed(y);
    if !matches!(m, InnerProduct::Sparse(_)) {
        let total = sigma.iter().map(|s| s * s).sum();
        return Ok(Decomposition { columns, combination, sigma, rank, total });
    }
    // M sparse: with Q orthonormal and QᵀMQ = L Lᵀ, the M-singular values of Y = Q B are those of Lᵀ B.
    let q = orthonormalize(&y.mul_small(combination.as_ref()), &InnerProduct::Euclidean)?;
    let l = dense::cholesky(m.gram(&q).as_ref(), "the inner product")?;
    let b = q.tr_mul(y)?;
    let (u, sigma, _) = dense::thin_svd(dense::mul(l.transpose(), b.as_ref()).as_ref())?;
    let mut combination = u;
    dense::solve_lower_transposed(l.as_ref(), combination.as_mut());
    let (rank, total) = (rank_of(&sigma, 64.0 * f64::EPSILON), sigma.iter().map(|s| s * s).sum());
    Ok(Decomposition { columns: std::borrow::Cow::Owned(q), combination, sigma, rank, total })
}

fn by_projection<'a>(y: &'a TallMatrix, m: &InnerProduct, k: usize, seed: u64) -> Result<Decomposition<'a>> {
    let svd = randomized_svd(y, m, k, seed)?;
    let rank = rank_of(&svd.sigma, 64.0 * f64::EPSILON);
    let n = svd.sigma.len();
    Ok(Decomposition {
        columns: std::borrow::Cow::Owned(svd.left),
        combination: Mat::identity(n, n),
        rank,
        sigma: svd.sigma,
        total: svd.total,
    })
}

/// Number of modes that the truncation keeps.
pub(crate) fn count(sigma: &[f64], rank: usize, truncation: Truncation, total: f64) -> usize {
    match truncation {
        Truncation::Modes(k) => k.min(rank),
        Truncation::Tolerance(t) => {
            // Sum from the small end: the tail is what is compared.
            let seen: f64 = sigma.iter().map(|s| s * s).sum();
            let mut tail = (total - seen).max(0.0);
            let mut kept = sigma.len();
            while kept > 0 && tail + sigma[kept - 1] * sigma[kept - 1] <= t * t * total {
                tail += sigma[kept - 1] * sigma[kept - 1];
                kept -= 1;
            }
            kept.min(rank)
        }
    }
}

/// sqrt(sum of discarded sigma² / sum of all), with what was not computed among the discarded.
fn projection_error(sigma: &[f64], total: f64, n_modes: usize) -> f64 {
    let (kept, dropped) = sigma.split_at(n_modes.min(sigma.len()));
    // Folds from +0: the sum of nothing is -0.
    let energy = |sum: f64, s: &f64| sum + s * s;
    let seen = sigma.iter().fold(0.0, energy);
    let (kept, tail) =
        (kept.iter().fold(0.0, energy), dropped.iter().rev().fold(0.0, energy) + (total - seen).max(0.0));
    if kept + tail > 0.0 { (tail / (kept + tail)).sqrt() } else { 0.0 }
}

/// Turns each mode so that its largest entry is positive. Collective.
fn orient(basis: &mut TallMatrix) -> Result<()> {
    let n = basis.n_columns();
    let signs: Vec<f64> = (0..n).map(|j| if basis.argmax_abs(j).0 < 0.0 { -1.0 } else { 1.0 }).collect();
    basis.scale_columns(&signs);
    Ok(())
}

fn weighted_mean(x: MatRef<'_, f64>, weights: Option<&[f64]>) -> Vec<f64> {
    let n = x.ncols();
    let one = vec![1.0; n];
    let w = weights.unwrap_or(&one);
    let total: f64 = w.iter().sum();
    let mut mean = vec![0.0; x.nrows()];
    for (column, w) in x.col_iter().zip(w) {
        mean.iter_mut().zip(column.iter()).for_each(|(m, x)| *m += w / total * x);
    }
    mean
}

/// X - mean 1ᵀ.
pub fn subtract(x: &TallMatrix, mean: &[f64]) -> Result<TallMatrix> {
    let mut local = x.local().to_owned();
    for column in local.as_mut().col_iter_mut() {
        column.iter_mut().zip(mean).for_each(|(x, m)| *x -= m);
    }
    TallMatrix::new(x.layout().clone(), local)
}

fn check(x: &TallMatrix, m: &InnerProduct, options: &PodOptions) -> Result<()> {
    let n = x.n_columns();
    let local = m.check(x.local().nrows()).and_then(|()| {
        let wrong = x.local().col_iter().position(|c| c.iter().any(|v| !v.is_finite()));
        match wrong {
            Some(j) => Err(Error::argument(format!("snapshot {j}"), "a value that is not finite", "finite numbers")),
            None => Ok(()),
        }
    });
    crate::comm::agree(x.comm(), local)?;
    if n == 0 || x.layout().n_rows() == 0 {
        return Err(Error::argument(
            "snapshots",
            format!("{} x {n}", x.layout().n_rows()),
            "at least one row and one snapshot",
        ));
    }
    match options.truncation {
        Truncation::Tolerance(t) if !(0.0..1.0).contains(&t) => {
            return Err(Error::argument("tolerance", t, "a number in [0, 1)"));
        }
        Truncation::Modes(0) => return Err(Error::argument("modes", 0, "at least 1")),
        _ => {}
    }
    if let Some(w) = &options.weights {
        if w.len() != n {
            return Err(Error::argument("weights of snapshots", w.len(), n));
        }
        if w.iter().any(|w| !(*w >= 0.0 && w.is_finite())) || !w.iter().any(|w| *w > 0.0) {
            return Err(Error::argument("weights of snapshots", "a negative one, or none above 0", "weights >= 0"));
        }
    }
    Ok(())
}

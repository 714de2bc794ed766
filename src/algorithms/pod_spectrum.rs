//! The singular values of a proper orthogonal decomposition: its first pass over the snapshots.

use super::incremental_svd::{IncrementalOptions, incremental_svd};
use super::pod::{Algorithm, PodOptions, Truncation, check, count, projection_error};
use crate::comm::agree;
use crate::error::{Error, Result};
use crate::linalg::dense;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::randomized_svd::randomized_svd;
use crate::linalg::slab_products::{gram, tsqr};
use crate::linalg::slabs::{Prepared, Slabs, Watched};
use crate::linalg::tall::TallMatrix;
use faer::{Mat, MatRef};
use std::ops::Range;

/// Below this, relative to sigma_1, the Gram way is not trusted: half the digits that sqrt(eps) would leave.
const GRAM_FLOOR: f64 = 1e-6;

/// Modes more than asked that are held while columns arrive: those that are asked for are the better.
const SPARE: usize = 32;
/// The ways whose left vectors are combinations of the snapshots.
const WAYS: [Algorithm; 2] = [Algorithm::Gram, Algorithm::Tsqr];

/// Singular values of weighted snapshots in an inner product, and how their modes come from them: X W^(1/2) = V S Zᵀ.
#[derive(Debug, Clone)]
pub struct Spectrum {
    /// The way that was taken (never `Auto`).
    pub algorithm: Algorithm,
    /// All singular values that were computed, descending.
    pub sigma: Vec<f64>,
    /// Sum of all sigma², those that were not computed included.
    pub total: f64,
    /// Sum of the sigma² that were not computed: of the incremental way the square of its certificate.
    pub unseen: f64,
    /// Number of singular values above the floor of the way.
    pub rank: usize,
    /// Z [n_snapshots, number of singular values].
    pub right: Mat<f64>,
    pub(super) left: Left,
}

/// Left singular vectors up to the rank.
#[derive(Debug, Clone)]
pub(super) enum Left {
    /// X times these columns [n_snapshots, rank].
    Combination(Mat<f64>),
    Vectors(TallMatrix),
}

impl Spectrum {
    /// Number of leading modes that a truncation keeps.
    pub fn count(&self, truncation: Truncation) -> usize {
        count(&self.sigma, self.rank, truncation, self.unseen)
    }

    /// sqrt(sum of discarded sigma² / sum of all sigma²) of the leading modes.
    pub fn projection_error_of(&self, n_modes: usize) -> f64 {
        projection_error(&self.sigma, self.unseen, n_modes)
    }

    /// Rows of modes `range`, from the same rows of the (centred) snapshots [n_rows, n_snapshots]. No modes where the left
    /// vectors are not combinations of the snapshots. Orthonormal as far as sqrt(eps) sigma_1 / sigma allows.
    pub fn modes_beyond(&self, snapshots: MatRef<'_, f64>, range: Range<usize>) -> Mat<f64> {
        match &self.left {
            Left::Combination(t) => dense::mul(snapshots, t.subcols(range.start, range.len())),
            Left::Vectors(_) => Mat::zeros(snapshots.nrows(), 0),
        }
    }

    /// As numbers, for a file; `None` where the left vectors are held: those are as tall as the snapshots.
    pub fn to_numbers(&self) -> Option<Vec<f64>> {
        let (Left::Combination(left), right) = (&self.left, &self.right) else { return None };
        let way = WAYS.iter().position(|way| *way == self.algorithm)?;
        let mut numbers = vec![way as f64, self.total, self.rank as f64];
        numbers.extend([self.sigma.len(), right.nrows(), right.ncols(), left.ncols()].map(|n| n as f64));
        numbers.extend(&self.sigma);
        [right, left].iter().for_each(|m| m.col_iter().for_each(|column| numbers.extend(column.iter())));
        Some(numbers)
    }

    /// What was turned into numbers; `None` where they do not fit together.
    pub fn from_numbers(numbers: &[f64]) -> Option<Spectrum> {
        let (head, rest) = numbers.split_at_checked(7)?;
        let [k, n, n_right, n_left] = [head[3], head[4], head[5], head[6]].map(|x| x as usize);
        let (sigma, rest) = rest.split_at_checked(k)?;
        let (right, left) = rest.split_at_checked(n.checked_mul(n_right)?)?;
        if left.len() != n.checked_mul(n_left)? {
            return None;
        }
        Some(Spectrum {
            algorithm: *WAYS.get(head[0] as usize)?,
            total: head[1],
            unseen: 0.0,
            rank: head[2] as usize,
            sigma: sigma.to_vec(),
            right: Mat::from_fn(n, n_right, |i, j| right[j * n + i]),
            left: Left::Combination(Mat::from_fn(n, n_left, |i, j| left[j * n + i])),
        })
    }

    /// S Zᵀ of the leading modes [n_modes, n_snapshots].
    pub(super) fn weighted_right(&self, n_modes: usize) -> Mat<f64> {
        Mat::from_fn(n_modes, self.right.nrows(), |k, j| self.sigma[k] * self.right[(j, k)])
    }
}

/// The singular values of [`pod`](super::pod::pod), in one pass over the snapshots where one suffices. Collective.
pub fn spectrum(snapshots: &dyn Slabs, m: &InnerProduct, options: &PodOptions) -> Result<Spectrum> {
    check(snapshots, m, options)?;
    let prepared = Prepared::new(snapshots, options.center, options.weights.as_deref(), true);
    let y = Watched::new(&prepared);
    let n = y.n_columns();
    let way = match (options.algorithm, first_way(options, n)) {
        (Algorithm::Auto, Algorithm::Gram) => {
            let gram = by_gram(&y, m)?;
            let kept = gram.count(options.truncation);
            // The tail must be seen to be small, too: its noise is n eps sigma_1².
            let safe = kept == 0 || gram.sigma[kept - 1] > GRAM_FLOOR * gram.sigma[0];
            // Modes below the floor of this way may be there all the same.
            let enough = !matches!(options.truncation, Truncation::Modes(k) if kept < k.min(n));
            if safe && enough && gram.rank > 0 {
                return Ok(gram);
            }
            Algorithm::Tsqr
        }
        (_, way) => way,
    };
    match (way, options.truncation) {
        (Algorithm::Gram, _) => by_gram(&y, m),
        (Algorithm::Randomized, Truncation::Modes(k)) => by_projection(&y, m, k, options.seed),
        (Algorithm::Randomized, _) => {
            Err(Error::argument("truncation of the randomized way", "a tolerance", "a number of modes"))
        }
        (Algorithm::Incremental, _) => by_columns(&y, m, options.truncation),
        _ => by_tsqr(&y, m),
    }
}

/// The way that is taken, or tried first where `Auto` is to choose: TSQR follows where Gram turns out to be blind.
pub fn first_way(options: &PodOptions, n_snapshots: usize) -> Algorithm {
    match (options.algorithm, options.truncation) {
        (Algorithm::Auto, Truncation::Modes(k)) if few_of_many(k, n_snapshots) => Algorithm::Randomized,
        (Algorithm::Auto, Truncation::Tolerance(t)) if t < GRAM_FLOOR => Algorithm::Tsqr,
        (Algorithm::Auto, _) => Algorithm::Gram,
        (way, _) => way,
    }
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

/// Refuses snapshots that were not finite, after the pass that saw them. Collective.
fn check_finite(y: &Watched<'_>) -> Result<()> {
    agree(y.layout().comm().as_ref(), y.largest().map(drop))
}

fn by_gram(y: &Watched<'_>, m: &InnerProduct) -> Result<Spectrum> {
    let g = gram(y, m, None)?;
    check_finite(y)?;
    let (values, vectors) = dense::symmetric_eigen(g.as_ref())?;
    let (largest, smallest) = values.iter().fold((0.0_f64, 0.0_f64), |(l, s), v| (l.max(*v), s.min(*v)));
    if smallest < -GRAM_FLOOR * largest {
        let mend = "check the inner product: a combination of the snapshots has a negative square".into();
        return Err(Error::NotPositiveDefinite { what: "the inner product".into(), pivot: values.len() - 1, mend });
    }
    let sigma: Vec<f64> = values.iter().map(|v| v.max(0.0).sqrt()).collect();
    let rank = rank_of(&sigma, (y.n_columns().max(1) as f64 * f64::EPSILON).sqrt());
    Ok(Spectrum {
        algorithm: Algorithm::Gram,
        total: sigma.iter().map(|s| s * s).sum(),
        unseen: 0.0,
        left: Left::Combination(divided(vectors.as_ref(), &sigma, rank)),
        right: vectors,
        sigma,
        rank,
    })
}

fn by_tsqr(y: &Watched<'_>, m: &InnerProduct) -> Result<Spectrum> {
    let n_rows = y.layout().n_rows();
    let floor = n_rows.max(y.n_columns()) as f64 * f64::EPSILON;
    let r = tsqr(y, m)?;
    check_finite(y)?;
    let (_, sigma, z) = dense::thin_svd(r.as_ref())?;
    // eps sigma_1 is what a backward stable factorisation can tell from zero; sqrt(n) covers the sums over rows.
    let rank = rank_of(&sigma, floor.min(64.0 * f64::EPSILON));
    let combination = divided(z.as_ref(), &sigma, rank);
    let total = |sigma: &[f64]| sigma.iter().map(|s| s * s).sum();
    let algorithm = Algorithm::Tsqr;
    if m.sparse().is_none() {
        let total = total(&sigma);
        let left = Left::Combination(combination);
        return Ok(Spectrum { algorithm, left, right: z, sigma, rank, total, unseen: 0.0 });
    }
    // M sparse: with Y = Q S Zᵀ and QᵀMQ = L Lᵀ, well conditioned as M is, the M-singular values of Y are those of
    // Lᵀ S Zᵀ. A pass of its own; the combined columns Q are never held.
    let l = dense::cholesky(gram(y, m, Some(combination.as_ref()))?.as_ref(), "the inner product")?;
    let weighted = Mat::from_fn(rank, y.n_columns(), |k, j| sigma[k] * z[(j, k)]);
    let (mut u, sigma, z) = dense::thin_svd(dense::mul(l.transpose(), weighted.as_ref()).as_ref())?;
    dense::solve_lower_transposed(l.as_ref(), u.as_mut());
    let (rank, total) = (rank_of(&sigma, 64.0 * f64::EPSILON), total(&sigma));
    let left = Left::Combination(dense::mul(combination.as_ref(), u.subcols(0, rank)));
    Ok(Spectrum { algorithm, left, right: z, sigma, rank, total, unseen: 0.0 })
}

fn by_projection(y: &Watched<'_>, m: &InnerProduct, k: usize, seed: u64) -> Result<Spectrum> {
    let svd = randomized_svd(y, m, k, seed);
    check_finite(y)?;
    let svd = svd?;
    Ok(Spectrum {
        algorithm: Algorithm::Randomized,
        rank: rank_of(&svd.sigma, 64.0 * f64::EPSILON),
        left: Left::Vectors(svd.left),
        right: svd.right,
        unseen: (svd.total - svd.sigma.iter().map(|s| s * s).sum::<f64>()).max(0.0),
        sigma: svd.sigma,
        total: svd.total,
    })
}

/// As many modes as the truncation may need; what else there is counts in the total.
fn by_columns(y: &Watched<'_>, m: &InnerProduct, truncation: Truncation) -> Result<Spectrum> {
    let (tolerance, max_modes) = match truncation {
        Truncation::Tolerance(tolerance) => (tolerance, None),
        Truncation::Modes(k) => (0.0, Some(k + k.max(SPARE))),
    };
    let options = IncrementalOptions { tolerance, max_modes, ..IncrementalOptions::default() };
    let (comm, n) = (y.layout().comm(), y.n_columns());
    let mut svd = incremental_svd(y.layout().clone(), m.clone(), &options)?;
    for from in (0..n).step_by(options.block) {
        let columns = agree(comm.as_ref(), y.columns(from..(from + options.block).min(n)))?;
        check_finite(y)?;
        svd.append(&columns)?;
    }
    let svd = svd.into_svd()?;
    let n_held = svd.singular_values.len();
    Ok(Spectrum {
        algorithm: Algorithm::Incremental,
        rank: n_held,
        right: svd.right.unwrap_or_else(|| Mat::zeros(n, n_held)),
        left: Left::Vectors(svd.basis),
        total: svd.total,
        unseen: svd.error.powi(2),
        sigma: svd.singular_values,
    })
}

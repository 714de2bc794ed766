//! Singular value decomposition of columns that arrive block after block.

mod changes;
pub mod restart;

use crate::error::{Error, Result};
use crate::linalg::block_gram_schmidt::block_gram_schmidt;
use crate::linalg::dense;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::{Layout, TallMatrix};
use faer::{Mat, MatRef};
use std::sync::Arc;

/// What is discarded on the way is at most this share of what the tolerance allows: see [`incremental_svd`].
const INNER: f64 = 1.0 / 32.0;
/// Below this, relative to sigma_1, a singular value is round-off.
const ROUND_OFF: f64 = 64.0 * f64::EPSILON;

/// Options of [`incremental_svd`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IncrementalOptions {
    /// Modes with sigma <= tolerance ||A|| are not wanted; 0 keeps all above round-off.
    pub tolerance: f64,
    /// At most this many modes are held; `None` holds as many as the tolerance needs.
    pub max_modes: Option<usize>,
    /// Columns that are collected before the decomposition is updated: the more, the less often V is read.
    pub block: usize,
    /// Keep the right singular vectors: needed for coefficients, changes and the removal of columns.
    pub right: bool,
}

impl Default for IncrementalOptions {
    fn default() -> Self {
        IncrementalOptions { tolerance: 1e-6, max_modes: None, block: 32, right: true }
    }
}

/// A = V S Wᵀ + E of all columns so far, with a bound of E; made by [`incremental_svd`].
///
/// V is held as H K: H [n_dofs, h] orthonormal, to which columns are appended, and K [h, k] small. Only when h has grown to
/// about 2 k is the product formed, so most updates rotate nothing tall.
#[derive(Debug, Clone)]
pub struct IncrementalSvd {
    options: IncrementalOptions,
    inner_product: InnerProduct,
    /// H.
    held: TallMatrix,
    /// K.
    rotation: Mat<f64>,
    sigma: Vec<f64>,
    /// W [n_columns, k], with orthonormal columns.
    right: Option<Mat<f64>>,
    n_columns: usize,
    /// Columns that wait for an update: the first `n_pending` of this block.
    pending: TallMatrix,
    n_pending: usize,
    /// Sum of the squares discarded since `bound` was set: their errors are orthogonal to each other.
    discarded: f64,
    /// Bound of the norm of all errors before.
    bound: f64,
}

/// Result of [`IncrementalSvd::finish`] and [`IncrementalSvd::into_svd`].
#[derive(Debug, Clone)]
pub struct Svd {
    /// V [n_dofs, n_modes], VᵀMV = I; the largest entry of each mode is positive (the lowest row on ties).
    pub basis: TallMatrix,
    /// Descending.
    pub singular_values: Vec<f64>,
    /// W [n_columns, n_modes], WᵀW = I, where it was kept.
    pub right: Option<Mat<f64>>,
    /// Frobenius norm of A - V S Wᵀ in M, or a bound of it where not `exact`.
    pub error: f64,
    /// Whether `error` is the error itself: where columns were appended and nothing else was done.
    pub exact: bool,
    /// Squared Frobenius norm of A in M (an upper bound where not `exact`).
    pub total: f64,
    /// Columns of A.
    pub n_columns: usize,
}

/// Starts the singular value decomposition of a matrix A [n_dofs, 0], to which columns are then
/// [appended](IncrementalSvd::append): A = V S Wᵀ + E, VᵀMV = I, WᵀW = I.
///
/// Each block B is split by [`block_gram_schmidt`] into V C + Q R, and
///
/// ```text
/// [A B] = [V Q] [S C; 0 R] [W 0; 0 I]ᵀ,   [S C; 0 R] = F T Gᵀ,   V <- [V Q] F,  S <- T,  W <- [W 0; 0 I] G
/// ```
///
/// is cut to the leading modes. What is cut has a row space orthogonal to that of all that is kept, now and later, so for
/// appended columns ||E||² is the sum of all discarded sigma² exactly, and
///
/// ```text
/// sigma_j(V S Wᵀ) <= sigma_j(A) <= sqrt(sigma_j(V S Wᵀ)² + ||E||²):
/// ```
///
/// no mode is invented. While columns arrive at most tolerance ||A|| / 32 is discarded in all, so that singular values above
/// tolerance ||A|| are right to 5e-4; [`finish`](IncrementalSvd::finish) then cuts those below it. `max_modes` discards
/// more; the bound stays true.
///
/// Errors: options out of range, an inner product that does not fit. Cost of n columns with k modes: about 16 n_dofs k n
/// flops. Collective.
/// Reference: Zha, Simon, SIAM J. Sci. Comput. 21 (1999) 782; Brand, Linear Algebra Appl. 415 (2006) 20.
#[doc(alias = "streaming_svd")]
pub fn incremental_svd(
    layout: Arc<Layout>,
    inner_product: InnerProduct,
    options: &IncrementalOptions,
) -> Result<IncrementalSvd> {
    let n = layout.n_local();
    let local = check(options).and_then(|()| inner_product.check(n));
    crate::comm::agree(layout.comm().as_ref(), local)?;
    Ok(IncrementalSvd {
        options: *options,
        inner_product,
        held: TallMatrix::new(layout.clone(), Mat::zeros(n, 0))?,
        rotation: Mat::zeros(0, 0),
        sigma: Vec::new(),
        right: options.right.then(|| Mat::zeros(0, 0)),
        n_columns: 0,
        pending: TallMatrix::new(layout, Mat::zeros(n, 0))?,
        n_pending: 0,
        discarded: 0.0,
        bound: 0.0,
    })
}

fn check(options: &IncrementalOptions) -> Result<()> {
    if !(0.0..1.0).contains(&options.tolerance) {
        return Err(Error::argument("tolerance", options.tolerance, "a number in [0, 1)"));
    }
    if options.max_modes == Some(0) {
        return Err(Error::argument("modes", 0, "at least 1"));
    }
    if options.block == 0 {
        return Err(Error::argument("columns of a block", 0, "at least 1"));
    }
    Ok(())
}

impl IncrementalSvd {
    /// Appends columns [n_dofs, s], any number of them. They wait until `block` of them are there; whoever asks for
    /// something of the decomposition calls [`flush`](Self::flush) first.
    ///
    /// Errors: other rows, values that are not finite; the decomposition is then as it was. Collective.
    pub fn append(&mut self, columns: &TallMatrix) -> Result<()> {
        let n = self.held.local().nrows();
        let fits = || {
            if columns.local().nrows() != n {
                return Err(Error::argument("rows of a block of columns", columns.local().nrows(), n));
            }
            match columns.local().col_iter().position(|c| c.iter().any(|v| !v.is_finite())) {
                Some(j) => Err(Error::argument(format!("column {j}"), "a value that is not finite", "finite numbers")),
                None => Ok(()),
            }
        };
        crate::comm::agree(self.held.comm(), fits())?;
        if self.pending.n_columns() == 0 {
            self.pending = TallMatrix::new(self.held.layout().clone(), Mat::zeros(n, self.options.block))?;
        }
        let mut done = 0;
        while done < columns.n_columns() {
            let s = (columns.n_columns() - done).min(self.options.block - self.n_pending);
            self.pending.copy_columns(self.n_pending, columns.local().subcols(done, s));
            self.n_pending += s;
            done += s;
            if self.n_pending == self.options.block {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Takes the columns in that wait. Collective.
    pub fn flush(&mut self) -> Result<()> {
        let s = std::mem::take(&mut self.n_pending);
        match s {
            0 => Ok(()),
            s if s == self.pending.n_columns() => {
                let nothing = self.nothing()?;
                let mut block = std::mem::replace(&mut self.pending, nothing);
                let updated = self.take_in(&mut block);
                self.pending = block;
                updated
            }
            s => {
                let part = self.pending.local().subcols(0, s).to_owned();
                self.take_in(&mut TallMatrix::new(self.held.layout().clone(), part)?)
            }
        }
    }

    fn nothing(&self) -> Result<TallMatrix> {
        TallMatrix::new(self.held.layout().clone(), Mat::zeros(self.held.local().nrows(), 0))
    }

    /// [A B].
    fn take_in(&mut self, block: &mut TallMatrix) -> Result<()> {
        let s = block.n_columns();
        let split = block_gram_schmidt(&self.held, block, &self.inner_product)?;
        let (h, k, q) = (self.held.n_columns(), self.sigma.len(), split.new.n_columns());
        let entry = |i: usize, j: usize| match (i < h, j < k) {
            (true, true) => self.rotation[(i, j)] * self.sigma[j],
            (true, false) => split.coefficients[(i, j - k)],
            (false, true) => 0.0,
            (false, false) => split.new_coefficients[(i - h, j - k)],
        };
        let (left, sigma, right) = dense::thin_svd(Mat::from_fn(h + q, k + s, entry).as_ref())?;
        self.discarded += split.left_out;
        let kept = self.cut(&sigma);
        if let Some(w) = &self.right {
            self.right = Some(extended(w.as_ref(), right.subcols(0, kept)));
        }
        self.n_columns += s;
        self.hold(&split.new, left.subcols(0, kept), sigma[..kept].to_vec())
    }

    /// [H Q] F and S of an update; forms the product where H has grown long.
    fn hold(&mut self, new: &TallMatrix, rotation: MatRef<'_, f64>, sigma: Vec<f64>) -> Result<()> {
        let (block, most) = (self.options.block, 2 * sigma.len() + self.options.block);
        self.held.push_columns(new, (most + block).next_multiple_of(2 * block))?;
        self.rotation = rotation.to_owned();
        self.sigma = sigma;
        if self.held.n_columns() > most { self.materialise() } else { Ok(()) }
    }

    /// H <- H K, K <- I.
    fn materialise(&mut self) -> Result<()> {
        self.held.combine_columns(self.rotation.as_ref())?;
        self.rotation = Mat::identity(self.sigma.len(), self.sigma.len());
        Ok(())
    }

    /// Number of modes to keep of a new spectrum; notes what is discarded.
    fn cut(&mut self, sigma: &[f64]) -> usize {
        let square = |sigma: &[f64]| sigma.iter().rev().fold(0.0, |sum, s| sum + s * s);
        let above = sigma.iter().take_while(|s| **s > ROUND_OFF * sigma[0]).count();
        let mut kept = above.min(self.options.max_modes.unwrap_or(above));
        let allowed = (INNER * self.options.tolerance).powi(2) * (square(sigma) + self.discarded);
        let mut tail = self.discarded + square(&sigma[kept..]);
        while kept > 0 && tail + sigma[kept - 1] * sigma[kept - 1] <= allowed {
            kept -= 1;
            tail += sigma[kept] * sigma[kept];
        }
        self.discarded = tail;
        kept
    }

    /// Columns so far, those that wait too.
    pub fn n_columns(&self) -> usize {
        self.n_columns + self.n_pending
    }

    /// Singular values that are held, descending, after the last [`flush`](Self::flush); some may be below the tolerance.
    pub fn singular_values(&self) -> &[f64] {
        &self.sigma
    }

    /// Frobenius norm of A - V S Wᵀ in M after the last [`flush`](Self::flush): exact where columns were appended and
    /// nothing else was done, a bound otherwise.
    pub fn error(&self) -> f64 {
        self.bound + self.discarded.sqrt()
    }

    /// Squared Frobenius norm of A in M after the last [`flush`](Self::flush).
    pub fn total(&self) -> f64 {
        self.sigma.iter().rev().fold(self.error().powi(2), |sum, s| sum + s * s)
    }

    /// The leading modes of what is there, with sigma above tolerance ||A||; what is cut is added to the error. Collective.
    pub fn finish(mut self) -> Result<Svd> {
        self.flush()?;
        let total = self.total();
        let threshold = self.options.tolerance * total.sqrt();
        let n = self.sigma.iter().take_while(|s| **s > threshold).count();
        self.truncate(n)?;
        Ok(Svd { total, ..self.into_svd()? })
    }

    /// All modes that are held, those below the tolerance too. Collective.
    pub fn into_svd(mut self) -> Result<Svd> {
        self.flush()?;
        self.materialise()?;
        let (error, exact, total) = (self.error(), self.bound == 0.0, self.total());
        let IncrementalSvd { held: mut basis, mut right, sigma, n_columns, .. } = self;
        let sign = |j: usize| if basis.argmax_abs(j).0 < 0.0 { -1.0 } else { 1.0 };
        let signs: Vec<f64> = (0..sigma.len()).map(sign).collect();
        basis.scale_columns(&signs);
        if let Some(w) = &mut right {
            w.as_mut().col_iter_mut().zip(&signs).for_each(|(c, sign)| c.iter_mut().for_each(|v| *v *= sign));
        }
        Ok(Svd { basis, singular_values: sigma, right, error, exact, total, n_columns })
    }

    /// Keeps the leading `n_modes`; the others are added to the error. Collective.
    pub fn truncate(&mut self, n_modes: usize) -> Result<()> {
        self.flush()?;
        let n = n_modes.min(self.sigma.len());
        self.discarded += self.sigma[n..].iter().rev().fold(0.0, |sum, s| sum + s * s);
        self.sigma.truncate(n);
        self.rotation = self.rotation.subcols(0, n).to_owned();
        if let Some(w) = &mut self.right {
            w.truncate(w.nrows(), n);
        }
        self.materialise()
    }
}

impl Svd {
    /// S Wᵀ [n_modes, n_columns]: the columns of A in the basis; `None` where W was not kept.
    pub fn coefficients(&self) -> Option<Mat<f64>> {
        let w = self.right.as_ref()?;
        Some(Mat::from_fn(self.singular_values.len(), w.nrows(), |i, j| self.singular_values[i] * w[(j, i)]))
    }
}

/// [W 0; 0 I] G.
fn extended(w: MatRef<'_, f64>, g: MatRef<'_, f64>) -> Mat<f64> {
    let (n, k) = (w.nrows(), w.ncols());
    let s = g.nrows() - k;
    let mut all = Mat::zeros(n + s, g.ncols());
    dense::gemm(all.as_mut().subrows_mut(0, n), false, w, g.subrows(0, k), 1.0);
    all.as_mut().subrows_mut(n, s).copy_from(g.subrows(k, s));
    all
}

//! The modes of a proper orthogonal decomposition: its last pass over the snapshots.

use super::pod::PodOptions;
use super::pod_spectrum::{Left, Spectrum};
use crate::comm::agree;
use crate::error::Result;
use crate::linalg::dense;
use crate::linalg::inner_product::{InnerProduct, orthonormal_factors};
use crate::linalg::slab_products::{cross, norms};
use crate::linalg::slabs::{Prepared, Slabs, mul_small, set_ghosts};
use crate::linalg::tall::{TallMatrix, mul_blocks};
use faer::{Mat, MatRef};
use rayon::prelude::*;

/// What [`modes`] returns.
#[derive(Debug, Clone)]
pub struct Modes {
    /// V [n_dofs, n_modes], VᵀMV = I; the largest entry of each mode is positive (the lowest row on ties).
    pub basis: TallMatrix,
    /// VᵀM(X - mean) [n_modes, n_snapshots].
    pub coefficients: Mat<f64>,
    /// Mean of the snapshots on the local rows, where centred.
    pub mean: Option<Vec<f64>>,
    /// Mean square over the snapshots of what the modes miss, per owned row.
    pub residual_variance: Vec<f64>,
    /// M-norm of what the modes miss of each snapshot.
    pub missed: Vec<f64>,
    /// The rows of the centred snapshots that were to be kept [n_rows, n_snapshots].
    pub kept: Mat<f64>,
    /// Coefficients in all modes of the spectrum [n_wide, n_snapshots]: the leading ones are `coefficients`, the others go
    /// with [`Spectrum::modes_beyond`], as far as that has any.
    pub wide_coefficients: Mat<f64>,
}

/// The leading modes of a spectrum, in one more pass over the same snapshots with the same options. Collective.
///
/// The rows `keep` (of this rank, counted from the first owned one, ascending) are kept as they pass; without them the
/// residuals are not computed. Errors: those of reading, an inner product that is not positive definite.
/// Cost: 2 n m flops per mode, as much again for the residuals; two passes more where the left vectors of the spectrum
/// do not come from its right ones (randomized, weighted).
pub fn modes(
    snapshots: &dyn Slabs,
    m: &InnerProduct,
    options: &PodOptions,
    spectrum: &Spectrum,
    n_modes: usize,
    keep: Option<&[usize]>,
) -> Result<Modes> {
    let (layout, n) = (snapshots.layout().clone(), snapshots.n_columns());
    let x = Prepared::new(snapshots, options.center, options.weights.as_deref(), false);
    let known = known_vectors(snapshots, m, options, spectrum, n_modes)?;
    let known = match known {
        Some(basis) => Some((cross(&basis, &x, m)?, basis)),
        None => None,
    };
    let right = spectrum.weighted_right(spectrum.rank);
    let pass = Pass {
        x: &x,
        centred: options.center,
        vectors: match (&known, &spectrum.left) {
            (None, Left::Combination(t)) => {
                Vectors::Combined(t.subcols(0, n_modes), right.as_ref().subrows(0, n_modes))
            }
            (Some((c, basis)), _) => Vectors::Known(basis, c.as_ref()),
            (None, Left::Vectors(basis)) => Vectors::Known(basis, right.as_ref().subrows(0, 0)),
        },
        keep,
    };
    let Passed { local, mean, mut residual_variance, kept } = agree(layout.comm().as_ref(), pass.run())?;
    residual_variance.iter_mut().for_each(|v| *v /= n as f64);

    let unknown = known.is_none();
    let (basis, coefficients, missed) = match known {
        Some((c, basis)) => {
            let seen = |j: usize| c.col(j).iter().map(|c| c * c).sum::<f64>();
            let missed = norms(&x, m)?.iter().enumerate().map(|(j, x)| (x * x - seen(j)).max(0.0).sqrt()).collect();
            (basis, c, missed)
        }
        None => {
            // X T = V R, so that X Z Zᵀ = X T S Zᵀ = V (R S Zᵀ).
            let (mut basis, r) = orthonormal_factors(TallMatrix::new(layout.clone(), local)?, m)?;
            let signs = orient(&mut basis);
            let mut c = dense::mul(r.as_ref(), right.as_ref().subrows(0, n_modes));
            dense::scale_rows(c.as_mut(), &signs);
            let square = |j: usize, k: usize| (spectrum.sigma[k] * spectrum.right[(j, k)]).powi(2);
            let missed = |j: usize| (n_modes..spectrum.sigma.len()).map(|k| square(j, k)).sum::<f64>().sqrt();
            (basis, c, (0..n).map(missed).collect())
        }
    };
    let n_wide = if keep.is_none() || !unknown { n_modes } else { spectrum.rank };
    let of_wide = |k: usize, j: usize| if k < n_modes { coefficients[(k, j)] } else { right[(k, j)] };
    let wide_coefficients = Mat::from_fn(n_wide, n, of_wide);
    Ok(Modes { basis, coefficients, mean, residual_variance, missed, kept, wide_coefficients })
}

/// Left vectors that need no pass of their own, or cannot have one together with the coefficients. Collective.
fn known_vectors(
    snapshots: &dyn Slabs,
    m: &InnerProduct,
    options: &PodOptions,
    spectrum: &Spectrum,
    n_modes: usize,
) -> Result<Option<TallMatrix>> {
    let mut basis = match &spectrum.left {
        Left::Combination(_) if options.weights.is_none() => return Ok(None),
        Left::Combination(t) => {
            let y = Prepared::new(snapshots, options.center, options.weights.as_deref(), true);
            let v = mul_small(&y, t.subcols(0, n_modes));
            orthonormal_factors(agree(snapshots.layout().comm().as_ref(), v)?, m)?.0
        }
        Left::Vectors(v) => orthonormal_factors(leading(v, n_modes)?, m)?.0,
    };
    orient(&mut basis);
    Ok(Some(basis))
}

/// A copy of the first columns.
fn leading(v: &TallMatrix, n: usize) -> Result<TallMatrix> {
    TallMatrix::new(v.layout().clone(), v.local().subcols(0, n.min(v.n_columns())).to_owned())
}

/// Where the left vectors V' of X ~ V' C come from.
enum Vectors<'a> {
    /// V' = X T, and C.
    Combined(MatRef<'a, f64>, MatRef<'a, f64>),
    Known(&'a TallMatrix, MatRef<'a, f64>),
}

struct Pass<'a> {
    x: &'a Prepared<'a>,
    centred: bool,
    vectors: Vectors<'a>,
    keep: Option<&'a [usize]>,
}

struct Passed {
    /// X T with ghosts, where it is combined.
    local: Mat<f64>,
    mean: Option<Vec<f64>>,
    /// Row sums of squares of X - V' C.
    residual_variance: Vec<f64>,
    kept: Mat<f64>,
}

impl Pass<'_> {
    fn run(&self) -> Result<Passed> {
        let layout = self.x.layout();
        let (own, size, n) = (layout.owned(), layout.block_rows(), self.x.n_columns());
        let keep = self.keep.unwrap_or_default();
        let mut local = match self.vectors {
            Vectors::Combined(t, _) => Mat::zeros(layout.n_local(), t.ncols()),
            Vectors::Known(..) => Mat::new(),
        };
        let mut mean = vec![0.0; if self.centred { layout.n_local() } else { 0 }];
        let mut sums = vec![0.0; if self.keep.is_some() { own.len() } else { 0 }];
        let (mut kept, mut next) = (Mat::zeros(keep.len(), n), 0);
        if matches!(self.vectors, Vectors::Known(..)) && !self.centred && self.keep.is_none() {
            return Ok(Passed { local, mean: None, residual_variance: sums, kept });
        }
        self.x.pieces(&mut |rows, slab, means| {
            let part = own.start + rows.start..own.start + rows.end;
            if self.centred {
                mean[part.clone()].copy_from_slice(means);
            }
            let (vectors, c) = match self.vectors {
                Vectors::Known(basis, c) => (basis.local().subrows(part.start, part.len()), c),
                Vectors::Combined(t, c) => {
                    mul_blocks(local.as_mut().subrows_mut(part.start, part.len()), slab, t, size);
                    (local.as_ref().subrows(part.start, part.len()), c)
                }
            };
            if self.keep.is_some() {
                add_missed_squares(slab, vectors, c, size, &mut sums[rows.clone()]);
            }
            while next < keep.len() && keep[next] < rows.end {
                (0..n).for_each(|j| kept[(next, j)] = slab[(keep[next] - rows.start, j)]);
                next += 1;
            }
            Ok(())
        })?;
        if layout.n_local() > own.len() {
            let (ghosts, means) = self.x.ghosts_and_means()?;
            if let Vectors::Combined(t, _) = self.vectors {
                set_ghosts(&mut local, layout, ghosts.as_ref(), t);
            }
            if self.centred {
                mean[..own.start].copy_from_slice(&means[..own.start]);
                mean[own.end..].copy_from_slice(&means[own.start..]);
            }
        }
        Ok(Passed { local, mean: self.centred.then_some(mean), residual_variance: sums, kept })
    }
}

/// Adds the row sums of squares of X - V C, by row blocks in parallel.
fn add_missed_squares(x: MatRef<'_, f64>, v: MatRef<'_, f64>, c: MatRef<'_, f64>, block_rows: usize, sums: &mut [f64]) {
    sums.par_chunks_mut(block_rows).enumerate().for_each(|(b, sums)| {
        let (first, len) = (b * block_rows, sums.len());
        let mut missed = x.subrows(first, len).to_owned();
        if c.nrows() > 0 {
            dense::gemm(missed.as_mut(), true, v.subrows(first, len), c, -1.0);
        }
        for column in missed.col_iter() {
            sums.iter_mut().zip(column.iter()).for_each(|(s, e)| *s += e * e);
        }
    });
}

/// Turns each mode so that its largest entry is positive; returns the signs. Collective.
fn orient(basis: &mut TallMatrix) -> Vec<f64> {
    let n = basis.n_columns();
    let signs: Vec<f64> = (0..n).map(|j| if basis.argmax_abs(j).0 < 0.0 { -1.0 } else { 1.0 }).collect();
    basis.scale_columns(&signs);
    signs
}

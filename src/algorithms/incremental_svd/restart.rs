//! The state of a decomposition as bytes: a run that was stopped goes on to the bit.

use super::{IncrementalOptions, IncrementalSvd, check, incremental_svd};
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::{Layout, TallMatrix};
use faer::{Mat, MatRef};
use std::sync::Arc;

/// First bytes, with the version of what follows.
const MAGIC: &[u8; 8] = b"KOLMOSV1";

/// All that a decomposition holds but layout and inner product; matrices column by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    pub options: IncrementalOptions,
    pub n_columns: usize,
    pub discarded: f64,
    pub bound: f64,
    pub singular_values: Vec<f64>,
    /// H on the rows that this rank holds [n_local, h].
    pub held: Mat<f64>,
    /// K [h, k].
    pub rotation: Mat<f64>,
    /// W [n_columns, k].
    pub right: Option<Mat<f64>>,
    /// Columns that wait [n_local, s].
    pub pending: Mat<f64>,
}

impl IncrementalSvd {
    /// Everything but layout and inner product, of this rank. Not collective.
    pub fn to_parts(&self) -> Parts {
        Parts {
            options: self.options,
            n_columns: self.n_columns,
            discarded: self.discarded,
            bound: self.bound,
            singular_values: self.sigma.clone(),
            held: self.held.local().to_owned(),
            rotation: self.rotation.clone(),
            right: self.right.clone(),
            pending: self.pending.local().subcols(0, self.n_pending).to_owned(),
        }
    }

    /// The decomposition that [`to_parts`](Self::to_parts) took apart, on the same layout. Errors: parts that do not fit
    /// together. Collective.
    pub fn from_parts(layout: Arc<Layout>, inner_product: InnerProduct, parts: Parts) -> Result<IncrementalSvd> {
        let (n, h, k) = (layout.n_local(), parts.held.ncols(), parts.singular_values.len());
        let shape = |m: &Mat<f64>| (m.nrows(), m.ncols());
        let fits = parts.held.nrows() == n
            && shape(&parts.rotation) == (h, k)
            && parts.right.as_ref().is_none_or(|w| shape(w) == (parts.n_columns, k))
            && parts.right.is_some() == parts.options.right
            && parts.pending.nrows() == n
            && parts.pending.ncols() < parts.options.block.max(1);
        let fits = match fits {
            true => check(&parts.options),
            false => Err(Error::argument(
                "a stored decomposition",
                "parts of other shapes",
                format!("{n} rows of one state"),
            )),
        };
        crate::comm::agree(layout.comm().as_ref(), fits)?;
        let mut this = incremental_svd(layout.clone(), inner_product, &parts.options)?;
        let pending = TallMatrix::new(layout.clone(), parts.pending)?;
        this.held = TallMatrix::new(layout, parts.held)?;
        this.rotation = parts.rotation;
        this.sigma = parts.singular_values;
        this.right = parts.right;
        this.n_columns = parts.n_columns;
        (this.discarded, this.bound) = (parts.discarded, parts.bound);
        this.append(&pending)?;
        Ok(this)
    }

    /// [`to_parts`](Self::to_parts) as bytes (little-endian), with a checksum.
    pub fn to_bytes(&self) -> Vec<u8> {
        let parts = self.to_parts();
        let mut out = MAGIC.to_vec();
        let o = &parts.options;
        for number in [o.max_modes.map_or(0, |m| m as u64), o.block as u64, u64::from(o.right), parts.n_columns as u64]
        {
            out.extend(number.to_le_bytes());
        }
        for number in [o.tolerance, parts.discarded, parts.bound] {
            out.extend(number.to_le_bytes());
        }
        let sigma = MatRef::from_column_major_slice(&parts.singular_values, parts.singular_values.len(), 1);
        let none = Mat::zeros(0, 0);
        for m in [
            sigma,
            parts.held.as_ref(),
            parts.rotation.as_ref(),
            parts.right.as_ref().unwrap_or(&none).as_ref(),
            parts.pending.as_ref(),
        ] {
            out.extend((m.nrows() as u64).to_le_bytes());
            out.extend((m.ncols() as u64).to_le_bytes());
            m.col_iter().for_each(|c| c.iter().for_each(|v| out.extend(v.to_le_bytes())));
        }
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        out
    }

    /// The decomposition from the bytes of this rank. Errors: other bytes, damaged ones, another layout. Collective.
    pub fn from_bytes(layout: Arc<Layout>, inner_product: InnerProduct, bytes: &[u8]) -> Result<IncrementalSvd> {
        let damaged = || Error::argument("a stored decomposition", "bytes that are damaged", "those that were written");
        let parts = crate::comm::agree(layout.comm().as_ref(), parse(bytes).ok_or_else(damaged))?;
        IncrementalSvd::from_parts(layout, inner_product, parts)
    }
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn word(&mut self) -> Option<[u8; 8]> {
        let (head, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(*head)
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.word()?)).ok()
    }

    fn number(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.word()?))
    }

    fn matrix(&mut self) -> Option<Mat<f64>> {
        let (m, n) = (self.count()?, self.count()?);
        let (values, rest) = self.0.split_at_checked(m.checked_mul(n)?.checked_mul(8)?)?;
        self.0 = rest;
        let (words, _) = values.as_chunks::<8>();
        Some(Mat::from_fn(m, n, |i, j| f64::from_le_bytes(words[j * m + i])))
    }
}

/// None where the bytes are not those of [`IncrementalSvd::to_bytes`].
fn parse(bytes: &[u8]) -> Option<Parts> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(body).to_le_bytes() != *crc || !body.starts_with(MAGIC) {
        return None;
    }
    let mut cursor = Cursor(&body[MAGIC.len()..]);
    let (max_modes, block, right, n_columns) = (cursor.count()?, cursor.count()?, cursor.count()?, cursor.count()?);
    let (tolerance, discarded, bound) = (cursor.number()?, cursor.number()?, cursor.number()?);
    let sigma = cursor.matrix()?;
    let parts = Parts {
        options: IncrementalOptions {
            tolerance,
            max_modes: (max_modes > 0).then_some(max_modes),
            block,
            right: right == 1,
        },
        n_columns,
        discarded,
        bound,
        singular_values: if sigma.ncols() == 1 { sigma.col_as_slice(0).to_vec() } else { return None },
        held: cursor.matrix()?,
        rotation: cursor.matrix()?,
        right: Some(cursor.matrix()?).filter(|_| right == 1),
        pending: cursor.matrix()?,
    };
    cursor.0.is_empty().then_some(parts)
}

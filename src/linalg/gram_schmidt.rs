//! Re-orthogonalised Gram-Schmidt.

use super::inner_product::InnerProduct;
use super::tall::TallMatrix;
use crate::error::Result;
use faer::Mat;

/// Extends an orthonormal basis by the parts of `columns` that it misses; a column that loses all but `tolerance` of its
/// norm is left out. Classical Gram-Schmidt by blocks, twice ("twice is enough"), then one column after the other.
///
/// Returns the new basis and which columns were kept. Collective.
/// Reference: Giraud, Langou, Rozloznik, van den Eshof, Numer. Math. 101 (2005) 87.
pub fn gram_schmidt(
    basis: Option<&TallMatrix>,
    columns: &TallMatrix,
    m: &InnerProduct,
    tolerance: f64,
) -> Result<(TallMatrix, Vec<usize>)> {
    let layout = columns.layout();
    let n_local = columns.local().nrows();
    let n_old = basis.map_or(0, TallMatrix::n_columns);
    let mut q = Mat::zeros(n_local, n_old + columns.n_columns());
    if let Some(basis) = basis {
        q.as_mut().subcols_mut(0, n_old).copy_from(basis.local());
    }
    let mut kept = Vec::new();
    for j in 0..columns.n_columns() {
        let n = n_old + kept.len();
        let mut v = TallMatrix::new(layout.clone(), columns.local().subcols(j, 1).to_owned())?;
        let norm = m.norms(&v)[0];
        for _ in 0..2 {
            let old = TallMatrix::new(layout.clone(), q.as_ref().subcols(0, n).to_owned())?;
            let projection = old.mul_small(m.cross(&old, &v).as_ref());
            v = TallMatrix::new(layout.clone(), v.local() - projection.local())?;
        }
        let left = m.norms(&v)[0];
        if left > tolerance * norm && left > 0.0 {
            q.as_mut().col_mut(n).copy_from(v.local().col(0) * faer::Scale(1.0 / left));
            kept.push(j);
        }
    }
    let q = q.as_ref().subcols(0, n_old + kept.len()).to_owned();
    Ok((TallMatrix::new(layout.clone(), q)?, kept))
}

//! Which rows of a field a rank holds, the inner product between them, and their values in samples.

use super::source::inner_product;
use faer::{Mat, MatRef};
use kolmo::comm::Communicator;
use kolmo::data::{FieldInfo, Location};
use kolmo::error::Result;
use kolmo::io::SnapshotSource;
use kolmo::linalg::exchange_rows::exchange_rows;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::tall::Layout;
use kolmo::mesh::Mesh;
use kolmo::mesh::mass_matrix::mass_matrix_rows;
use kolmo::online::ReducedField;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Ghosts that are read together lie at most so many rows apart, and in so many in all.
const GAP: usize = 1 << 12;
const SPAN: usize = 1 << 16;

/// Rows of a field, shared out evenly, with those that the inner product touches beside them.
pub struct RankRows {
    pub layout: Arc<Layout>,
    /// Between the rows that this rank holds.
    pub product: InnerProduct,
}

/// This rank's rows of a field; arguments and errors as [`inner_product`]. No matrix of the whole mesh is built on several ranks.
/// Not collective.
pub fn rank_rows(
    kind: &str,
    field: &FieldInfo,
    mesh: Option<&Mesh>,
    file: Option<&sprs::CsMat<f64>>,
    path: &Path,
    comm: &Arc<dyn Communicator>,
) -> Result<RankRows> {
    let (even, k) = (Layout::even(field.n_entities, field.n_components, comm.clone()), field.n_components);
    let own = even.local_range();
    if let ("l2", Some(mesh), Location::Point, true) = (kind, mesh, field.location, comm.size() > 1) {
        let entities = own.start / k.max(1)..own.end / k.max(1);
        let (ghosts, m) = mass_matrix_rows(mesh, entities).map_err(|e| e.in_file(path))?;
        let ghosts = ghosts.into_iter().flat_map(|e| e * k..(e + 1) * k).collect();
        return Ok(RankRows { layout: even.with_ghosts(ghosts)?, product: InnerProduct::Components(m, k) });
    }
    let (layout, product) = inner_product(kind, field, mesh, file, path)?.of_rank(&even)?;
    Ok(RankRows { layout, product })
}

impl RankRows {
    /// Rows that are to be read of a model; `None` for all.
    pub fn of_model(&self) -> Option<Vec<usize>> {
        (self.layout.comm().size() > 1).then(|| self.layout.rows())
    }

    /// The rows of this rank in samples [held, samples]. Errors: those of reading. Not collective.
    pub fn read(&self, source: &dyn SnapshotSource, field: &FieldInfo, samples: &[usize]) -> Result<Mat<f64>> {
        let (held, own) = (self.layout.rows(), self.layout.local_range());
        if held.len() == own.len() {
            return source.read(field, samples, own);
        }
        let mut values = Mat::zeros(held.len(), samples.len());
        for group in groups(&held, &own) {
            let rows = &held[group.clone()];
            let first = rows[0];
            let read = source.read(field, samples, first..rows[rows.len() - 1] + 1)?;
            for (j, from) in read.col_iter().enumerate() {
                let to = &mut values.col_as_slice_mut(j)[group.clone()];
                to.iter_mut().zip(rows).for_each(|(to, row)| *to = from[row - first]);
            }
        }
        Ok(values)
    }

    /// The rows of this rank of a field of which the ranks hold other ones between them. Collective.
    pub fn of_field(&self, mut field: ReducedField) -> ReducedField {
        let Some(wanted) = self.of_model() else { return field };
        let held = match field.part.take() {
            Some(held) if held == wanted => return ReducedField { part: Some(held), ..field },
            Some(held) => held,
            None => (0..field.basis.nrows()).collect(),
        };
        let comm = self.layout.comm().as_ref();
        let rows = |local: MatRef<'_, f64>| exchange_rows(comm, &held, local, &wanted);
        let column = |v: &[f64]| rows(MatRef::from_column_major_slice(v, v.len(), 1)).col_as_slice(0).to_vec();
        (field.residual_variance, field.mean) = (column(&field.residual_variance), field.mean.as_deref().map(&column));
        field.basis = rows(field.basis.as_ref());
        field.part = Some(wanted);
        field
    }
}

/// Places in `held` that are read together: own rows with the ghosts near by, other ghosts in small groups.
fn groups(held: &[usize], own: &Range<usize>) -> Vec<Range<usize>> {
    let reach = own.len() / 4;
    let near = own.start.saturating_sub(reach)..own.end + reach;
    let with_own = match own.is_empty() {
        true => 0..0,
        false => held.partition_point(|r| *r < near.start)..held.partition_point(|r| *r < near.end),
    };
    let mut found = Vec::new();
    for part in [0..with_own.start, with_own.clone(), with_own.end..held.len()] {
        let mut start = part.start;
        for i in part.clone() {
            let ends = i + 1 == part.end;
            let far = !ends && part != with_own && (held[i + 1] - held[i] > GAP || held[i + 1] - held[start] > SPAN);
            if ends || far {
                found.push(start..i + 1);
                start = i + 1;
            }
        }
    }
    found
}

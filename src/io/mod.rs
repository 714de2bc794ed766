//! Files: the only places that know layouts.

pub mod atomic;
pub(crate) mod csr;
pub mod csv;
pub(crate) mod hdf;
pub(crate) mod hyperslab;
pub mod mesh_file;
pub mod model_file;
pub mod model_reader;
pub mod model_writer;
pub mod numpy;
pub mod open_mesh;
pub mod pod_model;
pub mod predictions;
pub mod stacked;
pub(crate) mod stacked_mesh;
pub mod vtu;
pub mod xdmf;
pub(crate) mod xdmf_grids;
pub(crate) mod xdmf_items;
pub(crate) mod xdmf_light;
pub(crate) mod xdmf_topology;
pub mod xdmf_writer;

pub use open_mesh::open_mesh;

use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::mesh::Mesh;
use faer::Mat;
use std::fmt::Debug;
use std::ops::Range;
use std::path::Path;

/// Samples of full-order solutions in files; what is small is held, fields are read on demand.
pub trait SnapshotSource: Send + Sync + Debug {
    /// The file or folder, for messages.
    fn path(&self) -> &Path;
    /// Number of samples.
    fn n_samples(&self) -> usize;
    /// The fields, in the order of the file.
    fn fields(&self) -> &[FieldInfo];
    /// Parameters [n_samples, n_parameters], where the file holds them.
    fn parameters(&self) -> Option<&Table>;
    /// Scalar outputs [n_samples, n_scalars], where the file holds them.
    fn scalars(&self) -> Option<&Table>;
    /// Time of each sample, where the file holds it.
    fn time(&self) -> Option<&[f64]>;
    /// The mesh; where points move, with those of the first sample whose mesh is usable.
    fn mesh(&self) -> Option<&Mesh>;
    /// Whether points move from sample to sample: then they are a field to learn, the last one.
    fn points_move(&self) -> bool {
        false
    }
    /// The mesh with the mean of the points of `samples`, checked. Errors: K004 points that are not finite, K015.
    fn mean_mesh(&self, samples: &[usize]) -> Result<Option<Mesh>>;
    /// The mesh of one sample, checked; errors as [`mean_mesh`](Self::mean_mesh).
    fn mesh_of(&self, sample: usize) -> Result<Option<Mesh>> {
        self.mean_mesh(&[sample])
    }
    /// Rows `dofs` of the snapshots `samples` of `field`: [dofs, samples]. Refuses what is not finite, naming sample
    /// and entry.
    fn read(&self, field: &FieldInfo, samples: &[usize], dofs: Range<usize>) -> Result<Mat<f64>>;
}

/// Refuses samples and entries that a field does not have.
fn check_range(field: &FieldInfo, n_samples: usize, samples: &[usize], dofs: &Range<usize>) -> Result<()> {
    if let Some(&s) = samples.iter().find(|&&s| s >= n_samples) {
        return Err(Error::argument("sample", s, format!("below {n_samples}")));
    }
    if dofs.start > dofs.end || dofs.end > field.n_dofs() {
        let found = format!("{}..{}", dofs.start, dofs.end);
        return Err(Error::argument(
            format!("entries of {}", field.name),
            found,
            format!("within 0..{}", field.n_dofs()),
        ));
    }
    Ok(())
}

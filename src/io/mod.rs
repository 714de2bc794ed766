//! Files: the only places that know layouts.

pub mod atomic;
pub mod atomic_folder;
pub mod cgns;
pub mod checkpoint;
pub(crate) mod chunk_filters;
pub(crate) mod complex;
pub(crate) mod csr;
pub mod csv;
pub mod ensight;
pub mod field_chunks;
pub mod field_slabs;
pub mod file_rates;
pub mod former_pieces;
pub mod gmsh;
pub(crate) mod hdf;
pub(crate) mod hyperslab;
pub(crate) mod link_names;
pub mod matrix_folder;
pub mod matrix_market;
pub mod mesh_file;
pub mod mesh_samples;
pub mod model_file;
pub mod model_reader;
pub mod model_writer;
mod npz;
pub mod npz_writer;
pub mod numpy;
pub mod open_mesh;
pub mod openfoam;
mod operator_bound_text;
pub mod operator_model_file;
mod operator_pattern;
pub mod operators;
pub mod piece_writer;
pub mod pod_model;
pub mod predictions;
pub(crate) mod rank_order;
pub mod rank_predictions;
pub(crate) mod raw_chunk;
pub(crate) mod same_pieces;
pub mod sample_files;
mod sample_parameters;
pub mod sample_writer;
pub(crate) mod scanner;
pub(crate) mod scratch;
pub(crate) mod slab_plan;
mod slab_sweep;
pub mod stacked;
pub(crate) mod stacked_mesh;
mod stacked_tables;
pub mod stacked_writer;
pub mod vtk;
pub mod xdmf;

pub use open_mesh::open_mesh;

use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::io::field_chunks::FieldChunks;
use crate::io::mesh_file::{ArrayInfo, Number, TagName};
use crate::mesh::Mesh;
use faer::{Mat, MatMut, MatRef};
use std::fmt::Debug;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Samples of full-order solutions in files; what is small is held, fields are read on demand.
pub trait SnapshotSource: Send + Sync + Debug {
    /// The file or folder, for messages.
    fn path(&self) -> &Path;
    /// All files that are read.
    fn files(&self) -> Vec<PathBuf> {
        vec![self.path().to_path_buf()]
    }
    /// Number of samples.
    fn n_samples(&self) -> usize;
    /// Names of the samples, where they have other names than their numbers.
    fn names(&self) -> Option<&[String]> {
        None
    }
    /// The name under which tables know each sample: all states of a series have that of its file.
    fn keys(&self) -> Option<&[String]> {
        None
    }
    /// The fields, in the order of the file.
    fn fields(&self) -> &[FieldInfo];
    /// Arrays of integers: tags, which are fields only where a study names them.
    fn tags(&self) -> &[FieldInfo] {
        &[]
    }
    /// Parameters [n_samples, n_parameters], where the file holds them.
    fn parameters(&self) -> Option<&Table>;
    /// Scalar outputs [n_samples, n_scalars], where the file holds them.
    fn scalars(&self) -> Option<&Table>;
    /// Time of each sample, where the file holds it.
    fn time(&self) -> Option<&[f64]>;
    /// Number of the trajectory of each sample, where the file holds it.
    fn trajectory(&self) -> Option<&[i64]> {
        None
    }
    /// What the file holds and nobody is handed: with a [`state`](Self::state) where `states`, else field by field. In words.
    fn left_out(&self, _states: bool) -> Vec<String> {
        Vec::new()
    }
    /// Names of tags.
    fn tag_names(&self) -> &[TagName] {
        &[]
    }
    /// Why there are no times where some samples have one: it names one that has not.
    fn untimed(&self) -> Option<&Error> {
        None
    }
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
    /// What else is worth knowing before the work, a line each: format, samples with other meshes or numbers, unreadable ones.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }
    /// How the file stores a field.
    fn number(&self, _field: &FieldInfo) -> Number {
        Number::Float64
    }
    /// Entries of a sample that are read together: some of them cost as much as all.
    fn rows_per_read(&self, _field: &FieldInfo) -> usize {
        1
    }
    /// The chunks of a field, where its file has chunks that all threads can unpack.
    fn chunks(&self, _field: &FieldInfo) -> Option<&FieldChunks> {
        None
    }
    /// One sample with all its arrays, points that move as its mesh. Refuses nothing but what cannot be read.
    fn state(&self, sample: usize) -> Result<SampleState>;
    /// Rows `dofs` of the snapshots `samples` of `field`: [dofs, samples]. Refuses what is not finite, naming sample
    /// and entry.
    fn read(&self, field: &FieldInfo, samples: &[usize], dofs: Range<usize>) -> Result<Mat<f64>>;
    /// The same into a block that is there: reading on and on asks for no memory anew.
    fn read_into(
        &self,
        field: &FieldInfo,
        samples: &[usize],
        dofs: Range<usize>,
        mut block: MatMut<'_, f64>,
    ) -> Result<()> {
        check_block(samples, &dofs, block.as_ref())?;
        let values = self.read(field, samples, dofs)?;
        block.copy_from(values);
        Ok(())
    }
}

/// One sample as its file holds it, with its own mesh and numbers.
#[derive(Debug, Clone, Default)]
pub struct SampleState {
    pub mesh: Option<Mesh>,
    pub arrays: Vec<(ArrayInfo, Vec<f64>)>,
    /// Arrays that belong to no entity.
    pub field_data: Vec<(String, Vec<f64>)>,
}

/// The fields of a source as arrays of one sample.
fn state_of(source: &dyn SnapshotSource, sample: usize) -> Result<SampleState> {
    let moving = if source.points_move() { source.fields().last() } else { None };
    let mut state = SampleState { mesh: source.mesh_of(sample)?, ..SampleState::default() };
    for field in source.fields().iter().filter(|f| Some(*f) != moving).chain(source.tags()) {
        let values = source.read(field, &[sample], 0..field.n_dofs())?;
        let info = ArrayInfo { field: field.clone(), number: source.number(field) };
        state.arrays.push((info, values.col_as_slice(0).to_vec()));
    }
    Ok(state)
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

/// Refuses a block of another shape than [dofs, samples].
fn check_block(samples: &[usize], dofs: &Range<usize>, block: MatRef<'_, f64>) -> Result<()> {
    if (block.nrows(), block.ncols()) == (dofs.len(), samples.len()) {
        return Ok(());
    }
    let found = format!("{} x {}", block.nrows(), block.ncols());
    Err(Error::argument("a block to read into", found, format!("{} x {}", dofs.len(), samples.len())))
}

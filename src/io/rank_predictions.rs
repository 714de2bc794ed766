//! Predictions as stacked HDF5 by several ranks: each writes its rows of the fields, in turn.

use crate::comm::{Communicator, agree};
use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::hdf;
use crate::io::link_names::link_names;
use crate::io::predictions::{PredictionBatch, PredictionWriter};
use crate::io::rank_order::{flush, in_rank_order, path_of_first, within};
use crate::mesh::Mesh;
use faer::MatRef;
use hdf5::Dataset;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A prediction file under construction by all ranks: the same file as [`PredictionWriter`] writes. Dropping it without
/// [`finish`](RankPredictions::finish) leaves nothing.
#[derive(Debug)]
pub struct RankPredictions {
    comm: Arc<dyn Communicator>,
    target: PathBuf,
    file: PathBuf,
    /// Of rank 0.
    temporary: Option<AtomicFile>,
    fields: Vec<FieldInfo>,
    rows: Vec<Range<usize>>,
    n_samples: usize,
    written: usize,
}

impl RankPredictions {
    /// Rank 0 creates the file, as [`PredictionWriter::create`]; only its mesh counts. `rows`: degrees of freedom of each field that
    /// this rank writes, whole entities. Collective.
    pub fn create(
        comm: Arc<dyn Communicator>,
        path: &Path,
        mesh: Option<&Mesh>,
        parameters: &Table,
        fields: Vec<FieldInfo>,
        rows: Vec<Range<usize>>,
        scalar_names: &[String],
    ) -> Result<RankPredictions> {
        let n = parameters.n_rows();
        let begin = || {
            let writer = PredictionWriter::create(path, mesh, parameters, &fields, n, scalar_names)?;
            writer.close().map(Some)
        };
        let temporary = agree(comm.as_ref(), if comm.rank() == 0 { begin() } else { Ok(None) })?;
        let file = path_of_first(comm.as_ref(), temporary.as_ref().map(|t| t.path()));
        Ok(RankPredictions { comm, target: path.into(), file, temporary, fields, rows, n_samples: n, written: 0 })
    }

    /// Writes the next samples: fields with the rows of this rank, everything else the same on all ranks. Collective.
    pub fn append(&mut self, batch: &PredictionBatch) -> Result<()> {
        let samples = self.written..self.written + batch.indicator.len();
        in_rank_order(self.comm.as_ref(), || {
            self.check(batch, samples.end)?;
            within(&self.target, &self.file, |file| {
                self.fields(file, batch, samples.start)?;
                if self.comm.rank() == 0 { self.rest(file, batch, samples.clone()) } else { Ok(()) }
            })
        })?;
        self.written = samples.end;
        Ok(())
    }

    fn fields(&self, file: &hdf5::File, batch: &PredictionBatch, first: usize) -> Result<()> {
        let links = link_names(&self.fields);
        for (((info, link), rows), field) in self.fields.iter().zip(&links).zip(&self.rows).zip(&batch.fields) {
            let k = info.n_components.max(1);
            let entities = rows.start / k..rows.end / k;
            // Points that move are those of the mesh.
            let values = hdf::dataset(file, &format!("snapshots/{link}"));
            let values = values.map_or_else(|| self.open(file, "mesh/points"), Ok)?;
            let (std, interval) = (format!("uncertainty/{link}"), format!("interval/{link}"));
            for (data, columns) in [
                (values, &field.values),
                (self.open(file, &std)?, &field.std),
                (self.open(file, &interval)?, &field.interval),
            ] {
                write_columns(&self.target, &data, first, entities.clone(), columns.as_ref())?;
            }
        }
        Ok(())
    }

    fn rest(&self, file: &hdf5::File, batch: &PredictionBatch, samples: Range<usize>) -> Result<()> {
        let write = |name: &str, values: &[f64]| {
            hdf::write_rows(&self.target, &self.open(file, name)?, samples.clone(), values)
        };
        for (link, field) in link_names(&self.fields).iter().zip(&batch.fields) {
            write(&format!("indicators/{link}"), &field.indicator)?;
        }
        if !batch.scalars.is_empty() {
            write("scalars", &batch.scalars)?;
            write("scalars_uncertainty", &batch.scalars_std)?;
            write("scalars_interval", &batch.scalars_interval)?;
        }
        write("indicator", &batch.indicator)?;
        hdf::write_rows(&self.target, &self.open(file, "flags")?, samples.clone(), &batch.flags)
    }

    fn open(&self, file: &hdf5::File, name: &str) -> Result<Dataset> {
        hdf::dataset(file, name).ok_or_else(|| write_error(&self.target, format!("no room for /{name}")))
    }

    fn check(&self, batch: &PredictionBatch, end: usize) -> Result<()> {
        if end > self.n_samples || batch.fields.len() != self.rows.len() {
            let found = format!("{end} samples of {} fields", batch.fields.len());
            let expected = format!("at most {} of {}", self.n_samples, self.rows.len());
            return Err(Error::argument("predictions", found, expected));
        }
        for ((info, rows), field) in self.fields.iter().zip(&self.rows).zip(&batch.fields) {
            for m in [&field.values, &field.std, &field.interval] {
                if m.nrows() != rows.len() {
                    return Err(Error::argument(format!("rows of {}", info.name), m.nrows(), rows.len()));
                }
            }
        }
        Ok(())
    }

    /// Flushes the file and gives it its name. Errors: [`Error::Argument`] where samples are missing, [`Error::Write`]. Collective.
    pub fn finish(self) -> Result<()> {
        if self.written != self.n_samples {
            return Err(Error::argument("predicted samples", self.written, self.n_samples));
        }
        agree(self.comm.as_ref(), flush(&self.target, &self.file))?;
        agree(self.comm.as_ref(), self.temporary.map_or(Ok(()), AtomicFile::commit))
    }
}

/// Writes columns as some entities of the rows `first..` of a data set [n_samples, n_entities, ...].
fn write_columns(
    path: &Path,
    data: &Dataset,
    first: usize,
    entities: Range<usize>,
    columns: MatRef<'_, f64>,
) -> Result<()> {
    for (j, column) in columns.col_iter().enumerate() {
        match column.try_as_col_major() {
            Some(column) => hdf::write_entities(path, data, Some(first + j), entities.clone(), column.as_slice())?,
            None => {
                let values: Vec<f64> = column.iter().copied().collect();
                hdf::write_entities(path, data, Some(first + j), entities.clone(), &values)?;
            }
        }
    }
    Ok(())
}

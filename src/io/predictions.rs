//! Predictions as stacked HDF5, written batch by batch.

use crate::data::{FieldInfo, Location, Table};
use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::link_names::{link_names, write_field_name};
use crate::io::stacked::POINTS;
use crate::io::stacked_mesh::write_mesh;
use crate::io::{complex, hdf};
use crate::linalg::scalar::{Scalar, c64};
use crate::mesh::Mesh;
use faer::Mat;
use hdf5::{Dataset, Group, H5Type};
use std::path::Path;

/// One field at the points of a batch.
#[derive(Debug, Clone)]
pub struct PredictedField {
    /// Mean prediction [n_dofs, n_batch].
    pub values: Mat<f64>,
    /// Standard deviation [n_dofs, n_batch].
    pub std: Mat<f64>,
    /// Calibrated half-width [n_dofs, n_batch].
    pub interval: Mat<f64>,
    /// Estimate of the relative error [n_batch].
    pub indicator: Vec<f64>,
}

/// Predictions at `n_batch` points; fields in the order given to [`PredictionWriter::create`].
#[derive(Debug, Clone, Default)]
pub struct PredictionBatch {
    pub fields: Vec<PredictedField>,
    /// Scalar outputs [n_batch, n_scalars], row-major; likewise the next two.
    pub scalars: Vec<f64>,
    pub scalars_std: Vec<f64>,
    pub scalars_interval: Vec<f64>,
    /// Largest indicator over the fields [n_batch].
    pub indicator: Vec<f64>,
    /// 0 inside the training region, 1 outside [n_batch].
    pub flags: Vec<u8>,
    /// Rigorous bounds of the relative error [n_batch], where the model has them.
    pub bound: Option<Vec<f64>>,
}

/// A prediction file under construction; dropping it without [`finish`](PredictionWriter::finish) leaves nothing.
#[derive(Debug)]
pub struct PredictionWriter {
    fields: Vec<FieldSets>,
    scalars: Option<[Dataset; 3]>,
    n_scalars: usize,
    indicator: Dataset,
    flags: Dataset,
    n_samples: usize,
    written: usize,
    // HDF5 has to close the file before the temporary name goes away: fields are dropped in this order.
    hdf5: hdf5::File,
    temporary: AtomicFile,
}

#[derive(Debug)]
struct FieldSets {
    name: String,
    n_dofs: usize,
    /// Has two fields of a batch: real and imaginary part.
    complex: bool,
    values: Dataset,
    std: Dataset,
    interval: Dataset,
    indicator: Dataset,
}

impl PredictionWriter {
    /// Creates the file with room for `n_samples` samples; `parameters` has one row for each.
    ///
    /// A field `points` at the points of `mesh` is written as `/mesh/points`.
    /// Errors: K001 where the folder is missing, [`Error::Write`], [`Error::Argument`] where the shapes do not fit.
    pub fn create(
        path: impl AsRef<Path>,
        mesh: Option<&Mesh>,
        parameters: &Table,
        fields: &[FieldInfo],
        n_samples: usize,
        scalar_names: &[String],
    ) -> Result<Self> {
        Self::create_for::<f64>(path, mesh, parameters, fields, n_samples, scalar_names)
    }

    /// The same with real or complex fields: a complex one comes as two in each batch, real and imaginary part.
    pub fn create_for<T: Scalar>(
        path: impl AsRef<Path>,
        mesh: Option<&Mesh>,
        parameters: &Table,
        fields: &[FieldInfo],
        n_samples: usize,
        scalar_names: &[String],
    ) -> Result<Self> {
        if parameters.n_columns() > 0 && parameters.n_rows() != n_samples {
            return Err(Error::argument("rows of parameters", parameters.n_rows(), format!("{n_samples} samples")));
        }
        let moving = mesh.and_then(|mesh| fields.iter().find(|f| is_points(f, Some(mesh))));
        let temporary = AtomicFile::create(path)?;
        let target = temporary.target().to_path_buf();
        let hdf5 = hdf5::File::with_options()
            .with_fapl(|p| p.file_locking(false))
            .create(temporary.path())
            .map_err(|e| write_error(&target, e))?;
        let points = match mesh {
            Some(mesh) => Some(write_mesh(&target, &hdf5, mesh, moving.map(|_| n_samples))?),
            None => None,
        };
        let points = points.filter(|_| moving.is_some());
        let build = || -> hdf5::Result<_> {
            let groups = Groups::create(&hdf5)?;
            let sets = fields
                .iter()
                .zip(link_names(fields))
                .map(|(field, link)| {
                    let points = points.as_ref().filter(|_| is_points(field, mesh));
                    groups.field::<T>((field, &link), n_samples, points)
                })
                .collect::<hdf5::Result<Vec<_>>>()?;
            if parameters.n_columns() > 0 {
                let data = hdf::create::<f64>(&hdf5, "parameters", &[n_samples, parameters.n_columns()])?;
                data.write_raw(&parameters.values)?;
                hdf::write_attribute_strings(&data, "names", &parameters.names)?;
            }
            let table = |name: &str| {
                let data = hdf::create::<f64>(&hdf5, name, &[n_samples, scalar_names.len()])?;
                hdf::write_attribute_strings(&data, "names", scalar_names)?;
                Ok::<_, hdf5::Error>(data)
            };
            let scalars = match scalar_names.is_empty() {
                true => None,
                false => Some([table("scalars")?, table("scalars_uncertainty")?, table("scalars_interval")?]),
            };
            let indicator = hdf::create::<f64>(&hdf5, "indicator", &[n_samples])?;
            let flags = hdf::create::<u8>(&hdf5, "flags", &[n_samples])?;
            Ok((sets, scalars, indicator, flags))
        };
        let (fields, scalars, indicator, flags) = build().map_err(|e| write_error(&target, e))?;
        let n_scalars = scalar_names.len();
        Ok(PredictionWriter { fields, scalars, n_scalars, indicator, flags, n_samples, written: 0, hdf5, temporary })
    }

    /// Writes the next samples. Errors: [`Error::Argument`] where shapes do not fit, [`Error::Write`].
    pub fn append(&mut self, batch: &PredictionBatch) -> Result<()> {
        let n = batch.indicator.len();
        self.check(batch, n)?;
        let path = self.temporary.target();
        let rows = self.written..self.written + n;
        let mut parts = batch.fields.iter();
        for sets in &self.fields {
            let (Some(field), imaginary) = (parts.next(), if sets.complex { parts.next() } else { None }) else {
                break;
            };
            match imaginary {
                None => hdf::write_columns(path, &sets.values, rows.start, field.values.as_ref())?,
                Some(imaginary) => {
                    for j in 0..n {
                        let both = field.values.col(j).iter().zip(imaginary.values.col(j).iter());
                        let values: Vec<c64> = both.map(|(re, im)| c64::new(*re, *im)).collect();
                        complex::write_rows(path, &sets.values, rows.start + j..rows.start + j + 1, &values)?;
                    }
                }
            }
            for (data, values) in [(&sets.std, &field.std), (&sets.interval, &field.interval)] {
                hdf::write_columns(path, data, rows.start, values.as_ref())?;
            }
            hdf::write_rows(path, &sets.indicator, rows.clone(), &field.indicator)?;
        }
        if let Some(sets) = &self.scalars {
            for (data, values) in sets.iter().zip([&batch.scalars, &batch.scalars_std, &batch.scalars_interval]) {
                hdf::write_rows(path, data, rows.clone(), values)?;
            }
        }
        hdf::write_rows(path, &self.indicator, rows.clone(), &batch.indicator)?;
        hdf::write_rows(path, &self.flags, rows.clone(), &batch.flags)?;
        self.written = rows.end;
        Ok(())
    }

    /// Writes `/<name>` [n_samples], a number of each sample. Errors: [`Error::Argument`] another number of them, [`Error::Write`].
    pub fn numbers<N: H5Type>(&self, name: &str, values: &[N]) -> Result<()> {
        let path = self.temporary.target();
        if values.len() != self.n_samples {
            return Err(Error::argument("numbers of samples", values.len(), self.n_samples));
        }
        let data = hdf::create::<N>(&self.hdf5, name, &[values.len()]).map_err(|e| write_error(path, e))?;
        hdf::write_rows(path, &data, 0..values.len(), values)
    }

    /// Flushes the file and gives it its name. Errors: [`Error::Argument`] where samples are missing, [`Error::Write`].
    pub fn finish(self) -> Result<()> {
        if self.written != self.n_samples {
            return Err(Error::argument("predicted samples", self.written, self.n_samples));
        }
        self.close()?.commit()
    }

    /// Closes HDF5, so that others can open the file; it has its temporary name still.
    pub(crate) fn close(self) -> Result<AtomicFile> {
        let PredictionWriter { fields, scalars, indicator, flags, hdf5, temporary, .. } = self;
        drop((fields, scalars, indicator, flags));
        hdf5.flush().and_then(|()| hdf5.close()).map_err(|e| write_error(temporary.target(), e))?;
        Ok(temporary)
    }

    fn check(&self, batch: &PredictionBatch, n: usize) -> Result<()> {
        let same = |what: String, found: usize, expected: usize| {
            if found == expected { Ok(()) } else { Err(Error::argument(what, found, expected)) }
        };
        if self.written + n > self.n_samples {
            return Err(Error::argument("predicted samples", self.written + n, format!("at most {}", self.n_samples)));
        }
        let sets: Vec<&FieldSets> = self.fields.iter().flat_map(|s| vec![s; if s.complex { 2 } else { 1 }]).collect();
        same("fields of a batch".into(), batch.fields.len(), sets.len())?;
        for (sets, field) in sets.into_iter().zip(&batch.fields) {
            for (what, m) in [("values", &field.values), ("std", &field.std), ("interval", &field.interval)] {
                same(format!("entries of {} ({what})", sets.name), m.nrows(), sets.n_dofs)?;
                same(format!("samples of {} ({what})", sets.name), m.ncols(), n)?;
            }
            same(format!("indicator of {}", sets.name), field.indicator.len(), n)?;
        }
        for values in [&batch.scalars, &batch.scalars_std, &batch.scalars_interval] {
            same("scalars of a batch".into(), values.len(), n * self.n_scalars)?;
        }
        same("flags of a batch".into(), batch.flags.len(), n)
    }
}

struct Groups {
    snapshots: Group,
    uncertainty: Group,
    interval: Group,
    indicators: Group,
}

impl Groups {
    fn create(file: &Group) -> hdf5::Result<Groups> {
        Ok(Groups {
            snapshots: file.create_group("snapshots")?,
            uncertainty: file.create_group("uncertainty")?,
            interval: file.create_group("interval")?,
            indicators: file.create_group("indicators")?,
        })
    }

    fn field<T: Scalar>(
        &self,
        (field, link): (&FieldInfo, &str),
        n_samples: usize,
        points: Option<&Dataset>,
    ) -> hdf5::Result<FieldSets> {
        let mut shape = vec![n_samples, field.n_entities];
        if field.vector || field.n_components > 1 {
            shape.push(field.n_components);
        }
        let located = |data: Dataset| {
            hdf::write_attribute(&data, "location", field.location.name())?;
            write_field_name(&data, field, link)?;
            Ok::<_, hdf5::Error>(data)
        };
        let create = |group: &Group| located(hdf::create::<f64>(group, link, &shape)?);
        let values = || located(complex::create::<T>(&self.snapshots, link, &shape)?);
        let indicator = hdf::create::<f64>(&self.indicators, link, &[n_samples])?;
        write_field_name(&indicator, field, link)?;
        Ok(FieldSets {
            name: field.name.clone(),
            n_dofs: field.n_dofs(),
            complex: T::IS_COMPLEX,
            values: points.map_or_else(values, |points| Ok(points.clone()))?,
            std: create(&self.uncertainty)?,
            interval: create(&self.interval)?,
            indicator,
        })
    }
}

/// Whether a field is moving points, as [`StackedFile`](crate::io::stacked::StackedFile) names them.
pub fn is_points(field: &FieldInfo, mesh: Option<&Mesh>) -> bool {
    let Some(mesh) = mesh else { return false };
    let sizes = field.n_entities == mesh.n_points() && field.n_components == mesh.dim;
    sizes && field.name == POINTS && field.location == Location::Point
}

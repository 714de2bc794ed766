//! Writes a model file: data sets with fixed places, then checksums, then the final name.

use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::hdf;
use crate::io::model_file::{BULK, Extent, FORMAT_VERSION, Header, USER_BLOCK, encode_trailer, pieces};
use faer::MatRef;
use hdf5::{Dataset, Location};
use rayon::prelude::*;
use std::fs::OpenOptions;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A model file under construction; nothing is seen under the final name before [`finish`](ModelWriter::finish).
///
/// Paths are like `pod/p/basis`; groups on the way are created. Errors of all methods: [`Error::Write`] where HDF5 or
/// the system refuses, [`Error::Argument`] where values and shape do not fit together.
#[derive(Debug)]
pub struct ModelWriter {
    // HDF5 has to close the file before the temporary name goes away: fields are dropped in this order.
    hdf5: hdf5::File,
    temporary: AtomicFile,
    extents: Vec<Extent>,
}

impl ModelWriter {
    /// Starts a model file; removes temporary files that killed runs left. Errors: K001 where the folder is missing.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let temporary = AtomicFile::create(path)?;
        let hdf5 = hdf5::File::with_options()
            .with_fcpl(|p| p.userblock(USER_BLOCK).obj_track_times(false))
            .with_fapl(|p| p.file_locking(false))
            .create(temporary.path())
            .map_err(|e| write_error(temporary.target(), e))?;
        let writer = ModelWriter { hdf5, temporary, extents: Vec::new() };
        writer.attr_str("/", "kolmo_version", env!("CARGO_PKG_VERSION"))?;
        writer.attr_u64("/", "format_version", FORMAT_VERSION.into())?;
        Ok(writer)
    }

    /// Writes `values` (row-major) as the data set `path`.
    pub fn f64(&mut self, path: &str, shape: &[usize], values: &[f64]) -> Result<()> {
        self.values(path, shape, values)
    }

    /// Writes `values` (row-major) as the data set `path`.
    pub fn u32(&mut self, path: &str, shape: &[usize], values: &[u32]) -> Result<()> {
        self.values(path, shape, values)
    }

    /// Writes the columns of `columns` [n, n_columns] as the rows of the data set `path`: shape [n_columns, n...].
    pub fn f64_from(&mut self, path: &str, shape: &[usize], columns: MatRef<'_, f64>) -> Result<()> {
        let data = self.reserve::<f64>(path, shape)?;
        if shape.first() != Some(&columns.ncols()) {
            return Err(Error::argument(
                format!("shape of {path}"),
                format!("{shape:?}"),
                format!("{} rows", columns.ncols()),
            ));
        }
        hdf::write_columns(self.temporary.target(), &data, 0, columns)
    }

    /// Makes room for a data set that [`f64_block`](ModelWriter::f64_block) fills; what is not filled is undefined.
    pub fn f64_reserve(&mut self, path: &str, shape: &[usize]) -> Result<()> {
        self.reserve::<f64>(path, shape).map(drop)
    }

    /// Fills rows `rows` (first axis) and entries `entries` (second axis) of a reserved data set; `values` row-major.
    pub fn f64_block(&mut self, path: &str, rows: Range<usize>, entries: Range<usize>, values: &[f64]) -> Result<()> {
        let data = self.hdf5.dataset(path).map_err(|e| self.refused(e))?;
        let mut shape = data.shape();
        if shape.len() < 2 || rows.end > shape[0] || entries.end > shape[1] {
            let found = format!("rows {rows:?}, entries {entries:?}");
            return Err(Error::argument(format!("block of {path}"), found, format!("a block of {shape:?}")));
        }
        (shape[0], shape[1]) = (rows.len(), entries.len());
        let n_axes = shape.len();
        let view = ndarray::ArrayViewD::from_shape(shape, values)
            .map_err(|e| Error::argument(format!("block of {path}"), values.len(), e))?;
        data.write_slice(view, hdf::block(rows, Some(entries), n_axes)).map_err(|e| self.refused(e))
    }

    /// Writes a text as the scalar data set `path`.
    pub fn text(&mut self, path: &str, value: &str) -> Result<()> {
        let value = hdf::unicode(value).map_err(|e| self.refused(e))?;
        let created = self.hdf5.new_dataset::<hdf5::types::VarLenUnicode>().create(path.trim_matches('/'));
        created.and_then(|data| data.write_scalar(&value)).map_err(|e| self.refused(e))
    }

    /// Writes a text attribute of the group or data set `place` (`/` is the file itself).
    pub fn attr_str(&self, place: &str, name: &str, value: &str) -> Result<()> {
        self.attribute(place, |at| hdf::write_attribute(at, name, value))
    }

    /// Writes a number as an attribute.
    pub fn attr_f64(&self, place: &str, name: &str, value: f64) -> Result<()> {
        self.attribute(place, |at| at.new_attr::<f64>().create(name)?.write_scalar(&value))
    }

    /// Writes a count as an attribute.
    pub fn attr_u64(&self, place: &str, name: &str, value: u64) -> Result<()> {
        self.attribute(place, |at| at.new_attr::<u64>().create(name)?.write_scalar(&value))
    }

    /// Writes an array of texts as an attribute.
    pub fn attr_strs<S: AsRef<str>>(&self, place: &str, name: &str, values: &[S]) -> Result<()> {
        self.attribute(place, |at| hdf::write_attribute_strings(at, name, values))
    }

    /// Closes HDF5, adds user block and trailer, flushes, renames to the final name.
    ///
    /// Cost: one pass over the file for the checksums, on all threads.
    pub fn finish(self) -> Result<()> {
        self.close()?.finish()
    }

    /// Closes HDF5, so that others can open the file and fill what was reserved.
    pub(crate) fn close(self) -> Result<ClosedModel> {
        let ModelWriter { hdf5, temporary, extents } = self;
        hdf5.flush().and_then(|()| hdf5.close()).map_err(|e| write_error(temporary.target(), e))?;
        Ok(ClosedModel { temporary, extents })
    }

    fn values<T: hdf5::H5Type>(&mut self, path: &str, shape: &[usize], values: &[T]) -> Result<()> {
        if shape.iter().product::<usize>() != values.len() {
            let expected = format!("as many as shape {shape:?} holds");
            return Err(Error::argument(format!("values of {path}"), values.len(), expected));
        }
        let data = self.reserve::<T>(path, shape)?;
        if values.is_empty() { Ok(()) } else { data.write_raw(values).map_err(|e| self.refused(e)) }
    }

    fn reserve<T: hdf5::H5Type>(&mut self, path: &str, shape: &[usize]) -> Result<Dataset> {
        let path = path.trim_matches('/');
        let data = hdf::create::<T>(&self.hdf5, path, shape).map_err(|e| self.refused(e))?;
        let length = shape.iter().product::<usize>() * size_of::<T>();
        if length > BULK {
            let offset = data.offset().ok_or_else(|| self.refused(format!("HDF5 gave {path} no place")))?;
            self.extents.push(Extent { path: path.to_string(), offset, length: length as u64 });
        }
        Ok(data)
    }

    fn attribute(&self, place: &str, write: impl Fn(&Location) -> hdf5::Result<()>) -> Result<()> {
        let place = place.trim_matches('/');
        let written = if place.is_empty() {
            write(&self.hdf5)
        } else if let Some(data) = hdf::dataset(&self.hdf5, place) {
            write(&data)
        } else if let Some(group) = hdf::group(&self.hdf5, place) {
            write(&group)
        } else {
            self.hdf5.create_group(place).and_then(|group| write(&group))
        };
        written.map_err(|e| self.refused(e))
    }

    fn refused(&self, e: impl ToString) -> Error {
        write_error(self.temporary.target(), e)
    }
}

/// A model file whose data sets are all there, and which HDF5 does not hold any more.
#[derive(Debug)]
pub(crate) struct ClosedModel {
    temporary: AtomicFile,
    extents: Vec<Extent>,
}

impl ClosedModel {
    /// The temporary name.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Adds user block and trailer, flushes, renames; see [`ModelWriter::finish`].
    pub fn finish(self) -> Result<()> {
        let ClosedModel { temporary, extents } = self;
        let target = temporary.target().to_path_buf();
        let refused = |e: std::io::Error| write_error(&target, e);
        // Opened anew: only then network file systems promise to show what other machines wrote.
        let file = OpenOptions::new().read(true).write(true).open(temporary.path()).map_err(refused)?;
        let end = file.metadata().map_err(refused)?.len();
        let hdf5 = end.saturating_sub(USER_BLOCK);
        let pieces = pieces(&extents, hdf5).ok_or_else(|| write_error(&target, "HDF5 wrote less than it was given"))?;
        let crcs = pieces
            .par_iter()
            .map(|piece| {
                let mut bytes = vec![0; piece.length];
                file.read_exact_at(&mut bytes, piece.offset).map(|()| crc32fast::hash(&bytes))
            })
            .collect::<std::io::Result<Vec<u32>>>()
            .map_err(refused)?;
        let trailer = encode_trailer(&extents, &crcs);
        file.write_all_at(&trailer, end).map_err(refused)?;
        let header = Header { total: end + trailer.len() as u64, hdf5, trailer_crc: crc32fast::hash(&trailer) };
        file.write_all_at(&header.encode(), 0).map_err(refused)?;
        temporary.commit()
    }
}

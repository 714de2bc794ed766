//! Reads a model file; no byte is used before its checksum is checked.

use crate::error::{Error, Result};
use crate::io::hdf;
use crate::io::model_file::{Extent, Header, PIECE, Piece, USER_BLOCK, corrupt, decode_trailer, pieces, truncated};
use faer::Mat;
use hdf5::{Dataset, Location};
use rayon::prelude::*;
use std::fs::File;
use std::io::ErrorKind;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// An open model file.
#[derive(Debug)]
pub struct ModelReader {
    path: PathBuf,
    file: File,
    hdf5: hdf5::File,
    extents: Vec<Extent>,
    pieces: Vec<Piece>,
    crcs: Vec<u32>,
}

impl ModelReader {
    /// Opens a model file and checks everything but the values of large data sets.
    ///
    /// Errors: K001 missing, K002 not a model, K003 wrong length, K010 a checksum differs, K011 a newer version.
    /// Cost: the bytes outside large data sets.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        // HDF5 opens by name: try again where the file has been replaced in between.
        for _ in 0..8 {
            let (file, extents, pieces, crcs) = check(&path)?;
            let hdf5 = hdf5::File::with_options().with_fapl(|f| f.file_locking(false)).open(&path);
            let (ours, now) = (file.metadata().map(|m| (m.dev(), m.ino())), std::fs::metadata(&path));
            if ours.ok() == now.ok().map(|m| (m.dev(), m.ino())) {
                let hdf5 = hdf5.map_err(|e| corrupt(&path, "HDF5", e.to_string()))?;
                return Ok(ModelReader { path, file, hdf5, extents, pieces, crcs });
            }
        }
        let mend = "wait until the program that writes it has ended";
        Err(Error::input("K001", &path, "", "a file that is being replaced", "a model file", mend))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a group or a data set at `path`.
    pub fn exists(&self, path: &str) -> bool {
        hdf::exists(&self.hdf5, path.trim_matches('/'))
    }

    /// Names of the groups in the group `path` (`/` is the file itself).
    pub fn groups(&self, path: &str) -> Result<Vec<String>> {
        Ok(self.members(path)?.into_iter().filter(|(_, is_group)| *is_group).map(|(name, _)| name).collect())
    }

    /// Names of the data sets in the group `path`.
    pub fn data_sets(&self, path: &str) -> Result<Vec<String>> {
        Ok(self.members(path)?.into_iter().filter(|(_, is_group)| !is_group).map(|(name, _)| name).collect())
    }

    /// Shape of the data set `path`.
    pub fn shape(&self, path: &str) -> Result<Vec<usize>> {
        self.data(path).map(|d| d.shape())
    }

    /// Shape and values (row-major) of the data set `path`. Errors: K002 no such data set, K010 damaged.
    pub fn f64(&self, path: &str) -> Result<(Vec<usize>, Vec<f64>)> {
        self.values(path, None, f64::from_le_bytes)
    }

    /// Rows `rows` (first axis) of the data set `path`, as [`f64`](ModelReader::f64). Cost: the pieces that hold them.
    pub fn f64_rows(&self, path: &str, rows: Range<usize>) -> Result<(Vec<usize>, Vec<f64>)> {
        self.values(path, Some(rows), f64::from_le_bytes)
    }

    /// The data set `path`, cut into `n_columns` rows of equal length, as the columns of a matrix: [n_entries, n_columns], of
    /// each only the entries `entries` (ascending) where they are told.
    ///
    /// Errors: K002, K010; K100 entries that are not there. Cost: the pieces that hold an entry are read, each once and on all
    /// threads; beside the matrix, a piece per thread is held.
    pub fn f64_columns(&self, path: &str, n_columns: usize, entries: Option<&[usize]>) -> Result<Mat<f64>> {
        let path = path.trim_matches('/');
        let shape = self.shape(path)?;
        let total: usize = shape.iter().product();
        // Without columns the length of one is known from the other axes only.
        let height = total.checked_div(n_columns).unwrap_or(shape.iter().skip(1).product());
        if height * n_columns != total {
            return Err(Error::argument(format!("columns of {path}"), n_columns, format!("a divisor of {total}")));
        }
        if let Some(last) = entries.and_then(|e| e.last()).filter(|last| **last >= height) {
            return Err(Error::argument(format!("entry of {path}"), last, format!("below {height}")));
        }
        let mut columns = Mat::zeros(entries.map_or(height, <[usize]>::len), n_columns);
        let Some(extent) = self.extents.iter().position(|e| e.path == path) else {
            let (_, values) = self.f64(path)?;
            for (j, column) in columns.as_mut().col_iter_mut().enumerate() {
                let entry = |i: usize| values[j * height + entries.map_or(i, |e| e[i])];
                column.iter_mut().enumerate().for_each(|(i, to)| *to = entry(i));
            }
            return Ok(columns);
        };
        self.check_extent::<f64>(path, extent, total)?;
        let mut segments = Vec::new();
        for (j, column) in columns.as_mut().col_iter_mut().enumerate() {
            if let Some(column) = column.try_as_col_major_mut() {
                cut(j * height, height, entries, column.as_slice_mut(), &mut segments);
            }
        }
        let start = self.pieces.partition_point(|p| p.offset < self.extents[extent].offset);
        segments.chunk_by_mut(|a, b| a.piece == b.piece).collect::<Vec<_>>().into_par_iter().try_for_each_init(
            || vec![0; PIECE],
            |bytes, segments| {
                let i = start + segments[0].piece;
                let bytes = &mut bytes[..self.pieces[i].length];
                read_piece(&self.path, &self.file, &self.extents, &self.pieces[i], self.crcs[i], bytes)?;
                let values = bytes.as_chunks().0;
                segments.iter_mut().for_each(|s| s.fill(values));
                Ok(())
            },
        )?;
        Ok(columns)
    }

    /// Shape and values (row-major) of the data set `path`. Errors: K002 no such data set, K010 damaged.
    pub fn u32(&self, path: &str) -> Result<(Vec<usize>, Vec<u32>)> {
        self.values(path, None, u32::from_le_bytes)
    }

    /// The text in the data set `path`.
    pub fn text(&self, path: &str) -> Result<String> {
        let data = self.data(path)?;
        let texts = hdf::strings(&data).map_err(|e| self.damaged(path, e))?;
        texts.into_iter().next().ok_or_else(|| self.lacks(path, "text"))
    }

    /// A text attribute of the group or data set `place` (`/` is the file itself).
    pub fn attr_str(&self, place: &str, name: &str) -> Result<String> {
        self.attr_strs(place, name)?.into_iter().next().ok_or_else(|| self.lacks(place, name))
    }

    /// An attribute that is an array of texts.
    pub fn attr_strs(&self, place: &str, name: &str) -> Result<Vec<String>> {
        self.attribute(place, name, hdf::strings)
    }

    /// A number attribute.
    pub fn attr_f64(&self, place: &str, name: &str) -> Result<f64> {
        self.attribute(place, name, |a| a.read_scalar::<f64>())
    }

    /// A count attribute.
    pub fn attr_u64(&self, place: &str, name: &str) -> Result<u64> {
        self.attribute(place, name, |a| a.read_scalar::<u64>())
    }

    /// Whether `place` has the attribute `name`.
    pub fn has_attr(&self, place: &str, name: &str) -> bool {
        self.at(place, |at| at.attr_names()).is_ok_and(|names| names.iter().any(|n| n == name))
    }

    /// Checks every byte, on all threads. Errors: K010 names the place of the first damage.
    pub fn verify(&self) -> Result<()> {
        let (_, extents, pieces, crcs) = check(&self.path)?;
        if (&extents, &pieces, &crcs) != (&self.extents, &self.pieces, &self.crcs) {
            return Err(corrupt(&self.path, "trailer", "checksums that changed since the file was opened"));
        }
        let bad = self.pieces.par_iter().zip(&self.crcs).find_map_first(|(piece, &crc)| {
            let mut bytes = vec![0; piece.length];
            read_piece(&self.path, &self.file, &self.extents, piece, crc, &mut bytes).err()
        });
        bad.map_or(Ok(()), Err)
    }

    fn values<const N: usize, T: hdf5::H5Type + Copy + Default + Send>(
        &self,
        path: &str,
        rows: Option<Range<usize>>,
        from_bytes: fn([u8; N]) -> T,
    ) -> Result<(Vec<usize>, Vec<T>)> {
        let path = path.trim_matches('/');
        let data = self.data(path)?;
        let mut shape = data.shape();
        if let Some(rows) = &rows {
            let n_rows = shape.first().copied().unwrap_or(0);
            if rows.start > rows.end || rows.end > n_rows {
                return Err(Error::argument(
                    format!("rows of {path}"),
                    format!("{rows:?}"),
                    format!("within 0..{n_rows}"),
                ));
            }
        }
        self.check_type::<T>(path, &data)?;
        let Some(extent) = self.extents.iter().position(|e| e.path == path) else {
            let mut values = data.read_raw::<T>().map_err(|e| self.damaged(path, e))?;
            if let (Some(rows), Some(n)) = (rows, shape.first_mut()) {
                let width = values.len().checked_div(*n).unwrap_or(0);
                values = values[rows.start * width..rows.end * width].to_vec();
                *n = rows.len();
            }
            return Ok((shape, values));
        };
        let n: usize = shape.iter().product();
        self.check_extent::<T>(path, extent, n)?;
        let width = n.checked_div(shape.first().copied().unwrap_or(1)).unwrap_or(0);
        let (first, last) = rows.map_or((0, n), |rows| (rows.start * width, rows.end * width));
        let per_piece = PIECE / N;
        let start = self.pieces.partition_point(|p| p.offset < self.extents[extent].offset);
        let mut values = vec![T::default(); last - first];
        // The first and the last piece may be needed in part only; they are checked as a whole.
        let (head, rest) = values.split_at_mut((per_piece - first % per_piece).min(last - first));
        std::iter::once(head).chain(rest.chunks_mut(per_piece)).enumerate().par_bridge().try_for_each_init(
            || vec![0; PIECE],
            |bytes, (k, values)| {
                if values.is_empty() {
                    return Ok(());
                }
                let i = start + first / per_piece + k;
                let bytes = &mut bytes[..self.pieces[i].length];
                read_piece(&self.path, &self.file, &self.extents, &self.pieces[i], self.crcs[i], bytes)?;
                let skip = if k == 0 { first % per_piece } else { 0 };
                for (value, raw) in values.iter_mut().zip(&bytes.as_chunks::<N>().0[skip..]) {
                    *value = from_bytes(*raw);
                }
                Ok(())
            },
        )?;
        if let Some(n_rows) = shape.first_mut() {
            *n_rows = (last - first) / width.max(1);
        }
        Ok((shape, values))
    }

    fn check_type<T: hdf5::H5Type>(&self, path: &str, data: &Dataset) -> Result<()> {
        match data.dtype().is_ok_and(|t| t.is::<T>()) {
            true => Ok(()),
            false => Err(self.lacks(path, &format!("values of type {}", T::type_descriptor()))),
        }
    }

    /// That a data set of `n` values of the right type fills its extent.
    fn check_extent<T: hdf5::H5Type>(&self, path: &str, extent: usize, n: usize) -> Result<()> {
        self.check_type::<T>(path, &self.data(path)?)?;
        if n.checked_mul(size_of::<T>()).is_none_or(|bytes| bytes as u64 != self.extents[extent].length) {
            return Err(corrupt(&self.path, path, format!("{n} values that do not fill their extent")));
        }
        Ok(())
    }

    fn data(&self, path: &str) -> Result<Dataset> {
        hdf::dataset(&self.hdf5, path.trim_matches('/')).ok_or_else(|| self.lacks(path, "data set"))
    }

    fn members(&self, path: &str) -> Result<Vec<(String, bool)>> {
        let path = path.trim_matches('/');
        let opened = if path.is_empty() { self.hdf5.group("/").ok() } else { hdf::group(&self.hdf5, path) };
        let group = opened.ok_or_else(|| self.lacks(path, "group"))?;
        let names = group.member_names().map_err(|e| self.damaged(path, e))?;
        Ok(names.into_iter().map(|name| (hdf::group(&group, &name).is_some(), name)).map(|(g, n)| (n, g)).collect())
    }

    fn attribute<T>(&self, place: &str, name: &str, read: impl Fn(&hdf5::Container) -> hdf5::Result<T>) -> Result<T> {
        if !self.has_attr(place, name) {
            return Err(self.lacks(place, &format!("attribute {name}")));
        }
        self.at(place, |at| at.attr(name).and_then(|a| read(&a))).map_err(|e| self.damaged(place, e))
    }

    fn at<T>(&self, place: &str, read: impl Fn(&Location) -> hdf5::Result<T>) -> hdf5::Result<T> {
        let place = place.trim_matches('/');
        if place.is_empty() {
            read(&self.hdf5)
        } else if let Some(data) = hdf::dataset(&self.hdf5, place) {
            read(&data)
        } else {
            hdf::group(&self.hdf5, place).map_or_else(|| Err("no such group or data set".into()), |group| read(&group))
        }
    }

    fn lacks(&self, place: &str, what: &str) -> Error {
        let place = format!("/{}", place.trim_matches('/'));
        let mend = "name a model file written by `kolmo fit`";
        Error::input("K002", &self.path, place, format!("no {what}"), format!("the {what} of a model"), mend)
    }

    fn damaged(&self, place: &str, e: hdf5::Error) -> Error {
        corrupt(&self.path, format!("/{}", place.trim_matches('/')), e.to_string())
    }
}

/// Entries of one column that lie in one piece.
struct Segment<'a> {
    piece: usize,
    /// Value of the piece that is entry 0 of the column; before the piece where the column begins in an earlier one.
    first: isize,
    /// Entries; all from `from` on where they are not told.
    entries: Option<&'a [usize]>,
    from: usize,
    to: &'a mut [f64],
}

impl Segment<'_> {
    fn fill(&mut self, values: &[[u8; 8]]) {
        let at = |entry: usize| values[(self.first + entry as isize) as usize];
        match self.entries {
            None => self.to.iter_mut().enumerate().for_each(|(i, to)| *to = f64::from_le_bytes(at(self.from + i))),
            Some(entries) => self.to.iter_mut().zip(entries).for_each(|(to, e)| *to = f64::from_le_bytes(at(*e))),
        }
    }
}

/// Cuts a column of `height` values, which begins at value `first` of its extent, where pieces end.
fn cut<'a>(
    first: usize,
    height: usize,
    entries: Option<&'a [usize]>,
    mut rest: &'a mut [f64],
    segments: &mut Vec<Segment<'a>>,
) {
    let per_piece = PIECE / size_of::<f64>();
    let mut done = 0;
    while !rest.is_empty() {
        let next = entries.map_or(done, |e| e[done]);
        let piece = (first + next) / per_piece;
        // The first entry of the column beyond the piece.
        let end = ((piece + 1) * per_piece - first).min(height);
        let n = entries.map_or(end - done, |e| e[done..].partition_point(|e| *e < end)).clamp(1, rest.len());
        let (to, tail) = rest.split_at_mut(n);
        let entries = entries.map(|e| &e[done..done + n]);
        segments.push(Segment { piece, first: first as isize - (piece * per_piece) as isize, entries, from: done, to });
        (rest, done) = (tail, done + n);
    }
}

type Checked = (File, Vec<Extent>, Vec<Piece>, Vec<u32>);

/// Opens the file, checks user block, trailer and all bytes outside extents.
fn check(path: &Path) -> Result<Checked> {
    let missing = |e: std::io::Error| {
        let found = if e.kind() == ErrorKind::NotFound { "no such file".to_string() } else { e.to_string() };
        Error::input("K001", path, "", found, "a model file", "check the path and its permissions")
    };
    let file = File::open(path).map_err(missing)?;
    let meta = file.metadata().map_err(missing)?;
    if meta.is_dir() {
        let mend = "name a model file written by `kolmo fit`";
        return Err(Error::input("K002", path, "", "a folder", "a kolmo model file", mend));
    }
    let header = Header::decode(path, &file, meta.len())?;
    let end = USER_BLOCK + header.hdf5;
    let mut trailer = vec![0; (header.total - end) as usize];
    file.read_exact_at(&mut trailer, end).map_err(|_| truncated(path, meta.len(), header.total))?;
    if crc32fast::hash(&trailer) != header.trailer_crc {
        return Err(corrupt(path, "trailer", "a checksum that differs"));
    }
    let senseless = || corrupt(path, "trailer", "a table that does not make sense");
    let (extents, crcs) = decode_trailer(&trailer).ok_or_else(senseless)?;
    let pieces = pieces(&extents, header.hdf5).ok_or_else(senseless)?;
    if pieces.len() != crcs.len() {
        return Err(senseless());
    }
    let mut bytes = Vec::new();
    for (piece, &crc) in pieces.iter().zip(&crcs).filter(|(piece, _)| piece.extent.is_none()) {
        bytes.resize(piece.length, 0);
        read_piece(path, &file, &extents, piece, crc, &mut bytes)?;
    }
    Ok((file, extents, pieces, crcs))
}

fn read_piece(path: &Path, file: &File, extents: &[Extent], piece: &Piece, crc: u32, bytes: &mut [u8]) -> Result<()> {
    let place = || {
        let range = format!("bytes {}..{}", piece.offset, piece.offset + piece.length as u64);
        piece.extent.map_or(range.clone(), |i| format!("/{}, {range}", extents[i].path))
    };
    file.read_exact_at(bytes, piece.offset).map_err(|e| corrupt(path, place(), e.to_string()))?;
    if crc32fast::hash(bytes) != crc {
        return Err(corrupt(path, place(), "a checksum that differs"));
    }
    Ok(())
}

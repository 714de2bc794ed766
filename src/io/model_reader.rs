//! Reads a model file; no byte is used before its checksum is checked.

use crate::error::{Error, Result};
use crate::io::hdf;
use crate::io::model_file::{Extent, Header, PIECE, Piece, USER_BLOCK, corrupt, decode_trailer, pieces, truncated};
use hdf5::{Dataset, Location};
use rayon::prelude::*;
use std::fs::File;
use std::io::ErrorKind;
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
        self.values(path, f64::from_le_bytes)
    }

    /// Shape and values (row-major) of the data set `path`. Errors: K002 no such data set, K010 damaged.
    pub fn u32(&self, path: &str) -> Result<(Vec<usize>, Vec<u32>)> {
        self.values(path, u32::from_le_bytes)
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
        from_bytes: fn([u8; N]) -> T,
    ) -> Result<(Vec<usize>, Vec<T>)> {
        let path = path.trim_matches('/');
        let data = self.data(path)?;
        let shape = data.shape();
        if !data.dtype().is_ok_and(|t| t.is::<T>()) {
            return Err(self.lacks(path, &format!("values of type {}", T::type_descriptor())));
        }
        let Some(extent) = self.extents.iter().position(|e| e.path == path) else {
            return data.read_raw::<T>().map(|v| (shape, v)).map_err(|e| self.damaged(path, e));
        };
        let n: usize = shape.iter().product();
        if (n * N) as u64 != self.extents[extent].length {
            return Err(corrupt(&self.path, path, format!("a shape {shape:?} that does not fill its extent")));
        }
        let mine: Vec<usize> = (0..self.pieces.len()).filter(|&i| self.pieces[i].extent == Some(extent)).collect();
        let mut values = vec![T::default(); n];
        values.par_chunks_mut(PIECE / N).zip(mine.par_iter()).try_for_each_init(
            || vec![0; PIECE],
            |bytes, (values, &i)| {
                let bytes = &mut bytes[..self.pieces[i].length];
                read_piece(&self.path, &self.file, &self.extents, &self.pieces[i], self.crcs[i], bytes)?;
                for (value, raw) in values.iter_mut().zip(bytes.as_chunks::<N>().0) {
                    *value = from_bytes(*raw);
                }
                Ok(())
            },
        )?;
        Ok((shape, values))
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

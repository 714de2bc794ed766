//! The model file: a 512-byte user block, an HDF5 file, a trailer with checksums.
//!
//! ```text
//! user block  0..8    magic           HDF5     512..end    h5py opens the file as it is
//!             8..12   format version  trailer  end..total  piece length (u32), number of extents (u32),
//!            16..24   total length                         per extent: length of its path (u32), path,
//!            24..32   length of HDF5                         offset (u64), length (u64);
//!            32..40   offset of trailer                    number of pieces (u64), CRC-32 of each (u32)
//!            40..48   length of trailer
//!            48..52   CRC-32 of trailer
//!           508..512  CRC-32 of 0..508 (what is not listed is zero)
//! ```
//!
//! All numbers are little-endian. Extents are the raw values of large data sets. Extents, and what lies between them,
//! are cut into pieces of 1 MiB. Opening checks user block, trailer and the pieces between extents, so everything
//! that HDF5 will parse; a piece of an extent is checked in the same pass that reads it.

use crate::error::{Error, Result};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub use crate::io::model_reader::ModelReader;
pub use crate::io::model_writer::ModelWriter;

/// Version that is written; older ones are read, newer ones refused.
pub const FORMAT_VERSION: u32 = 1;

/// First bytes of a model file.
pub const MAGIC: [u8; 8] = *b"\x89KOLMO\r\n";
pub(crate) const USER_BLOCK: u64 = 512;
/// Bytes under one checksum.
pub(crate) const PIECE: usize = 1 << 20;
/// Data sets with more bytes than this are checked when they are read, not on opening.
pub(crate) const BULK: usize = 64 << 10;

/// Raw values of a large data set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Extent {
    pub path: String,
    pub offset: u64,
    pub length: u64,
}

/// Bytes under one checksum; `extent` where they belong to a large data set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Piece {
    pub offset: u64,
    pub length: usize,
    pub extent: Option<usize>,
}

/// The lengths in the user block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub total: u64,
    pub hdf5: u64,
    pub trailer_crc: u32,
}

/// Checks every byte of the model file. Errors as [`ModelReader::open`].
pub fn verify_file(path: impl AsRef<Path>) -> Result<()> {
    ModelReader::open(path)?.verify()
}

/// K010.
pub(crate) fn corrupt(path: &Path, place: impl Into<String>, found: impl Into<String>) -> Error {
    let mend = "copy the model file again, or fit it again";
    Error::input("K010", path, place, found, "the bytes that were written", mend)
}

pub(crate) fn truncated(path: &Path, found: u64, expected: u64) -> Error {
    let mend = "copy the model file again, or fit it again";
    Error::input("K003", path, "length of the file", format!("{found} bytes"), format!("{expected} bytes"), mend)
}

impl Header {
    pub fn encode(&self) -> [u8; USER_BLOCK as usize] {
        let mut block = [0; USER_BLOCK as usize];
        let mut put = |offset: usize, bytes: &[u8]| block[offset..offset + bytes.len()].copy_from_slice(bytes);
        let end = USER_BLOCK + self.hdf5;
        put(0, &MAGIC);
        put(8, &FORMAT_VERSION.to_le_bytes());
        put(16, &self.total.to_le_bytes());
        put(24, &self.hdf5.to_le_bytes());
        put(32, &end.to_le_bytes());
        put(40, &(self.total - end).to_le_bytes());
        put(48, &self.trailer_crc.to_le_bytes());
        let crc = crc32fast::hash(&block[..508]);
        block[508..].copy_from_slice(&crc.to_le_bytes());
        block
    }

    /// Reads and checks the user block against the length of the file.
    pub fn decode(path: &Path, file: &File, length: u64) -> Result<Header> {
        let mut block = [0; USER_BLOCK as usize];
        let n = (length as usize).min(block.len());
        file.read_exact_at(&mut block[..n], 0).map_err(|e| corrupt(path, "user block", e.to_string()))?;
        if block[..n.min(8)] != MAGIC[..n.min(8)] {
            let other = block.starts_with(b"\x89HDF");
            let found = if other { "an HDF5 file that is not a model" } else { "a file without the mark of a model" };
            let mend = "name a model file written by `kolmo fit`";
            return Err(Error::input("K002", path, "first bytes", found, "a kolmo model file", mend));
        }
        if n < block.len() {
            return Err(truncated(path, length, USER_BLOCK));
        }
        let version = u32_at(&block, 8);
        let intact = crc32fast::hash(&block[..508]) == u32_at(&block, 508);
        if version > FORMAT_VERSION {
            let doubt = if intact { "" } else { " (or damage: the checksum differs)" };
            let expected = format!("format version {FORMAT_VERSION} or older");
            let found = format!("format version {version}{doubt}");
            return Err(Error::input("K011", path, "user block", found, expected, "update kolmo"));
        }
        if !intact {
            return Err(corrupt(path, "user block", "a checksum that differs"));
        }
        let header = Header { total: u64_at(&block, 16), hdf5: u64_at(&block, 24), trailer_crc: u32_at(&block, 48) };
        let end = USER_BLOCK.checked_add(header.hdf5);
        let trailer = end.and_then(|end| header.total.checked_sub(end));
        if end != Some(u64_at(&block, 32)) || trailer != Some(u64_at(&block, 40)) {
            return Err(corrupt(path, "user block", "lengths that do not fit together"));
        }
        if header.total != length {
            return Err(truncated(path, length, header.total));
        }
        Ok(header)
    }
}

/// Cuts the HDF5 part into pieces; None where extents overlap or leave it.
pub(crate) fn pieces(extents: &[Extent], hdf5: u64) -> Option<Vec<Piece>> {
    let end = USER_BLOCK.checked_add(hdf5)?;
    let mut order: Vec<usize> = (0..extents.len()).collect();
    order.sort_by_key(|&i| extents[i].offset);
    let mut pieces = Vec::new();
    let mut cut = |from: u64, to: u64, extent: Option<usize>| {
        for offset in (from..to).step_by(PIECE) {
            pieces.push(Piece { offset, length: (to - offset).min(PIECE as u64) as usize, extent });
        }
    };
    let mut position = USER_BLOCK;
    for i in order {
        let (from, to) = (extents[i].offset, extents[i].offset.checked_add(extents[i].length)?);
        if from < position || to > end {
            return None;
        }
        cut(position, from, None);
        cut(from, to, Some(i));
        position = to;
    }
    cut(position, end, None);
    Some(pieces)
}

pub(crate) fn encode_trailer(extents: &[Extent], crcs: &[u32]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend((PIECE as u32).to_le_bytes());
    out.extend((extents.len() as u32).to_le_bytes());
    for extent in extents {
        out.extend((extent.path.len() as u32).to_le_bytes());
        out.extend(extent.path.as_bytes());
        out.extend(extent.offset.to_le_bytes());
        out.extend(extent.length.to_le_bytes());
    }
    out.extend((crcs.len() as u64).to_le_bytes());
    crcs.iter().for_each(|crc| out.extend(crc.to_le_bytes()));
    out
}

/// None where the trailer does not make sense.
pub(crate) fn decode_trailer(bytes: &[u8]) -> Option<(Vec<Extent>, Vec<u32>)> {
    let mut rest = bytes;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at_checked(n)?;
        rest = tail;
        Some(head)
    };
    if take(4)? != (PIECE as u32).to_le_bytes() {
        return None;
    }
    let n_extents = u32_at(take(4)?, 0);
    let mut extents = Vec::new();
    for _ in 0..n_extents {
        let length = u32_at(take(4)?, 0) as usize;
        let path = std::str::from_utf8(take(length)?).ok()?.to_string();
        let (offset, length) = (u64_at(take(8)?, 0), u64_at(take(8)?, 0));
        extents.push(Extent { path, offset, length });
    }
    let n_pieces = usize::try_from(u64_at(take(8)?, 0)).ok()?;
    let crcs = take(n_pieces.checked_mul(4)?)?.chunks_exact(4).map(|c| u32_at(c, 0)).collect();
    rest.is_empty().then_some((extents, crcs))
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(raw)
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(raw)
}

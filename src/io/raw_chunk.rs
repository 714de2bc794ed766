//! One chunk of an HDF5 data set as its bytes lie in the file: the library finds it, who asks undoes the filters.
//!
//! HDF5 holds one lock for all threads, and inflates under it. Here the lock is held only while the packed bytes are
//! copied, at the rate of the page cache.

use hdf5::{Dataset, h5check};
use std::ffi::{c_int, c_void};

/// Identifiers, lengths and offsets of HDF5 since version 1.10.
type Id = i64;
type Size = u64;

// Both since HDF5 1.10.3; in the library that the crate hdf5 links.
unsafe extern "C" {
    fn H5Dget_chunk_storage_size(data: Id, offset: *const Size, bytes: *mut Size) -> c_int;
    #[link_name = "H5Dread_chunk"]
    fn read_chunk(data: Id, transfer: Id, offset: *const Size, filters: *mut u32, bytes: *mut c_void) -> c_int;
}

/// Default transfer properties.
const H5P_DEFAULT: Id = 0;

/// Reads the packed bytes of the chunk that begins at `offset` into the front of `bytes`, which grows where it has to:
/// their number, and the mask of the filters that were left out when it was written. None where no such chunk is in the
/// file.
///
/// Errors: HDF5 cannot read it, or it is longer than `most` bytes (the sign of a damaged index).
/// Reference: HDF5 reference manual, H5Dread_chunk.
pub(crate) fn read_raw(
    data: &Dataset,
    offset: &[u64],
    most: u64,
    bytes: &mut Vec<u8>,
) -> hdf5::Result<Option<(usize, u32)>> {
    if offset.len() != data.ndim() {
        return Err(format!("{} numbers for a chunk of {} axes", offset.len(), data.ndim()).into());
    }
    hdf5::sync::sync(|| {
        let mut length: Size = 0;
        // SAFETY: `data` is open and `offset` has a number for each of its axes; the lock of HDF5 is held.
        h5check(unsafe { H5Dget_chunk_storage_size(data.id(), offset.as_ptr(), &mut length) })?;
        if length == 0 {
            return Ok(None);
        }
        if length > most {
            return Err(format!("a chunk of {length} bytes in a file of {most}").into());
        }
        if bytes.len() < length as usize {
            bytes.resize(length as usize, 0);
        }
        let mut filters = 0;
        let target = bytes.as_mut_ptr().cast::<c_void>();
        // SAFETY: as above; `target` has room for the length that was just told, and the lock has been held since.
        h5check(unsafe { read_chunk(data.id(), H5P_DEFAULT, offset.as_ptr(), &mut filters, target) })?;
        Ok(Some((length as usize, filters)))
    })
}

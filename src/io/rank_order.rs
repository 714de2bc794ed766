//! Ranks write into one file, one after the other.
//!
//! A rank opens the file when its turn comes, writes its part, and closes it before it passes the turn on: file systems
//! that keep pages per machine show it to the next one then. Where HDF5 is built with MPI, all ranks may hold the file
//! open at once: such a build replaces [`in_rank_order`] only.

use crate::comm::{Communicator, agree};
use crate::error::Result;
use crate::io::atomic::write_error;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Lets every rank `write` when its turn comes; the turn passes on by one message per rank. Collective.
///
/// Errors: those of the lowest rank that fails, on all ranks; those behind it write nothing.
pub(crate) fn in_rank_order(comm: &dyn Communicator, write: impl FnOnce() -> Result<()>) -> Result<()> {
    let (rank, size) = (comm.rank(), comm.size());
    let (mut write, mut done, mut well) = (Some(write), Ok(()), true);
    for turn in 0..size {
        if turn == rank && well {
            done = write.take().map_or(Ok(()), |write| write());
        }
        well &= comm.all_gather(&[f64::from(u8::from(done.is_err()))]).iter().all(|failed| failed[0] == 0.0);
    }
    agree(comm, done)
}

/// Opens an HDF5 file that another rank created, to write into data sets that are there, and closes it behind `write`.
pub(crate) fn within(target: &Path, file: &Path, write: impl FnOnce(&hdf5::File) -> Result<()>) -> Result<()> {
    let opened = hdf5::File::with_options().with_fapl(|f| f.file_locking(false)).open_rw(file);
    let opened = opened.map_err(|e| write_error(target, e))?;
    write(&opened)?;
    opened.flush().and_then(|()| opened.close()).map_err(|e| write_error(target, e))
}

/// Flushes what this machine wrote into a file to the disk.
pub(crate) fn flush(target: &Path, file: &Path) -> Result<()> {
    let opened = OpenOptions::new().write(true).open(file);
    opened.and_then(|f| f.sync_data()).map_err(|e| write_error(target, e))
}

/// The path that rank 0 names, on every rank. Collective.
pub(crate) fn path_of_first(comm: &dyn Communicator, path: Option<&Path>) -> PathBuf {
    let named = path.filter(|_| comm.rank() == 0).map(|p| p.as_os_str().as_bytes()).unwrap_or_default();
    let mut length = [named.len() as f64];
    comm.broadcast(&mut length, 0);
    let mut bytes: Vec<f64> = named.iter().copied().map(f64::from).collect();
    bytes.resize(length[0] as usize, 0.0);
    comm.broadcast(&mut bytes, 0);
    PathBuf::from(OsString::from_vec(bytes.into_iter().map(|b| b as u8).collect()))
}

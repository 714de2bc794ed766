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
    let well = rank == 0 || comm.receive(rank - 1).first() == Some(&1.0);
    let done = if well { write() } else { Ok(()) };
    if rank + 1 < size {
        comm.send(&[f64::from(u8::from(well && done.is_ok()))], rank + 1);
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
    let named = path.map(|p| p.as_os_str().as_bytes()).unwrap_or_default();
    let bytes = comm.spread(named.iter().copied().map(f64::from).collect());
    PathBuf::from(OsString::from_vec(bytes.into_iter().map(|b| b as u8).collect()))
}

//! Files of one folder that appear together or not at all: written into a hidden folder beside their places, then moved.

use crate::error::{Error, Result};
use crate::io::atomic::{self, write_error};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// A folder under construction; [`commit`](AtomicFolder::commit) moves its files to their places, dropping it removes it.
#[derive(Debug)]
pub struct AtomicFolder {
    target: PathBuf,
    temporary: PathBuf,
    /// Keeps the lock that tells others that the folder is in use.
    _lock: File,
}

impl AtomicFolder {
    /// Creates the hidden folder, inside `target` where that is there, else beside it; folders above `target` are created.
    ///
    /// What killed runs left of the same target is removed. Errors: [`Error::Write`].
    pub fn create(target: &Path) -> Result<AtomicFolder> {
        let refuse = |e: std::io::Error| write_error(target, e);
        let (place, name) = if target.is_dir() {
            (target.to_path_buf(), OsString::from("kolmo"))
        } else {
            let name = target.file_name().ok_or_else(|| write_error(target, "the path names no folder"))?;
            (atomic::folder_of(target).to_path_buf(), name.to_os_string())
        };
        fs::create_dir_all(&place).map_err(refuse)?;
        let (temporary, lock) = atomic::create_folder(&place, &name).map_err(refuse)?;
        Ok(AtomicFolder { target: target.to_path_buf(), temporary, _lock: lock })
    }

    /// Where the file `name` is written for now.
    pub fn path(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.temporary.join(name.as_ref())
    }

    /// An error at a file under construction as one at its final place.
    pub fn at_target(&self, error: Error) -> Error {
        moved(error, &self.temporary, &self.target)
    }

    /// Moves the files into the folder; those of the same names are replaced, others stay.
    ///
    /// A folder that is not there yet appears whole. Errors: [`Error::Write`].
    pub fn commit(self) -> Result<()> {
        let refuse = |e: std::io::Error| write_error(&self.target, e);
        if !self.target.exists() {
            return fs::rename(&self.temporary, &self.target).map_err(refuse);
        }
        let mut entries =
            fs::read_dir(&self.temporary).and_then(Iterator::collect::<std::io::Result<Vec<_>>>).map_err(refuse)?;
        // What lists others comes last.
        entries.sort_by_key(|entry| Path::new(&entry.file_name()).extension().is_some_and(|e| e == "pvtu"));
        for entry in entries {
            let place = self.target.join(entry.file_name());
            fs::rename(entry.path(), &place).map_err(|e| write_error(&place, e))?;
        }
        // Some file systems cannot flush a folder; its files are complete by now.
        let _ = File::open(&self.target).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

/// An error at a file below `from` as one at the same file below `to`.
pub(super) fn moved(error: Error, from: &Path, to: &Path) -> Error {
    let place = |file: &Path| file.strip_prefix(from).map(|name| to.join(name)).ok();
    match error {
        Error::Write { file, reason } => Error::Write { file: place(&file).unwrap_or(file), reason },
        Error::Input { ref file, .. } => match place(file) {
            Some(there) => error.in_file(&there),
            None => error,
        },
        other => other,
    }
}

impl Drop for AtomicFolder {
    fn drop(&mut self) {
        atomic::forget(&self.temporary);
        let _ = fs::remove_dir_all(&self.temporary);
    }
}

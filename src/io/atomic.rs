//! Files that appear whole or not at all: written under a temporary name in the same folder, flushed, renamed.
//!
//! The writer holds an advisory lock on its temporary file. The lock goes with the process, so a temporary file
//! without a lock was left by a killed run, and the next writer of the same target removes it.

use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Temporary files of this process.
static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Removes the temporary files of this process; for the end of a run by a signal, nothing else may follow.
pub fn remove_live() {
    let live = LIVE.lock().unwrap_or_else(|e| e.into_inner());
    // Files in folders come behind these: from the end on, a folder is empty when its turn comes.
    for path in live.iter().rev() {
        let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
    }
    // Held until the process ends, so that no file is begun in between.
    std::mem::forget(live);
}

/// A file under a temporary name; [`commit`](AtomicFile::commit) renames it, dropping it removes it.
#[derive(Debug)]
pub struct AtomicFile {
    target: PathBuf,
    destination: PathBuf,
    temporary: PathBuf,
    file: File,
    committed: bool,
}

/// Starts to write `path`: same as [`AtomicFile::create`].
pub fn temporary(path: impl AsRef<Path>) -> Result<AtomicFile> {
    AtomicFile::create(path)
}

/// Writes a whole file at once, atomically.
///
/// Errors: K001 where the folder is missing, [`Error::Write`] otherwise.
pub fn write_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let file = AtomicFile::create(path)?;
    file.file().write_all(bytes).map_err(|e| write_error(file.target(), e))?;
    file.commit()
}

/// [`Error::Write`] for `path`.
pub(crate) fn write_error(path: &Path, reason: impl ToString) -> Error {
    let reason = reason.to_string();
    // HDF5 wraps the reason of the system in addresses and sizes.
    let system =
        reason.split_once("error message = '").and_then(|(_, rest)| rest.split('\'').next()).map(str::to_string);
    Error::Write { file: path.to_path_buf(), reason: system.unwrap_or(reason) }
}

impl AtomicFile {
    /// Removes what killed runs left of the same target, then creates the temporary file.
    ///
    /// A symbolic link is followed, so that the file it points to is replaced and the link stays.
    /// Errors: K001 where the folder is missing; [`Error::Write`] where the target is a folder or a device, or the
    /// file system refuses.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let destination = resolve(path)?;
        let name = destination.file_name().ok_or_else(|| write_error(path, "the path names a folder"))?.to_os_string();
        let folder = folder_of(&destination).to_path_buf();
        match fs::metadata(&folder) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Err(write_error(path, format!("{} is not a folder", folder.display()))),
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let mend = "create the folder, or choose another one with -o";
                return Err(Error::input(
                    "K001",
                    &folder,
                    "",
                    "no such folder",
                    "an existing folder to write to",
                    mend,
                ));
            }
            Err(e) => return Err(write_error(path, e)),
        }
        remove_stale(&folder, &name);
        let mut live = LIVE.lock().unwrap_or_else(|e| e.into_inner());
        let (temporary, file) = create_locked(&folder, &name, create_file).map_err(|e| write_error(path, e))?;
        live.push(temporary.clone());
        drop(live);
        Ok(AtomicFile { target: path.to_path_buf(), destination, temporary, file, committed: false })
    }

    /// The temporary name, for libraries that open the file themselves (they must not take a lock of their own).
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// The final name, as it was given.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The open file, positioned at its start.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Flushes the file to the disk, renames it to its final name and flushes the folder.
    pub fn commit(mut self) -> Result<()> {
        self.file.sync_all().map_err(|e| write_error(&self.target, e))?;
        fs::rename(&self.temporary, &self.destination).map_err(|e| write_error(&self.target, e))?;
        self.committed = true;
        // Some file systems cannot flush a folder; the file itself is complete by now.
        if let Ok(folder) = File::open(folder_of(&self.destination)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        forget(&self.temporary);
        if !self.committed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// The file behind a symbolic link; refuses what is neither missing nor a regular file.
fn resolve(path: &Path) -> Result<PathBuf> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Err(write_error(path, "is a folder")),
        Ok(meta) if !meta.is_file() => Err(write_error(path, "is not a regular file")),
        Ok(_) => fs::canonicalize(path).map_err(|e| write_error(path, e)),
        Err(_) => Ok(path.to_path_buf()),
    }
}

pub(super) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

/// A hidden folder for `name`, locked as files are; those that killed runs left are removed.
pub(super) fn create_folder(place: &Path, name: &OsStr) -> std::io::Result<(PathBuf, File)> {
    remove_stale(place, name);
    let mut live = LIVE.lock().unwrap_or_else(|e| e.into_inner());
    let create = |path: &Path| fs::create_dir(path).and_then(|()| File::open(path));
    let (path, lock) = create_locked(place, name, create)?;
    live.push(path.clone());
    Ok((path, lock))
}

/// Takes a path out of those that a signal removes.
pub(super) fn forget(path: &Path) {
    LIVE.lock().unwrap_or_else(|e| e.into_inner()).retain(|p| p != path);
}

fn create_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).open(path)
}

/// `.NAME.PID-COUNT.tmp`; the part between the dots decides whether a file is one of ours.
fn create_locked(
    folder: &Path,
    name: &OsStr,
    create: impl Fn(&Path) -> std::io::Result<File>,
) -> std::io::Result<(PathBuf, File)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let path = folder.join(hidden);
        let file = match create(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(e),
        };
        // File systems without locks refuse here and in `remove_stale` alike: then nothing is ever removed.
        let _ = file.lock();
        // Another writer may have taken the file for a stale one before it was locked.
        match fs::symlink_metadata(&path) {
            Ok(found) if found.ino() == file.metadata()?.ino() => return Ok((path, file)),
            _ => continue,
        }
    }
}

fn remove_stale(folder: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if !is_temporary_of(&entry.file_name(), name) {
            continue;
        }
        let path = entry.path();
        let folder = path.is_dir();
        let Ok(file) = OpenOptions::new().read(true).write(!folder).open(&path) else { continue };
        if file.try_lock().is_ok() {
            let _ = if folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        }
    }
}

fn is_temporary_of(found: &OsStr, name: &OsStr) -> bool {
    let middle = found
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|rest| rest.strip_prefix(name.as_encoded_bytes()))
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(b".tmp"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let middle = middle.and_then(|m| std::str::from_utf8(m).ok());
    middle.and_then(|m| m.split_once('-')).is_some_and(|(pid, count)| digits(pid) && digits(count))
}

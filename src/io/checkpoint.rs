//! What a run has done so far, in a hidden folder beside its output: a killed run is gone on with from there.
//!
//! The folder `.MODEL.h5.checkpoint` holds what the work rests on (`work.json`) and one file per entry. The checksum of
//! an entry covers the work too, so entries of other work, of other data or of half-written files are never used.

use crate::error::{Error, Result};
use crate::io::atomic::{AtomicFile, write_bytes, write_error};
use crate::offline::{Pieces, Store};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs;
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Version of the entries.
const FORMAT: u32 = 1;
const MAGIC: &[u8] = b"kolmockp";
const WORK: &str = "work.json";
/// Shorter runs leave nothing behind.
const SHORT: Duration = Duration::from_secs(2);

/// Whether this process has left something to go on from.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Whether a run that ends now can be gone on with.
pub fn begun() -> bool {
    BEGUN.load(Ordering::Relaxed)
}

/// A file that the work reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Source {
    path: PathBuf,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Source {
    fn of(path: &Path) -> Source {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let found = fs::metadata(&path).map(|m| (m.len(), (m.mtime(), m.mtime_nsec())));
        let (bytes, modified) = found.unwrap_or_default();
        Source { path, bytes, modified }
    }

    /// What differs from `now`, if anything does.
    fn change(&self, now: &Source) -> Option<(String, String)> {
        if now.bytes != self.bytes {
            return Some((format!("{} bytes", now.bytes), format!("{} bytes, as when the fit began", self.bytes)));
        }
        let expected = "the file as it was when the fit began".to_string();
        (now.modified != self.modified).then(|| ("a file that was written since".to_string(), expected))
    }
}

/// What a result rests on: the same work gives the same result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    format: u32,
    kolmo: String,
    study: String,
    samples: Vec<usize>,
    files: Vec<Source>,
}

impl Work {
    /// The study by its text, the samples that it selects, the files that are read as they are now.
    pub fn new(study: &str, samples: &[usize], files: &[PathBuf]) -> Work {
        Work {
            format: FORMAT,
            kolmo: env!("CARGO_PKG_VERSION").to_string(),
            study: study.to_string(),
            samples: samples.to_vec(),
            files: files.iter().map(|f| Source::of(f)).collect(),
        }
    }

    /// Refuses files that are not what they were. Errors: K003 where one is shorter, K020.
    pub fn unchanged(&self) -> Result<()> {
        for file in &self.files {
            let now = Source::of(&file.path);
            let Some((found, expected)) = file.change(&now) else { continue };
            let code = if now.bytes < file.bytes { "K003" } else { "K020" };
            let mend = "write the file again, and start again when nothing writes to it";
            return Err(Error::input(code, &file.path, "changed while it was read", found, expected, mend));
        }
        Ok(())
    }

    /// Refuses to go on with what another work left at `place`. Error: K020.
    fn same_as(&self, old: &Work, place: &Path) -> Result<()> {
        let refuse = |file: &Path, what: &str, found: String, expected: String| {
            let mend = "leave out --resume to fit from the start";
            let at = if file == place { what.to_string() } else { format!("changed since {}", place.display()) };
            Err(Error::input("K020", file, at, found, expected, mend))
        };
        if self.study != old.study {
            let lines = |w: &Work| w.study.lines().map(str::to_string).collect::<Vec<_>>();
            let (now, then) = (lines(self), lines(old));
            let at = (0..now.len().max(then.len())).find(|i| now.get(*i) != then.get(*i)).unwrap_or(0);
            let with = |lines: &[String], one: &str| match lines.get(at) {
                Some(line) => format!("{one} with `{line}`"),
                None => format!("{one} of {} lines", lines.len()),
            };
            return refuse(place, "study", with(&then, "a run"), with(&now, "one"));
        }
        if self.samples != old.samples {
            let count = |w: &Work| format!("{} samples", w.samples.len());
            return refuse(place, "samples", format!("{}, others", count(old)), count(self));
        }
        if (self.format, &self.kolmo) != (old.format, &old.kolmo) {
            return refuse(place, "version", format!("kolmo {}", old.kolmo), format!("kolmo {}", self.kolmo));
        }
        if let Some((now, then)) = self.files.iter().zip(&old.files).find(|(a, b)| a.path != b.path) {
            let found = format!("a run that read {}", then.path.display());
            return refuse(place, "files", found, now.path.display().to_string());
        }
        if self.files.len() != old.files.len() {
            let count = |w: &Work| format!("{} files", w.files.len());
            return refuse(place, "files", count(old), count(self));
        }
        for (now, then) in self.files.iter().zip(&old.files) {
            if let Some((found, expected)) = then.change(now) {
                return refuse(&now.path, "", found, expected);
            }
        }
        Ok(())
    }
}

/// The checkpoint of one output; every rank has its own view of it.
#[derive(Debug)]
pub struct Checkpoint {
    folder: PathBuf,
    work: Work,
    /// `work` as it is written.
    text: String,
    first: bool,
    resumed: bool,
    interval: Duration,
    start: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Entries of a run that is still short.
    pending: Vec<(String, Vec<u8>)>,
    begun: bool,
    /// Nothing is kept any more: the disk is full, or the data have changed.
    stopped: bool,
}

/// The hidden folder beside `output`.
fn place_of(output: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(output.file_name().unwrap_or_default());
    name.push(".checkpoint");
    output.with_file_name(name)
}

impl Checkpoint {
    /// For the file `output` of `work`, on the `first` rank or another one. A note of a pass is kept every `interval`.
    pub fn new(output: &Path, work: Work, first: bool, interval: Duration) -> Checkpoint {
        let text = serde_json::to_string(&work).unwrap_or_default();
        let (folder, start, state) = (place_of(output), Instant::now(), Mutex::default());
        Checkpoint { folder, work, text, first, resumed: false, interval, start, state }
    }

    /// Whether a run that was stopped has left the same work. Errors: K003, K020 for other work.
    pub fn find(&self) -> Result<bool> {
        let file = self.folder.join(WORK);
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(false),
            Err(e) => return Err(self.damaged(&file, e.to_string())),
        };
        let old: Work = serde_json::from_str(&text).map_err(|e| self.damaged(&file, e.to_string()))?;
        self.work.same_as(&old, &self.folder).map(|()| true)
    }

    fn damaged(&self, file: &Path, found: String) -> Error {
        Error::input("K003", file, "", found, "a checkpoint of kolmo", "leave out --resume to fit from the start")
    }

    /// The same checkpoint, whose entries are used.
    pub fn resumed(self) -> Checkpoint {
        Checkpoint { resumed: true, ..self }
    }

    /// The work that is done.
    pub fn work(&self) -> &Work {
        &self.work
    }

    /// The hidden folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Removes it, when the output is there.
    pub fn remove(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        BEGUN.store(false, Ordering::Relaxed);
        let _ = fs::remove_dir_all(&self.folder);
    }

    fn file_of(&self, key: &str) -> PathBuf {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = key.chars().take(60).map(plain).collect();
        self.folder.join(format!("{name}.{:08x}", crc32fast::hash(key.as_bytes())))
    }

    /// A checksum of the work and the key, to which the value is to be added.
    fn checksum(&self, key: &str) -> crc32fast::Hasher {
        let mut sum = crc32fast::Hasher::new();
        [self.text.as_bytes(), &[0], key.as_bytes(), &[0]].iter().for_each(|part| sum.update(part));
        sum
    }

    /// The file of an entry: magic, checksum, value. The checksum is known when the value has passed.
    fn write(&self, key: &str, value: &Pieces<'_>) -> Result<()> {
        let target = self.file_of(key);
        let entry = AtomicFile::create(&target)?;
        let refused = |e: std::io::Error| write_error(&target, e);
        let (mut file, mut sum) = (BufWriter::new(entry.file()), self.checksum(key));
        let mut done = file.write_all(MAGIC).and_then(|()| file.write_all(&[0; 4]));
        value(&mut |piece| {
            sum.update(piece);
            if done.is_ok() {
                done = file.write_all(piece);
            }
        });
        done.and_then(|()| file.flush()).map_err(refused)?;
        drop(file);
        entry.file().write_all_at(&sum.finalize().to_le_bytes(), MAGIC.len() as u64).map_err(refused)?;
        entry.commit()
    }

    fn begin(&self) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|e| write_error(&self.folder, e))?;
        if !self.first {
            return Ok(());
        }
        if fs::read_to_string(self.folder.join(WORK)).is_ok_and(|old| old != self.text) {
            // Entries of other work, which nobody can use any more.
            for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
                // Other ranks may be about to write.
                if entry.path().extension().is_none_or(|e| e != "tmp") {
                    let _ = fs::remove_file(entry.path());
                }
            }
        }
        write_bytes(self.folder.join(WORK), self.text.as_bytes())
    }

    /// Makes the folder ready, and writes what had to wait.
    fn put(&self, state: &mut State) -> Result<()> {
        // What was computed from changed data is worth nothing.
        self.work.unchanged()?;
        if !state.begun {
            self.begin()?;
            state.begun = true;
        }
        state.pending.drain(..).try_for_each(|(key, value)| self.write(&key, &|hear| hear(&value)))
    }
}

impl Store for Checkpoint {
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        let mut bytes = if self.resumed { fs::read(self.file_of(key)).ok()? } else { return None };
        let sum = bytes.strip_prefix(MAGIC)?.first_chunk::<4>().copied()?;
        bytes.drain(..MAGIC.len() + sum.len());
        let mut found = self.checksum(key);
        found.update(&bytes);
        (found.finalize() == u32::from_le_bytes(sum)).then_some(bytes)
    }

    fn save(&self, key: &str, value: &[u8]) {
        self.save_pieces(key, &|hear| hear(value));
    }

    fn save_pieces(&self, key: &str, value: &Pieces<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return;
        }
        state.pending.retain(|(k, _)| k != key);
        if self.start.elapsed() < SHORT.min(self.interval) {
            let mut whole = Vec::new();
            value(&mut |piece| whole.extend_from_slice(piece));
            state.pending.push((key.to_string(), whole));
        } else if self.put(&mut state).and_then(|()| self.write(key, value)).is_ok() {
            BEGUN.store(true, Ordering::Relaxed);
        } else {
            *state = State { stopped: true, ..State::default() };
        }
    }

    fn interval(&self) -> Duration {
        self.interval
    }
}

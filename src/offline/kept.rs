//! The parts of a trained field that are kept for a run that goes on where this one is stopped.

use super::Store;
use crate::algorithms::gaussian_process::{GaussianProcess, GpParts};
use crate::algorithms::pod_spectrum::Spectrum;
use crate::comm::Communicator;
use crate::error::Result;
use crate::linalg::bookmark::{Bookmark, Note};
use crate::online::pod_regression::Groups;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is kept of one output. Results are the same on all ranks: the first one keeps and loads them, whatever their
/// number. Notes of passes are of one rank among a number of ranks.
pub(super) struct Kept<'a> {
    store: Option<&'a dyn Store>,
    comm: &'a dyn Communicator,
    /// Kind and name of the output.
    of: String,
    /// When the next note is due.
    next: Mutex<Option<Instant>>,
}

impl<'a> Kept<'a> {
    pub(super) fn new(store: Option<&'a dyn Store>, comm: &'a dyn Communicator, of: String) -> Kept<'a> {
        let next = store.map(|store| Instant::now() + store.interval());
        Kept { store, comm, of, next: Mutex::new(next) }
    }

    /// Itself as a bookmark, where anything is kept.
    pub(super) fn bookmark(&self) -> Option<&dyn Bookmark> {
        self.store.map(|_| self as &dyn Bookmark)
    }

    /// The spectrum of a stopped run, or the one that `compute` finds. Collective, as all of these.
    pub(super) fn spectrum(&self, compute: impl FnOnce() -> Result<Spectrum>) -> Result<Spectrum> {
        if let Some(found) = self.load("spectrum").and_then(|v| Spectrum::from_numbers(&numbers(&v))) {
            return Ok(found);
        }
        let spectrum = compute()?;
        if let Some(numbers) = spectrum.to_numbers() {
            self.save("spectrum", &bytes(&numbers));
        }
        Ok(spectrum)
    }

    /// The processes of a stopped run, or those that `compute` finds.
    pub(super) fn processes(&self, compute: impl FnOnce() -> Result<Groups>) -> Result<Groups> {
        let parts = self.load("processes").and_then(|v| serde_json::from_slice::<Vec<(Vec<usize>, GpParts)>>(&v).ok());
        if let Some(parts) = parts {
            return parts.into_iter().map(|(outputs, p)| Ok((outputs, GaussianProcess::from_parts(p)?))).collect();
        }
        let groups = compute()?;
        if self.store.is_some() {
            let parts: Vec<(&Vec<usize>, GpParts)> =
                groups.iter().map(|(outputs, p)| (outputs, p.to_parts())).collect();
            serde_json::to_vec(&parts).into_iter().for_each(|text| self.save("processes", &text));
        }
        Ok(groups)
    }

    /// Factors of intervals and of the indicator that a stopped run has found.
    pub(super) fn factors(&self) -> Option<[f64; 2]> {
        numbers(&self.load("factors")?).try_into().ok()
    }

    pub(super) fn save_factors(&self, factors: [f64; 2]) {
        self.save("factors", &bytes(&factors));
    }

    /// What the first rank has kept, on all ranks.
    fn load(&self, key: &str) -> Option<Vec<u8>> {
        let store = self.store?;
        let own = if self.comm.rank() == 0 { store.load(&format!("{key} of {}", self.of)) } else { None };
        if self.comm.size() == 1 {
            return own;
        }
        // Length, then eight bytes in each number.
        let mut packed = vec![own.as_ref().map_or(-1.0, |v| v.len() as f64)];
        packed.extend(own.iter().flat_map(|v| numbers(v)));
        let all = self.comm.spread(packed);
        let (length, values) = all.split_first().filter(|(length, _)| **length >= 0.0)?;
        let mut value = bytes(values);
        value.truncate(*length as usize);
        Some(value)
    }

    fn save(&self, key: &str, value: &[u8]) {
        if let Some(store) = self.store.filter(|_| self.comm.rank() == 0) {
            store.save(&format!("{key} of {}", self.of), value);
        }
    }

    fn key(&self, pass: &str) -> String {
        format!("{pass} of {}, rank {} of {}", self.of, self.comm.rank(), self.comm.size())
    }
}

impl Bookmark for Kept<'_> {
    fn is_due(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|next| Instant::now() >= next)
    }

    fn save(&self, pass: &str, note: &Note<'_>) {
        let Some(store) = self.store else { return };
        let start = Instant::now();
        store.save_pieces(&self.key(pass), &|hear| {
            note(&mut |numbers| numbers.chunks(PIECE).for_each(|piece| hear(&bytes(piece))));
        });
        // Large notes are rare, so that they cost a few percent of the pass at most.
        let pause = store.interval().max(start.elapsed().saturating_mul(20)).min(LONGEST);
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
    }

    fn load(&self, pass: &str) -> Option<Vec<f64>> {
        self.store?.load(&self.key(pass)).map(|note| numbers(&note))
    }
}

/// Numbers that are turned into bytes at once.
const PIECE: usize = 1 << 13;
/// Between two notes.
const LONGEST: Duration = Duration::from_secs(3600);

fn bytes(numbers: &[f64]) -> Vec<u8> {
    numbers.iter().flat_map(|x| x.to_le_bytes()).collect()
}

/// Eight bytes make a number; the last one is filled up with zeros.
fn numbers(bytes: &[u8]) -> Vec<f64> {
    let of = |part: &[u8]| {
        let mut eight = [0; 8];
        eight[..part.len()].copy_from_slice(part);
        f64::from_le_bytes(eight)
    };
    bytes.chunks(8).map(of).collect()
}

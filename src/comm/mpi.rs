//! Ranks of an MPI run.

use super::{Communicator, SingleComm, launched_ranks};
use crate::error::{Error, Result};
use ::mpi::Threading;
use ::mpi::datatype::PartitionMut;
use ::mpi::environment::{Universe, initialize_with_threading, is_initialized};
use ::mpi::ffi::MPI_Comm;
use ::mpi::raw::FromRaw;
use ::mpi::topology::SimpleCommunicator;
use ::mpi::traits::{Communicator as _, CommunicatorCollectives as _, Destination as _, Root as _, Source as _};
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether this build can run on MPI ranks.
pub const BUILT_IN: bool = true;

/// Tags: the number of values, the values, and that who receives many of them is there.
const LENGTH: i32 = 1;
const VALUES: i32 = 2;
const READY: i32 = 3;
/// So many values are sent without asking: MPI libraries keep them until they are received.
const AT_ONCE: usize = 256;
/// A rank that waits is busy for so long, then sleeps for a tenth of the time it has waited.
const BUSY: Duration = Duration::from_micros(200);
const LONGEST_NAP: Duration = Duration::from_millis(1);

/// The ranks of an MPI communicator.
///
/// Sums run along the engine's own trees, so that they do not depend on the algorithm that the MPI library picks.
/// Messages of more than 2^31 entries are sent in pieces.
pub struct MpiComm {
    comm: SimpleCommunicator,
    rank: usize,
    size: usize,
}

// SAFETY: the handle is a number or a pointer that belongs to MPI and is never written; MPI is initialised for calls
// from any one thread at a time, and collectives are called by one thread in program order.
unsafe impl Send for MpiComm {}
// SAFETY: as above.
unsafe impl Sync for MpiComm {}

struct Held {
    /// Ends MPI when it is dropped.
    _universe: Universe,
}
// SAFETY: the value only marks that MPI runs; it is dropped once, by `finish`, on the main thread.
unsafe impl Send for Held {}

static UNIVERSE: Mutex<Option<Held>> = Mutex::new(None);

impl std::fmt::Debug for MpiComm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MpiComm {{ rank: {}, size: {} }}", self.rank, self.size)
    }
}

impl MpiComm {
    /// All ranks of the run; starts MPI where nobody has.
    ///
    /// Errors: K013 where MPI does not start. Collective.
    pub fn world() -> Result<MpiComm> {
        let mut held = UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() && !is_initialized() {
            let Some((universe, _)) = initialize_with_threading(Threading::Serialized) else {
                return Err(Error::input(
                    "K013",
                    "kolmo",
                    "MPI",
                    "a library that does not start",
                    "MPI_Init",
                    "check mpirun",
                ));
            };
            *held = Some(Held { _universe: universe });
        }
        Ok(MpiComm::of(SimpleCommunicator::world()))
    }

    /// A copy of a communicator of the host; the host keeps and frees its own. Collective.
    ///
    /// # Safety
    /// `host` is a valid intra-communicator of a running MPI.
    pub unsafe fn from_raw(host: MPI_Comm) -> MpiComm {
        // SAFETY: valid by contract; `ManuallyDrop` leaves the freeing to the host.
        let host = ManuallyDrop::new(unsafe { SimpleCommunicator::from_raw(host) });
        MpiComm::of(host.duplicate())
    }

    /// Returns when a message is there. The MPI library would keep a core busy while it waits; here the core is left to
    /// the threads of other ranks after a while.
    fn wait(&self, from: usize, tag: i32) {
        let (process, start) = (self.comm.process_at_rank(from as i32), Instant::now());
        while process.immediate_probe_with_tag(tag).is_none() {
            match start.elapsed() {
                waited if waited < BUSY => std::hint::spin_loop(),
                waited => std::thread::sleep((waited / 10).min(LONGEST_NAP)),
            }
        }
    }

    fn of(comm: SimpleCommunicator) -> MpiComm {
        MpiComm { rank: comm.rank() as usize, size: comm.size() as usize, comm }
    }
}

impl Communicator for MpiComm {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.size
    }
    fn send(&self, values: &[f64], to: usize) {
        let process = self.comm.process_at_rank(to as i32);
        process.send_with_tag(&(values.len() as u64), LENGTH);
        if values.len() > AT_ONCE {
            self.wait(to, READY);
            process.receive_with_tag::<u8>(READY);
        }
        for piece in values.chunks(i32::MAX as usize) {
            process.send_with_tag(piece, VALUES);
        }
    }

    fn receive(&self, from: usize) -> Vec<f64> {
        self.wait(from, LENGTH);
        let process = self.comm.process_at_rank(from as i32);
        let (length, _) = process.receive_with_tag::<u64>(LENGTH);
        let mut values = vec![0.0; length as usize];
        if values.len() > AT_ONCE {
            process.send_with_tag(&0_u8, READY);
        }
        for piece in values.chunks_mut(i32::MAX as usize) {
            process.receive_into_with_tag(piece, VALUES);
        }
        values
    }

    fn broadcast(&self, values: &mut [f64], root: usize) {
        let root = self.comm.process_at_rank(root as i32);
        for piece in values.chunks_mut(i32::MAX as usize) {
            root.broadcast_into(piece);
        }
    }
    fn all_gather(&self, values: &[f64]) -> Vec<Vec<f64>> {
        self.barrier();
        let mut lengths = vec![0u64; self.size];
        self.comm.all_gather_into(&(values.len() as u64), &mut lengths[..]);
        let longest = lengths.iter().copied().max().unwrap_or(0) as usize;
        // Counts and displacements of MPI are 32-bit.
        let step = (i32::MAX as usize / self.size).max(1);
        let mut all: Vec<Vec<f64>> = lengths.iter().map(|l| Vec::with_capacity(*l as usize)).collect();
        for start in (0..longest).step_by(step) {
            let counts: Vec<i32> =
                lengths.iter().map(|l| (*l as usize).saturating_sub(start).min(step) as i32).collect();
            let mut total = 0;
            let places: Vec<i32> = counts
                .iter()
                .map(|c| {
                    total += c;
                    total - c
                })
                .collect();
            let mut buffer = vec![0.0f64; total as usize];
            let own = &values[start.min(values.len())..(start + step).min(values.len())];
            let mut partition = PartitionMut::new(&mut buffer[..], &counts[..], &places[..]);
            self.comm.all_gather_varcount_into(own, &mut partition);
            for (part, (place, count)) in all.iter_mut().zip(places.iter().zip(&counts)) {
                part.extend_from_slice(&buffer[*place as usize..(place + count) as usize]);
            }
        }
        all
    }
}

/// The ranks of this run: those of MPI under a launcher, else one.
///
/// Errors: K013 where MPI does not start, or counts other ranks than the launcher. Collective.
pub fn world() -> Result<Arc<dyn Communicator>> {
    let Some(launched) = launched_ranks().filter(|n| *n > 1) else { return Ok(Arc::new(SingleComm)) };
    let comm = MpiComm::world()?;
    if comm.size() != launched {
        let found = format!("{launched} ranks, {} by the MPI library", comm.size());
        let mend = "start kolmo with the mpirun of the MPI that it was built with";
        return Err(Error::input("K013", "kolmo", "launcher", found, "equal numbers", mend));
    }
    Ok(Arc::new(comm))
}

/// Ends MPI where [`world`] started it. Collective.
pub fn finish() {
    *UNIVERSE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Ends all ranks at once, where MPI runs on several; for defects that other ranks cannot know of.
pub fn abort(code: i32) {
    if is_initialized() && SimpleCommunicator::world().size() > 1 {
        SimpleCommunicator::world().abort(code);
    }
}

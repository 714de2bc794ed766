//! The ranks of a run.

#[cfg(feature = "mpi")]
pub mod mpi;
#[cfg(not(feature = "mpi"))]
#[path = "mpi_absent.rs"]
pub mod mpi;
mod single;
mod threads;

pub use single::SingleComm;
pub use threads::{ThreadComm, run_on_threads};

use crate::error::{Error, Result};
use std::fmt::Debug;

/// The ranks of a run. All methods but `rank` and `size` are collective: every rank calls them in the same order.
pub trait Communicator: Send + Sync + Debug {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;
    /// Number of ranks.
    fn size(&self) -> usize;
    /// Replaces `values` by the sum over ranks, added in rank order (bit-identical on all ranks).
    fn all_sum(&self, values: &mut [f64]);
    /// Largest value over the ranks and its index; on ties the lowest index.
    fn all_argmax(&self, value: f64, index: usize) -> (f64, usize);
    /// Replaces `values` by those of `root`; all ranks pass the same length.
    fn broadcast(&self, values: &mut [f64], root: usize);
    /// The contributions of all ranks, in rank order, on every rank; lengths may differ.
    fn all_gather(&self, values: &[f64]) -> Vec<Vec<f64>>;
}

fn of_launcher(names: [&str; 3]) -> Option<usize> {
    names.iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// Number of ranks that the launcher (Open MPI, MPICH and its kin) says it started; `None` without one.
pub fn launched_ranks() -> Option<usize> {
    of_launcher(["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE"])
}

/// The rank that the launcher gave this process, known before MPI starts; 0 without one.
pub fn launched_rank() -> usize {
    of_launcher(["OMPI_COMM_WORLD_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK"]).unwrap_or(0)
}

/// Ranks on this machine, by the launcher; 1 without one.
pub fn launched_here() -> usize {
    of_launcher(["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "MV2_COMM_WORLD_LOCAL_SIZE"]).unwrap_or(1)
}

/// Makes an error of any rank the error of all ranks (the lowest failing rank's); collective.
pub fn agree<T>(comm: &dyn Communicator, local: Result<T>) -> Result<T> {
    if comm.size() == 1 {
        return local;
    }
    let packed: Vec<f64> = match &local {
        Ok(_) => Vec::new(),
        Err(e) => format!("{}\n{}\n{e}", e.code(), e.exit_code()).bytes().map(f64::from).collect(),
    };
    let all = comm.all_gather(&packed);
    let failed = all.iter().enumerate().find(|(_, bytes)| !bytes.is_empty());
    match (failed, local) {
        (None, local) => local,
        (Some((rank, _)), Err(e)) if rank == comm.rank() => Err(e),
        (Some((rank, bytes)), _) => {
            let text = String::from_utf8_lossy(&bytes.iter().map(|b| *b as u8).collect::<Vec<_>>()).into_owned();
            let mut parts = text.splitn(3, '\n');
            let code = parts.next().unwrap_or_default().to_string();
            let exit = parts.next().and_then(|s| s.parse().ok()).unwrap_or(1);
            Err(Error::Rank { rank, code, exit, message: parts.next().unwrap_or_default().to_string() })
        }
    }
}

/// Largest `[value, index]` pair; the lowest index on ties; pairs that are not numbers lose.
fn argmax_of(pairs: &[Vec<f64>]) -> (f64, usize) {
    let mut best = (f64::NEG_INFINITY, usize::MAX);
    for pair in pairs {
        let (value, index) = (pair[0], pair[1] as usize);
        if value > best.0 || (value == best.0 && index < best.1) {
            best = (value, index);
        }
    }
    best
}

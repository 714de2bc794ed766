//! The ranks of a run.

mod counting;
#[cfg(feature = "mpi")]
pub mod mpi;
#[cfg(not(feature = "mpi"))]
#[path = "mpi_absent.rs"]
pub mod mpi;
mod single;
mod threads;

pub use counting::{CountingComm, Traffic};
pub use single::SingleComm;
pub use threads::{ThreadComm, run_on_threads};

use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

/// The ranks of a run. `rank`, `size`, `send` and `receive` are called by one rank; all else is collective: every rank
/// calls it in the same order.
///
/// Collectives run along binary trees in rank order: log2(size) messages per rank, and sums that are the same on all ranks.
pub trait Communicator: Send + Sync + Debug {
    /// Number of this rank, from 0.
    fn rank(&self) -> usize;
    /// Number of ranks.
    fn size(&self) -> usize;
    /// Sends to another rank, which must [`receive`](Self::receive) it; messages of a pair arrive in order. May wait for it.
    fn send(&self, values: &[f64], to: usize);
    /// Waits for the next message of another rank.
    fn receive(&self, from: usize) -> Vec<f64>;
    /// Replaces `values` by those of `root`; all ranks pass the same length.
    fn broadcast(&self, values: &mut [f64], root: usize);
    /// The contributions of all ranks, in rank order, on every rank; lengths may differ.
    fn all_gather(&self, values: &[f64]) -> Vec<Vec<f64>>;

    /// The values of all ranks put together by `combine` (of lower ranks, of higher ranks), on rank 0; empty elsewhere.
    fn reduce(&self, value: Vec<f64>, combine: &mut dyn FnMut(Vec<f64>, Vec<f64>) -> Vec<f64>) -> Vec<f64> {
        let (rank, size) = (self.rank(), self.size());
        let (mut value, mut step) = (value, 1);
        while step < size {
            if rank & step != 0 {
                self.send(&value, rank - step);
                return Vec::new();
            }
            if rank + step < size {
                value = combine(value, self.receive(rank + step));
            }
            step *= 2;
        }
        value
    }

    /// The values of rank 0, whatever their number.
    fn spread(&self, values: Vec<f64>) -> Vec<f64> {
        let (rank, size) = (self.rank(), self.size());
        let mut step = size.next_power_of_two();
        // The lowest bit of a rank is the step at which it hears.
        let heard = if rank == 0 { step } else { 1 << rank.trailing_zeros() };
        let values = if rank == 0 { values } else { self.receive(rank - heard) };
        while step > 1 {
            step /= 2;
            if step < heard && rank + step < size {
                self.send(&values, rank + step);
            }
        }
        values
    }

    /// [`reduce`](Self::reduce), with the result on every rank.
    fn tree_reduce(&self, value: Vec<f64>, combine: &mut dyn FnMut(Vec<f64>, Vec<f64>) -> Vec<f64>) -> Vec<f64> {
        self.spread(self.reduce(value, combine))
    }

    /// Replaces `values` by the sum over ranks, added along the tree (bit-identical on all ranks).
    fn all_sum(&self, values: &mut [f64]) {
        let sum = self.tree_reduce(values.to_vec(), &mut |mut a, b| {
            a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
            a
        });
        values.copy_from_slice(&sum);
    }

    /// Largest value over the ranks and its index; on ties the lowest index; what is no number loses.
    fn all_argmax(&self, value: f64, index: usize) -> (f64, usize) {
        let own = if value.is_nan() { f64::NEG_INFINITY } else { value };
        let better = |a: &[f64], b: &[f64]| b[0] > a[0] || (b[0] == a[0] && b[1] < a[1]);
        let best = self.tree_reduce(vec![own, index as f64], &mut |a, b| if better(&a, &b) { b } else { a });
        (best[0], best[1] as usize)
    }

    /// `work` of the tasks 0..n_tasks, task i done by rank i modulo size, the results on every rank.
    ///
    /// The numbers that every rank goes on with are those of the rank that computed them: the same bits. One all-gather.
    fn share(&self, n_tasks: usize, work: &(dyn Fn(usize) -> Vec<f64> + Sync)) -> Vec<Vec<f64>> {
        let (rank, size) = (self.rank(), self.size());
        let own: Vec<usize> = (rank..n_tasks).step_by(size).collect();
        let own: Vec<Vec<f64>> = own.into_par_iter().map(work).collect();
        if size == 1 {
            return own;
        }
        let packed: Vec<f64> = own.into_iter().flat_map(|r| std::iter::once(r.len() as f64).chain(r)).collect();
        let parts = self.all_gather(&packed);
        let mut rests: Vec<&[f64]> = parts.iter().map(Vec::as_slice).collect();
        (0..n_tasks)
            .map(|task| {
                let rest = &mut rests[task % size];
                let (length, after) = rest.split_first().map_or((0, *rest), |(l, after)| (*l as usize, after));
                let (result, after) = after.split_at(length);
                *rest = after;
                result.to_vec()
            })
            .collect()
    }

    /// Returns when all ranks have called it.
    fn barrier(&self) {
        self.tree_reduce(Vec::new(), &mut |a, _| a);
    }
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

/// Cores of this machine that the ranks on it have together: a launcher may have bound this one to some of them.
pub fn cores_here() -> usize {
    let own = std::thread::available_parallelism().map_or(1, usize::from);
    // The launcher itself is bound to nothing that it did not begin with.
    let of_launcher = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", std::os::unix::process::parent_id())).ok()?;
        counted(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)
    };
    if launched_here() > 1 { of_launcher().unwrap_or(own).max(own) } else { own }
}

/// How many numbers a list such as `0-3,8` holds.
fn counted(list: &str) -> Option<usize> {
    let part = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        last.trim().parse::<usize>().ok()?.checked_sub(first.trim().parse().ok()?).map(|n| n + 1)
    };
    list.trim().split(',').map(part).sum()
}

/// Makes an error of any rank the error of all ranks (the lowest failing rank's); collective.
pub fn agree<T>(comm: &dyn Communicator, local: Result<T>) -> Result<T> {
    let (rank, size) = (comm.rank(), comm.size());
    if size == 1 {
        return local;
    }
    // The lowest failing rank has the largest negated number.
    let (failed, _) = comm.all_argmax(if local.is_err() { -(rank as f64) } else { f64::NEG_INFINITY }, 0);
    if failed == f64::NEG_INFINITY {
        return local;
    }
    let lowest = -failed as usize;
    let mut packed: Vec<f64> = match &local {
        Err(e) if rank == lowest => format!("{}\n{}\n{e}", e.code(), e.exit_code()).bytes().map(f64::from).collect(),
        _ => Vec::new(),
    };
    let mut length = [packed.len() as f64];
    comm.broadcast(&mut length, lowest);
    packed.resize(length[0] as usize, 0.0);
    comm.broadcast(&mut packed, lowest);
    match local {
        Err(e) if rank == lowest => Err(e),
        _ => {
            let text = String::from_utf8_lossy(&packed.iter().map(|b| *b as u8).collect::<Vec<_>>()).into_owned();
            let mut parts = text.splitn(3, '\n');
            let code = parts.next().unwrap_or_default().to_string();
            let exit = parts.next().and_then(|s| s.parse().ok()).unwrap_or(1);
            Err(Error::Rank { rank: lowest, code, exit, message: parts.next().unwrap_or_default().to_string() })
        }
    }
}

/// [`Communicator::share`] of work that can fail: an error of any task is the error of all ranks. Collective.
pub fn share_out(
    comm: &dyn Communicator,
    n_tasks: usize,
    work: impl Fn(usize) -> Result<Vec<f64>> + Sync,
) -> Result<Vec<Vec<f64>>> {
    let errors = Mutex::new(BTreeMap::new());
    let results = comm.share(n_tasks, &|task| {
        work(task).unwrap_or_else(|e| {
            errors.lock().unwrap_or_else(PoisonError::into_inner).insert(task, e);
            Vec::new()
        })
    });
    let first = errors.into_inner().unwrap_or_else(PoisonError::into_inner).pop_first();
    agree(comm, first.map_or(Ok(results), |(_, e)| Err(e)))
}

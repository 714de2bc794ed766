//! One rank of many that are not there: what it would send is counted.

use super::Communicator;
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Messages and bytes that one rank sends and receives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Collective calls.
    pub collectives: u64,
    pub messages_sent: u64,
    pub bytes_sent: u64,
    pub messages_received: u64,
    pub bytes_received: u64,
    /// Messages one after the other from the first rank that sends to the last one that hears, over all collectives.
    pub depth: u64,
}

/// Rank `rank` of `size`, alone: every collective answers as if the other ranks had nothing to add, and counts what
/// this rank would send and receive if they had as much as it has.
///
/// Counts follow the trees of [`Communicator`]; an all-gather counts as log2(size) exchanges (recursive doubling).
/// A work whose messages do not depend on the number of rows can be sized with a few rows for thousands of ranks.
#[derive(Debug, Clone)]
pub struct CountingComm {
    rank: usize,
    size: usize,
    traffic: Arc<Mutex<Traffic>>,
}

impl CountingComm {
    /// Rank `rank` of `size`.
    pub fn new(rank: usize, size: usize) -> CountingComm {
        CountingComm { rank, size, traffic: Arc::default() }
    }

    /// What was counted so far.
    pub fn traffic(&self) -> Traffic {
        *self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, f: impl FnOnce(&mut Traffic)) {
        f(&mut self.traffic.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Ranks that a rank speaks to in a tree rooted at 0, by number of steps.
    fn children(&self, rank: usize) -> u64 {
        let own = if rank == 0 { self.size.next_power_of_two() } else { 1 << rank.trailing_zeros() };
        (0..own.trailing_zeros()).filter(|k| rank + (1 << k) < self.size).count() as u64
    }

    fn levels(&self) -> u64 {
        u64::from(self.size.next_power_of_two().trailing_zeros())
    }

    /// One all-gather that brings `bytes` from the other ranks.
    fn gathered(&self, bytes: u64) {
        self.count(|t| {
            t.collectives += 1;
            t.messages_sent += self.levels();
            t.messages_received += self.levels();
            t.bytes_sent += bytes;
            t.bytes_received += bytes;
            t.depth += self.levels();
        });
    }

    /// One tree: `up` towards the root or away from it.
    fn tree(&self, n_values: usize, up: bool, root: usize) {
        if self.size == 1 {
            return;
        }
        let (bytes, rank) = (8 * n_values as u64, (self.rank + self.size - root) % self.size);
        let (many, one) = (self.children(rank), u64::from(rank != 0));
        let (sent, received) = if up { (one, many) } else { (many, one) };
        self.count(|t| {
            t.messages_sent += sent;
            t.bytes_sent += sent * bytes;
            t.messages_received += received;
            t.bytes_received += received * bytes;
            t.depth += self.levels();
        });
    }
}

impl Communicator for CountingComm {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn send(&self, values: &[f64], _to: usize) {
        self.count(|t| {
            t.messages_sent += 1;
            t.bytes_sent += 8 * values.len() as u64;
            t.depth += 1;
        });
    }

    /// Nothing ever arrives.
    fn receive(&self, _from: usize) -> Vec<f64> {
        self.count(|t| t.messages_received += 1);
        Vec::new()
    }

    fn broadcast(&self, values: &mut [f64], root: usize) {
        self.count(|t| t.collectives += 1);
        self.tree(values.len(), false, root);
    }

    fn all_gather(&self, values: &[f64]) -> Vec<Vec<f64>> {
        self.gathered(8 * values.len() as u64 * (self.size as u64 - 1));
        let mut all = vec![Vec::new(); self.size];
        all[self.rank] = values.to_vec();
        all
    }

    /// All tasks are done here, so that the work goes on as on ranks that are there.
    fn share(&self, n_tasks: usize, work: &(dyn Fn(usize) -> Vec<f64> + Sync)) -> Vec<Vec<f64>> {
        let results: Vec<Vec<f64>> = (0..n_tasks).into_par_iter().map(work).collect();
        if self.size > 1 {
            let bytes =
                |tasks: &mut dyn Iterator<Item = &Vec<f64>>| tasks.map(|r| 8 * (1 + r.len() as u64)).sum::<u64>();
            let own = bytes(&mut results.iter().skip(self.rank).step_by(self.size));
            self.gathered(bytes(&mut results.iter()) - own);
        }
        results
    }

    fn reduce(&self, value: Vec<f64>, _combine: &mut dyn FnMut(Vec<f64>, Vec<f64>) -> Vec<f64>) -> Vec<f64> {
        self.count(|t| t.collectives += 1);
        self.tree(value.len(), true, 0);
        value
    }

    fn spread(&self, values: Vec<f64>) -> Vec<f64> {
        self.count(|t| t.collectives += 1);
        self.tree(values.len(), false, 0);
        values
    }
}

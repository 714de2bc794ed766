//! Ranks as threads of one process, so that plain tests run every collective algorithm on several ranks.

use super::Communicator;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard};

/// Messages on the way, by sender and receiver.
type Letters = HashMap<(usize, usize), VecDeque<Vec<f64>>>;

#[derive(Debug)]
struct Board {
    barrier: Barrier,
    slots: Mutex<Vec<Vec<f64>>>,
    letters: Mutex<Letters>,
    arrived: Condvar,
}

/// One rank of a group of threads.
#[derive(Debug, Clone)]
pub struct ThreadComm {
    rank: usize,
    size: usize,
    board: Arc<Board>,
}

/// Runs `f` on `size` ranks, each a thread; returns the results in rank order.
pub fn run_on_threads<T: Send>(size: usize, f: impl Fn(Arc<dyn Communicator>) -> T + Sync) -> Vec<T> {
    let board = Arc::new(Board {
        barrier: Barrier::new(size),
        slots: Mutex::new(vec![Vec::new(); size]),
        letters: Mutex::default(),
        arrived: Condvar::new(),
    });
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..size)
            .map(|rank| {
                let comm = ThreadComm { rank, size, board: board.clone() };
                let f = &f;
                scope.spawn(move || f(Arc::new(comm)))
            })
            .collect();
        handles.into_iter().map(|h| h.join().unwrap_or_else(|e| std::panic::resume_unwind(e))).collect()
    })
}

impl ThreadComm {
    /// Every rank writes its slot; all read all slots; nobody writes again before all have read.
    fn exchange<T>(&self, values: &[f64], read: impl FnOnce(&[Vec<f64>]) -> T) -> T {
        self.lock()[self.rank] = values.to_vec();
        self.board.barrier.wait();
        let result = read(&self.lock());
        self.board.barrier.wait();
        result
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.board.letters.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<f64>>> {
        self.board.slots.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Communicator for ThreadComm {
    fn rank(&self) -> usize {
        self.rank
    }
    fn size(&self) -> usize {
        self.size
    }
    fn send(&self, values: &[f64], to: usize) {
        let mut letters = self.letters();
        letters.entry((self.rank, to)).or_default().push_back(values.to_vec());
        self.board.arrived.notify_all();
    }

    fn receive(&self, from: usize) -> Vec<f64> {
        let mut letters = self.letters();
        loop {
            if let Some(values) = letters.get_mut(&(from, self.rank)).and_then(VecDeque::pop_front) {
                return values;
            }
            letters = self.board.arrived.wait(letters).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    fn broadcast(&self, values: &mut [f64], root: usize) {
        let mine: &[f64] = if self.rank == root { values } else { &[] };
        let copy = self.exchange(mine, |all| all[root].clone());
        values.copy_from_slice(&copy);
    }
    fn all_gather(&self, values: &[f64]) -> Vec<Vec<f64>> {
        self.exchange(values, <[Vec<f64>]>::to_vec)
    }
}

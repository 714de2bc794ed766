//! What ranks send: as counted for ranks that are not there, on real ones, and whatever the number of rows.

use faer::Mat;
use kolmo::algorithms::pod::{PodOptions, Truncation};
use kolmo::comm::{Communicator, CountingComm, Traffic, run_on_threads, share_out};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::error::Error;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::tall::{BLOCK_ROWS, Layout, TallMatrix};
use kolmo::offline::pod_regression::{FieldSnapshots, Options, pod_regression};
use std::sync::{Arc, Mutex};

const SAMPLES: usize = 20;
const MODES: usize = 3;

/// Counts what a real rank sends and hears, and hands it on.
#[derive(Debug)]
struct Counted {
    inner: Arc<dyn Communicator>,
    traffic: Mutex<Traffic>,
    /// Values of the longest message.
    longest: Mutex<usize>,
}

impl Counted {
    fn sent(&self, n_messages: usize, n_values: usize) {
        let mut traffic = self.traffic.lock().unwrap();
        traffic.messages_sent += n_messages as u64;
        traffic.bytes_sent += 8 * n_values as u64;
        let mut longest = self.longest.lock().unwrap();
        *longest = n_values.max(*longest);
    }

    fn heard(&self, n_messages: usize, n_values: usize) {
        let mut traffic = self.traffic.lock().unwrap();
        traffic.messages_received += n_messages as u64;
        traffic.bytes_received += 8 * n_values as u64;
    }
}

impl Communicator for Counted {
    fn rank(&self) -> usize {
        self.inner.rank()
    }
    fn size(&self) -> usize {
        self.inner.size()
    }
    fn send(&self, values: &[f64], to: usize) {
        self.sent(1, values.len());
        self.inner.send(values, to);
    }
    fn receive(&self, from: usize) -> Vec<f64> {
        let values = self.inner.receive(from);
        self.heard(1, values.len());
        values
    }
    fn broadcast(&self, _: &mut [f64], _: usize) {
        panic!("a fit that succeeds needs no broadcast");
    }
    /// As recursive doubling does it: every rank sends as often as the number of ranks doubles from one.
    fn all_gather(&self, values: &[f64]) -> Vec<Vec<f64>> {
        let all = self.inner.all_gather(values);
        let others = all.iter().map(Vec::len).sum::<usize>() - values.len();
        let levels = self.size().next_power_of_two().trailing_zeros() as usize;
        self.sent(levels, others);
        self.heard(levels, others);
        all
    }
}

/// A fit of the rows of `comm`'s rank, `blocks` of them; all blocks are alike, so that a rank alone finds the modes of all.
fn fit(comm: Arc<dyn Communicator>, blocks: usize) {
    let n = BLOCK_ROWS * blocks * comm.size();
    let layout = Layout::even(n, 1, comm);
    let entry = |s: usize, step: f64| (0.5 + step * (s + 1) as f64).fract();
    let inputs: Vec<f64> = (0..SAMPLES).map(|s| entry(s, 0.754_877_666_246_693)).collect();
    let local = Mat::from_fn(layout.n_local(), SAMPLES, |i, s| {
        let x = (i % BLOCK_ROWS) as f64 / BLOCK_ROWS as f64;
        let rough = ((i % BLOCK_ROWS * 31 + s * 17) % 97) as f64 / 97.0;
        (3.0 * (x - inputs[s])).sin() + (8.0 * (x + inputs[s])).tanh() + 1e-2 * rough * (1.0 + (s * s % 7) as f64)
    });
    let info = FieldInfo { name: "u".into(), location: Location::Free, n_entities: n, n_components: 1, vector: false };
    let snapshots = Box::new(TallMatrix::new(layout, local).unwrap());
    let field = FieldSnapshots { info, snapshots, inner_product: InnerProduct::Euclidean, rows: None };
    let pod = PodOptions { truncation: Truncation::Modes(MODES), ..PodOptions::default() };
    let scalars = Table::new(vec!["s".into()], inputs.iter().map(|a| a.sin()).collect()).unwrap();
    let inputs = Table::new(vec!["a".into()], inputs).unwrap();
    pod_regression(&inputs, vec![field], &scalars, &Options { pod, ..Options::default() }).unwrap();
}

fn counted(rank: usize, size: usize, blocks: usize) -> Traffic {
    let comm = Arc::new(CountingComm::new(rank, size));
    fit(comm.clone(), blocks);
    comm.traffic()
}

#[test]
fn real_ranks_send_what_is_counted_for_ranks_that_are_not_there() {
    let mut longest = Vec::new();
    for size in [2, 3, 8] {
        let real = run_on_threads(size, |inner| {
            let comm = Arc::new(Counted { inner, traffic: Mutex::default(), longest: Mutex::default() });
            fit(comm.clone(), 1);
            let traffic = *comm.traffic.lock().unwrap();
            longest_of(&comm, traffic)
        });
        for (rank, (found, _)) in real.iter().enumerate() {
            let expected = counted(rank, size, 1);
            let of = |t: &Traffic| (t.messages_sent, t.messages_received, t.bytes_sent, t.bytes_received);
            assert_eq!(of(found), of(&expected), "rank {rank} of {size}");
        }
        longest.push(real.iter().map(|(_, n)| *n).max().unwrap());
    }
    // The rows of calibration are the longest message: at most 20,000 of them, on any number of ranks.
    assert!(longest.iter().all(|n| *n <= 20_000 * (SAMPLES + 2)), "{longest:?}");
}

fn longest_of(comm: &Counted, traffic: Traffic) -> (Traffic, usize) {
    (traffic, *comm.longest.lock().unwrap())
}

#[test]
fn messages_depend_on_ranks_and_not_on_rows() {
    for (rank, size) in [(0, 1), (0, 2), (5, 16), (15, 16), (0, 64)] {
        let [few, many] = [counted(rank, size, 1), counted(rank, size, 3)];
        let of = |t: &Traffic| (t.collectives, t.messages_sent, t.messages_received, t.depth);
        assert_eq!(of(&few), of(&many), "rank {rank} of {size}");
        assert_eq!(few.messages_sent > 0, size > 1);
    }
    // Trees: each doubling of the ranks costs the first one a message more per collective, not twice as many.
    let [a, b, c] = [16, 256, 4096].map(|size| counted(0, size, 1).messages_sent);
    assert_eq!(c - b, b - a);
    assert!(c < 13 * counted(0, 4096, 1).collectives);
}

#[test]
fn tasks_are_shared_out_and_their_errors_too() {
    for size in [1, 2, 3, 7] {
        let all = run_on_threads(size, |comm| {
            let work = |task: usize| Ok(vec![task as f64 + 0.1; task % 4]);
            let done = share_out(comm.as_ref(), 11, work).unwrap();
            (0..11).for_each(|task| assert_eq!(done[task], vec![task as f64 + 0.1; task % 4]));
            assert_eq!(share_out(comm.as_ref(), 0, work).unwrap(), Vec::<Vec<f64>>::new());
            let fails = |task: usize| match task {
                4 | 5 => Err(Error::argument(format!("task {task}"), "trouble", "none")),
                _ => Ok(vec![1.0]),
            };
            share_out(comm.as_ref(), 11, fails).unwrap_err().to_string()
        });
        assert!(all.iter().all(|e| *e == all[0] && e.contains("trouble")), "{all:?}");
    }
}

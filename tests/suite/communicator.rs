//! The ranks of a run, as threads: collectives, errors that all ranks share, who owns which rows.

use kolmo::comm::{Communicator, CountingComm, SingleComm, agree, run_on_threads};
use kolmo::error::Error;
use kolmo::linalg::tall::{BLOCK_ROWS, Layout};
use std::sync::Arc;

#[test]
fn collectives_on_threads() {
    for size in [1, 2, 3, 7] {
        let results = run_on_threads(size, |comm| {
            let rank = comm.rank();
            assert_eq!(comm.size(), size);
            let mut sum = [0.1 * (rank + 1) as f64, 1e16, -1.0];
            comm.all_sum(&mut sum);
            let all = comm.all_gather(&vec![rank as f64; 2 * rank]);
            (0..size).for_each(|r| assert_eq!(all[r], vec![r as f64; 2 * r]));
            for root in 0..size {
                let mut values = if rank == root { [3.0, root as f64] } else { [f64::NAN; 2] };
                comm.broadcast(&mut values, root);
                assert_eq!(values, [3.0, root as f64]);
            }
            assert_eq!(comm.all_argmax(rank as f64, 10 + rank), ((size - 1) as f64, 9 + size));
            assert_eq!(comm.all_argmax(1.0, 10 + rank), (1.0, 10), "the lowest index on ties");
            assert_eq!(comm.all_argmax(if rank == 0 { 2.0 } else { f64::NAN }, rank), (2.0, 0));
            sum[0].to_bits()
        });
        let expected = tree_sum((0..size).map(|r| 0.1 * (r + 1) as f64).collect());
        assert_eq!(results, vec![expected.to_bits(); size], "added along the tree");
    }
}

#[test]
fn messages_between_ranks_arrive_in_order() {
    for size in [2, 3, 5, 8] {
        run_on_threads(size, |comm| {
            let (rank, next, last) = (comm.rank(), (comm.rank() + 1) % size, (comm.rank() + size - 1) % size);
            (0..3).for_each(|k| comm.send(&vec![rank as f64; k], next));
            (0..3).for_each(|k| assert_eq!(comm.receive(last), vec![last as f64; k]));
            comm.barrier();
            let names = comm.tree_reduce(vec![rank as f64], &mut |mut a, b| {
                a.extend(b);
                a
            });
            assert_eq!(names, (0..size).map(|r| r as f64).collect::<Vec<_>>(), "put together in rank order");
            assert_eq!(comm.spread(vec![7.0; if rank == 0 { 4 } else { 0 }]), vec![7.0; 4]);
        });
    }
}

/// What a rank of a real group sends and hears is what the counting one counts.
#[test]
fn messages_are_counted_as_they_are_sent() {
    for size in [1, 2, 3, 5, 8] {
        for rank in 0..size {
            let comm = CountingComm::new(rank, size);
            let (mut sum, mut sent, mut heard) = (vec![1.0; 10], 0, 0);
            comm.all_sum(&mut sum);
            comm.broadcast(&mut sum, 0);
            assert_eq!(sum, vec![1.0; 10]);
            // Up: to the rank without the lowest bit. Down twice: to those with one bit more below it.
            let bits = (0..usize::BITS).map(|k| 1 << k);
            let children =
                bits.filter(|b| (rank == 0 || *b < rank & rank.wrapping_neg()) && rank + b < size).count() as u64;
            let parent = u64::from(rank > 0);
            sent += parent + 2 * children;
            heard += children + 2 * parent;
            let traffic = comm.traffic();
            assert_eq!((traffic.messages_sent, traffic.messages_received), (sent, heard), "rank {rank} of {size}");
            assert_eq!((traffic.bytes_sent, traffic.bytes_received), (80 * sent, 80 * heard));
        }
    }
}

/// Neighbours first, then their sums: how ranks add.
fn tree_sum(mut values: Vec<f64>) -> f64 {
    while values.len() > 1 {
        values = values.chunks(2).map(|pair| pair.iter().sum()).collect();
    }
    values[0]
}

#[test]
fn an_error_on_one_rank_is_the_error_of_all() {
    for (size, failing) in [(2, vec![1]), (3, vec![1, 2]), (7, vec![6])] {
        let errors = run_on_threads(size, |comm| {
            let local = match failing.contains(&comm.rank()) {
                true => {
                    let place = format!("sample {}", comm.rank());
                    Err(Error::input("K004", "train.h5", place, "NaN", "a number", "mend it"))
                }
                false => Ok(comm.rank()),
            };
            assert_eq!(agree(comm.as_ref(), Ok(7)), Ok(7));
            agree(comm.as_ref(), local).expect_err("one rank failed")
        });
        for e in &errors {
            assert_eq!((e.code(), e.exit_code(), e.to_string()), ("K004", 2, errors[failing[0]].to_string()));
        }
        assert!(errors[0].to_string().contains(&format!("sample {}", failing[0])), "{}", errors[0]);
    }
    assert_eq!(agree(&SingleComm, Ok(1)), Ok(1));
}

#[test]
fn rows_are_shared_out_in_whole_blocks_and_entities() {
    for (n_entities, n_components, size) in
        [(0, 1, 3), (5, 1, 2), (100_000, 1, 7), (100_000, 3, 7), (8192, 1, 2), (8193, 2, 3)]
    {
        let layouts = run_on_threads(size, |comm| Layout::even(n_entities, n_components, comm));
        let block = BLOCK_ROWS / n_components * n_components;
        for (rank, layout) in layouts.iter().enumerate() {
            assert_eq!((layout.offsets()[0], layout.n_rows()), (0, n_entities * n_components));
            assert_eq!(layout.block_rows(), block);
            let range = layout.local_range();
            assert_eq!(range.end, if rank + 1 == size { layout.n_rows() } else { layout.offsets()[rank + 1] });
            assert!(range.start % block == 0 || range.start == layout.n_rows(), "{range:?}");
            assert_eq!(layout.rows(), range.clone().collect::<Vec<_>>());
            // No rank has more than its share and one block.
            assert!(range.len() <= n_entities * n_components / size + 2 * block, "{range:?}");
        }
    }
}

#[test]
fn wrong_layouts_are_refused() {
    let single: Arc<dyn Communicator> = Arc::new(SingleComm);
    for offsets in [vec![0], vec![1, 5], vec![0, 3, 5], vec![]] {
        assert!(Layout::from_offsets(offsets.clone(), single.clone()).is_err(), "{offsets:?}");
    }
    run_on_threads(2, |comm| {
        assert!(Layout::from_offsets(vec![0, 6, 5], comm.clone()).is_err());
        let layout = Layout::from_offsets(vec![0, 3, 10], comm.clone()).unwrap();
        let own = layout.local_range();
        for ghosts in [vec![own.start], vec![10], vec![own.start, own.start]] {
            assert!(layout.with_ghosts(ghosts.clone()).is_err(), "{ghosts:?}");
        }
        if comm.rank() == 1 {
            assert!(layout.with_ghosts(vec![2, 1]).is_err());
            let with = layout.with_ghosts(vec![0, 2]).unwrap();
            assert_eq!((with.rows(), with.owned(), with.n_local()), (vec![0, 2, 3, 4, 5, 6, 7, 8, 9], 2..9, 9));
        }
    });
}

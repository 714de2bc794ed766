//! Rows of a tall matrix from the ranks that hold them to those that want them.

use crate::comm::Communicator;
use faer::{Mat, MatRef};

/// The rows `wanted` (global numbers, ascending) of a matrix, of which this rank holds `local`, the rows `held` (ascending).
///
/// Shapes: `local` [held, n], result [wanted, n]; a row that no rank holds is NaN. Every pair of ranks exchanges what one wants and
/// the other holds, and no more: for ghosts those of the interface. Collective; size - 1 messages each way per rank, and the numbers
/// of the rows that are wanted.
pub fn exchange_rows(comm: &dyn Communicator, held: &[usize], local: MatRef<'_, f64>, wanted: &[usize]) -> Mat<f64> {
    let n = local.ncols();
    let mut found = Mat::from_fn(wanted.len(), n, |_, _| f64::NAN);
    let mut missing = Vec::new();
    for (i, row) in wanted.iter().enumerate() {
        match held.binary_search(row) {
            Ok(l) => (0..n).for_each(|j| found[(i, j)] = local[(l, j)]),
            Err(_) => missing.push(i),
        }
    }
    let numbers: Vec<f64> = missing.iter().map(|i| wanted[*i] as f64).collect();
    // The lower rank of a pair speaks first, so that nobody waits for one who waits; pairs come in one order on all ranks.
    let (rank, size) = (comm.rank(), comm.size());
    for other in (0..size).filter(|other| *other != rank) {
        let theirs = swap(comm, other, &numbers);
        let answer = swap(comm, other, &rows_of(held, local, &theirs));
        for (row, values) in answer.chunks_exact(n + 1).map(|c| (c[0] as usize, &c[1..])) {
            if let Ok(i) = wanted.binary_search(&row) {
                (0..n).for_each(|j| found[(i, j)] = values[j]);
            }
        }
    }
    found
}

/// The rows `wanted` (ascending) of all columns, of which this rank holds `own` [n_rows, k] with all rows: [wanted, k of all ranks],
/// columns in the order of the ranks. Collective; size - 1 messages each way per rank, of what is wanted and no more.
pub fn rows_of_all_columns(comm: &dyn Communicator, own: MatRef<'_, f64>, wanted: &[usize]) -> Mat<f64> {
    let rank = comm.rank();
    let numbers: Vec<f64> = wanted.iter().map(|i| *i as f64).collect();
    let columns = |rows: &mut dyn Iterator<Item = usize>| -> Vec<f64> {
        rows.flat_map(|i| (0..own.ncols()).map(move |j| own[(i, j)])).collect()
    };
    // A rank that wants no rows has as many columns as the others.
    let widths: Vec<usize> = comm.all_gather(&[own.ncols() as f64]).iter().map(|w| w[0] as usize).collect();
    let mut all = Mat::zeros(wanted.len(), widths.iter().sum());
    let mut first = 0;
    for (other, width) in widths.into_iter().enumerate() {
        let values = match other == rank {
            true => columns(&mut wanted.iter().copied()),
            false => {
                let theirs = swap(comm, other, &numbers);
                swap(comm, other, &columns(&mut theirs.iter().map(|i| *i as usize)))
            }
        };
        let part = MatRef::from_row_major_slice(&values, wanted.len(), width);
        all.as_mut().subcols_mut(first, width).copy_from(part);
        first += width;
    }
    all
}

fn swap(comm: &dyn Communicator, other: usize, values: &[f64]) -> Vec<f64> {
    if comm.rank() < other {
        comm.send(values, other);
        return comm.receive(other);
    }
    let theirs = comm.receive(other);
    comm.send(values, other);
    theirs
}

/// Number and values of each row that is held among those that are asked for.
fn rows_of(held: &[usize], local: MatRef<'_, f64>, asked: &[f64]) -> Vec<f64> {
    let mut packed = Vec::new();
    for row in asked {
        if let Ok(l) = held.binary_search(&(*row as usize)) {
            packed.push(*row);
            packed.extend((0..local.ncols()).map(|j| local[(l, j)]));
        }
    }
    packed
}

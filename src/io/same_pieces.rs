//! Which partitioned meshes are made of the same pieces, found by ranks of which each looks at its share.

use crate::comm::Communicator;
use crate::data::Location;
use crate::io::vtk::pvtu::{PieceMesh, PvtuFile};
use crate::linalg::tall::Layout;
use rayon::prelude::*;
use std::sync::Arc;

/// Whether each file has, number by number and bit by bit, the pieces of file `first`; such files take over how these are joined.
///
/// Each rank reads the pieces that give it rows (the entities of each of the `locations` shared out evenly), of every file. False says
/// nothing: another mesh, a file that cannot be read, no partitioned mesh at all. The same on all ranks. Collective: one all-gather, one sum.
pub(super) fn same_pieces(
    files: &[Option<&PvtuFile>],
    first: usize,
    locations: &[Location],
    comm: &Arc<dyn Communicator>,
) -> Vec<bool> {
    let model = files.get(first).copied().flatten();
    let own = model.and_then(|model| own_pieces(model, locations, comm));
    let seen = |location: Location| model.and_then(|m| Some(m.given(m.n_pieces().checked_sub(1)?, location).ok()?.end));
    let numbers =
        [Some(files.len()), Some(first), Some(locations.len()), model.map(PvtuFile::n_pieces), own.as_ref().map(|_| 0)];
    let numbers = numbers.into_iter().chain([Location::Point, Location::Cell].map(seen));
    let numbers: Vec<f64> = numbers.map(|n| n.map_or(-1.0, |n| n as f64)).collect();
    // Files may differ between the machines of a run.
    let alike = comm.all_gather(&numbers).iter().all(|of_rank| *of_rank == numbers && !of_rank.contains(&-1.0));
    let (Some(model), Some(own), true) = (model, own, alike) else { return vec![false; files.len()] };
    let is_same = |file: &PvtuFile| {
        let same = |(p, piece): &(usize, PieceMesh)| file.piece(*p).is_ok_and(|found| found == *piece);
        file.n_pieces() == model.n_pieces() && own.iter().all(same)
    };
    let differs = |(i, file): (usize, &Option<&PvtuFile>)| i != first && !file.is_some_and(is_same);
    let mut differ: Vec<f64> = files.par_iter().enumerate().map(|file| f64::from(u8::from(differs(file)))).collect();
    comm.all_sum(&mut differ);
    let same: Vec<bool> = differ.into_iter().map(|n| n == 0.0).collect();
    for (file, _) in files.iter().zip(&same).filter(|(_, same)| **same) {
        file.iter().for_each(|file| file.join_as(model));
    }
    same
}

/// The pieces that give rows of this rank, with their meshes; of pieces that give none every rank has some.
fn own_pieces(
    model: &PvtuFile,
    locations: &[Location],
    comm: &Arc<dyn Communicator>,
) -> Option<Vec<(usize, PieceMesh)>> {
    let last = model.n_pieces().checked_sub(1)?;
    let mut wanted = vec![false; model.n_pieces()];
    let mut gives = vec![false; model.n_pieces()];
    for &location in locations {
        let n = model.given(last, location).ok()?.end;
        let rows = Layout::even(n, 1, comm.clone()).local_range();
        for (p, (wanted, gives)) in wanted.iter_mut().zip(&mut gives).enumerate() {
            let given = model.given(p, location).ok()?;
            *gives |= !given.is_empty();
            *wanted |= given.start.max(rows.start) < given.end.min(rows.end);
        }
    }
    let own = |p: &usize| if gives[*p] { wanted[*p] } else { p % comm.size() == comm.rank() };
    (0..wanted.len()).filter(own).map(|p| Some((p, model.piece(p).ok()?))).collect()
}

//! Columns of snapshots in a file, however the file is read.

use crate::tool::Stacked;
use faer::Mat;
use kolmo::algorithms::hapod::{HapodOptions, Load, Tree, hapod};
use kolmo::comm::run_on_threads;
use kolmo::io::SnapshotSource;
use kolmo::io::field_slabs::FieldSlabs;
use kolmo::io::stacked::StackedFile;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::slabs::Slabs;
use kolmo::linalg::tall::Layout;
use std::collections::BTreeSet;
use std::sync::Arc;

#[test]
fn columns_are_those_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut all = Stacked::new(30, 300);
    all.snapshots.truncate(1);
    let path = all.write(folder.path(), "train.h5");
    let source: Arc<dyn SnapshotSource> = Arc::new(StackedFile::open(&path).unwrap());
    let (field, samples) = (source.fields()[0].clone(), (1..30).collect::<Vec<_>>());
    let values = &all.snapshots[0].1;
    let mut ways = BTreeSet::new();
    // From all of it down to the least that is taken.
    for memory in (18..=30).rev().map(|bits| 1_usize << bits) {
        let found = run_on_threads(2, |comm| {
            let even = Layout::even(field.n_dofs(), 1, comm);
            let own = even.local_range();
            let ghosts = [own.start.checked_sub(3), Some(own.end + 1).filter(|g| *g < field.n_dofs())];
            let layout = even.with_ghosts(ghosts.into_iter().flatten().collect()).unwrap();
            let (source, field) = (source.clone(), field.clone());
            let Ok(slabs) = FieldSlabs::new(source, field, samples.clone(), layout.clone(), memory, folder.path())
            else {
                return None;
            };
            let rows = layout.rows();
            for range in [0..29, 2..5, 28..29, 3..3] {
                let expected =
                    Mat::from_fn(rows.len(), range.len(), |i, j| values[(samples[range.start + j], rows[i])]);
                assert!(slabs.columns(range.clone()).unwrap().local() == expected, "{range:?}, {}", slabs.way());
            }
            Some(slabs.way())
        });
        ways.extend(found.into_iter().flatten());
    }
    println!("{ways:?}");
    assert!(ways.len() > 1, "one way only: {ways:?}");
    // A tree over time windows of a file.
    let layout = Layout::serial(field.n_dofs());
    let slabs = FieldSlabs::new(source, field, samples.clone(), layout, 1 << 30, folder.path()).unwrap();
    let slabs = &slabs;
    let leaf = |j: usize| -> Load<'_> { Box::new(move || slabs.columns(j..j + 1)) };
    let options = HapodOptions { error: 1e-3, ..HapodOptions::default() };
    let found = hapod(Tree::incremental((0..29).map(leaf).collect()), &InnerProduct::Euclidean, &options).unwrap();
    assert_eq!(found.n_snapshots, 29);
}

//! One rank.

use super::Communicator;

/// The communicator of a serial run: every collective is the identity.
#[derive(Debug, Clone, Copy, Default)]
pub struct SingleComm;

impl Communicator for SingleComm {
    fn rank(&self) -> usize {
        0
    }
    fn size(&self) -> usize {
        1
    }
    /// There is no other rank.
    fn send(&self, _values: &[f64], _to: usize) {}

    fn receive(&self, _from: usize) -> Vec<f64> {
        Vec::new()
    }

    fn broadcast(&self, _values: &mut [f64], _root: usize) {}
    fn all_gather(&self, values: &[f64]) -> Vec<Vec<f64>> {
        vec![values.to_vec()]
    }
}

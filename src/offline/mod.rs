//! One recipe per kind of model.

pub mod append_samples;
pub mod calibration;
pub mod coercivity;
pub mod cost;
pub mod decompose;
pub mod direct_solver;
pub mod full_problem;
pub mod held_out;
pub mod inf_sup;
mod kept;
pub mod machine;
mod operator_bound;
pub mod operator_check;
pub mod operator_model;
pub mod pod_regression;
pub mod reduced_basis;
pub mod reduced_basis_dual;
pub mod reduced_basis_greedy;
mod reduced_basis_projection;
mod reduced_basis_residual;
mod reduced_basis_sketch;
pub mod reduced_basis_time;
mod trials;

use std::sync::Arc;
use std::time::Duration;

/// Tells bytes piece after piece, the same ones each time.
pub type Pieces<'a> = dyn Fn(&mut dyn FnMut(&[u8])) + 'a;

/// Keeps what a training has done so far, for a run that goes on where this one is stopped.
///
/// A value is kept whole or not at all; one that cannot be kept is no error: it is computed again.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// What a run that was stopped has kept under `key`; `None` where there is nothing, or nothing to go on from.
    fn load(&self, key: &str) -> Option<Vec<u8>>;
    /// Keeps `value` under `key`, in place of what was there.
    fn save(&self, key: &str, value: &[u8]);
    /// [`save`](Self::save) of a value that is told piece after piece, so that a large one is nowhere held as a whole.
    fn save_pieces(&self, key: &str, value: &Pieces<'_>) {
        let mut whole = Vec::new();
        value(&mut |piece| whole.extend_from_slice(piece));
        self.save(key, &whole);
    }
    /// Time between two notes of one pass over the snapshots.
    fn interval(&self) -> Duration {
        Duration::from_secs(30)
    }
}

/// Hears (what begins, steps done, steps in all).
type Listener = dyn Fn(&str, usize, usize) + Send + Sync;

/// Where a training tells how far it is.
///
/// Called on every rank, between steps; it must not communicate.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<Listener>>);

impl Progress {
    /// Tells `f`.
    pub fn new(f: impl Fn(&str, usize, usize) + Send + Sync + 'static) -> Progress {
        Progress(Some(Arc::new(f)))
    }

    /// Tells that `what` begins, after `done` of `all` steps.
    pub fn tell(&self, what: &str, done: usize, all: usize) {
        if let Some(f) = &self.0 {
            f(what, done, all);
        }
    }
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(told)" } else { "Progress(silent)" })
    }
}

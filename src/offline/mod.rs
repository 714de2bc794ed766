//! One recipe per kind of model.

pub mod append_samples;
pub mod calibration;
pub mod cost;
pub mod machine;
pub mod pod_regression;

use std::sync::Arc;

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

//! What [`mpi`](super::mpi) is in a build without MPI: one rank.

use super::{Communicator, SingleComm, launched_ranks};
use crate::error::{Error, Result};
use std::sync::Arc;

/// Whether this build can run on MPI ranks.
pub const BUILT_IN: bool = false;

/// The ranks of this run: one.
///
/// Errors: K013 under a launcher of several.
pub fn world() -> Result<Arc<dyn Communicator>> {
    match launched_ranks() {
        Some(n) if n > 1 => {
            let mend = "build with `make install FEATURES=mpi`, or start kolmo without the launcher";
            Err(Error::input(
                "K013",
                "kolmo",
                "launcher",
                format!("{n} ranks"),
                "one rank: this build has no MPI",
                mend,
            ))
        }
        _ => Ok(Arc::new(SingleComm)),
    }
}

/// Nothing to end.
pub fn finish() {}

/// Nothing to abort.
pub fn abort(_code: i32) {}

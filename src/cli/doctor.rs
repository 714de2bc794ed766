//! `kolmo doctor`.

use super::print;
use kolmo::error::Result;

/// Prints what this build and machine have.
pub fn run() -> Result<()> {
    let (major, minor, patch) = hdf5::library_version();
    print(&format!("kolmo {}", env!("CARGO_PKG_VERSION")));
    print(&format!("HDF5 library: {major}.{minor}.{patch}"));
    print(&format!("threads: {}", rayon::current_num_threads()));
    print(&format!(
        "MPI: {}",
        if kolmo::comm::mpi::BUILT_IN { "built in" } else { "not built in (make install FEATURES=mpi)" }
    ));
    Ok(())
}

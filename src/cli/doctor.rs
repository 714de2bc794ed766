//! `kolmo doctor`.

use super::Global;
use kolmo::error::Result;
use serde_json::json;

/// Prints what this build and machine have.
pub fn run(global: &Global) -> Result<()> {
    let (major, minor, patch) = hdf5::library_version();
    let (version, hdf5) = (env!("CARGO_PKG_VERSION"), format!("{major}.{minor}.{patch}"));
    let (threads, mpi) = (rayon::current_num_threads(), kolmo::comm::mpi::BUILT_IN);
    let instructions = format!("{:?}", kolmo::linalg::simd::Instructions::best());
    let of_mpi = if mpi { "built in" } else { "not built in (make install FEATURES=mpi)" };
    global.result(
        &format!(
            "kolmo {version}\nHDF5 library: {hdf5}\nthreads: {threads}\ninstructions: {instructions}\nMPI: {of_mpi}"
        ),
        &json!({"version": version, "hdf5": hdf5, "threads": threads, "instructions": instructions, "mpi": mpi}),
    )
}

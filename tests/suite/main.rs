//! All tests but those under mpirun, in one binary.

mod architecture;
mod bad_input;
mod killed;
mod mpi_ranks;
mod rust_source;
mod tool;

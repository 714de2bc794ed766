//! All tests but those under mpirun, in one binary.

mod architecture;
mod bad_input;
mod gaussian_process;
mod killed;
mod model_file;
mod mpi_ranks;
mod numpy_csv;
mod rust_source;
mod stacked;
mod tool;

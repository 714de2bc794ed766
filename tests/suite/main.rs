//! All tests but those under mpirun, in one binary.

mod architecture;
mod bad_input;
mod gaussian_process;
mod killed;
mod mass_matrix;
mod mesh;
mod model_file;
mod mpi_ranks;
mod numpy_csv;
mod predictions;
mod rust_source;
mod sparse_cholesky;
mod stacked;
mod tool;
mod vtu;

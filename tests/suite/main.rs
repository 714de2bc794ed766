//! All tests but those under mpirun, in one binary.

mod architecture;
mod bad_input;
mod drawing;
mod gaussian_process;
mod killed;
mod mass_matrix;
mod mesh;
mod model_file;
mod mpi_ranks;
mod numpy_csv;
mod pictures;
mod predictions;
mod rust_source;
mod stacked;
mod svg;
mod tool;
mod vtu;

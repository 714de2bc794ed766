//! All tests but those under mpirun, in one binary.

mod architecture;
mod bad_input;
mod communicator;
mod drawing;
mod gaussian_process;
mod killed;
mod layouts;
mod linalg;
mod mass_matrix;
mod mesh;
mod model_file;
mod mpi_ranks;
mod numpy_csv;
mod online_kernels;
mod pictures;
mod pod;
mod predictions;
mod ranks;
mod report;
mod rust_source;
mod sparse_cholesky;
mod stacked;
mod supersonic;
mod svg;
mod tool;
mod vtu;

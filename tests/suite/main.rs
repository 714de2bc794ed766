//! All tests but those under mpirun, in one binary.

mod model_file;
mod numpy_csv;
mod predictions;
mod stacked;

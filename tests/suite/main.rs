//! All tests but those under mpirun, in one binary.

mod mass_matrix;
mod mesh;
mod vtu;

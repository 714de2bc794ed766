//! All tests but those under mpirun, in one binary.

mod gaussian_process;

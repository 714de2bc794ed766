//! kolmo: reduced-order modelling for scientific simulation.
//!
//! From n full-order solutions u(mu) with N degrees of freedom, kolmo learns
//!
//! ```text
//! u(mu) ≈ mean + V c(mu),   VᵀMV = I,   c_i(mu) ~ Gaussian process
//! ```
//!
//! and answers with a standard deviation, a calibrated interval and an estimate of the relative error.
//!
//! # Notation
//!
//! | symbol | shape | what |
//! |---|---|---|
//! | mu, x | d | parameters, inputs of the model |
//! | u | N | one field at one mu; components of an entity side by side |
//! | X | N x n | snapshots, one per column ([`TallMatrix`](linalg::tall::TallMatrix)) |
//! | M | N x N | [`InnerProduct`](linalg::inner_product::InnerProduct): (u, v) = uᵀMv |
//! | V | N x r | modes, orthonormal in M |
//! | sigma | n | singular values of X in M, descending |
//! | c | r | coefficients VᵀM(u - mean) |
//! | s2, l, lambda | | amplitude, length scales and noise ratio of a Gaussian process |
//!
//! # Where is …?
//!
//! | what | where |
//! |---|---|
//! | POD, PCA, method of snapshots, Karhunen-Loève | [`algorithms::pod`] |
//! | incremental (streaming) SVD, up- and downdates | [`algorithms::incremental_svd`] |
//! | HAPOD | [`algorithms::hapod`] |
//! | empirical interpolation (EIM) | [`algorithms::eim`]; CUR, cross approximation: [`algorithms::eim_skeleton`]; more or fewer points than columns: [`algorithms::eim_rectangular`] |
//! | DEIM, Q-DEIM | [`algorithms::deim`], [`algorithms::q_deim`] |
//! | more points than modes: GappyPOD+E, GNAT, S-OPT | [`algorithms::gappy_pod_e`], [`algorithms::gnat_points`], [`algorithms::s_opt`] |
//! | Kriging, GPR | [`algorithms::gaussian_process`], groups of outputs: [`algorithms::gaussian_process_groups`] |
//! | Matérn, RBF | [`algorithms::kernel`] |
//! | restricted (REML) and marginal likelihood | [`algorithms::restricted_likelihood`] |
//! | conformal prediction, jackknife+ | [`algorithms::conformal`] |
//! | quantile of numbers on several ranks | [`algorithms::order_statistic`] |
//! | TSQR | [`linalg::tsqr`] |
//! | randomized SVD | [`linalg::randomized_svd`] |
//! | block Gram-Schmidt | [`linalg::block_gram_schmidt`] |
//! | L-BFGS with bounds | [`linalg::quasi_newton`] |
//! | mass matrix, cell volumes | [`mesh::mass_matrix`], [`mesh`] |
//! | training of POD + GP | [`offline::pod_regression`], more samples: [`offline::append_samples`] |
//! | matrices at training parameters to a reduced model | [`offline::operator_model`], files: [`io::operators`] |
//! | affine decomposition, nonintrusive EIM, MDEIM | [`algorithms::affine_decomposition`] |
//! | inverse, solutions and log det at EIM nodes | [`algorithms::matrix_functions`]; log det from products (SLQ): [`algorithms::stochastic_log_det`] |
//! | evaluation | [`online`] |
//! | reduced basis (RB, Galerkin, minimum residual) of an affine problem | [`offline::reduced_basis`], evaluation: [`online::reduced_basis`] |
//! | stability constants: min-theta, successive constraint method (SCM), inf-sup | [`algorithms::coercivity`], training: [`offline::coercivity`], [`offline::inf_sup`] |
//! | extreme eigenvalues, proved; Lanczos | [`linalg::symmetric_pencil`], [`linalg::lanczos`] |
//! | weak greedy, POD-greedy | [`algorithms::greedy`], [`offline::reduced_basis_greedy`], in time: [`offline::reduced_basis_time`] |
//! | residual norms without squares | [`online::reduced_basis_residual`]; with squares, or from black-box norms: [`algorithms::residual_norm`] |
//! | rigorous bounds of errors | [`online::reduced_basis_bound`] |
//! | primal-dual (goal-oriented) outputs | [`offline::reduced_basis_dual`], [`online::reduced_basis_dual`] |
//! | sparse LU, full solutions of affine problems | [`linalg::sparse_lu`], [`offline::direct_solver`] |
//! | small dense systems without allocation | [`linalg::small`] |
//! | ranks, MPI | [`comm`] |
//! | volumes of polygons and polyhedra, the skin of a mesh | [`mesh::polyhedron`], [`mesh::skin`] |
//! | renumbered and moved meshes | [`mesh::correspondence`] |
//! | stacked HDF5, NumPy, CSV, model file | [`io`] |
//! | VTK, gmsh, XDMF, CGNS, OpenFOAM, EnSight | [`io::open_mesh`], what they share: [`io::mesh_file`] |
//! | folders of mesh files as samples | [`io::mesh_samples`] |
//! | pictures, pages | [`report`] |
//! | checkpoints, going on after a kill | [`io::checkpoint`], passes over slabs: [`linalg::bookmark`] |
//! | codes of errors | [`error::CODES`] |
//!
//! `examples/in_memory.rs` fits, stores and evaluates a model from snapshots in memory.

pub mod algorithms;
pub mod comm;
pub mod data;
pub mod error;
pub mod io;
pub mod linalg;
pub mod mesh;
pub mod offline;
pub mod online;
pub mod report;

pub use error::{Error, Result};

//! One textbook algorithm per file, one function of the same name.

pub mod affine_decomposition;
pub mod conformal;
pub mod deim;
pub mod eim;
mod eim_greedy;
pub mod eim_rectangular;
mod eim_refinement;
pub mod eim_skeleton;
pub mod gappy_pod_e;
pub mod gaussian_process;
pub mod gaussian_process_groups;
pub mod gnat_points;
pub mod greedy;
pub mod hapod;
mod hyperparameters;
pub mod incremental_svd;
pub mod kernel;
pub mod matrix_functions;
pub mod order_statistic;
pub mod pod;
pub mod pod_modes;
pub mod pod_spectrum;
pub mod point_selection;
pub mod q_deim;
pub mod restricted_likelihood;
pub mod s_opt;
pub mod stochastic_log_det;

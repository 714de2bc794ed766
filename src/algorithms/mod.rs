//! One textbook algorithm per file, one function of the same name.

pub mod conformal;
pub mod gaussian_process;
pub mod gaussian_process_groups;
pub mod hapod;
mod hyperparameters;
pub mod incremental_svd;
pub mod kernel;
pub mod order_statistic;
pub mod pod;
pub mod pod_modes;
pub mod pod_spectrum;
pub mod restricted_likelihood;

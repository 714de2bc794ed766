//! One recipe per kind of model.

pub mod calibration;
pub mod pod_regression;

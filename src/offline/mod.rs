//! One recipe per kind of model.

pub mod pod_regression;

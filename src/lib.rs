//! kolmo: reduced-order modelling for scientific simulation.

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

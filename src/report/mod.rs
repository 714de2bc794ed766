//! Pictures.

pub mod plot;

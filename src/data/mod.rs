//! Tables, fields and the study.

pub mod field;
pub mod study;
pub mod table;

pub use field::{FieldInfo, Location};
pub use table::Table;

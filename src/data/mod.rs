//! Tables, fields and the study.

pub mod expression;
pub mod field;
pub mod select;
pub mod study;
pub mod study_operators;
pub mod table;

pub use expression::Expression;
pub use field::{FieldInfo, Location};
pub use table::Table;

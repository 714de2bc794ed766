//! Formats of VTK: XML files and their containers, legacy files.

pub(crate) mod cells;
pub(crate) mod data;
pub(crate) mod head;
pub mod legacy;
pub(crate) mod legacy_mesh;
pub(crate) mod legacy_numbers;
pub(crate) mod legacy_scan;
pub mod legacy_writer;
pub mod pvd;
pub mod pvtu;
pub mod pvtu_writer;
pub mod vtu;
pub mod vtu_writer;
pub(crate) mod xml;

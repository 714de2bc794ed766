//! Pictures, as SVG.

mod axis;
mod canvas;
mod colour;
mod curve_picture;
pub mod mesh_picture;
pub mod plot;
pub mod sample;

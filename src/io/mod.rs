//! Files: the only places that know layouts.

pub mod vtu;

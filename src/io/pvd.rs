//! Series of files.

use crate::error::Result;
use std::path::{Path, PathBuf};

/// The files that a container names.
pub fn pieces_of(_path: &Path) -> Result<Vec<PathBuf>> {
    Ok(Vec::new())
}

/// Stub.
pub fn write_pvd(_path: &Path, _series: &[(f64, PathBuf)]) -> Result<()> {
    Ok(())
}

//! Stub.
use crate::error::Result;
use crate::io::mesh_file::MeshArray;
use crate::mesh::Mesh;
use std::path::Path;
/// Stub.
#[derive(Debug)]
pub struct XdmfWriter;
impl XdmfWriter {
    /// Stub.
    pub fn create(_path: &Path, _mesh: &Mesh) -> Result<Self> {
        Ok(XdmfWriter)
    }
    /// Stub.
    pub fn append(
        &mut self,
        _t: Option<f64>,
        _m: Option<&Mesh>,
        _a: &[MeshArray<'_>],
        _f: &[(String, Vec<f64>)],
    ) -> Result<()> {
        Ok(())
    }
    /// Stub.
    pub fn finish(self) -> Result<()> {
        Ok(())
    }
}

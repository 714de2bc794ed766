//! The model file.

use crate::folder;
use crate::limit::bounded;
use kolmo::io::model_file::{ModelWriter, verify_file};
use kolmo::io::pod_model;
use std::sync::OnceLock;

/// A model in which bytes are changed: three bytes of input say where (two of them) and what is added. It must be refused.
pub fn model(data: &[u8]) {
    static MODEL: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    let Some(original) = MODEL.get_or_init(written) else { return };
    let mut bytes = original.clone();
    for change in data.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] = bytes[at].wrapping_add(change[2]);
    }
    // What is left over cuts the file.
    if data.len() % 3 == 1 {
        bytes.truncate(bytes.len() * usize::from(data[data.len() - 1]) / 255);
    }
    let path = folder().join("fuzzed.h5");
    if std::fs::write(&path, &bytes).is_err() {
        return;
    }
    bounded(bytes.len(), || {
        assert_eq!(verify_file(&path).is_ok(), bytes == *original, "changed bytes are refused, others are not");
        let _ = pod_model::read(&path);
    });
}

fn written() -> Option<Vec<u8>> {
    let path = folder().join("original.h5");
    let write = || {
        let mut file = ModelWriter::create(&path)?;
        file.attr_str("/", "method", "pod")?;
        file.f64("pod/p/basis", &[2, 4], &[0.5; 8])?;
        let bulk: Vec<f64> = (0..9000).map(f64::from).collect();
        file.f64("pod/u/basis", &[2, 4500], &bulk)?;
        file.text("study", "name = \"step\"\n")?;
        file.finish()
    };
    write().ok().and_then(|_: ()| std::fs::read(&path).ok())
}

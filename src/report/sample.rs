//! One sample of a field: truth, prediction, their difference and the standard deviation on the mesh.

use super::canvas::{Drawing, cut};
use super::curve_picture::{chain, curves};
use super::mesh_picture::panels;
use super::parameter_text;
use crate::data::{FieldInfo, Location};
use crate::error::{Error, Result};
use crate::mesh::Mesh;
use std::borrow::Cow;

/// A field at one point of the parameter space; values [n_dofs] as in files, components of an entity side by side.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    pub title: &'a str,
    pub parameters: &'a [(String, f64)],
    pub field: &'a FieldInfo,
    pub truth: &'a [f64],
    pub prediction: &'a [f64],
    pub std: &'a [f64],
    /// Half-width of the interval, and its confidence.
    pub interval: &'a [f64],
    pub confidence: f64,
}

/// Why a field cannot be drawn; `None` if it can.
pub fn obstacle(mesh: Option<&Mesh>, field: &FieldInfo) -> Option<String> {
    let Some(mesh) = mesh else { return Some("no mesh".into()) };
    let drawn = carrier(mesh, field);
    let mesh = drawn.as_ref();
    let entities = match field.location {
        Location::Free => return Some("its values belong neither to points nor to cells".into()),
        Location::Point => mesh.n_points(),
        Location::Cell => mesh.n_cells(),
    };
    if entities != field.n_entities {
        return Some(format!("{} values on {entities} entities", field.n_entities));
    }
    match mesh.top_dimension() {
        Some(1) if chain(mesh).is_none() => Some("lines that are not one curve".into()),
        Some(1..=3) => None,
        _ => Some("a mesh without cells".into()),
    }
}

/// The mesh with the cells that carry the field only.
fn carrier<'a>(mesh: &'a Mesh, field: &FieldInfo) -> Cow<'a, Mesh> {
    let of_cells = if field.location == Location::Cell { mesh.with_cells(field.n_entities) } else { None };
    of_cells.unwrap_or(Cow::Borrowed(mesh))
}

/// Draws a sample: on surfaces four panels (truth, prediction, difference, standard deviation), on a curve truth, prediction and
/// interval over the length. The magnitude of vectors. Of volumes their surface, seen from (1, 1, 1).
///
/// Errors: K100 where [`obstacle`] names a reason, or lengths differ.
pub fn sample_picture(mesh: &Mesh, sample: &Sample<'_>) -> Result<Drawing> {
    if let Some(reason) = obstacle(Some(mesh), sample.field) {
        return Err(Error::argument(format!("picture of {}", sample.field.name), reason, "a mesh that can be drawn"));
    }
    let n = sample.field.n_dofs();
    for values in [sample.truth, sample.prediction, sample.std, sample.interval] {
        if values.len() != n {
            return Err(Error::argument(format!("values of {}", sample.field.name), values.len(), n));
        }
    }
    let mesh = carrier(mesh, sample.field);
    let mesh = mesh.as_ref();
    let drawing = if mesh.top_dimension() == Some(1) { curves(mesh, sample)? } else { panels(mesh, sample)? };
    let lines = [sample.heading((drawing.width / 7.6) as usize), drawing.lines.clone()].concat();
    Ok(drawing.with_lines(lines))
}

impl Sample<'_> {
    /// One number per entity: the value, or the magnitude of a vector.
    pub(super) fn numbers(&self, values: &[f64]) -> Vec<f64> {
        match self.field.n_components {
            0 | 1 => values.to_vec(),
            k => values.chunks_exact(k).map(|v| v.iter().map(|x| x * x).sum::<f64>().sqrt()).collect(),
        }
    }

    /// Prediction minus truth per entity, or the magnitude of that vector.
    pub(super) fn differences(&self) -> Vec<f64> {
        let difference: Vec<f64> = self.prediction.iter().zip(self.truth).map(|(p, t)| p - t).collect();
        self.numbers(&difference)
    }

    pub(super) fn is_vector(&self) -> bool {
        self.field.n_components > 1
    }

    pub(super) fn name(&self) -> String {
        if self.is_vector() { format!("|{}|", self.field.name) } else { self.field.name.clone() }
    }

    pub(super) fn name_of_difference(&self) -> &'static str {
        if self.is_vector() { "|prediction \u{2212} truth|" } else { "prediction \u{2212} truth" }
    }

    /// The parameters in lines of at most `n` characters.
    fn heading(&self, n: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for (name, value) in self.parameters {
            let part = format!("{} = {}", cut(name, 30), parameter_text(*value));
            if !line.is_empty() && line.chars().count() + part.chars().count() + 2 > n {
                lines.push(std::mem::take(&mut line));
            }
            line = if line.is_empty() { part } else { format!("{line}, {part}") };
        }
        lines.push(line);
        if lines.len() > 3 {
            lines.truncate(3);
            lines[2].push_str(", \u{2026}");
        }
        lines
    }
}

//! One predicted sample as arrays on a mesh.

use kolmo::data::{FieldInfo, Location};
use kolmo::io::mesh_file::{MeshArray, Number};
use kolmo::io::predictions::PredictionBatch;
use kolmo::mesh::Mesh;
use kolmo::online::PodRegression;

/// A point of a batch as a sample on a mesh.
pub struct Sample<'a> {
    named: Vec<(String, &'a FieldInfo, &'a [f64])>,
    points: Option<&'a [f64]>,
    /// Indicator, flag, scalars.
    pub field_data: Vec<(String, Vec<f64>)>,
}

impl<'a> Sample<'a> {
    /// Point `j`; field k is the points of the mesh where `moves[k]`.
    pub fn of(model: &'a PodRegression, batch: &'a PredictionBatch, j: usize, moves: &[bool]) -> Sample<'a> {
        let infos = model.fields.iter().map(|f| &f.info);
        let scalars: Vec<String> = model.scalars.iter().map(|s| s.name.clone()).collect();
        Sample::new(infos, &scalars, batch, j, moves)
    }

    /// The same of fields and scalars by their names.
    pub fn new(
        infos: impl IntoIterator<Item = &'a FieldInfo>,
        scalars: &[String],
        batch: &'a PredictionBatch,
        j: usize,
        moves: &[bool],
    ) -> Sample<'a> {
        let (mut named, mut points) = (Vec::new(), None);
        for ((info, p), moves) in infos.into_iter().zip(&batch.fields).zip(moves) {
            for (suffix, m) in [("", &p.values), ("_std", &p.std), ("_interval", &p.interval)] {
                let values = m.col_as_slice(j);
                if *moves && suffix.is_empty() {
                    points = Some(values);
                } else if info.location != Location::Free {
                    named.push((format!("{}{suffix}", info.name), info, values));
                }
            }
        }
        let mut field_data = vec![
            ("indicator".to_string(), vec![batch.indicator[j]]),
            ("flag".to_string(), vec![f64::from(batch.flags[j])]),
        ];
        field_data.extend(batch.bound.iter().map(|b| ("bound".to_string(), vec![b[j]])));
        let k = scalars.len();
        for (name, value) in scalars.iter().zip(&batch.scalars[j * k..(j + 1) * k]) {
            field_data.push((name.clone(), vec![*value]));
        }
        Sample { named, points, field_data }
    }

    /// The mesh with the points of this sample, where they move.
    pub fn moved(&self, mesh: &Mesh) -> Option<Mesh> {
        self.points.map(|points| Mesh { dim: mesh.dim, points: points.to_vec(), cells: mesh.cells.clone() })
    }

    /// Values, deviations and intervals of the fields.
    pub fn arrays(&self) -> Vec<MeshArray<'_>> {
        let named = self.named.iter();
        named
            .map(|(name, info, values)| MeshArray {
                name,
                location: info.location,
                n_components: info.n_components,
                number: Number::Float64,
                values,
            })
            .collect()
    }
}

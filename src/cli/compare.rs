//! Predictions beside full-order solutions, each rank its rows.

use super::predict::{BATCH, expand_field, flag_constants};
use super::rank_rows::{RankRows, rank_rows};
use super::scores::{Collected, FieldScores};
use super::source::Samples;
use faer::{Mat, MatRef};
use kolmo::comm::{Communicator, agree};
use kolmo::data::FieldInfo;
use kolmo::data::study::nearest;
use kolmo::error::{Error, Result};
use kolmo::io::pod_model::Provenance;
use kolmo::linalg::inner_product::{InnerProduct, orthonormality};
use kolmo::linalg::tall::TallMatrix;
use kolmo::mesh::Mesh;
use kolmo::mesh::correspondence::{Correspondence, correspondence};
use kolmo::online::{PodRegression, Prediction};
use kolmo::report::modes::Spectrum;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Refuses samples on another mesh than that of the model, also the same one with other numbers.
///
/// Samples without a mesh are taken for samples on that of the model, where the numbers of values fit; points may be
/// elsewhere where they are learnt. Error: K017.
pub fn check_mesh(fields: &[FieldInfo], mesh: Option<&Mesh>, samples: &Samples, file: &Path) -> Result<()> {
    let (Some(first), Some(other)) = (mesh, samples.source.mesh()) else { return Ok(()) };
    let moving = samples.source.fields().last().filter(|_| samples.source.points_move());
    let learnt = moving.is_some_and(|points| fields.iter().any(|f| f.name == points.name));
    let found = match correspondence(first, other) {
        Correspondence::Same if moving.is_some() && !learnt => "points that move from sample to sample".into(),
        Correspondence::Same => return Ok(()),
        Correspondence::Moved if learnt => return Ok(()),
        Correspondence::Moved => "points at other places".into(),
        Correspondence::Renumbered(_) => "the same mesh with other numbers".into(),
        Correspondence::Different(reason) => reason,
    };
    let mend = "write the samples on the mesh of the model, or fit all samples anew";
    Err(Error::input("K017", file, "mesh", found, "the mesh of the model", mend))
}

/// The error for a name that a model needs and that is not among the `known`; `others` of these the model does not need.
pub fn missing_name(file: &Path, what: &str, name: &str, known: &[String], others: &[&str]) -> Error {
    let found = match known.is_empty() {
        true => format!("no {what} `{name}`, and no other"),
        false => format!("no {what} `{name}` among {}", known.join(", ")),
    };
    let mend = match nearest(name, others.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? name it `{name}`, or add `{name}`"),
        None => format!("add `{name}`"),
    };
    Error::input("K006", file, "", found, format!("the {what}s that the model has learnt"), mend)
}

/// A model, and the full-order solutions that it is compared with.
#[derive(Clone, Copy)]
pub struct Comparison<'a> {
    pub model: &'a PodRegression,
    pub about: &'a Provenance,
    pub samples: &'a Samples,
    /// Numbers of the samples.
    pub rows: &'a [usize],
    /// Inputs of all samples.
    pub x: MatRef<'a, f64>,
    /// The rows of each field that this rank, and the model here, holds.
    pub held: &'a [RankRows],
}

/// The rows of each field of a model that a rank needs for a comparison. Errors: K005 where the samples have other fields.
pub fn rows_for(
    fields: &[FieldInfo],
    about: &Provenance,
    samples: &Samples,
    comm: &Arc<dyn Communicator>,
) -> Result<Vec<RankRows>> {
    let (kind, mesh, product) = (&about.inner_product, about.mesh.as_ref(), samples.file_product.as_ref());
    let rows = |f| {
        info_of(samples, f)?;
        rank_rows(kind, f, mesh, product, samples.source.path(), comm)
    };
    fields.iter().map(rows).collect()
}

/// A field of a model among those of the samples.
fn info_of<'a>(samples: &'a Samples, field: &FieldInfo) -> Result<&'a FieldInfo> {
    let info = samples.source.fields().iter().find(|f| f.name == field.name);
    info.filter(|f| f.n_dofs() == field.n_dofs()).ok_or_else(|| {
        let found = info.map_or("no such field".into(), |f| format!("{} values", f.n_dofs()));
        let (expected, mend) = (format!("{} values", field.n_dofs()), "hand in solutions on the mesh of the model");
        Error::input("K005", samples.source.path(), format!("field {}", field.name), found, expected, mend)
    })
}

/// Entries of a field that are kept for pictures, over all samples of a model.
const SHOWN: usize = 700;

/// At most `n` of `all` entries, evenly spread, other ones for each sample.
fn spread(all: usize, n: usize, sample: usize) -> impl Iterator<Item = usize> {
    let step = (all as f64 / n.max(1) as f64).max(1.0);
    let start = (0.618_034 * sample as f64).fract() * step;
    (0..n).map(move |k| (start + k as f64 * step) as usize).take_while(move |i| *i < all)
}

/// Norms of the truth, of the error and of what the basis V misses, for one sample.
struct Measured {
    size: f64,
    error: f64,
    missed: f64,
    /// VᵀMV and VᵀM missed, where M is not the product in which V is orthonormal and `missed` orthogonal to it.
    skew: Option<(Mat<f64>, Mat<f64>)>,
}

impl Measured {
    /// ||missed + V d||.
    fn distance(&self, d: &[f64]) -> f64 {
        let inside = match &self.skew {
            None => d.iter().map(|d| d * d).sum::<f64>(),
            Some((g, w)) => {
                let row = |i: usize| 2.0 * w[(i, 0)] + d.iter().enumerate().map(|(j, d)| g[(i, j)] * d).sum::<f64>();
                d.iter().enumerate().map(|(i, d)| d * row(i)).sum()
            }
        };
        (inside + self.missed.powi(2)).max(0.0).sqrt()
    }
}

/// Columns of rows that this rank holds.
type Columns<'a> = [&'a TallMatrix; 3];

/// All columns of (truth, error, missed) in the inner product of the basis. Collective.
fn measured_at_once(m: &InnerProduct, [truth, error, missed]: Columns<'_>) -> Vec<Measured> {
    let (size, error, missed) = (m.norms(truth), m.norms(error), m.norms(missed));
    let of = |((size, error), missed)| Measured { size, error, missed, skew: None };
    size.into_iter().zip(error).zip(missed).map(of).collect()
}

/// Column by column, column j in the inner product `own(j)`. Collective.
fn measured_apart(
    basis: &TallMatrix,
    [truth, error, missed]: Columns<'_>,
    own: impl Fn(usize) -> Result<InnerProduct>,
) -> Result<Vec<Measured>> {
    let column = |m: &TallMatrix, j: usize| TallMatrix::new(basis.layout().clone(), m.local().subcols(j, 1).to_owned());
    (0..truth.n_columns())
        .map(|j| {
            let (m, rest) = (agree(basis.comm(), own(j))?, column(missed, j)?);
            Ok(Measured {
                size: m.norms(&column(truth, j)?)[0],
                error: m.norms(&column(error, j)?)[0],
                missed: m.norms(&rest)[0],
                skew: Some((m.gram(basis), m.cross(basis, &rest))),
            })
        })
        .collect()
}

/// What is summed over the entries of a batch, on all ranks.
struct Sums {
    /// Sum of squared differences, and largest squared magnitude of the truth, of each sample.
    difference: Vec<f64>,
    largest: Vec<f64>,
    /// Entries inside their interval, and the sum of the widths.
    covered: f64,
    width: f64,
}

impl Sums {
    /// Of own rows; collective.
    fn of(
        truth: MatRef<'_, f64>,
        values: MatRef<'_, f64>,
        interval: MatRef<'_, f64>,
        k: usize,
        comm: &dyn Communicator,
    ) -> Sums {
        let (n, k) = (truth.ncols(), k.max(1));
        let mut sums = vec![0.0; n + 2];
        let mut largest = vec![0.0; n];
        for j in 0..n {
            for i in 0..truth.nrows() {
                let error = (truth[(i, j)] - values[(i, j)]).abs();
                sums[j] += error * error;
                sums[n] += f64::from(u8::from(error <= interval[(i, j)]));
                sums[n + 1] += 2.0 * interval[(i, j)];
            }
            let square = |e: usize| (0..k).map(|a| truth[(e * k + a, j)].powi(2)).sum::<f64>();
            largest[j] = (0..truth.nrows() / k).map(square).fold(0.0, f64::max);
        }
        comm.all_sum(&mut sums);
        let largest = comm.tree_reduce(largest, &mut |a, b| a.iter().zip(&b).map(|(a, b)| a.max(*b)).collect());
        let (covered, width) = (sums[n], sums[n + 1]);
        sums.truncate(n);
        Sums { difference: sums, largest, covered, width }
    }
}

impl Collected {
    /// Predicts and compares samples, at most [`BATCH`] at a time. Scores are the same on all ranks. Collective.
    pub fn add(&mut self, of: &Comparison<'_>) -> Result<()> {
        let Comparison { model, about, samples, rows, x, .. } = *of;
        let points = Mat::from_fn(rows.len(), x.ncols(), |i, j| x[(rows[i], j)]);
        let start = Instant::now();
        let p = model.predict(points.as_ref())?;
        self.seconds += start.elapsed().as_secs_f64();
        let most = model.fields.iter().map(|f| f.n_modes()).max().unwrap_or(0);
        let mut modes = vec![[0.0; 4]; most];
        let mut worst = vec![0.0_f64; rows.len()];
        for (k, field) in model.fields.iter().enumerate() {
            let s = self.field(of, &p, k, &mut modes, &mut worst)?;
            match self.fields.iter_mut().find(|f| f.name == s.name) {
                Some(f) => f.merge(s),
                None => self.fields.push(s),
            }
            self.spectra.push(Spectrum {
                field: field.info.name.clone(),
                values: field.singular_values.clone(),
                n_modes: field.n_modes(),
                projection_error: field.projection_error,
            });
        }
        let count = (rows.len() * model.fields.len().max(1)) as f64;
        for (n, row) in modes.iter_mut().enumerate() {
            row[2] = model.indicator_of_modes(&p, n + 1).iter().sum();
            *row = [row[0] / count * rows.len() as f64, row[1] / count * rows.len() as f64, row[2], rows.len() as f64];
        }
        self.merge_modes(modes);
        self.place(model, rows, x, &worst);
        self.samples.extend(rows);
        self.indicator.extend(p.indicator());
        self.error.extend(worst);
        let mut flags = p.flags.clone();
        flag_constants(&mut flags, about, &samples.parameters.select_rows(rows), 0);
        self.outside += flags.iter().filter(|f| **f != 0).count();
        for (k, scalar) in model.scalars.iter().enumerate() {
            let Some(column) = samples.scalars.position(&scalar.name) else { continue };
            let ns = model.scalars.len();
            let triples = rows
                .iter()
                .enumerate()
                .map(|(i, &r)| [samples.scalars.row(r)[column], p.scalars[i * ns + k], p.scalars_interval[i * ns + k]])
                .collect();
            match self.scalars.iter_mut().find(|(n, _)| n == &scalar.name) {
                Some((_, all)) => all.extend::<Vec<_>>(triples),
                None => self.scalars.push((scalar.name.clone(), triples)),
            }
        }
        Ok(())
    }

    /// Scores of field `k`; adds to the sums by number of modes, and to the largest error of each sample.
    fn field(
        &mut self,
        of: &Comparison<'_>,
        p: &Prediction,
        k: usize,
        modes: &mut [[f64; 4]],
        worst: &mut [f64],
    ) -> Result<FieldScores> {
        let Comparison { model, about, samples, rows, held, .. } = *of;
        let (field, source, path) = (&model.fields[k], samples.source.as_ref(), samples.source.path());
        let (info, held, r) = (info_of(samples, &field.info)?, &held[k], field.n_modes());
        let (layout, m) = (&held.layout, &held.product);
        let comm = layout.comm().as_ref();
        let tall = |local: Mat<f64>| TallMatrix::new(layout.clone(), local);
        let basis = agree(comm, tall(field.basis.clone()))?;
        if about.inner_product == "file" && orthonormality(&basis, m) > 1e-6 {
            let (found, expected) =
                ("another inner product than that of the model", "the one that the model was fitted with");
            let mend = "copy /inner_product from the training data";
            return Err(Error::input("K005", path, "/inner_product", found, expected, mend));
        }
        let floor = self.floors.get(&info.name).copied().unwrap_or(0.0);
        let mut s = FieldScores { name: info.name.clone(), ..FieldScores::default() };
        for first in (0..rows.len()).step_by(BATCH) {
            let batch = first..(first + BATCH).min(rows.len());
            let read = held.read(source, info, &rows[batch.clone()]);
            let start = Instant::now();
            let both = read.and_then(|truth| Ok((truth, expand_field(model, p, k, batch.clone())?)));
            let (truth, predicted) = agree(comm, both)?;
            self.seconds += start.elapsed().as_secs_f64();
            let error = tall(&truth - &predicted.values)?;
            let mut centred = truth.clone();
            if let Some(mean) = &field.mean {
                centred.col_iter_mut().for_each(|column| column.iter_mut().zip(mean).for_each(|(c, m)| *c -= m));
            }
            let (truth, centred) = (tall(truth)?, tall(centred)?);
            let c = m.cross(&basis, &centred);
            let missed = tall(centred.local() - basis.mul_small(c.as_ref()).local())?;
            drop(centred);
            let (kind, product) = (&about.inner_product, samples.file_product.as_ref());
            // Errors are measured on each sample's own mesh.
            let own = |row| {
                let mesh = source.mesh_of(row)?;
                Ok(rank_rows(kind, info, mesh.as_ref(), product, path, layout.comm())?.product)
            };
            let measured = match source.points_move() {
                true => measured_apart(&basis, [&truth, &error, &missed], |j| own(rows[first + j]))?,
                false => measured_at_once(m, [&truth, &error, &missed]),
            };
            let part = |m: &Mat<f64>| m.subrows(layout.owned().start, layout.owned().len()).to_owned();
            let (values, interval) = (part(&predicted.values), part(&predicted.interval));
            let truth = truth.owned();
            let sums = Sums::of(truth, values.as_ref(), interval.as_ref(), info.n_components, comm);
            s.entries += info.n_dofs() * truth.ncols();
            s.covered += sums.covered as usize;
            s.width += sums.width;
            let own = layout.local_range();
            let at = |i: usize, j: usize| [truth[(i, j)], values[(i, j)], interval[(i, j)]];
            s.shown.extend(shown(info.n_dofs(), rows.len(), batch.clone(), own, at, comm));
            for (j, (sample, found)) in batch.zip(&measured).enumerate() {
                let size = found.size.max(floor);
                let relative = if size > 0.0 { found.error / size } else { f64::NAN };
                worst[sample] = worst[sample].max(relative);
                s.relative.push(relative);
                s.absolute.push(found.error);
                s.projection.push(found.missed / size);
                s.rrmse.push(sums.difference[j] / (info.n_entities as f64 * sums.largest[j].max(floor * floor)));
                let delta = |l: usize| c[(l, j)] - p.coefficients[k][(l, sample)];
                let mut d: Vec<f64> = (0..r).map(|l| c[(l, j)]).collect();
                let mut best = d.clone();
                for (n, sums) in modes.iter_mut().enumerate() {
                    if n < r {
                        (d[n], best[n]) = (delta(n), 0.0);
                    }
                    sums[0] += found.distance(&d) / size;
                    sums[1] += found.distance(&best) / size;
                }
            }
        }
        Ok(s)
    }
}

/// `at(own row, column)` for entries spread over the field, of the samples `batch` of `n_samples`, from the ranks that own them
/// (`own`); in one order for any number of ranks. Collective.
fn shown(
    n_dofs: usize,
    n_samples: usize,
    batch: Range<usize>,
    own: Range<usize>,
    at: impl Fn(usize, usize) -> [f64; 3],
    comm: &dyn Communicator,
) -> Vec<[f64; 3]> {
    let mut packed = Vec::new();
    for (j, sample) in batch.clone().enumerate() {
        for i in spread(n_dofs, SHOWN.div_ceil(n_samples), sample).filter(|i| own.contains(i)) {
            packed.push(j as f64);
            packed.extend(at(i - own.start, j));
        }
    }
    // Ranks own ascending rows.
    let all: Vec<[f64; 4]> = comm.all_gather(&packed).iter().flat_map(|part| part.as_chunks().0.to_vec()).collect();
    let of = |j: usize| all.iter().filter(move |e| e[0] == j as f64).map(|e| [e[1], e[2], e[3]]);
    (0..batch.len()).flat_map(of).collect()
}

//! A whole fit on ranks and threads: the same model, to the bit.

use faer::{Mat, MatRef};
use kolmo::comm::{Communicator, SingleComm, run_on_threads};
use kolmo::data::{FieldInfo, Location, Table};
use kolmo::error::Result;
use kolmo::linalg::inner_product::InnerProduct;
use kolmo::linalg::slabs::Slabs;
use kolmo::linalg::tall::{Layout, TallMatrix, gather_rows};
use kolmo::mesh::mass_matrix::mass_matrix;
use kolmo::mesh::{CellBlock, CellType, Mesh};
use kolmo::offline::pod_regression::{FieldSnapshots, Options, pod_regression};
use kolmo::online::PodRegression;
use std::sync::Arc;

const N: usize = 110;
const SAMPLES: usize = 24;

/// N x N squares.
pub fn mesh() -> Mesh {
    let node = |i: usize, j: usize| (j * (N + 1) + i) as u32;
    let points = (0..=N).flat_map(|j| (0..=N).flat_map(move |i| [i as f64 / N as f64, j as f64 / N as f64]));
    let quads =
        (0..N).flat_map(|j| (0..N).flat_map(move |i| [node(i, j), node(i + 1, j), node(i + 1, j + 1), node(i, j + 1)]));
    let cells = vec![CellBlock::new(CellType::Quad, quads.collect())];
    Mesh { dim: 2, points: points.collect(), cells }
}

fn inputs() -> Table {
    let entry = |s: usize, step: f64| (0.5 + step * (s + 1) as f64).fract();
    let rows = (0..SAMPLES).flat_map(|s| [entry(s, 0.754_877_666_246_693), entry(s, 0.569_840_290_998_053)]);
    Table::new(vec!["a".into(), "b".into()], rows.collect()).unwrap()
}

fn value(x: f64, y: f64, sample: &[f64]) -> f64 {
    1.0 + ((2.0 * x + y) * (1.0 + sample[0])).sin() + (10.0 * (x - sample[1])).tanh()
}

/// A point field in the mass matrix and a vector field on cells in their volumes; rank `failing` hands in a NaN.
pub fn fit(comm: Arc<dyn Communicator>, failing: Option<usize>) -> Result<PodRegression> {
    let spoil = |comm: &dyn Communicator, mut x: TallMatrix| -> Box<dyn Slabs> {
        if failing == Some(comm.rank()) && x.local().nrows() > 0 {
            let layout = x.layout().clone();
            let mut local = x.into_local();
            local[(0, 3)] = f64::NAN;
            x = TallMatrix::new(layout, local).unwrap();
        }
        Box::new(x)
    };
    fit_slabs(comm, &spoil, &Options::default())
}

/// The same data in slabs of the caller's making.
pub fn fit_slabs(
    comm: Arc<dyn Communicator>,
    slabs: &dyn Fn(&dyn Communicator, TallMatrix) -> Box<dyn Slabs>,
    options: &Options,
) -> Result<PodRegression> {
    let (mesh, inputs) = (mesh(), inputs());
    let matrix = mass_matrix(&mesh)?;
    let info = |name: &str, location, n_entities, n_components| FieldInfo {
        name: name.into(),
        location,
        n_entities,
        n_components,
        vector: n_components > 1,
    };
    let points = info("u", Location::Point, mesh.n_points(), 1);
    let cells = info("v", Location::Cell, mesh.n_cells(), 2);
    let of_points = Layout::even(points.n_entities, 1, comm.clone());
    let (of_points, part) = InnerProduct::Sparse(matrix).of_rank(&of_points)?;
    let of_cells = Layout::even(cells.n_entities, 2, comm.clone());
    let volumes = of_cells.local_range().map(|_| 1.0 / (N * N) as f64).collect();
    let mut fields = Vec::new();
    for (info, layout, product) in [(points, of_points, part), (cells, of_cells, InnerProduct::Diagonal(volumes))] {
        let k = info.n_components;
        let width = if k == 1 { N + 1 } else { N };
        let rows = layout.rows();
        let local = Mat::from_fn(rows.len(), SAMPLES, |i, s| {
            let entity = rows[i] / k;
            let (x, y) = ((entity % width) as f64 / N as f64, (entity / width) as f64 / N as f64);
            value(x, y + 0.3 * (rows[i] % k) as f64, inputs.row(s))
        });
        let snapshots = slabs(comm.as_ref(), TallMatrix::new(layout, local)?);
        fields.push(FieldSnapshots { info, snapshots, inner_product: product, rows: None });
    }
    let scalars = Table::new(vec!["s".into()], (0..SAMPLES).map(|s| value(0.3, 0.4, inputs.row(s))).collect())?;
    pod_regression(&inputs, fields, &scalars, options)
}

/// The model with the rows of all ranks.
fn whole(mut model: PodRegression, comm: &dyn Communicator) -> PodRegression {
    for field in &mut model.fields {
        let rows = field.part.take().unwrap_or_else(|| (0..field.info.n_dofs()).collect());
        let all = |m: MatRef<'_, f64>| gather_rows(comm, &rows, m, field.info.n_dofs());
        let variance = all(MatRef::from_column_major_slice(&field.residual_variance, rows.len(), 1));
        field.basis = all(field.basis.as_ref());
        let column = |v: &Vec<f64>| all(MatRef::from_column_major_slice(v, v.len(), 1)).col_as_slice(0).to_vec();
        field.mean = field.mean.as_ref().map(column);
        field.residual_variance = variance.col_as_slice(0).to_vec();
    }
    model
}

/// Everything that a model answers, bit by bit.
pub fn answers(model: PodRegression, comm: &dyn Communicator) -> Vec<u64> {
    let model = whole(model, comm);
    let x = Mat::from_fn(3, 2, |i, j| 0.2 + 0.3 * (i + j) as f64);
    let p = model.predict(x.as_ref()).unwrap();
    let mut bits = Vec::new();
    for (k, field) in model.fields.iter().enumerate() {
        let fields = [
            field.reconstruct(p.coefficients[k].as_ref()).unwrap(),
            field.standard_deviation(p.variances[k].as_ref()).unwrap(),
        ];
        fields.iter().for_each(|m| m.col_iter().for_each(|c| bits.extend(c.iter().map(|v| v.to_bits()))));
        bits.extend(field.singular_values.iter().map(|v| v.to_bits()));
        bits.extend([field.interval_factor.to_bits(), field.indicator_factor.to_bits()]);
    }
    let small = [&p.scalars, &p.scalars_std, &p.scalars_interval, &p.indicators[0], &p.indicators[1]];
    small.iter().for_each(|v| bits.extend(v.iter().map(|v| v.to_bits())));
    bits
}

#[test]
fn a_fit_is_the_same_to_the_bit_on_any_number_of_ranks_and_threads() {
    let serial = answers(fit(Arc::new(SingleComm), None).unwrap(), &SingleComm);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| fit(Arc::new(SingleComm), None).map(|m| answers(m, &SingleComm)));
        assert!(found.unwrap() == serial, "{threads} threads");
    }
    for size in [2, 3, 7] {
        let all = run_on_threads(size, |comm| answers(fit(comm.clone(), None).unwrap(), comm.as_ref()));
        for (rank, found) in all.iter().enumerate() {
            let first = found.iter().zip(&serial).position(|(a, b)| a != b);
            assert!(
                first.is_none() && found.len() == serial.len(),
                "rank {rank} of {size}: {first:?} of {}",
                serial.len()
            );
        }
    }
}

#[test]
fn a_fit_that_fails_on_one_rank_fails_on_all() {
    for (size, failing) in [(2, 1), (3, 1), (3, 2)] {
        let errors = run_on_threads(size, |comm| fit(comm, Some(failing)).map(|_| ()).unwrap_err().to_string());
        assert!(errors.iter().all(|e| e.contains("snapshot 3")), "{errors:?}");
    }
}

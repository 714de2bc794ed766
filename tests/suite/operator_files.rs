//! Files of operators, written as a simulation code would: what the tests of reduced bases share.

use faer::c64;
use hdf5::types::VarLenUnicode;
use ndarray::ArrayD;
use std::path::{Path, PathBuf};

/// A complex number as h5py writes it.
#[derive(hdf5::H5Type, Clone, Copy, Debug)]
#[repr(C)]
pub struct Complex {
    pub r: f64,
    pub i: f64,
}

/// Complex numbers as a data set of this shape.
pub fn put_complex(file: &hdf5::File, name: &str, shape: &[usize], values: &[c64]) {
    let values = values.iter().map(|v| Complex { r: v.re, i: v.im }).collect();
    let values = ArrayD::from_shape_vec(shape, values).unwrap();
    file.new_dataset_builder().with_data(&values).create(name).unwrap();
}

/// Real numbers as a data set of this shape, in place of an old one.
pub fn put(file: &hdf5::File, name: &str, shape: &[usize], values: Vec<f64>) {
    let _ = file.unlink(name);
    let values = ArrayD::from_shape_vec(shape, values).unwrap();
    file.new_dataset_builder().with_data(&values).create(name).unwrap();
}

/// Whole numbers as a row.
pub fn put_numbers(file: &hdf5::File, name: &str, values: &[usize]) {
    let _ = file.unlink(name);
    let values: Vec<i64> = values.iter().map(|v| *v as i64).collect();
    file.new_dataset_builder().with_data(&values).create(name).unwrap();
}

/// Parameters, a row for each matrix, with their names.
pub fn put_parameters(file: &hdf5::File, names: &[&str], rows: &[Vec<f64>]) {
    put(file, "parameters", &[rows.len(), names.len()], rows.concat());
    let names: Vec<VarLenUnicode> = names.iter().map(|n| n.parse().unwrap()).collect();
    let data = file.dataset("parameters").unwrap();
    data.new_attr::<VarLenUnicode>().shape(names.len()).create("names").unwrap().write(&names).unwrap();
}

/// The file `matrices/NAME` of the shared data; where it is not there, the reason is printed.
pub fn shared(name: &str) -> Option<PathBuf> {
    let Some(data) = std::env::var_os("KOLMO_DATA") else {
        println!("skipped: KOLMO_DATA is not set, {name} is not known");
        return None;
    };
    let file = Path::new(&data).join("matrices").join(name);
    if !file.is_file() {
        println!("skipped: {} is not there", file.display());
        return None;
    }
    Some(file)
}

/// Tridiagonal matrices a(mu) on 1-D grids of `n` nodes: a small problem that is not affine in its parameter.
#[derive(Debug, Clone)]
pub struct Small {
    pub n: usize,
    pub parameters: Vec<f64>,
    pub indptr: Vec<usize>,
    pub indices: Vec<usize>,
    /// [n_mu, nnz].
    pub values: Vec<Vec<f64>>,
}

impl Small {
    pub fn new(n: usize, n_parameters: usize) -> Small {
        let parameters: Vec<f64> =
            (0..n_parameters).map(|k| 1.0 + k as f64 / (n_parameters - 1).max(1) as f64).collect();
        let (mut indptr, mut indices) = (vec![0], Vec::new());
        for i in 0..n {
            indices.extend((i.saturating_sub(1)..n.min(i + 2)).collect::<Vec<usize>>());
            indptr.push(indices.len());
        }
        let values = parameters.iter().map(|mu| Small::matrix(n, *mu)).collect();
        Small { n, parameters, indptr, indices, values }
    }

    /// The values at one parameter, row by row.
    pub fn matrix(n: usize, mu: f64) -> Vec<f64> {
        let entry = |i: usize, j: usize| {
            if i == j { 4.0 + mu + (mu * i as f64).sin() } else { 0.1 * (mu * (i + j) as f64).cos() - 1.0 }
        };
        (0..n).flat_map(|i| (i.saturating_sub(1)..n.min(i + 2)).map(move |j| entry(i, j))).collect()
    }

    /// Writes the file, right-hand sides of ones; no solutions.
    pub fn write(&self, path: &Path) -> hdf5::File {
        let file = hdf5::File::create(path).unwrap();
        put_numbers(&file, "operators/A/indptr", &self.indptr);
        put_numbers(&file, "operators/A/indices", &self.indices);
        put(&file, "operators/A/values", &[self.values.len(), self.indices.len()], self.values.concat());
        put(&file, "operators/rhs", &[self.n], vec![1.0; self.n]);
        put_parameters(&file, &["mu"], &self.parameters.iter().map(|mu| vec![*mu]).collect::<Vec<_>>());
        file
    }
}

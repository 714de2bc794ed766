//! Parameter-dependent operators in HDF5: matrices (sparse on one pattern, dense, or affine terms), right-hand sides, outputs,
//! solutions. What is small is held, matrices are read one at a time.

use crate::data::Table;
use crate::error::{Error, Result};
use crate::io::complex::{is_complex, read_all, read_rows};
use crate::io::operator_pattern::read_pattern;
use crate::io::stacked::read_table;
use crate::io::stacked_mesh::{Points, read_mesh};
use crate::io::{csr, hdf};
use crate::linalg::scalar::{Scalar, c64};
use crate::linalg::terms::Pattern;
use crate::mesh::Mesh;
use faer::Mat;
use hdf5::Dataset;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file with operators.
#[derive(Debug)]
pub struct OperatorFile {
    path: PathBuf,
    /// Operators by name; A(mu) is their sum.
    pub operators: Vec<Operator>,
    pub rhs: Option<Quantity>,
    /// Linear functionals, by name.
    pub outputs: Vec<Quantity>,
    pub solutions: Option<Quantity>,
    pub parameters: Table,
    pub mesh: Option<Mesh>,
    pub inner_product: Option<sprs::CsMat<f64>>,
    /// Rows of the matrices; None where the file holds entries only.
    pub n_rows: Option<usize>,
    /// Number of parameters.
    pub n_samples: usize,
}

/// One operator.
#[derive(Debug)]
pub struct Operator {
    pub name: String,
    pub form: Form,
    data: Dataset,
    place: String,
    complex: bool,
    /// Where the file holds each entry of the pattern; None where its rows ascend.
    order: Option<Vec<usize>>,
}

/// How a file holds an operator.
#[derive(Debug, Clone)]
pub enum Form {
    /// Values [n_mu, nnz] or dense matrices [n_mu, n, n]; one row, where the operator does not depend on the parameter.
    Matrices { pattern: Arc<Pattern>, constant: bool },
    /// Terms [Q, nnz], with their coefficients [n_mu, Q] where the file holds them.
    Affine { pattern: Arc<Pattern>, n_terms: usize, theta: Option<Mat<f64>> },
    /// Entries [n_mu, n_entries] for a model that asks for them.
    Entries { n_entries: usize },
}

/// Vectors: right-hand sides, a linear functional, solutions.
#[derive(Debug)]
pub struct Quantity {
    pub name: String,
    /// Numbers per parameter.
    pub length: usize,
    /// The same for all parameters.
    pub constant: bool,
    data: Dataset,
    place: String,
    complex: bool,
}

/// Whether a file holds operators rather than snapshots.
pub fn holds_operators(path: &Path) -> bool {
    hdf::open(path).is_ok_and(|file| hdf::group(&file, "operators").is_some() && !hdf::exists(&file, "snapshots"))
}

pub(super) fn layout(path: &Path, place: &str, found: String, expected: &str) -> Error {
    Error::input("K005", path, place, found, expected, "write the operators as the README's layout 4 says")
}

impl OperatorFile {
    /// Opens a file and checks everything but the numbers of matrices and vectors.
    ///
    /// Errors: K001, K002 no operators, K003, K004, K005 shapes and patterns that do not fit, K007, K008. Cost: headers, patterns
    /// and tables.
    pub fn open(path: &Path) -> Result<OperatorFile> {
        let file = hdf::open(path)?;
        let Some(group) = hdf::group(&file, "operators") else {
            let mend = "write each operator as the group /operators/<name>";
            return Err(Error::input("K002", path, "/operators", "no such group", "a group with the operators", mend));
        };
        let names = group.member_names().map_err(|e| hdf::damaged(path, "/operators", e))?;
        let n_samples = count(path, &file, &group, &names)?;
        let mut operators = Vec::new();
        for name in names.iter().filter(|n| *n != "rhs") {
            operators.extend(Operator::open(path, &group, name, n_samples)?);
        }
        if operators.is_empty() {
            return Err(Error::input(
                "K002",
                path,
                "/operators",
                "no operator",
                "a group /operators/<name> with indptr, indices, values, or with dense, terms or entries",
                "write at least one operator",
            ));
        }
        let mut n_rows = None;
        for operator in &operators {
            let Some(pattern) = operator.pattern() else { continue };
            let n = *n_rows.get_or_insert(pattern.n_rows());
            if pattern.n_rows() != n {
                let found = format!("{} rows", pattern.n_rows());
                return Err(layout(path, &operator.place, found, &format!("{n} rows, as in {}", operators[0].place)));
            }
        }
        let mut rhs = None;
        if let Some(data) = rhs_data(&group) {
            rhs = Some(Quantity::of(path, data, "/operators/rhs", "rhs", n_samples)?);
        }
        let mut outputs = Vec::new();
        if let Some(group) = hdf::group(&file, "outputs") {
            for name in group.member_names().map_err(|e| hdf::damaged(path, "/outputs", e))? {
                let place = format!("/outputs/{name}");
                if let Some(data) = hdf::dataset(&group, &name) {
                    outputs.push(Quantity::of(path, data, &place, &name, n_samples)?);
                }
            }
        }
        let mut solutions = None;
        if let Some(data) = hdf::dataset(&file, "solutions") {
            let found = Quantity::of(path, data, "/solutions", "solution", n_samples)?;
            if found.constant && n_samples > 1 {
                let expected = format!("[{n_samples}, n], one row per parameter");
                return Err(layout(path, "/solutions", format!("{:?}", found.data.shape()), &expected));
            }
            solutions = Some(Quantity { constant: false, ..found });
        }
        if let Some(n) = n_rows {
            for q in rhs.iter().chain(&solutions) {
                // A right-hand side may be given by the entries that a model asks for.
                if q.length != n && !(q.name == "rhs" && q.length < n) {
                    return Err(layout(
                        path,
                        &q.place,
                        format!("{} numbers per parameter", q.length),
                        &format!("{n}, the rows of the operators"),
                    ));
                }
            }
            if let Some(q) = outputs.iter().find(|q| !q.length.is_multiple_of(n)) {
                return Err(layout(
                    path,
                    &q.place,
                    format!("{} numbers per parameter", q.length),
                    &format!("rows of {n} numbers"),
                ));
            }
        }
        let parameters = read_table(path, &file, "parameters", "p", n_samples)?.unwrap_or_default();
        let mesh =
            read_mesh(path, &file)?.and_then(|(mesh, _, points)| matches!(points, Points::Fixed).then_some(mesh));
        let inner_product = match hdf::group(&file, "inner_product") {
            Some(group) => Some(csr::read_inner_product(path, &group, "/inner_product")?),
            None => None,
        };
        if let (Some(m), Some(n)) = (&inner_product, n_rows)
            && m.rows() != n
        {
            return Err(layout(
                path,
                "/inner_product",
                format!("{} rows", m.rows()),
                &format!("{n} rows, as the operators"),
            ));
        }
        let path = path.to_path_buf();
        Ok(OperatorFile {
            path,
            operators,
            rhs,
            outputs,
            solutions,
            parameters,
            mesh,
            inner_product,
            n_rows,
            n_samples,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether any number is complex.
    pub fn is_complex(&self) -> bool {
        let vectors = self.rhs.iter().chain(&self.outputs).chain(&self.solutions);
        self.operators.iter().any(|o| o.complex) || vectors.into_iter().any(|q| q.complex)
    }

    /// The numbers of operator `k` at parameter `sample` (of term `sample`, where it is affine).
    pub fn matrix<T: Scalar>(&self, k: usize, sample: usize) -> Result<Vec<T>> {
        let operator = &self.operators[k];
        let row = if matches!(operator.form, Form::Matrices { constant: true, .. }) { 0 } else { sample };
        if operator.data.ndim() == 1
            || matches!(operator.form, Form::Matrices { constant: true, .. })
                && operator.data.ndim() == 2
                && matches!(operator.pattern().map(|p| &**p), Some(Pattern::Dense { .. }))
        {
            return Ok(operator.in_order(read_all(&self.path, &operator.data, &operator.place)?));
        }
        Ok(operator.in_order(read_rows(&self.path, &operator.data, &operator.place, row..row + 1, None)?))
    }

    /// A vector at parameter `sample`.
    pub fn vector<T: Scalar>(&self, quantity: &Quantity, sample: usize) -> Result<Vec<T>> {
        if quantity.constant {
            return read_all(&self.path, &quantity.data, &quantity.place);
        }
        read_rows(&self.path, &quantity.data, &quantity.place, sample..sample + 1, None)
    }

    /// Reads all numbers of the parameters `samples` once; what is not finite or cannot be read, one error per sample at most.
    pub fn check_numbers(&self, samples: &[usize]) -> Vec<Error> {
        let vectors: Vec<&Quantity> = self.rhs.iter().chain(&self.outputs).chain(&self.solutions).collect();
        let mut problems = Vec::new();
        let own =
            |k: usize| matches!(self.operators[k].form, Form::Matrices { constant: false, .. } | Form::Entries { .. });
        for (k, operator) in self.operators.iter().enumerate() {
            let members: Vec<usize> = match &operator.form {
                Form::Affine { n_terms, .. } => (0..*n_terms).collect(),
                _ if own(k) => samples.to_vec(),
                _ => vec![0],
            };
            problems.extend(members.iter().filter_map(|m| self.matrix::<c64>(k, *m).err()));
        }
        for q in vectors {
            let members = if q.constant { &samples[..samples.len().min(1)] } else { samples };
            problems.extend(members.iter().filter_map(|m| self.vector::<c64>(q, *m).err()));
        }
        problems
    }

    /// Vectors at the parameters `samples` as columns.
    pub fn vectors<T: Scalar>(&self, quantity: &Quantity, samples: &[usize]) -> Result<Mat<T>> {
        let mut columns = Mat::zeros(quantity.length, samples.len());
        for (j, sample) in samples.iter().enumerate() {
            for (i, v) in self.vector::<T>(quantity, *sample)?.into_iter().enumerate() {
                columns[(i, j)] = v;
            }
        }
        Ok(columns)
    }
}

/// `/operators/rhs`, or the entries in `/operators/rhs/entries`.
fn rhs_data(group: &hdf5::Group) -> Option<Dataset> {
    hdf::dataset(group, "rhs").or_else(|| hdf::group(group, "rhs").and_then(|g| hdf::dataset(&g, "entries")))
}

/// Number of parameters: rows of `/parameters`, else of the first thing that has one row for each.
fn count(path: &Path, file: &hdf5::Group, group: &hdf5::Group, names: &[String]) -> Result<usize> {
    if let Some(data) = hdf::dataset(file, "parameters") {
        let n = data.shape().first().copied().unwrap_or(0);
        return match n {
            0 => Err(Error::input(
                "K008",
                path,
                "/parameters",
                "no rows",
                "at least one parameter",
                "write the parameters",
            )),
            n => Ok(n),
        };
    }
    for name in names {
        let Some(inner) = hdf::group(group, name) else { continue };
        for key in ["values", "dense", "entries", "theta"] {
            if let Some(data) = hdf::dataset(&inner, key)
                && data.ndim() >= 2
            {
                return Ok(data.shape()[0]);
            }
        }
    }
    Ok(1)
}

impl Operator {
    /// None for what is no operator.
    fn open(path: &Path, group: &hdf5::Group, name: &str, n_samples: usize) -> Result<Option<Operator>> {
        let place = format!("/operators/{name}");
        let Some(inner) = hdf::group(group, name) else {
            let found = "a data set";
            let expected = "a group with indptr, indices and values, or with dense, terms or entries";
            return Err(layout(path, &place, found.into(), expected));
        };
        let data = |key: &str| hdf::dataset(&inner, key);
        let (pattern, order) = match (data("indptr"), data("indices")) {
            (Some(indptr), Some(indices)) => {
                let (pattern, order) = read_pattern(path, &place, &indptr, &indices)?;
                (Some(Arc::new(pattern)), order)
            }
            _ => (None, None),
        };
        let build = |key: &str, data: Dataset, form: Form| {
            let place = format!("{place}/{key}");
            let complex = is_complex(path, &data, &place)?;
            let order = if matches!(form, Form::Entries { .. }) { None } else { order.clone() };
            Ok(Some(Operator { name: name.into(), form, data, place, complex, order }))
        };

        if let Some(values) = data("values") {
            let Some(pattern) = pattern else {
                return Err(layout(
                    path,
                    &place,
                    "values without indptr and indices".into(),
                    "one CSR pattern for all values",
                ));
            };
            let (nnz, shape) = (pattern.n_entries(), values.shape());
            let constant = shape == [nnz] || shape == [1, nnz] && n_samples != 1;
            if !constant && shape != [n_samples, nnz] {
                let expected =
                    format!("[{n_samples}, {nnz}]: a row of {nnz} numbers on the one pattern for each parameter");
                return Err(layout(path, &format!("{place}/values"), format!("{shape:?}"), &expected));
            }
            return build("values", values, Form::Matrices { pattern, constant });
        }
        if let Some(dense) = data("dense") {
            let shape = dense.shape();
            let (n, constant) = match shape[..] {
                [a, b] if a == b => (a, true),
                [m, a, b] if a == b && m == n_samples => (a, false),
                _ => {
                    let expected = format!("[{n_samples}, n, n]: square matrices, one for each parameter");
                    return Err(layout(path, &format!("{place}/dense"), format!("{shape:?}"), &expected));
                }
            };
            return build("dense", dense, Form::Matrices { pattern: Arc::new(Pattern::Dense { n_rows: n }), constant });
        }
        if let Some(terms) = data("terms") {
            let shape = terms.shape();
            let pattern = match (pattern, &shape[..]) {
                (Some(p), [_, nnz]) if p.n_entries() == *nnz => p,
                (None, [_, a, b]) if a == b => Arc::new(Pattern::Dense { n_rows: *a }),
                _ => {
                    let expected = "[Q, nnz] with indptr and indices, or [Q, n, n]";
                    return Err(layout(path, &format!("{place}/terms"), format!("{shape:?}"), expected));
                }
            };
            let n_terms = shape[0];
            let theta = match data("theta") {
                None => None,
                Some(theta) => {
                    let place = format!("{place}/theta");
                    let shape = theta.shape();
                    if shape != [n_samples, n_terms] && !(n_terms == 1 && shape == [n_samples]) {
                        return Err(layout(path, &place, format!("{shape:?}"), &format!("[{n_samples}, {n_terms}]")));
                    }
                    let values: Vec<f64> = read_all(path, &theta, &place)?;
                    Some(Mat::from_fn(n_samples, n_terms, |i, q| values[i * n_terms + q]))
                }
            };
            return build("terms", terms, Form::Affine { pattern, n_terms, theta });
        }
        if let Some(entries) = data("entries") {
            let shape = entries.shape();
            let n_entries = match shape[..] {
                [p] if n_samples == 1 => p,
                [m, p] if m == n_samples => p,
                _ => {
                    let expected = format!("[{n_samples}, n_entries]");
                    return Err(layout(path, &format!("{place}/entries"), format!("{shape:?}"), &expected));
                }
            };
            return build("entries", entries, Form::Entries { n_entries });
        }
        let names = inner.member_names().unwrap_or_default().join(", ");
        let expected = "values, dense, terms or entries";
        Err(layout(
            path,
            &place,
            format!("a group with {}", if names.is_empty() { "nothing" } else { &names }),
            expected,
        ))
    }

    /// Where the numbers are; None where there are entries only.
    pub fn pattern(&self) -> Option<&Arc<Pattern>> {
        match &self.form {
            Form::Matrices { pattern, .. } | Form::Affine { pattern, .. } => Some(pattern),
            Form::Entries { .. } => None,
        }
    }

    /// The place in the file, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Numbers as the file holds them, in the order of the pattern.
    fn in_order<T: Scalar>(&self, values: Vec<T>) -> Vec<T> {
        match &self.order {
            Some(order) => order.iter().map(|e| values[*e]).collect(),
            None => values,
        }
    }
}

impl Quantity {
    fn of(path: &Path, data: Dataset, place: &str, name: &str, n_samples: usize) -> Result<Quantity> {
        let (complex, shape) = (is_complex(path, &data, place)?, data.shape());
        let (constant, length) = match shape[..] {
            [n] => (true, n),
            [m, n] if m == n_samples => (false, n),
            // Several rows of one functional that does not depend on the parameter.
            [k, n] if place.starts_with("/outputs") => (true, k * n),
            [m, k, n] if m == n_samples => (false, k * n),
            _ => {
                return Err(layout(
                    path,
                    place,
                    format!("{shape:?}"),
                    &format!("[n], or [{n_samples}, n] with a row for each parameter"),
                ));
            }
        };
        if length == 0 {
            return Err(layout(path, place, format!("{shape:?}"), "at least one number"));
        }
        Ok(Quantity { name: name.into(), length, constant, data, place: place.into(), complex })
    }

    /// The place in the file, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }
}

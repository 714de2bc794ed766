//! Named columns of numbers over samples: parameters and scalar outputs.

use crate::error::{Error, Result};

/// Values [n_samples, n_columns] (row-major) with a name per column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub names: Vec<String>,
    pub values: Vec<f64>,
    /// Columns of the file that are not numbers; an error only where one is needed.
    pub unusable: Vec<Unusable>,
}

/// A column that is not numbers throughout.
#[derive(Debug, Clone, PartialEq)]
pub struct Unusable {
    pub name: String,
    /// None of its cells is a number: a label, which no one means as an input.
    pub text: bool,
    /// Names the first cell that is not a finite number.
    pub reason: Error,
    /// The cells of a column of texts.
    pub cells: Vec<String>,
}

impl Unusable {
    /// A column of numbers of which one is missing or damaged.
    pub fn new(name: &str, reason: Error) -> Self {
        Unusable { name: name.into(), text: false, reason, cells: Vec::new() }
    }
}

impl Table {
    /// Checks that the values fill whole rows.
    pub fn new(names: Vec<String>, values: Vec<f64>) -> Result<Self> {
        if names.is_empty() && !values.is_empty() || !names.is_empty() && !values.len().is_multiple_of(names.len()) {
            return Err(Error::argument(
                "values of a table",
                values.len(),
                format!("a multiple of {} columns", names.len()),
            ));
        }
        Ok(Table { names, values, unusable: Vec::new() })
    }

    /// Number of columns.
    pub fn n_columns(&self) -> usize {
        self.names.len()
    }

    /// Number of rows; 0 without columns.
    pub fn n_rows(&self) -> usize {
        if self.names.is_empty() { 0 } else { self.values.len() / self.names.len() }
    }

    /// One row.
    pub fn row(&self, i: usize) -> &[f64] {
        let k = self.n_columns();
        &self.values[i * k..(i + 1) * k]
    }

    /// One column.
    pub fn column(&self, j: usize) -> Vec<f64> {
        (0..self.n_rows()).map(|i| self.row(i)[j]).collect()
    }

    /// Index of a column.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|n| n == name)
    }

    /// Why the column `name` cannot be used, where it is not numbers.
    pub fn reason(&self, name: &str) -> Option<&Error> {
        self.unusable.iter().find(|c| c.name == name).map(|c| &c.reason)
    }

    /// The columns that are numbers, where all of them are meant. Error: that of a column of which only some cells are
    /// numbers.
    pub fn all_columns(&self) -> Result<Vec<usize>> {
        match self.unusable.iter().find(|c| !c.text) {
            Some(column) => Err(column.reason.clone()),
            None => Ok((0..self.n_columns()).collect()),
        }
    }

    /// The rows `rows`, in that order.
    pub fn select_rows(&self, rows: &[usize]) -> Table {
        let values = rows.iter().flat_map(|&i| self.row(i).iter().copied()).collect();
        let cells = |c: &Unusable| rows.iter().filter_map(|&i| c.cells.get(i).cloned()).collect();
        let unusable = self.unusable.iter().map(|c| Unusable { cells: cells(c), ..c.clone() }).collect();
        Table { names: self.names.clone(), values, unusable }
    }

    /// The columns `columns`, in that order.
    pub fn select_columns(&self, columns: &[usize]) -> Table {
        let names = columns.iter().map(|&j| self.names[j].clone()).collect();
        let values = (0..self.n_rows())
            .flat_map(|i| columns.iter().map(move |&j| (i, j)))
            .map(|(i, j)| self.row(i)[j])
            .collect();
        Table { names, values, unusable: Vec::new() }
    }
}

//! Samples into one `.npz` file as `numpy.savez` writes it, array by array in blocks of samples.
//!
//! NumPy Reference, "numpy.lib.format"; PKWARE, .ZIP File Format Specification.

use crate::data::{FieldInfo, Table};
use crate::error::{Error, Result};
use crate::io::SnapshotSource;
use crate::io::atomic::{AtomicFile, write_error};
use crate::io::mesh_file::Number;
use crate::io::stacked_writer::Tables;
use faer::Mat;
use std::cell::RefCell;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;
use std::rc::Rc;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Arrays that are no fields.
const RESERVED: [&str; 5] = ["parameters", "parameters_names", "scalars", "scalars_names", "time"];

/// Writes the samples `samples` of a source: an array [n_samples, n_entities(, n_components)] for each of `fields`, in the precision
/// of the source, `parameters` and `scalars` with the names of their columns in `parameters_names` and `scalars_names`, and `time`;
/// not compressed. The mesh has no place in it.
///
/// `memory` (bytes) bounds a block of samples; one sample is always held. `tell` hears how many samples of a field are done.
/// Errors: those of reading; K009 for a field that has the name of a table; K103 where the file cannot be written (an old file is
/// untouched).
pub fn write_npz(
    path: &Path,
    source: &dyn SnapshotSource,
    samples: &[usize],
    fields: &[FieldInfo],
    tables: Tables<'_>,
    memory: f64,
    tell: &dyn Fn(&str, usize),
) -> Result<()> {
    if let Some(field) = fields.iter().find(|f| RESERVED.contains(&f.name.as_str())) {
        let (found, mend) = (format!("a field `{}`", field.name), "choose an .h5 file, or other `fields` in a study");
        return Err(Error::input("K009", path, "", found, "fields with other names than the tables", mend));
    }
    let target = AtomicFile::create(path)?;
    let error = Rc::new(RefCell::new(None));
    let file = BufWriter::with_capacity(1 << 18, target.file());
    let zip = ZipWriter::new(KeepsError { inner: file, position: 0, error: error.clone() });
    let mut archive = Archive { zip, error };
    for field in fields {
        archive.field(path, source, samples, field, memory, tell)?;
    }
    let written = archive.tables(tables).and_then(|()| archive.end());
    written.map_err(|e| write_error(path, e))?;
    target.commit()
}

struct Archive<W: Write + Seek> {
    zip: ZipWriter<KeepsError<W>>,
    error: Rc<RefCell<Option<io::Error>>>,
}

/// Passes on what is written up to the first error, and keeps that one to itself: an archive that fails writes its end once more
/// when it is dropped, and prints the error on its own.
struct KeepsError<W> {
    inner: W,
    position: u64,
    error: Rc<RefCell<Option<io::Error>>>,
}

impl<W> KeepsError<W> {
    fn attempt<T>(&mut self, otherwise: T, act: impl FnOnce(&mut W) -> io::Result<T>) -> T {
        if self.error.borrow().is_some() {
            return otherwise;
        }
        act(&mut self.inner).unwrap_or_else(|e| {
            *self.error.borrow_mut() = Some(e);
            otherwise
        })
    }
}

impl<W: Write> Write for KeepsError<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.attempt(bytes.len(), |inner| inner.write(bytes));
        self.position += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt((), |inner| inner.flush());
        Ok(())
    }
}

impl<W: Seek> Seek for KeepsError<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.attempt(self.position, |inner| inner.seek(to));
        Ok(self.position)
    }
}

impl<W: Write + Seek> Archive<W> {
    fn field(
        &mut self,
        path: &Path,
        source: &dyn SnapshotSource,
        samples: &[usize],
        field: &FieldInfo,
        memory: f64,
        tell: &dyn Fn(&str, usize),
    ) -> Result<()> {
        let refuse = |e: io::Error| write_error(path, e);
        let mut shape = vec![samples.len(), field.n_entities];
        if field.vector || field.n_components > 1 {
            shape.push(field.n_components);
        }
        let number = source.number(field);
        self.begin(&field.name, number, &shape).map_err(refuse)?;
        let per_block = (memory / (8.0 * field.n_dofs().max(1) as f64)) as usize;
        let per_block = per_block.clamp(1, samples.len().max(1));
        let mut held = Mat::zeros(field.n_dofs(), per_block);
        let mut done = 0;
        for block in samples.chunks(per_block) {
            source.read_into(field, block, 0..field.n_dofs(), held.as_mut().subcols_mut(0, block.len()))?;
            (0..block.len()).try_for_each(|j| self.numbers(number, held.col_as_slice(j))).map_err(refuse)?;
            done += block.len();
            tell(&field.name, done);
        }
        Ok(())
    }

    fn tables(&mut self, tables: Tables<'_>) -> io::Result<()> {
        for (name, table) in [("parameters", tables.parameters), ("scalars", tables.scalars)] {
            if let Some(table) = table.filter(|t| t.n_columns() > 0) {
                self.table(name, table)?;
            }
        }
        if let Some(time) = tables.time {
            self.begin("time", Number::Float64, &[time.len()])?;
            self.numbers(Number::Float64, time)?;
        }
        Ok(())
    }

    fn end(self) -> io::Result<()> {
        self.zip.finish()?.flush()?;
        self.error.take().map_or(Ok(()), Err)
    }

    fn begin(&mut self, name: &str, number: Number, shape: &[usize]) -> io::Result<()> {
        self.header(
            name,
            match number {
                Number::Float32 => "<f4",
                Number::Float64 => "<f8",
                Number::Integer => "<i8",
            },
            shape,
        )
    }

    /// Begins an array: the header ends at a multiple of 64 bytes, with an end of line.
    fn header(&mut self, name: &str, descr: &str, shape: &[usize]) -> io::Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).large_file(true);
        self.zip.start_file(format!("{name}.npy"), options)?;
        let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
        let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
        let end = (10 + text.len() + 1).next_multiple_of(64) - 11;
        text.push_str(&" ".repeat(end - text.len()));
        text.push('\n');
        self.zip.write_all(b"\x93NUMPY\x01\x00")?;
        self.zip.write_all(&(text.len() as u16).to_le_bytes())?;
        self.zip.write_all(text.as_bytes())
    }

    fn numbers(&mut self, number: Number, values: &[f64]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(8 * values.len());
        match number {
            Number::Float32 => bytes.extend(values.iter().flat_map(|v| (*v as f32).to_le_bytes())),
            Number::Float64 => bytes.extend(values.iter().flat_map(|v| v.to_le_bytes())),
            Number::Integer => bytes.extend(values.iter().flat_map(|v| (*v as i64).to_le_bytes())),
        }
        self.zip.write_all(&bytes)?;
        // A full disk ends the work at once.
        self.error.take().map_or(Ok(()), Err)
    }

    /// A table, and the names of its columns as text of one width.
    fn table(&mut self, name: &str, table: &Table) -> io::Result<()> {
        self.begin(name, Number::Float64, &[table.n_rows(), table.n_columns()])?;
        self.numbers(Number::Float64, &table.values)?;
        let width = table.names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(1);
        self.header(&format!("{name}_names"), &format!("<U{width}"), &[table.n_columns()])?;
        for name in &table.names {
            let padded = name.chars().map(u32::from).chain(std::iter::repeat(0)).take(width);
            let bytes: Vec<u8> = padded.flat_map(u32::to_le_bytes).collect();
            self.zip.write_all(&bytes)?;
        }
        Ok(())
    }
}

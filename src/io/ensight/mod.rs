//! Cases of EnSight Gold (.case), ASCII and C Binary in either order of bytes.
//!
//! The parts with cells stand one after the other in the mesh, in the order of the geometry. Ghost elements (`g_…`), measured
//! (particle) data and material data are left out. Symmetric tensors come out as xx, yy, zz, xy, yz, zx.
//! Reference: EnSight User Manual, chapter "EnSight Data Formats", "EnSight Gold Casefile Format".

pub(crate) mod case;
pub(crate) mod elements;
pub(crate) mod geometry;
pub(crate) mod records;
pub(crate) mod variable;

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::ensight::case::{Case, Constant, Variable};
use crate::io::ensight::geometry::Geometry;
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, Number, check_state, damaged, named_by};
use crate::mesh::Mesh;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// A case: its states are the steps of the time set with the most of them.
#[derive(Debug)]
pub struct EnsightCase {
    path: PathBuf,
    case: Case,
    /// The time set that makes the states.
    main: Option<usize>,
    /// That of the first state.
    geometry: Geometry,
    shared: bool,
}

impl EnsightCase {
    /// Reads the case file, and the headers of the first geometry.
    ///
    /// Errors: K001 not readable, K002 no case of EnSight Gold, K003 truncated, K005 numbers of steps that do not fit, K006 unknown
    /// variables, K018 variants that are not read: EnSight 6, Fortran binary, several steps in one file, structured parts.
    pub fn open(path: impl AsRef<Path>) -> Result<EnsightCase> {
        let bytes = Bytes::of(path.as_ref())?;
        let case = Case::read(&bytes)?;
        let Some(files) = case.geometry.clone() else {
            return Err(damaged(&bytes.path, "GEOMETRY", "no model", "model: and the name of a file"));
        };
        let used = case.variables.iter().map(|v| v.files.set).chain([files.set]).flatten();
        // The first of those with the most steps.
        let main = used.rev().max_by_key(|&i| case.sets.get(i).map_or(0, |s| s.times.len()));
        let n_states = main.and_then(|i| case.sets.get(i)).map_or(1, |s| s.times.len());
        let mut case = EnsightCase {
            path: bytes.path,
            main,
            geometry: Geometry::of(&named(&case.file(&files, 0), path.as_ref())?)?,
            shared: true,
            case,
        };
        let first = case.geometry_file(0);
        case.shared = (1..n_states).all(|state| case.geometry_file(state) == first);
        Ok(case)
    }

    /// The step of a time set at a state.
    fn step(&self, set: Option<usize>, state: usize) -> usize {
        match (set, self.times().and_then(|times| times.get(state))) {
            (Some(_), Some(&time)) if set != self.main => self.case.step(set, time),
            _ => state,
        }
    }

    fn geometry_file(&self, state: usize) -> PathBuf {
        self.case.geometry.as_ref().map_or_else(PathBuf::new, |f| self.case.file(f, self.step(f.set, state)))
    }

    fn geometry(&self, state: usize) -> Result<Cow<'_, Geometry>> {
        if self.shared || state == 0 {
            return Ok(Cow::Borrowed(&self.geometry));
        }
        Ok(Cow::Owned(Geometry::of(&named(&self.geometry_file(state), &self.path)?)?))
    }

    fn info(&self, geometry: &Geometry, variable: &Variable) -> ArrayInfo {
        let (location, n) = match variable.per_node {
            true => (Location::Point, geometry.n_points()),
            false => (Location::Cell, geometry.n_cells()),
        };
        let mut name = variable.name.clone();
        let on_points = |name: &str| self.case.variables.iter().any(|v| v.per_node && v.name == name);
        while !variable.per_node && on_points(&name) {
            name.push_str("_cells");
        }
        ArrayInfo::new(&name, location, n as usize, variable.rank.places().len(), Number::Float32)
    }

    /// The value of a constant at a state: that of its step where there is one for each, else all that there are.
    fn constant(&self, constant: &Constant, state: usize) -> Result<Vec<f64>> {
        let mut values = constant.values.clone();
        if let Some(file) = &constant.file {
            let bytes = named(file, &self.path)?;
            let raw = bytes.read_all()?;
            for word in String::from_utf8_lossy(&raw).split_whitespace() {
                let shown = || format!("`{}`", word.chars().take(40).collect::<String>().escape_debug());
                values.push(word.parse().map_err(|_| damaged(file, &constant.name, shown(), "numbers"))?);
            }
        }
        let steps = constant.set.and_then(|i| self.case.sets.get(i)).map(|s| s.times.len());
        if steps.is_some_and(|n| n == values.len()) {
            let step = self.step(constant.set, state);
            values = values.get(step).map(|v| vec![*v]).unwrap_or_default();
        }
        Ok(values)
    }
}

impl MeshFile for EnsightCase {
    fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self) -> &'static str {
        "EnSight Gold"
    }

    fn n_states(&self) -> usize {
        self.times().map_or(1, <[f64]>::len)
    }

    fn times(&self) -> Option<&[f64]> {
        self.main.and_then(|i| self.case.sets.get(i)).map(|s| s.times.as_slice())
    }

    fn mesh_is_shared(&self) -> bool {
        self.shared
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        check_state(self, state)?;
        Geometry::mesh(&named(&self.geometry_file(state), &self.path)?)
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        check_state(self, state)?;
        let geometry = self.geometry(state)?;
        Ok(self.case.variables.iter().map(|v| self.info(&geometry, v)).collect())
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        check_state(self, state)?;
        let geometry = self.geometry(state)?;
        let Some(variable) = self.case.variables.iter().find(|v| self.info(&geometry, v) == *array) else {
            return Err(Error::argument(
                format!("array of {}", self.path.display()),
                &array.field.name,
                "one of its own",
            ));
        };
        let file = self.case.file(&variable.files, self.step(variable.files.set, state));
        variable::read(&named(&file, &self.path)?, &geometry, variable.rank, variable.per_node)
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        check_state(self, state)?;
        self.case.constants.iter().map(|c| Ok((c.name.clone(), self.constant(c, state)?))).collect()
    }
}

/// A file that the case names.
fn named(path: &Path, case: &Path) -> Result<Bytes> {
    Bytes::of(path).map_err(|e| named_by(e, case))
}

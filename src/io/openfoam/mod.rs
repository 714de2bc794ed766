//! Cases of OpenFOAM: the mesh in constant/polyMesh, fields in folders named by their time.

pub(crate) mod file;
pub(crate) mod list;
pub(crate) mod mesh;

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::mesh_file::{ArrayInfo, MeshFile, Number, cannot_read, check_state, damaged};
use crate::io::openfoam::file::{FoamFile, plain_or_packed};
use crate::io::openfoam::list::Length;
use crate::io::openfoam::mesh::{MeshFolders, count_points_and_cells, read_mesh};
use crate::mesh::Mesh;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A case of OpenFOAM, as its solvers write it: text or binary, packed or not.
///
/// The mesh holds the cells of the volume with their numbers in OpenFOAM; a case in two dimensions is a mesh of one cell thickness.
/// Patches are sets of faces, and are not read.
///
/// States are the folders named by a time that hold fields, in the order of time. That of time 0, the initial condition, is one of
/// them where it has the fields of all others and at least two follow: before a single result it is the guess that a solver
/// started from. Without any fields there is one state, with the last mesh. Where points or the
/// whole mesh are written in such a folder too, a state has the newest ones at its time or before.
///
/// Arrays are in the order of their names: vol…Field on cells, point…Field on points, others are ignored. Symmetric tensors have
/// six components, xx xy xz yy yz zz, full ones nine, row by row. Units are those of the file.
#[derive(Debug)]
pub struct OpenFoamCase {
    path: PathBuf,
    states: Vec<State>,
    times: Vec<f64>,
    /// The different meshes with their numbers of points and cells, counted when they are needed first.
    meshes: Vec<(MeshFolders, OnceLock<(usize, usize)>)>,
    /// Why the folder of time 0 is no state.
    initial: Option<String>,
}

/// A folder named by a time, its fields, and those that are not read.
type TimeFields = (f64, PathBuf, Vec<FieldFile>, Vec<String>);

/// Why the first folder is no state: it is that of time 0, and lacks fields of the others or stands before a single result.
fn left_out_at_start(states: &[TimeFields]) -> Option<String> {
    let [(time, _, fields, _), others @ ..] = states else { return None };
    if *time != 0.0 || others.is_empty() {
        return None;
    }
    let has =
        |field: &&FieldFile| fields.iter().any(|f| f.name == field.name && f.kind.location == field.kind.location);
    let missing = others.iter().flat_map(|(_, _, fields, _)| fields).filter(|f| !has(f));
    let missing: BTreeSet<&str> = missing.map(|f| f.name.as_str()).collect();
    match (missing.is_empty(), others) {
        (true, [_]) => Some("time 0, before a single result".into()),
        (true, _) => None,
        (false, _) => Some(format!("time 0, which lacks {}", Vec::from_iter(missing).join(", "))),
    }
}

#[derive(Debug)]
struct State {
    folder: PathBuf,
    /// Index of its mesh.
    mesh: usize,
    fields: Vec<FieldFile>,
    /// Fields on faces, and others that are not read.
    others: Vec<String>,
}

/// A field, as the header of its file tells.
#[derive(Debug)]
struct FieldFile {
    name: String,
    path: PathBuf,
    kind: Kind,
    number: Number,
}

/// What the class of a field says.
#[derive(Debug, Clone, Copy)]
struct Kind {
    location: Location,
    n_components: usize,
    /// The type in the name of its list, as in List<scalar>.
    value_type: &'static str,
    /// The entry that holds the values.
    entry: &'static str,
}

/// Ends of the names of classes, type of a value, components.
const VALUES: [(&str, &str, usize); 5] = [
    ("ScalarField", "scalar", 1),
    ("VectorField", "vector", 3),
    ("SphericalTensorField", "sphericalTensor", 1),
    ("SymmTensorField", "symmTensor", 6),
    ("TensorField", "tensor", 9),
];

impl Kind {
    /// `None` for a class that is no field on points or cells.
    fn of(class: &str) -> Option<Kind> {
        let (class, entry) = match class.strip_suffix("::Internal") {
            Some(class) => (class, "value"),
            None => (class, "internalField"),
        };
        let (location, end) = match (class.strip_prefix("vol"), class.strip_prefix("point")) {
            (Some(end), _) => (Location::Cell, end),
            (_, Some(end)) => (Location::Point, end),
            _ => return None,
        };
        let &(_, value_type, n_components) = VALUES.iter().find(|(name, ..)| *name == end)?;
        Some(Kind { location, n_components, value_type, entry })
    }
}

impl OpenFoamCase {
    /// Opens a case by its folder, a file *.foam or *.OpenFOAM in it, or its system/controlDict. Reads the headers of the fields.
    ///
    /// Errors: K001 no mesh, K003 a damaged header, K018 a case in parts (of several processors, or of several regions).
    pub fn open(path: &Path) -> Result<OpenFoamCase> {
        let folder = case_folder(path)?;
        let times = time_folders(&folder)?;
        let mut meshes = Vec::new();
        let mut states = Vec::new();
        for (time, name) in &times {
            let state_folder = folder.join(name);
            let (fields, others) = fields_of(&state_folder)?;
            if !fields.is_empty() {
                states.push((*time, state_folder, fields, others));
            }
        }
        let initial = left_out_at_start(&states);
        if initial.is_some() {
            states.remove(0);
        }
        refuse_parts(&folder, states.iter().any(|(time, ..)| *time != 0.0))?;
        let known_times: Vec<f64> = states.iter().map(|(time, ..)| *time).collect();
        if states.is_empty() {
            states.push((f64::INFINITY, folder.clone(), Vec::new(), Vec::new()));
        }
        let states = states.into_iter().map(|(time, folder_of_state, fields, others)| {
            let mesh = mesh_at(&folder, &times, time)?;
            let i = meshes.iter().position(|(known, _)| *known == mesh).unwrap_or_else(|| {
                meshes.push((mesh, OnceLock::new()));
                meshes.len() - 1
            });
            Ok(State { folder: folder_of_state, mesh: i, fields, others })
        });
        let states = states.collect::<Result<Vec<_>>>()?;
        Ok(OpenFoamCase { path: folder, states, times: known_times, meshes, initial })
    }

    fn state(&self, state: usize) -> Result<&State> {
        check_state(self, state)?;
        self.states.get(state).ok_or_else(|| Error::argument("state", state, format!("below {}", self.states.len())))
    }

    /// Numbers of points and cells of a state.
    fn counts(&self, state: &State) -> Result<(usize, usize)> {
        let Some((folders, counts)) = self.meshes.get(state.mesh) else {
            return Err(Error::argument("mesh", state.mesh, format!("below {}", self.meshes.len())));
        };
        if let Some(known) = counts.get() {
            return Ok(*known);
        }
        let counted = count_points_and_cells(folders)?;
        Ok(*counts.get_or_init(|| counted))
    }
}

impl MeshFile for OpenFoamCase {
    fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self) -> &'static str {
        "OpenFOAM"
    }

    fn n_states(&self) -> usize {
        self.states.len()
    }

    fn times(&self) -> Option<&[f64]> {
        (!self.times.is_empty()).then_some(self.times.as_slice())
    }

    fn mesh_is_shared(&self) -> bool {
        self.meshes.len() == 1
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        let state = self.state(state)?;
        let Some((folders, _)) = self.meshes.get(state.mesh) else {
            return Err(Error::argument("mesh", state.mesh, format!("below {}", self.meshes.len())));
        };
        let mesh = read_mesh(folders)?;
        mesh.check_structure(&folders.faces)?;
        Ok(mesh)
    }

    fn left_out(&self, state: usize) -> Vec<String> {
        let others = self.states.get(state).map(|s| s.others.clone()).unwrap_or_default();
        self.initial.iter().filter(|_| state == 0).cloned().chain(others).collect()
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        let state = self.state(state)?;
        let (n_points, n_cells) = if state.fields.is_empty() { (0, 0) } else { self.counts(state)? };
        let info = |field: &FieldFile| {
            let Kind { location, n_components, .. } = field.kind;
            let n_entities = if location == Location::Point { n_points } else { n_cells };
            ArrayInfo::new(&field.name, location, n_entities, n_components, field.number)
        };
        Ok(state.fields.iter().map(info).collect())
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        let state = self.state(state)?;
        let wanted = &array.field;
        let found = state.fields.iter().find(|f| f.name == wanted.name && f.kind.location == wanted.location);
        let Some(field) = found else {
            let known: Vec<&str> = state.fields.iter().map(|f| f.name.as_str()).collect();
            let expected = format!("one of {}", known.join(", "));
            let mend = "name a field that all times have, or write it for this time (`postProcess`)";
            return Err(Error::input("K006", &state.folder, "", format!("no field `{}`", wanted.name), expected, mend));
        };
        let (n_points, n_cells) = self.counts(state)?;
        read_values(field, if field.kind.location == Location::Point { n_points } else { n_cells })
    }
}

/// The folder of a case.
fn case_folder(path: &Path) -> Result<PathBuf> {
    let meta = fs::metadata(path).map_err(|e| cannot_read(path, &e))?;
    if meta.is_dir() {
        return Ok(path.into());
    }
    let above = |path: &Path| match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let ending = path.extension().map(|e| e.to_ascii_lowercase());
    if ending.is_some_and(|e| e == "foam" || e == "openfoam") {
        return Ok(above(path));
    }
    if path.file_name().is_some_and(|name| name == "controlDict") {
        let system = above(path);
        // The path may be short, as that of controlDict is within system.
        return Ok(if system.file_name().is_some() { above(&system) } else { system.join("..") });
    }
    let expected = "the folder of an OpenFOAM case, a file *.foam in it, or its system/controlDict";
    Err(Error::input("K002", path, "", "another file", expected, "name the folder of the case"))
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|e| cannot_read(folder, &e))?;
    let names = entries.map(|entry| Ok(entry.map_err(|e| cannot_read(folder, &e))?.file_name().into_string().ok()));
    let mut names: Vec<String> = names.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
    names.sort();
    Ok(names)
}

/// Folders named by a time, sorted by it.
fn time_folders(folder: &Path) -> Result<Vec<(f64, String)>> {
    let time = |name: &String| {
        let numeric = name.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        let time = name.parse::<f64>().ok().filter(|time| numeric && time.is_finite())?;
        folder.join(name).is_dir().then(|| (time, name.clone()))
    };
    let mut times: Vec<(f64, String)> = names(folder)?.iter().filter_map(time).collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(times)
}

/// The fields in a folder, by the headers of its files, and in words those that are not read. Errors: K003.
fn fields_of(folder: &Path) -> Result<(Vec<FieldFile>, Vec<String>)> {
    let (mut fields, mut others): (Vec<FieldFile>, Vec<String>) = (Vec::new(), Vec::new());
    for file_name in names(folder)? {
        let path = folder.join(&file_name);
        let name = file_name.strip_suffix(".gz").unwrap_or(&file_name);
        // The plain form is read where there are both, as OpenFOAM does; copies of editors are no fields.
        let passed = name.starts_with('.') || name.ends_with('~') || fields.iter().any(|known| known.name == name);
        if passed || !path.is_file() {
            continue;
        }
        let Some(file) = FoamFile::open_any(&path)? else { continue };
        let Some(kind) = Kind::of(&file.header.class) else {
            if file.header.class.ends_with("Field") {
                others.push(format!("field {name} ({})", file.header.class));
            }
            continue;
        };
        let single = file.header.binary && file.header.scalar == 4;
        let number = if single { Number::Float32 } else { Number::Float64 };
        fields.push(FieldFile { name: name.into(), path, kind, number });
    }
    Ok((fields, others))
}

/// Refuses cases whose parts lie in folders of their own.
fn refuse_parts(folder: &Path, has_results: bool) -> Result<()> {
    let refuse = |place: &str, found: &str, mend: &str| {
        Err(Error::input("K018", folder, place, found, "a case in one part with constant/polyMesh", mend))
    };
    let has_mesh = plain_or_packed(&folder.join("constant/polyMesh"), "faces").exists();
    if has_mesh && has_results {
        return Ok(());
    }
    let below = names(folder)?;
    let part = below.iter().find(|name| name.starts_with("processor") && folder.join(name).is_dir());
    if let Some(part) = part {
        // Before its first results a case may have been decomposed already.
        if !has_mesh || time_folders(&folder.join(part))?.iter().any(|(time, _)| *time != 0.0) {
            return refuse(part, "a case decomposed for several processors", "run reconstructPar");
        }
    }
    let constant = folder.join("constant");
    if has_mesh || !constant.is_dir() {
        return Ok(());
    }
    let regions = names(&constant)?;
    match regions.iter().find(|name| constant.join(name).join("polyMesh").is_dir()) {
        None => Ok(()),
        Some(region) => {
            let mend = "copy constant/REGION/polyMesh to constant/polyMesh of a new case, and TIME/REGION to its TIME";
            refuse(&format!("constant/{region}"), "a case of several regions", mend)
        }
    }
}

/// The newest mesh at a time or before.
fn mesh_at(folder: &Path, times: &[(f64, String)], time: f64) -> Result<MeshFolders> {
    let earlier = times.iter().rev().filter(|(t, _)| *t <= time).map(|(_, name)| folder.join(name).join("polyMesh"));
    let constant = folder.join("constant/polyMesh");
    let places: Vec<PathBuf> = earlier.chain([constant.clone()]).collect();
    let newest = |name: &str| {
        let found = places.iter().find(|place| plain_or_packed(place, name).exists());
        found.cloned().unwrap_or_else(|| constant.clone())
    };
    let mesh = MeshFolders { points: newest("points"), faces: newest("faces") };
    let missing = plain_or_packed(&mesh.faces, "faces");
    if !missing.exists() {
        let mend = "name the folder of a case with a mesh (`blockMesh`, `snappyHexMesh`)";
        return Err(Error::input(
            "K001",
            &missing,
            "",
            "no such file",
            "the faces of the mesh of an OpenFOAM case",
            mend,
        ));
    }
    Ok(mesh)
}

/// The values of a field on `n_entities` points or cells. Errors: K002 another class than before, K003 damaged, K005 another
/// number of values, K018 macros and code.
fn read_values(field: &FieldFile, n_entities: usize) -> Result<Vec<f64>> {
    let Kind { n_components, value_type, entry, .. } = field.kind;
    let Some(mut file) = FoamFile::open_any(&field.path)? else {
        return Err(damaged(&field.path, "", "no header FoamFile", "a field of OpenFOAM"));
    };
    file.find_entry(entry)?;
    let expected = format!("`uniform` or `nonuniform` values of the entry `{entry}`");
    let mut values = Vec::new();
    match file.word()?.as_str() {
        "uniform" => {
            file.value::<f64>(n_components, &mut values)?;
            let value = std::mem::take(&mut values);
            values.extend(value.iter().cycle().take(n_entities.saturating_mul(n_components)));
        }
        "nonuniform" => {
            file.skip_space()?;
            if file.peek()?.is_some_and(|b| !b.is_ascii_digit() && b != b'(') {
                let list = file.word()?;
                if list.starts_with(['#', '$']) {
                    return Err(file.refused(&format!("`{list}`"), "a list of values"));
                }
                if list != format!("List<{value_type}>") {
                    return Err(file.damaged(&format!("`{list}`"), &format!("List<{value_type}>")));
                }
            }
            file.list(n_components, Length::Exactly(n_entities), &mut values)?;
        }
        other => return Err(file.refused(&format!("`{other}`"), &expected)),
    }
    file.require(b';')?;
    Ok(values)
}

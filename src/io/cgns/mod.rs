//! CGNS files in HDF5: meshes of zones, solutions, and scalars outside of zones, as solvers and the packages PLAID and Muscat
//! write them.
//!
//! CGNS Standard Interface Data Structures, version 4.4. Of several bases with zones, the one of the highest cell dimension is
//! read. Its zones stand one behind the other, points on their borders are not merged. Cells of lower dimension are kept.
//! Left out: text, complex numbers, values on faces or edges, and boundary conditions but lists of points, which become integer
//! arrays (1 on the points, else 0).

pub(crate) mod elements;
pub(crate) mod tree;
pub(crate) mod zone;

use crate::data::Location;
use crate::error::{Error, Result};
use crate::io::cgns::tree::Node;
use crate::io::cgns::zone::{Zone, ZoneArray};
use crate::io::hdf;
use crate::io::mesh_file::{ArrayInfo, Bytes, MeshFile, check_state};
use crate::mesh::{CellBlock, Mesh};
use std::path::{Path, PathBuf};

/// A file of CGNS. The pointers to solutions of the zones make a series; without them there is one state.
#[derive(Debug)]
pub struct CgnsFile {
    path: PathBuf,
    base: String,
    /// Dimension of the cells that the base names.
    dimension: i64,
    zones: Vec<Zone>,
    n_states: usize,
    times: Option<Vec<f64>>,
    field_data: Vec<(String, Vec<f64>)>,
}

/// The first bytes of CGNS files that are not HDF5.
const ADF: &[u8] = b"@(#)ADF Database";
/// How far scalars may stand below their base.
const MAX_DEPTH: usize = 8;

impl CgnsFile {
    /// Reads the mesh once to check it, and the names of the arrays. Errors: K001, K002, K003, K004, K005, K015, K018.
    pub fn open(path: &Path) -> Result<CgnsFile> {
        let bytes = Bytes::of(path)?;
        if bytes.read("", 0, bytes.len.min(64))?.windows(ADF.len()).any(|w| w == ADF) {
            let mend = "convert it with adf2hdf, or cgnsconvert -h";
            return Err(Error::input("K018", path, "", "an ADF file", "CGNS in HDF5", mend));
        }
        let file = hdf::open(path)?;
        let bases = Node::root(path, &file)?.labelled(path, "CGNSBase_t")?;
        if bases.is_empty() {
            let mend = "name a CGNS file; data sets in the layout of kolmo end in .h5";
            return Err(Error::input("K002", path, "", "an HDF5 file without CGNSBase_t", "a CGNS file", mend));
        }
        let mut field_data = Vec::new();
        let mut with_zones: Vec<(i64, &Node)> = Vec::new();
        for base in &bases {
            scalars(path, base, 0, &mut field_data)?;
            if !base.labelled(path, "Zone_t")?.is_empty() {
                with_zones.push((base.integers(path)?.first().copied().unwrap_or(0), base));
            }
        }
        let Some(dimension) = with_zones.iter().map(|b| b.0).max() else {
            let mend = "write the mesh into the file";
            return Err(Error::input("K015", path, "", "no zone", "a mesh", mend));
        };
        let mut highest = with_zones.iter().filter(|b| b.0 == dimension).map(|b| b.1);
        let (Some(base), None) = (highest.next(), highest.next()) else {
            let (found, expected) = (format!("several bases of cell dimension {dimension}"), "one");
            return Err(Error::input("K018", path, "", found, expected, "write a file for each base"));
        };
        let mut cgns = CgnsFile {
            path: path.into(),
            base: base.name.clone(),
            dimension,
            zones: Vec::new(),
            n_states: 1,
            times: None,
            field_data,
        };
        for zone in base.labelled(path, "Zone_t")? {
            cgns.zones.push(Zone::of(path, &zone)?);
        }
        cgns.find_states(base)?;
        cgns.count_cells(base)?;
        Ok(cgns)
    }

    fn find_states(&mut self, base: &Node) -> Result<()> {
        let mut counts = self.zones.iter().filter_map(|zone| Some((zone.n_states()?, &zone.name)));
        if let Some((n, _)) = counts.next() {
            if let Some((other, name)) = counts.find(|(other, _)| *other != n) {
                let found = format!("{other} states of zone {name}");
                return Err(base.wrong_shape(&self.path, found, format!("{n} as in the first")));
            }
            self.n_states = n;
        }
        for iterative in base.labelled(&self.path, "BaseIterativeData_t")? {
            if let Some(times) = iterative.named(&self.path, "TimeValues")? {
                let times = times.reals(&self.path)?;
                self.times = (times.len() == self.n_states).then_some(times);
            }
        }
        Ok(())
    }

    /// Reads the mesh once, for what has to be known of its cells.
    fn count_cells(&mut self, base: &Node) -> Result<()> {
        let (mesh, numbers) = self.assemble(base, 0)?;
        let Some(top) = mesh.top_dimension() else {
            return Err(Error::input(
                "K015",
                &self.path,
                &base.place,
                "no cells",
                "a mesh",
                "write the elements into the file",
            ));
        };
        let mut blocks = mesh.cells.iter();
        for (zone, numbers) in self.zones.iter_mut().zip(numbers) {
            let (mut at, mut top_numbers) = (0, Vec::<u32>::new());
            while at < numbers.len() {
                let Some(block) = blocks.next() else { break };
                let range = at..at + block.n_cells();
                at = range.end;
                if block.cell_type.dimension() == top {
                    top_numbers.extend(numbers.get(range).unwrap_or_default());
                }
            }
            zone.n_top_cells = top_numbers.len();
            zone.order = (!top_numbers.is_sorted()).then(|| {
                let mut sorted = top_numbers.clone();
                sorted.sort_unstable();
                top_numbers.iter().map(|n| sorted.partition_point(|s| s < n) as u32).collect()
            });
        }
        Ok(())
    }

    fn base(&self, file: &hdf5::File) -> Result<Node> {
        Node::root(&self.path, file)?.required(&self.path, &self.base)
    }

    /// The mesh of a state, and the numbers of the cells of each zone. Empty blocks are left out.
    fn assemble(&self, base: &Node, state: usize) -> Result<(Mesh, Vec<Vec<u32>>)> {
        let mut mesh = Mesh { dim: 0, points: Vec::new(), cells: Vec::new() };
        let mut numbers = Vec::new();
        for zone in &self.zones {
            let node = base.required(&self.path, &zone.name)?;
            let axes = zone.points(&self.path, &node, state)?;
            if mesh.dim != 0 && axes.len() != mesh.dim {
                let found = format!("{} coordinates", axes.len());
                return Err(node.wrong_shape(&self.path, found, format!("{} as in the first zone", mesh.dim)));
            }
            mesh.dim = axes.len();
            let first = mesh.n_points();
            if first + zone.n_points > u32::MAX as usize {
                return Err(node.wrong_shape(&self.path, "more than 2^32 points".into(), "fewer points".into()));
            }
            mesh.points.reserve(axes.len() * zone.n_points);
            for i in 0..zone.n_points {
                mesh.points.extend(axes.iter().map(|axis| axis.get(i).copied().unwrap_or(f64::NAN)));
            }
            let cells = zone.cells(&self.path, &node, self.dimension)?;
            mesh.cells.extend(cells.blocks.into_iter().filter(|b| b.n_cells() > 0).map(|b| shifted(b, first as u32)));
            numbers.push(cells.numbers);
        }
        if let Some(i) = mesh.points.iter().position(|x| !x.is_finite()) {
            let (place, found) = (format!("point {}", i / mesh.dim), mesh.points[i].to_string());
            return Err(Error::input("K004", &self.path, place, found, "finite coordinates", "mend the point"));
        }
        mesh.check_structure(&self.path)?;
        Ok((mesh, numbers))
    }

    /// The arrays of a state: name, and that of the first zone that has it.
    fn named_arrays(&self, state: usize) -> Vec<(String, ZoneArray)> {
        let mut found: Vec<ZoneArray> = Vec::new();
        for array in self.zones.iter().flat_map(|zone| zone.arrays(state)) {
            if !found.iter().any(|a| same(a, &array)) {
                found.push(array);
            }
        }
        let on_points: Vec<String> =
            found.iter().filter(|a| a.location == Location::Point).map(|a| a.name.clone()).collect();
        let name = |a: &ZoneArray| match a.location == Location::Cell && on_points.contains(&a.name) {
            true => format!("{}_cells", a.name),
            false => a.name.clone(),
        };
        found.into_iter().map(|a| (name(&a), a)).collect()
    }

    fn info(&self, name: &str, array: &ZoneArray) -> ArrayInfo {
        let on_points = array.location == Location::Point;
        let n = self.zones.iter().map(|z| if on_points { z.n_points } else { z.n_top_cells }).sum();
        ArrayInfo::new(name, array.location, n, 1, array.number)
    }
}

impl MeshFile for CgnsFile {
    fn path(&self) -> &Path {
        &self.path
    }

    fn format(&self) -> &'static str {
        "CGNS"
    }

    fn n_states(&self) -> usize {
        self.n_states
    }

    fn times(&self) -> Option<&[f64]> {
        self.times.as_deref()
    }

    fn mesh_is_shared(&self) -> bool {
        self.zones.iter().all(Zone::is_fixed)
    }

    fn mesh(&self, state: usize) -> Result<Mesh> {
        check_state(self, state)?;
        let file = hdf::open(&self.path)?;
        Ok(self.assemble(&self.base(&file)?, state)?.0)
    }

    fn arrays(&self, state: usize) -> Result<Vec<ArrayInfo>> {
        check_state(self, state)?;
        Ok(self.named_arrays(state).iter().map(|(name, array)| self.info(name, array)).collect())
    }

    fn read(&self, state: usize, array: &ArrayInfo) -> Result<Vec<f64>> {
        check_state(self, state)?;
        let arrays = self.named_arrays(state);
        let Some((_, wanted)) = arrays.iter().find(|(name, a)| self.info(name, a) == *array) else {
            let what = format!("array of {}", self.path.display());
            return Err(Error::argument(what, &array.field.name, "one that `arrays` lists"));
        };
        let file = hdf::open(&self.path)?;
        let base = self.base(&file)?;
        let mut values = Vec::with_capacity(array.field.n_dofs());
        for zone in &self.zones {
            let node = base.required(&self.path, &zone.name)?;
            match zone.arrays(state).iter().find(|a| same(a, wanted)) {
                Some(own) => values.extend(zone.read(&self.path, &node, own)?),
                // A boundary condition of other zones, or a zone without cells of the highest dimension.
                None if wanted.is_boundary() => values.resize(values.len() + zone.n_points, 0.0),
                None if wanted.location == Location::Cell && zone.n_top_cells == 0 => (),
                None => {
                    let expected = format!("an array `{}` as in other zones", wanted.name);
                    return Err(node.wrong_shape(&self.path, "no such array".into(), expected));
                }
            }
        }
        Ok(values)
    }

    fn left_out(&self, _state: usize) -> Vec<String> {
        self.zones.iter().flat_map(|zone| zone.left_out.iter().cloned()).collect()
    }

    fn field_data(&self, state: usize) -> Result<Vec<(String, Vec<f64>)>> {
        check_state(self, state)?;
        Ok(self.field_data.clone())
    }
}

/// Whether two zones have the same array.
fn same(a: &ZoneArray, b: &ZoneArray) -> bool {
    a.name == b.name && a.location == b.location
}

/// Cells of a zone whose first point is number `first`.
fn shifted(mut block: CellBlock, first: u32) -> CellBlock {
    if first == 0 {
        return block;
    }
    if !block.cell_type.is_ragged() || block.cell_type.dimension() == 2 {
        block.connectivity.iter_mut().for_each(|p| *p += first);
        return block;
    }
    // Streams of faces: counts between the points.
    let mut begin = 0;
    for &end in &block.ends {
        let mut at = begin + 1;
        while at < end {
            let n = block.connectivity.get(at).map_or(0, |&n| n as usize);
            let points = block.connectivity.get_mut(at + 1..at + 1 + n).unwrap_or_default();
            points.iter_mut().for_each(|p| *p += first);
            at += 1 + n;
        }
        begin = end;
    }
    block
}

/// Arrays of numbers below a base but those of zones, families and steps.
fn scalars(path: &Path, node: &Node, depth: usize, found: &mut Vec<(String, Vec<f64>)>) -> Result<()> {
    for child in node.children(path)? {
        match child.label.as_str() {
            "DataArray_t" if child.is_number() => {
                let name = match found.iter().any(|(name, _)| *name == child.name) {
                    true => format!("{}_{}", child.name, node.name),
                    false => child.name.clone(),
                };
                found.push((name, child.reals(path)?));
            }
            "Zone_t" | "Family_t" | "BaseIterativeData_t" | "DataArray_t" => (),
            _ if depth < MAX_DEPTH => scalars(path, &child, depth + 1, found)?,
            _ => (),
        }
    }
    Ok(())
}

//! The grids of an XDMF file: which of them are the states, and where their meshes and arrays are.

use crate::error::{Error, Result};
use crate::io::hdf::wrong_shape;
use crate::io::mesh_file::damaged;
use crate::io::xdmf::COUNTED;
use crate::io::xdmf::items::{Item, items, not_read, resolve};
use crate::io::xdmf::light::{Light, Node};
use std::collections::HashMap;

/// Deepest nesting of collections.
const MAX_DEPTH: usize = 8;

/// The uniform grids of a state; more than one in a spatial collection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub time: Option<f64>,
    pub parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub topology: Node,
    pub geometry: Node,
    pub attributes: Vec<Node>,
    pub information: Vec<Node>,
}

/// The states of a file whose text is `text`. Errors: K003, K006, K018.
pub(crate) fn steps_of(light: &Light, text: &str) -> Result<Vec<Step>> {
    Grids { light, text, found: HashMap::new() }.steps()
}

/// Whether the meshes of two states are written in the same words.
pub(crate) fn same_mesh(light: &Light, text: &str, a: &Step, b: &Step) -> bool {
    let same =
        |(a, b): (&Part, &Part)| light.same(text, a.topology, b.topology) && light.same(text, a.geometry, b.geometry);
    a.parts.len() == b.parts.len() && a.parts.iter().zip(&b.parts).all(same)
}

struct Grids<'a> {
    light: &'a Light,
    text: &'a str,
    /// What paths have led to: the steps of a series name the same again and again.
    found: HashMap<String, Vec<Node>>,
}

impl Grids<'_> {
    fn steps(&mut self) -> Result<Vec<Step>> {
        let light = self.light;
        let domain = light.children_named(0, "Domain").next();
        let grids: Vec<Node> = domain.into_iter().flat_map(|d| light.children_named(d, "Grid")).collect();
        let (series, single): (Vec<Node>, Vec<Node>) =
            grids.into_iter().partition(|&g| self.is_collection(g) && self.is_temporal(g));
        let mut steps: Vec<Step> = Vec::new();
        for (i, &grid) in series.iter().enumerate() {
            let more = self.series(grid)?;
            if i == 0 { steps = more } else { self.join(grid, &mut steps, more)? }
        }
        if series.is_empty() {
            for (i, &grid) in single.iter().enumerate() {
                let step = self.step(grid)?;
                match steps.first_mut() {
                    None if i == 0 => steps.push(step),
                    Some(first) if same_mesh(light, self.text, first, &step) => add_arrays(first, step),
                    _ => {}
                }
            }
        }
        if steps.is_empty() {
            return Err(damaged(light.path(), "", "a file without grids", "a Domain with a Grid"));
        }
        Ok(steps)
    }

    fn is_collection(&self, grid: Node) -> bool {
        self.light.attribute(grid, "GridType").is_some_and(|t| t.eq_ignore_ascii_case("collection"))
    }

    fn is_temporal(&self, grid: Node) -> bool {
        self.light.attribute(grid, "CollectionType").is_some_and(|t| t.eq_ignore_ascii_case("temporal"))
    }

    /// The steps of a temporal collection.
    fn series(&mut self, grid: Node) -> Result<Vec<Step>> {
        let light = self.light;
        let grids: Vec<Node> = light.children_named(grid, "Grid").collect();
        let mut steps = grids.iter().map(|&g| self.step(g)).collect::<Result<Vec<Step>>>()?;
        for time in light.children_named(grid, "Time") {
            let kind = light.attribute_of(time, &["TimeType", "Type"]).unwrap_or_default().to_lowercase();
            let place = light.called(grid);
            let values = match items(light, time).first() {
                Some(&item) => Item::new(light, item, &place)?.values()?,
                None => continue,
            };
            let wrong = || wrong_shape(light.path(), &place, format!("{} times", values.len()), "one per step".into());
            match (kind.as_str(), values.as_slice()) {
                ("list", _) if values.len() != steps.len() => return Err(wrong()),
                ("list", _) => steps.iter_mut().zip(&values).for_each(|(s, &t)| s.time = Some(t)),
                ("hyperslab", &[start, stride, _]) => {
                    steps.iter_mut().enumerate().for_each(|(i, s)| s.time = Some(start + i as f64 * stride));
                }
                _ => {
                    let found = format!("a Time of type {kind:?} with {} numbers", values.len());
                    return Err(not_read(
                        light,
                        place,
                        found,
                        "a List or HyperSlab of times, or the Value of each step",
                    ));
                }
            }
        }
        if light.attribute(grid, COUNTED).is_some() {
            steps.iter_mut().for_each(|s| s.time = None);
        }
        Ok(steps)
    }

    /// Adds the arrays of another collection over the same times and meshes.
    fn join(&self, grid: Node, steps: &mut [Step], more: Vec<Step>) -> Result<()> {
        let times = |steps: &[Step]| steps.iter().map(|s| s.time).collect::<Vec<_>>();
        let fits = |(a, b): (&Step, &Step)| same_mesh(self.light, self.text, a, b);
        if times(steps) != times(&more) || !steps.iter().zip(&more).all(fits) {
            let found = format!("{} steps of other times or meshes than the {} before", more.len(), steps.len());
            let mend = "write each series into a file of its own, or all functions at the same times";
            let expected = "collections over the same times and meshes";
            return Err(Error::input("K018", self.light.path(), self.light.called(grid), found, expected, mend));
        }
        steps.iter_mut().zip(more).for_each(|(step, more)| add_arrays(step, more));
        Ok(())
    }

    fn step(&mut self, grid: Node) -> Result<Step> {
        let mut step = Step::default();
        self.collect(grid, &mut step, 0)?;
        Ok(step)
    }

    fn collect(&mut self, grid: Node, step: &mut Step, depth: usize) -> Result<()> {
        let light = self.light;
        let grid = resolve(light, grid)?;
        for time in light.children_named(grid, "Time") {
            if let (None, Some(value)) = (step.time, light.attribute(time, "Value")) {
                let refuse = || damaged(light.path(), light.called(grid), format!("Time {value}"), "a number");
                step.time = Some(value.trim().parse().map_err(|_| refuse())?);
            }
        }
        let kind = light.attribute(grid, "GridType").unwrap_or_else(|| "Uniform".into());
        match kind.to_lowercase().as_str() {
            "uniform" => step.parts.push(self.part(grid)?),
            "collection" | "tree" if !self.is_temporal(grid) && depth < MAX_DEPTH => {
                let grids: Vec<Node> = light.children_named(grid, "Grid").collect();
                grids.into_iter().try_for_each(|g| self.collect(g, step, depth + 1))?;
            }
            _ => {
                let expected = "Uniform grids, in temporal or spatial collections";
                return Err(not_read(light, light.called(grid), format!("a Grid of type {kind}"), expected));
            }
        }
        if step.parts.is_empty() {
            return Err(damaged(light.path(), light.called(grid), "a collection without grids", "a Grid"));
        }
        Ok(())
    }

    fn part(&mut self, grid: Node) -> Result<Part> {
        let light = self.light;
        let (mut topology, mut geometry, mut attributes, mut information) = (None, None, Vec::new(), Vec::new());
        for child in light.children(grid) {
            let included;
            let nodes: &[Node] = if light.name(child) == "include" {
                included = self.included(child)?;
                &included
            } else {
                &[child]
            };
            for &node in nodes {
                match light.name(node) {
                    "Topology" if topology.is_none() => topology = Some(resolve(light, node)?),
                    "Geometry" if geometry.is_none() => geometry = Some(resolve(light, node)?),
                    "Attribute" => attributes.push(resolve(light, node)?),
                    "Information" => information.push(node),
                    _ => {}
                }
            }
        }
        match (topology, geometry) {
            (Some(topology), Some(geometry)) => Ok(Part { topology, geometry, attributes, information }),
            _ => Err(damaged(light.path(), light.called(grid), "a Grid without a mesh", "its Topology and Geometry")),
        }
    }

    fn included(&mut self, node: Node) -> Result<Vec<Node>> {
        let light = self.light;
        let path = light.attribute(node, "xpointer").unwrap_or_default();
        let file = light.attribute(node, "href").filter(|file| !file.is_empty());
        if let Some(file) = file {
            return Err(not_read(light, light.called(node), format!("a part of the file {file}"), "one file"));
        }
        if let Some(found) = self.found.get(&path) {
            return Ok(found.clone());
        }
        let found = light.find(&path)?;
        if found.is_empty() {
            let mend = "mend the path, or write the file again";
            return Err(Error::input("K006", light.path(), light.called(node), path, "the path of an element", mend));
        }
        self.found.insert(path, found.clone());
        Ok(found)
    }
}

fn add_arrays(step: &mut Step, more: Step) {
    for (part, more) in step.parts.iter_mut().zip(more.parts) {
        part.attributes.extend(more.attributes);
        part.information.extend(more.information);
    }
}

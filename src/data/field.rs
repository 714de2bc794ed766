//! What a field is: name, place, size.

/// Where the values of a field live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    Point,
    Cell,
    /// No mesh, or a length that is neither that of the points nor that of the cells.
    Free,
}

/// A field: `n_dofs = n_entities * n_components`, components of an entity side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldInfo {
    pub name: String,
    pub location: Location,
    pub n_entities: usize,
    pub n_components: usize,
    /// Stored with an axis of components, also where there is only one.
    pub vector: bool,
}

impl FieldInfo {
    /// Degrees of freedom of one snapshot.
    pub fn n_dofs(&self) -> usize {
        self.n_entities * self.n_components
    }
}

impl Location {
    /// Name in files.
    pub fn name(self) -> &'static str {
        match self {
            Location::Point => "point",
            Location::Cell => "cell",
            Location::Free => "free",
        }
    }

    /// From the name in files.
    pub fn from_name(name: &str) -> Option<Self> {
        [Location::Point, Location::Cell, Location::Free].into_iter().find(|l| l.name() == name)
    }
}

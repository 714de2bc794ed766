//! Hierarchical approximate proper orthogonal decomposition.

use super::pod::{Algorithm, PodOptions, Truncation, pod};
use crate::error::{Error, Result};
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::TallMatrix;
use faer::Mat;

/// Hands over the snapshots of a leaf [n_dofs, n], when it is their turn.
pub type Load<'a> = Box<dyn FnOnce() -> Result<TallMatrix> + 'a>;

/// Which snapshots are reduced together, and in which order.
pub enum Tree<'a> {
    /// A block of snapshots: a file, a time window, what a node of a machine holds.
    Leaf(Load<'a>),
    /// The scaled modes of its children are reduced together.
    Node(Vec<Tree<'a>>),
}

impl<'a> Tree<'a> {
    /// A leaf whose snapshots are in memory.
    pub fn leaf(snapshots: &'a TallMatrix) -> Tree<'a> {
        Tree::Leaf(Box::new(|| Ok(snapshots.clone())))
    }

    /// All leaves below one root: they may be reduced at the same time.
    pub fn distributed(leaves: Vec<Load<'a>>) -> Tree<'a> {
        Tree::Node(leaves.into_iter().map(Tree::Leaf).collect())
    }

    /// One leaf after the other joins what came before: two blocks of modes are in memory at once.
    pub fn incremental(leaves: Vec<Load<'a>>) -> Tree<'a> {
        let mut leaves = leaves.into_iter().map(Tree::Leaf);
        let first = leaves.next().unwrap_or_else(|| Tree::Node(Vec::new()));
        leaves.fold(first, |before, leaf| Tree::Node(vec![before, leaf]))
    }

    /// Nodes on the longest way from here to a leaf, this one included.
    pub fn depth(&self) -> usize {
        match self {
            Tree::Leaf(_) => 1,
            Tree::Node(children) => 1 + children.iter().map(Tree::depth).max().unwrap_or(0),
        }
    }
}

/// Options of [`hapod`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HapodOptions {
    /// epsilon: bound of the root mean square M-norm of what the modes miss of a snapshot.
    pub error: f64,
    /// omega in (0, 1): near 1 the number of modes is near that of one POD, near 0 the nodes before the root keep fewer.
    pub omega: f64,
    /// Of the POD of each node.
    pub algorithm: Algorithm,
}

impl Default for HapodOptions {
    fn default() -> Self {
        HapodOptions { error: 1e-4, omega: 0.75, algorithm: Algorithm::Auto }
    }
}

/// Result of [`hapod`].
#[derive(Debug, Clone)]
pub struct Hapod {
    /// V [n_dofs, n_modes], VᵀMV = I.
    pub basis: TallMatrix,
    /// Singular values of the scaled modes that reached the root, descending: those of all snapshots up to `error`.
    pub singular_values: Vec<f64>,
    /// Snapshots of all leaves.
    pub n_snapshots: usize,
    /// sqrt(1/n sum ||u - V VᵀM u||²) is at most this.
    pub error: f64,
    /// Columns that the largest POD on the way had.
    pub largest: usize,
}

/// What a node hands up: modes times singular values.
struct Scaled {
    modes: TallMatrix,
    n_snapshots: usize,
}

/// Modes of snapshots in a tree of small PODs, with a mean error that is chosen beforehand.
///
/// A node reduces what its children hand up (a leaf its snapshots) by a POD that discards singular values with
///
/// ```text
/// sqrt(sum of discarded sigma²) <= sqrt(n) omega epsilon                          at the root,
///                                  sqrt(n) sqrt(1 - omega²) / sqrt(L - 1) epsilon elsewhere,
/// ```
///
/// n the number of snapshots below it and L the depth of the tree, and hands up modes times singular values. Then
/// sqrt(1/n sum ||u - V VᵀM u||²) <= epsilon over all snapshots, and no more modes are kept than one POD of all needs for
/// omega epsilon.
///
/// Errors: an empty tree, leaves with other rows, options out of range, those of [`pod`]. Cost: that of the PODs; leaves
/// are loaded one after the other and dropped once they are reduced. Collective.
/// Reference: Himpe, Leibner, Rave, SIAM J. Sci. Comput. 40 (2018) A3267.
#[doc(alias = "hierarchical_approximate_pod")]
pub fn hapod(tree: Tree<'_>, inner_product: &InnerProduct, options: &HapodOptions) -> Result<Hapod> {
    if !(options.error >= 0.0 && options.error.is_finite()) {
        return Err(Error::argument("mean error", options.error, "a number >= 0"));
    }
    if !(options.omega > 0.0 && options.omega < 1.0) {
        return Err(Error::argument("omega", options.omega, "a number in (0, 1)"));
    }
    if options.algorithm == Algorithm::Randomized {
        return Err(Error::argument("algorithm of a POD in a tree", "randomized", "one that keeps a tolerance"));
    }
    let depth = tree.depth();
    // A leaf alone may use up all of the error.
    let root = if depth == 1 { 1.0 } else { options.omega };
    let below = ((1.0 - options.omega.powi(2)) / (depth.max(2) - 1) as f64).sqrt();
    let mut walk = Walk { inner_product, options, below: below * options.error, largest: 0 };
    let all = walk.inputs(tree)?;
    let (basis, singular_values) = walk.reduce(&all, root * options.error)?;
    let (n_snapshots, error, largest) = (all.n_snapshots, options.error, walk.largest);
    Ok(Hapod { basis, singular_values, n_snapshots, error, largest })
}

struct Walk<'a> {
    inner_product: &'a InnerProduct,
    options: &'a HapodOptions,
    /// Mean error that each node below the root may add.
    below: f64,
    largest: usize,
}

impl Walk<'_> {
    /// What a node has to reduce.
    fn inputs(&mut self, tree: Tree<'_>) -> Result<Scaled> {
        let children = match tree {
            Tree::Leaf(load) => {
                let modes = load()?;
                return Ok(Scaled { n_snapshots: modes.n_columns(), modes });
            }
            Tree::Node(children) => children,
        };
        let mut all: Option<Scaled> = None;
        for child in children {
            let inputs = self.inputs(child)?;
            if inputs.n_snapshots == 0 {
                continue;
            }
            let (mut modes, sigma) = self.reduce(&inputs, self.below)?;
            modes.scale_columns(&sigma);
            match &mut all {
                None => all = Some(Scaled { modes, n_snapshots: inputs.n_snapshots }),
                Some(all) => {
                    let room = (all.modes.n_columns() + modes.n_columns()).next_multiple_of(64);
                    all.modes.push_columns(&modes, room)?;
                    all.n_snapshots += inputs.n_snapshots;
                }
            }
        }
        all.ok_or_else(|| Error::argument("tree of snapshots", "a node without snapshots", "leaves that hold some"))
    }

    /// Modes and singular values of the POD that misses sqrt(n) `error` at most.
    fn reduce(&mut self, inputs: &Scaled, error: f64) -> Result<(TallMatrix, Vec<f64>)> {
        let x = &inputs.modes;
        self.largest = self.largest.max(x.n_columns());
        let size = self.inner_product.norms(x).iter().map(|v| v * v).sum::<f64>().sqrt();
        let allowed = (inputs.n_snapshots as f64).sqrt() * error;
        if x.n_columns() == 0 || size <= allowed {
            let local = Mat::zeros(x.local().nrows(), 0);
            return Ok((TallMatrix::new(x.layout().clone(), local)?, Vec::new()));
        }
        let truncation = Truncation::Tolerance(allowed / size);
        let options = PodOptions { truncation, algorithm: self.options.algorithm, ..PodOptions::default() };
        let mut found = pod(x, self.inner_product, &options)?;
        found.singular_values.truncate(found.basis.n_columns());
        Ok((found.basis, found.singular_values))
    }
}

//! Hierarchical approximate proper orthogonal decomposition.

use super::pod::{Algorithm, PodOptions, Truncation, pod};
use crate::comm::{Communicator, agree};
use crate::error::{Error, Result};
use crate::linalg::exchange_rows::rows_of_all_columns;
use crate::linalg::inner_product::InnerProduct;
use crate::linalg::tall::{Layout, TallMatrix};
use faer::Mat;
use std::sync::Arc;

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
    options.check()?;
    let depth = tree.depth();
    let (root, below) = options.shares(depth);
    let mut walk = Walk { inner_product, options, below, largest: 0 };
    let all = walk.inputs(tree)?;
    let (basis, singular_values) = walk.reduce(&all, root)?;
    let (n_snapshots, error, largest) = (all.n_snapshots, options.error, walk.largest);
    Ok(Hapod { basis, singular_values, n_snapshots, error, largest })
}

/// [`hapod`] of the tree whose leaves are the ranks: each has snapshots `own` [n_dofs, n_own] of its own, with all rows, reduces
/// them by itself and hands each rank its rows of the scaled modes; the root is a POD of rows shared out evenly, as is V.
///
/// `inner_product` is that of all rows. The same modes for any order of work, not for any number of ranks: the tree differs; the
/// mean error is promised for each. Errors: those of any rank on all; ranks whose numbers of rows differ, no snapshots at all.
/// Cost: a POD of own snapshots, then one of a row's share of all modes. No rank holds the modes of another with all rows.
/// Collective.
pub fn hapod_over_ranks(
    own: TallMatrix,
    inner_product: &InnerProduct,
    comm: &Arc<dyn Communicator>,
    options: &HapodOptions,
) -> Result<Hapod> {
    let n_rows = own.local().nrows();
    let check = |n_least: usize| {
        options.check()?;
        if own.layout().comm().size() != 1 {
            return Err(Error::argument("snapshots of a rank", "rows that are shared out", "all rows"));
        }
        if n_least != n_rows {
            return Err(Error::argument(
                "rows of the snapshots of a rank",
                n_rows,
                format!("{n_least} as another has"),
            ));
        }
        inner_product.check(n_rows)
    };
    let n_least = -comm.all_argmax(-(n_rows as f64), 0).0;
    agree(comm.as_ref(), check(n_least as usize))?;
    let depth = if comm.size() > 1 { 2 } else { 1 };
    let (root, below) = options.shares(depth);
    let mut counts = [own.n_columns() as f64];
    comm.all_sum(&mut counts);
    let n_snapshots = counts[0] as usize;
    if n_snapshots == 0 {
        return Err(Error::argument("snapshots of all ranks", 0, "at least one"));
    }
    let mut walk = Walk { inner_product, options, below, largest: 0 };
    let leaf = || {
        if depth == 1 || own.n_columns() == 0 {
            return Ok(own);
        }
        let inputs = Scaled { n_snapshots: own.n_columns(), modes: own };
        let (mut modes, sigma) = walk.reduce(&inputs, walk.below)?;
        modes.scale_columns(&sigma);
        Ok(modes)
    };
    let modes = agree(comm.as_ref(), leaf())?;
    let even = Layout::even(n_rows, 1, comm.clone());
    let (layout, part) = agree(comm.as_ref(), inner_product.of_rank(&even))?;
    let local = rows_of_all_columns(comm.as_ref(), modes.local(), &layout.rows());
    drop(modes);
    let largest = comm.all_argmax(walk.largest as f64, 0).0 as usize;
    let mut walk = Walk { inner_product: &part, options, below, largest };
    let (basis, singular_values) =
        walk.reduce(&Scaled { modes: TallMatrix::new(layout, local)?, n_snapshots }, root)?;
    Ok(Hapod { basis, singular_values, n_snapshots, error: options.error, largest: walk.largest })
}

impl HapodOptions {
    fn check(&self) -> Result<()> {
        if !(self.error >= 0.0 && self.error.is_finite()) {
            return Err(Error::argument("mean error", self.error, "a number >= 0"));
        }
        if !(self.omega > 0.0 && self.omega < 1.0) {
            return Err(Error::argument("omega", self.omega, "a number in (0, 1)"));
        }
        if self.algorithm == Algorithm::Randomized {
            return Err(Error::argument("algorithm of a POD in a tree", "randomized", "one that keeps a tolerance"));
        }
        Ok(())
    }

    /// Mean errors that the root of a tree of this depth may add, and each node below it.
    fn shares(&self, depth: usize) -> (f64, f64) {
        // A leaf alone may use up all of the error.
        let root = if depth == 1 { 1.0 } else { self.omega };
        (root * self.error, ((1.0 - self.omega.powi(2)) / (depth.max(2) - 1) as f64).sqrt() * self.error)
    }
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

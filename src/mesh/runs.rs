//! Blocks of cells whose types follow each other again and again, as in meshes refined here and there, as few blocks and a list.

use super::mesh::CellBlock;

/// Files hold meshes of more blocks as one block per type, with the runs that tell the order of the cells.
pub(crate) const MAX_BLOCKS: usize = 64;

/// One block per type, in the order in which the types come first, and `[n_runs, 2]`: of which of them the next cells are, and
/// how many. Cost: linear.
pub(crate) fn by_type(blocks: &[CellBlock]) -> (Vec<CellBlock>, Vec<u32>) {
    let mut types: Vec<CellBlock> = Vec::new();
    let mut runs: Vec<u32> = Vec::with_capacity(2 * blocks.len());
    for block in blocks.iter().filter(|b| b.n_cells() > 0) {
        let at = types.iter().position(|t| t.cell_type == block.cell_type).unwrap_or(types.len());
        if at == types.len() {
            types.push(CellBlock::new(block.cell_type, Vec::new()));
        }
        let all = &mut types[at];
        let first = all.connectivity.len();
        all.connectivity.extend(&block.connectivity);
        all.ends.extend(block.ends.iter().map(|end| first + end));
        runs.extend([at as u32, block.n_cells() as u32]);
    }
    (types, runs)
}

/// The blocks from which [`by_type`] made these; `None` where the runs do not name each cell of each type once.
pub(crate) fn in_runs(types: &[CellBlock], runs: &[u32]) -> Option<Vec<CellBlock>> {
    let mut taken = vec![0; types.len()];
    let mut blocks = Vec::new();
    for run in runs.chunks(2) {
        let &[t, n] = run else { return None };
        let (all, taken) = (types.get(t as usize)?, taken.get_mut(t as usize)?);
        let cells = *taken..*taken + n as usize;
        *taken = cells.end;
        if cells.is_empty() {
            return None;
        }
        blocks.push(all.part(cells)?);
    }
    types.iter().zip(&taken).all(|(all, taken)| all.n_cells() == *taken).then_some(blocks)
}

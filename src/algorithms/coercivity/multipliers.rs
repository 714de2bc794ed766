//! The linear program of the successive constraint method, by a dense simplex method in given memory.

use super::Constraint;

/// Pivots by the largest gain per row and column of the table, after which the first gain is taken: no cycle is endless.
const PIVOTS_BY_GAIN: usize = 4;
/// Gains and pivots below this share of their scale are round-off.
const ROUND_OFF: f64 = 1e-11;

/// Memory of [`bounds`](super::SuccessiveConstraints::bounds), for any number of constraints: it grows to the largest.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// Constraints that are used, and how far each is.
    pub(super) chosen: Vec<usize>,
    pub(super) distances: Vec<f64>,
    /// Rows of the table, the last one that of the gains; the right-hand side is the last column.
    table: Vec<f64>,
    basic: Vec<usize>,
    scales: Vec<f64>,
    /// lambda of the chosen constraints.
    pub(super) lambda: Vec<f64>,
}

/// lambda >= 0 that make [`dual_bound`](super::dual_bound) large: the dual of min theta·y over the box and the constraints.
///
/// ```text
/// max  sum_j lambda_j (alpha_j - theta_j·sigma⁻) - sum_q (sigma⁺_q - sigma⁻_q) p_q,   sum_j lambda_j theta_jq - p_q <= theta_q,   lambda, p >= 0
/// ```
///
/// p_q = max(0, -theta_q) is feasible, so there is one phase. Any outcome gives a valid bound; an optimal one gives the best.
/// Returns whether the end was reached. `chosen` are numbers of `constraints`. Cost: some 10 to 40 pivots of
/// O(terms (constraints + 2 terms)).
pub(super) fn multipliers(
    range: &[(f64, f64)],
    constraints: &[Constraint],
    theta: &[f64],
    memory: &mut Workspace,
) -> bool {
    let (n, m) = (range.len(), memory.chosen.len());
    let (width, rhs) = (m + 2 * n + 1, m + 2 * n);
    let Workspace { chosen, table, basic, scales, lambda, .. } = memory;
    table.clear();
    table.resize((n + 1) * width, 0.0);
    basic.clear();
    scales.clear();
    // Rows in units of the terms, columns in units of the constraints.
    let unit = |q: usize| {
        let (lower, upper) = range[q];
        let size = lower.abs().max(upper.abs());
        if size > 0.0 { size } else { 1.0 }
    };
    for (j, c) in chosen.iter().enumerate() {
        let constraint = &constraints[*c];
        let largest = (0..n).map(|q| (constraint.theta[q] * unit(q)).abs()).fold(0.0, f64::max);
        let scale = if largest > 0.0 { 1.0 / largest } else { 1.0 };
        scales.push(scale);
        let mut gain = constraint.lower;
        for q in 0..n {
            table[q * width + j] = scale * constraint.theta[q] * unit(q);
            gain -= constraint.theta[q] * range[q].0;
        }
        table[n * width + j] = scale * gain;
    }
    for q in 0..n {
        // Columns of p and of the slacks; a row with a negative right-hand side begins with p in its basis.
        let (p, slack) = (m + q, m + n + q);
        let right = theta[q] * unit(q);
        (table[q * width + p], table[q * width + slack], table[q * width + rhs]) = (-1.0, 1.0, right);
        table[n * width + p] = -(range[q].1 - range[q].0) / unit(q);
        basic.push(slack);
        if right < 0.0 {
            pivot(table, width, q, p);
            basic[q] = p;
        }
    }
    let ended = ascend(table, basic, width);
    lambda.clear();
    lambda.resize(m, 0.0);
    for (q, b) in basic.iter().enumerate().filter(|(_, b)| **b < m) {
        lambda[*b] = (table[q * width + rhs] * scales[*b]).max(0.0);
    }
    ended
}

/// Pivots until no gain is left.
fn ascend(table: &mut [f64], basic: &mut [usize], width: usize) -> bool {
    let (n, rhs) = (basic.len(), width - 1);
    let scale = table[n * width..n * width + rhs].iter().fold(1e-300_f64, |m, g| m.max(g.abs()));
    let by_gain = PIVOTS_BY_GAIN * (n + width);
    for step in 0..2 * by_gain {
        let gains = &table[n * width..n * width + rhs];
        let gaining = |g: &f64| *g > ROUND_OFF * scale;
        let column = match step < by_gain {
            true => gains.iter().enumerate().filter(|(_, g)| gaining(g)).fold(None, |best, (j, g)| match best {
                Some((_, most)) if *g <= most => best,
                _ => Some((j, *g)),
            }),
            false => gains.iter().position(gaining).map(|j| (j, 0.0)),
        };
        let Some((column, _)) = column else { return true };
        let mut row: Option<(usize, f64)> = None;
        for q in 0..n {
            let entry = table[q * width + column];
            if entry > ROUND_OFF {
                let ratio = table[q * width + rhs] / entry;
                if row.is_none_or(|(best, least)| ratio < least || ratio == least && basic[q] < basic[best]) {
                    row = Some((q, ratio));
                }
            }
        }
        // Without an end: constraints that contradict each other, or a column of round-off.
        let Some((row, _)) = row else { return false };
        pivot(table, width, row, column);
        basic[row] = column;
    }
    false
}

fn pivot(table: &mut [f64], width: usize, row: usize, column: usize) {
    let inverse = 1.0 / table[row * width + column];
    table[row * width..(row + 1) * width].iter_mut().for_each(|x| *x *= inverse);
    let (above, rest) = table.split_at_mut(row * width);
    let (own, below) = rest.split_at_mut(width);
    for other in above.chunks_exact_mut(width).chain(below.chunks_exact_mut(width)) {
        let factor = other[column];
        if factor != 0.0 {
            other.iter_mut().zip(own.iter()).for_each(|(x, o)| *x -= factor * o);
            other[column] = 0.0;
        }
    }
}

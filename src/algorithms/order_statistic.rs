//! Order statistics of numbers that are shared out over ranks.

use crate::comm::Communicator;
use faer::MatRef;
use rayon::prelude::*;

/// Bits that are found in each round, from the highest on.
const WIDTHS: [u32; 5] = [12, 13, 13, 13, 13];

/// The k-th smallest (from k = 1) of all `values` of all ranks that are numbers; `None` where there are fewer.
///
/// Selection by digits: the bits of a number, ordered as the numbers are, are found from the highest on by counting how
/// many values have which ones. The values stay where they are, and the result is exact, whatever the number of ranks
/// and threads. `values` [any, any] of this rank; what is not a number does not count. Cost: five passes over the values,
/// and as many sums of at most 8,192 counts. Collective.
#[doc(alias = "quantile")]
#[doc(alias = "radix_select")]
pub fn order_statistic(comm: &dyn Communicator, values: MatRef<'_, f64>, k: usize) -> Option<f64> {
    if k == 0 {
        return None;
    }
    let (mut found, mut known, mut wanted) = (0_u64, 0, k as f64);
    for width in WIDTHS {
        let rest = u64::BITS - known - width;
        let counted = |counts: &mut [u64], v: &f64| {
            let key = key(*v);
            // No digit is known in the first round.
            if !v.is_nan() && key.checked_shr(u64::BITS - known).unwrap_or(0) == found {
                counts[(key >> rest) as usize & ((1 << width) - 1)] += 1;
            }
        };
        let of_columns = (0..values.ncols()).into_par_iter().fold(
            || vec![0; 1 << width],
            |mut counts: Vec<u64>, j| {
                values.col(j).iter().for_each(|v| counted(&mut counts, v));
                counts
            },
        );
        let own = of_columns.reduce(
            || vec![0; 1 << width],
            |mut a, b| {
                a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
                a
            },
        );
        let mut counts: Vec<f64> = own.into_iter().map(|c| c as f64).collect();
        comm.all_sum(&mut counts);
        let mut below = 0.0;
        let reached = |c: &f64| {
            let here = below + c >= wanted;
            below += if here { 0.0 } else { *c };
            here
        };
        // Every rank has the same counts, and leaves here or goes on with the others.
        let digit = counts.iter().position(reached)?;
        (found, known, wanted) = (found << width | digit as u64, known + width, wanted - below);
    }
    Some(from_key(found))
}

/// Bits that are ordered as the numbers are.
fn key(v: f64) -> u64 {
    let bits = v.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn from_key(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

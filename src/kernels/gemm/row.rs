//! A single row of `c`, from columns of `b` that are consecutive along the depth: one trace through a layer. Nothing is
//! used twice, so nothing is packed: what counts is that `b` streams by as it lies.
//!
//! Each element is a sum in 16 interleaved chains of fused multiply-adds, which are added up by halves, on either
//! instruction set; its bits differ from those that the same row has among others.

use super::blocks::{Line, Product};
use super::tile::finish_one;
use super::vector::Vector;

/// Columns of `b` that pass together: their chains overlap.
const TOGETHER: usize = 4;

/// Interleaved chains of a sum: one AVX-512 vector, or two of AVX2.
const CHAINS: usize = 16;

/// As [`blocks::product`](super::blocks::product).
///
/// # Safety
/// As there; and `a` has one row of consecutive elements, and `b` columns of consecutive elements.
#[inline(always)]
pub(super) unsafe fn row<V: Vector>(p: &Product) {
    let [_, k, n] = p.sizes;
    // SAFETY: all offsets stay within the sizes
    unsafe {
        for column in (0..n).step_by(TOGETHER) {
            // the last columns again, where they are fewer: their sums are not stored twice
            let columns: [*const f32; TOGETHER] = std::array::from_fn(|i| p.b.from(0, (column + i).min(n - 1)).at);
            // the second vector is unused where one holds all chains
            let mut sums = [[V::zero(); 2]; TOGETHER];
            let whole = k - k % CHAINS;
            for at in (0..whole).step_by(CHAINS) {
                for part in 0..CHAINS / V::LANES {
                    let at = at + part * V::LANES;
                    let x = V::load(p.a.at.add(at));
                    for (sums, column) in sums.iter_mut().zip(columns) {
                        sums[part] = sums[part].plus_product(x, V::load(column.add(at)));
                    }
                }
            }
            for (part, at) in (whole..k).step_by(V::LANES).enumerate() {
                let lanes = (k - at).min(V::LANES);
                let x = V::load_first(p.a.at.add(at), lanes);
                for (sums, column) in sums.iter_mut().zip(columns) {
                    sums[part] = sums[part].plus_product(x, V::load_first(column.add(at), lanes));
                }
            }
            for (i, sums) in sums.iter().enumerate().take(n - column) {
                finish_one(total(sums), &p.c.block(0, column + i, false, false));
            }
        }
    }
}

/// The sum of all chains, by halves.
#[inline(always)]
unsafe fn total<V: Vector>(sums: &[V; 2]) -> f32 {
    let mut line = Line([0.0; CHAINS]);
    for (part, sum) in sums[..CHAINS / V::LANES].iter().enumerate() {
        // SAFETY: all chains together are a line
        unsafe { sum.store(line.0.as_mut_ptr().add(part * V::LANES)) }
    }
    let mut lanes = CHAINS;
    while lanes > 1 {
        lanes /= 2;
        for i in 0..lanes {
            line.0[i] += line.0[i + lanes];
        }
    }
    line.0[0]
}

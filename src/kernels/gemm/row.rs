//! A single row of `c`, from columns of `b` that are consecutive along the depth: one trace through a layer. Nothing is used
//! twice, so nothing is packed: what counts is that `b` streams by as it lies.
//!
//! Each element is a sum in as many interleaved chains of fused multiply-adds as a vector has lanes, which are added up by halves;
//! so its bits differ from those that the same row has among others.

use super::blocks::{Line, Product};
use super::tile::finish_one;
use super::vector::Vector;

/// Columns of `b` that pass together: their chains overlap.
const TOGETHER: usize = 4;

/// As [`blocks::product`](super::blocks::product).
///
/// # Safety
/// As there; and `a` has one row of consecutive elements, `b` columns of consecutive elements, and `c` consecutive columns.
#[inline(always)]
pub(super) unsafe fn row<V: Vector>(p: &Product) {
    let [_, k, n] = p.sizes;
    // SAFETY: all offsets stay within the sizes
    unsafe {
        for column in (0..n).step_by(TOGETHER) {
            // the last columns again, where they are fewer: their sums are not stored twice
            let columns: [*const f32; TOGETHER] = std::array::from_fn(|i| p.b.from(0, (column + i).min(n - 1)).at);
            let mut sums = [V::zero(); TOGETHER];
            let whole = k - k % V::LANES;
            for at in (0..whole).step_by(V::LANES) {
                let x = V::load(p.a.at.add(at));
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = sum.plus_product(x, V::load(column.add(at)));
                }
            }
            if whole < k {
                let x = V::load_first(p.a.at.add(whole), k - whole);
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = sum.plus_product(x, V::load_first(column.add(whole), k - whole));
                }
            }
            for (i, sum) in sums.into_iter().enumerate().take(n - column) {
                finish_one(total(sum), &p.c.block(0, column + i, false, false));
            }
        }
    }
}

/// The sum of all lanes, by halves.
#[inline(always)]
unsafe fn total<V: Vector>(sum: V) -> f32 {
    let mut line = Line([0.0; 16]);
    // SAFETY: a vector is no longer than a line
    unsafe { sum.store(line.0.as_mut_ptr()) }
    let mut lanes = V::LANES;
    while lanes > 1 {
        lanes /= 2;
        for i in 0..lanes {
            line.0[i] += line.0[i + lanes];
        }
    }
    line.0[0]
}

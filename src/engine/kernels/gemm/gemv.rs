//! A matrix-vector product (BLAS: GEMV): a single row of `c`, from columns of `b` that are consecutive along the depth,
//! as when one trace passes a layer. No element of `b` is used twice, so nothing is packed: `b` streams by as it lies.
//!
//! Each element is a sum in 16 interleaved chains of fused multiply-adds, which are added up by halves, on either
//! instruction set. Its bits differ from those of the same row in a product of several rows.

use super::operands::{CacheLine, SerialGemm};
use super::vector::Vector;

/// Columns of `b` that are summed at once: their chains overlap in time.
const COLUMNS: usize = 4;

/// Interleaved chains of a sum: one AVX-512 vector, or two of AVX2.
const CHAINS: usize = 16;

/// Computes a product of one row.
///
/// # Safety
/// As [`gemm`](super::macro_kernel::gemm); and `a` has one row of consecutive elements, and `b` columns of consecutive
/// elements.
#[inline(always)]
pub(super) unsafe fn gemv<V: Vector>(p: &SerialGemm) {
    let [_, k, n] = p.sizes;
    // SAFETY: columns are clamped to n - 1; along the depth whole vectors end at or before `whole`, and those after it
    // are cut to the lanes below k. Elements of `c` are stored for columns below n alone.
    unsafe {
        for column in (0..n).step_by(COLUMNS) {
            // where fewer columns are left, the last one stands in for the missing ones, and is stored once
            let columns: [*const f32; COLUMNS] = std::array::from_fn(|i| p.b.from(0, (column + i).min(n - 1)).at);
            // the second vector is unused where one holds all chains
            let mut sums = [[V::zero(); 2]; COLUMNS];
            let whole = k - k % CHAINS;
            for at in (0..whole).step_by(CHAINS) {
                for part in 0..CHAINS / V::LANES {
                    let at = at + part * V::LANES;
                    let x = V::load(p.a.at.add(at));
                    for (sums, column) in sums.iter_mut().zip(columns) {
                        sums[part] = sums[part].fma(x, V::load(column.add(at)));
                    }
                }
            }
            for (part, at) in (whole..k).step_by(V::LANES).enumerate() {
                let lanes = (k - at).min(V::LANES);
                let x = V::load_first(p.a.at.add(at), lanes);
                for (sums, column) in sums.iter_mut().zip(columns) {
                    sums[part] = sums[part].fma(x, V::load_first(column.add(at), lanes));
                }
            }
            for (i, sums) in sums.iter().enumerate().take(n - column) {
                p.c.from(0, column + i).store_one(total(sums));
            }
        }
    }
}

/// The sum of all chains, by halves.
///
/// # Safety
/// The CPU has `V`'s instructions.
#[inline(always)]
unsafe fn total<V: Vector>(sums: &[V; 2]) -> f32 {
    let mut line = CacheLine([0.0; CHAINS]);
    for (part, sum) in sums[..CHAINS / V::LANES].iter().enumerate() {
        // SAFETY: CHAINS / LANES vectors of LANES numbers fill the line exactly
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

//! Packing: operands copied into the order in which the tiles read them.
//!
//! Packing transposes where vectors need that, and makes the reads of every tile dense: rows of a weight matrix lie
//! 4 KiB apart, so that the elements of a column share one set of the L1 cache and each lies in a page of its own.

use super::blocking::{PACKED_STRIDE, panel_vectors};
use super::operands::GemmOperand;
use super::vector::Vector;

/// Packs the `rows` x `depth` block at `a`, at most `MC` x `KC`, as an A panel: by rows or by columns, whichever copies
/// consecutive elements.
///
/// # Safety
/// `a` points to such a block, and `to` to a buffer for a full A panel.
#[inline(always)]
pub(super) unsafe fn a_panel(a: GemmOperand, rows: usize, depth: usize, to: *mut f32) -> GemmOperand {
    // SAFETY: reads stay within the `rows` x `depth` block at `a`. By columns, writes end before `depth` times the
    // rounded rows, at most KC x MC; by rows, before `rows` strides, at most MC x PACKED_STRIDE: the panel's length.
    unsafe {
        if a.row_stride == 1 && a.column_stride != 1 {
            let stride = rows.next_multiple_of(8);
            for k in 0..depth {
                let (from, to) = (a.from(0, k).at, to.add(k * stride));
                for i in (0..rows).step_by(8) {
                    let (from, to) = (from.add(i), to.add(i));
                    if i + 8 <= rows {
                        // a copy of constant length needs no call
                        std::ptr::copy_nonoverlapping(from, to, 8);
                    } else {
                        for i in 0..rows - i {
                            *to.add(i) = *from.add(i);
                        }
                    }
                }
            }
            return GemmOperand { at: to, row_stride: 1, column_stride: stride as isize };
        }
        for i in 0..rows {
            let (from, to) = (a.from(i, 0), to.add(i * PACKED_STRIDE));
            if a.column_stride == 1 {
                std::ptr::copy_nonoverlapping(from.at, to, depth);
            } else {
                for k in 0..depth {
                    *to.add(k) = *from.from(0, k).at;
                }
            }
        }
        GemmOperand { at: to, row_stride: PACKED_STRIDE as isize, column_stride: 1 }
    }
}

/// Packs the `depth` x `columns` block at `b` into B panels. In a panel of `w` vectors that begins at vector `p` of the
/// block, vector `v` of row `k` lies at `(p * depth + k * w + v) * LANES`. Lanes beyond the last column are zeros.
///
/// # Safety
/// The CPU has `V`'s instructions; `b` points to such a block, and `to` to a buffer for all its columns, rounded up to
/// whole vectors.
#[inline(always)]
pub(super) unsafe fn b_panels<V: Vector>(b: GemmOperand, depth: usize, columns: usize, to: *mut f32) {
    // SAFETY: `column + done` is below `columns` for each vector of the block, and a panel begins after the
    // `first * depth` vectors of the panels before it.
    unsafe {
        let vectors = columns.div_ceil(V::LANES);
        let mut first = 0;
        while first < vectors {
            let width = panel_vectors(vectors - first);
            let to = to.add(first * depth * V::LANES);
            let column = first * V::LANES;
            let lanes = (columns - column).min(width * V::LANES);
            for v in 0..width {
                let (done, to) = (v * V::LANES, to.add(v * V::LANES));
                b_vector::<V>(b.from(0, column + done), depth, (lanes - done).min(V::LANES), to, width * V::LANES);
            }
            first += width;
        }
    }
}

/// Packs one vector of a B panel: `lanes` columns of `b`, which run along the depth.
///
/// # Safety
/// As [`b_panels`]; `to` has room for `depth` vectors, `to_stride` apart.
#[inline(always)]
unsafe fn b_vector<V: Vector>(b: GemmOperand, depth: usize, lanes: usize, to: *mut f32, to_stride: usize) {
    // SAFETY: only rows below `depth` and columns below `lanes` are read; `transpose` gets at most LANES of each, and
    // writes `deep` vectors from row `k` on.
    unsafe {
        if b.row_stride != 1 {
            for k in 0..depth {
                for lane in 0..V::LANES {
                    *to.add(k * to_stride + lane) = if lane < lanes { *b.from(k, lane).at } else { 0.0 };
                }
            }
            return;
        }
        let mut k = 0;
        while k < depth {
            let deep = (depth - k).min(V::LANES);
            V::transpose(b.from(k, 0).at, b.column_stride, lanes, deep, to.add(k * to_stride), to_stride);
            k += deep;
        }
    }
}

//! Operands copied into the order in which the tiles read them.
//!
//! Besides the transposing, which vectors need, this makes every tile's reads dense: rows of a weight matrix lie 4 KiB
//! apart, so that a column of them lies in one set of the first cache, and in as many pages as it has rows.

use super::blocks::{DEEP, Matrix};
use super::tile::WIDTH;
use super::vector::Vector;

/// Row stride of an `a` block packed by rows: a line more than the depth, so that its rows lie in different sets.
pub(super) const ROW: usize = DEEP + 16;

/// Vectors in the next panel when `left` are still to come: as many as a tile has, but two and two in place of three
/// and one.
#[inline(always)]
pub(super) fn panel(left: usize) -> usize {
    if left == 4 { 2 } else { left.min(WIDTH) }
}

/// Packs the `rows` x `depth` block at `a`, at most `TALL` x `DEEP`, in whichever order copies consecutive elements.
///
/// # Safety
/// `a` points to such a block, `to` to a whole packed one.
#[inline(always)]
pub(super) unsafe fn a(a: Matrix, rows: usize, depth: usize, to: *mut f32) -> Matrix {
    unsafe {
        if a.row == 1 && a.column != 1 {
            let stride = rows.next_multiple_of(8);
            for k in 0..depth {
                let (from, to) = (a.from(0, k).at, to.add(k * stride));
                for i in (0..rows).step_by(8) {
                    let (from, to) = (from.add(i), to.add(i));
                    if i + 8 <= rows {
                        // of known length: no call
                        std::ptr::copy_nonoverlapping(from, to, 8);
                    } else {
                        for i in 0..rows - i {
                            *to.add(i) = *from.add(i);
                        }
                    }
                }
            }
            return Matrix { at: to, row: 1, column: stride as isize };
        }
        for i in 0..rows {
            let (from, to) = (a.from(i, 0), to.add(i * ROW));
            if a.column == 1 {
                std::ptr::copy_nonoverlapping(from.at, to, depth);
            } else {
                for k in 0..depth {
                    *to.add(k) = *from.from(0, k).at;
                }
            }
        }
        Matrix { at: to, row: ROW as isize, column: 1 }
    }
}

/// Packs the `depth` x `columns` block at `b` into panels: vector `v` of row `k` of a panel of `w` vectors, which
/// begins at vector `p` of the block, at `(p * depth + k * w + v) * LANES`. Lanes beyond the last column are zeros.
///
/// # Safety
/// The CPU has `V`'s instructions; `b` points to such a block, `to` to as many whole vectors.
#[inline(always)]
pub(super) unsafe fn b<V: Vector>(b: Matrix, depth: usize, columns: usize, to: *mut f32) {
    unsafe {
        let vectors = columns.div_ceil(V::LANES);
        let mut first = 0;
        while first < vectors {
            let width = panel(vectors - first);
            let to = to.add(first * depth * V::LANES);
            let column = first * V::LANES;
            let lanes = (columns - column).min(width * V::LANES);
            for v in 0..width {
                let (done, to) = (v * V::LANES, to.add(v * V::LANES));
                transpose::<V>(b.from(0, column + done), depth, (lanes - done).min(V::LANES), to, width * V::LANES);
            }
            first += width;
        }
    }
}

/// One vector of a panel, whose lanes are columns of `b` that lie as rows.
#[inline(always)]
unsafe fn transpose<V: Vector>(b: Matrix, depth: usize, lanes: usize, to: *mut f32, to_stride: usize) {
    unsafe {
        if b.row != 1 {
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
            V::transpose(b.from(k, 0).at, b.column, lanes, deep, to.add(k * to_stride), to_stride);
            k += deep;
        }
    }
}

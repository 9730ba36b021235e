//! Packing: operands copied into the order in which the tiles read them.
//!
//! Packing transposes where vectors need that, and makes the reads of every tile dense: rows of a weight matrix lie
//! 4 KiB apart, so that the elements of a column share one set of the L1 cache and each lies in a page of its own.

use super::operands::GemmOperand;
use super::vector::Vector;

/// Rows of `a` that are copied together where its columns are consecutive: two cache lines of each column.
const LINE_ROWS: usize = 2 * LINE;

/// The numbers of a cache line.
const LINE: usize = 16;

/// So many columns before a column is copied, it is prefetched.
const COLUMNS_AHEAD: usize = 8;

/// Packs the `rows` x `depth` block at `a`, at most `MC` x `KC`, as A panels of MR rows, one after the other. In a
/// panel the MR elements of a column are consecutive.
///
/// # Safety
/// The CPU has `V`'s instructions; `a` points to such a block, and `to` to a buffer for it with a cache line to spare.
#[inline(always)]
pub(super) unsafe fn a_panels<V: Vector>(a: GemmOperand, rows: usize, depth: usize, to: *mut f32) -> GemmOperand {
    // SAFETY: only rows below `rows` and columns below `depth` are read. A panel takes MR x `depth` numbers; a vector
    // that is stored for the last of its columns may reach LANES - MR numbers beyond it, which the next panel
    // overwrites and the buffer has to spare.
    unsafe {
        let mut whole = 0;
        if a.row_stride == 1 {
            // columns may lie pages apart: whole cache lines of each are copied at once, and the next ones prefetched
            whole = rows - rows % V::MR;
            for first in (0..whole).step_by(LINE_ROWS) {
                let last = (first + LINE_ROWS).min(whole);
                for k in 0..depth {
                    for line in (first..last).step_by(LINE) {
                        V::prefetch_l1(a.from(line, k + COLUMNS_AHEAD).at);
                    }
                    for row in (first..last).step_by(V::MR) {
                        let to = to.add(row * depth + k * V::MR);
                        // a copy of constant length needs no call
                        std::ptr::copy_nonoverlapping(a.from(row, k).at, to, V::MR);
                    }
                }
            }
        }
        for row in (whole..rows).step_by(V::MR) {
            let to = to.add(row * depth);
            let height = (rows - row).min(V::MR);
            let a = a.from(row, 0);
            if a.column_stride == 1 {
                for k in (0..depth).step_by(V::LANES) {
                    let wide = (depth - k).min(V::LANES);
                    V::transpose(a.from(0, k).at, a.row_stride, height, wide, to.add(k * V::MR), V::MR);
                }
            } else {
                for k in 0..depth {
                    for i in 0..height {
                        *to.add(k * V::MR + i) = *a.from(i, k).at;
                    }
                }
            }
        }
    }
    GemmOperand { at: to, row_stride: 1, column_stride: V::MR as isize }
}

/// Packs a B panel whose columns are consecutive elements, or neither columns nor rows: the `depth` x `columns` block
/// at `b`. Vector `v` of row `k` lies at `(k * w + v) * LANES`, where the panel is `w` vectors wide. Lanes beyond the
/// last column are zeros.
///
/// # Safety
/// The CPU has `V`'s instructions; `b` points to such a block, and `to` to a buffer for all its columns, rounded up to
/// whole vectors.
#[inline(always)]
pub(super) unsafe fn b_panel<V: Vector>(b: GemmOperand, depth: usize, columns: usize, to: *mut f32) {
    let stride = columns.next_multiple_of(V::LANES);
    for column in (0..columns).step_by(V::LANES) {
        // SAFETY: `column` is below `columns` for each vector of the block
        unsafe {
            let (b, to) = (b.from(0, column), to.add(column));
            b_vector::<V>(b, depth, (columns - column).min(V::LANES), to, stride);
        }
    }
}

/// Packs one vector of a B panel: `lanes` columns of `b`, which run along the depth.
///
/// # Safety
/// As [`b_panel`]; `to` has room for `depth` vectors, `to_stride` apart.
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

/// Packs a B panel whose rows are consecutive elements, some rows at a time.
pub(super) struct RowPacker {
    from: GemmOperand,
    columns: usize,
    /// The rows that are not packed yet.
    rows: usize,
    to: *mut f32,
}

/// So many rows before a row is packed, it is prefetched: into L2, since rows pages apart share a set of the L1 cache.
const ROWS_AHEAD: usize = 32;

impl RowPacker {
    pub const NOTHING: RowPacker = RowPacker {
        from: GemmOperand { at: std::ptr::null(), row_stride: 0, column_stride: 1 },
        columns: 0,
        rows: 0,
        to: std::ptr::null_mut(),
    };

    /// Packs the `depth` x `columns` block at `from` into `to`.
    #[inline(always)]
    pub fn new(from: GemmOperand, depth: usize, columns: usize, to: *mut f32) -> RowPacker {
        RowPacker { from, columns, rows: depth, to }
    }

    /// Packs the next rows: `rows`, or as many as are left.
    ///
    /// # Safety
    /// The CPU has `V`'s instructions; the block has consecutive elements in its rows, and `to` points to a buffer for
    /// all its columns, rounded up to whole vectors.
    #[inline(always)]
    pub unsafe fn advance<V: Vector>(&mut self, rows: usize) {
        let rows = rows.min(self.rows);
        // SAFETY: the caller's promise
        unsafe {
            match self.columns.div_ceil(V::LANES) {
                3 => self.pack::<V, 3>(rows),
                2 => self.pack::<V, 2>(rows),
                1 => self.pack::<V, 1>(rows),
                _ => (),
            }
        }
        self.rows -= rows;
    }

    /// # Safety
    /// As [`RowPacker::advance`]; so many rows are left, and they have more than `NRV - 1` vectors.
    #[inline(always)]
    unsafe fn pack<V: Vector, const NRV: usize>(&mut self, rows: usize) {
        let last = self.columns - (NRV - 1) * V::LANES;
        let ahead = ROWS_AHEAD as isize * self.from.row_stride;
        for _ in 0..rows {
            // SAFETY: this row is one of the block's, and of its last vector only lanes of its columns are read; `to`
            // has room for it. Any address may be prefetched.
            unsafe {
                for v in 0..NRV {
                    let from = self.from.at.wrapping_add(v * V::LANES);
                    V::prefetch_l2(from.wrapping_offset(ahead));
                    let vector = if v + 1 < NRV { V::load(from) } else { V::load_first(from, last) };
                    vector.store(self.to.add(v * V::LANES));
                }
            }
            self.from = self.from.from(1, 0);
            self.to = self.to.wrapping_add(NRV * V::LANES);
        }
    }
}

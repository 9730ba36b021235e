//! A product in blocks that fit the caches, in tiles that fit the registers (after Goto and van de Geijn 2008).
//!
//! `b` is packed a block of `DEEP` x `WIDE` at a time, panel by panel of a tile's width; it stays in the second
//! cache while the rows of `a` pass by, a few at a time, which stay in the first. A tile of `c` is kept in registers for the
//! whole depth of a block, as large as they allow, so that the multiply-adds (with AVX-512 24 of them to 11
//! loads) are what limits it.
//!
//! Each element of `c` is, for each block of depth, one chain of fused multiply-adds in order, starting from zero; the chains
//! are added to it in order. Blocks of depth lie at multiples of `DEEP`, whatever else is cut, so an element's bits depend on
//! its row of `a` and its column of `b` alone.

use super::pack::{self, Order, ROW};
use super::vector::Vector;

/// Depth of a block.
pub(super) const DEEP: usize = 256;

/// Columns of a packed block of `b`, whole panels of either instruction set: 384 KiB at full depth.
const WIDE: usize = 384;

/// Rows of `a` packed at a time, at most (`V::TALL`): 12 KiB at full depth.
const TALL: usize = 12;

/// A matrix that is read, by its strides in elements.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub at: *const f32,
    pub row: isize,
    pub column: isize,
}

impl Matrix {
    /// The part from this row and column on.
    ///
    /// # Safety
    /// There is such an element.
    #[inline(always)]
    pub unsafe fn from(self, row: usize, column: usize) -> Self {
        let at = unsafe { self.at.offset(row as isize * self.row + column as isize * self.column) };
        Matrix { at, ..self }
    }
}

/// `c = a b` or `c += a b`; `a` `[m, k]`, `b` `[k, n]`, `c` `[m, n]` with rows of consecutive elements; none is empty.
pub(super) struct Product {
    /// `[m, k, n]`
    pub sizes: [usize; 3],
    pub a: Matrix,
    pub b: Matrix,
    pub c: *mut f32,
    pub c_row: isize,
    /// `c` is added to, not overwritten.
    pub add: bool,
}

/// A cache line, for its alignment.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(#[allow(dead_code)] [f32; 16]);

const LINES_A: usize = TALL * ROW / 16;
const LINES_B: usize = DEEP * WIDE / 16;

/// What a thread packs operands into.
pub(super) struct Packed(Vec<Line>);

impl Packed {
    pub const EMPTY: Packed = Packed(Vec::new());

    /// The buffers of `a` and of `b`, made at the first call.
    fn buffers(&mut self) -> (*mut f32, *mut f32) {
        self.0.resize(LINES_A + LINES_B, Line([0.0; 16]));
        let (a, b) = self.0.split_at_mut(LINES_A);
        (a.as_mut_ptr().cast(), b.as_mut_ptr().cast())
    }

    /// Makes the buffers now.
    pub fn reserve(&mut self) {
        self.buffers();
    }
}

/// Carries out a product.
///
/// # Safety
/// The CPU has `V`'s instructions; `a`, `b` and `c` point to as many elements as `sizes` and the strides say; `c` overlaps
/// neither operand.
#[inline(always)]
pub(super) unsafe fn product<V: Vector>(p: &Product, packed: &mut Packed) {
    let (packed_a, packed_b) = packed.buffers();
    let [m, k, n] = p.sizes;
    // SAFETY: all offsets stay within the sizes; blocks are no larger than the buffers
    unsafe {
        for column in (0..n).step_by(WIDE) {
            let columns = (n - column).min(WIDE);
            for deep in (0..k).step_by(DEEP) {
                let depth = (k - deep).min(DEEP);
                pack::b::<V>(p.b.from(deep, column), depth, columns, packed_b);
                for row in (0..m).step_by(V::TALL) {
                    let rows = (m - row).min(V::TALL);
                    let order = pack::a::<V>(p.a.from(row, deep), rows, depth, packed_a);
                    let block = Block {
                        depth,
                        columns,
                        a: packed_a,
                        b: packed_b,
                        c: p.c.offset(row as isize * p.c_row).add(column),
                        c_row: p.c_row,
                        add: p.add || deep > 0,
                    };
                    match order {
                        Order::Rows => band::<V, true>(&block, rows),
                        Order::Columns => band::<V, false>(&block, rows),
                    }
                }
            }
        }
    }
}

/// A few rows of `c` at one block of depth, from packed operands.
struct Block {
    depth: usize,
    columns: usize,
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    c_row: isize,
    add: bool,
}

/// # Safety
/// As [`product`].
#[inline(always)]
unsafe fn band<V: Vector, const BY_ROWS: bool>(block: &Block, rows: usize) {
    let vectors = block.columns.div_ceil(V::LANES);
    let mut first = 0;
    while first < vectors {
        let width = pack::panel::<V>(vectors - first);
        let mut row = 0;
        while row < rows {
            // a rest without a tile of its own is made of smaller ones, and two fours are better than a six and a two
            let height = match rows - row {
                8.. if V::HEIGHT == 8 => 8,
                6 | 7 | 9.. if V::HEIGHT == 6 => 6,
                4.. => 4,
                2.. => 2,
                _ => 1,
            };
            unsafe {
                match (height, width) {
                    (8, 3) if V::HEIGHT == 8 => tile::<V, 8, 3, BY_ROWS>(block, row, first),
                    (8, 2) if V::HEIGHT == 8 => tile::<V, 8, 2, BY_ROWS>(block, row, first),
                    (8, _) if V::HEIGHT == 8 => tile::<V, 8, 1, BY_ROWS>(block, row, first),
                    (6, 2) if V::HEIGHT == 6 => tile::<V, 6, 2, BY_ROWS>(block, row, first),
                    (6, _) if V::HEIGHT == 6 => tile::<V, 6, 1, BY_ROWS>(block, row, first),
                    (4, 3) if V::WIDTH == 3 => tile::<V, 4, 3, BY_ROWS>(block, row, first),
                    (4, 2) => tile::<V, 4, 2, BY_ROWS>(block, row, first),
                    (4, _) => tile::<V, 4, 1, BY_ROWS>(block, row, first),
                    (2, 3) if V::WIDTH == 3 => tile::<V, 2, 3, BY_ROWS>(block, row, first),
                    (2, 2) => tile::<V, 2, 2, BY_ROWS>(block, row, first),
                    (2, _) => tile::<V, 2, 1, BY_ROWS>(block, row, first),
                    (_, 3) if V::WIDTH == 3 => tile::<V, 1, 3, BY_ROWS>(block, row, first),
                    (_, 2) => tile::<V, 1, 2, BY_ROWS>(block, row, first),
                    _ => tile::<V, 1, 1, BY_ROWS>(block, row, first),
                }
            }
            row += height;
        }
        first += width;
    }
}

/// The micro-kernel: `HEIGHT` rows from `row` on, `WIDTH` vectors from the panel at vector `first` on, in registers.
///
/// # Safety
/// As [`product`].
#[inline(always)]
#[allow(clippy::needless_range_loop, reason = "a row and a column of registers: the indices are what is meant")]
unsafe fn tile<V: Vector, const HEIGHT: usize, const WIDTH: usize, const BY_ROWS: bool>(
    block: &Block,
    row: usize,
    first: usize,
) {
    let column = first * V::LANES;
    let (i, k) = if BY_ROWS { (ROW, 1) } else { (1, V::TALL) };
    let last = (block.columns - column - (WIDTH - 1) * V::LANES).min(V::LANES);
    unsafe {
        let c = block.c.offset(row as isize * block.c_row).add(column);
        if block.add {
            for h in 0..HEIGHT {
                for w in 0..WIDTH {
                    V::prefetch(c.wrapping_offset(h as isize * block.c_row).wrapping_add(w * V::LANES));
                }
            }
        }
        let (mut a, mut b) = (block.a.add(row * i), block.b.add(column * block.depth));
        let mut sums = [[V::zero(); WIDTH]; HEIGHT];
        for _ in 0..block.depth {
            let mut right = [V::zero(); WIDTH];
            for w in 0..WIDTH {
                right[w] = V::load(b.add(w * V::LANES));
            }
            for h in 0..HEIGHT {
                let left = V::splat(a.add(h * i));
                for w in 0..WIDTH {
                    sums[h][w] = sums[h][w].plus_product(left, right[w]);
                }
            }
            a = a.add(k);
            b = b.add(WIDTH * V::LANES);
        }
        for h in 0..HEIGHT {
            let c = c.offset(h as isize * block.c_row);
            for w in 0..WIDTH {
                let (c, sum) = (c.add(w * V::LANES), sums[h][w]);
                if w + 1 < WIDTH || last == V::LANES {
                    if block.add { V::load(c).add(sum).store(c) } else { sum.store(c) }
                } else if block.add {
                    V::load_first(c, last).add(sum).store_first(c, last);
                } else {
                    sum.store_first(c, last);
                }
            }
        }
    }
}

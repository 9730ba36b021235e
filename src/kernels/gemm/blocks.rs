//! A product in blocks that fit the caches, in tiles that fit the registers (after Goto and van de Geijn 2008).
//!
//! `b` is packed a block of `DEEP` x `WIDE` at a time, panel by panel of a tile's width; it stays in the second
//! cache while the rows of `a` pass by, a few at a time, which stay in the first. Where `b`'s rows are vectors as they
//! lie, the first tile of each panel multiplies them from there and packs them in passing: the time they take to arrive
//! is spent multiplying.
//!
//! Each element of `c` is, for each block of depth, one chain of fused multiply-adds in order, starting from zero; the
//! chains are added to it in order, and the bias last. Blocks of depth lie at multiples of `DEEP`, whatever else is cut
//! and whichever operand is `a`, so an element's bits depend on its row and its column alone (but for a single row: see
//! [`row`](super::row)).

use super::pack;
use super::row;
use super::tile::{self, Ahead, Left, Right, Target};
use super::vector::Vector;

/// Depth of a block.
pub(super) const DEEP: usize = 256;

/// Columns of a packed block of `b`, whole panels of either instruction set: 528 KiB at full depth.
const WIDE: usize = 528;

/// Rows of `a` that pass together, whole tiles and whole transposes of either instruction set: 64 KiB at full depth.
pub(super) const TALL: usize = 64;

/// Panels that make packing `a` worth it.
const PANELS: usize = 3;

/// A matrix that is read, by its strides in elements.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub at: *const f32,
    pub row: isize,
    pub column: isize,
}

impl Matrix {
    /// The part from this row and column on; there need not be one.
    #[inline(always)]
    pub fn from(self, row: usize, column: usize) -> Self {
        let at = self.at.wrapping_offset(row as isize * self.row + column as isize * self.column);
        Matrix { at, ..self }
    }
}

/// `c = a b` or `c += a b`, plus a bias; `a` `[m, k]`, `b` `[k, n]`, `c` `[m, n]`; none is empty.
pub(super) struct Product {
    /// `[m, k, n]`
    pub sizes: [usize; 3],
    pub a: Matrix,
    pub b: Matrix,
    pub c: Target,
}

/// A cache line, for its alignment.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(super) struct Line(pub [f32; 16]);

const LINES_A: usize = TALL * pack::ROW / 16;
const LINES_B: usize = DEEP * WIDE / 16;
const LINES_C: usize = TALL * tile::WIDTH;

/// What a thread packs operands into, and turns results in.
pub(super) struct Packed(Vec<Line>);

impl Packed {
    pub const EMPTY: Packed = Packed(Vec::new());

    /// The buffers of `a`, of `b` and of a few rows of `c`, made at the first call.
    fn buffers(&mut self) -> [*mut f32; 3] {
        self.0.resize(LINES_A + LINES_B + LINES_C, Line([0.0; 16]));
        let (a, rest) = self.0.split_at_mut(LINES_A);
        let (b, c) = rest.split_at_mut(LINES_B);
        [a, b, c].map(|lines| lines.as_mut_ptr().cast())
    }

    /// Makes the buffers now.
    pub fn reserve(&mut self) {
        self.buffers();
    }
}

/// Carries out a product.
///
/// # Safety
/// The CPU has `V`'s instructions; `a`, `b` and `c` point to as many elements as `sizes` and the strides say; `c`
/// overlaps neither operand.
#[inline(always)]
pub(super) unsafe fn product<V: Vector>(p: &Product, packed: &mut Packed) {
    let [packed_a, packed_b, turned] = packed.buffers();
    let [m, k, n] = p.sizes;
    let in_place = p.b.column == 1;
    if m == 1 && p.a.column == 1 && p.b.row == 1 && !p.c.turned {
        // SAFETY: the caller's promise
        return unsafe { row::row::<V>(p) };
    }
    // SAFETY: all offsets stay within the sizes; blocks are no larger than the buffers
    unsafe {
        for column in (0..n).step_by(WIDE) {
            let columns = (n - column).min(WIDE);
            for deep in (0..k).step_by(DEEP) {
                let depth = (k - deep).min(DEEP);
                let b = p.b.from(deep, column);
                if !in_place {
                    pack::b::<V>(b, depth, columns, packed_b);
                }
                let pack_a = p.a.column != 1 || columns > PANELS * tile::WIDTH * V::LANES;
                for row in (0..m).step_by(TALL) {
                    let rows = (m - row).min(TALL);
                    let from = p.a.from(row, deep);
                    let a = if pack_a { pack::a(from, rows, depth, packed_a) } else { from };
                    let band = Band {
                        rows,
                        depth,
                        columns,
                        a,
                        next: p.a.from(row + if pack_a { TALL } else { V::HEIGHT }, deep),
                        b: (in_place && row == 0).then_some(b),
                        keep: m > V::HEIGHT || !m.is_power_of_two(),
                        packed: packed_b,
                        c: p.c.block(row, column, deep > 0, deep + depth < k),
                        turned,
                    };
                    band.product::<V>();
                }
            }
        }
    }
}

/// A few rows of `c` at one block of depth.
struct Band {
    rows: usize,
    depth: usize,
    columns: usize,
    a: Matrix,
    /// What of `a` comes next, to be asked for meanwhile.
    next: Matrix,
    /// `b` as it lies, where its panels are not packed yet.
    b: Option<Matrix>,
    /// Panels that are not packed yet are to be.
    keep: bool,
    packed: *mut f32,
    c: Target,
    turned: *mut f32,
}

impl Band {
    /// # Safety
    /// As [`product`].
    #[inline(always)]
    unsafe fn product<V: Vector>(&self) {
        let vectors = self.columns.div_ceil(V::LANES);
        let mut first = 0;
        while first < vectors {
            let width = pack::panel(vectors - first);
            unsafe {
                match width {
                    3 => self.panel::<V, 3>(first * V::LANES),
                    2 => self.panel::<V, 2>(first * V::LANES),
                    _ => self.panel::<V, 1>(first * V::LANES),
                }
            }
            first += width;
        }
    }

    /// The tiles of the panel that begins at `column`.
    #[inline(always)]
    unsafe fn panel<V: Vector, const WIDTH: usize>(&self, column: usize) {
        let lanes = (self.columns - column).min(WIDTH * V::LANES);
        let packed = self.packed.wrapping_add(column * self.depth);
        let mut ahead = match self.b {
            Some(b) => Ahead::right(b.from(0, column + WIDTH * V::LANES), lanes, self.rows.div_ceil(V::HEIGHT)),
            None => Ahead::left(self.next, V::HEIGHT),
        };
        let mut row = 0;
        while row < self.rows {
            let left = Left { a: self.a.from(row, 0), depth: self.depth };
            let mut right = Right { at: packed, row: (WIDTH * V::LANES) as isize, lanes, pack: std::ptr::null_mut() };
            let c = self.c.block(row, column, false, false);
            let turned = if c.turned { self.turned.wrapping_add(row * WIDTH * V::LANES) } else { std::ptr::null_mut() };
            if self.b.is_none() {
                ahead = Ahead::left(self.next.from(row, 0), V::HEIGHT);
            }
            unsafe {
                let fresh = self.b.filter(|_| row == 0);
                if let Some(b) = fresh {
                    right = Right {
                        at: b.from(0, column).at,
                        row: b.row,
                        lanes,
                        pack: if self.keep { packed } else { std::ptr::null_mut() },
                    };
                }
                // a rest without a tile of its own is made of smaller ones
                row += match (self.rows - row, fresh.is_some()) {
                    (8.., true) if V::HEIGHT == 8 => {
                        tile::tile::<V, 8, WIDTH, true>(&left, &right, &c, turned, &mut ahead)
                    }
                    (8.., false) if V::HEIGHT == 8 => {
                        tile::tile::<V, 8, WIDTH, false>(&left, &right, &c, turned, &mut ahead)
                    }
                    (4.., true) => tile::tile::<V, 4, WIDTH, true>(&left, &right, &c, turned, &mut ahead),
                    (4.., false) => tile::tile::<V, 4, WIDTH, false>(&left, &right, &c, turned, &mut ahead),
                    (2.., true) => tile::tile::<V, 2, WIDTH, true>(&left, &right, &c, turned, &mut ahead),
                    (2.., false) => tile::tile::<V, 2, WIDTH, false>(&left, &right, &c, turned, &mut ahead),
                    (_, true) => tile::tile::<V, 1, WIDTH, true>(&left, &right, &c, turned, &mut ahead),
                    (_, false) => tile::tile::<V, 1, WIDTH, false>(&left, &right, &c, turned, &mut ahead),
                };
            }
        }
        if self.c.turned {
            let c = self.c.block(0, column, false, false);
            unsafe { tile::turn::<V>(self.turned, WIDTH * V::LANES, self.rows, lanes, &c) }
        }
    }
}

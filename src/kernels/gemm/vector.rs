//! A vector register of one instruction set, as the packing and the micro-kernel see it.

/// `LANES` consecutive numbers in a register.
///
/// # Safety
/// Every function wants the CPU to have the instruction set, and its pointers to be valid for what it reads or writes.
///
/// Implementations are `#[inline(always)]`, and so is all that is generic over this trait: it is compiled inside of one
/// `#[target_feature]` function a set, which is what allows the instructions. Closures would be functions of their own
/// without that attribute: loops are used in their place.
pub(super) trait Vector: Copy {
    const LANES: usize;

    /// Rows of the largest tile: its accumulators, three times as many, must leave registers for the operands.
    const HEIGHT: usize;

    unsafe fn zero() -> Self;

    unsafe fn load(from: *const f32) -> Self;

    /// The first `lanes` numbers, zeros behind them; memory beyond is not touched.
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self;

    unsafe fn store(self, to: *mut f32);

    /// Stores the first `lanes` numbers.
    unsafe fn store_first(self, to: *mut f32, lanes: usize);

    /// One number in every lane.
    unsafe fn splat(from: *const f32) -> Self;

    unsafe fn add(self, other: Self) -> Self;

    /// `self + a * b`, rounded once.
    unsafe fn plus_product(self, a: Self, b: Self) -> Self;

    /// Writes the transpose of the `rows` x `columns` numbers at `from` (rows `row_stride` apart), at most `LANES` each
    /// way: `columns` vectors, `to_stride` apart, zeros in the lanes of rows that are not there.
    unsafe fn transpose(
        from: *const f32,
        row_stride: isize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_stride: usize,
    );

    /// Asks for a cache line; any address will do.
    unsafe fn prefetch(at: *const f32);

    /// Asks for a cache line into the second cache: rows 4 KiB apart share a set of the first, whose lines are still in
    /// use.
    unsafe fn prefetch_second(at: *const f32);
}

//! A vector register of one instruction set, as packing and the micro-kernels use it.

/// `LANES` consecutive numbers in a register.
///
/// Implementations are `#[inline(always)]`, and so is every function that is generic over this trait: all of them end
/// up inside one `#[target_feature]` function per instruction set, which is what permits its instructions. A closure
/// would be a function of its own without that attribute: the code uses loops instead.
///
/// # Safety
/// For every function, the caller promises that the CPU has the instruction set, and that each pointer is valid for
/// what the function reads or writes there.
pub(super) trait Vector: Copy {
    const LANES: usize;

    /// Rows of the largest tile. Its accumulators, three vectors per row, must leave registers for the operands.
    const MR: usize;

    unsafe fn zero() -> Self;

    unsafe fn load(from: *const f32) -> Self;

    /// Loads the first `lanes` numbers and sets the other lanes to zero; does not touch the memory behind them.
    unsafe fn load_first(from: *const f32, lanes: usize) -> Self;

    unsafe fn store(self, to: *mut f32);

    /// Stores the first `lanes` numbers.
    unsafe fn store_first(self, to: *mut f32, lanes: usize);

    /// One number in every lane.
    unsafe fn splat(from: *const f32) -> Self;

    unsafe fn add(self, other: Self) -> Self;

    /// `a * b + self`, rounded once: a fused multiply-add.
    unsafe fn fma(self, a: Self, b: Self) -> Self;

    /// Writes the transpose of the `rows` x `columns` numbers at `from` (rows `row_stride` apart), at most `LANES` in
    /// each direction. It writes `columns` vectors, `to_stride` apart, with zeros in the lanes of missing rows.
    unsafe fn transpose(
        from: *const f32,
        row_stride: isize,
        rows: usize,
        columns: usize,
        to: *mut f32,
        to_stride: usize,
    );

    /// Prefetches a cache line into L1. Any address is valid.
    unsafe fn prefetch_l1(at: *const f32);

    /// Prefetches a cache line into L2: rows 4 KiB apart share a set of L1, and the lines there are still in use.
    unsafe fn prefetch_l2(at: *const f32);
}

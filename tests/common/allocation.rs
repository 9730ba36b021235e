//! The system's allocator, which reports its calls.

use std::alloc::{GlobalAlloc, Layout, System};

/// Reports each allocation and each free to the test, and passes every call on to the system. A reallocation is an
/// allocation and then a free: both blocks may exist while the content moves.
///
/// The functions must not allocate.
pub struct CountingAllocator {
    pub allocated: fn(Layout),
    pub freed: fn(Layout),
}

// SAFETY: the system's allocator keeps the contract, and every call goes to it unchanged.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        (self.allocated)(layout);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`, which is the same for the system's allocator
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        (self.allocated)(layout);
        // SAFETY: as in `alloc`
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size`, rounded up to the alignment, does not overflow an `isize`
        (self.allocated)(unsafe { Layout::from_size_align_unchecked(size, layout.align()) });
        (self.freed)(layout);
        // SAFETY: as in `alloc`
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        (self.freed)(layout);
        // SAFETY: as in `alloc`
        unsafe { System.dealloc(pointer, layout) }
    }
}

//! Loops compiled once per instruction set; the best version is chosen at run time.
//!
//! A crate is compiled for the oldest CPU that it may run on, which on x86-64 has vectors of four lanes. A
//! `vectorized!` function is an ordinary function, compiled three times: the compiler turns its loops into AVX-512,
//! AVX2 or plain code. The bits of its results are the same in all three, because the compiler neither reorders sums
//! nor fuses a product with a sum.

/// `vectorized! { pub fn name<T>(argument: Type, …) { … } }`: see the module. Loops over slices of one known length
/// become vector code. So do functions that the body calls, if they are inlined into it.
macro_rules! vectorized {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident<T $(, $F:ident: $bound:path)? $(, const $N:ident: usize)?>($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "what a loop reads and writes")]
        $vis fn $name<T: $crate::engine::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) {
            #[inline(always)]
            fn body<T: $crate::engine::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
            fn avx512<T: $crate::engine::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) {
                body($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<T: $crate::engine::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) {
                body($($arg),*)
            }

            match $crate::engine::kernels::select::Kernel::in_use() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Kernel::in_use` returns this kernel only where the CPU has its instructions
                $crate::engine::kernels::select::Kernel::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `Kernel::in_use` returns this kernel only where the CPU has its instructions
                $crate::engine::kernels::select::Kernel::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    )*};
}

pub(crate) use vectorized;

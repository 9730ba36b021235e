//! Loops compiled once for each instruction set, the best of which is taken at run time.
//!
//! A crate is compiled for the oldest CPU it may run on, which on x86-64 has four lanes. A `vectorized!` function
//! is an ordinary one, compiled three times: the compiler turns its loops into AVX-512, AVX2 or plain code. The bits
//! are the same in all three, since it neither reorders sums nor fuses a product with a sum.

/// `vectorized! { pub fn name<T>(argument: Type, …) { … } }`: see the module. Loops over slices of one known length
/// become vector code; what the body calls must be inlined into it to share in that.
macro_rules! vectorized {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident<T $(, $F:ident: $bound:path)? $(, const $N:ident: usize)?>($($arg:ident: $type:ty),* $(,)?) $body:block)*) => {$(
        $(#[$meta])*
        #[allow(clippy::too_many_arguments, reason = "what a loop reads and writes")]
        $vis fn $name<T: $crate::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) {
            #[inline(always)]
            fn body<T: $crate::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx512dq,avx512bw")]
            fn avx512<T: $crate::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) {
                body($($arg),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2<T: $crate::tensor::Real $(, $F: $bound)? $(, const $N: usize)?>($($arg: $type),*) {
                body($($arg),*)
            }

            match $crate::kernels::gemm::Kernel::in_use() {
                // SAFETY: a kernel in use is one that this CPU has the instructions of
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::gemm::Kernel::Avx512 => unsafe { avx512($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                $crate::kernels::gemm::Kernel::Avx2 => unsafe { avx2($($arg),*) },
                _ => body($($arg),*),
            }
        }
    )*};
}

pub(crate) use vectorized;

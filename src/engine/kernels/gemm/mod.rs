//! Matrix products (BLAS: GEMM): micro-kernels for AVX-512 and AVX2, `matrixmultiply` elsewhere and for f64.
//!
//! A large product is first cut into tasks for the threads (`parallel`). Each task then runs the five loops of BLIS
//! (Van Zee and van de Geijn 2015, "BLIS: A framework for rapidly instantiating BLAS functionality"; after Goto and van
//! de Geijn 2008, "Anatomy of high-performance matrix multiplication"):
//!
//! ```text
//! c [m, n] += a [m, k] x b [k, n]
//!
//! loop 5  n in steps of NC = 1056                                                   memory, L3:  a, b, c as they lie
//! │ loop 4  k in steps of KC = 384          pack b: KC x NC, 1.5 MiB, in B panels            L3: the packed B panels
//! │ │ loop 3  m in steps of MC              pack a: MC x KC, a quarter of L2, in A panels    L2: the packed A panels
//! │ │ │                                                                   ── macro-kernel ──
//! │ │ │ loop 2  NC in steps of NR = 48 (AVX2: 24)                                      L2, L1: one B panel, KC x NR
//! │ │ │ │ loop 1  MC in steps of MR = 8 (AVX2: 4)                                          L1: one A panel, MR x KC
//! │ │ │ │ │                                                               ── micro-kernel ──
//! │ │ │ │ │ KC steps                        MR x NR += MR x 1 by 1 x NR           registers: the MR x NR sums, NR of b
//! ```
//!
//! MR and NR are so large that the sums fill three quarters of the registers. The sizes differ from BLIS's in two
//! points. Blocks are deep: a tile stores its sums less often, and with 16 lanes and two multiply-adds a cycle the
//! loads of a B panel from L2 still keep up (192 bytes in 12 cycles). And `a` is packed only where that pays.
//!
//! The imports point one way: `split_k`, `parallel`, `x86`, `macro_kernel`, `micro_kernel`, then `gemv` and `pack`,
//! then `operands` and `blocking`, then `caches`; `avx512` and `avx2` implement `vector`.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod blocking;
#[cfg(target_arch = "x86_64")]
mod caches;
#[cfg(target_arch = "x86_64")]
mod gemv;
#[cfg(target_arch = "x86_64")]
mod macro_kernel;
#[cfg(target_arch = "x86_64")]
mod micro_kernel;
#[cfg(target_arch = "x86_64")]
mod operands;
#[cfg(target_arch = "x86_64")]
mod pack;
mod parallel;
mod split_k;
#[cfg(target_arch = "x86_64")]
mod vector;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use parallel::{gemm, gemm_bias, gemm_bias_on, gemm_on, gemm_serial, reserve_pack_buffers};
pub use split_k::gemm_split_k;

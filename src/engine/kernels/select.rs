//! The choice of the micro-kernel.

use std::sync::OnceLock;

/// The environment variable that names a kernel; without it the fastest one that this CPU has is used.
pub const KERNEL_VARIABLE: &str = "ABR_FILM_KERNEL";

/// A micro-kernel for `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kernel {
    /// x86-64 with AVX-512 (F, VL, DQ and BW).
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// `matrixmultiply`, which chooses for itself (NEON among others).
    Portable,
}

impl Kernel {
    /// Every kernel, the fastest first.
    pub const ALL: [Kernel; 3] = [Kernel::Avx512, Kernel::Avx2, Kernel::Portable];

    /// Its name in [`KERNEL_VARIABLE`].
    pub fn name(self) -> &'static str {
        match self {
            Kernel::Avx512 => "avx512",
            Kernel::Avx2 => "avx2",
            Kernel::Portable => "portable",
        }
    }

    /// Whether this CPU can run it.
    pub fn available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            // compilers call these together x86-64-v4; every CPU since Skylake-X has all of them
            Kernel::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Kernel::Avx512 | Kernel::Avx2 => false,
            Kernel::Portable => true,
        }
    }

    /// The kernel of this process: the one the environment names, or the fastest; decided once.
    ///
    /// # Errors
    /// A message, when the variable names no kernel, or one that this CPU cannot run.
    pub fn selected() -> Result<Kernel, &'static str> {
        static SELECTED: OnceLock<Result<Kernel, String>> = OnceLock::new();
        let selected = SELECTED.get_or_init(|| match std::env::var_os(KERNEL_VARIABLE) {
            None => Ok(Kernel::fastest()),
            Some(name) => Kernel::named(&name.to_string_lossy()),
        });
        selected.as_ref().copied().map_err(String::as_str)
    }

    /// [`Kernel::selected`], for callers behind its check.
    ///
    /// # Panics
    /// When the environment names a kernel that is not there.
    #[inline]
    pub fn in_use() -> Kernel {
        Kernel::selected().unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn fastest() -> Kernel {
        Kernel::ALL.into_iter().find(|kernel| kernel.available()).expect("the portable kernel is always available")
    }

    fn named(name: &str) -> Result<Kernel, String> {
        match Kernel::ALL.into_iter().find(|kernel| kernel.name() == name) {
            Some(kernel) if kernel.available() => Ok(kernel),
            Some(_) => Err(format!("{KERNEL_VARIABLE}={name}: this CPU does not have these instructions")),
            None => {
                let names = Kernel::ALL.map(Kernel::name).join(", ");
                Err(format!("{KERNEL_VARIABLE}={name}: no such kernel; the kernels: {names}"))
            }
        }
    }
}

//! Where tensors live and ops run. Everything above speaks to a [`Device`] and does not know which one it is.

mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod readback;

pub use cpu::Cpu;
pub use readback::{Norms, Scalar, ScalarValues, Ticket};

use crate::error::{Error, Result};
pub use crate::kernels::adam::{AdamFactors, AdamStep, ParameterGroup};
use crate::kernels::gemm::{self, KERNEL_VARIABLE, Kernel};
use crate::kernels::spin::SpinGuard;
use crate::ops::AnyOp;
use crate::tensor::Shape;

/// A tensor on a device: a number that means something to that device alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer(u32);

/// What a buffer is for; a device may place buffers of one role together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Parameter,
    Gradient,
    Moment,
    Activation,
}

/// Where a gradient goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub buffer: Buffer,
    /// `true`: it is added to what lies there; `false`: it takes its place.
    pub accumulate: bool,
    /// Nothing more will be added to it in this backward pass, nor will the value that it is the gradient of be read.
    pub last: bool,
}

/// What an optimizer step needs of one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamParameter {
    pub value: Buffer,
    pub gradient: Buffer,
    pub m: Buffer,
    pub v: Buffer,
    pub group: ParameterGroup,
}

/// Where the norm of all gradients is above `max_norm`, they are scaled down to it (PyTorch's `clip_grad_norm_`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    pub max_norm: f64,
    /// Alone in its call of [`Device::norms`].
    pub norm: Scalar,
}

/// What a GPU did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Programs started.
    pub dispatches: u64,
    /// Compute passes begun: each waits for the one before, and so for all of its programs.
    pub compute_passes: u64,
    /// Sets of buffers bound to a program for the first time: each is kept.
    pub bind_groups: u64,
    /// How often it was waited for with nothing left for it to do next.
    pub waits: u64,
}

/// Memory, ops and the optimizer of one kind of hardware. Calls take effect in order, perhaps later; only
/// [`Device::read`] and [`Device::wait`] wait. Shapes that do not fit, or a buffer named both as input and output,
/// are the caller's bug and panic.
pub trait Device: Send {
    /// For messages: `CPU, 2 threads`.
    fn name(&self) -> String;

    /// One zero-filled buffer a shape.
    fn alloc(&mut self, role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>>;

    /// A view of a part of a buffer: `shape` numbers from number `offset` on. It can be read, written and copied, and
    /// have its norm taken; an op writes whole buffers.
    fn view(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer;

    /// Gives activations that one op writes these shapes; their content is undefined afterwards. Memory once grown is
    /// kept. It is asked of every activation before it is used in a program, be its shape what it was: a device may
    /// move it.
    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()>;

    /// Row-major values in.
    fn write(&mut self, to: Buffer, values: &[f32]);

    /// Row-major values out, when all that was asked for before is done.
    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()>;

    fn zero(&mut self, buffer: Buffer);

    fn copy(&mut self, from: Buffer, to: Buffer);

    /// See [`crate::ops::Op::forward`].
    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]);

    /// See [`crate::ops::Op::backward`].
    fn backward(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        doutput: Buffer,
        dinputs: &[Option<Target>],
    );

    /// Allows the next backward pass to make these parameters' optimizer step as soon as their gradient is complete; the
    /// gradient then need not be kept. [`Device::adam`], with the same step and no clip, makes the steps that are left.
    /// A device may leave all of them to it.
    fn optimize_in_backward(&mut self, _step: &AdamStep, _parameters: &[AdamParameter]) {}

    /// The Euclidean norm over all values of the buffers of each group: handles, whose values [`Device::readback`]
    /// brings. All buffers come from one call of [`Device::alloc`], or are views into such. The handles are valid until
    /// the next [`Device::adam`] has been followed by other norms.
    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<Norms>;

    /// One optimizer step over all parameters that did not make it in the backward pass, by gradients scaled down to `clip`. First and second moments come from
    /// two calls of [`Device::alloc`].
    ///
    /// # Panics
    /// When the clip's norm is no longer valid.
    fn adam(&mut self, step: &AdamStep, clip: Option<Clip>, parameters: &[AdamParameter]);

    /// Starts to copy scalars (at least one) to the host, as they are after all calls before this one, and lets these
    /// begin. It does not wait.
    ///
    /// # Panics
    /// When a norm is no longer valid.
    fn readback(&mut self, scalars: &[Scalar]) -> Result<Ticket>;

    /// Waits for the scalars of a readback.
    fn wait(&mut self, ticket: Ticket, values: &mut ScalarValues) -> Result<()>;

    /// How many readbacks may stay open while their caller goes on: a device that works by itself is then never idle
    /// while the host prepares the next step.
    fn readbacks_in_flight(&self) -> usize {
        0
    }

    /// What a GPU did so far; zeros on the CPU.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// Which kind of device to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// A real GPU where there is one, else the CPU; the adapter that is named, where one is.
    #[default]
    Auto,
    Cpu,
    Gpu,
}

/// Which device to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    pub kind: Kind,
    /// Words that the adapter's name must have in it; the variable [`ADAPTER`] by default. Where there are some, `Auto`
    /// is `Gpu`. A GPU that computes on the CPU is taken only if it is named.
    pub adapter: Option<String>,
}

impl From<Kind> for Choice {
    fn from(kind: Kind) -> Self {
        Choice { kind, adapter: None }
    }
}

/// The environment variable that names an adapter.
pub const ADAPTER: &str = "ABR_FILM_ADAPTER";

/// A GPU as the system offers it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct AdapterReport {
    /// `NVIDIA H200, Vulkan`
    pub name: String,
    pub driver: String,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// Storage buffers a shader may bind.
    pub storage_buffers: u32,
    /// Bytes that a workgroup shares.
    pub workgroup_memory: u32,
    /// Threads of a workgroup.
    pub invocations: u32,
    /// Bytes of the largest tensor.
    pub largest_binding: u64,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// Opens a device and runs `work` on it, on `threads` threads (default: one a core).
///
/// # Errors
/// When there is no such device, and what `work` returns.
pub fn with<R: Send>(
    choice: impl Into<Choice>,
    threads: Option<usize>,
    work: impl FnOnce(Box<dyn Device>) -> Result<R> + Send,
) -> Result<R> {
    let device = open_gpu(choice.into().completed())?;
    Kernel::selected()
        .map_err(|e| Error::usage(e, format!("set {KERNEL_VARIABLE} to one that is there, or not at all")))?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .build()
        .map_err(|e| Error::usage(format!("cannot start the threads: {e}"), "ask for fewer with --threads"))?;
    // the whole of the work runs inside the pool: entering it anew for every op would cost more than most ops
    pool.install(|| match device {
        Some(device) => work(device),
        None => {
            gemm::reserve_pack_buffers();
            let _spinning = SpinGuard::new();
            work(Box::new(Cpu::<f32>::new()))
        }
    })
}

impl Choice {
    /// With the variable's adapter where none was named.
    fn completed(self) -> Self {
        let named = || std::env::var(ADAPTER).ok().filter(|name| !name.is_empty());
        Choice { kind: self.kind, adapter: self.adapter.or_else(named) }
    }
}

/// The GPU of a choice; none where the CPU is to compute.
#[cfg(feature = "gpu")]
fn open_gpu(Choice { kind, adapter }: Choice) -> Result<Option<Box<dyn Device>>> {
    let context = match (kind, &adapter) {
        (Kind::Cpu, _) => None,
        (Kind::Auto, None) => gpu::open_real()?,
        (Kind::Auto | Kind::Gpu, _) => Some(gpu::open(adapter.as_deref(), gpu::Checks::Off)?),
    };
    Ok(context.map(|context| Box::new(gpu::Gpu::new(context)) as Box<dyn Device>))
}

#[cfg(not(feature = "gpu"))]
fn open_gpu(Choice { kind, adapter }: Choice) -> Result<Option<Box<dyn Device>>> {
    match (kind, adapter) {
        (Kind::Cpu, _) | (Kind::Auto, None) => Ok(None),
        (Kind::Auto | Kind::Gpu, _) => Err(Error::usage(
            "this abr-film was built without the GPU",
            "build it with the feature `gpu`, which is on by default, or compute on the CPU: --device cpu",
        )),
    }
}

/// What is missing where there is no GPU at all.
pub const NO_ADAPTER: &str = if !cfg!(feature = "gpu") {
    "this abr-film was built without the feature `gpu`"
} else if cfg!(target_os = "linux") {
    "install the GPU's Vulkan driver (the package mesa-vulkan-drivers has a software one too: --adapter llvmpipe)"
} else {
    "update the GPU's driver"
};

/// Every GPU that the system offers, usable or not; none where the crate was built without the feature `gpu`.
pub fn adapters() -> Vec<AdapterReport> {
    #[cfg(feature = "gpu")]
    return gpu::reports();
    #[cfg(not(feature = "gpu"))]
    Vec::new()
}

/// The vector instructions of this CPU that the kernels can use.
pub fn cpu_features() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let detected = [
        ("avx", is_x86_feature_detected!("avx")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(target_arch = "aarch64")]
    let detected = [("neon", true)];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let detected: [(&str, bool); 0] = [];
    detected.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

//! Memory for tensors and the hardware that runs ops. All other modules use a [`Device`] without knowing which one.

mod cpu;
#[cfg(feature = "gpu")]
pub mod gpu;
mod readback;

pub use cpu::Cpu;
pub use readback::{NormHandles, ScalarHandle, ScalarValues, Ticket};

pub use crate::engine::kernels::adam::{AdamFactors, AdamSettings, AdamStep};
use crate::engine::kernels::gemm;
use crate::engine::kernels::select::{KERNEL_VARIABLE, Kernel};
use crate::engine::kernels::spin::SpinGuard;
use crate::engine::op::AnyOp;
use crate::engine::tensor::Shape;
use crate::error::{Error, Result};

/// A handle of a tensor on a device. Only that device can use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer(u32);

/// What a buffer is for. A device may allocate buffers of one role together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Parameter,
    Gradient,
    Moment,
    Activation,
}

/// The buffer that a backward pass writes a gradient to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub buffer: Buffer,
    /// `true`: adds the gradient to the buffer's values; `false`: overwrites them.
    pub accumulate: bool,
    /// The gradient is complete after this call, and the rest of the backward pass does not read its value.
    pub last: bool,
}

/// A parameter as an optimizer step needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamBuffers {
    pub value: Buffer,
    pub gradient: Buffer,
    pub m: Buffer,
    pub v: Buffer,
    pub learning_rate: f64,
    pub weight_decay: f64,
}

impl AdamBuffers {
    /// Step number `number` of this parameter.
    pub fn step(&self, number: u64, settings: &AdamSettings) -> AdamStep {
        settings.step(number, self.learning_rate, self.weight_decay)
    }
}

/// Scales all gradients down if their norm is above `max_norm` (PyTorch's `clip_grad_norm_`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clip {
    pub max_norm: f64,
    /// The only norm of its call of [`Device::norms`].
    pub norm: ScalarHandle,
}

/// Counters of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Dispatches recorded.
    pub dispatches: u64,
    /// Compute passes begun. Each waits for all dispatches of the one before.
    pub compute_passes: u64,
    /// Bind groups made and kept: one per set of buffer ranges of an entry point.
    pub bind_groups: u64,
    /// Waits during which the GPU had no further work in its queue.
    pub waits: u64,
}

/// Memory, ops and the optimizer on one kind of hardware. Calls take effect in order, perhaps later; only
/// [`Device::read`] and [`Device::wait`] wait for a result, though a call may wait for older work or for pipelines to
/// compile. Shapes that do not fit are a bug of the caller and panic, and so is a
/// buffer that is both an input and an output.
pub trait Device: Send {
    /// For messages: `CPU, 2 threads`.
    fn name(&self) -> String;

    /// One zero-filled buffer per shape.
    ///
    /// # Errors
    /// When the device is out of memory.
    fn alloc(&mut self, role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>>;

    /// A view of a part of a buffer: the values of this shape from number `offset` on. It can be read, written, copied,
    /// and be part of a norm. No op may use it. It ends when its buffer gets another shape.
    ///
    /// # Panics
    /// When the buffer ends before the view does.
    fn view(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer;

    /// Gives the activations that one op writes these shapes. Their content is undefined afterwards. Memory only grows.
    /// The tape calls this for every activation in every program, even if its shape stays the same, as a device may
    /// move it.
    ///
    /// # Errors
    /// When the device is out of memory.
    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()>;

    /// Overwrites a buffer with row-major values.
    ///
    /// # Panics
    /// When `values` has another length than the buffer.
    fn write(&mut self, to: Buffer, values: &[f32]);

    /// Reads a buffer's row-major values, after all earlier calls.
    ///
    /// # Errors
    /// When an earlier call failed, or the device is lost.
    ///
    /// # Panics
    /// When `values` has another length than the buffer.
    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()>;

    /// Sets all values to 0.
    fn zero(&mut self, buffer: Buffer);

    /// Copies all values to another buffer of the same shape. The two may be views of one buffer that do not overlap.
    ///
    /// # Panics
    /// When the shapes differ.
    fn copy(&mut self, from: Buffer, to: Buffer);

    /// See [`crate::engine::op::Op::forward`].
    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]);

    /// See [`crate::engine::op::Op::backward`].
    fn backward(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        doutput: Buffer,
        dinputs: &[Option<Target>],
    );

    /// Lets the next backward pass run the optimizer step of each of these parameters as soon as its gradient is
    /// complete. The device then need not store the gradient. [`Device::adam`], with the same arguments and no clip,
    /// runs the steps that are left; a device may leave all of them to it.
    fn optimize_in_backward(&mut self, _step: u64, _settings: &AdamSettings, _parameters: &[AdamBuffers]) {}

    /// The Euclidean norm over all values of the buffers of each group. The results are handles; [`Device::readback`]
    /// reads their values. All buffers must come from one call of [`Device::alloc`], or be views of such buffers. After
    /// [`Device::adam`], the next call of this function invalidates the handles of all earlier calls.
    ///
    /// # Errors
    /// When the device is out of memory.
    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<NormHandles>;

    /// Optimizer step number `step`, from 1 on, of all parameters that did not have it in the backward
    /// pass, with gradients scaled down as `clip` says. First and second moments must come from two calls of
    /// [`Device::alloc`].
    ///
    /// # Panics
    /// When the clip's norm is no longer valid, or the backward pass made another step.
    fn adam(&mut self, step: u64, settings: &AdamSettings, clip: Option<Clip>, parameters: &[AdamBuffers]);

    /// Submits all earlier calls, and starts to copy scalars (at least one) to the host as those calls leave them. Does
    /// not wait for them.
    ///
    /// # Errors
    /// When an earlier call failed, or the device is lost.
    ///
    /// # Panics
    /// When a norm is no longer valid.
    fn readback(&mut self, scalars: &[ScalarHandle]) -> Result<Ticket>;

    /// Waits for the scalars of a readback.
    ///
    /// # Errors
    /// As [`Device::readback`].
    ///
    /// # Panics
    /// When the ticket is of another device.
    fn wait(&mut self, ticket: Ticket, values: &mut ScalarValues) -> Result<()>;

    /// The number of readbacks that a caller should leave pending, so that an asynchronous device is not idle while the
    /// host prepares the next step.
    fn readbacks_in_flight(&self) -> usize {
        0
    }

    /// The counters of a GPU; zeros on the CPU.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

/// Which kind of device to open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// The adapter that [`Choice::adapter`] names; without a name, a hardware GPU if there is one, else the CPU.
    #[default]
    Auto,
    Cpu,
    Gpu,
}

/// Which device to open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    pub kind: Kind,
    /// Words that the adapter's name must contain; by default those of the environment variable [`ADAPTER`]. With a
    /// name, `Auto` means `Gpu`. Only a name selects a software adapter, which computes on the CPU.
    pub adapter: Option<String>,
}

impl From<Kind> for Choice {
    fn from(kind: Kind) -> Self {
        Choice { kind, adapter: None }
    }
}

/// The environment variable that names an adapter.
pub const ADAPTER: &str = "ABR_FILM_ADAPTER";

/// A GPU that the system offers.
#[derive(Debug, Clone, PartialEq)]
pub struct AdapterReport {
    /// `NVIDIA H200, Vulkan`
    pub name: String,
    pub driver: String,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// The storage buffers that a shader may bind.
    pub storage_buffers: u32,
    /// The bytes of workgroup memory.
    pub workgroup_memory: u32,
    /// The most threads of a workgroup.
    pub invocations: u32,
    /// The bytes of the largest possible tensor.
    pub largest_binding: u64,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// Opens a device and runs `work` on it, on `threads` threads (default: one per core).
///
/// # Errors
/// When there is no such device, or `work` fails.
pub fn with<R: Send>(
    choice: impl Into<Choice>,
    threads: Option<usize>,
    work: impl FnOnce(Box<dyn Device>) -> Result<R> + Send,
) -> Result<R> {
    let device = open_gpu(choice.into().completed())?;
    Kernel::selected()
        .map_err(|e| Error::usage(e, format!("set {KERNEL_VARIABLE} to an available kernel, or leave it unset")))?;
    // all work runs inside the pool: entering it for each op would cost more than most ops
    on_threads(threads, || match device {
        Some(device) => work(device),
        None => {
            gemm::reserve_pack_buffers();
            let _spinning = SpinGuard::new();
            work(Box::new(Cpu::<f32>::new()))
        }
    })
}

/// Runs `work` on `threads` threads (default: one per core), without a device.
///
/// # Errors
/// When the threads cannot be started, or `work` fails.
pub fn on_threads<R: Send>(threads: Option<usize>, work: impl FnOnce() -> Result<R> + Send) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build().map_err(|e| {
        Error::usage(
            format!("cannot start the threads: {e}"),
            "ask for fewer (the variable RAYON_NUM_THREADS does, too), or raise the limits (`ulimit -u`, `ulimit -v`)",
        )
    })?;
    pool.install(work)
}

impl Choice {
    /// With the adapter of the environment variable if none is named.
    fn completed(self) -> Self {
        let named = || std::env::var(ADAPTER).ok().filter(|name| !name.is_empty());
        Choice { kind: self.kind, adapter: self.adapter.or_else(named) }
    }
}

/// The chosen GPU; `None` for the CPU.
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
            "build it with the feature `gpu`, which is on by default, or compute on the CPU",
        )),
    }
}

/// How to get a GPU if there is none.
pub const NO_ADAPTER: &str = if !cfg!(feature = "gpu") {
    "this abr-film was built without the feature `gpu`"
} else if cfg!(target_os = "linux") {
    "install the GPU's Vulkan driver (the package mesa-vulkan-drivers has a software one too, the adapter llvmpipe)"
} else {
    "update the GPU's driver"
};

/// All GPUs that the system offers, usable or not; none if the crate was built without the feature `gpu`.
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

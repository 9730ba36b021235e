//! The device to measure: the CPU, or with `ABR_FILM_DEVICE=gpu` the GPU that `ABR_FILM_ADAPTER` names, by default the
//! first hardware GPU. A measurement submits all its work to a GPU and waits once, at the end.

use abr_film::engine::check::{allocate, draw};
#[cfg(feature = "gpu")]
use abr_film::engine::device::gpu::{Checks, Context, Gpu, open};
use abr_film::engine::device::{Buffer, Cpu, Device, Role, ScalarHandle, ScalarValues, Target};
use abr_film::engine::op::{AnyOp, Case, Fill};
use abr_film::engine::ops::{Add, Linear};
use abr_film::engine::tensor::Shape;
use abr_film::error::Result;
use std::time::Instant;

/// The seconds that a try should take, and the most that a single run may take.
const WANTED: f64 = 0.05;
pub const LONGEST: f64 = 1.0;
const TRIES: usize = 3;

/// A kind of device.
pub enum On {
    Cpu,
    #[cfg(feature = "gpu")]
    Gpu(std::sync::Arc<Context>),
}

impl On {
    /// The device that the environment names.
    pub fn asked() -> Self {
        match std::env::var("ABR_FILM_DEVICE").as_deref() {
            Err(_) | Ok("" | "cpu") => On::Cpu,
            Ok("gpu") => On::gpu().unwrap_or_else(|problem| panic!("{problem}")),
            Ok(other) => panic!("ABR_FILM_DEVICE={other}: cpu or gpu"),
        }
    }

    #[cfg(feature = "gpu")]
    pub fn gpu() -> Result<Self> {
        Ok(On::Gpu(open(std::env::var(abr_film::engine::device::ADAPTER).ok().as_deref(), Checks::Off)?))
    }

    #[cfg(not(feature = "gpu"))]
    pub fn gpu() -> Result<Self> {
        panic!("built without the GPU: the feature `gpu` is on by default")
    }

    pub fn is_gpu(&self) -> bool {
        !matches!(self, On::Cpu)
    }

    /// A device with its own memory.
    pub fn device(&self) -> Box<dyn Device> {
        match self {
            On::Cpu => Box::new(Cpu::<f32>::new()),
            #[cfg(feature = "gpu")]
            On::Gpu(context) => Box::new(Gpu::new(context.clone())),
        }
    }
}

/// An op on a device, with random operands, allocated as a tape allocates them.
pub struct Placed {
    device: Box<dyn Device>,
    op: AnyOp,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
    doutput: Buffer,
    targets: Vec<Option<Target>>,
}

impl Placed {
    /// Runs forward once, so that backward finds its outputs.
    pub fn new(case: &Case<AnyOp>, mut device: Box<dyn Device>) -> Result<Self> {
        let shapes: Vec<Shape> = case.inputs.iter().map(|(shape, _)| *shape).collect();
        let of_outputs = case.op.output_shapes(&shapes);
        let inputs = allocate(device.as_mut(), Role::Parameter, &shapes, false)?;
        for (i, ((shape, fill), buffer)) in case.inputs.iter().zip(&inputs).enumerate() {
            device.write(*buffer, draw(*shape, *fill, i as u32).as_slice().expect("contiguous"));
        }
        let outputs = device.alloc(Role::Activation, &of_outputs)?;
        device.reshape(&outputs, &of_outputs)?;
        let doutput = device.alloc(Role::Activation, &of_outputs[..1])?[0];
        device.write(doutput, draw(of_outputs[0], Fill::Normal, 100).as_slice().expect("contiguous"));
        let gradients = allocate(device.as_mut(), Role::Gradient, &shapes, false)?.into_iter().enumerate();
        let target =
            |(i, buffer)| case.op.differentiable(i).then_some(Target { buffer, accumulate: false, last: true });
        let targets = gradients.map(target).collect();
        let mut placed = Placed { device, op: case.op.clone(), inputs, outputs, doutput, targets };
        placed.forward();
        placed.wait()?;
        Ok(placed)
    }

    /// Computes the gradient of this input alone.
    pub fn only(mut self, input: usize) -> Self {
        self.targets.iter_mut().enumerate().filter(|(i, _)| *i != input).for_each(|(_, target)| *target = None);
        self
    }

    /// Submits a forward pass.
    pub fn forward(&mut self) {
        self.device.forward(&self.op, &self.inputs, &self.outputs);
    }

    /// Submits a backward pass that overwrites gradients, as for most gradients of a training step.
    pub fn backward(&mut self) {
        self.device.backward(&self.op, &self.inputs, &self.outputs, self.doutput, &self.targets);
    }

    /// Waits until all submitted work is done.
    pub fn wait(&mut self) -> Result<()> {
        let ticket = self.device.readback(&[ScalarHandle::First(self.outputs[0])])?;
        self.device.wait(ticket, &mut ScalarValues::default())
    }
}

/// A linear layer on `rows` rows.
pub fn layer(rows: usize, [inputs, outputs]: [usize; 2]) -> Case<AnyOp> {
    let shapes = [[rows, inputs], [outputs, inputs], [1, outputs]];
    Case::new("product", Linear.into(), shapes.map(|shape| (shape, Fill::Normal)))
}

/// An op with almost no work.
pub fn nothing() -> Case<AnyOp> {
    Case::new("dispatch", Add.into(), [([1, 64], Fill::Normal); 2])
}

/// The least seconds of one run; `work(n)` runs n times and then waits. None where one run takes longer than
/// [`LONGEST`].
pub fn least(mut work: impl FnMut(usize) -> Result<()>) -> Result<Option<f64>> {
    let mut timed = |times: usize| {
        let start = Instant::now();
        work(times).map(|()| start.elapsed().as_secs_f64() / times as f64)
    };
    timed(1)?;
    let once = timed(1)?;
    if once > LONGEST {
        return Ok(None);
    }
    let times = ((WANTED / once) as usize).clamp(1, 10_000);
    let mut least = f64::INFINITY;
    for _ in 0..TRIES {
        least = least.min(timed(times)?);
    }
    Ok(Some(least))
}

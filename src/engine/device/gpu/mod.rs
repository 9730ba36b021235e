//! The GPU, through wgpu. The dispatches of ops are recorded and submitted later. Only this folder uses wgpu.

mod adapter;
mod handle;
mod memory;
mod optimizer;
mod program;
mod readback;
mod recorder;
mod shader;
mod tiling;

pub use adapter::{Context, open, open_real, reports};
use handle::REMEDY;
pub use handle::{Checks, Handle};
pub use program::shader_module;
pub use shader::{names as shader_names, text as shader_text};
pub use tiling::Card;

use super::readback::{History, NormHandles, ScalarHandle, ScalarValues, Ticket, Tickets};
use super::{AdamBuffers, AdamSettings, Buffer, Clip, Counts, Device, Role, Target};
use crate::engine::dispatch::{Dispatch, MAX_BINDINGS, MAX_UNIFORMS, Operand};
use crate::engine::op::{AnyOp, GpuOp, MAX_INPUTS, MAX_OUTPUTS};
use crate::engine::tensor::Shape;
use crate::error::{Error, Result};
use arrayvec::ArrayVec;
use memory::{ALIGNMENT, BufferRange, Memory};
use optimizer::{OptimizerPlan, SquareSums, Squares};
use readback::MappedCopy;
use recorder::{Bindings, CommandRecorder};
use shader::Source;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// Scratch ids 32 to 39 are for joined tensors that are not contiguous; lower ids belong to ops, higher ones to the
/// optimizer.
const JOINED: usize = 32;

/// Readbacks that a caller leaves pending: the GPU works on the newest while the CPU prepares the next step.
const READBACKS_IN_FLIGHT: usize = 2;

/// A device on a GPU.
pub struct Gpu {
    context: Arc<Context>,
    tiling: Card,
    state: RefCell<State>,
}

struct State {
    memory: Memory,
    recorder: CommandRecorder,
    plan: Option<OptimizerPlan>,
    norms: History<SquareSums>,
    /// Prepared norms, by the number of the call in a step.
    squares: HashMap<usize, Squares>,
    readbacks: HashMap<u64, Readback>,
    tickets: Tickets,
    /// Problem and remedy of the first error of a call that could not return it; every read returns it.
    failed: Option<[String; 2]>,
}

/// A pending readback.
struct Readback {
    copy: MappedCopy,
    scalars: Vec<ScalarHandle>,
    /// How many numbers each scalar is computed from: one, or the sums of squares of a norm.
    counts: Vec<usize>,
}

/// The tensors of an op.
struct Operands<'a> {
    inputs: &'a [Buffer],
    outputs: &'a [Buffer],
    doutput: Option<Buffer>,
    dinputs: &'a [Option<Target>],
}

impl Operands<'_> {
    /// The buffer of an operand; `None` if the op has no such tensor.
    fn buffer(&self, operand: &Operand) -> Option<Buffer> {
        match operand {
            Operand::Input(i) => self.inputs.get(*i).copied(),
            Operand::Output(i) => self.outputs.get(*i).copied(),
            Operand::DOutput => self.doutput,
            Operand::DInput(i) => Some(self.dinputs.get(*i).copied().flatten()?.buffer),
            Operand::Scratch(..) | Operand::Table(_) => None,
        }
    }
}

impl Gpu {
    /// A device with its own memory on an opened GPU.
    pub fn new(context: Arc<Context>) -> Self {
        let recorder = CommandRecorder::new(&context);
        let (memory, plan, norms, squares, readbacks, tickets, failed) = Default::default();
        let state = State { memory, recorder, plan, norms, squares, readbacks, tickets, failed };
        Gpu { tiling: Card::of(context.kind), context, state: RefCell::new(state) }
    }

    fn run(&mut self, shader: Source, dispatches: &[Dispatch], operands: &Operands) {
        let state = self.state.get_mut();
        for dispatch in dispatches {
            if let Err(error) = state.dispatch(&self.context, shader, dispatch, None, |memory, operand| match operand {
                Operand::Input(_) | Operand::Output(_) | Operand::DOutput | Operand::DInput(_) => {
                    let buffer = operands.buffer(operand);
                    let buffer = buffer.unwrap_or_else(|| panic!("{}: there is no {operand:?}", shader.name));
                    Ok((memory.range(buffer), None))
                }
                Operand::Scratch(number, len) => memory.scratch(&self.context, *number, memory::bytes_of(*len)),
                Operand::Table(table) => Ok((memory.table(&self.context, table)?, None)),
            }) {
                state.fail(error);
            }
        }
    }

    /// The op's part for a GPU, and its shader. Without one, all later reads fail.
    fn on_gpu<'a>(&mut self, op: &'a AnyOp) -> Option<(&'a dyn GpuOp, Source)> {
        let found = op.gpu().zip(Source::of(op));
        if found.is_none() {
            let problem = format!("the op {} has no shader", op.name());
            self.state.get_mut().fail(Error::device(self.context.name(), problem, "run it on the CPU, or write one"));
        }
        found
    }

    fn shapes<const N: usize>(&self, buffers: &[Buffer]) -> ArrayVec<Shape, N> {
        let state = self.state.borrow();
        buffers.iter().map(|b| state.memory.shape(*b)).collect()
    }
}

impl State {
    /// Fails with the first error, if there is one.
    fn check(&self, context: &Context) -> Result<()> {
        self.failed.as_ref().map_or(Ok(()), |[problem, remedy]| Err(Error::device(context.name(), problem, remedy)))
    }

    /// Keeps the first error.
    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert_with(|| match error {
            Error::Device { problem, remedy, .. } => [problem, remedy],
            other => [other.to_string(), REMEDY.to_string()],
        });
    }

    /// Records a dispatch, if it has workgroups. `locate` finds the range of each operand, and the id of the buffer
    /// that it replaced, if any. The dispatch touches all these ranges, or only `touched`.
    fn dispatch(
        &mut self,
        context: &Context,
        shader: Source,
        dispatch: &Dispatch,
        touched: Option<&[(BufferRange, bool)]>,
        locate: impl Fn(&mut Memory, &Operand) -> Result<(BufferRange, Option<u64>)>,
    ) -> Result<()> {
        if dispatch.workgroups == 0 {
            return Ok(());
        }
        let entry_point = context.programs().get(shader, dispatch);
        let mut offsets = ArrayVec::<u32, MAX_UNIFORMS>::new();
        let mut bound = ArrayVec::<BufferRange, MAX_BINDINGS>::new();
        let mut all = ArrayVec::<(BufferRange, bool), { 2 * MAX_BINDINGS + 4 }>::new();
        // (tensor, its copy in scratch memory) of joined tensors that the dispatch writes
        let mut back = Vec::new();
        for (index, (binding, variable)) in dispatch.bindings.iter().zip(&entry_point.variables).enumerate() {
            let mut ranges = ArrayVec::<BufferRange, 4>::new();
            for (_, operand) in &binding.operands {
                let (range, replaced) = locate(&mut self.memory, operand)?;
                if let Some(id) = replaced {
                    self.recorder.drop_bind_groups_of(id);
                }
                ranges.push(range);
            }
            let whole = match (&ranges[..], &binding.operands[0]) {
                ([range], (None, _)) => range.clone(),
                _ => {
                    if ranges.iter().any(|range| range.block != ranges[0].block) {
                        back.extend(self.gather(context, JOINED + index, &mut ranges, variable.written)?);
                    }
                    let start = ranges.iter().map(|p| p.bytes.start).min().expect("joined tensors");
                    offsets.extend(ranges.iter().map(|range| ((range.bytes.start - start) / 4) as u32));
                    let end = ranges.iter().map(|p| p.bytes.end).max().expect("joined tensors");
                    BufferRange { block: ranges[0].block, bytes: start..end }
                }
            };
            all.extend(ranges.into_iter().map(|range| (range, variable.written)));
            bound.push(whole);
        }
        let (bound, touched, offsets) = (&bound[..], touched.unwrap_or(&all), &offsets[..]);
        let bindings = Bindings { dispatch, entry_point: &entry_point, bound, touched, offsets };
        self.recorder.dispatch(context, &mut self.memory, &bindings);
        for (tensor, copy) in back {
            self.recorder.copy(context, &mut self.memory, copy, tensor);
        }
        Ok(())
    }

    /// The range of the numbers that a scalar is computed from, and their count.
    fn range_of(&self, scalar: ScalarHandle) -> (BufferRange, usize) {
        match scalar {
            ScalarHandle::First(buffer) => {
                let BufferRange { block, bytes } = self.memory.range(buffer);
                (BufferRange { block, bytes: bytes.start..bytes.start + 4 }, 1)
            }
            ScalarHandle::Norm(norms, group) => self.norms.get(norms).of_group(group),
        }
    }

    /// Scratch memory of this id.
    fn scratch(&mut self, context: &Context, id: usize, bytes: u64) -> Result<BufferRange> {
        let (range, replaced) = self.memory.scratch(context, id, bytes)?;
        if let Some(replaced) = replaced {
            self.recorder.drop_bind_groups_of(replaced);
        }
        Ok(range)
    }

    /// Copies tensors that are not contiguous into scratch memory, where a shader can bind them as one. Returns the
    /// copies (tensor, its copy) to undo after the dispatch if it writes them.
    fn gather(
        &mut self,
        context: &Context,
        scratch: usize,
        ranges: &mut [BufferRange],
        written: bool,
    ) -> Result<Vec<(BufferRange, BufferRange)>> {
        let total = ranges.iter().map(|range| range.len().next_multiple_of(ALIGNMENT)).sum();
        if self.memory.outgrows(scratch, total) {
            // copies of an earlier op's results from there may still be pending
            self.recorder.run_copies(context, &self.memory);
        }
        let workspace = self.scratch(context, scratch, total)?;
        let (mut end, mut back) = (0, Vec::new());
        for range in ranges {
            let here = BufferRange { block: workspace.block, bytes: end..end + range.len() };
            end += range.len().next_multiple_of(ALIGNMENT);
            self.recorder.copy(context, &mut self.memory, range.clone(), here.clone());
            if written {
                back.push((range.clone(), here.clone()));
            }
            *range = here;
        }
        Ok(back)
    }
}

impl Device for Gpu {
    fn name(&self) -> String {
        format!("GPU {}", self.context.name())
    }

    fn alloc(&mut self, role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>> {
        self.state.get_mut().memory.alloc(&self.context, role, shapes)
    }

    fn view(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer {
        self.state.get_mut().memory.view(of, offset, shape)
    }

    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()> {
        let State { memory, recorder, .. } = self.state.get_mut();
        // a deferred copy finds its buffer when it runs, so it must run before the buffer moves
        buffers.iter().for_each(|buffer| recorder.run_copies_of(&self.context, memory, *buffer));
        memory.reshape(&self.context, buffers, shapes, |id| recorder.drop_bind_groups_of(id))
    }

    fn write(&mut self, to: Buffer, values: &[f32]) {
        let State { memory, recorder, .. } = self.state.get_mut();
        let range = memory.range(to);
        assert_eq!(range.len(), memory::bytes_of(values.len()), "write: values for another shape");
        recorder.write(&self.context, memory, &range, bytemuck::cast_slice(values));
    }

    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()> {
        let bytes = bytemuck::cast_slice_mut::<f32, u8>(values);
        let range = self.state.borrow().memory.range(from);
        assert_eq!(range.len(), bytes.len() as u64, "read: values of another shape");
        let state = &mut *self.state.borrow_mut();
        state.check(&self.context)?;
        if bytes.is_empty() {
            return self.context.check();
        }
        let copy = state.recorder.begin_read(&self.context, &state.memory, &[range]);
        state.recorder.end_read(&self.context, copy, |read| bytes.copy_from_slice(read))
    }

    fn zero(&mut self, buffer: Buffer) {
        let State { memory, recorder, .. } = self.state.get_mut();
        let range = memory.range(buffer);
        recorder.zero(&self.context, memory, range);
    }

    fn copy(&mut self, from: Buffer, to: Buffer) {
        let State { memory, recorder, .. } = self.state.get_mut();
        let (from, to) = (memory.range(from), memory.range(to));
        assert_eq!(from.len(), to.len(), "copy: another shape");
        recorder.copy(&self.context, memory, from, to);
    }

    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]) {
        let (of_inputs, of_outputs) = (self.shapes::<MAX_INPUTS>(inputs), self.shapes::<MAX_OUTPUTS>(outputs));
        let Some((on_gpu, shader)) = self.on_gpu(op) else { return };
        let dispatches = on_gpu.forward_dispatches(&of_inputs, &of_outputs, &self.tiling);
        self.run(shader, &dispatches, &Operands { inputs, outputs, doutput: None, dinputs: &[] });
    }

    fn backward(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        doutput: Buffer,
        dinputs: &[Option<Target>],
    ) {
        let targets: ArrayVec<Option<bool>, MAX_INPUTS> = dinputs.iter().map(|d| d.map(|d| d.accumulate)).collect();
        let (of_inputs, of_outputs) = (self.shapes::<MAX_INPUTS>(inputs), self.shapes::<MAX_OUTPUTS>(outputs));
        let Some((on_gpu, shader)) = self.on_gpu(op) else { return };
        let dispatches = on_gpu.backward_dispatches(&of_inputs, &of_outputs, &targets, &self.tiling);
        self.run(shader, &dispatches, &Operands { inputs, outputs, doutput: Some(doutput), dinputs });
    }

    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<NormHandles> {
        self.state.get_mut().norms(&self.context, groups)
    }

    fn readback(&mut self, scalars: &[ScalarHandle]) -> Result<Ticket> {
        let state = self.state.get_mut();
        state.check(&self.context)?;
        let (ranges, counts): (Vec<BufferRange>, Vec<usize>) =
            scalars.iter().map(|scalar| state.range_of(*scalar)).unzip();
        let ranges: Vec<BufferRange> = ranges.into_iter().filter(|range| range.len() > 0).collect();
        let copy = state.recorder.begin_read(&self.context, &state.memory, &ranges);
        let ((ticket, number), scalars) = (state.tickets.issue(), scalars.to_vec());
        state.readbacks.insert(number, Readback { copy, scalars, counts });
        Ok(ticket)
    }

    fn wait(&mut self, ticket: Ticket, values: &mut ScalarValues) -> Result<()> {
        let state = self.state.get_mut();
        let number = state.tickets.number(&ticket);
        let Readback { copy, scalars, counts } = state.readbacks.remove(&number).expect("a ticket is used once");
        state.check(&self.context)?;
        values.values.clear();
        state.recorder.end_read(&self.context, copy, |bytes| {
            let mut read = bytemuck::cast_slice::<u8, f32>(bytes).iter().map(|v| f64::from(*v));
            values.values.extend(scalars.iter().zip(counts).map(|(scalar, count)| match scalar {
                ScalarHandle::First(_) => read.next().expect("one number per scalar"),
                ScalarHandle::Norm(..) => read.by_ref().take(count).sum::<f64>().sqrt(),
            }));
        })?;
        values.scalars = scalars;
        Ok(())
    }

    fn readbacks_in_flight(&self) -> usize {
        READBACKS_IN_FLIGHT
    }

    fn adam(&mut self, step: u64, settings: &AdamSettings, clip: Option<Clip>, parameters: &[AdamBuffers]) {
        let state = self.state.get_mut();
        if let Err(error) = state.adam(&self.context, (step, settings), clip, parameters) {
            state.fail(error);
        }
    }

    fn counts(&self) -> Counts {
        self.state.borrow().recorder.counts
    }
}

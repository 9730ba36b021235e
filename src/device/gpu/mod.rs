//! The GPU, through wgpu: ops run as the passes they ask for, recorded and carried out later. Nothing outside this
//! folder knows of wgpu.

mod adapter;
mod memory;
mod optimizer;
mod program;
mod readback;
mod recorder;

pub use adapter::{Context, open, open_real, reports};
pub use program::{Checks, compile as compile_shader, names as shader_names, text as shader_text};

use super::{AdamStep, Buffer, Counts, Device, Learned, Role, Target};
use crate::error::Result;
use crate::ops::{AnyOp, MAX_INPUTS, MAX_OUTPUTS};
use crate::pass::{MAX_BINDS, MAX_WORDS, Operand, Pass};
use crate::tensor::Shape;
use arrayvec::ArrayVec;
use memory::{ALIGNMENT, Memory, Place};
use optimizer::{Norms, Plan, Squares};
use readback::Reading;
use recorder::{Dispatch, Recorder};
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Joined tensors that lie apart are put together in scratch memory from this number on; ops' own numbers are below.
const JOINED: usize = 32;

/// Questions that stay open where nobody waits for the answer: the GPU works on the newest while the CPU prepares what
/// comes next.
const OPEN: usize = 2;

/// A device on a GPU.
pub struct Gpu {
    context: Arc<Context>,
    state: RefCell<State>,
}

struct State {
    memory: Memory,
    recorder: Recorder,
    plan: Option<Plan>,
    /// Worked out since the last question.
    norms: Vec<Norms>,
    /// Whether a step was made by these.
    stepped: bool,
    /// For each call since the last question.
    squares: HashMap<usize, Squares>,
    /// The oldest first.
    open: VecDeque<Question>,
    /// In a rehearsal, the shaders and passes asked for.
    rehearsal: Option<Vec<(&'static str, Pass)>>,
    /// The first thing that could not be done; every read says so.
    failed: Option<String>,
}

/// What was asked for and not told yet.
struct Question {
    reading: Reading,
    firsts: usize,
    /// Sums of squares behind each norm.
    counts: Vec<usize>,
}

/// The tensors of an op.
struct Operands<'a> {
    inputs: &'a [Buffer],
    outputs: &'a [Buffer],
    doutput: Option<Buffer>,
    dinputs: &'a [Option<Target>],
}

impl Gpu {
    /// Memory of its own on an opened GPU.
    pub fn new(context: Arc<Context>) -> Self {
        let recorder = Recorder::new(&context);
        let (memory, plan, norms, stepped, squares, open, rehearsal, failed) = Default::default();
        let state = State { memory, recorder, plan, norms, stepped, squares, open, rehearsal, failed };
        Gpu { context, state: RefCell::new(state) }
    }

    fn run(&mut self, shader: &'static str, passes: &[Pass], operands: &Operands) {
        let state = self.state.get_mut();
        for pass in passes.iter().filter(|pass| pass.groups > 0) {
            if let Err(error) = state.pass(&self.context, shader, pass, |memory, operand| match operand {
                Operand::Input(i) => Ok((memory.place(operands.inputs[*i]), None)),
                Operand::Output(i) => Ok((memory.place(operands.outputs[*i]), None)),
                Operand::DOutput => Ok((memory.place(operands.doutput.expect("a backward pass")), None)),
                Operand::DInput(i) => Ok((memory.place(operands.dinputs[*i].expect("a wanted gradient").buffer), None)),
                Operand::Scratch(number, len) => memory.scratch(&self.context, *number, memory::bytes_of(*len)),
                Operand::Table(table) => Ok((memory.table(&self.context, table)?, None)),
            }) {
                state.failed.get_or_insert(error.to_string());
            }
        }
    }

    fn shapes<const N: usize>(&self, buffers: &[Buffer]) -> ArrayVec<Shape, N> {
        let state = self.state.borrow();
        buffers.iter().map(|b| state.memory.shape(*b)).collect()
    }
}

impl State {
    /// The first thing that could not be done, if any.
    fn check(&self, context: &Context) -> Result<()> {
        self.failed.as_ref().map_or(Ok(()), |problem| Err(context.error(problem)))
    }

    /// Records a pass, or in a rehearsal notes it and finds room for what it is to use; `place` knows where each
    /// operand lies.
    fn pass(
        &mut self,
        context: &Context,
        shader: &'static str,
        pass: &Pass,
        place: impl Fn(&mut Memory, &Operand) -> Result<(Place, Option<u64>)>,
    ) -> Result<()> {
        if let Some(noted) = &mut self.rehearsal {
            noted.push((shader, pass.clone()));
            for operand in pass.binds.iter().flat_map(|bind| &bind.operands) {
                if let (_, Some(id)) = place(&mut self.memory, operand)? {
                    self.recorder.forget(id);
                }
            }
            return Ok(());
        }
        let program = context.programs.lock().expect("no panic while held").get(context, shader, pass)?;
        let mut words = ArrayVec::<u32, MAX_WORDS>::new();
        let mut bound = ArrayVec::<Place, MAX_BINDS>::new();
        let mut touched = ArrayVec::<(Place, bool), { 2 * MAX_BINDS + 4 }>::new();
        // (lies apart, was put together) of joined tensors that are written
        let mut back = Vec::new();
        for (index, (bind, (_, written))) in pass.binds.iter().zip(&program.bindings).enumerate() {
            let mut places = ArrayVec::<Place, 4>::new();
            for operand in &bind.operands {
                let (place, outgrown) = place(&mut self.memory, operand)?;
                if let Some(id) = outgrown {
                    self.recorder.forget(id);
                }
                places.push(place);
            }
            let whole = match &places[..] {
                [place] => place.clone(),
                _ => {
                    if places.iter().any(|place| place.block != places[0].block) {
                        back.extend(self.put_together(context, JOINED + index, &mut places, *written)?);
                    }
                    let start = places.iter().map(|p| p.bytes.start).min().expect("joined tensors");
                    words.extend(places.iter().map(|place| ((place.bytes.start - start) / 4) as u32));
                    let end = places.iter().map(|p| p.bytes.end).max().expect("joined tensors");
                    Place { block: places[0].block, bytes: start..end }
                }
            };
            touched.extend(places.into_iter().map(|place| (place, *written)));
            bound.push(whole);
        }
        words.try_extend_from_slice(&pass.words).expect("as many numbers as a uniform struct may have");
        let (bound, touched, groups) = (&bound[..], &touched[..], pass.groups as u32);
        let dispatch = Dispatch { program: &program, bound, touched, words: &words, groups };
        self.recorder.dispatch(context, &mut self.memory, &dispatch);
        for (apart, together) in back {
            self.recorder.copy(context, &mut self.memory, together, apart);
        }
        Ok(())
    }

    /// Copies tensors that lie apart into scratch memory, where an op sees them as one; what to copy back, if they are
    /// written.
    fn put_together(
        &mut self,
        context: &Context,
        scratch: usize,
        places: &mut [Place],
        written: bool,
    ) -> Result<Vec<(Place, Place)>> {
        let total = places.iter().map(|place| place.len().next_multiple_of(ALIGNMENT)).sum();
        if self.memory.outgrows(scratch, total) {
            // what an op before wrote there may still have to be copied back
            self.recorder.run_copies(context, &self.memory);
        }
        let (room, outgrown) = self.memory.scratch(context, scratch, total)?;
        if let Some(id) = outgrown {
            self.recorder.forget(id);
        }
        let (mut end, mut back) = (0, Vec::new());
        for place in places {
            let here = Place { block: room.block, bytes: end..end + place.len() };
            end += place.len().next_multiple_of(ALIGNMENT);
            self.recorder.copy(context, &mut self.memory, place.clone(), here.clone());
            if written {
                back.push((place.clone(), here.clone()));
            }
            *place = here;
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

    fn window(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer {
        self.state.get_mut().memory.window(of, offset, shape)
    }

    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()> {
        let State { memory, recorder, .. } = self.state.get_mut();
        // a copy that was put off looks for the buffer that it was asked of
        buffers.iter().for_each(|buffer| recorder.run_copies_of(&self.context, memory, *buffer));
        memory.reshape(&self.context, buffers, shapes, |id| recorder.forget(id))
    }

    fn write(&mut self, to: Buffer, values: &[f32]) {
        let State { memory, recorder, .. } = self.state.get_mut();
        let place = memory.place(to);
        assert_eq!(place.len(), memory::bytes_of(values.len()), "write: values for another shape");
        recorder.write(&self.context, memory, &place, bytemuck::cast_slice(values));
    }

    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()> {
        let bytes = bytemuck::cast_slice_mut::<f32, u8>(values);
        let place = self.state.borrow().memory.place(from);
        assert_eq!(place.len(), bytes.len() as u64, "read: values of another shape");
        let state = &mut *self.state.borrow_mut();
        state.check(&self.context)?;
        if bytes.is_empty() {
            return self.context.check();
        }
        let reading = state.recorder.begin_read(&self.context, &state.memory, &[place]);
        state.recorder.end_read(&self.context, reading, |read| bytes.copy_from_slice(read))
    }

    fn zero(&mut self, buffer: Buffer) {
        let State { memory, recorder, rehearsal, .. } = self.state.get_mut();
        if rehearsal.is_some() {
            return;
        }
        let place = memory.place(buffer);
        recorder.zero(&self.context, memory, place);
    }

    fn copy(&mut self, from: Buffer, to: Buffer) {
        let State { memory, recorder, rehearsal, .. } = self.state.get_mut();
        if rehearsal.is_some() {
            return;
        }
        let (from, to) = (memory.place(from), memory.place(to));
        assert_eq!(from.len(), to.len(), "copy: another shape");
        recorder.copy(&self.context, memory, from, to);
    }

    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]) {
        let passes = op.forward_passes(&self.shapes::<MAX_INPUTS>(inputs), &self.shapes::<MAX_OUTPUTS>(outputs));
        self.run(op.name(), &passes, &Operands { inputs, outputs, doutput: None, dinputs: &[] });
    }

    fn backward(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        doutput: Buffer,
        dinputs: &[Option<Target>],
    ) {
        let targets: ArrayVec<Option<bool>, MAX_INPUTS> = dinputs.iter().map(|d| d.map(|d| d.fresh)).collect();
        let (of_inputs, of_outputs) = (self.shapes::<MAX_INPUTS>(inputs), self.shapes::<MAX_OUTPUTS>(outputs));
        let passes = op.backward_passes(&of_inputs, &of_outputs, &targets);
        self.run(op.name(), &passes, &Operands { inputs, outputs, doutput: Some(doutput), dinputs });
    }

    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<()> {
        self.state.get_mut().norms(&self.context, groups)
    }

    fn ask(&mut self, firsts: &[Buffer]) -> Result<()> {
        let state = self.state.get_mut();
        state.check(&self.context)?;
        let first = |buffer: &Buffer| {
            let Place { block, bytes } = state.memory.place(*buffer);
            Place { block, bytes: bytes.start..bytes.start + 4 }
        };
        let norms = std::mem::take(&mut state.norms);
        let places: Vec<Place> = firsts.iter().map(first).chain(norms.iter().filter_map(|n| n.sums.clone())).collect();
        let reading = state.recorder.begin_read(&self.context, &state.memory, &places);
        let counts = norms.into_iter().flat_map(|n| n.counts).collect();
        state.open.push_back(Question { reading, firsts: firsts.len(), counts });
        Ok(())
    }

    fn answer(&mut self, wait: bool, values: &mut [f64]) -> Result<bool> {
        let state = self.state.get_mut();
        if !wait && state.open.len() <= OPEN {
            return Ok(false);
        }
        let Some(Question { reading, firsts, counts }) = state.open.pop_front() else { return Ok(false) };
        state.check(&self.context)?;
        assert_eq!(values.len(), firsts + counts.len(), "answer: so many values were asked for");
        state.recorder.end_read(&self.context, reading, |bytes| {
            let mut read = bytemuck::cast_slice::<u8, f32>(bytes).iter().map(|v| f64::from(*v));
            let (of_firsts, of_norms) = values.split_at_mut(firsts);
            of_firsts.iter_mut().zip(read.by_ref()).for_each(|(value, first)| *value = first);
            for (norm, count) in of_norms.iter_mut().zip(&counts) {
                *norm = read.by_ref().take(*count).sum::<f64>().sqrt();
            }
        })?;
        Ok(true)
    }

    fn adam(&mut self, step: &AdamStep, parameters: &[Learned]) {
        let state = self.state.get_mut();
        if let Err(error) = state.adam(&self.context, step, parameters) {
            state.failed.get_or_insert(error.to_string());
        }
    }

    fn rehearse(&mut self) -> bool {
        self.state.get_mut().rehearsal = Some(Vec::new());
        true
    }

    fn rehearsed(&mut self) -> Result<()> {
        let state = self.state.get_mut();
        state.norms.clear();
        let noted = state.rehearsal.take().expect("a rehearsal");
        state.check(&self.context)?;
        let passes: Vec<_> = noted.iter().map(|(shader, pass)| (*shader, pass)).collect();
        self.context.programs.lock().expect("no panic while held").prepare(&self.context, &passes)
    }

    fn counts(&self) -> Counts {
        self.state.borrow().recorder.counts
    }
}

//! Reverse-mode automatic differentiation. Each step records its own program and reuses the memory of the step before.
//!
//! A step rewinds the tape, puts its inputs on it, applies ops, and calls [`Tape::backward`] on the loss. The program
//! may differ from step to step. Slot *i* keeps its buffers, so a step with the ops and shapes of the one before
//! allocates nothing.

mod backward;
mod dump;
mod finite;

pub use finite::NotFinite;

use crate::engine::device::{Buffer, Counts, Device, Role, ScalarHandle, ScalarValues, Ticket};
use crate::engine::op::{AnyOp, MAX_INPUTS, MAX_OUTPUTS, Op};
use crate::engine::tensor::Shape;
use crate::error::Result;
use arrayvec::ArrayVec;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A tensor on a tape. A parameter is always valid, any other variable only until the next rewind. The tape panics on a
/// variable that is no longer valid, or that belongs to another tape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Var {
    slot: u32,
    tape: u32,
    /// The tape's `program` when the variable was made; `None` for a parameter.
    program: Option<NonZeroU64>,
}

/// A program of ops over a device's buffers, and the backward pass through it.
pub struct Tape {
    /// Marks this tape's variables.
    id: u32,
    /// The number of rewinds, plus 1.
    program: NonZeroU64,
    device: Box<dyn Device>,
    slots: Vec<Slot>,
    nodes: Vec<Node>,
    /// The number of nodes in use. The others are free for reuse.
    recorded: usize,
    /// The number of parameters, which take the first slots.
    parameters: usize,
    /// The number of slots in use. The others are free for reuse.
    used: usize,
}

struct Slot {
    shape: Shape,
    value: Buffer,
    /// Allocated when the slot first gets a gradient.
    gradient: Option<Buffer>,
    /// Whether a gradient can flow from here to a parameter.
    requires_grad: bool,
    /// Whether the current backward pass has written a gradient here.
    has_grad: bool,
    /// The first node that reads it. The backward pass visits that node last: no other needs the value, or adds to the
    /// gradient, after it.
    first_use: usize,
    /// The parameter that this is a view of.
    view_of: Option<Var>,
}

impl Slot {
    fn new(shape: Shape, value: Buffer, requires_grad: bool) -> Self {
        Slot { shape, value, gradient: None, requires_grad, has_grad: false, first_use: 0, view_of: None }
    }
}

struct Node {
    op: AnyOp,
    inputs: ArrayVec<Var, MAX_INPUTS>,
    outputs: ArrayVec<Var, MAX_OUTPUTS>,
}

impl Tape {
    /// An empty tape on a device.
    pub fn new(device: Box<dyn Device>) -> Self {
        static TAPES: AtomicU32 = AtomicU32::new(0);
        let (id, program) = (TAPES.fetch_add(1, Relaxed), NonZeroU64::MIN);
        Tape { id, program, device, slots: Vec::new(), nodes: Vec::new(), recorded: 0, parameters: 0, used: 0 }
    }

    /// The device's counters; see [`Device::counts`].
    pub fn counts(&self) -> Counts {
        self.device.counts()
    }

    /// The device's name.
    pub fn device_name(&self) -> String {
        self.device.name()
    }

    /// The device, for an optimizer.
    pub fn device_mut(&mut self) -> &mut dyn Device {
        self.device.as_mut()
    }

    /// Adds parameters, which survive every rewind, with all values 0. `true`: a parameter with a gradient; `false`: a
    /// buffer such as a running mean.
    ///
    /// # Errors
    /// When the device is out of memory.
    ///
    /// # Panics
    /// When anything but parameters is on the tape.
    #[track_caller]
    pub fn parameters(&mut self, shapes: &[(Shape, bool)]) -> Result<Vec<Var>> {
        assert!(self.used == self.parameters && self.recorded == 0, "tape: parameters come first");
        self.slots.truncate(self.parameters);
        let all: Vec<Shape> = shapes.iter().map(|(shape, _)| *shape).collect();
        let with_grad: Vec<Shape> = shapes.iter().filter(|(_, grad)| *grad).map(|(shape, _)| *shape).collect();
        let values = self.device.alloc(Role::Parameter, &all)?;
        let mut gradients = self.device.alloc(Role::Gradient, &with_grad)?.into_iter();
        for (&(shape, requires_grad), value) in shapes.iter().zip(values) {
            let gradient = if requires_grad { gradients.next() } else { None };
            self.slots.push(Slot { gradient, ..Slot::new(shape, value, requires_grad) });
        }
        let first = self.parameters;
        (self.parameters, self.used) = (self.slots.len(), self.slots.len());
        Ok((first..self.used).map(|slot| self.parameter(slot)).collect())
    }

    /// A view of a part of a parameter, to read and write: the values of this shape from number `offset` on. An op that
    /// needs a gradient must take the whole parameter.
    ///
    /// # Panics
    /// When anything but parameters is on the tape, or the view extends beyond the parameter.
    #[track_caller]
    pub fn view(&mut self, of: Var, offset: usize, shape: Shape) -> Var {
        assert!(self.used == self.parameters && self.recorded == 0, "tape: parameters come first");
        self.slots.truncate(self.parameters);
        let Slot { value, gradient, requires_grad, .. } = *self.slot(of);
        let value = self.device.view(value, offset, shape);
        let gradient = gradient.map(|gradient| self.device.view(gradient, offset, shape));
        self.slots.push(Slot { gradient, view_of: Some(of), ..Slot::new(shape, value, requires_grad) });
        (self.parameters, self.used) = (self.slots.len(), self.slots.len());
        self.parameter(self.used - 1)
    }

    fn parameter(&self, slot: usize) -> Var {
        Var { slot: slot as u32, tape: self.id, program: None }
    }

    /// Clears the program. Parameters and all buffers stay.
    pub fn rewind(&mut self) {
        (self.recorded, self.used) = (0, self.parameters);
        self.program = self.program.checked_add(1).expect("fewer than 2^64 rewinds");
    }

    /// Puts constant row-major values on the tape.
    ///
    /// # Errors
    /// When the device is out of memory.
    ///
    /// # Panics
    /// When the number of values does not fit the shape.
    #[track_caller]
    pub fn input(&mut self, shape: Shape, values: &[f32]) -> Result<Var> {
        fits("input", shape, values);
        let var = self.next_slot(shape, false)?;
        self.device.reshape(&[self.slot(var).value], &[shape])?;
        self.device.write(self.slot(var).value, values);
        Ok(var)
    }

    /// Runs an op and returns its first output.
    ///
    /// # Errors
    /// As [`Tape::apply_all`].
    ///
    /// # Panics
    /// As [`Tape::apply_all`].
    #[track_caller]
    pub fn apply(&mut self, op: impl Op, inputs: &[Var]) -> Result<Var> {
        Ok(self.apply_all(op, inputs)?[0])
    }

    /// Runs an op and returns all its outputs. Only the first has a gradient.
    ///
    /// # Errors
    /// When the device is out of memory.
    ///
    /// # Panics
    /// When shapes do not fit.
    #[track_caller]
    pub fn apply_all(&mut self, op: impl Op, inputs: &[Var]) -> Result<ArrayVec<Var, MAX_OUTPUTS>> {
        let shapes: ArrayVec<Shape, MAX_INPUTS> = inputs.iter().map(|v| self.slot(*v).shape).collect();
        let requires_grad = inputs.iter().enumerate().any(|(i, v)| op.differentiable(i) && self.slot(*v).requires_grad);
        let (mut outputs, shapes) = (ArrayVec::new(), op.output_shapes(&shapes));
        for (i, shape) in shapes.iter().enumerate() {
            outputs.push(self.next_slot(*shape, requires_grad && i == 0)?);
        }
        self.device.reshape(&self.values(&outputs), &shapes)?;
        let (values, results) = (self.values(inputs), self.values(&outputs));
        let op = self.record(op, inputs, &outputs);
        self.device.forward(&self.nodes[op].op, &values, &results);
        Ok(outputs)
    }

    /// Puts an op into the next node and returns the node's index.
    fn record(&mut self, op: impl Op, inputs: &[Var], outputs: &[Var]) -> usize {
        let (inputs, outputs) = (inputs.iter().copied().collect(), outputs.iter().copied().collect());
        match self.nodes.get_mut(self.recorded) {
            Some(node) => {
                node.op.replace(op);
                (node.inputs, node.outputs) = (inputs, outputs);
            }
            None => self.nodes.push(Node { op: op.into(), inputs, outputs }),
        }
        self.recorded += 1;
        self.recorded - 1
    }

    /// Copies values from one variable to another of the same shape, without a gradient.
    #[track_caller]
    pub fn copy(&mut self, from: Var, to: Var) {
        let (from, to) = (self.slot(from).value, self.slot(to).value);
        self.device.copy(from, to);
    }

    /// `[rows, columns]` of a variable.
    #[track_caller]
    pub fn shape(&self, var: Var) -> Shape {
        self.slot(var).shape
    }

    /// The row-major values of a variable.
    ///
    /// # Errors
    /// When an earlier call failed on the device, or the device is lost.
    #[track_caller]
    pub fn read(&self, var: Var) -> Result<Vec<f32>> {
        let slot = self.slot(var);
        let mut values = vec![0.0; slot.shape[0] * slot.shape[1]];
        self.device.read(slot.value, &mut values)?;
        Ok(values)
    }

    /// The value of a `[1, 1]` variable.
    ///
    /// # Errors
    /// As [`Tape::read`].
    ///
    /// # Panics
    /// When the variable has another shape.
    #[track_caller]
    pub fn item(&self, var: Var) -> Result<f64> {
        let Slot { value: of, shape, .. } = *self.slot(var);
        assert!(shape == [1, 1], "item: a [1, 1] variable is wanted, not {shape:?}");
        let mut value = [0.0];
        self.device.read(of, &mut value)?;
        Ok(f64::from(value[0]))
    }

    /// The scalar of a `[1, 1]` variable, for [`Device::readback`]; it stays valid after a rewind until its buffer is
    /// written again.
    ///
    /// # Panics
    /// When the variable has another shape.
    #[track_caller]
    pub fn scalar(&self, var: Var) -> ScalarHandle {
        let Slot { value, shape, .. } = *self.slot(var);
        assert!(shape == [1, 1], "scalar: a [1, 1] variable is wanted, not {shape:?}");
        ScalarHandle::First(value)
    }

    /// See [`Device::readback`].
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn readback(&mut self, scalars: &[ScalarHandle]) -> Result<Ticket> {
        self.device.readback(scalars)
    }

    /// See [`Device::wait`].
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn wait(&mut self, ticket: Ticket, values: &mut ScalarValues) -> Result<()> {
        self.device.wait(ticket, values)
    }

    /// The gradient of a variable after the last backward pass; zeros if it has none. It is undefined for a parameter
    /// whose optimizer step ran in the backward pass.
    ///
    /// # Errors
    /// As [`Tape::read`].
    #[track_caller]
    pub fn read_gradient(&self, var: Var) -> Result<Vec<f32>> {
        let slot = self.slot(var);
        let mut values = vec![0.0; slot.shape[0] * slot.shape[1]];
        let has_grad = slot.view_of.map_or(slot, |of| self.slot(of)).has_grad;
        if let (true, Some(gradient)) = (has_grad, slot.gradient) {
            self.device.read(gradient, &mut values)?;
        }
        Ok(values)
    }

    /// Overwrites a variable's values, row-major.
    ///
    /// # Panics
    /// When the number of values does not fit the shape.
    #[track_caller]
    pub fn write(&mut self, var: Var, values: &[f32]) {
        let Slot { value, shape, .. } = *self.slot(var);
        fits("write", shape, values);
        self.device.write(value, values);
    }

    /// The buffers of a parameter's value and gradient.
    ///
    /// # Panics
    /// When the variable has no gradient.
    #[track_caller]
    pub fn buffers(&self, parameter: Var) -> (Buffer, Buffer) {
        let slot = self.slot(parameter);
        (slot.value, slot.gradient.expect("a parameter with a gradient"))
    }

    /// Takes the next slot. Before its value is written, the device must reshape its buffer.
    fn next_slot(&mut self, shape: Shape, requires_grad: bool) -> Result<Var> {
        let var = Var { slot: self.used as u32, tape: self.id, program: Some(self.program) };
        if let Some(slot) = self.slots.get_mut(self.used) {
            (slot.shape, slot.requires_grad, slot.has_grad) = (shape, requires_grad, false);
        } else {
            let value = self.device.alloc(Role::Activation, &[shape])?[0];
            self.slots.push(Slot::new(shape, value, requires_grad));
        }
        self.used += 1;
        Ok(var)
    }

    /// The slot of a variable.
    ///
    /// # Panics
    /// When the variable belongs to another tape, or to a program before the last rewind.
    #[track_caller]
    fn index(&self, var: Var) -> usize {
        assert!(var.tape == self.id, "tape {}: a variable of tape {}", self.id, var.tape);
        let current = var.program.is_none_or(|program| program == self.program);
        assert!(current, "tape {}: a variable from before the last rewind", self.id);
        var.slot as usize
    }

    #[track_caller]
    fn slot(&self, var: Var) -> &Slot {
        &self.slots[self.index(var)]
    }

    #[track_caller]
    fn values(&self, vars: &[Var]) -> ArrayVec<Buffer, MAX_INPUTS> {
        vars.iter().map(|v| self.slot(*v).value).collect()
    }
}

/// Panics when the number of values does not fit the shape.
#[track_caller]
fn fits(what: &str, shape: Shape, values: &[f32]) {
    let count = shape[0] * shape[1];
    assert!(values.len() == count, "{what}: {shape:?} takes {count} values, not {}", values.len());
}

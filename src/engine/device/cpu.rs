//! The CPU. Buffers are vectors, and ops run immediately, on the threads of the current rayon pool.

use super::readback::{History, NormHandles, ScalarHandle, ScalarValues, Ticket, Tickets};
use super::{AdamBuffers, AdamSettings, AdamStep, Buffer, Clip, Device, Role, Target};
use crate::engine::kernels::adam::{adam, clip_scale};
use crate::engine::kernels::reduce::sum_of_squares;
use crate::engine::op::{AnyOp, MAX_INPUTS, MAX_OUTPUTS, Precision};
use crate::engine::ops::{Linear, LinearRelu};
use crate::engine::tensor::{Gradient, Shape, View, ViewMut};
use crate::error::Result;
use arrayvec::ArrayVec;
use rayon::prelude::*;
use std::collections::VecDeque;
use std::ops::Range;

/// The CPU device; `T` is `f32` to train and `f64` to check.
#[derive(Debug)]
pub struct Cpu<T> {
    tensors: Vec<CpuTensor<T>>,
    pending: InBackward,
    /// For each call, the index of its first norm in `norm_values`.
    norms: History<usize>,
    norm_values: Vec<f64>,
    /// The pending readbacks with their numbers, the oldest first.
    readbacks: VecDeque<(u64, ScalarValues)>,
    tickets: Tickets,
    /// Memory for later readbacks.
    spare: Vec<ScalarValues>,
}

/// The parameters whose optimizer step may run in the backward pass.
#[derive(Debug, Default)]
struct InBackward {
    /// The number of the step, and its settings.
    step: Option<(u64, AdamSettings)>,
    waiting: Vec<AdamBuffers>,
    /// Those whose step is done.
    done: Vec<AdamBuffers>,
}

#[derive(Debug)]
struct CpuTensor<T> {
    shape: Shape,
    /// Empty in a view.
    values: Vec<T>,
    /// The buffer that a view is a part of, and the index of its first value there.
    view_of: Option<(Buffer, usize)>,
}

impl<T> Default for CpuTensor<T> {
    /// Stands in for a tensor while an op writes it. An op that reads it too sees the shape `[0, 0]`.
    fn default() -> Self {
        CpuTensor { shape: [0, 0], values: Vec::new(), view_of: None }
    }
}

impl<T: Precision> CpuTensor<T> {
    fn view_mut(&mut self) -> ViewMut<'_, T> {
        ViewMut::from_shape(self.shape, &mut self.values).expect("values of this shape")
    }
}

impl<T: Precision> Cpu<T> {
    /// An empty device on the current rayon pool.
    pub fn new() -> Self {
        let (tensors, pending, norms, norm_values, readbacks, tickets, spare) = Default::default();
        Cpu { tensors, pending, norms, norm_values, readbacks, tickets, spare }
    }

    fn tensor_mut(&mut self, buffer: Buffer) -> &mut CpuTensor<T> {
        &mut self.tensors[buffer.0 as usize]
    }

    /// Takes a tensor out, so that an op can write it while it reads others. The caller must put it back.
    fn take(&mut self, buffer: Buffer) -> CpuTensor<T> {
        let tensor = std::mem::take(self.tensor_mut(buffer));
        assert!(tensor.view_of.is_none(), "an op writes whole buffers");
        tensor
    }

    /// The buffer that holds this one's values, and their range in it.
    fn resolve(&self, buffer: Buffer) -> (Buffer, Range<usize>) {
        let CpuTensor { shape, values: _, view_of } = &self.tensors[buffer.0 as usize];
        let (holder, start) = view_of.unwrap_or((buffer, 0));
        (holder, start..start + shape[0] * shape[1])
    }

    fn values(&self, buffer: Buffer) -> &[T] {
        let (holder, range) = self.resolve(buffer);
        &self.tensors[holder.0 as usize].values[range]
    }

    fn values_mut(&mut self, buffer: Buffer) -> &mut [T] {
        let (holder, range) = self.resolve(buffer);
        &mut self.tensor_mut(holder).values[range]
    }

    fn array(&self, buffer: Buffer) -> View<'_, T> {
        let shape = self.tensors[buffer.0 as usize].shape;
        View::from_shape(shape, self.values(buffer)).expect("values of this shape")
    }

    fn norm(&self, norms: NormHandles, group: usize) -> f64 {
        self.norm_values[self.norms.get(norms) + group]
    }

    fn arrays<const N: usize>(&self, buffers: &[Buffer]) -> ArrayVec<View<'_, T>, N> {
        buffers.iter().map(|b| self.array(*b)).collect()
    }
}

impl<T: Precision> Cpu<T> {
    /// The index in `pending.waiting` of the weight of this `Linear` or `LinearRelu`, if its optimizer step can run now
    /// instead of storing its gradient.
    fn in_backward(&self, op: &AnyOp, inputs: &[Buffer], dinputs: &[Option<Target>]) -> Option<usize> {
        let has_step = op.downcast_ref::<Linear>().is_some() || op.downcast_ref::<LinearRelu>().is_some();
        let (true, Some(Some(target))) = (has_step, dinputs.get(1)) else { return None };
        let complete =
            !target.accumulate && target.last && Linear::prefers_fused_step(self.tensors[inputs[0].0 as usize].shape);
        self.pending.waiting.iter().position(|p| complete && p.gradient == target.buffer)
    }

    fn weight_step(&mut self, op: &AnyOp, waiting: usize, [x, y, dy]: [Buffer; 3]) {
        let p = self.pending.waiting.swap_remove(waiting);
        let (step, settings) = self.pending.step.expect("the optimizer step of waiting parameters");
        self.step(&p.step(step, &settings), &p, |cpu, step, tensors| {
            let ([x, y, dy], weights) = ([x, y, dy].map(|b| cpu.array(b)), tensors.map(CpuTensor::view_mut));
            match op.downcast_ref::<LinearRelu>() {
                Some(op) => op.step_weight(step, x, y, dy, weights),
                None => Linear::step_weight(step, x, dy, weights),
            }
        });
        self.pending.done.push(p);
    }

    /// Calls `work` with a parameter's value and moments.
    fn step(&mut self, step: &AdamStep, p: &AdamBuffers, work: impl FnOnce(&Self, &AdamStep, [&mut CpuTensor<T>; 3])) {
        let buffers = [p.value, p.m, p.v];
        let mut taken = buffers.map(|b| self.take(b));
        work(self, step, taken.each_mut());
        for (buffer, tensor) in buffers.into_iter().zip(taken) {
            *self.tensor_mut(buffer) = tensor;
        }
    }

    /// See [`Device::backward`].
    fn gradients(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        doutput: Buffer,
        dinputs: &[Option<Target>],
    ) {
        let mut taken: ArrayVec<_, MAX_INPUTS> =
            dinputs.iter().map(|d| d.map(|d| (self.take(d.buffer), d.accumulate))).collect();
        {
            let (inputs, outputs) = (self.arrays::<MAX_INPUTS>(inputs), self.arrays::<MAX_OUTPUTS>(outputs));
            let mut dinputs: ArrayVec<_, MAX_INPUTS> = taken
                .iter_mut()
                .map(|t| t.as_mut().map(|(t, f)| Gradient { values: t.view_mut(), accumulate: *f }))
                .collect();
            op.backward(&inputs, &outputs, self.array(doutput), &mut dinputs);
        }
        for (target, taken) in dinputs.iter().zip(taken) {
            if let (Some(target), Some((tensor, _))) = (target, taken) {
                *self.tensor_mut(target.buffer) = tensor;
            }
        }
    }
}

impl<T: Precision> Default for Cpu<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Precision> Device for Cpu<T> {
    fn name(&self) -> String {
        let threads = rayon::current_num_threads();
        format!("CPU, {threads} thread{}", if threads == 1 { "" } else { "s" })
    }

    fn alloc(&mut self, role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>> {
        let first = self.tensors.len() as u32;
        let tensor = |&shape: &Shape| CpuTensor { shape, values: vec![T::zero(); shape[0] * shape[1]], view_of: None };
        self.tensors.extend(shapes.iter().map(tensor));
        if role == Role::Moment {
            // moments are read before they are written. The kernel maps pages that were only read to one shared page of
            // zeros; the first write then gives each page its own memory and interrupts all threads, thousands of times
            // in the first step
            self.tensors[first as usize..]
                .par_iter_mut()
                .for_each(|t| std::hint::black_box(&mut t.values).fill(T::zero()));
        }
        Ok((first..self.tensors.len() as u32).map(Buffer).collect())
    }

    fn view(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer {
        let (holder, range) = self.resolve(of);
        assert!(offset + shape[0] * shape[1] <= range.len(), "a view beyond its buffer");
        self.tensors.push(CpuTensor { shape, values: Vec::new(), view_of: Some((holder, range.start + offset)) });
        Buffer(self.tensors.len() as u32 - 1)
    }

    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()> {
        for (buffer, shape) in buffers.iter().zip(shapes) {
            let tensor = self.tensor_mut(*buffer);
            tensor.shape = *shape;
            tensor.values.resize(shape[0] * shape[1], T::zero());
        }
        Ok(())
    }

    fn write(&mut self, to: Buffer, values: &[f32]) {
        let tensor = self.values_mut(to);
        assert_eq!(tensor.len(), values.len(), "write: values for another shape");
        for (t, v) in tensor.iter_mut().zip(values) {
            *t = T::of(f64::from(*v));
        }
    }

    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()> {
        let tensor = self.values(from);
        assert_eq!(tensor.len(), values.len(), "read: values of another shape");
        for (v, t) in values.iter_mut().zip(tensor) {
            *v = t.wide() as f32;
        }
        Ok(())
    }

    fn zero(&mut self, buffer: Buffer) {
        self.values_mut(buffer).fill(T::zero());
    }

    fn copy(&mut self, from: Buffer, to: Buffer) {
        let ((holder, range), (from_holder, from_range)) = (self.resolve(to), self.resolve(from));
        assert_eq!(range.len(), from_range.len(), "copy: values of another shape");
        let mut target = self.take(holder);
        match holder == from_holder {
            true => target.values.copy_within(from_range, range.start),
            false => target.values[range].copy_from_slice(self.values(from)),
        }
        *self.tensor_mut(holder) = target;
    }

    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]) {
        let mut taken: ArrayVec<_, MAX_OUTPUTS> = outputs.iter().map(|b| self.take(*b)).collect();
        {
            let inputs = self.arrays::<MAX_INPUTS>(inputs);
            let mut outputs: ArrayVec<_, MAX_OUTPUTS> = taken.iter_mut().map(CpuTensor::view_mut).collect();
            op.forward(&inputs, &mut outputs);
        }
        for (buffer, tensor) in outputs.iter().zip(taken) {
            *self.tensor_mut(*buffer) = tensor;
        }
    }

    fn backward(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        doutput: Buffer,
        dinputs: &[Option<Target>],
    ) {
        // the weight's step comes last: the other gradients depend on the old weight
        let mut without: ArrayVec<_, MAX_INPUTS> = dinputs.iter().copied().collect();
        let parameter = self.in_backward(op, inputs, dinputs);
        if parameter.is_some() {
            without[1] = None;
        }
        self.gradients(op, inputs, outputs, doutput, &without);
        if let Some(parameter) = parameter {
            self.weight_step(op, parameter, [inputs[0], outputs[0], doutput]);
        }
    }

    fn optimize_in_backward(&mut self, step: u64, settings: &AdamSettings, parameters: &[AdamBuffers]) {
        self.pending.step = Some((step, *settings));
        self.pending.done.clear();
        self.pending.waiting.clear();
        self.pending.waiting.extend_from_slice(parameters);
    }

    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<NormHandles> {
        if self.norms.next_call() == 0 {
            self.norm_values.clear();
        }
        let start = self.norm_values.len();
        for buffers in groups {
            let norm = buffers.iter().map(|b| sum_of_squares(self.values(*b))).sum::<f64>().sqrt();
            self.norm_values.push(norm);
        }
        Ok(self.norms.push(start, groups.len()))
    }

    fn readback(&mut self, scalars: &[ScalarHandle]) -> Result<Ticket> {
        let mut values = self.spare.pop().unwrap_or_default();
        values.scalars.clear();
        values.scalars.extend_from_slice(scalars);
        values.values.clear();
        values.values.extend(scalars.iter().map(|scalar| match scalar {
            // a device returns f32
            ScalarHandle::First(buffer) => f64::from(self.values(*buffer)[0].wide() as f32),
            ScalarHandle::Norm(norms, group) => self.norm(*norms, *group),
        }));
        let (ticket, number) = self.tickets.issue();
        self.readbacks.push_back((number, values));
        Ok(ticket)
    }

    fn wait(&mut self, ticket: Ticket, values: &mut ScalarValues) -> Result<()> {
        let number = self.tickets.number(&ticket);
        let at = self.readbacks.iter().position(|(other, _)| *other == number).expect("a ticket is used once");
        let (_, read) = self.readbacks.remove(at).expect("a found readback");
        values.scalars.clone_from(&read.scalars);
        values.values.clone_from(&read.values);
        self.spare.push(read);
        Ok(())
    }

    fn adam(&mut self, step: u64, settings: &AdamSettings, clip: Option<Clip>, parameters: &[AdamBuffers]) {
        let scale = clip.map_or(1.0, |clip| match clip.norm {
            ScalarHandle::Norm(norms, group) => clip_scale(clip.max_norm, self.norm(norms, group)),
            ScalarHandle::First(_) => panic!("adam: clip is not a norm"),
        });
        let in_backward = self.pending.step.take();
        let same = self.pending.done.is_empty() || in_backward == Some((step, *settings));
        assert!(same, "adam: the backward pass made another step");
        for p in parameters {
            if let Some(done) = self.pending.done.iter().find(|done| done.gradient == p.gradient) {
                assert!(done == p, "adam: the backward pass made another step");
                continue;
            }
            self.step(&p.step(step, settings), p, |cpu, step, [value, m, v]| {
                adam(step, scale, &mut value.values, cpu.values(p.gradient), &mut m.values, &mut v.values);
            });
        }
        self.pending.done.clear();
        self.pending.waiting.clear();
        self.norms.stepped = true;
    }
}

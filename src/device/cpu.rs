//! The CPU: buffers are vectors, ops run at once on the threads of the current rayon pool.

use super::{AdamStep, Buffer, Device, Learned, Role};
use crate::error::Result;
use crate::kernels::{adam::adam, reduce::sum_of_squares};
use crate::ops::{AnyOp, MAX_INPUTS, MAX_OUTPUTS};
use crate::tensor::{Real, Shape, View, ViewMut};
use arrayvec::ArrayVec;

/// The CPU device; `T` is `f32` to train and `f64` to check.
#[derive(Debug)]
pub struct Cpu<T> {
    tensors: Vec<Tensor<T>>,
}

#[derive(Debug)]
struct Tensor<T> {
    shape: Shape,
    values: Vec<T>,
}

impl<T> Default for Tensor<T> {
    /// What stands in a buffer's place while it is being written: an op that also reads it meets a shape that cannot fit.
    fn default() -> Self {
        Tensor { shape: [0, 0], values: Vec::new() }
    }
}

impl<T: Real> Tensor<T> {
    fn view(&self) -> View<'_, T> {
        View::from_shape(self.shape, &self.values).expect("as many values as the shape says")
    }

    fn view_mut(&mut self) -> ViewMut<'_, T> {
        ViewMut::from_shape(self.shape, &mut self.values).expect("as many values as the shape says")
    }
}

impl<T: Real> Cpu<T> {
    /// An empty device on the current rayon pool.
    pub fn new() -> Self {
        Cpu { tensors: Vec::new() }
    }

    fn tensor(&self, buffer: Buffer) -> &Tensor<T> {
        &self.tensors[buffer.0 as usize]
    }

    fn tensor_mut(&mut self, buffer: Buffer) -> &mut Tensor<T> {
        &mut self.tensors[buffer.0 as usize]
    }

    /// Takes a tensor out, so that it can be written while others are read; it must be put back.
    fn take(&mut self, buffer: Buffer) -> Tensor<T> {
        std::mem::take(self.tensor_mut(buffer))
    }

    fn views<const N: usize>(&self, buffers: &[Buffer]) -> ArrayVec<View<'_, T>, N> {
        buffers.iter().map(|b| self.tensor(*b).view()).collect()
    }
}

impl<T: Real> Default for Cpu<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Real> Device for Cpu<T> {
    fn name(&self) -> String {
        let threads = rayon::current_num_threads();
        format!("CPU, {threads} thread{}", if threads == 1 { "" } else { "s" })
    }

    fn alloc(&mut self, _role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>> {
        let first = self.tensors.len() as u32;
        self.tensors.extend(shapes.iter().map(|&shape| Tensor { shape, values: vec![T::zero(); shape[0] * shape[1]] }));
        Ok((first..self.tensors.len() as u32).map(Buffer).collect())
    }

    fn reshape(&mut self, buffer: Buffer, shape: Shape) -> Result<()> {
        let tensor = self.tensor_mut(buffer);
        tensor.shape = shape;
        tensor.values.resize(shape[0] * shape[1], T::zero());
        Ok(())
    }

    fn write(&mut self, to: Buffer, values: &[f32]) {
        let tensor = &mut self.tensor_mut(to).values;
        assert_eq!(tensor.len(), values.len(), "write: values for another shape");
        for (t, v) in tensor.iter_mut().zip(values) {
            *t = T::of(f64::from(*v));
        }
    }

    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()> {
        let tensor = &self.tensor(from).values;
        assert_eq!(tensor.len(), values.len(), "read: values of another shape");
        for (v, t) in values.iter_mut().zip(tensor) {
            *v = t.wide() as f32;
        }
        Ok(())
    }

    fn zero(&mut self, buffer: Buffer) {
        self.tensor_mut(buffer).values.fill(T::zero());
    }

    fn copy(&mut self, from: Buffer, to: Buffer) {
        let mut target = self.take(to);
        target.values.copy_from_slice(&self.tensor(from).values);
        *self.tensor_mut(to) = target;
    }

    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]) {
        let mut taken: ArrayVec<_, MAX_OUTPUTS> = outputs.iter().map(|b| self.take(*b)).collect();
        {
            let inputs = self.views::<MAX_INPUTS>(inputs);
            let mut outputs: ArrayVec<_, MAX_OUTPUTS> = taken.iter_mut().map(Tensor::view_mut).collect();
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
        dinputs: &[Option<Buffer>],
    ) {
        let mut taken: ArrayVec<_, MAX_INPUTS> = dinputs.iter().map(|b| b.map(|b| self.take(b))).collect();
        {
            let (inputs, outputs) = (self.views::<MAX_INPUTS>(inputs), self.views::<MAX_OUTPUTS>(outputs));
            let mut dinputs: ArrayVec<_, MAX_INPUTS> =
                taken.iter_mut().map(|t| t.as_mut().map(Tensor::view_mut)).collect();
            op.backward(&inputs, &outputs, self.tensor(doutput).view(), &mut dinputs);
        }
        for (buffer, tensor) in dinputs.iter().zip(taken) {
            if let (Some(buffer), Some(tensor)) = (buffer, tensor) {
                *self.tensor_mut(*buffer) = tensor;
            }
        }
    }

    fn norm(&mut self, buffers: &[Buffer]) -> Result<f64> {
        Ok(buffers.iter().map(|b| sum_of_squares(&self.tensor(*b).values)).sum::<f64>().sqrt())
    }

    fn adam(&mut self, step: &AdamStep, parameters: &[Learned]) {
        for p in parameters {
            let step = AdamStep { learning_rate: step.learning_rate * p.rate_scale, ..*step };
            let [mut value, mut m, mut v] = [p.value, p.m, p.v].map(|b| self.take(b));
            adam(&step, &mut value.values, &self.tensor(p.gradient).values, &mut m.values, &mut v.values);
            for (buffer, tensor) in [(p.value, value), (p.m, m), (p.v, v)] {
                *self.tensor_mut(buffer) = tensor;
            }
        }
    }
}

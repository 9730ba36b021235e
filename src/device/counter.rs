//! A device that computes nothing: it knows shapes, and counts the programs that a GPU would start.

use super::{AdamStep, Buffer, Counts, Device, Learned, Role, Target};
use crate::error::Result;
use crate::ops::AnyOp;
use crate::pass::Pass;
use crate::tensor::Shape;

/// The device. Nothing is to be read from it.
#[derive(Debug, Default)]
pub struct Counter {
    shapes: Vec<Shape>,
    counts: Counts,
}

impl Counter {
    fn shapes(&self, buffers: &[Buffer]) -> Vec<Shape> {
        buffers.iter().map(|buffer| self.shapes[buffer.0 as usize]).collect()
    }

    fn count(&mut self, passes: &[Pass]) {
        self.counts.dispatches += passes.iter().filter(|pass| pass.groups > 0).count() as u64;
    }
}

impl Device for Counter {
    fn name(&self) -> String {
        "none".to_string()
    }

    fn alloc(&mut self, _role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>> {
        let first = self.shapes.len() as u32;
        self.shapes.extend_from_slice(shapes);
        Ok((first..self.shapes.len() as u32).map(Buffer).collect())
    }

    fn window(&mut self, _of: Buffer, _offset: usize, shape: Shape) -> Buffer {
        self.shapes.push(shape);
        Buffer(self.shapes.len() as u32 - 1)
    }

    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()> {
        buffers.iter().zip(shapes).for_each(|(buffer, shape)| self.shapes[buffer.0 as usize] = *shape);
        Ok(())
    }

    fn write(&mut self, _to: Buffer, _values: &[f32]) {}

    fn read(&self, _from: Buffer, _values: &mut [f32]) -> Result<()> {
        panic!("read from a device that computes nothing")
    }

    fn zero(&mut self, _buffer: Buffer) {}

    fn copy(&mut self, _from: Buffer, _to: Buffer) {}

    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]) {
        self.count(&op.forward_passes(&self.shapes(inputs), &self.shapes(outputs)));
    }

    fn backward(
        &mut self,
        op: &AnyOp,
        inputs: &[Buffer],
        outputs: &[Buffer],
        _doutput: Buffer,
        dinputs: &[Option<Target>],
    ) {
        let targets: Vec<Option<bool>> = dinputs.iter().map(|d| d.map(|d| d.fresh)).collect();
        self.count(&op.backward_passes(&self.shapes(inputs), &self.shapes(outputs), &targets));
    }

    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<()> {
        self.counts.dispatches += u64::from(groups.iter().any(|group| !group.is_empty()));
        Ok(())
    }

    fn adam(&mut self, step: &AdamStep, _parameters: &[Learned]) {
        self.counts.dispatches += 1 + u64::from(step.clip.is_some());
    }

    fn ask(&mut self, _firsts: &[Buffer]) -> Result<()> {
        Ok(())
    }

    fn answer(&mut self, _wait: bool, _values: &mut [f64]) -> Result<bool> {
        Ok(false)
    }

    fn counts(&self) -> Counts {
        self.counts
    }
}

//! A CPU that records the noise of a model, which the model does not expose.

use abr_film::engine::device::{
    AdamBuffers, AdamSettings, Buffer, Clip, Cpu, Device, NormHandles, Role, ScalarHandle, ScalarValues, Target, Ticket,
};
use abr_film::engine::op::{AnyOp, Op, Precision};
use abr_film::engine::ops::{Dropout, LinearRelu, Mul, NormDropoutFilm, Scale};
use abr_film::engine::tensor::Shape;
use abr_film::error::Result;
use ndarray::Array2;
use std::sync::{Arc, Mutex};

/// The noise since it was last cleared, in the order of the forward pass.
#[derive(Default)]
pub struct Noise {
    /// The multipliers of each dropout.
    pub dropouts: Vec<Vec<f32>>,
    /// The condition's strength in each row, once per level.
    pub strengths: Vec<Vec<f32>>,
}

/// [`Cpu`] and a record of the noise.
pub struct Spy<T> {
    cpu: Cpu<T>,
    shapes: Vec<(Buffer, Shape)>,
    noise: Arc<Mutex<Noise>>,
}

impl<T: Precision> Spy<T> {
    pub fn new(noise: Arc<Mutex<Noise>>) -> Self {
        Spy { cpu: Cpu::new(), shapes: Vec::new(), noise }
    }

    fn shape(&self, buffer: Buffer) -> Shape {
        self.shapes.iter().find(|(b, _)| *b == buffer).expect("a buffer of this device").1
    }

    fn values(&self, buffer: Buffer) -> Vec<f32> {
        let shape = self.shape(buffer);
        let mut values = vec![0.0; shape[0] * shape[1]];
        self.cpu.read(buffer, &mut values).expect("a CPU can always read");
        values
    }
}

fn multipliers(dropout: &Dropout, [rows, columns]: Shape) -> Vec<f32> {
    let ones = Array2::ones((rows, columns));
    let [mut y, mut mask] = [Array2::zeros((rows, columns)), Array2::zeros((rows, columns))];
    dropout.forward(&[ones.view()], &mut [y.view_mut(), mask.view_mut()]);
    mask.into_raw_vec_and_offset().0
}

impl<T: Precision> Device for Spy<T> {
    fn name(&self) -> String {
        self.cpu.name()
    }

    fn alloc(&mut self, role: Role, shapes: &[Shape]) -> Result<Vec<Buffer>> {
        let buffers = self.cpu.alloc(role, shapes)?;
        self.shapes.extend(buffers.iter().copied().zip(shapes.iter().copied()));
        Ok(buffers)
    }

    fn view(&mut self, of: Buffer, offset: usize, shape: Shape) -> Buffer {
        self.cpu.view(of, offset, shape)
    }

    fn reshape(&mut self, buffers: &[Buffer], shapes: &[Shape]) -> Result<()> {
        for (buffer, shape) in buffers.iter().zip(shapes) {
            self.shapes.iter_mut().find(|(b, _)| b == buffer).expect("a buffer of this device").1 = *shape;
        }
        self.cpu.reshape(buffers, shapes)
    }

    fn write(&mut self, to: Buffer, values: &[f32]) {
        self.cpu.write(to, values);
    }

    fn read(&self, from: Buffer, values: &mut [f32]) -> Result<()> {
        self.cpu.read(from, values)
    }

    fn zero(&mut self, buffer: Buffer) {
        self.cpu.zero(buffer);
    }

    fn copy(&mut self, from: Buffer, to: Buffer) {
        self.cpu.copy(from, to);
    }

    fn forward(&mut self, op: &AnyOp, inputs: &[Buffer], outputs: &[Buffer]) {
        self.cpu.forward(op, inputs, outputs);
        let mut noise = self.noise.lock().expect("one thread at a time");
        if let Some(op) = op.downcast_ref::<NormDropoutFilm>() {
            noise.dropouts.extend(op.dropout.map(|_| self.values(outputs[5])));
            noise.strengths.extend(op.film.map(|_| self.values(inputs[6])));
        }
        // what is concatenated, or attended to, is multiplied by the strengths, and so is a gate
        let strength = match (op.downcast_ref::<Scale>(), op.downcast_ref::<Mul>()) {
            (Some(_), _) => Some(inputs[1]),
            (_, Some(_)) => Some(inputs[0]),
            _ => None,
        };
        let by_row =
            |buffer: &Buffer| self.shapes.iter().any(|(b, [rows, columns])| b == buffer && *rows > 1 && *columns == 1);
        noise.strengths.extend(strength.filter(by_row).map(|buffer| self.values(buffer)));
        // it saves no mask: compute the multipliers of the dropout that it fuses
        if let Some(op) = op.downcast_ref::<LinearRelu>() {
            noise.dropouts.extend(op.dropout.map(|dropout| multipliers(&dropout, self.shape(outputs[0]))));
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
        self.cpu.backward(op, inputs, outputs, doutput, dinputs);
    }

    fn norms(&mut self, groups: &[Vec<Buffer>]) -> Result<NormHandles> {
        self.cpu.norms(groups)
    }

    fn adam(&mut self, step: u64, settings: &AdamSettings, clip: Option<Clip>, parameters: &[AdamBuffers]) {
        self.cpu.adam(step, settings, clip, parameters);
    }

    fn readback(&mut self, scalars: &[ScalarHandle]) -> Result<Ticket> {
        self.cpu.readback(scalars)
    }

    fn wait(&mut self, ticket: Ticket, values: &mut ScalarValues) -> Result<()> {
        self.cpu.wait(ticket, values)
    }
}

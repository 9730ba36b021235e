//! A device against bounds on the rounding of f32.
//!
//! Outputs are NaN before each run. Gradients are accumulated into noise, and overwrite NaN.

use super::{Estimate, U, bounds, draw, shape};
use crate::engine::device::{Buffer, Device, Role, Target};
use crate::engine::op::{AnyOp, Fill, Op};
use crate::engine::tensor::Shape;
use crate::error::Result;
use ndarray::Array2;

/// A tensor of one case: what the device computed, within its bounds.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// `output 0`, `gradient 1` (overwritten) or `accumulated 1` (added to noise).
    pub tensor: String,
    pub found: Array2<f32>,
    pub wanted: Array2<Estimate>,
}

/// Compares a device with the op's own code on [`Estimate`]s, for inputs of these shapes, drawn in these ways.
///
/// `scattered`: every tensor has a buffer of its own; otherwise vectors lie in one arena, as a model's parameters do.
///
/// ```
/// use abr_film::engine::check::{self, Fill};
/// use abr_film::engine::device::Cpu;
/// use abr_film::engine::ops::Tanh;
///
/// for tensor in check::parity(&Tanh, &[([3, 17], Fill::Normal)], &mut Cpu::<f32>::new(), false) {
///     // a result that is off by a thousandth would be noticed
///     assert!(tensor.error(1.0) <= 1.0 && tensor.error(1.001) > 1.0);
/// }
/// ```
///
/// # Panics
/// When an element is off by more than its bound, an input without a gradient gets one, or the device fails.
pub fn parity<O: Op>(op: &O, case: &[(Shape, Fill)], device: &mut dyn Device, scattered: bool) -> Vec<Comparison> {
    let run = Run::new(op, case, scattered);
    let (outputs, gradients) = bounds(op, &run.inputs, &run.cotangent);
    let (found, overwritten) = run.on(device, true, &|i| op.differentiable(i));
    let (_, summed) = run.on(device, false, &|i| op.differentiable(i));
    let outputs = found.into_iter().zip(outputs).enumerate();
    let mut all: Vec<_> = outputs.map(|(i, (y, wanted))| Comparison::new(op, "output", i, y, wanted)).collect();
    for (i, ((overwritten, summed), wanted)) in overwritten.into_iter().zip(summed).zip(gradients).enumerate() {
        let before = &run.prefilled[i];
        if !op.differentiable(i) {
            let untouched = overwritten.iter().all(|v| v.is_nan()) && summed == *before;
            assert!(untouched, "{op:?} {case:?}: wrote a gradient that input {i} does not have");
            continue;
        }
        let mut sum = wanted.clone();
        sum.zip_mut_with(before, |sum, before| *sum += Estimate::exact(f64::from(*before)));
        all.push(Comparison::new(op, "gradient", i, overwritten, wanted));
        all.push(Comparison::new(op, "accumulated", i, summed, sum));
    }
    all
}

/// Without one gradient, or with only one, the computed gradients have the same bits as with all.
///
/// # Panics
/// When they have not, or the device fails.
pub fn parity_of_each_gradient<O: Op>(op: &O, case: &[(Shape, Fill)], device: &mut dyn Device) {
    let run = Run::new(op, case, false);
    let (_, all) = run.on(device, false, &|i| op.differentiable(i));
    let differentiable: Vec<usize> = (0..case.len()).filter(|i| op.differentiable(*i)).collect();
    for (one, alone) in differentiable.iter().flat_map(|one| [(*one, false), (*one, true)]) {
        let wanted = |i| op.differentiable(i) && (i == one) == alone;
        let (_, some) = run.on(device, false, &wanted);
        for i in 0..case.len() {
            let want = if wanted(i) { &all[i] } else { &run.prefilled[i] };
            assert_eq!(some[i], want, "{op:?} {case:?}: gradient {i}; {one} alone: {alone}");
        }
    }
}

impl Comparison {
    fn new(op: &impl Op, kind: &str, index: usize, found: Array2<f32>, wanted: Array2<Estimate>) -> Self {
        let comparison = Comparison { tensor: format!("{kind} {index}"), found, wanted };
        let Comparison { tensor, found, wanted } = &comparison;
        assert_eq!(found.dim(), wanted.dim(), "{op:?}: {tensor}");
        let error = comparison.error(1.0);
        if error > 1.0 {
            let off = |at: (usize, usize)| part(found[at], &wanted[at], 1.0);
            let worst = found.indexed_iter().map(|(at, _)| at).max_by(|a, b| off(*a).total_cmp(&off(*b)));
            let at = worst.expect("an element");
            let ((row, column), Estimate { value, .. }) = (at, wanted[at]);
            let place = format!("[{row}, {column}] is {}, not {value}", found[at]);
            panic!("{op:?}: {tensor} {:?} is {error:.2} times its bound off: {place}", found.dim());
        }
        comparison
    }

    /// The largest error of the device's result times `factor`, in parts of its bound.
    pub fn error(&self, factor: f64) -> f64 {
        let parts = self.found.iter().zip(&self.wanted).map(|(found, wanted)| part(*found, wanted, factor));
        parts.fold(0.0, f64::max)
    }

    /// The root mean square of what is wanted; NaN for an empty tensor.
    pub fn rms(&self) -> f64 {
        (self.wanted.iter().map(|v| v.value * v.value).sum::<f64>() / self.wanted.len() as f64).sqrt()
    }

    /// The largest bound.
    pub fn loosest(&self) -> f64 {
        self.wanted.iter().fold(0.0, |m, v| m.max(v.error))
    }
}

/// The error of one element times `factor`, in parts of its bound.
fn part(found: f32, wanted: &Estimate, factor: f64) -> f64 {
    match (f64::from(found) * factor - wanted.value).abs() {
        // f64 rounds too, now and then in another order
        error if error <= U * U * wanted.value.abs() => 0.0,
        error if error.is_finite() => error / wanted.error,
        _ => f64::INFINITY,
    }
}

/// The numbers of one case.
struct Run {
    op: AnyOp,
    scattered: bool,
    inputs: Vec<Array2<f32>>,
    outputs: Vec<Shape>,
    cotangent: Array2<f32>,
    prefilled: Vec<Array2<f32>>,
}

impl Run {
    fn new<O: Op>(op: &O, case: &[(Shape, Fill)], scattered: bool) -> Self {
        let inputs: Vec<Array2<f32>> =
            case.iter().enumerate().map(|(i, &(shape, fill))| draw(shape, fill, i as u32)).collect();
        let shapes: Vec<Shape> = inputs.iter().map(shape).collect();
        let outputs = op.output_shapes(&shapes).to_vec();
        let noise = |shape, layer| draw(shape, Fill::Normal, layer);
        let prefilled = shapes.iter().enumerate().map(|(i, shape)| noise(*shape, 200 + i as u32)).collect();
        Run { op: op.clone().into(), scattered, cotangent: noise(outputs[0], 100), inputs, outputs, prefilled }
    }

    /// Outputs and gradients on a device. Computes only the gradients that `wanted` selects.
    fn on(
        &self,
        device: &mut dyn Device,
        overwrite: bool,
        wanted: &dyn Fn(usize) -> bool,
    ) -> (Vec<Array2<f32>>, Vec<Array2<f32>>) {
        let inputs = self.allocate(device, Role::Parameter, &self.inputs);
        let nothing = |shape: &Shape| Array2::from_elem(*shape, f32::NAN);
        let outputs: Vec<Buffer> = self.outputs.iter().map(|s| alone(device, &nothing(s))).collect();
        if !self.scattered {
            // as the tape does: outputs that an op joins are then contiguous
            device.reshape(&outputs, &self.outputs).expect("memory");
            outputs.iter().zip(&self.outputs).for_each(|(b, s)| write(device, *b, &nothing(s)));
        }
        device.forward(&self.op, &inputs, &outputs);
        let before: Vec<_> = match overwrite {
            true => self.prefilled.iter().map(|d| Array2::from_elem(d.dim(), f32::NAN)).collect(),
            false => self.prefilled.clone(),
        };
        let gradients = self.allocate(device, Role::Gradient, &before);
        let doutput = alone(device, &self.cotangent);
        let target = |(i, buffer): (usize, &Buffer)| {
            wanted(i).then_some(Target { buffer: *buffer, accumulate: !overwrite, last: true })
        };
        let targets: Vec<_> = gradients.iter().enumerate().map(target).collect();
        device.backward(&self.op, &inputs, &outputs, doutput, &targets);
        let outputs = outputs.iter().zip(&self.outputs).map(|(b, s)| read(device, *b, *s)).collect();
        (outputs, gradients.iter().zip(&self.inputs).map(|(b, x)| read(device, *b, shape(x))).collect())
    }

    /// Buffers with these values.
    fn allocate(&self, device: &mut dyn Device, role: Role, values: &[Array2<f32>]) -> Vec<Buffer> {
        let shapes: Vec<Shape> = values.iter().map(shape).collect();
        let buffers = allocate(device, role, &shapes, self.scattered).expect("memory");
        buffers.iter().zip(values).for_each(|(buffer, values)| write(device, *buffer, values));
        buffers
    }
}

/// Buffers of these shapes. Vectors after the first tensor share one arena, as a model's parameters do, unless
/// `scattered`.
///
/// # Errors
/// When the device is out of memory.
pub fn allocate(device: &mut dyn Device, role: Role, shapes: &[Shape], scattered: bool) -> Result<Vec<Buffer>> {
    let in_arena = |(i, shape): &(usize, &Shape)| !scattered && *i > 0 && shape[0] == 1;
    let vectors: Vec<Shape> = shapes.iter().enumerate().filter(in_arena).map(|(_, shape)| *shape).collect();
    let mut arena = device.alloc(role, &vectors)?.into_iter();
    let one = |(i, shape): (usize, &Shape)| match in_arena(&(i, shape)) {
        true => Ok(arena.next().expect("one each")),
        false => Ok(device.alloc(Role::Activation, &[*shape])?[0]),
    };
    shapes.iter().enumerate().map(one).collect()
}

/// A buffer of its own with these values.
fn alone(device: &mut dyn Device, values: &Array2<f32>) -> Buffer {
    let buffer = device.alloc(Role::Activation, &[shape(values)]).expect("memory")[0];
    write(device, buffer, values);
    buffer
}

fn write(device: &mut dyn Device, buffer: Buffer, values: &Array2<f32>) {
    device.write(buffer, values.as_slice().expect("contiguous"));
}

fn read(device: &dyn Device, buffer: Buffer, [rows, columns]: Shape) -> Array2<f32> {
    let mut values = vec![0.0; rows * columns];
    device.read(buffer, &mut values).expect("values");
    Array2::from_shape_vec((rows, columns), values).expect("as many values as the shape says")
}

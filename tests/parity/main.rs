//! Every op on the GPU in f32 against the CPU in f64: `cargo test --test parity`.
//!
//! Outputs are NaN before each run. Gradients are accumulated into noise, and overwrite NaN. Each check must also
//! notice a result that is perturbed by a part in a thousand, in every case. The shaders run with the device's bounds
//! checks and without.

#![cfg(feature = "gpu")]

mod products;
mod record;

use abr_film::engine::device::gpu::{Checks, Gpu};
use abr_film::engine::device::{Buffer, Device, Role, Target};
use abr_film::engine::ops::{AnyOp, Case, Dropout, Fill, Op};
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::engine::tensor::Shape;
use common::bounds::{Exact, U, bounds};
use common::gpu::context;
use common::one_test_per_op;
use common::ops::{backward, forward};
use common::random::draw;
use ndarray::Array2;
use record::{Compared, Record};

/// 1, odd numbers, whole tiles, and one element more or less.
const EXTENTS: [usize; 19] = [1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 200, 207];
/// The number of shapes per op.
const DRAWS: usize = 20;
/// The multiply-adds of the largest product, as software adapters are slow.
const LARGEST: usize = 2_000_000;

fn shape(x: &Array2<f32>) -> Shape {
    [x.nrows(), x.ncols()]
}

fn noise(like: Shape, layer: u32) -> Array2<f32> {
    draw(like, Fill::Normal, layer)
}

fn wide(x: &Array2<f32>) -> Array2<f64> {
    x.mapv(f64::from)
}

/// Allocates buffers with these values. Vectors after the first tensor share one arena, so that joined operands are
/// contiguous; if `scattered`, each has its own buffer.
fn allocate(gpu: &mut Gpu, role: Role, scattered: bool, values: &[Array2<f32>]) -> Vec<Buffer> {
    let arena: Vec<usize> = (0..values.len()).filter(|i| !scattered && values[*i].nrows() == 1 && *i > 0).collect();
    let shapes: Vec<Shape> = arena.iter().map(|i| shape(&values[*i])).collect();
    let mut together = gpu.alloc(role, &shapes).expect("memory").into_iter();
    let mut buffers = Vec::new();
    for (i, value) in values.iter().enumerate() {
        let alone = |gpu: &mut Gpu| gpu.alloc(Role::Activation, &[shape(value)]).expect("memory")[0];
        let buffer = if arena.contains(&i) { together.next().expect("one each") } else { alone(gpu) };
        gpu.write(buffer, value.as_slice().expect("contiguous"));
        buffers.push(buffer);
    }
    buffers
}

fn read(gpu: &Gpu, buffer: Buffer, [rows, columns]: Shape) -> Array2<f32> {
    let mut values = vec![0.0; rows * columns];
    gpu.read(buffer, &mut values).expect("values");
    Array2::from_shape_vec((rows, columns), values).expect("as many values as the shape says")
}

struct Run {
    inputs: Vec<Array2<f32>>,
    cotangent: Array2<f32>,
    prefilled: Vec<Array2<f32>>,
}

impl Run {
    fn of(case: &Case) -> Self {
        let inputs: Vec<Array2<f32>> =
            case.inputs.iter().enumerate().map(|(i, &(shape, fill))| draw(shape, fill, i as u32)).collect();
        let shapes: Vec<Shape> = inputs.iter().map(shape).collect();
        let prefilled = shapes.iter().enumerate().map(|(i, s)| noise(*s, 200 + i as u32)).collect();
        Run { cotangent: noise(case.op.output_shapes(&shapes)[0], 100), inputs, prefilled }
    }

    /// Outputs and gradients on the GPU. Computes only the gradients that `wanted` selects.
    fn on_gpu(
        &self,
        gpu: &mut Gpu,
        op: &AnyOp,
        scattered: bool,
        overwrite: bool,
        wanted: &dyn Fn(usize) -> bool,
    ) -> (Vec<Array2<f32>>, Vec<Array2<f32>>) {
        let inputs = allocate(gpu, Role::Parameter, scattered, &self.inputs);
        let shapes = op.output_shapes(&self.inputs.iter().map(shape).collect::<Vec<_>>());
        let nothing: Vec<_> = shapes.iter().map(|s| Array2::from_elem(*s, f32::NAN)).collect();
        let outputs = allocate(gpu, Role::Activation, true, &nothing);
        if !scattered {
            // as the tape does: outputs that an op joins are then contiguous
            gpu.reshape(&outputs, &shapes).expect("memory");
            outputs.iter().zip(&nothing).for_each(|(b, v)| gpu.write(*b, v.as_slice().expect("contiguous")));
        }
        gpu.forward(op, &inputs, &outputs);
        let before: Vec<_> = match overwrite {
            true => self.prefilled.iter().map(|d| Array2::from_elem(d.dim(), f32::NAN)).collect(),
            false => self.prefilled.clone(),
        };
        let gradients = allocate(gpu, Role::Gradient, scattered, &before);
        let doutput = allocate(gpu, Role::Activation, true, std::slice::from_ref(&self.cotangent))[0];
        let target = |(i, buffer): (usize, &Buffer)| {
            wanted(i).then_some(Target { buffer: *buffer, accumulate: !overwrite, last: true })
        };
        let targets: Vec<_> = gradients.iter().enumerate().map(target).collect();
        gpu.backward(op, &inputs, &outputs, doutput, &targets);
        let outputs = outputs.iter().zip(&shapes).map(|(b, s)| read(gpu, *b, *s)).collect();
        (outputs, gradients.iter().zip(&self.inputs).map(|(b, x)| read(gpu, *b, shape(x))).collect())
    }
}

/// The perturbation of a tensor that a check must notice, as a fraction; `None` if it need not notice any. The bound of
/// a product grows with the number of its terms, which cancel. Two or three rows are almost the same after
/// normalization, so the gradient with respect to them is almost 0.
fn perturbation(case: &Case, tensor: &str) -> Option<f64> {
    let few = case.inputs[0].0[0] < 4 && matches!(case.op, AnyOp::BatchNorm(_) | AnyOp::NormDropoutFilm(_));
    let long = case.inputs.iter().any(|(shape, _)| shape.iter().any(|extent| *extent > 500));
    (!few || tensor != "gradient 0").then_some(if long { 3e-2 } else { 1e-3 })
}

fn check_case(gpu: &mut Gpu, case: &Case, scattered: bool, record: &mut Record) {
    let (op, run) = (&case.op, Run::of(case));
    let name = format!("{} {:?}", case.name, case.inputs.iter().map(|(shape, _)| *shape).collect::<Vec<_>>());
    let inputs: Vec<_> = run.inputs.iter().map(wide).collect();
    let cotangent = wide(&run.cotangent);
    let outputs = forward(op, &inputs);
    let zeros = || inputs.iter().map(|x| Array2::zeros(x.dim())).collect();
    let gradients = backward(op, &inputs, &outputs, &cotangent, zeros(), true);
    let exact = Exact { inputs: &inputs, outputs: &outputs, cotangent: &cotangent, gradients: &gradients };
    let bounds = bounds(op, &exact);
    let in_f32 = forward(op, &run.inputs);
    let mut compare = |tensor: String, got: &_, want: &_, tolerance: &_| {
        let what = Compared { case: &name, perturbation: perturbation(case, &tensor), tensor };
        record.compare(what, got, want, tolerance);
    };
    for overwrite in [true, false] {
        let wanted = |i| op.differentiable(i);
        let (got_outputs, got_gradients) = run.on_gpu(gpu, op, scattered, overwrite, &wanted);
        for (i, got) in got_outputs.iter().enumerate() {
            compare(format!("output {i}"), got, &outputs[i], &bounds.outputs[i]);
        }
        match op {
            AnyOp::Dropout(_) => assert_eq!(got_outputs[1], in_f32[1], "{name}: the mask, to the bit"),
            AnyOp::NormDropoutFilm(_) => assert_eq!(got_outputs.get(5), in_f32.get(5), "{name}: the mask, to the bit"),
            AnyOp::LinearRelu(_) => {
                let same = got_outputs[0].iter().zip(&in_f32[0]).all(|(a, b)| (*a == 0.0) == (*b == 0.0));
                assert!(same, "{name}: the dropped elements");
            }
            _ => {}
        }
        for (i, got) in got_gradients.iter().enumerate() {
            if !wanted(i) {
                let untouched = if overwrite { got.iter().all(|v| v.is_nan()) } else { *got == run.prefilled[i] };
                assert!(untouched, "{name}: wrote a gradient that input {i} does not have");
            } else if overwrite {
                compare(format!("gradient {i}"), got, &gradients[i], &bounds.gradients[i]);
            } else {
                let before = wide(&run.prefilled[i]);
                let tolerance = &bounds.gradients[i] + (before.mapv(f64::abs) + gradients[i].mapv(f64::abs)) * U;
                compare(format!("sum {i}"), got, &(&before + &gradients[i]), &tolerance);
            }
        }
    }
}

/// Without one gradient, or with only one, the computed gradients have the same bits as with all.
fn check_unwanted(gpu: &mut Gpu, case: &Case) {
    let (op, run) = (&case.op, Run::of(case));
    let (_, all) = run.on_gpu(gpu, op, false, false, &|i| op.differentiable(i));
    let differentiable: Vec<usize> = (0..run.inputs.len()).filter(|i| op.differentiable(*i)).collect();
    for (one, alone) in
        differentiable.iter().filter(|_| differentiable.len() > 1).flat_map(|one| [(*one, false), (*one, true)])
    {
        let wanted = |i| op.differentiable(i) && (i == one) == alone;
        let (_, some) = run.on_gpu(gpu, op, false, false, &wanted);
        for i in 0..run.inputs.len() {
            let want = if wanted(i) { &all[i] } else { &run.prefilled[i] };
            assert_eq!(some[i], want, "{}: gradient {i}; {one} alone: {alone}", case.name);
        }
    }
}

fn check(cases: fn(usize, usize, usize) -> Vec<Case>) {
    let mut draws = Stream::new(7, Purpose::TEST, 1).rng(0);
    let mut extent = || EXTENTS[draws.below(EXTENTS.len() as u32) as usize];
    // the last size has more rows than the threads of a workgroup sum in one round
    let mut sizes = vec![[1, 1, 1], [2, 3, 5], [32, 64, 32], [601, 2, 5]];
    while sizes.len() < DRAWS {
        sizes.extend([[extent(), extent(), extent()]].iter().filter(|s| s.iter().product::<usize>() <= LARGEST));
    }
    let mut record = Record::default();
    for checks in [Checks::On, Checks::Off] {
        let Some(context) = context(checks) else { return };
        for (i, [rows, inner, columns]) in sizes.iter().enumerate() {
            for case in cases(*rows, *inner, *columns) {
                check_case(&mut Gpu::new(context.clone()), &case, i % 2 == 1, &mut record);
            }
        }
        cases(5, 3, 7).iter().for_each(|case| check_unwanted(&mut Gpu::new(context.clone()), case));
    }
    record.print();
}

/// A threshold equal to an element's random bits keeps it, and one above drops it, so the GPU's bits are the CPU's.
#[test]
fn random_bits_are_those_of_the_cpu() {
    let Some(mut gpu) = context(Checks::Off).map(Gpu::new) else { return };
    // two quads and a part of one; both halves of the key, and the whole counter
    let (stream, [rows, columns]) = (Stream::new(0xFEDC_BA98_7654_3210, Purpose::DROPOUT, 3).at(17), [3, 9]);
    let x = allocate(&mut gpu, Role::Activation, true, &[Array2::ones((rows, columns))]);
    let outputs = gpu.alloc(Role::Activation, &[[rows, columns]; 2]).expect("memory");
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        let bits = stream.bits(row as u32, column as u32 / 4)[column % 4];
        for (below, dropped) in [(u64::from(bits), false), (u64::from(bits) + 1, true)] {
            // the threshold is exactly this number
            let op = Dropout { p: below as f64 / (1_u64 << 32) as f64, stream }.into();
            gpu.forward(&op, &x, &outputs);
            let mask = read(&gpu, outputs[1], [rows, columns]);
            assert_eq!(mask[[row, column]] == 0.0, dropped, "row {row}, column {column}: bits {bits}");
        }
    }
}

abr_film::for_each_op!(one_test_per_op);

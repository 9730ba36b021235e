//! The optimizer step on the GPU against the CPU in f64.

use super::U;
use abr_film::engine::check::draw;
use abr_film::engine::device::gpu::{Checks, Gpu};
use abr_film::engine::device::{AdamBuffers, AdamFactors, AdamSettings, AdamStep, Buffer, Clip, Cpu, Device, Role};
use abr_film::engine::kernels::adam::clip_scale;
use abr_film::engine::op::Fill;
use abr_film::engine::tensor::Shape;
use common::gpu::context;

/// More values than a workgroup updates, some rows, and a single value.
const SHAPES: [Shape; 3] = [[1, 5000], [33, 7], [1, 1]];
const LEARNING_RATE: f64 = 0.02;
const DEFAULT: AdamSettings = AdamSettings::DEFAULT;

/// Value, gradient, first and second moment of every parameter. The second parameter has a learning rate and a decay of
/// its own.
fn allocate(device: &mut dyn Device, weight_decay: f64) -> Vec<AdamBuffers> {
    let roles = [Role::Parameter, Role::Gradient, Role::Moment, Role::Moment];
    let buffers = roles.map(|role| device.alloc(role, &SHAPES).expect("memory"));
    for (which, of_role) in buffers.iter().enumerate() {
        // second moments are positive
        let fill = if which == 3 { Fill::Uniform(1e-4, 1.0) } else { Fill::Normal };
        for (i, (buffer, shape)) in of_role.iter().zip(SHAPES).enumerate() {
            let values = draw::<f32>(shape, fill, (10 * which + i) as u32);
            device.write(*buffer, values.as_slice().expect("contiguous"));
        }
    }
    let [value, gradient, m, v] = buffers;
    let parameter = |i: usize| {
        let (learning_rate, weight_decay) =
            if i == 1 { (0.25 * LEARNING_RATE, 0.3) } else { (LEARNING_RATE, weight_decay) };
        AdamBuffers { value: value[i], gradient: gradient[i], m: m[i], v: v[i], learning_rate, weight_decay }
    };
    (0..SHAPES.len()).map(parameter).collect()
}

fn make(
    device: &mut dyn Device,
    (step, settings): (u64, &AdamSettings),
    max_norm: Option<f64>,
    parameters: &[AdamBuffers],
) {
    let clip = max_norm.map(|max_norm| {
        let norms = device.norms(&[parameters.iter().map(|l| l.gradient).collect()]).expect("a norm");
        Clip { max_norm, norm: norms.get(0) }
    });
    device.adam(step, settings, clip, parameters);
}

fn read(device: &dyn Device, buffer: Buffer, [rows, columns]: Shape) -> Vec<f64> {
    super::read(device, buffer, rows * columns).into_iter().map(f64::from).collect()
}

/// The tolerances of value and moments: the roundings of each product and sum of the formula, with absolute values.
fn tolerance(step: &AdamStep, clipped: bool, scale: f64, [x, g, m, v]: [f64; 4]) -> [f64; 3] {
    let ([b1, b2], AdamFactors { step_size, inverse_root, keep, l2 }) = (step.betas, step.factors());
    let gradient = (g * scale).abs() + l2 * x.abs();
    // the scale depends on a norm, a sum over chunks
    let of_gradient = if clipped { 48.0 } else { 3.0 } * U * gradient;
    let of_m = (1.0 - b1) * of_gradient + 4.0 * U * (b1 * m.abs() + (1.0 - b1) * gradient);
    let of_v = (1.0 - b2) * 2.0 * gradient * of_gradient + 6.0 * U * (b2 * v + (1.0 - b2) * gradient * gradient);
    let signed = g * scale + l2 * x;
    let (m, v) = (b1 * m + (1.0 - b1) * signed, b2 * v + (1.0 - b2) * signed * signed);
    let change = step_size / (v.sqrt() * inverse_root + step.eps);
    let of_x = 3.0 * U * keep * x.abs() + change * (of_m + m.abs() * (of_v / (2.0 * v) + 8.0 * U)) + U * x.abs();
    [of_x, of_m, of_v]
}

#[test]
fn every_kind_of_step_is_the_cpu_s() {
    let Some(context) = context(Checks::Off) else { return };
    let decay = 0.1;
    let kinds = [
        (1, DEFAULT, 0.0, None),
        (1000, AdamSettings { betas: [0.8, 0.95], eps: 1e-3, ..DEFAULT }, 0.0, None),
        (1, DEFAULT, decay, None),
        (3, AdamSettings { decoupled: true, ..DEFAULT }, decay, None),
        (1, DEFAULT, 0.0, Some(1.0)),
        (1, DEFAULT, decay, Some(1e9)),
    ];
    for (number, settings, decay, max_norm) in kinds {
        let (mut gpu, mut cpu) = (Gpu::new(context.clone()), Cpu::<f64>::new());
        let parameters = allocate(&mut gpu, decay);
        let reference = allocate(&mut cpu, decay);
        let start: Vec<[Vec<f64>; 4]> = (parameters.iter().zip(SHAPES))
            .map(|(l, shape)| [l.value, l.gradient, l.m, l.v].map(|b| read(&gpu, b, shape)))
            .collect();
        let norm = start.iter().flat_map(|[_, g, ..]| g).map(|g| g * g).sum::<f64>().sqrt();
        let scale = max_norm.map_or(1.0, |max_norm| clip_scale(max_norm, norm));
        make(&mut gpu, (number, &settings), max_norm, &parameters);
        make(&mut cpu, (number, &settings), max_norm, &reference);
        for (i, (of_gpu, of_cpu)) in parameters.iter().zip(&reference).enumerate() {
            let of = |device: &dyn Device, l: &AdamBuffers| [l.value, l.m, l.v].map(|b| read(device, b, SHAPES[i]));
            let (got, want) = (of(&gpu, of_gpu), of(&cpu, of_cpu));
            let step = of_gpu.step(number, &settings);
            for at in 0..got[0].len() {
                let clipped = max_norm.is_some();
                let tolerance = tolerance(&step, clipped, scale, start[i].each_ref().map(|values| values[at]));
                for (which, name) in ["value", "first moment", "second moment"].into_iter().enumerate() {
                    let (got, want) = (got[which][at], want[which][at]);
                    // the device returns f32
                    let tolerance = tolerance[which] + U * want.abs();
                    assert!(
                        (got - want).abs() <= tolerance,
                        "{step:?}: {name} {at} of {i}: {got}, {want} ± {tolerance}"
                    );
                    // the tolerance is below a thousandth of the step
                    let moved = (want - start[i][[0, 2, 3][which]][at]).abs();
                    assert!(tolerance < 1e-3 * moved + 1e-5, "{name} {at} of {i}: ± {tolerance} of {moved}");
                }
            }
        }
    }
}

#[test]
fn steps_without_waits_are_the_same() {
    let Some(context) = context(Checks::Off) else { return };
    let results = [false, true].map(|waits| {
        let mut gpu = Gpu::new(context.clone());
        let mut parameters = allocate(&mut gpu, 0.0);
        for step in 1..4 {
            parameters.iter_mut().for_each(|p| p.learning_rate = 0.1 / step as f64);
            gpu.adam(step, &DEFAULT, None, &parameters);
            if waits {
                read(&gpu, parameters[0].value, SHAPES[0]);
            }
        }
        read(&gpu, parameters[0].value, SHAPES[0])
    });
    assert!(results[0] == results[1]);
}

#[test]
fn parameters_that_shared_a_learning_rate_may_part() {
    let Some(context) = context(Checks::Off) else { return };
    let mut gpu = Gpu::new(context);
    let mut parameters = allocate(&mut gpu, 0.0);
    gpu.adam(1, &DEFAULT, None, &parameters);
    let before = [0, 2].map(|i: usize| read(&gpu, parameters[i].value, SHAPES[i]));
    parameters[2].learning_rate = 0.0;
    gpu.adam(2, &DEFAULT, None, &parameters);
    let after = [0, 2].map(|i: usize| read(&gpu, parameters[i].value, SHAPES[i]));
    assert!(after[0] != before[0] && after[1] == before[1]);
}

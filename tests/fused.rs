//! Each fused op against its separate ops, bit for bit: outputs, and gradients that are overwritten and accumulated.

use abr_film::engine::check::draw;
use abr_film::engine::device::AdamStep;
use abr_film::engine::kernels::adam::adam;
use abr_film::engine::op::Precision;
use abr_film::engine::op::{AnyOp, Fill};
use abr_film::engine::ops::{
    BatchNorm, Clamp, ClampPosterior, Dropout, Film, GroupedLinear, LeakyRelu, Linear, LinearRelu, NormDropoutFilm,
};
use abr_film::engine::rng::{Purpose, Stream};
use common::ops::{backward, forward};
use ndarray::{Array2, Axis, concatenate, s};

/// More than a block of columns of `norm_dropout_film`, remainders of every vector length, and work for several tasks.
const SIZES: [[usize; 2]; 6] = [[2, 1], [3, 5], [7, 67], [5, 515], [33, 200], [130, 1031]];

fn zeros<T: Precision>(like: &[Array2<T>]) -> Vec<Array2<T>> {
    like.iter().map(|x| Array2::zeros(x.dim())).collect()
}

/// Runs the ops one after the other. Returns the outputs of each, and the gradients of the inputs of each. `side` holds
/// the inputs of each after the first.
fn chain<T: Precision>(
    ops: &[AnyOp],
    x: &Array2<T>,
    side: &[Vec<Array2<T>>],
    cotangent: &Array2<T>,
) -> (Vec<Vec<Array2<T>>>, Vec<Vec<Array2<T>>>) {
    let (mut inputs, mut outputs): (Vec<Vec<Array2<T>>>, Vec<Vec<Array2<T>>>) = (vec![], vec![]);
    for (op, side) in ops.iter().zip(side) {
        let x = outputs.last().map_or(x, |before| &before[0]).clone();
        inputs.push([vec![x], side.clone()].concat());
        outputs.push(forward(op, &inputs[inputs.len() - 1]));
    }
    let mut gradients = vec![];
    let mut doutput = cotangent.clone();
    for ((op, inputs), outputs) in ops.iter().zip(&inputs).zip(&outputs).rev() {
        let of_inputs = backward(op, inputs, outputs, &doutput, zeros(inputs), false);
        doutput = of_inputs[0].clone();
        gradients.insert(0, of_inputs);
    }
    (outputs, gradients)
}

/// The outputs and gradients of the fused op. Checks that overwriting NaN and accumulating into zeros give the same
/// gradients.
fn fused<T: Precision>(op: AnyOp, inputs: &[Array2<T>], cotangent: &Array2<T>) -> (Vec<Array2<T>>, Vec<Array2<T>>) {
    let outputs = forward(&op, inputs);
    let nothing: Vec<_> = inputs.iter().map(|x| Array2::from_elem(x.dim(), T::of(f64::NAN))).collect();
    let overwritten = backward(&op, inputs, &outputs, cotangent, nothing, true);
    let accumulated = backward(&op, inputs, &outputs, cotangent, zeros(inputs), false);
    for i in (0..inputs.len()).filter(|i| op.differentiable(*i)) {
        assert_eq!(overwritten[i], accumulated[i], "{}: input {i}", op.name());
    }
    (outputs, overwritten)
}

fn dropout(p: f64) -> Dropout {
    Dropout { p, stream: Stream::new(3, Purpose::DROPOUT, 4).at(2) }
}

fn norm_dropout_film_is_its_parts<T: Precision>([rows, columns]: [usize; 2], training: bool, drops: bool, film: bool) {
    let vector = |layer| draw([1, columns], Fill::Uniform(0.5, 1.5), layer);
    let (x, norm) = (draw::<T>([rows, columns], Fill::Normal, 0), vec![vector(1), vector(2), vector(3), vector(4)]);
    let modulation: Array2<T> = draw([rows, 2 * columns + 7], Fill::Normal, 5);
    let strength = draw([rows, 1], Fill::Uniform(0.0, 2.0), 6);
    let cotangent = draw([rows, columns], Fill::Normal, 7);
    let (gamma, beta) = (s![.., 3..3 + columns], s![.., 3 + columns..3 + 2 * columns]);

    let (mut ops, mut side) =
        (vec![LeakyRelu { slope: 0.2 }.into(), BatchNorm { training }.into()], vec![vec![], norm.clone()]);
    if drops {
        ops.push(AnyOp::from(dropout(0.3)));
        side.push(vec![]);
    }
    if film {
        ops.push(Film.into());
        side.push(vec![modulation.slice(gamma).to_owned(), modulation.slice(beta).to_owned(), strength.clone()]);
    }
    let (outputs, gradients) = chain(&ops, &x, &side, &cotangent);

    let op = NormDropoutFilm { slope: 0.2, training, dropout: drops.then(|| dropout(0.3)), film: film.then_some(3) };
    let inputs = [vec![x], norm, if film { vec![modulation, strength] } else { vec![] }].concat();
    let (found, found_gradients) = fused(op.into(), &inputs, &cotangent);
    let case = format!("{rows} x {columns}, {op:?}");
    assert_eq!(found[0], outputs[ops.len() - 1][0], "{case}: y");
    assert_eq!(found[1..5], outputs[1][1..5], "{case}: statistics");
    if drops {
        assert_eq!(found[5], outputs[2][1], "{case}: mask");
    }
    assert_eq!(found_gradients[0], gradients[0][0], "{case}: dx");
    assert_eq!(found_gradients[1..3], gradients[1][1..3], "{case}: dweight and dbias");
    if film {
        let of_film = &gradients[ops.len() - 1];
        assert_eq!(found_gradients[5].slice(gamma), of_film[1], "{case}: dgamma");
        assert_eq!(found_gradients[5].slice(beta), of_film[2], "{case}: dbeta");
        let others = [s![.., ..3], s![.., 3 + 2 * columns..]];
        assert!(others.into_iter().all(|other| found_gradients[5].slice(other).iter().all(|d| *d == T::zero())));
    }
}

#[test]
fn norm_dropout_film() {
    for size in SIZES {
        for [drops, film] in [[true, true], [true, false], [false, true], [false, false]] {
            for training in [true, false] {
                norm_dropout_film_is_its_parts::<f32>(size, training, drops, film);
                norm_dropout_film_is_its_parts::<f64>(size, training, drops, film);
            }
        }
    }
}

fn linear_relu_is_its_parts<T: Precision>([rows, columns]: [usize; 2], inner: usize, drops: bool) {
    let (x, cotangent) = (draw::<T>([rows, inner], Fill::Normal, 0), draw([rows, columns], Fill::Normal, 1));
    let parameters = vec![draw([columns, inner], Fill::Normal, 2), draw([1, columns], Fill::Normal, 3)];
    let (mut ops, mut side) = (vec![Linear.into(), LeakyRelu::RELU.into()], vec![parameters.clone(), vec![]]);
    if drops {
        ops.push(AnyOp::from(dropout(0.3)));
        side.push(vec![]);
    }
    let (outputs, gradients) = chain(&ops, &x, &side, &cotangent);
    let op = LinearRelu { dropout: drops.then(|| dropout(0.3)) };
    let (found, found_gradients) = fused(op.into(), &[vec![x], parameters].concat(), &cotangent);
    assert_eq!(found[0], outputs[ops.len() - 1][0], "{rows} x {columns}, {op:?}: y");
    assert_eq!(found_gradients, gradients[0], "{rows} x {columns}, {op:?}: dx, dW, db");
}

#[test]
fn linear_relu() {
    for (size, inner) in SIZES.into_iter().zip([1, 64, 7, 16, 33, 9]) {
        for drops in [true, false] {
            linear_relu_is_its_parts::<f32>(size, inner, drops);
            linear_relu_is_its_parts::<f64>(size, inner, drops);
        }
    }
}

#[test]
fn clamp_posterior() {
    let (mu, logvar) = (Clamp { lo: -1.0, hi: 1.0 }, Clamp { lo: -2.0, hi: 0.5 });
    for [rows, columns] in SIZES {
        let (x, cotangent) =
            (draw::<f32>([rows, 2 * columns], Fill::Normal, 0), draw([rows, 2 * columns], Fill::Normal, 1));
        let (found, found_gradients) =
            fused(ClampPosterior { mu, logvar }.into(), std::slice::from_ref(&x), &cotangent);
        for (clamp, half) in [(mu, s![.., ..columns]), (logvar, s![.., columns..])] {
            let (x, cotangent) = (x.slice(half).to_owned(), cotangent.slice(half).to_owned());
            let (outputs, gradients) = chain(&[clamp.into()], &x, &[vec![]], &cotangent);
            assert_eq!(found[0].slice(half), outputs[0][0]);
            assert_eq!(found_gradients[0].slice(half), gradients[0][0]);
        }
    }
}

#[test]
fn grouped_linear() {
    for ([rows, columns], inner) in SIZES.into_iter().zip([1, 64, 7, 16, 33, 9]) {
        let widths = [columns, columns, 2 * columns + 1];
        let x: Vec<Array2<f32>> = (0..widths.len()).map(|i| draw([rows, inner], Fill::Normal, i as u32)).collect();
        let draw = |i: usize, shape, first| draw::<f32>(shape, Fill::Normal, first + i as u32);
        let weights = [0, 1, 2].map(|i| draw(i, [widths[i], inner], 10));
        let biases = [0, 1, 2].map(|i| draw(i, [1, widths[i]], 20));
        let cotangents = [0, 1, 2].map(|i| draw(i, [rows, widths[i]], 30));
        let side_by_side = |parts: &[Array2<f32>]| {
            let joined = concatenate(Axis(1), &parts.iter().map(|p| p.view()).collect::<Vec<_>>());
            joined.expect("equal rows").as_standard_layout().into_owned()
        };
        let stacked = concatenate(Axis(0), &weights.iter().map(|p| p.view()).collect::<Vec<_>>()).expect("one width");
        let inputs = [side_by_side(&x), stacked, side_by_side(&biases)];
        let op = GroupedLinear { widths: widths.into() };
        let (found, found_gradients) = fused(op.into(), &inputs, &side_by_side(&cotangents));
        let mut first = 0;
        for (group, width) in widths.into_iter().enumerate() {
            let side = vec![weights[group].clone(), biases[group].clone()];
            let (outputs, gradients) = chain(&[Linear.into()], &x[group], &[side], &cotangents[group]);
            let (to, from) = (first..first + width, group * inner..(group + 1) * inner);
            assert_eq!(found[0].slice(s![.., to.clone()]), outputs[0][0]);
            assert_eq!(found_gradients[0].slice(s![.., from]), gradients[0][0]);
            assert_eq!(found_gradients[1].slice(s![to.clone(), ..]), gradients[0][1]);
            assert_eq!(found_gradients[2].slice(s![.., to]), gradients[0][2]);
            first += width;
        }
    }
}

fn step_weight_is_backward_then_adam<T: Precision>([rows, inputs, outputs]: [usize; 3]) {
    let (x, dy) = (draw::<T>([rows, inputs], Fill::Normal, 0), draw::<T>([rows, outputs], Fill::Normal, 1));
    let weights: Vec<Array2<T>> = (2..5).map(|i| draw([outputs, inputs], Fill::Uniform(0.1, 1.0), i)).collect();
    let step =
        AdamStep { step: 3, learning_rate: 1e-2, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.1, decoupled: true };
    let relu = LinearRelu { dropout: Some(dropout(0.3)) };
    let layer = [x.clone(), weights[0].clone(), Array2::zeros((1, outputs))];
    for op in [AnyOp::from(Linear), relu.into()] {
        let y = forward(&op, &layer).remove(0);
        let (_, gradients) = fused(op.clone(), &layer, &dy);
        let [mut w, mut m, mut v] = [0, 1, 2].map(|i| weights[i].clone());
        let slices = [&mut w, &mut m, &mut v].map(|t| t.as_slice_mut().expect("contiguous"));
        let [value, first, second] = slices;
        adam(&step, 1.0, value, gradients[1].as_slice().expect("contiguous"), first, second);
        let [mut ew, mut em, mut ev] = [0, 1, 2].map(|i| weights[i].clone());
        let tensors = [&mut ew, &mut em, &mut ev].map(|t| t.view_mut());
        match op.downcast_ref::<LinearRelu>() {
            Some(op) => op.step_weight(&step, x.view(), y.view(), dy.view(), tensors),
            None => Linear::step_weight(&step, x.view(), dy.view(), tensors),
        }
        assert_eq!([ew, em, ev], [w, m, v], "{}: {rows} rows, {inputs} to {outputs}", op.name());
    }
}

#[test]
fn step_weight() {
    for size in [[1, 1, 1], [2, 7, 3], [32, 207, 65], [128, 4097, 17], [3, 32768, 2], [2, 32769, 3], [33, 64, 1030]] {
        step_weight_is_backward_then_adam::<f32>(size);
        step_weight_is_backward_then_adam::<f64>(size);
    }
}

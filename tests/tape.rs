//! The tape: gradients of variables with several uses, reuse of memory, and misuse that panics.

use abr_film::engine::device::Cpu;
use abr_film::engine::nn::{init::Init, optim::Optimizer, params::Parameters};
use abr_film::engine::ops::{Add, GroupedLinear, LeakyRelu, Linear, Mse, Mul, Reparameterize, WeightedSum};
use abr_film::engine::tape::{Tape, Var};

fn tape(shapes: &[([usize; 2], bool)]) -> (Tape, Vec<Var>) {
    let mut tape = Tape::new(Box::new(Cpu::<f64>::new()));
    let parameters = tape.parameters(shapes).unwrap();
    (tape, parameters)
}

/// The mean of squares of `x`.
fn mean_square(tape: &mut Tape, x: Var) -> Var {
    let shape = tape.shape(x);
    let zeros = tape.input(shape, &vec![0.0; shape[0] * shape[1]]).unwrap();
    tape.apply(Mse, &[x, zeros]).unwrap()
}

#[test]
fn gradients_of_all_uses_add_up() {
    let (mut tape, p) = tape(&[([1, 2], true)]);
    tape.write(p[0], &[3.0, -2.0]);
    let two = tape.input([1, 2], &[2.0, 2.0]).unwrap();
    let doubled = tape.apply(Mul, &[p[0], two]).unwrap();
    let sum = tape.apply(Add, &[p[0], doubled]).unwrap(); // 3 p
    let loss = mean_square(&mut tape, sum); // 9 (p0^2 + p1^2) / 2
    assert_eq!(tape.item(loss).unwrap(), 58.5);
    tape.backward(loss).unwrap();
    assert_eq!(tape.read_gradient(p[0]).unwrap(), [27.0, -18.0]);
    // a second pass does not add to the first
    tape.backward(loss).unwrap();
    assert_eq!(tape.read_gradient(p[0]).unwrap(), [27.0, -18.0]);
}

#[test]
fn a_rewind_clears_the_program_and_keeps_parameters() {
    let (mut tape, p) = tape(&[([1, 2], true), ([1, 2], true)]);
    tape.write(p[0], &[1.0, 2.0]);
    for (rows, expected) in [(3, 2.5), (1, 2.5), (5, 2.5)] {
        tape.rewind();
        // another program of other shapes in the same slots
        let x = tape.input([rows, 2], &vec![0.5; rows * 2]).unwrap();
        let relu = tape.apply(LeakyRelu::RELU, &[x]).unwrap();
        assert_eq!(tape.read(relu).unwrap(), vec![0.5; rows * 2]);
        let loss = mean_square(&mut tape, p[0]);
        assert_eq!(tape.item(loss).unwrap(), expected);
        tape.backward(loss).unwrap();
        assert_eq!(tape.read_gradient(p[0]).unwrap(), [1.0, 2.0]);
        assert_eq!(tape.read_gradient(p[1]).unwrap(), [0.0, 0.0], "an unused parameter has a gradient of 0");
    }
}

#[test]
fn buffers_such_as_running_means_get_no_gradient() {
    let (mut tape, p) = tape(&[([1, 2], true), ([1, 2], false)]);
    tape.write(p[1], &[4.0, 4.0]);
    let product = tape.apply(Mul, &[p[0], p[1]]).unwrap();
    let loss = mean_square(&mut tape, product);
    tape.backward(loss).unwrap();
    assert_eq!(tape.read_gradient(p[1]).unwrap(), [0.0, 0.0]);
    tape.copy(p[1], p[0]);
    assert_eq!(tape.read(p[0]).unwrap(), [4.0, 4.0]);
}

#[test]
fn one_variable_twice_in_an_op_gets_the_gradients_of_both_uses() {
    let (mut tape, p) = tape(&[([1, 2], true)]);
    tape.write(p[0], &[3.0, -2.0]);
    let square = tape.apply(Mul, &[p[0], p[0]]).unwrap();
    assert_eq!(tape.read(square).unwrap(), [9.0, 4.0]);
    let sum = tape.apply(Add, &[square, square]).unwrap(); // 2 p^2
    let loss = mean_square(&mut tape, sum); // 2 (p0^4 + p1^4)
    tape.backward(loss).unwrap();
    assert_eq!(tape.read_gradient(p[0]).unwrap(), [8.0 * 27.0, 8.0 * -8.0]);
    // a weight that is its own input
    let (mut tape, p) = self::tape(&[([2, 2], true), ([1, 2], true)]);
    tape.write(p[0], &[1.0, 2.0, 3.0, 4.0]);
    let product = tape.apply(Linear, &[p[0], p[0], p[1]]).unwrap(); // W W^T
    assert_eq!(tape.read(product).unwrap(), [5.0, 11.0, 11.0, 25.0]);
    let loss = mean_square(&mut tape, product);
    tape.backward(loss).unwrap();
    // the product is symmetric, so each of the two uses contributes 2 / 4 of W W^T W
    assert_eq!(tape.read_gradient(p[0]).unwrap(), [38.0, 54.0, 86.0, 122.0]);
}

#[test]
#[should_panic(expected = "a variable from before the last rewind")]
fn a_variable_from_before_a_rewind_is_refused() {
    let (mut tape, p) = tape(&[([1, 1], true)]);
    let x = tape.input([1, 1], &[1.0]).unwrap();
    tape.rewind();
    let _ = tape.input([1, 1], &[2.0]).unwrap();
    let _ = tape.apply(Mul, &[p[0], x]);
}

#[test]
#[should_panic(expected = "a variable of tape")]
fn a_variable_of_another_tape_is_refused() {
    let ((mut one, of_one), (_, of_other)) = (tape(&[([1, 1], true)]), tape(&[([1, 1], true)]));
    let _ = one.apply(Mul, &[of_one[0], of_other[0]]);
}

#[test]
#[should_panic(expected = "linear: wanted x [B, I], weight [O, I], bias [1, O], got [[4, 3], [5, 2], [1, 5]]")]
fn shapes_that_do_not_fit_are_named() {
    let (mut tape, p) = tape(&[([5, 2], true), ([1, 5], true)]);
    let x = tape.input([4, 3], &[0.0; 12]).unwrap();
    let _ = tape.apply(Linear, &[x, p[0], p[1]]);
}

#[test]
#[should_panic(expected = "grouped_linear: wanted at least one group")]
fn no_groups_are_refused() {
    let (mut tape, p) = tape(&[([0, 2], true), ([1, 0], true)]);
    let x = tape.input([4, 0], &[]).unwrap();
    let _ = tape.apply(GroupedLinear { widths: [].into() }, &[x, p[0], p[1]]);
}

#[test]
#[should_panic(expected = "backward: the loss depends on no parameter")]
fn a_loss_that_depends_on_no_parameter_is_refused() {
    let (mut tape, _) = tape(&[([1, 1], true)]);
    let x = tape.input([1, 1], &[1.0]).unwrap();
    let weights = [1.0].into_iter().collect();
    let y = tape.apply(WeightedSum { weights }, &[x]).unwrap();
    let _ = tape.backward(y);
}

#[test]
#[should_panic(expected = "backward: the loss is [1, 1], not [2, 1]")]
fn a_loss_of_another_shape_is_refused() {
    let (mut tape, parameters) = tape(&[([2, 1], true)]);
    let _ = tape.backward(parameters[0]);
}

#[test]
#[should_panic(expected = "input: [2, 3] takes 6 values, not 5")]
fn values_that_do_not_fit_are_refused() {
    let _ = tape(&[]).0.input([2, 3], &[0.0; 5]);
}

/// A program on `x` `[3, 3]` that uses a weight `[3, 3]` twice, with a bias `[1, 3]` and a posterior `[3, 6]`.
type Uses = fn(&mut Tape, x: Var, [Var; 3]) -> Var;

/// Ways to use a weight twice. The backward pass visits the last use first.
const TWICE: [(&str, Uses); 4] = [
    ("in two layers", |tape, x, [weight, bias, _]| {
        let h = tape.apply(Linear, &[x, weight, bias]).unwrap();
        tape.apply(Linear, &[h, weight, bias]).unwrap()
    }),
    ("in a layer, then in another op", |tape, x, [weight, bias, _]| {
        let h = tape.apply(Linear, &[x, weight, bias]).unwrap();
        tape.apply(Add, &[h, weight]).unwrap()
    }),
    ("in another op, then in a layer", |tape, x, [weight, bias, _]| {
        let h = tape.apply(Add, &[x, weight]).unwrap();
        tape.apply(Linear, &[h, weight, bias]).unwrap()
    }),
    ("as an input without gradient, then in a layer", |tape, _, [weight, bias, posterior]| {
        let h = tape.apply(Reparameterize, &[posterior, weight]).unwrap();
        tape.apply(Linear, &[h, weight, bias]).unwrap()
    }),
];

/// All parameters after three steps. `uses` is followed by a layer whose weight has no other use. `in_backward`:
/// optimizer steps run in the backward pass where possible.
fn trained(uses: Uses, in_backward: bool) -> Vec<Vec<f32>> {
    let mut tape = Tape::new(Box::new(Cpu::<f32>::new()));
    let mut parameters = Parameters::default();
    let shapes: [&[usize]; 5] = [&[3, 3], &[3], &[3, 6], &[3, 3], &[3]];
    let ids = shapes.map(|shape| parameters.declare(format!("{shape:?}"), shape, true, Init::Linear { fan_in: 3 }));
    parameters.allocate(&mut tape, 1).unwrap();
    let [weight, bias, posterior, single, last_bias] = ids.map(|id| parameters.var(id));
    let mut optimizer = Optimizer::adam(0.1, &parameters, &mut tape).unwrap();
    for _ in 0..3 {
        tape.rewind();
        let x = tape.input([3, 3], &[0.3, -1.2, 0.8, 1.1, 0.4, -0.6, -0.9, 0.7, 1.5]).unwrap();
        let h = uses(&mut tape, x, [weight, bias, posterior]);
        let y = tape.apply(Linear, &[h, single, last_bias]).unwrap();
        let loss = mean_square(&mut tape, y);
        let before = tape.read(single).unwrap();
        if in_backward {
            optimizer.step_in_backward(&mut tape);
        }
        tape.backward(loss).unwrap();
        assert_eq!(
            tape.read(single).unwrap() != before,
            in_backward,
            "a weight with one use has its step in the backward pass"
        );
        optimizer.step(&mut tape, None).unwrap();
    }
    [weight, bias, posterior, single, last_bias].map(|var| tape.read(var).unwrap()).to_vec()
}

#[test]
fn a_weight_of_two_uses_waits_for_both_before_its_step() {
    for (how, uses) in TWICE {
        assert_eq!(trained(uses, true), trained(uses, false), "used {how}: to the bit");
    }
}

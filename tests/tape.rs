//! The tape: gradients through several uses of a variable, memory that is used again, and what it refuses.

use abr_film::device::Cpu;
use abr_film::ops::{Add, LeakyRelu, Linear, Mse, Mul, WeightedSum};
use abr_film::tape::{Tape, Var};

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
    assert_eq!(tape.scalar(loss).unwrap(), 58.5);
    tape.backward(loss).unwrap();
    assert_eq!(tape.read_gradient(p[0]).unwrap(), [27.0, -18.0]);
    // a second pass starts anew instead of adding to the first
    tape.backward(loss).unwrap();
    assert_eq!(tape.read_gradient(p[0]).unwrap(), [27.0, -18.0]);
}

#[test]
fn a_rewound_tape_forgets_the_program_and_keeps_parameters() {
    let (mut tape, p) = tape(&[([1, 2], true), ([1, 2], true)]);
    tape.write(p[0], &[1.0, 2.0]);
    for (rows, expected) in [(3, 2.5), (1, 2.5), (5, 2.5)] {
        tape.rewind();
        // another program of other shapes in the same slots
        let x = tape.input([rows, 2], &vec![0.5; rows * 2]).unwrap();
        let relu = tape.apply(LeakyRelu::RELU, &[x]).unwrap();
        assert_eq!(tape.read(relu).unwrap(), vec![0.5; rows * 2]);
        let loss = mean_square(&mut tape, p[0]);
        assert_eq!(tape.scalar(loss).unwrap(), expected);
        tape.backward(loss).unwrap();
        assert_eq!(tape.read_gradient(p[0]).unwrap(), [1.0, 2.0]);
        assert_eq!(tape.read_gradient(p[1]).unwrap(), [0.0, 0.0], "no gradient reaches what the loss does not use");
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
    tape.assign(p[1], p[0]);
    assert_eq!(tape.read(p[0]).unwrap(), [4.0, 4.0]);
}

#[test]
#[should_panic(expected = "mul: input 1 is given twice")]
fn one_variable_given_twice_to_an_op_is_refused() {
    let (mut tape, p) = tape(&[([1, 2], true)]);
    let _ = tape.apply(Mul, &[p[0], p[0]]);
}

#[test]
#[should_panic(expected = "linear: wanted x [B, I], weight [O, I], bias [1, O], got [[4, 3], [5, 2], [1, 5]]")]
fn shapes_that_do_not_fit_are_named() {
    let (mut tape, p) = tape(&[([5, 2], true), ([1, 5], true)]);
    let x = tape.input([4, 3], &[0.0; 12]).unwrap();
    let _ = tape.apply(Linear, &[x, p[0], p[1]]);
}

#[test]
#[should_panic(expected = "not a loss")]
fn going_back_from_what_depends_on_no_parameter_is_refused() {
    let (mut tape, _) = tape(&[([1, 1], true)]);
    let x = tape.input([1, 1], &[1.0]).unwrap();
    let weights = [1.0].into_iter().collect();
    let y = tape.apply(WeightedSum { weights }, &[x]).unwrap();
    let _ = tape.backward(y);
}

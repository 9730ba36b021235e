//! The ops, one file each: formula, shapes, gradient, forward and backward pass, test cases. Macros make every check
//! and bench from the table of ops below.

use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatches, Targets};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};
use arrayvec::ArrayVec;
use ndarray::Axis;

/// The most inputs of an op.
pub const MAX_INPUTS: usize = 7;
/// The most outputs of an op. The first is the result. The others have no gradient; they are saved for the backward
/// pass or, like batch norm's new running statistics, are for the caller.
pub const MAX_OUTPUTS: usize = 6;

/// The shapes of an op's outputs.
pub type Shapes = ArrayVec<Shape, MAX_OUTPUTS>;

/// A differentiable function of tensors. An op is plain data, and its results depend only on its fields and inputs.
pub trait Op: Sized {
    /// The name of its module and of its shader.
    const NAME: &'static str;

    /// Whether a gradient flows to this input.
    fn differentiable(&self, input: usize) -> bool;

    /// The shapes of the outputs.
    ///
    /// # Panics
    /// When the inputs' shapes do not fit, which is a bug of the caller.
    fn output_shapes(&self, inputs: &[Shape]) -> Shapes;

    /// Overwrites every output, whatever it held before.
    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]);

    /// Computes the gradients of the inputs from the gradient `doutput` of the first output. *Adds* each to its target
    /// in `dinputs`, or overwrites the target if it does not accumulate.
    fn backward<T: Real>(
        &self,
        inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    );

    /// [`Op::forward`] on a GPU.
    fn forward_dispatches(&self, inputs: &[Shape], outputs: &[Shape], tiling: &dyn TileChooser) -> Dispatches;

    /// [`Op::backward`] on a GPU.
    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        outputs: &[Shape],
        targets: Targets,
        tiling: &dyn TileChooser,
    ) -> Dispatches;

    /// The cases for checks and benches, with `rows` rows, `inner` inputs and `columns` outputs where these apply.
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case>;
}

/// One op with the inputs to run it on.
#[derive(Debug, Clone)]
pub struct Case {
    pub name: &'static str,
    pub op: AnyOp,
    pub inputs: Vec<(Shape, Fill)>,
}

impl Case {
    fn new(name: &'static str, op: impl Into<AnyOp>, inputs: impl Into<Vec<(Shape, Fill)>>) -> Self {
        Case { name, op: op.into(), inputs: inputs.into() }
    }
}

/// How a case's input is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    Normal,
    Uniform(f64, f64),
    /// One of these values, plus or minus up to 0.2, which keeps an input away from an op's kinks.
    Around(&'static [f64]),
    /// 0 or 1.
    Mask,
    Value(f64),
}

macro_rules! table {
    (($d:tt) $($module:ident $Op:ident,)*) => {
        $(pub mod $module; pub use $module::$Op;)*

        /// Any op of the table.
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyOp { $($Op($Op),)* }

        $(impl From<$Op> for AnyOp { fn from(op: $Op) -> Self { AnyOp::$Op(op) } })*

        impl AnyOp {
            /// The names of all ops, in the order of the table.
            pub const NAMES: &'static [&'static str] = &[$($Op::NAME,)*];

            /// The shader of each op, by its name.
            pub const SHADERS: &'static [(&'static str, &'static str)] =
                &[$(($Op::NAME, include_str!(concat!("../../../shaders/", stringify!($module), ".wgsl"))),)*];

            /// The cases of all ops; see [`Op::cases`].
            pub fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case> {
                [$($Op::cases(rows, inner, columns),)*].concat()
            }

            /// See [`Op::NAME`].
            pub fn name(&self) -> &'static str { match self { $(AnyOp::$Op(_) => $Op::NAME,)* } }

            /// See [`Op::differentiable`].
            pub fn differentiable(&self, input: usize) -> bool {
                match self { $(AnyOp::$Op(op) => op.differentiable(input),)* }
            }

            /// See [`Op::output_shapes`].
            pub fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
                match self { $(AnyOp::$Op(op) => op.output_shapes(inputs),)* }
            }

            /// See [`Op::forward`].
            pub fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
                match self { $(AnyOp::$Op(op) => op.forward(inputs, outputs),)* }
            }

            /// See [`Op::backward`].
            pub fn backward<T: Real>(
                &self,
                inputs: &[View<T>],
                outputs: &[View<T>],
                doutput: View<T>,
                dinputs: &mut [Option<Gradient<T>>],
            ) {
                match self { $(AnyOp::$Op(op) => op.backward(inputs, outputs, doutput, dinputs),)* }
            }

            /// See [`Op::forward_dispatches`].
            pub fn forward_dispatches(&self, inputs: &[Shape], outputs: &[Shape], tiling: &dyn TileChooser) -> Dispatches {
                match self { $(AnyOp::$Op(op) => op.forward_dispatches(inputs, outputs, tiling),)* }
            }

            /// See [`Op::backward_dispatches`].
            pub fn backward_dispatches(&self, inputs: &[Shape], outputs: &[Shape], targets: Targets, tiling: &dyn TileChooser) -> Dispatches {
                match self { $(AnyOp::$Op(op) => op.backward_dispatches(inputs, outputs, targets, tiling),)* }
            }
        }

        /// Calls `callback! { module Op, … }` with every line of the table, for the tests and benches of each op.
        #[macro_export]
        macro_rules! for_each_op {
            ($d callback:ident) => { $d callback! { $($module $Op,)* } };
        }
    };
}

table! { ($)
    add Add,
    batch_norm BatchNorm,
    clamp Clamp,
    clamp_posterior ClampPosterior,
    concat Concat,
    dropout Dropout,
    film Film,
    grouped_linear GroupedLinear,
    kl Kl,
    leaky_relu LeakyRelu,
    linear Linear,
    linear_relu LinearRelu,
    masked_l1 MaskedL1,
    mse Mse,
    mul Mul,
    norm_dropout_film NormDropoutFilm,
    reparameterize Reparameterize,
    sigma_vae_nll SigmaVaeNll,
    weighted_sum WeightedSum,
}

/// Panics, if not `ok`, with the op's name and with the wanted and the actual shapes.
#[track_caller]
fn want(ok: bool, op: &str, wanted: &str, got: &[Shape]) {
    assert!(ok, "{op}: wanted {wanted}, got {got:?}");
}

fn slice<'a, T>(view: &View<'a, T>) -> &'a [T] {
    view.to_slice().expect("tensors are contiguous")
}

/// One row of a tensor, or of a part of its columns.
#[inline(always)]
fn row<'a, T>(view: &View<'a, T>, row: usize) -> &'a [T] {
    (*view).index_axis_move(Axis(0), row).to_slice().expect("rows are contiguous")
}

/// One row of a tensor, or of a part of its columns.
#[inline(always)]
fn row_mut<'a, T>(view: &'a mut ViewMut<T>, row: usize) -> &'a mut [T] {
    view.index_axis_mut(Axis(0), row).into_slice().expect("rows are contiguous")
}

fn slice_mut<'a, T>(view: &'a mut ViewMut<T>) -> &'a mut [T] {
    view.as_slice_mut().expect("tensors are contiguous")
}

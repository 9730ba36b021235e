//! What an op is: a differentiable function of tensors. [`ops`](crate::engine::ops) holds the built-in ones; an op of
//! another crate is used in the same way. See `docs/engine.md` for how to write one.

mod any;
mod case;

pub use any::{AnyOp, Precision};
pub use case::{Case, Cases, Fill};

use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatches, Targets};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};
use arrayvec::ArrayVec;
use std::fmt::Debug;

/// The most inputs of an op.
pub const MAX_INPUTS: usize = 7;
/// The most outputs of an op. The first is the result. The others have no gradient; they are saved for the backward
/// pass or, like batch norm's new running statistics, are for the caller.
pub const MAX_OUTPUTS: usize = 6;

/// The shapes of an op's outputs.
pub type Shapes = ArrayVec<Shape, MAX_OUTPUTS>;

/// A differentiable function of tensors. An op is plain data, and its results depend only on its fields and inputs.
pub trait Op: Debug + Clone + Send + Sync + 'static {
    /// For messages; a built-in op has the name of its file and of its shader.
    const NAME: &'static str;

    /// Whether a gradient flows to this input.
    fn differentiable(&self, input: usize) -> bool;

    /// The shapes of the outputs.
    ///
    /// # Panics
    /// When the inputs' shapes do not fit, which is a bug of the caller; see [`want`].
    #[track_caller]
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

    /// How it runs on a GPU; `None` if it runs on the CPU alone. A GPU then fails with its name.
    fn gpu(&self) -> Option<&dyn GpuOp>;
}

/// An op on a GPU: a shader, and the dispatches of its entry points as data.
pub trait GpuOp {
    /// WGSL, which a device compiles once. Numbers that differ from op to op are uniforms. The first line includes
    /// files of `shaders/common`: `// include index, sum`.
    fn shader(&self) -> &'static str;

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
}

/// Panics, if not `ok`, with the op's name and with the wanted and the actual shapes.
#[track_caller]
pub fn want(ok: bool, op: &str, wanted: &str, got: &[Shape]) {
    assert!(ok, "{op}: wanted {wanted}, got {got:?}");
}

//! An op of any type, as a tape and a device hold it.

use super::{GpuOp, Op, Shapes};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};
use std::any::Any;
use std::fmt;

/// An op of any type.
pub struct AnyOp(Box<dyn Erased>);

/// The numbers that a device computes with: `f32` or `f64`.
pub trait Precision: Real {
    #[doc(hidden)]
    fn forward(op: &AnyOp, inputs: &[View<Self>], outputs: &mut [ViewMut<Self>]);

    #[doc(hidden)]
    fn backward(
        op: &AnyOp,
        inputs: &[View<Self>],
        outputs: &[View<Self>],
        doutput: View<Self>,
        dinputs: &mut [Option<Gradient<Self>>],
    );
}

macro_rules! erased {
    ($($float:ident $forward:ident $backward:ident,)*) => {
        /// [`Op`] without generic functions, which a trait object cannot have.
        trait Erased: Any + fmt::Debug + Send + Sync {
            fn name(&self) -> &'static str;
            fn clone_box(&self) -> Box<dyn Erased>;
            fn differentiable(&self, input: usize) -> bool;
            fn output_shapes(&self, inputs: &[Shape]) -> Shapes;
            fn gpu(&self) -> Option<&dyn GpuOp>;
            $(
                fn $forward(&self, inputs: &[View<$float>], outputs: &mut [ViewMut<$float>]);
                fn $backward(
                    &self,
                    inputs: &[View<$float>],
                    outputs: &[View<$float>],
                    doutput: View<$float>,
                    dinputs: &mut [Option<Gradient<$float>>],
                );
            )*
        }

        impl<O: Op> Erased for O {
            fn name(&self) -> &'static str {
                O::NAME
            }

            fn clone_box(&self) -> Box<dyn Erased> {
                Box::new(self.clone())
            }

            fn differentiable(&self, input: usize) -> bool {
                Op::differentiable(self, input)
            }

            fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
                Op::output_shapes(self, inputs)
            }

            fn gpu(&self) -> Option<&dyn GpuOp> {
                Op::gpu(self)
            }

            $(
                fn $forward(&self, inputs: &[View<$float>], outputs: &mut [ViewMut<$float>]) {
                    Op::forward(self, inputs, outputs);
                }

                fn $backward(
                    &self,
                    inputs: &[View<$float>],
                    outputs: &[View<$float>],
                    doutput: View<$float>,
                    dinputs: &mut [Option<Gradient<$float>>],
                ) {
                    Op::backward(self, inputs, outputs, doutput, dinputs);
                }
            )*
        }

        $(impl Precision for $float {
            fn forward(op: &AnyOp, inputs: &[View<Self>], outputs: &mut [ViewMut<Self>]) {
                op.0.$forward(inputs, outputs);
            }

            fn backward(
                op: &AnyOp,
                inputs: &[View<Self>],
                outputs: &[View<Self>],
                doutput: View<Self>,
                dinputs: &mut [Option<Gradient<Self>>],
            ) {
                op.0.$backward(inputs, outputs, doutput, dinputs);
            }
        })*
    };
}

erased! { f32 forward_f32 backward_f32, f64 forward_f64 backward_f64, }

impl AnyOp {
    /// See [`Op::NAME`].
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// See [`Op::differentiable`].
    pub fn differentiable(&self, input: usize) -> bool {
        self.0.differentiable(input)
    }

    /// See [`Op::output_shapes`].
    ///
    /// # Panics
    /// As [`Op::output_shapes`].
    pub fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        self.0.output_shapes(inputs)
    }

    /// See [`Op::forward`].
    pub fn forward<T: Precision>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        T::forward(self, inputs, outputs);
    }

    /// See [`Op::backward`].
    pub fn backward<T: Precision>(
        &self,
        inputs: &[View<T>],
        outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        T::backward(self, inputs, outputs, doutput, dinputs);
    }

    /// See [`Op::gpu`].
    pub fn gpu(&self) -> Option<&dyn GpuOp> {
        self.0.gpu()
    }

    /// The op, if it is of this type.
    pub fn downcast_ref<O: Op>(&self) -> Option<&O> {
        let any: &dyn Any = self.0.as_ref();
        any.downcast_ref()
    }

    /// Replaces the op, in its memory if the new one is of the same type.
    pub fn replace<O: Op>(&mut self, op: O) {
        let any: &mut dyn Any = self.0.as_mut();
        match any.downcast_mut::<O>() {
            Some(place) => *place = op,
            None => *self = AnyOp::from(op),
        }
    }
}

impl<O: Op> From<O> for AnyOp {
    fn from(op: O) -> Self {
        AnyOp(Box::new(op))
    }
}

impl Clone for AnyOp {
    fn clone(&self) -> Self {
        AnyOp(self.0.clone_box())
    }
}

impl fmt::Debug for AnyOp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ops::{LeakyRelu, Mse};

    #[test]
    fn an_op_of_the_same_type_takes_its_place() {
        let mut op = AnyOp::from(LeakyRelu { slope: 0.1 });
        let before: *const LeakyRelu = op.downcast_ref::<LeakyRelu>().unwrap();
        op.replace(LeakyRelu { slope: 0.2 });
        let after = op.downcast_ref::<LeakyRelu>().unwrap();
        assert_eq!(after.slope, 0.2);
        assert!(std::ptr::eq(before, after));
        op.replace(Mse);
        assert!(op.name() == "mse" && op.downcast_ref::<Mse>().is_some() && op.downcast_ref::<LeakyRelu>().is_none());
    }
}

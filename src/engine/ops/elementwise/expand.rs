//! The macro that makes ops of lines.

/// See the module above. First come the names that all formulas may use, so that these mean what the macro means.
macro_rules! elementwise {
    (
        ($d:tt) $y:ident, $dy:ident, $zero:ident, $one:ident, $two:ident;
        $(
            $(#[$doc:meta])*
            $name:ident $Op:ident $({ $($attribute:ident: $values:expr),* })? ($($x:ident: $fill:expr),*) =
                $formula:expr; $($gradient:expr),*;
        )*
    ) => {
        /// The names of all element-wise ops.
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// The cases of all element-wise ops.
        pub(super) fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<AnyOp>> {
            let mut all = Vec::new();
            $(all.extend($Op::cases(rows, inner, columns).into_iter().map(Case::any));)*
            all
        }

        /// Calls `callback! { …, module Op, … }` with the ops given and all element-wise ones.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! with_elementwise {
            ($d callback:ident! { $d ($d rest:tt)* }) => { $d callback! { $d ($d rest)* $($name $Op,)* } };
        }

        use $crate::engine::dispatch::{Dispatches, Targets, product::TileChooser};
        use $crate::engine::kernels::map::{accumulate, assign};
        use $crate::engine::op::{AnyOp, Case, Cases, GpuOp, Op, Shapes, want};
        use $crate::engine::tensor::{Gradient, Shape, View, ViewMut};
        use std::sync::OnceLock;

        $(
            elementwise! { @struct $(#[$doc])* $Op $({ $($attribute),* })? }

            impl $Op {
                const INPUTS: usize = [$(stringify!($x)),*].len();

                const WANTED: &str = concat!("[B, N] each for:", $(" ", stringify!($x)),*);

                const LINE: line::Line = line::Line {
                    inputs: &[$([
                        stringify!($x), concat!("of_", stringify!($x)), concat!("backward_", stringify!($x)),
                    ]),*],
                    attributes: &[$($(stringify!($attribute)),*)?],
                    formula: stringify!($formula),
                    gradients: &[$(stringify!($gradient)),*],
                };

                /// The values of the attributes, in order.
                fn attributes(&self) -> Vec<f64> {
                    vec![$($(self.$attribute),*)?]
                }

                /// The result for one element of each input.
                #[inline(always)]
                #[allow(unused_variables, reason = "a formula uses some of the names")]
                pub(super) fn value<T: Real>(&self, [$($x),*]: [T; Self::INPUTS]) -> T {
                    let ($zero, $one, $two) = (T::zero(), T::one(), T::one() + T::one());
                    $($(let $attribute = T::of(self.$attribute);)*)?
                    $formula
                }

                /// The gradients for one element of each input, of the output, and of its gradient.
                #[inline(always)]
                #[allow(unused_variables, reason = "a formula uses some of the names")]
                pub(super) fn gradients<T: Real>(
                    &self,
                    [$($x,)* $y, $dy]: [T; Self::INPUTS + 2],
                ) -> [T; Self::INPUTS] {
                    let ($zero, $one, $two) = (T::zero(), T::one(), T::one() + T::one());
                    $($(let $attribute = T::of(self.$attribute);)*)?
                    [$($gradient),*]
                }
            }

            impl Op for $Op {
                const NAME: &'static str = stringify!($name);

                fn differentiable(&self, _input: usize) -> bool {
                    true
                }

                fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
                    let fits = inputs.len() == Self::INPUTS && inputs.iter().all(|x| *x == inputs[0]);
                    want(fits, Self::NAME, Self::WANTED, inputs);
                    [inputs[0]].into_iter().collect()
                }

                fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
                    let [$($x),*] = inputs else { unreachable!("checked by output_shapes") };
                    assign(&mut outputs[0], [$($x),*], |values| self.value(values));
                }

                fn backward<T: Real>(
                    &self,
                    inputs: &[View<T>],
                    outputs: &[View<T>],
                    doutput: View<T>,
                    dinputs: &mut [Option<Gradient<T>>],
                ) {
                    let [$($x),*] = inputs else { unreachable!("checked by output_shapes") };
                    let all = [$($x,)* &outputs[0], &doutput];
                    // one loop per gradient; the compiler removes what a loop does not use
                    accumulate(&mut dinputs[0], all, |values| self.gradients(values)[0]);
                    if let Some(second) = dinputs.get_mut(1) {
                        accumulate(second, all, |values| self.gradients(values)[Self::INPUTS - 1]);
                    }
                }

                fn gpu(&self) -> Option<&dyn GpuOp> {
                    Some(self)
                }
            }

            impl GpuOp for $Op {
                fn shader(&self) -> &'static str {
                    static TEXT: OnceLock<String> = OnceLock::new();
                    TEXT.get_or_init(|| Self::LINE.shader())
                }

                fn forward_dispatches(&self, inputs: &[Shape], _: &[Shape], _: &dyn TileChooser) -> Dispatches {
                    Self::LINE.forward(inputs[0], &self.attributes())
                }

                fn backward_dispatches(
                    &self,
                    inputs: &[Shape],
                    _outputs: &[Shape],
                    targets: Targets,
                    _tiling: &dyn TileChooser,
                ) -> Dispatches {
                    Self::LINE.backward(inputs[0], &self.attributes(), targets)
                }
            }

            impl Cases for $Op {
                fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
                    const NAMES: [&str; 3] = ["first", "second", "third"];
                    let ops = elementwise! { @cases $Op $({ $($attribute: $values),* })? };
                    let case = |(op, name)| Case::new(name, op, [$(([rows, columns], $fill)),*]);
                    ops.into_iter().zip(NAMES).map(case).collect()
                }
            }
        )*
    };

    (@struct $(#[$doc:meta])* $Op:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Op;
    };
    (@struct $(#[$doc:meta])* $Op:ident { $($attribute:ident),* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        pub struct $Op { $(pub $attribute: f64),* }
    };

    (@cases $Op:ident) => { [$Op] };
    (@cases $Op:ident { $first:ident: $values:expr $(, $attribute:ident: $others:expr)* }) => {
        (0..$values.len()).map(|i| $Op { $first: $values[i] $(, $attribute: $others[i])* }).collect::<Vec<_>>()
    };
}

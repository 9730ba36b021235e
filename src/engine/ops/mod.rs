//! The built-in ops, one file each: formula, shapes, gradient, forward and backward pass, test cases; the element-wise
//! ones are one line each in [`elementwise`]. Macros make every check and bench from the table of ops below.

pub mod elementwise;

use crate::engine::op::{AnyOp, Case, Cases};
use crate::engine::tensor::{View, ViewMut};
pub use elementwise::*;
use ndarray::Axis;

macro_rules! table {
    (($d:tt) $($module:ident $Op:ident,)*) => {
        $(pub mod $module; pub use $module::$Op;)*

        /// The ops that have a file and a shader of their own.
        pub const FILES: &[&str] = &[$(stringify!($module)),*];

        fn cases_of_files(rows: usize, inner: usize, columns: usize) -> Vec<Case<AnyOp>> {
            let mut all = Vec::new();
            $(all.extend($Op::cases(rows, inner, columns).into_iter().map(Case::any));)*
            all
        }

        /// Calls `callback! { module Op, … }` with every built-in op, for the tests and benches of each op.
        #[macro_export]
        macro_rules! for_each_op {
            ($d callback:ident) => { $crate::with_elementwise! { $d callback! { $($module $Op,)* } } };
        }
    };
}

table! { ($)
    batch_norm BatchNorm,
    clamp_posterior ClampPosterior,
    concat Concat,
    cross_attention CrossAttention,
    cross_entropy CrossEntropy,
    dropout Dropout,
    film Film,
    grouped_linear GroupedLinear,
    kl Kl,
    layer_norm LayerNorm,
    linear Linear,
    linear_relu LinearRelu,
    masked_l1 MaskedL1,
    matmul Matmul,
    mean Mean,
    mse Mse,
    norm_dropout_film NormDropoutFilm,
    reparameterize Reparameterize,
    scale Scale,
    select_columns SelectColumns,
    sigma_vae_nll SigmaVaeNll,
    sum Sum,
    token_embedding TokenEmbedding,
    weighted_sum WeightedSum,
}

/// The names of all built-in ops: first those with a file of their own, then the element-wise ones.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().chain(elementwise::NAMES).copied()
}

/// The cases of all built-in ops; see [`Cases`].
pub fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<AnyOp>> {
    [cases_of_files(rows, inner, columns), elementwise::cases(rows, inner, columns)].concat()
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

//! Element-wise functions over tensors of one shape, in parallel over the rows.

use super::split::{By, split};
use super::vectorized::vectorized;
use crate::engine::tensor::{Gradient, Real, View, ViewMut, add};
use std::ops::Range;

vectorized! {
    fn assign_slice<T, F: Fn([T; N]) -> T, const N: usize>(out: &mut [T], inputs: [&[T]; N], f: &F) {
        let inputs = inputs.map(|x| &x[..out.len()]);
        for (i, out) in out.iter_mut().enumerate() {
            *out = f(inputs.map(|x| x[i]));
        }
    }

    fn accumulate_slice<T, F: Fn([T; N]) -> T, const N: usize>(out: &mut [T], accumulate: bool, inputs: [&[T]; N], f: &F) {
        let inputs = inputs.map(|x| &x[..out.len()]);
        for (i, out) in out.iter_mut().enumerate() {
            add(out, f(inputs.map(|x| x[i])), accumulate);
        }
    }
}

/// `out = f(inputs)`.
///
/// # Panics
/// When a tensor is not contiguous, or an input is smaller than `out`.
pub fn assign<T: Real, const N: usize>(out: &mut ViewMut<T>, inputs: [&View<T>; N], f: impl Fn([T; N]) -> T + Sync) {
    by_rows(out, inputs, &|out, inputs| assign_slice(out, inputs, &f));
}

/// `out += f(inputs)`, or `out = f(inputs)`; does nothing without an `out`.
///
/// # Panics
/// When a tensor is not contiguous, or an input is smaller than `out`.
pub fn accumulate<T: Real, const N: usize>(
    out: &mut Option<Gradient<T>>,
    inputs: [&View<T>; N],
    f: impl Fn([T; N]) -> T + Sync,
) {
    let Some(Gradient { values, accumulate }) = out else { return };
    by_rows(values, inputs, &|out, inputs| accumulate_slice(out, *accumulate, inputs, &f));
}

fn by_rows<T: Real, const N: usize>(
    out: &mut ViewMut<T>,
    inputs: [&View<T>; N],
    work: &(impl Fn(&mut [T], [&[T]; N]) + Sync),
) {
    let [rows, columns] = [out.nrows(), out.ncols()];
    let contiguous = "tensors are contiguous";
    let inputs = inputs.map(|x| x.as_slice().expect(contiguous));
    split(By::Rows, rows, columns, out.view_mut(), &|range: Range<usize>, mut out: ViewMut<T>| {
        work(out.as_slice_mut().expect(contiguous), inputs.map(|x| &x[range.start * columns..]));
    });
}

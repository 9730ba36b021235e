//! `y[b, i] = x[b, columns[i]]`: some columns of x in any order, PyTorch's `index_select` along dimension 1.
//!
//! | tensor | shape |
//! | --- | --- |
//! | x | `[B, N]` |
//! | y: one column for each of `columns` | `[B, M]` |
//!
//! Gradient: `dx[b, columns[i]] = dy[b, i]`, and 0 in the columns that are not selected. None is selected twice.

use super::{row, row_mut};
use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::kernels::split::{By, split};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut, add};
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub struct SelectColumns {
    /// Indices of columns of x, each at most once.
    pub columns: Arc<[u32]>,
}

impl SelectColumns {
    /// These columns.
    ///
    /// # Panics
    /// When one is selected twice.
    pub fn new(columns: impl IntoIterator<Item = usize>) -> Self {
        let columns: Arc<[u32]> = columns.into_iter().map(|column| column as u32).collect();
        let mut sorted = columns.to_vec();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
        assert!(twice.is_none(), "select_columns: column {} is selected twice", twice.map_or(0, |pair| pair[0]));
        SelectColumns { columns }
    }

    /// For each of `width` columns of x: 1 + its place in y, or 0 if it is not selected.
    fn places(&self, width: usize) -> Arc<[u32]> {
        let mut places = vec![0; width];
        for (place, column) in (1..).zip(self.columns.iter()) {
            places[*column as usize] = place;
        }
        places.into()
    }
}

impl Op for SelectColumns {
    const NAME: &'static str = "select_columns";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        let fits = matches!(inputs, [x] if self.columns.iter().all(|column| (*column as usize) < x[1]));
        want(fits && !self.columns.is_empty(), Self::NAME, "x [B, N] with the selected columns, one at least", inputs);
        [[inputs[0][0], self.columns.len()]].into_iter().collect()
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        let (rows, columns) = outputs[0].dim();
        split(By::Rows, rows, columns, outputs[0].view_mut(), &|range: Range<usize>, mut y: ViewMut<T>| {
            for (i, b) in range.enumerate() {
                let x = row(&inputs[0], b);
                for (y, column) in row_mut(&mut y, i).iter_mut().zip(self.columns.iter()) {
                    *y = x[*column as usize];
                }
            }
        });
    }

    fn backward<T: Real>(
        &self,
        _inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        let Some(Gradient { values, accumulate }) = &mut dinputs[0] else { return };
        let (rows, columns) = values.dim();
        split(By::Rows, rows, columns, values.view_mut(), &|range: Range<usize>, mut dx: ViewMut<T>| {
            for (i, b) in range.enumerate() {
                let dx = row_mut(&mut dx, i);
                if !*accumulate {
                    dx.fill(T::zero());
                }
                for (dy, column) in row(&doutput, b).iter().zip(self.columns.iter()) {
                    add(&mut dx[*column as usize], *dy, *accumulate);
                }
            }
        });
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for SelectColumns {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/select_columns.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        let dispatch = Dispatch::over("forward", len(outputs[0])).u("width", inputs[0][1]).u("own", outputs[0][1]);
        let dispatch = dispatch.bind("columns", Operand::Table(self.columns.clone()));
        vec![dispatch.bind("x", Operand::Input(0)).bind("y", Operand::Output(0))]
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        let dispatch = Dispatch::over("backward", len(inputs[0])).u("width", inputs[0][1]).u("own", outputs[0][1]);
        let dispatch = dispatch.bind("places", Operand::Table(self.places(inputs[0][1]))).bind("dy", Operand::DOutput);
        vec![dispatch.gradient(["dx", "accumulate"], 0, targets, len(inputs[0]))]
    }
}

impl Cases for SelectColumns {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        // the last column first, and every other one
        let op = SelectColumns::new((0..columns).rev().step_by(2));
        vec![Case::new("every_other", op, [([rows, columns], Fill::Normal)])]
    }
}

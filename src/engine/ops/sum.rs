//! `y = sums of x over an axis`, PyTorch's `x.sum(dim, keepdim=True)`.
//!
//! | axis | y |
//! | --- | --- |
//! | `OverRows` | `[1, N]` |
//! | `OverColumns` | `[B, 1]` |
//! | `OverAll` | `[1, 1]` |
//!
//! x is `[B, N]`. Gradient: each element of x gets the `dy` of its sum. A sum of nothing is 0.

use crate::engine::dispatch::product::TileChooser;
use crate::engine::dispatch::{COLUMNS, Dispatch, Dispatches, Operand, Targets, len, reduction};
use crate::engine::kernels::reduce::{column_sums, row_sums, spread, total};
use crate::engine::op::{Case, Cases, Fill, GpuOp, Op, Shapes, want};
use crate::engine::tensor::{Gradient, Real, Shape, View, ViewMut};

/// What [`Sum`] and [`Mean`](super::Mean) sum over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReduceAxis {
    /// Down each column: `[B, N]` to `[1, N]`.
    OverRows,
    /// Along each row: `[B, N]` to `[B, 1]`.
    OverColumns,
    /// `[B, N]` to `[1, 1]`.
    OverAll,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sum {
    pub axis: ReduceAxis,
}

/// The terms of cases. Those of both signs alike would sum to less than the bound on their rounding.
pub(super) const TERMS: Fill = Fill::Uniform(-0.5, 1.5);

/// What `Sum` and `Mean` share: sums times `scale`.
impl ReduceAxis {
    /// Each with the name of its case.
    pub(super) const NAMED: [(&'static str, ReduceAxis); 3] = [
        ("over_rows", ReduceAxis::OverRows),
        ("over_columns", ReduceAxis::OverColumns),
        ("over_all", ReduceAxis::OverAll),
    ];

    /// The number of terms of a sum.
    pub(super) fn terms(self, [rows, columns]: Shape) -> usize {
        match self {
            ReduceAxis::OverRows => rows,
            ReduceAxis::OverColumns => columns,
            ReduceAxis::OverAll => rows * columns,
        }
    }

    pub(super) fn output_shapes(self, op: &str, inputs: &[Shape]) -> Shapes {
        want(inputs.len() == 1, op, "x [B, N]", inputs);
        let [rows, columns] = inputs[0];
        [match self {
            ReduceAxis::OverRows => [1, columns],
            ReduceAxis::OverColumns => [rows, 1],
            ReduceAxis::OverAll => [1, 1],
        }]
        .into_iter()
        .collect()
    }

    pub(super) fn forward<T: Real>(self, x: View<T>, mut y: ViewMut<T>) {
        match self {
            ReduceAxis::OverRows => column_sums(x, &mut Gradient { values: y, accumulate: false }),
            ReduceAxis::OverColumns => row_sums(x, y),
            ReduceAxis::OverAll => y[[0, 0]] = total(super::slice(&x)),
        }
    }

    pub(super) fn forward_dispatches(self, shape: Shape, scale: f64) -> Dispatches {
        let ([rows, columns], x, y) = (shape, ("x", Operand::Input(0)), Operand::Output(0));
        let dispatch = |entry, workgroups| {
            let dispatch = Dispatch::new(entry, workgroups).bind(x.0, x.1.clone()).bind("y", y.clone());
            dispatch.u("rows", rows).u("columns", columns).f("scale", scale)
        };
        match self {
            ReduceAxis::OverRows => vec![dispatch("over_rows", columns.div_ceil(COLUMNS))],
            ReduceAxis::OverColumns => vec![dispatch("over_columns", rows).u("count", len(shape)).u("chunk", columns)],
            ReduceAxis::OverAll => reduction(len(shape), &[x], y, |d| d.f("scale", scale)),
        }
    }

    pub(super) fn backward_dispatches(self, shape: Shape, scale: f64, targets: Targets) -> Dispatches {
        let steps = match self {
            ReduceAxis::OverRows => [0, 1],
            ReduceAxis::OverColumns => [1, 0],
            ReduceAxis::OverAll => [0, 0],
        };
        let dispatch = Dispatch::over("backward", len(shape)).bind("dy", Operand::DOutput).f("scale", scale);
        let dispatch = dispatch.u("columns", shape[1]).u("row_step", steps[0]).u("column_step", steps[1]);
        vec![dispatch.gradient(["dx", "accumulate"], 0, targets, len(shape))]
    }
}

impl Op for Sum {
    const NAME: &'static str = "sum";

    fn differentiable(&self, _input: usize) -> bool {
        true
    }

    fn output_shapes(&self, inputs: &[Shape]) -> Shapes {
        self.axis.output_shapes(Self::NAME, inputs)
    }

    fn forward<T: Real>(&self, inputs: &[View<T>], outputs: &mut [ViewMut<T>]) {
        self.axis.forward(inputs[0], outputs[0].view_mut());
    }

    fn backward<T: Real>(
        &self,
        _inputs: &[View<T>],
        _outputs: &[View<T>],
        doutput: View<T>,
        dinputs: &mut [Option<Gradient<T>>],
    ) {
        spread(doutput, T::one(), &mut dinputs[0]);
    }

    fn gpu(&self) -> Option<&dyn GpuOp> {
        Some(self)
    }
}

impl GpuOp for Sum {
    fn shader(&self) -> &'static str {
        include_str!("../../../shaders/sum.wgsl")
    }

    fn forward_dispatches(&self, inputs: &[Shape], _outputs: &[Shape], _tiling: &dyn TileChooser) -> Dispatches {
        self.axis.forward_dispatches(inputs[0], 1.0)
    }

    fn backward_dispatches(
        &self,
        inputs: &[Shape],
        _outputs: &[Shape],
        targets: Targets,
        _tiling: &dyn TileChooser,
    ) -> Dispatches {
        self.axis.backward_dispatches(inputs[0], 1.0, targets)
    }
}

impl Cases for Sum {
    fn cases(rows: usize, _inner: usize, columns: usize) -> Vec<Case<Self>> {
        ReduceAxis::NAMED.map(|(name, axis)| Case::new(name, Sum { axis }, [([rows, columns], TERMS)])).into()
    }
}

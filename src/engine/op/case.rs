//! Inputs to run an op on, for checks and benches.

use super::{AnyOp, Op};
use crate::engine::tensor::Shape;

/// One op with the inputs to run it on.
#[derive(Debug, Clone)]
pub struct Case<O> {
    pub name: &'static str,
    pub op: O,
    pub inputs: Vec<(Shape, Fill)>,
    /// With fewer rows the gradient of the first input is almost 0, and a check need not notice a perturbation of it.
    pub least_rows: usize,
}

/// A built-in op has cases, which its checks and benches run.
pub trait Cases: Op {
    /// The cases with `rows` rows, `inner` inputs and `columns` outputs where these apply.
    fn cases(rows: usize, inner: usize, columns: usize) -> Vec<Case<Self>>;
}

impl<O> Case<O> {
    /// A case with inputs of these shapes.
    pub fn new(name: &'static str, op: O, inputs: impl Into<Vec<(Shape, Fill)>>) -> Self {
        Case { name, op, inputs: inputs.into(), least_rows: 1 }
    }

    /// Sets [`Case::least_rows`].
    pub fn least_rows(self, least_rows: usize) -> Self {
        Case { least_rows, ..self }
    }
}

impl<O: Op> Case<O> {
    /// The same case of any op.
    pub fn any(self) -> Case<AnyOp> {
        Case { name: self.name, op: self.op.into(), inputs: self.inputs, least_rows: self.least_rows }
    }
}

/// How a case's input is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// Standard normal.
    Normal,
    /// Uniform between two numbers.
    Uniform(f64, f64),
    /// One of these values, plus or minus up to 0.2, which keeps an input away from an op's kinks.
    Around(&'static [f64]),
    /// 0 or 1.
    Mask,
    Value(f64),
}

//! Where values stopped being finite.

use super::{Tape, Var};
use crate::engine::op::MAX_INPUTS;
use crate::engine::tensor::Shape;
use crate::error::Result;
use arrayvec::ArrayVec;

/// An op's output that is not finite.
#[derive(Debug, Clone, PartialEq)]
pub struct NotFinite {
    /// The op's name.
    pub op: &'static str,
    pub inputs: ArrayVec<Var, MAX_INPUTS>,
    pub shape: Shape,
    /// The rows that contain such values. Of a `[1, 1]` result with finite inputs: the rows of an input with more rows
    /// that hold its largest magnitude.
    pub rows: Vec<usize>,
}

impl Tape {
    /// The first op since the last rewind with an output that is not finite. Reads all values up to there.
    ///
    /// # Errors
    /// As [`Tape::read`].
    pub fn first_not_finite(&self) -> Result<Option<NotFinite>> {
        for node in &self.nodes[..self.recorded] {
            for output in &node.outputs {
                let shape = self.shape(*output);
                let rows = rows_where(&self.read(*output)?, shape, |value| !value.is_finite());
                if rows.is_empty() {
                    continue;
                }
                let rows = if shape == [1, 1] { self.largest_rows(&node.inputs)? } else { rows };
                return Ok(Some(NotFinite { op: node.op.name(), inputs: node.inputs.clone(), shape, rows }));
            }
        }
        Ok(None)
    }

    /// The rows with the largest magnitude among the inputs that have several rows.
    fn largest_rows(&self, inputs: &[Var]) -> Result<Vec<usize>> {
        let (mut largest, mut rows) = (0.0, Vec::new());
        for input in inputs.iter().filter(|input| self.shape(**input)[0] > 1) {
            let values = self.read(*input)?;
            // not `max`, which drops a NaN
            let top = values.iter().map(|v| v.abs()).fold(0.0_f32, |a, b| if b <= a { a } else { b });
            if largest < top || top.is_nan() {
                largest = top;
                let is_top = |value: f32| value.is_nan() || value.abs() == top;
                rows = rows_where(&values, self.shape(*input), is_top);
            }
        }
        Ok(rows)
    }
}

/// The rows with a value that `wanted` accepts.
fn rows_where(values: &[f32], [_, columns]: Shape, wanted: impl Fn(f32) -> bool) -> Vec<usize> {
    let rows = values.chunks_exact(columns.max(1)).enumerate();
    rows.filter(|(_, row)| row.iter().any(|value| wanted(*value))).map(|(row, _)| row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::device::Cpu;
    use crate::engine::op::Op;
    use crate::engine::ops::{Exp, Mse, Mul};

    #[test]
    fn the_first_op_that_is_not_finite_is_found_with_its_rows() {
        let mut tape = Tape::new(Box::new(Cpu::<f32>::new()));
        let w = tape.parameters(&[([3, 2], true)]).unwrap()[0];
        tape.write(w, &[1.0; 6]);
        let x = tape.input([3, 2], &[1.0, 2.0, 3.0, 1000.0, 5.0, f32::NAN]).unwrap();
        let y = tape.apply(Mul, &[x, w]).unwrap();
        tape.apply(Exp, &[y]).unwrap();
        let found = tape.first_not_finite().unwrap().unwrap();
        assert_eq!((found.op, found.shape, &found.rows[..]), (Mul::NAME, [3, 2], &[2][..]));
        assert_eq!(found.inputs[..], [x, w]);

        tape.rewind();
        let x = tape.input([3, 2], &[1.0, 2.0, 3.0, 1000.0, 5.0, 6.0]).unwrap();
        tape.apply(Exp, &[x]).unwrap();
        assert_eq!(tape.first_not_finite().unwrap().unwrap().rows, [1]);
        tape.rewind();
        let x = tape.input([3, 2], &[1.0, 2.0, 3.0, -1e30, 5.0, 6.0]).unwrap();
        tape.apply(Mse, &[x, w]).unwrap();
        let found = tape.first_not_finite().unwrap().unwrap();
        assert_eq!((found.op, found.shape, found.rows), (Mse::NAME, [1, 1], vec![1]));
        tape.rewind();
        assert_eq!(tape.first_not_finite().unwrap(), None);
    }
}

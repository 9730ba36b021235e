//! The backward pass.

use super::{Slot, Tape, Var};
use crate::engine::device::{Role, Target};
use crate::engine::op::MAX_INPUTS;
use crate::error::Result;
use arrayvec::ArrayVec;

impl Tape {
    /// Sets every parameter's gradient to that of the scalar `loss`.
    ///
    /// # Errors
    /// When the device is out of memory.
    ///
    /// # Panics
    /// When `loss` is not `[1, 1]` or depends on no parameter.
    #[track_caller]
    pub fn backward(&mut self, loss: Var) -> Result<()> {
        let Slot { shape, requires_grad, .. } = *self.slot(loss);
        assert!(shape == [1, 1], "backward: the loss is [1, 1], not {shape:?}");
        assert!(requires_grad, "backward: the loss depends on no parameter");
        self.slots[..self.used].iter_mut().for_each(|slot| slot.has_grad = false);
        for (index, node) in self.nodes[..self.recorded].iter().enumerate().rev() {
            for var in &node.inputs {
                self.slots[var.slot as usize].first_use = index;
            }
        }
        let seed = self.gradient(loss, self.recorded, true)?.buffer;
        self.device.write(seed, &[1.0]);
        for index in (0..self.recorded).rev() {
            let result = self.slot(self.nodes[index].outputs[0]);
            let (true, Some(doutput)) = (result.has_grad, result.gradient) else { continue };
            let vars = self.nodes[index].inputs.clone();
            // one call writes a buffer once; an op with the same variable twice gets a call for each use
            let uses = repeats(&vars);
            for use_number in 0..=uses {
                let mut dinputs = ArrayVec::<_, MAX_INPUTS>::new();
                for (i, var) in vars.iter().enumerate() {
                    let op = &self.nodes[index].op;
                    let flows = op.differentiable(i) && self.slot(*var).requires_grad;
                    let now = flows && uses_before(&vars, i) == use_number;
                    dinputs.push(if now { Some(self.gradient(*var, index, use_number == uses)?) } else { None });
                }
                let node = &self.nodes[index];
                let (inputs, outputs) = (self.values(&node.inputs), self.values(&node.outputs));
                self.device.backward(&node.op, &inputs, &outputs, doutput, &dinputs);
            }
        }
        for slot in self.slots[..self.parameters].iter().filter(|s| !s.has_grad && s.view_of.is_none()) {
            if let Some(gradient) = slot.gradient {
                self.device.zero(gradient);
            }
        }
        Ok(())
    }

    /// The target of a node's contribution to a variable's gradient. The first contribution in a pass overwrites.
    /// `last`: the node does not use the variable again.
    fn gradient(&mut self, var: Var, node: usize, last: bool) -> Result<Target> {
        let index = self.index(var);
        let slot = &mut self.slots[index];
        assert!(slot.view_of.is_none(), "tape: a view has no gradient of its own");
        let buffer = match slot.gradient {
            Some(gradient) => gradient,
            None => {
                let gradient = self.device.alloc(Role::Activation, &[slot.shape])?[0];
                slot.gradient = Some(gradient);
                gradient
            }
        };
        let accumulate = std::mem::replace(&mut slot.has_grad, true);
        if !accumulate && index >= self.parameters {
            self.device.reshape(&[buffer], &[slot.shape])?;
        }
        Ok(Target { buffer, accumulate, last: last && self.slots[index].first_use == node })
    }
}

/// How many inputs before input `i` are the same variable.
fn uses_before(vars: &[Var], i: usize) -> usize {
    vars[..i].iter().filter(|var| **var == vars[i]).count()
}

/// How often the op uses its most used variable, less 1.
fn repeats(vars: &[Var]) -> usize {
    (0..vars.len()).map(|i| uses_before(vars, i)).max().unwrap_or(0)
}

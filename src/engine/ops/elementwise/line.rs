//! The shader and the dispatches of an element-wise op.

use crate::engine::dispatch::{Dispatch, Dispatches, Operand, Targets, len};
use crate::engine::tensor::Shape;

/// What the macro makes of a line, as text for the GPU.
pub(super) struct Line {
    /// Each input: its name in the formulas, its variable, and the entry point of its gradient.
    pub inputs: &'static [[&'static str; 3]],
    pub attributes: &'static [&'static str],
    pub formula: &'static str,
    pub gradients: &'static [&'static str],
}

impl Line {
    pub fn shader(&self) -> String {
        let attributes = self.attributes.iter().map(|name| format!("    {name}: f32,\n"));
        let fields: String =
            ["    count: u32,\n    accumulate: u32,\n".to_string()].into_iter().chain(attributes).collect();
        let mut text = format!("// include index, elementwise\n\nstruct Params {{\n{fields}}}\n\n");
        text += "@group(0) @binding(0) var<uniform> p: Params;\n";
        let read = self.inputs.iter().map(|[_, variable, _]| (*variable, "read"));
        let others = [("of_y", "read"), ("of_dy", "read"), ("y", "read_write"), ("d", "read_write")];
        for ((variable, access), binding) in read.chain(others).zip(1..) {
            text += &format!("@group(0) @binding({binding}) var<storage, {access}> {variable}: array<f32>;\n");
        }
        text += &self.entry_point("forward", self.formula, "y[i] = ", "");
        for ([_, _, entry], gradient) in self.inputs.iter().zip(self.gradients) {
            text += &self.entry_point(entry, gradient, "d[i] = added(d[i], ", ", p.accumulate)");
        }
        text
    }

    fn entry_point(&self, entry: &str, formula: &str, before: &str, after: &str) -> String {
        let mut text = format!("\n@compute @workgroup_size(256)\nfn {entry}(thread: Thread) {{\n");
        text += "    let i = element(thread);\n    if (i >= p.count) { return; }\n";
        for (name, variable, _) in self.read(formula) {
            text += &format!("    let {name} = {variable}[i];\n");
        }
        for name in self.attributes.iter().filter(|name| mentions(formula, name)) {
            text += &format!("    let {name} = p.{name};\n");
        }
        text + &format!("    {before}{formula}{after};\n}}\n")
    }

    /// The tensors that a formula reads: name, variable, operand.
    fn read(&self, formula: &str) -> impl Iterator<Item = (&'static str, &'static str, Operand)> {
        let inputs =
            self.inputs.iter().enumerate().map(|(i, [name, variable, _])| (*name, *variable, Operand::Input(i)));
        let others = [("y", "of_y", Operand::Output(0)), ("dy", "of_dy", Operand::DOutput)];
        inputs.chain(others).filter(move |(name, ..)| mentions(formula, name))
    }

    fn dispatch(&self, entry: &'static str, formula: &str, count: usize, values: &[f64]) -> Dispatch {
        let dispatch = self.attributes.iter().zip(values).fold(Dispatch::over(entry, count), |d, (n, v)| d.f(n, *v));
        self.read(formula).fold(dispatch, |dispatch, (_, variable, operand)| dispatch.bind(variable, operand))
    }

    pub fn forward(&self, shape: Shape, values: &[f64]) -> Dispatches {
        vec![self.dispatch("forward", self.formula, len(shape), values).bind("y", Operand::Output(0))]
    }

    pub fn backward(&self, shape: Shape, values: &[f64], targets: Targets) -> Dispatches {
        let all = self.inputs.iter().zip(self.gradients).enumerate().filter(|(i, _)| targets[*i].is_some());
        let dispatch = |(i, ([_, _, entry], gradient)): (usize, (&[&'static str; 3], &&str))| {
            self.dispatch(entry, gradient, len(shape), values).gradient(["d", "accumulate"], i, targets, len(shape))
        };
        all.map(dispatch).collect()
    }
}

/// Whether a formula contains a name.
fn mentions(formula: &str, name: &str) -> bool {
    formula.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
}

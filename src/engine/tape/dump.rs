//! The recorded program as text.

use super::{Tape, Var};
use std::fmt::Write;

impl Tape {
    /// Prints the program since the last rewind to stdout; see [`Tape::dump`].
    pub fn print(&self) {
        print!("{}", self.dump(|_| None));
    }

    /// The program since the last rewind: a line for each parameter and input that it uses, and for each op. `name` may
    /// name a variable. A star marks what a gradient flows to.
    ///
    /// ```
    /// use abr_film::engine::{device::Cpu, ops::Mul, tape::Tape};
    ///
    /// let mut tape = Tape::new(Box::new(Cpu::<f32>::new()));
    /// let w = tape.parameters(&[([1, 3], true)])?[0];
    /// let x = tape.input([1, 3], &[1.0, 2.0, 3.0])?;
    /// tape.apply(Mul, &[w, x])?;
    /// let text = tape.dump(|var| (var == w).then(|| "weight".to_string()));
    /// assert_eq!(text, "\
    /// %0 [1, 3] *  parameter weight
    /// %1 [1, 3]    input
    /// %2 [1, 3] *  Mul(%0, %1)
    /// ");
    /// # Ok::<(), abr_film::error::Error>(())
    /// ```
    pub fn dump(&self, name: impl Fn(Var) -> Option<String>) -> String {
        let nodes = &self.nodes[..self.recorded];
        let is_output = |slot: usize| nodes.iter().any(|n| n.outputs.iter().any(|var| var.slot as usize == slot));
        let used = |slot: usize| nodes.iter().flat_map(|n| &n.inputs).find(|var| var.slot as usize == slot);
        let mut lines: Vec<(String, String)> = Vec::new();
        for slot in 0..self.used {
            let is_input = slot >= self.parameters && !is_output(slot);
            let Some(var) = used(slot).copied().filter(|_| slot < self.parameters || is_input) else { continue };
            let kind = if is_input { "input" } else { "parameter" };
            let named = name(var).map_or(String::new(), |name| format!(" {name}"));
            lines.push((self.of(var), format!("{kind}{named}")));
        }
        for node in nodes {
            let numbers = |vars: &[Var]| vars.iter().map(|var| format!("%{}", var.slot)).collect::<Vec<_>>().join(", ");
            let (result, saved) = node.outputs.split_first().expect("an op has an output");
            let saved = if saved.is_empty() { String::new() } else { format!(", saves {}", numbers(saved)) };
            lines.push((self.of(*result), format!("{:?}({}){saved}", node.op, numbers(&node.inputs))));
        }
        let width = lines.iter().map(|(head, _)| head.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (head, rest) in lines {
            writeln!(text, "{head:width$}  {rest}").expect("a string takes all text");
        }
        text
    }

    /// Number, shape, and whether a gradient flows there.
    fn of(&self, var: Var) -> String {
        let slot = self.slot(var);
        format!("%{} {:?}{}", var.slot, slot.shape, if slot.requires_grad { " *" } else { "" })
    }
}

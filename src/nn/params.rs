//! The parameters of a model: names, shapes and initial values, and where they lie on a tape.

use super::init::Init;
use crate::error::{Error, Result};
use crate::tape::{Tape, Var};
use crate::tensor::Shape;

/// One parameter, or one buffer such as a running mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name in the original PyTorch model's `state_dict`.
    pub name: String,
    /// PyTorch's shape: one dimension for a vector.
    pub shape: Vec<usize>,
    /// `false` for running statistics, which no gradient reaches.
    pub learned: bool,
    init: Init,
}

impl Parameter {
    /// The number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn matrix(&self) -> Shape {
        match self.shape[..] {
            [columns] => [1, columns],
            [rows, columns] => [rows, columns],
            _ => unreachable!("vectors and matrices only"),
        }
    }

    /// The number of the FiLM block this belongs to, counted from 1.
    pub fn film_block(&self) -> Option<usize> {
        self.name.strip_prefix("decoder.film")?.split('.').next()?.parse().ok()
    }
}

/// A parameter's place in [`Parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(usize);

/// All parameters of a model, in the order of their declaration.
#[derive(Debug, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
    vars: Vec<Var>,
    dropouts: u32,
}

impl Parameters {
    /// Adds a parameter.
    pub fn declare(&mut self, name: String, shape: &[usize], learned: bool, init: Init) -> Id {
        self.list.push(Parameter { name, shape: shape.to_vec(), learned, init });
        Id(self.list.len() - 1)
    }

    /// The next dropout layer's number, which keys its random words.
    pub fn next_dropout(&mut self) -> u32 {
        self.dropouts += 1;
        self.dropouts - 1
    }

    /// Puts every parameter on the tape, with its initial values of this seed.
    pub fn place(&mut self, tape: &mut Tape, seed: u64) -> Result<()> {
        let shapes: Vec<_> = self.list.iter().map(|p| (p.matrix(), p.learned)).collect();
        self.vars = tape.parameters(&shapes)?;
        for (index, (parameter, var)) in self.list.iter().zip(&self.vars).enumerate() {
            tape.write(*var, &parameter.init.values(seed, index, parameter.len()));
        }
        Ok(())
    }

    /// Where a parameter lies on the tape.
    ///
    /// # Panics
    /// Before [`Parameters::place`].
    pub fn var(&self, id: Id) -> Var {
        self.vars[id.0]
    }

    /// Every parameter with its place, in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (&Parameter, Var)> {
        self.list.iter().zip(self.vars.iter().copied())
    }

    /// The number of learned values.
    pub fn count(&self) -> usize {
        self.list.iter().filter(|p| p.learned).map(Parameter::len).sum()
    }

    /// Overwrites values by name; `find` gives shape and values, or `None` where there is no such tensor.
    ///
    /// # Errors
    /// A missing tensor, or one of another shape; nothing is written then.
    pub fn load<'a>(
        &self,
        tape: &mut Tape,
        source: &str,
        find: impl Fn(&str) -> Option<(&'a [usize], &'a [f32])>,
    ) -> Result<()> {
        let mut found = Vec::with_capacity(self.list.len());
        for parameter in &self.list {
            let (name, wanted) = (&parameter.name, &parameter.shape);
            let remedy = "use the configuration this file was made with (its sizes decide the shapes)";
            let Some((got, values)) = find(name) else {
                return Err(Error::input(
                    source,
                    format!("tensor {name}"),
                    format!("missing, wanted {wanted:?}"),
                    remedy,
                ));
            };
            if got != wanted.as_slice() {
                let problem = format!("wanted {wanted:?}, got {got:?}");
                return Err(Error::input(source, format!("tensor {name}"), problem, remedy));
            }
            found.push(values);
        }
        for (var, values) in self.vars.iter().zip(found) {
            tape.write(*var, values);
        }
        Ok(())
    }
}

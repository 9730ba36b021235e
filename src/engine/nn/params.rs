//! The parameters of a model: names, shapes, initial values, and their variables on a tape.

use super::init::Init;
use crate::engine::tape::{Tape, Var};
use crate::engine::tensor::Shape;
use crate::error::{Error, Result};

/// A parameter, or a buffer such as a running mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Named as in a PyTorch model's `state_dict`.
    pub name: String,
    /// PyTorch's shape: one dimension for a vector.
    pub shape: Vec<usize>,
    /// `false` for running statistics, which have no gradient.
    pub requires_grad: bool,
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
}

/// A parameter of [`Parameters`], or several stacked ones, by its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterId {
    Single(usize),
    Stack(usize),
}

/// Parameters stacked by rows in one tensor (vectors end to end), which ops use as one.
#[derive(Debug)]
struct Stack {
    /// The index of each parameter in the order of declaration, and the offset of its values.
    members: Vec<(usize, usize)>,
    shape: Shape,
    var: Option<Var>,
}

/// All parameters of a model, in the order of declaration.
#[derive(Debug, Default)]
pub struct Parameters {
    list: Vec<Parameter>,
    vars: Vec<Var>,
    stacks: Vec<Stack>,
    dropouts: u32,
}

impl Parameters {
    /// Adds a parameter.
    pub fn declare(&mut self, name: String, shape: &[usize], requires_grad: bool, init: Init) -> ParameterId {
        self.list.push(Parameter { name, shape: shape.to_vec(), requires_grad, init });
        ParameterId::Single(self.list.len() - 1)
    }

    /// Stacks trainable parameters of one width (or vectors) by rows in one tensor.
    ///
    /// # Panics
    /// When one is already in a stack, has another width, or has no gradient.
    pub fn stack(&mut self, parts: &[ParameterId]) -> ParameterId {
        let mut members = Vec::with_capacity(parts.len());
        let mut end = 0;
        for id in parts {
            let ParameterId::Single(index) = *id else { panic!("a stack of stacks") };
            assert!(self.list[index].requires_grad, "a stack of parameters without gradients");
            let twice = self.is_stacked(index) || members.iter().any(|(member, _)| *member == index);
            assert!(!twice, "a parameter in two stacks");
            members.push((index, end));
            end += self.list[index].len();
        }
        let [rows, columns] = self.list[members[0].0].matrix();
        let width = |index: usize| self.list[index].shape.get(1);
        assert!(members.iter().all(|(i, _)| width(*i) == width(members[0].0)), "a stack of different widths");
        let shape = if width(members[0].0).is_some() { [end / columns, columns] } else { [rows, end] };
        self.stacks.push(Stack { members, shape, var: None });
        ParameterId::Stack(self.stacks.len() - 1)
    }

    fn is_stacked(&self, index: usize) -> bool {
        self.stacks.iter().flat_map(|s| &s.members).any(|(member, _)| *member == index)
    }

    /// The number of the next dropout layer, which selects its random bits.
    pub fn next_dropout(&mut self) -> u32 {
        self.dropouts += 1;
        self.dropouts - 1
    }

    /// Allocates every parameter on the tape, with the initial values of this seed.
    ///
    /// # Errors
    /// When the device is out of memory.
    ///
    /// # Panics
    /// As [`Tape::parameters`].
    pub fn allocate(&mut self, tape: &mut Tape, seed: u64) -> Result<()> {
        let single = |index: &usize| !self.is_stacked(*index);
        let singles: Vec<usize> = (0..self.list.len()).filter(single).collect();
        let shapes = singles.iter().map(|i| (self.list[*i].matrix(), self.list[*i].requires_grad));
        let shapes: Vec<_> = shapes.chain(self.stacks.iter().map(|s| (s.shape, true))).collect();
        let allocated = tape.parameters(&shapes)?;
        let (allocated, stacks) = allocated.split_at(singles.len());
        let mut vars = vec![None; self.list.len()];
        for (index, var) in singles.iter().zip(allocated) {
            vars[*index] = Some(*var);
        }
        for (stack, var) in self.stacks.iter_mut().zip(stacks) {
            stack.var = Some(*var);
            for (index, offset) in &stack.members {
                vars[*index] = Some(tape.view(*var, *offset, self.list[*index].matrix()));
            }
        }
        self.vars = vars.into_iter().map(|var| var.expect("one variable per parameter")).collect();
        for (index, (parameter, var)) in self.list.iter().zip(&self.vars).enumerate() {
            tape.write(*var, &parameter.init.values(seed, index, parameter.len()));
        }
        Ok(())
    }

    /// The variable of a parameter, or of a stack.
    ///
    /// # Panics
    /// Before [`Parameters::allocate`].
    #[track_caller]
    pub fn var(&self, id: ParameterId) -> Var {
        let (found, name) = match id {
            ParameterId::Single(index) => (self.vars.get(index).copied(), self.list[index].name.as_str()),
            ParameterId::Stack(index) => (self.stacks[index].var, "a stack"),
        };
        found.unwrap_or_else(|| panic!("parameters: {name} is not on a tape: call `allocate` first"))
    }

    /// Every parameter with its variable, in the order of declaration.
    pub fn iter(&self) -> impl Iterator<Item = (&Parameter, Var)> {
        self.list.iter().zip(self.vars.iter().copied())
    }

    /// Every trainable parameter, in the order of declaration.
    pub fn trainable(&self) -> impl Iterator<Item = (ParameterId, &Parameter)> {
        let all = self.list.iter().enumerate().filter(|(_, parameter)| parameter.requires_grad);
        all.map(|(index, parameter)| (ParameterId::Single(index), parameter))
    }

    /// Every tensor of trainable parameters, with the indices of its parameters and the offset of each.
    pub(super) fn with_grad(&self) -> impl Iterator<Item = (Var, Vec<(usize, usize)>)> {
        let singles = (0..self.list.len()).filter(|i| self.list[*i].requires_grad && !self.is_stacked(*i));
        let singles = singles.map(|i| (self.vars[i], vec![(i, 0)]));
        singles.chain(self.stacks.iter().map(|stack| (stack.var.expect("allocated"), stack.members.clone())))
    }

    /// The indices of the parameters of an id.
    pub(super) fn members(&self, id: ParameterId) -> Vec<usize> {
        match id {
            ParameterId::Single(index) => vec![index],
            ParameterId::Stack(index) => self.stacks[index].members.iter().map(|(member, _)| *member).collect(),
        }
    }

    pub(super) fn get(&self, index: usize) -> &Parameter {
        &self.list[index]
    }

    /// The number of parameters, those without gradient included.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether no parameter is declared.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of trainable values.
    pub fn count(&self) -> usize {
        self.list.iter().filter(|p| p.requires_grad).map(Parameter::len).sum()
    }

    /// Overwrites all values by name. `find` returns shape and values, or `None` if there is no such tensor. `source`
    /// is for messages.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape. Nothing is written then.
    pub fn load<'a>(
        &self,
        tape: &mut Tape,
        source: &str,
        find: impl Fn(&str) -> Option<(&'a [usize], &'a [f32])>,
    ) -> Result<()> {
        let found = self.find_all(source, find)?;
        for (var, values) in self.vars.iter().zip(found) {
            tape.write(*var, values);
        }
        Ok(())
    }

    /// The values of every parameter, in the order of declaration, from a lookup by name. Needs no tape.
    ///
    /// # Errors
    /// As [`Parameters::load`].
    pub fn find_all<'a>(
        &self,
        source: &str,
        find: impl Fn(&str) -> Option<(&'a [usize], &'a [f32])>,
    ) -> Result<Vec<&'a [f32]>> {
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
        Ok(found)
    }
}

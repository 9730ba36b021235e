//! The optimizer: Adam or AdamW over groups of parameters, with optional clipping of the global gradient norm.

use super::params::{ParameterId, Parameters};
pub use crate::engine::device::AdamSettings;
use crate::engine::device::{AdamBuffers, Buffer, Clip, Role, ScalarHandle};
use crate::engine::tape::Tape;
use crate::engine::tensor::Shape;
use crate::error::Result;

/// Parameters with a learning rate and a weight decay of their own, as in PyTorch's parameter groups.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterGroup {
    /// A stack stands for all its parameters.
    pub parameters: Vec<ParameterId>,
    pub learning_rate: f64,
    pub weight_decay: f64,
    /// Whether [`Optimizer::step_in_backward`] includes these parameters. Their gradients may then not be readable.
    pub step_in_backward: bool,
}

impl ParameterGroup {
    /// A group without weight decay, whose steps may run in the backward pass.
    pub fn new(parameters: Vec<ParameterId>, learning_rate: f64) -> Self {
        ParameterGroup { parameters, learning_rate, weight_decay: 0.0, step_in_backward: true }
    }
}

/// The moments of every trainable parameter and the number of steps taken.
///
/// ```
/// use abr_film::engine::device::Cpu;
/// use abr_film::engine::nn::{init::Init, optim::Optimizer, params::Parameters};
/// use abr_film::engine::ops::Mse;
/// use abr_film::engine::tape::Tape;
///
/// let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
/// let id = parameters.declare("x".into(), &[2], true, Init::Constant(1.0));
/// parameters.allocate(&mut tape, 0)?;
///
/// let mut optimizer = Optimizer::adam(0.1, &parameters, &mut tape)?;
/// for epoch in 0..50 {
///     optimizer.set_learning_rate(0, 0.1 * 0.95_f64.powi(epoch));
///     tape.rewind();
///     let target = tape.input([1, 2], &[3.0, -2.0])?;
///     let loss = tape.apply(Mse, &[parameters.var(id), target])?;
///     tape.backward(loss)?;
///     optimizer.step(&mut tape, None)?;
/// }
/// let found = tape.read(parameters.var(id))?;
/// assert!((found[0] - 3.0).abs() < 0.5 && (found[1] + 2.0).abs() < 1.5, "{found:?}");
/// # Ok::<(), abr_film::error::Error>(())
/// ```
pub struct Optimizer {
    settings: AdamSettings,
    parameters: Vec<AdamBuffers>,
    /// The group of each of `parameters`.
    group_of: Vec<usize>,
    groups: Vec<ParameterGroup>,
    /// Those of [`Optimizer::step_in_backward`]. Steps reuse this memory.
    in_backward: Vec<AdamBuffers>,
    /// Whether the backward pass may run parts of the next step.
    in_backward_pending: bool,
    /// All gradients as one group for [`Device::norms`](crate::engine::device::Device::norms), so that a step allocates
    /// nothing.
    gradients: [Vec<Buffer>; 1],
    moments: Vec<Moments>,
    /// The number of steps so far.
    pub steps: u64,
}

/// The moments of one parameter.
struct Moments {
    name: String,
    len: usize,
    m: Buffer,
    v: Buffer,
}

impl Optimizer {
    /// An optimizer with moments 0.
    ///
    /// # Errors
    /// When the device is out of memory.
    ///
    /// # Panics
    /// When parameters are not allocated on the tape, a trainable parameter is not in exactly one group, a parameter of
    /// a group has no gradient, or a stack is in two groups.
    pub fn new(
        settings: AdamSettings,
        groups: Vec<ParameterGroup>,
        parameters: &Parameters,
        tape: &mut Tape,
    ) -> Result<Self> {
        let group_of_each = group_of_each(&groups, parameters);
        let (mut stepped, mut group_of, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let shapes: Vec<Shape> = parameters.with_grad().map(|(var, _)| tape.shape(var)).collect();
        let [first, second] = [(); 2].map(|()| tape.device_mut().alloc(Role::Moment, &shapes));
        for ((var, members), (m, v)) in parameters.with_grad().zip(first?.into_iter().zip(second?)) {
            let (value, gradient) = tape.buffers(var);
            let group = group_of_each[members[0].0];
            let ParameterGroup { learning_rate, weight_decay, .. } = groups[group];
            stepped.push(AdamBuffers { value, gradient, m, v, learning_rate, weight_decay });
            group_of.push(group);
            for (index, offset) in members {
                let parameter = parameters.get(index);
                assert!(group_of_each[index] == group, "{}: its stack is in two groups", parameter.name);
                let mut view = |of| tape.device_mut().view(of, offset, [1, parameter.len()]);
                let (m, v) = (view(m), view(v));
                moments.push(Moments { name: parameter.name.clone(), len: parameter.len(), m, v });
            }
        }
        let gradients = [stepped.iter().map(|p: &AdamBuffers| p.gradient).collect()];
        Ok(Optimizer {
            settings,
            parameters: stepped,
            group_of,
            groups,
            in_backward: Vec::new(),
            in_backward_pending: false,
            gradients,
            moments,
            steps: 0,
        })
    }

    /// Adam with PyTorch's defaults and all parameters in one group, number 0.
    ///
    /// # Errors
    /// As [`Optimizer::new`].
    ///
    /// # Panics
    /// When parameters are not allocated on the tape.
    pub fn adam(learning_rate: f64, parameters: &Parameters, tape: &mut Tape) -> Result<Self> {
        let all = parameters.trainable().map(|(id, _)| id).collect();
        Self::new(AdamSettings::DEFAULT, vec![ParameterGroup::new(all, learning_rate)], parameters, tape)
    }

    /// The groups, in the order in which they were given.
    pub fn groups(&self) -> &[ParameterGroup] {
        &self.groups
    }

    /// Sets the learning rate of a group, by its number, for all later steps.
    ///
    /// # Panics
    /// When there is no such group.
    pub fn set_learning_rate(&mut self, group: usize, learning_rate: f64) {
        self.groups[group].learning_rate = learning_rate;
        for (parameter, own) in self.parameters.iter_mut().zip(&self.group_of) {
            if *own == group {
                parameter.learning_rate = learning_rate;
            }
        }
    }

    /// Lets the next backward pass run the step where it can, in the groups that allow it. Gradients may then not be
    /// readable. [`Optimizer::step`], without a clip, must finish the step.
    pub fn step_in_backward(&mut self, tape: &mut Tape) {
        self.in_backward_pending = true;
        let all = self.parameters.iter().zip(&self.group_of);
        self.in_backward.clear();
        self.in_backward.extend(all.filter(|(_, group)| self.groups[**group].step_in_backward).map(|(p, _)| *p));
        tape.device_mut().optimize_in_backward(self.steps + 1, &self.settings, &self.in_backward);
    }

    /// One step with the gradients of the last backward pass. If `clip` is set and their global norm is above it,
    /// scales them down to it first (PyTorch's `clip_grad_norm_`). Returns that norm. Does not wait for the device.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    ///
    /// # Panics
    /// After [`Optimizer::step_in_backward`], with a `clip` or after a change of a learning rate.
    pub fn step(&mut self, tape: &mut Tape, clip: Option<f64>) -> Result<Option<ScalarHandle>> {
        assert!(clip.is_none() || !self.in_backward_pending, "a step in the backward pass cannot be clipped");
        self.in_backward_pending = false;
        let device = tape.device_mut();
        let norm = if clip.is_some() { Some(device.norms(&self.gradients)?.get(0)) } else { None };
        let clip = clip.zip(norm).map(|(max_norm, norm)| Clip { max_norm, norm });
        self.steps += 1;
        device.adam(self.steps, &self.settings, clip, &self.parameters);
        Ok(norm)
    }

    /// `(name, first moments, second moments)` of every trainable parameter.
    ///
    /// # Errors
    /// When the device is lost.
    pub fn moments(&self, tape: &mut Tape) -> Result<Vec<(String, Vec<f32>, Vec<f32>)>> {
        let mut all = Vec::with_capacity(self.moments.len());
        for Moments { name, len, m, v } in &self.moments {
            let (mut first, mut second) = (vec![0.0; *len], vec![0.0; *len]);
            tape.device_mut().read(*m, &mut first)?;
            tape.device_mut().read(*v, &mut second)?;
            all.push((name.clone(), first, second));
        }
        Ok(all)
    }

    /// Overwrites the moments. `find` returns those of a parameter of this name and length.
    ///
    /// # Errors
    /// When `find` fails.
    pub fn load_moments<'a>(
        &mut self,
        tape: &mut Tape,
        find: impl Fn(&str, usize) -> Result<(&'a [f32], &'a [f32])>,
    ) -> Result<()> {
        for Moments { name, len, m, v } in &self.moments {
            let (first, second) = find(name, *len)?;
            tape.device_mut().write(*m, first);
            tape.device_mut().write(*v, second);
        }
        Ok(())
    }
}

/// The group of each parameter, by the parameter's index; of those without gradient a number that is no group.
fn group_of_each(groups: &[ParameterGroup], parameters: &Parameters) -> Vec<usize> {
    const NONE: usize = usize::MAX;
    let mut of_each = vec![NONE; parameters.len()];
    for (number, group) in groups.iter().enumerate() {
        for index in group.parameters.iter().flat_map(|id| parameters.members(*id)) {
            let parameter = parameters.get(index);
            assert!(parameter.requires_grad, "{}: in a parameter group, but without a gradient", parameter.name);
            assert!(of_each[index] == NONE, "{}: twice in the parameter groups", parameter.name);
            of_each[index] = number;
        }
    }
    for (index, group) in of_each.iter().enumerate() {
        let parameter = parameters.get(index);
        assert!(*group != NONE || !parameter.requires_grad, "{}: in no parameter group", parameter.name);
    }
    of_each
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::device::Cpu;
    use crate::engine::nn::init::Init;

    /// An optimizer of the parameters `a`, `b`, and of `c` and `d` in a stack.
    fn optimizer(groups: &[&[usize]]) -> Optimizer {
        let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
        let ids = ["a", "b", "c", "d"].map(|name| parameters.declare(name.into(), &[2], true, Init::Constant(0.0)));
        parameters.declare("running".into(), &[2], false, Init::Constant(0.0));
        let stack = parameters.stack(&ids[2..]);
        parameters.allocate(&mut tape, 0).expect("memory");
        let ids = [&ids[..], &[stack]].concat();
        let group = |of: &&[usize]| ParameterGroup::new(of.iter().map(|i| ids[*i]).collect(), 0.1);
        Optimizer::new(AdamSettings::DEFAULT, groups.iter().map(group).collect(), &parameters, &mut tape)
            .expect("memory")
    }

    #[test]
    fn a_learning_rate_is_that_of_its_group_alone() {
        let mut optimizer = optimizer(&[&[0], &[1, 4]]);
        optimizer.set_learning_rate(1, 0.5);
        assert_eq!(optimizer.parameters.iter().map(|p| p.learning_rate).collect::<Vec<_>>(), [0.1, 0.5, 0.5]);
        assert_eq!(optimizer.groups().iter().map(|group| group.learning_rate).collect::<Vec<_>>(), [0.1, 0.5]);
    }

    #[test]
    #[should_panic(expected = "b: in no parameter group")]
    fn every_parameter_has_a_group() {
        optimizer(&[&[0], &[2, 3]]);
    }

    #[test]
    #[should_panic(expected = "c: twice in the parameter groups")]
    fn no_parameter_has_two_groups() {
        optimizer(&[&[0, 1, 2], &[4]]);
    }

    #[test]
    #[should_panic(expected = "d: its stack is in two groups")]
    fn a_stack_has_one_group() {
        optimizer(&[&[0, 1, 2], &[3]]);
    }
}

//! The optimizer: Adam or AdamW over all parameters, with optional clipping of the global gradient norm.

use super::params::Parameters;
use crate::config::{FilmConfig, OptimizerConfig, OptimizerKind};
use crate::engine::device::{AdamBuffers, AdamStep, Buffer, Clip, ParameterGroup, Role, ScalarHandle};
use crate::engine::tape::Tape;
use crate::engine::tensor::Shape;
use crate::error::Result;

/// The moments of every trainable parameter and the number of steps taken.
pub struct Optimizer {
    config: OptimizerConfig,
    parameters: Vec<AdamBuffers>,
    /// Those whose gradients are not read after the backward pass.
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
    /// An optimizer with moments 0. FiLM's parameters form a group of their own.
    ///
    /// # Errors
    /// When the device is out of memory.
    ///
    /// # Panics
    /// When parameters are not allocated on the tape, or a stack mixes FiLM's parameters with others.
    pub fn new(config: &OptimizerConfig, film: &FilmConfig, parameters: &Parameters, tape: &mut Tape) -> Result<Self> {
        let film = ParameterGroup { learning_rate_scale: film.learning_rate_scale, weight_decay: film.weight_decay };
        let (mut stepped, mut in_backward, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let shapes: Vec<Shape> = parameters.with_grad().map(|(var, _)| tape.shape(var)).collect();
        let [first, second] = [(); 2].map(|()| tape.device_mut().alloc(Role::Moment, &shapes));
        for ((var, members), (m, v)) in parameters.with_grad().zip(first?.into_iter().zip(second?)) {
            let (value, gradient) = tape.buffers(var);
            let is_film = members[0].0.film_level().is_some();
            let group = match is_film {
                // no decay for biases: a bias of gamma is 1 if FiLM is the identity
                true if members[0].0.shape.len() == 1 => {
                    ParameterGroup { weight_decay: film.weight_decay.map(|_| 0.0), ..film }
                }
                true => film,
                false => ParameterGroup::DEFAULT,
            };
            assert!(members.iter().all(|(p, _)| p.film_level().is_some() == is_film), "a stack across two groups");
            let parameter = AdamBuffers { value, gradient, m, v, group };
            stepped.push(parameter);
            // a training reports the norms of FiLM's gradients
            if !is_film {
                in_backward.push(parameter);
            }
            for (parameter, offset) in members {
                let mut view = |of| tape.device_mut().view(of, offset, [1, parameter.len()]);
                let (m, v) = (view(m), view(v));
                moments.push(Moments { name: parameter.name.clone(), len: parameter.len(), m, v });
            }
        }
        let gradients = [stepped.iter().map(|p: &AdamBuffers| p.gradient).collect()];
        Ok(Optimizer {
            config: config.clone(),
            parameters: stepped,
            in_backward,
            in_backward_pending: false,
            gradients,
            moments,
            steps: 0,
        })
    }

    /// Lets the next backward pass run the step with this learning rate where it can. Gradients may then not be
    /// readable. [`Optimizer::step`], without a clip, must finish the step.
    pub fn step_in_backward(&mut self, tape: &mut Tape, learning_rate: f64) {
        self.in_backward_pending = true;
        tape.device_mut().optimize_in_backward(&self.next(learning_rate), &self.in_backward);
    }

    /// The settings of the next step.
    fn next(&self, learning_rate: f64) -> AdamStep {
        AdamStep {
            step: self.steps + 1,
            learning_rate,
            betas: self.config.betas,
            eps: self.config.eps,
            weight_decay: self.config.weight_decay,
            decoupled: self.config.kind == OptimizerKind::AdamW,
        }
    }

    /// One step with the gradients of the last backward pass. If `clip` is set and their global norm is above it,
    /// scales them down to it first (PyTorch's `clip_grad_norm_`). Returns that norm. Does not wait for the device.
    ///
    /// # Errors
    /// When the device is out of memory or lost.
    ///
    /// # Panics
    /// After [`Optimizer::step_in_backward`], with a `clip` or a different learning rate.
    pub fn step(&mut self, tape: &mut Tape, learning_rate: f64, clip: Option<f64>) -> Result<Option<ScalarHandle>> {
        assert!(clip.is_none() || !self.in_backward_pending, "a step in the backward pass cannot be clipped");
        self.in_backward_pending = false;
        let device = tape.device_mut();
        let norm = if clip.is_some() { Some(device.norms(&self.gradients)?.get(0)) } else { None };
        let clip = clip.zip(norm).map(|(max_norm, norm)| Clip { max_norm, norm });
        let step = self.next(learning_rate);
        self.steps += 1;
        device.adam(&step, clip, &self.parameters);
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

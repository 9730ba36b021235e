//! The optimizer: Adam or AdamW over all parameters, after clipping by the global norm.

use super::params::Parameters;
use crate::config::{FilmConfig, OptimizerConfig, OptimizerKind};
use crate::device::{AdamParameter, AdamStep, Buffer, Clip, ParameterGroup, Role, Scalar};
use crate::error::Result;
use crate::tape::Tape;
use crate::tensor::Shape;

/// The moments of every trainable parameter and the number of steps taken.
pub struct Optimizer {
    config: OptimizerConfig,
    parameters: Vec<AdamParameter>,
    /// Those whose gradients nobody reads.
    in_backward: Vec<AdamParameter>,
    /// The backward pass may make the next step.
    in_backward_pending: bool,
    /// One group, as [`Device::norms`](crate::device::Device::norms) wants it: a step makes no list of its own.
    gradients: [Vec<Buffer>; 1],
    moments: Vec<Moments>,
    /// Steps taken.
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
    /// Moments at 0; FiLM's parameters are a group of their own.
    ///
    /// # Errors
    /// A device that has no memory for the moments.
    ///
    /// # Panics
    /// When parameters are not placed on the tape, or of a stack some are FiLM's and some are not.
    pub fn new(config: &OptimizerConfig, film: &FilmConfig, parameters: &Parameters, tape: &mut Tape) -> Result<Self> {
        let film = ParameterGroup { learning_rate_scale: film.learning_rate_scale, weight_decay: film.weight_decay };
        let (mut stepped, mut in_backward, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let shapes: Vec<Shape> = parameters.with_grad().map(|(var, _)| tape.shape(var)).collect();
        let [first, second] = [(); 2].map(|()| tape.device_mut().alloc(Role::Moment, &shapes));
        for ((var, members), (m, v)) in parameters.with_grad().zip(first?.into_iter().zip(second?)) {
            let (value, gradient) = tape.buffers(var);
            let is_film = members[0].0.film_level().is_some();
            let group = match is_film {
                // gamma's bias is 1, where FiLM is the identity
                true if members[0].0.shape.len() == 1 => {
                    ParameterGroup { weight_decay: film.weight_decay.map(|_| 0.0), ..film }
                }
                true => film,
                false => ParameterGroup::DEFAULT,
            };
            assert!(members.iter().all(|(p, _)| p.film_level().is_some() == is_film), "a stack across two groups");
            let parameter = AdamParameter { value, gradient, m, v, group };
            stepped.push(parameter);
            // the norms of FiLM's gradients are reported
            if !is_film {
                in_backward.push(parameter);
            }
            for (parameter, offset) in members {
                let mut view = |of| tape.device_mut().view(of, offset, [1, parameter.len()]);
                let (m, v) = (view(m), view(v));
                moments.push(Moments { name: parameter.name.clone(), len: parameter.len(), m, v });
            }
        }
        let gradients = [stepped.iter().map(|p: &AdamParameter| p.gradient).collect()];
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

    /// Lets the next backward pass make the step where it can, with this learning rate; it may then leave no gradients
    /// to read. [`Optimizer::step`], without a clip, finishes the step.
    pub fn step_in_backward(&mut self, tape: &mut Tape, learning_rate: f64) {
        self.in_backward_pending = true;
        tape.device_mut().optimize_in_backward(&self.next(learning_rate), &self.in_backward);
    }

    /// The numbers of the next step.
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

    /// One step by the gradients that the last backward pass left. With `clip`, gradients whose global norm is above it
    /// are scaled down to it first (PyTorch's `clip_grad_norm_`); returns that norm. It does not wait for the device.
    ///
    /// # Errors
    /// A device that has no memory for the norm, or is gone.
    ///
    /// # Panics
    /// With a `clip` after [`Optimizer::step_in_backward`], or another learning rate than there.
    pub fn step(&mut self, tape: &mut Tape, learning_rate: f64, clip: Option<f64>) -> Result<Option<Scalar>> {
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

    /// `(parameter, first moments, second moments)` of every trainable parameter.
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

    /// Overwrites the moments; `find` gives those of a parameter.
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

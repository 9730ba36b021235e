//! The optimiser: Adam or AdamW over all parameters, after clipping by the global norm.

use super::params::Parameters;
use crate::config::{FilmConfig, OptimizerConfig, OptimizerKind};
use crate::device::{AdamStep, Buffer, Clip, Learned, ParameterGroup, Role};
use crate::error::Result;
use crate::tape::Tape;
use crate::tensor::Shape;

/// The moments of every learned parameter and the number of steps taken.
pub struct Optimizer {
    config: OptimizerConfig,
    learned: Vec<Learned>,
    /// Those whose gradients nobody reads.
    early: Vec<Learned>,
    /// The step to come has been begun.
    begun: bool,
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
    /// A device that has no room for the moments.
    ///
    /// # Panics
    /// When parameters are not placed on the tape, or of a stack some are FiLM's and some are not.
    pub fn new(config: &OptimizerConfig, film: &FilmConfig, parameters: &Parameters, tape: &mut Tape) -> Result<Self> {
        let film = ParameterGroup { learning_rate_scale: film.learning_rate_scale, weight_decay: film.weight_decay };
        let (mut learned, mut early, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let shapes: Vec<Shape> = parameters.learned().map(|(var, _)| tape.shape(var)).collect();
        let [first, second] = [(); 2].map(|()| tape.device_mut().alloc(Role::Moment, &shapes));
        for ((var, members), (m, v)) in parameters.learned().zip(first?.into_iter().zip(second?)) {
            let (value, gradient) = tape.buffers(var);
            let is_film = members[0].0.film_block().is_some();
            let group = match is_film {
                // gamma's bias is 1, where FiLM is the identity
                true if members[0].0.shape.len() == 1 => {
                    ParameterGroup { weight_decay: film.weight_decay.map(|_| 0.0), ..film }
                }
                true => film,
                false => ParameterGroup::DEFAULT,
            };
            assert!(members.iter().all(|(p, _)| p.film_block().is_some() == is_film), "a stack of two groups");
            let parameter = Learned { value, gradient, m, v, group };
            learned.push(parameter);
            // the norms of FiLM's gradients are reported
            if !is_film {
                early.push(parameter);
            }
            for (parameter, offset) in members {
                let mut window = |of| tape.device_mut().window(of, offset, [1, parameter.len()]);
                let (m, v) = (window(m), window(v));
                moments.push(Moments { name: parameter.name.clone(), len: parameter.len(), m, v });
            }
        }
        let gradients = [learned.iter().map(|l: &Learned| l.gradient).collect()];
        Ok(Optimizer { config: config.clone(), learned, early, begun: false, gradients, moments, steps: 0 })
    }

    /// Lets the backward pass to come make the step already where it can, with this learning rate; gradients may then
    /// not be there to be read. [`Optimizer::step`] finishes the step, without a clip.
    pub fn begin(&mut self, tape: &mut Tape, learning_rate: f64) {
        self.begun = true;
        tape.device_mut().step_early(&self.next(learning_rate, None), &self.early);
    }

    /// The numbers of the step to come.
    fn next(&self, learning_rate: f64, clip: Option<f64>) -> AdamStep {
        AdamStep {
            step: self.steps + 1,
            learning_rate,
            betas: self.config.betas,
            eps: self.config.eps,
            weight_decay: self.config.weight_decay,
            decoupled: self.config.kind == OptimizerKind::AdamW,
            clip: clip.map(Clip),
        }
    }

    /// One step by the gradients that the last backward pass left. With `clip`, gradients whose global norm is above it
    /// are scaled down to it first (PyTorch's `clip_grad_norm_`); that norm is then the last that the next question is
    /// answered with (see [`Device::norms`](crate::device::Device::norms)). It waits for nothing.
    ///
    /// # Errors
    /// A device that has no room for the norm, or is gone.
    ///
    /// # Panics
    /// With a `clip` behind [`Optimizer::begin`], or another learning rate than it was given.
    pub fn step(&mut self, tape: &mut Tape, learning_rate: f64, clip: Option<f64>) -> Result<()> {
        assert!(clip.is_none() || !self.begun, "a step that was begun cannot be clipped any more");
        self.begun = false;
        if clip.is_some() {
            tape.device_mut().norms(&self.gradients)?;
        }
        let step = self.next(learning_rate, clip);
        self.steps += 1;
        tape.device_mut().adam(&step, &self.learned);
        Ok(())
    }

    /// `(parameter, first moments, second moments)` of every learned parameter.
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

//! The optimiser: Adam or AdamW over all parameters, after clipping by the global norm.

use super::params::Parameters;
use crate::config::{OptimizerConfig, OptimizerKind};
use crate::device::{AdamStep, Buffer, Learned, Role};
use crate::error::Result;
use crate::tape::Tape;

/// The moments of every learned parameter and the number of steps taken.
pub struct Optimizer {
    config: OptimizerConfig,
    learned: Vec<Learned>,
    gradients: Vec<Buffer>,
    /// Name and number of values, in the order of `learned`.
    names: Vec<(String, usize)>,
    /// Steps taken.
    pub steps: u64,
}

impl Optimizer {
    /// Moments at 0. FiLM parameters take `film_rate_scale` of the learning rate.
    pub fn new(
        config: &OptimizerConfig,
        film_rate_scale: f64,
        parameters: &Parameters,
        tape: &mut Tape,
    ) -> Result<Self> {
        let (mut learned, mut names) = (Vec::new(), Vec::new());
        for (parameter, var) in parameters.iter().filter(|(p, _)| p.learned) {
            let (value, gradient) = tape.buffers(var);
            let shape = tape.shape(var);
            let moments = tape.device_mut().alloc(Role::Moment, &[shape; 2])?;
            let rate_scale = if parameter.film_block().is_some() { film_rate_scale } else { 1.0 };
            learned.push(Learned { value, gradient, m: moments[0], v: moments[1], rate_scale });
            names.push((parameter.name.clone(), parameter.len()));
        }
        let gradients = learned.iter().map(|l: &Learned| l.gradient).collect();
        Ok(Optimizer { config: config.clone(), learned, gradients, names, steps: 0 })
    }

    /// One step by the gradients that the last backward pass left. With `clip`, gradients whose global norm is above it are
    /// scaled down to it first (PyTorch's `clip_grad_norm_`); returns that norm.
    pub fn step(&mut self, tape: &mut Tape, learning_rate: f64, clip: Option<f64>) -> Result<Option<f64>> {
        let (mut gradient_scale, mut norm) = (1.0, None);
        if let Some(clip) = clip {
            let total = tape.device_mut().norm(&self.gradients)?;
            gradient_scale = (clip / (total + 1e-6)).min(1.0);
            norm = Some(total);
        }
        self.steps += 1;
        let step = AdamStep {
            step: self.steps,
            learning_rate,
            betas: self.config.betas,
            eps: self.config.eps,
            weight_decay: self.config.weight_decay,
            decoupled: self.config.kind == OptimizerKind::AdamW,
            gradient_scale,
        };
        tape.device_mut().adam(&step, &self.learned);
        Ok(norm)
    }

    /// `(parameter, first moments, second moments)` of every learned parameter.
    pub fn moments(&self, tape: &mut Tape) -> Result<Vec<(String, Vec<f32>, Vec<f32>)>> {
        let mut all = Vec::with_capacity(self.learned.len());
        for (learned, (name, len)) in self.learned.iter().zip(&self.names) {
            let (mut m, mut v) = (vec![0.0; *len], vec![0.0; *len]);
            tape.device_mut().read(learned.m, &mut m)?;
            tape.device_mut().read(learned.v, &mut v)?;
            all.push((name.clone(), m, v));
        }
        Ok(all)
    }

    /// Overwrites the moments; `find` gives those of a parameter.
    pub fn load_moments<'a>(
        &mut self,
        tape: &mut Tape,
        find: impl Fn(&str, usize) -> Result<(&'a [f32], &'a [f32])>,
    ) -> Result<()> {
        for (learned, (name, len)) in self.learned.iter().zip(&self.names) {
            let (m, v) = find(name, *len)?;
            tape.device_mut().write(learned.m, m);
            tape.device_mut().write(learned.v, v);
        }
        Ok(())
    }
}

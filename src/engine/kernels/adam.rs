//! One Adam or AdamW step over one parameter, in one pass over value, gradient and both moments.

use super::vectorized::vectorized;
use crate::engine::tensor::Real;

/// The settings that all parameters share, named as in PyTorch's `torch.optim.Adam` and `AdamW`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// The decay rates of the first and the second moment.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// `true`: decay acts on the value (AdamW); `false`: on the gradient (Adam with L2).
    pub decoupled: bool,
}

/// One step of one parameter: the shared settings, and its own learning rate and weight decay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamStep {
    /// The number of this step; the first is 1.
    pub step: u64,
    pub learning_rate: f64,
    pub betas: [f64; 2],
    pub eps: f64,
    pub weight_decay: f64,
    pub decoupled: bool,
}

/// Factors that depend on the settings of a step and on no element of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamFactors {
    /// The learning rate over the first moment's bias correction.
    pub step_size: f64,
    /// 1 / sqrt(the second moment's bias correction).
    pub inverse_root: f64,
    /// The factor that decoupled decay applies to a value.
    pub keep: f64,
    /// The factor of the value in the gradient: decay that is not decoupled.
    pub l2: f64,
}

impl AdamSettings {
    /// PyTorch's defaults: Adam with betas 0.9 and 0.999, and eps 1e-8.
    pub const DEFAULT: AdamSettings = AdamSettings { betas: [0.9, 0.999], eps: 1e-8, decoupled: false };

    /// Step number `step` (the first is 1) of a parameter with this learning rate and weight decay.
    pub fn step(&self, step: u64, learning_rate: f64, weight_decay: f64) -> AdamStep {
        let AdamSettings { betas, eps, decoupled } = *self;
        AdamStep { step, learning_rate, betas, eps, weight_decay, decoupled }
    }
}

impl Default for AdamSettings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl AdamStep {
    /// The factors of this step.
    pub fn factors(&self) -> AdamFactors {
        let [b1, b2] = self.betas;
        // the bias corrections are in f64: in f32, 1 - b2^t loses half of its digits at the first steps
        let (correction1, correction2) = (1.0 - b1.powf(self.step as f64), 1.0 - b2.powf(self.step as f64));
        let rate = self.learning_rate;
        let (keep, l2) = if self.decoupled { (1.0 - rate * self.weight_decay, 0.0) } else { (1.0, self.weight_decay) };
        AdamFactors { step_size: rate / correction1, inverse_root: 1.0 / correction2.sqrt(), keep, l2 }
    }
}

/// What gradients of this global norm are multiplied by so that it is at most `max_norm`, as in PyTorch's
/// `clip_grad_norm_`: a norm that is NaN makes all of them NaN.
pub fn clip_scale(max_norm: f64, norm: f64) -> f64 {
    let scale = max_norm / (norm + 1e-6);
    // not `min`, which takes the other number for a NaN
    if scale > 1.0 { 1.0 } else { scale }
}

/// Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1; decoupled decay after Loshchilov and Hutter 2019
/// (arXiv:1711.05101).
///
/// Every gradient is multiplied by `scale` first.
///
/// # Panics
/// When the four slices differ in length.
pub fn adam<T: Real>(s: &AdamStep, scale: f64, value: &mut [T], gradient: &[T], m: &mut [T], v: &mut [T]) {
    assert!(value.len() == gradient.len() && value.len() == m.len() && value.len() == v.len(), "adam: lengths differ");
    const CHUNK: usize = 1 << 14;
    if value.len() <= CHUNK {
        return adam_part(s, scale, value, gradient, m, v);
    }
    let half = (value.len() / 2).next_multiple_of(CHUNK);
    let ((x0, x1), (g0, g1)) = (value.split_at_mut(half), gradient.split_at(half));
    let ((m0, m1), (v0, v1)) = (m.split_at_mut(half), v.split_at_mut(half));
    rayon::join(|| adam(s, scale, x0, g0, m0, v0), || adam(s, scale, x1, g1, m1, v1));
}

vectorized! {
    /// [`adam`] on this thread alone.
    pub fn adam_part<T>(s: &AdamStep, scale: f64, value: &mut [T], gradient: &[T], m: &mut [T], v: &mut [T]) {
        let [b1, b2] = s.betas;
        let AdamFactors { step_size, inverse_root, keep, l2 } = s.factors();
        let [step_size, inverse_root, keep, l2] = [step_size, inverse_root, keep, l2].map(T::of);
        let (scale, eps) = (T::of(scale), T::of(s.eps));
        let (b1, b2, c1, c2) = (T::of(b1), T::of(b2), T::of(1.0 - b1), T::of(1.0 - b2));
        for (((x, g), m), v) in value.iter_mut().zip(gradient).zip(m).zip(v) {
            let g = *g * scale + l2 * *x;
            *m = b1 * *m + c1 * g;
            *v = b2 * *v + c2 * g * g;
            *x = keep * *x - step_size * *m / (v.sqrt() * inverse_root + eps);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clip_scales_down_only_and_passes_a_nan_on() {
        assert_eq!(clip_scale(2.0, 0.0), 1.0);
        assert_eq!(clip_scale(2.0, 1.9), 1.0);
        assert_eq!(clip_scale(2.0, 4.0), 2.0 / 4.000001);
        assert_eq!(clip_scale(2.0, f64::INFINITY), 0.0);
        assert!(clip_scale(2.0, f64::NAN).is_nan());
    }
}

//! Augmentation: random changes of a trace in amplitude, pace and delay, as listeners differ from each other.

use crate::config::AugmentConfig;
use crate::engine::rng::Rng;

/// Knots of the stretching factor along a trace. The factor is linear between them.
const KNOTS: usize = 5;

/// One random change. Several traces may get the same one.
#[derive(Debug, Clone, PartialEq)]
pub struct Variation {
    factor: f32,
    /// The time in the original trace of each sample of the changed one; empty if time stays the same.
    times: Vec<f32>,
    /// A copy of the trace before its change.
    trace: Vec<f32>,
}

impl Default for Variation {
    /// No change.
    fn default() -> Self {
        Variation { factor: 1.0, times: Vec::new(), trace: Vec::new() }
    }
}

impl Variation {
    /// Draws a new change for traces of `length` samples, `strength` times as large as configured.
    pub fn draw(
        &mut self,
        config: &AugmentConfig,
        strength: f64,
        draws: &mut Rng,
        (length, samples_per_ms): (usize, f64),
    ) {
        let AugmentConfig { gain, stretch, shift_ms } = config;
        self.factor = (strength * gain * draws.normal()).exp() as f32;
        self.times.clear();
        if *stretch > 0.0 || *shift_ms > 0.0 {
            let shift = strength * shift_ms * draws.normal() * samples_per_ms;
            let knots: [f64; KNOTS] = std::array::from_fn(|_| strength * stretch * draws.normal());
            times(shift, &knots, length, &mut self.times);
        }
    }

    /// Changes a trace.
    pub fn apply(&mut self, trace: &mut [f32]) {
        if !self.times.is_empty() {
            self.trace.clear();
            self.trace.extend_from_slice(trace);
            trace.iter_mut().zip(&self.times).for_each(|(v, &time)| *v = at(&self.trace, time));
        }
        trace.iter_mut().for_each(|v| *v *= self.factor);
    }
}

/// The time in the original trace of each sample of the warped one: it starts at `shift` and advances at a pace of 1
/// plus a factor that is linear between `knots`.
fn times(shift: f64, knots: &[f64; KNOTS], length: usize, into: &mut Vec<f32>) {
    into.clear();
    let mut time = shift;
    let scale = (KNOTS - 1) as f64 / length.saturating_sub(1).max(1) as f64;
    for i in 0..length {
        into.push(time as f32);
        let place = i as f64 * scale;
        let knot = (place as usize).min(KNOTS - 2);
        let weight = place - knot as f64;
        // time never decreases
        time += (1.0 + (1.0 - weight) * knots[knot] + weight * knots[knot + 1]).max(0.0);
    }
}

/// The value of a trace between its samples, by the cubic of Catmull and Rom (1974) through four of them. Beyond its
/// ends the trace repeats its first and last sample.
fn at(trace: &[f32], time: f32) -> f32 {
    let last = trace.len() as isize - 1;
    let whole = time.floor();
    let sample = |i: isize| trace[(whole as isize + i).clamp(0, last) as usize];
    let [a, b, c, d] = [sample(-1), sample(0), sample(1), sample(2)];
    let t = time - whole;
    b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_on_at_the_pace_of_the_knots() {
        let mut into = Vec::new();
        times(0.0, &[0.0; KNOTS], 50, &mut into);
        assert!(into.iter().enumerate().all(|(i, t)| *t == i as f32));
        // times are summed in f64 and rounded to f32 once: by half an ulp, which is 2^-19 from 32 to 64
        let rounding = 2.0_f64.powi(-19) + 1e-12;
        times(1.5, &[0.1; KNOTS], 50, &mut into);
        assert!(into.iter().enumerate().all(|(i, t)| (f64::from(*t) - (1.5 + 1.1 * i as f64)).abs() <= rounding));
        // the pace grows, and time never decreases
        times(0.0, &[-2.0, -1.0, 0.0, 1.0, 2.0], 50, &mut into);
        assert!(into.windows(2).all(|pair| pair[1] >= pair[0]));
        // sample 48 lies at knot 4 * 48 / 49 = 3 + 45 / 49, where the factor is 1 + 45 / 49
        let pace = f64::from(into[49]) - f64::from(into[48]);
        assert!((pace - (2.0 + 45.0 / 49.0)).abs() <= 2.0 * rounding, "{pace}");
    }

    #[test]
    fn between_samples_a_trace_is_smooth_and_at_them_it_is_itself() {
        let trace: Vec<f32> = (0..40).map(|i| (0.5 * i as f32).sin()).collect();
        assert!((0..40).all(|i| at(&trace, i as f32) == trace[i]));
        // Of a sine of 0.5 rad per sample the cubic keeps all but 0.00214 a quarter of a sample from the next one, and
        // all but (8 - 9 cos 0.25 + cos 0.75) / 8 = 0.00143 in the middle. The rest is for the rounding of f32.
        for i in 4..140 {
            let time = 0.25 * i as f32;
            assert!((at(&trace, time) - (0.5 * time).sin()).abs() < 2.15e-3, "{time}");
        }
        assert_eq!((at(&trace, -3.0), at(&trace, 99.5)), (trace[0], trace[39]));
    }
}

//! Initial values. Each parameter has exactly one initializer, given where it is declared.

use crate::engine::rng::{LANES, Purpose, Stream, unit_interval};

/// The initial values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Uniform in ±sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010, eq. 16).
    XavierUniform { fan_in: usize, fan_out: usize },
    /// Uniform in ±1/sqrt(fan_in): weights and biases of PyTorch's `Linear`.
    Linear { fan_in: usize },
    /// The same value everywhere.
    Constant(f32),
}

impl Init {
    /// The `count` values of parameter number `index`. They depend only on the seed and the index.
    pub fn values(self, seed: u64, index: usize, count: usize) -> Vec<f32> {
        let bound = match self {
            Init::XavierUniform { fan_in, fan_out } => (6.0 / (fan_in + fan_out) as f64).sqrt(),
            Init::Linear { fan_in } => 1.0 / (fan_in as f64).sqrt(),
            Init::Constant(value) => return vec![value; count],
        };
        let mut values = vec![0.0; count];
        fill_uniform(&mut values, bound, Stream::new(seed, Purpose::INIT, index as u32), 0);
        values
    }
}

/// Uniform numbers within ±bound from the random bits of `stream`, from its counter `quad` on, in parallel.
fn fill_uniform(values: &mut [f32], bound: f64, stream: Stream, quad: usize) {
    const TASK: usize = 1 << 16;
    if values.len() > TASK {
        let half = (values.len() / 2).next_multiple_of(TASK);
        let (a, b) = values.split_at_mut(half);
        rayon::join(|| fill_uniform(a, bound, stream, quad), || fill_uniform(b, bound, stream, quad + half / 4));
        return;
    }
    for (i, values) in values.chunks_mut(4 * LANES).enumerate() {
        let lanes = stream.bits_in_lanes(0, (quad + i * LANES) as u32);
        for (element, value) in values.iter_mut().enumerate() {
            *value = (bound * (2.0 * unit_interval(lanes[element % 4][element / 4]) - 1.0)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_within_the_bound_and_filling_it() {
        let values = Init::Linear { fan_in: 16 }.values(1, 0, 4096);
        let largest = values.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        assert!(largest <= 0.25 && largest > 0.249, "{largest}");
        // the variance of U(-a, a) is a^2/3; five standard errors of it at this count
        let var = values.iter().map(|v| v * v).sum::<f32>() / 4096.0;
        assert!((var / (0.0625 / 3.0) - 1.0).abs() < 5.0 * (0.8 / 4096.0_f32).sqrt(), "{var}");
        assert_ne!(values, Init::Linear { fan_in: 16 }.values(1, 1, 4096));
    }

    #[test]
    fn each_value_has_its_own_random_bits() {
        let values = Init::Linear { fan_in: 4 }.values(9, 2, 150_001);
        let stream = Stream::new(9, Purpose::INIT, 2);
        for (i, value) in values.iter().enumerate() {
            let bits = stream.bits(0, (i / 4) as u32)[i % 4];
            assert_eq!(*value, (0.5 * (2.0 * unit_interval(bits) - 1.0)) as f32, "value {i}");
        }
    }
}

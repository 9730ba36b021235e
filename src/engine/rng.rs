//! Counter-based random numbers: Philox 4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3",
//! SC'11).
//!
//! The 32 random bits of an element are a pure function of (seed, purpose, layer, step, sample, element), so they are
//! the same for any number of threads, device or order of evaluation, and after a resume. The counter holds
//! `[element / 4, sample, step, purpose << 16 | layer]`, and the key holds the two halves of the seed.

/// The purpose of a stream of random bits. Streams of different purposes never overlap. The engine uses 0, 3 and 8;
/// a program chooses other numbers for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purpose(pub u16);

impl Purpose {
    /// Initial weights; layer: the parameter's index.
    pub const INIT: Purpose = Purpose(0);
    /// Dropout masks; layer: the dropout layer.
    pub const DROPOUT: Purpose = Purpose(3);
    /// Inputs of checks, tests and benches.
    pub const TEST: Purpose = Purpose(8);
}

/// The Philox 4x32-10 bijection.
#[inline]
pub fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let a = 0xD251_1F53_u64 * u64::from(counter[0]);
        let b = 0xCD9E_8D57_u64 * u64::from(counter[2]);
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
    }
    counter
}

/// Counters that [`Stream::bits_in_lanes`] processes at a time: one AVX-512 register of 32-bit numbers.
pub const LANES: usize = 16;

/// [`philox`] of `LANES` counters under one key, round by round for all, in loops that the compiler turns into vector
/// code.
#[inline(always)]
fn philox_lanes(mut counter: [[u32; LANES]; 4], mut key: [u32; 2]) -> [[u32; LANES]; 4] {
    for round in 0..10 {
        if round > 0 {
            key[0] = key[0].wrapping_add(0x9E37_79B9);
            key[1] = key[1].wrapping_add(0xBB67_AE85);
        }
        let mut next = [[0; LANES]; 4];
        for lane in 0..LANES {
            let a = 0xD251_1F53_u64 * u64::from(counter[0][lane]);
            let b = 0xCD9E_8D57_u64 * u64::from(counter[2][lane]);
            next[0][lane] = (b >> 32) as u32 ^ counter[1][lane] ^ key[0];
            next[1][lane] = b as u32;
            next[2][lane] = (a >> 32) as u32 ^ counter[3][lane] ^ key[1];
            next[3][lane] = a as u32;
        }
        counter = next;
    }
    counter
}

/// The random bits of one purpose, layer and step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stream {
    key: [u32; 2],
    tag: u32,
    step: u32,
}

impl Stream {
    /// The stream of `purpose` and `layer` (below 65,536) at step 0.
    pub fn new(seed: u64, purpose: Purpose, layer: u32) -> Self {
        debug_assert!(layer < 1 << 16);
        Stream { key: [seed as u32, (seed >> 32) as u32], tag: u32::from(purpose.0) << 16 | layer, step: 0 }
    }

    /// The same stream at another step.
    pub fn at(self, step: u32) -> Self {
        Stream { step, ..self }
    }

    /// The inputs of Philox beside sample and element: the two halves of the key, the tag (purpose and layer) and the
    /// step.
    pub fn philox_inputs(&self) -> [u32; 4] {
        [self.key[0], self.key[1], self.tag, self.step]
    }

    /// The bits of elements `4 * quad .. 4 * quad + 4` of `sample`, 32 for each.
    #[inline]
    pub fn bits(&self, sample: u32, quad: u32) -> [u32; 4] {
        philox([quad, sample, self.step, self.tag], self.key)
    }

    /// The bits of `LANES` quads from `quad` on: `[element in the quad][quad]`.
    #[inline(always)]
    pub fn bits_in_lanes(&self, sample: u32, quad: u32) -> [[u32; LANES]; 4] {
        let mut quads = [0; LANES];
        for (lane, q) in quads.iter_mut().enumerate() {
            *q = quad.wrapping_add(lane as u32);
        }
        philox_lanes([quads, [sample; LANES], [self.step; LANES], [self.tag; LANES]], self.key)
    }

    /// Fills one sample's row with standard normal numbers (Box and Muller 1958), computed in f64.
    pub fn normals(&self, sample: u32, out: &mut [f32]) {
        for (quad, chunk) in out.chunks_mut(4).enumerate() {
            let [a, b, c, d] = self.bits(sample, quad as u32);
            let (n0, n1) = box_muller(a, b);
            let (n2, n3) = box_muller(c, d);
            for (o, n) in chunk.iter_mut().zip([n0, n1, n2, n3]) {
                *o = n as f32;
            }
        }
    }

    /// A generator that reads the bits of one sample in order.
    pub fn rng(&self, sample: u32) -> Rng {
        Rng { stream: *self, sample, next: 0 }
    }
}

/// A uniform number strictly between 0 and 1, from 32 random bits.
pub fn unit_interval(bits: u32) -> f64 {
    (f64::from(bits) + 0.5) / 4_294_967_296.0
}

fn box_muller(a: u32, b: u32) -> (f64, f64) {
    let radius = (-2.0 * unit_interval(a).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * unit_interval(b)).sin_cos();
    (radius * cos, radius * sin)
}

/// A sequential generator over the random bits of one sample, for code that draws a varying number of values.
#[derive(Debug, Clone)]
pub struct Rng {
    stream: Stream,
    sample: u32,
    next: u32,
}

impl Rng {
    /// The next 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        let bits = self.stream.bits(self.sample, self.next / 4)[(self.next % 4) as usize];
        self.next += 1;
        bits
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        unit_interval(self.next_u32())
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let (a, b) = (self.next_u32(), self.next_u32());
        box_muller(a, b).0
    }

    /// Uniform integer below `n` (Lemire's multiply-shift; the bias is below `n / 2^32`).
    pub fn below(&mut self, n: u32) -> u32 {
        ((u64::from(self.next_u32()) * u64::from(n)) >> 32) as u32
    }

    /// An index, drawn by its weight. Where rounding leads past the end, it is the last index with a weight above 0.
    pub fn weighted(&mut self, weights: impl Iterator<Item = f64> + Clone) -> usize {
        let mut left = self.uniform() * weights.clone().sum::<f64>();
        let mut last = 0;
        for (index, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
            last = index;
            left -= weight;
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// Shuffles in place (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer tests of Random123 1.14 (`kat_vectors`, philox4x32 10).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn lanes_hold_the_bits_of_their_quads() {
        let stream = Stream::new(0xFEDC_BA98_7654_3210, Purpose::DROPOUT, 3).at(17);
        let lanes = stream.bits_in_lanes(5, 100);
        for lane in 0..LANES {
            assert_eq!(lanes.map(|quads| quads[lane]), stream.bits(5, 100 + lane as u32));
        }
    }

    #[test]
    fn normals_have_mean_zero_and_variance_one() {
        let mut values = vec![0.0_f32; 1 << 16];
        Stream::new(1, Purpose::TEST, 0).normals(0, &mut values);
        let n = values.len() as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let var = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / n - mean * mean;
        // five standard errors: 1/sqrt(n) for the mean, sqrt(2/n) for the variance
        assert!(mean.abs() < 5.0 / n.sqrt(), "{mean}");
        assert!((var - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{var}");
    }

    #[test]
    fn shuffle_is_a_permutation_that_depends_on_the_step() {
        let stream = Stream::new(7, Purpose::TEST, 0);
        let shuffled = |step| {
            let mut items: Vec<u32> = (0..100).collect();
            stream.at(step).rng(0).shuffle(&mut items);
            items
        };
        let mut sorted = shuffled(1);
        assert_ne!(sorted, shuffled(2));
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}

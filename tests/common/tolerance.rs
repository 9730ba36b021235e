//! Tolerances for a replayed model case: rounding, which grows with the number of terms.
//!
//! A sum of n terms, each rounded by a fraction u, is off by about sqrt(n) u; a chain of layers by the square root of
//! all its terms. [`SPREAD`] is for what this leaves out. Errors are fractions of the largest value of a tensor: its
//! small values are differences of large ones.

use crate::case::Case;
use crate::recording::Recording;
use crate::replay::Found;

/// A margin above sqrt(n) u: for columns whose deviation, by which batch norm divides, is small beside their values;
/// for the gradients of the biases before batch norm, whose terms nearly cancel; and for the largest of some thousand
/// errors.
const SPREAD: f64 = 16.0;

/// The rounding left in a value that is read as two f32.
const READING: f64 = 1.0 / (1_u64 << 48) as f64;

/// The rounding of torch's float32; the unit of recordings without `"expected": "float64"`.
const F32: f64 = 1.0 / (1 << 24) as f64;

/// No gradient in a recording with dropout is smaller, unless it is 0 (`SMALLEST_GRADIENT` in `record.py`).
const SMALLEST_GRADIENT: f64 = 1e-6;

/// The tolerances of one case on one device.
pub struct Tolerances<'a> {
    recording: &'a Recording,
    found: &'a Found,
    case: Case,
    /// Whether the recording is in f64.
    in_f64: bool,
    /// Whether dropout acts.
    masked: bool,
    /// A rounding of the engine and one of the recording.
    unit: f64,
    reading: f64,
    /// The terms summed along the longest path through the model.
    terms: f64,
}

impl<'a> Tolerances<'a> {
    /// `unit`: half the distance from 1 to the engine's next number.
    pub fn new(recording: &'a Recording, found: &'a Found, unit: f64) -> Self {
        let aside = ["film", "static_head", "peak_head", "logvar_layer"];
        let terms =
            recording.under("param/").filter(|name| !aside.iter().any(|part| name.contains(part))).map(|name| {
                match recording.tensor(&format!("param/{name}")).shape[..] {
                    [_, fan_in] => fan_in,
                    _ => 0,
                }
            });
        let in_f64 = recording.about["expected"] == "float64";
        Tolerances {
            recording,
            found,
            case: Case::of(recording),
            in_f64,
            masked: recording.under("mask/").next().is_some(),
            unit: unit + if in_f64 { f64::EPSILON / 2.0 } else { F32 },
            reading: if unit < READING { READING } else { 0.0 },
            terms: terms.sum::<usize>() as f64,
        }
    }

    /// The tolerance of every element of a recorded tensor.
    pub fn of(&self, recorded: &str) -> Vec<f64> {
        let (group, name) = recorded.split_once('/').expect("a group and a name");
        let want = &self.recording.tensor(recorded).values;
        let everywhere = |tolerance| vec![tolerance; want.len()];
        match group {
            "mask" => everywhere(0.0), // integer comparisons
            "train" if name == "grad_norm" => everywhere(self.backward(want)),
            "eval" | "train" | "decode" | "decode_no_static" => everywhere(self.forward(want)),
            "grad" => everywhere(self.backward(want)),
            "gradnorm" => {
                let gradient = self.values("grad", name);
                everywhere(self.of_norm(&vec![self.backward(gradient); gradient.len()], want[0]))
            }
            "step3" => self.after_steps(name),
            "step3norm" => everywhere(self.of_norm(&self.after_steps(name), want[0])),
            _ => panic!("{recorded}: no tolerance is known"),
        }
    }

    fn forward(&self, want: &[f64]) -> f64 {
        (SPREAD * self.terms.sqrt() * self.unit + self.reading) * largest(want)
    }

    /// Forward, backward, and over the batch.
    fn backward(&self, want: &[f64]) -> f64 {
        let terms = 2.0 * self.terms + self.case.batch as f64;
        (SPREAD * terms.sqrt() * self.unit + self.reading) * largest(want)
    }

    /// Errors have no direction: a norm is off by about the root mean square of its elements' errors, here four times
    /// that; and by the rounding of each of its eight f32 sums.
    fn of_norm(&self, elements: &[f64], want: f64) -> f64 {
        let count = elements.len() as f64;
        4.0 * (elements.iter().map(|e| e * e).sum::<f64>() / count).sqrt() + (count / 8.0).sqrt().max(1.0) * F32 * want
    }

    fn after_steps(&self, name: &str) -> Vec<f64> {
        let want = self.values("step3", name);
        let trained = format!("grad/{name}");
        let statistic = name.ends_with(".running_var") || name.ends_with(".running_mean");
        if !statistic && !self.recording.tensors.contains_key(&trained) && !self.found.contains_key(&trained) {
            return vec![0.0; want.len()]; // a buffer, which no step changes
        }
        if name.ends_with(".running_var") {
            return vec![self.statistics(want); want.len()];
        }
        if let Some(layer) = name.strip_suffix(".running_mean") {
            // the second step's batch sees the bias ahead after one step, the third's after two: .09 of a third of its
            // tolerance and .1 of two thirds
            return self.moved(&bias_ahead(layer)).iter().map(|bias| self.statistics(want) + 0.1 * bias).collect();
        }
        // a step is a product (of decoupled decay) and a difference
        let rounding = |value: &f64| (6.0 * self.unit + self.reading) * value.abs();
        want.iter().zip(self.moved(name)).map(|(value, moved)| rounding(value) + moved).collect()
    }

    /// Running statistics. A tenth of a batch's enters; its parameters are apart by `moved` of gradients that are a
    /// tenth of the largest, in all terms up to here.
    fn statistics(&self, want: &[f64]) -> f64 {
        let apart = 8.4 * self.case.learning_rate * self.other_side() * self.terms.sqrt();
        self.forward(want) + apart * largest(want)
    }

    /// How far apart three Adam steps may take a parameter.
    ///
    /// A step is `rate m / sqrt(v)` with m a mean and v a mean square of the gradients g so far, hence |m| <= sqrt(v)
    /// but for half a percent. If every g is off by at most d, so are m and sqrt(v), and the step by `2 rate d /
    /// sqrt(v)`. v is at least the first g's share: all of g^2, then 1/2, then 1/3 of it. So three steps:
    /// `2 (1 + 1.42 + 1.74) rate d / |g|`; but never more than six times the rate, which a gradient of pure rounding
    /// errors can reach.
    fn moved(&self, name: &str) -> Vec<f64> {
        let gradient = self.values("grad", name);
        let off = self.backward(gradient) + self.other_side() * largest(gradient);
        let film = name.starts_with("decoder.film") || name.starts_with("encoder.film");
        let learning_rate = self.case.learning_rate * if film { self.case.film_learning_rate_scale } else { 1.0 };
        let start = &self.recording.tensor(&format!("param/{name}")).values;
        let sizes = gradient.iter().zip(start).map(|(g, start)| (g + self.case.l2() * start).abs());
        sizes.map(|size| learning_rate * (8.4 * self.part(off, size)).min(6.0)).collect()
    }

    /// The error of a gradient of this size, as a part of it.
    fn part(&self, off: f64, size: f64) -> f64 {
        if size == 0.0 && self.in_f64 && !self.masked {
            return 0.0; // a unit that is 0 for the whole batch, in the engine as in the recording
        }
        // a unit that dropout turned off may be on in the next step; record.py ensures that its gradient is not small
        off / if self.masked { size.max(SMALLEST_GRADIENT) } else { size }
    }

    /// How far the later gradients may be off because some value is on the other side of a kink, as a part of the
    /// largest.
    ///
    /// A unit ahead of batch norm that keeps its sign over the batch has a bias without gradient: 0, or in float32 some
    /// 1e-8 of rounding, which Adam turns into a step of up to the full rate. No output depends on it, but in some
    /// row the unit may pass through 0 a step earlier or later than in the recording, and then one of batch x width
    /// terms of a gradient has another slope. record.py takes seeds with no such bias; the recordings in float32 have
    /// dozens. (Moved on purpose as far as Adam may take them, they take the engine's other parameters as far from
    /// themselves as they are from the recording: 1e-5 to 1e-4.)
    fn other_side(&self) -> f64 {
        let batch_norm = self.recording.under("param/").any(|name| name.ends_with("running_mean"));
        if self.in_f64 || !batch_norm { 0.0 } else { 1.0 / self.case.terms_of_a_level() as f64 }
    }

    /// Recorded values, or where only their norm was recorded the engine's own.
    fn values(&self, group: &str, name: &str) -> &[f64] {
        let name = format!("{group}/{name}");
        self.recording.tensors.get(&name).map_or_else(|| self.found[&name].as_slice(), |t| t.values.as_slice())
    }
}

/// The bias of the Linear two indices before a batch norm in its `Sequential`.
fn bias_ahead(layer: &str) -> String {
    let (scope, index) = layer.rsplit_once('.').expect("an index in its Sequential");
    format!("{scope}.{}.bias", index.parse::<usize>().expect("a number") - 2)
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

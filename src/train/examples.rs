//! From training rows to what a step sees: an input, and the target that it is to be decoded to.

use crate::config::{AugmentConfig, Config, Target};
use crate::data::Dataset;
use crate::data::cells::Cells;
use crate::data::rows::{Gathered, Rows};
use crate::rng::{Draws, Stream};

/// Knots of the stretching factor along a trace; it is linear between them.
const KNOTS: usize = 5;

/// The training rows with their cells, and how examples are made of them.
pub struct Examples {
    pub rows: Rows,
    cells: Cells,
    target: Target,
    input_recordings: usize,
    augment: AugmentConfig,
    samples_per_ms: f64,
    /// Rows of the cell at hand, in the order in which they were drawn.
    drawn: Vec<u32>,
    /// Where the samples of the trace at hand are taken from.
    times: Vec<f32>,
    trace: Vec<f32>,
}

impl Examples {
    /// `rows` are the rows `indices` of `dataset`.
    pub fn new(config: &Config, dataset: &Dataset, indices: &[usize], rows: Rows) -> Examples {
        let training = &config.training;
        let needs_cells = training.target == Target::Sibling || training.input_recordings > 1;
        Examples {
            cells: if needs_cells { Cells::of(dataset, indices) } else { Cells::default() },
            target: training.target,
            input_recordings: training.input_recordings,
            augment: training.augment.clone(),
            samples_per_ms: dataset.sample_rate_hz / 1000.0,
            drawn: Vec::new(),
            times: Vec::new(),
            trace: Vec::new(),
            rows,
        }
    }

    /// Rows that are not alone in their cell, if examples are made of several.
    pub fn with_siblings(&self) -> Option<usize> {
        self.uses_cells().then(|| self.cells.with_siblings())
    }

    fn uses_cells(&self) -> bool {
        self.target == Target::Sibling || self.input_recordings > 1
    }

    /// The examples of these rows; the random ones of a step are those of its `stream`, a sample a row.
    pub fn gather(
        &mut self,
        indices: impl ExactSizeIterator<Item = usize> + Clone,
        stream: Stream,
        into: &mut Gathered,
    ) {
        self.rows.gather(indices.clone(), into);
        if !self.uses_cells() && self.augment.is_off() {
            return;
        }
        let length = self.rows.signal.ncols();
        if self.uses_cells() {
            into.target.resize(into.signal.len(), 0.0);
        }
        for (example, row) in indices.enumerate() {
            let mut draws = stream.draws(example as u32);
            let span = example * length..(example + 1) * length;
            let signal = &mut into.signal[span.clone()];
            let target = into.target.get_mut(span);
            match target {
                Some(target) => {
                    self.pick(row, &mut draws, signal, target);
                    self.change(&mut draws, [signal, target]);
                }
                None => self.change(&mut draws, [signal]),
            }
        }
    }

    /// The mean of some rows of the cell, the row among them, and what it is to be decoded to.
    fn pick(&mut self, row: usize, draws: &mut Draws, signal: &mut [f32], target: &mut [f32]) {
        let trace = |row: u32| self.rows.signal.row(row as usize).to_slice().expect("row-major");
        let siblings = self.target == Target::Sibling;
        let members = self.cells.with(row);
        self.drawn.clear();
        self.drawn.push(row as u32);
        // one is left over for the target
        let most = self.input_recordings.min(members.len() - usize::from(siblings)).max(1);
        let inputs = if most > 1 { 1 + draws.below(most as u32) as usize } else { 1 };
        let wanted = (inputs + usize::from(siblings)).min(members.len());
        while self.drawn.len() < wanted {
            let other = members[draws.below(members.len() as u32) as usize];
            if !self.drawn.contains(&other) {
                self.drawn.push(other);
            }
        }
        let target_row = if siblings { self.drawn[self.drawn.len() - 1] } else { row as u32 };
        target.copy_from_slice(trace(target_row));
        for &other in &self.drawn[1..inputs] {
            signal.iter_mut().zip(trace(other)).for_each(|(sum, v)| *sum += v);
        }
        let share = 1.0 / inputs as f32;
        signal.iter_mut().for_each(|sum| *sum *= share);
    }

    /// The same random change of all `traces`.
    fn change<const N: usize>(&mut self, draws: &mut Draws, traces: [&mut [f32]; N]) {
        let AugmentConfig { gain, stretch, shift_ms } = self.augment;
        if self.augment.is_off() {
            return;
        }
        let factor = (gain * draws.normal()).exp() as f32;
        let warped = stretch > 0.0 || shift_ms > 0.0;
        if warped {
            let shift = shift_ms * draws.normal() * self.samples_per_ms;
            let knots: [f64; KNOTS] = std::array::from_fn(|_| stretch * draws.normal());
            times(shift, &knots, self.rows.signal.ncols(), &mut self.times);
        }
        for trace in traces {
            if warped {
                self.trace.clear();
                self.trace.extend_from_slice(trace);
                trace.iter_mut().zip(&self.times).for_each(|(v, &time)| *v = at(&self.trace, time));
            }
            trace.iter_mut().for_each(|v| *v *= factor);
        }
    }
}

/// Where each sample of a warped trace lies in the one it is made of: later by `shift`, then on at a pace of 1 plus a factor
/// that is linear between `knots`.
fn times(shift: f64, knots: &[f64; KNOTS], length: usize, into: &mut Vec<f32>) {
    into.clear();
    let mut time = shift;
    let scale = (KNOTS - 1) as f64 / length.saturating_sub(1).max(1) as f64;
    for i in 0..length {
        into.push(time as f32);
        let place = i as f64 * scale;
        let knot = (place as usize).min(KNOTS - 2);
        let weight = place - knot as f64;
        // time never runs backwards
        time += (1.0 + (1.0 - weight) * knots[knot] + weight * knots[knot + 1]).max(0.0);
    }
}

/// A trace between its samples: the cubic of Catmull and Rom (1974) through four of them; its first and last sample go on.
fn at(trace: &[f32], time: f32) -> f32 {
    let last = trace.len() as isize - 1;
    let whole = time.floor();
    let sample = |i: isize| trace[(whole as isize + i).clamp(0, last) as usize];
    let [a, b, c, d] = [sample(-1), sample(0), sample(1), sample(2)];
    let t = time - whole;
    b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
}

#[cfg(test)]
mod tests;

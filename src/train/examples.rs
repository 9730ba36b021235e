//! From training rows to what a step sees: an input, and the target that it is to be decoded to.

use crate::config::{AugmentConfig, Config, Target};
use crate::data::Dataset;
use crate::data::cells::Cells;
use crate::data::rows::{Gathered, Rows};
use crate::data::variation::Variation;
use crate::rng::{Draws, Stream};

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
    /// Of the example at hand.
    variation: Variation,
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
            variation: Variation::default(),
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
        if self.augment.is_off() {
            return;
        }
        let axis = (self.rows.signal.ncols(), self.samples_per_ms);
        self.variation.draw(&self.augment, 1.0, draws, axis);
        traces.into_iter().for_each(|trace| self.variation.apply(trace));
    }
}

#[cfg(test)]
mod tests;

//! Makes training examples from rows: an input, and its reconstruction target.

use crate::config::{AugmentConfig, Config, ReconstructionTarget};
use crate::data::cells::Cells;
use crate::data::rows::{BatchRows, EncodedRows};
use crate::data::variation::Variation;
use crate::data::{Dataset, Values};
use crate::engine::rng::{Rng, Stream};

/// The training rows with their cells, and how to make examples from them.
pub struct Examples {
    pub rows: EncodedRows,
    cells: Cells,
    target: ReconstructionTarget,
    input_recordings: usize,
    /// The square root of the weight of each row's errors as a target, if errors are weighted.
    root_weights: Option<Vec<f32>>,
    augment: AugmentConfig,
    samples_per_ms: f64,
    /// The rows of the current cell, in the order of drawing.
    drawn: Vec<u32>,
    /// The random changes of the current example.
    variation: Variation,
}

impl Examples {
    /// `rows` are the rows `indices` of `dataset`.
    pub fn new(config: &Config, dataset: &Dataset, indices: &[usize], rows: EncodedRows) -> Examples {
        let training = &config.training;
        let needs_cells = training.target == ReconstructionTarget::Sibling || training.input_recordings > 1;
        Examples {
            cells: if needs_cells { Cells::of(dataset, indices) } else { Cells::default() },
            target: training.target,
            input_recordings: training.input_recordings,
            root_weights: training.weight_by_noise.then(|| root_weights(dataset, indices)),
            augment: training.augment.clone(),
            samples_per_ms: dataset.sample_rate_hz / 1000.0,
            drawn: Vec::new(),
            variation: Variation::default(),
            rows,
        }
    }

    /// The number of rows that are not alone in their cell, if examples use several rows.
    pub fn with_siblings(&self) -> Option<usize> {
        self.uses_cells().then(|| self.cells.with_siblings())
    }

    /// Whether errors are weighted but all rows have the same weight.
    pub fn weights_are_equal(&self) -> bool {
        self.root_weights.as_ref().is_some_and(|roots| roots.iter().all(|root| *root == roots[0]))
    }

    fn uses_cells(&self) -> bool {
        self.target == ReconstructionTarget::Sibling || self.input_recordings > 1
    }

    /// Makes the examples of these rows; random choices come from the step's `stream`, one sample per row.
    pub fn gather(
        &mut self,
        indices: impl ExactSizeIterator<Item = usize> + Clone,
        stream: Stream,
        into: &mut BatchRows,
    ) {
        self.rows.gather(indices.clone(), into);
        if !self.uses_cells() && self.augment.is_off() && self.root_weights.is_none() {
            return;
        }
        let length = self.rows.signal.ncols();
        if self.uses_cells() {
            into.target.resize(into.signal.len(), 0.0);
        }
        for (example, row) in indices.enumerate() {
            let mut draws = stream.rng(example as u32);
            let span = example * length..(example + 1) * length;
            let signal = &mut into.signal[span.clone()];
            let target = into.target.get_mut(span);
            let mut target_row = row;
            match target {
                Some(target) => {
                    target_row = self.pick(row, &mut draws, signal, target);
                    self.change(&mut draws, [signal, target]);
                }
                None => self.change(&mut draws, [signal]),
            }
            if let Some(roots) = &self.root_weights {
                into.root_weights.extend(std::iter::repeat_n(roots[target_row], length));
            }
        }
    }

    /// Fills `signal` with the mean of some rows of the cell, including `row`, and `target` with the target; returns
    /// the target's row.
    fn pick(&mut self, row: usize, draws: &mut Rng, signal: &mut [f32], target: &mut [f32]) -> usize {
        let trace = |row: u32| self.rows.signal.row(row as usize).to_slice().expect("row-major");
        let siblings = self.target == ReconstructionTarget::Sibling;
        let members = self.cells.with(row);
        self.drawn.clear();
        self.drawn.push(row as u32);
        // one row remains for the target
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
        target_row as usize
    }

    /// Applies the same random change to all `traces`.
    fn change<const N: usize>(&mut self, draws: &mut Rng, traces: [&mut [f32]; N]) {
        if self.augment.is_off() {
            return;
        }
        let axis = (self.rows.signal.ncols(), self.samples_per_ms);
        self.variation.draw(&self.augment, 1.0, draws, axis);
        traces.into_iter().for_each(|trace| self.variation.apply(trace));
    }
}

/// `sqrt(w / mean(w))` with `w = n / (n + m)`, where n is the precision of a row and m the median precision.
fn root_weights(dataset: &Dataset, indices: &[usize]) -> Vec<f32> {
    let precisions = precisions(dataset, indices);
    let mut known: Vec<f64> = precisions.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    let median = known.get(known.len() / 2).copied().unwrap_or(1.0);
    // the weight of a row without noise is 1
    let weights = precisions.iter().map(|n| n.map_or(0.5, |n| 1.0 / (1.0 + median / n)));
    let weights: Vec<f64> = weights.collect();
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    weights.into_iter().map(|weight| (weight / mean).sqrt() as f32).collect()
}

/// The precision of each row, up to a common factor: its number of averages, else one over the square of
/// `residual_noise_nv`.
fn precisions(dataset: &Dataset, indices: &[usize]) -> Vec<Option<f64>> {
    let averages = |&row: &usize| f64::from(dataset.averages[row]);
    let known = |values: Vec<f64>| values.into_iter().map(|n| Some(n).filter(|n| *n > 0.0)).collect();
    let by_averages: Vec<Option<f64>> = known(indices.iter().map(averages).collect());
    let column = dataset.conditions.iter().find(|column| column.name == "residual_noise_nv");
    match column.map(|column| &column.values) {
        Some(Values::Number(noise)) if by_averages.iter().all(Option::is_none) => {
            known(indices.iter().map(|&row| noise[row].powi(-2)).collect())
        }
        _ => by_averages,
    }
}

#[cfg(test)]
mod tests;

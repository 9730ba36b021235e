//! Rows in the model's units, and the batches that training gathers from them.

use super::Dataset;
use super::cells::Cells;
use super::scale::Scalers;
use crate::error::Result;
use ndarray::{Array2, Axis};

/// A data set as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedRows {
    /// `[N, L]`
    pub signal: Array2<f32>,
    /// `[N, S]`
    pub condition: Array2<f32>,
    /// `[N, 6]`; 0 where unlabelled.
    pub peaks: Array2<f32>,
    /// `[N, 6]`; 1 where labelled.
    pub peak_mask: Array2<f32>,
    /// `[N, L]`: the targets of the decoder; `None`: the signals themselves.
    pub target: Option<Array2<f32>>,
}

/// The rows of one batch, in buffers that the next batch reuses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BatchRows {
    pub rows: usize,
    pub signal: Vec<f32>,
    pub condition: Vec<f32>,
    pub peaks: Vec<f32>,
    pub peak_mask: Vec<f32>,
    /// Empty where the target is the signal.
    pub target: Vec<f32>,
    /// Square root of the weight of each row's errors, repeated for each sample; empty if all weights are 1.
    pub root_weights: Vec<f32>,
}

impl EncodedRows {
    /// Encodes the rows `indices` of a data set, in that order.
    ///
    /// # Errors
    /// A condition that the scalers cannot encode.
    pub fn encode(dataset: &Dataset, scalers: &Scalers, indices: &[usize]) -> Result<EncodedRows> {
        let signal = scalers.encode_rows(dataset.signals.view(), indices);
        let condition = scalers.encode_condition(&dataset.source, &dataset.conditions, indices)?;
        let (peaks, peak_mask) = scalers.encode_peaks(dataset.peaks.select(ndarray::Axis(0), indices).view());
        Ok(EncodedRows { signal, condition, peaks, peak_mask, target: None })
    }

    /// Makes the mean of the other rows of its cell each row's target. Rows that are alone keep their own signal.
    pub fn aim_at_siblings(&mut self, cells: &Cells) {
        let mut target = self.signal.clone();
        cells.means_of_others(|row| self.signal.row(row), |row, mean| target.row_mut(row).assign(&mean));
        self.target = Some(target);
    }

    /// The chosen rows, in the order of `rows`.
    pub fn select(&self, rows: &[usize]) -> EncodedRows {
        let select = |values: &Array2<f32>| values.select(Axis(0), rows);
        EncodedRows {
            signal: select(&self.signal),
            condition: select(&self.condition),
            peaks: select(&self.peaks),
            peak_mask: select(&self.peak_mask),
            target: self.target.as_ref().map(select),
        }
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.signal.nrows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies rows in the order of `indices`, without weights for their errors.
    pub fn gather(&self, indices: impl ExactSizeIterator<Item = usize> + Clone, into: &mut BatchRows) {
        into.rows = indices.len();
        into.root_weights.clear();
        let columns = [
            (Some(&self.signal), &mut into.signal),
            (Some(&self.condition), &mut into.condition),
            (Some(&self.peaks), &mut into.peaks),
            (Some(&self.peak_mask), &mut into.peak_mask),
            (self.target.as_ref(), &mut into.target),
        ];
        for (from, to) in columns {
            to.clear();
            let Some(from) = from else { continue };
            for index in indices.clone() {
                to.extend_from_slice(from.row(index).to_slice().expect("row-major"));
            }
        }
    }
}

impl BatchRows {
    /// The number of labelled peaks.
    pub fn labels(&self) -> f64 {
        self.peak_mask.iter().map(|m| f64::from(*m)).sum()
    }
}

/// The bounds of an epoch's batches of `size` over `rows` rows. A last batch of one row joins the one before it: batch
/// norm needs two rows for a variance.
pub fn batch_bounds(rows: usize, size: usize) -> Vec<(usize, usize)> {
    let mut bounds: Vec<_> = (0..rows).step_by(size).map(|start| (start, (start + size).min(rows))).collect();
    if let [.., before, last] = bounds.as_mut_slice()
        && last.1 - last.0 == 1
    {
        before.1 = last.1;
        bounds.pop();
    }
    bounds
}

#[cfg(test)]
mod tests {
    use super::batch_bounds;

    #[test]
    fn a_last_row_alone_joins_the_batch_before() {
        assert_eq!(batch_bounds(10, 4), [(0, 4), (4, 8), (8, 10)]);
        assert_eq!(batch_bounds(9, 4), [(0, 4), (4, 9)]);
        assert_eq!(batch_bounds(3, 4), [(0, 3)]);
        assert_eq!(batch_bounds(1, 4), [(0, 1)]);
    }
}

//! Where reference traces come from, and how much of their variance any estimate could explain.
use crate::purpose;

use super::Reference;
use crate::data::Dataset;
use crate::data::cells::Cells;
use crate::engine::rng::Stream;
use ndarray::{Array1, Array2};
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// How often each cell is split in halves.
const SPLITS: u32 = 20;

/// The reference traces of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReferenceSummary {
    pub source: ReferenceSource,
    /// Rows that have a reference trace.
    pub rows: usize,
    /// The share of the reference variance that is not noise, which is the most that can be explained. It is the
    /// correlation of the means of two halves of each cell's rows, extrapolated to a mean of all rows but one (Spearman
    /// 1910; Brown 1910). 1 for a simulation.
    pub ceiling: f64,
}

/// Where a reference trace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ReferenceSource {
    /// The noise-free traces that come with the data.
    #[serde(rename = "noise_free")]
    GroundTruth,
    /// The mean of the other recordings of the same subject under the same condition.
    #[serde(rename = "siblings")]
    CellAverage,
}

impl ReferenceSource {
    /// The source for the rows of a data set, if they have reference traces.
    pub fn of(dataset: &Dataset) -> ReferenceSource {
        if dataset.ground_truth.is_some() { ReferenceSource::GroundTruth } else { ReferenceSource::CellAverage }
    }

    /// The name in texts for users.
    pub fn name(self) -> &'static str {
        match self {
            ReferenceSource::GroundTruth => "the ground truth",
            ReferenceSource::CellAverage => "the cell average",
        }
    }
}

impl ReferenceSummary {
    pub(super) fn of(dataset: &Dataset, reference: &Reference) -> Option<ReferenceSummary> {
        let (_, known) = reference.traces.as_ref()?;
        Some(ReferenceSummary { source: ReferenceSource::of(dataset), rows: known.len(), ceiling: reference.ceiling? })
    }
}

/// The mean over [`SPLITS`] splits of `k r / (1 + (k - 1) r)`. Here r is the correlation of the two halves' means about
/// `centre`, over all samples of the cells with two rows or more. And k is the ratio of the number of rows in a cell
/// average (all rows but one) to that in a half. NaN where nothing varies.
pub(super) fn ceiling(signals: &Array2<f32>, cells: &Cells, centre: Option<&Array1<f32>>) -> f64 {
    let zero = Array1::zeros(signals.ncols());
    let centre = centre.unwrap_or(&zero);
    let several: Vec<&[u32]> = cells.iter().filter(|members| members.len() > 1).collect();
    let truths: f64 = several.iter().map(|members| (members.len() * (members.len() - 1)) as f64).sum();
    let halves: f64 = several.iter().map(|members| (members.len() * members.len()) as f64 / 2.0).sum();
    let times = truths / halves;
    let split = |split: u32| {
        let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
        for (cell, members) in several.iter().enumerate() {
            let mut members = members.to_vec();
            Stream::new(0, purpose::EVALUATE, 0).at(split).rng(cell as u32).shuffle(&mut members);
            let (first, second) = members.split_at(members.len() / 2);
            let mean = |rows: &[u32], i: usize| {
                let sum: f64 = rows.iter().map(|row| f64::from(signals[[*row as usize, i]])).sum();
                sum / rows.len() as f64 - f64::from(centre[i])
            };
            for i in 0..signals.ncols() {
                let (a, b) = (mean(first, i), mean(second, i));
                (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
            }
        }
        let r = ab / (aa * bb).sqrt();
        times * r / (1.0 + (times - 1.0) * r)
    };
    (0..SPLITS).map(split).sum::<f64>() / f64::from(SPLITS)
}

impl Display for ReferenceSummary {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let rows = self.rows;
        match self.source {
            ReferenceSource::GroundTruth => write!(f, "ground truth: the noise-free traces of {rows} rows"),
            ReferenceSource::CellAverage => write!(
                f,
                "cell average: for {rows} rows, the mean of the other recordings of the same subject and condition; \
                 {:.0} % of its variance can be explained, the rest is noise",
                100.0 * self.ceiling
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::rng::Purpose;

    #[test]
    fn the_ceiling_is_the_share_of_signal_in_a_cells_mean() {
        // 100 cells of 8 rows, signal variance 1, noise variance 4: the signal's share in a mean of 7 others is 7/11
        let normals = |layer: u32, row: usize| {
            let mut values = vec![0.0_f32; 40];
            Stream::new(2, Purpose::TEST, layer).normals(row as u32, &mut values);
            values
        };
        let signals = Array2::from_shape_fn((800, 40), |(row, i)| normals(0, row / 8)[i] + 2.0 * normals(1, row)[i]);
        let mut data = crate::data::fixture::dataset(800, 1);
        data.conditions.clear();
        data.subjects = (0..800).map(|row| format!("S{}", row / 8)).collect();
        let cells = Cells::of(&data, &(0..800).collect::<Vec<_>>());
        let found = ceiling(&signals, &cells, None);
        assert!((found - 7.0 / 11.0).abs() < 0.025, "{found}");
        let clean = Array2::from_shape_fn((800, 40), |(row, i)| normals(0, row / 8)[i]);
        assert!((ceiling(&clean, &cells, None) - 1.0).abs() < 1e-6);
    }
}

//! Baselines: simple methods that a model has to beat on the same rows. They are fitted to the training rows and stored
//! in the checkpoint.

mod curve;
mod kd_tree;
mod listeners;
mod mixed;
mod nearest;
mod pca;
mod products;
mod stored;

pub use curve::Curve;
pub use listeners::ListenerSpread;
pub use mixed::{Grouping, MixedModel};
pub use nearest::{NEIGHBOURS, NearestCondition};
pub use pca::Pca;

use crate::data::Dataset;
use crate::data::cells::Cells;
use crate::data::scale::Scalers;
use crate::data::split::Split;
use crate::error::Result;
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

/// The minimum number of principal components to keep, even if fewer reconstruct best.
const FEWEST_COMPONENTS: usize = 16;

fn all() -> usize {
    usize::MAX
}

/// The baselines that need no training rows after the fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Predicts a trace from the condition alone.
    pub curve: Curve,
    /// Its components: those for reconstruction, and enough to compare traces in them.
    pub pca: Pca,
    /// The number of components for reconstruction, chosen on the validation rows; all of them if the checkpoint has no
    /// such entry.
    #[serde(default = "all")]
    pub rank: usize,
    /// Reconstructs by the covariances between and within groups; `None` if no listener was recorded twice.
    pub mixed_model: Option<MixedModel>,
    /// `None` in a checkpoint that predates this field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<ListenerSpread>,
}

impl Baselines {
    /// Fits the training rows. Hyperparameters are chosen on the validation rows (else on the training rows), against
    /// [reference traces](reference_traces) if there are any.
    ///
    /// # Errors
    /// A value of the condition that cannot be encoded.
    pub fn fit(dataset: &Dataset, scalers: &Scalers, split: &Split, max_rank: usize) -> Result<Baselines> {
        let train = &split.train;
        let conditions = scalers.encode_condition(&dataset.source, &dataset.conditions, train)?;
        let listeners = Cells::of_subjects(dataset, train);
        let curve = Curve::fit(conditions.view(), |row| dataset.signals.row(train[row]), &listeners.numbers());
        let chosen_by = if split.validation.is_empty() { train } else { &split.validation };
        let pca = Pca::fit(train.len(), |row| dataset.signals.row(train[row]));
        let rank = choose_rank(&pca, dataset, chosen_by, max_rank);
        let cells = Cells::of(dataset, train);
        // if at least half of the rows have repeats, which show the noise
        let grouping = if 2 * cells.with_siblings() >= train.len() { Grouping::Cells } else { Grouping::Subjects };
        let groups = match grouping {
            Grouping::Cells => cells,
            Grouping::Subjects => listeners,
        };
        let averages: Vec<f32> = train.iter().map(|&row| dataset.averages[row]).collect();
        let known = averages.iter().all(|averages| *averages >= 1.0);
        let averages = known.then_some(&averages[..]);
        let residual = |row: usize| dataset.signals.row(train[row]).mapv(f64::from) - curve.at(conditions.row(row));
        let mixed_model = MixedModel::fit(residual, (&groups, grouping), averages);
        let listeners = Some(ListenerSpread::of(dataset, train));
        Ok(Baselines { curve, pca: pca.truncated(rank.max(FEWEST_COMPONENTS)), rank, mixed_model, listeners })
    }

    /// Checks baselines that were read from a file, for traces of `length` samples under conditions of `inputs` encoded
    /// values; the error is the problem.
    pub fn check(&self, length: usize, inputs: usize) -> std::result::Result<(), String> {
        let mixed = self.mixed_model.as_ref().is_none_or(|model| model.is_sound(length));
        let listeners = self.listeners.and_then(|spread| spread.variance_uv2).is_none_or(f64::is_finite);
        for (name, sound) in [
            ("curve", self.curve.is_sound(length, inputs)),
            ("pca", self.pca.is_sound(length)),
            ("mixed_model", mixed),
            ("listeners", listeners),
        ] {
            if !sound {
                return Err(format!("{name}: of another shape, or not finite"));
            }
        }
        Ok(())
    }

    /// The mixed model, if repeated recordings of a cell separate noise from the rest.
    pub fn noise(&self) -> Option<&MixedModel> {
        self.mixed_model.as_ref().filter(|model| model.grouping == Grouping::Cells)
    }

    /// The mean training trace in µV.
    pub fn mean(&self) -> Array1<f32> {
        self.pca.mean.mapv(|v| v as f32)
    }
}

/// The rank whose reconstructions of `rows` are closest to their reference traces.
fn choose_rank(pca: &Pca, dataset: &Dataset, rows: &[usize], max_rank: usize) -> usize {
    let recorded = |rows: &[usize]| dataset.signals.select(Axis(0), rows);
    let chunks = rows.chunks(products::CHUNK);
    if let Some(ground_truth) = &dataset.ground_truth {
        return pca
            .choose_rank(max_rank, chunks.map(|rows| (recorded(rows), ground_truth.signals.select(Axis(0), rows))));
    }
    let (traces, known) = reference_traces(dataset, rows, &Cells::of(dataset, rows));
    if known.is_empty() {
        return pca.choose_rank(max_rank, chunks.map(|rows| (recorded(rows), recorded(rows))));
    }
    let input = recorded(&known.iter().map(|&place| rows[place]).collect::<Vec<_>>());
    pca.choose_rank(max_rank, std::iter::once((input, traces)))
}

/// The reference traces of `rows` in µV, and the places of the rows that have one. A simulated row's reference is its
/// ground truth; a recorded row's is the cell average: the mean of the *other* rows of its cell, whose noise is
/// independent of the row's. `cells` are the cells of `rows`.
pub fn reference_traces(dataset: &Dataset, rows: &[usize], cells: &Cells) -> (Array2<f32>, Vec<usize>) {
    if let Some(ground_truth) = &dataset.ground_truth {
        return (ground_truth.signals.select(Axis(0), rows), (0..rows.len()).collect());
    }
    let known: Vec<usize> = (0..rows.len()).filter(|&place| cells.with(place).len() > 1).collect();
    let mut traces = Array2::zeros((known.len(), dataset.signals.ncols()));
    cells.means_of_others(
        |place| dataset.signals.row(rows[place]),
        |place, mean| traces.row_mut(known.binary_search(&place).expect("a row with siblings")).assign(&mean),
    );
    (traces, known)
}

#[cfg(test)]
mod tests;

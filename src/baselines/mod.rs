//! What a model has to beat on the same rows: simple methods, fitted on the training rows and kept in the checkpoint.

mod curve;
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

/// So many principal components are kept, even where fewer reconstruct best.
const FEWEST_COMPONENTS: usize = 16;

fn all() -> usize {
    usize::MAX
}

/// The baselines that need no training row once they are fitted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Predicts from the condition alone.
    pub curve: Curve,
    /// Its components: those by which it reconstructs, and so many that traces can be compared in them.
    pub pca: Pca,
    /// By how many components it reconstructs, as chosen on the validation rows; all of them if it is not said.
    #[serde(default = "all")]
    pub rank: usize,
    /// Reconstructs by the covariances between and within; none where no listener was recorded twice.
    pub mixed_model: Option<MixedModel>,
    /// None in a checkpoint of before it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<ListenerSpread>,
}

impl Baselines {
    /// Fits to the training rows; what is chosen is chosen on the validation rows (on the training rows where there are
    /// none), against the truth where it is known: that of a simulation, or else the mean of the other rows of a cell.
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
        // as soon as a half of the rows tell what noise is
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

    /// The mixed model, where recordings of a cell told noise from the rest.
    pub fn noise(&self) -> Option<&MixedModel> {
        self.mixed_model.as_ref().filter(|model| model.grouping == Grouping::Cells)
    }

    /// The mean training trace in µV.
    pub fn mean(&self) -> Array1<f32> {
        self.pca.mean.mapv(|v| v as f32)
    }
}

/// The rank whose reconstructions of `rows` are nearest to their truth.
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

/// The truth of those of `rows` that have one, in µV, and their places among `rows`: the noise-free traces of a
/// simulation, or else the mean of the *other* rows of a row's cell, whose noise is not that of the row. `cells` are
/// those of `rows`.
pub fn reference_traces(dataset: &Dataset, rows: &[usize], cells: &Cells) -> (Array2<f32>, Vec<usize>) {
    if let Some(ground_truth) = &dataset.ground_truth {
        return (ground_truth.signals.select(Axis(0), rows), (0..rows.len()).collect());
    }
    let known: Vec<usize> = (0..rows.len()).filter(|&place| cells.with(place).len() > 1).collect();
    let mut traces = Array2::zeros((known.len(), dataset.signals.ncols()));
    cells.means_of_others(
        |place| dataset.signals.row(rows[place]),
        |place, mean| traces.row_mut(known.binary_search(&place).expect("not alone")).assign(&mean),
    );
    (traces, known)
}

#[cfg(test)]
mod tests;

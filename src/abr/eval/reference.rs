//! The traces that estimates are measured against.

use super::measures::{Interval, bootstrap, of_rows};
use super::metrics::{TraceErrors, explained_variance, squares};
use super::report::GoodnessOfFit;
use super::sides::{count, groups};
use crate::baselines::reference_traces;
use crate::data::Dataset;
use crate::data::cells::Cells;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};

/// The evaluated rows and their reference traces: the ground truth of simulated rows, the cell average of recorded
/// ones. A row's place is its index among the evaluated rows.
pub(super) struct Reference {
    /// `[N, L]` in µV.
    pub recorded: Array2<f32>,
    /// The reference traces `[.., L]` in µV and the places of their rows; `None` where no row has one.
    pub traces: Option<(Array2<f32>, Vec<usize>)>,
    /// The share of the reference variance that can be explained; 1 for a simulation.
    pub ceiling: Option<f64>,
    /// The mean training trace in µV; unknown for bare weights.
    pub mean: Option<Array1<f32>>,
    pub cells: Cells,
    /// The bootstrap group of each row: its subject, or, with one subject only, its cell.
    groups: Vec<usize>,
    /// The noise in the reference traces of each cell, in µV² summed over the samples.
    noise: Vec<f64>,
}

impl Reference {
    pub fn of(dataset: &Dataset, rows: &[usize], mean: Option<Array1<f32>>) -> Reference {
        let cells = Cells::of(dataset, rows);
        let recorded = dataset.signals.select(Axis(0), rows);
        let (_, groups) = groups(dataset, rows, &cells);
        let noise = match dataset.ground_truth {
            Some(_) => vec![0.0; cells.iter().len()],
            None => cells.iter().map(|members| noise_of_mean(&recorded, members)).collect(),
        };
        let traces = Some(reference_traces(dataset, rows, &cells)).filter(|(_, known)| !known.is_empty());
        let ceiling = traces.as_ref().map(|_| match dataset.ground_truth {
            Some(_) => 1.0,
            None => super::reference_summary::ceiling(&recorded, &cells, mean.as_ref()),
        });
        Reference { traces, ceiling, mean, groups, noise, recorded, cells }
    }

    /// The reference trace of the row at a place, in µV.
    pub fn trace_of(&self, place: usize) -> Option<ArrayView1<'_, f32>> {
        let (traces, known) = self.traces.as_ref()?;
        known.binary_search(&place).ok().map(|at| traces.row(at))
    }

    /// The noise variance in the reference trace of the row at a place, in µV² summed over the samples: 0 for a
    /// simulation; for a mean of n other rows, 1 / n of the variance within the cell.
    pub fn noise_of_trace(&self, place: usize) -> f64 {
        self.noise[self.cells.cell(place)]
    }

    pub fn measure(&self, estimate: &Array2<f32>) -> GoodnessOfFit {
        let explained = |estimate: ArrayView2<f32>, reference: ArrayView2<f32>| {
            self.mean.as_ref().map(|mean| explained_variance(estimate, reference, mean.view()))
        };
        let of_reference = self.traces.as_ref().map(|(traces, known)| (estimate.select(Axis(0), known), traces.view()));
        let interval = of_reference.as_ref().and_then(|(estimate, _)| self.interval(estimate));
        GoodnessOfFit {
            recorded: TraceErrors::of(estimate.view(), self.recorded.view()).summary(),
            explained_variance: explained(estimate.view(), self.recorded.view()),
            truth: of_reference.as_ref().map(|(estimate, traces)| TraceErrors::of(estimate.view(), *traces).summary()),
            truth_explained_variance: of_reference.and_then(|(estimate, traces)| explained(estimate.view(), traces)),
            truth_interval: interval.and_then(|interval| Some([interval.low?, interval.high?])),
            share_of_ceiling: interval.zip(self.ceiling).map(|(interval, ceiling)| interval.value / ceiling),
        }
    }

    /// The explained share of the reference variance, with a bootstrap interval over subjects. `estimate` holds only
    /// the rows that have a reference trace.
    fn interval(&self, estimate: &Array2<f32>) -> Option<Interval> {
        let ((traces, known), mean) = (self.traces.as_ref()?, self.mean.as_ref()?);
        let rows = traces.outer_iter().zip(estimate.outer_iter());
        let sums: Vec<(f64, f64)> =
            rows.map(|(trace, estimate)| (squares(estimate, trace), squares(trace, mean.view()))).collect();
        let groups: Vec<usize> = known.iter().map(|&place| self.groups[place]).collect();
        Some(bootstrap(count(&self.groups), |weights| {
            let weighted = of_rows(&groups, weights);
            let sum = |of: fn(&(f64, f64)) -> f64| -> f64 {
                sums.iter().zip(&weighted).map(|(sums, weight)| weight * of(sums)).sum()
            };
            1.0 - sum(|sums| sums.0) / sum(|sums| sums.1)
        }))
    }
}

/// The noise in the mean of all but one of a cell's rows, summed over the samples; NaN for a single row.
fn noise_of_mean(recorded: &Array2<f32>, members: &[u32]) -> f64 {
    let rows: Vec<usize> = members.iter().map(|row| *row as usize).collect();
    let traces = recorded.select(Axis(0), &rows).mapv(f64::from);
    let others = rows.len() as f64 - 1.0;
    let mean = traces.mean_axis(Axis(0)).expect("a cell has rows");
    (&traces - &mean).iter().map(|v| v * v).sum::<f64>() / (others * others)
}

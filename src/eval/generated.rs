//! What a model generates under the conditions of recordings: its mean beside theirs, and how far it spreads.

use super::Reference;
use crate::checkpoint::Trained;
use crate::data::Dataset;
use crate::error::Result;
use crate::generate::draw_traces;
use crate::model::Cvae;
use ndarray::{Array2, ArrayView1, Axis};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// Traces drawn in all, about …
const DRAWS: usize = 20_000;
/// … so many for each condition at least …
const FEWEST: usize = 16;
/// … and at most.
const MOST: usize = 200;
/// The seed of the draws.
const SEED: u64 = 0;

/// Draws under the conditions of rows that have a truth, weighed as these rows are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Generated {
    /// Different conditions among the rows.
    pub conditions: usize,
    /// Draws for each.
    pub draws: usize,
    /// Share of the truth's variance that the mean of the draws explains, without what the number of draws adds; none where
    /// there is no truth or the training mean is not known.
    pub mean_explained_variance: Option<f64>,
    /// Root of the variance of draws over that of the truth, each about the curve of the condition (see
    /// [`Curve`](crate::baselines::Curve)): 1 is as far as listeners spread. The noise in a truth of means is taken off.
    pub spread: Option<f64>,
}

impl Generated {
    pub(super) fn measure(
        trained: &Trained,
        model: &mut Cvae,
        dataset: &Dataset,
        rows: &[usize],
        reference: &Reference,
    ) -> Result<Generated> {
        let known = reference.truth.as_ref().map_or((0..rows.len()).collect(), |(_, known)| known.clone());
        let rows: Vec<usize> = known.iter().map(|&place| rows[place]).collect();
        let encoded = trained.scalers.encode_statics(&dataset.source, &dataset.statics, &rows)?;
        let (firsts, of_row) = distinct(&encoded);
        let conditions = encoded.select(Axis(0), &firsts);
        let draws = (DRAWS / conditions.nrows()).clamp(FEWEST, MOST);
        let curve = trained.baselines.as_ref().map(|fitted| fitted.curve.predict(conditions.view()));
        let length = reference.recorded.ncols();
        let mut means = Array2::<f64>::zeros((conditions.nrows(), length));
        // of each condition's draws: the variance about their mean, and about the curve, summed over the samples
        let mut variances = vec![(0.0, 0.0); conditions.nrows()];
        for (at, condition) in conditions.outer_iter().enumerate() {
            let repeated = Array2::from_shape_fn((draws, condition.len()), |(_, i)| condition[i]);
            let subjects: Vec<u32> = (0..draws as u32).collect();
            let (traces, _) = draw_traces(trained, model, Some(&repeated), &subjects, SEED + at as u64)?;
            let traces = traces.mapv(f64::from);
            let mean = traces.mean_axis(Axis(0)).expect("some draws");
            let about =
                |centre: ArrayView1<f64>| traces.outer_iter().map(|t| squares(t, centre)).sum::<f64>() / draws as f64;
            let of_curve = curve.as_ref().map_or(f64::NAN, |curve| about(curve.row(at)));
            variances[at] = (about(mean.view()) * draws as f64 / (draws - 1) as f64, of_curve);
            means.row_mut(at).assign(&mean);
        }
        let mut made = Generated { conditions: firsts.len(), draws, mean_explained_variance: None, spread: None };
        if let (Some((truth, _)), Some(mean)) = (&reference.truth, &reference.mean) {
            let noise = noise(dataset, &rows);
            let (mut error, mut total, mut real, mut drawn) = (0.0, 0.0, 0.0, 0.0);
            for (row, (truth, &at)) in truth.outer_iter().zip(&of_row).enumerate() {
                let truth = truth.mapv(f64::from);
                error += squares(truth.view(), means.row(at)) - variances[at].0 / draws as f64;
                total += squares(truth.view(), mean.mapv(f64::from).view());
                drawn += variances[at].1;
                real += curve.as_ref().map_or(f64::NAN, |curve| squares(truth.view(), curve.row(at))) - noise[row];
            }
            made.mean_explained_variance = Some(1.0 - error / total).filter(|v| v.is_finite());
            made.spread = Some((drawn / real).sqrt()).filter(|v| v.is_finite());
        }
        Ok(made)
    }
}

/// The noise's part in each truth, in µV² summed over the samples: 0 in that of a simulation, and in a mean of n others a share 1 / n
/// of the variance within the cell.
fn noise(dataset: &Dataset, rows: &[usize]) -> Vec<f64> {
    if dataset.truth.is_some() {
        return vec![0.0; rows.len()];
    }
    let cells = crate::data::cells::Cells::of(dataset, rows);
    let within: Vec<f64> = cells
        .iter()
        .map(|members| {
            let traces: Vec<_> = members.iter().map(|place| dataset.signals.row(rows[*place as usize])).collect();
            let n = traces.len() as f64;
            let variance = |i: usize| {
                let mean = traces.iter().map(|t| f64::from(t[i])).sum::<f64>() / n;
                traces.iter().map(|t| (f64::from(t[i]) - mean).powi(2)).sum::<f64>()
            };
            (0..dataset.signals.ncols()).map(variance).sum::<f64>() / ((n - 1.0) * (n - 1.0))
        })
        .collect();
    (0..rows.len()).map(|row| within[cells.cell(row)]).collect()
}

fn squares(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// The first row of each distinct condition, and for each row which of these it has.
fn distinct(conditions: &Array2<f32>) -> (Vec<usize>, Vec<usize>) {
    let (mut seen, mut firsts) = (HashMap::new(), Vec::new());
    let of_row = conditions.outer_iter().enumerate().map(|(row, condition)| {
        let key: Vec<u32> = condition.iter().map(|v| v.to_bits()).collect();
        *seen.entry(key).or_insert_with(|| {
            firsts.push(row);
            firsts.len() - 1
        })
    });
    let of_row = of_row.collect();
    (firsts, of_row)
}

impl Display for Generated {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "generated under {} conditions, {} draws each", self.conditions, self.draws)?;
        if let Some(explained) = self.mean_explained_variance {
            write!(f, ": their mean explains {:.1} % of the truth's variance", 100.0 * explained)?;
        }
        if let Some(spread) = self.spread {
            write!(f, "; they spread {spread:.2} times as far as listeners do")?;
        }
        Ok(())
    }
}

//! Real traces and their generated twins: for each real subject one generated subject under the same conditions.
use crate::purpose;

use super::measures::{Interval, bootstrap, bootstrap_all, of_rows};
use super::species::Picker;
use crate::baselines::{Baselines, Grouping};
use crate::checkpoint::TrainedModel;
use crate::data::cells::Cells;
use crate::data::{Dataset, Values};
use crate::engine::rng::Stream;
use crate::error::Result;
use crate::generate::{add_noise, draw_traces, noise};
use crate::model::Cvae;
use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};

/// The maximum number of rows: some measures go through all pairs.
const MOST_ROWS: usize = 2000;
/// If there are more rows, each subject keeps at least this many.
const FEWEST_OF_SUBJECT: usize = 16;
/// The number of principal components in which traces are compared.
pub const COMPONENTS: usize = 8;
/// The seeds of the noise on evaluated and on training rows; twins have other seeds.
pub const EVALUATED: u64 = 1 << 63;
pub const TRAINING: u64 = EVALUATED + 1;

/// Which real and generated traces are compared, and with which noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "traces", rename_all = "snake_case")]
pub enum Compared {
    /// Recordings, and generated traces with noise for the same number of averages.
    Recordings,
    /// Simulated and generated traces, both with noise for the median number of averages, so that no trace drowns in
    /// noise.
    NoiseAdded { averages: f64 },
    /// Simulated and generated traces, both noise-free, because the noise of the training rows is unknown.
    NoiseFree,
    /// Recordings with noise, and generated traces without, because the noise is unknown: not a fair comparison.
    NoiseOnOneSide,
}

/// Real traces, and everything needed to draw their twins.
pub struct Sides<'a> {
    trained: &'a TrainedModel,
    pub dataset: &'a Dataset,
    pub compared: Compared,
    /// `[N]`: the rows in the data set, and their places among the evaluated rows.
    pub rows: Vec<usize>,
    pub places: Vec<usize>,
    /// `[N, L]` in µV, with the noise of the comparison.
    pub real: Array2<f64>,
    /// `[N, L]` in µV: the curve of the condition.
    pub curve: Array2<f64>,
    /// `[N]`: the subject of each row, counted from 0; its twin has the same number.
    pub subjects: Vec<usize>,
    pub cells: Cells,
    /// `[N]`: the bootstrap group: the subject, or, with one subject only, the cell.
    pub groups: Vec<usize>,
    /// `[N]`: levels in dB, if the model is conditioned on `level_db`.
    pub levels_db: Option<Vec<f64>>,
    /// `[N, S]`, encoded.
    pub condition: Array2<f32>,
    /// `[N]`: the number of averages, which divides the noise variance of one sweep.
    pub averages: Vec<f64>,
}

/// Generated traces under the conditions of [`Sides`].
pub struct Twins {
    /// `[N, L]` in µV, without noise.
    pub clean: Array2<f32>,
    /// `[N, L]` in µV, with the noise of the comparison.
    pub compared: Array2<f64>,
}

impl<'a> Sides<'a> {
    /// Takes these rows of a data set, or, if they are too many, some rows of each subject. `None` for bare weights,
    /// which have no baselines. `seed` is the seed of the noise added to real traces.
    ///
    /// # Errors
    /// A value of the condition that cannot be encoded.
    pub fn new(
        trained: &'a TrainedModel,
        dataset: &'a Dataset,
        rows: &[usize],
        seed: u64,
    ) -> Result<Option<Sides<'a>>> {
        let Some(baselines) = &trained.baselines else { return Ok(None) };
        let places = kept(dataset, rows);
        let rows: Vec<usize> = places.iter().map(|place| rows[*place]).collect();
        let condition = trained.scalers.encode_condition(&dataset.source, &dataset.conditions, &rows)?;
        let (compared, averages) = compare(trained, dataset, &rows);
        let real = match (&dataset.ground_truth, compared) {
            (Some(truth), Compared::NoiseFree | Compared::NoiseAdded { .. }) => truth.signals.select(Axis(0), &rows),
            _ => dataset.signals.select(Axis(0), &rows),
        };
        let cells = Cells::of(dataset, &rows);
        let (subjects, groups) = groups(dataset, &rows, &cells);
        let mut sides = Sides {
            compared,
            curve: baselines.curve.predict(condition.view()),
            groups,
            subjects,
            cells,
            levels_db: level_column(dataset, &rows),
            real: Array2::zeros((0, 0)),
            trained,
            dataset,
            rows,
            places,
            condition,
            averages,
        };
        sides.real = match compared {
            Compared::NoiseAdded { .. } => sides.with_noise(real, seed),
            _ => real.mapv(f64::from),
        };
        Ok(Some(sides))
    }

    /// Draws a twin of each row.
    ///
    /// # Errors
    /// The device is out of memory, or was lost.
    pub fn twins(&self, model: &mut Cvae, seed: u64) -> Result<Twins> {
        let subjects: Vec<u32> = self.subjects.iter().map(|subject| *subject as u32).collect();
        let (clean, _) = draw_traces(self.trained, model, Some(&self.condition), &subjects, seed)?;
        Ok(Twins { compared: self.with_noise(clean.clone(), seed), clean })
    }

    /// The twins drawn from the linear mixed model: the curve of the condition plus a subject effect.
    pub fn mixed_model_twins(&self, seed: u64) -> Option<Array2<f64>> {
        let model = self.baselines().mixed_model.as_ref()?;
        let group_of = match model.grouping {
            Grouping::Cells => self.cells.numbers(),
            Grouping::Subjects => self.subjects.clone(),
        };
        let traces = model.draw(self.curve.clone(), group_of.into_iter().map(|group| group as u32), seed);
        Some(self.with_noise(traces, seed))
    }

    /// `[N, components]`: the difference of traces `[N, L]` in µV from the curve of their conditions, in principal
    /// components of the training rows.
    pub fn scores(&self, traces: ArrayView2<f64>) -> Array2<f64> {
        let components = &self.baselines().pca.components;
        let kept = COMPONENTS.min(components.ncols());
        (&traces - &self.curve).dot(&components.slice(ndarray::s![.., ..kept]))
    }

    /// A measure with its bootstrap interval. `measure` gets the weight of each row.
    pub fn interval(&self, measure: impl Fn(&[f64]) -> f64 + Sync) -> Interval {
        bootstrap(count(&self.groups), |weights| measure(&of_rows(&self.groups, weights)))
    }

    /// Several measures with their intervals, computed together.
    pub fn intervals(&self, measures: impl Fn(&[f64]) -> Vec<f64> + Sync) -> Vec<Interval> {
        bootstrap_all(count(&self.groups), |weights| measures(&of_rows(&self.groups, weights)))
    }

    /// The number of subjects among the rows.
    pub fn subject_count(&self) -> usize {
        count(&self.subjects)
    }

    /// Adds the noise of the comparison to noise-free traces.
    pub fn with_noise(&self, traces: Array2<f32>, seed: u64) -> Array2<f64> {
        self.with_noise_of(traces, |row| self.averages[row], seed)
    }

    /// Adds noise for the given number of averages per row, if the comparison has noise.
    pub fn with_noise_of(&self, mut traces: Array2<f32>, averages: impl Fn(usize) -> f64, seed: u64) -> Array2<f64> {
        let noise =
            noise(self.trained).filter(|_| matches!(self.compared, Compared::Recordings | Compared::NoiseAdded { .. }));
        if let Some(noise) = noise {
            add_noise(noise, averages, seed, &mut traces);
        }
        traces.mapv(f64::from)
    }

    /// Whether the model is conditioned on the frequency of tones.
    pub fn tones(&self) -> bool {
        let frequency = self.dataset.conditions.iter().find(|column| column.name == "frequency_hz");
        frequency.is_some_and(|column| match &column.values {
            Values::Number(_) => true,
            Values::Text(values) => self.rows.iter().any(|&row| values[row].parse::<f64>().is_ok()),
        })
    }

    /// The picker for waves in real and in generated traces.
    pub fn picker(&self) -> Picker {
        let Dataset { sample_rate_hz, t0_ms, .. } = *self.dataset;
        Picker { species: self.trained.config.data.species, sample_rate_hz, t0_ms }
    }

    pub fn baselines(&self) -> &Baselines {
        self.trained.baselines.as_ref().expect("`new` requires baselines")
    }
}

/// The places of a random selection of rows: the same number for each subject, taken from its cells in turn. With too
/// many subjects, only some of them are kept.
fn kept(dataset: &Dataset, rows: &[usize]) -> Vec<usize> {
    if rows.len() <= MOST_ROWS {
        return (0..rows.len()).collect();
    }
    let (subjects, cells) = (Cells::of_subjects(dataset, rows), Cells::of(dataset, rows));
    let mut subjects: Vec<&[u32]> = subjects.iter().collect();
    let mut draws = Stream::new(0, purpose::EVALUATE, 4).rng(0);
    draws.shuffle(&mut subjects);
    subjects.truncate(MOST_ROWS / FEWEST_OF_SUBJECT);
    // go round the subjects, and within each subject round its cells
    let mut queue: Vec<(usize, usize)> = Vec::new();
    for subject in subjects {
        let mut members: Vec<usize> = subject.iter().map(|place| *place as usize).collect();
        draws.shuffle(&mut members);
        let mut of_cell: HashMap<usize, usize> = HashMap::new();
        let mut turns: Vec<(usize, usize)> = Vec::new();
        for place in members {
            let turn = of_cell.entry(cells.cell(place)).or_default();
            turns.push((*turn, place));
            *turn += 1;
        }
        turns.sort_by_key(|(turn, _)| *turn);
        queue.extend(turns.into_iter().enumerate().map(|(turn, (_, place))| (turn, place)));
    }
    queue.sort_by_key(|(turn, _)| *turn);
    let mut places: Vec<usize> = queue.into_iter().take(MOST_ROWS).map(|(_, place)| place).collect();
    places.sort_unstable();
    places
}

/// How traces can be compared, and the number of averages of each row.
fn compare(trained: &TrainedModel, dataset: &Dataset, rows: &[usize]) -> (Compared, Vec<f64>) {
    let averages: Vec<f64> = rows.iter().map(|&row| f64::from(dataset.averages[row])).collect();
    let known = averages.iter().all(|n| *n >= 1.0);
    let by_averages = noise(trained).map(|noise| noise.by_averages);
    let ones = || vec![1.0; rows.len()];
    match (by_averages, dataset.ground_truth.is_some()) {
        (Some(true), true) if known => {
            let middle = super::measures::median(&mut averages.clone());
            (Compared::NoiseAdded { averages: middle }, vec![middle; rows.len()])
        }
        (Some(true), false) if known => (Compared::Recordings, averages),
        (Some(false), true) => (Compared::NoiseAdded { averages: 1.0 }, ones()),
        (Some(false), false) => (Compared::Recordings, ones()),
        (_, true) => (Compared::NoiseFree, ones()),
        (_, false) => (Compared::NoiseOnOneSide, ones()),
    }
}

/// The subject of each row, and its bootstrap group: the subject, or, with one subject only, the cell.
pub(super) fn groups(dataset: &Dataset, rows: &[usize], cells: &Cells) -> (Vec<usize>, Vec<usize>) {
    let subjects = Cells::of_subjects(dataset, rows).numbers();
    let groups = if count(&subjects) == 1 { cells.numbers() } else { subjects.clone() };
    (subjects, groups)
}

/// The number of items that are numbered from 0.
pub(super) fn count(numbers: &[usize]) -> usize {
    numbers.iter().max().map_or(0, |last| last + 1)
}

/// The level of each row in dB, if the model is conditioned on level.
pub(super) fn level_column(dataset: &Dataset, rows: &[usize]) -> Option<Vec<f64>> {
    let column = dataset.conditions.iter().find(|column| column.name == "level_db")?;
    match &column.values {
        Values::Number(levels) => Some(rows.iter().map(|&row| levels[row]).collect()),
        Values::Text(_) => None,
    }
}

impl Compared {
    /// Whether two comparisons are of the same kind, whatever the number of averages.
    pub fn is_like(&self, other: &Compared) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Display for Compared {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Compared::Recordings => write!(f, "recordings, and generated ones with noise of as many averages"),
            Compared::NoiseAdded { averages } => {
                write!(f, "simulated and generated traces, both with the noise of {averages} averages")
            }
            Compared::NoiseFree => write!(f, "noise-free traces, simulated and generated"),
            Compared::NoiseOnOneSide => {
                write!(f, "recordings, and generated traces without noise (its size is unknown): not a fair comparison")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Column, fixture};

    /// The numbers of rows, subjects and cells that are kept.
    fn kept_of(rows: usize, subjects: usize, levels: usize) -> [usize; 3] {
        let mut data = fixture::dataset(rows, 1);
        data.subjects = (0..rows).map(|row| format!("S{}", row % subjects)).collect();
        let level = |row: usize| (row / subjects % levels) as f64;
        let levels = Values::Number((0..rows).map(level).collect());
        data.conditions = vec![Column { name: "level_db".into(), values: levels }];
        let all: Vec<usize> = (0..rows).collect();
        let kept = kept(&data, &all);
        assert!(kept.is_sorted() && kept.windows(2).all(|pair| pair[0] < pair[1]));
        let count = |cells: Cells| cells.iter().len();
        [kept.len(), count(Cells::of_subjects(&data, &kept)), count(Cells::of(&data, &kept))]
    }

    #[test]
    fn all_subjects_and_cells_are_kept_as_far_as_there_is_room() {
        assert_eq!(kept_of(2000, 10, 5), [2000, 10, 50]);
        assert_eq!(kept_of(10_000, 50, 13), [2000, 50, 650]);
        assert_eq!(kept_of(10_000, 1, 13), [2000, 1, 13]);
        // 125 of the 500 subjects, with 16 rows each
        assert_eq!(kept_of(10_000, 500, 4), [2000, 125, 500]);
        // one subject has many rows, the others have few
        let mut data = fixture::dataset(5000, 1);
        data.subjects = (0..5000).map(|row| format!("S{}", if row < 90 { row / 10 } else { 9 })).collect();
        let kept = kept(&data, &(0..5000).collect::<Vec<_>>());
        assert_eq!(kept.len(), 2000);
        assert!((0..90).all(|row| kept.contains(&row)));
    }
}

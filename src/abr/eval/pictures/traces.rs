//! The traces that a report shows: level series of real and generated listeners, and reconstructions with their
//! reference traces.

use super::{Evaluated, ShownRow};
use crate::checkpoint::TrainedModel;
use crate::data::Dataset;
use crate::error::Result;
use crate::eval::generated::distinct;
use crate::eval::level_column;
use crate::eval::level_series::{LevelSeries, Panel, SpreadBand, Summary, TraceLayer, TraceSource, TracesAtLevel};
use crate::eval::metrics::explained_variance;
use crate::generate::draw_traces;
use crate::model::Cvae;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use std::collections::{BTreeMap, BTreeSet};

/// The number of listeners to show.
const LISTENERS: usize = 2;
/// The maximum number of levels in a series; with more, every second, third, … is shown.
const LEVELS: usize = 8;
/// The number of listeners drawn under the conditions of a real one.
const DRAWS: usize = 60;
/// The band over these draws.
const BAND: SpreadBand = SpreadBand::Central(80.0);
/// A mean alone.
const PLAIN: Summary = Summary { band: SpreadBand::None, repeats: 0, waves: None };
/// The seed of the draws for the first listener; each following listener has the next seed.
const SEED: u64 = 2;
/// The relative ranks of the shown rows, from the best to the worst reconstruction.
const RANKS: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// A real listener's rows at one level; `places` index the evaluated rows.
struct ListenerLevel {
    level_db: Option<f64>,
    places: Vec<usize>,
}

/// Two panels for each of the listeners with the most levels: their own traces over draws, and one draw. If the rows of
/// a level differ in other variables, a draw is a mean too, with one trace under the condition of each row, so that the
/// two are comparable.
pub(super) fn level_series(trained: &TrainedModel, model: &mut Cvae, evaluated: &Evaluated) -> Result<LevelSeries> {
    let dataset = evaluated.dataset;
    let marked = Summary { waves: Some(trained.config.data.species), ..PLAIN };
    let banded = Summary { band: BAND, ..PLAIN };
    let mut panels = Vec::new();
    for (seed, (name, cells)) in (SEED..).zip(listeners(evaluated)) {
        let draws = draws(trained, model, evaluated, &cells, seed)?;
        let sum_up = |summary: &Summary, of: fn(&Array2<f32>) -> ArrayView2<f32>| -> Vec<TracesAtLevel> {
            let both = cells.iter().zip(&draws);
            both.map(|(cell, draws)| at_level(dataset, cell.level_db, of(draws), summary)).collect()
        };
        let (source, what) = match &dataset.ground_truth {
            Some(_) => (TraceSource::GroundTruth, "ground truth"),
            None => (TraceSource::Recorded, "recorded, mean"),
        };
        let generated = |levels| TraceLayer { source: TraceSource::Generated, name: "generated".into(), levels };
        let own = cells.iter().map(|cell| real_traces(evaluated, cell, &marked)).collect();
        let layers = vec![
            generated(sum_up(&banded, |draws| draws.view())),
            TraceLayer { source, name: what.to_string(), levels: own },
        ];
        panels.push(Panel { title: format!("{name} over {DRAWS} generated"), threshold_db: None, layers });
        let layers = vec![generated(sum_up(&marked, |draws| draws.slice(ndarray::s![..1, ..])))];
        panels.push(Panel { title: format!("one generated, as {name}"), threshold_db: None, layers });
    }
    Ok(LevelSeries { panels })
}

/// `[DRAWS, L]` in µV for each cell. Each drawn listener goes through all cells.
fn draws(
    trained: &TrainedModel,
    model: &mut Cvae,
    evaluated: &Evaluated,
    cells: &[ListenerLevel],
    seed: u64,
) -> Result<Vec<Array2<f32>>> {
    let dataset = evaluated.dataset;
    let rows: Vec<usize> = cells.iter().flat_map(|cell| &cell.places).map(|&place| evaluated.rows[place]).collect();
    let condition = trained.scalers.encode_condition(&dataset.source, &dataset.conditions, &rows)?;
    let mut sums: Vec<Array2<f32>> = Vec::new();
    let mut first = 0;
    for cell in cells {
        let mut sum = Array2::<f32>::zeros((DRAWS, dataset.signals.ncols()));
        for (row, count) in counted(&condition, first..first + cell.places.len()) {
            let repeated = Array2::from_shape_fn((DRAWS, condition.ncols()), |(_, i)| condition[[row, i]]);
            let subjects: Vec<u32> = (0..DRAWS as u32).collect();
            let (traces, _) = draw_traces(trained, model, Some(&repeated), &subjects, seed)?;
            sum.scaled_add(count as f32 / cell.places.len() as f32, &traces);
        }
        first += cell.places.len();
        sums.push(sum);
    }
    Ok(sums)
}

/// The first row of each distinct condition among some rows, and the number of rows with it.
fn counted(condition: &Array2<f32>, rows: std::ops::Range<usize>) -> Vec<(usize, usize)> {
    let (firsts, of_row) = distinct(&condition.slice(ndarray::s![rows.clone(), ..]).to_owned());
    let mut found: Vec<(usize, usize)> = firsts.into_iter().map(|first| (rows.start + first, 0)).collect();
    of_row.into_iter().for_each(|which| found[which].1 += 1);
    found
}

/// The listeners with the most levels, and their cells in ascending order of level.
fn listeners(evaluated: &Evaluated) -> Vec<(String, Vec<ListenerLevel>)> {
    let levels = evaluated.levels();
    let mut of_subject: BTreeMap<&str, BTreeMap<i64, ListenerLevel>> = BTreeMap::new();
    for (place, &row) in evaluated.rows.iter().enumerate() {
        let level_db = levels.as_ref().map(|levels| levels[place]).filter(|level| level.is_finite());
        // a key that sorts like the level; an unknown level comes first
        let key = level_db.map_or(i64::MIN, |level| (level * 1000.0).round() as i64);
        let cells = of_subject.entry(evaluated.dataset.subjects[row].as_str()).or_default();
        cells.entry(key).or_insert_with(|| ListenerLevel { level_db, places: Vec::new() }).places.push(place);
    }
    let mut listeners: Vec<(&str, BTreeMap<i64, ListenerLevel>)> = of_subject.into_iter().collect();
    // a stable sort: equals stay in order of name
    listeners.sort_by_key(|(_, cells)| std::cmp::Reverse(cells.len()));
    listeners.truncate(LISTENERS);
    listeners
        .into_iter()
        .map(|(name, cells)| {
            let step = cells.len().div_ceil(LEVELS);
            // always show the loudest level
            let skip = (cells.len() - 1) % step;
            (name.to_string(), cells.into_values().skip(skip).step_by(step).collect())
        })
        .collect()
}

/// The noise-free traces of a cell if it is simulated, else its recordings.
fn real_traces(evaluated: &Evaluated, cell: &ListenerLevel, summary: &Summary) -> TracesAtLevel {
    let rows: Vec<usize> = cell.places.iter().map(|&place| evaluated.rows[place]).collect();
    let dataset = evaluated.dataset;
    let traces = match &dataset.ground_truth {
        Some(truth) => truth.signals.select(Axis(0), &rows),
        None => dataset.signals.select(Axis(0), &rows),
    };
    at_level(dataset, cell.level_db, traces.view(), summary)
}

/// Summarises traces `[N, L]`, rounded to a ten thousandth of the largest sample: pictures show no more, and the JSON
/// stays small.
fn at_level(dataset: &Dataset, level_db: Option<f64>, traces: ArrayView2<f32>, summary: &Summary) -> TracesAtLevel {
    let traces: Vec<&[f32]> = traces.outer_iter().map(|trace| trace.to_slice().expect("row-major")).collect();
    let axis = [dataset.t0_ms, 1000.0 / dataset.sample_rate_hz];
    let mut at_level = TracesAtLevel::summarise(level_db, axis, &traces, summary);
    let largest = at_level
        .mean_uv
        .iter()
        .chain(at_level.band_uv.iter().flatten().flatten())
        .fold(0.0, |m: f32, v| m.max(v.abs()));
    if largest > 0.0 {
        let grain = 10_f64.powi(f64::from(largest).log10().floor() as i32 - 4);
        let values = std::iter::once(&mut at_level.mean_uv).chain(at_level.band_uv.iter_mut().flatten());
        values.flatten().for_each(|uv| *uv = ((f64::from(*uv) / grain).round() * grain) as f32);
    }
    at_level
}

/// Rows from the best to the worst reconstruction by explained variance, with their traces.
pub(super) fn reconstructions(evaluated: &Evaluated) -> (Vec<ShownRow>, LevelSeries) {
    let Evaluated { dataset, rows, made, reference } = evaluated;
    let target = |place: usize| reference.trace_of(place).unwrap_or_else(|| reference.recorded.row(place));
    let nothing = Array1::zeros(dataset.signals.ncols());
    let centre = reference.mean.as_ref().unwrap_or(&nothing);
    // a trace equal to the mean has no variance to explain
    let explained = |place: usize| {
        let share = explained_variance(
            made.signals_uv.row(place).insert_axis(Axis(0)),
            target(place).insert_axis(Axis(0)),
            centre.view(),
        );
        Some(share).filter(|share| share.is_finite())
    };
    let mut order: Vec<(usize, Option<f64>)> = (0..rows.len()).map(|place| (place, explained(place))).collect();
    let key = |share: Option<f64>| share.unwrap_or(f64::NEG_INFINITY);
    order.sort_by(|a, b| key(b.1).total_cmp(&key(a.1)).then(a.0.cmp(&b.0)));
    let ranks: BTreeSet<usize> = RANKS.iter().map(|rank| (rank * (order.len() - 1) as f64).round() as usize).collect();
    let levels = level_column(dataset, rows);
    let show = |(place, explained_variance): (usize, Option<f64>)| ShownRow {
        row: rows[place] + 1,
        subject: dataset.subjects[rows[place]].clone(),
        level_db: levels.as_ref().map(|levels| levels[place]).filter(|level| level.is_finite()),
        explained_variance,
    };
    let panel = |place: usize, row: &ShownRow| {
        let layer = |source, name: &str, trace: ArrayView1<f32>| {
            let levels = vec![at_level(dataset, None, trace.insert_axis(Axis(0)), &PLAIN)];
            TraceLayer { source, name: name.to_string(), levels }
        };
        let mut layers = vec![layer(TraceSource::Recorded, "recorded", reference.recorded.row(place))];
        if let Some(truth) = reference.trace_of(place) {
            let name = if dataset.ground_truth.is_some() { "ground truth" } else { "mean of the other recordings" };
            layers.push(layer(TraceSource::GroundTruth, name, truth));
        }
        layers.push(layer(TraceSource::Reconstructed, "reconstructed", made.signals_uv.row(place)));
        let level = row.level_db.map_or(String::new(), |level| format!(", {level} dB"));
        Panel { title: format!("row {}: {}{level}", row.row, row.subject), threshold_db: None, layers }
    };
    let both = ranks.into_iter().map(|rank| {
        let row = show(order[rank]);
        let panel = panel(order[rank].0, &row);
        (row, panel)
    });
    let (shown, panels) = both.unzip();
    (shown, LevelSeries { panels })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_their_conditions() {
        let condition = ndarray::arr2(&[[9.0, 9.0], [1.0, 0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 1.0_f32]]);
        assert_eq!(counted(&condition, 1..5), [(1, 2), (2, 1), (4, 1)]);
        assert_eq!(counted(&condition, 1..1), []);
    }
}

//! The traces that a report shows: level series of listeners, real beside generated, and reconstructions with the truth.

use super::Evaluated;
use crate::checkpoint::Trained;
use crate::data::Dataset;
use crate::error::Result;
use crate::eval::level_column;
use crate::eval::level_series::{Band, Layer, LevelSeries, Panel, Source, Summary, TracesAtLevel};
use crate::eval::metrics::squares;
use crate::generate::draw_traces;
use crate::model::Cvae;
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use std::collections::{BTreeMap, BTreeSet};

/// Listeners whose series is shown.
const LISTENERS: usize = 2;
/// Levels of a series, at most; of more every second, third, ….
const LEVELS: usize = 8;
/// Listeners that are drawn under the conditions of a real one.
const DRAWS: usize = 60;
/// Of these.
const BAND: Band = Band::Central(80.0);
/// A mean alone.
const PLAIN: Summary = Summary { band: Band::None, repeats: 0, waves: None };
/// The seed of the draws for the first listener; the next have the next ones.
const SEED: u64 = 2;
/// Where rows stand between the one that is reconstructed best and the one reconstructed worst.
const RANKS: [f64; 6] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];

/// One real listener's rows of one level, by their places among the evaluated ones.
struct Cell {
    level_db: Option<f64>,
    places: Vec<usize>,
}

/// Of the listeners with the most levels two panels each.
pub(super) fn level_series(trained: &Trained, model: &mut Cvae, evaluated: &Evaluated) -> Result<LevelSeries> {
    let mut panels = Vec::new();
    for (seed, (name, cells)) in (SEED..).zip(listeners(evaluated)) {
        // the rows of each cell share a condition, or nearly: that of its first row stands for it
        let firsts: Vec<usize> = cells.iter().map(|cell| evaluated.rows[cell.places[0]]).collect();
        let dataset = evaluated.dataset;
        let condition = trained.scalers.encode_statics(&dataset.source, &dataset.statics, &firsts)?;
        let rows = cells.len() * DRAWS;
        let repeated = Array2::from_shape_fn((rows, condition.ncols()), |(row, i)| condition[[row / DRAWS, i]]);
        // each draw is one listener through all levels
        let subjects: Vec<u32> = (0..rows).map(|row| (row % DRAWS) as u32).collect();
        let (draws, _) = draw_traces(trained, model, Some(&repeated), &subjects, seed)?;
        let marked = Summary { waves: Some(trained.config.data.species), ..PLAIN };
        let real = |cell: &Cell| real_traces(evaluated, cell, &marked);
        let of_draws = |(i, cell): (usize, &Cell)| {
            let of_cell = draws.slice(ndarray::s![i * DRAWS..(i + 1) * DRAWS, ..]);
            at_level(dataset, cell.level_db, of_cell, &Summary { band: BAND, ..PLAIN })
        };
        let drawn_one = |(i, cell): (usize, &Cell)| {
            let row = draws.slice(ndarray::s![i * DRAWS..i * DRAWS + 1, ..]);
            at_level(dataset, cell.level_db, row, &marked)
        };
        let (source, what) = match &dataset.truth {
            Some(_) => (Source::GroundTruth, "ground truth"),
            None => (Source::Recorded, "recorded, mean"),
        };
        let drawn = cells.iter().enumerate().map(of_draws).collect();
        let layers = vec![
            Layer { source: Source::Generated, name: "generated".into(), levels: drawn },
            Layer { source, name: what.to_string(), levels: cells.iter().map(real).collect() },
        ];
        panels.push(Panel { title: format!("{name} over {DRAWS} generated"), threshold_db: None, layers });
        let one = cells.iter().enumerate().map(drawn_one).collect();
        let one = Layer { source: Source::Generated, name: "generated".into(), levels: one };
        panels.push(Panel { title: format!("one generated, as {name}"), threshold_db: None, layers: vec![one] });
    }
    Ok(LevelSeries { panels })
}

/// The listeners with the most levels, and their cells by ascending level.
fn listeners(evaluated: &Evaluated) -> Vec<(String, Vec<Cell>)> {
    let levels = evaluated.levels();
    let mut of_subject: BTreeMap<&str, BTreeMap<i64, Cell>> = BTreeMap::new();
    for (place, &row) in evaluated.rows.iter().enumerate() {
        let level_db = levels.as_ref().map(|levels| levels[place]).filter(|level| level.is_finite());
        // ordered as the levels are; none comes first
        let key = level_db.map_or(i64::MIN, |level| (level * 1000.0).round() as i64);
        let cells = of_subject.entry(evaluated.dataset.subjects[row].as_str()).or_default();
        cells.entry(key).or_insert_with(|| Cell { level_db, places: Vec::new() }).places.push(place);
    }
    let mut listeners: Vec<(&str, BTreeMap<i64, Cell>)> = of_subject.into_iter().collect();
    // a stable sort: of equals those whose names come first
    listeners.sort_by_key(|(_, cells)| std::cmp::Reverse(cells.len()));
    listeners.truncate(LISTENERS);
    listeners
        .into_iter()
        .map(|(name, cells)| {
            let step = cells.len().div_ceil(LEVELS);
            // the loudest one is always shown
            let skip = (cells.len() - 1) % step;
            (name.to_string(), cells.into_values().skip(skip).step_by(step).collect())
        })
        .collect()
}

/// The noise-free traces of a cell, or its recordings.
fn real_traces(evaluated: &Evaluated, cell: &Cell, summary: &Summary) -> TracesAtLevel {
    let rows: Vec<usize> = cell.places.iter().map(|&place| evaluated.rows[place]).collect();
    let dataset = evaluated.dataset;
    let traces = match &dataset.truth {
        Some(truth) => truth.signals.select(Axis(0), &rows),
        None => dataset.signals.select(Axis(0), &rows),
    };
    at_level(dataset, cell.level_db, traces.view(), summary)
}

/// Traces `[N, L]` summed up, to a tenth of a nanovolt: no picture shows more, and the JSON stays small.
fn at_level(dataset: &Dataset, level_db: Option<f64>, traces: ArrayView2<f32>, summary: &Summary) -> TracesAtLevel {
    let traces: Vec<&[f32]> = traces.outer_iter().map(|trace| trace.to_slice().expect("row-major")).collect();
    let axis = [dataset.t0_ms, 1000.0 / dataset.sample_rate_hz];
    let mut at_level = TracesAtLevel::summarise(level_db, axis, &traces, summary);
    let values = std::iter::once(&mut at_level.mean_uv).chain(at_level.band_uv.iter_mut().flatten());
    values.flatten().for_each(|uv| *uv = (*uv * 1e4).round() / 1e4);
    at_level
}

/// Rows by the share of them that is explained, from the best to the worst.
pub(super) fn reconstructions(evaluated: &Evaluated) -> LevelSeries {
    let Evaluated { dataset, rows, made, reference } = evaluated;
    let target = |place: usize| reference.truth_of(place).unwrap_or_else(|| reference.recorded.row(place));
    let unexplained = |place: usize| {
        let target = target(place);
        let own = target.dot(&target);
        let error = squares(made.signals_uv.row(place), target) / f64::from(own);
        // of a trace without a response nothing can be explained
        if error.is_finite() { error } else { f64::INFINITY }
    };
    let mut order: Vec<(usize, f64)> = (0..rows.len()).map(|place| (place, unexplained(place))).collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let shown: BTreeSet<usize> = RANKS.iter().map(|rank| (rank * (order.len() - 1) as f64).round() as usize).collect();
    let levels = level_column(dataset, rows);
    let panel = |rank: usize| {
        let (place, error) = order[rank];
        let level_db = levels.as_ref().map(|levels| levels[place]).filter(|level| level.is_finite());
        let layer = |source, name: &str, trace: ArrayView1<f32>| {
            let traces = trace.insert_axis(Axis(0));
            let levels = vec![at_level(dataset, None, traces, &PLAIN)];
            Layer { source, name: name.to_string(), levels }
        };
        let mut layers = vec![layer(Source::Recorded, "recorded", reference.recorded.row(place))];
        if let Some(truth) = reference.truth_of(place) {
            let name = if dataset.truth.is_some() { "ground truth" } else { "mean of the other recordings" };
            layers.push(layer(Source::GroundTruth, name, truth));
        }
        layers.push(layer(Source::Reconstructed, "reconstructed", made.signals_uv.row(place)));
        let level = level_db.map_or(String::new(), |level| format!(", {level} dB"));
        let share =
            if error.is_finite() { format!(": {:.0} % explained", 100.0 * (1.0 - error)) } else { String::new() };
        Panel { title: format!("{}{level}{share}", dataset.subjects[rows[place]]), threshold_db: None, layers }
    };
    LevelSeries { panels: shown.into_iter().map(panel).collect() }
}

//! Whole data sets: one that is in memory already, and the labels of any.

use super::{Axis, FilterCount, Preparation, Refusal, RowFilters};
use crate::config::{DataConfig, PrepareConfig};
use crate::data::{Dataset, PEAK_COLUMNS, Truth, Values, synth};
use crate::error::{Error, Result, nearest};
use ndarray::{Array2, Axis as Dimension};

/// Masks peak labels outside of the window.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Waves masked so far.
    pub masked: usize,
}

impl Labels {
    /// Unlabels the waves of one row (in the order of [`PEAK_COLUMNS`]) whose latency lies outside of the `samples` of `axis`:
    /// latency and amplitude, since what is not in the trace cannot be read off it.
    pub fn mask(&mut self, peaks: &mut [f32], axis: &Axis, samples: usize) {
        let waves = PEAK_COLUMNS.len() / 2;
        for wave in 0..waves {
            let latency_ms = f64::from(peaks[wave]);
            if !latency_ms.is_nan() && !axis.contains(latency_ms, samples) {
                peaks[wave] = f32::NAN;
                peaks[wave + waves] = f32::NAN;
                self.masked += 1;
            }
        }
    }

    /// How many, if any.
    pub fn notice(&self) -> Option<String> {
        let labels = format!("{} peak labels lie outside of the window and are not used", self.masked);
        (self.masked > 0).then_some(labels)
    }
}

/// Filters and prepares a data set that is in memory, with all its samples; returns what the filters left out too, and how many
/// labels were masked.
///
/// # Errors
/// A filter for a column that is not there, no row that is left, and (with its number) a row that cannot be prepared.
pub fn prepare_dataset(
    dataset: Dataset,
    config: &DataConfig,
    signal_length: usize,
) -> Result<(Dataset, Vec<FilterCount>, Labels)> {
    let (dataset, counts) = filter(dataset, config)?;
    let mut preparation = Preparation::new(&config.prepare, signal_length);
    let recorded = Axis { sample_rate_hz: dataset.sample_rate_hz, t0_ms: dataset.t0_ms };
    let mut axis = recorded;
    let mut prepare = |signals: &Array2<f32>| -> Result<Array2<f32>> {
        let mut prepared = Array2::zeros((signals.nrows(), signal_length));
        for (row, (trace, mut out)) in signals.outer_iter().zip(prepared.outer_iter_mut()).enumerate() {
            let made = preparation.apply(&trace.to_vec(), recorded);
            let made = made.map_err(|Refusal { problem, remedy }| {
                Error::input(&dataset.source, format!("row {}", row + 1), problem, remedy)
            })?;
            axis = made.axis;
            out.iter_mut().zip(made.samples).for_each(|(out, sample)| *out = sample);
        }
        Ok(prepared)
    };
    let signals = prepare(&dataset.signals)?;
    let truth = match &dataset.truth {
        Some(truth) => Some(Truth { signals: prepare(&truth.signals)?, latencies_ms: truth.latencies_ms.clone() }),
        None => None,
    };
    let (mut labels, mut peaks) = (Labels::default(), dataset.peaks.clone());
    for mut row in peaks.outer_iter_mut() {
        labels.mask(row.as_slice_mut().expect("row-major"), &axis, signal_length);
    }
    let prepared = Dataset { signals, truth, peaks, sample_rate_hz: axis.sample_rate_hz, t0_ms: axis.t0_ms, ..dataset };
    Ok((prepared, counts, labels))
}

/// The built-in set as recordings: long enough for what `data.prepare` cuts of them.
///
/// # Errors
/// See [`synth::generate`].
pub fn recorded_synth(config: &DataConfig, signal_length: usize) -> Result<Dataset> {
    let axis = Axis { sample_rate_hz: config.synth.sample_rate_hz, t0_ms: 0.0 };
    let length = Preparation::new(&config.prepare, signal_length).recorded_length(axis);
    synth::generate(&config.synth, length, config.seed)
}

/// The built-in set as the model sees it, and notices for the user.
///
/// # Errors
/// See [`synth::generate`] and [`prepare_dataset`].
pub fn prepared_synth(config: &DataConfig, signal_length: usize) -> Result<(Dataset, Vec<String>)> {
    let recorded = recorded_synth(config, signal_length)?;
    if config.filters.is_empty() && config.prepare == PrepareConfig::default() {
        return Ok((recorded, Vec::new()));
    }
    let (dataset, counts, labels) = prepare_dataset(recorded, config, signal_length)?;
    let notices = counts.iter().map(FilterCount::to_string).chain(labels.notice()).collect();
    Ok((dataset, notices))
}

fn filter(dataset: Dataset, config: &DataConfig) -> Result<(Dataset, Vec<FilterCount>)> {
    let mut filters = RowFilters::new(&config.filters);
    if config.filters.is_empty() {
        return Ok((dataset, Vec::new()));
    }
    let columns = filters.columns().map(|name| cells(&dataset, config, name)).collect::<Result<Vec<_>>>()?;
    let mut keep = |row: usize| {
        let refuse = |i: usize, Refusal { problem, remedy }: Refusal| {
            let place = format!("row {}, column `{}`", row + 1, config.filters[i].column);
            Error::input(&dataset.source, place, problem, remedy)
        };
        filters.keep(|i| Ok(columns[i][row].as_str()), refuse)
    };
    let rows = (0..dataset.len()).map(|row| Ok(keep(row)?.then_some(row))).collect::<Result<Vec<_>>>()?;
    let kept: Vec<usize> = rows.into_iter().flatten().collect();
    let counts = filters.counts();
    if kept.is_empty() {
        return Err(nothing_left(&dataset.source, &counts));
    }
    Ok((select(dataset, &kept), counts))
}

/// The error of a table none of whose rows has passed the filters.
pub fn nothing_left(source: &str, counts: &[FilterCount]) -> Error {
    let counts: Vec<String> = counts.iter().map(FilterCount::to_string).collect();
    Error::input(source, "", format!("data.filters leave no row: {}", counts.join("; ")), "let the filters keep more")
}

/// The text of one column.
fn cells(dataset: &Dataset, config: &DataConfig, name: &str) -> Result<Vec<String>> {
    if name == config.subject_column {
        return Ok(dataset.subjects.clone());
    }
    let Some(column) = dataset.statics.iter().find(|column| column.name == name) else {
        let names =
            || dataset.statics.iter().map(|column| column.name.as_str()).chain([config.subject_column.as_str()]);
        let hint = nearest(name, names()).map_or(String::new(), |near| format!("is it `{near}`? "));
        let remedy = format!("{hint}the columns are {}", names().collect::<Vec<_>>().join(", "));
        return Err(Error::input(&dataset.source, "data.filters", format!("no column `{name}`"), remedy));
    };
    Ok(match &column.values {
        Values::Number(values) => {
            values.iter().map(|v| if v.is_nan() { String::new() } else { v.to_string() }).collect()
        }
        Values::Text(values) => values.clone(),
    })
}

fn select(dataset: Dataset, rows: &[usize]) -> Dataset {
    let part = |values: &Array2<f32>| values.select(Dimension(0), rows);
    Dataset {
        signals: part(&dataset.signals),
        statics: dataset.statics.iter().map(|column| column.select(rows)).collect(),
        peaks: part(&dataset.peaks),
        subjects: rows.iter().map(|&row| dataset.subjects[row].clone()).collect(),
        truth: dataset.truth.as_ref().map(|t| Truth { signals: part(&t.signals), latencies_ms: part(&t.latencies_ms) }),
        source: dataset.source,
        sample_rate_hz: dataset.sample_rate_hz,
        t0_ms: dataset.t0_ms,
    }
}

//! Recordings of any format, filtered and prepared as a training would.

use super::{Axis, FilterCount, Labels, Preparation, Refusal, RowFilters, nothing_left};
use crate::config::DataConfig;
use crate::data::read::Recording;
use crate::error::{Error, Result};

/// Filters and prepares recordings; what they do not say of their time axis is taken from `data.sample_rate_hz` and
/// `data.t0_ms`. Returns what the filters left out too, and how many labels were masked.
///
/// # Errors
/// With the row, counted from 1: a recording whose time axis is not known, or that cannot be prepared; no row that is left.
pub fn prepare_recordings(
    source: &str,
    recordings: Vec<Recording>,
    config: &DataConfig,
    signal_length: usize,
) -> Result<(Vec<Recording>, Vec<FilterCount>, Labels)> {
    let mut filters = RowFilters::new(&config.filters);
    let mut preparation = Preparation::new(&config.prepare, signal_length);
    let (mut labels, mut prepared) = (Labels::default(), Vec::with_capacity(recordings.len()));
    for (row, mut recording) in recordings.into_iter().enumerate() {
        let place = || format!("row {} ({})", row + 1, recording.file);
        let refuse = |Refusal { problem, remedy }: Refusal| Error::input(source, place(), problem, remedy);
        let cell = |i: usize| -> Result<&str> {
            let name = &config.filters[i].column;
            Ok(if *name == config.subject_column { &recording.subject } else { recording.column(name).unwrap_or("") })
        };
        if !filters.keep(cell, |_, refusal| refuse(refusal))? {
            continue;
        }
        let unknown =
            |key: &str| Error::input(source, place(), format!("{key} is not known"), format!("set data.{key}"));
        let axis = Axis {
            sample_rate_hz: recording
                .sample_rate_hz
                .or(config.sample_rate_hz)
                .ok_or_else(|| unknown("sample_rate_hz"))?,
            t0_ms: recording.t0_ms.or(config.t0_ms).ok_or_else(|| unknown("t0_ms"))?,
        };
        let made = preparation.apply(&recording.samples, axis).map_err(refuse)?;
        labels.mask(&mut recording.peaks, &made.axis, made.samples.len());
        recording.samples = made.samples;
        (recording.sample_rate_hz, recording.t0_ms) = (Some(made.axis.sample_rate_hz), Some(made.axis.t0_ms));
        prepared.push(recording);
    }
    match prepared.is_empty() {
        true => Err(nothing_left(source, &filters.counts())),
        false => Ok((prepared, filters.counts(), labels)),
    }
}

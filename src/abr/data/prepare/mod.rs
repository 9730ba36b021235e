//! Preparation of recordings by `data.prepare`, the same in training, evaluation and reconstruction.
//!
//! The steps, in order:
//!
//! 1. **inversion** (`polarity: -1`): first, so that all later steps see the trace the right way up.
//! 2. **baseline**: before the filter, which would ring at the start of an offset.
//! 3. **band-pass**: at the recording's own rate and over its full length. The filter's edge effects then lie as far
//!    from the window as possible, and downsampling does not alias.
//! 4. **resampling**: the new samples start at the start of the window, independently of the recording's sample grid.
//! 5. **window**: last, because all earlier steps use samples around it.
//!
//! Row filters come before preparation, so a dropped row cannot fail. The ground truth of simulated rows gets the same
//! preparation.

pub mod baseline;
pub mod butterworth;
mod filters;
mod labels;
pub mod resample;
mod rows;
pub mod window;

pub use filters::{FilterCount, RowFilters};
pub use labels::Labels;
pub use rows::{PreparedRows, RowReport, complete_axis, no_column, preparation_of};

use crate::config::{BandPass, PrepareConfig};
use butterworth::{Butterworth, PassBand};
use resample::Resampler;
use std::collections::HashMap;
use window::WindowPosition;

/// The most cached resamplers. Each sample rate, and each offset of the window from the recording's sample grid, needs
/// its own.
const MOST_RESAMPLERS: usize = 64;

/// Why a recording cannot be prepared, and what to do. The caller adds the place.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    pub problem: String,
    pub remedy: String,
}

impl Refusal {
    fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Refusal {
        Refusal { problem: problem.into(), remedy: remedy.into() }
    }
}

/// The times of a trace's samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeAxis {
    pub sample_rate_hz: f64,
    /// Time of the first sample relative to the stimulus onset.
    pub t0_ms: f64,
}

/// A recording as the model sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// `model.signal_length` samples in µV.
    pub samples: Vec<f32>,
    pub axis: TimeAxis,
}

/// The steps of `data.prepare`, with cached filters and resamplers.
#[derive(Debug)]
pub struct Preparation {
    config: PrepareConfig,
    signal_length: usize,
    filters: HashMap<u64, Butterworth>,
    resamplers: HashMap<[u64; 2], Resampler>,
}

impl Preparation {
    /// Prepares recordings for a model of `signal_length` samples.
    pub fn new(config: &PrepareConfig, signal_length: usize) -> Preparation {
        Preparation { config: config.clone(), signal_length, filters: HashMap::new(), resamplers: HashMap::new() }
    }

    /// Whether preparation only takes the first samples.
    pub fn is_off(&self) -> bool {
        self.config == PrepareConfig::default()
    }

    /// The number of samples in a prepared recording.
    pub fn signal_length(&self) -> usize {
        self.signal_length
    }

    /// Prepares one recording of `samples` in µV.
    ///
    /// # Errors
    /// A recording that is too short for the filter or the window, or a sample rate that does not fit the
    /// configuration.
    pub fn apply(&mut self, samples: &[f32], axis: TimeAxis) -> Result<Prepared, Refusal> {
        let polarity = f64::from(self.config.polarity);
        let mut trace: Vec<f64> = samples.iter().map(|&v| polarity * f64::from(v)).collect();
        if let Some(baseline) = &self.config.baseline {
            baseline::subtract(baseline, &mut trace, axis)?;
        }
        if let Some(band) = self.config.band_pass {
            self.band_pass(&band, axis.sample_rate_hz, trace.len())?.zero_phase(&mut trace);
        }
        let length = self.signal_length;
        let window = WindowPosition::find(&self.config, length, trace.len(), axis)?;
        let windowed = match self.config.sample_rate_hz {
            Some(rate) => self.resampler(axis.sample_rate_hz, rate, window.first)?.apply(&trace, length),
            None => trace[window.first as usize..][..length].to_vec(),
        };
        let samples: Vec<f32> = windowed.into_iter().map(|v| v as f32).collect();
        if !samples.iter().all(|v| v.is_finite()) {
            let remedy = "raise data.prepare.band_pass.low_hz or lower its order";
            return Err(Refusal::new("the filter makes values that are not finite", remedy));
        }
        Ok(Prepared { samples, axis: window.axis })
    }

    fn band_pass(&mut self, band: &BandPass, rate: f64, samples: usize) -> Result<&Butterworth, Refusal> {
        let highest = band.high_hz.or(band.low_hz).unwrap_or(0.0);
        if highest >= rate / 2.0 {
            let problem = format!("at a sample rate of {rate} Hz it contains nothing above {} Hz", rate / 2.0);
            let remedy = format!("data.prepare.band_pass needs {highest} Hz: lower it, or check the sample rate");
            return Err(Refusal::new(problem, remedy));
        }
        let design = || {
            let shape = match (band.low_hz, band.high_hz) {
                (Some(low), Some(high)) => PassBand::Between(low, high),
                (Some(low), None) => PassBand::Above(low),
                (None, _) => PassBand::Below(highest),
            };
            Butterworth::new(band.order, shape, rate)
        };
        let filter = self.filters.entry(rate.to_bits()).or_insert_with(design);
        if !filter.is_stable() {
            let problem =
                format!("at {rate} Hz, the edges of data.prepare.band_pass are too low to compute the filter");
            return Err(Refusal::new(problem, "raise low_hz or lower the order"));
        }
        if samples <= filter.padding() {
            let problem =
                format!("{samples} samples are too few for the band-pass, which needs {}", filter.padding() + 1);
            return Err(Refusal::new(problem, "use longer recordings, or a lower data.prepare.band_pass.order"));
        }
        Ok(filter)
    }

    fn resampler(&mut self, from_hz: f64, to_hz: f64, shift: f64) -> Result<&Resampler, Refusal> {
        let key = [from_hz.to_bits(), shift.to_bits()];
        if !self.resamplers.contains_key(&key) {
            if self.resamplers.len() >= MOST_RESAMPLERS {
                self.resamplers.clear();
            }
            self.resamplers.insert(key, Resampler::new(from_hz, to_hz, shift)?);
        }
        Ok(&self.resamplers[&key])
    }

    /// The number of samples that a recording with this time axis needs. Simulated recordings are made this long.
    pub fn recorded_length(&self, axis: TimeAxis) -> usize {
        let from_ms = self.config.window.map_or(axis.t0_ms, |window| window.from_ms);
        let rate = self.config.sample_rate_hz.unwrap_or(axis.sample_rate_hz);
        let last_ms = from_ms + (self.signal_length - 1) as f64 * 1000.0 / rate;
        let baseline_ms = match self.config.baseline {
            Some(crate::config::Baseline::Between(span)) => span.to_ms,
            _ => last_ms,
        };
        let samples = ((last_ms.max(baseline_ms) - axis.t0_ms) * axis.sample_rate_hz / 1000.0).ceil() + 1.0;
        // the cast saturates; the caller refuses such a length
        (samples as usize).max(self.signal_length)
    }
}

/// Extends a trace by `padding` samples at each end, point-reflected at its first and last sample: before the first
/// sample `x_0` come `…, 2 x_0 - x_2, 2 x_0 - x_1`. This continues level and slope. A trace that is too short is
/// reflected repeatedly.
fn odd_extension(trace: &[f64], padding: usize) -> Vec<f64> {
    let n = trace.len();
    let mut extended = vec![trace.first().copied().unwrap_or(0.0); n + 2 * padding];
    extended[padding..padding + n].copy_from_slice(trace);
    if n < 2 {
        return extended;
    }
    let (first, last) = (padding, padding + n - 1);
    for k in 1..=padding {
        // both ends grow together, so a short trace can reflect samples that were just added
        extended[first - k] = 2.0 * extended[first] - extended[first + k];
        extended[last + k] = 2.0 * extended[last] - extended[last - k];
    }
    extended
}

#[cfg(test)]
mod tests;

//! The position of the model's window in a recording.
//!
//! Without resampling, the window begins at the sample nearest to `from_ms` and has that sample's time. With resampling
//! it begins at `from_ms` exactly. Up to half a sample may be missing at each end, because recorders round times.

use super::{Refusal, TimeAxis};
use crate::config::PrepareConfig;

/// Times that differ by less than this, in samples, are equal: times written in ms are rounded.
const SAME_SAMPLE: f64 = 1e-3;

/// The window's position in one recording.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowPosition {
    /// Position of its first sample, in samples of the recording; a whole number without resampling.
    pub first: f64,
    /// The time axis of the prepared trace.
    pub axis: TimeAxis,
}

impl WindowPosition {
    /// Finds the window of `signal_length` samples in a recording of `samples`.
    ///
    /// # Errors
    /// A window that the recording does not cover, or that does not have the model's signal length.
    pub fn find(
        config: &PrepareConfig,
        signal_length: usize,
        samples: usize,
        axis: TimeAxis,
    ) -> Result<WindowPosition, Refusal> {
        let rate = config.sample_rate_hz.unwrap_or(axis.sample_rate_hz);
        let from_ms = config.window.map_or(axis.t0_ms, |window| window.from_ms);
        let mut first = (from_ms - axis.t0_ms) * axis.sample_rate_hz / 1000.0;
        let nearest = first.round();
        if config.sample_rate_hz.is_none() || (first - nearest).abs() < SAME_SAMPLE {
            first = nearest;
        }
        let missing = (from_ms - axis.t0_ms) * axis.sample_rate_hz / 1000.0 - first;
        // exactly `from_ms` if the two differ by rounding alone
        let t0_ms = match missing.abs() < SAME_SAMPLE {
            true => from_ms,
            false => axis.t0_ms + first * 1000.0 / axis.sample_rate_hz,
        };
        let window = WindowPosition { first, axis: TimeAxis { sample_rate_hz: rate, t0_ms } };
        window.check_length(config, signal_length)?;
        let last = first + (signal_length - 1) as f64 * axis.sample_rate_hz / rate;
        let reach = if config.sample_rate_hz.is_none() { 0.0 } else { 0.5 };
        if first >= -reach && last <= samples as f64 - 1.0 + reach {
            return Ok(window);
        }
        let end_ms = t0_ms + (signal_length - 1) as f64 * 1000.0 / rate;
        let wanted = format!("{signal_length} samples at {rate} Hz from {} to {} ms", rounded(t0_ms), rounded(end_ms));
        Err(Refusal::new(
            format!("the window is not recorded: {wanted} are needed, but there are {}", axis.covers(samples)),
            "choose another data.prepare.window or a smaller model.signal_length, or leave such rows out with \
             data.filters",
        ))
    }

    /// Checks that the configured end of the window agrees with `signal_length` to half a sample.
    fn check_length(&self, config: &PrepareConfig, signal_length: usize) -> Result<(), Refusal> {
        let Some((from_ms, to_ms)) = config.window.and_then(|w| Some((w.from_ms, w.to_ms?))) else { return Ok(()) };
        let samples = (to_ms - from_ms) * self.axis.sample_rate_hz / 1000.0;
        if samples.round() == signal_length as f64 {
            return Ok(());
        }
        Err(Refusal::new(
            format!(
                "the window from {from_ms} to {to_ms} ms contains {} samples at {} Hz, but model.signal_length is \
                 {signal_length}",
                samples.round(),
                self.axis.sample_rate_hz
            ),
            "set model.signal_length or data.prepare.window.to_ms to match, or resample with \
             data.prepare.sample_rate_hz",
        ))
    }
}

impl TimeAxis {
    /// Describes the time that a recording of `samples` covers.
    pub(super) fn covers(&self, samples: usize) -> String {
        let last_ms = self.t0_ms + (samples as f64 - 1.0) * 1000.0 / self.sample_rate_hz;
        let span = if samples > 0 {
            format!(" from {} to {} ms", rounded(self.t0_ms), rounded(last_ms))
        } else {
            String::new()
        };
        format!("{samples} samples at {} Hz{span}", self.sample_rate_hz)
    }

    /// Whether two time axes are equal up to rounding.
    pub fn same(&self, other: &TimeAxis) -> bool {
        let rates = (self.sample_rate_hz / other.sample_rate_hz - 1.0).abs() <= 1e-6;
        rates && ((self.t0_ms - other.t0_ms) * self.sample_rate_hz / 1000.0).abs() <= SAME_SAMPLE
    }

    /// Whether a latency lies in the window of `samples` samples: from the first to one sample after the last.
    pub fn contains(&self, latency_ms: f64, samples: usize) -> bool {
        let position = (latency_ms - self.t0_ms) * self.sample_rate_hz / 1000.0;
        position >= -SAME_SAMPLE && position < samples as f64
    }
}

/// Rounds to a tenth of a microsecond.
fn rounded(ms: f64) -> f64 {
    (ms * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Window;

    const AXIS: TimeAxis = TimeAxis { sample_rate_hz: 24_414.062_5, t0_ms: -1.0 };

    fn config(sample_rate_hz: Option<f64>, from_ms: f64, to_ms: Option<f64>) -> PrepareConfig {
        PrepareConfig { sample_rate_hz, window: Some(Window { from_ms, to_ms }), ..PrepareConfig::default() }
    }

    #[test]
    fn the_nearest_sample_or_the_very_time() {
        // 1 ms is 24.414 samples
        let kept = WindowPosition::find(&config(None, 0.0, None), 200, 244, AXIS).unwrap();
        assert_eq!(kept.first, 24.0);
        assert!((kept.axis.t0_ms - (24.0 / 24.414_062_5 - 1.0)).abs() < 1e-12, "{kept:?}");
        let resampled = WindowPosition::find(&config(Some(20_000.0), 0.0, Some(10.0)), 200, 300, AXIS).unwrap();
        assert_eq!((resampled.first, resampled.axis.t0_ms), (24.414_062_5, 0.0));
        assert_eq!(resampled.axis.sample_rate_hz, 20_000.0);
        // in floating point 0.1 + 0.2 is not 0.3; this must not move a sample
        let axis = TimeAxis { sample_rate_hz: 20_000.0, t0_ms: 0.1 + 0.2 };
        let same = WindowPosition::find(&config(None, 0.3, None), 10, 10, axis).unwrap();
        assert_eq!((same.first, same.axis.t0_ms), (0.0, 0.3));
    }

    #[test]
    fn what_is_not_recorded_says_what_is() {
        let refused = |config: &PrepareConfig, samples, parts: &[&str]| {
            let Refusal { problem, .. } = WindowPosition::find(config, 200, samples, AXIS).unwrap_err();
            assert!(parts.iter().all(|part| problem.contains(part)), "{parts:?} are not all in: {problem}");
        };
        let recorded = "244 samples at 24414.0625 Hz from -1 to 8.9533 ms";
        refused(&config(Some(20_000.0), 0.0, None), 244, &["200 samples at 20000 Hz from 0 to 9.95 ms", recorded]);
        refused(&config(Some(20_000.0), -1.1, None), 300, &["from -1.1 to 8.85 ms"]);
        refused(&config(None, 3.0, None), 244, &["200 samples at 24414.0625 Hz", recorded]);
        refused(&config(None, 0.0, None), 0, &["there are 0 samples"]);
        refused(&config(None, 0.0, Some(10.0)), 300, &["contains 244 samples", "signal_length is 200"]);
        refused(&PrepareConfig { polarity: -1, ..PrepareConfig::default() }, 199, &["there are 199 samples"]);
    }

    #[test]
    fn half_a_sample_may_be_missing_at_either_end() {
        let at = |from_ms: f64, samples| {
            WindowPosition::find(&config(Some(20_000.0), from_ms, None), 200, samples, AXIS).is_ok()
        };
        assert!(at(-1.02, 300) && !at(-1.021, 300));
        // 199 new samples span 242.9 recorded ones
        assert!(at(-1.0, 244) && !at(-1.0, 243) && at(-1.0 + 0.55 * 0.040_96, 244) && !at(-1.0 + 0.65 * 0.040_96, 244));
        let kept =
            |from_ms: f64, samples| WindowPosition::find(&config(None, from_ms, None), 200, samples, AXIS).is_ok();
        assert!(kept(-1.02, 200) && kept(-0.98, 200) && !kept(-1.021, 300) && !kept(-0.979, 200));
    }

    #[test]
    fn axes_and_latencies() {
        let other = |sample_rate_hz, t0_ms| AXIS.same(&TimeAxis { sample_rate_hz, t0_ms });
        assert!(other(24_414.063, -1.0 + 1e-9) && !other(24_414.062_5, -0.99) && !other(24_415.0, -1.0));
        let axis = TimeAxis { sample_rate_hz: 20_000.0, t0_ms: 1.0 };
        let inside = |ms| axis.contains(ms, 200);
        assert!(inside(1.0) && inside(10.99) && !inside(0.99) && !inside(11.0));
    }
}

//! Masks peak labels that lie outside a prepared trace.

use super::TimeAxis;
use crate::data::PEAK_COLUMNS;

/// Masks peak labels outside the window, and counts them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Number of waves masked so far.
    pub masked: usize,
}

impl Labels {
    /// Removes latency and amplitude of each wave of one row (in the order of [`PEAK_COLUMNS`]) whose latency lies
    /// outside the `samples` samples of `axis`. The trace cannot show such a wave.
    pub fn mask(&mut self, peaks: &mut [f32], axis: &TimeAxis, samples: usize) {
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

    /// A notice with their number, if any.
    pub fn notice(&self) -> Option<String> {
        let labels = format!("{} peak labels lie outside of the window and are not used", self.masked);
        (self.masked > 0).then_some(labels)
    }
}

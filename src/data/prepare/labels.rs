//! Peak labels that a prepared trace does not show.

use super::TimeAxis;
use crate::data::PEAK_COLUMNS;

/// Masks peak labels outside of the window.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// Waves masked so far.
    pub masked: usize,
}

impl Labels {
    /// Unlabels the waves of one row (in the order of [`PEAK_COLUMNS`]) whose latency lies outside of the `samples` of
    /// `axis`: latency and amplitude, since what is not in the trace cannot be read off it.
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

    /// How many, if any.
    pub fn notice(&self) -> Option<String> {
        let labels = format!("{} peak labels lie outside of the window and are not used", self.masked);
        (self.masked > 0).then_some(labels)
    }
}

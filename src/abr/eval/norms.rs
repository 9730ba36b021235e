//! Published wave latencies and amplitudes of normal listeners, to compare measurements with.

use crate::config::Species;
use serde::Serialize;

/// One wave of normal listeners.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Norm {
    pub wave: &'static str,
    /// By ascending level.
    pub points: &'static [NormPoint],
    /// The papers.
    pub source: &'static str,
}

/// One wave at one level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NormPoint {
    /// dB nHL
    pub level_db: f64,
    pub latency_ms: f64,
    /// Between listeners; `None` where the papers disagree.
    pub latency_sd_ms: Option<f64>,
    /// From the peak to the following trough.
    pub amplitude_uv: Option<f64>,
}

/// Adults with normal hearing, clicks of about 10 a second. The latencies at 80 dB nHL and the amplitudes are from Hall
/// 2007, New Handbook of Auditory Evoked Responses. The latencies of wave V at lower levels follow a smooth curve
/// through Hecox & Galambos 1974, Arch Otolaryngol 99:30, and Picton et al. 1981, J Otolaryngol Suppl 9. The built-in
/// data follow the same papers, so agreement there proves nothing.
const HUMAN: [Norm; 3] = [
    Norm { wave: "I", points: &[at(80.0, 1.6, Some(0.1), Some(0.25))], source: "Hall 2007" },
    Norm { wave: "III", points: &[at(80.0, 3.7, Some(0.15), Some(0.25))], source: "Hall 2007" },
    Norm {
        wave: "V",
        points: &[
            at(20.0, 7.9, None, None),
            at(40.0, 6.8, None, None),
            at(60.0, 6.0, None, None),
            at(80.0, 5.6, Some(0.2), Some(0.5)),
        ],
        source: "Hall 2007; by level: Hecox & Galambos 1974, Picton et al. 1981",
    },
];

const fn at(level_db: f64, latency_ms: f64, latency_sd_ms: Option<f64>, amplitude_uv: Option<f64>) -> NormPoint {
    NormPoint { level_db, latency_ms, latency_sd_ms, amplitude_uv }
}

/// The norms of a species for clicks. There are none for tones, nor for mice: their strains and stimulation setups
/// differ by more than the effects compared here.
pub fn norms(species: Species, tones: bool) -> &'static [Norm] {
    match species {
        Species::Human if !tones => &HUMAN,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_lie_in_the_windows_in_which_waves_are_looked_for() {
        for (norm, i) in HUMAN.iter().zip(0..) {
            assert_eq!(norm.wave, Species::Human.waves()[i].name);
            for point in norm.points {
                let [from, to] = Species::Human.rules(Some(point.level_db))[i].window_ms;
                assert!((from..to).contains(&point.latency_ms), "{norm:?}");
            }
        }
    }
}

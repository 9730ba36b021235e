//! The waves of a species, and the time windows in which to search for them at each level.

use super::peaks::{Peak, PeakRule, WAVE_I, WAVE_III, WAVE_V};
use crate::config::Species;
use ndarray::ArrayView1;

/// The level of [`WaveWindows::loud_ms`], in dB nHL for people and dB SPL for mice.
pub const LOUD_DB: f64 = 80.0;
/// The level of [`WaveWindows::faint_ms`]; below it windows stay where they are.
pub const FAINT_DB: f64 = 20.0;
/// Above it windows stay where they are.
const LOUDEST_DB: f64 = 90.0;

/// A wave, and the windows in which its peak lies. The end of a window is excluded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaveWindows {
    pub name: &'static str,
    /// At [`LOUD_DB`].
    pub loud_ms: [f64; 2],
    /// At [`FAINT_DB`].
    pub faint_ms: [f64; 2],
    /// Where the level is unknown.
    pub any_level: PeakRule,
}

// At each level, the windows of a species do not overlap, so that no peak counts as two waves. All windows are our
// choice.

/// People and clicks. Waves I, III and V of adults at 80 dB nHL lie at about 1.6, 3.7 and 5.6 ms (see [`WAVE_V`] for
/// the papers). The windows begin before the earliest adult's waves and end late, because age, rate and hearing loss
/// all delay waves. Wave IV lies at the start of wave V's window, where V is larger. Children's wave V is later, by a
/// function of level of the same shape (Gorga et al. 1989, J Speech Hear Res 32:281).
const HUMAN: [WaveWindows; 3] = [
    WaveWindows { name: "I", loud_ms: [1.0, 2.4], faint_ms: [3.5, 4.9], any_level: WAVE_I },
    WaveWindows { name: "III", loud_ms: [3.0, 4.7], faint_ms: [5.4, 7.1], any_level: WAVE_III },
    WaveWindows { name: "V", loud_ms: [4.8, 8.8], faint_ms: [7.1, 11.1], any_level: WAVE_V },
];

/// Mice, clicks and tone pips at the ear. There are five waves within 7 ms (Scimemi et al. 2014, Acta Otorhinolaryngol
/// Ital 34:264); as the level falls, later waves are delayed more (Zhou et al. 2006, Brain Res 1091:16). The windows
/// follow level series of three animals, with peaks near 1.5, 2.1, 3.0, 3.9 and 5.1 ms at 80 dB SPL; another acoustic
/// delay may shift them all. Animals differ so much that near threshold one animal's wave II lies where another's wave
/// III does.
const MOUSE: [WaveWindows; 5] = [
    mouse("I", [1.1, 1.8], [1.6, 2.5], [1.0, 2.0]),
    mouse("II", [1.8, 2.5], [2.5, 3.4], [2.0, 2.8]),
    mouse("III", [2.5, 3.5], [3.4, 4.5], [2.8, 3.8]),
    mouse("IV", [3.5, 4.6], [4.5, 5.6], [3.8, 4.9]),
    mouse("V", [4.6, 6.1], [5.6, 7.1], [4.9, 6.4]),
];

/// `any_ms` are roughly the windows at 60 dB: most waves at 45 to 90 dB lie in them, and none lies in two.
const fn mouse(name: &'static str, loud_ms: [f64; 2], faint_ms: [f64; 2], any_ms: [f64; 2]) -> WaveWindows {
    WaveWindows { name, loud_ms, faint_ms, any_level: PeakRule { window_ms: any_ms, trough_within_ms: 0.7 } }
}

impl Species {
    /// The waves to search for, in order of latency.
    pub fn waves(self) -> &'static [WaveWindows] {
        match self {
            Species::Human => &HUMAN,
            Species::Mouse => &MOUSE,
        }
    }

    /// The rule of each of [`waves`](Self::waves) at a level in dB nHL (people) or dB SPL (mice); `None` and NaN mean
    /// an unknown level.
    pub fn rules(self, level_db: Option<f64>) -> Vec<PeakRule> {
        let faintness = level_db.filter(|level_db| !level_db.is_nan()).map(|level_db| self.faintness(level_db));
        let rule = |wave: &WaveWindows| match faintness {
            None => wave.any_level,
            Some(by) => {
                let edge = |i: usize| wave.loud_ms[i] + by * (wave.faint_ms[i] - wave.loud_ms[i]);
                PeakRule { window_ms: [edge(0), edge(1)], ..wave.any_level }
            }
        };
        self.waves().iter().map(rule).collect()
    }

    /// How far the windows have moved: 0 at [`LOUD_DB`], 1 at [`FAINT_DB`].
    fn faintness(self, level_db: f64) -> f64 {
        let level_db = level_db.clamp(FAINT_DB, LOUDEST_DB);
        match self {
            // the delay of the built-in data's waves: our fit to Hecox & Galambos 1974 and Picton et al. 1981
            Species::Human => {
                let delay = |level_db: f64| (-level_db / 40.0).exp();
                (delay(level_db) - delay(LOUD_DB)) / (delay(FAINT_DB) - delay(LOUD_DB))
            }
            Species::Mouse => (LOUD_DB - level_db) / (LOUD_DB - FAINT_DB),
        }
    }
}

/// Picks the waves of traces in µV that share sample rate and start time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picker {
    pub species: Species,
    pub sample_rate_hz: f64,
    /// Time of the first sample after the stimulus onset.
    pub t0_ms: f64,
}

impl Picker {
    /// Each of the species' [`waves`](Species::waves) in a trace; `None` if its window holds no local maximum.
    pub fn pick(&self, trace: ArrayView1<f32>, level_db: Option<f64>) -> Vec<Option<Peak>> {
        let rules = self.species.rules(level_db);
        rules.iter().map(|rule| rule.pick(trace, self.sample_rate_hz, self.t0_ms)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::peaks::tests::{bumps, healthy};
    use super::*;

    /// Two edges of at most 10 ms, each a sum of a product of a difference: three roundings by half an ulp of 1.8e-15.
    const ROUNDING_MS: f64 = 6.0 * 0.9e-15;

    #[test]
    fn windows_lie_apart_and_come_later_as_the_level_falls() {
        for species in [Species::Human, Species::Mouse] {
            for level_db in (0..=100).map(f64::from) {
                let rules = species.rules(Some(level_db));
                assert!(rules.iter().all(|rule| rule.window_ms[0] < rule.window_ms[1]));
                for pair in rules.windows(2) {
                    let [before, after] = [pair[0].window_ms, pair[1].window_ms];
                    assert!(before[1] <= after[0] + ROUNDING_MS, "{species:?} at {level_db} dB: {before:?} {after:?}");
                }
                let fainter = species.rules(Some(level_db - 1.0));
                assert!(rules.iter().zip(&fainter).all(|(l, f)| l.window_ms[0] <= f.window_ms[0]));
            }
            let named = |level_db: f64| species.rules(Some(level_db)).iter().map(|r| r.window_ms).collect::<Vec<_>>();
            let near = |a: &[[f64; 2]], b: Vec<[f64; 2]>| {
                a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a - b).abs() < ROUNDING_MS)
            };
            assert!(near(&named(LOUD_DB), species.waves().iter().map(|w| w.loud_ms).collect()));
            assert!(near(&named(FAINT_DB), species.waves().iter().map(|w| w.faint_ms).collect()));
            let unknown: Vec<PeakRule> = species.waves().iter().map(|wave| wave.any_level).collect();
            assert_eq!(species.rules(None), unknown);
            assert_eq!(species.rules(Some(f64::NAN)), unknown);
        }
    }

    #[test]
    fn a_peak_between_two_windows_is_one_wave() {
        // its highest sample lies at 2.5 ms, where at 80 dB wave II's window ends and III's begins
        let picker = Picker { species: Species::Mouse, sample_rate_hz: 20_000.0, t0_ms: 0.0 };
        let waves = picker.pick(bumps(0.0, &[(2.5, 1.0, 0.1)]).view(), Some(LOUD_DB));
        assert_eq!(waves.iter().map(Option::is_some).collect::<Vec<_>>(), [false, false, true, false, false]);
    }

    #[test]
    fn moving_windows_hold_the_waves_of_listeners_at_each_level() {
        let picker = Picker { species: Species::Human, sample_rate_hz: 20_000.0, t0_ms: 0.0 };
        for level_db in [90.0, 80.0, 70.0, 60.0, 50.0, 40.0, 20.0] {
            let truth = healthy(level_db).ground_truth.unwrap();
            let mut shares = [(0, 0); 3];
            for (trace, latencies) in truth.signals.outer_iter().zip(truth.latencies_ms.outer_iter()) {
                let picked = picker.pick(trace, Some(level_db));
                for ((share, peak), wave) in shares.iter_mut().zip(picked).zip([0, 2, 4]) {
                    let wanted = f64::from(latencies[wave]);
                    if !wanted.is_nan() {
                        share.0 += usize::from(peak.is_some_and(|peak| (peak.latency_ms - wanted).abs() <= 0.15));
                        share.1 += 1;
                    }
                }
            }
            // as the level falls, waves I and III sink into the flanks of the others
            let tested = if level_db >= 50.0 { 0..3 } else { 2..3 };
            for (right, all) in &shares[tested] {
                assert!(*right as f64 > 0.95 * *all as f64 && *all > 0, "{level_db} dB nHL: {shares:?}");
            }
        }
    }
}

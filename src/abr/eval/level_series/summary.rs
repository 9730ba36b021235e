//! Summarises the traces of one level for drawing: their mean, a band, some single traces, and the waves of the mean.

use super::{TracesAtLevel, WaveMark};
use crate::config::Species;
use crate::eval::measures::quantile;
use crate::eval::species::Picker;
use crate::eval::wave_report::{FLOOR_IN_NOISE, FLOOR_UV};
use ndarray::ArrayView1;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

/// With fewer traces, a central band spans all of them.
const FEWEST_OF_SHARE: usize = 5;
/// No wave comes before this time, in people or in mice.
const BEFORE_WAVES_MS: f64 = 1.0;
/// The minimum number of samples before that time for a noise estimate.
const FEWEST_BEFORE_WAVES: usize = 10;

/// How to summarise the traces of one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub band: SpreadBand,
    /// The maximum number of single traces to keep; if there are more, an evenly spaced selection.
    pub repeats: usize,
    /// The species whose waves to mark; `None`: no waves.
    pub waves: Option<Species>,
}

impl Default for Summary {
    fn default() -> Self {
        Summary { band: SpreadBand::default(), repeats: 10, waves: Some(Species::Human) }
    }
}

/// What the band about the mean shows at each sample. A band needs at least two traces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SpreadBand {
    None,
    /// The central percentage of the traces; with fewer than five traces, all.
    Central(f64),
    /// One standard deviation to either side of the mean.
    Deviation,
    /// One standard error to either side of the mean.
    StandardError,
}

impl Default for SpreadBand {
    fn default() -> Self {
        SpreadBand::Central(80.0)
    }
}

impl FromStr for SpreadBand {
    type Err = String;

    /// `none`, `sd`, `sem`, or a number above 0 and up to 100.
    fn from_str(text: &str) -> Result<SpreadBand, String> {
        match text {
            "none" => Ok(SpreadBand::None),
            "sd" => Ok(SpreadBand::Deviation),
            "sem" => Ok(SpreadBand::StandardError),
            _ => {
                let percent = text.parse().ok().filter(|percent| *percent > 0.0 && *percent <= 100.0);
                let wanted = "expected a percentage of the traces above 0 and up to 100, or sd, sem or none";
                percent.map(SpreadBand::Central).ok_or_else(|| wanted.to_string())
            }
        }
    }
}

impl Display for SpreadBand {
    /// The text of the legend.
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            SpreadBand::None => f.write_str("none"),
            SpreadBand::Central(100.0) => f.write_str("all traces"),
            SpreadBand::Central(percent) => {
                write!(f, "central {percent} % of the traces (all, where fewer than {FEWEST_OF_SHARE})")
            }
            SpreadBand::Deviation => f.write_str("mean ± standard deviation"),
            SpreadBand::StandardError => f.write_str("mean ± standard error"),
        }
    }
}

impl SpreadBand {
    /// The lower and upper edge for the values at one sample.
    fn edges(self, values: &mut [f64]) -> Option<[f64; 2]> {
        if values.len() < 2 {
            return None;
        }
        match self {
            SpreadBand::None => None,
            SpreadBand::Central(percent) => {
                values.sort_by(f64::total_cmp);
                let percent = if values.len() < FEWEST_OF_SHARE { 100.0 } else { percent };
                let outside = (1.0 - percent / 100.0) / 2.0;
                Some([quantile(values, outside), quantile(values, 1.0 - outside)])
            }
            SpreadBand::Deviation => about_mean(values, deviation(values)),
            SpreadBand::StandardError => about_mean(values, deviation(values) / (values.len() as f64).sqrt()),
        }
    }
}

fn about_mean(values: &[f64], by: f64) -> Option<[f64; 2]> {
    let mean = mean(values);
    Some([mean - by, mean + by])
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

impl TracesAtLevel {
    /// Summarises traces in µV that share start time and sample rate; shorter traces lack their last samples.
    ///
    /// Waves are marked if they reach 0.03 µV and four standard errors of the mean; for a single trace, four standard
    /// deviations of its samples before the first wave.
    ///
    /// # Panics
    /// If there are no traces.
    pub fn summarise(
        level_db: Option<f64>,
        [t0_ms, step_ms]: [f64; 2],
        traces: &[&[f32]],
        summary: &Summary,
    ) -> TracesAtLevel {
        assert!(!traces.is_empty(), "traces to sum up");
        let samples = traces.iter().map(|trace| trace.len()).max().unwrap_or(0);
        let mut mean_uv = vec![f32::NAN; samples];
        let mut edges = [vec![f32::NAN; samples], vec![f32::NAN; samples]];
        let (mut error_squares, mut errors) = (0.0, 0_usize);
        for i in 0..samples {
            let values = traces.iter().filter_map(|trace| trace.get(i)).filter(|v| v.is_finite());
            let mut values: Vec<f64> = values.map(|v| f64::from(*v)).collect();
            if values.is_empty() {
                continue;
            }
            mean_uv[i] = mean(&values) as f32;
            if values.len() > 1 {
                error_squares += deviation(&values).powi(2) / values.len() as f64;
                errors += 1;
            }
            if let Some(at) = summary.band.edges(&mut values) {
                edges.iter_mut().zip(at).for_each(|(edge, at)| edge[i] = at as f32);
            }
        }
        let noise_uv = match errors {
            0 => before_waves_uv(&mean_uv, [t0_ms, step_ms]),
            _ => (error_squares / errors as f64).sqrt(),
        };
        let waves = match summary.waves {
            Some(species) => {
                let picker = Picker { species, sample_rate_hz: 1000.0 / step_ms, t0_ms };
                waves(&picker, &mean_uv, level_db, FLOOR_UV.max(FLOOR_IN_NOISE * noise_uv))
            }
            None => Vec::new(),
        };
        let band_uv = edges[0].iter().any(|v| v.is_finite()).then_some(edges);
        let repeats_uv = repeats(traces, summary.repeats);
        TracesAtLevel { level_db, t0_ms, step_ms, traces: traces.len(), mean_uv, band_uv, repeats_uv, waves }
    }

    /// The time of a sample in ms after the stimulus onset.
    pub fn time_ms(&self, sample: usize) -> f64 {
        self.t0_ms + sample as f64 * self.step_ms
    }

    /// The part inside a window, both ends included; `None` if it is empty.
    pub fn within(mut self, [from_ms, to_ms]: [f64; 2]) -> Option<TracesAtLevel> {
        // a sample on the edge is inside, whatever rounding does
        let slack = 1e-6 * self.step_ms;
        let inside = |i: &usize| (from_ms - slack..=to_ms + slack).contains(&self.time_ms(*i));
        let first = (0..self.mean_uv.len()).find(inside)?;
        let end = first + (first..self.mean_uv.len()).take_while(inside).count();
        let t0_ms = self.time_ms(first);
        let cut = |values: &mut Vec<f32>| {
            values.truncate(end);
            values.drain(..first.min(values.len()));
        };
        cut(&mut self.mean_uv);
        self.band_uv.iter_mut().flatten().chain(&mut self.repeats_uv).for_each(cut);
        self.waves.retain(|wave| (from_ms..=to_ms).contains(&wave.latency_ms));
        self.t0_ms = t0_ms;
        self.mean_uv.iter().any(|v| v.is_finite()).then_some(self)
    }
}

/// At most `most` traces, evenly spaced; none for a single trace, which is the mean itself.
fn repeats(traces: &[&[f32]], most: usize) -> Vec<Vec<f32>> {
    let (all, shown) = (traces.len(), traces.len().min(most));
    match all {
        1 => Vec::new(),
        _ => (0..shown).map(|i| traces[i * all / shown].to_vec()).collect(),
    }
}

/// The standard deviation of the samples before the first wave; 0 if there are too few.
fn before_waves_uv(trace_uv: &[f32], [t0_ms, step_ms]: [f64; 2]) -> f64 {
    let before = trace_uv.iter().enumerate().filter(|(i, _)| t0_ms + *i as f64 * step_ms < BEFORE_WAVES_MS);
    let values: Vec<f64> = before.map(|(_, v)| f64::from(*v)).filter(|v| v.is_finite()).collect();
    if values.len() < FEWEST_BEFORE_WAVES { 0.0 } else { deviation(&values) }
}

fn waves(picker: &Picker, mean_uv: &[f32], level_db: Option<f64>, floor_uv: f64) -> Vec<WaveMark> {
    let peaks = picker.pick(ArrayView1::from(mean_uv), level_db);
    let marks = picker.species.waves().iter().zip(peaks).filter_map(|(wave, peak)| {
        let peak = peak.filter(|peak| peak.amplitude_uv >= floor_uv)?;
        // the vertex lies between two samples
        let place = (peak.latency_ms - picker.t0_ms) * picker.sample_rate_hz / 1000.0;
        let (before, part) = (place.floor(), place.fract());
        let [a, b] = [0, 1].map(|i| mean_uv.get(before as usize + i).map_or(f64::NAN, |v| f64::from(*v)));
        let at_uv = a + part * (b - a);
        at_uv.is_finite().then_some(WaveMark { wave: wave.name, latency_ms: peak.latency_ms, at_uv })
    });
    marks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(band: SpreadBand) -> Summary {
        Summary { band, repeats: 3, waves: None }
    }

    fn of(traces: &[Vec<f32>], summary: &Summary) -> TracesAtLevel {
        let traces: Vec<&[f32]> = traces.iter().map(Vec::as_slice).collect();
        TracesAtLevel::summarise(Some(60.0), [-1.0, 0.5], &traces, summary)
    }

    /// Traces with one sample each.
    fn values(values: &[f32]) -> Vec<Vec<f32>> {
        values.iter().map(|v| vec![*v]).collect()
    }

    #[test]
    fn a_band_holds_what_it_says() {
        let edges =
            |band: SpreadBand, all: &[f32]| of(&values(all), &summary(band)).band_uv.map(|[lo, hi]| [lo[0], hi[0]]);
        let eleven: Vec<f32> = (0..11).map(|i| i as f32).collect();
        assert_eq!(edges(SpreadBand::Central(80.0), &eleven), Some([1.0, 9.0]));
        assert_eq!(edges(SpreadBand::Central(80.0), &[3.0, 1.0, 2.0, 5.0]), Some([1.0, 5.0]));
        assert_eq!(edges(SpreadBand::Central(80.0), &[3.0]), None);
        assert_eq!(edges(SpreadBand::Deviation, &[1.0, 3.0]), Some([2.0 - 2.0_f32.sqrt(), 2.0 + 2.0_f32.sqrt()]));
        assert_eq!(edges(SpreadBand::StandardError, &[1.0, 3.0]), Some([1.0, 3.0]));
        assert_eq!(edges(SpreadBand::None, &eleven), None);
        for (text, band) in
            [("90", SpreadBand::Central(90.0)), ("sd", SpreadBand::Deviation), ("none", SpreadBand::None)]
        {
            assert_eq!(text.parse(), Ok(band));
        }
        for text in ["0", "101", "NaN", "inf", "iqr", ""] {
            assert!(text.parse::<SpreadBand>().is_err(), "{text}");
        }
    }

    #[test]
    fn missing_samples_are_left_out_of_the_mean() {
        let made = of(&[vec![1.0, f32::NAN, 3.0, f32::NAN], vec![3.0, 5.0]], &summary(SpreadBand::default()));
        assert_eq!(made.mean_uv[..3], [2.0, 5.0, 3.0]);
        assert!(made.mean_uv[3].is_nan());
        let [low, high] = made.band_uv.as_ref().unwrap();
        assert_eq!((low[0], high[0]), (1.0, 3.0));
        assert!(low[1].is_nan() && high[2].is_nan());
        assert_eq!((made.traces, made.repeats_uv.len()), (2, 2));
        // −1, −0.5, 0, 0.5 ms
        let cut = made.clone().within([-0.5, 0.2]).unwrap();
        assert_eq!((cut.t0_ms, &cut.mean_uv[..]), (-0.5, &[5.0, 3.0][..]));
        assert_eq!(cut.repeats_uv[1], [5.0]);
        assert_eq!(made.clone().within([0.5, 1.0]), None);
        assert_eq!(made.within([2.0, 3.0]), None);
    }

    #[test]
    fn of_many_traces_some_are_kept_and_of_one_none() {
        let nine = values(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(of(&nine, &summary(SpreadBand::None)).repeats_uv, [[0.0], [3.0], [6.0]]);
        assert_eq!(of(&nine[..2], &summary(SpreadBand::None)).repeats_uv, [[0.0], [1.0]]);
        assert!(of(&nine[..1], &summary(SpreadBand::None)).repeats_uv.is_empty());
    }

    #[test]
    fn a_wave_is_marked_on_the_trace_if_it_stands_out_of_the_noise() {
        let bump =
            |ms: f64, uv: f64| move |i: usize| (uv * (-0.5 * ((i as f64 * 0.05 - ms) / 0.3).powi(2)).exp()) as f32;
        let trace = |noise: f32| (0..200).map(|i| bump(5.7, 0.5)(i) + bump(1.6, 0.02)(i) + noise).collect::<Vec<f32>>();
        let human = Summary { waves: Some(Species::Human), ..summary(SpreadBand::None) };
        let marks = |noise: f32| {
            let traces = [trace(-noise), trace(noise)];
            let traces: Vec<&[f32]> = traces.iter().map(Vec::as_slice).collect();
            TracesAtLevel::summarise(Some(80.0), [0.0, 0.05], &traces, &human).waves
        };
        // wave I lies below the floor
        let [v] = &marks(0.0)[..] else { panic!("{:?}", marks(0.0)) };
        // The peak lies on a sample, so only f32 rounds: 2^-26 in either neighbour, over twice a second difference of
        // 0.5 / 6², is 1e-6 samples.
        assert!(v.wave == "V" && (v.latency_ms - 5.7).abs() < 1e-6 * 0.05 && (v.at_uv - 0.5).abs() < 6e-8, "{v:?}");
        // the standard error of the mean of two traces that differ by 2 × 0.2 µV is 0.2 µV
        assert_eq!(marks(0.2), []);
        // the noise of a single trace is estimated from its first ms: ±0.05 µV hides no wave of 0.5 µV, ±0.15 µV hides
        // all
        let single = |noise: f32| {
            let mut trace = trace(0.0);
            (0..20).for_each(|i| trace[i] += if i % 2 == 0 { noise } else { -noise });
            TracesAtLevel::summarise(Some(80.0), [0.0, 0.05], &[&trace], &human).waves.len()
        };
        assert_eq!((single(0.05), single(0.15)), (1, 0));
    }
}

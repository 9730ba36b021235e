//! The built-in data: simulated click-evoked auditory brainstem responses of adults in a mixed clinic.
//!
//! They serve for first trials, for tests, and for comparing a model with a ground truth that no recording has. The
//! simulation summarises published functions. It is not a model of the ear, and no substitute for recordings.
//!
//! # Condition columns
//!
//! | column | unit | drawn | acts on |
//! | --- | --- | --- | --- |
//! | `age_years` | years | per subject, uniform 18 to 85 | later, smaller waves; cochlear loss more likely |
//! | `level_db` | dB nHL | per row, 10 to 90 in steps of 5 | latency, amplitude, width, presence of waves |
//! | `rate_hz` | clicks/s | per row, 9 to 91, log-uniform | later, smaller waves, early ones most |
//! | `fmp` | – | computed from the row | – (the F-ratio of response and noise to noise) |
//! | `residual_noise_nv` | nV RMS | per row, 10 to 80, log-normal around 25 | the noise in the trace |
//! | `conductive_loss_db` | dB | per subject, 0 in four of five, else 10 to 50 | attenuation |
//! | `cochlear_loss_db` | dB | per subject, 0 or 10 to 60, likelier with age | threshold, recruitment, early waves |
//!
//! Hidden: sex, sensitivity, every wave's own latency and amplitude, width, SN10, the slope of latency with level,
//! neuropathy (about 4 % of the subjects), and small differences between recordings of one subject.
//!
//! # Sources
//!
//! - level: Hecox & Galambos 1974 (Arch Otolaryngol 99:30); Picton, Stapells & Campbell 1981 (J Otolaryngol 10 Suppl
//!   9); Stockard, Stockard, Westmoreland & Corfits 1979 (Arch Neurol 36:823); Hall 2007 (New Handbook of Auditory
//!   Evoked Responses)
//! - rate: Don, Allen & Starr 1977 (Ann Otol Rhinol Laryngol 86:186); Hyde, Stephens & Thornton 1976 (Br J Audiol
//!   10:41)
//! - age and sex: Jerger & Hall 1980 (Arch Otolaryngol 106:387); Rowe 1978 (Electroencephalogr Clin Neurophysiol
//!   44:459); Konrad-Martin et al. 2012 (J Am Acad Audiol 23:18); Boettcher 2002 (J Speech Lang Hear Res 45:1249)
//! - conductive loss: McGee & Clemis 1982 (Ann Otol Rhinol Laryngol 91:304)
//! - cochlear loss: Coats & Martin 1977 (Arch Otolaryngol 103:605); Galambos & Hecox 1978 (Otolaryngol Clin North Am
//!   11:709); Rosenhamer, Lindström & Lundborg 1981 (Scand Audiol 10:3)
//! - neuropathy: Starr, Picton, Sininger, Hood & Berlin 1996 (Brain 119:741); Rance et al. 1999 (Ear Hear 20:238)
//! - variation: Chiappa, Gladstone & Young 1979 (Arch Neurol 36:81); Rowe 1978; Edwards, Buchwald, Tanguay & Schwafel
//!   1982 (Electroencephalogr Clin Neurophysiol 53:125)
//! - SN10: Davis & Hirsh 1979 (Audiology 18:445)
//! - noise and F-ratio: Elberling & Don 1984 (Scand Audiol 13:187); Don, Elberling & Waring 1984 (Scand Audiol 13:219);
//!   Don & Elberling 1994 (J Acoust Soc Am 96:2746) and 1996 (99:491); NHSP 2013 (the English newborn programme's ABR
//!   guidance)

mod conditions;
mod noise;
mod waves;

use rayon::prelude::*;

use super::{GroundTruth, Recording};
use crate::config::{SYNTH_COLUMNS, SynthConfig};
use crate::error::{Error, Result};
use conditions::{SynthRecording, SynthSubject};
use noise::ColouredNoise;
use std::sync::Arc;
use waves::SynthWave;

/// The name of the set in messages.
pub const SOURCE: &str = "built-in data";

/// A wave is present, and labelled, if its amplitude is at least this and its peak lies within the window. Nobody would
/// mark a smaller wave even in the best average.
pub const VISIBLE_UV: f64 = 0.02;

/// A wave's trough is the lowest point of the trace within this time after its peak: for I and III before the next
/// large wave, for V the SN10.
const TROUGH_WITHIN_MS: [f64; 3] = [0.9, 0.9, 2.5];
/// Waves I, III and V among the seven.
const LABELLED: [usize; 3] = [0, 2, waves::V];

const LARGEST_SAMPLES: usize = 500_000_000;
/// No response is left at this time, and the table of the noise's spectral lines grows with the square of the window.
const LONGEST_MS: f64 = 100.0;

/// Generates the built-in set of `config.subjects * config.rows_per_subject` rows, subject by subject.
///
/// Each row has `signal_length` samples in µV from 0 ms at `config.sample_rate_hz`, the columns [`SYNTH_COLUMNS`] in
/// their order, and a ground truth. Its peak labels are the latencies of waves I, III and V in ms, and their amplitudes
/// in µV from the peak to the following trough of the noise-free trace. Absent waves (see [`VISIBLE_UV`]) are NaN. A
/// row depends only on `config`'s sample rate and held causes, `signal_length`, `seed`, its subject and its index.
///
/// # Errors
///
/// [`Error::Usage`] for an empty or too large set, a sample rate below 6 kHz or above 1 MHz, a trace of fewer than 8
/// samples or of more than 100 ms, and for a cause in `config.fixed` that does not exist or is out of its range.
pub fn generate(config: &SynthConfig, signal_length: usize, seed: u64) -> Result<Vec<Recording>> {
    check(config, signal_length)?;
    let simulator = Simulator::new(config, signal_length, seed);
    let subjects: Vec<_> = (0..config.subjects as u32).map(|i| SynthSubject::draw(config, seed, i)).collect();
    let names = SYNTH_COLUMNS.map(Arc::from);
    let rows = (0..config.subjects * config.rows_per_subject).into_par_iter().map(|row| {
        let subject = row / config.rows_per_subject;
        let drawn = SynthRecording::draw(config, seed, row as u32);
        simulator.row(&subjects[subject], &drawn, row as u32).recording(subject, config.sample_rate_hz, &names)
    });
    Ok(rows.collect())
}

fn check(config: &SynthConfig, signal_length: usize) -> Result<()> {
    let refuse = |key: &str, value: &dyn std::fmt::Display, remedy: &str| {
        Err(Error::usage(format!("{key}: {value} makes no built-in data"), remedy))
    };
    if config.subjects == 0 {
        return refuse("data.synth.subjects", &0, "give at least 1");
    }
    if config.rows_per_subject == 0 {
        return refuse("data.synth.rows_per_subject", &0, "give at least 1");
    }
    if signal_length < 8 {
        return refuse("model.signal_length", &signal_length, "give at least 8 samples");
    }
    if !(6_000.0..=1e6).contains(&config.sample_rate_hz) {
        return refuse(
            "data.synth.sample_rate_hz",
            &config.sample_rate_hz,
            "give 6000 to 1000000: the band ends at 3 kHz",
        );
    }
    let longest = (LONGEST_MS * config.sample_rate_hz / 1000.0) as usize;
    if signal_length > longest {
        return refuse(
            "model.signal_length",
            &signal_length,
            &format!("give at most {longest} samples: {LONGEST_MS} ms"),
        );
    }
    let samples = config.subjects.checked_mul(config.rows_per_subject).and_then(|rows| rows.checked_mul(signal_length));
    if samples.is_none_or(|n| n > LARGEST_SAMPLES) {
        let product = format!("{} times {}", config.subjects, config.rows_per_subject);
        let remedy = format!("rows times signal_length may be {LARGEST_SAMPLES} at most");
        return refuse("data.synth.subjects times rows_per_subject", &product, &remedy);
    }
    conditions::check_fixed(config)
}

/// What all rows of a set share.
struct Simulator {
    seed: u64,
    signal_length: usize,
    sample_rate_hz: f64,
    noise: ColouredNoise,
}

/// One simulated recording, in µV, ms and the units of [`SYNTH_COLUMNS`].
#[derive(Debug, Clone, PartialEq)]
struct SimulatedRow {
    signal: Vec<f64>,
    ground_truth: Vec<f64>,
    condition: [f64; 7],
    peaks: [f64; 6],
    latencies_ms: [f64; 7],
    n_averages: Option<u32>,
}

impl Simulator {
    fn new(config: &SynthConfig, signal_length: usize, seed: u64) -> Self {
        let noise = ColouredNoise::new(seed, signal_length, config.sample_rate_hz);
        Simulator { seed, signal_length, sample_rate_hz: config.sample_rate_hz, noise }
    }

    /// Simulates the listener under the given conditions, with the noise of the row.
    fn row(&self, subject: &SynthSubject, recording: &SynthRecording, row: u32) -> SimulatedRow {
        let waves = waves::waves(subject, recording);
        let truth = waves::trace(&waves, subject.sn10_gain, self.signal_length, self.sample_rate_hz);
        let rms_uv = recording.residual_noise_nv / 1000.0;
        let mut signal = truth.clone();
        self.noise.add(row, rms_uv, &mut signal);
        let fmp = noise::f_ratio(&signal, rms_uv, self.seed, row);
        let latencies_ms = waves.map(|wave| if self.visible(&wave) { wave.latency_ms } else { f64::NAN });
        let peaks = self.peaks(&truth, &latencies_ms);
        let condition = [
            subject.age_years,
            recording.level_db,
            recording.rate_hz,
            fmp,
            recording.residual_noise_nv,
            subject.conductive_loss_db,
            subject.cochlear_loss_db,
        ];
        SimulatedRow { signal, ground_truth: truth, condition, peaks, latencies_ms, n_averages: recording.n_averages }
    }

    fn visible(&self, wave: &SynthWave) -> bool {
        let end_ms = self.time_ms(self.signal_length - 1);
        wave.amplitude_uv >= VISIBLE_UV && (0.0..=end_ms).contains(&wave.latency_ms)
    }

    /// Latencies of waves I, III and V, then their peak-to-trough amplitudes in the noise-free trace; NaN where absent.
    fn peaks(&self, truth: &[f64], latencies_ms: &[f64; 7]) -> [f64; 6] {
        let mut peaks = [f64::NAN; 6];
        for (slot, (wave, within_ms)) in LABELLED.into_iter().zip(TROUGH_WITHIN_MS).enumerate() {
            let latency_ms = latencies_ms[wave];
            if latency_ms.is_nan() {
                continue;
            }
            let peak = (latency_ms * self.sample_rate_hz / 1000.0).round() as usize;
            let after = truth[peak..].iter().enumerate().take_while(|(i, _)| self.time_ms(*i) <= within_ms);
            let trough_uv = after.fold(f64::INFINITY, |low, (_, &v)| low.min(v));
            peaks[slot] = latency_ms;
            peaks[slot + 3] = truth[peak] - trough_uv;
        }
        peaks
    }

    fn time_ms(&self, sample: usize) -> f64 {
        sample as f64 * 1000.0 / self.sample_rate_hz
    }
}

impl SimulatedRow {
    fn recording(self, subject: usize, sample_rate_hz: f64, names: &[Arc<str>; 7]) -> Recording {
        let narrow = |values: &[f64]| values.iter().map(|&v| v as f32).collect::<Vec<_>>();
        let mut recording = Recording::new(narrow(&self.signal));
        recording.subject = format!("S{:04}", subject + 1);
        (recording.sample_rate_hz, recording.t0_ms) = (Some(sample_rate_hz), Some(0.0));
        // Rust writes the fewest digits that read back to the same bits
        recording.columns = names.iter().cloned().zip(self.condition.map(|value| value.to_string())).collect();
        if let Some(n) = self.n_averages {
            recording.add_column("n_averages", n);
        }
        recording.peaks = self.peaks.map(|label| label as f32);
        let latencies_ms = self.latencies_ms.map(|latency| latency as f32);
        recording.ground_truth = Some(Box::new(GroundTruth { samples: narrow(&self.ground_truth), latencies_ms }));
        recording
    }
}

#[cfg(test)]
mod tests;

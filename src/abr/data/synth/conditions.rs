//! The causes behind every row: known ones (the condition columns) and hidden ones (the differences between
//! normal-hearing listeners).
//!
//! A subject is a pure function of (seed, subject), and a recording of (seed, row). So a larger set begins with the
//! subjects of a smaller one, and holding one cause constant leaves every other draw unchanged.
use crate::purpose;

use crate::config::{Design, SynthConfig};
use crate::engine::rng::{Rng, Stream};
use crate::error::{Error, Result};

/// The streams of [`purpose::SYNTH`], by `layer`.
pub(super) mod layer {
    pub const SUBJECT: u32 = 0;
    pub const HEARING: u32 = 1;
    pub const NEUROPATHY: u32 = 2;
    pub const RECORDING: u32 = 3;
    pub const RETEST: u32 = 4;
    pub const NOISE: u32 = 5;
    pub const F_RATIO: u32 = 6;
    pub const SERIES: u32 = 7;
}

/// A cause that `data.synth.fixed` can hold constant, with the range in which this module's functions are valid.
struct Cause {
    name: &'static str,
    unit: &'static str,
    lowest: f64,
    highest: f64,
}

/// Adults only: the maturation of the first two years is not simulated. Above 100/s, responses would overlap within 10
/// ms.
const CAUSES: [Cause; 7] = [
    Cause { name: "age_years", unit: "years", lowest: 18.0, highest: 90.0 },
    Cause { name: "level_db", unit: "dB nHL", lowest: -10.0, highest: 100.0 },
    Cause { name: "rate_hz", unit: "clicks/s", lowest: 5.0, highest: 100.0 },
    Cause { name: "residual_noise_nv", unit: "nV", lowest: 1.0, highest: 1000.0 },
    Cause { name: "conductive_loss_db", unit: "dB", lowest: 0.0, highest: 60.0 },
    Cause { name: "cochlear_loss_db", unit: "dB", lowest: 0.0, highest: 70.0 },
    Cause { name: "neuropathy", unit: "(0 none, 1 every subject)", lowest: 0.0, highest: 1.0 },
];

/// Refuses a fixed cause that does not exist or is out of range.
pub(super) fn check_fixed(config: &SynthConfig) -> Result<()> {
    for (name, &value) in &config.fixed {
        let Some(cause) = CAUSES.iter().find(|c| c.name == name) else { return Err(unknown_cause(name)) };
        let whole = name != "neuropathy" || value == 0.0 || value == 1.0;
        if !(cause.lowest..=cause.highest).contains(&value) || !whole {
            return Err(Error::usage(
                format!("data.synth.fixed.{name}: {value} is outside the simulation's range"),
                format!("give a value from {} to {} {}", cause.lowest, cause.highest, cause.unit),
            ));
        }
    }
    Ok(())
}

fn unknown_cause(name: &str) -> Error {
    if name == "fmp" {
        return Error::usage(
            "data.synth.fixed.fmp: fmp is computed from each row's signal and noise and cannot be fixed",
            "fix residual_noise_nv and level_db, which determine it",
        );
    }
    let names: Vec<_> = CAUSES.iter().map(|c| c.name).collect();
    let near = names.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b)));
    Error::usage(
        format!("data.synth.fixed.{name}: no such variable"),
        format!("did you mean {}? The variables are {}", near.unwrap_or(&""), names.join(", ")),
    )
}

// The mix of a clinic. It is our choice; the direction of the age dependence is presbyacusis (Boettcher 2002).
const AGE_YEARS: [f64; 2] = [18.0, 85.0];
const CONDUCTIVE_SHARE: f64 = 0.2;
const CONDUCTIVE_LOSS_DB: [f64; 2] = [10.0, 50.0];
const COCHLEAR_SHARE_AT_18: f64 = 0.1;
const COCHLEAR_SHARE_AT_85: f64 = 0.6;
const COCHLEAR_LOSS_DB: [f64; 2] = [10.0, 60.0];
/// Our choice for a mixed clinic; Rance et al. 1999 found about one in nine among children with permanent hearing loss.
const NEUROPATHY_SHARE: f64 = 0.04;

// Standard deviations between listeners, beyond the effects of sex, age and hearing.
/// Together with the effect of sex this gives about 0.2 ms for wave V at one level, and 0.2 ms for I–V (Rowe 1978;
/// Chiappa et al. 1979).
const PERIPHERAL_LATENCY_SD_MS: f64 = 0.10;
const I_III_INTERVAL_SD_MS: f64 = 0.10;
const III_V_INTERVAL_SD_MS: f64 = 0.10;
/// The IV–V complex takes many shapes in normal listeners (Chiappa et al. 1979); the number is our estimate.
const IV_V_INTERVAL_SD_MS: f64 = 0.10;
/// Amplitudes vary by about 30 to 50 %, skewed to the right, wave V least (Chiappa et al. 1979). The model is one gain
/// for all waves (head, electrodes, synchrony) times one for each wave.
const COMMON_GAIN_LOG_SD: f64 = 0.22;
const WAVE_GAIN_LOG_SD: [f64; 7] = [0.35, 0.35, 0.28, 0.30, 0.20, 0.40, 0.45];
const SN10_GAIN_LOG_SD: f64 = 0.35;
const WIDTH_LOG_SD: f64 = 0.12;
/// Normal thresholds scatter by a few dB around 0 dB nHL; our rounding.
const SENSITIVITY_SD_DB: f64 = 4.0;
const LATENCY_SLOPE_LOG_SD: f64 = 0.08;

// Between recordings of one listener (test and retest; Edwards et al. 1982: far below the difference between
// listeners).
const RETEST_LATENCY_SD_MS: f64 = 0.03;
const RETEST_GAIN_LOG_SD: f64 = 0.06;

// Recording conditions.
const LEVEL_STEP_DB: f64 = 5.0;
const LEVELS_DB: [f64; 2] = [10.0, 90.0];
/// Clinics use about 10 to 90 clicks/s.
const RATES_HZ: [f64; 2] = [9.0, 91.0];
/// From 10 000 sweeps of a calm listener (Don & Elberling 1994, 1996) to a short run of a restless one; the limits are
/// our rounding.
const RESIDUAL_NOISE_NV: [f64; 2] = [10.0, 80.0];
/// Averaging continues until the noise is low enough: most recordings end near the 25 nV that a reliable "no response"
/// requires (NHSP 2013). The spread around it is our choice.
const RESIDUAL_NOISE_MEDIAN_NV: f64 = 25.0;
const RESIDUAL_NOISE_LOG_SD: f64 = 0.5;

// A level series in a laboratory, in dB nHL; our choice.
const SERIES_LEVELS_DB: [f64; 2] = [15.0, 75.0];
const SERIES_LEVELS: u32 = ((SERIES_LEVELS_DB[1] - SERIES_LEVELS_DB[0]) / LEVEL_STEP_DB) as u32 + 1;
const SERIES_AVERAGES: [u32; 5] = [100, 200, 500, 1000, 2000];
/// Averaging 500 sweeps reduces it to 40 nV.
const SERIES_SWEEP_NOISE_NV: f64 = 894.427;

/// A simulated listener: known and hidden causes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SynthSubject {
    pub age_years: f64,
    pub conductive_loss_db: f64,
    pub cochlear_loss_db: f64,
    pub female: bool,
    /// Added to the hearing threshold.
    pub sensitivity_db: f64,
    /// Factor on the latency shift with level.
    pub latency_slope: f64,
    /// Added to the latencies of waves I to VII.
    pub latency_offsets_ms: [f64; 7],
    /// Factors on the amplitudes of waves I to VII.
    pub gains: [f64; 7],
    pub sn10_gain: f64,
    /// Factor on the width of every wave.
    pub width: f64,
    /// Severity from 0 to 1; `None` without neuropathy.
    pub neuropathy: Option<f64>,
}

impl SynthSubject {
    /// Draws the listener with this index. The causes in `config.fixed` keep their value.
    pub fn draw(config: &SynthConfig, seed: u64, index: u32) -> Self {
        let draws = |layer| Stream::new(seed, purpose::SYNTH, layer).rng(index);
        let held = |name, drawn| config.fixed.get(name).copied().unwrap_or(drawn);

        let mut hearing = draws(layer::HEARING);
        let age_years = held("age_years", between(AGE_YEARS, hearing.uniform()));
        let aging = ((age_years - AGE_YEARS[0]) / (AGE_YEARS[1] - AGE_YEARS[0])).powi(2);
        let conductive = loss_db(&mut hearing, CONDUCTIVE_SHARE, CONDUCTIVE_LOSS_DB);
        let cochlear =
            loss_db(&mut hearing, between([COCHLEAR_SHARE_AT_18, COCHLEAR_SHARE_AT_85], aging), COCHLEAR_LOSS_DB);

        let mut nerve = draws(layer::NEUROPATHY);
        let afflicted = held("neuropathy", f64::from(u8::from(nerve.uniform() < NEUROPATHY_SHARE))) == 1.0;
        let severity = nerve.uniform();

        let mut traits = draws(layer::SUBJECT);
        let female = traits.uniform() < 0.5;
        SynthSubject {
            age_years,
            conductive_loss_db: held("conductive_loss_db", conductive),
            cochlear_loss_db: held("cochlear_loss_db", cochlear),
            female,
            sensitivity_db: SENSITIVITY_SD_DB * bounded_normal(&mut traits),
            latency_slope: (LATENCY_SLOPE_LOG_SD * bounded_normal(&mut traits)).exp(),
            latency_offsets_ms: latency_offsets_ms(&mut traits),
            sn10_gain: (SN10_GAIN_LOG_SD * bounded_normal(&mut traits)).exp(),
            width: (WIDTH_LOG_SD * bounded_normal(&mut traits)).exp(),
            gains: gains(&mut traits),
            neuropathy: afflicted.then_some(severity),
        }
    }
}

/// The causes of one recording.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SynthRecording {
    pub level_db: f64,
    pub rate_hz: f64,
    pub residual_noise_nv: f64,
    /// Number of averaged sweeps, in level series.
    pub n_averages: Option<u32>,
    /// Added to every latency.
    pub retest_latency_ms: f64,
    /// Factor on every amplitude.
    pub retest_gain: f64,
}

impl SynthRecording {
    /// Draws the recording of this row. The causes in `config.fixed` keep their value.
    pub fn draw(config: &SynthConfig, seed: u64, row: u32) -> Self {
        let held = |name, drawn| config.fixed.get(name).copied().unwrap_or(drawn);
        let mut protocol = Stream::new(seed, purpose::SYNTH, layer::RECORDING).rng(row);
        let steps = ((LEVELS_DB[1] - LEVELS_DB[0]) / LEVEL_STEP_DB) as u32 + 1;
        let level_db = LEVELS_DB[0] + LEVEL_STEP_DB * f64::from(protocol.below(steps));
        let rate_hz = log_between(RATES_HZ, protocol.uniform());
        let residual_noise_nv = residual_noise_nv(&mut protocol);
        let (level_db, rate_hz, residual_noise_nv, n_averages) = match config.design {
            Design::Clinic => (level_db, rate_hz, residual_noise_nv, None),
            Design::Series => {
                let (listener, place) = (row / config.rows_per_subject as u32, row % config.rows_per_subject as u32);
                let mut habit = Stream::new(seed, purpose::SYNTH, layer::SERIES).rng(listener);
                let n = SERIES_AVERAGES[protocol.below(SERIES_AVERAGES.len() as u32) as usize];
                let level_db = SERIES_LEVELS_DB[0] + LEVEL_STEP_DB * f64::from(place % SERIES_LEVELS);
                let noise_nv = SERIES_SWEEP_NOISE_NV / f64::from(n).sqrt();
                (level_db, log_between(RATES_HZ, habit.uniform()), noise_nv, Some(n))
            }
        };
        let mut retest = Stream::new(seed, purpose::SYNTH, layer::RETEST).rng(row);
        SynthRecording {
            level_db: held("level_db", level_db),
            rate_hz: held("rate_hz", rate_hz),
            residual_noise_nv: held("residual_noise_nv", residual_noise_nv),
            n_averages,
            retest_latency_ms: RETEST_LATENCY_SD_MS * bounded_normal(&mut retest),
            retest_gain: (RETEST_GAIN_LOG_SD * bounded_normal(&mut retest)).exp(),
        }
    }
}

/// Log-normal, truncated: values outside the range are drawn again.
fn residual_noise_nv(draws: &mut Rng) -> f64 {
    let [lowest, highest] = RESIDUAL_NOISE_NV;
    loop {
        let drawn = RESIDUAL_NOISE_MEDIAN_NV * (RESIDUAL_NOISE_LOG_SD * draws.normal()).exp();
        if (lowest..=highest).contains(&drawn) {
            return drawn;
        }
    }
}

/// 0 with probability `1 - share`, else uniform within `range_db`.
fn loss_db(draws: &mut Rng, share: f64, range_db: [f64; 2]) -> f64 {
    let (hit, depth) = (draws.uniform() < share, draws.uniform());
    if hit { between(range_db, depth) } else { 0.0 }
}

/// Wave II lies half-way from I to III; VI and VII follow V; IV varies on its own within the IV–V complex.
fn latency_offsets_ms(draws: &mut Rng) -> [f64; 7] {
    let first = PERIPHERAL_LATENCY_SD_MS * bounded_normal(draws);
    let third = first + I_III_INTERVAL_SD_MS * bounded_normal(draws);
    let fifth = third + III_V_INTERVAL_SD_MS * bounded_normal(draws);
    let fourth = fifth - IV_V_INTERVAL_SD_MS * bounded_normal(draws);
    [first, (first + third) / 2.0, third, fourth, fifth, fifth, fifth]
}

fn gains(draws: &mut Rng) -> [f64; 7] {
    let common = COMMON_GAIN_LOG_SD * bounded_normal(draws);
    std::array::from_fn(|wave| (common + WAVE_GAIN_LOG_SD[wave] * bounded_normal(draws)).exp())
}

/// Standard normal, clamped to ±2.5, so that no listener is implausible.
fn bounded_normal(draws: &mut Rng) -> f64 {
    draws.normal().clamp(-2.5, 2.5)
}

fn between(range: [f64; 2], share: f64) -> f64 {
    range[0] + share * (range[1] - range[0])
}

fn log_between(range: [f64; 2], share: f64) -> f64 {
    range[0] * (range[1] / range[0]).powf(share)
}

//! Wave V by level in generated traces and in the simulation behind the built-in data, picked by the same rule.

use super::peaks::{Peak, WAVE_V};
use crate::checkpoint::TrainedModel;
use crate::config::{DataConfig, SYNTH_COLUMNS, SynthConfig};
use crate::data::{Column, Values, load};
use crate::error::Result;
use crate::generate::{Request, Value, generate};
use crate::model::Cvae;
use ndarray::{Array2, ArrayView1, Axis};
use serde::Serialize;

/// The levels in dB nHL.
pub const LEVELS_DB: [f64; 4] = [80.0, 60.0, 40.0, 20.0];
/// Traces behind each mean.
pub const TRACES: usize = 200;
/// The hearing losses, all 0 for these listeners.
const LOSSES: [&str; 2] = ["conductive_loss_db", "cochlear_loss_db"];

/// Wave V at one level, of [`TRACES`] listeners without hearing loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WaveAtLevel {
    pub level_db: f64,
    pub generated: WaveOf,
    /// From noise-free traces of newly simulated listeners.
    pub truth: WaveOf,
}

/// Wave V of many traces. The two means differ: if latencies vary, the waves of the mean trace are lower and broader,
/// and large waves attract its peak.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WaveOf {
    /// Picked from the mean trace.
    pub mean_trace: Option<Peak>,
    /// Picked from each trace: the mean latency and amplitude over the traces with the wave …
    pub mean_wave: Option<Peak>,
    /// … the standard deviation of its latency …
    pub latency_sd_ms: Option<f64>,
    /// … and the number of these traces.
    pub found: usize,
}

/// Generates traces at each level, and simulates the same conditions: the other variables of the generated traces
/// (ages, rates, noise, drawn from training rows near the condition) are the same in their simulated twins. `None` if
/// the model is not conditioned on level and losses, or is conditioned on a variable that the simulation lacks.
///
/// # Errors
/// See [`generate`].
pub fn wave_v_by_level(trained: &TrainedModel, model: &mut Cvae) -> Result<Option<Vec<WaveAtLevel>>> {
    let columns: Vec<&str> = trained.config.data.static_columns.iter().map(|c| c.name()).collect();
    let simulated = columns.iter().all(|name| SYNTH_COLUMNS.contains(name));
    if !simulated || !LOSSES.iter().chain(&["level_db"]).all(|name| columns.contains(name)) {
        return Ok(None);
    }
    let levels = LEVELS_DB.map(|level_db| {
        let named = LOSSES.map(|name| (name, 0.0)).into_iter().chain([("level_db", level_db)]);
        let condition = named.map(|(name, value)| (name.to_string(), Value::Number(value))).collect();
        let request =
            Request { conditions: Some(vec![condition]), count: TRACES, series: false, seed: 0, averages: None };
        let generated = generate(trained, model, &request)?;
        let truth = simulate(trained, &generated.conditions)?;
        Ok(WaveAtLevel { level_db, generated: wave_v(&generated.signals, trained), truth: wave_v(&truth, trained) })
    });
    levels.into_iter().collect::<Result<_>>().map(Some)
}

/// The noise-free trace of a newly simulated listener for each row of conditions.
fn simulate(trained: &TrainedModel, conditions: &[Column]) -> Result<Array2<f32>> {
    let (data, length) = (&trained.config.data, trained.config.model.signal_length);
    let mut traces = Array2::zeros((TRACES, length));
    for (row, mut trace) in traces.rows_mut().into_iter().enumerate() {
        let held = conditions.iter().filter(|column| column.name != "fmp").filter_map(|column| match &column.values {
            Values::Number(values) => Some((column.name.clone(), values[row])),
            Values::Text(_) => None,
        });
        // other values that were constant in the training data stay constant
        let mut synth = SynthConfig { subjects: 1, rows_per_subject: 1, ..data.synth.clone() };
        synth.fixed.extend(held);
        // other seeds than the training data, and so other listeners; no listener is left out
        let seed = data.seed.wrapping_add(1 + row as u64);
        let config = DataConfig { path: None, synth, seed, filters: Vec::new(), ..data.clone() };
        let (simulated, _) = load(&config, length, |_, _| {})?;
        trace.assign(&simulated.ground_truth.expect("simulated data contain the ground truth").signals.row(0));
    }
    Ok(traces)
}

fn wave_v(signals: &Array2<f32>, trained: &TrainedModel) -> WaveOf {
    let pick = |trace: ArrayView1<f32>| WAVE_V.pick(trace, trained.data.sample_rate_hz, trained.data.t0_ms);
    let mean_trace = signals.mapv(f64::from).mean_axis(Axis(0)).expect("traces").mapv(|v| v as f32);
    let each: Vec<Peak> = signals.rows().into_iter().filter_map(pick).collect();
    let mean = |of: &dyn Fn(&Peak) -> f64| each.iter().map(of).sum::<f64>() / each.len() as f64;
    let (latency_ms, amplitude_uv) = (mean(&|p| p.latency_ms), mean(&|p| p.amplitude_uv));
    let variance = mean(&|p| (p.latency_ms - latency_ms).powi(2));
    WaveOf {
        mean_trace: pick(mean_trace.view()),
        mean_wave: (!each.is_empty()).then_some(Peak { latency_ms, amplitude_uv }),
        latency_sd_ms: (!each.is_empty()).then(|| variance.sqrt()),
        found: each.len(),
    }
}

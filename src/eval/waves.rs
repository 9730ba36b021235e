//! Wave V by level: what a model generates, beside what the simulation behind the built-in data says, picked by one rule.

use super::peaks::{Peak, WAVE_V};
use crate::checkpoint::Trained;
use crate::config::SynthConfig;
use crate::data::synth;
use crate::error::Result;
use crate::generate::{Request, Value, generate};
use crate::model::Cvae;
use ndarray::{Array2, Axis};
use serde::Serialize;

/// The levels in dB nHL.
pub const LEVELS_DB: [f64; 3] = [80.0, 60.0, 40.0];
/// Traces behind each mean.
pub const TRACES: usize = 200;
/// What no listener here has.
const LOSSES: [&str; 2] = ["conductive_loss_db", "cochlear_loss_db"];

/// Wave V at one level, in means of [`TRACES`] traces of listeners without hearing loss; `None` where no peak was found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WaveAtLevel {
    pub level_db: f64,
    pub generated: Option<Peak>,
    /// Noise-free, of listeners drawn anew.
    pub truth: Option<Peak>,
}

/// Generates and simulates at each level; ages, rates and noise are those of training rows near the condition on one side, of
/// the simulation on the other. `None` when the model is not conditioned on level and losses.
///
/// # Errors
/// See [`generate`].
pub fn wave_v_by_level(trained: &Trained, model: &mut Cvae) -> Result<Option<Vec<WaveAtLevel>>> {
    let columns: Vec<&str> = trained.config.data.static_columns.iter().map(|c| c.name()).collect();
    if !LOSSES.iter().chain(&["level_db"]).all(|name| columns.contains(name)) {
        return Ok(None);
    }
    let levels = LEVELS_DB.map(|level_db| {
        Ok(WaveAtLevel { level_db, generated: generated(trained, model, level_db)?, truth: truth(trained, level_db)? })
    });
    levels.into_iter().collect::<Result<_>>().map(Some)
}

fn named(level_db: f64) -> impl Iterator<Item = (String, f64)> {
    LOSSES.into_iter().map(|name| (name, 0.0)).chain([("level_db", level_db)]).map(|(n, v)| (n.to_string(), v))
}

fn generated(trained: &Trained, model: &mut Cvae, level_db: f64) -> Result<Option<Peak>> {
    let condition = named(level_db).map(|(name, value)| (name, Value::Number(value))).collect();
    let request = Request { conditions: Some(vec![condition]), count: TRACES, seed: 0 };
    Ok(pick(&generate(trained, model, &request)?.signals, trained))
}

fn truth(trained: &Trained, level_db: f64) -> Result<Option<Peak>> {
    let data = &trained.config.data;
    let config = SynthConfig {
        subjects: TRACES,
        rows_per_subject: 1,
        fixed: named(level_db).chain([("neuropathy".to_string(), 0.0)]).collect(),
        ..data.synth.clone()
    };
    // another seed than the training data's: other listeners
    let simulated = synth::generate(&config, trained.config.model.signal_length, data.seed.wrapping_add(1))?;
    Ok(simulated.truth.and_then(|truth| pick(&truth.signals, trained)))
}

fn pick(signals: &Array2<f32>, trained: &Trained) -> Option<Peak> {
    let mean = signals.mapv(f64::from).mean_axis(Axis(0))?.mapv(|v| v as f32);
    WAVE_V.pick(mean.view(), trained.data.sample_rate_hz, trained.data.t0_ms)
}

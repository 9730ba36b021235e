//! Checks what the metadata of a file say, before anything is made of it.

use super::TrainedModel;
use crate::config::{DataConfig, SAMPLE_RATES_HZ, T0_RANGE_MS};
use crate::data::Values;
use crate::data::read::SubjectFrom;
use crate::error::{Error, Result};

const REMEDY: &str = "the file is damaged, or was not written by abr-film: get it again, or train the model again";

/// Drops what names files: a checkpoint names none, and what it names is not opened.
pub(super) fn drop_paths(data: &mut DataConfig) {
    data.path = None;
    data.subject_from = data.subject_from.take().filter(|from| SubjectFrom::is_expression(from));
}

/// Checks the configuration, the scalers, the facts about the data and the baselines of a file. Paths in it are
/// dropped: what a file names is not opened.
pub(super) fn trained(source: &str, trained: &mut TrainedModel) -> Result<()> {
    let refuse = |place: &str, problem: String| Error::input(source, place, problem, REMEDY);
    drop_paths(&mut trained.config.data);
    trained.config.check_as(source)?;
    trained.scalers.check(&trained.config.data).map_err(|problem| refuse("scalers", problem))?;
    facts(trained).map_err(|problem| refuse("data", problem))?;
    if let Some(baselines) = &trained.baselines {
        let (length, inputs) = (trained.config.model.signal_length, trained.scalers.condition_dim());
        baselines.check(length, inputs).map_err(|problem| refuse("baselines", problem))?;
    }
    Ok(())
}

/// The names and kinds of columns were checked against the scalers', and these against the configuration.
fn facts(trained: &TrainedModel) -> Result<(), String> {
    let data = &trained.data;
    let (rate, t0_ms) = (data.sample_rate_hz, data.t0_ms);
    if !SAMPLE_RATES_HZ.contains(&rate) || !T0_RANGE_MS.contains(&t0_ms) {
        return Err(format!("a sample rate of {rate:e} Hz, a first sample at {t0_ms:e} ms"));
    }
    let rows = data.train_conditions.first().map_or(0, |column| column.values.len());
    for column in &data.train_conditions {
        if column.values.len() != rows {
            return Err(format!("column `{}` of the training rows has another length", column.name));
        }
        // NaN is an empty cell
        let infinite = matches!(&column.values, Values::Number(values) if values.iter().any(|v| v.is_infinite()));
        if infinite {
            return Err(format!("column `{}` of the training rows contains infinity", column.name));
        }
    }
    Ok(())
}

//! Checks what the metadata of a file say, before anything is made of it.

use super::{TrainedModel, drop_paths};
use crate::config::{SAMPLE_RATES_HZ, T0_RANGE_MS};
use crate::data::Values;
use crate::error::{Error, Result};

const REMEDY: &str = "the file is damaged, or was not written by abr-film: get it again, or train the model again";

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

fn facts(trained: &TrainedModel) -> Result<(), String> {
    let data = &trained.data;
    let (rate, t0_ms) = (data.sample_rate_hz, data.t0_ms);
    if !SAMPLE_RATES_HZ.contains(&rate) || !T0_RANGE_MS.contains(&t0_ms) {
        return Err(format!("a sample rate of {rate:e} Hz, a first sample at {t0_ms:e} ms"));
    }
    let rows = data.train_conditions.first().map_or(0, |column| column.values.len());
    let columns = &trained.config.data.static_columns;
    for (i, column) in data.train_conditions.iter().enumerate() {
        let configured = columns.get(i).map(|column| column.name());
        if configured != Some(column.name.as_str()) || column.values.len() != rows {
            return Err(format!("column `{}` of the training rows is not that of data.static_columns", column.name));
        }
        // NaN is an empty cell
        let infinite = matches!(&column.values, Values::Number(values) if values.iter().any(|v| v.is_infinite()));
        if infinite {
            return Err(format!("column `{}` of the training rows contains infinity", column.name));
        }
    }
    match rows == 0 || data.train_conditions.len() == columns.len() {
        true => Ok(()),
        false => Err("a column of data.static_columns is missing in the training rows".to_string()),
    }
}

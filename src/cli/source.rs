//! Where a command's data comes from: the table that is named, or the built-in set.

use super::notice;
use abr_film::config::Config;
use abr_film::data::{Dataset, synth, table};
use abr_film::error::Result;
use std::path::Path;

/// Reads `data.path`, or generates the built-in set when there is none; tells what was cut off.
pub fn load(config: &Config) -> Result<Dataset> {
    let length = config.model.signal_length;
    let Some(path) = &config.data.path else {
        let dataset = synth::generate(&config.data.synth, length, config.data.seed)?;
        return dataset.with_columns(&config.data.static_columns);
    };
    let (dataset, report) = table::read(Path::new(path), &config.data, length)?;
    if report.samples_cut > 0 {
        notice(format!("{path}: the first {length} samples of each row are used, {} are cut", report.samples_cut));
    }
    Ok(dataset)
}

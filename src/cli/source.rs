//! Where a command's data comes from, and where its tables go.

use super::{notice, print};
use abr_film::config::Config;
use abr_film::data::{Column, Dataset, synth, table};
use abr_film::error::{Error, Result};
use abr_film::files::write_whole;
use std::path::Path;

/// Reads `data.path`, or generates the built-in set when there is none; tells what was cut off.
pub fn load(config: &Config) -> Result<Dataset> {
    let length = config.model.signal_length;
    let Some(path) = &config.data.path else {
        let dataset = synth::generate(&config.data.synth, length, config.data.seed)?;
        return dataset.with_columns(&config.data.static_columns);
    };
    let (dataset, report) = table::read_table(Path::new(path), &config.data, length)?;
    notice(format!("{path}: {report}"));
    Ok(dataset)
}

/// Refuses a file that a table cannot be written to, before any work is done for it.
pub fn check_table(out: Option<&Path>) -> Result<()> {
    let Some(path) = out else { return Ok(()) };
    let csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    if !csv && !path.starts_with("/dev") {
        return Err(Error::usage(format!("{}: not a .csv file", path.display()), "name a file that ends in .csv"));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Error::usage(format!("{}: no such folder", folder.display()), "make it first, or name another"))
        }
        _ => Ok(()),
    }
}

/// Writes a table to a file, whole or not at all, or to stdout.
pub fn write_table(out: Option<&Path>, dataset: &Dataset, extra: &[Column]) -> Result<()> {
    match out {
        Some(path) => write_whole(path, |w| table::write_table(dataset, extra, w)),
        None => print(|w| table::write_table(dataset, extra, w)),
    }
}

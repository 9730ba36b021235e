//! Where a command's data comes from, and where its tables go.

use super::{notice, print};
use abr_film::checkpoint::Trained;
use abr_film::config::{Config, SplitBy};
use abr_film::data::read::{Recording, is_foreign, npz, read_paths};
use abr_film::data::{Column, Dataset, hash::data_hash, prepare::prepared_synth, table};
use abr_film::error::{Error, Result};
use abr_film::files::write_whole;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Reads files, folders and globs, with a bar over many files, and tells what was skipped.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Recording>> {
    let bar = std::io::stderr().is_terminal().then(|| {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files  {eta} left").expect("a sound template");
        ProgressBar::new(0).with_style(style)
    });
    let read = read_paths(paths, |done, all| {
        if let Some(bar) = &bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let (recordings, notices) = read?;
    notices.iter().for_each(notice);
    Ok(recordings)
}

/// Reads `data.path`, or generates the built-in set when there is none, filtered and prepared; tells what was left out.
pub fn load(config: &Config) -> Result<Dataset> {
    let length = config.model.signal_length;
    let Some(path) = &config.data.path else {
        let (dataset, notices) = prepared_synth(&config.data, length)?;
        notices.iter().for_each(notice);
        return dataset.with_columns(&config.data.static_columns);
    };
    let (dataset, report) = match is_foreign(Path::new(path))? {
        true => {
            let recordings = read(&[PathBuf::from(path)])?;
            table::read_recordings(path, &recordings, &config.data, length)?
        }
        false => table::read_table(Path::new(path), &config.data, length)?,
    };
    report.notices().iter().for_each(|said| notice(format!("{path}: {said}")));
    Ok(dataset)
}

/// Reads the recordings for a model: the named table, or the built-in set it was trained on. `subjects`: whether they must be
/// named.
pub fn load_for(trained: &Trained, data: Option<&String>, subjects: bool) -> Result<Dataset> {
    let mut config = trained.config.clone();
    config.data.path = data.cloned().or(config.data.path);
    if !subjects {
        config.data.split = SplitBy::Row;
    }
    if config.data.path.is_none() && !trained.is_bare() {
        let built_in = load(&config).ok().filter(|dataset| data_hash(dataset) == trained.data.hash);
        return built_in.ok_or_else(|| {
            Error::usage("this model was not trained on the built-in data", "name the recordings with --data FILE")
        });
    }
    let dataset = load(&config)?;
    if !trained.is_bare() {
        check_time_axis(trained, &dataset)?;
    }
    Ok(dataset)
}

/// The model knows samples by their number alone: another time axis would pass unseen.
fn check_time_axis(trained: &Trained, dataset: &Dataset) -> Result<()> {
    let axes = [
        ("sample_rate_hz", dataset.sample_rate_hz, trained.data.sample_rate_hz),
        ("t0_ms", dataset.t0_ms, trained.data.t0_ms),
    ];
    for (name, is, was) in axes {
        if (is - was).abs() > 1e-6 * was.abs().max(1.0) {
            let problem = format!("{name} is {is}, but the model was trained at {was}");
            return Err(Error::input(
                &dataset.source,
                "",
                problem,
                "resample or shift the recordings to match first, or train with data.prepare, which then does it",
            ));
        }
    }
    Ok(())
}

/// Refuses a file that a table cannot be written to, before any work is done for it.
pub fn check_table(out: Option<&Path>) -> Result<()> {
    let Some(path) = out else { return Ok(()) };
    let csv = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    if !csv && !is_npz(path) && !path.starts_with("/dev") {
        let remedy = "name a file that ends in .csv or .npz";
        return Err(Error::usage(format!("{}: neither a .csv nor an .npz file", path.display()), remedy));
    }
    if path.is_dir() {
        return Err(Error::usage(format!("{}: is a folder", path.display()), "name a file"));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() && !folder.is_dir() => {
            Err(Error::usage(format!("{}: no such folder", folder.display()), "make it first, or name another"))
        }
        _ => Ok(()),
    }
}

/// Refuses to replace what a table is made from.
pub fn check_apart(out: Option<&Path>, input: &Path) -> Result<()> {
    let whole = |path: &Path| std::fs::canonicalize(path).ok();
    match out.and_then(whole) {
        Some(out) if out.is_file() && whole(input).as_ref() == Some(&out) => {
            let problem = format!("--out would replace {}, which is read", input.display());
            Err(Error::usage(problem, "name another file with --out"))
        }
        _ => Ok(()),
    }
}

/// Whether NumPy's format is asked for.
pub fn is_npz(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npz"))
}

/// Writes a table to a file, whole or not at all, or to stdout.
pub fn write_table(out: Option<&Path>, dataset: &Dataset, extra: &[Column]) -> Result<()> {
    match out {
        Some(path) if is_npz(path) => npz::write(path, &dataset.recordings(extra)),
        Some(path) => write_whole(path, |w| table::write_table(dataset, extra, w)),
        None => print(|w| table::write_table(dataset, extra, w)),
    }
}

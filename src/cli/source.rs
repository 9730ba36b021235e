//! Reads the data of commands, and writes their tables.

use super::{message, notice, print_made};
use abr_film::checkpoint::TrainedModel;
use abr_film::config::Config;
use abr_film::data::read::{Notices, Options, Recordings, expand, read_paths};
use abr_film::data::table::{self, TableLayout};
use abr_film::data::{Assumptions, Dataset, Recording, load};
use abr_film::engine::device;
use abr_film::error::{Error, Result};
use abr_film::files::{is_same, write_made};
use indicatif::{ProgressBar, ProgressStyle};
use std::borrow::Borrow;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// A progress bar over the files of a set, on a terminal only.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    pub fn new() -> Bar {
        Bar(std::io::stderr().is_terminal().then(|| {
            let style =
                ProgressStyle::with_template("{bar:30} {pos}/{len} files  {eta} left").expect("a valid template");
            ProgressBar::new(0).with_style(style)
        }))
    }

    /// Shows how many of all files are done.
    pub fn show(&self, done: usize, all: usize) {
        if let Some(bar) = &self.0 {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            if done == all {
                bar.finish_and_clear();
            }
        }
    }
}

/// Opens files, folders and globs as one set, with the user's assumptions.
pub fn open(paths: &[PathBuf], options: &Options, assumptions: Assumptions) -> Result<Recordings> {
    let bar = Bar::new();
    let recordings = read_paths(paths, options, |done, all| bar.show(done, all))?;
    Ok(assumptions.apply(recordings))
}

/// All recordings of a set, and notices about them.
pub fn collect(mut recordings: Recordings) -> Result<Vec<Recording>> {
    let all = recordings.by_ref().collect::<Result<Vec<_>>>()?;
    recordings.notices.take().iter().for_each(notice);
    Ok(all)
}

/// Loads the data of a configuration and prints what was left out.
pub fn load_data(config: &Config) -> Result<Dataset> {
    let bar = Bar::new();
    // the built-in set is simulated on all cores
    let load = || load(&config.data, config.model.signal_length, |done, all| bar.show(done, all));
    let (dataset, notices) = device::on_threads(None, load)?;
    notices.iter().for_each(notice);
    Ok(dataset)
}

/// Loads the recordings for a model (see [`TrainedModel::load`]) and prints what was left out.
pub fn load_for(trained: &TrainedModel, data: Option<&String>, subjects: bool) -> Result<Dataset> {
    let bar = Bar::new();
    let (dataset, notices) = trained.load(data, subjects, |done, all| bar.show(done, all))?;
    notices.iter().for_each(notice);
    Ok(dataset)
}

/// Refuses, before any work is done, a file to which a table cannot be written.
pub fn check_table(out: Option<&Path>) -> Result<()> {
    let Some(path) = out else { return Ok(()) };
    if !has_ending(path, "csv") && !is_npz(path) && !path.starts_with("/dev") {
        let remedy = "name a file that ends in .csv or .npz";
        return Err(Error::usage(format!("{}: neither a .csv nor an .npz file", path.display()), remedy));
    }
    check_place(path)
}

/// Refuses, before any work is done, a file to which a picture cannot be written.
pub fn check_picture(path: &Path) -> Result<()> {
    if !has_ending(path, "svg") && !has_ending(path, "png") {
        let remedy = "name a file that ends in .svg or .png";
        return Err(Error::usage(format!("{}: neither a .svg nor a .png file", path.display()), remedy));
    }
    check_place(path)
}

/// Whether a file's name has this extension, in lower or upper case.
pub fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|own| own.eq_ignore_ascii_case(ending))
}

/// Refuses a path where no file can be written.
fn check_place(path: &Path) -> Result<()> {
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

/// Refuses to overwrite a file that the command reads: an input, a configuration or a model.
pub fn check_apart<'a>(out: Option<&Path>, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    check_flag_apart("--out", out, inputs)
}

/// [`check_apart`] for a file that another flag names.
pub fn check_flag_apart<'a>(flag: &str, out: Option<&Path>, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let Some(out) = out.filter(|out| out.is_file()) else { return Ok(()) };
    match inputs.into_iter().find(|input| is_same(input, out)) {
        Some(input) => {
            let problem = format!("{flag} would replace {}, which is an input", input.display());
            Err(Error::usage(problem, format!("name another file with {flag}")))
        }
        None => Ok(()),
    }
}

/// The files behind a file's path, a folder or a glob. None if there is no such file: who reads them reports that.
pub fn files_at(path: &str) -> Vec<PathBuf> {
    expand(&[path.into()], &Notices::default()).unwrap_or_default().into_iter().map(|file| file.path).collect()
}

/// Whether the file is to have NumPy's format.
pub fn is_npz(path: &Path) -> bool {
    has_ending(path, "npz")
}

/// Writes a table atomically to a file, or to stdout.
pub fn write_table(out: Option<&Path>, recordings: &[Recording]) -> Result<()> {
    write_rows(out, &TableLayout::of(recordings), recordings.iter().map(Ok))
}

/// [`write_table`] of rows as they are made.
pub fn write_rows<R: Borrow<Recording>>(
    out: Option<&Path>,
    layout: &TableLayout,
    rows: impl Iterator<Item = Result<R>>,
) -> Result<()> {
    let Some(path) = out else { return print_made(|w| table::write_rows(layout, rows, w)) };
    match is_npz(path) {
        true => table::write_npz_rows(path, layout, rows)?,
        false => write_made(path, |w| table::write_rows(layout, rows, w))?,
    }
    message(format!("{} rows in {}", layout.rows, path.display()));
    Ok(())
}

//! The run folder: the files of a training.

use super::{Epoch, Trainer};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{TEMPORARY, write_whole};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The folder of one run: `config.json`, `split.json`, `metrics.jsonl`, `best.safetensors`, `last.safetensors`, the
/// epochs' checkpoints, `summary.json`, and the evaluation of the best weights: `report.html`, `eval.json`,
/// `errors.csv`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

/// The files of a run, except its epochs' checkpoints.
const FILES: [&str; 9] = [
    "config.json",
    "split.json",
    "metrics.jsonl",
    "best.safetensors",
    "last.safetensors",
    "summary.json",
    "eval.json",
    "errors.csv",
    "report.html",
];
/// The files of a finished run.
const OF_THE_END: [&str; 4] = ["summary.json", "eval.json", "errors.csv", "report.html"];

impl RunFolder {
    /// The folder of a run, which may not exist yet.
    pub fn at(path: &Path) -> Self {
        RunFolder { path: path.to_path_buf() }
    }

    /// Checks whether a new run may be written here, without changing anything.
    ///
    /// # Errors
    /// If the folder already holds a run (unless `force`) or is not writable, or if the checkpoint folder has the name
    /// of one of the run's files.
    pub fn check_free(&self, config: &Config, force: bool) -> Result<()> {
        let path = &self.path;
        let checkpoint_dir = Path::new(&config.output.checkpoint_dir);
        if FILES.iter().any(|file| checkpoint_dir.starts_with(file)) {
            let problem = format!("is {}, which every run writes itself", checkpoint_dir.display());
            return Err(Error::config("configuration", "output.checkpoint_dir", problem, "choose another name"));
        }
        if path.exists() && !path.is_dir() {
            return Err(Error::input(path.display(), "", "is a file", "name a folder with --out"));
        }
        if !force && !self.run_files(config).is_empty() {
            return Err(Error::input(
                path.display(),
                "",
                "already contains a run",
                "resume it (--resume), replace it (--force), or choose another folder (--out)",
            ));
        }
        let existing = path.ancestors().find(|a| a.exists()).unwrap_or(Path::new("."));
        tempfile::tempfile_in(existing).map(drop).map_err(Error::io("write into", existing))
    }

    /// Creates the folder of a new run with its `config.json` and its `split.json`, which lists training, validation
    /// and test subjects. With `force`, first removes the files of an existing run, and only these.
    ///
    /// # Errors
    /// See [`RunFolder::check_free`].
    pub fn create(&self, config: &Config, split: &Value, force: bool) -> Result<()> {
        self.check_free(config, force)?;
        let checkpoints = self.checkpoint_folders(config);
        for file in self.run_files(config).into_iter().chain(self.strays(config)) {
            fs::remove_file(&file).map_err(Error::io("remove", &file))?;
        }
        // a folder that holds something else stays
        checkpoints.iter().for_each(|folder| _ = fs::remove_dir(folder));
        fs::create_dir_all(&self.path).map_err(Error::io("make the folder", &self.path))?;
        // if this fails, leave no empty folder behind
        self.write_config(config).inspect_err(|_| _ = fs::remove_dir(&self.path))?;
        self.write_json("split.json", split)
    }

    /// The existing files of a run, whatever its configuration.
    fn run_files(&self, config: &Config) -> Vec<PathBuf> {
        let epoch = |name: &str| name.starts_with("epoch-") && name.ends_with(".safetensors");
        let epochs = self.checkpoint_folders(config).into_iter().flat_map(|folder| files_named(&folder, epoch));
        FILES.into_iter().map(|name| self.path.join(name)).filter(|file| file.exists()).chain(epochs).collect()
    }

    /// Temporary files of a process that was killed while writing.
    fn strays(&self, config: &Config) -> Vec<PathBuf> {
        let mut folders = self.checkpoint_folders(config);
        folders.insert(self.path.clone());
        folders.iter().flat_map(|folder| files_named(folder, |name| name.starts_with(TEMPORARY))).collect()
    }

    /// The folders for the epochs' checkpoints, of this run and of an existing run.
    fn checkpoint_folders(&self, config: &Config) -> BTreeSet<PathBuf> {
        let before = Config::load(&self.config(), &[]).ok();
        let configs = before.iter().chain([config]);
        configs.map(|config| self.path.join(&config.output.checkpoint_dir)).collect()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved configuration, with every default written out.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.json")
    }

    /// The best weights.
    pub fn best(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// The state to resume from.
    pub fn last(&self) -> PathBuf {
        self.path.join("last.safetensors")
    }

    /// One JSON object per epoch.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    fn write_config(&self, config: &Config) -> Result<()> {
        write_whole(&self.config(), |w| w.write_all(config.to_json_pretty().as_bytes()))
    }

    fn write_json(&self, name: &str, value: &Value) -> Result<()> {
        write_whole(&self.path.join(name), |w| w.write_all(format!("{value:#}\n").as_bytes()))
    }

    /// Prepares to resume after `epochs` epochs.
    pub fn reopen(&self, config: &Config, epochs: usize) -> Result<()> {
        let ended = OF_THE_END.map(|name| self.path.join(name));
        self.strays(config).iter().chain(&ended).for_each(|file| _ = fs::remove_file(file));
        self.trim_metrics(epochs)?;
        self.write_config(config)
    }

    /// Removes the lines of epochs that a resume will repeat.
    fn trim_metrics(&self, epochs: usize) -> Result<()> {
        let path = self.metrics();
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let kept: String = text.lines().take(epochs).flat_map(|line| [line, "\n"]).collect();
        write_whole(&path, |w| w.write_all(kept.as_bytes()))
    }

    /// The lines of `metrics.jsonl` and the content of `split.json`; missing or unreadable files give nothing.
    pub fn record(&self) -> (Vec<Value>, Option<Value>) {
        let text = fs::read_to_string(self.metrics()).unwrap_or_default();
        let epochs = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let split = fs::read(self.path.join("split.json")).ok();
        (epochs, split.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Writes the files due at the end of an epoch: its line, the best weights, and every n epochs a checkpoint and the
    /// state.
    pub fn end_epoch(&self, trainer: &mut Trainer, epoch: &Epoch) -> Result<()> {
        let line = serde_json::to_string(epoch).expect("serializable") + "\n";
        append_whole(&self.metrics(), line.as_bytes()).map_err(Error::io("write", self.metrics()))?;
        if epoch.best {
            self.write_best(trainer)?;
        }
        let every = trainer.config().output.save_every_n_epochs;
        if every > 0 && epoch.epoch.is_multiple_of(every) {
            let folder = self.path.join(&trainer.config().output.checkpoint_dir);
            fs::create_dir_all(&folder).map_err(Error::io("make the folder", &folder))?;
            trainer.checkpoint()?.save(&folder.join(format!("epoch-{:04}.safetensors", epoch.epoch)))?;
            self.write_last(trainer)?;
        }
        Ok(())
    }

    /// Writes `best.safetensors`, unless the configuration turns it off.
    pub fn write_best(&self, trainer: &Trainer) -> Result<()> {
        match trainer.best() {
            Some(best) if trainer.config().output.save_best_model => best.save(&self.best()),
            _ => Ok(()),
        }
    }

    /// Writes `last.safetensors`.
    pub fn write_last(&self, trainer: &mut Trainer) -> Result<()> {
        trainer.snapshot()?.save(&self.last())
    }

    /// Reads `last.safetensors`.
    ///
    /// # Errors
    /// If there is none.
    pub fn read_last(&self) -> Result<Checkpoint> {
        if !self.last().exists() {
            let (problem, remedy) = match self.config().exists() {
                true => ("its run ended before it first wrote last.safetensors", "start again with --force"),
                false => (
                    "contains no run to resume",
                    "name the folder of an earlier run with --out, or train without --resume",
                ),
            };
            return Err(Error::input(self.path.display(), "", problem, remedy));
        }
        Checkpoint::load(&self.last())
    }

    /// Writes `summary.json`.
    pub fn write_summary(&self, summary: &Value) -> Result<()> {
        self.write_json("summary.json", summary)
    }
}

/// The files in a folder whose names `wanted` accepts; none if the folder does not exist.
fn files_named(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    entries.filter(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy()))).collect()
}

/// Appends a line to a file; where that fails, removes the part that was written.
fn append_whole(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
    let before = file.metadata()?.len();
    file.write_all(line).inspect_err(|_| _ = file.set_len(before))
}

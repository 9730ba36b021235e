//! The run folder: the files of a training.

mod lock;
mod metrics;
mod replaced;

use super::{Epoch, Trainer};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::{self, TEMPORARY, WHOLE_BYTES, is_abandoned, refuse_link, write_whole};
use lock::RunLock;
use replaced::REPLACED;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of one run: `config.json`, `split.json`, `metrics.jsonl`, `best.safetensors`, `last.safetensors`, the
/// epochs' checkpoints, `summary.json`, and the evaluation of the best weights: `report.html`, `eval.json`,
/// `errors.csv`. While a run lives, its process holds a lock on the folder.
///
/// A run that `force` replaces stays in the folder `replaced` until the new run has its first checkpoint.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    lock: Option<RunLock>,
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
        RunFolder { path: path.to_path_buf(), lock: None }
    }

    /// Locks the folder, if it exists, until this value is dropped: nobody else can begin or resume a run there.
    ///
    /// # Errors
    /// When another process has the lock; the message names it.
    pub fn lock(&mut self) -> Result<()> {
        if self.lock.is_none() && self.path.is_dir() {
            self.refuse_links()?;
            self.lock = Some(RunLock::acquire(&self.path)?);
        }
        Ok(())
    }

    /// Refuses a folder in which a name of ours is a link: what it leads to belongs to others.
    fn refuse_links(&self) -> Result<()> {
        FILES.iter().chain([&REPLACED]).try_for_each(|name| refuse_link(&self.path.join(name)))
    }

    /// Refuses a folder of checkpoints that is, or lies in, a link within the run folder.
    fn refuse_linked_checkpoints(&self, config: &Config) -> Result<()> {
        let folder = self.path.join(&config.output.checkpoint_dir);
        let mut within = folder.ancestors().take_while(|part| *part != self.path);
        if config.output.save_every_n_epochs > 0 { within.try_for_each(refuse_link) } else { Ok(()) }
    }

    /// The files that a run writes, except its epochs' checkpoints.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        FILES.iter().map(|name| self.path.join(name))
    }

    /// Checks whether a new run may be written here, without changing anything.
    ///
    /// # Errors
    /// If the folder already holds a run (unless `force`), is not writable, or is locked by another process, or if the
    /// checkpoint folder has the name of one of the run's files.
    pub fn check_free(&self, config: &Config, force: bool) -> Result<()> {
        let path = &self.path;
        let checkpoint_dir = Path::new(&config.output.checkpoint_dir);
        if FILES.iter().chain([&REPLACED]).any(|file| checkpoint_dir.starts_with(file)) {
            let problem = format!("is {}, which every run writes itself", checkpoint_dir.display());
            return Err(Error::config("configuration", "output.checkpoint_dir", problem, "choose another name"));
        }
        if path.exists() && !path.is_dir() {
            return Err(Error::input(path.display(), "", "is a file", "name a folder with --out"));
        }
        self.refuse_links()?;
        self.refuse_linked_checkpoints(config)?;
        if self.lock.is_none() {
            RunLock::check_free(path)?;
        }
        if !force && !self.run_files(&self.checkpoint_folders(config)).is_empty() {
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

    /// Creates and locks the folder of a new run with its `config.json` and its `split.json`, which lists training,
    /// validation and test subjects. With `force`, first sets the files of an existing run aside, and only these.
    ///
    /// # Errors
    /// See [`RunFolder::check_free`].
    pub fn create(&mut self, config: &Config, split: &Value, force: bool) -> Result<()> {
        self.check_free(config, force)?;
        fs::create_dir_all(&self.path).map_err(Error::io("make the folder", &self.path))?;
        let created = self.lock().and_then(|()| self.clear(config)).and_then(|()| self.write_config(config));
        // if this fails, leave no empty folder behind
        created.inspect_err(|_| {
            self.lock = None;
            _ = fs::remove_dir(&self.path);
        })?;
        self.write_json("split.json", split)
    }

    /// Sets the run that is here aside; removes it if it has no checkpoint.
    fn clear(&self, config: &Config) -> Result<()> {
        let folders = self.checkpoint_folders(config);
        let (files, strays) = (self.run_files(&folders), self.strays(&folders));
        let is_checkpoint = |file: &PathBuf| file.extension().is_some_and(|extension| extension == "safetensors");
        if files.iter().any(is_checkpoint) {
            // the configuration moves first: without it, what is here belongs to what is aside
            if self.config().exists() {
                self.remove_replaced()?;
            }
            replaced::set_aside(&self.path, &files)?;
            replaced::remove(&strays, folders)
        } else {
            replaced::remove(&[files, strays].concat(), folders)
        }
    }

    /// Where the run is that this one replaces; `None` if there is none, or not any more.
    pub fn replaced(&self) -> Option<PathBuf> {
        Some(self.path.join(REPLACED)).filter(|path| path.join(FILES[0]).is_file())
    }

    /// Removes the run that this one replaces.
    fn remove_replaced(&self) -> Result<()> {
        let Some(path) = self.replaced() else { return Ok(()) };
        let old = RunFolder::at(&path);
        let config = Config::load(&old.config(), &[]).unwrap_or_default();
        let folders = old.checkpoint_folders(&config);
        let mut files = old.run_files(&folders);
        // last the configuration, which tells that a run is there
        files.reverse();
        replaced::remove(&files, folders.into_iter().chain([path]))
    }

    /// The existing files of a run, whatever its configuration; `folders` are those of its checkpoints.
    fn run_files(&self, folders: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let epoch = |name: &str| name.starts_with("epoch-") && name.ends_with(".safetensors");
        let epochs = folders.iter().flat_map(|folder| files_named(folder, epoch));
        FILES.into_iter().map(|name| self.path.join(name)).filter(|file| file.exists()).chain(epochs).collect()
    }

    /// Temporary files of a process that was killed while writing.
    fn strays(&self, folders: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let files = folders
            .iter()
            .chain([&self.path])
            .flat_map(|folder| files_named(folder, |name| name.starts_with(TEMPORARY)));
        files.filter(|file| is_abandoned(file)).collect()
    }

    /// The folders for the epochs' checkpoints, of this run and of an existing run, as far as they are in the run
    /// folder: a link may lead to files of others.
    fn checkpoint_folders(&self, config: &Config) -> BTreeSet<PathBuf> {
        let before = Config::load(&self.config(), &[]).ok();
        let folders = before.iter().chain([config]).map(|config| Path::new(&config.output.checkpoint_dir));
        let inside = |folder: &&Path| {
            let real = |path: &Path| fs::canonicalize(path).ok();
            real(&self.path.join(folder))
                .is_some_and(|found| Some(found) == real(&self.path).map(|run| run.join(folder)))
        };
        folders.filter(inside).map(|folder| self.path.join(folder)).collect()
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

    /// Locks the folder and prepares to resume after `epochs` epochs. Returns notices for the user.
    pub fn reopen(&mut self, config: &Config, epochs: usize) -> Result<Vec<String>> {
        self.lock()?;
        self.refuse_linked_checkpoints(config)?;
        let ended = OF_THE_END.map(|name| self.path.join(name));
        self.strays(&self.checkpoint_folders(config)).iter().chain(&ended).for_each(|file| _ = fs::remove_file(file));
        self.remove_replaced()?;
        // a resume repeats the epochs after the last state
        let missing = metrics::keep(&self.metrics(), epochs)?;
        self.write_config(config)?;
        let numbers: Vec<String> = missing.iter().map(usize::to_string).collect();
        let path = self.metrics();
        let notice = || format!("{}: the lines of the epochs {} are missing", path.display(), numbers.join(", "));
        Ok((!missing.is_empty()).then(notice).into_iter().collect())
    }

    /// The lines of `metrics.jsonl` and the content of `split.json`; missing or unreadable files give nothing.
    pub fn record(&self) -> (Vec<Value>, Option<Value>) {
        let split = files::read(&self.path.join("split.json"), WHOLE_BYTES).ok();
        (metrics::read(&self.metrics()), split.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Refuses to go on in a folder that was removed or replaced.
    pub fn check(&self) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), RunLock::check)
    }

    /// Writes, unless the folder was removed or replaced: that is then the error.
    fn guarded(&self, write: impl FnOnce() -> Result<()>) -> Result<()> {
        self.check()?;
        write().map_err(|error| self.check().err().unwrap_or(error))
    }

    /// Writes a checkpoint. The run that this one replaces is then no longer needed.
    fn save(&self, checkpoint: &Checkpoint, file: &Path) -> Result<()> {
        self.guarded(|| {
            let folder = file.parent().expect("the run folder or one inside it");
            if folder != self.path {
                fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
            }
            checkpoint.save(file)
        })?;
        self.remove_replaced()
    }

    /// Writes the files due at the end of an epoch: its line, the best weights, and every n epochs a checkpoint and the
    /// state.
    pub fn end_epoch(&self, trainer: &mut Trainer, epoch: &Epoch) -> Result<()> {
        let line = serde_json::to_string(epoch).expect("serializable") + "\n";
        self.guarded(|| metrics::append(&self.metrics(), &line))?;
        if epoch.best {
            self.write_best(trainer)?;
        }
        let every = trainer.config().output.save_every_n_epochs;
        if every > 0 && epoch.epoch.is_multiple_of(every) {
            let folder = self.path.join(&trainer.config().output.checkpoint_dir);
            self.save(&trainer.checkpoint()?, &folder.join(format!("epoch-{:04}.safetensors", epoch.epoch)))?;
            self.write_last(trainer)?;
        }
        Ok(())
    }

    /// Writes `best.safetensors`, unless the configuration turns it off.
    pub fn write_best(&self, trainer: &Trainer) -> Result<()> {
        match trainer.best() {
            Some(best) if trainer.config().output.save_best_model => self.save(&best, &self.best()),
            _ => Ok(()),
        }
    }

    /// Writes `last.safetensors`, once the lines of the epochs before it are on the disk.
    pub fn write_last(&self, trainer: &mut Trainer) -> Result<()> {
        self.guarded(|| metrics::sync(&self.metrics()))?;
        self.save(&trainer.snapshot()?, &self.last())
    }

    /// Reads `last.safetensors`.
    ///
    /// # Errors
    /// If there is none, or if it is of a run that was being moved aside.
    pub fn read_last(&self) -> Result<Checkpoint> {
        if !self.last().exists() || (!self.config().exists() && self.replaced().is_some()) {
            let (problem, remedy) = match (self.config().exists(), self.replaced()) {
                (true, None) => {
                    ("its run ended before it first wrote last.safetensors", "start again with --force".into())
                }
                (true, Some(replaced)) => (
                    "its run ended before it first wrote last.safetensors",
                    format!("start again with --force; the run that it replaced is in {}", replaced.display()),
                ),
                (false, Some(replaced)) => (
                    "its process was killed while it moved an earlier run aside",
                    format!("move the files in {} back, or start again with --force", replaced.display()),
                ),
                (false, None) => (
                    "contains no run to resume",
                    "name the folder of an earlier run with --out, or train without --resume".into(),
                ),
            };
            return Err(Error::input(self.path.display(), "", problem, remedy));
        }
        Checkpoint::load(&self.last())
    }

    /// Writes `summary.json`.
    pub fn write_summary(&self, summary: &Value) -> Result<()> {
        self.guarded(|| self.write_json("summary.json", summary))
    }
}

/// The files in a folder whose names `wanted` accepts; none if the folder does not exist.
fn files_named(folder: &Path, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    entries.filter(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy()))).collect()
}

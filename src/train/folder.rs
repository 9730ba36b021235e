//! The run folder: what a training leaves behind.

use super::{Epoch, Trainer};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::write_whole;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A folder that holds one run: `config.json`, `metrics.jsonl`, `best.safetensors`, `last.safetensors`, the epochs'
/// checkpoints, `summary.json`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// A new run's folder, made if missing.
    ///
    /// # Errors
    /// When it holds a run already, unless `force`, which removes that run's files.
    pub fn create(path: &Path, config: &Config, force: bool) -> Result<Self> {
        let folder = RunFolder { path: path.to_path_buf() };
        let run: Vec<_> = folder.files(config).into_iter().filter(|f| f.exists()).collect();
        if !run.is_empty() && !force {
            return Err(Error::input(
                path.display(),
                "",
                "holds a run already",
                "go on with it (--resume), replace it (--force), or choose another folder (--out)",
            ));
        }
        for file in run {
            let removed = if file.is_dir() { fs::remove_dir_all(&file) } else { fs::remove_file(&file) };
            removed.map_err(Error::io("remove", &file))?;
        }
        fs::create_dir_all(path).map_err(Error::io("make the folder", path))?;
        folder.write_config(config)?;
        Ok(folder)
    }

    /// The folder of a run to go on with.
    pub fn open(path: &Path) -> Self {
        RunFolder { path: path.to_path_buf() }
    }

    fn files(&self, config: &Config) -> Vec<PathBuf> {
        let names = ["config.json", "metrics.jsonl", "best.safetensors", "last.safetensors", "summary.json"];
        names.into_iter().chain([config.output.checkpoint_dir.as_str()]).map(|n| self.path.join(n)).collect()
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The resolved configuration, every default written out.
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

    /// One JSON object an epoch.
    pub fn metrics(&self) -> PathBuf {
        self.path.join("metrics.jsonl")
    }

    /// Writes `config.json`.
    pub fn write_config(&self, config: &Config) -> Result<()> {
        write_whole(&self.config(), |w| w.write_all(config.to_json_pretty().as_bytes()))
    }

    /// Drops the lines of epochs that a resume will run again.
    pub fn trim_metrics(&self, epochs: usize) -> Result<()> {
        let path = self.metrics();
        let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
        let kept: String = text.lines().take(epochs).flat_map(|line| [line, "\n"]).collect();
        write_whole(&path, |w| w.write_all(kept.as_bytes()))
    }

    /// Writes all that an epoch's end calls for: its line, the best weights, every n epochs a checkpoint and the state.
    pub fn end_epoch(&self, trainer: &mut Trainer, epoch: &Epoch) -> Result<()> {
        let line = serde_json::to_string(epoch).expect("plain data") + "\n";
        let path = self.metrics();
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut f| f.write_all(line.as_bytes())).map_err(Error::io("write", &path))?;
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

    /// Writes `best.safetensors`, unless the configuration asks for none.
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
    /// When there is none.
    pub fn read_last(&self) -> Result<Checkpoint> {
        if !self.last().exists() {
            let remedy = "name the folder of an earlier run with --out, or train without --resume";
            return Err(Error::input(self.path.display(), "", "holds no run to resume (no last.safetensors)", remedy));
        }
        Checkpoint::load(&self.last())
    }

    /// Writes `summary.json`.
    pub fn write_summary(&self, summary: &serde_json::Value) -> Result<()> {
        write_whole(&self.path.join("summary.json"), |w| w.write_all(format!("{summary:#}\n").as_bytes()))
    }
}

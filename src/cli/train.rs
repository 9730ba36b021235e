//! `abr-film train`

use super::progress::ProgressDisplay;
use super::{DeviceArgs, message, notice, report, source};
use abr_film::checkpoint::Checkpoint;
use abr_film::config::{Config, SchedulerKind};
use abr_film::data::Dataset;
use abr_film::engine::device::Device;
use abr_film::error::{Error, Result};
use abr_film::eval::{default_part, evaluate};
use abr_film::train::{Outcome, RunFolder, Trainer};
use clap::Args;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug, Args)]
pub struct Train {
    /// The configuration; keys that it leaves out have their default
    #[arg(long, value_name = "FILE", required_unless_present = "resume")]
    config: Option<PathBuf>,
    /// The table of recordings [default: `data.path` of the configuration, else the built-in synthetic set]
    #[arg(long, value_name = "FILE")]
    data: Option<String>,
    /// The run folder [default: runs/<config name>-<time>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgs,
    /// The random seed of weights, row order and noise (`training.seed`)
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Resume the run in --out; only the number of epochs, the device and the threads may differ
    #[arg(long, requires = "out", conflicts_with = "force")]
    resume: bool,
    /// Replace the run that is already in --out
    #[arg(long)]
    force: bool,
    /// Override a configuration key, such as training.num_epochs=20
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Read and check everything, print what a training would do, and stop
    #[arg(long)]
    dry_run: bool,
}

impl Train {
    pub fn run(&self) -> Result<()> {
        let out = self.out.clone().unwrap_or_else(|| default_folder(self.config.as_deref()));
        let mut folder = RunFolder::at(&out);
        if self.resume && !self.dry_run {
            // before the state is read, which another process may be about to replace
            folder.lock()?;
        }
        let last = if self.resume { Some(folder.read_last()?) } else { None };
        let config = self.configuration(&folder, last.as_ref())?;
        // before the data is read, so that an impossible request fails at once
        match &last {
            Some(last) => last.check_same_config(&folder.last().display().to_string(), &config)?,
            None => folder.check_free(&config, self.force)?,
        }
        self.check_apart(&folder, &config)?;
        let dataset = source::load_data(&config)?;
        let interrupt = Interrupt::watch()?;
        self.device.with(|device| {
            let mut trainer = prepare(&config, &dataset, device, &folder, last.as_ref())?;
            if self.dry_run {
                let (steps, epochs) = (trainer.steps_per_epoch(), config.training.num_epochs);
                message(format!("{epochs} epochs of {steps} steps into {}; nothing was written", out.display()));
                return Ok(());
            }
            // only now, so that earlier failures leave no files behind
            match last {
                Some(_) => folder.reopen(&config, trainer.progress().epoch)?.iter().for_each(notice),
                None => folder.create(&config, trainer.manifest(), self.force)?,
            }
            train(&mut trainer, &folder, &interrupt.raised).inspect_err(|_| {
                let replaced = folder.replaced();
                replaced.iter().for_each(|path| notice(format!("the earlier run is kept in {}", path.display())));
            })?;
            if config.output.report {
                interrupt.reporting.store(true, Ordering::Relaxed);
                report(&mut trainer, &dataset, &folder)?;
            }
            Ok(())
        })
    }

    /// Refuses a run that would replace an input by one of its files. A resume reads and writes its own configuration.
    fn check_apart(&self, folder: &RunFolder, config: &Config) -> Result<()> {
        let data = config.data.path.as_deref().map(source::files_at).unwrap_or_default();
        let table = config.data.subject_from.iter().map(PathBuf::from);
        let inputs: Vec<PathBuf> = data.into_iter().chain(table).chain(self.config.clone()).collect();
        let own = |file: &PathBuf| self.resume && *file == folder.config();
        let mut written = folder.files().filter(|file| !own(file));
        written.try_for_each(|file| source::check_apart(Some(&file), inputs.iter().map(PathBuf::as_path)))
    }

    /// The configuration file with `--set`, `--seed` and `--data` applied. A resume keeps the stored values of
    /// everything else.
    fn configuration(&self, folder: &RunFolder, last: Option<&Checkpoint>) -> Result<Config> {
        let mut overrides = self.set.clone();
        overrides.extend(self.seed.map(|seed| format!("training.seed={seed}")));
        let file = self.config.clone().unwrap_or_else(|| folder.config());
        let mut config = Config::load(&file, &overrides)?;
        config.model.notices().iter().for_each(notice);
        if let Some(before) = last.and_then(|last| last.trained.as_ref()) {
            let (training, before) = (&mut config.training, &before.config.training);
            training.scheduler.t_max = training.scheduler.t_max.or(before.scheduler.t_max);
            training.seed = training.seed.or(before.seed);
        }
        if let Some(path) = &self.data {
            config.data.path = Some(path.clone());
        }
        Ok(config.resolved())
    }
}

/// A new trainer, or one resumed from the last state.
pub(super) fn prepare(
    config: &Config,
    dataset: &Dataset,
    device: Box<dyn Device>,
    folder: &RunFolder,
    last: Option<&Checkpoint>,
) -> Result<Trainer> {
    let (mut trainer, notices) = Trainer::new(config, dataset, device)?;
    notices.iter().for_each(notice);
    if let Some(last) = last {
        trainer.resume(&folder.last().display().to_string(), last)?;
        let (epoch, step) = (trainer.progress().epoch, trainer.progress().step);
        notice(match (trainer.finished(), trainer.progress().stopped_early) {
            (true, true) => format!("nothing is left to do: training stopped early after epoch {epoch}"),
            (true, false) => {
                format!("nothing is left to do after epoch {epoch}; --set training.num_epochs=N adds epochs")
            }
            (false, _) => format!("resuming after epoch {epoch}, step {step}"),
        });
        let (epochs, scheduler) = (config.training.num_epochs, &config.training.scheduler);
        if let Some(t_max) = scheduler.t_max.filter(|&t_max| t_max < epochs && scheduler.kind == SchedulerKind::Cosine)
        {
            notice(format!(
                "training.scheduler.T_max stays {t_max}: from there on the learning rate is {}",
                scheduler.eta_min
            ));
        }
    }
    print_header(&mut trainer, dataset);
    Ok(trainer)
}

/// A crash loses at most this time and the current epoch.
const LAST_EVERY: Duration = Duration::from_secs(60);

pub(super) fn train(trainer: &mut Trainer, folder: &RunFolder, interrupted: &AtomicBool) -> Result<()> {
    let progress = ProgressDisplay::new(trainer);
    let mut written = Instant::now();
    while !trainer.finished() {
        let start = Instant::now();
        let outcome = trainer.epoch(|_| {
            progress.step();
            if interrupted.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        let Outcome::Done(mut epoch) = outcome else {
            progress.finish();
            folder.write_last(trainer)?;
            let path = folder.path().display();
            notice(format!("stopped; resume with: abr-film train --resume --out {path}"));
            return Err(Error::Interrupted);
        };
        epoch.seconds = start.elapsed().as_secs_f64();
        progress.epoch(&epoch);
        folder.end_epoch(trainer, &epoch)?;
        if written.elapsed() > LAST_EVERY {
            folder.write_last(trainer)?;
            written = Instant::now();
        }
    }
    progress.finish();
    finish_run(trainer, folder)
}

/// Writes the remaining files after the training, and prints the outcome.
fn finish_run(trainer: &mut Trainer, folder: &RunFolder) -> Result<()> {
    folder.write_last(trainer)?;
    // a resumed run's best weights may predate the resume: write them again, so that the files equal those of an
    // uninterrupted run
    folder.write_best(trainer)?;
    trainer.restore_best()?;
    let progress = trainer.progress();
    let summary = serde_json::json!({
        "epochs": progress.epoch,
        "steps": progress.step,
        "stopped_early": progress.stopped_early,
        "best_epoch": progress.best.map(|b| b.epoch),
        "best_loss": progress.best.map(|b| b.objective),
        "parameters": trainer.model().parameters().count(),
    });
    folder.write_summary(&summary)?;
    let progress = trainer.progress();
    let ended = if progress.stopped_early { "stopped early" } else { "done" };
    let best = progress
        .best
        .map_or("no best epoch".to_string(), |best| format!("best epoch {} (loss {:.4})", best.epoch, best.objective));
    message(format!("{ended} after {} epochs, {best}; results in {}", progress.epoch, folder.path().display()));
    Ok(())
}

/// Evaluates the best weights on the default rows, and writes the report. A failure does not affect the run, which is
/// saved, unless its folder was removed.
fn report(trainer: &mut Trainer, dataset: &Dataset, folder: &RunFolder) -> Result<()> {
    message("evaluating the best weights for the report; the run is saved");
    match evaluate_best(trainer, dataset, folder) {
        Ok(sentences) => {
            sentences.iter().for_each(message);
            message(format!("the report is {}", folder.path().join("report.html").display()));
        }
        Err(error) => {
            folder.check()?;
            notice(format!("no report: {error}"));
        }
    }
    Ok(())
}

/// Writes the evaluation, and returns its verdict.
pub(super) fn evaluate_best(trainer: &mut Trainer, dataset: &Dataset, folder: &RunFolder) -> Result<Vec<String>> {
    let best = trainer.best().and_then(|best| best.trained);
    let trained = best.ok_or_else(|| Error::usage("no epoch was the best", "train longer"))?.as_stored();
    let part = default_part(&trained, dataset)?;
    let mut evaluation = evaluate(&trained, trainer.model(), dataset, part, None)?;
    report::add_record(&mut evaluation, folder);
    // the evaluation took a while: a folder that was removed meanwhile is not made again
    folder.check()?;
    report::write(&evaluation, folder.path(), &report::name(&folder.best()))?;
    Ok(evaluation.verdict)
}

fn print_header(trainer: &mut Trainer, dataset: &Dataset) {
    let [train, validation, test, unused] =
        ["train", "validation", "test", "unused"].map(|part| trainer.manifest()[part]["rows"].as_u64().unwrap_or(0));
    let parameters = trainer.model().parameters().count();
    let device = trainer.model().tape().device_name();
    message(format!(
        "{parameters} parameters on {device}; {}: {train} rows to train, {validation} to validate, {test} to test{}",
        dataset.source,
        if unused > 0 { format!(", {unused} unused") } else { String::new() }
    ));
}

/// `runs/<config name>-<time>`
fn default_folder(config: Option<&Path>) -> PathBuf {
    let name = config.and_then(|c| c.file_stem()).map_or("run".into(), |stem| stem.to_string_lossy());
    PathBuf::from("runs").join(format!("{name}-{}", jiff::Zoned::now().strftime("%Y%m%d-%H%M%S")))
}

/// Handles Ctrl-C and termination requests. The second one ends the program at once.
#[derive(Default)]
pub(super) struct Interrupt {
    pub raised: AtomicBool,
    /// Whether everything except the report is saved.
    reporting: AtomicBool,
}

impl Interrupt {
    pub fn watch() -> Result<Arc<Interrupt>> {
        let interrupt = Arc::new(Interrupt::default());
        let watching = interrupt.clone();
        ctrlc::set_handler(move || {
            if watching.raised.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            message(match watching.reporting.load(Ordering::Relaxed) {
                true => "finishing the report; the run is saved (press Ctrl-C again to leave without it)",
                false => "finishing this step (press Ctrl-C again to lose it)",
            });
        })
        .map_err(|e| {
            Error::usage(format!("cannot watch for Ctrl-C: {e}"), "run it where no other handler is installed")
        })?;
        Ok(interrupt)
    }
}

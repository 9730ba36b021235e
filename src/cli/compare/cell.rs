//! One cell of a comparison: claims it, trains, evaluates, and stores the result.

use crate::cli::train::{Interrupt, evaluate_best, prepare, train};
use crate::cli::{DeviceArgs, message, notice, source};
use abr_film::compare::{CellResult, CellState, Claim, Cost, Plan, Queue, config_file, measures, median};
use abr_film::config::Config;
use abr_film::engine::device::Device;
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::error::{Error, Result};
use abr_film::infer::decode;
use abr_film::model::Cvae;
use abr_film::train::RunFolder;
use ndarray::Array2;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The traces of the measurement of generation.
const TRACES: usize = 1024;

/// How long a process waits for another one to leave a run folder.
const LOCK_WAIT: Duration = Duration::from_secs(60);

/// A cell to do in the folder of a comparison.
pub struct CellRun<'a> {
    pub folder: &'a Path,
    pub plan: &'a Plan,
    pub queue: &'a Queue,
    pub device: &'a DeviceArgs,
    /// Whether to wait for another process that does the cell.
    pub wait: bool,
}

impl CellRun<'_> {
    /// Does the cell of this name, unless it is done or somebody else does it.
    pub fn run(&self, name: &str) -> Result<()> {
        let cell = self.plan.cell(name)?;
        let interrupt = Interrupt::watch()?;
        let Some(claim) = self.wait_for_claim(name, &interrupt)? else { return Ok(()) };
        match self.train(name, &cell.settings, &interrupt) {
            Ok(result) => claim.done(&result),
            Err(error) => give_back(claim, error),
        }
    }

    /// The claim of a cell; `None` if it is done. While another process does it, waits for its end, as that process
    /// may die on another host.
    fn wait_for_claim(&self, name: &str, interrupt: &Arc<Interrupt>) -> Result<Option<Claim>> {
        let mut said = false;
        loop {
            let stop = interrupt.clone();
            // the training then stops as at Ctrl-C
            let on_loss = move || stop.raised.store(true, Ordering::Relaxed);
            if let Some(claim) = self.queue.claim(name, on_loss)? {
                return Ok(Some(claim));
            }
            match self.queue.state(name)? {
                CellState::Done => {
                    message(format!("{name}: done"));
                    return Ok(None);
                }
                CellState::Claimed(owner) if !said => message(format!("{name}: {owner} does it; waiting for its end")),
                _ => {}
            }
            said = true;
            if !self.wait {
                return Ok(None);
            }
            if interrupt.raised.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn train(&self, name: &str, settings: &[String], interrupt: &Interrupt) -> Result<CellResult> {
        let config = Config::load(&config_file(self.folder), settings)?.resolved();
        let mut folder = RunFolder::at(&self.folder.join("runs").join(name));
        lock(&mut folder, interrupt)?;
        let last = if folder.last().exists() { Some(folder.read_last()?) } else { None };
        let dataset = source::load_data(&config)?;
        let threads = self.device.threads.map_or(0, usize::from);
        self.device.with(|device: Box<dyn Device>| {
            let name_of_device = device.name();
            let mut trainer = prepare(&config, &dataset, device, &folder, last.as_ref())?;
            match last {
                Some(_) => folder.reopen(&config, trainer.progress().epoch)?.iter().for_each(notice),
                // what is there was left by a process that ended before its first state
                None => folder.create(&config, trainer.manifest(), true)?,
            }
            train(&mut trainer, &folder, &interrupt.raised)?;
            evaluate_best(&mut trainer, &dataset, &folder)?;
            let evaluation = folder.path().join("eval.json");
            let text = std::fs::read(&evaluation).map_err(Error::io("read", &evaluation))?;
            let evaluation: Value = serde_json::from_slice(&text).expect("our own JSON");
            let (epochs, _) = folder.record();
            let progress = trainer.progress();
            let (done, best_epoch) = (progress.epoch as u64, progress.best.map(|best| best.epoch as u64));
            let model = trainer.model();
            Ok(CellResult {
                cell: name.to_string(),
                parameters: model.parameters().count() as u64,
                epochs: done,
                best_epoch,
                measures: measures(&evaluation),
                cost: Cost {
                    step_ms: step_ms(&epochs),
                    generate_ms: Some(generate_ms(model)?),
                    peak_mb: peak_mb(),
                    train_s: Some(epochs.iter().filter_map(|epoch| epoch["seconds"].as_f64()).sum()),
                    threads,
                    device: name_of_device,
                },
            })
        })
    }
}

/// Locks the run folder. A process that lost its claim takes a moment to stop.
fn lock(folder: &mut RunFolder, interrupt: &Interrupt) -> Result<()> {
    let start = Instant::now();
    loop {
        match folder.lock() {
            Err(_) if start.elapsed() < LOCK_WAIT && !interrupt.raised.load(Ordering::Relaxed) => {
                std::thread::sleep(Duration::from_millis(200));
            }
            locked => return locked,
        }
    }
}

/// Puts a cell back after an error.
fn give_back(claim: Claim, error: Error) -> Result<()> {
    claim.give_back()?;
    Err(error)
}

/// The median over the epochs of the time per step, from the lines of `metrics.jsonl`.
fn step_ms(epochs: &[Value]) -> Option<f64> {
    let mut before = 0.0;
    let per_step = epochs.iter().filter_map(|epoch| {
        let (step, seconds) = (epoch["step"].as_f64()?, epoch["seconds"].as_f64()?);
        let steps = step - std::mem::replace(&mut before, step);
        (steps > 0.0).then_some(1000.0 * seconds / steps)
    });
    median(per_step.collect())
}

/// The median time of decoding traces under drawn conditions, over five rounds after a first one.
fn generate_ms(model: &mut Cvae) -> Result<f64> {
    let drawn = |width: usize, layer: u32| {
        let mut values = vec![0.0; TRACES * width];
        Stream::new(1, Purpose::TEST, layer).normals(0, &mut values);
        Array2::from_shape_vec((TRACES, width), values).expect("as many values")
    };
    let (z, condition) = (drawn(model.config.latent_dim, 0), drawn(model.config.static_dim, 1));
    decode(model, &z, Some(&condition))?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        decode(model, &z, Some(&condition))?;
        times.push(1000.0 * start.elapsed().as_secs_f64());
    }
    Ok(median(times).expect("five times"))
}

/// The most memory that this process had, on Linux.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok().map(|kilobytes| kilobytes / 1024.0)
}

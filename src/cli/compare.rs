//! `abr-film compare`

mod cell;

use super::{DeviceArgs, message, notice, print};
use abr_film::compare::table::{ComparisonTable, comparison, markdown};
use abr_film::compare::{CellState, MEASURES, Plan, Queue, Variant};
use abr_film::config::Config;
use abr_film::data::read::SubjectFrom;
use abr_film::error::{Error, Result};
use abr_film::files::{TEXT_BYTES, read, write_whole};
use abr_film::report::compare_page;
use cell::CellRun;
use clap::Args;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long to wait before the next look for a cell, if there was none.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub struct Compare {
    /// The configuration that the variants change [default: that of the comparison in --out]
    #[arg(long, value_name = "FILE", requires = "variants")]
    config: Option<PathBuf>,
    /// The table of recordings [default: `data.path` of the configuration, else the built-in synthetic set]
    #[arg(long, value_name = "FILE", requires = "config")]
    data: Option<String>,
    /// The variants: values of model.conditioning, each with options of FiLM (gate, mixing, encoder, rank=N, levels) or
    /// KEY=VALUE after a +, such as none,concat,film,film+gate,cross_attention
    #[arg(long, value_name = "LIST", requires = "config")]
    variants: Option<String>,
    /// Every variant with each of these values of a key, such as film.hidden_dim=8,64
    #[arg(long, value_name = "KEY=A,B", requires = "config")]
    grid: Vec<String>,
    /// Cross-validation over K folds of the subjects [default: the split of the configuration]
    #[arg(long, value_name = "subject:K", value_parser = folds, requires = "config")]
    folds: Option<usize>,
    /// Trainings of each variant and fold, from training.seed on [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000), requires = "config")]
    seeds: Option<u64>,
    /// Give all variants as many parameters as FiLM has, by the widths of the decoder (model.match_parameters)
    #[arg(long, requires = "config")]
    match_parameters: bool,
    /// Override a configuration key in all variants, such as training.num_epochs=20
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "config")]
    set: Vec<String>,
    /// The folder of the comparison; with this alone, what is not done yet is done
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Trainings at the same time, on --threads threads each (default: 1) [default: one per core; one on a GPU]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print a command for each training, for a cluster, and train nothing
    #[arg(long, conflicts_with_all = ["gather", "cell"])]
    list: bool,
    /// Make the table of whatever is done, and train nothing
    #[arg(long, conflicts_with = "cell")]
    gather: bool,
    /// Do this training alone; while another process does it, wait for its end
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    cell: Option<String>,
    /// Do not wait with --cell
    #[arg(long, hide = true)]
    no_wait: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

/// `subject:K`
fn folds(text: &str) -> std::result::Result<usize, String> {
    let folds = text.strip_prefix("subject:").and_then(|folds| folds.parse().ok()).filter(|folds| *folds >= 2);
    folds.ok_or_else(|| "expected subject:K with K from 2 up, such as subject:5".to_string())
}

impl Compare {
    pub fn run(&self) -> Result<()> {
        let plan = self.plan()?;
        let queue = Queue::open(&self.out, &plan)?;
        if let Some(name) = &self.cell {
            let wait = !self.no_wait;
            return CellRun { folder: &self.out, plan: &plan, queue: &queue, device: &self.device, wait }.run(name);
        }
        if self.list {
            return self.print_commands(&plan);
        }
        let failed = if self.gather { Vec::new() } else { self.train_all(&plan, &queue)? };
        let comparison = gather(&self.out, &plan, &queue)?;
        match self.json {
            true => print(|w| w.write_all(json(&comparison).as_bytes()))?,
            false => print(|w| write!(w, "{}\n{}", comparison.quality(), comparison.cost()))?,
        }
        message(format!("the comparison is {}", self.out.join("report.html").display()));
        let left = comparison.cells - comparison.done - failed.len();
        if left > 0 && !self.gather {
            message(format!("{left} trainings are with other processes; --gather makes the table when they are done"));
        }
        match &failed[..] {
            [] => Ok(()),
            failed => Err(Error::input(
                self.out.display(),
                "",
                format!("{} of {} trainings failed: {}", failed.len(), plan.cells.len(), failed.join(", ")),
                format!("see {}", self.out.join("logs").display()),
            )),
        }
    }

    /// The plan of the flags, which is stored, or that of the folder.
    fn plan(&self) -> Result<Plan> {
        let (Some(config), Some(variants)) = (&self.config, &self.variants) else {
            return Plan::read(&self.out);
        };
        let mut variants = Variant::list(variants)?;
        for grid in &self.grid {
            variants = Variant::grid(&variants, grid)?;
        }
        // a cell needs no checkpoints of its epochs
        let mut common = vec!["output.save_every_n_epochs=0".to_string()];
        common.extend(self.match_parameters.then(|| "model.match_parameters=true".to_string()));
        common.extend(self.set.iter().cloned());
        let loaded = Config::load(config, &self.set)?;
        loaded.model.notices().iter().for_each(notice);
        // a cell may run anywhere
        if let Some(path) = self.data.as_ref().or(loaded.data.path.as_ref()) {
            common.push(format!("data.path={}", absolute(Path::new(path))?));
        }
        if let Some(table) = loaded.data.subject_from.as_ref().filter(|table| SubjectFrom::names_a_file(table)) {
            common.push(format!("data.subject_from={}", absolute(Path::new(table))?));
        }
        let first = loaded.training.seed.unwrap_or(loaded.data.seed);
        let plan = Plan::new(variants, self.folds, (first, self.seeds.unwrap_or(1)), &common);
        plan.check(config)?;
        let text = read(config, TEXT_BYTES)?;
        let text = String::from_utf8(text)
            .map_err(|_| Error::input(config.display(), "", "is no UTF-8", "save it as UTF-8"))?;
        plan.store(&self.out, &text)?;
        Ok(plan)
    }

    fn print_commands(&self, plan: &Plan) -> Result<()> {
        let program = std::env::current_exe().map_err(Error::io("find", "this program"))?;
        let (program, out) = (quoted(&program.display().to_string()), quoted(&absolute(&self.out)?));
        let flags = self.device_flags().into_iter().map(|flag| format!(" {}", quoted(&flag))).collect::<String>();
        print(|w| {
            plan.cells
                .iter()
                .try_for_each(|cell| writeln!(w, "{program} compare --out {out} --cell {}{flags}", quoted(&cell.name)))
        })
    }

    /// The flags of a cell's process.
    fn device_flags(&self) -> Vec<String> {
        let mut flags = self.device.flags();
        if self.device.threads.is_none() {
            flags.extend(["--threads".to_string(), "1".to_string()]);
        }
        flags
    }

    /// Does what nobody does and nobody has done, in processes of their own. Returns the names of those that failed.
    fn train_all(&self, plan: &Plan, queue: &Queue) -> Result<Vec<String>> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.unwrap_or(if self.device.is_gpu() { 1 } else { cores }).max(1);
        let interrupt = super::train::Interrupt::watch()?;
        let (mut running, mut failed): (Vec<(Child, &str)>, Vec<String>) = (Vec::new(), Vec::new());
        // when to look for a cell again: listing folders is slow on a shared file system
        let mut look = Instant::now();
        loop {
            let stopped = interrupt.raised.load(std::sync::atomic::Ordering::Relaxed);
            let mut at = 0;
            while at < running.len() {
                let ended = running[at].0.try_wait().map_err(Error::io("wait for", "a training"))?;
                let Some(status) = ended else {
                    at += 1;
                    continue;
                };
                let (_, name) = running.remove(at);
                look = Instant::now();
                if !status.success() && !stopped {
                    message(format!("{name} failed: see {}", self.log(name).display()));
                    failed.push(name.to_string());
                } else if let Some(result) = queue.result(name)? {
                    let done = count_done(plan, queue)?;
                    let value = |key: &str, title| result.measures.get(key).map(|v| format!(", {title} {v:.3}"));
                    let shown = MEASURES.iter().take(2).filter_map(|measure| value(measure.key, measure.title));
                    let took = result.cost.train_s.map_or(String::new(), |s| format!(" ({s:.0} s)"));
                    message(format!("{done} of {}: {name}{}{took}", plan.cells.len(), shown.collect::<String>()));
                }
            }
            if stopped && running.is_empty() {
                message(format!("stopped; go on with: abr-film compare --out {}", self.out.display()));
                return Err(Error::Interrupted);
            }
            let busy = |name: &str| running.iter().any(|(_, own)| *own == name) || failed.iter().any(|f| f == name);
            let looks = !stopped && running.len() < jobs && Instant::now() >= look;
            let next = if looks { first_free(plan, queue, busy)? } else { None };
            match next {
                Some(name) => running.push((self.start(name)?, name)),
                None if running.is_empty() => return Ok(failed),
                None => {
                    if looks {
                        look = Instant::now() + LOOK;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.out.join("logs").join(format!("{name}.log"))
    }

    /// Starts the process of a cell.
    fn start(&self, name: &str) -> Result<Child> {
        let log = self.log(name);
        let folder = log.parent().expect("a folder");
        fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).map_err(Error::io("write", &log))?;
        let program = std::env::current_exe().map_err(Error::io("find", "this program"))?;
        let mut command = Command::new(program);
        command.args(["compare", "--no-wait", "--cell", name]).arg("--out").arg(&self.out).args(self.device_flags());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        command.spawn().map_err(Error::io("start", "a training"))
    }
}

/// The first cell that can be claimed.
fn first_free<'a>(plan: &'a Plan, queue: &Queue, busy: impl Fn(&str) -> bool) -> Result<Option<&'a str>> {
    for cell in plan.cells.iter().filter(|cell| !busy(&cell.name)) {
        if queue.is_free(&cell.name)? {
            return Ok(Some(&cell.name));
        }
    }
    Ok(None)
}

fn count_done(plan: &Plan, queue: &Queue) -> Result<usize> {
    let done = plan.cells.iter().map(|cell| Ok(usize::from(queue.state(&cell.name)? == CellState::Done)));
    done.sum()
}

/// Writes the table of what is done: `table.json`, `cost.json`, `table.md` and `report.html`.
fn gather(folder: &Path, plan: &Plan, queue: &Queue) -> Result<ComparisonTable> {
    loop {
        let results = plan.cells.iter().map(|cell| queue.result(&cell.name)).collect::<Result<Vec<_>>>()?;
        let comparison = comparison(plan, &results);
        let write = |name: &str, text: String| write_whole(&folder.join(name), |w| w.write_all(text.as_bytes()));
        write("table.json", json(&comparison))?;
        write("cost.json", format!("{:#}\n", serde_json::to_value(&comparison.costs).expect("plain data")))?;
        write("table.md", format!("{}\n{}", markdown(&comparison.quality()), markdown(&comparison.cost())))?;
        let name = folder.file_name().map_or("comparison".into(), |name| name.to_string_lossy());
        write("report.html", compare_page(&comparison, &name))?;
        // a process beside this one may have written its table, with more cells, before
        if count_done(plan, queue)? == comparison.done {
            return Ok(comparison);
        }
    }
}

fn json(comparison: &ComparisonTable) -> String {
    format!("{:#}\n", serde_json::to_value(comparison).expect("plain data"))
}

fn absolute(path: &Path) -> Result<String> {
    let path = std::path::absolute(path).map_err(Error::io("find", path))?;
    Ok(path.display().to_string())
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+=./-_@:".contains(c);
    if word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

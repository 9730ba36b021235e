//! The commands, one file each. Data goes to the named file or stdout, everything else to stderr.

mod compare;
mod data;
mod doctor;
mod eval;
mod generate;
mod info;
mod model;
mod plot;
mod progress;
mod reconstruct;
mod report;
mod source;
mod train;

use abr_film::engine::device::{self, Device};
use abr_film::error::{Error, Result};
use abr_film::files::WriteError;
use abr_film::text::{printable, short_numbers};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt::Display;
use std::io::{self, BufWriter, Write, stderr, stdout};

/// Learn to generate auditory brainstem responses: train, evaluate and sample a FiLM-conditioned variational
/// autoencoder.
#[derive(Debug, Parser)]
#[command(name = "abr-film", version, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Train a model into a run folder
    Train(train::Train),
    /// Measure a model on recordings, compared with simple methods
    Eval(eval::Eval),
    /// Generate traces for conditions, in microvolts
    Generate(generate::Generate),
    /// Encode and decode recordings, and write the reconstructions
    Reconstruct(reconstruct::Reconstruct),
    /// Draw recorded, prepared, reconstructed and generated traces by level, alone or over each other
    Plot(plot::Plot),
    /// Train variants side by side, over folds and seeds, and make a table with intervals
    Compare(compare::Compare),
    /// Say what is wrong with a training, with numbers and remedies
    Doctor(doctor::Doctor),
    /// Show a model's layers, parameters and device
    Info(info::Info),
    /// Import, inspect, prepare and simulate recordings
    #[command(subcommand)]
    Data(data::Data),
}

/// Where to compute.
#[derive(Debug, Args)]
struct DeviceArgs {
    /// Where to compute
    #[arg(long, value_enum, default_value_t = DeviceName::Auto)]
    device: DeviceName,
    /// The GPU, by words of its name (see `info`) [default: the variable ABR_FILM_ADAPTER]; a software adapter must be
    /// named
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
    /// CPU threads [default: one per core]; results do not depend on their number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeviceName {
    /// The named adapter, else a hardware GPU if there is one, else the CPU
    Auto,
    Cpu,
    Gpu,
}

impl DeviceArgs {
    /// Whether a GPU computes.
    fn is_gpu(&self) -> bool {
        match self.device {
            DeviceName::Cpu => false,
            DeviceName::Gpu => true,
            DeviceName::Auto => {
                let named =
                    self.adapter.is_some() || std::env::var_os(device::ADAPTER).is_some_and(|name| !name.is_empty());
                named || device::adapters().iter().any(|adapter| !adapter.software && adapter.problem.is_none())
            }
        }
    }

    /// The flags that choose the same.
    fn flags(&self) -> Vec<String> {
        let device = self.device.to_possible_value().expect("no value is hidden");
        let mut flags = vec!["--device".to_string(), device.get_name().to_string()];
        flags.extend(self.adapter.iter().flat_map(|name| ["--adapter".to_string(), name.clone()]));
        flags.extend(self.threads.iter().flat_map(|count| ["--threads".to_string(), count.to_string()]));
        flags
    }

    /// Runs `work` on the device.
    fn with<R: Send>(&self, work: impl FnOnce(Box<dyn Device>) -> Result<R> + Send) -> Result<R> {
        let kind = match (self.device, &self.adapter) {
            (DeviceName::Cpu, Some(_)) => {
                return Err(Error::usage("--adapter names a GPU, and --device is cpu", "leave one of them out"));
            }
            (DeviceName::Auto, _) => device::Kind::Auto,
            (DeviceName::Cpu, None) => device::Kind::Cpu,
            (DeviceName::Gpu, _) => device::Kind::Gpu,
        };
        let choice = device::Choice { kind, adapter: self.adapter.clone() };
        device::with(choice, self.threads.map(usize::from), work).map_err(with_flags)
    }
}

/// Adds the flags that help where a GPU failed.
fn with_flags(error: Error) -> Error {
    const FLAGS: &str = "--device cpu; --adapter NAME, for names see `abr-film info`; `train --resume` goes on from the \
                         last checkpoint";
    match error {
        Error::Device { device, problem, remedy } => Error::device(device, problem, format!("{remedy} ({FLAGS})")),
        other => other,
    }
}

/// Runs a command.
pub fn run(arguments: Arguments) -> Result<()> {
    match arguments.command {
        Command::Train(command) => command.run(),
        Command::Eval(command) => command.run(),
        Command::Generate(command) => command.run(),
        Command::Reconstruct(command) => command.run(),
        Command::Plot(command) => command.run(),
        Command::Compare(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Info(command) => command.run(),
        Command::Data(command) => command.run(),
    }
}

/// Prints what a command line without a command gets: help and version to stdout, a usage error to stderr. Returns the
/// exit code.
pub fn print_usage(usage: &clap::Error) -> Result<u8> {
    match usage.print().and_then(|()| stdout().flush()) {
        Err(e) if !usage.use_stderr() && e.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("write", "stdout")(e)),
        _ => Ok(usage.exit_code().try_into().expect("0 or 2")),
    }
}

/// Prints a message to stderr, safe for a terminal. A closed stderr does not stop a training.
pub fn message(text: impl Display) {
    let _ = writeln!(stderr(), "{}", printable(&short_numbers(&text.to_string())));
}

/// Prints a note.
fn notice(text: impl Display) {
    message(format!("note: {text}"));
}

/// Prints which GPU is used, if it is a GPU.
fn notice_gpu(device: &dyn Device) {
    let name = device.name();
    if !name.starts_with("CPU") {
        notice(format!("on {name}"));
    }
}

/// Prints text or JSON to stdout, safe for a terminal.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut text = Vec::new();
    write(&mut text).map_err(Error::io("write", "stdout"))?;
    print_made(|out| Ok(out.write_all(printable(&String::from_utf8_lossy(&text)).as_bytes())?))
}

/// Prints a result to stdout as it is made. A reader that closes the pipe early, as in `abr-film info … | head`, is no
/// error.
fn print_made(write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>) -> Result<()> {
    let mut out = BufWriter::new(stdout().lock());
    match write(&mut out).and_then(|()| Ok(out.flush()?)) {
        Err(WriteError::File(e)) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| error.at("stdout".as_ref())),
    }
}

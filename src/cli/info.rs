//! `abr-film info`

use super::{DeviceArgs, model, notice, print};
use abr_film::checkpoint::Checkpoint;
use abr_film::config::{Conditioning, Config};
use abr_film::engine::device::{AdapterReport, Device};
use abr_film::error::Result;
use abr_film::model::{Cvae, FilmLevel};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Info {
    /// A configuration; with --model, that of a bare weights file. Without either, only the devices are shown
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A checkpoint
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Info {
    pub fn run(&self) -> Result<()> {
        let config = self.config.as_deref().map(|path| Config::load(path, &[])).transpose()?;
        let info = match (&self.model, config) {
            (Some(path), config) => self.device.with(|device| of_file(path, config, device))?,
            (None, Some(config)) => self.device.with(|device| {
                config.model.notices().iter().for_each(notice);
                let film = config.film.with_inputs(&config.input_columns());
                let mut model = Cvae::new(&config.model, &film, 0, device)?;
                describe(&config, &mut model)
            })?,
            (None, None) => {
                let device = self.device.with(|device| Ok(device.name()));
                // print the list of devices even if the chosen one fails: it shows which device works
                self.show(&machine(device.as_ref().ok()))?;
                return device.map(drop);
            }
        };
        self.show(&info)
    }

    fn show(&self, info: &Value) -> Result<()> {
        let info = if self.json { format!("{info:#}\n") } else { text(info) };
        print(|w| w.write_all(info.as_bytes()))
    }
}

fn of_file(path: &Path, config: Option<Config>, device: Box<dyn Device>) -> Result<Value> {
    let (trained, mut model, notices) = Checkpoint::open(&model::file(path), config, device)?;
    notices.iter().for_each(notice);
    let mut info = describe(&trained.config, &mut model)?;
    if !trained.is_bare() {
        info["epoch"] = json!(trained.epoch);
        info["sample_rate_hz"] = json!(trained.data.sample_rate_hz);
        info["t0_ms"] = json!(trained.data.t0_ms);
    }
    Ok(info)
}

/// The chosen device, if it works, and all adapters.
fn machine(device: Option<&String>) -> Value {
    json!({
        "device": device,
        "cpu_features": abr_film::engine::device::cpu_features(),
        "adapters": abr_film::engine::device::adapters().into_iter().map(adapter).collect::<Vec<_>>(),
    })
}

fn adapter(report: AdapterReport) -> Value {
    json!({
        "name": report.name,
        "driver": report.driver,
        "software": report.software,
        "storage_buffers": report.storage_buffers,
        "workgroup_memory": report.workgroup_memory,
        "invocations": report.invocations,
        "largest_binding": report.largest_binding,
        "problem": report.problem,
    })
}

fn describe(config: &Config, model: &mut Cvae) -> Result<Value> {
    let film = model.parameters().iter().filter(|(p, _)| FilmLevel::of(&p.name).is_some());
    let film: usize = film.map(|(p, _)| p.len()).sum();
    let total = model.parameters().count();
    let decoder = match config.model.conditioned_by() {
        Conditioning::Film => "joint, FiLM",
        Conditioning::None => "joint, plain",
        Conditioning::Concat => "joint, concat",
        Conditioning::CrossAttention => "joint, cross-attention",
        Conditioning::LegacyConcat => "legacy, concat",
    };
    let layers: Vec<Value> = model
        .parameters()
        .iter()
        .filter(|(p, _)| p.requires_grad)
        .map(|(p, _)| json!({"name": p.name, "shape": p.shape, "parameters": p.len()}))
        .collect();
    let mut info = machine(Some(&model.tape().device_name()));
    info["description"] = json!(config.film.description);
    info["decoder"] = json!(decoder);
    info["parameters"] = json!(total);
    info["film_parameters"] = json!(film);
    info["film_share"] = json!(film as f64 / total as f64);
    info["signal_length"] = json!(config.model.signal_length);
    info["static_columns"] = config.data.static_columns.iter().map(|c| c.name()).collect();
    info["latent_dim"] = json!(config.model.latent_dim);
    info["layers"] = json!(layers);
    Ok(info)
}

fn field(info: &Value, name: &str) -> String {
    match &info[name] {
        Value::String(s) => s.clone(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn text(info: &Value) -> String {
    let mut out = String::new();
    if info["layers"].is_array() {
        out += &text_of_model(info);
    }
    if let Some(device) = info["device"].as_str() {
        let features = field(info, "cpu_features");
        let features = if device.starts_with("CPU") { format!(" ({features})") } else { String::new() };
        out += &format!("device       {device}{features}\n");
    }
    let adapters = info["adapters"].as_array().map(Vec::as_slice).unwrap_or_default();
    adapters.iter().for_each(|adapter| out += &format!("adapter      {}\n", one_adapter(adapter)));
    if adapters.is_empty() {
        out += &format!("adapter      none: {}\n", abr_film::engine::device::NO_ADAPTER);
    }
    let number = |name: &str| info[name].as_f64();
    if let (Some(epoch), Some(rate), Some(t0)) = (number("epoch"), number("sample_rate_hz"), number("t0_ms")) {
        out += &format!("trained      {epoch} epochs, at {rate} Hz from {t0} ms\n");
    }
    out
}

fn text_of_model(info: &Value) -> String {
    let field = |name: &str| field(info, name);
    let mut out = String::new();
    if !field("description").is_empty() {
        out += &format!("{}\n", field("description"));
    }
    for layer in info["layers"].as_array().into_iter().flatten() {
        let (name, shape) = (layer["name"].as_str().unwrap_or(""), layer["shape"].to_string());
        out += &format!("{name:<44} {shape:>12} {:>10}\n", layer["parameters"].to_string());
    }
    let share = 100.0 * info["film_share"].as_f64().unwrap_or(0.0);
    out += &format!("decoder      {}\n", field("decoder"));
    out += &format!("parameters   {} ({} of FiLM, {share:.1} %)\n", field("parameters"), field("film_parameters"));
    out += &format!("signal       {} samples, latent {}\n", field("signal_length"), field("latent_dim"));
    out += &format!("condition    {}\n", field("static_columns"));
    out
}

/// `NVIDIA H200, Vulkan (driver): usable; tensors up to 2047 MiB, …`
fn one_adapter(adapter: &Value) -> String {
    let text = |name: &str| adapter[name].as_str().unwrap_or_default().to_string();
    let number = |name: &str| adapter[name].as_u64().unwrap_or_default();
    let state = match (adapter["problem"].as_str(), adapter["software"] == true) {
        (Some(problem), _) => format!("cannot be used: {problem}"),
        (None, true) => "software, used only if --adapter names it".to_string(),
        (None, false) => "usable".to_string(),
    };
    let limits = format!(
        "tensors up to {} MiB, workgroups of {} threads and {} KiB, {} buffers per shader",
        number("largest_binding") >> 20,
        number("invocations"),
        number("workgroup_memory") >> 10,
        number("storage_buffers"),
    );
    format!("{} ({}): {state}; {limits}", text("name"), text("driver"))
}

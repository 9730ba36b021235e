//! How well models hold for listeners never seen, by how many they were trained on: `cargo bench --bench listeners`.
//!
//! Level series of the built-in listeners, whose noise-free traces are known: 200 recordings of each who trains, 15 of each of
//! 100 others who test, over several draws of the listeners. Prints a table in Markdown; see docs/results.md.

use abr_film::checkpoint::Trained;
use abr_film::config::Config;
use abr_film::data::{Dataset, load};
use abr_film::device::{Kind, with};
use abr_film::error::Result;
use abr_film::eval::{Part, Report, evaluate};
use abr_film::train::{Outcome, Trainer};
use clap::Parser;
use std::ops::ControlFlow;

const TEST_LISTENERS: usize = 100;
const TEST_ROWS: usize = 15;
const TRAIN_ROWS: usize = 200;

/// What is compared: the decoder, and the keys that make it.
const DECODERS: [(&str, &[&str]); 3] = [
    ("film", &[]),
    ("plain", &["model.use_film=false"]),
    ("concat", &["model.use_film=false", "model.joint_generation=false", "model.concat_dropout=[0.1,0.1,0.1]"]),
];

#[derive(Parser)]
struct Arguments {
    /// How many train
    #[arg(long, value_delimiter = ',', default_values_t = [2, 5, 10, 50])]
    listeners: Vec<usize>,
    /// Draws of the listeners, each with a seed of its own
    #[arg(long, default_value_t = 5)]
    draws: u64,
    /// The model and its training
    #[arg(long, default_value = "configs/listeners.json")]
    config: String,
    /// Keys that replace the configuration's
    #[arg(long)]
    set: Vec<String>,
    /// film, plain, concat
    #[arg(long, value_delimiter = ',', default_values_t = DECODERS.map(|(name, _)| name.to_string()))]
    decoders: Vec<String>,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    println!("| listeners | decoder | reconstruction | generated mean | spread |");
    println!("| --- | --- | --- | --- | --- |");
    for &listeners in &arguments.listeners {
        let mut baselines: Vec<Report> = Vec::new();
        for (name, keys) in DECODERS.iter().filter(|(name, _)| arguments.decoders.iter().any(|d| d == name)) {
            let reports: Vec<Report> =
                (0..arguments.draws).map(|draw| run(&arguments, keys, listeners, draw)).collect::<Result<_>>()?;
            let of = |value: &dyn Fn(&Report) -> Option<f64>| mean_and_deviation(reports.iter().map(value));
            println!(
                "| {listeners} | {name} | {} | {} | {} |",
                of(&|r| r.model.truth_explained_variance),
                of(&|r| r.generated.as_ref()?.mean_explained_variance),
                of(&|r| r.generated.as_ref()?.spread),
            );
            baselines = reports;
        }
        for (name, value) in BASELINES {
            println!("| {listeners} | {name} | {} | | |", mean_and_deviation(baselines.iter().map(value)));
        }
    }
    Ok(())
}

type Value = fn(&Report) -> Option<f64>;

const BASELINES: [(&str, Value); 4] = [
    ("linear mixed model", |r| r.baselines.as_ref()?.mixed_model.as_ref()?.errors.truth_explained_variance),
    ("PCA", |r| r.baselines.as_ref()?.pca.truth_explained_variance),
    ("curve of level", |r| r.baselines.as_ref()?.curve.truth_explained_variance),
    ("the recording itself", |r| r.recording.as_ref()?.truth_explained_variance),
];

fn mean_and_deviation(values: impl Iterator<Item = Option<f64>>) -> String {
    let values: Vec<f64> = values.flatten().collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    format!("{mean:.3} ± {:.3}", variance.sqrt())
}

/// Trains on some listeners, and measures on others.
fn run(arguments: &Arguments, keys: &[&str], listeners: usize, draw: u64) -> Result<Report> {
    let mut overrides = arguments.set.clone();
    overrides.extend(keys.iter().map(|key| key.to_string()));
    let mut config = Config::load(arguments.config.as_ref(), &overrides)?;
    config.training.seed = Some(draw + 1);
    let mut others = config.data.clone();
    (config.data.synth.subjects, config.data.synth.rows_per_subject) = (listeners, TRAIN_ROWS);
    (others.synth.subjects, others.synth.rows_per_subject) = (TEST_LISTENERS, TEST_ROWS);
    (config.data.seed, others.seed) = (1000 + draw, 9000 + draw);
    let length = config.model.signal_length;
    let (train, _) = load(&config.data, length, |_, _| {})?;
    let (mut test, _) = load(&others, length, |_, _| {})?;
    test.source = "other listeners".into();
    with(Kind::Cpu, Some(arguments.threads), |device| {
        let (mut trainer, _) = Trainer::new(&config, &train, device)?;
        while !trainer.finished() {
            let outcome = trainer.epoch(|_| ControlFlow::Continue(()))?;
            assert!(matches!(outcome, Outcome::Done(_)));
        }
        measure(&mut trainer, &test)
    })
}

fn measure(trainer: &mut Trainer, test: &Dataset) -> Result<Report> {
    trainer.restore_best()?;
    let trained: Trained = trainer.best().expect("an epoch").trained.expect("facts");
    evaluate(&trained, trainer.model(), test, Part::All)
}

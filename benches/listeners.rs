//! How well models generalise to unseen listeners, by the number of listeners in training: `cargo bench --bench
//! listeners`.
//!
//! Level series of the built-in listeners, whose noise-free traces are known: 200 recordings per training listener, 15
//! of each of 100 other listeners for the test, over several draws of the listeners. Prints a table in Markdown; see
//! docs/results.md.

use abr_film::checkpoint::TrainedModel;
use abr_film::config::Config;
use abr_film::data::{Dataset, Values, load};
use abr_film::engine::device::{Kind, with};
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::error::Result;
use abr_film::eval::measures::{Classifier, Sample, two_sample};
use abr_film::eval::sides::{EVALUATED, Sides, TRAINING};
use abr_film::eval::{Aucs, Calibration, EvalSplit, LikenessMeasures, Report, evaluate};
use abr_film::train::{Outcome, Trainer};
use clap::Parser;
use ndarray::Axis;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

const TEST_LISTENERS: usize = 100;
const TEST_ROWS: usize = 15;
const TRAIN_ROWS: usize = 200;

/// A model to train: a decoder with its configuration keys, or a control that the measures must detect.
struct Trial {
    name: &'static str,
    keys: &'static [&'static str],
    /// Whether the levels of the training rows are shuffled.
    shuffled: bool,
}

const TRIALS: [Trial; 5] = [
    Trial { name: "film", keys: &[], shuffled: false },
    Trial { name: "plain", keys: &["model.conditioning=none"], shuffled: false },
    Trial {
        name: "concat",
        keys: &["model.conditioning=legacy_concat", "model.concat_dropout=[0.1,0.1,0.1]"],
        shuffled: false,
    },
    Trial {
        name: "collapsed",
        keys: &["training.likelihood=mse", "training.kl_weight=100", "model.prior=standard"],
        shuffled: false,
    },
    Trial { name: "shuffled", keys: &[], shuffled: true },
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
    /// film, plain, concat; and two controls: collapsed (kl_weight 100), shuffled (levels of other rows)
    #[arg(long, value_delimiter = ',', default_values_t = ["film", "plain", "concat"].map(String::from))]
    decoders: Vec<String>,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let headings = COLUMNS.map(|column| column.heading);
    println!("| listeners | | {} |", headings.join(" | "));
    println!("| --- | --- |{}", " --- |".repeat(headings.len()));
    for &listeners in &arguments.listeners {
        let (mut first, mut about_mean): (Vec<Report>, Vec<Aucs<f64>>) = (Vec::new(), Vec::new());
        for trial in TRIALS.iter().filter(|trial| arguments.decoders.iter().any(|name| name == trial.name)) {
            let draws = 0..arguments.draws;
            let runs = draws.map(|draw| run(&arguments, trial, listeners, draw)).collect::<Result<Vec<_>>>()?;
            let (reports, aucs): (Vec<Report>, Vec<Aucs<f64>>) = runs.into_iter().unzip();
            print_row(listeners, trial.name, COLUMNS.map(|column| column.model), &reports);
            for warning in reports.iter().flat_map(|report| &report.warnings) {
                eprintln!("{listeners} {}: {warning}", trial.name);
            }
            // baselines are the same for each trial, except for a control with other training rows
            if first.is_empty() {
                (first, about_mean) = (reports, aucs);
            }
        }
        print_row(listeners, "linear mixed model", COLUMNS.map(|column| column.mixed_model), &first);
        let alone = |value: Value| std::array::from_fn(|i| if i == 0 { value } else { NOTHING });
        print_row(listeners, "PCA", alone(|r| r.baselines.as_ref()?.pca.truth_explained_variance), &first);
        print_row(listeners, "the recording itself", alone(|r| r.recording.as_ref()?.truth_explained_variance), &first);
        let curve: Value = |r| r.baselines.as_ref()?.curve.truth_explained_variance;
        print_row(listeners, "curve of level", std::array::from_fn(|i| if i < 2 { curve } else { NOTHING }), &first);
        let halves: [Value; COLUMNS.len()] = std::array::from_fn(|i| match COLUMNS[i].heading {
            "AUC, logistic" => |r: &Report| Some(r.likeness.as_ref()?.real_halves?.logistic),
            "AUC, neighbours" => |r: &Report| Some(r.likeness.as_ref()?.real_halves?.neighbours),
            _ => NOTHING,
        });
        print_row(listeners, "real against real", halves, &first);
        let cells = COLUMNS.map(|column| match column.heading {
            "AUC, logistic" => mean_and_deviation(about_mean.iter().map(|aucs| Some(aucs.logistic))),
            "AUC, neighbours" => mean_and_deviation(about_mean.iter().map(|aucs| Some(aucs.neighbours))),
            _ => String::new(),
        });
        println!("| {listeners} | real about the mean of these | {} |", cells.join(" | "));
    }
    Ok(())
}

type Value = fn(&Report) -> Option<f64>;

const NOTHING: Value = |_| None;

/// A measure, of the model and of the linear mixed model.
struct Column {
    heading: &'static str,
    model: Value,
    mixed_model: Value,
}

const COLUMNS: [Column; 10] = [
    Column {
        heading: "reconstruction",
        model: |r| r.model.truth_explained_variance,
        mixed_model: |r| r.baselines.as_ref()?.mixed_model.as_ref()?.errors.truth_explained_variance,
    },
    Column {
        heading: "generated mean",
        model: |r| Some(r.generated.as_ref()?.mean_explained_variance?.value),
        mixed_model: NOTHING,
    },
    Column { heading: "spread", model: |r| Some(r.generated.as_ref()?.spread?.value), mixed_model: NOTHING },
    Column {
        heading: "inside 80 %",
        model: |r| inside(&r.generated.as_ref()?.model),
        mixed_model: |r| inside(mixed(r)?),
    },
    Column {
        heading: "energy score, µV",
        model: |r| energy(&r.generated.as_ref()?.model),
        mixed_model: |r| energy(mixed(r)?),
    },
    Column {
        heading: "Fréchet / floor",
        model: |r| frechet(&r.likeness.as_ref()?.model),
        mixed_model: |r| frechet(beside(r)?),
    },
    Column {
        heading: "AUC, logistic",
        model: |r| Some(r.likeness.as_ref()?.model.auc.logistic.value),
        mixed_model: |r| Some(beside(r)?.auc.logistic.value),
    },
    Column {
        heading: "AUC, neighbours",
        model: |r| Some(r.likeness.as_ref()?.model.auc.neighbours.value),
        mixed_model: |r| Some(beside(r)?.auc.neighbours.value),
    },
    Column {
        heading: "level read, r",
        model: |r| Some(r.level_probe.as_ref()?.generated.r.value),
        mixed_model: NOTHING,
    },
    Column {
        heading: "latency slope / real",
        model: |r| Some(r.wave_errors.as_ref()?.levels.as_ref()?.latency_slope_ratio.value),
        mixed_model: NOTHING,
    },
];

fn mixed(report: &Report) -> Option<&Calibration> {
    report.generated.as_ref()?.mixed_model.as_ref()
}

fn beside(report: &Report) -> Option<&LikenessMeasures> {
    report.likeness.as_ref()?.mixed_model.as_ref()
}

fn inside(calibration: &Calibration) -> Option<f64> {
    Some(calibration.inside[1].value)
}

fn energy(calibration: &Calibration) -> Option<f64> {
    Some(calibration.energy_score_uv.value)
}

fn frechet(beside: &LikenessMeasures) -> Option<f64> {
    Some(beside.frechet_over_floor?.value)
}

fn print_row(listeners: usize, name: &str, values: [Value; COLUMNS.len()], reports: &[Report]) {
    let cells = values.map(|value| mean_and_deviation(reports.iter().map(value)));
    println!("| {listeners} | {name} | {} |", cells.join(" | "));
}

fn mean_and_deviation(values: impl Iterator<Item = Option<f64>>) -> String {
    let values: Vec<f64> = values.flatten().collect();
    if values.is_empty() {
        return String::new();
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    format!("{mean:.3} ± {:.3}", variance.sqrt())
}

/// Trains on some listeners, and measures on others.
fn run(arguments: &Arguments, trial: &Trial, listeners: usize, draw: u64) -> Result<(Report, Aucs<f64>)> {
    let mut overrides = arguments.set.clone();
    overrides.extend(trial.keys.iter().map(|key| key.to_string()));
    let mut config = Config::load(arguments.config.as_ref(), &overrides)?;
    config.training.seed = Some(draw + 1);
    let mut others = config.data.clone();
    (config.data.synth.subjects, config.data.synth.rows_per_subject) = (listeners, TRAIN_ROWS);
    (others.synth.subjects, others.synth.rows_per_subject) = (TEST_LISTENERS, TEST_ROWS);
    (config.data.seed, others.seed) = (1000 + draw, 9000 + draw);
    let length = config.model.signal_length;
    let (mut train, _) = load(&config.data, length, |_, _| {})?;
    if trial.shuffled {
        shuffle_levels(&mut train, draw);
    }
    let (mut test, _) = load(&others, length, |_, _| {})?;
    test.source = "other listeners".into();
    others.seed = 19_000 + draw;
    let (more, _) = load(&others, length, |_, _| {})?;
    with(Kind::Cpu, Some(arguments.threads), |device| {
        let (mut trainer, _) = Trainer::new(&config, &train, device)?;
        while !trainer.finished() {
            let outcome = trainer.epoch(|_| ControlFlow::Continue(()))?;
            assert!(matches!(outcome, Outcome::Done(_)));
        }
        measure(&mut trainer, &test, &train, more)
    })
}

fn shuffle_levels(data: &mut Dataset, seed: u64) {
    let Values::Number(levels) = &mut data.conditions[0].values else { unreachable!("levels are numbers") };
    Stream::new(seed, Purpose::TEST, 0).rng(0).shuffle(levels);
}

fn measure(trainer: &mut Trainer, test: &Dataset, training: &Dataset, more: Dataset) -> Result<(Report, Aucs<f64>)> {
    trainer.restore_best()?;
    let trained: TrainedModel = trainer.best().expect("an epoch").trained.expect("facts");
    let report = evaluate(&trained, trainer.model(), test, EvalSplit::All, Some(training))?;
    Ok((report, about_training_mean(&trained, test, more)?))
}

/// How well the classifiers separate test listeners from others whose mean at each level is moved to the training
/// listeners' curve: the effect of a mean of few listeners, which differs from that of all, where each trace is right.
fn about_training_mean(trained: &TrainedModel, test: &Dataset, mut more: Dataset) -> Result<Aucs<f64>> {
    let curve = sides(trained, &more, EVALUATED)?.curve;
    let Values::Number(levels) = &more.conditions[0].values else { unreachable!("levels are numbers") };
    let truth = &mut more.ground_truth.as_mut().expect("a simulation").signals;
    let mut at_level: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    levels.iter().enumerate().for_each(|(row, level)| at_level.entry(level.to_bits()).or_default().push(row));
    for rows in at_level.values() {
        let mean = truth.select(Axis(0), rows).mapv(f64::from).mean_axis(Axis(0)).expect("a row");
        rows.iter()
            .for_each(|&row| truth.row_mut(row).zip_mut_with(&(&curve.row(row) - &mean), |v, d| *v += *d as f32));
    }
    let (real, moved) = (sides(trained, test, EVALUATED)?, sides(trained, &more, TRAINING)?);
    let points = [&real, &moved].map(|sides| sides.scores(sides.real.view()));
    let [a, b] = [(&points[0], &real), (&points[1], &moved)]
        .map(|(points, sides)| Sample { points: points.view(), subjects: &sides.subjects });
    let auc = |classifier| two_sample(a, b, classifier, 1).auc(None, None);
    Ok(Aucs { logistic: auc(Classifier::Logistic), neighbours: auc(Classifier::Neighbours) })
}

fn sides<'a>(trained: &'a TrainedModel, data: &'a Dataset, seed: u64) -> Result<Sides<'a>> {
    let rows: Vec<usize> = (0..TEST_LISTENERS * TEST_ROWS).collect();
    Ok(Sides::new(trained, data, &rows, seed)?.expect("baselines"))
}

//! Opens 500 checkpoints that somebody made to do harm, each with the right SHA-256. What cannot be right is refused.
//! What is opened generates finite traces or fails with an error: no panic, and no memory beyond the file's size and
//! 64 MiB, and no file takes long. The allocator counts the bytes alive.

#![cfg(feature = "abr")]

use abr_film::checkpoint::Checkpoint;
use abr_film::config::Config;
use abr_film::data::load;
use abr_film::engine::device::Cpu;
use abr_film::engine::rng::{Purpose, Rng, Stream};
use abr_film::error::Result;
use abr_film::generate::{Request, generate};
use abr_film::train::{Outcome, Trainer};
use common::allocation::CountingAllocator;
use common::checkpoint_file::{CheckpointFile, RawTensor};
use safetensors::Dtype;
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicIsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The most memory beyond the size of the file.
const MOST_BYTES: isize = 64 << 20;

static ALIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);
/// Held alone by a test that makes large files: the bytes of all tests count as one sum.
static LARGE: RwLock<()> = RwLock::new(());

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator {
    allocated: |layout| {
        let alive = ALIVE.fetch_add(layout.size() as isize, Relaxed) + layout.size() as isize;
        PEAK.fetch_max(alive, Relaxed);
    },
    freed: |layout| _ = ALIVE.fetch_sub(layout.size() as isize, Relaxed),
};

/// A checkpoint with all that a file can have.
fn valid() -> CheckpointFile {
    let overrides = [
        "model.prior=aggregated",
        "model.residual=gaussian",
        "model.predict_peaks=true",
        "training.num_epochs=1",
        // each cell twice, so that the noise is known
        "data.synth.design=series",
        "data.synth.rows_per_subject=26",
        "data.impute_statics=[\"age_years\"]",
        "data.static_columns=[\"level_db\",\"age_years\"]",
        "model.static_dim=3",
    ];
    after_an_epoch(include_str!("../configs/smoke.json"), &overrides)
}

/// The checkpoint of one epoch.
fn after_an_epoch(config: &str, overrides: &[&str]) -> CheckpointFile {
    let overrides: Vec<String> = overrides.iter().map(|set| set.to_string()).collect();
    let config = Config::from_json("config.json", config, &overrides).unwrap();
    let dataset = load(&config.data, config.model.signal_length, |_, _| {}).unwrap().0;
    let mut trainer = Trainer::new(&config, &dataset, Box::new(Cpu::<f32>::new())).unwrap().0;
    assert!(matches!(trainer.epoch(|_| ControlFlow::Continue(())).unwrap(), Outcome::Done(_)));
    let file = tempfile::NamedTempFile::new().unwrap();
    trainer.checkpoint().unwrap().save(file.path()).unwrap();
    CheckpointFile::read(&std::fs::read(file.path()).unwrap())
}

const TINY: &str = r#"{
  "model": {"signal_length": 8, "static_dim": 1, "latent_dim": 2, "encoder_dims": [4], "encoder_dropout": [0.1],
            "decoder_dims": [4], "signal_head_dim": 4, "static_head_dims": [4]},
  "film": {"hidden_dim": 2},
  "training": {"batch_size": 4, "num_epochs": 1},
  "data": {"static_columns": ["level_db"], "synth": {"subjects": 6, "rows_per_subject": 4}}
}"#;

/// Opens a file, and draws traces from it.
fn use_file(path: &Path) -> Result<()> {
    let (trained, mut model, _) = Checkpoint::open(path, None, Box::new(Cpu::<f32>::new()))?;
    let request = Request { conditions: Some(vec![vec![]]), count: 2, series: false, seed: 1, averages: Some(500.0) };
    let made = generate(&trained, &mut model, &request)?;
    assert!(made.signals.iter().all(|value| value.is_finite()), "traces that are not finite");
    Ok(())
}

/// The outcome of a file: the error's message, or nothing. Checks panics, memory and that the error names the file.
fn outcome(what: &str, file: &[u8]) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.safetensors");
    std::fs::write(&path, file).unwrap();
    let before = ALIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let start = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| use_file(&path)));
    let (peak, time) = (PEAK.load(Relaxed) - before, start.elapsed());
    let result = result.unwrap_or_else(|_| panic!("{what}: a panic"));
    assert!(peak <= file.len() as isize + MOST_BYTES, "{what}: {peak} bytes for a file of {}", file.len());
    // no file may take above 1 s; twice that, because the machine may be busy with other tests
    assert!(time < Duration::from_secs(2), "{what}: {time:?}");
    result.err().map(|error| error.to_string())
}

/// A change that no reader may accept, by name.
type Change = (&'static str, fn(&mut CheckpointFile, &mut Rng));

fn pick<'a, T>(rng: &mut Rng, list: &'a [T]) -> &'a T {
    &list[rng.below(list.len() as u32) as usize]
}

/// A random weight of the model.
fn weight(file: &CheckpointFile, rng: &mut Rng) -> String {
    let needed = |name: &&String| {
        let optional = ["prior.subject", "prior.variation", "prior.residual_share"].contains(&name.as_str());
        !name.ends_with("num_batches_tracked") && !name.starts_with("train.") && !optional
    };
    let names: Vec<&String> = file.tensors.keys().filter(needed).collect();
    pick(rng, &names).to_string()
}

fn trained<'a>(file: &'a mut CheckpointFile, pointer: &str) -> &'a mut Value {
    let path = format!("/trained{pointer}");
    file.metadata.pointer_mut(&path).unwrap_or_else(|| panic!("{path} is not in the metadata"))
}

const CHANGES: &[Change] = &[
    ("a weight that is not finite", |file, rng| {
        let name = weight(file, rng);
        let bytes = &mut file.tensors.get_mut(&name).unwrap().bytes;
        let at = 4 * rng.below(bytes.len() as u32 / 4) as usize;
        let value = pick(rng, &[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }),
    ("a missing weight", |file, rng| {
        let name = weight(file, rng);
        file.tensors.remove(&name);
    }),
    ("another shape", |file, rng| {
        let name = weight(file, rng);
        let tensor = file.tensors.get_mut(&name).unwrap();
        tensor.shape.insert(0, 1);
    }),
    ("a row too few", |file, rng| {
        let name = weight(file, rng);
        let tensor = file.tensors.get_mut(&name).unwrap();
        let row = tensor.bytes.len() / tensor.shape[0];
        tensor.shape[0] -= 1;
        tensor.bytes.truncate(row * tensor.shape[0]);
    }),
    ("another type", |file, rng| {
        let name = weight(file, rng);
        file.tensors.get_mut(&name).unwrap().dtype = *pick(rng, &[Dtype::I32, Dtype::U32]);
    }),
    ("a size", |file, rng| {
        let keys = ["signal_length", "static_dim", "latent_dim", "signal_head_dim", "encoder_dims/0", "decoder_dims/0"];
        let key = pick(rng, &keys);
        let value = trained(file, &format!("/config/model/{key}"));
        let sizes =
            [json!(65_536), json!(0), json!(value.as_u64().unwrap() + 1), json!(1e18 as u64), json!(-1), json!("x")];
        *value = pick(rng, &sizes).clone();
    }),
    ("a thousand layers", |file, rng| {
        let key = pick(rng, &["encoder_dims", "decoder_dims", "static_head_dims"]);
        *trained(file, &format!("/config/model/{key}")) = vec![65_536; 1000].into();
        *trained(file, "/config/model/encoder_dropout") = vec![0.0; 1000].into();
    }),
    ("a scaler of traces", |file, rng| {
        let key = pick(rng, &["mean", "std"]);
        let values = [json!(1e308), json!(-1e308), json!(null), json!("1")];
        *trained(file, &format!("/scalers/signal/moments/{key}")) = pick(rng, &values).clone();
    }),
    ("a deviation", |file, rng| {
        let places = ["/scalers/signal/moments/std", "/scalers/statics/0/code/standard/std", "/scalers/peaks/0/std"];
        let values = [json!(0.0), json!(-1.0), json!(1e-308), json!(1e308)];
        let place = *pick(rng, &places);
        *trained(file, place) = pick(rng, &values).clone();
    }),
    ("a column", |file, rng| match rng.below(3) {
        0 => *trained(file, "/scalers/statics/1/name") = "other".into(),
        1 => *trained(file, "/data/train_statics/1/name") = "other".into(),
        _ => _ = trained(file, "/data/train_statics").as_array_mut().unwrap().pop(),
    }),
    ("the time axis", |file, rng| {
        let (key, values) = match rng.below(2) {
            0 => ("sample_rate_hz", [json!(0.0), json!(-1.0), json!(1e300), json!(null)]),
            _ => ("t0_ms", [json!(1e300), json!(-1e300), json!("x"), json!(null)]),
        };
        *trained(file, &format!("/data/{key}")) = pick(rng, &values).clone();
    }),
    ("the shape of a baseline", |file, rng| {
        let places = ["curve/weights", "pca/components", "mixed_model/between/factors", "mixed_model/noise/factors"];
        let place = format!("/baselines/{}", pick(rng, &places));
        match rng.below(3) {
            0 => *trained(file, &format!("{place}/rows")) = json!(u64::MAX),
            1 => *trained(file, &format!("{place}/values/0")) = json!(1e39),
            _ => {
                *trained(file, &format!("{place}/rows")) = json!(0);
                *trained(file, &format!("{place}/values")) = json!([]);
            }
        }
    }),
    ("a number of a baseline", |file, rng| {
        let changes = [
            ("/baselines/rank", json!(-1)),
            ("/baselines/pca/mean", json!([0.0])),
            ("/baselines/pca/variances/0", json!(1e39)),
            ("/baselines/mixed_model/noise/rest", json!(-1.0)),
            ("/baselines/mixed_model/typical_averages", json!(0.0)),
            ("/baselines/curve/inputs/0/powers", json!(u64::MAX)),
            ("/baselines/curve/inputs/0/lowest", json!(null)),
        ];
        let (place, value) = pick(rng, &changes).clone();
        *trained(file, place) = value;
    }),
    ("conditions of training rows", |file, rng| {
        let tensor = file.tensors.get_mut("train.statics.0").unwrap();
        match rng.below(3) {
            0 => tensor.dtype = Dtype::I64,
            1 => {
                tensor.shape[0] -= 1;
                tensor.bytes.truncate(8 * tensor.shape[0]);
            }
            _ => tensor.bytes[..8].copy_from_slice(&f64::INFINITY.to_le_bytes()),
        }
    }),
    ("sketches", |file, rng| {
        let tensor = file.tensors.get_mut("train.sketches").unwrap();
        match rng.below(2) {
            0 => tensor.dtype = Dtype::F32,
            _ => {
                tensor.shape = vec![1];
                tensor.bytes.truncate(4);
            }
        }
    }),
    ("posteriors", |file, rng| {
        let (name, values) = match rng.below(3) {
            0 => ("prior.subject", [-1.0, 1e9]),
            1 => ("prior.variation", [-1.0, 1e9]),
            _ => ("prior.residual_share", [-1.0, f32::MAX]),
        };
        let value = *pick(rng, &values);
        file.tensors.get_mut(name).unwrap().bytes[..4].copy_from_slice(&value.to_le_bytes());
    }),
    ("a key that nobody knows", |file, _| *trained(file, "/config") = json!({"unknown": 1})),
    ("no configuration", |file, _| _ = file.metadata["trained"].as_object_mut().unwrap().remove("config")),
];

#[test]
fn what_cannot_be_right_is_refused() {
    let _shared = LARGE.read();
    let valid = valid();
    assert_eq!(outcome("the file itself", &valid.to_bytes()), None);
    assert_eq!(outcome("the file itself, as version 1", &valid.to_bytes_of_version_1()), None);
    for i in 0..300 {
        let (what, change) = CHANGES[i % CHANGES.len()];
        let mut rng = Stream::new(7, Purpose::TEST, i as u32).rng(0);
        let mut file = valid.clone();
        change(&mut file, &mut rng);
        // a right hash, and none
        let bytes = if i % 3 == 0 { file.to_bytes_of_version_1() } else { file.to_bytes() };
        let message = outcome(&format!("{what} ({i})"), &bytes).unwrap_or_else(|| panic!("{what} ({i}) is accepted"));
        assert!(message.contains("hostile.safetensors") && message.contains("help: "), "{what} ({i}): {message}");
    }
}

/// The file with this many text columns in place of its own, in the configuration and the scalers too. All of the
/// 260,000 rows have one category of 1000 bytes.
fn with_long_categories(file: &CheckpointFile, columns: usize) -> CheckpointFile {
    const ROWS: usize = 260_000;
    let mut file = file.clone();
    let category = "x".repeat(1000);
    let name = |i: usize| if i == 0 { "level_db".to_string() } else { format!("column {i}") };
    let list = |of: &dyn Fn(String) -> Value| Value::Array((0..columns).map(|i| of(name(i))).collect());
    *trained(&mut file, "/config/data/static_columns") = list(&|name| json!({"name": name, "encoding": "one_hot"}));
    *trained(&mut file, "/scalers/statics") = list(&|name| json!({"name": name, "code": {"one_hot": [category]}}));
    *trained(&mut file, "/data/train_statics") = list(&|name| json!({"name": name, "values": [category]}));
    *trained(&mut file, "/config/data/impute_statics") = json!([]);
    file.tensors.retain(|name, _| !name.starts_with("train.statics."));
    for i in 0..columns {
        let indices = RawTensor { dtype: Dtype::I32, shape: vec![ROWS], bytes: vec![0; 4 * ROWS] };
        file.tensors.insert(format!("train.statics.{i}"), indices);
    }
    file
}

/// A small file must not become large in memory, or take long.
#[test]
fn training_rows_that_expand_are_refused() {
    let _alone = LARGE.write();
    let tiny = after_an_epoch(TINY, &[]);
    for columns in [1, 7] {
        let what = format!("{columns} columns of long categories");
        let message = outcome(&what, &with_long_categories(&tiny, columns).to_bytes()).expect("an error");
        assert!(message.contains("the categories take too much memory"), "{what}: {message}");
    }

    let mut text = tiny.clone();
    trained(&mut text, "/data/train_statics/0")["values"] = json!(["x"]);
    let tensor = text.tensors.get_mut("train.statics.0").unwrap();
    let rows = tensor.shape[0];
    *tensor = RawTensor { dtype: Dtype::I32, shape: vec![rows], bytes: vec![0; 4 * rows] };
    let message = outcome("text for numbers", &text.to_bytes()).expect("an error");
    assert!(message.contains("text for numbers"), "{message}");

    let mut wide = tiny;
    let columns = trained(&mut wide, "/data/train_statics").as_array_mut().unwrap();
    columns.extend((1..=60_000).map(|i| json!({"name": format!("column {i}"), "values": []})));
    // fewer tensors than columns: the reader of safetensors itself takes ten times a header's size
    for i in 1..=20_000 {
        let tensor = RawTensor { dtype: Dtype::F64, shape: vec![1], bytes: vec![0; 8] };
        wide.tensors.insert(format!("train.statics.{i}"), tensor);
    }
    let message = outcome("60,000 columns", &wide.to_bytes()).expect("an error");
    assert!(message.contains("60001 columns of training rows, wanted 1"), "{message}");
}

/// Any value of the metadata, replaced by any other: the file is refused, or can be used.
#[test]
fn nothing_in_the_metadata_harms() {
    let _shared = LARGE.read();
    let valid = valid();
    let mut places = Vec::new();
    leaves(&valid.metadata, String::new(), &mut places);
    let long = "x".repeat(1000);
    let values = [
        json!(0),
        json!(-1),
        json!(1),
        json!(u64::MAX),
        json!(1e308),
        json!(1e-308),
        json!(-0.5),
        json!(null),
        json!(true),
        json!(""),
        json!(long),
        json!([]),
        json!({}),
        json!(["x"]),
        json!([1e30, 1e30]),
    ];
    let mut opened = 0;
    for i in 0..200 {
        let mut rng = Stream::new(8, Purpose::TEST, i).rng(0);
        let (place, value) = (pick(&mut rng, &places), pick(&mut rng, &values));
        let mut file = valid.clone();
        *file.metadata.pointer_mut(place).unwrap() = value.clone();
        let message = outcome(&format!("{place} = {value}"), &file.to_bytes());
        opened += usize::from(message.is_none());
    }
    assert!((1..200).contains(&opened), "{opened} of 200 were opened");
}

/// The places of all values, but few of each list.
fn leaves(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| leaves(value, format!("{place}/{key}"), places)),
        Value::Array(list) => {
            list.iter().take(3).enumerate().for_each(|(i, value)| leaves(value, format!("{place}/{i}"), places));
        }
        _ => places.push(place),
    }
}

/// `ABR_FILM_FUZZ_SEEDS` names a folder that gets the files: the fuzzer begins from them, as it cannot guess a hash.
#[test]
fn checkpoints_of_version_1_open() {
    let folder = tempfile::tempdir().unwrap();
    let named = std::env::var_os("ABR_FILM_FUZZ_SEEDS");
    for (name, overrides) in
        [("plain", &[][..]), ("aggregated", &["model.prior=aggregated", "model.residual=gaussian"])]
    {
        let path = named.as_ref().map_or(folder.path(), Path::new).join(format!("{name}.safetensors"));
        std::fs::write(&path, after_an_epoch(TINY, overrides).to_bytes_of_version_1()).unwrap();
        Checkpoint::open(&path, None, Box::new(Cpu::<f32>::new())).unwrap();
    }
}

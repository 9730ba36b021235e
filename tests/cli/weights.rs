//! `info`, and bare weights under the original model's names.

use crate::support::{Place, column, samples};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::Value;
use std::path::Path;

fn info(place: &Place, arguments: &str) -> Value {
    serde_json::from_str(&place.ok(&format!("info {arguments} --json")).stdout).expect("JSON")
}

#[test]
fn the_documented_sizes() {
    let place = Place::new();
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
    let of = |name: &str| info(&place, &format!("--config {}", configs.join(name).display()));
    let film = of("film_config.json");
    assert_eq!((&film["parameters"], &film["film_parameters"]), (&4_415_567.into(), &253_696.into()));
    assert_eq!(film["description"], "FiLM conditioning parameters");
    let layers = film["layers"].as_array().unwrap();
    let sum: u64 = layers.iter().map(|layer| layer["parameters"].as_u64().unwrap()).sum();
    assert_eq!(sum, 4_415_567);
    let plain = of("plain.json");
    assert_eq!((&plain["parameters"], &plain["film_parameters"]), (&4_161_871.into(), &0.into()));
    let text = place.ok(&format!("info --config {}", configs.join("film_config.json").display())).stdout;
    for part in
        ["FiLM conditioning parameters", "4415567 (253696 of FiLM", "decoder.film1.gamma_mlp.2.bias", "level_db"]
    {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn a_checkpoint_says_what_it_is() {
    let place = Place::trained("");
    let of_last = info(&place, "--model run/last.safetensors");
    assert_eq!((&of_last["parameters"], &of_last["epoch"]), (&18063.into(), &3.into()));
    assert_eq!((&of_last["sample_rate_hz"], &of_last["latent_dim"]), (&20_000.0.into(), &8.into()));
    assert_eq!(of_last["description"], "Tiny: trains in a second");
    let text = place.ok("info --model run/best.safetensors").stdout;
    assert!(text.contains("trained") && text.contains("at 20000 Hz from 0 ms"), "{text}");
}

/// Writes only the weights of a checkpoint, as PyTorch would: `rename` returns the new name of a tensor, or drops it.
fn strip(place: &Place, from: &str, to: &str, rename: impl Fn(&str) -> Option<String>, more: &[&str]) {
    let bytes = place.bytes(from);
    let file = SafeTensors::deserialize(&bytes).expect("a checkpoint");
    let tensors = file.tensors();
    let kept = tensors.iter().filter_map(|(name, view)| Some((rename(name)?, view.clone())));
    let zero = [0_u8; 4];
    let extra =
        more.iter().map(|name| (name.to_string(), TensorView::new(Dtype::F32, vec![1], &zero).expect("one value")));
    place.write(to, safetensors::serialize(kept.chain(extra), None).expect("a file"));
}

/// The sizes and the time axis of the smoke model.
fn write_sizes(place: &Place, name: &str, sets: &[(&str, &str, Value)]) {
    let mut config = place.json("smoke.json");
    for (section, key, value) in sets {
        config[section][key] = value.clone();
    }
    place.write(name, config.to_string());
}

const EVERY: &str = "--static age_years=1 --static level_db=0.5 --static rate_hz=-1 --static fmp=0 \
                     --static residual_noise_nv=2 --static conductive_loss_db=0 --static cochlear_loss_db=0";

#[test]
fn bare_weights_work_without_scalers() {
    let place = Place::trained("");
    strip(&place, "run/best.safetensors", "bare.safetensors", |name| Some(name.to_string()), &[]);
    let time = [("data", "sample_rate_hz", 25_000.into()), ("data", "t0_ms", (-1).into())];
    write_sizes(&place, "sizes.json", &time);
    let model = "--model bare.safetensors";
    place.refused(2, &format!("info {model}"), &["bare.safetensors: bare weights", "--config FILE"]);
    assert_eq!(info(&place, &format!("{model} --config smoke.json"))["parameters"], 18063);

    let made = place.ok(&format!("generate {model} --config sizes.json -n 2 {EVERY}")).stdout;
    assert_eq!(
        (column(&made, "sample_rate_hz"), column(&made, "t0_ms")),
        (vec!["25000".into(); 2], vec!["-1".into(); 2])
    );
    assert_eq!(column(&made, "fmp"), ["0", "0"]);
    assert!(samples(&made).concat().iter().all(|v| v.is_finite()));
    // the two outputs differ by the trained model's scaler: one factor and one offset for all samples
    let named = place.ok("generate --model run/best.safetensors -n 2 --strength 0").stdout;
    let plain = place.ok(&format!("generate {model} --config sizes.json -n 2 {EVERY} --strength 0")).stdout;
    let (uv, scaled) = (samples(&named).concat(), samples(&plain).concat());
    let factor = (uv[1] - uv[0]) / (scaled[1] - scaled[0]);
    // the table has f32 values of a few µV, whose rounding errors are scaled by the ratio of two of them
    for (uv, scaled) in uv.iter().zip(&scaled).map(|(a, b)| (a - uv[0], (b - scaled[0]) * factor)) {
        assert!((uv - scaled).abs() < 1e-4, "{uv} is not {scaled}");
    }
    let some = "--static level_db=0.5";
    let refused = format!("generate {model} --config sizes.json {some} --out made.csv");
    place.refused(2, &refused, &["age_years has no value", "no training rows", "--static age_years=VALUE"]);
}

/// Weights of 16 bits give the same results as the same values in 32 bits.
#[test]
fn bare_weights_of_16_bits_are_read_by_value() {
    let place = Place::trained("");
    let time = [("data", "sample_rate_hz", 20_000.into()), ("data", "t0_ms", 0.into())];
    write_sizes(&place, "sizes.json", &time);
    let bytes = place.bytes("run/best.safetensors");
    let trained = SafeTensors::deserialize(&bytes).expect("a checkpoint");
    let write = |name: &str, dtype, narrow: fn(f32) -> Vec<u8>| {
        let tensors = trained.iter().filter(|(_, view)| view.dtype() == Dtype::F32);
        let narrowed = tensors.map(|(name, view)| {
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")));
            (name, view.shape().to_vec(), values.flat_map(narrow).collect::<Vec<u8>>())
        });
        let narrowed: Vec<_> = narrowed.collect();
        let views = narrowed
            .iter()
            .map(|(n, shape, bytes)| (*n, TensorView::new(dtype, shape.clone(), bytes).expect("a tensor")));
        place.write(name, safetensors::serialize(views, None).expect("a file"));
        place.ok(&format!("generate --model {name} --config sizes.json -n 3 {EVERY}")).stdout
    };
    let whole = write("f32.safetensors", Dtype::F32, |v| v.to_le_bytes().to_vec());
    let half = write("f16.safetensors", Dtype::F16, |v| f16::from_f32(v).to_le_bytes().to_vec());
    let brain = write("bf16.safetensors", Dtype::BF16, |v| bf16::from_f32(v).to_le_bytes().to_vec());
    assert_eq!(half, write("as_f16.safetensors", Dtype::F32, |v| f16::from_f32(v).to_f32().to_le_bytes().to_vec()));
    assert_eq!(brain, write("as_bf16.safetensors", Dtype::F32, |v| bf16::from_f32(v).to_f32().to_le_bytes().to_vec()));
    assert!(whole != half && half != brain, "the values are not those of 32 bits");
}

/// The time axis is never assumed: a table or the configuration must state it.
#[test]
fn bare_weights_are_told_their_time_axis() {
    let place = Place::trained("");
    strip(&place, "run/best.safetensors", "bare.safetensors", |name| Some(name.to_string()), &[]);
    write_sizes(&place, "rate.json", &[("data", "sample_rate_hz", 20_000.into())]);
    let generate = |config: &str| format!("generate --model bare.safetensors --config {config} {EVERY} --out made.csv");
    place.refused(2, &generate("smoke.json"), &["data.sample_rate_hz is not set", "--config", "never assumed"]);
    place.refused(2, &generate("rate.json"), &["data.t0_ms is not set", "--config"]);
    // recordings state their own
    place.ok("data synth --config smoke.json --out data.csv");
    let made = place.ok("reconstruct --model bare.safetensors --config smoke.json --data data.csv").stdout;
    assert_eq!(column(&made, "sample_rate_hz"), vec!["20000"; 96]);
    for data in ["", "--data data.csv"] {
        place.ok(&format!("eval --model bare.safetensors --config smoke.json --split all {data}"));
    }
}

#[test]
fn the_originals_leftovers_are_told_and_missing_counters_are_not_missed() {
    let place = Place::trained("");
    let leftovers = ["static_decoder.0.weight", "static_decoder.0.bias"];
    let no_counters = |name: &str| (!name.ends_with("num_batches_tracked")).then(|| name.to_string());
    strip(&place, "run/best.safetensors", "old.safetensors", no_counters, &leftovers);
    let stderr = place.ok("info --model old.safetensors --config smoke.json").stderr;
    assert!(stderr.contains("old.safetensors: 2 tensors of static_decoder.* are not used"), "{stderr}");
    let whole = place.bytes("run/best.safetensors");
    let names: Vec<String> = SafeTensors::deserialize(&whole).unwrap().names().iter().map(|n| n.to_string()).collect();
    assert!(names.iter().any(|n| n == "decoder.layer1.2.num_batches_tracked"), "{names:?}");
}

#[test]
fn the_originals_names_of_the_concat_decoder() {
    let concat = [("model", "use_film"), ("model", "joint_generation")].map(|(s, k)| (s, k, Value::from(false)));
    let dropout = ("model", "concat_dropout", serde_json::json!([0.1, 0.1]));
    let place = Place::new();
    write_sizes(&place, "concat.json", &[concat.as_slice(), &[dropout]].concat());
    place.ok("train --config concat.json --out run");
    let legacy = |name: &str| Some(name.replace("decoder.", "decoder.legacy_"));
    strip(&place, "run/best.safetensors", "legacy.safetensors", legacy, &[]);
    strip(&place, "run/best.safetensors", "today.safetensors", |name| Some(name.to_string()), &[]);
    place.ok("data synth --config smoke.json --out data.csv");
    let made = |model: &str| {
        place.ok(&format!("reconstruct --model {model}.safetensors --config concat.json --data data.csv")).stdout
    };
    assert_eq!(made("legacy"), made("today"));
}

#[test]
fn bare_weights_of_other_sizes() {
    let place = Place::trained("");
    strip(&place, "run/best.safetensors", "bare.safetensors", |name| Some(name.to_string()), &[]);
    write_sizes(&place, "wider.json", &[("model", "encoder_dims", serde_json::json!([48, 16]))]);
    write_sizes(&place, "peaks.json", &[("model", "predict_peaks", true.into())]);
    let refused = |config: &str, parts: &[&str]| {
        place.refused(1, &format!("info --model bare.safetensors --config {config}"), parts);
    };
    let tensor = "bare.safetensors: tensor encoder.encoder_layers.0.weight: wanted [48, 207], got [32, 207]";
    refused("wider.json", &[tensor, "configuration"]);
    refused("peaks.json", &["bare.safetensors: tensor decoder.peak_head.0.weight: missing, wanted [512, 32]"]);
    // the file also contains a model without FiLM
    write_sizes(&place, "plain.json", &[("model", "use_film", false.into())]);
    let stderr = place.ok("info --model bare.safetensors --config plain.json").stderr;
    assert!(
        stderr.contains("16 tensors belong to no part of the configured model (the first: decoder.film1."),
        "{stderr}"
    );
    assert!(place.ok("info --model bare.safetensors --config smoke.json").stderr.is_empty());
}

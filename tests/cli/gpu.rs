//! `--device gpu`: every command against the CPU, resuming across devices, and the messages without a GPU.

use crate::support::{Place, samples};
use common::skipped::skipped;
use serde_json::Value;

/// The largest difference of values from the same weights, relative to the largest value: 16 sqrt(n) roundings of
/// 2^-24, for sums of about n = 400 terms one after the other in the model of `smoke.json`; three times that for the
/// written decimals and the scalers.
const DECODED: f64 = 6e-5;

/// The largest relative difference of losses after about ten training steps: the same 16 sqrt(n) roundings once. A loss
/// is a mean, and the weights differ by less than that after so few steps.
const TRAINED: f64 = 2e-5;

/// The flags for the GPU that tests run on, and its name; `None` without a GPU, unless one is required.
fn flags(place: &Place) -> Option<String> {
    let named = std::env::var("ABR_FILM_ADAPTER").is_ok_and(|name| !name.is_empty());
    let required = std::env::var("ABR_FILM_REQUIRE_GPU").is_ok_and(|value| value == "1");
    assert!(!required || named, "say with ABR_FILM_ADAPTER which GPU is required");
    let flags = if named { "--device gpu".to_string() } else { format!("--device gpu --adapter {}", first(place)?) };
    let output =
        place.command(&format!("info --config smoke.json --json {flags}")).output().expect("the program starts");
    if output.status.success() {
        let info: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let test = std::thread::current();
        println!("{}: on {}", test.name().unwrap_or("a test"), info["device"].as_str().expect("a device"));
        return Some(flags);
    }
    assert!(!required, "a GPU is required: {}", String::from_utf8_lossy(&output.stderr));
    skipped("no GPU");
    None
}

/// The first word of the name of the first GPU that can be used.
fn first(place: &Place) -> Option<String> {
    let info: Value = serde_json::from_str(&place.ok("info --config smoke.json --json").stdout).expect("JSON");
    let adapters = info["adapters"].as_array().expect("a list");
    let usable = adapters.iter().find(|adapter| adapter["problem"].is_null());
    if usable.is_none() {
        skipped("no GPU");
    }
    usable.map(|a| a["name"].as_str().expect("a name").split_whitespace().next().expect("a word").to_string())
}

#[track_caller]
fn near(got: &Value, want: &Value, part: f64, what: &str) {
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            assert!(got.keys().eq(want.keys()), "{what}");
            got.iter()
                .zip(want.values())
                .for_each(|((key, got), want)| near(got, want, part, &format!("{what}.{key}")));
        }
        (Value::Array(got), Value::Array(want)) => {
            assert_eq!(got.len(), want.len(), "{what}");
            got.iter().zip(want).for_each(|(got, want)| near(got, want, part, what));
        }
        _ => match (got.as_f64(), want.as_f64()) {
            (Some(got), Some(want)) => {
                assert!((got - want).abs() <= part * want.abs(), "{what}: {got}, on the CPU {want}")
            }
            _ => assert_eq!(got, want, "{what}"),
        },
    }
}

/// The losses of every epoch.
fn losses(place: &Place, run: &str) -> Value {
    let lines = place.text(&format!("{run}/metrics.jsonl"));
    let epoch = |line: &str| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        line.as_object_mut().expect("an epoch").remove("seconds");
        line
    };
    lines.lines().map(epoch).collect()
}

#[test]
fn a_training_is_the_cpu_s() {
    let place = Place::new();
    let Some(gpu) = flags(&place) else { return };
    // a step with every optional part
    let more = "--set model.predict_peaks=true --set film.condition_dropout=0.2 --set training.gradient_clip=1.0 \
                --set training.optimizer.type=adamw --set film.learning_rate_scale=0.5";
    let strangers = "--set model.static_dim=2 --set data.static_columns=[\"age_years\",\"conductive_loss_db\"] --set \
                     training.target=sibling --set training.input_recordings=3 --set model.linear_path=true --set \
                     model.prior=aggregated --set model.residual=gaussian --set \
                     training.augment={\"gain\":0.2,\"stretch\":0.05,\"shift_ms\":0.1}";
    let learned = "--set training.weight_by_noise=true --set model.prior=learned --set film.weight_decay=0.01";
    for (name, more) in [("plain", ""), ("more", more), ("strangers", strangers), ("learned", learned)] {
        let stderr = place.ok(&format!("train --config smoke.json --out gpu-{name} {gpu} {more}")).stderr;
        assert!(stderr.contains("on GPU "), "{stderr}");
        place.ok(&format!("train --config smoke.json --out cpu-{name} --device cpu {more}"));
        near(&losses(&place, &format!("gpu-{name}")), &losses(&place, &format!("cpu-{name}")), TRAINED, name);
    }
    // the same again, bit by bit
    place.ok(&format!("train --config smoke.json --out gpu-again {gpu}"));
    assert!(
        place.bytes("gpu-again/last.safetensors") == place.bytes("gpu-plain/last.safetensors"),
        "not the same bytes"
    );
}

#[test]
fn a_run_goes_on_on_the_other_device() {
    let place = Place::new();
    let Some(gpu) = flags(&place) else { return };
    place.ok("train --config smoke.json --out unbroken --device cpu --set training.num_epochs=4");
    let cpu = "--device cpu".to_string();
    for (name, first, second) in [("up", &cpu, &gpu), ("down", &gpu, &cpu)] {
        let fixed = "--set training.scheduler.T_max=4";
        place.ok(&format!("train --config smoke.json --out {name} {first} --set training.num_epochs=2 {fixed}"));
        let stderr = place.ok(&format!("train --resume --out {name} {second} --set training.num_epochs=4")).stderr;
        assert!(stderr.contains("resuming after epoch 2"), "{stderr}");
        near(&losses(&place, name), &losses(&place, "unbroken"), TRAINED, name);
    }
}

#[test]
fn what_is_made_of_a_model_is_the_cpu_s() {
    let place = Place::trained("--device cpu");
    let Some(gpu) = flags(&place) else { return };
    place.ok("data synth --config smoke.json --out data.csv");
    for command in [
        "generate --model run/best.safetensors -n 3 --static level_db=20:80:4",
        "generate --model run/best.safetensors -n 5 --unconditional",
        "generate --model run/best.safetensors -n 5 --strength 1.5",
        "reconstruct --model run/best.safetensors --data data.csv",
    ] {
        let made = |device: &str, out: &str| {
            let stderr = place.ok(&format!("{command} {device} --out {out}")).stderr;
            assert_eq!(stderr.matches("note: on GPU ").count(), usize::from(device == gpu), "{command}: {stderr}");
            samples(&place.text(out)).concat()
        };
        let (got, want) = (made(&gpu, "gpu.csv"), made("--device cpu", "cpu.csv"));
        let largest = want.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let apart = got.iter().zip(&want).fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
        println!("{command}: {:.1e} of the largest", apart / largest);
        assert!(
            got.len() == want.len() && f64::from(apart / largest) <= DECODED,
            "{command}: off by {}",
            apart / largest
        );
    }
    let report = |device: &str| -> Value {
        let output = place.ok(&format!("eval --model run/best.safetensors --json {device}"));
        assert_eq!(output.stderr.matches("note: on GPU ").count(), usize::from(device == gpu), "{}", output.stderr);
        serde_json::from_str::<Value>(&output.stdout).expect("JSON")["model"].clone()
    };
    // errors are differences of traces, assumed to be at least a tenth of them; correlations and explained variance
    // near 0 are differences of far larger numbers
    let (got, want) = (report(&gpu), report("--device cpu"));
    for measure in ["mse_uv2", "mae_uv", "rmse_uv"] {
        near(&got["recorded"][measure]["mean"], &want["recorded"][measure]["mean"], 10.0 * DECODED, measure);
    }
}

#[test]
fn what_cannot_be_had_is_said() {
    let place = Place::new();
    place.refused(2, "info --config smoke.json --device cpu --adapter any", &["--adapter names a GPU"]);
    let run_without_driver = |arguments: &str| {
        let mut command = place.command(arguments);
        command.env("VK_DRIVER_FILES", "/nonexistent").env("WGPU_BACKEND", "vulkan").env_remove("ABR_FILM_ADAPTER");
        command.output().expect("the program starts")
    };
    let without_driver = |arguments: &str| {
        let output = run_without_driver(arguments);
        (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    let (code, stderr) = without_driver("train --config smoke.json --out run --device gpu");
    if cfg!(not(feature = "gpu")) {
        assert!(code == Some(2) && stderr.contains("built without the GPU"), "{stderr}");
    } else if cfg!(target_os = "linux") {
        assert!(
            code == Some(1) && stderr.contains("there is none") && stderr.contains("mesa-vulkan-drivers"),
            "{stderr}"
        );
    }
    assert!(!place.path("run").exists(), "a run without a device");
    // auto then computes on the CPU, and says so
    let (code, stderr) = without_driver("train --config smoke.json --out run");
    assert!(code == Some(0) && stderr.contains("on CPU"), "{stderr}");
    // the list appears if the requested adapter does not exist
    if cfg!(any(not(feature = "gpu"), target_os = "linux")) {
        let output = run_without_driver("info --device gpu");
        let listed = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(listed.starts_with("adapter      none: "), "{listed}");
        assert_eq!(output.status.code(), Some(if cfg!(feature = "gpu") { 1 } else { 2 }));
    }
    if flags(&place).is_some() {
        let refused = "train --config smoke.json --out other --device gpu --adapter no-such-gpu";
        place.refused(2, refused, &["no adapter is named no-such-gpu; the adapters: "]);
        // the same with the variable, the default of the option: it selects a GPU unless --device says otherwise
        for (device, code) in [("", Some(2)), ("--device cpu", Some(0))] {
            let mut command = place.command(&format!("info --config smoke.json {device}"));
            let output = command.env("ABR_FILM_ADAPTER", "no-such-gpu").output().expect("the program starts");
            assert_eq!(output.status.code(), code, "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[test]
fn a_software_adapter_is_taken_only_when_it_is_named() {
    let place = Place::trained("");
    if flags(&place).is_none() {
        return;
    }
    let listed: Value = serde_json::from_str(&place.ok("info --json").stdout).expect("JSON");
    let adapters = listed["adapters"].as_array().expect("a list");
    if !adapters.iter().all(|adapter| adapter["software"] == true) {
        skipped("there is a real GPU");
        return;
    }
    assert!(listed["device"].as_str().expect("a device").starts_with("CPU"), "{listed}");
    let stderr = place.ok("train --config smoke.json --out auto").stderr;
    assert!(stderr.contains("on CPU"), "{stderr}");
    let mut command = place.command("eval --model run/best.safetensors --device gpu");
    let output = command.env_remove("ABR_FILM_ADAPTER").output().expect("the program starts");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("which computes on the CPU") && stderr.contains("name it") && stderr.contains("--adapter NAME"),
        "{stderr}"
    );
}

/// Mesa's OpenGL without a required feature, like a card that is too old.
#[test]
fn an_adapter_that_cannot_be_used_says_why() {
    let place = Place::new();
    if flags(&place).is_none() {
        return;
    }
    for (lacking, reason) in [
        ("GL_ARB_compute_shader", "cannot be used: has no compute shaders"),
        (
            "GL_ARB_shader_storage_buffer_object",
            "cannot be used: max_storage_buffers_per_shader_stage is 0, 8 is needed",
        ),
    ] {
        let lacks = |arguments: &str| {
            let mut command = place.command(arguments);
            command.env("WGPU_BACKEND", "gl").env("MESA_GL_VERSION_OVERRIDE", "3.3");
            command.env("MESA_EXTENSION_OVERRIDE", format!("-{lacking}"));
            command.output().expect("the program starts")
        };
        let listed = String::from_utf8(lacks("info").stdout).expect("UTF-8");
        if !listed.contains("llvmpipe") {
            skipped("no OpenGL of Mesa's");
            return;
        }
        assert!(listed.contains(reason), "{listed}");
        let output = lacks("info --config smoke.json --device gpu --adapter llvmpipe");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains(reason.trim_start_matches("cannot be used: ")), "{stderr}");
    }
}

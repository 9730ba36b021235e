//! `doctor`: names the fault that was planted, and nothing in a healthy training.

use crate::support::Place;
use serde_json::Value;

/// A training in which nothing is wrong: FiLM and the latent are in use.
const HEALTHY: &str = "train --config smoke.json --out run --device cpu --set training.num_epochs=40 \
                       --set training.scheduler.eta_min=1e-5 --set training.kl_weight=0.001";

/// The topics of the faults, and the whole output.
fn faults(place: &Place) -> (Vec<String>, Value) {
    let found: Value = serde_json::from_str(&place.ok("doctor --run run --device cpu --json").stdout).expect("JSON");
    let findings = found["findings"].as_array().expect("a list");
    let faults = findings.iter().filter(|finding| !finding["remedy"].is_null());
    (faults.map(|finding| finding["topic"].as_str().expect("a topic").to_string()).collect(), found)
}

#[test]
fn a_healthy_training_has_no_fault() {
    let place = Place::new();
    place.ok(HEALTHY);
    let (faults, found) = faults(&place);
    assert!(faults.is_empty(), "{found:#}");
    assert_eq!(found["findings"].as_array().expect("a list").len(), 7, "{found:#}");
    let text = place.ok("doctor --run run --device cpu").stdout;
    assert!(text.starts_with("no fault was found\n") && text.contains("ok    FiLM has left the identity"), "{text}");
    // a level that no column conditions
    let levels = "--set film.levels=[{\"columns\":[]},{}]";
    place.ok(&format!("{HEALTHY} --force {levels}"));
    assert!(place.ok("doctor --run run --device cpu").stdout.starts_with("no fault was found\n"));
    // the weights alone
    std::fs::copy(place.path("run/best.safetensors"), place.path("alone.safetensors")).expect("a copy");
    let alone = place.ok("doctor --model alone.safetensors --device cpu");
    assert!(
        alone.stdout.starts_with("no fault was found\n") && alone.stderr.contains("metrics.jsonl"),
        "{}",
        alone.stdout
    );
}

#[test]
fn a_planted_fault_is_named() {
    for (planted, more) in [
        ("film_identity", "--set film.learning_rate_scale=0.0000001"),
        // a number over three decades, as it is
        (
            "conditions",
            "--set data.static_columns=[\"age_years\",\"level_db\",\"rate_hz\",\"fmp\",\"residual_noise_nv\",\
                        \"conductive_loss_db\",\"wide\"] --data wide.csv",
        ),
        ("conditions", "--set data.synth.fixed={\"rate_hz\":20}"),
        ("latent", "--set training.kl_weight=100"),
        ("film_size", "--set film.learning_rate_scale=300"),
        ("learning_rate", "--set training.learning_rate=0.3"),
        ("film_gradients", "--set film.conditioning_strength=0"),
        ("film_learning_rate", "--set film.learning_rate_scale=40"),
    ] {
        let place = Place::new();
        if more.contains("wide.csv") {
            place.write("wide.csv", wide(&place));
        }
        place.ok(&format!("{HEALTHY} {more}"));
        let (faults, found) = faults(&place);
        assert_eq!(faults.first().map(String::as_str), Some(planted), "{found:#}");
    }
}

/// The built-in set with one more column, a few of whose values are a thousand times as large as the others.
fn wide(place: &Place) -> String {
    place.ok("data synth --config smoke.json --out plain.csv");
    let plain = place.text("plain.csv");
    let lines = plain.lines().enumerate().map(|(i, line)| match i {
        0 => format!("{line},wide\n"),
        _ if i % 40 == 7 => format!("{line},1000\n"),
        _ => format!("{line},{}\n", i % 5),
    });
    lines.collect()
}

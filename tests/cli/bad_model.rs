//! Checkpoints that cannot be used, and places that cannot be written to.

use crate::support::Place;
use common::checkpoint_file::CheckpointFile;

#[test]
fn files_that_are_no_checkpoint() {
    let place = Place::trained("");
    let refused = |name: &str, parts: &[&str]| {
        for command in ["eval", "info", "generate --out made.csv", "reconstruct --data table.csv --out made.csv"] {
            place.refused(1, &format!("{command} --model {name}"), parts);
        }
    };
    refused("none.safetensors", &["none.safetensors: cannot read", "check the path"]);
    refused(
        "smoke.json",
        &["smoke.json: truncated, or not a safetensors file", "a complete .safetensors file from abr-film"],
    );
    let whole = place.bytes("run/best.safetensors");
    for length in [0, 4, 8, 500, whole.len() / 2, whole.len() - 1] {
        place.write("cut.safetensors", &whole[..length]);
        refused("cut.safetensors", &["cut.safetensors: truncated, or not a safetensors file"]);
    }
    // as a PyTorch file begins
    place.write("model.pt", b"PK\x03\x04\x00\x00\x08\x08archive/data.pkl");
    refused("model.pt", &["model.pt: ", ".pt", "converted to safetensors"]);
    let was = br#"{\"format\":2,"#;
    let at = whole.windows(was.len()).position(|w| w == was).expect("a format");
    let mut newer = whole.clone();
    newer[at + was.len() - 2] = b'9';
    place.write("newer.safetensors", newer);
    refused("newer.safetensors", &["newer.safetensors: checkpoint format Some(9), wanted 1 to 2"]);
}

/// The SHA-256 covers every byte that a model is made of.
#[test]
fn a_flipped_bit_is_noticed() {
    let place = Place::trained("");
    let whole = place.bytes("run/best.safetensors");
    for i in 0..40 {
        let mut flipped = whole.clone();
        let at = 8 + i * (whole.len() - 9) / 39;
        flipped[at] ^= 1 << (i % 8);
        place.write("flipped.safetensors", flipped);
        place.refused(1, "info --model flipped.safetensors", &["flipped.safetensors: "]);
    }
}

/// What a file names is not opened.
#[test]
fn a_path_in_a_checkpoint_is_not_followed() {
    let place = Place::new();
    place.ok("train --config small.json --data table.csv --out run");
    let mut file = CheckpointFile::read(&place.bytes("run/best.safetensors"));
    file.metadata["trained"]["config"]["data"]["path"] = "table.csv".into();
    // no table of subjects: whoever opens it fails
    place.write("secret.txt", "secret");
    file.metadata["trained"]["config"]["data"]["subject_from"] = "secret.txt".into();
    place.write("alone.safetensors", file.to_bytes());
    place.ok("eval --model alone.safetensors --data table.csv");
    let output = place.command("eval --model alone.safetensors").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() != Some(0) && !stderr.contains("table.csv"), "{stderr}");
    // the run's own folder says the same, and is the user's
    place.ok("eval --model run");
}

#[test]
fn a_checkpoint_of_other_sizes_or_with_a_configuration_beside_it() {
    let place = Place::trained("");
    let model = "--model run/best.safetensors";
    place.refused(
        2,
        &format!("eval {model} --config smoke.json"),
        &["contains its own configuration", "leave --config out"],
    );
    // the same file under a configuration that someone else wrote into it
    let mut other = CheckpointFile::read(&place.bytes("run/best.safetensors"));
    other.metadata["trained"]["config"]["model"]["latent_dim"] = 9.into();
    place.write("other.safetensors", other.to_bytes());
    place.refused(
        1,
        "eval --model other.safetensors",
        &["other.safetensors: tensor encoder.mu_layer.weight: wanted [9, 16], got [8, 16]"],
    );
}

#[test]
fn tables_that_cannot_be_written() {
    let place = Place::trained("");
    let generate = |out: &str| format!("generate --model run/best.safetensors --out {out}");
    place.refused(2, &generate("made.mat"), &["made.mat: neither a .csv nor an .npz file"]);
    place.refused(2, &generate("none/made.csv"), &["none: no such folder"]);
    std::fs::create_dir(place.path("folder.csv")).unwrap();
    place.refused(2, &generate("folder.csv"), &["folder.csv: is a folder"]);
    for read in ["reconstruct --data", "generate --conditions"] {
        let command = format!("{read} table.csv --model run/best.safetensors --out ./table.csv");
        place.refused(2, &command, &["--out would replace table.csv", "another file"]);
    }
    place.refused(2, "eval --model run/best.safetensors --out smoke.json", &["smoke.json: is a file", "--out"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device() {
    let place = Place::trained("");
    for command in ["generate --model run/best.safetensors", "data synth --config smoke.json"] {
        let parts = ["/dev/full: cannot write", "free some space"];
        place.refused(1, &format!("{command} --out /dev/full"), &parts);
    }
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has one");
    let output = std::process::Command::new(crate::support::PROGRAM)
        .args(["info", "--config"])
        .arg(place.path("smoke.json"))
        .env_remove("ABR_FILM_ADAPTER")
        .stdout(full)
        .output()
        .expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("stdout: cannot write") && stderr.contains("free some space"), "{stderr}");
}

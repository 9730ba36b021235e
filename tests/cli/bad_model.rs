//! Checkpoints that cannot be used, and places that cannot be written to.

use crate::support::Place;

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
    let text = String::from_utf8_lossy(&whole[..4000]).into_owned();
    assert!(text.contains(r#"\"format\":1"#), "the metadata is not where this test looks for it");
    let other = String::from_utf8_lossy(b"\\\"format\\\":1").into_owned();
    let at = whole.windows(other.len()).position(|w| w == other.as_bytes()).expect("a format");
    let mut newer = whole.clone();
    newer[at + other.len() - 1] = b'9';
    place.write("newer.safetensors", newer);
    refused("newer.safetensors", &["newer.safetensors: checkpoint format Some(9), wanted 1"]);
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
    let bytes = place.bytes("run/best.safetensors");
    let (was, is) = (br#"\"latent_dim\":8,"#, br#"\"latent_dim\":9,"#);
    let at = bytes.windows(was.len()).position(|w| w == was).expect("the latent's size");
    let mut other = bytes.clone();
    other[at..at + is.len()].copy_from_slice(is);
    place.write("other.safetensors", other);
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

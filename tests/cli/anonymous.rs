//! `output.anonymous`: checkpoints that say nothing of single subjects.

use crate::support::Place;
use common::checkpoint_file::CheckpointFile;

#[test]
fn anonymous_checkpoints_have_neither_names_nor_conditions_of_rows() {
    let place = Place::new();
    let named = place.text("table.csv").replace("\nS", "\nSubject-");
    place.write("table.csv", named);
    let train =
        "train --config small.json --data table.csv --set output.anonymous=true --set output.save_every_n_epochs=1";
    place.ok(&format!("{train} --out run"));
    place.ok(&format!("{train} --out again"));
    for file in ["best.safetensors", "last.safetensors", "checkpoints/epoch-0001.safetensors"] {
        let bytes = place.bytes(&format!("run/{file}"));
        assert!(!bytes.windows(8).any(|w| w == b"Subject-"), "{file} has names");
        let parts = CheckpointFile::read(&bytes);
        assert!(!parts.tensors.keys().any(|name| name.starts_with("train.statics")), "{file} has conditions");
        assert_eq!(parts.metadata["trained"]["data"]["train_subjects"][0].as_str().unwrap().len(), 64);
        assert!(bytes == place.bytes(&format!("again/{file}")), "{file} differs");
    }
    // known again by name all the same, and by samples
    let stdout = place.ok("eval --model run --split all").stdout;
    assert!(stdout.contains("trained on 15 of these rows and 5 of these subjects"), "{stdout}");
    place.ok("generate --model run -n 2 --static level_db=50 --out made.csv");
    let parts = ["level_db has no value", "the model file has no training rows", "--static level_db=VALUE"];
    place.refused(2, "generate --model run -n 2 --out other.csv", &parts);
    place.ok("train --resume --out run --set training.num_epochs=4");

    let aggregated = "train --config small.json --data table.csv --out no --set output.anonymous=true";
    place.refused(
        2,
        &format!("{aggregated} --set model.prior=aggregated"),
        &["model.prior", "output.anonymous is true"],
    );
}

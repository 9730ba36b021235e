//! Writes checkpoints of tiny models into a folder, as version 1, from which the fuzzer begins.

use abr_film::config::Config;
use abr_film::data::load;
use abr_film::engine::device::Cpu;
use abr_film::train::Trainer;
use common::checkpoint_file::CheckpointFile;
use std::ops::ControlFlow;
use std::path::PathBuf;

const TINY: &str = r#"{
  "model": {"signal_length": 8, "static_dim": 1, "latent_dim": 2, "encoder_dims": [4], "encoder_dropout": [0.1],
            "decoder_dims": [4], "signal_head_dim": 4, "static_head_dims": [4]},
  "film": {"hidden_dim": 2},
  "training": {"batch_size": 4, "num_epochs": 1},
  "data": {"static_columns": ["level_db"], "synth": {"subjects": 6, "rows_per_subject": 4}}
}"#;

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder"));
    for (name, sets) in [("plain", &[][..]), ("aggregated", &["model.prior=aggregated", "model.residual=gaussian"])] {
        let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        let config = Config::from_json("tiny.json", TINY, &sets).expect("a configuration");
        let dataset = load(&config.data, config.model.signal_length, |_, _| {}).expect("built-in data").0;
        let mut trainer = Trainer::new(&config, &dataset, Box::new(Cpu::<f32>::new())).expect("a trainer").0;
        trainer.epoch(|_| ControlFlow::Continue(())).expect("an epoch");
        let path = folder.join(format!("{name}.safetensors"));
        trainer.checkpoint().expect("a checkpoint").save(&path).expect("a file");
        let parts = CheckpointFile::read(&std::fs::read(&path).expect("a file"));
        std::fs::write(&path, parts.to_bytes_of_version_1()).expect("a file");
    }
}

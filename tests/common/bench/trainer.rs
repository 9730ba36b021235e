//! A training of the documented model on a small synthetic set.

use abr_film::config::Config;
use abr_film::data::load;
use abr_film::engine::device::Device;
use abr_film::error::Result;
use abr_film::train::Trainer;

/// Ready for its first step, with FiLM or without.
pub fn trainer(film: bool, batch: usize, device: Box<dyn Device>) -> Result<Trainer> {
    let settings = [
        format!("model.conditioning={}", if film { "film" } else { "none" }),
        format!("training.batch_size={batch}"),
        // the training set has more rows than a batch
        format!("data.synth.subjects={}", 100.max(batch / 24)),
        "data.synth.rows_per_subject=40".to_string(),
    ];
    let config = Config::from_json("a bench", "{}", &settings)?;
    let data = load(&config.data, config.model.signal_length, |_, _| {})?.0;
    let (mut trainer, _) = Trainer::new(&config, &data, device)?;
    trainer.shuffle();
    Ok(trainer)
}

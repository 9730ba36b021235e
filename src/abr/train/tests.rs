use super::*;
use crate::config::Config;
use crate::data::load;
use crate::engine::device::Cpu;

/// A trainer of a second, on the built-in data.
fn trainer(overrides: &[&str]) -> Trainer {
    let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
    let config = Config::from_json("smoke.json", include_str!("../../../configs/smoke.json"), &overrides).unwrap();
    let dataset = load(&config.data, config.model.signal_length, |_, _| {}).unwrap().0;
    Trainer::new(&config, &dataset, Box::new(Cpu::<f32>::new())).unwrap().0
}

/// A value far beyond any recording makes the validation loss overflow, NaN makes it NaN.
#[test]
fn a_validation_loss_that_is_not_finite_ends_the_training() {
    for likelihood in ["mse", "calibrated"] {
        for bad in [f32::NAN, 1e30] {
            let likelihood = format!("training.likelihood={likelihood}");
            // in the warm-up too, when no epoch is the best
            for overrides in [&[&likelihood[..]][..], &[&likelihood, "training.kl_warmup_epochs=2"]] {
                let mut trainer = trainer(overrides);
                trainer.validation.signal[[3, 5]] = bad;
                let message = trainer.epoch(|_| ControlFlow::Continue(())).unwrap_err().to_string();
                let row = &trainer.manifest["validation"]["row_numbers"][3];
                // 1e30 overflows only in the error
                let op = if bad.is_nan() { "concat [16, 207]" } else { "mse [1, 1]" };
                for part in [
                    "training: epoch 1: the validation loss is no longer finite",
                    "the first tensor that is not finite: ",
                    op,
                    &format!(", row {row} of built-in data"),
                    "lower training.learning_rate",
                ] {
                    assert!(message.contains(part), "{part:?} is not in: {message}");
                }
                assert!(trainer.best().is_none() && trainer.progress.best.is_none());
                // neither saved nor trained on
                assert!(trainer.checkpoint().is_err());
                assert!(trainer.epoch(|_| ControlFlow::Continue(())).is_err());
            }
        }
    }
}

#[test]
fn a_training_loss_that_is_not_finite_is_traced_to_its_rows() {
    let mut trainer = trainer(&[]);
    trainer.shuffle();
    let row = trainer.order[5];
    trainer.train.rows.signal[[row, 7]] = f32::INFINITY;
    let message = trainer.step(0, 16).unwrap_err().to_string();
    let number = &trainer.manifest["train"]["row_numbers"][row];
    for part in ["epoch 1, step 1: the loss is no longer finite", &format!(", row {number} of built-in data")] {
        assert!(message.contains(part), "{part:?} is not in: {message}");
    }
}

/// Without validation rows nothing else would look at what the last update of an epoch did.
#[test]
fn weights_that_are_not_finite_are_never_the_best() {
    let mut trainer = trainer(&["data.validation_split=0"]);
    trainer.shuffle();
    trainer.step(0, 16).unwrap();
    let (_, weight) = trainer.model.parameters().iter().next().unwrap();
    let mut values = trainer.model.tape().read(weight).unwrap();
    values[3] = f32::INFINITY;
    trainer.model.tape().write(weight, &values);
    let message = trainer.end_epoch().unwrap_err().to_string();
    let wanted = "training: epoch 1, step 1: the values of encoder.encoder_layers.0.weight are no longer finite";
    assert!(message.contains(wanted), "{message}");
    assert!(trainer.best().is_none() && trainer.checkpoint().is_err() && trainer.snapshot().is_err());
}

#[test]
fn an_epoch_that_is_no_better_costs_patience() {
    let mut trainer = trainer(&["training.early_stopping_patience=2"]);
    assert!(trainer.update_best(2.0).unwrap());
    assert!(!trainer.update_best(2.0).unwrap() && !trainer.progress.stopped_early);
    assert_eq!(trainer.progress.best, Some(Best { epoch: 1, objective: 2.0 }));
    assert!(!trainer.update_best(3.0).unwrap() && trainer.progress.stopped_early);
}

#[test]
fn nothing_counts_before_the_warm_up_has_ended() {
    let mut trainer = trainer(&["training.kl_warmup_epochs=2", "training.early_stopping_patience=1"]);
    for (epoch, objective, best) in [(0, 1.0, false), (1, 0.5, false), (2, 3.0, true), (3, 4.0, false)] {
        trainer.progress.epoch = epoch;
        assert_eq!(trainer.update_best(objective).unwrap(), best, "epoch {epoch}");
        assert_eq!(trainer.progress.stopped_early, epoch == 3);
    }
}

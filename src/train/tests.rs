use super::*;
use crate::config::Config;
use crate::data::load;
use crate::device::Cpu;

/// A trainer of a second, on the built-in data.
fn trainer(overrides: &[&str]) -> Trainer {
    let overrides: Vec<String> = overrides.iter().map(|s| s.to_string()).collect();
    let config = Config::from_json("smoke.json", include_str!("../../configs/smoke.json"), &overrides).unwrap();
    let dataset = load(&config.data, config.model.signal_length, |_, _| {}).unwrap().0;
    Trainer::new(&config, &dataset, Box::new(Cpu::<f32>::new())).unwrap().0
}

#[test]
fn a_loss_that_is_not_finite_is_never_the_best() {
    let mut trainer = trainer(&["training.early_stopping_patience=3"]);
    for bad in [f64::NAN, f64::INFINITY] {
        assert!(!trainer.judge(bad).unwrap());
        assert!(trainer.best().is_none() && trainer.progress.best.is_none());
    }
    assert!(trainer.judge(2.0).unwrap());
    assert!(!trainer.judge(f64::NAN).unwrap() && !trainer.judge(f64::NEG_INFINITY).unwrap());
    assert_eq!(trainer.progress.best, Some(Best { epoch: 1, objective: 2.0 }));
    // each of them costs patience
    assert!(!trainer.progress.stopped_early);
    trainer.judge(f64::NAN).unwrap();
    assert!(trainer.progress.stopped_early);
}

#[test]
fn nothing_counts_before_the_warm_up_has_ended() {
    let mut trainer = trainer(&["training.kl_warmup_epochs=2", "training.early_stopping_patience=1"]);
    for (epoch, objective, best) in [(0, 1.0, false), (1, 0.5, false), (2, 3.0, true), (3, 4.0, false)] {
        trainer.progress.epoch = epoch;
        assert_eq!(trainer.judge(objective).unwrap(), best, "epoch {epoch}");
        assert_eq!(trainer.progress.stopped_early, epoch == 3);
    }
}

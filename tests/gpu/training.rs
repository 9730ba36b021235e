//! A training on the GPU: what it waits for, when it finds a NaN, when its programs are made.

use super::gpu::context;
use super::{named, own};
use abr_film::config::Config;
use abr_film::data::synth;
use abr_film::device::gpu::{Checks, Gpu};
use abr_film::device::{Cpu, Device};
use abr_film::train::{Outcome, Trainer};

/// A training of `smoke.json`, ready for its first step.
fn trainer(clip: &str, device: Box<dyn Device>) -> Trainer {
    let settings = [format!("training.gradient_clip={clip}"), "model.predict_peaks=true".to_string()];
    let config =
        Config::from_json("smoke.json", include_str!("../../configs/smoke.json"), &settings).expect("a config");
    let data = synth::generate(&config.data.synth, config.model.signal_length, config.data.seed).expect("data");
    let (mut trainer, _) = Trainer::new(&config, &data, device).expect("a trainer");
    trainer.shuffle();
    trainer
}

/// Rows of its step of this number, counted from 0.
fn rows(step: usize) -> (usize, usize) {
    (7 * step, 7 * step + 7)
}

#[test]
fn a_step_does_not_wait_and_tells_the_same_later() {
    let Some(context) = context(Checks::Off) else { return };
    for clip in ["null", "0.5"] {
        let mut told = Vec::new();
        for settled in [false, true] {
            let mut trainer = trainer(clip, Box::new(Gpu::new(context.clone())));
            let waits = |trainer: &mut Trainer| trainer.model().tape().waits();
            let before = waits(&mut trainer);
            for step in 0..8 {
                let (start, end) = rows(step);
                trainer.step(start, end).expect("a step");
                if settled {
                    trainer.settle().expect("losses");
                }
            }
            assert_eq!(waits(&mut trainer) - before, if settled { 8 } else { 0 }, "clip {clip}, settled: {settled}");
            trainer.settle().expect("losses");
            assert_eq!(waits(&mut trainer) - before, if settled { 8 } else { 1 }, "clip {clip}, settled: {settled}");
            let progress = serde_json::to_value(trainer.progress()).expect("plain data");
            assert_eq!(progress["gradient_norm"] != 0.0, clip != "null", "{progress}");
            told.push((progress, trainer.model().state().expect("values")));
        }
        assert!(told[0] == told[1], "clip {clip}: {} and {}", told[0].0, told[1].0);
    }
}

#[test]
fn a_nan_is_found_at_most_two_steps_later() {
    let Some(context) = context(Checks::Off) else { return };
    let gpu = || Box::new(Gpu::new(context.clone()));
    // (device, whether each step is waited for, how much later it is found)
    let cases: [(Box<dyn Device>, bool, usize); 3] =
        [(Box::new(Cpu::<f32>::new()), false, 0), (gpu(), true, 0), (gpu(), false, 2)];
    for (device, settle, later) in cases {
        let mut trainer = trainer("null", device);
        for step in 0..3 {
            trainer.step(rows(step).0, rows(step).1).expect("a step");
        }
        let planted = named(trainer.model(), "decoder.signal_head.4.bias");
        let mut values = trainer.model().tape().read(planted).expect("values");
        values[0] = f32::NAN;
        trainer.model().tape().write(planted, &values);
        let step = |step| {
            trainer.step(rows(step).0, rows(step).1).and_then(|()| if settle { trainer.settle() } else { Ok(()) })
        };
        let results: Vec<_> = (3..=3 + later).map(step).collect();
        let (last, before) = results.split_last().expect("a step");
        assert!(before.iter().all(Result::is_ok), "{results:?}");
        let error = last.as_ref().expect_err("a NaN").to_string();
        assert!(error.contains("epoch 1, step 4") && error.contains("no longer finite"), "{error}");
    }
}

#[test]
fn programs_are_made_before_the_first_step() {
    let Some(context) = own() else { return };
    let programs = || context.programs.lock().expect("no panic").count();
    for clip in ["null", "0.5"] {
        let mut trainer = trainer(clip, Box::new(Gpu::new(context.clone())));
        let (made, dispatches) = (programs(), trainer.model().tape().dispatches());
        assert!(made > 20 && dispatches == 0, "{made} programs, {dispatches} dispatches");
        // it was a rehearsal: nothing was learned, no statistics were gathered
        let fresh = self::trainer(clip, Box::new(Cpu::<f32>::new())).model().state().expect("values");
        assert!(trainer.model().state().expect("values") == fresh, "clip {clip}");
        // with a validation at its end
        let outcome = trainer.epoch(|_| std::ops::ControlFlow::Continue(())).expect("an epoch");
        assert!(matches!(outcome, Outcome::Done(_)) && trainer.model().tape().dispatches() > 0);
        assert_eq!(programs(), made, "clip {clip}: some were made later");
    }
}

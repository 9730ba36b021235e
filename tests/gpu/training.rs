//! A training on the GPU: waits, detection of NaN, compilation of pipelines, number of dispatches.

use super::model::{named, own};
use abr_film::config::Config;
use abr_film::data::load;
use abr_film::engine::device::gpu::{Checks, Gpu};
use abr_film::engine::device::{Cpu, Device};
use abr_film::train::Trainer;
use common::gpu::context;

/// A training of `smoke.json`, ready for its first step.
fn trainer(clip: &str, device: Box<dyn Device>) -> Trainer {
    trainer_with(clip, &["model.predict_peaks=true"], device)
}

fn trainer_with(clip: &str, others: &[&str], device: Box<dyn Device>) -> Trainer {
    let mut settings = vec![format!("training.gradient_clip={clip}")];
    settings.extend(others.iter().map(|setting| setting.to_string()));
    let config =
        Config::from_json("smoke.json", include_str!("../../configs/smoke.json"), &settings).expect("a config");
    let data = load(&config.data, config.model.signal_length, |_, _| {}).expect("data").0;
    let (mut trainer, _) = Trainer::new(&config, &data, device).expect("a trainer");
    trainer.shuffle();
    trainer
}

fn step_and_settle(trainer: &mut Trainer) {
    trainer.step(rows(3).0, rows(3).1).expect("a step");
    trainer.settle().expect("losses");
}

/// The rows of this step, counted from 0.
fn rows(step: usize) -> (usize, usize) {
    (7 * step, 7 * step + 7)
}

#[test]
fn a_step_does_not_wait_and_reports_the_same_later() {
    // pipelines are missing in the first step
    let Some(context) = own() else { return };
    for clip in ["null", "0.5"] {
        let mut results = Vec::new();
        for settled in [false, true] {
            let mut trainer = trainer(clip, Box::new(Gpu::new(context.clone())));
            let counts = |trainer: &mut Trainer| trainer.model().tape().counts();
            let before = counts(&mut trainer);
            let mut bound = 0;
            for step in 0..8 {
                let (start, end) = rows(step);
                trainer.step(start, end).expect("a step");
                let now = counts(&mut trainer).bind_groups;
                assert!(step == 0 || now == bound, "step {step}: {} new bind groups", now - bound);
                bound = now;
                if settled {
                    trainer.settle().expect("losses");
                }
            }
            let after = counts(&mut trainer);
            assert_eq!(after.waits - before.waits, if settled { 8 } else { 0 }, "clip {clip}, settled: {settled}");
            assert_eq!(after.compute_passes - before.compute_passes, 8, "clip {clip}, settled: {settled}");
            trainer.settle().expect("losses");
            let after = counts(&mut trainer);
            assert_eq!(after.waits - before.waits, if settled { 8 } else { 1 }, "clip {clip}, settled: {settled}");
            let progress = serde_json::to_value(trainer.progress()).expect("plain data");
            assert_eq!(progress["gradient_norm"] != 0.0, clip != "null", "{progress}");
            results.push((progress, trainer.model().state().expect("values")));
        }
        assert!(results[0] == results[1], "clip {clip}: {} and {}", results[0].0, results[1].0);
    }
}

#[test]
fn a_nan_is_found_at_most_two_steps_later() {
    let Some(context) = context(Checks::Off) else { return };
    let gpu = || Box::new(Gpu::new(context.clone()));
    // (device, whether each step waits, the number of steps until the NaN is found)
    let cases: [(Box<dyn Device>, bool, usize); 3] =
        [(Box::new(Cpu::<f32>::new()), false, 0), (gpu(), true, 0), (gpu(), false, 2)];
    for (device, settle, later) in cases {
        let mut trainer = trainer("null", device);
        for step in 0..3 {
            trainer.step(rows(step).0, rows(step).1).expect("a step");
        }
        let sound = trainer.snapshot().expect("a state");
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
        // no checkpoint contains weights that a NaN reached, however often it is requested
        for _ in 0..2 {
            assert_eq!(trainer.checkpoint().expect_err("a NaN").to_string(), error);
        }
        trainer.resume("before", &sound).expect("a state");
        step_and_settle(&mut trainer);
    }
}

#[test]
fn what_is_saved_is_loaded_to_the_bit() {
    let Some(context) = context(Checks::Off) else { return };
    let gpu = || Box::new(Gpu::new(context.clone()));
    let cpu = || Box::new(Cpu::<f32>::new());
    let ways: [(Box<dyn Device>, Box<dyn Device>); 2] = [(gpu(), cpu()), (cpu(), gpu())];
    for (from, to) in ways {
        let mut before = trainer("0.5", from);
        (0..3).for_each(|step| before.step(rows(step).0, rows(step).1).expect("a step"));
        let saved = before.snapshot().expect("a state");
        let mut after = trainer("0.5", to);
        after.resume("saved", &saved).expect("a state");
        let again = after.snapshot().expect("a state");
        assert!(again == saved);
    }
}

#[test]
fn pipelines_are_compiled_when_a_step_first_needs_them() {
    let Some(context) = own() else { return };
    let compiled = || context.programs().count();
    for clip in ["null", "0.5"] {
        let before = compiled();
        let mut trainer = trainer(clip, Box::new(Gpu::new(context.clone())));
        assert_eq!(compiled(), before, "clip {clip}: before the first step");
        step_and_settle(&mut trainer);
        let first = compiled();
        assert!(first > before, "clip {clip}: in the first step");
        step_and_settle(&mut trainer);
        assert_eq!(compiled(), first, "clip {clip}: in a step like the first");
    }
}

#[test]
fn a_step_has_few_dispatches() {
    let Some(context) = context(Checks::Off) else { return };
    // each dispatch costs some microseconds, with 32 rows most of the time of a step
    let settings: [(&str, &[&str], u64); 6] = [
        ("null", &["model.predict_peaks=true"], 62),
        ("0.5", &["model.predict_peaks=true"], 63),
        ("null", &["model.conditioning=none"], 50),
        ("null", &["training.likelihood=calibrated"], 60),
        ("null", &["training.weight_by_noise=true"], 60),
        ("0.5", &["model.prior=learned", "film.weight_decay=0.1"], 70),
    ];
    for (clip, others, most) in settings {
        let mut trainer = trainer_with(clip, others, Box::new(Gpu::new(context.clone())));
        let before = trainer.model().tape().counts().dispatches;
        trainer.step(0, 7).expect("a step");
        let dispatches = trainer.model().tape().counts().dispatches - before;
        println!("clip {clip}, {others:?}: {dispatches} dispatches");
        assert!((20..=most).contains(&dispatches), "clip {clip}, {others:?}: {dispatches} dispatches");
    }
}

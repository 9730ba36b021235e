//! Probes on real traces and on those of a small model, from its training to the measures.

#![cfg(feature = "abr")]

use abr_film::config::Config;
use abr_film::data::{Dataset, load};
use abr_film::engine::device::Cpu;
use abr_film::eval::Compared;
use abr_film::eval::probes::{Absent, LevelProbe, Task, TrainOnSynthetic};
use abr_film::eval::sides::{EVALUATED, Sides, TRAINING};
use abr_film::train::Trainer;
use std::ops::ControlFlow;

/// Level series of listeners without hearing loss, because a loss would shift the effective level.
fn series(config: &mut Config, listeners: usize, rows: usize, seed: u64) -> Dataset {
    (config.data.synth.subjects, config.data.synth.rows_per_subject, config.data.seed) = (listeners, rows, seed);
    config.data.synth.fixed =
        ["conductive_loss_db", "cochlear_loss_db", "neuropathy"].map(|name| (name.into(), 0.0)).into();
    load(&config.data, config.model.signal_length, |_, _| {}).unwrap().0
}

fn holds(task: &Task, within: std::ops::Range<f64>) {
    assert!(within.contains(&task.real.value) && within.contains(&task.synthetic.value), "{task:?}");
    assert!(task.synthetic_sd.is_finite(), "{task:?}");
    for interval in [task.real, task.synthetic] {
        assert!(interval.low.unwrap() <= interval.value && interval.value <= interval.high.unwrap(), "{task:?}");
    }
}

#[test]
fn generated_traces_teach_something_of_real_ones() {
    let keys = ["training.num_epochs=15".to_string(), "training.seed=1".to_string()];
    let mut config = Config::from_json("listeners.json", include_str!("../configs/listeners.json"), &keys).unwrap();
    let mut test = series(&mut config, 6, 26, 9000);
    let mut train = series(&mut config, 4, 60, 1000);
    let (mut trainer, _) = Trainer::new(&config, &train, Box::new(Cpu::<f32>::new())).unwrap();
    while !trainer.finished() {
        trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    }
    trainer.restore_best().unwrap();
    let trained = trainer.best().unwrap().trained.unwrap();
    // simulations with ground truth, then recordings only
    for recordings in [false, true] {
        if recordings {
            (train.ground_truth, test.ground_truth) = (None, None);
        }
        let of = |set, seed| {
            let rows: Vec<usize> = (0..Dataset::len(set)).collect();
            Sides::new(&trained, set, &rows, seed).unwrap().unwrap()
        };
        let (train, test) = (of(&train, TRAINING), of(&test, EVALUATED));
        assert_eq!(train.compared == Compared::Recordings, recordings);
        let mut twice = || {
            let twins = test.twins(trainer.model(), 7).unwrap();
            let probe = LevelProbe::of(&test, &twins).unwrap();
            (probe, TrainOnSynthetic::of(&train, &test, trainer.model()).unwrap().unwrap())
        };
        let (probe, taught) = twice();
        println!("{:?}\n{probe:?}\n{taught:?}", test.compared);
        assert!(probe.real.r.value > 0.6 && probe.generated.r.value.is_finite(), "{probe:?}");
        assert_eq!(taught.wave, "V");
        holds(&taught.response.unwrap(), 0.5..1.001);
        holds(&taught.level.unwrap(), 0.0..25.0);
        holds(&taught.latency.unwrap(), 0.0..1.5);
        assert!(matches!(taught.absent, Absent::Below { .. } | Absent::NoiseAlone));
        assert_eq!((probe, taught), twice());
    }
}

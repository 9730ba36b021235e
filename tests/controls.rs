//! Controls that evaluation must warn about: a model with a collapsed latent, and one trained with shuffled levels.

#![cfg(feature = "abr")]

use abr_film::config::Config;
use abr_film::data::{Dataset, Values, load};
use abr_film::engine::device::Cpu;
use abr_film::engine::rng::{Purpose, Stream};
use abr_film::eval::{EvalSplit, Report, evaluate};
use abr_film::train::Trainer;
use std::ops::ControlFlow;

const COLLAPSED: &[&str] = &["training.likelihood=mse", "training.kl_weight=100", "model.prior=standard"];

/// Trains on ten listeners without hearing loss, and evaluates on forty others.
fn report(keys: &[&str], shuffled: bool) -> Report {
    let [of_all, _] = reports(keys, shuffled);
    of_all
}

/// The same, and measured on three others alone.
fn reports(keys: &[&str], shuffled: bool) -> [Report; 2] {
    let keys: Vec<String> = keys.iter().chain(&["training.num_epochs=40"]).map(|key| key.to_string()).collect();
    let mut config = Config::from_json("listeners.json", include_str!("../configs/listeners.json"), &keys).unwrap();
    config.data.synth.fixed =
        ["conductive_loss_db", "cochlear_loss_db", "neuropathy"].map(|name| (name.into(), 0.0)).into();
    let mut series = |listeners: usize, rows: usize, seed: u64| {
        (config.data.synth.subjects, config.data.synth.rows_per_subject, config.data.seed) = (listeners, rows, seed);
        load(&config.data, config.model.signal_length, |_, _| {}).unwrap().0
    };
    let mut train: Dataset = series(10, 65, 1000);
    let tests = [(40, 9000, "others"), (3, 3000, "three others")].map(|(listeners, seed, source)| {
        let others = series(listeners, 13, seed);
        Dataset { source: source.into(), ..others }
    });
    if shuffled {
        let Values::Number(levels) = &mut train.conditions[0].values else { panic!("levels are numbers") };
        Stream::new(1, Purpose::TEST, 0).rng(0).shuffle(levels);
    }
    let (mut trainer, _) = Trainer::new(&config, &train, Box::new(Cpu::<f32>::new())).unwrap();
    while !trainer.finished() {
        trainer.epoch(|_| ControlFlow::Continue(())).unwrap();
    }
    trainer.restore_best().unwrap();
    let trained = trainer.best().unwrap().trained.unwrap();
    tests.map(|test| evaluate(&trained, trainer.model(), &test, EvalSplit::All, Some(&train)).unwrap())
}

fn aucs(report: &Report) -> [f64; 2] {
    let auc = report.likeness.as_ref().unwrap().model.auc;
    [auc.logistic.value, auc.neighbours.value]
}

fn warned(report: &Report, of: &str) -> bool {
    report.warnings.iter().any(|warning| warning.contains(of))
}

#[test]
fn a_collapsed_model_is_called_out() {
    let collapsed = report(COLLAPSED, false);
    println!("{collapsed}");
    assert!(aucs(&collapsed).iter().all(|auc| *auc > 0.9), "{:?}", aucs(&collapsed));
    for warning in ["the latent has collapsed", "told from real ones", "draws spread", "80 % intervals"] {
        assert!(warned(&collapsed, warning), "{warning}: {:?}", collapsed.warnings);
    }
    assert!(!warned(&collapsed, "do not follow their level"), "{:?}", collapsed.warnings);
    let sentence = &collapsed.verdict[1];
    assert!(sentence.starts_with("Do not use its generated traces: the latent has collapsed"), "{sentence}");
}

#[test]
fn a_model_of_other_rows_levels_is_called_out_and_a_sound_one_is_not() {
    let shuffled = report(&[], true);
    assert!(warned(&shuffled, "do not follow their level"), "{:?}", shuffled.warnings);
    let sentence = &shuffled.verdict[1];
    assert!(
        sentence.starts_with("Do not use its generated traces") && sentence.contains("do not follow their level"),
        "{sentence}"
    );
    let [sound, of_three] = reports(&[], false);
    println!("{sound}");
    assert!(
        sound.verdict[1].starts_with("Nothing measured speaks against its generated traces"),
        "{:?}",
        sound.verdict
    );
    // three listeners cannot show whether others are similar
    let (sentence, wanted) =
        (&of_three.verdict[1], "Whether its generated traces are realistic cannot be judged here: these are too few");
    assert!(sentence.starts_with(wanted), "{sentence}");
    for warning in ["the latent has collapsed", "told from real ones", "do not follow their level", "copies"] {
        assert!(!warned(&sound, warning), "{warning}: {:?}", sound.warnings);
    }
    // the residual brings it closer to the ground truth
    let explained = |e: &abr_film::eval::GoodnessOfFit| e.truth_explained_variance.unwrap();
    let (network, model) = (explained(sound.network.as_ref().unwrap()), explained(&sound.model));
    assert!(model > network + 0.005, "{model} with the residual, {network} without");
    let halves = sound.likeness.as_ref().unwrap().real_halves.unwrap();
    for auc in [halves.logistic, halves.neighbours] {
        // Two halves of 260 traces each: if they are alike, the AUC of independent traces has a standard error of
        // sqrt(521 / (12 * 260^2)) = .025 (Mann and Whitney 1947). The bound is 2.8 of them.
        assert!((auc - 0.5).abs() < 0.07, "{auc} of two halves of the real listeners");
    }
}

//! The recorded models.

use super::{PERTURBATION, unit};
use abr_film::engine::op::Precision;
use abr_film::engine::tensor::Real;
use common::margins::Margins;
use common::recording::{Recording, own};
use common::replay::{Found, Perturbation, replay};
use common::shared::shared;
use common::tolerance::Tolerances;
use std::any::type_name;
use std::path::Path;

/// Compares every expected tensor of a model's recording.
fn compare_model<T: Real>(recording: &Recording, found: &Found) -> Margins {
    let (tolerances, mut margins) = (Tolerances::new(recording, found, unit::<T>()), Margins::default());
    for (name, want) in &recording.tensors {
        if !name.starts_with("param/") && !name.starts_with("input/") {
            let got = found.get(name).unwrap_or_else(|| panic!("{name} is recorded and not replayed"));
            margins.compare(name, got, &want.values, &tolerances.of(name));
        }
    }
    for (group, parameter) in found.keys().filter_map(|name| name.split_once('/')) {
        let recorded = |group: &str| recording.tensors.contains_key(&format!("{group}/{parameter}"));
        let whole = matches!(group, "grad" | "step3");
        assert!(!whole || recorded(group) || recorded(&format!("{group}norm")), "{group}/{parameter} is not recorded");
    }
    margins
}

fn check_model<T: Precision>(recording: &Recording, title: &str) {
    let title = format!("{title}, {}", type_name::<T>());
    let run = |perturbation| compare_model::<T>(recording, &replay::<T>(recording, perturbation));
    run(Perturbation::None).assert_within(&title);

    // a gradient of 0 (a head without labels) cannot be perturbed
    let gradient = |name: &str| {
        recording.tensors.get(&format!("grad/{name}")).or(recording.tensors.get(&format!("gradnorm/{name}")))
    };
    let alive = |group: &str, name: &str| {
        let name = name.strip_prefix(group).and_then(|name| name.strip_prefix('/'));
        name.and_then(gradient).is_some_and(|g| g.values.iter().any(|v| *v != 0.0))
    };
    let in_f64 = recording.about["expected"] == "float64";
    let perturbed = run(Perturbation::Gradients(PERTURBATION));
    let (seen, mut blind) =
        perturbed.noticed(|name| alive("grad", name) || alive("gradnorm", name) || name == "train/grad_norm");
    if in_f64 && unit::<T>() == unit::<f64>() {
        blind.extend(perturbed.noticed(|name| alive("step3", name)).1);
    }
    assert!(seen > 0 && blind.is_empty(), "{title}: gradients perturbed, and within the tolerance: {blind:?}");

    // Adam divides a gradient by its own size. In f32 the effect of a thousandth of a gradient is below the parameter's
    // rounding, so every tensor must show a hundredth of the learning rate instead. With a float32 recording, whose
    // tolerance is larger (`other_side` in common/tolerance.rs), it is a tenth. Norms, which a step hardly changes,
    // must show that in some tensors.
    let perturbed = run(Perturbation::LearningRate(if in_f64 { 1e-2 } else { 1e-1 }));
    let (_, blind) = perturbed.noticed(|name| alive("step3", name));
    assert!(blind.is_empty(), "{title}: learning rate perturbed, and within the tolerance: {blind:?}");
    let (seen, blind) = perturbed.noticed(|name| alive("step3norm", name));
    assert!(seen > 0 || blind.is_empty(), "{title}: learning rate perturbed, and within the tolerance: {blind:?}");
}

fn check_recording(folder: &Path, name: &str) {
    let recording = Recording::open(&folder.join(format!("{name}.safetensors")), "case");
    check_model::<f64>(&recording, name);
    check_model::<f32>(&recording, name);
}

macro_rules! one_test_per_recording {
    ($folder:expr; $($name:ident)*) => {
        $(#[test] fn $name() {
            if let Some(folder) = $folder {
                check_recording(&folder, stringify!($name));
            }
        })*

        #[test]
        fn every_recording_has_its_test() {
            let Some(folder) = $folder else { return };
            let files = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
            let recordings = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors"));
            let names = recordings.map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned());
            let mut names: Vec<String> = names.filter(|name| name != "ops").collect();
            names.sort_unstable();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

mod own_models {
    use super::*;

    one_test_per_recording! { Some(own());
        adam_l2 adamw calibrated calibrated_warmup clamps clip concat concat_dropout concat_peaks condition_dropout
        cross_attention dropout film film_encoder film_gate film_learning_rate film_levels film_mixing film_options
        film_peaks film_rank film_unlabelled joint_concat plain strength_half
    }
}

mod shared_models {
    use super::*;

    one_test_per_recording! { shared("reference"); concat concat_peaks film film_full film_peaks plain }
}

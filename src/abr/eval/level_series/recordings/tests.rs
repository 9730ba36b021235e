use super::*;
use crate::data::GroundTruth;
use crate::eval::level_series::{SpreadBand, WaveMark};

/// Three samples at −0.5, 0 and 0.5 ms, the middle one missing.
fn recording(subject: &str, level: &str, ear: &str) -> Recording {
    let mut recording = Recording::new(vec![1.0, f32::NAN, 3.0]);
    recording.subject = subject.to_string();
    (recording.sample_rate_hz, recording.t0_ms) = (Some(2000.0), Some(-0.5));
    recording.columns = vec![("level_db".into(), level.into()), ("ear".into(), ear.into())];
    recording
}

fn with(mut recording: Recording, column: &str, value: &str) -> Recording {
    recording.set_column(column, value);
    recording
}

fn set<'a>(name: &str, recordings: &'a [Recording]) -> RecordingSet<'a> {
    RecordingSet { name: name.to_string(), source: source_of(recordings), recordings }
}

fn gathered(sets: &[RecordingSet], choice: &SeriesSelection) -> SeriesWithNotices {
    from_recordings(sets, choice).unwrap()
}

fn drawn(recordings: &[Recording], choice: &SeriesSelection) -> LevelSeries {
    gathered(&[set("recorded", recordings)], choice).series
}

fn subject(name: &str) -> SeriesSelection {
    SeriesSelection { subjects: vec![name.to_string()], ..SeriesSelection::default() }
}

fn titles(series: &LevelSeries) -> Vec<&str> {
    series.panels.iter().map(|panel| panel.title.as_str()).collect()
}

/// Name, and (level, traces) of each level, of the layers of a panel.
fn layers(panel: &Panel) -> Vec<(&str, Vec<(f64, usize)>)> {
    let levels = |layer: &TraceLayer| layer.levels.iter().map(|l| (l.level_db.unwrap(), l.traces)).collect();
    panel.layers.iter().map(|layer| (layer.name.as_str(), levels(layer))).collect()
}

#[test]
fn the_subject_with_the_most_levels_is_drawn_with_one_panel_per_ear() {
    let all =
        [("a", "20", "L"), ("b", "80", "L"), ("b", "20", "L"), ("b", "60", "R"), ("b", "?", "R"), ("b", "80.0", "L")];
    let all = all.map(|(subject, level, ear)| recording(subject, level, ear));
    let made = gathered(&[set("recorded", &all)], &SeriesSelection::default());
    assert_eq!((&made.whose[..], titles(&made.series)), (&["b".to_string()][..], vec!["b, ear L", "b, ear R"]));
    let [left, right] = &made.series.panels[..] else { panic!("{made:?}") };
    assert_eq!(layers(left), [("recorded", vec![(20.0, 1), (80.0, 2)])]);
    assert_eq!((right.layers[0].levels[0].t0_ms, right.layers[0].levels[0].step_ms), (-0.5, 0.5));
    assert_eq!(made.notices, ["recorded: 1 rows are not drawn (the first: the level is \"?\", which is not a number)"]);
    let message = from_recordings(&[set("recorded", &all)], &subject("c")).unwrap_err().to_string();
    assert!(message.contains("no subject c") && message.contains("the subjects are a, b"), "{message}");
}

#[test]
fn what_is_missing_is_named_alone() {
    let changed = |change: fn(&mut Recording)| {
        let mut recording = recording("a", "20", "L");
        change(&mut recording);
        recording
    };
    let no_level = changed(|r| r.columns.clear());
    let no_rate = changed(|r| r.sample_rate_hz = None);
    let no_time = changed(|r| r.t0_ms = None);
    let neither = changed(|r| (r.sample_rate_hz, r.t0_ms) = (None, None));
    let message = |recordings: &[Recording]| {
        from_recordings(&[set("recorded", recordings)], &SeriesSelection::default()).unwrap_err().to_string()
    };
    for (recordings, wanted) in [
        (
            vec![neither.clone(), no_time],
            "the time of the first sample is not known\n  help: give --t0-ms 0 if the first sample is at the \
             stimulus onset, or --config with data.t0_ms",
        ),
        (
            vec![no_rate],
            "the sample rate is not known\n  help: give --sample-rate-hz, or --config with data.sample_rate_hz",
        ),
        (vec![no_level], "the level is not known\n  help: give the level in dB in a column level_db"),
        (
            vec![neither],
            "the sample rate is not known, and the time of the first sample is not known\n  help: give \
             --sample-rate-hz, or --config with data.sample_rate_hz; give --t0-ms 0 if the first sample is at the \
             stimulus onset, or --config with data.t0_ms",
        ),
    ] {
        assert_eq!(message(&recordings), format!("no level series of any subject: {wanted}"));
    }
    let refused = |recording: Recording, part: &str| {
        let message = message(&[recording]);
        assert!(message.contains(part), "{part:?} is not in: {message}");
    };
    refused(changed(|r| r.columns[0].1 = "loud".into()), "the level is \"loud\", which is not a number");
    refused(changed(|r| r.samples.fill(f32::NAN)), "all samples are missing");
    for rate in [0.0, -20_000.0, f64::NAN, f64::INFINITY, 1e-300] {
        let mut recording = recording("a", "20", "L");
        recording.sample_rate_hz = Some(rate);
        refused(recording, &format!("the sample rate cannot be {rate} Hz\n  help: give --sample-rate-hz"));
    }
    refused(changed(|r| r.t0_ms = Some(1e17)), "the time of the first sample cannot be 100000000000000000 ms");
    // of several tables the one at fault is named
    let good = [recording("a", "20", "L")];
    let bad = [changed(|r| r.t0_ms = None)];
    let message =
        from_recordings(&[set("x", &good), set("y", &bad)], &SeriesSelection::default()).unwrap_err().to_string();
    assert!(message.starts_with("no level series of any subject in y: the time"), "{message}");
}

#[test]
fn generated_subjects_are_nobodys_and_are_taken_together() {
    let generated: Vec<Recording> =
        (0..6).map(|i| recording(&format!("generated-{}", i + 1), if i < 4 { "20" } else { "60" }, "")).collect();
    assert_eq!(source_of(&generated), TraceSource::Generated);
    let alone = drawn(&generated, &SeriesSelection::default());
    assert_eq!((titles(&alone), alone.panels.len()), (vec![""], 1));
    assert_eq!(layers(&alone.panels[0]), [("recorded", vec![(20.0, 4), (60.0, 2)])]);
    // beside recordings of two ears they stand in both panels
    let recorded = [("b", "20", "L"), ("b", "80", "L"), ("b", "20", "R")].map(|(s, l, e)| recording(s, l, e));
    for choice in [SeriesSelection::default(), subject("b")] {
        let made = gathered(&[set("recorded", &recorded), set("generated", &generated)], &choice);
        assert_eq!(titles(&made.series), ["b, ear L", "b, ear R"]);
        let with = ("generated", vec![(20.0, 4), (60.0, 2)]);
        assert_eq!(layers(&made.series.panels[0]), [("recorded", vec![(20.0, 1), (80.0, 1)]), with.clone()]);
        assert_eq!(layers(&made.series.panels[1]), [("recorded", vec![(20.0, 1)]), with]);
        assert!(made.notices[0].starts_with("generated: the same traces are in 2 panels"), "{:?}", made.notices);
        // the order on the command line is that of the layers alone
        let turned = gathered(&[set("generated", &generated), set("recorded", &recorded)], &choice);
        assert_eq!(titles(&turned.series), ["b, ear L", "b, ear R"]);
        assert_eq!(turned.series.panels[0].layers[0].name, "generated");
    }
    // one that is drawn through several levels is a listener
    let series = ["20", "60"].map(|level| recording("generated-1", level, ""));
    assert_eq!(titles(&drawn(&series, &SeriesSelection::default())), ["generated-1"]);
    // without a condition there is no level
    let mut free = generated;
    free.iter_mut().for_each(|r| r.columns.clear());
    assert_eq!(drawn(&free, &SeriesSelection::default()).panels[0].layers[0].levels[0].level_db, None);
}

#[test]
fn subjects_are_chosen_pooled_or_set_beside_each_other() {
    let all = [("a", "20"), ("a", "40"), ("b", "20"), ("b", "40"), ("c", "20")];
    let all = all.map(|(subject, level)| recording(subject, level, ""));
    let two = SeriesSelection { subjects: vec!["b".into(), "a".into()], ..SeriesSelection::default() };
    assert_eq!(titles(&drawn(&all, &two)), ["a", "b"]);
    let pooled = drawn(&all, &SeriesSelection { pool: true, ..SeriesSelection::default() });
    assert_eq!(layers(&pooled.panels[0]), [("recorded", vec![(20.0, 3), (40.0, 2)])]);
    // nobody with two levels: all together
    let singles = [&all[0], &all[3], &all[4]].map(Clone::clone);
    assert_eq!(
        layers(&drawn(&singles, &SeriesSelection::default()).panels[0]),
        [("recorded", vec![(20.0, 2), (40.0, 1)])]
    );
    // two tables of two listeners share a panel
    let made = gathered(&[set("before", &all[..2]), set("after", &all[2..4])], &SeriesSelection::default());
    assert_eq!(titles(&made.series), [""]);
    let levels = vec![(20.0, 1), (40.0, 1)];
    assert_eq!(layers(&made.series.panels[0]), [("before, a", levels.clone()), ("after, b", levels)]);
    let sets = [set("before", &all[..2]), set("after", &all[2..4])];
    let message = from_recordings(&sets, &subject("a")).unwrap_err().to_string();
    assert!(message.contains("after has no subject a"), "{message}");
}

#[test]
fn frequencies_follow_their_numbers_and_meet_across_tables() {
    let at = |hz: &str| ["20", "40"].map(|level| with(recording("a", level, ""), "frequency_hz", hz));
    let recorded: Vec<Recording> = ["16000", "8000", "click"].into_iter().flat_map(at).collect();
    let made: Vec<Recording> = at("8000.0").into_iter().chain(at("32000")).collect();
    let made = gathered(&[set("recorded", &recorded), set("reconstructed", &made)], &SeriesSelection::default());
    assert_eq!(titles(&made.series), ["a, click", "a, 8000 Hz", "a, 16000 Hz", "a, 32000 Hz"]);
    let layers: Vec<usize> = made.series.panels.iter().map(|panel| panel.layers.len()).collect();
    assert_eq!((layers, made.notices), (vec![1, 2, 1, 1], Vec::new()));
}

#[test]
fn too_many_levels_are_refused_unless_they_are_taken_together() {
    let all: Vec<Recording> = (0..30).map(|i| recording("a", &format!("{}", 20.0 + 1.1 * f64::from(i)), "")).collect();
    let message = from_recordings(&[set("recorded", &all)], &SeriesSelection::default()).unwrap_err().to_string();
    assert!(message.contains("a: 30 levels, more than the 24") && message.contains("--level-step 5"), "{message}");
    let series = drawn(&all, &SeriesSelection { level_step_db: Some(10.0), ..SeriesSelection::default() });
    // 20 to 24.4, then up to 34.3, 44.2 and 51.9
    assert_eq!(layers(&series.panels[0]), [("recorded", vec![(20.0, 5), (30.0, 9), (40.0, 9), (50.0, 7)])]);
}

#[test]
fn a_level_is_averaged_over_traces_of_one_time_axis() {
    let mut all = [recording("a", "20", ""), recording("a", "20", ""), recording("a", "40", "")];
    all[1].samples = vec![3.0, 5.0, 7.0];
    // as two systems write one rate
    all[1].sample_rate_hz = Some(2000.001);
    let summary = Summary { band: SpreadBand::Central(80.0), repeats: 10, waves: None };
    let series = drawn(&all, &SeriesSelection { summary, ..SeriesSelection::default() });
    let level = &series.panels[0].layers[0].levels[0];
    assert_eq!(level.mean_uv, [2.0, 5.0, 5.0]);
    assert_eq!(level.repeats_uv.len(), 2);
    all[1].sample_rate_hz = Some(2500.0);
    let message = from_recordings(&[set("recorded", &all)], &SeriesSelection::default()).unwrap_err().to_string();
    let wanted = "a: traces of 20 dB were sampled at different times: 2000 Hz from -0.5 ms and 2500 Hz from -0.5 ms";
    assert!(message.starts_with(wanted) && message.contains("data prepare"), "{message}");
}

#[test]
fn a_window_cuts_and_one_without_samples_is_refused() {
    let all = [recording("a", "20", ""), recording("a", "40", "")];
    let choice = |window_ms| SeriesSelection { window_ms: Some(window_ms), ..SeriesSelection::default() };
    let series = drawn(&all, &choice([0.5, 2.0]));
    assert_eq!(series.panels[0].layers[0].levels[0].mean_uv, [3.0]);
    let message = from_recordings(&[set("recorded", &all)], &choice([1.0, 2.0])).unwrap_err().to_string();
    assert!(
        message.contains("nothing was recorded between 1 and 2 ms") && message.contains("-0.500 to 0.500 ms"),
        "{message}"
    );
}

#[test]
fn the_threshold_is_the_stated_one_and_no_wave_is_marked_below_it() {
    let bump = |i: usize| (-0.5 * ((i as f64 * 0.05 - 6.6) / 0.3).powi(2)).exp() as f32;
    let trace = |subject: &str, level: &str, threshold: &str| {
        let mut recording = with(recording(subject, level, ""), "threshold_db", threshold);
        recording.samples = (0..200).map(bump).collect();
        (recording.sample_rate_hz, recording.t0_ms) = (Some(20_000.0), Some(0.0));
        recording
    };
    let all = [trace("a", "40", "50"), trace("a", "60", "50"), trace("b", "60", "70"), trace("b", "80", "70")];
    let panel = |choice: SeriesSelection| drawn(&all, &choice).panels.remove(0);
    let waves = |panel: &Panel| -> Vec<Vec<&str>> {
        let names = |waves: &[WaveMark]| waves.iter().map(|mark| mark.wave).collect();
        panel.layers[0].levels.iter().map(|level| names(&level.waves)).collect()
    };
    let stated = panel(subject("a"));
    assert_eq!((stated.threshold_db, waves(&stated)), (Some(50.0), vec![vec![], vec!["V"]]));
    let given = panel(SeriesSelection { threshold_db: Some(35.0), ..subject("a") });
    assert_eq!((given.threshold_db, waves(&given)), (Some(35.0), vec![vec!["V"], vec!["V"]]));
    // two thresholds are none of both together
    assert_eq!(panel(SeriesSelection { pool: true, ..SeriesSelection::default() }).threshold_db, None);
}

#[test]
fn the_truth_of_a_simulation_is_a_layer_of_its_own() {
    let mut all = [recording("a", "20", ""), recording("a", "40", "")];
    let choice = SeriesSelection { ground_truth: true, ..SeriesSelection::default() };
    let message = from_recordings(&[set("recorded", &all)], &choice).unwrap_err().to_string();
    assert!(message.contains("truth_s0"), "{message}");
    let truth = |uv: f32| Some(Box::new(GroundTruth { samples: vec![uv; 3], latencies_ms: [f32::NAN; 7] }));
    (all[0].ground_truth, all[1].ground_truth) = (truth(0.5), truth(0.25));
    let series = drawn(&all, &choice);
    let [recorded, truth] = &series.panels[0].layers[..] else { panic!("{series:?}") };
    assert_eq!((recorded.source, truth.source), (TraceSource::Recorded, TraceSource::GroundTruth));
    assert_eq!((truth.name.as_str(), &truth.levels[1].mean_uv), ("noise-free", &vec![0.25; 3]));
}

#[test]
fn what_a_table_is_shows_in_its_subjects_and_columns() {
    let plain = [recording("generated-1", "20", ""), recording("a", "20", "")];
    assert_eq!(source_of(&plain), TraceSource::Recorded);
    assert_eq!(source_of(&plain[..1]), TraceSource::Generated);
    let read = [with(recording("a", "20", ""), "level_db_read", "21")];
    assert_eq!(source_of(&read), TraceSource::Reconstructed);
    let species = |names: [&str; 2]| stated_species(&names.map(|name| with(plain[1].clone(), "species", name)));
    assert_eq!(species(["Mouse", "mouse"]), Some(Species::Mouse));
    assert_eq!((species(["mouse", "human"]), species(["rat", "rat"]), stated_species(&plain)), (None, None, None));
}

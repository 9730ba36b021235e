use super::super::peaks::tests::bumps;
use super::*;
use crate::config::{DataConfig, Design, Species, SynthConfig};
use crate::data::{Values, load};
use ndarray::{Array2, Axis, stack};

const HUMAN: Picker = Picker { species: Species::Human, sample_rate_hz: 20_000.0, t0_ms: 0.0 };
const MOUSE: Picker = Picker { species: Species::Mouse, ..HUMAN };
/// The index of wave V among the human waves.
const V: usize = 2;

/// All waves in these tests peak on a sample and have a deviation of 3 samples, so only f32 rounds: each neighbour of
/// the peak by 2^-25 of its height, over twice a second difference of 1/9 of it, which is 2.7e-7 samples or 1.4e-8 ms.
/// Slopes per 10 dB and ratios of slopes are at most ten times as far off.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1.4e-7
}

/// A trace with one wave: subject, level, latency in ms, amplitude in µV.
type WaveTrace = (usize, f64, f64, f64);

fn waves(picker: &Picker, rows: &[WaveTrace]) -> LevelWaves {
    let traces: Vec<Array1<f32>> = rows.iter().map(|&(.., ms, uv)| bumps(0.0, &[(ms, uv, 0.15)])).collect();
    let traces = stack(Axis(0), &traces.iter().map(|t| t.view()).collect::<Vec<_>>()).unwrap();
    let levels: Vec<f64> = rows.iter().map(|row| row.1).collect();
    let subjects: Vec<usize> = rows.iter().map(|row| row.0).collect();
    LevelWaves::of(picker, traces.view(), &levels, &subjects, 0.05)
}

/// Wave V of all rows, with equal weights.
fn of(rows: &[WaveTrace]) -> LevelFunction {
    waves(&HUMAN, rows).functions(&vec![1.0; rows.len()]).swap_remove(V)
}

#[test]
fn slopes_are_of_the_law_that_made_the_traces() {
    // per dB 0.03 ms earlier and 0.004 µV larger; the second subject's waves are late and small, at high levels only
    let law = |subject: usize, level: f64| {
        let late = subject as f64;
        (subject, level, 6.5 + 0.8 * late - 0.03 * (level - 60.0), 0.3 - 0.1 * late + 0.004 * (level - 60.0))
    };
    let rows: Vec<WaveTrace> =
        [50.0, 60.0].map(|level| law(0, level)).into_iter().chain([80.0, 90.0].map(|l| law(1, l))).collect();
    let function = of(&rows);
    assert!(near(function.latency_slope_ms_per_10_db, -0.3), "{function:?}");
    assert!(near(function.amplitude_slope_uv_per_10_db, 0.04), "{function:?}");
    // without subjects, the offset would bias the slope
    let alone: Vec<WaveTrace> = rows.iter().map(|&(_, level, ms, uv)| (0, level, ms, uv)).collect();
    // latencies of 6.8, 6.5, 6.7 and 6.4 ms at -20, -10, 10 and 20 dB from their mean: -7 / 1000 ms per dB
    assert!(near(of(&alone).latency_slope_ms_per_10_db, -0.06));
    // subjects with a single level determine no slope
    let apart: Vec<WaveTrace> = rows.iter().enumerate().map(|(i, &(_, level, ms, uv))| (i, level, ms, uv)).collect();
    let apart = of(&apart);
    assert!(apart.latency_slope_ms_per_10_db.is_nan() && apart.latency_monotone.is_nan());
    assert!(apart.steps == 0.0 && apart.steps.is_sign_positive());
}

#[test]
fn points_are_means_over_the_traces_with_the_wave() {
    let rows = [(0, 60.0, 6.0, 0.3), (1, 60.0, 6.4, 0.5), (2, 60.0, 6.2, 0.01), (0, 40.0, 7.0, 0.2)];
    let function = of(&rows);
    let [soft, loud] = &function.points[..] else { panic!("two levels") };
    assert_eq!((soft.level_db, soft.traces, soft.found), (40.0, 1.0, 1.0));
    assert!(
        near(soft.latency_ms.value, 7.0) && soft.latency_sd_ms == 0.0 && near(soft.amplitude_uv.value, 0.2),
        "{soft:?}"
    );
    assert_eq!((loud.level_db, loud.traces, loud.found), (60.0, 3.0, 2.0), "one lies below the floor");
    assert!(
        near(loud.latency_ms.value, 6.2) && near(loud.latency_sd_ms, 0.2) && near(loud.amplitude_uv.value, 0.4),
        "{loud:?}"
    );
}

#[test]
fn steps_are_of_a_subjects_mean_traces_at_neighbouring_levels() {
    let rows = [
        // latency falls, stays, rises; amplitude rises, falls, stays
        (0, 40.0, 7.0, 0.2),
        (0, 50.0, 6.5, 0.4),
        (0, 60.0, 6.5, 0.3),
        (0, 70.0, 6.6, 0.3),
        // no step from the first subject's last level to this subject's first, and none across the level without a wave
        (1, 80.0, 5.6, 0.5),
        (1, 60.0, 6.0, 0.02),
        (1, 40.0, 7.0, 0.4),
    ];
    let function = of(&rows);
    assert_eq!((function.steps, function.latency_monotone, function.amplitude_monotone), (3.0, 2.0 / 3.0, 2.0 / 3.0));
    // two recordings at one level count as one: their mean is smaller than the level below, although one of them is not
    let doubled = [(0, 40.0, 7.0, 0.3), (0, 50.0, 6.5, 0.4), (0, 50.0, 6.5, 0.1)];
    let doubled = of(&doubled);
    assert_eq!((doubled.steps, doubled.latency_monotone, doubled.amplitude_monotone), (1.0, 1.0, 0.0));
    // rows may come in any order
    let mut shuffled = rows;
    shuffled.reverse();
    assert_eq!(of(&shuffled).steps, 3.0);
}

#[test]
fn a_weight_is_as_many_subjects() {
    let subject = |subject: usize, slope: f64| {
        [40.0, 60.0, 80.0]
            .map(|level| (subject, level, 6.5 - slope * (level - 60.0), 0.3 + 0.005 * slope * (level - 60.0)))
    };
    let (steep, flat) = (subject(0, 0.04), subject(1, -0.01));
    let weighed = waves(&HUMAN, &[steep, flat].concat()).functions(&[2.0, 2.0, 2.0, 1.0, 1.0, 1.0]);
    let again = steep.map(|(_, level, ms, uv)| (2, level, ms, uv));
    let repeated = waves(&HUMAN, &[steep, flat, again].concat()).functions(&[1.0; 9]);
    let numbers = |functions: &[LevelFunction]| {
        let v = &functions[V];
        let at = &v.points[0];
        [v.latency_slope_ms_per_10_db, v.amplitude_slope_uv_per_10_db, v.steps, v.latency_monotone, at.latency_ms.value]
            .into_iter()
            .chain([at.latency_sd_ms, at.amplitude_uv.value, at.found, at.traces])
            .collect::<Vec<_>>()
    };
    let (a, b) = (numbers(&weighed), numbers(&repeated));
    // sums of at most nine terms of up to 10 in another order: 9 ulps of 8 to 16 in f64
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 9.0 * 8.0 * f64::EPSILON), "{a:?} {b:?}");
    assert!(near(a[0], (2.0 * -0.4 + 0.1) / 3.0), "{a:?}");
    // a subject with weight 0 counts nowhere
    let without = waves(&HUMAN, &[steep, flat].concat()).functions(&[1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
    assert!(near(without[V].latency_slope_ms_per_10_db, -0.4) && without[V].steps == 2.0);
}

#[test]
fn rows_without_a_level_are_left_out() {
    let function = of(&[(0, 60.0, 6.0, 0.3), (0, f64::NAN, 6.0, 0.3), (0, 70.0, 5.8, 0.3)]);
    assert_eq!(function.points.len(), 2);
    assert!(near(function.latency_slope_ms_per_10_db, -0.2), "{function:?}");
}

#[test]
fn slopes_stand_side_by_side_for_every_wave_of_a_mouse() {
    let moving = |slope: f64| [30.0, 50.0, 70.0].map(|level| (0, level, 1.8 - slope * (level - 50.0), 1.0));
    let of = |slope| waves(&MOUSE, &moving(slope)).functions(&[1.0; 3]);
    let beside = wave_slopes(&of(0.01), &of(0.005));
    assert_eq!(beside.iter().map(|s| s.wave).collect::<Vec<_>>(), ["I", "II", "III", "IV", "V"]);
    let latency = beside[0].latency_ms_per_10_db;
    assert!(near(latency.real, -0.1) && near(latency.difference, 0.05) && near(latency.ratio, 0.5));
    assert!(beside[4].latency_ms_per_10_db.ratio.is_nan());
    assert!(serde_json::to_string(&beside).unwrap().contains(r#""ratio":null"#));
}

#[test]
fn wave_v_of_the_built_in_data_follows_its_law() {
    let fixed = ["conductive_loss_db", "cochlear_loss_db", "neuropathy"].map(|name| (name.to_string(), 0.0)).into();
    let synth =
        SynthConfig { subjects: 30, rows_per_subject: 13, design: Design::Series, fixed, ..SynthConfig::default() };
    let (set, _) = load(&DataConfig { synth, seed: 3, ..DataConfig::default() }, 200, |_, _| {}).unwrap();
    let level = set.conditions.iter().find(|column| column.name == "level_db").unwrap();
    let Values::Number(levels) = &level.values else { panic!("levels are numbers") };
    let mut names: Vec<&String> = set.subjects.iter().collect();
    names.sort();
    names.dedup();
    let subjects: Vec<usize> = set.subjects.iter().map(|s| names.binary_search(&s).unwrap()).collect();
    let truth: Array2<f32> = set.ground_truth.unwrap().signals;
    let functions = LevelWaves::of(&HUMAN, truth.view(), levels, &subjects, 0.05).functions(&vec![1.0; levels.len()]);
    let v = &functions[V];
    let at = |level_db: f64| v.points.iter().find(|point| point.level_db == level_db).unwrap();
    // `4.9 ms exp(-level / 40 dB)` above its limit, with a slope of about 0.4 ms per 10 dB between 20 and 75 dB
    let delay = |level_db: f64| 4.9 * (-level_db / 40.0).exp();
    // Between listeners, sensitivity (4 dB of the 40) and slope (8 %) vary this difference by 13 %, 0.27 ms, and so the
    // mean over 30 of them by 0.05 ms: the bound is three standard errors.
    assert!(
        (at(20.0).latency_ms.value - at(70.0).latency_ms.value - (delay(20.0) - delay(70.0))).abs() < 0.15,
        "{v:?}"
    );
    // least squares over 15 to 75 dB, and five standard errors of 2.4 %
    assert!((v.latency_slope_ms_per_10_db - -0.4276).abs() < 5.0 * 0.0101, "{v:?}");
    assert!(v.amplitude_slope_uv_per_10_db > 0.02, "{v:?}");
    // each recording also has its own gain
    assert!(v.latency_monotone > 0.95 && v.amplitude_monotone > 0.65, "{v:?}");
}

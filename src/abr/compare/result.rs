//! The result of a cell: measures on unseen subjects, from its evaluation, and what it cost.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a comparison shows of each cell.
#[derive(Debug, Clone, Copy)]
pub struct Measure {
    /// Its key in a result.
    pub key: &'static str,
    /// The heading of its column.
    pub title: &'static str,
    pub what: &'static str,
    pub better: Better,
    pub decimals: usize,
    /// Its value in the JSON of an evaluation.
    value: fn(&Value) -> Option<f64>,
}

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
    /// The nearer to 1.
    Near1,
    /// Neither: the value says what a variant does, and not how well.
    Neither,
}

/// The measures, in the order of the columns.
pub const MEASURES: &[Measure] = &[
    Measure {
        key: "explained_variance",
        title: "reconstruction",
        what: "share of the variance of unseen subjects' traces that reconstructions explain, of the ground truth \
               where there is one",
        better: Better::Higher,
        decimals: 3,
        value: explained_variance,
    },
    Measure {
        key: "generated_mean",
        title: "generated mean",
        what: "share of that variance that the mean of generated traces under the same condition explains",
        better: Better::Higher,
        decimals: 3,
        value: |evaluation| number(evaluation, "/generated/mean_explained_variance/value"),
    },
    Measure {
        key: "spread",
        title: "spread",
        what: "standard deviation of generated traces about their mean, relative to that of listeners",
        better: Better::Near1,
        decimals: 2,
        value: |evaluation| number(evaluation, "/generated/spread/value"),
    },
    Measure {
        key: "latency_error_ms",
        title: "latency error, ms",
        what: "mean difference between the latencies of wave V in the mean generated and the mean real trace, over \
               levels",
        better: Better::Lower,
        decimals: 3,
        value: latency_error,
    },
    Measure {
        key: "level_error_db",
        title: "level predicted, dB",
        what: "mean error of the level that the decoder's head for the condition predicts; a decoder that is given the \
               condition can copy it, so that no variant is better by it",
        better: Better::Neither,
        decimals: 1,
        value: level_error,
    },
];

/// A finished cell.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellResult {
    pub cell: String,
    /// Trainable values.
    pub parameters: u64,
    pub epochs: u64,
    pub best_epoch: Option<u64>,
    /// By the keys of [`MEASURES`]; one that the evaluation does not have is missing.
    pub measures: BTreeMap<String, f64>,
    pub cost: Cost,
}

/// What a cell cost on the machine that did it, beside whatever else ran there.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// The median over the epochs of the time of a training step.
    pub step_ms: Option<f64>,
    /// The time to decode 1024 traces.
    pub generate_ms: Option<f64>,
    /// The most memory that the process had, where the system tells.
    pub peak_mb: Option<f64>,
    /// The training's time, without the evaluation.
    pub train_s: Option<f64>,
    pub threads: usize,
    /// The device that computed.
    pub device: String,
}

/// The measures of an evaluation, from its JSON.
pub fn measures(evaluation: &Value) -> BTreeMap<String, f64> {
    MEASURES.iter().filter_map(|measure| Some((measure.key.to_string(), (measure.value)(evaluation)?))).collect()
}

fn number(evaluation: &Value, pointer: &str) -> Option<f64> {
    evaluation.pointer(pointer)?.as_f64()
}

fn explained_variance(evaluation: &Value) -> Option<f64> {
    let of_truth = number(evaluation, "/model/truth_explained_variance");
    of_truth.or_else(|| number(evaluation, "/model/explained_variance"))
}

/// The mean over levels of the distance between the latencies of wave V in the mean generated and in the mean real
/// trace; `None` where no level has both.
fn latency_error(evaluation: &Value) -> Option<f64> {
    let simulated = evaluation["waves"].as_array().into_iter().flatten().filter_map(|level: &Value| {
        let latency = |side: &str| level.pointer(&format!("/{side}/mean_trace/latency_ms"))?.as_f64();
        Some((latency("generated")? - latency("truth")?).abs())
    });
    let simulated: Vec<f64> = simulated.collect();
    let distances = if simulated.is_empty() { recorded_distances(evaluation) } else { simulated };
    (!distances.is_empty()).then(|| distances.iter().sum::<f64>() / distances.len() as f64)
}

/// The same for recordings, where no true trace is known: of the latencies in single traces, by level.
fn recorded_distances(evaluation: &Value) -> Vec<f64> {
    let wave_v = |side: &str| {
        let waves = evaluation.pointer(&format!("/wave_errors/levels/{side}"))?.as_array()?;
        waves.iter().find(|wave| wave["wave"] == "V")?["points"].as_array().cloned()
    };
    let (Some(real), Some(generated)) = (wave_v("real"), wave_v("generated")) else { return Vec::new() };
    let distance = |real: &Value| {
        let same = generated.iter().find(|point| point["level_db"] == real["level_db"])?;
        let latency = |point: &Value| point.pointer("/latency_ms/value")?.as_f64();
        Some((latency(same)? - latency(real)?).abs())
    };
    real.iter().filter_map(distance).collect()
}

fn level_error(evaluation: &Value) -> Option<f64> {
    let columns = evaluation.pointer("/conditions/film_on")?.as_array()?;
    columns.iter().find(|column| column["name"] == "level_db")?["mae"].as_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn latencies_of_recordings_are_compared_by_level() {
        let point = |level: f64, latency: f64| json!({"level_db": level, "latency_ms": {"value": latency}});
        let side = |points: Vec<Value>| json!([{"wave": "I", "points": []}, {"wave": "V", "points": points}]);
        let levels = json!({
            "real": side(vec![point(60.0, 6.0), point(40.0, 7.0), point(20.0, 8.0)]),
            "generated": side(vec![point(40.0, 7.5), point(60.0, 6.0)]),
        });
        let found = measures(&json!({"waves": [], "wave_errors": {"levels": levels}}));
        assert_eq!(found["latency_error_ms"], 0.25);
    }

    #[test]
    fn measures_come_from_the_evaluation() {
        let wave = |generated: f64, truth: f64| {
            json!({"level_db": 60.0, "generated": {"mean_trace": {"latency_ms": generated}},
                   "truth": {"mean_trace": {"latency_ms": truth}}})
        };
        let evaluation = json!({
            "model": {"explained_variance": 0.5, "truth_explained_variance": 0.75},
            "generated": {"mean_explained_variance": {"value": 0.25}, "spread": {"value": 0.9}},
            "waves": [wave(6.5, 6.0), wave(5.0, 6.0), {"level_db": 20.0, "generated": {"mean_trace": null}}],
            "conditions": {"film_on": [{"name": "rate_hz", "mae": 9.0}, {"name": "level_db", "mae": 4.5}]},
        });
        let found = measures(&evaluation);
        let wanted = [0.75, 0.25, 0.9, 0.75, 4.5];
        for (measure, wanted) in MEASURES.iter().zip(wanted) {
            assert_eq!(found[measure.key], wanted, "{}", measure.key);
        }
        assert_eq!(measures(&json!({"model": {"explained_variance": 0.5}})).len(), 1);
    }
}

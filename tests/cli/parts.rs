//! `generate` in parts: the same traces, in memory that does not grow with their number.

use crate::evaluate::recorded;
use crate::support::{PROGRAM, Place};
use abr_film::checkpoint::{Checkpoint, TrainedModel};
use abr_film::data::{Column, Values};
use abr_film::engine::device::{self, Kind};
use abr_film::generate::{GeneratedTraces, Generator, Request, Value, generate};
use abr_film::model::Cvae;
use ndarray::{Axis, concatenate};
use std::ops::Range;
use std::process::Command;

/// Draws the parts in this order, and puts them together in the order of their rows.
fn in_parts(
    trained: &TrainedModel,
    model: &mut Cvae,
    request: &Request,
    parts: &mut [Range<usize>],
) -> GeneratedTraces {
    let mut generator = Generator::new(trained, request).unwrap();
    let mut made: Vec<(usize, GeneratedTraces)> =
        parts.iter().map(|rows| (rows.start, generator.part(model, rows.clone()).unwrap())).collect();
    made.sort_by_key(|(start, _)| *start);
    let all: Vec<&GeneratedTraces> = made.iter().map(|(_, part)| part).collect();
    let join = |columns: &dyn Fn(&GeneratedTraces) -> Vec<Column>| {
        let mut joined = columns(all[0]);
        for (i, column) in joined.iter_mut().enumerate() {
            let numbers = |part: &&GeneratedTraces| match &columns(part)[i].values {
                Values::Number(numbers) => numbers.clone(),
                Values::Text(_) => panic!("a column of text"),
            };
            column.values = Values::Number(all.iter().flat_map(numbers).collect());
        }
        joined
    };
    let signals: Vec<_> = all.iter().map(|part| part.signals.view()).collect();
    GeneratedTraces {
        signals: concatenate(Axis(0), &signals).unwrap(),
        subjects: all.iter().flat_map(|part| part.subjects.clone()).collect(),
        conditions: join(&|part| part.conditions.clone()),
        predicted: join(&|part| part.predicted.clone()),
        peaks: None,
    }
}

#[test]
fn parts_are_those_of_the_whole() {
    let place = Place::new();
    place.write("train.csv", recorded(0, 12, 0.1));
    let levels = |count: usize| {
        let level = |i: usize| Value::Number(20.0 + 60.0 * i as f64 / count as f64);
        Some((0..count).map(|i| vec![("level_db".to_string(), level(i))]).collect::<Vec<_>>())
    };
    let request = Request { conditions: levels(3), count: 300, series: false, seed: 5, averages: None };
    let requests = [
        request.clone(),
        Request { averages: Some(500.0), ..request.clone() },
        Request { conditions: None, count: 900, ..request.clone() },
        Request { conditions: Some(vec![vec![]]), count: 900, ..request.clone() },
        Request { series: true, ..request.clone() },
        // a subject goes through several parts, and not all of its conditions weight the training subjects
        Request { conditions: levels(600), count: 2, series: true, averages: Some(10.0), ..request },
    ];
    let more = "--set training.augment.gain=0.2 --set model.residual=gaussian --set training.num_epochs=3";
    for prior in ["aggregated", "learned", "standard"] {
        place.ok(&format!("train --config small.json --data train.csv --out {prior} --set model.prior={prior} {more}"));
        let checkpoint = place.path(prior).join("best.safetensors");
        device::with(Kind::Cpu, Some(2), |device| {
            let (trained, mut model, _) = Checkpoint::open(&checkpoint, None, device)?;
            for request in &requests {
                let whole = generate(&trained, &mut model, request)?;
                let rows = whole.signals.nrows();
                let parts = in_parts(&trained, &mut model, request, &mut [256..768, 768..rows, 0..256]);
                assert!(parts == whole, "{prior}: {} rows, series: {}", rows, request.series);
            }
            Ok(())
        })
        .unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_number_of_traces() {
    let place = Place::trained("");
    // 200,000 traces take 160 MB as numbers, and took 400 MB as a CSV and 1 GB as an archive
    for out in ["many.csv", "many.npz"] {
        let script = format!("ulimit -v 400000 && exec $0 generate --model run -n 200000 --device cpu --out {out}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, PROGRAM]).current_dir(place.path("")).env_remove("ABR_FILM_ADAPTER");
        let output = command.env("RAYON_NUM_THREADS", "1").output().expect("sh starts");
        assert!(output.status.success(), "{out}: {}", String::from_utf8_lossy(&output.stderr));
        std::fs::remove_file(place.path(out)).unwrap();
    }
}

//! A network classifies three interleaved spirals: `cargo run --release --example mlp`.
//!
//! Trains on 600 points in batches of 100, with dropout, and tests on 600 others.

use abr_film::engine::prelude::*;

const CLASSES: usize = 3;
const POINTS: usize = 600;
const BATCH: usize = 100;

/// Points `[N, 2]` on noisy spirals, and their classes as `[N, 3]` probabilities.
fn spirals(sample: u32) -> (Vec<f32>, Vec<f32>) {
    let mut draws = Stream::new(1, Purpose::TEST, 0).rng(sample);
    let (mut points, mut classes) = (Vec::new(), Vec::new());
    for i in 0..POINTS {
        let (class, radius) = (i % CLASSES, draws.uniform());
        let angle = 5.0 * radius + 2.1 * class as f64 + 0.2 * draws.normal();
        points.extend([(radius * angle.cos()) as f32, (radius * angle.sin()) as f32]);
        classes.extend((0..CLASSES).map(|c| if c == class { 1.0 } else { 0.0 }));
    }
    (points, classes)
}

/// The part of rows whose largest logit is that of their class.
fn accuracy(logits: &[f32], classes: &[f32]) -> f64 {
    let best = |row: &[f32]| (0..CLASSES).max_by(|a, b| row[*a].total_cmp(&row[*b]));
    let rows = logits.chunks(CLASSES).zip(classes.chunks(CLASSES));
    rows.filter(|(logits, classes)| best(logits) == best(classes)).count() as f64 / POINTS as f64
}

fn main() -> Result<()> {
    let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
    let relu = LeakyRelu::RELU;
    let net = Sequential::builder(&mut parameters, "net");
    let net = net.linear(2, 64).op(relu).linear(64, 64).op(relu).dropout(0.1).linear(64, CLASSES).build();
    parameters.allocate(&mut tape, 1)?;
    let mut adam = Optimizer::adam(0.005, &parameters, &mut tape)?;

    let ((points, classes), unseen) = (spirals(0), spirals(1));
    let mut order: Vec<usize> = (0..POINTS).collect();
    let mut step = 0;
    for epoch in 1..=150 {
        Stream::new(1, Purpose::TEST, 1).at(epoch).rng(0).shuffle(&mut order);
        let mut total = 0.0;
        for rows in order.chunks(BATCH) {
            let x: Vec<f32> = rows.iter().flat_map(|i| &points[2 * i..2 * i + 2]).copied().collect();
            let target: Vec<f32> =
                rows.iter().flat_map(|i| &classes[CLASSES * i..CLASSES * (i + 1)]).copied().collect();
            tape.rewind();
            let (x, target) = (tape.input([BATCH, 2], &x)?, tape.input([BATCH, CLASSES], &target)?);
            let mode = Mode::Train { seed: 1, step };
            let logits = net.forward(&mut ForwardContext::new(&mut tape, &parameters, mode), x)?;
            let loss = tape.apply(CrossEntropy, &[logits, target])?;
            tape.backward(loss)?;
            adam.step(&mut tape, None)?;
            total += tape.item(loss)?;
            step += 1;
        }
        if epoch % 50 == 0 {
            println!("epoch {epoch}: loss {:.3}", total / (POINTS / BATCH) as f64);
        }
    }
    tape.rewind();
    let x = tape.input([POINTS, 2], &unseen.0)?;
    let logits = net.forward(&mut ForwardContext::new(&mut tape, &parameters, Mode::Eval), x)?;
    tape.print();
    println!("accuracy on points never seen: {:.1} %", 100.0 * accuracy(&tape.read(logits)?, &unseen.1));
    Ok(())
}

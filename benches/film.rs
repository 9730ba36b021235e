//! The cost of FiLM, as time ratios of two variants that are measured in turns: `cargo bench --bench film`.
//!
//! - `film`: one kernel against two, `mul` then `add`. The two write the product to memory and read it back, forward
//!   and backward; fusing saves that traffic.
//! - `block`: the fused block of a decoder level (LeakyReLU, batch norm, dropout), with a modulation against without.
//! - `decoder`: with FiLM and its MLPs against without, in evaluation mode; backward from a loss on both of its heads.
//! - `training`: the same for the whole model with its encoder in training mode, without the optimizer.
//!
//! A table comes first (alone: `cargo bench --bench film -- ratios`), then criterion's own figures. `ABR_FILM_THREADS`
//! sets the threads.

use abr_film::config::{Conditioning, FilmConfig, ModelConfig, TrainingConfig};
use abr_film::engine::check::draw;
use abr_film::engine::check::{Case, Cases, Fill};
use abr_film::engine::device::Cpu;
use abr_film::engine::nn::layers::Mode;
use abr_film::engine::op::AnyOp;
use abr_film::engine::ops::{self, Mse, WeightedSum};
use abr_film::engine::tape::Var;
use abr_film::model::{Batch, Cvae, LossWeights};
use common::bench::op::Bench;
use common::bench::{BATCHES, Pair, inside, measure, pair, quick, seconds, threads, wanted};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rayon::ThreadPool;

/// Widths of the decoder's levels 1 and 4: within the L1 cache, and beyond it.
const WIDTHS: [usize; 2] = [128, 1024];

/// Each line of the table is measured for at least this many seconds and rounds.
const SECONDS: f64 = 1.5;
const ROUNDS: usize = 21;

/// A forward and a backward pass to measure; a backward pass may follow any number of forward passes.
trait Passes: Send {
    fn forward(&mut self);
    fn backward(&mut self);
}

impl Passes for Bench {
    fn forward(&mut self) {
        Bench::forward(self);
    }

    fn backward(&mut self) {
        Bench::backward(self);
    }
}

/// `gamma * x + beta` in two ops. A swap passes tensors from one to the other without a copy.
struct Composed {
    mul: Bench,
    add: Bench,
}

impl Passes for Composed {
    fn forward(&mut self) {
        self.mul.forward();
        std::mem::swap(&mut self.mul.outputs[0], &mut self.add.inputs[0]);
        self.add.forward();
        std::mem::swap(&mut self.mul.outputs[0], &mut self.add.inputs[0]);
    }

    fn backward(&mut self) {
        self.add.backward();
        std::mem::swap(&mut self.add.gradients[0], &mut self.mul.cotangent);
        self.mul.backward();
        std::mem::swap(&mut self.add.gradients[0], &mut self.mul.cotangent);
    }
}

/// The documented model, or a plain one, on random rows.
struct Model {
    model: Cvae,
    rows: usize,
    signal: Vec<f32>,
    condition: Vec<f32>,
    z: Vec<f32>,
    loss: Option<Var>,
}

impl Model {
    fn new(use_film: bool, rows: usize) -> Self {
        let conditioning = if use_film { Conditioning::Film } else { Conditioning::None };
        let config = ModelConfig { conditioning, ..ModelConfig::default() };
        let model = Cvae::new(&config, &FilmConfig::default(), 1, Box::new(Cpu::<f32>::new())).expect("a model");
        let [signal, condition, z] = [(config.signal_length, 0), (config.static_dim, 1), (config.latent_dim, 2)]
            .map(|(columns, layer)| draw([rows, columns], Fill::Normal, layer).into_raw_vec_and_offset().0);
        Model { model, rows, signal, condition, z, loss: None }
    }

    fn go_back(&mut self) {
        self.model.backward(self.loss.expect("a forward pass before")).expect("gradients");
    }
}

struct Decoder(Model);

impl Passes for Decoder {
    fn forward(&mut self) {
        let Model { model, rows, signal, condition, z, loss } = &mut self.0;
        let decoded = model.decode(*rows, z, Some(condition)).expect("traces");
        let mut mse = |var: Var, target: &[f32]| {
            let tape = model.tape();
            let target = tape.input(tape.shape(var), target).expect("a target");
            tape.apply(Mse, &[var, target]).expect("a term")
        };
        let terms = [mse(decoded.signal, signal), mse(decoded.condition.expect("a condition head"), condition)];
        let weights = [1.0, 1.0].into_iter().collect();
        *loss = Some(model.tape().apply(WeightedSum { weights }, &terms).expect("a loss"));
    }

    fn backward(&mut self) {
        self.0.go_back();
    }
}

struct Training(Model);

impl Passes for Training {
    fn forward(&mut self) {
        let Model { model, rows, signal, condition, z, loss } = &mut self.0;
        let batch = Batch { rows: *rows, signal, condition, eps: Some(z), ..Batch::default() };
        let output = model.forward(&batch, Mode::Train { seed: 1, step: 0 }).expect("an output");
        let weights = LossWeights::new(&TrainingConfig::default(), None);
        *loss = Some(model.losses(&output, &batch, &weights).expect("losses").total);
    }

    fn backward(&mut self) {
        self.0.go_back();
    }
}

/// Two to compare: the group, their names, and how to make them for a number of rows.
struct Comparison {
    group: String,
    names: [&'static str; 2],
    make: Box<dyn Fn(usize) -> [Box<dyn Passes>; 2]>,
}

/// The op's case of this name.
fn bench<O: Cases>(rows: usize, width: usize, name: &str) -> Bench {
    let cases: Vec<Case<AnyOp>> = O::cases(rows, width, width).into_iter().map(Case::any).collect();
    Bench::new(cases.iter().find(|case| case.name == name).expect("a case of this name"))
}

fn comparisons() -> Vec<Comparison> {
    let mut all = Vec::new();
    for width in WIDTHS {
        all.push(Comparison {
            group: format!("film/{width}"),
            names: ["fused", "composed"],
            make: Box::new(move |rows| {
                let (mul, add) = (bench::<ops::Mul>(rows, width, "product"), bench::<ops::Add>(rows, width, "sum"));
                [Box::new(bench::<ops::Film>(rows, width, "full")), Box::new(Composed { mul, add })]
            }),
        });
    }
    for width in WIDTHS {
        all.push(Comparison {
            group: format!("block/{width}"),
            names: ["with", "without"],
            make: Box::new(move |rows| {
                ["film", "no_film"]
                    .map(|name| Box::new(bench::<ops::NormDropoutFilm>(rows, width, name)) as Box<dyn Passes>)
            }),
        });
    }
    let names = ["with", "without"];
    let decoder = |rows| [true, false].map(|film| Box::new(Decoder(Model::new(film, rows))) as Box<dyn Passes>);
    let training = |rows| [true, false].map(|film| Box::new(Training(Model::new(film, rows))) as Box<dyn Passes>);
    all.push(Comparison { group: "decoder".into(), names, make: Box::new(decoder) });
    all.push(Comparison { group: "training".into(), names, make: Box::new(training) });
    all
}

/// Forward and backward of the two in turns.
fn turns(pool: &ThreadPool, two: &mut [Box<dyn Passes>; 2]) -> [Pair; 2] {
    inside(pool, || {
        let pass = |one: &mut Box<dyn Passes>| (seconds(|| one.forward()), seconds(|| one.backward()));
        // the first warms up
        let [_, once] =
            [0, 1].map(|_| two.iter_mut().map(pass).map(|(forward, backward)| forward + backward).sum::<f64>());
        let rounds = ROUNDS.max((SECONDS / once) as usize).min(2000);
        let (mut forward, mut backward) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for _ in 0..rounds {
            for (i, one) in two.iter_mut().enumerate() {
                let (there, back) = pass(one);
                forward[i].push(there);
                backward[i].push(back);
            }
        }
        [forward, backward].map(pair)
    })
}

fn ratios(_: &mut Criterion) {
    if !wanted("ratios") {
        return;
    }
    let pool = threads();
    println!("medians in µs of turns, and the median of the turns' ratios; {} threads", pool.current_num_threads());
    for Comparison { group, names: [first, second], make } in comparisons() {
        println!("{:<16}{:>10}{:>10}{:>8}{:>16}{:>10}{:>8}", group, first, second, "ratio", first, second, "ratio");
        for rows in BATCHES {
            let [forward, backward] = turns(&pool, &mut make(rows)).map(|Pair { medians: [first, second], ratio }| {
                format!("{:>10.1}{:>10.1}{ratio:>8.3}", 1e6 * first, 1e6 * second)
            });
            println!("{rows:>6} forward  {forward} backward {backward}");
        }
    }
}

fn film(c: &mut Criterion) {
    let pool = threads();
    for Comparison { group, names, make } in comparisons() {
        let mut group = c.benchmark_group(group);
        for rows in BATCHES {
            for (name, mut one) in names.into_iter().zip(make(rows)) {
                group.bench_function(BenchmarkId::new(format!("forward/{name}"), rows), |b| {
                    measure(b, &pool, || one.forward());
                });
                group.bench_function(BenchmarkId::new(format!("backward/{name}"), rows), |b| {
                    measure(b, &pool, || one.backward());
                });
            }
        }
    }
}

criterion_group! { name = benches; config = quick(); targets = ratios, film }
criterion_main!(benches);

//! Matrix products at the layers of the documented model, in the three forms of a linear layer, against `matrixmultiply` and
//! against what the CPU's multiply-add units can do at all: `cargo bench --bench gemm`.
//!
//! Rates in the report are multiply-adds a second (`Gelem/s`; times two for FLOP/s). Before it, a table whose kernels take turns product by
//! product, so that what else the machine does meets all alike: medians, in GFLOP/s, of all layers together. `ABR_FILM_THREADS` sets
//! the threads.

mod common;
#[path = "common/draw.rs"]
mod draw;
#[path = "common/peak.rs"]
mod peak;

use abr_film::kernels::gemm::{Kernel, gemm_on};
use abr_film::ops::Fill;
use common::{BATCHES, measure, threads};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use draw::draw;
use ndarray::Array2;
use std::time::Instant;

/// `[inputs, outputs]` of every linear layer, and how many there are of it (mu and logvar; gamma and beta).
const LAYERS: [([usize; 2], usize); 18] = [
    ([207, 512], 1),
    ([512, 256], 1),
    ([256, 128], 1),
    ([128, 64], 2),
    ([64, 128], 1),
    ([128, 256], 1),
    ([256, 512], 1),
    ([512, 1024], 1),
    ([1024, 2048], 1),
    ([2048, 200], 1),
    ([1024, 512], 1),
    ([512, 256], 1),
    ([256, 7], 1),
    ([7, 64], 8),
    ([64, 128], 2),
    ([64, 256], 2),
    ([64, 512], 2),
    ([64, 1024], 2),
];

/// Rounds behind a median.
const ROUNDS: usize = 15;

#[derive(Debug, Clone, Copy)]
enum Form {
    /// `y = x W^T`
    Forward,
    /// `dx += dy W`
    Input,
    /// `dW += dy^T x`
    Weight,
}

const FORMS: [Form; 3] = [Form::Forward, Form::Input, Form::Weight];

/// A layer with everything its products read and write.
struct Layer {
    x: Array2<f32>,
    y: Array2<f32>,
    dy: Array2<f32>,
    dx: Array2<f32>,
    w: Array2<f32>,
    dw: Array2<f32>,
}

impl Layer {
    fn new(rows: usize, [inputs, outputs]: [usize; 2]) -> Self {
        let [x, y] = [[rows, inputs], [rows, outputs]];
        let w = [outputs, inputs];
        let [x, dx] = [draw(x, Fill::Normal, 0), draw(x, Fill::Normal, 1)];
        let [y, dy] = [draw(y, Fill::Normal, 2), draw(y, Fill::Normal, 3)];
        Layer { x, y, dy, dx, w: draw(w, Fill::Normal, 4), dw: draw(w, Fill::Normal, 5) }
    }

    fn multiply_adds(&self) -> usize {
        self.x.nrows() * self.w.len()
    }

    fn run(&mut self, form: Form, kernel: Kernel) {
        match form {
            Form::Forward => gemm_on(kernel, self.x.view(), self.w.t(), 0.0, self.y.view_mut()),
            Form::Input => gemm_on(kernel, self.dy.view(), self.w.view(), 1.0, self.dx.view_mut()),
            Form::Weight => gemm_on(kernel, self.dy.t(), self.x.view(), 1.0, self.dw.view_mut()),
        }
    }
}

fn kernels() -> Vec<Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.available()).collect()
}

/// One line a batch and form: GFLOP/s of all layers of a step, by kernel.
fn table(_: &mut Criterion) {
    let pool = threads();
    let (kernels, count) = (kernels(), pool.current_num_threads());
    let peaks: Vec<String> = peak::all().iter().map(|(name, rate)| format!("{name} {:.0} GFLOP/s", rate())).collect();
    println!("multiply-add peak of one thread: {}", peaks.join(", "));
    println!("all layers, {count} threads, medians of {ROUNDS} rounds in turns, GFLOP/s: {kernels:?}");
    for rows in BATCHES {
        let mut layers: Vec<Layer> =
            LAYERS.iter().flat_map(|(shape, times)| (0..*times).map(|_| Layer::new(rows, *shape))).collect();
        let flops = 2.0 * layers.iter().map(Layer::multiply_adds).sum::<usize>() as f64;
        for form in FORMS {
            let mut seconds = vec![Vec::new(); kernels.len()];
            pool.install(|| {
                for _ in 0..ROUNDS {
                    for (kernel, seconds) in kernels.iter().zip(&mut seconds) {
                        let start = Instant::now();
                        layers.iter_mut().for_each(|layer| layer.run(form, *kernel));
                        seconds.push(start.elapsed().as_secs_f64());
                    }
                }
            });
            let rates = seconds.iter_mut().map(|seconds| {
                seconds.sort_by(f64::total_cmp);
                format!("{:7.1} (best {:.1})", flops / seconds[ROUNDS / 2] / 1e9, flops / seconds[0] / 1e9)
            });
            println!("{rows:>4} {:<8} {}", format!("{form:?}"), rates.collect::<Vec<_>>().join(" "));
        }
    }
}

fn layers(c: &mut Criterion) {
    let pool = threads();
    let mut seen = Vec::new();
    for (shape, _) in LAYERS {
        if seen.contains(&shape) {
            continue;
        }
        seen.push(shape);
        for form in FORMS {
            let mut group = c.benchmark_group(format!("gemm/{}x{}/{form:?}", shape[0], shape[1]));
            for rows in BATCHES {
                let mut layer = Layer::new(rows, shape);
                group.throughput(Throughput::Elements(layer.multiply_adds() as u64));
                for kernel in kernels() {
                    group.bench_function(BenchmarkId::new(kernel.name(), rows), |b| {
                        measure(b, &pool, || layer.run(form, kernel));
                    });
                }
            }
        }
    }
}

criterion_group!(benches, table, layers);
criterion_main!(benches);

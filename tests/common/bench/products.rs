//! The matrix products of a training step of the documented model, and how fast they are.
//!
//! The kernels take turns product by product, so that other load on the machine affects all alike. This needs products
//! whose kernel can be chosen. Forward, a step runs the same product. The gradient of an input is one product here, but
//! split-K in a step (`gemm_split_k`). The gradient of a weight is one product here, but a step without a clip makes it
//! in parts, each followed by its step of Adam (`Linear::step_weight`).

use crate::bench::peak;
use crate::bench::{BATCHES, inside, median, seconds};
use abr_film::engine::check::draw;
use abr_film::engine::kernels::gemm::{gemm_bias_on, gemm_on};
use abr_film::engine::kernels::select::Kernel;
use abr_film::engine::op::Fill;
use ndarray::{Array2, s};
use rayon::ThreadPool;

/// Inputs and outputs of a layer, and the columns of the tensors that contain them.
#[derive(Debug, Clone, Copy)]
pub struct LayerShape {
    pub layer: [usize; 2],
    within: [usize; 2],
    /// Layers of this shape.
    pub times: usize,
    /// How the gradient of the input is stored.
    dx: Dx,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Dx {
    /// The input is data and has no gradient.
    None,
    Overwritten,
    /// Added: another layer with the same input comes first.
    Added,
}

const fn layer(inputs: usize, outputs: usize, times: usize) -> LayerShape {
    LayerShape { layer: [inputs, outputs], within: [inputs, outputs], times, dx: Dx::Overwritten }
}

/// The output layers of a FiLM generator, one for gamma and one for beta, as columns of the wider tensors of all
/// levels.
const fn film(outputs: usize) -> LayerShape {
    LayerShape { within: [512, 3840], ..layer(64, outputs, 2) }
}

impl LayerShape {
    const fn with(self, dx: Dx) -> LayerShape {
        LayerShape { dx, ..self }
    }

    /// The products that a step makes.
    pub fn forms(self) -> impl Iterator<Item = Form> {
        FORMS.into_iter().filter(move |form| !matches!(form, Form::Input) || self.dx != Dx::None)
    }
}

/// Every layer: the encoder's (mu and logvar in one), FiLM's (all hidden layers in one), the decoder's levels, the
/// heads'.
pub const SHAPES: [LayerShape; 17] = [
    layer(207, 512, 1).with(Dx::None),
    // and a head's
    layer(512, 256, 2),
    layer(256, 128, 1),
    layer(128, 128, 1),
    layer(7, 512, 1).with(Dx::None),
    film(128),
    film(256),
    film(512),
    film(1024),
    layer(64, 128, 1),
    layer(128, 256, 1),
    layer(256, 512, 1),
    layer(512, 1024, 1),
    // the heads share their input
    layer(1024, 2048, 1).with(Dx::Added),
    layer(2048, 200, 1),
    layer(1024, 512, 1),
    layer(256, 7, 1),
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// `y = x W^T + b`
    Forward,
    /// `dx = dy W` or `dx += dy W`
    Input,
    /// `dW = dy^T x`
    Weight,
}

pub const FORMS: [Form; 3] = [Form::Forward, Form::Input, Form::Weight];

/// A layer with all operands and results of its products.
pub struct Layer {
    pub shape: LayerShape,
    x: Array2<f32>,
    y: Array2<f32>,
    dy: Array2<f32>,
    dx: Array2<f32>,
    w: Array2<f32>,
    b: Array2<f32>,
    dw: Array2<f32>,
}

impl Layer {
    pub fn new(rows: usize, shape: LayerShape) -> Self {
        let ([x, y], w) = (shape.within.map(|columns| [rows, columns]), [shape.layer[1], shape.layer[0]]);
        let [x, dx] = [draw(x, Fill::Normal, 0), draw(x, Fill::Normal, 1)];
        let [y, dy] = [draw(y, Fill::Normal, 2), draw(y, Fill::Normal, 3)];
        let b = draw([1, shape.layer[1]], Fill::Normal, 6);
        Layer { shape, x, y, dy, dx, w: draw(w, Fill::Normal, 4), b, dw: draw(w, Fill::Normal, 5) }
    }

    /// Two per multiply-add.
    pub fn flops(&self) -> usize {
        2 * self.x.nrows() * self.w.len()
    }

    pub fn run(&mut self, form: Form, kernel: Kernel) {
        let [from, to] = self.shape.layer.map(|columns| s![.., ..columns]);
        let (x, dy) = (self.x.slice(from), self.dy.slice(to));
        match form {
            Form::Forward => gemm_bias_on(kernel, x, self.w.t(), self.b.view(), self.y.slice_mut(to)),
            Form::Input => {
                let beta = if self.shape.dx == Dx::Added { 1.0 } else { 0.0 };
                gemm_on(kernel, dy, self.w.view(), beta, self.dx.slice_mut(from));
            }
            Form::Weight => gemm_on(kernel, dy.t(), x, 0.0, self.dw.view_mut()),
        }
    }
}

/// The kernels of this CPU, the fastest first.
pub fn kernels() -> Vec<Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.available()).collect()
}

/// GFLOP/s of these layers together, by kernel, as medians over the rounds. Layers without this form do not count.
pub fn rates(pool: &ThreadPool, layers: &mut [Layer], form: Form, rounds: usize) -> Vec<f64> {
    let kernels = kernels();
    let mut layers: Vec<&mut Layer> = layers.iter_mut().filter(|l| l.shape.forms().any(|f| f == form)).collect();
    let flops = layers.iter().map(|l| l.flops()).sum::<usize>() as f64;
    // products of microseconds are repeated for about a fifth of a millisecond at usual rates
    let repeats = (1e7 / flops).ceil();
    let mut times = vec![Vec::new(); kernels.len()];
    inside(pool, || {
        // the first round warms up
        for round in 0..=rounds {
            for (kernel, times) in kernels.iter().zip(&mut times) {
                let work = || (0..repeats as usize).for_each(|_| layers.iter_mut().for_each(|l| l.run(form, *kernel)));
                let time = seconds(work);
                times.extend((round > 0).then_some(time));
            }
        }
    });
    times.into_iter().map(|times| flops * repeats / median(times) / 1e9).collect()
}

/// Measures and prints the peak of all threads together, and returns that of the best instruction set, or 0 if there is
/// none.
pub fn peaks(pool: &ThreadPool) -> f64 {
    let together = |rate: fn() -> f64| pool.broadcast(|_| rate()).into_iter().sum::<f64>();
    let peaks: Vec<_> = peak::all().into_iter().map(|(name, rate)| (name, together(rate))).collect();
    let text: Vec<String> = peaks.iter().map(|(name, rate)| format!("{name} {rate:.0} GFLOP/s")).collect();
    println!("multiply-add peak, {} threads: {}", pool.current_num_threads(), text.join(", "));
    peaks.first().map_or(0.0, |(_, rate)| *rate)
}

/// One line per shape and form: GFLOP/s by kernel and the first kernel's share of the peak, at each number of rows.
pub fn shapes(pool: &ThreadPool) {
    const ROUNDS: usize = 5;
    let (threads, peak, names) =
        (pool.current_num_threads(), peaks(pool), kernels().iter().map(|k| k.name()).collect::<Vec<_>>());
    println!("products by shape and form, {threads} threads, medians of {ROUNDS} rounds in turns, GFLOP/s:");
    println!("for each number of rows {} and, of the multiply-add peak, what {} reaches", names.join(", "), names[0]);
    println!(
        "inputs x outputs   form    {}",
        BATCHES.map(|rows| format!("{:>w$} rows", rows, w = 8 * names.len())).join("  ")
    );
    for shape in SHAPES {
        let mut layers = BATCHES.map(|rows| [Layer::new(rows, shape)]);
        for form in shape.forms() {
            let cells = layers.each_mut().map(|layer| {
                let rates = rates(pool, layer, form, ROUNDS);
                let share = if peak > 0.0 { format!("{:.0} %", 100.0 * rates[0] / peak) } else { "".into() };
                format!("{} {share:>5}", rates.iter().map(|rate| format!("{rate:7.1}")).collect::<String>())
            });
            let name = format!("{} of {} x {}", shape.times, shape.layer[0], shape.layer[1]);
            println!("{name:<18} {:<8}{}", format!("{form:?}"), cells.join("  "));
        }
    }
}

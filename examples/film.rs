//! FiLM in a regression: `cargo run --release --example film`.
//!
//! A curve `a sin(3 x) + b` is to be predicted at x under a condition (a, b). A network of x alone sees the mean curve.
//! The same network, modulated by FiLM (`gamma(s) * h + beta(s)`, Perez et al. 2018), learns the family.

use abr_film::engine::prelude::*;

const BATCH: usize = 64;
const WIDTH: usize = 32;

/// A hidden layer, modulated or not, and a Linear.
struct Net {
    hidden: Sequential,
    generators: Option<[Sequential; 2]>,
    output: Sequential,
}

impl Net {
    fn new(parameters: &mut Parameters, film: bool) -> Self {
        let hidden = Sequential::builder(parameters, "hidden").linear(1, WIDTH).op(Tanh).build();
        let mut generator =
            |name| Sequential::builder(parameters, name).linear(2, 16).op(LeakyRelu::RELU).linear(16, WIDTH).build();
        let generators = film.then(|| ["gamma", "beta"].map(&mut generator));
        Net { hidden, generators, output: Sequential::builder(parameters, "output").linear(WIDTH, 1).build() }
    }

    fn forward(&self, context: &mut ForwardContext, x: Var, condition: Var) -> Result<Var> {
        let mut h = self.hidden.forward(context, x)?;
        if let Some([gamma, beta]) = &self.generators {
            let (gamma, beta) = (gamma.forward(context, condition)?, beta.forward(context, condition)?);
            // strength 1 in every row: FiLM as it is
            let strength = context.tape.input([BATCH, 1], &[1.0; BATCH])?;
            h = context.tape.apply(Film, &[h, gamma, beta, strength])?;
        }
        self.output.forward(context, h)
    }
}

/// A batch: x, the condition (a, b), and the curve.
fn draw(step: u32) -> [Vec<f32>; 3] {
    let mut draws = Stream::new(1, Purpose::TEST, 0).at(step).rng(0);
    let mut uniform = || (2.0 * draws.uniform() - 1.0) as f32;
    let rows: Vec<[f32; 3]> = (0..BATCH).map(|_| [uniform(), uniform(), uniform()]).collect();
    let curve = rows.iter().map(|[x, a, b]| a * (3.0 * x).sin() + b).collect();
    [rows.iter().map(|r| r[0]).collect(), rows.iter().flat_map(|r| [r[1], r[2]]).collect(), curve]
}

/// The loss over conditions never seen, after a training.
fn train(film: bool) -> Result<f64> {
    let (mut tape, mut parameters) = (Tape::new(Box::new(Cpu::<f32>::new())), Parameters::default());
    let net = Net::new(&mut parameters, film);
    parameters.allocate(&mut tape, 1)?;
    let mut adam = Optimizer::adam(0.01, &parameters, &mut tape)?;
    let mut unseen = 0.0;
    for step in 0..2100 {
        let [x, condition, curve] = draw(step);
        tape.rewind();
        let (x, condition) = (tape.input([BATCH, 1], &x)?, tape.input([BATCH, 2], &condition)?);
        let curve = tape.input([BATCH, 1], &curve)?;
        let y = net.forward(&mut ForwardContext::new(&mut tape, &parameters, Mode::Eval), x, condition)?;
        let loss = tape.apply(Mse, &[y, curve])?;
        if step >= 2000 {
            unseen += tape.item(loss)? / 100.0;
            continue;
        }
        tape.backward(loss)?;
        adam.step(&mut tape, None)?;
    }
    Ok(unseen)
}

fn main() -> Result<()> {
    println!("without a condition: loss {:.3}", train(false)?);
    println!("with FiLM:           loss {:.3}", train(true)?);
    Ok(())
}

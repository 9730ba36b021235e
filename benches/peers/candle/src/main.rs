//! The training step of the documented model in candle, for `benches/peers.py`.

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::loss::mse;
use candle_nn::ops::{dropout, leaky_relu};
use candle_nn::{
    AdamW, BatchNorm, BatchNormConfig, Linear, Module, ModuleT, Optimizer, ParamsAdamW, VarBuilder, VarMap, batch_norm,
    linear,
};
use peer_protocol::{argument, serve};

/// Linear, LeakyReLU, BatchNorm, Dropout.
struct Dense {
    linear: Linear,
    norm: BatchNorm,
    rate: f32,
}

impl Dense {
    fn new(inputs: usize, outputs: usize, rate: f32, vb: VarBuilder) -> Result<Self> {
        let norm = batch_norm(outputs, BatchNormConfig::default(), vb.pp("norm"))?;
        Ok(Dense { linear: linear(inputs, outputs, vb.pp("linear"))?, norm, rate })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        dropout(&self.norm.forward_t(&leaky_relu(&self.linear.forward(x)?, 0.2)?, true)?, self.rate)
    }
}

struct Film {
    gamma: [Linear; 2],
    beta: [Linear; 2],
}

impl Film {
    fn new(width: usize, vb: VarBuilder) -> Result<Self> {
        let mlp = |name| -> Result<[Linear; 2]> {
            let vb = vb.pp(name);
            Ok([linear(7, 64, vb.pp("0"))?, linear(64, width, vb.pp("1"))?])
        };
        Ok(Film { gamma: mlp("gamma")?, beta: mlp("beta")? })
    }

    fn forward(&self, h: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let mlp = |[hidden, out]: &[Linear; 2]| out.forward(&hidden.forward(condition)?.relu()?);
        (mlp(&self.gamma)? * h)? + mlp(&self.beta)?
    }
}

struct Cvae {
    encoder: Vec<(Linear, f32)>,
    mu: Linear,
    logvar: Linear,
    levels: Vec<(Dense, Option<Film>)>,
    signal: (Dense, Linear),
    condition: (Dense, Dense, Linear),
}

impl Cvae {
    fn new(film: bool, vb: VarBuilder) -> Result<Self> {
        let encoder = [(207, 512, 0.2), (512, 256, 0.2), (256, 128, 0.1)];
        let level = |(inputs, outputs)| {
            let vb = vb.pp(format!("level{outputs}"));
            let film = film.then(|| Film::new(outputs, vb.pp("film"))).transpose()?;
            Ok((Dense::new(inputs, outputs, 0.15, vb)?, film))
        };
        let encode = |(i, o, rate)| Ok((linear(i, o, vb.pp(format!("encoder{o}")))?, rate));
        Ok(Cvae {
            encoder: encoder.into_iter().map(encode).collect::<Result<_>>()?,
            mu: linear(128, 64, vb.pp("mu"))?,
            logvar: linear(128, 64, vb.pp("logvar"))?,
            levels: [(64, 128), (128, 256), (256, 512), (512, 1024)].into_iter().map(level).collect::<Result<_>>()?,
            signal: (Dense::new(1024, 2048, 0.1, vb.pp("signal0"))?, linear(2048, 200, vb.pp("signal1"))?),
            condition: (
                Dense::new(1024, 512, 0.1, vb.pp("condition0"))?,
                Dense::new(512, 256, 0.1, vb.pp("condition1"))?,
                linear(256, 7, vb.pp("condition2"))?,
            ),
        })
    }

    fn loss(&self, signal: &Tensor, condition: &Tensor) -> Result<Tensor> {
        let mut h = Tensor::cat(&[signal, condition], 1)?;
        for (linear, rate) in &self.encoder {
            h = dropout(&linear.forward(&h)?.relu()?, *rate)?;
        }
        let mu = self.mu.forward(&h)?.clamp(-10f32, 10f32)?;
        let logvar = self.logvar.forward(&h)?.clamp(-20f32, 2f32)?;
        let mut h = (&mu + (mu.randn_like(0.0, 1.0)? * (&logvar * 0.5)?.exp()?)?)?;
        for (dense, film) in &self.levels {
            h = dense.forward(&h)?;
            if let Some(film) = film {
                h = film.forward(&h, condition)?;
            }
        }
        let decoded = self.signal.1.forward(&self.signal.0.forward(&h)?)?;
        let (first, second, last) = &self.condition;
        let read = last.forward(&second.forward(&first.forward(&h)?)?)?;
        let kl = ((((&logvar + 1.0)? - mu.sqr()?)? - logvar.exp()?)?.sum(1)?.mean_all()? * -0.5)?;
        (mse(&decoded, signal)? + mse(&read, condition)?)? + (kl * 0.01)?
    }
}

fn main() -> Result<()> {
    let (batch, film) = (argument("batch", 32), argument("film", true));
    let variables = VarMap::new();
    let model = Cvae::new(film, VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let learned = |(name, var): (&String, &Var)| (!name.contains("running")).then(|| var.clone());
    let learned: Vec<Var> = variables.data().lock().expect("no other thread").iter().filter_map(learned).collect();
    let parameters = learned.iter().map(|var| var.elem_count()).sum();
    // without weight decay AdamW is Adam
    let adam = ParamsAdamW { lr: 1e-4, weight_decay: 0.0, ..Default::default() };
    let mut adam = AdamW::new(learned, adam)?;
    let random = |columns| Tensor::randn(0f32, 1.0, (batch, columns), &Device::Cpu);
    let (signal, condition) = (random(200)?, random(7)?);
    let mut step = || -> Result<()> { adam.step(&model.loss(&signal, &condition)?.backward()?) };
    serve("0.11.1", parameters, || step().expect("a step"));
    Ok(())
}

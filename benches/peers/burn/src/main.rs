//! The training step of the documented model in burn, for `benches/peers.py`.

#![recursion_limit = "256"]

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::activation::{leaky_relu, relu};
use burn::tensor::{Device, Distribution, Tensor};
use peer_protocol::{argument, serve};

/// Running statistics, which burn counts among the parameters: two for each column that is normalised.
const RUNNING: usize = 2 * (128 + 256 + 512 + 1024 + 2048 + 512 + 256);
const NORMAL: Distribution = Distribution::Normal(0.0, 1.0);

fn linear(inputs: usize, outputs: usize, device: &Device) -> Linear {
    LinearConfig::new(inputs, outputs).init(device)
}

/// Linear, LeakyReLU, BatchNorm, Dropout.
#[derive(Module, Debug)]
struct Dense {
    linear: Linear,
    norm: BatchNorm,
    dropout: Dropout,
}

impl Dense {
    fn new(inputs: usize, outputs: usize, rate: f64, device: &Device) -> Self {
        Dense {
            linear: linear(inputs, outputs, device),
            norm: BatchNormConfig::new(outputs).init(device),
            dropout: DropoutConfig::new(rate).init(),
        }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.dropout.forward(self.norm.forward(leaky_relu(self.linear.forward(x), 0.2)))
    }
}

/// Linear, ReLU, Linear.
#[derive(Module, Debug)]
struct Mlp {
    hidden: Linear,
    out: Linear,
}

impl Mlp {
    fn new(width: usize, device: &Device) -> Self {
        Mlp { hidden: linear(7, 64, device), out: linear(64, width, device) }
    }

    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.out.forward(relu(self.hidden.forward(x)))
    }
}

#[derive(Module, Debug)]
struct Level {
    dense: Dense,
    gamma: Option<Mlp>,
    beta: Option<Mlp>,
}

impl Level {
    fn new(inputs: usize, outputs: usize, film: bool, device: &Device) -> Self {
        let mlp = || film.then(|| Mlp::new(outputs, device));
        Level { dense: Dense::new(inputs, outputs, 0.15, device), gamma: mlp(), beta: mlp() }
    }

    fn forward(&self, x: Tensor<2>, condition: &Tensor<2>) -> Tensor<2> {
        let h = self.dense.forward(x);
        match (&self.gamma, &self.beta) {
            (Some(gamma), Some(beta)) => gamma.forward(condition.clone()) * h + beta.forward(condition.clone()),
            _ => h,
        }
    }
}

#[derive(Module, Debug)]
struct Cvae {
    encoder: Vec<Linear>,
    dropout: Vec<Dropout>,
    mu: Linear,
    logvar: Linear,
    levels: Vec<Level>,
    signal: Dense,
    signal_out: Linear,
    condition: Vec<Dense>,
    condition_out: Linear,
}

impl Cvae {
    fn new(film: bool, device: &Device) -> Self {
        let levels = [(64, 128), (128, 256), (256, 512), (512, 1024)];
        Cvae {
            encoder: [(207, 512), (512, 256), (256, 128)].map(|(i, o)| linear(i, o, device)).into(),
            dropout: [0.2, 0.2, 0.1].map(|rate| DropoutConfig::new(rate).init()).into(),
            mu: linear(128, 64, device),
            logvar: linear(128, 64, device),
            levels: levels.map(|(i, o)| Level::new(i, o, film, device)).into(),
            signal: Dense::new(1024, 2048, 0.1, device),
            signal_out: linear(2048, 200, device),
            condition: [(1024, 512), (512, 256)].map(|(i, o)| Dense::new(i, o, 0.1, device)).into(),
            condition_out: linear(256, 7, device),
        }
    }

    fn loss(&self, signal: &Tensor<2>, condition: &Tensor<2>) -> Tensor<1> {
        let mut h = Tensor::cat(vec![signal.clone(), condition.clone()], 1);
        for (linear, dropout) in self.encoder.iter().zip(&self.dropout) {
            h = dropout.forward(relu(linear.forward(h)));
        }
        let mu = self.mu.forward(h.clone()).clamp(-10.0, 10.0);
        let logvar = self.logvar.forward(h).clamp(-20.0, 2.0);
        let z = mu.clone() + mu.random_like(NORMAL) * (logvar.clone() * 0.5).exp();
        let h = self.levels.iter().fold(z, |h, level| level.forward(h, condition));
        let decoded = self.signal_out.forward(self.signal.forward(h.clone()));
        let read = self.condition_out.forward(self.condition.iter().fold(h, |h, dense| dense.forward(h)));
        let kl = (logvar.clone() + 1.0 - mu.clone() * mu - logvar.exp()).sum_dim(1).mean() * -0.5;
        let mse = |made: Tensor<2>, target: &Tensor<2>| {
            let difference = made - target.clone();
            (difference.clone() * difference).mean()
        };
        mse(decoded, signal) + mse(read, condition) + kl * 0.01
    }
}

fn main() {
    let (batch, film) = (argument("batch", 32), argument("film", true));
    let device = Device::flex();
    let learning = device.clone().autodiff();
    let mut model = Some(Cvae::new(film, &learning));
    let parameters = model.as_ref().map_or(0, |model| model.num_params()) - RUNNING;
    let mut adam = AdamConfig::new().init();
    let random = |columns| Tensor::<2>::random([batch, columns], NORMAL, &learning);
    let (signal, condition): (Tensor<2>, Tensor<2>) = (random(200), random(7));
    serve("0.22.1", parameters, || {
        let before = model.take().expect("put back below");
        let gradients = GradientsParams::from_grads(before.loss(&signal, &condition).backward(), &before);
        model = Some(adam.step(1e-4, before, gradients));
        device.sync().expect("done");
    });
}

//! How many programs a GPU starts for a training step.

use crate::config::Config;
use crate::device::Counter;
use crate::error::Result;
use crate::model::{Batch, Cvae, LossWeights};
use crate::nn::layers::Mode;
use crate::nn::optim::Optimizer;

/// How many programs a GPU starts for one training step of so many rows, found by going through one without computing
/// it.
///
/// # Errors
/// None on a configuration that was checked.
pub fn dispatches(config: &Config, rows: usize) -> Result<u64> {
    let (c, training) = (&config.model, &config.training);
    let mut model = Cvae::new(c, &config.film, 0, Box::new(Counter::default()))?;
    let (parameters, tape) = model.parts();
    let mut optimizer = Optimizer::new(&training.optimizer, &config.film, parameters, tape)?;
    // what nobody looks at need not be there
    let root_weights = training.weight_by_noise.then_some(&[][..]);
    let batch = Batch { rows, eps: Some(&[]), root_weights, ..Batch::default() };
    let output = model.forward(&batch, Mode::Train { seed: 0, step: 0 })?;
    let losses = model.losses(&output, &batch, &LossWeights::new(training, None))?;
    model.backward(losses.total)?;
    let film_gradients = model.film_gradients();
    model.tape().device_mut().norms(&film_gradients)?;
    optimizer.step(model.tape(), training.learning_rate, training.gradient_clip)?;
    Ok(model.tape().counts().dispatches)
}

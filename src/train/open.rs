//! Steps whose losses the device has not told yet: how they are asked for, and how they come into the epoch's sums.

use super::Trainer;
use crate::error::{Error, Result};
use crate::model::Losses;

/// A step on its way.
pub(super) struct Open {
    losses: Losses,
    epoch: usize,
    /// Counted from 0 in its epoch.
    step: usize,
    rows: usize,
    labels: f64,
}

impl Trainer {
    /// Asks for what the step that was just made is to tell: its losses, and behind them the norms of its gradients.
    pub(super) fn ask(&mut self, losses: Losses, rows: usize) -> Result<()> {
        losses.ask(self.model.tape())?;
        let (epoch, step, labels) = (self.progress.epoch, self.progress.step_in_epoch, self.gathered.labels());
        self.open.push_back(Open { losses, epoch, step, rows, labels });
        Ok(())
    }

    /// Waits for the steps that are still on their way, and counts them in.
    ///
    /// # Errors
    /// A loss that is not finite; see [`Trainer::step`].
    pub fn settle(&mut self) -> Result<()> {
        self.count_in(true)
    }

    /// Counts in the steps that the device has told; `wait`: all.
    pub(super) fn count_in(&mut self, wait: bool) -> Result<()> {
        // told again for as long as there is a weight that has made its step by it
        self.check_finite()?;
        while self.model.tape().answer(wait, &mut self.answer)? {
            let open = self.open.pop_front().expect("a question an answer");
            let (terms, total) = open.losses.terms(&self.answer);
            if !total.is_finite() {
                let place = format!("epoch {}, step {}", open.epoch + 1, open.step + 1);
                self.broken = Some((place, format!("the loss is no longer finite: {terms:?}")));
                return self.check_finite();
            }
            let mut norms = self.answer[Losses::COUNT..].iter();
            for (sum, norm) in self.progress.film_gradient_norms.iter_mut().zip(norms.by_ref()) {
                *sum += norm;
            }
            // there where gradients are clipped
            self.progress.gradient_norm += norms.next().unwrap_or(&0.0);
            self.progress.train.add(&terms, open.rows, open.labels);
        }
        Ok(())
    }

    pub(super) fn check_finite(&self) -> Result<()> {
        let Some((place, problem)) = &self.broken else { return Ok(()) };
        let remedy = "lower training.learning_rate, set training.gradient_clip (1.0, say), or look for values far \
                      beyond all others in the data";
        Err(Error::input("training", place, problem, remedy))
    }

    /// Forgets the steps that are still on their way, and one whose loss was not finite.
    pub(super) fn forget_steps(&mut self) -> Result<()> {
        while self.model.tape().answer(true, &mut self.answer)? {}
        self.open.clear();
        self.broken = None;
        Ok(())
    }
}

//! Steps whose losses are still on their way from the device.

use super::Trainer;
use crate::device::{Norms, Scalar, Ticket};
use crate::error::{Error, Result};
use crate::model::Losses;

/// A step on its way.
pub(super) struct Open {
    ticket: Ticket,
    report: StepReport,
    epoch: usize,
    /// Counted from 0 in its epoch.
    step: usize,
    rows: usize,
    labels: f64,
}

/// What a step reports.
pub(super) struct StepReport {
    pub losses: Losses<Scalar>,
    /// Of the gradients of each FiLM generator.
    pub film_norms: Norms,
    /// Of all gradients, where they are clipped.
    pub norm: Option<Scalar>,
}

impl Trainer {
    /// Starts to read back what the step that was just made reports.
    pub(super) fn read_back(&mut self, report: StepReport, rows: usize) -> Result<()> {
        self.scalars.clear();
        self.scalars.extend(report.losses.iter().chain(report.film_norms.iter()).chain(report.norm));
        let ticket = self.model.tape().readback(&self.scalars)?;
        let (epoch, step, labels) = (self.progress.epoch, self.progress.step_in_epoch, self.gathered.labels());
        self.open.push_back(Open { ticket, report, epoch, step, rows, labels });
        Ok(())
    }

    /// Waits for the steps that are still on their way, and adds them to the epoch's sums.
    ///
    /// # Errors
    /// A loss that is not finite; see [`Trainer::step`].
    pub fn settle(&mut self) -> Result<()> {
        self.collect(0)
    }

    /// Adds the oldest steps to the epoch's sums, until at most `in_flight` are on their way.
    pub(super) fn collect(&mut self, in_flight: usize) -> Result<()> {
        // a weight has made its step by a loss that is not finite: that stays an error
        self.check_finite()?;
        while self.open.len() > in_flight {
            let Open { ticket, report, epoch, step, rows, labels } = self.open.pop_front().expect("an open step");
            let values = &mut self.values;
            self.model.tape().wait(ticket, values)?;
            let (terms, total) = report.losses.terms(values);
            if !total.is_finite() {
                let place = format!("epoch {}, step {}", epoch + 1, step + 1);
                self.broken = Some((place, format!("the loss is no longer finite: {terms:?}")));
                return self.check_finite();
            }
            for (sum, norm) in self.progress.film_gradient_norms.iter_mut().zip(report.film_norms.iter()) {
                *sum += values.get(norm);
            }
            self.progress.gradient_norm += report.norm.map_or(0.0, |norm| values.get(norm));
            self.progress.train.add(&terms, rows, labels);
        }
        Ok(())
    }

    pub(super) fn check_finite(&self) -> Result<()> {
        let Some((place, problem)) = &self.broken else { return Ok(()) };
        let remedy =
            "lower training.learning_rate, set training.gradient_clip (1.0, say), or look for outliers in the data";
        Err(Error::input("training", place, problem, remedy))
    }

    /// Forgets the steps that are still on their way, and one whose loss was not finite.
    pub(super) fn forget_steps(&mut self) -> Result<()> {
        while let Some(open) = self.open.pop_front() {
            self.model.tape().wait(open.ticket, &mut self.values)?;
        }
        self.broken = None;
        Ok(())
    }
}

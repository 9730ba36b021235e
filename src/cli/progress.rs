//! Progress on stderr: a bar with the remaining time on a terminal, otherwise one line per epoch.

use abr_film::train::{Epoch, Trainer};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;

/// Shows a training's progress.
pub struct ProgressDisplay {
    /// `None` when stderr is no terminal.
    bar: Option<ProgressBar>,
    epochs: usize,
}

impl ProgressDisplay {
    /// Starts at the training's current state.
    pub fn new(trainer: &Trainer) -> Self {
        let (epochs, steps) = (trainer.config().training.num_epochs, trainer.steps_per_epoch());
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{bar:30} epoch {prefix}  {msg}  {elapsed} elapsed, {eta} left";
            let bar = ProgressBar::new((epochs * steps) as u64);
            bar.set_style(ProgressStyle::with_template(style).expect("a valid template"));
            bar.set_position(trainer.progress().step);
            bar.reset_eta();
            bar.set_prefix(format!("{}/{epochs}", trainer.progress().epoch + 1));
            bar
        });
        ProgressDisplay { bar, epochs }
    }

    /// Counts a finished step.
    pub fn step(&self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }

    /// Shows a finished epoch.
    pub fn epoch(&self, epoch: &Epoch) {
        let shown = epoch.validation.as_ref().unwrap_or(&epoch.train);
        let validation = epoch.validation.as_ref().map_or(String::new(), |v| format!(", {:.4} validation", v.loss));
        // without validation rows, every epoch counts as the best
        let best = if epoch.best && epoch.validation.is_some() { " *" } else { "" };
        let (train, signal, kl) = (epoch.train.loss, shown.signal, shown.kl);
        let text = format!("loss {train:.4} train{validation} (signal {signal:.4}, KL {kl:.1}){best}");
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(format!("{}/{}", (epoch.epoch + 1).min(self.epochs), self.epochs));
                bar.set_message(text);
            }
            None => super::message(format!("epoch {}/{}: {text}, {:.1} s", epoch.epoch, self.epochs, epoch.seconds)),
        }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

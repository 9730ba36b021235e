//! `abr-film doctor`

use super::model::{self, RunData};
use super::{DeviceArgs, notice, print, source};
use abr_film::checkpoint::{Checkpoint, TrainedModel};
use abr_film::data::split::split;
use abr_film::doctor::{Evidence, Finding, examine};
use abr_film::error::Result;
use clap::Args;
use ndarray::Array2;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Doctor {
    /// A run folder: its best weights, its metrics and its recordings
    #[arg(long, value_name = "DIR", required_unless_present = "model", conflicts_with = "model")]
    run: Option<PathBuf>,
    /// A checkpoint, with the metrics of its run folder if it lies in one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The recordings that it was trained on [default: those of its run]
    #[arg(long, value_name = "FILE")]
    data: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl Doctor {
    pub fn run(&self) -> Result<()> {
        let named = self.run.as_ref().or(self.model.as_ref()).expect("one of both");
        let file = model::file(named);
        let findings = self.device.with(|device| {
            let (mut trained, mut model, notices) = Checkpoint::open(&file, None, device)?;
            notices.iter().for_each(notice);
            let epochs = model::run_folder(&file).map(|run| run.record().0).unwrap_or_default();
            if epochs.is_empty() {
                notice("no metrics.jsonl beside it: nothing is said of gradients, latent and learning rate");
            }
            let run = RunData::of(&file);
            run.find_subjects(&mut trained);
            let conditions = self.conditions(&trained, run.path, model::run_folder(&file).is_some());
            let conditions = conditions.unwrap_or_else(|error| {
                notice(format!("without its recordings: {error}"));
                None
            });
            let evidence = Evidence { trained: &trained, epochs: &epochs, conditions: conditions.as_ref() };
            examine(&evidence, &mut model)
        })?;
        print(|w| match self.json {
            true => writeln!(w, "{:#}", json!({ "findings": findings })),
            false => w.write_all(text(&findings).as_bytes()),
        })
    }

    /// The encoded conditions of the training rows; `None` for a checkpoint without recordings.
    fn conditions(&self, trained: &TrainedModel, of_run: Option<String>, in_run: bool) -> Result<Option<Array2<f32>>> {
        if self.data.is_none() && !in_run {
            return Ok(None);
        }
        let data = self.data.clone().or(of_run);
        let dataset = source::load_for(trained, data.as_ref(), true)?;
        model::check_data_of_run(trained, &dataset)?;
        let rows = split(&dataset, &trained.config.data)?.train;
        trained.scalers.encode_condition(&dataset.source, &dataset.conditions, &rows).map(Some)
    }
}

fn text(findings: &[Finding]) -> String {
    let faults = findings.iter().filter(|finding| finding.remedy.is_some()).count();
    let mut text = match faults {
        0 => "no fault was found\n".to_string(),
        1 => "1 fault\n".to_string(),
        n => format!("{n} faults\n"),
    };
    for finding in findings {
        let mark = if finding.remedy.is_some() { "FAULT" } else { "ok   " };
        text += &format!("{mark} {}\n", finding.found);
        text += &finding.remedy.as_ref().map_or(String::new(), |remedy| format!("      help: {remedy}\n"));
    }
    text
}

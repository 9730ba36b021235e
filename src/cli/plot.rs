//! `abr-film plot`

use super::data::{Assume, Configured, finite, positive};
use super::{message, notice, source};
use abr_film::config::Species;
use abr_film::data::Recording;
use abr_film::error::{Error, Result};
use abr_film::eval::level_series::{
    RecordingSet, SeriesSelection, SeriesWithNotices, SpreadBand, Summary, TraceSource, from_recordings, source_of,
    stated_species,
};
use abr_film::files::write_whole;
use abr_film::report::{SeriesOptions, draw_level_series};
use clap::{Args, ValueEnum};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The dots per inch that journals require.
const DPI: u16 = 300;
/// CSS pixels per inch.
const CSS_DPI: f32 = 96.0;

#[derive(Debug, Args)]
pub struct Plot {
    /// Tables, recorders' files, folders or quoted globs: each is drawn over those before it; the legend names it by
    /// its source, or by NAME
    #[arg(required = true, value_name = "[NAME=]PATH")]
    paths: Vec<String>,
    /// The picture to write
    #[arg(long, value_name = "FILE.svg|FILE.png")]
    out: PathBuf,
    /// The subject to draw; may be repeated [default: the first with the most levels; all together if none has two
    /// levels]
    #[arg(long, value_name = "NAME")]
    subject: Vec<String>,
    /// Draw all subjects together
    #[arg(long, conflicts_with = "subject")]
    pool: bool,
    /// The times to draw, in ms after stimulus onset [default: all]
    #[arg(long, value_name = "FROM:TO", value_parser = window, allow_hyphen_values = true)]
    window: Option<TimeWindow>,
    /// The band about the mean: the central PERCENT of the traces; or `sd`, `sem`, `none`
    #[arg(long, value_name = "PERCENT|sd|sem|none", default_value = "80")]
    band: SpreadBand,
    /// Do not draw single traces
    #[arg(long)]
    no_repeats: bool,
    /// Do not mark waves
    #[arg(long)]
    no_waves: bool,
    /// The species whose waves are marked [default: the column `species`, else the configuration, else human]
    #[arg(long, value_enum, conflicts_with = "no_waves")]
    species: Option<SpeciesName>,
    /// The threshold [default: the column `threshold_db`]
    #[arg(long, value_name = "DB", value_parser = finite, allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Round levels to multiples of this, and draw equal ones together
    #[arg(long, value_name = "DB", value_parser = positive)]
    level_step: Option<f64>,
    /// Also draw the noise-free traces of a simulation (columns `truth_s0` …)
    #[arg(long)]
    truth: bool,
    #[command(flatten)]
    configured: Configured,
    #[command(flatten)]
    assume: Assume,
    /// Width of the picture in CSS pixels, 96 per inch (a column of 85 mm has 321) [default: as the panels need]
    #[arg(long, value_name = "PX", value_parser = clap::value_parser!(u32).range(240..=4000))]
    width: Option<u32>,
    /// Dots per inch of a PNG
    #[arg(long, value_name = "N", default_value_t = DPI, value_parser = clap::value_parser!(u16).range(48..=1200))]
    dpi: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SpeciesName {
    Human,
    Mouse,
}

/// Start and end, in ms.
#[derive(Debug, Clone, Copy)]
struct TimeWindow([f64; 2]);

/// In a narrower window, no recorder has two samples.
const NARROWEST_WINDOW_MS: f64 = 1e-3;
/// The maximum number of pixels of a PNG: each takes four bytes.
const MOST_PIXELS: f64 = 2e8;

/// The size of a picture.
#[derive(Debug)]
pub struct Size {
    width: Option<u32>,
    dpi: u16,
}

impl Default for Size {
    fn default() -> Self {
        Size { width: None, dpi: DPI }
    }
}

impl Plot {
    pub fn run(&self) -> Result<()> {
        source::check_picture(&self.out)?;
        let inputs: Vec<(Option<&str>, PathBuf)> = self.paths.iter().map(|text| name_and_path(text)).collect();
        let named = inputs.iter().map(|(_, path)| path).chain(&self.configured.config);
        source::check_apart(Some(&self.out), named.map(PathBuf::as_path))?;
        let config = self.configured.load()?;
        let mut tables = Vec::new();
        for (_, path) in &inputs {
            tables.push(self.assume.recordings(std::slice::from_ref(path), Some(&self.out), &config)?);
        }
        let sets = sets(&inputs, &tables)?;
        let choice = self.choice(&tables, config.data.species);
        draw(&self.out, &sets, &choice, &Size { width: self.width, dpi: self.dpi })
    }

    fn choice(&self, tables: &[Vec<Recording>], configured: Species) -> SeriesSelection {
        let flag = self.species.map(|species| match species {
            SpeciesName::Human => Species::Human,
            SpeciesName::Mouse => Species::Mouse,
        });
        let stated = || tables.iter().find_map(|table| stated_species(table));
        let species = flag.or_else(stated).unwrap_or(configured);
        // with several tables, draw fewer single traces of each
        let repeats = if self.no_repeats { 0 } else { Summary::default().repeats / tables.len().min(3) };
        SeriesSelection {
            subjects: self.subject.clone(),
            pool: self.pool,
            window_ms: self.window.map(|window| window.0),
            level_step_db: self.level_step,
            threshold_db: self.threshold,
            ground_truth: self.truth,
            summary: Summary { band: self.band, repeats, waves: (!self.no_waves).then_some(species) },
        }
    }
}

/// Draws sets of recordings into a file, and prints a summary.
pub fn draw(out: &Path, sets: &[RecordingSet], choice: &SeriesSelection, size: &Size) -> Result<()> {
    let gathered = from_recordings(sets, choice)?;
    gathered.notices.iter().for_each(notice);
    let options = SeriesOptions { width: size.width, window_ms: choice.window_ms, band: Some(choice.summary.band) };
    let picture = draw_level_series(&gathered.series, &options);
    let bytes = match source::has_ending(out, "png") {
        true => {
            let scale = f32::from(size.dpi) / CSS_DPI;
            let pixels: f64 = picture.size().map(|side| f64::from(side) * f64::from(scale)).iter().product();
            if pixels > MOST_PIXELS {
                let problem = format!("the picture would have {:.0} million pixels", pixels / 1e6);
                return Err(Error::usage(problem, "choose a smaller --dpi or --width, or write SVG"));
            }
            picture.to_png(scale)
        }
        false => picture.to_svg().into_bytes(),
    };
    write_whole(out, |w| w.write_all(&bytes))?;
    message(summary(&gathered, sets, out));
    Ok(())
}

/// The name of a set from a source.
pub fn word(source: TraceSource) -> &'static str {
    match source {
        TraceSource::Recorded => "recorded",
        TraceSource::GroundTruth => "noise-free",
        TraceSource::Reconstructed => "reconstructed",
        TraceSource::Generated => "generated",
    }
}

/// `A1: 2 panels, 7 levels, 84 traces in levels.svg`
fn summary(gathered: &SeriesWithNotices, sets: &[RecordingSet], out: &Path) -> String {
    let whose: Vec<String> = match sets {
        [_] => gathered.whose.clone(),
        _ => sets.iter().zip(&gathered.whose).map(|(set, whose)| format!("{}: {whose}", set.name)).collect(),
    };
    let panels = &gathered.series.panels;
    let layers =
        || panels.iter().flat_map(|panel| &panel.layers).filter(|layer| layer.source != TraceSource::GroundTruth);
    let levels: BTreeSet<Option<u64>> =
        layers().flat_map(|layer| &layer.levels).map(|level| level.level_db.map(f64::to_bits)).collect();
    let traces = layers().flat_map(|layer| &layer.levels).map(|level| level.traces).sum();
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let [panels, levels, traces] =
        [(panels.len(), "panel"), (levels.len(), "level"), (traces, "trace")].map(|(n, what)| counted(n, what));
    format!("{}: {panels}, {levels}, {traces} in {}", whose.join("; "), out.display())
}

/// Splits `NAME=PATH`. An existing path is never split.
fn name_and_path(text: &str) -> (Option<&str>, PathBuf) {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !Path::new(text).exists() => (Some(name), path.into()),
        _ => (None, text.into()),
    }
}

/// Each table as a set. A set without a name is named after its source, or after its file if several have that source.
fn sets<'a>(inputs: &[(Option<&str>, PathBuf)], tables: &'a [Vec<Recording>]) -> Result<Vec<RecordingSet<'a>>> {
    let sources: Vec<TraceSource> = inputs
        .iter()
        .zip(tables)
        .map(|((name, _), table)| {
            let all = [TraceSource::Recorded, TraceSource::Reconstructed, TraceSource::Generated];
            let named = all.into_iter().find(|source| Some(word(*source)) == *name);
            named.unwrap_or_else(|| source_of(table))
        })
        .collect();
    let names = |word_of: &dyn Fn(usize) -> String| -> Vec<String> {
        (0..inputs.len()).map(|i| inputs[i].0.map_or_else(|| word_of(i), str::to_string)).collect()
    };
    let stem = |i: usize| inputs[i].1.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let path = |i: usize| inputs[i].1.display().to_string();
    let differ = |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    let by = [names(&|i| word(sources[i]).to_string()), names(&stem), names(&path)];
    let Some(names) = by.into_iter().find(differ) else {
        return Err(Error::usage("two layers have the same name", "give each its own: NAME=PATH"));
    };
    let set = |((name, source), recordings): ((String, TraceSource), &'a Vec<Recording>)| RecordingSet {
        name,
        source,
        recordings,
    };
    Ok(names.into_iter().zip(sources).zip(tables).map(set).collect())
}

fn window(text: &str) -> std::result::Result<TimeWindow, String> {
    let ends = text.split_once(':').and_then(|(from, to)| Some([from.parse().ok()?, to.parse().ok()?]));
    let ends = ends.filter(|[from, to]: &[f64; 2]| from.is_finite() && to.is_finite() && from < to);
    let ends = ends.filter(|[from, to]| to - from >= NARROWEST_WINDOW_MS);
    let wanted = || {
        format!("expected two times in ms, the second at least {NARROWEST_WINDOW_MS} ms after the first, such as -1:10")
    };
    ends.map(TimeWindow).ok_or_else(wanted)
}

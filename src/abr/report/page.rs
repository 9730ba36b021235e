//! An evaluation as a single HTML file without scripts or requests, for light and dark screens and for print.

use super::charts;
use super::charts::WIDTH;
use super::level_series::{SeriesOptions, draw_level_series};
use super::picture::{Picture, printable};
use crate::eval::level_series::{LevelSeries, SpreadBand};
use crate::eval::pictures::{AttentionResponse, FilmResponse};
use crate::eval::{Report, ReportTable};
use crate::text::capitalised;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = include_str!("page.css");
const SERIES: SeriesOptions =
    SeriesOptions { width: Some(WIDTH), window_ms: None, band: Some(SpreadBand::Central(80.0)) };

/// The page of an evaluation of the model called `name`. All its numbers come from [`Report::to_json`]: `data-json` of
/// each table cell holds their JSON pointers, followed by `%` for a number shown in percent.
///
/// `pictures` are those of [`pictures`].
pub fn page(report: &Report, name: &str, pictures: &[(String, Picture)]) -> String {
    let drawn = NamedPictures(pictures);
    let sections: Vec<(&str, &str, Markup)> = [
        ("short", "In short", Some(table(&report.summary()))),
        ("explained", "What reconstructions explain", explained(report, &drawn)),
        ("series", "Level series, real beside generated", level_series(report, &drawn)),
        ("levels", "Waves by level", waves(report, &drawn)),
        ("reconstructions", "Reconstructions, from the best to the worst", reconstructions(report, &drawn)),
        ("spread", "Spread and coverage of generated traces", spread(report, &drawn)),
        ("latent", "What the latent holds", latent(report, &drawn)),
        ("film", "What FiLM does", film(report, &drawn)),
        ("attention", "What the decoder attends to", attention(report, &drawn)),
        ("learning", "Learning curves", learning(report, &drawn)),
        ("measures", "All measures", Some(measures(report))),
        ("data", "Data, split and configuration", Some(data(report))),
    ]
    .into_iter()
    .filter_map(|(id, title, section)| Some((id, title, section?)))
    .collect();
    let main = html! {
        main {
            header {
                h1 { (name) }
                p .head { (report.head()) }
            }
            (verdict(report))
            nav { @for (id, title, _) in &sections { a href={ "#" (id) } { (title) } } }
            @for (id, title, section) in &sections {
                section id=(id) { h2 { (title) } (section) }
            }
            footer { "abr-film " (env!("CARGO_PKG_VERSION")) "; what the measures are: docs/evaluation.md" }
        }
    };
    document(&format!("{name}: abr-film report"), main)
}

/// An HTML page of this title.
pub(super) fn document(title: &str, main: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                // an empty icon, so that browsers do not request one
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body { (main) }
        }
    };
    printable(&page.into_string())
}

/// The names of the pictures, except those that begin with `film_` and `attention_`: `film_1`, `film_1_rate_hz`, ….
pub const PICTURES: [&str; 8] =
    ["explained", "level_series", "reconstructions", "coverage", "latent", "learning", BY_LEVEL[0], BY_LEVEL[1]];
/// The pictures of waves by level.
const BY_LEVEL: [&str; 2] = ["latency", "amplitude"];

/// The pictures of the page with their file names: those of [`PICTURES`] that exist, and one per FiLM block.
pub fn pictures(report: &Report) -> Vec<(String, Picture)> {
    let levels = report.wave_errors.as_ref().and_then(|waves| waves.levels.as_ref());
    let waves = levels.map(charts::waves_by_level).into_iter().flatten();
    let shown = report.pictures.as_ref();
    let series = |series: &LevelSeries| draw_level_series(series, &SERIES);
    let film = shown.map_or(Vec::new(), |shown| charts::film(&shown.film));
    let film = film.into_iter().map(|(response, picture)| (film_name(response), picture));
    let attention = shown.map_or(Vec::new(), |shown| charts::attention(&shown.attention));
    let attention = attention.into_iter().map(|(response, picture)| (attention_name(response), picture));
    let single = [
        ("explained", charts::explained(report)),
        ("level_series", shown.and_then(|shown| some_panels(shown.level_series.as_ref()?)).map(series)),
        ("reconstructions", shown.and_then(|shown| some_panels(&shown.reconstructions)).map(series)),
        ("coverage", report.generated.as_ref().and_then(charts::calibration)),
        ("latent", shown.map(|shown| charts::latent(&shown.latent, &report.latent))),
        ("learning", charts::learning(&report.training.epochs)),
    ];
    let known = single.into_iter().chain(BY_LEVEL.into_iter().zip(waves));
    let known = known.filter_map(|(name, picture)| Some((name.to_string(), picture?)));
    known.chain(film).chain(attention).collect()
}

/// The pictures against the level come first, and their names have no variable.
fn film_name(response: &FilmResponse) -> String {
    name_of("film", response.block, &response.variable)
}

fn attention_name(response: &AttentionResponse) -> String {
    name_of("attention", response.level, &response.variable)
}

fn name_of(what: &str, level: usize, variable: &str) -> String {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let variable: String = variable.chars().map(letters).collect();
    if variable == "level_db" { format!("{what}_{level}") } else { format!("{what}_{level}_{variable}") }
}

fn some_panels(series: &LevelSeries) -> Option<&LevelSeries> {
    Some(series).filter(|series| !series.panels.is_empty())
}

fn verdict(report: &Report) -> Markup {
    html! {
        @let class = if report.warnings.is_empty() { "verdict" } else { "verdict warning" };
        div class=(class) { @for sentence in &report.verdict { p { (sentence) } } }
    }
}

/// Pictures by their names.
struct NamedPictures<'a>(&'a [(String, Picture)]);

impl NamedPictures<'_> {
    /// A picture with its caption; `None` if there is no picture of that name.
    fn figure(&self, name: &str, caption: Markup) -> Option<Markup> {
        let (_, picture) = self.0.iter().find(|(own, _)| own == name)?;
        Some(html! { figure { (PreEscaped(picture.element())) figcaption { (caption) } } })
    }
}

pub(super) fn table(table: &ReportTable) -> Markup {
    html! {
        div .table {
            table {
                thead { tr { @for heading in &table.headings { th scope="col" { (heading) } } } }
                tbody {
                    @for row in &table.rows {
                        tr {
                            @for (i, cell) in row.iter().enumerate() {
                                @if i == 0 {
                                    th scope="row" { (cell.text) }
                                } @else if cell.numbers.is_empty() {
                                    td { (cell.text) }
                                } @else {
                                    td data-json=(places(cell)) { (cell.text) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if let Some(note) = &table.note { p .note { (note) } }
    }
}

fn places(cell: &crate::eval::TableCell) -> String {
    let place = |place: &crate::eval::JsonPlace| format!("{}{}", place.pointer, if place.percent { "%" } else { "" });
    cell.numbers.iter().map(place).collect::<Vec<_>>().join(" ")
}

fn explained(report: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let truth = report.truth.as_ref();
    let caption = html! {
        "Share of the variance about the mean trace of the training rows"
        @if report.model.truth_interval.is_some() { ", with 95 % intervals over " (resampled(report)) }
        ". An arrow at the left: below 0, worse than that mean. "
        @if let Some(truth) = truth {
            (capitalised(&truth.to_string())) ". "
            @if truth.ceiling < 1.0 { "The green line is what can be explained." }
        }
    };
    drawn.figure("explained", caption)
}

/// What the bootstrap resamples for intervals.
fn resampled(report: &Report) -> &'static str {
    if report.subjects > 1 { "listeners" } else { "the conditions of this listener" }
}

fn level_series(_: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let caption = html! {
        "Left of each pair: a listener's own traces over what is drawn for other listeners under the same conditions "
        "(mean and the central 80 %). Right: one of these drawn listeners. Marked peaks are picked by one rule, and "
        "lines follow a wave through the levels."
    };
    drawn.figure("level_series", caption)
}

fn waves(report: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let levels = report.wave_errors.as_ref()?.levels.as_ref()?;
    let sources: Vec<String> = levels.norms.iter().map(|norm| format!("{} {}", norm.wave, norm.source)).collect();
    let caption = html! {
        "Means of the traces in which the wave was found, with 95 % intervals over " (resampled(report))
        " where there are enough."
    };
    Some(html! {
        @for name in BY_LEVEL {
            @if let Some(figure) = drawn.figure(name, caption.clone()) { (figure) }
        }
        @if sources.is_empty() {
            p .note { "No published norms are drawn: those at hand are of people and clicks." }
        } @else {
            p .note {
                "Norms are of clicks about ten times a second and of adults with normal hearing, with two standard "
                "deviations where they are known; levels are taken for dB nHL. " (sources.join("; ")) ". Listeners who "
                "are older, hear worse or were stimulated faster have later waves."
            }
        }
    })
}

fn reconstructions(report: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let caption = html! {
        "Recordings in the order of how well they are reconstructed: the best, the worst, and four between them."
    };
    let figure = drawn.figure("reconstructions", caption)?;
    let rows = report.pictures.as_ref()?.reconstructed_table();
    Some(html! { (figure) (table(&rows)) })
}

fn spread(_: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let caption = html! {
        "An interval of draws should hold as many real samples as it says; draws should spread as far as listeners "
        "do."
    };
    drawn.figure("coverage", caption)
}

fn latent(report: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let caption = html! {
        "A unit with a KL near 0 is not used. Where recordings of different levels lie apart, the latent holds what "
        "the condition should say. "
        @if report.training.config["model"]["prior"] == "learned" { "Means of the learned prior are taken off." }
    };
    drawn.figure("latent", caption)
}

fn film(report: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let blocks = &report.pictures.as_ref()?.film;
    let gated = blocks.iter().any(|block| block.gate.is_some());
    let caption = |block: &FilmResponse| {
        html! {
            "gamma 1 and beta 0 leave a unit as it is."
            @if gated { " The gate, for the mean latent, multiplies what FiLM does." }
            @if let Some([low, .., high]) = block.mixing {
                " The weight of the modulated feature is between " (format!("{low:.2}")) " and " (format!("{high:.2}"))
                " in 90 % of the units."
            }
        }
    };
    by_variable(blocks, |block| &block.variable, |block| drawn.figure(&film_name(block), caption(block)))
}

fn attention(report: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let levels = &report.pictures.as_ref()?.attention;
    let caption = html! { "The mean over the heads, for the mean latent." };
    let figure = |level: &AttentionResponse| drawn.figure(&attention_name(level), caption.clone());
    by_variable(levels, |level| &level.variable, figure)
}

/// The figures against the first variable, and those against each other one folded away.
fn by_variable<T>(
    responses: &[T],
    variable: impl Fn(&T) -> &str,
    figure: impl Fn(&T) -> Option<Markup>,
) -> Option<Markup> {
    let mut variables: Vec<&str> = Vec::new();
    for response in responses {
        if !variables.contains(&variable(response)) {
            variables.push(variable(response));
        }
    }
    let of = |name: &str| -> Vec<Markup> {
        responses.iter().filter(|response| variable(response) == name).filter_map(&figure).collect()
    };
    let first = of(variables.first()?);
    (!first.is_empty()).then(|| {
        html! {
            @for figure in first { (figure) }
            @for name in &variables[1..] {
                details { summary { "against " (name) } @for figure in of(name) { (figure) } }
            }
            p .note { "All other conditioning variables stay at their medians, and text at what is most frequent." }
        }
    })
}

fn learning(report: &Report, drawn: &NamedPictures) -> Option<Markup> {
    let epoch = report.training.epoch;
    drawn.figure("learning", html! { "The weights evaluated here are those of epoch " (epoch) "." })
}

fn measures(report: &Report) -> Markup {
    html! {
        @for t in report.tables() {
            @let long = t.rows.len() > 16;
            details open[!long] { summary { (t.title) } (table(&t)) }
        }
        @if !report.warnings.is_empty() {
            h3 { "Warnings" }
            ul { @for warning in &report.warnings { li { (warning) } } }
        }
    }
}

fn data(report: &Report) -> Markup {
    let training = &report.training;
    let config = serde_json::to_string_pretty(&training.config).expect("serializable");
    html! {
        dl {
            dt { "data" } dd { (report.data) }
            @if !training.data_hash.is_empty() {
                dt { "SHA-256 of the data trained on" } dd { code { (training.data_hash) } }
            }
            dt { "parameters of the model" } dd data-json="/training/parameters" { (training.parameters) }
        }
        @if let Some(split) = &training.split { (parts(split)) }
        details { summary { "configuration" } pre { (config) } }
    }
}

/// The training, validation and test subjects.
fn parts(split: &Value) -> Markup {
    let named = ["train", "validation", "test", "unused"].map(|part| (part, &split[part]));
    let subjects = |part: &Value| -> Vec<String> {
        let names = part["subjects"].as_array().map_or(&[][..], Vec::as_slice);
        names.iter().filter_map(|name| name.as_str().map(String::from)).collect()
    };
    html! {
        div .table {
            table {
                thead { tr { th scope="col" { "part" } th scope="col" { "rows" } th scope="col" { "subjects" } } }
                tbody {
                    @for (name, part) in &named {
                        @let rows = part["rows"].as_u64().unwrap_or(0);
                        @if rows > 0 {
                            tr {
                                th scope="row" { (name) }
                                td data-json={ "/training/split/" (name) "/rows" } { (rows) }
                                td data-json={ "/training/split/" (name) "/subjects" } { (subjects(part).len()) }
                            }
                        }
                    }
                }
            }
        }
        @for (name, part) in &named {
            @let names = subjects(part);
            @if !names.is_empty() {
                details { summary { "subjects: " (name) } p .note { (names.join(", ")) } }
            }
        }
    }
}

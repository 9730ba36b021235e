//! The charts of an evaluation, drawn from the numbers in its JSON.

use super::chart::{Chart, ChartAxis, Mark, Point, Series, text_style};
use super::picture::{Area, DrawResult, Picture, offset, px};
use super::style::{BLUE, GREEN, GRID, HEADING, INK, MUTED, ORANGE, PURPLE, RAMP, SERIES, STROKE, TEXT, VERMILION};
use crate::eval::level_functions::{LevelFunction, LevelPoint};
use crate::eval::measures::Interval;
use crate::eval::metrics::LatentUnits;
use crate::eval::norms::NormPoint;
use crate::eval::pictures::{AttentionResponse, FilmResponse, LatentMap, Quantiles};
use crate::eval::{Calibration, GenerationQuality, LevelReport, Report, SHARES, TableCell};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde_json::Value;

/// Width of a picture in CSS pixels.
pub const WIDTH: u32 = 880;
const HEIGHT: u32 = 280;
/// The maximum number of units in a latent map: the others are hardly used.
const MOST_UNITS: usize = 24;

/// Charts side by side. Charts without points are left out.
fn row(title: &str, height: u32, charts: Vec<Chart>) -> Option<Picture> {
    let charts: Vec<Chart> = charts.into_iter().filter(|chart| !chart.is_empty()).collect();
    if charts.is_empty() {
        return None;
    }
    Some(Picture::draw([WIDTH, height], title, |area| {
        let parts = area.split_evenly((1, charts.len()));
        charts.iter().zip(&parts).try_for_each(|(chart, part)| chart.draw(part))
    }))
}

/// The losses and their terms by epoch; `None` without epochs.
pub fn learning(epochs: &[Value]) -> Option<Picture> {
    let of = |at: &str| -> Vec<Point> {
        let number = |epoch: &Value, at: &str| epoch.pointer(at).and_then(Value::as_f64).unwrap_or(f64::NAN);
        epochs.iter().map(|epoch| Point::at(number(epoch, "/epoch"), number(epoch, at))).collect()
    };
    let chart = |title, label, term: &str| Chart {
        title,
        x: ChartAxis { label: "epoch", range: None },
        y: ChartAxis { label, range: None },
        series: vec![
            Series { name: "training", colour: MUTED, mark: Mark::Line, points: of(&format!("/train/{term}")) },
            Series { name: "validation", colour: BLUE, mark: Mark::Line, points: of(&format!("/validation/{term}")) },
        ],
    };
    let charts = vec![
        chart("loss", "loss", "loss"),
        chart("signal", "squared error, scaled", "signal"),
        chart("KL divergence", "nats", "kl"),
    ];
    row("Learning curves: loss, signal error and KL divergence by epoch", HEIGHT, charts)
}

/// The variance that the model and the simple methods explain, with intervals; `None` if unknown.
pub fn explained(report: &Report) -> Option<Picture> {
    let of_reference = report.explains_reference();
    let share = |estimate: &crate::eval::GoodnessOfFit| {
        Some((report.share(estimate)?, estimate.truth_interval.filter(|_| of_reference)))
    };
    let baselines = report.baselines.as_ref();
    let recording = report.recording.as_ref().filter(|_| of_reference);
    let methods = [
        ("this model", Some(&report.model)),
        ("its network alone", report.network.as_ref()),
        ("linear mixed model", baselines.and_then(|b| b.mixed_model.as_ref()).map(|mixed| &mixed.errors)),
        ("principal components", baselines.map(|b| &b.pca)),
        ("curve of the condition", baselines.map(|b| &b.curve)),
        ("nearest condition", baselines.and_then(|b| b.nearest_condition.as_ref())),
        ("the recording itself", recording),
    ];
    let known: Vec<(&str, f64, Option<[f64; 2]>)> = methods
        .into_iter()
        .filter_map(|(name, estimate)| share(estimate?).map(|(value, interval)| (name, value, interval)))
        .filter(|(_, value, _)| value.is_finite())
        .collect();
    if known.is_empty() {
        return None;
    }
    let ceiling = report.truth.as_ref().filter(|_| of_reference).map(|truth| truth.ceiling);
    let height = 60 + 26 * known.len() as u32;
    let title = format!("What reconstructions explain of {}", report.target());
    Some(Picture::draw([WIDTH, height], &title, |area| methods_chart(area, &title, &known, ceiling)))
}

/// One line per method: the value as a dot and as text, and its interval as a bar.
fn methods_chart(
    area: &Area,
    title: &str,
    methods: &[(&str, f64, Option<[f64; 2]>)],
    ceiling: Option<f64>,
) -> DrawResult {
    let (left, right, top) = (180.0, 650.0, 38.0);
    // methods that are worse than the mean trace stand at the left edge
    let x = |share: f64| offset(left + (right - left) * share.clamp(0.0, 1.0));
    let heading = text_style(HEADING, INK, Pos::new(HPos::Left, VPos::Top));
    area.draw(&Text::new(title, (offset(8.0), offset(4.0)), heading))?;
    let bottom = offset(top + 26.0 * methods.len() as f64);
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let line = vec![(x(tick), offset(top - 6.0)), (x(tick), bottom)];
        area.draw(&PathElement::new(line, GRID.stroke_width(px(0.8))))?;
        let style = text_style(TEXT - 1.0, MUTED, Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(format!("{:.0} %", 100.0 * tick), (x(tick), bottom + offset(4.0)), style))?;
    }
    if let Some(ceiling) = ceiling.filter(|ceiling| *ceiling < 1.0) {
        let line = vec![(x(ceiling), offset(top - 6.0)), (x(ceiling), bottom)];
        area.draw(&PathElement::new(line, GREEN.stroke_width(px(STROKE))))?;
    }
    for (i, (name, value, interval)) in methods.iter().enumerate() {
        let (y, colour) = (offset(top + 26.0 * i as f64 + 10.0), if i == 0 { VERMILION } else { INK });
        let label = text_style(TEXT, INK, Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(*name, (offset(left - 14.0), y), label))?;
        if let Some([low, high]) = interval {
            let line = vec![(x(*low), y), (x(*high), y)];
            area.draw(&PathElement::new(line, colour.mix(0.5).stroke_width(px(4.0))))?;
        }
        // a value that rounds to 0 is not negative
        match *value < -5e-4 {
            true => {
                let tip = [(left - 7.0, 0.0), (left + 2.0, -5.0), (left + 2.0, 5.0)];
                let tip: Vec<(i32, i32)> = tip.iter().map(|(x, by)| (offset(*x), y + offset(*by))).collect();
                area.draw(&Polygon::new(tip, colour.filled()))?;
            }
            false => area.draw(&Circle::new((x(*value), y), px(4.0), colour.filled()))?,
        }
        let percent = |share: f64| TableCell::percent(share, 1, "").text;
        let text = match interval {
            Some([low, high]) => format!("{} [{}, {}]", percent(*value), percent(*low), percent(*high)),
            None => percent(*value),
        };
        let style = text_style(TEXT, INK, Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(text, (offset(right + 12.0), y), style))?;
    }
    Ok(())
}

fn of_level(
    name: &'static str,
    colour: RGBColor,
    function: &LevelFunction,
    of: fn(&LevelPoint) -> Interval,
) -> Series<'static> {
    let point = |point: &LevelPoint| {
        let Interval { value, low, high } = of(point);
        Point::at(point.level_db, value).between(low, high)
    };
    Series { name, colour, mark: Mark::Dots, points: function.points.iter().map(point).collect() }
}

/// The latency and the amplitude of each wave by level, in real and in generated traces, with norms. `None` if no wave
/// was found.
pub fn waves_by_level(levels: &LevelReport) -> [Option<Picture>; 2] {
    let latency = |point: &LevelPoint| point.latency_ms;
    let amplitude = |point: &LevelPoint| point.amplitude_uv;
    let series_of = |i: usize, of: fn(&LevelPoint) -> Interval, by_norm: fn(&NormPoint) -> Point| {
        let (real, generated) = (&levels.real[i], &levels.generated[i]);
        let mut series = vec![of_level("real", INK, real, of), of_level("generated", BLUE, generated, of)];
        if let Some(norm) = levels.norms.iter().find(|norm| norm.wave == real.wave) {
            let points = norm.points.iter().map(by_norm).collect();
            series.push(Series { name: "norms", colour: ORANGE, mark: Mark::Points, points });
        }
        series
    };
    let picture = |what: &str, of, label, by_norm| {
        let titles: Vec<String> = levels.real.iter().map(|real| format!("wave {}", real.wave)).collect();
        let charts = (0..levels.real.len()).map(|i| series_of(i, of, by_norm)).zip(&titles);
        // norms alone, without measured points, make no picture
        let measured = |series: &[Series]| series[..2].iter().any(Series::has_points);
        let charts = charts.filter(|(series, _)| measured(series)).map(|(series, title)| Chart {
            title,
            x: ChartAxis { label: "level, dB", range: None },
            y: ChartAxis { label, range: None },
            series,
        });
        row(&format!("{what} of each wave by level, generated beside real"), HEIGHT, charts.collect())
    };
    let latency_norm = |norm: &NormPoint| {
        let two_sd = norm.latency_sd_ms.map(|sd| 2.0 * sd);
        let (low, high) = (two_sd.map(|by| norm.latency_ms - by), two_sd.map(|by| norm.latency_ms + by));
        Point::at(norm.level_db, norm.latency_ms).between(low, high)
    };
    let amplitude_norm = |norm: &NormPoint| Point::at(norm.level_db, norm.amplitude_uv.unwrap_or(f64::NAN));
    [
        picture("Latency", latency, "latency, ms", latency_norm),
        picture("Amplitude", amplitude, "amplitude, µV", amplitude_norm),
    ]
}

/// The share of real samples inside the intervals of draws, against the nominal share.
pub fn calibration(generated: &GenerationQuality) -> Option<Picture> {
    let of = |name, colour, calibration: &Calibration| {
        let points = SHARES.iter().zip(&calibration.inside);
        let percent = |v: f64| 100.0 * v;
        let point = |(share, held): (&f64, &Interval)| {
            Point::at(percent(*share), percent(held.value)).between(held.low.map(percent), held.high.map(percent))
        };
        Series { name, colour, mark: Mark::Dots, points: points.map(point).collect() }
    };
    let ideal = Series {
        name: "as it should be",
        colour: MUTED,
        mark: Mark::Dashed,
        points: vec![Point::at(0.0, 0.0), Point::at(100.0, 100.0)],
    };
    let mixed = generated.mixed_model.as_ref().map(|mixed| of("linear mixed model", ORANGE, mixed));
    let coverage = Chart {
        title: "coverage",
        x: ChartAxis { label: "interval of draws, %", range: Some([0.0, 100.0]) },
        y: ChartAxis { label: "real samples in it, %", range: Some([0.0, 100.0]) },
        series: [Some(ideal), Some(of("model", BLUE, &generated.model)), mixed].into_iter().flatten().collect(),
    };
    let spread = generated.spread.map(|spread| Chart {
        title: "spread of draws over that of these listeners",
        x: ChartAxis {
            label: "spread; 1 is right",
            range: Some([0.0, spread.high.unwrap_or(spread.value).max(1.5) * 1.1]),
        },
        y: ChartAxis { label: "", range: Some([0.0, 2.0]) },
        series: vec![
            Series {
                name: "as it should be",
                colour: MUTED,
                mark: Mark::Dashed,
                points: vec![Point::at(1.0, 0.0), Point::at(1.0, 2.0)],
            },
            Series { name: "95 % interval", colour: BLUE, mark: Mark::Line, points: ends(spread) },
            Series { name: "model", colour: BLUE, mark: Mark::Points, points: vec![Point::at(spread.value, 1.0)] },
        ],
    });
    let charts = [Some(coverage), spread].into_iter().flatten().collect();
    row("Coverage of the intervals of generated traces, and how far they spread", HEIGHT + 20, charts)
}

fn ends(interval: Interval) -> Vec<Point> {
    [interval.low, interval.high].into_iter().flatten().map(|x| Point::at(x, 1.0)).collect()
}

/// Gamma, beta and the gate of each block against the varied variable.
pub fn film<'a>(responses: &'a [FilmResponse]) -> Vec<(&'a FilmResponse, Picture)> {
    let series = |colour, values: &[f64], quantiles: &Quantiles| {
        let [q5, q25, q50, q75, q95] = &quantiles.quantiles[..] else { panic!("five quantiles") };
        let points = |low: &[f64], high: &[f64]| -> Vec<Point> {
            let at = |i: usize| Point::at(values[i], q50[i]).between(Some(low[i]), Some(high[i]));
            (0..values.len()).map(at).collect()
        };
        vec![
            Series { name: "90 % of units", colour, mark: Mark::Band, points: points(q5, q95) },
            Series { name: "half of them", colour, mark: Mark::Band, points: points(q25, q75) },
            Series { name: "median", colour, mark: Mark::Line, points: points(q25, q75) },
        ]
    };
    let all = |response: &'a FilmResponse| {
        let FilmResponse { block, units, variable, values, gamma, beta, gate, .. } = response;
        let label = axis_label(variable);
        let titles = ["gamma", "beta"].map(|what| format!("{what}, block {block} ({units} units)"));
        let of_gate = format!("gate, block {block}");
        let chart = |title, what, series| Chart {
            title,
            x: ChartAxis { label, range: None },
            y: ChartAxis { label: what, range: None },
            series,
        };
        let mut charts = vec![
            chart(&titles[0], "gamma", series(PURPLE, values, gamma)),
            chart(&titles[1], "beta", series(GREEN, values, beta)),
        ];
        if let Some(gate) = gate {
            let points = values.iter().zip(gate).map(|(x, y)| Point::at(*x, *y)).collect();
            let line = Series { name: "gate", colour: BLUE, mark: Mark::Line, points };
            let gate = chart(&of_gate, "gate", vec![line]);
            charts.push(Chart { y: ChartAxis { label: "gate", range: Some([0.0, 1.0]) }, ..gate });
        }
        let picture = row(&format!("FiLM block {block} against {label}"), HEIGHT - 40, charts);
        picture.map(|picture| (response, picture))
    };
    responses.iter().filter_map(all).collect()
}

fn axis_label(variable: &str) -> &str {
    if variable == "level_db" { "level, dB" } else { variable }
}

/// The attention of each decoder level to each value of the condition, against the varied variable.
pub fn attention<'a>(responses: &'a [AttentionResponse]) -> Vec<(&'a AttentionResponse, Picture)> {
    let one = |response: &'a AttentionResponse| {
        let AttentionResponse { level, variable, values, tokens, weights } = response;
        let colours = SERIES.iter().chain(&RAMP).cycle();
        let series = tokens.iter().zip(weights).zip(colours).map(|((name, weights), colour)| Series {
            name,
            colour: *colour,
            mark: Mark::Line,
            points: values.iter().zip(weights).map(|(x, y)| Point::at(*x, *y)).collect(),
        });
        let title = format!("attention, level {level}");
        let chart = Chart {
            title: &title,
            x: ChartAxis { label: axis_label(variable), range: None },
            y: ChartAxis { label: "weight", range: Some([0.0, 1.0]) },
            series: series.collect(),
        };
        let picture = row(&format!("Attention of level {level} against {}", axis_label(variable)), HEIGHT, vec![chart]);
        picture.map(|picture| (response, picture))
    };
    responses.iter().filter_map(one).collect()
}

/// The KL of each unit by level, and the rows in the two units with the largest KL.
pub fn latent(map: &LatentMap, latent: &LatentUnits) -> Picture {
    let mut order = latent.by_kl();
    order.truncate(MOST_UNITS);
    Picture::draw(
        [WIDTH, HEIGHT + 40],
        "Use of the latent: KL of each unit by level, and a map of recordings",
        |area| {
            let (left, right) = area.split_horizontally(px(f64::from(WIDTH) / 2.0));
            units(&left, map, &latent.kl_nats, &order)?;
            scatter(&right, map)
        },
    )
}

/// One column per unit: a line for all levels together, and one line per level.
fn units(area: &Area, map: &LatentMap, kl_nats: &[f64], order: &[usize]) -> DrawResult {
    let of = |kl: &[f64]| order.iter().zip(1..).map(|(&unit, rank)| Point::at(f64::from(rank), kl[unit])).collect();
    let levels = shown_levels(map.kl_by_level.len());
    let names: Vec<String> = levels.iter().map(|&(i, _)| format!("{} dB", map.kl_by_level[i].level_db)).collect();
    let by_level = levels.iter().zip(&names).map(|(&(i, colour), name)| Series {
        name,
        colour,
        mark: Mark::Line,
        points: of(&map.kl_by_level[i].kl_nats),
    });
    let all = Series { name: "all levels", colour: INK, mark: Mark::Dots, points: of(kl_nats) };
    let chart = Chart {
        title: "KL of each latent unit",
        x: ChartAxis { label: "units, the most used first", range: None },
        y: ChartAxis { label: "KL, nats", range: None },
        series: by_level.chain([all]).collect(),
    };
    chart.draw(area)
}

/// The indices and colours of the shown levels: at most one level per colour, including the lowest and the highest.
fn shown_levels(levels: usize) -> Vec<(usize, RGBColor)> {
    let shown = levels.min(RAMP.len());
    let place = |i: usize| if shown < 2 { 0 } else { i * (levels - 1) / (shown - 1) };
    (0..shown).map(|i| (place(i), RAMP[if shown < 2 { 0 } else { i * (RAMP.len() - 1) / (shown - 1) }])).collect()
}

fn scatter(area: &Area, map: &LatentMap) -> DrawResult {
    let Some([first, second]) = map.units else { return Ok(()) };
    let levels = map.kl_by_level.len();
    // each level has the colour of its range of levels
    let colour_of = |level_db: Option<f64>| {
        let rank = level_db.and_then(|level| map.kl_by_level.iter().position(|at| at.level_db == level))?;
        Some(if levels < 2 { 0 } else { rank * (RAMP.len() - 1) / (levels - 1) })
    };
    let titles: Vec<String> = (0..RAMP.len())
        .map(|colour| {
            let own = map.kl_by_level.iter().filter(|at| colour_of(Some(at.level_db)) == Some(colour));
            let own: Vec<f64> = own.map(|at| at.level_db).collect();
            match (own.first(), own.last()) {
                (Some(low), Some(high)) if low < high => format!("{low}–{high} dB"),
                (Some(only), _) => format!("{only} dB"),
                _ => String::new(),
            }
        })
        .collect();
    let of_colour = |colour: Option<usize>| -> Vec<Point> {
        let own = map.points.iter().filter(|point| colour_of(point.level_db) == colour);
        own.map(|point| Point::at(f64::from(point.mu[0]), f64::from(point.mu[1]))).collect()
    };
    let with_level = (0..RAMP.len()).map(|colour| Series {
        name: &titles[colour],
        colour: RAMP[colour],
        mark: Mark::Points,
        points: of_colour(Some(colour)),
    });
    let without = Series { name: "", colour: SERIES[0], mark: Mark::Points, points: of_colour(None) };
    let (x, y) = (format!("mu of unit {first}"), format!("mu of unit {second}"));
    let chart = Chart {
        title: "recordings in the two units that carry most",
        x: ChartAxis { label: &x, range: None },
        y: ChartAxis { label: &y, range: None },
        series: with_level.chain([without]).collect(),
    };
    chart.draw(area)
}

use super::*;
use crate::eval::level_series::{Panel, Summary, TracesAtLevel, WaveMark};
use crate::report::style::{BLUE, GREEN, INK, VERMILION};

/// A level with a single trace, sampled every ms from 0 ms.
fn level(level_db: f64, trace_uv: &[f32]) -> TracesAtLevel {
    let summary = Summary { waves: None, ..Summary::default() };
    TracesAtLevel::summarise(Some(level_db), [0.0, 1.0], &[trace_uv], &summary)
}

fn layer(source: TraceSource, name: &str, levels: Vec<TracesAtLevel>) -> TraceLayer {
    TraceLayer { source, name: name.to_string(), levels }
}

fn panel(title: &str, levels: Vec<TracesAtLevel>) -> Panel {
    let layers = vec![layer(TraceSource::Recorded, "recorded", levels)];
    Panel { title: title.to_string(), threshold_db: None, layers }
}

fn draw(panels: Vec<Panel>, options: &SeriesOptions) -> String {
    draw_level_series(&LevelSeries { panels }, options).element()
}

/// The points of each polyline with this stroke width, in CSS pixels.
fn lines(svg: &str, width: f64) -> Vec<Vec<(f64, f64)>> {
    let number = |text: &str| text.parse::<f64>().unwrap() / 8.0;
    let attribute =
        |tag: &str, name: &str| Some(tag.split_once(&format!(" {name}=\""))?.1.split_once('"')?.0.to_string());
    let tags = svg.split("<polyline").skip(1).map(|rest| rest.split("/>").next().unwrap());
    let wide = tags.filter(|tag| number(&attribute(tag, "stroke-width").unwrap()) == (width * 8.0).round() / 8.0);
    wide.map(|tag| {
        let places = attribute(tag, "points").unwrap();
        places
            .split_whitespace()
            .map(|place| place.split_once(',').unwrap())
            .map(|(x, y)| (number(x), number(y)))
            .collect()
    })
    .collect()
}

/// Mean traces: they have their own stroke width, and four points in these tests, while lines of the legend and the
/// scale bar have two.
fn means(svg: &str) -> Vec<Vec<(f64, f64)>> {
    lines(svg, crate::report::style::STROKE).into_iter().filter(|line| line.len() > 2).collect()
}

fn height(line: &[(f64, f64)]) -> f64 {
    let (lo, hi) = line.iter().fold((f64::INFINITY, 0.0_f64), |(lo, hi), place| (lo.min(place.1), hi.max(place.1)));
    hi - lo
}

#[test]
fn all_panels_have_one_scale_and_levels_one_height() {
    let small = vec![level(20.0, &[0.0, 0.1, -0.1, 0.0]), level(80.0, &[0.0, 0.5, -0.5, 0.0])];
    let large = vec![level(80.0, &[0.0, 2.0, -2.0, 0.0])];
    let svg = draw(vec![panel("A1, ear L", small), panel("A1, ear R", large)], &SeriesOptions::default());
    let [soft, loud, other] = &means(&svg)[..] else { panic!("{svg}") };
    // an eighth of a CSS pixel is the drawing's resolution, and both ends of a height may be off by half of it
    let ratio = |a: f64, b: f64, wanted: f64| (a - wanted * b).abs() <= (1.0 + wanted) * 0.125;
    assert!(ratio(height(loud), height(soft), 5.0) && ratio(height(other), height(loud), 4.0));
    // the first sample lies on the level's line
    assert!((loud[0].1 - other[0].1).abs() <= 0.125 && soft[0].1 > loud[0].1 + 20.0);
    // the common part of the titles, the levels and the scale bar appear once
    for (words, times) in [(">\nA1\n", 1), (">\near\u{a0}R\n", 1), ("80 dB", 1), ("µV", 1)] {
        assert_eq!(svg.matches(words).count(), times, "{words}: {svg}");
    }
}

#[test]
fn the_bar_is_as_high_as_it_says() {
    let svg = draw(vec![panel("", vec![level(60.0, &[0.0, 3.0, -3.0, 0.0])])], &SeriesOptions::default());
    let mean = &means(&svg)[0];
    let bar =
        lines(&svg, crate::report::style::STROKE).into_iter().find(|line| line.len() == 2 && line[0].0 == line[1].0);
    let uv: f64 = svg.split_once(" µV").unwrap().0.rsplit('\n').next().unwrap().parse().unwrap();
    let uv_of_pixels = 6.0 / height(mean);
    // both heights are off by at most an eighth of a pixel
    let error = 0.125 * uv_of_pixels * (1.0 + uv / 6.0);
    assert!((height(&bar.unwrap()) * uv_of_pixels - uv).abs() <= error, "{uv} µV: {svg}");
}

#[test]
fn a_missing_sample_breaks_the_line_and_a_window_cuts_it() {
    let trace = [0.0, 1.0, 0.5, f32::NAN, 0.5, 0.2, 0.1];
    let drawn = |window_ms| {
        let options = SeriesOptions { window_ms, ..SeriesOptions::default() };
        means(&draw(vec![panel("", vec![level(60.0, &trace)])], &options))
    };
    assert_eq!(drawn(None).iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
    let cut = drawn(Some([0.0, 2.0]));
    assert_eq!(cut.iter().map(Vec::len).collect::<Vec<_>>(), [3]);
    // the window is as wide as the panel
    assert!((cut[0][2].0 - cut[0][0].0 - 320.0).abs() <= 0.125);
}

#[test]
fn traces_without_height_or_width_are_drawn() {
    for trace in [&[0.1, 0.1, 0.1][..], &[3.0][..]] {
        let svg = draw(vec![panel("", vec![level(40.0, trace)])], &SeriesOptions::default());
        assert!(svg.contains("40 dB") && svg.contains("µV") && !svg.contains("NaN"), "{svg}");
    }
}

#[test]
fn each_source_has_its_colour_and_layers_of_one_have_two() {
    let flat = || vec![level(60.0, &[0.0, 1.0])];
    let layers = vec![
        layer(TraceSource::Recorded, "before", flat()),
        layer(TraceSource::Recorded, "after", flat()),
        layer(TraceSource::Generated, "generated", flat()),
    ];
    let series = LevelSeries { panels: vec![Panel { title: String::new(), threshold_db: None, layers }] };
    let colours: Vec<RGBColor> = layer_colours(&series).iter().map(|layer| layer.colour).collect();
    assert_eq!(colours, [INK, VERMILION, BLUE]);
    assert_eq!(colour(TraceSource::GroundTruth), GREEN);
}

#[test]
fn threshold_waves_and_what_the_lines_are_are_named() {
    let mark = |wave, latency_ms| WaveMark { wave, latency_ms, at_uv: 1.0 };
    let mut levels = [40.0, 60.0, 80.0].map(|db| level(db, &[0.0, 1.0, 0.0, 1.0]));
    levels[2].waves = vec![mark("IV", 1.0), mark("V", 1.1)];
    levels[1].waves = vec![mark("V", 1.2)];
    let mut panel = panel("A1", levels.to_vec());
    panel.threshold_db = Some(60.0);
    let svg = draw(vec![panel], &SeriesOptions::default());
    for words in
        ["threshold 60 dB", "recorded (1 trace a level)", "Dots: waves picked by rule.", "ms after stimulus onset"]
    {
        assert_eq!(svg.matches(words).count(), 1, "{words}: {svg}");
    }
    assert_eq!(svg.matches("<circle").count(), 3);
    let place = |name: &str| {
        let tag = svg.split("<text").find(|tag| tag.contains(&format!(">\n{name}\n"))).unwrap();
        tag.split_once("x=\"").unwrap().1.split_once('"').unwrap().0.parse::<f64>().unwrap() / 8.0
    };
    assert!(place("V") - place("IV") > 12.0, "names lie on each other: {svg}");
    // the threshold lies between 60 dB, which has a response, and 40 dB
    let dashes = lines(&svg, 1.0).into_iter().filter(|line| height(line) == 0.0 && line[1].0 - line[0].0 < 6.0);
    let y = dashes.map(|line| line[0].1).fold(0.0, f64::max);
    // a trace of 0 and 1 µV is centred on its line
    let [soft, middle, _] = [0, 1, 2].map(|i| f64::midpoint(means(&svg)[i][0].1, means(&svg)[i][1].1));
    // to half of the drawing's resolution, as are the two lines
    assert!((y - f64::midpoint(soft, middle)).abs() <= 0.125, "{y} {middle} {soft}");
}

#[test]
fn panels_wrap_and_fit_the_width() {
    assert_eq!(columns(10, LEFT, None).0, 5);
    assert_eq!(columns(6, LEFT, None).0, 3);
    assert_eq!(columns(4, LEFT, Some(400)), (2, 400.0));
    assert_eq!(columns(1, LEFT, Some(321)), (1, 321.0));
}

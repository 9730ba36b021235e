//! `plot`: what is drawn, in which format, and what is refused.

use crate::support::Place;

/// 200 samples of 20 kHz with wave V at `ms`, `uv` high.
fn samples(ms: f64, uv: f64) -> String {
    let sample = |i: i32| format!("{:.4}", uv * (-0.5 * ((f64::from(i) * 0.05 - ms) / 0.3).powi(2)).exp());
    (0..200).map(sample).collect::<Vec<_>>().join(",")
}

/// A table of (subject, ear, level, wave V in ms, in µV).
fn table(rows: &[(&str, &str, &str, f64, f64)]) -> String {
    let names: Vec<String> = (0..200).map(|i| format!("s{i}")).collect();
    let mut text = format!("subject_id,ear,level_db,threshold_db,sample_rate_hz,t0_ms,{}\n", names.join(","));
    for (subject, ear, level, ms, uv) in rows {
        text += &format!("{subject},{ear},{level},,20000,0,{}\n", samples(*ms, *uv));
    }
    text
}

const LISTENER: [(&str, &str, &str, f64, f64); 5] = [
    ("A1", "L", "80", 5.6, 0.6),
    ("A1", "L", "40", 7.2, 0.3),
    ("A1", "R", "80", 5.6, 0.3),
    ("A1", "R", "40", 7.2, 0.15),
    ("B2", "L", "80", 5.8, 0.5),
];

/// The output of `generate` without `--series`: each trace has its own subject.
const GENERATED: [(&str, &str, &str, f64, f64); 6] = [
    ("generated-1", "", "80", 5.5, 0.5),
    ("generated-2", "", "80", 5.7, 0.6),
    ("generated-3", "", "80", 5.6, 0.7),
    ("generated-4", "", "40", 7.0, 0.2),
    ("generated-5", "", "40", 7.4, 0.3),
    ("generated-6", "", "40", 7.2, 0.4),
];

fn place() -> Place {
    let place = Place::new();
    place.write("lab.csv", table(&LISTENER));
    place.write("made.csv", table(&GENERATED));
    place
}

/// Width and height in pixels.
fn png_size(png: &[u8]) -> [u32; 2] {
    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

fn svg_size(svg: &str) -> [u32; 2] {
    ["width", "height"].map(|side| {
        let value = svg.split_once(&format!(" {side}=\"")).unwrap().1.split_once('"').unwrap().0;
        value.parse().unwrap()
    })
}

#[test]
fn a_level_series_is_drawn_with_its_waves_threshold_and_scale() {
    let place = place();
    let output = place.ok("plot lab.csv --threshold 30 --out levels.svg");
    assert!(output.stdout.is_empty());
    assert_eq!(output.stderr, "A1: 2 panels, 2 levels, 4 traces in levels.svg\n");
    let svg = place.text("levels.svg");
    for words in [">\nA1\n", "ear\u{a0}L", "ear\u{a0}R", "80 dB", "40 dB", "ms after stimulus onset", "µV\n", ">\nV\n"]
    {
        assert!(svg.contains(words), "{words:?} is not in: {svg}");
    }
    assert_eq!(svg.matches("threshold 30 dB").count(), 2);
    assert!(svg.contains("recorded (1 trace a level)"));
    let plain = place.ok("plot lab.csv --subject B2 --no-waves --out levels.svg").stderr;
    assert_eq!(plain, "B2: 1 panel, 1 level, 1 trace in levels.svg\n");
    assert!(!place.text("levels.svg").contains("<circle"));
}

#[test]
fn generated_tables_are_drawn_alone_and_over_recordings() {
    let place = place();
    let stderr = place.ok("plot made.csv --out made.svg").stderr;
    assert_eq!(stderr, "6 subjects together: 1 panel, 2 levels, 6 traces in made.svg\n");
    let svg = place.text("made.svg");
    assert!(svg.contains("generated (3 traces a level)") && svg.matches("<polygon").count() == 2, "{svg}");
    assert!(svg.contains("band: central 80 % of the traces"));
    let none = "plot made.csv --band none --no-repeats --out made.svg";
    place.ok(none);
    let bare = place.text("made.svg");
    assert!(!bare.contains("<polygon") && bare.matches("<polyline").count() + 6 == svg.matches("<polyline").count());

    let stderr = place.ok("plot lab.csv made.csv --subject A1 --out both.svg").stderr;
    assert!(stderr.contains("note: generated: the same traces are in 2 panels"), "{stderr}");
    assert!(
        stderr.ends_with("recorded: A1; generated: 6 subjects together: 2 panels, 2 levels, 16 traces in both.svg\n")
    );
    let svg = place.text("both.svg");
    assert!(svg.contains("recorded (1 trace a level)") && svg.contains("generated (3 traces a level)"), "{svg}");
    // user-defined names, with the colours of their sources
    place.ok("plot clinic=lab.csv reconstructed=lab.csv --out both.svg");
    let svg = place.text("both.svg");
    assert!(svg.contains("clinic (1 trace") && svg.contains("reconstructed (1 trace") && svg.contains("#D55E00"));
    // without names, two tables of one source are named after their files
    place.write("later.csv", table(&LISTENER));
    place.ok("plot lab.csv later.csv --out both.svg");
    let svg = place.text("both.svg");
    assert!(svg.contains(">\nlab (1 trace") && svg.contains(">\nlater (1 trace"), "{svg}");
}

#[test]
fn what_a_model_makes_is_drawn() {
    let place = Place::trained("");
    place.ok("generate --model run -n 4 --static level_db=20:80:3 --out drawn.csv --device cpu");
    let stderr = place.ok("plot drawn.csv --out drawn.svg").stderr;
    assert_eq!(stderr, "12 subjects together: 1 panel, 3 levels, 12 traces in drawn.svg\n");
    place.ok("generate --model run -n 4 --unconditional --out free.csv --device cpu");
    place.ok("data synth --config smoke.json --out synth.csv");
    place.ok("reconstruct --model run --data synth.csv --out again.csv --device cpu");
    let stderr = place.ok("plot synth.csv again.csv --truth --out all.svg").stderr;
    assert!(stderr.starts_with("recorded: S") && stderr.contains("; reconstructed: S"), "{stderr}");
    let svg = place.text("all.svg");
    assert!(["recorded (", "noise-free (", "reconstructed ("].iter().all(|words| svg.contains(words)), "{svg}");
}

#[test]
fn a_png_is_of_the_same_size_at_300_dots_an_inch() {
    let place = place();
    place.ok("plot lab.csv --out a.svg --width 400");
    let [width, height] = svg_size(&place.text("a.svg"));
    assert_eq!(width, 400);
    place.ok("plot lab.csv --out a.png --width 400");
    assert_eq!(png_size(&place.bytes("a.png")), [1250, (f64::from(height) * 3.125).ceil() as u32]);
    place.ok("plot lab.csv --out a.PNG --width 400 --dpi 96");
    assert_eq!(png_size(&place.bytes("a.PNG")), [width, height]);
    place.ok("data inspect lab.csv --plot b.png");
    assert!(png_size(&place.bytes("b.png"))[0] > 1000);
}

#[test]
fn a_window_shows_its_times_alone() {
    let place = place();
    place.ok("plot lab.csv --window 4:8 --out a.svg");
    let svg = place.text("a.svg");
    let times = |svg: &str, ms: &str| svg.contains(&format!(">\n{ms}\n"));
    assert!(times(&svg, "4") && times(&svg, "8") && !times(&svg, "2") && !times(&svg, "9"), "{svg}");
    place.ok("plot lab.csv --window -2:3 --no-waves --out a.svg");
    assert!(times(&place.text("a.svg"), "-2"));
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let place = place();
    place.write("flat.csv", "subject_id,sample_rate_hz,t0_ms,s0,s1\nc,20000,0,1,1\n");
    place.write("silent.csv", "subject_id,level_db,s0,s1\nc,20,0,1\nc,40,1,2\n");
    let refused = |arguments: &str, parts: &[&str]| place.refused(2, arguments, parts);
    refused("plot flat.csv --out a.svg", &["no level series of any subject: the level is not known", "level_db"]);
    refused(
        "plot silent.csv --out a.svg",
        &["the sample rate is not known", "the time of the first sample", "--t0-ms"],
    );
    refused("plot lab.csv --subject A11 --out a.svg", &["no subject A11", "did you mean A1?", "A1, B2"]);
    refused("plot lab.csv --out a.jpg", &["a.jpg: neither a .svg nor a .png file"]);
    refused("plot lab.csv --out nowhere/a.svg", &["nowhere: no such folder"]);
    refused(
        "plot lab.csv --window 20:30 --out a.svg",
        &["nothing was recorded between 20 and 30 ms", "0.000 to 9.950 ms"],
    );
    refused("plot lab.csv --truth --out a.svg", &["truth_s0"]);
    refused("plot x=lab.csv x=made.csv --out a.svg", &["two layers have the same name", "NAME=PATH"]);
    place.refused(1, "plot missing.csv --out a.svg", &["missing.csv"]);
    for arguments in ["--window 3:3", "--window 3", "--band 0", "--band iqr", "--level-step 0", "--dpi 0", "--width 10"]
    {
        let output =
            place.command(&format!("plot lab.csv --out a.svg {arguments}")).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(2), "{arguments}");
    }
    assert!(!place.path("a.svg").exists());
    // a table may have such a name, and is not overwritten
    place.write("table.svg", table(&LISTENER));
    refused("plot table.svg --out table.svg", &["--out would replace table.svg"]);
    refused("data inspect table.svg --plot table.svg", &["--plot would replace table.svg"]);
}

#[test]
fn what_the_table_does_not_say_is_said_as_for_inspect() {
    let place = place();
    place.write("silent.csv", "animal,level_db,s0,s1,s2\nm1,20,0,1,0\nm1,40,1,2,0\n");
    let output =
        place.ok("plot silent.csv --sample-rate-hz 20000 --t0-ms 0 --set data.subject_column=animal --out a.svg");
    assert!(output.stderr.ends_with("m1: 1 panel, 2 levels, 2 traces in a.svg\n"), "{}", output.stderr);
}

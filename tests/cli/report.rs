//! The report of a run: its content, its agreement with the terminal and the JSON, and how a browser shows it.

use crate::support::Place;
use common::skipped::skipped;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The texts between two marks, in order.
fn between<'a>(text: &'a str, from: &'a str, to: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).map(move |rest| rest.split(to).next().unwrap_or_default())
}

/// Text without HTML escapes.
fn plain(html: &str) -> String {
    html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// The text that a browser shows; tags separate words.
fn without_tags(html: &str) -> String {
    html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect::<Vec<_>>().join(" ")
}

/// The cells of a page with JSON places: the places, and the text.
fn cells(page: &str) -> Vec<(Vec<String>, String)> {
    let cell = |rest: &str| {
        let (places, rest) = rest.split_once("\">").expect("a closed tag");
        let text = plain(rest.split('<').next().expect("a text"));
        (places.split(' ').map(String::from).collect(), text)
    };
    page.split(" data-json=\"").skip(1).map(cell).collect()
}

/// The numbers in a text; a dash between words is not a sign.
fn numbers(text: &str) -> Vec<&str> {
    let number = |part: &&str| part.contains(|c: char| c.is_ascii_digit());
    text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')).filter(number).collect()
}

/// Whether a shown number is the rounded value of the JSON.
fn is_rounded(shown: &str, value: f64) -> bool {
    let decimals = shown.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    // half a unit of the last decimal, plus a millionth for rounding in f64
    (shown.parse::<f64>().expect("a number") - value).abs() <= 0.500001 * 10f64.powi(-(decimals as i32))
}

fn in_json(json: &Value, place: &str) -> f64 {
    let (pointer, factor) = place.strip_suffix('%').map_or((place, 1.0), |pointer| (pointer, 100.0));
    let value = json.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is not in the JSON"));
    // for a list, its length
    let number = value.as_array().map(|list| list.len() as f64).or(value.as_f64());
    factor * number.unwrap_or_else(|| panic!("{pointer} is no number: {value}"))
}

#[test]
fn page_terminal_and_json_say_the_same() {
    let place = Place::trained("--set output.report=true");
    let (page, json) = (place.text("run/report.html"), place.json("run/eval.json"));
    let cells = cells(&page);
    assert!(cells.len() > 150, "only {} cells", cells.len());
    for (places, text) in &cells {
        let shown = numbers(text);
        assert_eq!(shown.len(), places.len(), "{text:?}: {places:?}");
        for (shown, place) in shown.iter().zip(places) {
            let value = in_json(&json, place);
            assert!(is_rounded(shown, value), "{text:?}: {place} is {value}");
        }
    }
    // a table cell with a number has a JSON place, or is an ideal value
    let constants = ["100 %", "80 %", "0 ms", "1", "0.5 (chance)"];
    for text in between(&page, "<td>", "</td>").filter(|text| !numbers(text).is_empty()) {
        assert!(constants.contains(&text), "{text:?} does not say where it stands in the JSON");
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let short = place.ok("eval --model run").stdout;
    let all = place.ok("eval --model run --verbose").stdout;
    for sentence in json["verdict"].as_array().expect("sentences") {
        let sentence = words(sentence.as_str().expect("text"));
        for text in [&plain(&page), &short, &all] {
            assert!(words(text).contains(&sentence), "{sentence:?}");
        }
    }
    // each row of a table is a line of the terminal, except the split
    let lines: Vec<String> = short.lines().chain(all.lines()).map(words).collect();
    let rows = between(&page, "<tr><th scope=\"row\">", "</tr>").filter(|row| !row.contains("/training/split"));
    let rows: Vec<String> = rows.map(|row| words(&plain(&without_tags(row)))).collect();
    assert!(rows.len() > 60, "only {} rows", rows.len());
    for row in rows {
        assert!(lines.contains(&row), "{row:?} is not on the terminal");
    }
    // evaluating the checkpoint gives the same result as the end of the training
    assert_eq!(place.ok("eval --model run --json").stdout, place.text("run/eval.json"));
    std::fs::create_dir_all(place.path("again/pictures")).expect("a folder");
    for name in ["film_9.svg", "mine.svg"] {
        place.write(&format!("again/pictures/{name}"), "before");
    }
    place.ok("eval --model run --out again");
    // pictures of an earlier evaluation are removed, and nothing else
    assert!(!place.path("again/pictures/film_9.svg").exists() && place.path("again/pictures/mine.svg").exists());
    let pictures = page.matches("<svg ").count();
    assert_eq!(place.names("again/pictures").len(), pictures + 1);
    for name in ["eval.json", "errors.csv", "report.html"] {
        assert_eq!(place.bytes(&format!("again/{name}")), place.bytes(&format!("run/{name}")), "{name}");
    }
}

#[test]
fn a_report_has_all_its_parts() {
    let place = Place::trained("--set output.report=true");
    let page = place.text("run/report.html");
    for part in [
        "In short",
        "What reconstructions explain",
        "Level series",
        "Waves by level",
        "Reconstructions",
        "coverage",
        "latent",
        "What FiLM does",
        "Learning curves",
        "All measures",
        "configuration",
        "SHA-256",
        "subjects: train",
        "Hall 2007",
        "gamma, block 1",
        "linear mixed model",
        "principal components",
    ] {
        assert!(page.contains(part), "{part:?} is not in the report");
    }
    assert!(!page.contains("NaN") && !page.contains("<script"), "a page without scripts and with numbers alone");
    // one file: nothing is fetched
    for link in ["src=", "url(", "@import", "http://", "https://"] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(link), "{link}");
    }
}

#[test]
fn a_run_without_a_report_says_nothing_of_one() {
    let place = Place::new();
    let stderr = place.ok("train --config smoke.json --out run").stderr;
    assert!(!stderr.contains("report") && !place.path("run/report.html").exists(), "{stderr}");
    place.ok("eval --model run --out evaluated");
    assert!(place.text("evaluated/report.html").contains("Learning curves"));
    // a checkpoint outside of a run folder: its record of the training is missing
    std::fs::copy(place.path("run/best.safetensors"), place.path("alone.safetensors")).expect("a copy");
    place.ok("eval --model alone.safetensors --out outside");
    let page = place.text("outside/report.html");
    assert!(!page.contains("Learning curves") && page.contains("<h1>alone</h1>"));
    // subjects may have any name
    let table = place.text("table.csv").replace("\nS", "\n<b>&S");
    place.write("table.csv", table);
    place.ok("train --config small.json --data table.csv --out small --set output.report=true");
    let page = place.text("small/report.html");
    assert!(page.contains("&lt;b&gt;&amp;S1") && !page.contains("<b>"), "names are text");
}

/// A browser, if there is one.
fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|p| p.is_file());
    if found.is_none() {
        let required = "ABR_FILM_REQUIRE_CHROMIUM";
        assert!(std::env::var(required).map_or(true, |value| value != "1"), "{required}=1: no Chromium on the path");
        skipped("no Chromium on the path");
    }
    found
}

fn browse(chromium: &Path, arguments: &[String]) -> String {
    let profile = tempfile::tempdir().expect("a temporary folder");
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(arguments)
        .output()
        .expect("the browser starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A script that inspects the page, and writes the result into the page.
const PROBE: &str = r#"<script>
const seen = { errors: [], pictures: [] };
window.addEventListener("error", event => seen.errors.push(String(event.message)));
window.addEventListener("load", () => {
  const shown = element => { const box = element.getBoundingClientRect(); return [box.width, box.height, box.left]; };
  for (const svg of document.querySelectorAll("svg")) {
    const [width, height, left] = shown(svg);
    const drawn = svg.querySelectorAll("polyline, polygon, circle, line, rect").length;
    const texts = [...svg.querySelectorAll("text")].filter(text => text.textContent.trim()).map(text => ({
      box: text.getBoundingClientRect(), text: text.textContent, fill: getComputedStyle(text).fill }));
    const frame = svg.getBoundingClientRect();
    const cut = texts.filter(t => t.box.left < frame.left - 1 || t.box.right > frame.right + 1
      || t.box.top < frame.top - 1 || t.box.bottom > frame.bottom + 1).map(t => t.text);
    seen.pictures.push({ width, height, left, drawn, texts: texts.length, cut, fills: [...new Set(texts.map(t => t.fill))] });
  }
  seen.requests = performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith("data:"));
  seen.overflow = document.documentElement.scrollWidth > window.innerWidth;
  seen.scrolled = [...document.querySelectorAll("section[id=short] .table")].some(table => table.scrollWidth > table.clientWidth + 1);
  seen.ground = getComputedStyle(document.body).backgroundColor;
  const out = document.createElement("pre"); out.id = "seen"; out.textContent = JSON.stringify(seen); document.body.append(out);
});
</script>"#;

#[test]
fn a_browser_shows_the_report() {
    let Some(chromium) = chromium() else { return };
    let place = Place::trained("--set output.report=true");
    let page = place.text("run/report.html");
    place.write("probed.html", page.replace("<body>", &format!("<body>{PROBE}")));
    let url = format!("file://{}", place.path("probed.html").display());
    let pictures = page.matches("<svg ").count();
    assert!(pictures >= 9, "only {pictures} pictures");
    let mut grounds = Vec::new();
    for (width, dark) in [(1280, false), (800, false), (1280, true), (800, true)] {
        let mut arguments = vec![format!("--window-size={width},900"), "--dump-dom".into(), url.clone()];
        if dark {
            arguments.insert(0, "--blink-settings=preferredColorScheme=0".into());
        }
        let dom = browse(&chromium, &arguments);
        let seen = plain(between(&dom, "<pre id=\"seen\">", "</pre>").next().expect("what was seen"));
        let seen: Value = serde_json::from_str(&seen).expect("JSON");
        assert_eq!(seen["errors"], serde_json::json!([]), "script errors");
        assert_eq!(seen["requests"], serde_json::json!([]), "requests");
        assert_eq!(seen["overflow"], serde_json::json!(false), "at {width} pixels the page is wider than the window");
        assert_eq!(seen["scrolled"], serde_json::json!(false), "at {width} pixels the first table is cut off");
        let shown = seen["pictures"].as_array().expect("pictures");
        assert_eq!(shown.len(), pictures);
        for picture in shown {
            let number = |name: &str| picture[name].as_f64().expect("a number");
            assert!(number("width") > 300.0 && number("height") > 60.0 && number("drawn") > 3.0, "{picture}");
            assert!(number("texts") > 2.0, "{picture}");
            assert_eq!(picture["cut"], serde_json::json!([]), "cut off at {width} pixels: {picture}");
            let fills: Vec<&str> = picture["fills"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            assert!(!dark || !fills.contains(&"rgb(34, 34, 34)"), "dark text on a dark ground: {picture}");
        }
        grounds.push(seen["ground"].clone());
    }
    assert_eq!((&grounds[0], &grounds[2]), (&grounds[1], &grounds[3]));
    assert_ne!(grounds[0], grounds[2], "a dark ground where the reader wants one");
    let pdf = place.path("report.pdf");
    browse(&chromium, &[format!("--print-to-pdf={}", pdf.display()), url]);
    assert!(place.bytes("report.pdf").starts_with(b"%PDF"));
}

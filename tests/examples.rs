//! The examples are run as they stand, and what they print is checked. `cargo test` builds them;
//! `cargo test --test examples` alone does not.

use std::path::PathBuf;
use std::process::Command;

/// What an example prints, on the CPU.
fn run(name: &str) -> String {
    let deps = std::env::current_exe().expect("this test");
    let folder = deps.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps").join("examples");
    let program: PathBuf = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is not there: `cargo build --examples` makes it", program.display());
    // which would make auto this GPU
    let output = Command::new(program).env_remove("ABR_FILM_ADAPTER").output().expect("the example starts");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The number after `word` in the last line that has it.
fn number(text: &str, word: &str) -> f64 {
    let line = text.lines().rfind(|line| line.contains(word)).unwrap_or_else(|| panic!("no {word} in {text}"));
    let rest = line.split_once(word).expect("found above").1.trim_start();
    let end = rest.find(|c: char| !(c.is_ascii_digit() || "-.e".contains(c))).unwrap_or(rest.len());
    rest[..end].parse().unwrap_or_else(|_| panic!("no number after {word} in {line}"))
}

#[test]
fn xor_is_learned() {
    let text = run("xor");
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(number(&text, "loss") < 0.01, "{text}");
    let y = text.rsplit_once('[').expect("four results").1.trim_end().trim_end_matches(']');
    let y: Vec<f64> = y.split(", ").map(|y| y.parse().expect("a number")).collect();
    let right = y.iter().zip([0.0, 1.0, 1.0, 0.0]).all(|(y, target)| (y - target).abs() < 0.2);
    assert!(y.len() == 4 && right, "{text}");
}

#[test]
fn the_classifier_knows_points_it_has_not_seen() {
    let text = run("mlp");
    // the noise of the angle leaves a part of the points on the wrong side of the border
    assert!(number(&text, "accuracy on points never seen:") > 95.0, "{text}");
    assert!(text.contains("parameter") && text.contains("Linear("), "the program: {text}");
}

#[test]
fn film_explains_what_the_condition_changes() {
    let text = run("film");
    let (without, with) = (number(&text, "without a condition: loss"), number(&text, "with FiLM:           loss"));
    // the variance of the curves about their mean is 1/3 for b and 1/3 of that of sin(3 x) for a
    assert!(without > 0.4 && with < 0.02, "{text}");
}

#[test]
fn an_op_of_another_crate_is_checked_and_trained() {
    let text = run("custom_op");
    assert!(number(&text, "gradients: off by") < 1e-7, "{text}");
    assert!(text.lines().filter(|line| line.contains("of its bound")).count() == 3, "{text}");
    assert!(number(&text, "sine: loss") < 0.01, "{text}");
}

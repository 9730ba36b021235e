//! Input that is made to harm: endless, with control characters, with numbers of hundreds of digits.

use crate::support::Place;

#[cfg(target_os = "linux")]
#[test]
fn endless_input_ends_at_a_bound() {
    let place = Place::new();
    for (command, mib) in [
        ("data import /dev/zero --out out.csv", 256),
        ("train --config small.json --data /dev/zero --out new", 256),
        ("train --config /dev/zero --out new", 16),
        ("info --config /dev/zero", 16),
        ("info --model /dev/zero", 256),
    ] {
        let problem = format!("/dev/zero: cannot read: it has more than {mib} MiB, the most that is read of a pipe");
        place.refused(1, command, &[&problem, "help: name a smaller file, or split it"]);
    }
}

#[cfg(unix)]
#[test]
fn what_a_shell_substitutes_for_a_file_is_read() {
    let place = Place::new();
    let fixture = |name: &str| format!("{}/tests/fixtures/formats/{name}", env!("CARGO_MANIFEST_DIR"));
    for name in ["smartep.TXT", "biosig.txt", "table.csv", "rows.npz"] {
        let script = format!("'{}' data import <(cat '{}') --out {name}.csv", crate::support::PROGRAM, fixture(name));
        let output = std::process::Command::new("bash").args(["-c", &script]).current_dir(place.path("")).output();
        let output = output.expect("bash starts");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(place.text(&format!("{name}.csv")).lines().count() > 1, "{name}");
    }
}

#[test]
fn control_characters_of_names_do_not_reach_the_terminal() {
    let place = Place::new();
    let head = "subject_id,sample_rate_hz,t0_ms,note\u{1b}]0;title\u{7},s0,s1\n";
    place.write("a.csv", format!("{head}a\u{1b}[2J,20000,0,\u{9b}31m,1,2\nb,20000,0,x,1,3\n"));
    let said = place.ok("data inspect a.csv");
    assert!(said.stdout.contains("note\\u001b]0;title\\u0007"), "{}", said.stdout);
    place.write("b.csv", format!("{head}a,20000,0,x,1,\u{1b}[2J\n"));
    let output = place.command("data import b.csv --out out.csv").output().expect("the program starts");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(stderr.contains("\"\\u001b[2J\" is not a number"), "{stderr}");
    let json = place.ok("data inspect a.csv --json").stdout;
    let parsed: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert!(parsed["subjects"].as_object().expect("subjects").contains_key("a\u{1b}[2J"), "{parsed}");
    for text in [&said.stdout, &said.stderr, &stderr, &json] {
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    }
    // a table keeps the cells as they are
    assert!(place.ok("data import a.csv").stdout.contains("a\u{1b}[2J,"));
}

#[test]
fn numbers_in_messages_are_short() {
    let place = Place::new();
    place.write("a.csv", "sample_rate_hz,s0,s1\n-1e300,1,2\n");
    place.refused(1, "data import a.csv --out out.csv", &["column `sample_rate_hz`: -1e300 is no sample rate"]);
    place.write("b.csv", "sample_rate_hz,t0_ms,level_db,s0,s1\n20000,0,1e300,1,2\n20000,0,60,1,3\n");
    assert!(place.ok("data inspect b.csv").stdout.contains("60 … 1e300"));
}

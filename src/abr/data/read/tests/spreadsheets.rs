//! Tests of tables as spreadsheets and R write them.

use super::refusal;
use crate::data::read::read_bytes;

fn numbers(prefix: &str, first: usize) -> String {
    (first..first + 16).map(|i| format!(",{prefix}{i}")).collect()
}

/// Sixteen samples; the fourth is 0.3 µV above the first.
fn cells(first: f32) -> String {
    (0..16).map(|i| format!(",{:.1}", first + i as f32 / 10.0)).collect()
}

#[test]
fn rows_of_empty_cells_are_none() {
    let commas = ",".repeat(17);
    for (header, line) in [
        (format!("subject_id,level_db{}", numbers("s", 0)), 5),
        (format!("Sub. ID,Level(dB){}", numbers("", 0)), 5),
        (format!("Patient,Intensity{}", numbers("", 1)), 5),
    ] {
        let text =
            format!("{header}\nA,60{}\n{commas}\n , {}\nB,70{}\n{commas}\n", cells(0.0), &commas[1..], cells(1.0));
        let read = read_bytes("t.csv", text.into()).unwrap();
        let found: Vec<_> = read.iter().map(|r| (&*r.subject, r.row, r.line, r.samples[3])).collect();
        assert_eq!(found, [("A", 1, Some(2), 0.3), ("B", 2, Some(line), 1.3)], "{header}");
    }
    let line = |i: i32| format!("{:.2},{i},-{i}\n", f64::from(i) * 0.05);
    let text = format!("Time (ms),60 dB,80 dB\n,,\n{},,\n,,\n", (0..16).map(line).collect::<String>());
    let read = read_bytes("t.csv", text.into()).unwrap();
    assert_eq!((read.len(), read[1].samples.len(), read[1].samples[5]), (2, 16, -5.0));
    assert!(refusal("t.csv", "subject_id,s0,s1\n,,\n").contains("no recording was found"));
}

#[test]
fn the_name_of_a_column_may_be_broken_into_lines() {
    for end in ["\n", "\r\n", "\r"] {
        let header = format!("Subject,\"Level{end}(dB)\",\"Age{end}[years]\"{}", numbers("", 1));
        let text = ["Clinic 5\" screen", &header, &format!("A,60,31{}", cells(0.0)), &format!("B,7O,31{}", cells(0.0))];
        let good = text[..3].join(end) + end;
        let read = read_bytes("t.csv", good.into()).unwrap();
        assert_eq!((&*read[0].subject, read[0].samples[3], read[0].line), ("A", 0.3, Some(5)));
        assert_eq!(["level_db", "age_years"].map(|c| read[0].column(c)), [Some("60"), Some("31")]);
        let message = refusal("t.csv", text.join(end));
        assert!(message.contains("row 2 (line 6), column `Level (dB)`: \"7O\" is not a number"), "{message}");
    }
    let own = format!("subject_id,\"my{0}note\"{1}\nA,x{2}\n", "\n", numbers("s", 0), cells(0.0));
    assert_eq!(read_bytes("t.csv", own.into()).unwrap()[0].column("my note"), Some("x"));
    let instants: String = (0..16).map(|i| format!("{:.2},{i}\n", f64::from(i) * 0.05)).collect();
    let read = read_bytes("t.csv", format!("\"Time\n(ms)\",\"60 dB\nleft\"\n{instants}").into()).unwrap();
    assert_eq!(["level_db", "ear"].map(|c| read[0].column(c)), [Some("60"), Some("L")]);
}

#[test]
fn the_x_that_r_puts_before_numbers_is_no_part_of_them() {
    for first in [0, 1] {
        let names = "X,Freq.Hz.,Level.dB.";
        let read =
            read_bytes("t.csv", format!("{names}{}\n7,8000,60{}\n", numbers("X", first), cells(0.0)).into()).unwrap();
        assert_eq!((read[0].samples.len(), read[0].samples[3]), (16, 0.3));
        assert_eq!(["frequency_hz", "level_db"].map(|c| read[0].column(c)), [Some("8000"), Some("60")]);
    }
    // times do not number samples
    let times: String = (0..40).map(|i| format!(",X{}", f64::from(i) * 0.5)).collect();
    let message = refusal("t.csv", format!("Level{times}\n60{times}\n"));
    assert!(message.contains("line 1 the columns are named by numbers") && message.contains("--t0-ms"), "{message}");
}

#[test]
fn what_is_no_table_says_why() {
    let names = |separator: &str| format!("\"subject_id\",\"level_db\"{}", numbers("s", 0)).replace(',', separator);
    for (name, content, part, remedy) in [
        (
            "t.csv",
            format!("a note\nSubject,Level{}\nA,60{}\n", numbers("S", 0), cells(0.0)),
            "line 2 the samples are named `S0`",
            "s0, s1",
        ),
        ("t.txt", names(" ") + "\n", "line 1 spaces separate the names", "write.csv"),
        ("t.csv", names("   ") + "\n", "line 1 spaces separate the names", "write.csv"),
        (
            "t.csv",
            format!("who{}\nA{}\n", cells(0.1), cells(0.0)),
            "line 1 the columns are named by numbers",
            "0, 1, 2",
        ),
        (
            "t.xlsx",
            "PK\u{3}\u{4}\u{14}  \0\0[Content_Types].xml \0".to_string(),
            "it is a workbook of a spreadsheet",
            "as CSV",
        ),
        (
            "t.csv",
            "PK\u{3}\u{4}\u{14}  \0\0xl/workbook.xml \0".to_string(),
            "it is a workbook of a spreadsheet",
            "as CSV",
        ),
    ] {
        let message = refusal(name, content);
        assert!(message.contains(part) && message.contains(remedy), "{message}");
    }
    assert!(refusal("t.xls", *b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1").contains("it is a workbook of a spreadsheet"));
}

#[test]
fn a_comma_in_a_number_may_stand_between_thousands() {
    for (cell, remedy) in [
        ("2,000", "write 2000 or 2.000"),
        ("-12,345", "write -12345 or -12.345"),
        ("1,234,567", "write 1234567"),
        ("0,125", "use a decimal point"),
        ("2,5", "use a decimal point"),
        ("1,2,3", "write a number"),
    ] {
        let message = refusal("t.csv", format!("Patient,Sweeps{}\nA,\"{cell}\"{}\n", numbers("", 1), cells(0.0)));
        assert!(message.contains(&format!("column `Sweeps`: \"{cell}\" is not a number")), "{message}");
        assert!(message.contains(&format!("help: {remedy}")), "{message}");
    }
}

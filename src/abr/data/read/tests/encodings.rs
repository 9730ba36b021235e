use super::refusal;
use crate::data::read::{open_bytes, read_bytes};

/// Encodes text in Windows-1252: one byte per character.
fn windows(text: &str) -> Vec<u8> {
    text.chars().map(|c| c as u8).collect()
}

fn utf16(text: &str, big_endian: bool) -> Vec<u8> {
    text.encode_utf16().flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

const TABLE: &str = "subject_id,note,s0,s1\nA\u{e4},\u{b5}V,1,2\nA\u{f6},x,3,4\n";

#[test]
fn one_table_is_the_same_in_every_encoding() {
    let wanted = read_bytes("t.csv", TABLE.into()).unwrap();
    assert_eq!((wanted[0].subject.as_str(), wanted[1].subject.as_str()), ("A\u{e4}", "A\u{f6}"));
    let marked = format!("\u{feff}{TABLE}");
    for bytes in [
        marked.clone().into_bytes(),
        windows(TABLE),
        utf16(&marked, false),
        utf16(&marked, true),
        utf16(TABLE, false),
        utf16(TABLE, true),
        TABLE.replace('\n', "\r\n").into_bytes(),
        TABLE.replace('\n', "\r").into_bytes(),
        format!("sep=,\n{TABLE}").into_bytes(),
        TABLE.replace(',', ";").into_bytes(),
        TABLE.replace(',', "\t").into_bytes(),
        TABLE.replace("s0", "\"s000\"").replace(",s1", ",\"s001\"").into_bytes(),
    ] {
        let read = read_bytes("t.csv", bytes.clone()).unwrap();
        for (read, wanted) in read.iter().zip(&wanted) {
            assert_eq!(
                (&read.subject, &read.samples, &read.columns),
                (&wanted.subject, &wanted.samples, &wanted.columns)
            );
        }
        assert_eq!(read.len(), 2);
    }
    let mut read = open_bytes("t.csv", windows(TABLE)).unwrap();
    assert_eq!(read.by_ref().count(), 2);
    assert!(read.notices.take()[0].contains("3 cells are not UTF-8"));
    let mut broken = utf16(&marked, false);
    broken.truncate(broken.len() - 1);
    assert!(refusal("t.csv", broken).contains("begins as UTF-16, but line"));
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    for end in ["\n", "\r\n", "\r"] {
        let text = ["made by hand", "subject_id,level_db,s0,s1", "a,1,1,2", "b,2,x,2", ""].join(end);
        assert!(refusal("t.csv", text).contains("row 2 (line 4), column `s0`"), "{end:?}");
        let blank = ["", "by hand", "", "subject_id,s0,s1", "", "", "a,1,2", "", "b,1,x"].join(end);
        assert!(refusal("t.csv", blank).contains("row 2 (line 9), column `s1`"), "{end:?}");
        let quoted = ["subject_id,note,s0,s1", &format!("a,\"two{end}lines\",1,2"), "b,,1,x", ""].join(end);
        assert!(refusal("t.csv", quoted).contains("row 2 (line 4), column `s1`"), "{end:?}");
        let rows = ["subject_id,s0,s1", "a,1,2", "b,1,2"].join(end);
        let lines: Vec<_> = read_bytes("t.csv", rows.into()).unwrap().iter().map(|r| r.line).collect();
        assert_eq!(lines, [Some(2), Some(3)], "{end:?}");
    }
}

#[test]
fn lines_are_counted_in_a_table_of_many_buffers() {
    for end in ["\n", "\r\n", "\r"] {
        let row = format!("a,\"x{end}y\",1,2{end}{end}");
        let text = format!("subject_id,note,s0,s1{end}{}", row.repeat(20_000));
        let lines: Vec<_> = read_bytes("t.csv", text.into()).unwrap().iter().map(|r| r.line).collect();
        let wanted: Vec<_> = (0..20_000).map(|row| Some(2 + 3 * row)).collect();
        assert!(lines == wanted, "{end:?}");
    }
}

#[test]
fn names_longer_than_the_head_hide_no_decimal_comma() {
    for end in ["\n", "\r\n", "\r"] {
        let names: Vec<String> = (0..20_000).map(|i| format!("s{i}")).collect();
        let text =
            format!("subject_id;{}{end}a{}{end}b{}{end}", names.join(";"), ";1".repeat(20_000), ";0,5".repeat(20_000));
        let read = read_bytes("t.csv", text.into()).unwrap();
        assert_eq!((read[0].samples[19_999], read[1].samples[19_999]), (1.0, 0.5), "{end:?}");
        assert_eq!((read[0].line, read[1].line), (Some(2), Some(3)), "{end:?}");
    }
}

use super::refusal;
use crate::data::read::{open_bytes, read_bytes};

/// Text in Windows-1252: each character is one byte.
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
    assert!(refusal("t.csv", broken).contains("UTF-16"));
}

#[test]
fn lines_are_counted_as_an_editor_counts_them() {
    for end in ["\n", "\r\n"] {
        let text = ["made by hand", "subject_id,level_db,s0,s1", "a,1,1,2", "b,2,x,2", ""].join(end);
        assert!(refusal("t.csv", text).contains("row 2 (line 4), column `s0`"), "{end:?}");
        let quoted = ["subject_id,note,s0,s1", "a,\"two\nlines\",1,2", "b,,1,x", ""].join(end);
        assert!(refusal("t.csv", quoted).contains("row 2 (line 4), column `s1`"), "{end:?}");
        let rows = ["subject_id,s0,s1", "a,1,2", "b,1,2"].join(end);
        let lines: Vec<_> = read_bytes("t.csv", rows.into()).unwrap().iter().map(|r| r.line).collect();
        assert_eq!(lines, [Some(2), Some(3)], "{end:?}");
    }
}

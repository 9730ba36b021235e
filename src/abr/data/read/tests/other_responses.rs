//! Tests of tables with responses other than ABRs.

use super::refusal;
use crate::data::read::{open_bytes, read_paths};

const NAMES: &str = ",1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16";
const CELLS: &str = ",0.5,-1,0,0,0,0,0,0,0,0,0,0,0,0,0,0.25";

/// Subjects and first samples, and the notices.
fn read(text: &str) -> (Vec<(String, f32)>, Vec<String>) {
    let mut set = open_bytes("t.csv", text.into()).unwrap();
    let rows = set.by_ref().map(|row| row.map(|r| (r.subject, r.samples[0])).unwrap()).collect();
    (rows, set.notices.take())
}

#[test]
fn rows_of_other_responses_are_left_out_and_counted() {
    for column in ["Test type", "Protocol", "type", "Paradigm", "Modality", "Stimulus", "test"] {
        let row = |who: &str, what: &str| format!("{who},{what}{CELLS}\n");
        let rows = row("P1", "ABR click") + &row("P2", "ECochG") + &row("P3", "ABR after VEMP") + &row("P4", "cVEMP");
        let (rows, notices) = read(&format!("Patient,{column}{NAMES}\n{rows}"));
        assert_eq!(rows, [("P1".to_string(), 0.5), ("P3".to_string(), 0.5)], "{column}");
        let expected = format!("t.csv: 2 rows were left out: line 3: column `{column}` names electrocochleography");
        assert!(notices.iter().any(|n| n.starts_with(&expected)), "{notices:?}");
    }
    let own = "subject_id,protocol,s0,s1\nA,OAE,1,2\nB,OAE absent,3,4\nC,,x,4\n";
    let mut set = open_bytes("t.csv", own.into()).unwrap();
    let row = set.next().unwrap().unwrap();
    assert_eq!((row.row, row.line, row.samples), (1, Some(3), vec![3.0, 4.0]));
    assert!(set.next().unwrap().unwrap_err().to_string().contains("row 2 (line 4), column `s0`"));
    // names, notes and values that name no other response
    let (rows, notices) = read(&format!("Patient,Comment,Type{NAMES}\nOAE,VEMP done,4{CELLS}\n"));
    assert_eq!((rows, notices.len()), (vec![("OAE".to_string(), 0.5)], 0));
}

#[test]
fn a_table_of_other_responses_alone_is_none_of_abrs() {
    let rows = format!("Patient,Test type,Intensity{NAMES}\nP0,cVEMP,95{CELLS}\nP1,oVEMP,x{CELLS}\n");
    let expected = "line 2: column `Test type` names vestibular evoked potentials";
    assert!(refusal("t.csv", &*rows).contains(expected));
    for line in ["Protocol,cVEMP", "Test type: VEMP"] {
        let text = format!("Made by hand\n{line}\nPatient,Intensity{NAMES}\nP0,95{CELLS}\n");
        assert!(refusal("t.csv", &*text).contains("line 2: `"), "{}", refusal("t.csv", &*text));
    }
    // in a folder such a table is skipped
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), "subject_id,s0,s1\nA,1,2\n").unwrap();
    std::fs::write(folder.path().join("b.csv"), &rows).unwrap();
    let mut set = read_paths(&[folder.path().to_path_buf()], &Default::default(), |_, _| {}).unwrap();
    assert_eq!(set.by_ref().count(), 1);
    assert!(set.notices.take().iter().any(|n| n.contains("b.csv: skipped: ") && n.contains(expected)));
}

#[test]
fn columns_of_other_responses_are_left_out_where_time_runs_down() {
    let table = |before: &str, names: &str| {
        let row = |i: i32| format!("{:.2},{i},{}\n", f64::from(i) * 0.05, 2 * i);
        format!("{before}\nTime (ms),{names}\n{}", (0..16).map(row).collect::<String>())
    };
    for (before, names) in
        [("Protocol,cVEMP", "60 dB,80 dB"), ("Test: cVEMP", "60 dB,80 dB"), ("Subject,A", "cVEMP left,cVEMP right")]
    {
        let message = refusal("t.csv", &*table(before, names));
        assert!(message.contains("cVEMP") || message.contains("`Test`"), "{message}");
        assert!(message.contains("names vestibular evoked potentials"), "{message}");
    }
    let (rows, notices) = read(&table("protocol,ECochG,ABR", "60 dB,80 dB"));
    assert_eq!(
        (rows.len(), &notices[..]),
        (
            1,
            &["1 recordings were left out: line 1: `ECochG` names \
                electrocochleography (ECochG)"
                .to_string()][..]
        )
    );
    let mut set = open_bytes("t.csv", table("protocol,ECochG,ABR", "60 dB,80 dB").into()).unwrap();
    assert_eq!(set.next().unwrap().unwrap().samples[3], 6.0);
}

//! Tables in which time runs down the rows.

use super::refusal;
use crate::data::read::{Recording, open_bytes, read_bytes};

/// Sixteen lines and their cells: `cells(i)` after the time `from + step i`.
fn table(header: &str, from: f64, step: f64, cells: impl Fn(i32) -> String) -> String {
    let line = |i: i32| format!("{},{}\n", from + step * f64::from(i), cells(i));
    format!("{header}\n{}", (0..16).map(line).collect::<String>())
}

fn read(text: &str) -> Vec<Recording> {
    read_bytes("x.csv", text.into()).unwrap()
}

#[test]
fn a_column_is_a_recording_at_its_level() {
    let text = table("Time (ms),30 dB,Level 60 dB SPL,80", -0.5, 0.25, |i| format!("{i},{}.5,-{i}", 10 * i));
    let read = read(&text);
    assert_eq!(read.len(), 3);
    for (recording, (level, third)) in read.iter().zip([("30", 3.0), ("60", 30.5), ("80", -3.0)]) {
        assert_eq!((recording.sample_rate_hz, recording.t0_ms), (Some(4000.0), Some(-0.5)));
        assert_eq!((recording.column("level_db"), recording.samples.len()), (Some(level), 16));
        assert_eq!(recording.samples[3], third);
    }
}

#[test]
fn lines_before_the_names_give_a_value_per_column() {
    let text = format!("frequency,0,8000\nlevel,20,60\n{}", table("time,,", 0.0, 4e-5, |i| format!("{i}e-6,{i}e-7")));
    let mut set = open_bytes("x.csv", text.into()).unwrap();
    let read: Vec<Recording> = set.by_ref().map(Result::unwrap).collect();
    let columns = ["frequency_hz", "level_db", "channel"];
    assert_eq!(columns.map(|c| read[0].column(c)), [Some("click"), Some("20"), None]);
    assert_eq!(columns.map(|c| read[1].column(c)), [Some("8000"), Some("60"), None]);
    assert_eq!((read[1].samples[5], read[1].sample_rate_hz, read[1].t0_ms), (5e-7, Some(25_000.0), Some(0.0)));
    assert!(set.notices.take()[0].contains("taken for seconds, as its step is 0.00004"));
    let levels: String = (0..20).map(|i| format!(",{}", 5 * i)).collect();
    let many = table(&format!("level{levels}\ntime{}", ",".repeat(20)), 0.0, 1e-4, |_| ["1"; 20].join(","));
    assert_eq!(self::read(&many).len(), 20, "twenty levels from 0 on are no twenty samples");
}

#[test]
fn a_new_condition_or_an_earlier_time_begins_a_recording() {
    let part = |from: i32, condition: &str| -> String {
        let line = |i: i32| format!("{i},{},{condition},0,{}e-6,{}e-6\n", f64::from(i - from) / 1e4, i, 2 * i);
        (from..from + 16).map(line).collect()
    };
    let parts = [part(0, "click"), part(16, "click"), part(32, "4000")].concat();
    let read = read(&[",time,condition,epoch,Cz (V),M1 (V)\n", &parts].concat());
    assert_eq!(read.len(), 6);
    let columns = ["channel", "condition", "epoch"];
    assert_eq!(columns.map(|c| read[1].column(c)), [Some("M1"), Some("click"), Some("0")]);
    assert_eq!(columns.map(|c| read[4].column(c)), [Some("Cz"), Some("4000"), Some("0")]);
    assert_eq!((read[2].samples[1], read[5].samples[0], read[5].t0_ms), (17.0, 64.0, Some(0.0)));
}

#[test]
fn the_average_of_both_polarities_is_read_alone() {
    let mut set = open_bytes("x.csv", table("Time,C,R,AVG", 0.0, 0.01, |i| format!("9,9,{i}")).into()).unwrap();
    let read: Vec<Recording> = set.by_ref().map(Result::unwrap).collect();
    assert_eq!((read.len(), read[0].samples[15], read[0].columns.len()), (1, 15.0, 0));
    assert!(set.notices.take()[0].contains("C and R, each alone, were left out"));
}

#[test]
fn missing_samples_stay_so_and_a_shorter_recording_ends_early() {
    let text = table("time (us),a,b,c", 0.0, 50.0, |i| match i {
        3 => ",1,".to_string(),
        14.. => "1,NaN,".to_string(),
        _ => "1,2,".to_string(),
    });
    let read = read(&text);
    assert_eq!(read.iter().map(|r| r.samples.len()).collect::<Vec<_>>(), [16, 14], "an empty column is no recording");
    assert!(read[0].samples[3].is_nan() && read[0].sample_rate_hz == Some(20_000.0));
}

#[test]
fn a_table_that_is_not_clear_is_refused_with_its_line() {
    let good = table("time (ms),a", 0.0, 0.5, |i| i.to_string());
    for (bad, part) in [
        (good.replace("\n1.5,3\n", "\n1.5,x\n"), "line 5: `x` in column `a` is no number that is clear"),
        (good.replace("\n1.5,3\n", "\n1.9,3\n"), "line 5: the times are not equally spaced: 1.9 should be 1.5"),
        (good.replace("\n1.5,3\n", "\n,3\n"), "line 5: the time in column `time (ms)` is missing"),
        (good.replace("\n1.5,3\n", "\n1.5\n"), "line 5: 1 values, but there are 2 columns"),
        (good.replace("\n1.5,3\n", "\n0.5,3\n"), "line 2: time runs down the rows of this table, and there are 3"),
        (good.replace("\n1.5,3\n", "\n1.5,3e12\n"), "line 5: a sample of 3000000000000 µV"),
        (good.replace("7.5,15\n", ""), "line 2: time runs down the rows of this table, and there are 15 instants"),
        (good.replace("ms", "s"), "time runs down the rows, at 2 Hz: too slow or too fast"),
        (good[..12].to_string(), "line 2: the file ends after the names of the columns"),
    ] {
        let message = refusal("x.csv", bad);
        assert!(message.contains(part), "{message}");
    }
}

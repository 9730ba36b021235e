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
        assert_eq!(
            (recording.column("level_db"), recording.samples.len(), recording.samples[3]),
            (Some(level), 16, third)
        );
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
    let many =
        format!("level{levels}\n{}", table(&format!("time{}", ",".repeat(20)), 0.0, 1e-4, |_| ["1"; 20].join(",")));
    assert_eq!(self::read(&many).len(), 20, "twenty levels from 0 on are no twenty samples");
}

#[test]
fn a_new_condition_or_an_earlier_time_begins_a_recording() {
    let part = |from: i32, condition: &str| -> String {
        let line = |i: i32| format!("{i},{},{condition},0,{}e-6,{}e-6\n", f64::from(i - from) / 1e4, i, 2 * i);
        (from..from + 16).map(line).collect()
    };
    let text =
        [",time,condition,epoch,Cz (V),M1 (V)\n", &part(0, "click"), &part(16, "click"), &part(32, "4000")].concat();
    let read = read(&text);
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
        14.. => format!("{i},NaN,"),
        _ => format!("{i},2,"),
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
        (good.replace("\n1.5,3\n", "\n0.5,3\n"), "line 5: the times fall from 1 to 0.5"),
        (good.replace("\n1.5,3\n", "\n1.5,3\n1.5,3\n"), "line 6: the time 1.5 stands twice"),
        (
            good.replace("\n1.5,3\n", "\n0,3\n"),
            "line 2: time runs down the rows of this table, and the recording that begins here is short: instants: 3,",
        ),
        (good[..good.find("7.5").unwrap()].to_string(), "the recording that begins here is short: instants: 15,"),
        (table("time (ms),a", 7.5, -0.5, |i| i.to_string()), "line 3: the times fall from 7.5 to 7"),
        (table("time (ms),trial,a", 0.0, 0.5, |i| format!("{i},1")), "line 2: time runs down the rows"),
        (
            table("time (ms),gain,a", 0.0, 0.5, |i| format!("60,{i}")),
            "line 1: column `gain` holds one value throughout",
        ),
        (table("time (ms),a", 0.0, 0.5, |_| String::new()), "line 1: no column holds a sample"),
        (
            format!("Sweeps;2.000\n{}", good.replace(',', ";").replace('.', ",")),
            "line 1: `Sweeps`: \"2.000\" may have a decimal point or a point between thousands\n  help: write 2000 or 2,000",
        ),
        (good.replace("ms", "s"), "time runs down the rows, at 2 Hz: too slow or too fast"),
    ] {
        let message = refusal("x.csv", bad);
        assert!(message.contains(part), "{message}");
    }
}

/// Recordings with what is said of them.
fn read_with_notices(name: &str, text: String) -> (Vec<Recording>, Vec<String>) {
    let mut set = open_bytes(name, text.into()).unwrap();
    let read = set.by_ref().map(Result::unwrap).collect();
    (read, set.notices.take())
}

#[test]
fn columns_of_one_value_per_recording_describe_the_samples_beside_them() {
    let part = |level: i32, trial: i32| -> String {
        let line = |i: i32| format!("{},{level},{trial},M{trial},Left,11.1,{}\n", 0.05 * f64::from(i), level * i);
        (0..16).map(line).collect()
    };
    let text = ["time_ms,intensity,trial,Animal ID,Side,Stim. Rate,uV\n", &part(30, 1), &part(60, 1), &part(60, 2)];
    let read = read(&text.concat());
    assert_eq!(read.len(), 3);
    for (recording, (level, trial, sample)) in
        read.iter().zip([("30", "1", 90.0), ("60", "1", 180.0), ("60", "2", 180.0)])
    {
        let columns = ["level_db", "trial", "ear", "rate_hz", "channel"];
        let expected = [Some(level), Some(trial), Some("L"), Some("11.1"), Some("uV")];
        assert_eq!(columns.map(|c| recording.column(c)), expected);
        assert_eq!((recording.subject.as_str(), recording.samples[3]), (&*format!("M{trial}"), sample));
    }
    let khz = table("time (ms),Freq (kHz),stimulus,a", 0.0, 0.5, |i| format!("11.3,noise,{i}"));
    let columns = ["frequency_hz", "stimulus"].map(|c| self::read(&khz)[0].column(c).map(String::from));
    assert_eq!(columns, [Some("11300".to_string()), Some("noise".to_string())]);
}

#[test]
fn plain_numbers_are_levels_with_a_notice_and_words_beside_a_level_are_kept() {
    let header = "Time (ms),30,60,80 dB SPL,30 dB L,30 dB right,60 dB nHL Cz,Cz";
    let text = table(header, 0.0, 0.05, |i| [i; 7].map(|v| v.to_string()).join(","));
    let (read, notices) = read_with_notices("x.csv", text);
    assert_eq!(notices, ["the columns 30, 60 were taken for levels in dB"]);
    let columns = |r: &Recording| ["level_db", "ear", "channel"].map(|c| r.column(c).unwrap_or("").to_string());
    let expected = [["30", "", ""], ["60", "", ""], ["80", "", ""], ["30", "L", ""], ["30", "R", ""], ["60", "", "Cz"]];
    assert_eq!(read[..6].iter().map(columns).collect::<Vec<_>>(), expected);
    assert_eq!(columns(&read[6]), ["", "", "Cz"]);
}

#[test]
fn a_table_of_events_or_with_recordings_in_rows_is_not_taken_for_one_of_samples() {
    for text in ["Time,Event\n10:31,start\n", "Time,Event\n0.5,start\n1.5,stop\n", "Time (ms),a\n"] {
        let message = refusal("x.csv", text);
        assert!(message.contains("is of no format that is read here"), "{message}");
    }
    let numbers: Vec<String> = (0..16).map(|i| i.to_string()).collect();
    let abra = format!("Sub. ID\tLevel(dB)\t{0}\nT\t60\t{0}\n5\t60\t{0}\n", numbers.join("\t"));
    let (read, _) = read_with_notices("x.tsv", abra);
    assert_eq!((read[0].subject.as_str(), read[0].samples[5], read.len()), ("T", 5.0, 2));
}

#[test]
fn lines_before_the_names_tell_of_all_recordings_where_they_give_one_value() {
    let lines = "CFTS\nSubject\tM7\nTime\t10:31\nEar\tleft\nFrequency\t8 kHz\nAverages\t512\t300\n";
    let line = |i: i32| format!("{}\t{i}\t-{i}\n", f64::from(i) * 0.04).replace('.', ",");
    let (read, notices) =
        read_with_notices("x.tsv", format!("{lines}Time (ms)\t20\t40\n{}", (0..16).map(line).collect::<String>()));
    assert_eq!(notices, ["the columns 20, 40 were taken for levels in dB"]);
    let columns = ["level_db", "ear", "frequency_hz", "n_averages", "time"];
    let ours = |r: &Recording| columns.map(|c| r.column(c).unwrap_or("").to_string());
    assert_eq!(ours(&read[0]), ["20", "L", "8000", "512", "10:31"]);
    assert_eq!(ours(&read[1]), ["40", "L", "8000", "300", "10:31"]);
    assert_eq!((read[1].subject.as_str(), read[1].samples[7], read[1].sample_rate_hz), ("M7", -7.0, Some(25_000.0)));
}

#[test]
fn other_lines_of_psiexperiment_stay_columns_under_their_names() {
    let lines = "frequency,8000,8000\nlevel,20,60\nepoch_n,500,510\nepoch_reject_ratio,0.25,0\npolarity,1,-1\n";
    let read = read(&format!("{lines}{}", table("time (s),,", 0.0, 4e-5, |i| format!("{i},{}", 2 * i))));
    let columns = ["epoch_reject_ratio", "polarity", "n_averages", "level_db", "frequency_hz"];
    assert_eq!(columns.map(|c| read[0].column(c).unwrap()), ["0.25", "1", "500", "20", "8000"]);
    assert_eq!(columns.map(|c| read[1].column(c).unwrap()), ["0", "-1", "510", "60", "8000"]);
    assert_eq!((read[0].samples[3], read[1].samples[3]), (3.0, 6.0));
}

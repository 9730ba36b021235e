//! Tests of tables in which time runs down the rows.

use super::refusal;
use crate::data::read::{Recording, open_bytes, read_bytes};

/// A header and sixteen lines: the time `from + step i`, then `cells(i)`.
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
        (good.replace("\n1.5,3\n", "\n1.5,x\n"), "line 5: `x` in column `a` is not a clear number"),
        // found by fuzzing: infinite as the 32-bit number that it becomes
        (good.replace("\n1.5,3\n", "\n1.5,8e91\n"), "line 5: a sample in column `a` is above 1e38"),
        (good.replace("\n1.5,3\n", "\n1.9,3\n"), "line 5: the times are not equally spaced: 1.9 should be 1.5"),
        (good.replace("\n1.5,3\n", "\n,3\n"), "line 5: the time in column `time (ms)` is missing"),
        (good.replace("\n1.5,3\n", "\n1.5\n"), "line 5: 1 values, but there are 2 columns"),
        (good.replace("\n1.5,3\n", "\n0.5,3\n"), "line 5: the times fall from 1 to 0.5"),
        (good.replace("\n1.5,3\n", "\n1.5,3\n1.5,3\n"), "line 6: the time 1.5 is there twice"),
        (
            good.replace("\n1.5,3\n", "\n0,3\n"),
            "line 2: time runs down the rows of this table, and the recording that begins here is short: instants: 3,",
        ),
        (good[..good.find("7.5").unwrap()].to_string(), "the recording that begins here is short: instants: 15,"),
        (table("time (ms),a", 7.5, -0.5, |i| i.to_string()), "line 3: the times fall from 7.5 to 7"),
        (table("time (ms),trial,a", 0.0, 0.5, |i| format!("{i},1")), "line 2: time runs down the rows"),
        (table("time (ms),gain,a", 0.0, 0.5, |i| format!("60,{i}")), "line 1: column `gain` has one value throughout"),
        (table("time (ms),a", 0.0, 0.5, |_| String::new()), "line 1: no column contains a sample"),
        (
            format!("level,20,30\n{}", table("time (ms),a,b,c", 0.0, 0.5, |i| format!("{i},{i},{i}"))),
            "line 1: `level` has 2 values, and there are 3 columns besides the times",
        ),
        (
            format!("level,20,30,40\n{}", table("time (ms),a,b", 0.0, 0.5, |i| format!("{i},{i}"))),
            "line 1: `level` has 3 values, and there are 2 columns besides the times",
        ),
        (
            table("time (ms),4000,8000", 0.0, 0.5, |i| format!("{i},{i}")),
            "line 1: column `4000` is named by a number that is no level in dB\n  help: state its unit",
        ),
        (good.replace("\n1.5,3\n", "\n\n\n1.9,3\n\n"), "line 7: the times are not equally spaced: 1.9 should be 1.5"),
        (
            table("time (ms),strain,a", 0.0, 0.5, |i| format!("C57,{i}")),
            "line 2: `C57` in column `strain` is not a clear number\n  help: if the column contains words, remove it \
             or name it `condition`",
        ),
        (
            table(&format!("time{}", numbers(1, 20)), 0.0, 50.0, |i| [i; 20].map(|v| v.to_string()).join(",")),
            "line 1: column `time` rises by 50 from row to row, and the others are numbered\n  help: if time runs down \
             the rows, state its unit: `time (us)`",
        ),
        (
            format!("Sweeps;2.000\n{}", good.replace(',', ";").replace('.', ",")),
            "line 1: `Sweeps`: \"2.000\" may have a decimal point or a point between thousands\n  help: write 2000 or \
             2,000",
        ),
        (good.replace("ms", "s"), "time runs down the rows, at 2 Hz: too slow or too fast"),
    ] {
        let message = refusal("x.csv", bad);
        assert!(message.contains(part), "{message}");
    }
}

/// `,1,2,…`: numbers from `first` on.
fn numbers(first: usize, count: usize) -> String {
    (first..first + count).map(|i| format!(",{i}")).collect()
}

#[test]
fn times_in_equal_steps_run_down_beside_numbered_columns() {
    let cells = |count: i32| move |i: i32| (0..count).map(|k| (i + 100 * k).to_string()).collect::<Vec<_>>().join(",");
    for (header, count, channel) in [
        (format!("Time (ms){}", numbers(1, 20)), 20, "2"),
        (format!("Time (ms){}", numbers(0, 20)), 20, "1"),
        (format!("Time (ms){}", numbers(1, 20).replace(',', ",s")), 20, "s2"),
        ("Time (ms),s0,s1,s2".to_string(), 3, "s1"),
        ("time,s0,s1,s2".to_string(), 3, "s1"),
        ("Zeit (ms),s0,s1,s2".to_string(), 3, "s1"),
    ] {
        let (read, notices) = read_with_notices("x.csv", table(&header, -0.1, 0.05, cells(count)));
        assert_eq!((read.len(), read[1].samples.len()), (count as usize, 16), "{header}");
        assert_eq!(
            (read[1].samples[3], read[1].column("channel"), read[1].column("level_db")),
            (103.0, Some(channel), None)
        );
        assert_eq!((read[1].sample_rate_hz, read[1].t0_ms), (Some(20_000.0), Some(-0.1)));
        let counted = notices.iter().any(|notice| notice.contains("1, 2, 3") && notice.contains("for channels"));
        assert_eq!(counted, !channel.starts_with('s'), "{notices:?}");
    }
    // rows that are recordings: their times are days, their levels differ, or there is a column with the sample rate
    let trace = |i: i32| format!("{i},{},1", 2 * i);
    let levels = (0..16).map(|i| format!("A,{},{},{}\n", 5 * i, f64::from(i) / 10.0, trace(i))).collect::<String>();
    for (text, column) in [
        (table("time (s),s0,s1,s2", 0.0, 7.0, trace), "time (s)"),
        (format!("subject_id,level_db,time (ms),s0,s1,s2\n{levels}"), "time (ms)"),
        (table("time (ms),t0_ms,s0,s1,s2", 0.0, 0.1, |i| format!("0,{}", trace(i))), "time (ms)"),
        ("time,s0,s1,s2\n0,0,0,1\n1,1,2,1\n2,2,4,1\n".to_string(), "time"),
    ] {
        let read = self::read(&text);
        assert_eq!(
            (read[2].samples.as_slice(), read[2].column(column).is_some()),
            (&[2.0, 4.0, 1.0][..], true),
            "{text}"
        );
    }
}

#[test]
fn what_is_no_average_is_left_out() {
    let row = |i: i32| format!("{i},9,-9,8");
    for (header, channel, left_out) in [
        ("Time (ms),Mean,SEM,N,60 dB SD", None, "SEM, N, 60 dB SD"),
        ("Time (ms),Cz,Cz diff,sd_Cz std,var (uV)", Some("Cz"), "Cz diff, sd_Cz std, var (uV)"),
        ("Time (ms),AVG,C,R,DIF", None, "DIF"),
    ] {
        let (read, notices) = read_with_notices("x.csv", table(header, 0.0, 0.05, row));
        assert_eq!((read.len(), read[0].samples[7], read[0].column("channel")), (1, 7.0, channel), "{header}");
        assert!(notices.contains(&format!(
            "the columns {left_out} were left out: by their names they contain no average response"
        )));
    }
}

#[test]
fn a_name_gives_the_stimulus_and_the_level() {
    let header = "Time (ms),8 kHz 60 dB,16kHz_80dB L,Click 60 dB SPL,4 kHz";
    let read = self::read(&table(header, 0.0, 0.05, |i| [i; 4].map(|v| v.to_string()).join(",")));
    let columns =
        |r: &Recording| ["frequency_hz", "level_db", "ear", "channel"].map(|c| r.column(c).unwrap_or("").to_string());
    let expected = [["8000", "60", "", ""], ["16000", "80", "L", ""], ["click", "60", "", ""], ["4000", "", "", ""]];
    assert_eq!(read.iter().map(columns).collect::<Vec<_>>(), expected);
}

#[test]
fn a_frequency_without_unit_is_in_hz_only_where_it_can_be_nothing_else() {
    let numbered = numbers(1, 16);
    for (name, value, frequency_hz, stimulus) in [
        ("Frequency", "8", None, Some("8")),
        ("Frequency", "8000", Some("8000"), None),
        ("Frequency", "0", Some("click"), None),
        ("Frequency", "11.3 kHz", Some("11300"), None),
        ("Stimulus", "8000", None, Some("8000")),
        ("Freq (kHz)", "8", Some("8000"), None),
    ] {
        // as R writes it
        let down = format!(
            "\"Subject\",\"M7\"\n\"{name}\",\"{value}\"\n{}",
            table("Time (ms),60 dB", 0.0, 0.05, |i| i.to_string())
        );
        let across = format!("Subject,{name}{numbered}\nM7,{value}{}\n", ",0.5".repeat(16));
        for text in [down, across] {
            let read = self::read(&text);
            let found = (read[0].column("frequency_hz"), read[0].column("stimulus"));
            assert_eq!((read[0].subject.as_str(), found), ("M7", (frequency_hz, stimulus)), "{text}");
        }
    }
}

#[test]
fn columns_that_describe_the_samples_may_stand_before_the_times() {
    let part = |lead: &str, factor: i32| -> String {
        (0..16).map(|i| format!("{lead},{},{}\n", f64::from(i) * 5e-5, factor * i)).collect()
    };
    let index = format!("condition,epoch,time,Cz\n{}{}", part("60dB,0", 1), part("60dB,1", 2));
    let tidy = format!("subject,level,time,uV\n{}{}", part("A1,60", 1), part("B2,60", 2));
    for (text, columns) in [
        (index, [("channel", "Cz"), ("condition", "60dB"), ("epoch", "1")]),
        (tidy, [("channel", "uV"), ("level_db", "60"), ("subject_id", "B2")]),
    ] {
        let read = self::read(&text);
        assert_eq!((read.len(), read[1].samples[3], read[1].sample_rate_hz), (2, 6.0, Some(20_000.0)), "{text}");
        for (name, value) in columns {
            assert_eq!(read[1].cell(name).as_deref(), Some(value), "{text}");
        }
    }
    // a table of latencies holds no samples
    let latencies = "subject,level,latency (ms),amplitude\nA1,60,1.5,0.2\nA1,60,2.5,0.3\nA1,60,3.5,0.4\n";
    assert!(refusal("x.csv", latencies.to_string()).contains("is not in a format that abr-film reads"));
}

#[test]
fn a_long_table_names_its_channels_in_a_column() {
    let part = |channel: &str, factor: i32| -> String {
        let line = |i: i32| format!("{},60dB,0,{channel},eeg,{}\n", f64::from(i) * 5e-5, factor * i);
        (0..16).map(line).collect()
    };
    let text = format!("time,condition,epoch,channel,ch_type,value\n{}{}", part("Cz", 1), part("Fz", 2));
    let read = self::read(&text);
    let columns = |r: &Recording| ["channel", "file_channel", "condition"].map(|c| r.column(c).map(String::from));
    assert_eq!(
        read.iter().map(columns).collect::<Vec<_>>(),
        ["Cz", "Fz"].map(|c| [Some(c.into()), None, Some("60dB".into())])
    );
    assert_eq!((read.len(), read[1].samples[3]), (2, 6.0));
}

/// Reads recordings and notices.
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
        assert!(message.contains("is not in a format that abr-film reads"), "{message}");
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

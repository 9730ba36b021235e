use super::refusal;
use crate::data::read::{Recording, read_all, read_bytes};
use common::samples::cfts;

/// Run 7 of an animal: header lines, levels, and one line per instant.
fn sweep(stimulus: &str, more: &str, levels: &str, lines: &[&str]) -> Vec<u8> {
    let text = format!(
        ":RUN-7\tLEVEL SWEEP\t1/2/2021\r\
         :SW EAR: L\tSW FREQ: {stimulus}\t# AVERAGES: 16\tREP RATE (/sec): 25\tSAMPLE (µsec): 40\t\r\
         {more}:LEVELS:{levels}\r:DATA\r{}\r\n",
        lines.join("\r\n")
    );
    text.chars().map(|c| c as u8).collect()
}

/// The recordings of one file, and the notices.
fn read(name: &str, content: &[u8]) -> (Vec<Recording>, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), content).unwrap();
    read_all(&[folder.path().join(name)]).unwrap()
}

fn columns<'a>(recordings: &'a [Recording], name: &str) -> Vec<Option<&'a str>> {
    recordings.iter().map(|recording| recording.column(name)).collect()
}

#[test]
fn a_level_sweep_is_a_recording_a_level() {
    let recordings = read_bytes("ABR-52-3", cfts()).unwrap();
    assert_eq!(recordings.len(), 2, "the column of zeros is left out");
    assert_eq!(recordings[0].samples, [-0.5, 1.0, 1.5, 0.0]);
    assert_eq!(recordings[1].samples, [0.25, 2.0, -2.5, 1e-3]);
    for (recording, level) in recordings.iter().zip(["10", "15"]) {
        assert_eq!((recording.sample_rate_hz, recording.t0_ms), (Some(100_000.0), Some(0.0)));
        let columns = ["ear", "frequency_hz", "level_db", "rate_hz", "n_averages", "record"];
        assert_eq!(columns.map(|c| recording.column(c).unwrap()), ["R", "11300", level, "40", "512", "3"]);
    }
}

#[test]
fn the_first_half_of_the_lines_is_the_response() {
    let lines = ["1 10", "2 20", "3 30", "-9 9", "9 -9", "9 9"];
    for half in 1..=3 {
        let lines = [&lines[..half], &lines[3..3 + half]].concat();
        let (recordings, notices) = read("A1-7", &sweep("12.00", "", "20;60;", &lines));
        assert_eq!(recordings[0].samples, [1.0, 2.0, 3.0][..half]);
        assert_eq!(recordings[1].samples, [10.0, 20.0, 30.0][..half]);
        assert_eq!((recordings[0].sample_rate_hz, recordings[0].subject.as_str()), (Some(25_000.0), "A1"));
        assert!(notices[0].contains("A1-7: half the difference"), "{notices:?}");
    }
    let message = refusal("A1-7", sweep("12.00", "", "20;60;", &lines[..5]));
    assert!(message.contains("line 9: 5 lines of samples should be an even number"), "{message}");
}

#[test]
fn a_name_with_dots_keeps_its_animal() {
    for name in ["m1.2-7", "m1.2-7.txt", "m1.2-7.TXT"] {
        assert_eq!(read(name, &sweep("12", "", "20", &["1", "2"])).0[0].subject, "m1.2", "{name}");
    }
}

#[test]
fn controls_are_left_out_and_the_other_columns_keep_their_levels() {
    let lines = ["1 2 3 4", "5 6 7 8"];
    let (recordings, notices) = read("A1-7", &sweep("12.00", "", "20;-Inf;60;80;", &lines));
    assert_eq!(columns(&recordings, "level_db"), [Some("20"), Some("60"), Some("80")]);
    assert_eq!([0, 1, 2].map(|i| recordings[i].samples[0]), [1.0, 3.0, 4.0]);
    assert!(notices[1].contains("1 of 4 columns contain controls without a stimulus"), "{notices:?}");
    let (recordings, _) = read("A1-7", &sweep("12.00", ":Control:20\r", "20;-inf;60;80", &lines));
    assert_eq!(columns(&recordings, "level_db"), [Some("60"), Some("80")]);
    assert_eq!([0, 1].map(|i| recordings[i].samples[0]), [3.0, 4.0]);
}

#[test]
fn the_levels_of_a_masker_are_not_those_of_the_stimulus() {
    let (recordings, notices) = read("A1-7", &sweep("12.00", ":Vary signal level: false\r", "20;60", &["1 2", "3 4"]));
    assert_eq!(columns(&recordings, "level_db"), [None, None]);
    assert_eq!(columns(&recordings, "masker_level_db"), [Some("20"), Some("60")]);
    assert!(notices[1].contains("masker_level_db"), "{notices:?}");
    let (recordings, _) = read("A1-7", &sweep("12.00", ":Vary signal level: true\r", "20;60", &["1 2", "3 4"]));
    assert_eq!(columns(&recordings, "level_db"), [Some("20"), Some("60")]);
}

#[test]
fn averages_level_by_level_outweigh_the_number_asked_for() {
    let lines = ["1 2 3", "5 6 7"];
    for averages in [" 512;256;16", "512;256;16;", "\t512;\t256;\t16;\t", " 512 ; 256 ; 16 ", "\t512\t256\t16"] {
        let (recordings, _) = read("A1-7", &sweep("12.00", &format!(":Avgs:{averages}\r\n"), "20;60;80;", &lines));
        assert_eq!(columns(&recordings, "n_averages"), [Some("512"), Some("256"), Some("16")], "{averages}");
    }
    // a control may have its own level
    let (recordings, _) = read("A1-7", &sweep("12.00", ":Avgs: 512;256;4\r", "20;-Inf;80;", &lines));
    assert_eq!(columns(&recordings, "n_averages"), [Some("512"), Some("4")]);
    let (recordings, _) = read("A1-7", &sweep("12.00", ":Avgs:\r", "20;60;80;", &lines));
    assert_eq!(columns(&recordings, "n_averages"), [Some("16"); 3]);
    for (averages, expected) in [
        ("512;256", "line 3: `:Avgs:` should have a number for each of 3 levels, but has 2"),
        ("512;256;x", "line 3: a number of averages should be a number, but is `x`"),
    ] {
        let message = refusal("A1-7", sweep("12.00", &format!(":Avgs: {averages}\r"), "20;60;80;", &lines));
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_single_column_needs_no_level() {
    for levels in ["", " ", ";"] {
        let (recordings, _) = read("A1-7", &sweep("12.00", ":Avgs: 64\r", levels, &["1", "2", "3", "4"]));
        assert_eq!((recordings.len(), recordings[0].samples.as_slice()), (1, &[1.0, 2.0][..]));
        assert_eq!((recordings[0].column("level_db"), recordings[0].column("n_averages")), (None, Some("64")));
    }
    let message = refusal("A1-7", sweep("12.00", "", " ", &["1 2 3", "1 2 3"]));
    assert!(message.contains("line 5: there are 3 columns, but `:LEVELS:` names no level"), "{message}");
    let message = refusal("A1-7", sweep("12.00", "", "10;;30", &["1 2 3", "1 2 3"]));
    assert!(message.contains("line 3: a level should be a number, but is ``"), "{message}");
}

#[test]
fn a_stimulus_is_a_frequency_a_click_or_a_name() {
    for (stimulus, frequency_hz, name) in [
        ("16.00", Some("16000"), None),
        ("clicks", Some("click"), None),
        ("Click", Some("click"), None),
        ("noise", None, Some("noise")),
        ("chirp", None, Some("chirp")),
        (r"C:\stim\rising.wav", None, Some("rising.wav")),
        ("", None, None),
    ] {
        let (recordings, _) = read("A1-7", &sweep(stimulus, "", "20", &["1", "2"]));
        let found = (recordings[0].column("frequency_hz"), recordings[0].column("stimulus"));
        assert_eq!(found, (frequency_hz, name), "{stimulus}");
    }
    let message = refusal("A1-7", sweep("11,3", "", "20", &["1", "2"]));
    assert!(message.contains("line 2: `FREQ` should be a frequency or a stimulus' name, but is `11,3`"), "{message}");
}

#[test]
fn other_responses_are_refused_as_such() {
    let dpoae = sweep("12", "", "20", &["1", "2"]).iter().map(|&b| char::from(b)).collect::<String>();
    let dpoae = dpoae.replace("LEVEL SWEEP", "DPOAE SWEEP");
    for (name, content, expected) in [
        ("CAP-139-5", cfts(), "its name begins with `CAP`: these are compound action potentials of the auditory nerve"),
        ("VsEP-3-1", cfts(), "its name begins with `VsEP`: these are vestibular evoked potentials"),
        ("DP-3-1", cfts(), "its name begins with `DP`: these are otoacoustic emissions (DPOAE)"),
        ("A1-7", dpoae.into_bytes(), "line 1: this is a run of otoacoustic emissions (DPOAE)"),
    ] {
        let message = refusal(name, content);
        assert!(message.contains(expected) && message.contains("leave this file out"), "{message}");
    }
    assert_eq!(read_bytes("CAPRI-52-3", cfts()).unwrap().len(), 2, "an animal's name");
}

#[test]
fn a_damaged_sweep_names_its_line() {
    let good: String = cfts().iter().map(|&b| char::from(b)).collect();
    for (bad, expected) in [
        (good.replace("2.0\t 0.0\t", "2.0\t"), "line 8: the line ends after 2 of 3 levels"),
        (good.replace("2.0\t 0.0\t", "2.0\t 0.0\t 7"), "line 8: there are more values than the 3 levels"),
        (good.replace("2.5", "2,5"), "line 9: a sample should be a number, but is `-2,5`"),
        (good.replace("60;", "sixty;"), "line 5: a level should be a number, but is `sixty`"),
        (good.replace(":LEVELS:", ":FREQS:"), "the header ends without the line `:LEVELS:`"),
        (good.replace("SAMPLE (", "SAMPLES ("), "the header ends without `SAMPLE (µsec):`"),
        (good.replace("sec): 10", "sec): 0"), "line 2: `SAMPLE` should be above 0, but is 0"),
        (good[..good.find(":DATA").unwrap()].to_string(), "the header ends without the line `:DATA`"),
        (good[..good.find(":DATA").unwrap() + 6].to_string(), "the file ends before the first sample"),
        (good[..good.len() - 12].to_string(), "line 13: 7 lines of samples should be an even number"),
    ] {
        let message = refusal("ABR-52-3", bad);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_unit_of_the_sampling_period_is_read() {
    let with = |unit: &str| {
        let text: String = sweep("12", "", "20", &["1", "2"]).iter().map(|&b| char::from(b)).collect();
        text.replace("(µsec): 40", unit).into_bytes()
    };
    for (unit, rate_hz) in
        [("(usec): 40", 25_000.0), ("(msec): 0.05", 20_000.0), ("(?sec): 10", 100_000.0), ("(µs):20", 50_000.0)]
    {
        assert_eq!(read("A1-7", &with(unit)).0[0].sample_rate_hz, Some(rate_hz), "{unit}");
    }
    for unit in ["(sec): 0.00001", "(nsec): 40", "(kHz): 40"] {
        let message = refusal("A1-7", with(unit));
        assert!(message.contains("line 2: `SAMPLE (") && message.contains("should be in µsec or msec"), "{message}");
    }
    let negative: Vec<u8> = sweep("12\tREP RATE (/sec): -3", "", "20", &["1", "2"]);
    assert!(refusal("A1-7", negative).contains("line 2: `REP RATE` should be 0 or above, but is -3"));
}

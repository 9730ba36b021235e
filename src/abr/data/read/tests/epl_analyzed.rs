//! Tests of the analysed peaks beside an EPL recording.

use crate::data::read::{Recording, read_all};
use crate::error::Result;
use common::samples::{analyzed, cfts};

/// Makes a folder with the recording ABR-52-3, at 11.3 kHz, and other files.
fn beside(files: &[(&str, &str)]) -> Result<(Vec<Recording>, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ABR-52-3"), cfts()).unwrap();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    read_all(&[folder.path().to_path_buf()])
}

/// Peaks of wave I at 15 dB and at 10 dB.
fn wave_i(latencies: [&str; 2]) -> String {
    let [first, second] = latencies;
    format!(
        "Threshold (dB SPL): 15.0\r\nFrequency (kHz): 11.30\r\n\
         Level\tP1 Latency\tP1 Amplitude\tN1 Latency\tN1 Amplitude\t\r\n\
         15.00\t{first}\t0.75\t0.40\t-0.45\r\n10.00\t{second}\t0.5\t0.45\t-0.25\r\n"
    )
}

fn latencies(recordings: &[Recording]) -> Vec<Option<f32>> {
    recordings.iter().map(|r| Some(r.peaks[0]).filter(|latency| !latency.is_nan())).collect()
}

#[test]
fn the_analysed_peaks_beside_it_are_labels() {
    for tags in ["", "-11.3kHz", "-11.30kHz", "-11kHz", "-R1", "-11.3kHz-R1"] {
        let name = format!("ABR-52-3{tags}-analyzed.txt");
        let (recordings, notices) = beside(&[(&name, &analyzed())]).unwrap();
        assert_eq!(recordings.len(), 2, "{name}");
        for recording in &recordings {
            let [i, iii, v, i_uv, iii_uv, v_uv] = recording.peaks;
            assert_eq!((i, iii, i_uv), (1.2, 3.0, 3.5), "{name}");
            assert!(v.is_nan() && v_uv.is_nan(), "a negative latency is no peak");
            assert!(iii_uv.is_nan(), "without a trough there is no amplitude");
            assert_eq!(recording.column("threshold_db"), Some("15"));
            assert_eq!((recording.subject.as_str(), &*recording.file), ("ABR-52", "ABR-52-3"));
        }
        assert!(notices.iter().any(|n| n.contains("1 of 3 levels contain only zeros")), "{notices:?}");
        assert!(!notices.iter().any(|n| n.contains("skipped") || n.contains("not used")), "{notices:?}");
    }
}

#[test]
fn any_of_the_labels_may_be_missing() {
    let (recordings, notices) = beside(&[("ABR-52-3-analyzed.txt", &wave_i(["-0.30", "0.25"]))]).unwrap();
    let [i, iii, v, i_uv, iii_uv, v_uv] = recordings[0].peaks;
    assert_eq!((i, i_uv), (0.25, 0.75), "the line of 10 dB");
    assert!([iii, v, iii_uv, v_uv].iter().all(|label| label.is_nan()));
    assert_eq!(latencies(&recordings), [Some(0.25), None]);
    assert!(!notices.iter().any(|n| n.contains("labels")), "{notices:?}");
    for empty in ["", "nan", "NaN"] {
        let (recordings, _) = beside(&[("ABR-52-3-analyzed.txt", &wave_i([empty, "0.25"]))]).unwrap();
        assert_eq!(latencies(&recordings), [Some(0.25), None]);
        let no_amplitude = wave_i(["0.3", "0.25"]).replace("\t0.75\t", &format!("\t{empty}\t"));
        let (recordings, _) = beside(&[("ABR-52-3-analyzed.txt", &no_amplitude)]).unwrap();
        assert_eq!((recordings[1].peaks[0], recordings[1].peaks[3].is_nan()), (0.3, true));
    }
    // only a threshold, and wave V without its trough
    let alone = "Threshold (dB SPL): 15\nFrequency (kHz): 11.3\nLevel\tP5 Latency\n15\t5.5\n";
    let (recordings, _) = beside(&[("ABR-52-3-analyzed.txt", alone)]).unwrap();
    assert_eq!((recordings[1].peaks[2], recordings[1].peaks[5].is_nan()), (5.5, true));
    let newer = "# Threshold (dB SPL): 20.00\n# Frequency (kHz): 11.30\n# code_version: 1\nLevel\t1msec Avg\n15\t0\n";
    let (recordings, notices) = beside(&[("ABR-52-3-analyzed.txt", newer)]).unwrap();
    assert!(notices.iter().any(|n| n.contains("-analyzed.txt: there is no column `P1 Latency`")), "{notices:?}");
    assert_eq!(recordings[0].column("threshold_db"), Some("20"));
    assert_eq!(latencies(&recordings), [None, None]);
}

#[test]
fn columns_are_known_in_any_case_and_in_their_units() {
    let with = |names: [&str; 4], cells: &str| {
        let names = names.join("\t");
        format!("Threshold (dB SPL): 30\nFrequency (kHz): 11.30\n\nlevel (dB)\t{names}\n15\t{cells}\n")
    };
    for (names, cells) in [
        (["P1 latency (ms)", "P1 amplitude (uV)", "N1 latency", "N1 AMPLITUDE (µV)"], "1.5\t0.5\t1.75\t-0.25"),
        (["p1 latency (µs)", "p1 amplitude (nV)", "n1 latency (usec)", "n1 amplitude (nv)"], "1500\t500\t1750\t-250"),
        (["P1 Latency (s)", "P1 Amplitude (mV)", "N1 Latency (ms)", "N1 Amplitude (V)"], "1.5e-3\t5e-4\t1.75\t-2.5e-7"),
    ] {
        let (recordings, notices) = beside(&[("ABR-52-3-analyzed.txt", &with(names, cells))]).unwrap();
        assert_eq!((recordings[1].peaks[0], recordings[1].peaks[3]), (1.5, 0.75), "{names:?}");
        assert!(recordings[1].column("threshold_db") == Some("30") && recordings[0].peaks[0].is_nan());
        assert!(!notices.iter().any(|n| n.contains("no peak was read")), "{notices:?}");
    }
    for unknown in ["P1 latency (samples)", "N1 amplitude (ms)"] {
        let names = [unknown, "x", "y", "z"];
        let message = beside(&[("ABR-52-3-analyzed.txt", &with(names, "1\t1\t1\t1"))]).unwrap_err().to_string();
        assert!(message.contains(&format!("line 4: the unit of `{unknown}` is not known")), "{message}");
    }
}

#[test]
fn without_a_response_there_is_no_threshold() {
    for none in ["None", "inf", "-inf", "nan", ""] {
        let peaks = analyzed().replace("15.0\r", &format!("{none}\r"));
        let (recordings, _) = beside(&[("ABR-52-3-analyzed.txt", &peaks)]).unwrap();
        assert_eq!(recordings[0].column("threshold_db"), None, "{none}");
    }
}

#[test]
fn of_several_raters_one_is_taken_and_all_are_named() {
    let [a, b, consensus] = ["0.1", "0.2", "0.3"].map(|latency| wave_i([latency, latency]));
    let (r1, r2) = ("ABR-52-3-11.3kHz-R1-analyzed.txt", "ABR-52-3-11.3kHz-R2-analyzed.txt");
    let (recordings, notices) = beside(&[(r2, &b), (r1, &a)]).unwrap();
    assert_eq!(latencies(&recordings), [Some(0.1); 2]);
    let notice = notices.iter().find(|n| n.contains("not used")).unwrap();
    assert!(notice.contains(&format!("not used: {r2}; the labels are those of {r1}")), "{notice}");
    let (recordings, notices) = beside(&[(r1, &a), ("ABR-52-3-analyzed.txt", &consensus)]).unwrap();
    assert_eq!(latencies(&recordings), [Some(0.3); 2], "that without a rater");
    assert!(notices.iter().any(|n| n.contains(&format!("not used: {r1}; "))), "{notices:?}");
}

#[test]
fn peaks_at_another_frequency_are_not_used() {
    let other = "ABR-52-3-8.0kHz-analyzed.txt";
    let (recordings, notices) = beside(&[(other, &wave_i(["0.1", "0.1"]).replace("11.30", "8.00"))]).unwrap();
    assert_eq!(latencies(&recordings), [None, None]);
    assert!(notices.iter().any(|n| n.ends_with(&format!("not used: {other} (another frequency)"))), "{notices:?}");
    let files = [(other, wave_i(["0.1", "0.1"])), ("ABR-52-3-11.3kHz-analyzed.txt", wave_i(["0.2", "0.2"]))];
    let (recordings, _) = beside(&[(other, &files[0].1), (files[1].0, &files[1].1)]).unwrap();
    assert_eq!(latencies(&recordings), [Some(0.2); 2]);
}

#[test]
fn a_click_has_no_frequency_in_its_labels() {
    let click: String = cfts().iter().map(|&b| char::from(b)).collect::<String>().replace("11.30", "clicks");
    let click: Vec<u8> = click.chars().map(|c| c as u8).collect();
    for name in ["A1-3-analyzed.txt", "A1-3-0.0kHz-R1-analyzed.txt"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("A1-3"), &click).unwrap();
        std::fs::write(folder.path().join(name), wave_i(["0.1", "0.2"]).replace("11.30", "0.00")).unwrap();
        let (recordings, _) = read_all(&[folder.path().join("A1-3")]).unwrap();
        assert_eq!(latencies(&recordings), [Some(0.2), Some(0.1)], "{name}");
    }
}

#[test]
fn labels_belong_to_the_longest_name() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ABR-52-3", "ABR-52-3-2.TXT", "ABR-52-31"] {
        std::fs::write(folder.path().join(name), cfts()).unwrap();
    }
    std::fs::write(folder.path().join("ABR-52-3-2-analyzed.txt"), wave_i(["0.1", "0.1"])).unwrap();
    std::fs::write(folder.path().join("ABR-52-31-analyzed.txt"), wave_i(["0.2", "0.2"])).unwrap();
    let (recordings, notices) = read_all(&[folder.path().to_path_buf()]).unwrap();
    let wanted = [None, None, Some(0.1), Some(0.1), Some(0.2), Some(0.2)];
    assert_eq!(latencies(&recordings), wanted, "{:?}", recordings.iter().map(|r| &r.file).collect::<Vec<_>>());
    assert!(!notices.iter().any(|n| n.contains("analyzed")), "{notices:?}");
}

#[test]
fn labels_whose_name_says_too_little_are_not_used() {
    // peaks of run 2 of an animal ABR-52-3, of two raters or one whose name has a `-`, at a frequency without a decimal
    // point
    for tags in ["-2", "-R1-final", "-11_3kHz", "-11_3kHz-R1"] {
        let name = format!("ABR-52-3{tags}-analyzed.txt");
        let (recordings, notices) = beside(&[(&name, &wave_i(["0.1", "0.1"]))]).unwrap();
        assert_eq!(latencies(&recordings), [None, None], "{name}");
        let expected = format!("not used: {name} (its name does not say whose they are)");
        assert!(notices.iter().any(|n| n.ends_with(&expected)), "{notices:?}");
        assert!(notices.iter().any(|n| n.contains(&format!("{name}: skipped: "))), "{notices:?}");
    }
}

#[test]
fn labels_without_a_recording_of_their_level_are_named() {
    let more = wave_i(["0.1", "0.2"]) + "60.00\t1\t1\t1\t1\r\n-inf\t1\t1\t1\t1\r\n42.5\t1\t1\t1\t1\r\n";
    let (recordings, notices) = beside(&[("ABR-52-3-analyzed.txt", &more)]).unwrap();
    assert_eq!(latencies(&recordings), [Some(0.2), Some(0.1)]);
    let expected = "ABR-52-3-analyzed.txt: labels at 42.5, 60 dB were not used: there is no recording of this level";
    assert!(notices.iter().any(|n| n.contains(expected)), "{notices:?}");
    let twice = wave_i(["0.1", "0.2"]) + "10.00\t1\t1\t1\t1\r\n";
    let (recordings, notices) = beside(&[("ABR-52-3-analyzed.txt", &twice)]).unwrap();
    assert_eq!(latencies(&recordings), [None, Some(0.1)]);
    assert!(notices.iter().any(|n| n.contains("labels at 10 dB were not used: several lines")), "{notices:?}");
}

#[test]
fn damaged_peaks_are_refused_with_their_own_file() {
    for (bad, expected) in [
        (analyzed().replace("11.30", "16.00"), "line 2: these are peaks at 16 kHz"),
        (analyzed().replace("15.0\r", "high\r"), "line 1: the threshold should be a number, but is `high`"),
        (analyzed().replace("\t-5.2\t1\t5.8\t-1\r", "\t-5.2\r"), "line 6: the line ends before `P5 Amplitude`"),
        (analyzed().replace("1.2\t2\t1.6", "1.2\tx\t1.6"), "line 6: P1 Amplitude should be a number, but is `x`"),
        (analyzed().replace("15.00\t", "x\t"), "line 6: the level should be a number, but is `x`"),
        (analyzed()[..60].to_string(), "the file ends before the line `Level"),
    ] {
        let message = beside(&[("ABR-52-3-analyzed.txt", &bad)]).unwrap_err().to_string();
        assert!(message.contains("ABR-52-3-analyzed.txt") && message.contains(expected), "{message}");
    }
}

#[test]
fn peaks_without_recordings_are_refused_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("ABR-9-9-analyzed.txt");
    std::fs::write(&alone, analyzed()).unwrap();
    let message = read_all(&[alone]).unwrap_err().to_string();
    assert!(message.contains("its name belongs to no recording beside it"), "{message}");
    let beside = folder.path().join("ABR-52-3-R1-analyzed.txt");
    std::fs::write(&beside, analyzed()).unwrap();
    std::fs::write(folder.path().join("ABR-52-3"), cfts()).unwrap();
    let (recordings, notices) = read_all(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!(recordings.len(), 2);
    let expected = "ABR-9-9-analyzed.txt: skipped: it contains analysed peaks";
    assert!(notices.iter().any(|n| n.contains(expected) && n.ends_with("labels are not used")), "{notices:?}");
    let message = read_all(&[beside]).unwrap_err().to_string();
    assert!(message.contains("it contains the analysed peaks of `ABR-52-3`: name that file"), "{message}");
}

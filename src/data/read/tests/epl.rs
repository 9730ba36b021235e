use super::refusal;
use super::samples::{analyzed, cfts};
use crate::data::read::{read_all, read_bytes};
use crate::error::Result;
use std::path::Path;

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

/// The recordings beside a file of peaks.
fn labelled(name: &str, peaks: &str) -> Result<(Vec<crate::data::read::Recording>, Vec<String>)> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ABR-52-3"), cfts()).unwrap();
    std::fs::write(folder.path().join(name), peaks).unwrap();
    read_all(&[folder.path().to_path_buf()])
}

#[test]
fn the_analysed_peaks_beside_it_are_labels() {
    for name in ["ABR-52-3-analyzed.txt", "ABR-52-3-11.3kHz-analyzed.txt"] {
        let (recordings, notices) = labelled(name, &analyzed()).unwrap();
        assert_eq!(recordings.len(), 2);
        for recording in &recordings {
            let [i, iii, v, i_uv, iii_uv, v_uv] = recording.peaks;
            assert_eq!((i, iii, i_uv), (1.2, 3.0, 3.5));
            assert!(v.is_nan() && v_uv.is_nan(), "a negative latency is no peak");
            assert!(iii_uv.is_nan(), "without a trough there is no amplitude");
            assert_eq!(recording.column("threshold_db"), Some("15"));
            assert_eq!((recording.subject.as_str(), &*recording.file), ("ABR-52", "ABR-52-3"));
        }
        assert!(notices.iter().any(|n| n.contains("1 of 3 levels hold zeros")), "{notices:?}");
        assert!(!notices.iter().any(|n| n.contains("skipped")), "{notices:?}");
    }
    let (recordings, _) = labelled("ABR-52-3-analyzed.txt", &analyzed().replace("15.0\r", "None\r")).unwrap();
    assert_eq!(recordings[0].column("threshold_db"), None);
}

#[test]
fn damaged_peaks_are_refused_with_their_own_file() {
    for (bad, expected) in [
        (analyzed().replace("11.30", "16.00"), "line 2: these are peaks at 16 kHz"),
        (analyzed().replace("N3 Latency", "N3"), "line 5: there is no column `N3 Latency`"),
        (analyzed().replace("\t-5.2\t1\t5.8\t-1\r", "\t-5.2\r"), "line 6: the line ends before the last column"),
        (analyzed().replace("1.2\t2\t1.6", "1.2\tx\t1.6"), "line 6: P1 Amplitude should be a number, but is `x`"),
        (analyzed()[..60].to_string(), "the file ends before the line `Level"),
    ] {
        let message = labelled("ABR-52-3-analyzed.txt", &bad).unwrap_err().to_string();
        assert!(message.contains("ABR-52-3-analyzed.txt") && message.contains(expected), "{message}");
    }
}

#[test]
fn peaks_without_recordings_are_refused_or_said() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("ABR-9-9-analyzed.txt");
    std::fs::write(&alone, analyzed()).unwrap();
    let message = read_all(&[alone]).unwrap_err().to_string();
    assert!(message.contains("it holds the analysed peaks of recordings"), "{message}");
    std::fs::write(folder.path().join("ABR-52-3"), cfts()).unwrap();
    let (recordings, notices) = read_all(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!(recordings.len(), 2);
    assert!(notices.iter().any(|n| n.contains("ABR-9-9-analyzed.txt: skipped")), "{notices:?}");
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
    ] {
        let message = refusal(Path::new("ABR-52-3").to_str().unwrap(), bad);
        assert!(message.contains(expected), "{message}");
    }
}

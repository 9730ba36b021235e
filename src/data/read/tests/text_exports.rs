use super::refusal;
use super::samples::{biosig, smartep};
use crate::data::read::read_bytes;

#[test]
fn smartep_recordings_stand_side_by_side() {
    let recordings = read_bytes("x.TXT", smartep(5).into_bytes()).unwrap();
    assert_eq!(recordings.len(), 2);
    let [first, second] = &recordings[..] else { panic!() };
    assert_eq!(first.samples, [0.0, 0.01, 0.02, 0.03, 0.04]);
    assert_eq!(second.samples, [1.0, 1.01, 1.02, 1.03, 1.04]);
    assert_eq!((first.sample_rate_hz, first.t0_ms), (Some(20_000.0), Some(-0.1)));
    assert_eq!((second.sample_rate_hz, second.t0_ms), (Some(40_000.0), Some(0.0)));
    let columns = ["ear", "channel", "frequency_hz", "level_db", "rate_hz", "n_averages", "n_artifacts"];
    assert_eq!(columns.map(|c| first.column(c).unwrap()), ["R", "1", "click", "60", "37.1", "500", "0"]);
    assert_eq!(columns.map(|c| second.column(c).unwrap()), ["L", "2", "4000", "-5", "21.1", "1000", "7"]);
    assert!(first.peaks.iter().all(|p| p.is_nan()));
    assert_eq!(first.subject, "", "the recorder's identifier is nobody's name");
}

#[test]
fn a_damaged_smartep_file_names_its_line() {
    let good = smartep(5);
    for (bad, expected) in [
        (good.replace("50.00", "0"), "line 9: `Smp. Period` should be above 0, but is 0"),
        (good.replace("Zero Position:,3", "Zero Position:,6"), "line 11: `Zero Position` should be one of the 5"),
        (good.replace(" 1.02", "1.0.2"), "line 15: a sample should be a number, but is `1.0.2`"),
        (good.replace("   3, 9", "   4, 9"), "line 15: data point 3 should follow, but the line begins with `4`"),
        (good.replace("Average(uV)", "Average(V)"), "line 12: there is no column `Average(uV):`"),
        (good[..good.len() - 20].to_string(), "line 17: the line ends after 1 of 2 recordings"),
        (good[..good.find("Data").unwrap()].to_string(), "the file ends before the line `Data Pnt:`"),
    ] {
        let message = refusal("x.TXT", bad);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn biosig_groups_and_records_are_read_in_volts() {
    let recordings = read_bytes("x.txt", biosig().into_bytes()).unwrap();
    assert_eq!(recordings.len(), 3);
    for (recording, first) in recordings.iter().zip([4.0, 5.0, 6.0]) {
        assert_eq!(recording.samples, [first, -1.5, 0.0]);
        assert_eq!(recording.sample_rate_hz, Some(24414.0625));
        let columns = ["frequency_hz", "level_db", "n_averages", "n_artifacts", "ear"];
        assert_eq!(columns.map(|c| recording.column(c).unwrap()), ["11300", "80", "512", "2", "L"]);
    }
    assert_eq!([0, 1, 2].map(|i| recordings[i].column("record").unwrap()), ["g0-4", "g0-5", "g1-6"]);
    assert_eq!([0, 1, 2].map(|i| recordings[i].subject.as_str()), ["M1", "M1", ""]);
    assert_eq!([0, 1, 2].map(|i| recordings[i].t0_ms), [Some(0.0), Some(0.0), None], "of 1 ms delay: not known");
}

#[test]
fn a_damaged_biosig_file_names_its_line() {
    let good = biosig();
    for (bad, expected) in [
        (good.replacen("-1.5e-006\n", "", 1), "line 9: the record has 2 samples, but its header `No. Points` 3"),
        (good.replacen("-1.5e-006", "-1.5e+306", 1), "line 22: a sample of"),
        (good.replacen("-1.5e-006", "oops", 1), "line 22: a sample should be a number, but is `oops`"),
        (good.replacen("Records: 2", "Records: 3", 1), "line 3: the group should have 3 records, but 2 follow"),
        (good.replacen("0.12288", "-1", 1), "line 10: `Aqu. Duration` should be above 0, but is -1"),
        (good[..good.find("Records").unwrap()].to_string(), "the file ends before the first record"),
        (good.replace("ABR Group", "DPOAE Group"), "line 1: a group of DPOAE, not of ABRs"),
    ] {
        let message = refusal("x.txt", bad);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn what_is_not_recognised_is_refused_with_what_would_be() {
    assert!(refusal("x.txt", "1 2\n3 4\n").contains("is of no format that is read here"), "numbers are no WFDB header");
    assert!(refusal("x.txt", "hello").contains("TDT BioSig ASCII export"));
    assert!(refusal("x.txt", "").contains("is empty"));
}

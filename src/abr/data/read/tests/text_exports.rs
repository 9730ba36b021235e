use super::refusal;
use crate::data::read::{ReadOutcome, SourceFile, ihs_smartep, read_bytes, tdt_biosig_ascii};
use common::samples::{biosig, smartep};

/// The number of recordings in a file, and the notices.
fn kept(reading: ReadOutcome) -> (usize, Vec<String>) {
    match reading {
        ReadOutcome::Recordings { recordings, notices, .. } => (recordings.len(), notices),
        ReadOutcome::NotAbr(reason) => panic!("{reason}"),
    }
}

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
fn zero_position_counts_from_one_and_0_means_nothing_before_the_onset() {
    let begins = |zero: &str| {
        let content = smartep(5).replace("Zero Position:,3", &format!("Zero Position:,{zero}"));
        read_bytes("x.TXT", content.into_bytes()).unwrap()[0].t0_ms
    };
    // 50 µs per sample
    assert_eq!(["0", "1", "2", "5"].map(begins), [Some(0.0), Some(0.0), Some(-0.05), Some(-0.2)]);
    assert_eq!(begins(""), None);
    let without: String = smartep(5).lines().filter(|l| !l.starts_with("Zero")).map(|l| format!("{l}\n")).collect();
    let recordings = read_bytes("x.TXT", without.into_bytes()).unwrap();
    assert_eq!([recordings[0].t0_ms, recordings[1].t0_ms], [None, None]);
}

/// Found by fuzzing: the places of the values came from the first line, the values from the last.
#[test]
fn a_label_that_stands_twice_with_other_values_is_refused() {
    let twice = |line: &str| smartep(5).replace("Sweeps:", &format!("{line}\nSweeps:"));
    let sweeps = smartep(5).lines().find(|line| line.starts_with("Sweeps:")).unwrap().to_string();
    let message = refusal("x.TXT", twice("Sweeps:,9"));
    assert!(message.contains("`Sweeps` stands on line"), "{message}");
    assert_eq!(read_bytes("x.TXT", twice(&sweeps).into_bytes()).unwrap().len(), 2);
}

#[test]
fn smartep_stimuli_are_frequencies_or_words() {
    for (value, frequency_hz, stimulus) in [
        ("Click", Some("click"), None),
        ("500 Hz", Some("500"), None),
        ("4 kHz", Some("4000"), None),
        ("noise", None, Some("noise")),
        ("", None, None),
    ] {
        let content = smartep(5).replace("Stim. Freq.,0", &format!("Stim. Freq.,{value}"));
        let recordings = read_bytes("x.TXT", content.into_bytes()).unwrap();
        let found = (recordings[0].column("frequency_hz"), recordings[0].column("stimulus"));
        assert_eq!(found, (frequency_hz, stimulus), "{value}");
        assert_eq!(recordings[1].column("frequency_hz"), Some("4000"));
    }
}

#[test]
fn smartep_levels_are_numbers() {
    for (text, level) in [("60 dB nHL", "60"), ("-5.0dB", "-5"), ("60 dB peSPL", "60"), ("", "")] {
        let content = smartep(5).replace("Intensity:,60", &format!("Intensity:,{text}"));
        let read = read_bytes("x.TXT", content.into_bytes()).unwrap();
        assert_eq!([0, 1].map(|i| read[i].column("level_db").unwrap_or("")), [level, "-5"], "{text}");
    }
}

#[test]
fn smartep_recordings_of_other_responses_are_left_out() {
    let with = |line: &str| smartep(5).replace("Data Pnt:", &format!("{line}\nData Pnt:"));
    let read = |line: &str| ihs_smartep::read(&SourceFile::in_memory("x.TXT", with(line).into_bytes())).unwrap();
    for (line, expected) in [
        ("Comment:,cVEMP left,,,,,,cVEMP right,,,,,", "line 12 names vestibular evoked potentials"),
        ("Stim. Type:,DPOAE,,,,,,DPOAE,,,,,", "line 12 names otoacoustic emissions (DPOAE)"),
        ("Test:,teoae,,,,,,teoae,,,,,", "line 12 names otoacoustic emissions (TEOAE)"),
        ("Protocol:,ECochG click,,,,,,ECochG,,,,,", "line 12 names electrocochleography"),
        ("Protocol:,ASSR,,,,,,ASSR,,,,,", "line 12 names auditory steady-state responses"),
        ("VEMP EMG Level:,51,,,,,,48,,,,,", "line 12 names vestibular"),
    ] {
        let message = refusal("x.TXT", with(line));
        assert!(message.contains(expected) && message.contains("leave this file out"), "{message}");
    }
    for line in ["Comment:,OAE absent,,,,,,ABR, then VEMP,,,,", "VEMP EMG Level:,0,,,,,,,,,,,", "Comment:,,,,,,,,,,,,"]
    {
        assert_eq!(kept(read(line)), (2, Vec::new()), "{line}");
    }
    // the second recording's comment contains a comma
    let (recordings, notices) = kept(read("Comment:,left,,,,,,left, VEMP,,,,"));
    assert_eq!((recordings, notices.len()), (1, 1));
    assert!(notices[0].contains("1 of 2 recordings were left out: line 12 names vestibular"), "{notices:?}");
}

#[test]
fn a_damaged_smartep_file_names_its_line() {
    let good = smartep(5);
    for (bad, expected) in [
        (good.replace("50.00", "0"), "line 9: `Smp. Period` should be above 0, but is 0"),
        (good.replace("Zero Position:,3", "Zero Position:,6"), "line 11: `Zero Position` should be 0 or one of the 5"),
        (good.replace("Zero Position:,3", "Zero Position:,-1"), "line 11: `Zero Position` should be 0 or one of the 5"),
        (
            good.replace("Zero Position:,3", "Zero Position:,2.5"),
            "line 11: `Zero Position` should be 0 or one of the 5",
        ),
        (good.replace("Freq.,0", "Freq.,-1"), "line 10: `Stim. Freq.` should be a frequency or a stimulus' name"),
        (good.replace("Rate:, 37.1", "Rate:,-37.1"), "`Stim. Rate` should be 0 or above, but is -37.1"),
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
fn biosig_stimuli_are_frequencies_clicks_or_words_and_a_name_is_no_ear() {
    for (freq, frequency_hz, stimulus) in [
        ("0", Some("click"), None),
        ("0 Hz", Some("click"), None),
        ("8000", Some("8000"), None),
        ("16 kHz", Some("16000"), None),
        ("Noise", None, Some("Noise")),
    ] {
        let text = biosig().replace("Freq = 11.3 kHz", &format!("Freq = {freq}"));
        let read = read_bytes("x.txt", text.replace("Left Ear", "recorded by L. Smith").into()).unwrap();
        let columns = ["frequency_hz", "stimulus", "level_db", "ear"].map(|c| read[0].column(c));
        assert_eq!(columns, [frequency_hz, stimulus, Some("80"), None], "{freq}");
    }
    let message = refusal("x.txt", biosig().replace("Freq = 11.3 kHz", "Freq = -8 kHz"));
    assert!(message.contains("line 18: `Freq` should be a frequency or a stimulus' name"), "{message}");
}

#[test]
fn biosig_groups_of_other_responses_are_left_out() {
    let read = |text: String| tdt_biosig_ascii::read(&SourceFile::in_memory("x.txt", text.into_bytes())).unwrap();
    for (from, to, expected) in [
        ("Reference #1: Left Ear", "Memo: cVEMP, left", "line 5: `cVEMP, left` names vestibular evoked potentials"),
        ("Reference #1: Left Ear", "Reference #2: VsEP", "line 5: `VsEP` names vestibular evoked potentials"),
        ("SigGen Index: 60", r"Stimulus: C:\ABR\DPOAE_4k.sig", "`C:\\ABR\\DPOAE_4k.sig` names otoacoustic emissions"),
        ("Phase = 90 deg", "F2 = 8720 Hz", "the variable `f2` belongs to otoacoustic emissions (DPOAE)"),
    ] {
        let message = refusal("x.txt", biosig().replace(from, to));
        assert!(message.contains(expected) && message.contains("leave this file out"), "{message}");
        // in only the first of two groups: its two records are skipped
        let (recordings, notices) = kept(read(biosig().replacen(from, to, 1)));
        assert_eq!(recordings, 1, "{to}");
        assert!(notices[0].contains("2 records were left out: line ") && notices[0].contains(expected), "{notices:?}");
    }
    let (recordings, notices) = kept(read(biosig().replacen("ABR Group", "DPOAE Group", 1)));
    assert_eq!(recordings, 1);
    assert!(notices[0].contains("2 records were left out: line 1: a group of DPOAE"), "{notices:?}");
    for (from, to) in [("Left Ear", "Left ABR after DPOAE"), ("Subject ID: M1", "Subject ID: VsEP-1")] {
        let (recordings, notices) = kept(read(biosig().replace(from, to)));
        assert_eq!((recordings, notices.len()), (3, 1), "{to}: {notices:?}");
    }
}

#[test]
fn a_damaged_biosig_file_names_its_line() {
    let good = biosig();
    for (bad, expected) in [
        (good.replacen("-1.5e-006\n", "", 1), "line 9: the record has 2 samples, but its header `No. Points` 3"),
        (good.replacen("-1.5e-006", "-1.5e+306", 1), "line 22: a sample of"),
        (good.replacen("-1.5e-006", "oops", 1), "line 22: a sample should be a number, but is `oops`"),
        (good.replacen("Records: 2", "Records: 3", 1), "line 3: the group should have 3 records, but 2 follow"),
        (good.replacen("Freq = ", "Freq = -", 1), "`Freq` should be a frequency or a stimulus' name, but is `-"),
        (good.replacen("0.12288", "-1", 1), "line 10: `Aqu. Duration` should be above 0, but is -1"),
        (good[..good.find("Records").unwrap()].to_string(), "the file ends before the first record"),
        (good.replace("ABR Group", "DPOAE Group"), "line 1: a group of DPOAE, not of ABRs"),
    ] {
        let message = refusal("x.txt", bad);
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn unknown_formats_are_refused_with_the_known_ones() {
    assert!(
        refusal("x.txt", "1 2\n3 4\n").contains("is not in a format that abr-film reads"),
        "numbers are no WFDB header"
    );
    assert!(refusal("x.txt", "hello").contains("TDT BioSig ASCII export"));
    assert!(refusal("x.txt", "").contains("is empty"));
}

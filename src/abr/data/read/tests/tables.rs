use super::refusal;
use crate::config::Unit;
use crate::data::read::read_bytes;

fn numbered(first: &str, count: usize) -> String {
    let first: f64 = first.parse().unwrap();
    (0..count).map(|i| format!(",{}", first + i as f64)).collect()
}

fn samples(count: usize) -> String {
    (0..count).map(|i| format!(",0.{i:02}")).collect()
}

#[test]
fn numbered_samples_have_their_place_by_their_number() {
    let names: String = (0..16).rev().map(|i| format!(",{i}.0")).collect();
    let cells: String = (0..16).rev().map(|i| format!(",{i}")).collect();
    let read = read_bytes("t.csv", format!("Level(dB){names}\n60{cells}\n").into()).unwrap();
    assert_eq!(read[0].samples, (0..16).map(|i| i as f32).collect::<Vec<_>>());
    let holed = format!("Level(dB){}\n60{}\n", numbered("0", 17).replace(",7,", ","), samples(16));
    assert!(refusal("t.csv", holed).contains("column `7` is missing, though `8` is there"));
    let twice = format!("Level(dB){},7.0\n60{}\n", numbered("0", 16), samples(17));
    assert!(refusal("t.csv", twice).contains("both named `7` and `7.0`, which are one"));
}

#[test]
fn biosig_tables_say_who_when_and_where() {
    let text = format!(
        "BioSig export\nmade,by hand\nSub. ID,Chan,O.S. Time,PostAtten(dB),Level(dB),Samp. \
         Per.{}\nA1,1,0,30,60,40.96{1}\nA1,2,0.5,40,50,40.96{1}\n",
        numbered("0", 16),
        samples(16)
    );
    let read = read_bytes("x.csv", text.into()).unwrap();
    let [first, second] = &read[..] else { panic!("{read:?}") };
    assert_eq!((first.subject.as_str(), first.subject_guessed, first.t0_ms), ("A1", false, Some(0.0)));
    assert_eq!(["channel", "level_db", "postatten_db"].map(|c| first.column(c)), [Some("1"), Some("60"), Some("30")]);
    assert_eq!((first.column("frequency_hz"), first.sample_rate_hz), (None, Some(24_414.062_5)));
    assert_eq!((second.t0_ms, second.line), (None, Some(5)), "what another onset delay means is not documented");
}

#[test]
fn clinical_labels_are_waves_one_three_and_five() {
    let text = format!(
        "Patient,first latency,Latency 3 (ms),wave V amplitude (uV),Amplitude of wave I [nV],Wave II \
         latency{}\np,1.5,3.7,0.4,250,2.6{}\nq,,NA,,,{1}\n",
        numbered("1", 20),
        samples(20)
    );
    let read = read_bytes("x.csv", text.into()).unwrap();
    assert_eq!(format!("{:?}", read[0].peaks), "[1.5, 3.7, NaN, 0.25, NaN, 0.4]");
    assert_eq!(read[0].column("wave_ii_latency"), Some("2.6"));
    assert!(read[1].peaks.iter().all(|label| label.is_nan()));
}

#[test]
fn decimal_commas_are_read_and_thousands_refused() {
    let table = |sweeps: &str| {
        let numbers = numbered("1", 16).replace(',', ";");
        let samples = samples(16).replace(',', ";").replace('.', ",");
        format!("Subject;Sweeps;Level{numbers}\nA1;{sweeps};-5,5{samples}\n")
    };
    let read = read_bytes("x.csv", table("1.500,0").into()).unwrap();
    assert_eq!(["n_averages", "level_db"].map(|c| read[0].column(c)), [Some("1500"), Some("-5.5")]);
    assert_eq!(read[0].samples[7], 0.07);
    let message = refusal("x.csv", table("2.000"));
    assert!(message.contains("column `Sweeps`: \"2.000\"") && message.contains("2000 or 2,000"), "{message}");
    // without decimal commas, a point is a decimal point
    let plain = "subject_id;rate;s0;s1\nA1;2.000;0.1;2\n";
    assert_eq!(read_bytes("x.csv", plain.into()).unwrap()[0].column("rate"), Some("2.000"));
}

#[test]
fn what_points_and_commas_are_is_told_by_other_numbers_or_not_at_all() {
    // whole numbers do not show the decimal mark
    let whole = |sweeps: &str, sample: &str| {
        let rows = format!("A1;{sweeps};1;2\n").repeat(60);
        format!("subject_id;n_averages;s0;s1\n{rows}A2;0;{sample};2\n")
    };
    for sweeps in ["2.000", "2,000"] {
        let message = refusal("x.csv", whole(sweeps, "1"));
        let expected = format!("row 1 (line 2), column `n_averages`: \"{sweeps}\" may have a decimal");
        assert!(message.contains(&expected) && message.contains(&format!("write 2000 or {sweeps}0")), "{message}");
    }
    // the first number that shows the decimal mark may stand far below
    let read = read_bytes("x.csv", whole("2000", "0,0103").into()).unwrap();
    assert_eq!((read[0].samples[0], read[60].samples[0], read[60].line), (1.0, 0.0103, Some(62)));
    assert!(refusal("x.csv", whole("2.000", "0,0103")).contains("2000 or 2,000: commas are decimal points"));
    let read = read_bytes("x.csv", whole("2.000", "0.0103").into()).unwrap();
    assert_eq!((read[0].column("n_averages"), read[60].samples[0]), (Some("2.000"), 0.0103));
    // with both marks, a number is read only if it has a single meaning
    let both = |weight: &str| format!("subject_id;weight;level_db;s0;s1\nA1;{weight};5,5;0.5;-1.25\n");
    let read = read_bytes("x.csv", both("1.5").into()).unwrap();
    assert_eq!(["weight", "level_db"].map(|c| read[0].column(c)), [Some("1.5"), Some("5.5")]);
    assert_eq!(read[0].samples, [0.5, -1.25]);
    assert!(refusal("x.csv", both("1.024")).contains("column `weight`: \"1.024\" may have a decimal point"));
}

#[test]
fn a_table_of_numbers_that_cannot_be_is_refused() {
    for (bad, part) in [
        ("subject_id,sample_rate_hz,s0,s1\na,0,1,2\n", "column `sample_rate_hz`: 0 is no sample rate"),
        ("subject_id,sample_rate_hz,s0,s1\na,-5,1,2\n", "-5 is no sample rate"),
        (&of_unit("", "Freq(Hz)", "-1", "0"), "row 1 (line 2), column `Freq(Hz)`: -1 is below 0"),
        (&of_unit("", "Frequency (kHz)", "-1", "1"), "column `Frequency (kHz)`: -1 is below 0"),
        (&of_unit("", "Stim. rate", "-21.1", "1"), "column `Stim. rate`: -21.1 is below 0"),
        ("subject_id,s0,s1\na,1e300,2\n", "column `s0`: \"1e300\" is not a finite number"),
        ("subject_id,s0,s1\na,1,2,3\n", "4 values, but the header has 3 columns"),
        ("subject_id,peak_v_ms,s0,s1\na,1e99,1,2\n", "column `peak_v_ms`: \"1e99\" is not a finite"),
        ("level_db,s1,s2,s3,s4,s5,s6,s7,s8,s9,s10,s11,s12,s13,s14,s15,s16\n", "column `s0` is missing, though `s1`"),
    ] {
        let message = refusal("t.csv", bad);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn row_numbers_of_r_and_pandas_are_no_column() {
    for first in ["\"\"", "Unnamed: 0"] {
        let text = format!("{first},\"subject_id\",\"s0\",\"s1\"\n\"1\",\"a\",NA,2\n\"2\",\"b\",3,NA\n");
        let read = read_bytes("t.csv", text.into()).unwrap();
        assert_eq!((read.len(), read[0].columns.len()), (2, 0));
        assert!(read[0].samples[0].is_nan() && read[0].samples[1] == 2.0, "a missing sample stays one");
        assert_eq!(read[1].samples, [3.0], "a shorter recording ends early");
    }
}

/// A table with one row: samples 500.5, 501.5, … in columns numbered from `first`.
fn of_unit(before: &str, names: &str, cells: &str, first: &str) -> String {
    let samples: String = (0..16).map(|i| format!(",{}.5", 500 + i)).collect();
    format!("{before}{names}{}\n{cells}{samples}\n", numbered(first, 16))
}

#[test]
fn a_unit_that_a_table_states_is_converted() {
    let own = |unit: &str| format!("{unit}subject_id,s0,s1\na,500.5,501.5\n");
    for (text, unit) in [
        (of_unit("", "O.S. Time,Data(nv)...", "0,", "0"), Some(Unit::Nanovolt)),
        (of_unit("", "Samp. Per.,Data(uv)...", "40.96,", "0"), Some(Unit::Microvolt)),
        (of_unit("made by\n# Units: nV\n", "Level(dB)", "60", "0"), Some(Unit::Nanovolt)),
        (of_unit("Sample units,,nV\n", "Level(dB),Data(nV)...", "60,", "0"), Some(Unit::Nanovolt)),
        (of_unit("", "Subject,Units", "a,nanovolts", "1"), Some(Unit::Nanovolt)),
        (of_unit("", "Subject,Units", "a,", "1"), None),
        (of_unit("", "Level units,Unit,wave V amplitude (uV)", "dB,nV,0.4", "1"), Some(Unit::Nanovolt)),
        (of_unit("Level unit: dB\n", "Level(dB)", "60", "0"), None),
        (own("Unit=mV\n"), Some(Unit::Millivolt)),
        ("subject_id,unit,s0,s1,truth_s0,truth_s1\na,mV,500.5,501.5,500.5,501.5\n".to_string(), Some(Unit::Millivolt)),
    ] {
        let read = &read_bytes("t.csv", text.clone().into()).unwrap()[0];
        let factor = unit.map_or(1.0, Unit::microvolts);
        let wanted = [500.5, 501.5].map(|sample| (sample * factor) as f32);
        assert_eq!((read.unit, &read.samples[..2]), (unit, &wanted[..]), "{text}");
        assert_eq!(read.column("unit"), None, "what is converted states no other unit");
        assert!(read.ground_truth.as_ref().is_none_or(|truth| truth.samples == wanted));
    }
    for (text, part) in [
        (of_unit("", "Level(dB),Data(mbar)...", "60,", "0"), "line 1, column `Data(mbar)...`: `mbar` is no unit"),
        (of_unit("x\nUnits: steps\n", "Level(dB)", "60", "0"), "line 2: `steps` is no unit of voltage"),
        (
            of_unit("Units: nV\n", "Level(dB),Data(uv)...", "60,", "0"),
            "line 2, column `Data(uv)...`: the samples are in uV",
        ),
        (of_unit("", "Subject,Units", "a,dB", "1"), "row 1 (line 2), column `Units`: `dB` is no unit"),
        (
            of_unit("Units: nV\n", "Subject,Units", "a,mV", "1"),
            "column `Units`: the samples are in mV, but a line above",
        ),
        (own("Units;kV\n"), "line 1: `kV` is no unit"),
        // the unit is the label's or the samples'
        (of_unit("", "wave V amplitude,Units", "500,nV", "1"), "column `wave V amplitude`: the unit nV is stated"),
    ] {
        let message = refusal("t.csv", text);
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn biosig_numbers_samples_from_0() {
    for names in ["Samp. Per.,Level(dB)", "O.S. Time,Level(dB)", "Data(uv)...,Level(dB)"] {
        let message = refusal("t.csv", of_unit("", names, "0,60", "1"));
        assert!(message.contains("header: column `0` is missing"), "{message}");
        assert!(message.contains(&format!("`{}`", names.split(',').next().unwrap())), "{message}");
    }
    let eclipse = of_unit("", "sample period us,Level", "50,60", "1");
    assert_eq!(read_bytes("t.csv", eclipse.into()).unwrap()[0].sample_rate_hz, Some(20_000.0));
}

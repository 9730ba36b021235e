use super::*;
use crate::data::fixture::dataset;
use crate::data::read::read_bytes;

#[test]
fn a_written_table_is_read_back() {
    let mut long = Recording::new(vec![0.1, -2.5e-7, 3.0]);
    long.subject = "a, b".into();
    long.file = "x.txt".into();
    (long.sample_rate_hz, long.t0_ms) = (Some(24_414.062_5), Some(-0.05));
    long.columns = vec![("zeta".into(), "\"q\"".into()), ("level_db".into(), "60".into())];
    long.peaks[2] = 5.75;
    let mut short = Recording::new(vec![1.0]);
    short.subject = "c".into();
    short.file = "y.txt".into();
    let mut bytes = Vec::new();
    write_recordings(&[long.clone(), short.clone()], &mut bytes).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert!(text.starts_with("subject_id,file,level_db,zeta,sample_rate_hz,t0_ms,peak_i_ms,"), "{text}");
    let back = read_bytes("t.csv", bytes).unwrap();
    assert_eq!(
        (back[0].subject.as_str(), &back[0].samples, back[0].sample_rate_hz, back[0].t0_ms),
        ("a, b", &long.samples, long.sample_rate_hz, long.t0_ms)
    );
    assert_eq!(
        (back[0].column("zeta"), back[0].column("file"), back[0].peaks[2]),
        (Some("\"q\""), Some("x.txt"), 5.75)
    );
    assert_eq!((&back[1].samples, back[1].t0_ms, back[1].column("level_db")), (&short.samples, None, None));
}

#[test]
fn text_that_a_spreadsheet_would_run_is_marked_and_read_back() {
    let mut recording = Recording::new(vec![-1.5]);
    recording.subject = "=HYPERLINK(\"http://x\")".into();
    recording.columns = vec![("level_db".into(), "-5".into()), ("=note".into(), "@sum(1)".into())];
    recording.columns.push(("own".into(), "'+1".into()));
    let mut bytes = Vec::new();
    write_recordings(&[recording.clone()], &mut bytes).unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    assert_eq!(text.lines().next(), Some("subject_id,level_db,'=note,own,sample_rate_hz,t0_ms,s0"));
    assert!(text.contains("\n\"'=HYPERLINK(\"\"http://x\"\")\",-5,'@sum(1),''+1,,,-1.5\n"), "{text}");
    let back = read_bytes("t.csv", bytes).unwrap();
    assert_eq!((&back[0].subject, &back[0].columns), (&recording.subject, &recording.columns));
}

/// 200,000 columns take a fraction of a second; to look up each by name took a minute and a half.
#[test]
fn many_columns_are_written_in_linear_time() {
    let mut recording = Recording::new(vec![1.0]);
    recording.columns = (0..200_000).map(|i| (format!("a{i}").into(), "x".to_string())).collect();
    let start = std::time::Instant::now();
    write_recordings(&[recording], std::io::sink()).unwrap();
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn a_full_disk_is_an_error_of_the_writer() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert_eq!(
        write_recordings(&dataset(2, 1).recordings(&[]), Full).unwrap_err().kind(),
        std::io::ErrorKind::StorageFull
    );
}

use crate::data::read::{Options, Recording, SubjectFrom, read_all, read_paths};
use std::path::{Path, PathBuf};

const TABLE: &str = "level_db,s0,s1\n60,1,2\n";
const NAMED: &str = "subject_id,level_db,s0,s1\nsaid,60,1,2\n,70,1,3\n";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    folder
}

fn subjects(recordings: &[Recording]) -> Vec<&str> {
    recordings.iter().map(|r| r.subject.as_str()).collect()
}

#[test]
fn files_are_distinct_and_so_are_subjects_guessed_in_two_folders() {
    let folder = folder(&[
        ("a/x-20dB.csv", TABLE),
        ("a/x-60dB.csv", TABLE),
        ("b/x-20dB.csv", TABLE),
        ("b/y.csv", TABLE),
        ("c/z.csv", NAMED),
        ("d/zz.csv", NAMED),
    ]);
    let (recordings, notices) = read_all(&[folder.path().to_path_buf()]).unwrap();
    let files: Vec<&str> = recordings.iter().map(|r| &*r.file).collect();
    assert_eq!(files[..5], ["a/x-20dB.csv", "x-60dB.csv", "b/x-20dB.csv", "y.csv", "z.csv"]);
    // an empty cell in a subject column gives no guess
    assert_eq!(subjects(&recordings), ["a/x", "a/x", "b/x", "y", "said", "", "said", ""]);
    let rows: Vec<usize> = recordings.iter().map(|r| r.row).collect();
    assert_eq!(rows, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(notices[0].starts_with("4 of 6 files"), "{notices:?}");
    assert!(notices[1].contains("name x is in 2 folders") && notices[1].contains("a/x, b/x"), "{notices:?}");
    assert!(notices[2].ends_with("taken as one: said (2)"), "{notices:?}");
}

#[test]
fn unknown_subjects_have_no_name_and_whole_numbers_no_decimals() {
    let table = |names: &str, subjects: &[&str], cells: &str| {
        let rows: String = subjects.iter().map(|subject| format!("{subject}{cells}\n")).collect();
        format!("{names}\n{rows}")
    };
    let own = ["12", "12.0", "12.5", "a.0", ".0", "NA", "nan", "N/A", "NULL", "None", "none"];
    let own = table("subject_id,s0,s1", &own, ",1,2");
    let (numbers, cells): (String, String) = (0..16).map(|i| (format!(",{i}"), format!(",0.{i}"))).unzip();
    let biosig = table(&format!("Sub. ID{numbers}"), &["12.0", "<NA>", "None"], &cells);
    let folder = folder(&[("own.csv", &own), ("x.csv", &biosig), ("names.csv", "file,subject_id\nown.csv,nan\n")]);
    let read = |files: &[&str]| {
        let paths: Vec<PathBuf> = files.iter().map(|file| folder.path().join(file)).collect();
        subjects(&read_all(&paths).unwrap().0).into_iter().map(str::to_string).collect::<Vec<_>>()
    };
    let (of_own, of_biosig) = (["12", "12", "12.5", "a.0", ".0", "", "", "", "", "", "none"], ["12", "", ""]);
    assert_eq!(
        (read(&["own.csv"]), read(&["x.csv"])),
        (of_own.map(str::to_string).to_vec(), of_biosig.map(str::to_string).to_vec())
    );
    assert_eq!(read(&["own.csv", "x.csv"]), [&of_own[..], &of_biosig].concat());
    let message = named(folder.path(), &folder.path().join("names.csv").display().to_string()).unwrap_err();
    assert!(message.contains("names.csv: line 2: `own.csv` is there twice, or without a subject"), "{message}");
}

#[test]
fn names_do_not_depend_on_how_a_path_is_typed() {
    let folder = folder(&[("rec/d1/m.csv", TABLE), ("rec/d2/m.csv", TABLE)]);
    let typed = ["rec", "./rec", "rec/d1/../../rec"].map(|path| folder.path().join(path));
    let all: Vec<_> = typed.iter().map(|path| read_all(std::slice::from_ref(path)).unwrap().0).collect();
    for recordings in &all {
        assert_eq!(subjects(recordings), ["d1/m", "d2/m"]);
        // NaN labels are unequal to themselves
        assert_eq!(format!("{recordings:?}"), format!("{:?}", all[0]));
    }
}

fn named(path: &Path, from: &str) -> Result<(Vec<Recording>, Vec<String>), String> {
    let from = SubjectFrom::parse(from).map_err(|e| e.to_string())?;
    let options = Options { subject_from: Some(&from), ..Options::default() };
    let mut read = read_paths(&[PathBuf::from(path)], &options, |_, _| {}).map_err(|e| e.to_string())?;
    let recordings = read.by_ref().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    Ok((recordings, read.notices.take()))
}

#[test]
fn a_pattern_or_a_table_says_who_was_recorded() {
    let folder = folder(&[
        ("rec/day1/A1_left.csv", TABLE),
        ("rec/day2/A1_right.csv", TABLE),
        ("rec/day2/B2.csv", NAMED),
        ("names.csv", "file,subject_id\nday1/A1_left.csv,one\nA1_right.csv,one\nB2.csv,two\n"),
        ("short.csv", "file,subject_id\nA1_left.csv,one\n"),
    ]);
    let path = |name: &str| folder.path().join(name);
    let (recordings, notices) = named(&path("rec"), "([A-Z][0-9])[^/]*$").unwrap();
    assert_eq!(subjects(&recordings), ["A1", "A1", "B2", "B2"]);
    assert!(notices.iter().any(|n| n.starts_with("1 recordings state another subject")), "{notices:?}");
    let (recordings, _) = named(&path("rec"), "day(?P<day>.)/(?P<subject>[A-Z])").unwrap();
    assert_eq!(subjects(&recordings), ["A", "A", "B", "B"]);
    let (recordings, _) = named(&path("rec"), path("names.csv").to_str().unwrap()).unwrap();
    assert_eq!(subjects(&recordings), ["one", "one", "two", "two"]);
    // a single table is read row by row, and gets the same names
    let (recordings, _) = named(&path("rec/day2/B2.csv"), "([A-Z][0-9])[^/]*$").unwrap();
    assert_eq!(subjects(&recordings), ["B2", "B2"]);

    let refused = |from: &str, part: &str| {
        let message = named(&path("rec"), from).unwrap_err();
        assert!(message.contains(part) && message.contains("help: "), "{message}");
    };
    refused("(day1)", "gives no subject for this file");
    refused("[A-Z]", "has no group");
    refused("(", "is no regular expression");
    refused(path("short.csv").to_str().unwrap(), "A1_right.csv: --subject-from gives no subject");
    refused(path("rec/day2/B2.csv").to_str().unwrap(), "there is no column `file`");
}

#[test]
fn one_animal_at_several_levels_is_one_subject() {
    let files = ["A1 20dB SPL", "A1 40dB SPL", "B2_20dBnHL", "B2_40dBnHL", "C3_20dB_L", "C3_20dB_R", "D4_left"];
    let files: Vec<(String, &str)> = files.iter().map(|name| (format!("{name}.csv"), TABLE)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    let (recordings, _) = read_all(&[folder(&files).path().to_path_buf()]).unwrap();
    assert_eq!(subjects(&recordings), ["A1", "A1", "B2", "B2", "C3", "C3", "D4"]);
}

#[test]
fn nothing_is_said_of_a_guess_that_the_user_replaces() {
    let folder = folder(&[("a/x.csv", TABLE), ("b/x.csv", TABLE)]);
    for path in [folder.path().to_path_buf(), folder.path().join("a/x.csv")] {
        let warns = |subject_given: bool| {
            let options = Options { subject_given, ..Options::default() };
            let mut set = read_paths(std::slice::from_ref(&path), &options, |_, _| {}).unwrap();
            set.by_ref().for_each(|row| assert!(row.is_ok()));
            set.notices.take().iter().any(|notice| notice.contains("do not state the subject"))
        };
        assert!(warns(false) && !warns(true), "{}", path.display());
    }
}

#[test]
fn an_id_in_every_row_may_be_a_row_number() {
    let names: String = (1..=16).map(|i| format!(",{i}")).collect();
    let rows = |ids: &[&str]| -> String { ids.iter().map(|id| format!("{id},P1,30{}\n", ",0.5".repeat(16))).collect() };
    let folder = tempfile::tempdir().unwrap();
    for (id, ids, doubted) in [
        ("ID", &["1", "2", "3", "4", "5"][..], true),
        ("id", &["1", "2", "3", "4", "4"][..], false),
        ("ID", &["1", "2", "3"][..], false),
        ("Patient ID", &["1", "2", "3", "4", "5"][..], false),
    ] {
        let path = folder.path().join("t.csv");
        std::fs::write(&path, format!("{id},Name,Intensity{names}\n{}", rows(ids))).unwrap();
        for (paths, given) in [(path.clone(), false), (folder.path().to_path_buf(), false), (path, true)] {
            let options = Options { subject_given: given, ..Options::default() };
            let mut set = read_paths(&[paths], &options, |_, _| {}).unwrap();
            let read: Vec<Recording> = set.by_ref().map(Result::unwrap).collect();
            assert_eq!(subjects(&read), ids);
            let is_doubt = |n: &String| n.contains("t.csv: column `ID` has another value in each row");
            let notices = set.notices.take();
            assert_eq!(notices.iter().any(is_doubt), doubted && !given, "{ids:?} {notices:?}");
            assert!(notices.iter().all(|n| !is_doubt(n) || n.contains("data.subject_column")));
        }
    }
}

#[test]
fn the_output_is_no_input() {
    let folder = folder(&[("rec/a.csv", TABLE), ("rec/all.csv", TABLE)]);
    let out = folder.path().join("rec/all.csv");
    let options = Options { out: Some(&out), ..Options::default() };
    let read = |path: PathBuf| read_paths(&[path], &options, |_, _| {});
    let recordings = read(folder.path().join("rec")).unwrap();
    assert!(recordings.notices.take()[0].contains("all.csv: left out"));
    assert_eq!(recordings.count(), 1);
    assert_eq!(read(folder.path().join("rec/*.csv")).unwrap().count(), 1);
    assert!(read(out.clone()).err().unwrap().to_string().contains("--out would replace"));
    #[cfg(unix)]
    {
        let link = folder.path().join("link.csv");
        std::os::unix::fs::symlink(&out, &link).unwrap();
        assert!(read(link).err().unwrap().to_string().contains("--out would replace"));
    }
}

#[test]
fn a_table_of_names_is_written_as_any_table() {
    let folder = folder(&[("rec/d/A.csv", TABLE), ("rec/e/A.csv", TABLE)]);
    let whole = folder.path().join("rec/e/A.csv");
    let names = format!("sep=;\r\nfile;note;subject_id\r\n./d\\A.csv;a, b;Zo\u{eb}\r\n{};;two\r\n", whole.display());
    let utf_16: Vec<u8> = format!("\u{feff}{names}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let windows: Vec<u8> = names.chars().map(|c| c as u8).collect();
    let table = folder.path().join("names.txt");
    for bytes in [names.clone().into_bytes(), windows, utf_16, names.replace(';', "\t").into_bytes()] {
        std::fs::write(&table, bytes).unwrap();
        let (recordings, _) = named(&folder.path().join("rec"), table.to_str().unwrap()).unwrap();
        assert_eq!(subjects(&recordings), ["Zo\u{eb}", "two"]);
    }
    for (names, part) in [
        ("file;subject_id\nA.csv;one\n\n./A.csv;two\n", "line 4: `./A.csv` is there twice"),
        ("file;subject_id\nA.csv\n", "line 2: there are 1 cells under 2 names"),
    ] {
        std::fs::write(&table, names).unwrap();
        let message = named(&folder.path().join("rec"), table.to_str().unwrap()).unwrap_err();
        assert!(message.contains(part) && message.contains("help: "), "{message}");
    }
}

#[test]
fn a_pattern_takes_its_last_match_and_one_subject_for_all_gives_a_notice() {
    let folder = folder(&[("M1/rec/M2.csv", TABLE), ("M1/rec/M3.csv", TABLE)]);
    let (recordings, notices) = named(folder.path(), "(M[0-9])").unwrap();
    assert_eq!(subjects(&recordings), ["M2", "M3"]);
    assert!(!notices.iter().any(|n| n.contains("one subject")), "{notices:?}");
    let (recordings, notices) = named(folder.path(), "(M[0-9])/").unwrap();
    assert_eq!(subjects(&recordings), ["M1", "M1"]);
    assert!(notices.iter().any(|n| n.contains("all 2 files one subject, M1")), "{notices:?}");
}

#[test]
fn a_guessed_name_that_a_file_states_gives_a_notice() {
    let folder = folder(&[("j/t.csv", "subject_id,level_db,s0,s1\nS1,60,1,2\n"), ("k/S1.csv", TABLE)]);
    let (recordings, notices) = read_all(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!(subjects(&recordings), ["S1", "k/S1"]);
    let notice = notices.iter().find(|n| n.contains("the subject S1 is stated")).unwrap();
    assert!(notice.contains("taken for k/S1") && notice.contains("--subject-from"), "{notice}");
}

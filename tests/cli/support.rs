//! A folder to run the program in, and its input files.

use assert_cmd::Command;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_abr-film");

/// Trains on tables like [`table`] in no time.
const SMALL: &str = r#"{
  "model": {"signal_length": 4, "static_dim": 1, "latent_dim": 2, "encoder_dims": [8], "encoder_dropout": [0.1],
            "decoder_dims": [8], "signal_head_dim": 8, "static_head_dims": [8]},
  "film": {"hidden_dim": 4},
  "training": {"batch_size": 4, "num_epochs": 2},
  "data": {"static_columns": ["level_db"]},
  "output": {"report": false}
}"#;

/// A temporary folder with `smoke.json` (on the built-in data) and `small.json` (for `table.csv`).
pub struct Place {
    folder: TempDir,
}

/// The output of a successful command.
pub struct Said {
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Place {
        let place = Place { folder: tempfile::tempdir().expect("a temporary folder") };
        // a report costs more than such a training, so tests turn it on only if they need it
        let smoke = include_str!("../../configs/smoke.json");
        place.write("smoke.json", smoke.replace("\"output\": {", "\"output\": {\"report\": false, "));
        place.write("small.json", SMALL);
        place.write("table.csv", table());
        place
    }

    /// A folder with a model in `run`, trained by `train --config smoke.json` and more arguments.
    pub fn trained(more: &str) -> Place {
        let place = Place::new();
        place.ok(&format!("train --config smoke.json --out run {more}"));
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("a file");
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("text")
    }

    pub fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// The program in this folder; arguments are separated by spaces. It computes on the CPU, unless they select a GPU.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.folder.path()).args(arguments.split_whitespace());
        if !arguments.contains("--device gpu") {
            command.env_remove("ABR_FILM_ADAPTER");
        }
        command
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &str) -> Said {
        let output = self.command(arguments).output().expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{arguments}\n{stderr}");
        Said { stdout, stderr }
    }

    /// Runs a command that must fail: with this exit code, one error that contains all `parts` and a remedy, nothing on
    /// stdout, and no change in the folder.
    #[track_caller]
    pub fn refused(&self, code: i32, arguments: &str, parts: &[&str]) {
        let before = self.tree();
        let output = self.command(arguments).output().expect("the program starts");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(code), "{arguments}\n{stderr}");
        for part in parts {
            assert!(stderr.contains(part), "{arguments}: {part:?} is not in: {stderr}");
        }
        assert_eq!(stderr.matches("abr-film: ").count(), 1, "{arguments}: one error is wanted: {stderr}");
        assert!(stderr.contains("\n  help: "), "{arguments}: no remedy: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments}: data on stdout beside an error");
        let after = self.tree();
        assert!(before.keys().eq(after.keys()), "{arguments} left {:?}", after.keys());
        assert!(before == after, "{arguments} changed a file");
    }

    /// The sorted names in a folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap_or_else(|e| panic!("{folder}: {e}"));
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8")).collect();
        names.sort();
        names
    }

    /// All files and folders by path; folders have no content.
    pub fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut tree = BTreeMap::new();
        walk(self.folder.path(), &mut tree);
        tree
    }
}

fn walk(folder: &Path, tree: &mut BTreeMap<PathBuf, Option<Vec<u8>>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            walk(&path, tree);
            tree.insert(path, None);
        } else {
            let content = fs::read(&path).expect("a file");
            tree.insert(path, Some(content));
        }
    }
}

/// 24 rows of eight subjects, four samples each.
pub fn table() -> String {
    let mut text = "subject_id,sample_rate_hz,t0_ms,level_db,peak_v_ms,s0,s1,s2,s3\n".to_string();
    for row in 0..24 {
        let samples: Vec<String> = (0..4).map(|i| format!("{:.4}", (0.7 * f64::from(row * 4 + i)).sin())).collect();
        let level = 20 + 10 * (row % 7);
        text += &format!("S{},20000,0,{level},,{}\n", row % 8, samples.join(","));
    }
    text
}

/// [`table`] with another text in one cell; rows count from 1.
pub fn table_with(row: usize, column: &str, cell: &str) -> String {
    let table = table();
    let mut cells = cells(&table);
    let column = cells[0].iter().position(|name| name == column).expect("a column of the table");
    cells[row][column] = cell.to_string();
    cells.iter().map(|row| row.join(",") + "\n").collect()
}

/// The cells of a table without quotes, the header's too.
pub fn cells(table: &str) -> Vec<Vec<String>> {
    table.lines().map(|line| line.split(',').map(str::to_string).collect()).collect()
}

/// One column of a table, without its name.
#[track_caller]
pub fn column(table: &str, name: &str) -> Vec<String> {
    let cells = cells(table);
    let place = cells[0].iter().position(|n| n == name).unwrap_or_else(|| panic!("no column {name}"));
    cells[1..].iter().map(|row| row[place].clone()).collect()
}

/// The samples of each row.
pub fn samples(table: &str) -> Vec<Vec<f32>> {
    let length =
        cells(table)[0].iter().filter(|n| n.strip_prefix('s').is_some_and(|n| n.parse::<u32>().is_ok())).count();
    let columns: Vec<Vec<String>> = (0..length).map(|i| column(table, &format!("s{i}"))).collect();
    let rows = columns[0].len();
    (0..rows).map(|row| columns.iter().map(|c| c[row].parse().expect("a number")).collect()).collect()
}

//! Formats an inspection as text.

use super::{CHECKS, ColumnSummary, Count, Inspection, MEASURES};
use crate::text::short_numbers;
use std::fmt::{Display, Formatter, Result};

/// Up to this many values are listed; more are only counted.
const LISTED_VALUES: usize = 40;
/// The most rows that a problem lists.
const LISTED_ROWS: usize = 10;

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter) -> Result {
        writeln!(f, "{} rows of {} subjects", self.rows, self.subjects.len())?;
        self.write_counts(f)?;
        self.write_amplitudes(f)?;
        self.write_columns(f)?;
        self.write_problems(f)
    }
}

impl Inspection {
    fn write_counts(&self, f: &mut Formatter) -> Result {
        let subjects = self.subjects.iter().map(|(value, rows)| Count { value: value.clone(), rows: *rows });
        for (title, counts, unit) in [
            ("subjects", &subjects.collect(), ""),
            ("levels", &self.levels, " dB"),
            ("sample rates", &self.sample_rates_hz, " Hz"),
            ("first sample", &self.t0_ms, " ms"),
            ("samples per row", &self.samples, ""),
            ("labels", &self.labels, ""),
        ] {
            if !counts.is_empty() {
                writeln!(f, "  {title:<16} {}", listed(counts, unit))?;
            }
        }
        Ok(())
    }

    fn write_amplitudes(&self, f: &mut Formatter) -> Result {
        writeln!(f, "\namplitude by level: medians over the rows, in µV")?;
        write!(f, "  {:<14} {:>6}", "level", "rows")?;
        MEASURES.iter().try_for_each(|measure| write!(f, " {:>14}", measure.title))?;
        writeln!(f)?;
        for level in &self.amplitudes {
            write!(f, "  {:<14} {:>6}", with_unit(&level.level_db, " dB"), level.rows)?;
            for measure in &MEASURES {
                let median = level.medians_uv[measure.key].map_or("-".to_string(), microvolts);
                write!(f, " {median:>14}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }

    fn write_columns(&self, f: &mut Formatter) -> Result {
        writeln!(f, "\n{:<24} {:>8} {:>9}   from … to", "column", "missing", "distinct")?;
        for column in &self.columns {
            let ColumnSummary { name, missing, distinct, range } = column;
            let range = match range {
                Some([low, high]) => short_numbers(&format!("{low} … {high}")).into_owned(),
                None if *distinct == 0 => "empty".to_string(),
                None => "text".to_string(),
            };
            writeln!(f, "  {name:<22} {missing:>8} {distinct:>9}   {range}")?;
        }
        Ok(())
    }

    fn write_problems(&self, f: &mut Formatter) -> Result {
        writeln!(f, "\nproblems")?;
        let found = CHECKS.iter().map(|check| (check, &self.problems.rows[check.key]));
        let found: Vec<_> = found.filter(|(_, rows)| !rows.is_empty()).collect();
        for (check, rows) in &found {
            let first: Vec<String> = rows.iter().take(LISTED_ROWS).map(usize::to_string).collect();
            let more = if rows.len() > LISTED_ROWS { ", …" } else { "" };
            writeln!(f, "  {} rows {}: {}{more}\n    {}", rows.len(), check.title, first.join(", "), check.advice)?;
        }
        if let Some(unit) = &self.problems.unit {
            writeln!(f, "  {unit}")?;
        }
        if found.is_empty() && self.problems.unit.is_none() {
            let titles: Vec<&str> = CHECKS.iter().map(|check| check.title).collect();
            writeln!(f, "  none; checked for rows {}, and for a wrong unit", titles.join("; "))?;
        }
        Ok(())
    }
}

fn listed(counts: &[Count], unit: &str) -> String {
    let all: Vec<String> = counts.iter().map(|c| format!("{} ({})", with_unit(&c.value, unit), c.rows)).collect();
    if all.len() <= LISTED_VALUES { all.join(", ") } else { format!("{} values", all.len()) }
}

fn with_unit(value: &str, unit: &str) -> String {
    if value.is_empty() { "not known".to_string() } else { format!("{value}{unit}") }
}

/// Rounds to a nanovolt; writes smaller values in scientific notation.
fn microvolts(uv: f64) -> String {
    if uv == 0.0 || uv >= 0.01 { format!("{uv:.3}") } else { format!("{uv:.2e}") }
}

#[cfg(test)]
mod tests {
    use crate::data::Recording;
    use crate::data::inspect::inspect;

    fn recording(level: &str, scale: f32) -> Recording {
        let mut recording = Recording::new([0.3, 1.0, -1.0, 0.5].map(|v| v * scale).to_vec());
        recording.subject = "A1".to_string();
        recording.columns = vec![("level_db".into(), level.into())];
        recording
    }

    #[test]
    fn the_text_is_aligned_and_states_units() {
        let mut flat = Recording::new(vec![0.25; 4]);
        (flat.sample_rate_hz, flat.t0_ms) = (Some(20_000.0), Some(-1.0));
        let text = inspect(&[recording("80", 2.0), recording("9.5", 0.001), flat]).to_string();
        let wanted = "\
3 rows of 2 subjects
  subjects         not known (1), A1 (2)
  levels           9.5 dB (1), 80 dB (1)
  sample rates     20000 Hz (1), not known (2)
  first sample     -1 ms (1), not known (2)
  samples per row  4 (3)

amplitude by level: medians over the rows, in µV
  level            rows   peak to peak            RMS
  9.5 dB              1        2.00e-3        7.65e-4
  80 dB               1          4.000          1.530
  not known           1          0.000          0.250

column                    missing  distinct   from … to
  level_db                      1         2   9.5 … 80

problems
  1 rows flat: 3
    all samples are equal: leave the rows out
";
        assert_eq!(text, wanted);
    }

    #[test]
    fn the_last_lines_tell_what_was_looked_for_or_that_the_unit_is_wrong() {
        let none = inspect(&[recording("80", 2.0)]).to_string();
        let last = none.lines().last().unwrap();
        assert!(last.starts_with("  none; checked for rows with missing samples; with a label outside"), "{last}");
        assert!(last.ends_with("flat; exactly 0 before the stimulus onset, and for a wrong unit"), "{last}");
        let volts = inspect(&[recording("80", 2e-7)]).to_string();
        assert!(volts.ends_with("set --unit V (data.unit)\n") && !volts.contains("none;"), "{volts}");
    }
}

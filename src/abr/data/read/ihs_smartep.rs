//! IHS SmartEP text export: averages side by side, comma-separated.
//!
//! | line | what |
//! | --- | --- |
//! | `Label:,value,,,,,,value,…` | one value per recording, in the first column of its block |
//! | `Data Pnt:,Average:,Average(uV):,Buffer1:,…` | each block's columns: average and its halves, in steps and µV |
//! | `1, 521, 0.0032, …` | one line per sample, numbered from 1 |
//!
//! | label | what |
//! | --- | --- |
//! | `Smp. Period` | sampling period in µs |
//! | `Zero Position` | the number of the sample at the stimulus onset (see below) |
//! | `Stim. Freq.` | Hz, 0 or `click` for a click; any other word becomes the column `stimulus` |
//! | `Ear`, `Channel`, `Intensity`, `Stim. Rate`, `Sweeps`, `Artifacts` | as they are, in dB and 1/s |
//! | `Identifier` | the recorder's serial number; only the file's name gives the subject |
//!
//! The reader uses the column `Average(uV)` of each block.
//!
//! # From what `Zero Position` counts
//!
//! It counts from 1, as the sample numbers do: the first sample is at `(1 - zero position) * period`. The export does
//! not document this, and public readers disagree: two count from 0, two from 1. A table of the same recordings with an
//! independently made time axis decides it: its first sample, at the onset, is the sample with number 530 in a file
//! with `Zero Position` 530 (`tests/vendor.rs` compares them). Counting from 0 would shorten every latency by a
//! sampling period. Both 0 and 1 mean that nothing was recorded before the onset. Without a value, the time of the
//! first sample is unknown.
//!
//! # Other responses
//!
//! SmartEP exports other responses in the same layout. A recording whose header names one (a comment, protocol or test
//! such as `VEMP`, and not ABRs as well) is skipped; a file with only such recordings holds no ABRs.

use super::vocabulary::{self, FrequencyUnit, Stimulus};
use super::{Format, ReadFn, ReadOutcome, Recording, SourceFile, text};
use crate::config;
use crate::error::Result;
use std::sync::Arc;

pub const FORMAT: Format = Format {
    name: "IHS SmartEP text export",
    extensions: &["txt", "csv"],
    companions: &[],
    about: "the averages in µV, with the time before the onset; the subject is only in the file's name",
    detect,
    read: ReadFn::Whole(read),
    samples: &["smartep.TXT"],
};

/// Whether the beginning of a file fits the format.
fn detect(head: &[u8]) -> bool {
    let head = text::decode(head);
    head.starts_with("Identifier:") && head.contains("Smp. Period:")
}

/// One recording's columns, header and samples. It is small, since a file may have one for every 12 bytes.
#[derive(Default)]
struct IhsBlock {
    /// The column with its header values.
    first: u32,
    /// The column with its average in µV.
    average_uv: u32,
    /// Where its value begins in the line of each of [`LABELS`]; 0 where it has none.
    header: [u32; LABELS.len()],
    /// The line of the header that names a response other than an ABR, and the response.
    other: Option<Box<(usize, &'static str)>>,
    samples: Vec<f32>,
}

/// The line of a header label: its number and its text.
type LabelLine<'a> = (usize, &'a str);

/// The header labels that are read.
const LABELS: [&str; 9] =
    ["Smp. Period", "Zero Position", "Ear", "Channel", "Stim. Freq.", "Intensity", "Stim. Rate", "Sweeps", "Artifacts"];

/// The metadata columns of these labels; the two times have none.
const COLUMNS: [&str; 9] =
    ["", "", "ear", "channel", "frequency_hz", "level_db", "rate_hz", "n_averages", "n_artifacts"];

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line that violates the layout above.
pub(super) fn read(source: &SourceFile) -> Result<ReadOutcome> {
    let text = text::decode(source.bytes());
    if u32::try_from(text.len()).is_err() {
        return Err(source.error("", "it has more than 4 GiB of text", "export fewer recordings at a time"));
    }
    let mut lines = text::lines(&text);
    let mut header = Vec::new();
    let mut blocks = loop {
        let Some((number, line)) = lines.next() else {
            return Err(
                source.line(header.len() + 1, "the file ends before the line `Data Pnt:` with the names of columns")
            );
        };
        if line.starts_with("Data Pnt:") {
            break find_blocks(source, number, line)?;
        }
        header.push((number, line));
    };
    let mut label_lines = [(0, ""); LABELS.len()];
    for &(number, line) in &header {
        find_other_responses(&mut blocks, number, line);
        let label = line.split(',').next().unwrap_or_default().trim_end_matches(':').trim();
        let is_label = |l: &str| l.trim_end_matches('.') == label.trim_end_matches('.');
        if let Some(which) = LABELS.iter().position(|l| is_label(l)) {
            match label_lines[which] {
                // line numbers begin at 1
                (0, _) => label_lines[which] = (number, line),
                (_, same) if same == line => continue,
                (before, _) => {
                    let problem = format!("`{}` stands on line {before} already, with other values", LABELS[which]);
                    return Err(source.line(number, problem));
                }
            }
            let set = |block: &mut IhsBlock, at: usize, _: &str| {
                block.header[which] = at as u32;
                Ok(())
            };
            fill(&mut blocks, line, |block| block.first, set)?;
        }
    }
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        add_samples(source, number, line, &mut blocks)?;
    }
    finish(source, &label_lines, blocks)
}

/// The recordings of the blocks, without those of other responses.
fn finish(
    source: &SourceFile,
    label_lines: &[LabelLine; LABELS.len()],
    mut blocks: Vec<IhsBlock>,
) -> Result<ReadOutcome> {
    let all = blocks.len();
    let other = blocks.iter().find_map(|block| block.other.as_deref());
    let reason = other.map(|(number, response)| format!("line {number} names {response}"));
    blocks.retain(|block| block.other.is_none());
    let others = all - blocks.len();
    if let (true, Some(reason)) = (blocks.is_empty(), &reason) {
        return Ok(ReadOutcome::NotAbr(reason.clone()));
    }
    let names = COLUMNS.map(Arc::from);
    let mut recordings = Vec::new();
    for (i, block) in blocks.into_iter().enumerate() {
        let recording = recording(source, label_lines, &names, block)?;
        // after the first is read: a growing vector would take twice the memory
        if i == 0 {
            recordings.reserve_exact(all - others);
        }
        recordings.push(recording);
    }
    let left_out = |reason| format!("{others} of {all} recordings were left out: {reason}");
    Ok(ReadOutcome::Recordings { recordings, subject: None, notices: reason.map(left_out).into_iter().collect() })
}

/// Finds the blocks of columns in the line with their names.
fn find_blocks(source: &SourceFile, number: usize, line: &str) -> Result<Vec<IhsBlock>> {
    // counts first: a growing vector would take twice the memory
    let mut blocks = Vec::with_capacity(line.matches("Average(uV)").count());
    let mut first = 1;
    for (column, name) in (0..).zip(line.split(',')) {
        match name.trim().trim_end_matches(':') {
            "Average" => first = column,
            "Average(uV)" => {
                blocks.push(IhsBlock { first, average_uv: column, ..IhsBlock::default() });
                first = column + 1;
            }
            _ => {}
        }
    }
    match blocks.is_empty() {
        true => Err(source.error(
            format_args!("line {number}"),
            "there is no column `Average(uV):`",
            "export the averages in microvolts",
        )),
        false => Ok(blocks),
    }
}

/// Passes each block the field in its column and where it begins, in one pass over the line. Returns the number of
/// fields found.
fn fill(
    blocks: &mut [IhsBlock],
    line: &str,
    column: impl Fn(&IhsBlock) -> u32,
    mut take: impl FnMut(&mut IhsBlock, usize, &str) -> Result<()>,
) -> Result<usize> {
    let (mut next, mut at) = (0, 0);
    for (i, field) in (0..).zip(line.split(',')) {
        if let Some(block) = blocks.get_mut(next)
            && column(block) == i
        {
            take(block, at, field)?;
            next += 1;
        }
        at += field.len() + 1;
    }
    Ok(next)
}

/// Marks the blocks for which a header line's value or label names a response other than an ABR.
fn find_other_responses(blocks: &mut [IhsBlock], number: usize, line: &str) {
    let (label, mut rest) = line.split_once(',').unwrap_or((line, ""));
    let by_label = vocabulary::other_response(label);
    let is_set = |value: &str| !["", "0", "no", "off", "false", "none"].contains(&value.to_lowercase().as_str());
    let mut column = 1;
    for i in 0..blocks.len() {
        let first = blocks[i].first as usize;
        rest = skip_fields(rest, first - column);
        column = first;
        // up to the next block, because a comment may contain commas
        let next = blocks.get(i + 1).map_or("", |next| skip_fields(rest, next.first as usize - first));
        let value = rest[..rest.len() - next.len()].trim_matches([',', ' ', '\t']);
        if is_set(value) {
            let response = by_label.or_else(|| vocabulary::other_response_in_note(value));
            if let (None, Some(response)) = (&blocks[i].other, response) {
                blocks[i].other = Some(Box::new((number, response)));
            }
        }
    }
}

/// The rest of a line after `fields` fields.
fn skip_fields(line: &str, fields: usize) -> &str {
    line.splitn(fields + 1, ',').nth(fields).unwrap_or_default()
}

fn add_samples(source: &SourceFile, number: usize, line: &str, blocks: &mut [IhsBlock]) -> Result<()> {
    let expected = blocks[0].samples.len() + 1;
    let point = line.split(',').next().unwrap_or_default().trim();
    if point.parse() != Ok(expected) {
        let problem =
            format!("data point {expected} should follow, but the line begins with `{}`", text::excerpt(point));
        return Err(source.line(number, problem));
    }
    let found = fill(
        blocks,
        line,
        |block| block.average_uv,
        |block, _, value| {
            block.samples.push(text::sample(source, number, value, 1.0)?);
            Ok(())
        },
    )?;
    if found < blocks.len() {
        let problem = format!("the line ends after {found} of {} recordings", blocks.len());
        return Err(source.line(number, problem));
    }
    Ok(())
}

fn recording(
    source: &SourceFile,
    label_lines: &[LabelLine; LABELS.len()],
    names: &[Arc<str>; LABELS.len()],
    mut block: IhsBlock,
) -> Result<Recording> {
    let lines = label_lines.map(|(number, _)| number);
    let header: [&str; LABELS.len()] = std::array::from_fn(|label| match block.header[label] as usize {
        0 => "",
        at => label_lines[label].1[at..].split(',').next().unwrap_or_default().trim(),
    });
    let period_us = text::positive(source, lines[0], "`Smp. Period`", header[0])?;
    let t0_ms = match header[1] {
        "" => None,
        zero => Some((1.0 - zero_position(source, lines[1], zero, block.samples.len())?) * period_us / 1000.0),
    };
    block.samples.shrink_to_fit();
    let mut recording = Recording::new(block.samples);
    recording.columns.reserve_exact(header[2..].iter().filter(|value| !value.is_empty()).count());
    recording.unit = Some(config::Unit::Microvolt);
    (recording.sample_rate_hz, recording.t0_ms) = (Some(1e6 / period_us), t0_ms);
    for ((column, value), line) in names.iter().zip(header).zip(lines) {
        match &**column {
            "" => {}
            "frequency_hz" => {
                if let Some(stimulus) = Stimulus::parse(source, line, "`Stim. Freq.`", value, FrequencyUnit::Hz)? {
                    stimulus.add_to(&mut recording);
                }
            }
            "rate_hz" => recording.add_column(column.clone(), text::not_negative(source, line, "`Stim. Rate`", value)?),
            "level_db" => match text::level(value) {
                Some(level) => recording.add_column(column.clone(), level),
                None => recording.add_column(column.clone(), text::tidy(value)),
            },
            _ => recording.add_column(column.clone(), text::tidy(value)),
        }
    }
    Ok(recording)
}

/// The number of the sample at the onset, from 1.
fn zero_position(source: &SourceFile, line: usize, text: &str, samples: usize) -> Result<f64> {
    let zero = text::number(source, line, "`Zero Position`", text)?;
    if !(0.0..=samples as f64).contains(&zero) || zero.fract() != 0.0 {
        let problem = format!("`Zero Position` should be 0 or one of the {samples} data points, but is {zero}");
        return Err(source.line(line, problem));
    }
    Ok(zero.max(1.0))
}

//! IHS SmartEP text export: averages side by side, comma-separated.
//!
//! | line | what |
//! | --- | --- |
//! | `Label:,value,,,,,,value,…` | a value a recording, in the first column of its block |
//! | `Data Pnt:,Average:,Average(uV):,Buffer1:,…` | the columns of each block: steps of the converter and µV, of the average and of its two halves |
//! | `1, 521, 0.0032, …` | a line a sample, numbered from 1 |
//!
//! Of a block the column `Average(uV)` is read. `Smp. Period` is in µs; `Zero Position` counts from 1, so that the sample in
//! that line is at the stimulus onset and the first one at `(1 - zero position) * period`. `Stim. Freq.` 0 is a click.
//! `Identifier` is the recorder's serial number: who was recorded stands only in the file's name.

use super::{Format, ReadFn, Reading, Recording, Source, text};
use crate::error::Result;

pub const FORMAT: Format = Format {
    name: "IHS SmartEP text export",
    extensions: &["txt", "csv"],
    companions: &[],
    about: "the averages in µV, with the time before the onset; who was recorded stands only in the file's name",
    detect: recognise,
    read: ReadFn::Whole(read),
    samples: &["smartep.TXT"],
};

/// Whether a file begins so.
fn recognise(head: &[u8]) -> bool {
    let head = text::decode(head);
    head.starts_with("Identifier:") && head.contains("Smp. Period:")
}

/// One recording's columns, header and samples.
#[derive(Default)]
struct Block<'a> {
    /// The column of its header values.
    first: usize,
    /// The column of its average in µV.
    average_uv: usize,
    /// In the order of [`LABELS`].
    header: [&'a str; LABELS.len()],
    samples: Vec<f32>,
}

/// What is read of the header.
const LABELS: [&str; 9] =
    ["Smp. Period", "Zero Position", "Ear", "Channel", "Stim. Freq.", "Intensity", "Stim. Rate", "Sweeps", "Artifacts"];

/// The same as columns; the two times and the file's own name are told apart from these.
const COLUMNS: [&str; 9] =
    ["", "", "ear", "channel", "frequency_hz", "level_db", "rate_hz", "n_averages", "n_artifacts"];

/// Reads a file's recordings.
///
/// # Errors
/// [`Error::Input`](crate::error::Error::Input) with the line that is not as above.
fn read(source: &Source) -> Result<Reading> {
    let text = text::decode(source.bytes());
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
    let mut label_lines = [0; LABELS.len()];
    for &(number, line) in &header {
        let label = line.split(',').next().unwrap_or_default().trim_end_matches(':').trim();
        let is_label = |l: &str| l.trim_end_matches('.') == label.trim_end_matches('.');
        if let Some(which) = LABELS.iter().position(|l| is_label(l)) {
            label_lines[which] = number;
            fill(
                &mut blocks,
                line,
                |block| block.first,
                |block, value| {
                    block.header[which] = value.trim();
                    Ok(())
                },
            )?;
        }
    }
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        add_samples(source, number, line, &mut blocks)?;
    }
    let recordings =
        blocks.into_iter().map(|block| recording(source, &label_lines, block)).collect::<Result<Vec<_>>>()?;
    Ok(recordings.into())
}

/// The blocks of columns, from the line with their names.
fn find_blocks<'a>(source: &Source, number: usize, line: &str) -> Result<Vec<Block<'a>>> {
    // counted first: growing would take twice the room
    let mut blocks = Vec::with_capacity(line.matches("Average(uV)").count());
    let mut first = 1;
    for (column, name) in line.split(',').enumerate() {
        match name.trim().trim_end_matches(':') {
            "Average" => first = column,
            "Average(uV)" => {
                blocks.push(Block { first, average_uv: column, ..Block::default() });
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

/// Gives each block the field of its column, in one pass over the line; returns how many there were.
fn fill<'a, 'b>(
    blocks: &mut [Block<'a>],
    line: &'b str,
    column: impl Fn(&Block) -> usize,
    mut take: impl FnMut(&mut Block<'a>, &'b str) -> Result<()>,
) -> Result<usize> {
    let mut next = 0;
    for (i, field) in line.split(',').enumerate() {
        if let Some(block) = blocks.get_mut(next)
            && column(block) == i
        {
            take(block, field)?;
            next += 1;
        }
    }
    Ok(next)
}

fn add_samples(source: &Source, number: usize, line: &str, blocks: &mut [Block]) -> Result<()> {
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
        |block, value| {
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

fn recording(source: &Source, lines: &[usize; LABELS.len()], block: Block) -> Result<Recording> {
    let period_us = text::positive(source, lines[0], "`Smp. Period`", block.header[0])?;
    let zero = text::number(source, lines[1], "`Zero Position`", block.header[1])?;
    if zero < 1.0 || zero > block.samples.len() as f64 || zero.fract() != 0.0 {
        let problem =
            format!("`Zero Position` should be one of the {} data points, but is {zero}", block.samples.len());
        return Err(source.line(lines[1], problem));
    }
    let mut recording = Recording::new(block.samples);
    recording.sample_rate_hz = Some(1e6 / period_us);
    recording.t0_ms = Some((1.0 - zero) * period_us / 1000.0);
    for (column, value) in COLUMNS.into_iter().zip(block.header).filter(|(column, _)| !column.is_empty()) {
        match column {
            "frequency_hz" if value.parse() == Ok(0.0) => recording.say(column, "click"),
            _ => recording.say(column, text::tidy(value)),
        }
    }
    Ok(recording)
}

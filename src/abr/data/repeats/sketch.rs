//! Sketches: a few rounded samples of each training row, by which a checkpoint detects the row in other data.

use super::TraceKey;
use ndarray::ArrayView2;
use serde::Deserialize;

/// Samples of a trace in its sketch.
const SAMPLES: usize = 4;
/// The rounding unit, in µV.
const UNIT_UV: f64 = 1e-4;

/// The key of a trace and a few of its samples, in units of 1e-4 µV.
type Sketch = [i32; 2 + SAMPLES];

/// The number of units by which copies may differ. Rounding never moves numbers within one unit further than one unit
/// apart.
const TOLERANCES: Sketch = [2, 1, 1, 1, 1, 1];

/// Sketches of all traces that are not flat, sorted by their first number. Earlier versions stored them as one string:
/// zigzag-coded numbers in groups of five bits, lowest first, in the letters of base64. The sixth bit of a letter marks
/// that another group follows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Sketches(Vec<Sketch>);

/// The result of looking up a trace among sketches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SketchMatch {
    Known,
    Unknown,
    /// Flat or nearly flat: such traces cannot be told apart.
    Flat,
}

impl Sketches {
    /// Sketches these rows of `signals` `[N, L]`, in µV.
    pub fn of(signals: ArrayView2<f32>, rows: &[usize]) -> Sketches {
        let mut sketches = Vec::with_capacity(rows.len());
        sketches.extend(rows.iter().filter_map(|&row| sketch(&signals.row(row).to_vec())));
        Sketches::sorted(sketches)
    }

    /// All numbers, sketch after sketch, and how many a sketch has.
    pub fn numbers(&self) -> (&[i32], usize) {
        (self.0.as_flattened(), 2 + SAMPLES)
    }

    /// From all numbers; `None` if the last sketch is incomplete.
    pub fn from_numbers(numbers: &[i32]) -> Option<Sketches> {
        let (sketches, rest) = numbers.as_chunks();
        rest.is_empty().then(|| Sketches::sorted(sketches.to_vec()))
    }

    fn sorted(mut sketches: Vec<Sketch>) -> Sketches {
        sketches.sort_unstable();
        Sketches(sketches)
    }

    /// Compares a trace, in µV, with all sketches.
    pub fn look_up(&self, samples: &[f32]) -> SketchMatch {
        let Some(sketch) = sketch(samples) else { return SketchMatch::Flat };
        let first = self.0.partition_point(|known| known[0] < sketch[0].saturating_sub(TOLERANCES[0]));
        let mut near = self.0[first..].iter().take_while(|known| known[0] <= sketch[0].saturating_add(TOLERANCES[0]));
        match near.any(|known| alike(known, &sketch)) {
            true => SketchMatch::Known,
            false => SketchMatch::Unknown,
        }
    }
}

fn alike(a: &Sketch, b: &Sketch) -> bool {
    a.iter()
        .zip(b)
        .zip(&TOLERANCES)
        .all(|((a, b), tolerance)| a.wrapping_sub(*b).unsigned_abs() <= tolerance.unsigned_abs())
}

/// `None` for a flat trace.
fn sketch(samples: &[f32]) -> Option<Sketch> {
    let key = TraceKey::of(samples)?;
    // keeps the low 32 bits: samples beyond 0.2 V wrap around, but still tell traces apart
    let units = |uv: f64| (uv / UNIT_UV).round() as i64 as i32;
    let mut sketch = [0; 2 + SAMPLES];
    (sketch[0], sketch[1]) = (units(key.largest_plus_mean), units(f64::from(key.smallest)));
    for (i, kept) in sketch[2..].iter_mut().enumerate() {
        // the middle of each quarter
        *kept = units(f64::from(samples[(2 * i + 1) * samples.len() / (2 * SAMPLES)]));
    }
    Some(sketch)
}

impl TryFrom<String> for Sketches {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Sketches, Self::Error> {
        let numbers = read(&text).ok_or("the sketches of the training rows are not numbers")?;
        Sketches::from_numbers(&numbers).ok_or("the sketches of the training rows are incomplete")
    }
}

fn read(text: &str) -> Option<Vec<i32>> {
    let (mut numbers, mut number, mut shift) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        number |= u32::from(value & 31).checked_shl(shift)?;
        if value < 32 {
            // zigzag: 0, -1, 1, -2, …
            numbers.push((number >> 1) as i32 ^ -((number & 1) as i32));
            (number, shift) = (0, 0);
        } else {
            shift += 5;
        }
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    fn traces(rows: usize) -> Array2<f32> {
        Array2::from_shape_fn((rows, 50), |(row, i)| 0.4 * ((row * 50 + i) as f32 * 0.7).sin())
    }

    #[test]
    fn the_string_of_earlier_versions_is_read() {
        assert_eq!(read("ACBegBf").unwrap(), [0, 1, -1, 15, 16, -16]);
        // a missing last group, a letter outside the alphabet, and more than 32 bits
        assert_eq!((read("g"), read("A-"), read(&"/".repeat(8))), (None, None, None));
        let read = |text: &str| serde_json::from_str::<Sketches>(text);
        assert_eq!(read("\"ACBegBf\"").unwrap(), Sketches(vec![[0, 1, -1, 15, 16, -16]]));
        assert!(read("\"ACBe\"").unwrap_err().to_string().contains("sketches"));
        assert_eq!(read("\"\"").unwrap(), Sketches(Vec::new()));
    }

    #[test]
    fn numbers_come_back() {
        let sketches = Sketches::of(traces(100).view(), &(0..100).collect::<Vec<_>>());
        let (numbers, columns) = sketches.numbers();
        assert_eq!(numbers.len(), 100 * columns);
        assert_eq!(Sketches::from_numbers(numbers).as_ref(), Some(&sketches));
        assert_eq!(Sketches::from_numbers(&numbers[1..]), None);
    }

    #[test]
    fn a_trained_trace_is_known_and_another_is_not() {
        let signals = traces(40);
        let sketches = Sketches::of(signals.view(), &(0..20).collect::<Vec<_>>());
        let found = |change: &dyn Fn(usize, f32) -> f32, row: usize| {
            let samples: Vec<f32> = signals.row(row).iter().enumerate().map(|(i, &v)| change(i, v)).collect();
            sketches.look_up(&samples)
        };
        for row in 0..40 {
            let wanted = if row < 20 { SketchMatch::Known } else { SketchMatch::Unknown };
            assert_eq!(found(&|_, v| v, row), wanted, "row {row}");
            // rounded to four decimals
            assert_eq!(found(&|_, v| (v * 1e4).round() / 1e4, row), wanted, "row {row}");
        }
        assert_eq!(found(&|i, v| v + if i % 2 == 0 { 9e-5 } else { -9e-5 }, 3), SketchMatch::Known);
        assert_eq!(found(&|_, v| v + 1e-3, 3), SketchMatch::Unknown);
        assert_eq!(found(&|_, v| -v, 3), SketchMatch::Unknown);
        assert_eq!(found(&|_, _| 0.0, 3), SketchMatch::Flat);
        assert_eq!(found(&|_, v| 0.01 * v, 3), SketchMatch::Flat);
    }

    #[test]
    fn traces_in_a_wrong_unit_are_told_apart() {
        let volts = traces(40) * 1e7;
        let sketches = Sketches::of(volts.view(), &(0..20).collect::<Vec<_>>());
        for (row, samples) in volts.outer_iter().enumerate() {
            let wanted = if row < 20 { SketchMatch::Known } else { SketchMatch::Unknown };
            assert_eq!(sketches.look_up(samples.to_slice().unwrap()), wanted, "row {row}");
        }
    }

    #[test]
    fn short_traces_are_sketched_whole() {
        let signals = Array2::from_shape_fn((5, 4), |(row, i)| if i == row { 1.0 } else { 0.0 });
        let sketches = Sketches::of(signals.view(), &[0, 2, 4]);
        let found: Vec<_> = signals.outer_iter().map(|row| sketches.look_up(row.to_slice().unwrap())).collect();
        // row 4 is flat, so it has no sketch
        let [known, unknown, flat] = [SketchMatch::Known, SketchMatch::Unknown, SketchMatch::Flat];
        assert_eq!(found, [known, unknown, known, unknown, flat]);
    }
}

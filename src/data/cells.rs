//! Cells: the rows of one subject under one condition, which differ by noise alone as far as the model is told.

use super::split::is_row_number;
use super::{Dataset, Values};
use std::collections::HashMap;

/// The cells of some rows of a data set. Rows are named by their place among these.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cells {
    /// The cell of each row.
    of_row: Vec<u32>,
    /// The rows of each cell, in rising order.
    rows: Vec<Vec<u32>>,
}

impl Cells {
    /// Groups `rows` of `dataset` by subject and the static columns as they stand. A row without a subject is alone.
    pub fn of(dataset: &Dataset, rows: &[usize]) -> Cells {
        Cells::by(dataset, rows, true)
    }

    fn by(dataset: &Dataset, rows: &[usize], condition: bool) -> Cells {
        let statics = if condition { &dataset.statics[..] } else { &[] };
        let mut texts: HashMap<&str, u64> = HashMap::new();
        let mut cells: HashMap<Vec<u64>, u32> = HashMap::new();
        let mut made = Cells::default();
        for (place, &row) in rows.iter().enumerate() {
            let mut number = |text| {
                let next = texts.len() as u64;
                *texts.entry(text).or_insert(next)
            };
            let subject = dataset.subjects[row].as_str();
            let alone = if subject.is_empty() || is_row_number(subject) { place as u64 + 1 } else { 0 };
            let mut key = vec![alone, number(subject)];
            key.extend(statics.iter().map(|column| match &column.values {
                // 0 and -0 are one value, and so are all NaN
                Values::Number(values) if values[row].is_nan() => f64::NAN.to_bits(),
                Values::Number(values) => (values[row] + 0.0).to_bits(),
                Values::Text(values) => number(&values[row]),
            }));
            let cell = *cells.entry(key).or_insert_with(|| {
                made.rows.push(Vec::new());
                made.rows.len() as u32 - 1
            });
            made.of_row.push(cell);
            made.rows[cell as usize].push(place as u32);
        }
        made
    }

    /// Groups `rows` by their subjects alone.
    pub fn of_subjects(dataset: &Dataset, rows: &[usize]) -> Cells {
        Cells::by(dataset, rows, false)
    }

    /// The rows of each cell, in the order of their first rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.rows.iter().map(Vec::as_slice)
    }

    /// All rows of a row's cell, itself included.
    pub fn with(&self, row: usize) -> &[u32] {
        &self.rows[self.of_row[row] as usize]
    }

    /// The number of a row's cell.
    pub fn cell(&self, row: usize) -> usize {
        self.of_row[row] as usize
    }

    /// Rows that are not alone in their cell.
    pub fn with_siblings(&self) -> usize {
        self.iter().filter(|rows| rows.len() > 1).map(<[u32]>::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixture::dataset;

    #[test]
    fn rows_of_one_subject_and_one_condition_make_a_cell() {
        // subject r % 3, level r % 7, ear r % 2: alike every 42 rows
        let mut data = dataset(90, 3);
        let rows: Vec<usize> = (2..90).collect();
        let cells = Cells::of(&data, &rows);
        assert_eq!(cells.iter().len(), 42);
        assert_eq!(
            (cells.with(0), cells.with(42), cells.with(84)),
            (&[0, 42, 84][..], &[0, 42, 84][..], &[0, 42, 84][..])
        );
        assert_eq!((cells.with(10), cells.cell(10), cells.cell(52)), (&[10, 52][..], 10, 10));
        assert_eq!(cells.with_siblings(), 88);
        // signs of zero and missing values do not part rows
        let Values::Number(levels) = &mut data.statics[0].values else { panic!("numbers") };
        (levels[2], levels[44], levels[3], levels[45]) = (0.0, -0.0, f64::NAN, -f64::NAN);
        let cells = Cells::of(&data, &rows);
        assert_eq!((cells.with(0), cells.with(1)), (&[0, 42][..], &[1, 43][..]));
        assert_eq!(Cells::of_subjects(&data, &rows).iter().len(), 3);
        // rows of nobody are of no cell but their own
        data.subjects[2] = "row 3".into();
        data.subjects[44] = "row 45".into();
        (data.subjects[3], data.subjects[45]) = (String::new(), String::new());
        let cells = Cells::of(&data, &rows);
        assert_eq!((cells.with(0), cells.with(1)), (&[0][..], &[1][..]));
    }
}

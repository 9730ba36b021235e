//! Cells: the rows of one subject under one condition. As far as the model's inputs tell, they differ by noise alone.

use super::split::is_row_number;
use super::{Dataset, Values};
use ndarray::{Array1, ArrayView1};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The cells of some rows of a data set. A row's number is its index among these rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cells {
    /// The cell number of each row.
    of_row: Vec<u32>,
    /// The rows of the first cell in rising order, then those of the next.
    rows: Vec<u32>,
    /// Where each cell's rows begin in `rows`, and at last where the final cell's rows end.
    starts: Vec<u32>,
}

impl Cells {
    /// Groups `rows` of `dataset` by subject and condition. A row without a subject has a cell of its own.
    pub fn of(dataset: &Dataset, rows: &[usize]) -> Cells {
        Cells::by(rows, |place, row, hasher| {
            hash_subject(dataset, place, row, hasher);
            hash_condition(dataset, row, hasher);
        })
    }

    /// Groups `rows` by their conditions alone.
    pub fn of_conditions(dataset: &Dataset, rows: &[usize]) -> Cells {
        Cells::by(rows, |_, row, hasher| hash_condition(dataset, row, hasher))
    }

    /// Groups `rows` by their subjects alone.
    pub fn of_subjects(dataset: &Dataset, rows: &[usize]) -> Cells {
        Cells::by(rows, |place, row, hasher| hash_subject(dataset, place, row, hasher))
    }

    /// Rows with equal 128-bit hashes share a cell. Among 10^9 cells, two hashes are equal by chance once in 10^21 data
    /// sets.
    fn by(rows: &[usize], hash: impl Fn(usize, usize, &mut DefaultHasher)) -> Cells {
        let mut numbers: HashMap<[u64; 2], u32> = HashMap::new();
        let cell = |(place, &row): (usize, &usize)| {
            let key = [0_u8, 1].map(|half| {
                let mut hasher = DefaultHasher::new();
                half.hash(&mut hasher);
                hash(place, row, &mut hasher);
                hasher.finish()
            });
            let next = numbers.len() as u32;
            *numbers.entry(key).or_insert(next)
        };
        let of_row: Vec<u32> = rows.iter().enumerate().map(cell).collect();
        let mut starts = vec![0; numbers.len() + 1];
        of_row.iter().for_each(|&cell| starts[cell as usize + 1] += 1);
        (1..starts.len()).for_each(|i| starts[i] += starts[i - 1]);
        let (mut next, mut by_cell) = (starts.clone(), vec![0; of_row.len()]);
        for (place, &cell) in of_row.iter().enumerate() {
            by_cell[next[cell as usize] as usize] = place as u32;
            next[cell as usize] += 1;
        }
        Cells { of_row, rows: by_cell, starts }
    }

    /// The rows of each cell, in the order of their first rows.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u32]> {
        self.starts.windows(2).map(|ends| &self.rows[ends[0] as usize..ends[1] as usize])
    }

    /// All rows of a row's cell, itself included.
    pub fn with(&self, row: usize) -> &[u32] {
        let cell = self.cell(row);
        &self.rows[self.starts[cell] as usize..self.starts[cell + 1] as usize]
    }

    /// The number of each row's cell.
    pub fn numbers(&self) -> Vec<usize> {
        self.of_row.iter().map(|cell| *cell as usize).collect()
    }

    /// The number of a row's cell.
    pub fn cell(&self, row: usize) -> usize {
        self.of_row[row] as usize
    }

    /// Calls `take` for each row that is not alone in its cell, with the mean of the cell's other rows. `row` gives a
    /// row's samples.
    pub fn means_of_others<'a>(
        &self,
        row: impl Fn(usize) -> ArrayView1<'a, f32>,
        mut take: impl FnMut(usize, Array1<f32>),
    ) {
        for members in self.iter().filter(|members| members.len() > 1) {
            let mut sum = Array1::<f64>::zeros(row(members[0] as usize).len());
            for &member in members {
                sum.zip_mut_with(&row(member as usize), |sum, v| *sum += f64::from(*v));
            }
            let others = (members.len() - 1) as f64;
            for &member in members {
                let own = row(member as usize);
                let mean = sum.iter().zip(own).map(|(sum, own)| ((sum - f64::from(*own)) / others) as f32);
                take(member as usize, mean.collect());
            }
        }
    }

    /// The number of rows that are not alone in their cell.
    pub fn with_siblings(&self) -> usize {
        self.iter().filter(|rows| rows.len() > 1).map(<[u32]>::len).sum()
    }
}

/// A row without a subject is hashed with its index, and so stays alone.
fn hash_subject(dataset: &Dataset, place: usize, row: usize, hasher: &mut DefaultHasher) {
    let subject = dataset.subjects[row].as_str();
    let alone = subject.is_empty() || is_row_number(subject);
    (subject, alone.then_some(place)).hash(hasher);
}

fn hash_condition(dataset: &Dataset, row: usize, hasher: &mut DefaultHasher) {
    for column in &dataset.conditions {
        match &column.values {
            // 0 and -0 are one value; so are all NaNs
            Values::Number(values) if values[row].is_nan() => f64::NAN.to_bits().hash(hasher),
            Values::Number(values) => (values[row] + 0.0).to_bits().hash(hasher),
            Values::Text(values) => values[row].hash(hasher),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixture::dataset;

    #[test]
    fn rows_of_one_subject_and_one_condition_make_a_cell() {
        // subject r % 3, level r % 7, ear r % 2: the same every 42 rows
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
        // the signs of zeros and of NaNs do not separate rows
        let Values::Number(levels) = &mut data.conditions[0].values else { panic!("numbers") };
        (levels[2], levels[44], levels[3], levels[45]) = (0.0, -0.0, f64::NAN, -f64::NAN);
        let cells = Cells::of(&data, &rows);
        assert_eq!((cells.with(0), cells.with(1)), (&[0, 42][..], &[1, 43][..]));
        assert_eq!(Cells::of_subjects(&data, &rows).iter().len(), 3);
        // rows without a subject have cells of their own
        data.subjects[2] = "row 3".into();
        data.subjects[44] = "row 45".into();
        (data.subjects[3], data.subjects[45]) = (String::new(), String::new());
        let cells = Cells::of(&data, &rows);
        assert_eq!((cells.with(0), cells.with(1)), (&[0][..], &[1][..]));
    }
}

//! Refuses categories without an input of the model.

use super::{ConditionCode, Scalers};
use crate::config::{ConditionColumn, DataConfig};
use crate::data::split::{Split, some_of};
use crate::data::{Column, Dataset, Values};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

impl Scalers {
    /// Refuses a category that no training row has, or that the configuration does not list. This check runs before
    /// [`Scalers::check_condition_dim`], whose message would only mention the width.
    ///
    /// # Errors
    /// [`Error::Input`] with the column, each such category, its rows and their part of the split.
    pub fn check_categories(&self, dataset: &Dataset, config: &DataConfig, split: &Split) -> Result<()> {
        for ((scaler, column), how) in self.conditions.iter().zip(&dataset.conditions).zip(&config.static_columns) {
            let (ConditionCode::OneHot(known), Values::Text(values)) = (&scaler.code, &column.values) else { continue };
            let unknown = unknown(known, values, split);
            if !unknown.is_empty() {
                return Err(refuse(&dataset.source, column, how, known, &unknown));
            }
        }
        Ok(())
    }
}

/// The unknown categories, each with its rows in each part of the split.
type Unknown<'a> = BTreeMap<&'a str, BTreeMap<&'static str, Vec<usize>>>;

fn unknown<'a>(known: &[String], values: &'a [String], split: &Split) -> Unknown<'a> {
    let mut unknown = Unknown::new();
    for (part, rows) in split.parts() {
        for &row in rows.iter().filter(|&&row| !known.contains(&values[row])) {
            unknown.entry(&values[row]).or_default().entry(part).or_default().push(row);
        }
    }
    unknown
}

fn refuse(source: &str, column: &Column, how: &ConditionColumn, known: &[String], unknown: &Unknown) -> Error {
    let rows = |(part, rows): (&&str, &Vec<usize>)| {
        let word = if rows.len() == 1 { "row" } else { "rows" };
        format!("{part}: {word} {}", some_of(rows.iter().map(|row| row + 1)))
    };
    let category = |(category, parts): (&&str, &BTreeMap<&str, Vec<usize>>)| {
        format!("\"{category}\" ({})", parts.iter().map(rows).collect::<Vec<_>>().join("; "))
    };
    let found = some_of(unknown.iter().map(category));
    let (problem, remedy) = match how.categories() {
        Some(_) => (
            format!("the list of its categories lacks {found}"),
            "add it to categories in data.static_columns, correct the cells, or leave such rows out with data.filters"
                .into(),
        ),
        None => {
            let all = known.iter().map(String::as_str).chain(unknown.keys().copied()).collect::<Vec<_>>();
            let all = some_of(all.iter().map(|category| format!("\"{category}\"")));
            let listed = format!(r#"{{"name": "{}", "encoding": "one_hot", "categories": [{all}]}}"#, column.name);
            let remedy = format!(
                "name all categories in data.static_columns, as {listed}, leave such rows out with data.filters, or \
                 choose another data.seed"
            );
            (format!("no training row has {found}"), remedy)
        }
    };
    Error::input(source, format!("column `{}`", column.name), problem, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ColumnEncoding, EncodedColumn};
    use crate::data::fixture::dataset;

    /// Rows 0 to 5 train, 6 and 7 validate, 8 to 16 test; row 17 is unused.
    fn split() -> Split {
        Split { train: (0..6).collect(), validation: vec![6, 7], test: (8..17).collect(), unused: vec![17] }
    }

    fn check(ears: &[(usize, &str)], categories: Option<&[&str]>) -> Result<()> {
        let mut data = dataset(18, 6);
        let Values::Text(values) = &mut data.conditions[1].values else { panic!("ear is text") };
        ears.iter().for_each(|&(row, ear)| values[row] = ear.into());
        let ear = EncodedColumn {
            name: "ear".into(),
            encoding: ColumnEncoding::OneHot,
            categories: categories.map(|list| list.iter().map(|category| category.to_string()).collect()),
        };
        let static_columns = vec![ConditionColumn::Name("level_db".into()), ConditionColumn::Encoded(ear)];
        let config = DataConfig { static_columns, ..DataConfig::default() };
        let scalers = Scalers::fit(&data, &config, &split().train)?.0;
        scalers.check_categories(&data, &config, &split())
    }

    #[track_caller]
    fn refused(ears: &[(usize, &str)], categories: Option<&[&str]>, parts: &[&str]) {
        let message = check(ears, categories).unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{parts:?} are not all in: {message}");
    }

    #[test]
    fn a_category_without_a_training_row_names_its_rows_and_parts() {
        assert!(check(&[], None).is_ok());
        assert!(check(&[(0, "both"), (8, "both")], None).is_ok());
        // unused rows are not checked
        assert!(check(&[(17, "both")], None).is_ok());
        let listed = r#"{"name": "ear", "encoding": "one_hot", "categories": ["L", "R", "both"]}"#;
        let place = "fixture: column `ear`: no training row has ";
        refused(&[(8, "both")], None, &[place, "\"both\" (test: row 9)", listed, "data.seed"]);
        let many: Vec<_> = (8..16).map(|row| (row, "both")).chain([(7, "both"), (6, "none")]).collect();
        let rows =
            "\"both\" (test: rows 9, 10, 11, 12, 13 and 3 more; validation: row 8), \"none\" (validation: row 7)";
        refused(&many, None, &[rows]);
    }

    #[test]
    fn a_row_beside_the_list_is_refused() {
        assert!(check(&[(8, "both")], Some(&["L", "R", "both"])).is_ok());
        let place = "fixture: column `ear`: the list of its categories lacks ";
        refused(&[(8, "both")], Some(&["L", "R"]), &[place, "\"both\" (test: row 9)", "add it to categories"]);
        refused(&[(2, "both")], Some(&["L", "R"]), &["\"both\" (train: row 3)"]);
    }
}

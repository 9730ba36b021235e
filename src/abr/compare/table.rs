//! The table of a comparison: each variant's measures with intervals, what is better than what, and the cost.

use super::plan::Plan;
use super::result::{Better, CellResult, Cost, MEASURES, Measure};
use super::statistics::{MeanInterval, mean_interval, median};
use crate::eval::{ReportTable, TableCell};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// A comparison, as far as it is done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonTable {
    pub cells: usize,
    pub done: usize,
    /// What the intervals are over.
    pub over: IntervalUnit,
    pub variants: Vec<VariantSummary>,
    /// By variant; not a part of `table.json`, as it differs from run to run.
    #[serde(skip)]
    pub costs: Vec<Cost>,
}

/// What the values of a table are means of: folds, if there are several, else seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IntervalUnit {
    Folds,
    Seeds,
}

impl fmt::Display for IntervalUnit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(if *self == IntervalUnit::Folds { "folds" } else { "seeds" })
    }
}

/// The cells of a variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VariantSummary {
    pub name: String,
    pub done: usize,
    /// Trainable values; `None` if no cell is done.
    pub parameters: Option<u64>,
    /// By the keys of [`MEASURES`].
    pub measures: BTreeMap<&'static str, Measured>,
}

/// A measure of a variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    #[serde(flatten)]
    pub of_mean: MeanInterval,
    /// One value for each fold, or seed, in order.
    pub by_unit: Vec<f64>,
    /// How much worse than the best variant it is, in pairs of the same folds and seeds; `None` for the best.
    pub behind: Option<MeanInterval>,
    pub standing: Standing,
}

/// A variant among the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Better than every other variant, beyond the intervals.
    Best,
    /// No interval tells it from the best one.
    AmongTheBest,
    /// Worse than the best, beyond the interval.
    Worse,
    /// Too few values for intervals.
    Unknown,
}

/// The results of a plan's cells, in order; `None` where a cell is not done.
pub fn comparison(plan: &Plan, results: &[Option<CellResult>]) -> ComparisonTable {
    let over = if plan.folds.is_some_and(|folds| folds > 1) { IntervalUnit::Folds } else { IntervalUnit::Seeds };
    let of_variant = |variant: usize| {
        let own = plan.cells.iter().zip(results).filter(move |(cell, _)| cell.variant == variant);
        own.filter_map(|(cell, result)| Some((cell, result.as_ref()?)))
    };
    let mut variants: Vec<VariantSummary> = plan
        .variants
        .iter()
        .enumerate()
        .map(|(i, variant)| VariantSummary {
            name: variant.name.clone(),
            done: of_variant(i).count(),
            parameters: of_variant(i).map(|(_, result)| result.parameters).next(),
            measures: BTreeMap::new(),
        })
        .collect();
    for measure in MEASURES {
        let values: Vec<CellValues> = (0..variants.len())
            .map(|variant| {
                let value = |result: &CellResult| result.measures.get(measure.key).copied();
                of_variant(variant)
                    .filter_map(|(cell, result)| Some(((cell.fold.unwrap_or(0), cell.seed), value(result)?)))
                    .collect()
            })
            .collect();
        for (variant, measured) in measured(measure, over, plan.folds.unwrap_or(1), &values).into_iter().enumerate() {
            variants[variant].measures.extend(measured.map(|measured| (measure.key, measured)));
        }
    }
    let costs = (0..variants.len()).map(|i| cost(of_variant(i).map(|(_, result)| &result.cost))).collect();
    let done = variants.iter().map(|variant| variant.done).sum();
    ComparisonTable { cells: plan.cells.len(), done, over, variants, costs }
}

/// The values of a variant by fold and seed.
type CellValues = BTreeMap<(usize, u64), f64>;

/// A measure of all variants, from the values of each.
fn measured(measure: &Measure, over: IntervalUnit, folds: usize, values: &[CellValues]) -> Vec<Option<Measured>> {
    let loss = |value: f64| match measure.better {
        Better::Higher => -value,
        Better::Lower | Better::Neither => value,
        Better::Near1 => (value - 1.0).abs(),
    };
    // Nadeau and Bengio 2003 (Machine Learning 52:239): training sets of folds overlap. The test part of K folds is
    // 1 / (K - 1) of the rest
    let inflation = match over {
        IntervalUnit::Folds => 1.0 + folds as f64 / (folds as f64 - 1.0),
        IntervalUnit::Seeds => 1.0,
    };
    // only where all have a value are they compared
    let known: Vec<usize> = (0..values.len()).filter(|i| !values[*i].is_empty()).collect();
    let common = |at: &(usize, u64)| known.iter().all(|i| values[*i].contains_key(at));
    let mean_loss = |own: &CellValues| {
        let common = own.iter().filter(|(at, _)| common(at)).map(|(at, value)| (*at, loss(*value)));
        mean_interval(&by_unit(over, common), 1.0).map(|interval| interval.mean)
    };
    let losses = known.iter().filter_map(|i| Some((*i, mean_loss(&values[*i])?)));
    let best = losses.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i).filter(|_| measure.better != Better::Neither);
    let behind = |i: usize| {
        let best = best.filter(|best| *best != i)?;
        let pairs = values[i].iter().filter(|(at, _)| common(at));
        let pairs = pairs.map(|(at, value)| (*at, loss(*value) - loss(values[best][at])));
        mean_interval(&by_unit(over, pairs), inflation)
    };
    let behind: Vec<Option<MeanInterval>> = (0..values.len()).map(behind).collect();
    let telling = known.len() > 1 && behind.iter().flatten().all(|behind| behind.low.is_some()) && best.is_some();
    // of all variants, those without a value too
    let others = behind.iter().enumerate().filter(|(i, _)| best != Some(*i));
    let alone = telling && others.map(|(_, behind)| behind).all(|behind| behind.is_some_and(|b| b.is_above_0()));
    let standing = |i: usize| match (telling, best == Some(i), behind[i]) {
        (false, ..) => Standing::Unknown,
        (true, true, _) if alone => Standing::Best,
        (true, true, _) => Standing::AmongTheBest,
        (true, false, Some(behind)) if behind.is_above_0() => Standing::Worse,
        (true, false, Some(_)) => Standing::AmongTheBest,
        (true, false, None) => Standing::Unknown,
    };
    let one = |(i, own): (usize, &CellValues)| {
        let by_unit = by_unit(over, own.iter().map(|(at, value)| (*at, *value)));
        let of_mean = mean_interval(&by_unit, inflation)?;
        Some(Measured { of_mean, by_unit, behind: behind[i], standing: standing(i) })
    };
    values.iter().enumerate().map(one).collect()
}

/// The means of values over what is not independent: one for each fold, or each seed.
fn by_unit(over: IntervalUnit, values: impl Iterator<Item = ((usize, u64), f64)>) -> Vec<f64> {
    let mut units: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for ((fold, seed), value) in values {
        units.entry(if over == IntervalUnit::Folds { fold as u64 } else { seed }).or_default().push(value);
    }
    units.into_values().map(|values| values.iter().sum::<f64>() / values.len() as f64).collect()
}

/// The medians of costs.
fn cost<'a>(costs: impl Iterator<Item = &'a Cost>) -> Cost {
    let costs: Vec<&Cost> = costs.collect();
    let median = |of: fn(&Cost) -> Option<f64>| median(costs.iter().filter_map(|cost| of(cost)).collect());
    Cost {
        step_ms: median(|cost| cost.step_ms),
        generate_ms: median(|cost| cost.generate_ms),
        peak_mb: median(|cost| cost.peak_mb),
        train_s: median(|cost| cost.train_s),
        threads: costs.first().map_or(0, |cost| cost.threads),
        device: costs.first().map_or(String::new(), |cost| cost.device.clone()),
    }
}

impl ComparisonTable {
    /// The measures of each variant.
    pub fn quality(&self) -> ReportTable {
        let titles = MEASURES.iter().map(|measure| measure.title);
        let headings: Vec<&str> = ["variant", "parameters"].into_iter().chain(titles).collect();
        let mut table = ReportTable::new("variant", &headings);
        for (i, variant) in self.variants.iter().enumerate() {
            let parameters = TableCell::some(variant.parameters, |n| {
                TableCell::count(n as usize, &format!("/variants/{i}/parameters"))
            });
            let cell = |measure: &Measure| match variant.measures.get(measure.key) {
                Some(measured) => measured.cell(measure, &format!("/variants/{i}/measures/{}", measure.key)),
                None => TableCell::none(),
            };
            table.push(&variant.name, [parameters].into_iter().chain(MEASURES.iter().map(cell)));
        }
        table.with_note(format!(
            "{} of {} trainings are done. Means with 95 % intervals over {}. * is better than every other variant, and ~ \
             cannot be told from the best, by the intervals of differences within the same {}, each interval by itself.",
            self.done,
            self.cells,
            self.over,
            if self.over == IntervalUnit::Folds { "folds and seeds" } else { "seeds" },
        ))
    }

    /// The cost of each variant.
    pub fn cost(&self) -> ReportTable {
        let headings = ["variant", "step, ms", "1024 traces, ms", "memory, MB", "training, s", "threads", "on"];
        let mut table = ReportTable::new("variant", &headings);
        for (i, (variant, cost)) in self.variants.iter().zip(&self.costs).enumerate() {
            let number = |value: Option<f64>, decimals, name: &str| {
                TableCell::some(value, |value| TableCell::number(value, decimals, &format!("/{i}/{name}")))
            };
            let cells = [
                number(cost.step_ms, 2, "step_ms"),
                number(cost.generate_ms, 1, "generate_ms"),
                number(cost.peak_mb, 0, "peak_mb"),
                number(cost.train_s, 0, "train_s"),
                TableCell::some(Some(cost.threads).filter(|n| *n > 0), |n| {
                    TableCell::count(n, &format!("/{i}/threads"))
                }),
                TableCell::name(cost.device.as_str()),
            ];
            table.push(&variant.name, cells);
        }
        table.with_note("Medians over the trainings, on the machines that did them, beside whatever else ran there.")
    }
}

impl Measured {
    fn cell(&self, measure: &Measure, pointer: &str) -> TableCell {
        let number = |value, name: &str| TableCell::number(value, measure.decimals, &format!("{pointer}/{name}"));
        let cell = number(self.of_mean.mean, "mean");
        let cell = match (self.of_mean.low, self.of_mean.high) {
            (Some(low), Some(high)) => cell + " [" + number(low, "low") + ", " + number(high, "high") + "]",
            _ => cell,
        };
        match self.standing {
            Standing::Best => cell + " *",
            Standing::AmongTheBest => cell + " ~",
            Standing::Worse | Standing::Unknown => cell,
        }
    }
}

/// A table in Markdown.
pub fn markdown(table: &ReportTable) -> String {
    let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = row(table.headings.iter().map(String::as_str).collect());
    text += &row(vec!["---"; table.headings.len()]);
    for cells in &table.rows {
        text += &row(cells.iter().map(|cell| cell.text.as_str()).collect());
    }
    text + &table.note.as_ref().map_or(String::new(), |note| format!("\n{note}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Variant;

    fn plan(folds: Option<usize>, seeds: u64) -> Plan {
        let variants = ["none", "film", "concat"].map(|name| Variant::parse(name).unwrap());
        Plan::new(variants.to_vec(), folds, (1, seeds), &[])
    }

    /// Results whose measures are `value(variant, fold, seed)`.
    fn results(plan: &Plan, value: impl Fn(usize, usize, u64) -> f64) -> Vec<Option<CellResult>> {
        let one = |cell: &crate::compare::Cell| {
            let value = value(cell.variant, cell.fold.unwrap_or(0), cell.seed);
            let measures = MEASURES.iter().map(|measure| (measure.key.to_string(), value)).collect();
            Some(CellResult { cell: cell.name.clone(), parameters: 10, measures, ..CellResult::default() })
        };
        plan.cells.iter().map(one).collect()
    }

    fn standing(comparison: &ComparisonTable, key: &str) -> Vec<Standing> {
        comparison.variants.iter().map(|variant| variant.measures[key].standing).collect()
    }

    #[test]
    fn a_winner_is_told_by_differences_within_folds() {
        let plan = plan(Some(4), 2);
        // folds differ far more than variants, but all alike
        let noise = |fold: usize, seed: u64| fold as f64 + 0.01 * seed as f64;
        let value = |variant: usize, fold: usize, seed: u64| {
            let own = [0.0, 0.5, 0.1][variant];
            noise(fold, seed) + own + 0.001 * ((fold * 7 + variant * 3) % 5) as f64
        };
        let found = comparison(&plan, &results(&plan, value));
        assert_eq!(found.over, IntervalUnit::Folds);
        assert_eq!(standing(&found, "explained_variance"), [Standing::Worse, Standing::Best, Standing::Worse]);
        assert_eq!(standing(&found, "level_error_db"), [Standing::Unknown; 3], "not a matter of better and worse");
        assert_eq!(standing(&found, "latency_error_ms"), [Standing::Best, Standing::Worse, Standing::Worse]);
        let film = &found.variants[1].measures["explained_variance"];
        assert_eq!((film.of_mean.values, film.by_unit.len(), film.behind), (4, 4, None));
        let none = found.variants[0].measures["explained_variance"].behind.unwrap();
        assert!((none.mean - 0.5).abs() < 0.01 && none.low.unwrap() > 0.4, "{none:?}");
    }

    #[test]
    fn without_a_clear_difference_there_is_no_winner() {
        let plan = plan(None, 4);
        // now the one, now the other is better
        let value = |variant: usize, _: usize, seed: u64| ((variant as u64 + seed) % 2) as f64;
        let found = comparison(&plan, &results(&plan, value));
        assert_eq!(found.over, IntervalUnit::Seeds);
        let standing = standing(&found, "explained_variance");
        assert!(standing.iter().all(|standing| *standing == Standing::AmongTheBest), "{standing:?}");
        // the spread is best at 1, not where it is largest
        let near =
            comparison(&plan, &results(&plan, |variant, _, seed| [3.0, 0.5, 1.1][variant] + 0.001 * seed as f64));
        assert_eq!(super::tests::standing(&near, "spread"), [Standing::Worse, Standing::Worse, Standing::Best]);
    }

    #[test]
    fn only_what_all_have_is_compared() {
        let plan = plan(None, 6);
        // film is better in every seed; concat has only the hard ones, film the easy ones beside
        let value = |variant: usize, _: usize, seed: u64| {
            let hard = if seed > 3 { 5.0 } else { 0.0 };
            hard + [0.5, 1.0, 0.2][variant] + 0.001 * (seed * (variant as u64 + 1)) as f64
        };
        let mut all = results(&plan, value);
        let missing = |cell: &crate::compare::Cell| match cell.variant {
            0 => cell.seed < 4,
            1 => cell.seed == 6,
            _ => false,
        };
        all.iter_mut().zip(&plan.cells).filter(|(_, cell)| missing(cell)).for_each(|(result, _)| *result = None);
        let found = comparison(&plan, &all);
        assert_eq!(standing(&found, "explained_variance"), [Standing::Worse, Standing::Best, Standing::Worse]);
        // without any value of one variant, nobody is better than every other
        all.iter_mut().zip(&plan.cells).filter(|(_, cell)| cell.variant == 0).for_each(|(result, _)| *result = None);
        let found = comparison(&plan, &all);
        assert_eq!(found.variants[1].measures["explained_variance"].standing, Standing::AmongTheBest);
    }

    #[test]
    fn what_is_not_done_is_left_out() {
        let plan = plan(None, 2);
        let mut all = results(&plan, |variant, _, _| variant as f64);
        all.iter_mut().skip(2).for_each(|result| *result = None);
        let found = comparison(&plan, &all);
        assert_eq!((found.done, found.cells), (2, 6));
        assert_eq!(found.variants[1].measures["spread"].standing, Standing::Unknown);
        assert!(found.variants[2].measures.is_empty() && found.variants[2].parameters.is_none());
        let table = markdown(&found.quality());
        assert!(table.contains("| film | 10 | 1.000 |") && table.contains("| concat | - | - |"), "{table}");
        assert!(table.contains("2 of 6 trainings are done"), "{table}");
    }
}

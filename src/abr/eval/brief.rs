//! An evaluation on one screen: the verdict, and a table that needs no glossary.

use super::probes::threshold_wave;
use super::table::{ReportTable, TableCell};
use super::verdict::strongest;
use super::{Calibration, GoodnessOfFit, LevelReport, Report};
use std::fmt::{self, Display, Formatter};

/// Sentences wrap at this width.
const WIDTH: usize = 110;

/// A report in at most 25 lines. The full report is the `Display` of [`Report`] itself.
pub struct Brief<'a>(pub &'a Report);

impl Display for Brief<'_> {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let report = self.0;
        writeln!(f, "{}\n", report.head())?;
        for sentence in &report.verdict {
            wrapped(f, sentence)?;
        }
        writeln!(f, "\n{}", report.summary())?;
        writeln!(f, "all measures: --verbose, --json; their definitions: docs/evaluation.md")
    }
}

fn wrapped(f: &mut Formatter, sentence: &str) -> fmt::Result {
    let mut line = String::new();
    for word in sentence.split(' ') {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(f, "{line}")?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(f, "{line}")
}

impl Report {
    /// The most important measures: this model's, those of the best alternative, and the ideal value.
    pub fn summary(&self) -> ReportTable {
        let mut table = ReportTable::new("in short", &["", "this model", "compared with", "ideal"]);
        self.of_reconstructions(&mut table);
        self.of_generated(&mut table);
        self.of_levels(&mut table);
        table.push("units of the latent code in use", [self.latent.used(), TableCell::none(), TableCell::name("some")]);
        table
    }

    fn of_reconstructions(&self, table: &mut ReportTable) {
        let of_reference = self.explains_reference();
        let name = if of_reference { "truth_explained_variance" } else { "explained_variance" };
        let share = |estimate: &GoodnessOfFit, at: &str| {
            TableCell::some(self.share(estimate), |share| TableCell::percent(share, 1, &format!("{at}/{name}")))
        };
        let beside = strongest(self)
            .map_or_else(TableCell::none, |best| share(best.estimate, best.at).with(&format!(" by {}", best.name)));
        let most = self.truth.as_ref().filter(|_| of_reference);
        let most = TableCell::some(most, |truth| TableCell::percent(truth.ceiling, 1, "/truth/ceiling"));
        table.push(
            format!("reconstructions: explain of {}", self.target()),
            [share(&self.model, "/model"), beside, most],
        );
        let Some(waves) = &self.wave_errors else { return };
        let of_threshold = threshold_wave(waves.species);
        let Some((last, wave)) =
            waves.reconstructed.waves.iter().enumerate().find(|(_, wave)| wave.wave == of_threshold)
        else {
            return;
        };
        let at = |name: &str| format!("/wave_errors/reconstructed/waves/{last}/{name}");
        let latency = TableCell::number(wave.latency_mae_ms, 2, &at("latency_mae_ms")).with(" ms");
        let hits = TableCell::percent(wave.hits[1], 0, &at("hits/1"));
        let name = wave.wave;
        table
            .push(format!("  latency of wave {name} is off by"), [latency, TableCell::none(), TableCell::name("0 ms")]);
        table.push(
            format!("  latency of wave {name} right to 0.2 ms"),
            [hits, TableCell::none(), TableCell::name("100 %")],
        );
        let ratio = TableCell::number(wave.amplitude_ratio, 2, &at("amplitude_ratio"));
        table.push(
            format!("  amplitude of wave {name} over the real one"),
            [ratio, TableCell::none(), TableCell::name("1")],
        );
    }

    fn of_generated(&self, table: &mut ReportTable) {
        let (Some(generated), Some(likeness)) = (&self.generated, &self.likeness) else { return };
        if let Some(mean) = generated.mean_explained_variance {
            let curve = self.baselines.as_ref().and_then(|b| b.curve.truth_explained_variance);
            let curve = TableCell::some(curve, |v| {
                TableCell::percent(v, 1, "/baselines/curve/truth_explained_variance").with(" by the condition alone")
            });
            let mean = TableCell::percent(mean.value, 1, "/generated/mean_explained_variance/value");
            table
                .push(format!("generated: mean explains of {}", self.target()), [mean, curve, TableCell::name("much")]);
        }
        if let Some(spread) = generated.spread {
            let spread = TableCell::interval(spread, 2, "/generated/spread");
            table.push(
                "generated: spread over that of these listeners",
                [spread, TableCell::none(), TableCell::name("1")],
            );
        }
        let mixed = generated.mixed_model.as_ref();
        let beside_mixed = |cell: fn(&Calibration, &str) -> TableCell| {
            TableCell::some(mixed, |mixed| cell(mixed, "/generated/mixed_model").with(" by linear mixed model"))
        };
        let inside =
            |c: &Calibration, at: &str| TableCell::percent(c.inside[1].value, 0, &format!("{at}/inside/1/value"));
        let cells = [inside(&generated.model, "/generated/model"), beside_mixed(inside), TableCell::name("80 %")];
        table.push("generated: 80 % intervals hold of real samples", cells);
        let energy = |c: &Calibration, at: &str| {
            TableCell::number(c.energy_score_uv.value, 3, &format!("{at}/energy_score_uv/value")).with(" µV")
        };
        let cells = [energy(&generated.model, "/generated/model"), beside_mixed(energy), TableCell::name("low")];
        table.push("generated: distance to real ones (energy score)", cells);
        let auc = |beside: &super::LikenessMeasures, at: &str| {
            let [logistic, neighbours] = [beside.auc.logistic.value, beside.auc.neighbours.value];
            let (value, which) =
                if logistic >= neighbours { (logistic, "logistic") } else { (neighbours, "neighbours") };
            TableCell::number(value, 2, &format!("{at}/auc/{which}/value"))
        };
        let of_mixed = TableCell::some(likeness.mixed_model.as_ref(), |beside| {
            auc(beside, "/likeness/mixed_model").with(" by linear mixed model")
        });
        table.push(
            "generated: told from real ones by a classifier",
            [auc(&likeness.model, "/likeness/model"), of_mixed, TableCell::name("0.5 (chance)")],
        );
    }

    fn of_levels<'a>(&'a self, table: &mut ReportTable) {
        if let Some(probe) = &self.level_probe {
            let r = |value, side: &str| TableCell::number(value, 2, &format!("/level_probe/{side}/r/value"));
            let cells = [
                r(probe.generated.r.value, "generated"),
                r(probe.real.r.value, "real").with(" in real ones"),
                TableCell::name("as real"),
            ];
            table.push("generated: level read off them, correlation", cells);
        }
        let levels = self.wave_errors.as_ref().and_then(|waves| waves.levels.as_ref());
        let of_threshold = self.wave_errors.as_ref().map(|waves| threshold_wave(waves.species));
        let find = |levels: &'a LevelReport| {
            levels.slopes.iter().enumerate().find(|(_, slopes)| Some(slopes.wave) == of_threshold)
        };
        if let Some((last, slopes)) = levels.and_then(find) {
            let slope = slopes.latency_ms_per_10_db;
            let ms = |value, side: &str| {
                let at = format!("/wave_errors/levels/slopes/{last}/latency_ms_per_10_db/{side}");
                TableCell::number(value, 2, &at).with(" ms")
            };
            let cells = [
                ms(slope.generated, "generated"),
                ms(slope.real, "real").with(" in real ones"),
                TableCell::name("as real"),
            ];
            table.push(format!("generated: latency of wave {} for 10 dB more", slopes.wave), cells);
        }
    }
}

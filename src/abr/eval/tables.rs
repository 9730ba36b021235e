//! All tables of an evaluation, in reading order.

use super::metrics::{ColumnErrors, LatentUnits, MEASURES, PeakErrors, ValueErrors};
use super::table::{ReportTable, TableCell};
use super::waves::{TRACES, WaveAtLevel, WaveOf};
use super::{GoodnessOfFit, Report, WaveReport, by_group};

impl Report {
    /// All tables.
    pub fn tables(&self) -> Vec<ReportTable> {
        let mut tables = vec![self.traces_table()];
        tables.extend(self.generated.as_ref().map(|generated| generated.table()));
        tables.extend(self.likeness.as_ref().map(|likeness| likeness.table()));
        tables.extend(self.level_probe.as_ref().map(|probe| probe.table()));
        tables.extend(self.train_on_synthetic.as_ref().map(|synthetic| synthetic.table()));
        tables.extend(self.wave_errors.iter().flat_map(WaveReport::tables));
        tables.extend(self.waves.as_ref().map(|levels| wave_v_table(levels)));
        tables.extend(self.peaks.as_ref().map(|peaks| peak_head_table(peaks)));
        if let Some(conditions) = &self.conditions {
            tables.push(columns_table("level, rate, … as the model predicts them", "film_on", &conditions.film_on));
            let off = conditions.film_off.as_ref();
            tables.extend(off.map(|off| columns_table("the same with FiLM as the identity", "film_off", off)));
        }
        tables.push(latent_table(&self.latent));
        tables.extend(self.pictures.as_ref().map(|pictures| pictures.reconstructed_table()));
        let against = self.truth.as_ref().map_or("the recordings", |truth| truth.source.name());
        for (title, at, groups) in
            [("subjects", "/by_subject", &self.by_subject), ("conditions", "/by_condition", &self.by_condition)]
        {
            if !groups.is_empty() {
                tables.push(by_group::table(title, at, groups, against));
            }
        }
        tables
    }

    /// The model and the simple methods.
    fn traces_table(&self) -> ReportTable {
        let measures = MEASURES.map(|measure| measure.heading);
        let of_target =
            self.truth.as_ref().map_or("of the reference".into(), |truth| format!("of {}", truth.source.name()));
        let headings: Vec<&str> = [""].into_iter().chain(measures).chain(["explained", of_target.as_str()]).collect();
        let mut table = ReportTable::new("reconstructions, means over rows", &headings).with_note(
            "against the recordings; explained: share of the variance about the mean trace of the training rows",
        );
        push_estimate(&mut table, "model", &self.model, "/model");
        let mut push = |name: &str, estimate: Option<&GoodnessOfFit>, at: &str| {
            if let Some(estimate) = estimate {
                push_estimate(&mut table, name, estimate, at);
            }
        };
        push("the network alone", self.network.as_ref(), "/network");
        if let Some(b) = &self.baselines {
            push("linear mixed model", b.mixed_model.as_ref().map(|mixed| &mixed.errors), "/baselines/mixed_model");
            push(&format!("PCA, rank {}", b.rank), Some(&b.pca), "/baselines/pca");
            push("curve of the condition", Some(&b.curve), "/baselines/curve");
            let neighbours = b.neighbours.unwrap_or_default();
            let nearest = format!("nearest condition, {neighbours} rows");
            push(&nearest, b.nearest_condition.as_ref(), "/baselines/nearest_condition");
        }
        push("the recording itself", self.recording.as_ref(), "/recording");
        table
    }
}

fn push_estimate(table: &mut ReportTable, name: &str, e: &GoodnessOfFit, at: &str) {
    let measures = MEASURES.iter().zip(&e.recorded.spreads).map(|(measure, spread)| {
        TableCell::number(spread.mean, measure.format.1, &format!("{at}/recorded/{}/mean", measure.key))
    });
    let share = |v: Option<f64>, name: &str| TableCell::some(v, |v| TableCell::percent(v, 1, &format!("{at}/{name}")));
    let explained = share(e.explained_variance, "explained_variance");
    let mut of_reference = share(e.truth_explained_variance, "truth_explained_variance");
    if let Some([low, high]) = e.truth_interval {
        let bound = |value, i: usize| TableCell::percent(value, 1, &format!("{at}/truth_interval/{i}"));
        of_reference = of_reference + " [" + bound(low, 0) + ", " + bound(high, 1) + "]";
    }
    table.push(name, measures.chain([explained, of_reference]));
}

impl LatentUnits {
    /// The number of active units, and of all units.
    pub(super) fn used(&self) -> TableCell {
        let used = TableCell::count(self.active_units, "/latent/active_units");
        used + " of " + TableCell::count(self.kl_nats.len(), "/latent/kl_nats")
    }
}

/// The units in descending order of KL.
fn latent_table(latent: &LatentUnits) -> ReportTable {
    let mut table = ReportTable::new("latent units", &["", "KL, nats", "variance of mu"]);
    let total = TableCell::number(latent.total_kl_nats, 2, "/latent/total_kl_nats");
    table.push("all", [total, TableCell::name("")]);
    table.push("used", [latent.used(), TableCell::name("")]);
    for unit in latent.by_kl() {
        let kl = TableCell::number(latent.kl_nats[unit], 3, &format!("/latent/kl_nats/{unit}"));
        let activity = TableCell::number(latent.activity[unit], 3, &format!("/latent/activity/{unit}"));
        table.push(format!("unit {unit}"), [kl, activity]);
    }
    table
}

fn columns_table(title: &str, side: &str, columns: &[ColumnErrors]) -> ReportTable {
    let mut table = ReportTable::new(title, &["", "MAE", "RMSE", "bias", "R²"])
        .with_note("in each column's own units; for text, the share of rows that are right");
    for (i, column) in columns.iter().enumerate() {
        let at = |name: &str| format!("/conditions/{side}/{i}/{name}");
        match column.errors {
            ValueErrors::Number { mae, rmse, bias, r2 } => {
                let numbers = [(mae, "mae"), (rmse, "rmse"), (bias, "bias"), (r2, "r2")];
                table.push(&column.name, numbers.map(|(value, name)| TableCell::number(value, 3, &at(name))));
            }
            ValueErrors::Text { accuracy } => {
                table.push(&column.name, [TableCell::percent(accuracy, 1, &at("accuracy")).with(" right")]);
            }
        }
    }
    table
}

fn wave_v_table(levels: &[WaveAtLevel]) -> ReportTable {
    let headings =
        ["", "mean trace: latency, ms", "amplitude, µV", "each trace: latency, ms", "amplitude, µV", "found"];
    let mut table = ReportTable::new("wave V without hearing loss", &headings)
        .with_note(format!("{TRACES} traces at each level; latency of each trace: mean ± standard deviation"));
    for (i, wave) in levels.iter().enumerate() {
        for (name, side, wave_v) in [("generated", "generated", &wave.generated), ("simulated", "truth", &wave.truth)] {
            let cells = wave_cells(wave_v, &format!("/waves/{i}/{side}"));
            table.push(format!("{} dB {name}", wave.level_db), cells);
        }
    }
    table
}

fn wave_cells(wave: &WaveOf, at: &str) -> [TableCell; 5] {
    let peak = |peak: Option<super::peaks::Peak>, name: &str| {
        let at = |part: &str| format!("{at}/{name}/{part}");
        let latency = TableCell::some(peak, |peak| TableCell::number(peak.latency_ms, 2, &at("latency_ms")));
        [latency, TableCell::some(peak, |peak| TableCell::number(peak.amplitude_uv, 2, &at("amplitude_uv")))]
    };
    let [latency, amplitude] = peak(wave.mean_trace, "mean_trace");
    let [mut each, each_uv] = peak(wave.mean_wave, "mean_wave");
    if let Some(sd) = wave.latency_sd_ms {
        each = each + " ± " + TableCell::number(sd, 2, &format!("{at}/latency_sd_ms"));
    }
    [latency, amplitude, each, each_uv, TableCell::count(wave.found, &format!("{at}/found"))]
}

fn peak_head_table(peaks: &[PeakErrors]) -> ReportTable {
    let mut table = ReportTable::new("peak head", &["", "labels", "MAE", "bias"]);
    for (i, peak) in peaks.iter().enumerate() {
        let at = |name: &str| format!("/peaks/{i}/{name}");
        let cells = [
            TableCell::count(peak.count, &at("count")),
            TableCell::number(peak.mae, 3, &at("mae")),
            TableCell::number(peak.bias, 3, &at("bias")),
        ];
        table.push(peak.label, cells);
    }
    table
}

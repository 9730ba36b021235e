//! Which traces share a panel.

use super::trace::Trace;
use crate::data::Recording;

/// The traces of one set that share their conditions.
#[derive(Debug, Clone)]
pub(super) struct PanelTraces<'a> {
    /// The index of the set.
    pub set: usize,
    pub conditions: PanelConditions,
    pub traces: Vec<Trace<'a>>,
}

/// What all traces of a panel share; `None` means unknown or irrelevant. Panels are sorted in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PanelConditions {
    who: Option<String>,
    ear: Option<String>,
    channel: Option<String>,
    frequency: Option<Frequency>,
}

/// Clicks sort before tones, and tones by frequency.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Frequency {
    Named(String),
    /// The bits of a non-negative frequency, which sort like the frequency.
    Hertz(u64),
}

impl PanelConditions {
    /// The conditions of a recording; `who` is its subject, unless subjects are pooled.
    pub fn of(recording: &Recording, who: Option<String>) -> PanelConditions {
        let text = |name: &str| recording.column(name).map(str::to_string);
        let frequency = text("frequency_hz").map(|cell| match cell.parse::<f64>() {
            Ok(hertz) if hertz >= 0.0 => Frequency::Hertz((hertz + 0.0).to_bits()),
            _ => Frequency::Named(cell),
        });
        let who = who.filter(|who| !who.is_empty());
        PanelConditions { who, ear: text("ear"), channel: text("channel"), frequency }
    }

    /// `M3, 16000 Hz, ear R`
    pub fn title(&self) -> String {
        let frequency = self.frequency.as_ref().map(|frequency| match frequency {
            Frequency::Named(name) => name.clone(),
            Frequency::Hertz(bits) => format!("{} Hz", f64::from_bits(*bits)),
        });
        let ear = self.ear.as_ref().map(|ear| format!("ear {ear}"));
        let channel = self.channel.as_ref().map(|channel| format!("channel {channel}"));
        [self.who.clone(), frequency, ear, channel].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// Whether traces with these conditions fit into a panel with the conditions `other`: they contradict nothing there
    /// and state nothing more.
    fn fits(&self, other: &PanelConditions) -> bool {
        fn wider<T: PartialEq>(own: &Option<T>, other: &Option<T>) -> bool {
            own.is_none() || own == other
        }
        wider(&self.who, &other.who) && self.stimulus_fits(other)
    }

    fn stimulus_fits(&self, other: &PanelConditions) -> bool {
        (self.ear.is_none() || self.ear == other.ear)
            && (self.channel.is_none() || self.channel == other.channel)
            && (self.frequency.is_none() || self.frequency == other.frequency)
    }

    /// Whether `other` states an ear, channel or frequency that these leave open.
    pub fn stimulus_of_less(&self, other: &PanelConditions) -> bool {
        self.stimulus_fits(other) && !other.stimulus_fits(self)
    }
}

/// The panels with their traces. If one set states a column that another set lacks, there is one panel per value, and
/// the other set's traces appear in each of them.
pub(super) fn panels<'g, 'a>(groups: &'g [PanelTraces<'a>]) -> Vec<(PanelConditions, Vec<&'g PanelTraces<'a>>)> {
    let stated_closer = |group: &PanelTraces| {
        let closer =
            |other: &&PanelTraces| group.conditions != other.conditions && group.conditions.fits(&other.conditions);
        groups.iter().filter(|other| other.set != group.set).any(|other| closer(&other))
    };
    let mut all: Vec<&PanelConditions> =
        groups.iter().filter(|group| !stated_closer(group)).map(|group| &group.conditions).collect();
    all.sort();
    all.dedup();
    let members = |panel: &PanelConditions| {
        // a set's traces with exactly these conditions, else those with less specific conditions
        let exact = |set: usize| groups.iter().any(|group| group.set == set && group.conditions == *panel);
        let belongs = |group: &&PanelTraces| match exact(group.set) {
            true => group.conditions == *panel,
            false => group.conditions.fits(panel),
        };
        groups.iter().filter(belongs).collect::<Vec<_>>()
    };
    all.into_iter().map(|panel| (panel.clone(), members(panel))).collect()
}

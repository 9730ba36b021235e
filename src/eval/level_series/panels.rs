//! Which traces share a panel.

use super::trace::Trace;
use crate::data::Recording;

/// Traces of one set and of the same conditions.
#[derive(Debug, Clone)]
pub(super) struct PanelTraces<'a> {
    /// Its place among the sets.
    pub set: usize,
    pub conditions: PanelConditions,
    pub traces: Vec<Trace<'a>>,
}

/// What all traces of a panel share; `None` is not known, or does not matter. In this order panels follow each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PanelConditions {
    who: Option<String>,
    ear: Option<String>,
    channel: Option<String>,
    frequency: Option<Frequency>,
}

/// A click comes before tones, and those by their pitch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Frequency {
    Named(String),
    /// The bits of a frequency from 0 up, which sort as it does.
    Hertz(u64),
}

impl PanelConditions {
    /// Those of a recording; `who` is its subject, unless subjects are taken together.
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

    /// Whether traces of these conditions may stand among those of others: they contradict in nothing, and state no
    /// more.
    fn holds(&self, other: &PanelConditions) -> bool {
        fn wider<T: PartialEq>(own: &Option<T>, other: &Option<T>) -> bool {
            own.is_none() || own == other
        }
        wider(&self.who, &other.who) && self.stimulus_holds(other)
    }

    fn stimulus_holds(&self, other: &PanelConditions) -> bool {
        (self.ear.is_none() || self.ear == other.ear)
            && (self.channel.is_none() || self.channel == other.channel)
            && (self.frequency.is_none() || self.frequency == other.frequency)
    }

    /// Whether others state ears, channels or frequencies that these leave open.
    pub fn stimulus_of_less(&self, other: &PanelConditions) -> bool {
        self.stimulus_holds(other) && !other.stimulus_holds(self)
    }
}

/// The panels with their groups. What one set states and another leaves open tells panels apart: there the other's
/// traces stand in each of them.
pub(super) fn panels<'g, 'a>(groups: &'g [PanelTraces<'a>]) -> Vec<(PanelConditions, Vec<&'g PanelTraces<'a>>)> {
    let stated_closer = |group: &PanelTraces| {
        let closer =
            |other: &&PanelTraces| group.conditions != other.conditions && group.conditions.holds(&other.conditions);
        groups.iter().filter(|other| other.set != group.set).any(|other| closer(&other))
    };
    let mut all: Vec<&PanelConditions> =
        groups.iter().filter(|group| !stated_closer(group)).map(|group| &group.conditions).collect();
    all.sort();
    all.dedup();
    let members = |panel: &PanelConditions| {
        // a set's own traces of just these conditions, else those it says less of
        let exact = |set: usize| groups.iter().any(|group| group.set == set && group.conditions == *panel);
        let belongs = |group: &&PanelTraces| match exact(group.set) {
            true => group.conditions == *panel,
            false => group.conditions.holds(panel),
        };
        groups.iter().filter(belongs).collect::<Vec<_>>()
    };
    all.into_iter().map(|panel| (panel.clone(), members(panel))).collect()
}

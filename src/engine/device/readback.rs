//! Readback of scalars from a device: handles of scalars, tickets of pending readbacks, and values.

use super::Buffer;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// A number that a device holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarHandle {
    /// The first value of a buffer.
    First(Buffer),
    /// The norm of one group of a call of [`Device::norms`](super::Device::norms).
    Norm(NormHandles, usize),
}

/// The norms of one call of [`Device::norms`](super::Device::norms), one per group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NormHandles {
    /// The number of the call in its generation.
    pub(super) call: usize,
    /// The number of optimizer steps before the call, which end a generation.
    pub(super) generation: u64,
    pub(super) count: usize,
}

impl NormHandles {
    /// The norm of a group.
    ///
    /// # Panics
    /// When there are fewer groups.
    pub fn get(self, group: usize) -> ScalarHandle {
        assert!(group < self.count, "norms: group {group} of {}", self.count);
        ScalarHandle::Norm(self, group)
    }

    /// The norms of all groups, in order.
    pub fn iter(self) -> impl Iterator<Item = ScalarHandle> {
        (0..self.count).map(move |group| ScalarHandle::Norm(self, group))
    }
}

/// A pending readback, for [`Device::wait`](super::Device::wait).
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the values are lost without a call of wait"]
pub struct Ticket {
    device: u32,
    number: u64,
}

/// Issues a device's tickets.
#[derive(Debug)]
pub(super) struct Tickets {
    device: u32,
    next: u64,
}

impl Default for Tickets {
    fn default() -> Self {
        static DEVICES: AtomicU32 = AtomicU32::new(0);
        Tickets { device: DEVICES.fetch_add(1, Relaxed), next: 0 }
    }
}

impl Tickets {
    /// A new ticket, and its number.
    pub fn issue(&mut self) -> (Ticket, u64) {
        self.next += 1;
        (Ticket { device: self.device, number: self.next }, self.next)
    }

    /// The number of a ticket.
    ///
    /// # Panics
    /// When another device issued it.
    pub fn number(&self, ticket: &Ticket) -> u64 {
        assert!(ticket.device == self.device, "device {}: a ticket of device {}", self.device, ticket.device);
        ticket.number
    }
}

/// Scalars with their values.
#[derive(Debug, Default)]
pub struct ScalarValues {
    pub(super) scalars: Vec<ScalarHandle>,
    pub(super) values: Vec<f64>,
}

impl ScalarValues {
    /// The value of a scalar.
    ///
    /// # Panics
    /// When the readback did not include it.
    pub fn get(&self, scalar: ScalarHandle) -> f64 {
        let at = self.scalars.iter().position(|s| *s == scalar);
        self.values[at.unwrap_or_else(|| panic!("{scalar:?} was not read back"))]
    }
}

/// The calls of [`Device::norms`](super::Device::norms) since the last optimizer step, in order, with the device's data
/// for each.
#[derive(Debug)]
pub(super) struct History<T> {
    kept: Vec<T>,
    generation: u64,
    /// An optimizer step came after these norms, so the next call begins a new generation.
    pub stepped: bool,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        History { kept: Vec::new(), generation: 0, stepped: false }
    }
}

impl<T> History<T> {
    /// The number of the next call.
    pub fn next_call(&mut self) -> usize {
        if std::mem::take(&mut self.stepped) {
            self.kept.clear();
            self.generation += 1;
        }
        self.kept.len()
    }

    /// Keeps a device's data for a call with `count` groups.
    pub fn push(&mut self, kept: T, count: usize) -> NormHandles {
        let call = self.next_call();
        self.kept.push(kept);
        NormHandles { call, generation: self.generation, count }
    }

    /// The device's data for a call.
    ///
    /// # Panics
    /// When its norms are no longer valid.
    pub fn get(&self, norms: NormHandles) -> &T {
        assert!(norms.generation == self.generation, "a norm from before the last optimizer step");
        &self.kept[norms.call]
    }
}

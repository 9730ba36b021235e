//! The connection to an opened GPU, and its first fault.

use crate::error::{Error, Result};
use std::sync::{Arc, Mutex};

/// What helps against a fault.
pub const REMEDY: &str = "take smaller batches if memory ran out, another GPU, or the CPU";

/// Whether the device checks the bounds of indices in shaders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// It does, in addition to the shaders' own checks.
    On,
    /// It does not: the shaders' own checks are the only ones.
    Off,
}

/// The connection to a GPU: its device, queue and limits, and its first fault.
#[derive(Debug)]
pub struct Handle {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub limits: wgpu::Limits,
    pub checks: Checks,
    pub kind: wgpu::DeviceType,
    pub(super) name: String,
    pub(super) faults: Arc<Mutex<Option<String>>>,
}

impl Handle {
    /// `NVIDIA H200, Vulkan`
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fails with the device's first fault, if there is one. After a fault, results of the device are not valid.
    pub fn check(&self) -> Result<()> {
        match &*self.faults.lock().expect("no panic while locked") {
            Some(problem) => Err(self.error(problem)),
            None => Ok(()),
        }
    }

    /// Records a fault of the device, and returns the first one as an error.
    pub fn fault(&self, problem: &str) -> Error {
        let mut faults = self.faults.lock().expect("no panic while locked");
        self.error(faults.get_or_insert_with(|| problem.to_string()))
    }

    /// An error of this device.
    pub fn error(&self, problem: impl std::fmt::Display) -> Error {
        Error::device(&self.name, problem, REMEDY)
    }
}

//! The connection to an opened GPU, and what went wrong on it.

use crate::error::{Error, Result};
use std::sync::{Arc, Mutex};

/// What the shaders of a device may rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checks {
    /// The device checks the bounds of every index as well.
    On,
    /// The shaders' own checks are the only ones.
    Off,
}

/// An opened GPU.
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

    /// The first thing that went wrong on the device, if any; from then on nothing it says can be trusted.
    pub fn check(&self) -> Result<()> {
        match &*self.faults.lock().expect("no panic while held") {
            Some(problem) => Err(self.error(problem)),
            None => Ok(()),
        }
    }

    /// Notes that something went wrong on the device, and returns the first that did, as an error.
    pub fn fault(&self, problem: &str) -> Error {
        let mut faults = self.faults.lock().expect("no panic while held");
        self.error(faults.get_or_insert_with(|| problem.to_string()))
    }

    /// An error of this device.
    pub fn error(&self, problem: impl std::fmt::Display) -> Error {
        let remedy =
            "go on from the last checkpoint, with a smaller training.batch_size if memory ran out, or --device cpu";
        Error::device(&self.name, problem, remedy)
    }
}

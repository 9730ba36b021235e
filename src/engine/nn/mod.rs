//! Parameters, layers, the optimizer and the learning rate schedule.

pub mod init;
pub mod layers;
pub mod optim;
pub mod params;
pub mod schedule;
pub mod sequential;

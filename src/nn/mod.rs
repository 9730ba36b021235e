//! What networks are made of: named parameters, layers, the optimizer and the learning rate over the epochs.

pub mod init;
pub mod layers;
pub mod optim;
pub mod params;
pub mod schedule;

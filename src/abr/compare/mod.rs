//! Trainings side by side: variants of a configuration, each over folds of the subjects and several seeds.
//!
//! A comparison is a folder. [`Plan`] names its cells, one training each; any number of processes, on any number of
//! hosts that share the folder, take cells from its [`Queue`] and put results back; [`table`] makes a table of whatever
//! is done.

mod owner;
mod plan;
mod queue;
mod result;
mod statistics;
pub mod table;
mod variant;

pub use plan::{Cell, Plan, config_file};
pub use queue::{CellState, Claim, Queue};
pub use result::{Better, CellResult, Cost, MEASURES, Measure, measures};
pub use statistics::{MeanInterval, mean_interval, median};
pub use variant::Variant;

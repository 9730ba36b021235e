//! Runs the program as a user would: every command with good and bad input, on models that train in a fraction of a
//! second.

#![cfg(feature = "cli")]

mod anonymous;
mod bad_config;
mod bad_model;
mod bad_table;
mod categories;
mod cluster;
mod compare;
mod data;
mod doctor;
mod evaluate;
mod generate;
mod gpu;
mod help;
mod hostile;
mod inspect;
mod interrupt;
mod missing_file;
mod one_way;
mod output;
mod parts;
mod plot;
mod prepare;
mod repeats;
mod report;
mod resume;
mod run_folder;
mod split;
mod support;
mod train;
mod units;
mod weights;

//! The element in chains that run for weeks: overload, failures, everything that may happen to a stream.
#![cfg(feature = "plugin")]

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod deadline;
mod endings;
mod errors;
mod lag;
mod latency;
mod long_life;
mod overload;
mod pipelines;
mod stubborn;
mod two_at_a_time;

//! ONNX Runtime: finding its library, the one environment of the process, execution providers, and the sessions of a
//! pack, shared between everything in the process that uses the same pack in the same way.
//!
//! The library is loaded when the first [`Model`] is, not before: the crate works, and its element registers, on a
//! machine without ONNX Runtime.

mod assignment;
mod cache;
mod cancel;
mod device;
mod environment;
mod error;
mod graphs;
mod library;
pub mod log;
mod measure;
mod model;
mod open;
mod options;
mod provider;
mod run;
mod session;
mod signature;
pub mod telemetry;

pub use cancel::OpenCancel;
pub use environment::library_path;
pub use error::RuntimeError;
pub use graphs::CancellableModel;
pub use library::{Library, MINIMUM_VERSION, find_library};
pub use model::{Model, Progress};
pub use options::{ModelOptions, OptimizationLevel};
pub use provider::{Precision, Provider, UnknownPrecision, UnknownProvider};

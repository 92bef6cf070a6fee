//! The program that tests run.

use std::path::PathBuf;

/// `dloralvsr`, which Cargo builds before the tests.
pub fn built_program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_dloralvsr"))
}

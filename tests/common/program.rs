//! The program that tests run. `cargo test` alone does not build it, since it is an example with tests of its own.

use std::path::PathBuf;

/// The example `transcode`; it lies beside the folder of the tests' programs.
pub fn built_transcode() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let program = tests.ancestors().nth(2).unwrap().join("examples/transcode");
    assert!(
        program.is_file(),
        "{} is not built: `cargo build --example transcode`",
        program.display()
    );
    program
}

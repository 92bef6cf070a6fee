//! Cases that depend on the environment, or on what a process loads first, in processes of their own.

use std::env;
use std::path::Path;
use std::process::Command;

/// A line of the child's output begins with this.
pub const RESULT: &str = "reported: ";

/// Runs the ignored test `name` of this program with more of an environment; what it reported comes back.
#[track_caller]
pub fn child(name: &str, variables: &[(&str, &Path)]) -> String {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"])
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let results = text
        .lines()
        .filter_map(|line| line.split_once(RESULT))
        .map(|(_, result)| result);
    results.collect::<Vec<_>>().join("\n")
}

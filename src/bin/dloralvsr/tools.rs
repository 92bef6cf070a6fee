//! Runs `ffmpeg` and `ffprobe`: they read what a file holds and put streams together.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Failure;

/// A command that takes no keys and no signals of the terminal: Ctrl-C is the program's to handle.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["-v", "error"])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    command
}

/// A file's name as these programs take it: never an option, a protocol or an address.
pub fn file(path: &Path) -> OsString {
    let mut name = OsString::from("file:");
    name.push(std::path::absolute(path).as_deref().unwrap_or(path));
    name
}

/// Run to the end; what it wrote to stdout.
///
/// # Errors
/// The program is missing, or failed: then the last line it said.
pub fn output(mut command: Command) -> Result<Vec<u8>, Failure> {
    let output = command
        .stdout(Stdio::piped())
        .output()
        .map_err(|error| cannot_start(command.get_program(), &error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Failure::Failed(
        last_line(&String::from_utf8_lossy(&output.stderr)).to_owned(),
    ))
}

pub fn cannot_start(program: &OsStr, error: &std::io::Error) -> Failure {
    let program = program.to_string_lossy();
    Failure::Failed(match error.kind() {
        ErrorKind::NotFound => format!(
            "the program `{program}` is missing: install the package ffmpeg (scripts/install.sh does it on Debian)"
        ),
        _ => format!("`{program}` does not start: {error}"),
    })
}

/// The line that says why; the ones before it are details.
pub fn last_line(said: &str) -> &str {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.unwrap_or("it gave no reason")
}

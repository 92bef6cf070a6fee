//! Getting ONNX Runtime: by the script that a checkout's installation uses too.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Failure;

const SCRIPT: &str = "install_runtime.sh";
/// From the program's folder: a package's place, and a checkout's, whose program lies in `target/release`.
const PLACES: [&str; 2] = ["../share/dloralvsr/scripts", "../../scripts"];
/// What the script calls the choice that it makes by itself.
const AUTO: &str = "auto";

/// Installs what `provider` needs, or what this machine computes fastest with.
///
/// # Errors
/// The script is not there, or fails; then it has said why.
pub fn runtime(provider: Option<&str>) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::Failed(format!("the installation does not start: {error}"));
    let program = std::env::current_exe().map_err(cannot)?;
    let script = script_of(&program)?;
    let mut command = Command::new(&script);
    if let Some(provider) = provider.filter(|provider| *provider != AUTO) {
        command.args(["--provider", provider]);
    }
    if command.status().map_err(cannot)?.success() {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} failed: what it says above tells why",
        script.display()
    )))
}

fn script_of(program: &Path) -> Result<PathBuf, Failure> {
    let folder = program.parent().unwrap_or(Path::new("/"));
    let places = PLACES.map(|place| folder.join(place).join(SCRIPT));
    if let Some(found) = places.iter().find_map(|place| place.canonicalize().ok()) {
        return Ok(found);
    }
    let places = places.map(|place| place.display().to_string());
    Err(Failure::Failed(format!(
        "the script that installs ONNX Runtime is not there ({}). By hand: python3 -m pip install --no-deps --target \
         ~/.local/share/dloralvsr onnxruntime",
        places.join(", ")
    )))
}

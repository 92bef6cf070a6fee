//! The trial by which `auto` chooses between OpenVINO and the CPU provider, remembered for the machine.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Provider;
use crate::pack::{Pack, sha256_hex};
use crate::runtime::{ModelOptions, RuntimeError, log};

/// Folder of the verdicts in the cache folder.
const FOLDER: &str = "trials";
/// OpenVINO has to be faster by this factor: the CPU provider beside it is older than the one that is taken in its place,
/// and was measured to take a tenth longer.
const MARGIN: f64 = 1.1;

/// Result of the trial: ms for a small frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
    cpu: f64,
    /// None where it could not run the pack.
    openvino: Option<f64>,
}

impl Verdict {
    pub fn openvino_is_faster(self) -> bool {
        self.openvino.is_some_and(|openvino| openvino * MARGIN < self.cpu)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.openvino {
            Some(openvino) => {
                write!(f, "a trial took {:.1} ms on cpu, {openvino:.1} on openvino", self.cpu)?;
                // Without this, a trial that OpenVINO wins by little would look like a mistake.
                let is_close = openvino < self.cpu && !self.openvino_is_faster();
                f.write_str(if is_close {
                    ", and a tenth less is asked for"
                } else {
                    ""
                })
            }
            None => f.write_str("it could not run this pack in a trial"),
        }
    }
}

/// The verdict of an earlier trial of this pack with these options on this machine.
pub(super) fn known(pack: &Pack, options: &ModelOptions) -> Option<Verdict> {
    let text = fs::read_to_string(file(pack, options)?).ok()?;
    // One that another version wrote, or that was cut off, is no verdict: the trial is made anew.
    toml::from_str(&text).ok()
}

/// Makes the trial and remembers it.
pub(super) fn run(
    pack: &Pack,
    options: &ModelOptions,
    measure: &mut dyn FnMut(Provider) -> Result<f64, RuntimeError>,
) -> Result<Verdict, RuntimeError> {
    // In this order: threads that OpenVINO leaves behind spin for a while.
    let cpu = measure(Provider::Cpu)?;
    let openvino = match measure(Provider::OpenVino) {
        Ok(openvino) => Some(openvino),
        // Says nothing of OpenVINO.
        Err(RuntimeError::Cancelled) => return Err(RuntimeError::Cancelled),
        Err(error) => {
            log::emit(log::Level::Warning, &format!("OpenVINO is not taken: {error}"));
            None
        }
    };
    let verdict = Verdict { cpu, openvino };
    log::emit(log::Level::Info, &verdict.to_string());
    remember(pack, options, verdict);
    Ok(verdict)
}

/// Without a folder to write to, the next process makes its own trial.
fn remember(pack: &Pack, options: &ModelOptions, verdict: Verdict) {
    let written = file(pack, options).ok_or_else(|| "no cache folder is known".to_owned());
    let written = written.and_then(|path| write(&path, verdict).map_err(|error| error.to_string()));
    if let Err(reason) = written {
        log::emit(log::Level::Info, &format!("the trial is not remembered: {reason}"));
    }
}

fn write(path: &Path, verdict: Verdict) -> std::io::Result<()> {
    let text = toml::to_string(&verdict).map_err(std::io::Error::other)?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Whole or not there: other processes read it meanwhile.
    let aside = path.with_extension(format!("{}.part", std::process::id()));
    fs::write(&aside, text)?;
    fs::rename(&aside, path)
}

/// The verdict's file: one for each set of what decides it.
fn file(pack: &Pack, options: &ModelOptions) -> Option<PathBuf> {
    let parts = [
        env!("CARGO_PKG_VERSION").to_owned(),
        pack.id().to_owned(),
        options.precision.to_string(),
        options.thread_count().to_string(),
        processor(),
    ];
    let name = sha256_hex(parts.join("\n").as_bytes());
    Some(
        options
            .cache_folder()?
            .join(FOLDER)
            .join(format!("{}.toml", &name[..16])),
    )
}

/// The processor's model, as the system names it.
fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let lines = information
        .lines()
        .filter(|line| line.starts_with("model name") || line.starts_with("flags"));
    lines.take(2).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(cpu: f64, openvino: impl Into<Option<f64>>) -> Verdict {
        let openvino = openvino.into();
        Verdict { cpu, openvino }
    }

    #[test]
    fn openvino_has_to_be_clearly_faster() {
        assert!(verdict(20.0, 15.0).openvino_is_faster());
        assert!(!verdict(20.0, 19.5).openvino_is_faster());
        assert!(!verdict(20.0, 30.0).openvino_is_faster());
        assert!(!verdict(20.0, None).openvino_is_faster());
    }

    #[test]
    fn a_verdict_is_remembered_by_pack_and_options() {
        let folder = tempfile::tempdir().unwrap();
        let options = ModelOptions {
            cache_dir: Some(folder.path().to_owned()),
            ..ModelOptions::default()
        };
        let pack = Pack::embedded().unwrap();
        assert_eq!(known(&pack, &options), None);
        remember(&pack, &options, verdict(20.0, 15.0));
        assert_eq!(known(&pack, &options), Some(verdict(20.0, 15.0)));
        let others = ModelOptions {
            intra_threads: 77,
            ..options.clone()
        };
        assert_eq!(known(&pack, &others), None);
    }

    #[test]
    fn a_verdict_that_is_cut_off_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let options = ModelOptions {
            cache_dir: Some(folder.path().to_owned()),
            ..ModelOptions::default()
        };
        let pack = Pack::embedded().unwrap();
        remember(&pack, &options, verdict(20.0, None));
        let path = file(&pack, &options).unwrap();
        fs::write(&path, &fs::read_to_string(&path).unwrap()[..5]).unwrap();
        assert_eq!(known(&pack, &options), None);
    }
}

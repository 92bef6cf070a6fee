//! What `auto` takes.

use super::{Provider, arithmetic, nvidia, openvino, trial};
use crate::pack::{Graph, Pack};
use crate::runtime::environment::Loaded;
use crate::runtime::library::Preference;
use crate::runtime::{ModelOptions, RuntimeError};

/// Largest pack, in bytes, that is opened twice for a trial: one of gigabytes would take minutes and much memory.
const LARGEST_TRIED: u64 = 256 << 20;

/// Providers to try, best first, and why others are not among them.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::runtime) struct Choice {
    pub candidates: Vec<Provider>,
    pub passed_over: Vec<String>,
}

/// The provider asked for, or what `auto` means on this machine. If OpenVINO and the CPU provider are both there, a trial
/// tells which is faster; `measure` makes it: ms for a frame.
///
/// # Errors
/// Where the trial fails on the CPU provider, on which a pack has to run.
pub(in crate::runtime) fn choose(
    pack: &Pack,
    options: &ModelOptions,
    loaded: &Loaded,
    measure: &mut dyn FnMut(Provider) -> Result<f64, RuntimeError>,
) -> Result<Choice, RuntimeError> {
    if options.provider != Provider::Auto {
        return Ok(Choice {
            candidates: vec![options.provider],
            passed_over: Vec::new(),
        });
    }
    if nvidia::has_driver() {
        return Ok(Choice {
            candidates: vec![Provider::Cuda, Provider::Cpu],
            passed_over: Vec::new(),
        });
    }
    let mut passed_over = vec!["not cuda: there is no NVIDIA driver".to_owned()];
    let only_cpu = |passed_over| {
        Ok(Choice {
            candidates: vec![Provider::Cpu],
            passed_over,
        })
    };
    if arithmetic(Provider::Cpu, options.precision, pack.manifest(), Graph::Restorer).is_err() {
        // The precision asked for decides.
        let candidates = vec![Provider::OpenVino];
        return Ok(Choice {
            candidates,
            passed_over,
        });
    }
    let known = trial::known(pack, options);
    if !openvino::is_built_in() {
        passed_over.push(match known {
            Some(verdict) if !verdict.openvino_is_faster() => format!("not openvino: {verdict}"),
            _ => format!("not openvino: {} is without it", loaded.library.path.display()),
        });
        return only_cpu(passed_over);
    }
    if pack.size() > LARGEST_TRIED {
        passed_over.push("not openvino: a pack of this size is not tried; ask for it by name".to_owned());
        return only_cpu(passed_over);
    }
    let verdict = match known {
        Some(verdict) => verdict,
        None => trial::run(pack, options, measure)?,
    };
    if verdict.openvino_is_faster() {
        passed_over.push(format!("not cpu: {verdict}"));
        let candidates = vec![Provider::OpenVino, Provider::Cpu];
        return Ok(Choice {
            candidates,
            passed_over,
        });
    }
    passed_over.push(format!("not openvino: {verdict}"));
    only_cpu(passed_over)
}

/// Which library to load, if none is loaded: the trial is made with OpenVINO's, which also has the CPU provider; where
/// OpenVINO has lost a trial, the plain library is newer.
pub(in crate::runtime) fn preference(pack: &Pack, options: &ModelOptions) -> Preference {
    match options.provider {
        Provider::OpenVino => Preference::OpenVino,
        Provider::Auto if nvidia::has_driver() => Preference::Plain,
        Provider::Auto if trial::known(pack, options).is_some_and(|verdict| !verdict.openvino_is_faster()) => {
            Preference::Plain
        }
        Provider::Auto => Preference::OpenVino,
        Provider::Cpu | Provider::Cuda | Provider::TensorRt | Provider::WebGpu | Provider::TensorRtRtx => {
            Preference::Plain
        }
    }
}

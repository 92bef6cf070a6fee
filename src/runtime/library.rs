//! Finding ONNX Runtime's shared library, and making sure that it is one before anything is built on it.

use std::cmp::Reverse;
use std::env;
use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::RuntimeError;
use super::provider::has_openvino;
use crate::places::{data_folders, own_folder, python_packages};

/// The oldest ONNX Runtime with the functions used here (`1.` and the API version that ort is built for).
pub const MINIMUM_VERSION: &str = "1.24";
const LIBRARY_NAME: &str = "libonnxruntime.so";
/// Names the library itself, or its folder.
const PATH_VARIABLE: &str = "ORT_DYLIB_PATH";
/// Where the library lies inside the Python wheel.
const WHEEL_FOLDER: &str = "onnxruntime/capi";

/// Where `dloralvsr --install-runtime` puts the wheel that has OpenVINO built in, beside the plain one.
const OPENVINO_FOLDER: &str = "openvino";

/// An ONNX Runtime that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Absolute, without symbolic links: ONNX Runtime looks for its providers beside the real file.
    pub path: PathBuf,
    /// As it calls itself, `1.32.0`.
    pub version: String,
}

impl Library {
    /// How long threads of sessions spin for their next operation before they sleep: 100 µs; `None`, not at all, where
    /// the library cannot be told how long, and would let them spin for milliseconds.
    ///
    /// Operations follow each other within microseconds, and waking a thread takes tens of them. But each session has
    /// threads of its own, and spinning for longer takes the cores from those of another: a frame of 320×180 on two cores
    /// took 156 ms of CPU time instead of 51, and 91 where they spun until each run ended.
    pub fn spinning(&self) -> Option<Duration> {
        const FIRST_TO_BE_TOLD: u32 = 26;
        let spins = self.minor_version()? >= FIRST_TO_BE_TOLD;
        spins.then_some(Duration::from_micros(100))
    }

    /// 32 of `1.32.0`.
    fn minor_version(&self) -> Option<u32> {
        self.version.strip_prefix("1.")?.split('.').next()?.parse().ok()
    }

    /// `[1, 32, 0]` of `1.32.0`; 0 for what is no number.
    pub(super) fn numbers(&self) -> [u32; 3] {
        let mut parts = self
            .version
            .split(['.', '-', '+'])
            .map(|part| part.parse().unwrap_or(0));
        std::array::from_fn(|_| parts.next().unwrap_or(0))
    }
}

/// Which of several libraries is wanted: a process has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preference {
    /// The first one.
    Plain,
    /// One that has OpenVINO built in, if there is one, else the first.
    OpenVino,
}

/// Finds ONNX Runtime: `ORT_DYLIB_PATH` if it is set, and then nothing else; otherwise the first usable one beside
/// this library, in the data folders (the user's is where `dloralvsr --install-runtime` puts it), in Python's
/// `onnxruntime` packages, and in the system's library folders. Loads candidates to ask for their version, and unloads
/// those that are not usable.
///
/// # Errors
/// [`RuntimeError::LibraryNotFound`] if there is none; otherwise what is wrong with the first one found.
pub fn find_library() -> Result<Library, RuntimeError> {
    find_preferred(Preference::Plain)
}

/// As [`find_library`], with a preference.
pub(super) fn find_preferred(preference: Preference) -> Result<Library, RuntimeError> {
    if let Some(named) = env::var_os(PATH_VARIABLE).filter(|value| !value.is_empty()) {
        return named_library(Path::new(&named));
    }
    let folders = search_folders();
    let mut refused = None;
    let mut paths: Vec<PathBuf> = folders.iter().filter_map(|folder| library_in(folder)).collect();
    if preference == Preference::OpenVino {
        paths.sort_by_key(|path| !has_openvino(path));
    }
    for path in paths {
        match inspect(&path) {
            Ok(library) => return Ok(library),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.unwrap_or(RuntimeError::LibraryNotFound { searched: folders }))
}

fn named_library(named: &Path) -> Result<Library, RuntimeError> {
    let not_found = || RuntimeError::LibraryNotFound {
        searched: vec![named.to_owned()],
    };
    if named.is_dir() {
        return inspect(&library_in(named).ok_or_else(not_found)?);
    }
    inspect(&named.canonicalize().map_err(|_| not_found())?)
}

/// Loads the library at an absolute path and asks it who it is.
fn inspect(path: &Path) -> Result<Library, RuntimeError> {
    let not_onnx_runtime = |reason: &str| RuntimeError::NotOnnxRuntime {
        path: path.to_owned(),
        reason: reason.into(),
    };
    // SAFETY: loading runs the initialisers of the library. It is the one that the user, or whoever may write to the
    // machine's library folders, put there to be loaded.
    let library = unsafe { libloading::Library::new(path) }.map_err(|error| RuntimeError::LibraryNotLoadable {
        path: path.to_owned(),
        reason: why(&error),
    })?;
    type GetApiBase = unsafe extern "C" fn() -> *const ort::sys::OrtApiBase;
    // SAFETY: that name with another signature would be in a library that imitates ONNX Runtime.
    let get_api_base = unsafe { library.get::<GetApiBase>(b"OrtGetApiBase") }
        .map_err(|_| not_onnx_runtime("it has no function OrtGetApiBase"))?;
    // SAFETY: the function takes nothing and returns a pointer to a static, or null.
    let Some(base) = (unsafe { get_api_base().as_ref() }) else {
        return Err(not_onnx_runtime("its OrtGetApiBase returns nothing"));
    };
    // SAFETY: both functions may be called at any time; the text is a static of the library, still loaded here.
    let (version, api) = unsafe {
        let version = CStr::from_ptr((base.GetVersionString)()).to_string_lossy().into_owned();
        (version, (base.GetApi)(ort::MINOR_VERSION))
    };
    if api.is_null() {
        return Err(RuntimeError::LibraryTooOld {
            path: path.to_owned(),
            found: version,
        });
    }
    Ok(Library {
        path: path.to_owned(),
        version,
    })
}

/// What the dynamic linker says; libloading's own text is only that it failed.
pub(super) fn why(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// The library in a folder, real path: `libonnxruntime.so`, else `.so.1`, else the highest version.
fn library_in(folder: &Path) -> Option<PathBuf> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| version_suffix(name).is_some())
        .collect();
    names.sort_by_key(|name| {
        let version = version_suffix(name).unwrap_or_default();
        (version.len().min(2), Reverse(version))
    });
    names.iter().find_map(|name| folder.join(name).canonicalize().ok())
}

/// `libonnxruntime.so.1.2.3` gives `[1, 2, 3]`, another file nothing.
fn version_suffix(name: &str) -> Option<Vec<u32>> {
    let suffix = name.strip_prefix(LIBRARY_NAME)?;
    if suffix.is_empty() {
        return Some(Vec::new());
    }
    suffix
        .strip_prefix('.')?
        .split('.')
        .map(|part| part.parse().ok())
        .collect()
}

/// Absolute folders in the order of preference.
fn search_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = own_folder().into_iter().collect();
    let data: Vec<PathBuf> = data_folders().map(|folder| folder.join("dloralvsr")).collect();
    folders.extend(data.iter().map(|data| data.join(WHEEL_FOLDER)));
    folders.extend(data.iter().map(|data| data.join(OPENVINO_FOLDER).join(WHEEL_FOLDER)));
    folders.extend(
        python_packages()
            .into_iter()
            .map(|packages| packages.join(WHEEL_FOLDER)),
    );
    folders.extend(system_folders());
    folders.retain(|folder| folder.is_absolute());
    folders
}

fn system_folders() -> Vec<PathBuf> {
    let named = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let multiarch = format!("/usr/lib/{}-linux-gnu", env::consts::ARCH);
    let usual = [
        "/usr/local/lib",
        "/usr/local/lib64",
        multiarch.as_str(),
        "/usr/lib64",
        "/usr/lib",
    ];
    env::split_paths(&named).chain(usual.map(PathBuf::from)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_spin_only_where_it_can_be_said_how_long() {
        let spinning = |version: &str| {
            let (path, version) = (PathBuf::new(), version.to_owned());
            Library { path, version }.spinning()
        };
        for version in ["1.26.0", "1.32.0", "1.126.1"] {
            assert_eq!(spinning(version), Some(Duration::from_micros(100)), "{version}");
        }
        for version in ["1.23.2", "1.25.1", "1.26-dev", "2.30.0", "", "1."] {
            assert_eq!(spinning(version), None, "{version}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        let numbers = |version: &str| {
            let (path, version) = (PathBuf::new(), version.to_owned());
            Library { path, version }.numbers()
        };
        assert!(numbers("1.24.10") > numbers("1.24.4"));
        assert!(numbers("1.31.0-rc1") > numbers("1.24.4"));
        assert_eq!(numbers(""), [0, 0, 0]);
    }

    #[test]
    fn minimum_version_is_what_ort_asks_for() {
        assert_eq!(MINIMUM_VERSION, format!("1.{}", ort::MINOR_VERSION));
    }

    #[test]
    fn unversioned_then_major_then_highest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let found = |expected: Option<&str>| {
            assert_eq!(library_in(&path), expected.map(|name| path.join(name)), "{expected:?}");
        };
        let add = |name: &str| fs::write(path.join(name), "").unwrap();
        found(None);
        add("libonnxruntime_providers_shared.so");
        add("libonnxruntime.so.old");
        found(None);
        add("libonnxruntime.so.1.9.0");
        add("libonnxruntime.so.1.23.2");
        add("libonnxruntime.so.1.23.10");
        found(Some("libonnxruntime.so.1.23.10"));
        add("libonnxruntime.so.1");
        found(Some("libonnxruntime.so.1"));
        add("libonnxruntime.so");
        found(Some("libonnxruntime.so"));
    }

    #[test]
    fn a_link_is_followed_to_where_the_providers_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        fs::create_dir(path.join("real")).unwrap();
        fs::write(path.join("real/libonnxruntime.so.1.30.0"), "").unwrap();
        std::os::unix::fs::symlink("real/libonnxruntime.so.1.30.0", path.join("libonnxruntime.so")).unwrap();
        assert_eq!(library_in(&path), Some(path.join("real/libonnxruntime.so.1.30.0")));
    }
}

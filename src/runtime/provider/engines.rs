//! Where NVIDIA's providers keep what they have compiled, and how much of it is kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::nvidia;
use crate::pack::{Pack, Precision};
use crate::runtime::{ModelOptions, RuntimeError, log};

/// Bytes of one provider's engines that are kept; those of a pack of Stable Diffusion's size take two gigabytes.
const LARGEST: u64 = 12 << 30;

/// A folder of its own, in that of `provider`, for everything that engines and timings depend on: an engine that another
/// version, driver or GPU made is not found, and hence built again, where ONNX Runtime would fail on it. `version` is ONNX
/// Runtime's. The least recently opened folders are removed while all take more than 12 GiB.
///
/// # Errors
/// Where there is no folder, and none can be made.
pub fn folder(provider: &str, pack: &Pack, options: &ModelOptions, version: &str) -> Result<PathBuf, RuntimeError> {
    let all = options.cache_folder().ok_or(RuntimeError::NoCacheDir)?.join(provider);
    let precision = match pack.manifest().precision {
        Precision::Fp32 => "fp32",
        Precision::Fp16 => "fp16",
        Precision::Int8 => "int8",
    };
    let versions = nvidia::versions(options.device_id);
    let path = all.join(format!("{}-{precision}-ort{version}-{versions}", pack.id()));
    open(&path).map_err(|source| RuntimeError::CacheDir {
        path: path.clone(),
        source,
    })?;
    if let Err(error) = prune(&all, &path, LARGEST) {
        let text = format!("old engines in {} could not be removed: {error}", all.display());
        log::emit(log::Level::Warning, &text);
    }
    Ok(path)
}

/// Creates the folder, and notes in it when it was opened.
fn open(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::write(path.join("opened"), "")
}

/// Removes folders of `all` except `kept`, the least recently opened first, until they take at most `largest` bytes.
fn prune(all: &Path, kept: &Path, largest: u64) -> io::Result<()> {
    let mut folders = Vec::new();
    for entry in fs::read_dir(all)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push((opened(&path), size(&path)?, path));
        }
    }
    folders.sort();
    let mut total: u64 = folders.iter().map(|(_, size, _)| size).sum();
    for (_, size, path) in folders {
        if total > largest && path != kept {
            fs::remove_dir_all(&path)?;
            total -= size;
        }
    }
    Ok(())
}

/// A folder of an older version has no such file, and so is the first to go.
fn opened(folder: &Path) -> SystemTime {
    let modified = fs::metadata(folder.join("opened")).and_then(|file| file.modified());
    modified.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn size(folder: &Path) -> io::Result<u64> {
    let files = fs::read_dir(folder)?.map(|entry| entry?.metadata());
    files.map(|file| file.map(|file| file.len())).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options(cache_dir: PathBuf) -> ModelOptions {
        ModelOptions {
            cache_dir: Some(cache_dir),
            ..ModelOptions::default()
        }
    }

    #[test]
    fn engines_lie_by_pack_precision_and_version() {
        let cache = tempfile::tempdir().unwrap();
        let pack = Pack::embedded().unwrap();
        let path = folder("tensorrt", &pack, &options(cache.path().to_owned()), "1.32.0").unwrap();
        let name = format!("tensorrt/{}-fp32-ort1.32.0-{}", pack.id(), nvidia::versions(0));
        assert_eq!(path, cache.path().join(name));
        assert!(path.is_dir());
    }

    #[test]
    fn a_cache_folder_that_cannot_be_made_is_an_error() {
        let cache = tempfile::tempdir().unwrap();
        let file = cache.path().join("file");
        fs::write(&file, "").unwrap();
        let pack = Pack::embedded().unwrap();
        let error = folder("tensorrt", &pack, &options(file), "1.32.0").unwrap_err();
        assert!(matches!(error, RuntimeError::CacheDir { .. }), "{error}");
        assert!(error.to_string().contains("cache-dir"), "{error}");
    }

    #[test]
    fn what_was_not_opened_for_longest_goes_first() {
        let all = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let make = |name: &str, age: u64| {
            let path = all.path().join(name);
            open(&path).unwrap();
            fs::write(path.join("engine"), [0; 100]).unwrap();
            let file = fs::File::options().write(true).open(path.join("opened")).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
            path
        };
        let (old, older, current) = (make("old", 10), make("older", 20), make("current", 30));
        prune(all.path(), &current, 300).unwrap();
        assert!(older.is_dir(), "there was room for all");
        prune(all.path(), &current, 200).unwrap();
        assert_eq!([&old, &older, &current].map(|path| path.is_dir()), [true, false, true]);
        prune(all.path(), &current, 0).unwrap();
        assert_eq!([&old, &current].map(|path| path.is_dir()), [false, true]);
    }
}

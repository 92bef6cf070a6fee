//! Packs by name.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::{MANIFEST_FILE, PackError};
use crate::places::{data_folders, own_folder};

/// Folders that hold packs, as `PATH` names those of programs.
const PATH_VARIABLE: &str = "DLORALVSR_MODEL_PATH";
const FOLDER: &str = "models";
/// Name of the pack that is compiled in.
const BUILT_IN: &str = "tiny";
/// A program in `target/release/examples` of a checkout has the checkout's `models` three folders above.
const ABOVE: usize = 4;

/// The folder of the pack that `model` names; `None`: the one that is compiled in.
pub(super) fn folder_of(model: &Path, searched: &[PathBuf]) -> Result<Option<PathBuf>, PackError> {
    let Some(name) = name_in(model) else {
        return Ok(Some(model.to_owned()));
    };
    let found = searched
        .iter()
        .map(|folder| folder.join(name))
        .find(|folder| is_pack(folder));
    if found.is_some() || name == BUILT_IN {
        return Ok(found);
    }
    Err(PackError::NoSuchName {
        name: name.to_owned(),
        known: known(searched),
        searched: searched.to_vec(),
    })
}

/// The name, unless it is a folder that is meant.
fn name_in(model: &Path) -> Option<&str> {
    let name = model.to_str()?;
    let is_name = !name.contains('/') && Path::new(name).file_name() == Some(OsStr::new(name));
    (is_name && !model.is_dir()).then_some(name)
}

/// Folders whose folders are packs, in the order of precedence.
pub(super) fn search_folders() -> Vec<PathBuf> {
    let named = env::var_os(PATH_VARIABLE).unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&named)
        .filter(|path| !path.as_os_str().is_empty())
        .collect();
    folders.extend(env::current_dir().ok().map(|folder| folder.join(FOLDER)));
    if let Some(own) = own_folder() {
        folders.extend(own.ancestors().take(ABOVE).map(|folder| folder.join(FOLDER)));
    }
    let data = "dloralvsr/models";
    folders.extend(data_folders().map(|folder| folder.join(data)));
    let mut seen = Vec::new();
    folders.retain(|folder| {
        folder.is_dir() && !seen.contains(folder) && {
            seen.push(folder.clone());
            true
        }
    });
    folders
}

fn known(searched: &[PathBuf]) -> Vec<String> {
    let entries = searched
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| is_pack(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.push(BUILT_IN.to_owned());
    names.sort();
    names.dedup();
    names
}

fn is_pack(folder: &Path) -> bool {
    folder.join(MANIFEST_FILE).is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().unwrap();
        for pack in ["first/small", "second/small", "second/large"] {
            let path = folder.path().join(pack);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join(MANIFEST_FILE), "").unwrap();
        }
        fs::create_dir(folder.path().join("second/notes")).unwrap();
        let searched = ["first", "second"].map(|name| folder.path().join(name)).into();
        (folder, searched)
    }

    #[test]
    fn the_first_folder_that_has_the_name_counts() {
        let (folder, searched) = folders();
        let found = |model: &str| folder_of(Path::new(model), &searched).unwrap();
        assert_eq!(found("small"), Some(folder.path().join("first/small")));
        assert_eq!(found("large"), Some(folder.path().join("second/large")));
        assert_eq!(found("tiny"), None);
        for path in ["./small", "second/small", "/nowhere", "../x"] {
            assert_eq!(found(path), Some(path.into()), "a folder");
        }
    }

    #[test]
    fn a_name_that_is_not_found_lists_those_that_are() {
        let (_folder, searched) = folders();
        let error = folder_of(Path::new("notes"), &searched).unwrap_err().to_string();
        assert!(
            error.contains("`notes`") && error.contains("large, small, tiny"),
            "{error}"
        );
        assert!(error.contains("second"), "{error}");
    }
}

//! Where this code and the user's files lie.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folder of the file that holds this code: the plugin, or the program that it is linked into.
pub(crate) fn own_folder() -> Option<PathBuf> {
    let here = own_folder as fn() -> Option<PathBuf> as usize;
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let file = maps.lines().find_map(|line| mapped_file(line, here))?;
    Path::new(file).parent().map(Path::to_owned)
}

/// The file of a line of `/proc/self/maps` (`start-end permissions offset device inode path`) if `address` is in it.
fn mapped_file(line: &str, address: usize) -> Option<&str> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let path = &rest[rest.find('/')?..];
    (start..end).contains(&address).then_some(path)
}

/// An XDG base folder: the variable if it is an absolute path, else `fallback` in the user's home.
pub(crate) fn home_folder(variable: &str, fallback: &str) -> Option<PathBuf> {
    let named = env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    named.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(fallback)))
}

fn data_home() -> Option<PathBuf> {
    home_folder("XDG_DATA_HOME", ".local/share")
}

/// Folders for data of programs: the user's, then the system's.
pub(crate) fn data_folders() -> impl Iterator<Item = PathBuf> {
    data_home()
        .into_iter()
        .chain(shared_data_of(env::var_os("XDG_DATA_DIRS")))
}

fn shared_data_of(named: Option<OsString>) -> Vec<PathBuf> {
    let named = named.filter(|value| !value.is_empty());
    let named = named.unwrap_or_else(|| "/usr/local/share:/usr/share".into());
    env::split_paths(&named).filter(|path| path.is_absolute()).collect()
}

/// `site-packages` folders, without asking Python: the active environment's, the user's, the system's.
pub(crate) fn python_packages() -> Vec<PathBuf> {
    let prefixes = ["VIRTUAL_ENV", "CONDA_PREFIX"]
        .into_iter()
        .filter_map(env::var_os)
        .map(PathBuf::from);
    let user = env::var_os("HOME").map(|home| PathBuf::from(home).join(".local"));
    let system = ["/usr/local", "/usr"].map(PathBuf::from);
    prefixes
        .chain(user)
        .chain(system)
        .flat_map(|prefix| packages_in(&prefix))
        .collect()
}

/// `lib/python3.*/site-packages` and `dist-packages` (Debian) of a prefix, newest Python first.
fn packages_in(prefix: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(prefix.join("lib")) else {
        return Vec::new();
    };
    let mut versions: Vec<(Reverse<Option<u32>>, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.strip_prefix("python3")?;
            // Debian's `python3` without a version holds the packages of all.
            let minor = version.strip_prefix('.').and_then(|minor| minor.parse().ok());
            Some((Reverse(minor), path.clone()))
        })
        .collect();
    versions.sort();
    let packages = versions
        .into_iter()
        .flat_map(|(_, path)| [path.join("site-packages"), path.join("dist-packages")]);
    packages.filter(|path| path.is_dir()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folder_is_that_of_this_program() {
        let program = env::current_exe().unwrap();
        assert_eq!(own_folder().as_deref(), program.parent());
    }

    #[test]
    fn lines_of_the_memory_map_are_read() {
        let line = "7f10-7f20 r-xp 00000000 fe:01 1234   /opt/my plugins/lib.so";
        assert_eq!(mapped_file(line, 0x7f10), Some("/opt/my plugins/lib.so"));
        assert_eq!(mapped_file(line, 0x7f20), None);
        assert_eq!(mapped_file("7f10-7f20 rw-p 00000000 00:00 0", 0x7f10), None);
    }

    #[test]
    fn the_system_s_data_folders_have_a_default_and_are_absolute() {
        let usual = ["/usr/local/share", "/usr/share"].map(PathBuf::from);
        assert_eq!(shared_data_of(None), usual);
        assert_eq!(shared_data_of(Some("".into())), usual);
        let named = Some("/opt/share:here:/usr/share".into());
        assert_eq!(shared_data_of(named), ["/opt/share", "/usr/share"].map(PathBuf::from));
    }

    #[test]
    fn newest_python_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["python3.9", "python3.11", "python3"] {
            fs::create_dir_all(folder.path().join("lib").join(name).join("site-packages")).unwrap();
        }
        let found = packages_in(folder.path());
        let names = ["python3.11", "python3.9", "python3"];
        assert_eq!(
            found,
            names.map(|name| folder.path().join("lib").join(name).join("site-packages"))
        );
    }
}

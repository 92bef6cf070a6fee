//! Where this code and the user's files lie.

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
}

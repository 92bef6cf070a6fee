//! The mark of files that this program made, by which `--force` knows them: an extended attribute with the size and the
//! time of the last change. A file that is changed afterwards, or written from this one by another program, is not what
//! the mark says or has none, and so is the user's. A file system without such attributes marks nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{XattrFlags, getxattr, setxattr};

const NAME: &str = "user.dloralvsr";
/// Longer than any text of a mark.
const MOST_BYTES: usize = 64;

/// Mark a file, which is whole.
pub fn put(file: &Path) {
    if let Some(text) = text(file) {
        // Without a mark the file is as good; `--force` will not replace it.
        let _ = setxattr(file, NAME, text.as_bytes(), XattrFlags::empty());
    }
}

/// Whether this program made the file and nobody has changed it since.
pub fn is_on(file: &Path) -> bool {
    let mut found = [0; MOST_BYTES];
    let length = getxattr(file, NAME, &mut found).unwrap_or(0);
    text(file).is_some_and(|text| found.get(..length) == Some(text.as_bytes()))
}

/// What the mark of a file says that is as it is now.
fn text(file: &Path) -> Option<String> {
    let found = fs::metadata(file).ok()?;
    // Not every file system keeps parts of a second.
    Some(format!("{} bytes of {}", found.len(), found.mtime()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_marked_file_that_is_unchanged_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let [made, renamed, copied] = ["made", "renamed", "copied"].map(|name| folder.path().join(name));
        fs::write(&made, "restored").unwrap();
        assert!(!is_on(&made));
        put(&made);
        assert!(is_on(&made));
        fs::rename(&made, &renamed).unwrap();
        assert!(is_on(&renamed));
        fs::write(&copied, fs::read(&renamed).unwrap()).unwrap();
        assert!(!is_on(&copied));
        fs::write(&renamed, "restored, and then edited").unwrap();
        assert!(!is_on(&renamed));
        assert!(!is_on(&folder.path().join("missing")));
    }
}

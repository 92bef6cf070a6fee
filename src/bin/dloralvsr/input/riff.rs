//! Whether an AVI file is as long as it says.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Whether one of the file's parts (`RIFF`, one behind the other) reaches beyond its end. `None`: it is no such file, or
/// its writer was stopped before it could say how long it is.
pub fn is_cut(path: &Path) -> Option<bool> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut at = 0;
    let mut seen = false;
    while at + 8 <= length {
        let mut header = [0; 8];
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut header).ok()?;
        let [kind @ .., a, b, c, d] = header;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        if &kind != b"RIFF" {
            // Something that others put behind it.
            break;
        }
        if size == 0 || size == u64::from(u32::MAX) {
            return None;
        }
        seen = true;
        // Filled up to an even number of bytes, the last of which some leave out.
        let end = at + 8 + size;
        if end > length {
            return Some(true);
        }
        at = end + size % 2;
    }
    seen.then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_followed_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.avi");
        let part = |size: u32, there: usize| [&b"RIFF"[..], &size.to_le_bytes(), &vec![1; there]].concat();
        for (content, expected) in [
            (part(20, 20), Some(false)),
            ([part(20, 20), part(7, 7)].concat(), Some(false)),
            ([part(7, 8), part(20, 19)].concat(), Some(true)),
            (part(20, 12), Some(true)),
            ([part(20, 20), b"junk behind it".to_vec()].concat(), Some(false)),
            (part(0, 40), None),
            (b"no such file at all".to_vec(), None),
        ] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(is_cut(&path), expected);
        }
    }
}

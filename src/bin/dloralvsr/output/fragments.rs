//! A file in fragments that ends in the middle of one: cut back to what is whole.

use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// Cut an MP4 file in fragments behind its last whole fragment. A file of another kind stays as it is.
pub fn cut_back(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let (mut at, mut whole) = (0, None);
    while let Some((kind, size)) = header(&mut file, at)? {
        let end = at.saturating_add(size);
        if end > length || size < 8 {
            break;
        }
        // A fragment is a `moof` with its `mdat`.
        match &kind {
            b"moov" | b"mdat" => whole = Some(end),
            _ => {}
        }
        at = end;
    }
    match whole {
        Some(end) if end < length => file.set_len(end),
        _ => Ok(()),
    }
}

/// Kind and size of the box at `at`; `None` where no whole header is.
fn header(file: &mut std::fs::File, at: u64) -> std::io::Result<Option<([u8; 4], u64)>> {
    let mut bytes = [0; 16];
    file.seek(SeekFrom::Start(at))?;
    let read = read_up_to(file, &mut bytes)?;
    if read < 8 {
        return Ok(None);
    }
    let [a, b, c, d, kind @ .., _, _, _, _, _, _, _, _] = bytes;
    let size = u64::from(u32::from_be_bytes([a, b, c, d]));
    match size {
        // Behind the kind, in 64 bits.
        1 if read == 16 => {
            let [_, _, _, _, _, _, _, _, long @ ..] = bytes;
            Ok(Some((kind, u64::from_be_bytes(long))))
        }
        1 => Ok(None),
        size => Ok(Some((kind, size))),
    }
}

fn read_up_to(file: &mut std::fs::File, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut read = 0;
    while read < bytes.len() {
        match file.read(&mut bytes[read..])? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(kind: &[u8; 4], content: usize) -> Vec<u8> {
        let mut bytes = (8 + content as u32).to_be_bytes().to_vec();
        bytes.extend(kind);
        bytes.resize(8 + content, 7);
        bytes
    }

    #[test]
    fn half_fragments_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part");
        let head = [piece(b"ftyp", 8), piece(b"moov", 50)].concat();
        let first = [piece(b"moof", 20), piece(b"mdat", 100)].concat();
        let whole = [head.clone(), first.clone()].concat();
        for (content, left) in [
            ([&whole[..], &first[..60]].concat(), whole.len()),
            ([&whole[..], &first[..28]].concat(), whole.len()),
            ([&whole[..], &first[..5]].concat(), whole.len()),
            (whole.clone(), whole.len()),
            ([&head[..], &first[..60]].concat(), head.len()),
            (b"no boxes at all, but something else".to_vec(), 35),
        ] {
            std::fs::write(&path, &content).unwrap();
            cut_back(&path).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().len(), left as u64);
        }
    }
}

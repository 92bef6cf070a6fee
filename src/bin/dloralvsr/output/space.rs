//! Whether the output will fit on its disk, asked before the work starts.

use std::path::Path;

use crate::Failure;
use crate::input::Input;
use crate::size::PictureSize;

/// How far the estimate may be off. Under this part of it the work does not start; above, a warning is enough.
const SURE: f64 = 0.25;

/// Bytes that the work needs for a while on the output's disk: the video is there twice when the streams are put
/// together. `None`: the input does not say how long it is.
pub fn estimate(input: &Input, size: PictureSize, frames: Option<u64>, bits_per_pixel: f64) -> Option<u64> {
    let frames = frames? as f64;
    let pixels = size.pixels() as f64;
    let video = frames * pixels * bits_per_pixel / 8.0;
    let rest = std::fs::metadata(input.media.path()).map_or(0, |file| file.len()) as f64 * 0.1;
    Some((2.0 * video + rest) as u64)
}

/// Compare with what is free where `file` is to be written: a warning, or a refusal where it is far too little.
pub fn check(needed: Option<u64>, file: &Path) -> Result<Option<String>, Failure> {
    let folder = file
        .parent()
        .filter(|folder| *folder != Path::new(""))
        .unwrap_or(Path::new("."));
    let (Some(needed), Ok(disk)) = (needed, rustix::fs::statvfs(folder)) else {
        return Ok(None);
    };
    if disk.f_blocks == 0 {
        // A file system without a size of its own.
        return Ok(None);
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    verdict(needed, free, folder)
}

fn verdict(needed: u64, free: u64, folder: &Path) -> Result<Option<String>, Failure> {
    if free >= needed {
        return Ok(None);
    }
    let text = format!(
        "{} has {} free, and the work needs about {}",
        folder.display(),
        megabytes(free),
        megabytes(needed)
    );
    if (free as f64) < needed as f64 * SURE {
        return Err(Failure::Usage(format!(
            "{text}: free some, write elsewhere, or raise --crf"
        )));
    }
    Ok(Some(text))
}

fn megabytes(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    let digits = usize::from(megabytes < 10.0);
    format!("{megabytes:.digits$} MB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_is_refused_and_little_is_warned_of() {
        let folder = Path::new("there");
        assert!(matches!(verdict(100_000_000, 100_000_000, folder), Ok(None)));
        let warning = verdict(100_000_000, 60_000_000, folder).unwrap().unwrap();
        assert_eq!(warning, "there has 60 MB free, and the work needs about 100 MB");
        let refusal = verdict(100_000_000, 2_000_000, folder);
        assert!(matches!(refusal, Err(Failure::Usage(text)) if text.contains("2.0 MB free") && text.contains("--crf")));
    }
}

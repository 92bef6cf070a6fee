//! What `--force` does not replace: a file that looks like one of the user's own videos. `dloralvsr --force *.mp4` in a
//! folder with two videos would otherwise write the first over the second.

use std::path::Path;

use crate::Failure;
use crate::input::{Input, Media};
use crate::size::PictureSize;

/// Look at the file `output`, which is about to be replaced by the restored `input`, a picture of `size`.
///
/// # Errors
/// It is a video or picture no larger than the input, and of another size than the result: no earlier result of this
/// command.
pub fn check(output: &Path, input: &Input, size: PictureSize) -> Result<(), Failure> {
    // What ffprobe makes nothing of, or what is too large for an input, is none.
    let Ok(there) = Media::open(output, None).and_then(|media| Input::probe(media, None)) else {
        return Ok(());
    };
    let (found, own) = (there.video.upright(), input.video.upright());
    if !looks_like_an_input(found, own, (size.width, size.height)) {
        return Ok(());
    }
    let (width, height) = found;
    Err(Failure::Usage(format!(
        "{0} is there and looks like an input: it has {width}x{height} pixels, no more than {1}. --force does not replace \
         it: choose another name (many inputs go into a folder: --out FOLDER), or delete it first",
        output.display(),
        input.media.path().display()
    )))
}

/// Sizes in pixels of what is there, of the input and of the result.
fn looks_like_an_input(there: (u32, u32), input: (u32, u32), result: (u32, u32)) -> bool {
    let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
    there != result && pixels(there) <= pixels(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_result_may_be_replaced_and_another_video_may_not() {
        let (input, result) = ((640, 360), (2560, 1440));
        assert!(!looks_like_an_input(result, input, result));
        assert!(!looks_like_an_input((1280, 720), input, result), "of another --scale");
        assert!(looks_like_an_input((640, 360), input, result));
        assert!(looks_like_an_input((320, 240), input, result));
        assert!(!looks_like_an_input((640, 360), input, (640, 360)), "--scale 1");
    }
}

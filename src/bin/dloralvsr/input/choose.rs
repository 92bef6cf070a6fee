//! Which of a file's video streams is restored: asked once, before anything is built, and followed by the pipeline.

use super::Media;
use super::ffprobe::{self, Stream};
use crate::Failure;

/// Codecs of pictures, which are video only where more than one picture comes.
const PICTURES: [&str; 6] = ["mjpeg", "png", "bmp", "tiff", "webp", "gif"];

/// Position in `streams` of the video stream to restore: the one of the number `wanted`, else the first one that is
/// neither marked as a cover nor one picture beside others.
///
/// # Errors
/// There is none, or `wanted` is no video stream.
pub fn video(media: &Media, streams: &[Stream], wanted: Option<usize>) -> Result<usize, Failure> {
    if let Some(wanted) = wanted {
        return streams
            .iter()
            .position(|stream| stream.index == wanted && is_video(stream))
            .ok_or_else(|| no_such_stream(media, streams, wanted));
    }
    let candidates: Vec<usize> = (0..streams.len()).filter(|at| is_video(&streams[*at])).collect();
    for at in &candidates {
        if candidates.len() == 1 || !is_one_picture(media, &streams[*at])? {
            return Ok(*at);
        }
    }
    candidates
        .first()
        .copied()
        .ok_or_else(|| Failure::Usage(format!("{} holds no video stream", media.path().display())))
}

/// Video or pictures, but no cover.
pub fn is_video(stream: &Stream) -> bool {
    stream.codec_type == "video" && !stream.is("attached_pic")
}

fn is_one_picture(media: &Media, stream: &Stream) -> Result<bool, Failure> {
    if stream.is("still_image") || stream.is("timed_thumbnails") {
        return Ok(true);
    }
    if !PICTURES.contains(&stream.codec()) {
        return Ok(false);
    }
    let begin = ffprobe::beginning(media, stream.index, 2)?;
    let packets = begin.iter().filter(|item| matches!(item, ffprobe::Item::Packet(_)));
    Ok(packets.count() < 2)
}

fn no_such_stream(media: &Media, streams: &[Stream], wanted: usize) -> Failure {
    let numbers: Vec<String> = streams
        .iter()
        .filter(|stream| is_video(stream))
        .map(|stream| stream.index.to_string())
        .collect();
    let path = media.path().display();
    Failure::Usage(if numbers.is_empty() {
        format!("{path} holds no video stream")
    } else {
        format!(
            "--stream {wanted} is no video stream of {path}: there are {}",
            numbers.join(", ")
        )
    })
}

//! What the user is told before the work starts: what goes in, what comes out, what to expect.

use std::path::Path;

use crate::input::{Input, Mastering, Video};
use crate::options::Options;
use crate::output::{Streams, codec};
use crate::progress::clock;
use crate::size::PictureSize;
use crate::terminal::say;
use crate::video::{Deinterlace, Transcoder};

/// Output above this many pixels is warned about.
const LARGE: u64 = 3840 * 2160;

pub fn introduce(
    options: &Options,
    input: &Input,
    size: PictureSize,
    streams: &Streams,
    transcoder: &Transcoder,
    space: Option<&str>,
) {
    say!("{}", source_of(options, input));
    say!("{}", result(options, input, size, transcoder));
    let warnings = [large(options, input, size), hdr(input), space.map(str::to_owned)];
    warnings.into_iter().flatten().for_each(|text| say!("warning: {text}"));
    notes(options, input, streams, transcoder)
        .iter()
        .for_each(|text| say!("note: {text}"));
}

/// The input in a line.
pub fn source_of(options: &Options, input: &Input) -> String {
    format!("{}: {}", name(&options.input), source(input))
}

/// `64x48, 24 frames/s, 0:01, H.264; audio: AAC`.
fn source(input: &Input) -> String {
    let video = &input.video;
    let mut parts = vec![format!("{}x{}", video.width, video.height)];
    if let Some((numerator, denominator)) = video.framerate {
        let rate = format!("{:.3}", f64::from(numerator) / f64::from(denominator));
        parts.push(format!("{} frames/s", rate.trim_end_matches('0').trim_end_matches('.')));
    } else if let Some(mean) = video.mean_rate.filter(|_| !input.is_still()) {
        parts.push(format!("variable frame rate, {mean:.1} frames/s in the mean"));
    }
    parts.extend(
        input
            .duration
            .map(|duration| clock((duration.unsigned_abs() + 500_000_000) / 1_000_000_000)),
    );
    parts.push(codec(&video.stream));
    let audio: Vec<String> = input
        .others
        .iter()
        .filter(|stream| stream.codec_type == "audio")
        .map(codec)
        .collect();
    let audio = if audio.is_empty() {
        "none".to_owned()
    } else {
        audio.join(", ")
    };
    format!("{}; audio: {audio}", parts.join(", "))
}

fn result(options: &Options, input: &Input, size: PictureSize, transcoder: &Transcoder) -> String {
    let PictureSize { width, height, .. } = size;
    let turned = if input.video.turn.is_some() {
        ", turned upright"
    } else {
        ""
    };
    format!(
        "{}: {width}x{height}{turned}, {}",
        name(&options.output),
        transcoder.encoder
    )
}

fn large(options: &Options, input: &Input, size: PictureSize) -> Option<String> {
    let PictureSize { width, height, .. } = size;
    let pixels = size.pixels();
    if pixels <= LARGE {
        return None;
    }
    let frames = options.frames.or(input.estimated_frames());
    let frames = frames.map_or(String::new(), |frames| format!(", about {frames} frames"));
    Some(format!(
        "{width}x{height} is more than 2160p ({:.0} million pixels a frame{frames}): this takes long and needs much \
         memory, and many players cannot show it. --preview 3 shows a few frames of it",
        pixels as f64 / 1e6
    ))
}

fn hdr(input: &Input) -> Option<String> {
    let stated = match input.video.mastering {
        Some(Mastering { display: Some(_), .. }) => " The mastering display's description is kept.",
        _ => "",
    };
    input.video.is_hdr().then(|| {
        format!(
            "the input is HDR ({}) and is restored and encoded at 8 bits: smooth areas will show bands.{stated}",
            match input.video.stream.color_transfer.as_deref() {
                Some("arib-std-b67") => "HLG",
                _ => "PQ",
            }
        )
    })
}

fn fields(deinterlace: Deinterlace, video: &Video) -> Option<&'static str> {
    match (deinterlace, video.interlaced) {
        (Deinterlace::Auto, true) => Some("the input is interlaced: deinterlaced, a frame for each frame"),
        (Deinterlace::Off, true) => Some("the input is interlaced and stays so: moving edges keep their combs"),
        (Deinterlace::On, _) => Some("deinterlaced, a frame for each frame"),
        (Deinterlace::Field, true) => Some("the input is interlaced: deinterlaced, a frame for each field"),
        (Deinterlace::Field, false) => Some("the input is not interlaced: nothing is deinterlaced"),
        (Deinterlace::Auto | Deinterlace::Off, false) => None,
    }
}

fn notes(options: &Options, input: &Input, streams: &Streams, transcoder: &Transcoder) -> Vec<String> {
    let mut notes = Vec::new();
    if input.video.depth > 8 && !input.video.is_hdr() {
        notes.push(format!(
            "the input has {} bits a sample; it is restored at 8",
            input.video.depth
        ));
    }
    if input.video.alpha {
        notes.push("the input's transparency (alpha) is left out: the picture is opaque".to_owned());
    }
    notes.extend(fields(options.deinterlace, &input.video).map(str::to_owned));
    notes.extend(streams.changed.iter().cloned());
    if !streams.left_out.is_empty() {
        notes.push(format!("not in the output: {}", streams.left_out.join(", ")));
    }
    notes.extend(transcoder.notice.clone());
    notes
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

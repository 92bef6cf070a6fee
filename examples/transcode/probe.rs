//! What the input holds, asked before anything is built.

use std::path::Path;

use gst::prelude::*;
use gst_pbutils::prelude::*;

use crate::Failure;

/// The restorer's limits, in input pixels.
const SMALLEST: u32 = 16;
const LARGEST: u32 = 4096;

/// How long a file may take to say what it is.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(20);

/// The input file, as far as transcoding needs to know it.
pub struct Source {
    /// Stored size in pixels, before rotation.
    pub width: u32,
    pub height: u32,
    /// Frames per second; 0/1 where the file does not say or the rate varies.
    pub framerate: gst::Fraction,
    pub duration: Option<gst::ClockTime>,
    pub interlaced: bool,
    /// GStreamer's orientation tag where it is not `rotate-0`.
    pub orientation: Option<String>,
    /// Codec of the video and of each audio stream, in words.
    pub video: String,
    pub audio: Vec<String>,
    /// Streams that the output will not have, in words.
    pub left_out: Vec<String>,
    /// More than 8 bits per sample.
    pub deep: bool,
}

impl Source {
    /// The size in pixels as it is shown: turned by a quarter where the orientation says so.
    pub fn upright(&self) -> (u32, u32) {
        match self.orientation.as_deref() {
            Some(tag) if tag.ends_with("90") || tag.ends_with("270") => (self.height, self.width),
            _ => (self.width, self.height),
        }
    }

    /// The number of frames by duration and frame rate: an estimate, good for a progress bar.
    pub fn estimated_frames(&self) -> Option<u64> {
        let (numerator, denominator) = (
            u64::try_from(self.framerate.numer()).ok()?,
            self.framerate.denom() as u64,
        );
        let frames = self
            .duration?
            .mul_div_round(numerator, denominator * gst::ClockTime::SECOND.nseconds())?;
        (frames.nseconds() > 0).then_some(frames.nseconds())
    }
}

pub fn probe(input: &Path) -> Result<Source, Failure> {
    let info = discover(input)?;
    let video_streams = info.video_streams();
    let Some(video) = video_streams.iter().find(|stream| !stream.is_image()) else {
        return Err(Failure::Usage(format!("{} holds no video stream", input.display())));
    };
    let (width, height) = (video.width(), video.height());
    if !(SMALLEST..=LARGEST).contains(&width) || !(SMALLEST..=LARGEST).contains(&height) {
        return Err(Failure::Usage(format!(
            "the video is {width}x{height}: sizes from {SMALLEST}x{SMALLEST} to {LARGEST}x{LARGEST} can be restored"
        )));
    }
    Ok(Source {
        width,
        height,
        framerate: video.framerate(),
        duration: info.duration(),
        interlaced: video.is_interlaced(),
        orientation: orientation(video),
        video: codec(video),
        audio: info.audio_streams().iter().map(codec).collect(),
        left_out: left_out(&info, video_streams.len() - 1),
        deep: video.caps().is_some_and(|caps| bits_per_sample(&caps) > 8),
    })
}

fn discover(input: &Path) -> Result<gst_pbutils::DiscovererInfo, Failure> {
    let cannot_read = |cause: String| Failure::Failed(format!("{} cannot be read: {cause}", input.display()));
    let path = std::path::absolute(input).map_err(|error| cannot_read(error.to_string()))?;
    let uri = gst::glib::filename_to_uri(&path, None).map_err(|error| cannot_read(error.to_string()))?;
    let discoverer = gst_pbutils::Discoverer::new(PATIENCE).map_err(|error| cannot_read(error.to_string()))?;
    let info = discoverer
        .discover_uri(&uri)
        .map_err(|error| cannot_read(error.message().to_owned()))?;
    match info.result() {
        gst_pbutils::DiscovererResult::Ok => Ok(info),
        gst_pbutils::DiscovererResult::MissingPlugins => {
            let missing: Vec<String> = info
                .missing_elements_installer_details()
                .iter()
                .map(|detail| plugin_in_words(detail))
                .collect();
            Err(cannot_read(format!(
                "GStreamer lacks {}. Install the distribution's gstreamer1.0-libav, -plugins-good and -plugins-bad \
                 (scripts/install.sh does it on Debian)",
                missing.join(", ")
            )))
        }
        gst_pbutils::DiscovererResult::Timeout => Err(cannot_read(format!("no answer within {PATIENCE:.0}"))),
        other => Err(cannot_read(format!("{other:?}"))),
    }
}

/// The description inside an installer detail, `gstreamer|1.0|program|description|detail`.
fn plugin_in_words(detail: &str) -> String {
    detail.split('|').nth(3).unwrap_or(detail).to_owned()
}

fn codec(stream: &impl IsA<gst_pbutils::DiscovererStreamInfo>) -> String {
    match stream.caps() {
        Some(caps) => gst_pbutils::pb_utils_get_codec_description(&caps).to_string(),
        None => "unknown".to_owned(),
    }
}

fn orientation(video: &gst_pbutils::DiscovererVideoInfo) -> Option<String> {
    let tags = video.tags()?;
    let orientation = tags.get::<gst::tags::ImageOrientation>()?.get().to_owned();
    (orientation != "rotate-0").then_some(orientation)
}

fn bits_per_sample(caps: &gst::CapsRef) -> u32 {
    caps.structure(0)
        .and_then(|fields| fields.get::<u32>("bit-depth-luma").ok())
        .unwrap_or(8)
}

fn left_out(info: &gst_pbutils::DiscovererInfo, more_video: usize) -> Vec<String> {
    let subtitles = info.subtitle_streams().len();
    [(more_video, "more video or picture"), (subtitles, "subtitle")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| format!("{count} {kind} stream{}", if count == 1 { "" } else { "s" }))
        .collect()
}

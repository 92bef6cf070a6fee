//! What each kind of output file can hold.

use std::path::Path;

use crate::Failure;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    Matroska,
    Mp4,
    QuickTime,
    WebM,
    /// One picture, for a still.
    Png,
}

/// How a stream gets into the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    Copied,
    /// Encoded anew with this encoder of FFmpeg, called so by people.
    Encoded(&'static str, &'static str),
    LeftOut,
}

/// Audio that MP4 players expect.
const MP4_AUDIO: [&str; 6] = ["aac", "mp3", "ac3", "eac3", "alac", "opus"];
const QUICKTIME_AUDIO: [&str; 14] = [
    "aac",
    "mp3",
    "ac3",
    "eac3",
    "alac",
    "pcm_s16le",
    "pcm_s16be",
    "pcm_s24le",
    "pcm_s24be",
    "pcm_s32le",
    "pcm_s32be",
    "pcm_f32le",
    "pcm_f32be",
    "adpcm_ima_qt",
];
/// Subtitles that are text, which FFmpeg turns into one another.
const TEXT: [&str; 7] = ["subrip", "srt", "ass", "ssa", "mov_text", "webvtt", "text"];
/// Subtitles that are pictures.
const PICTURES: [&str; 3] = ["hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle"];

impl Container {
    /// By the file's ending.
    pub fn of(output: &Path) -> Result<Self, Failure> {
        let ending = output
            .extension()
            .and_then(|ending| ending.to_str())
            .unwrap_or("")
            .to_ascii_lowercase();
        match ending.as_str() {
            "mkv" => Ok(Container::Matroska),
            "mp4" | "m4v" => Ok(Container::Mp4),
            "mov" => Ok(Container::QuickTime),
            "webm" => Ok(Container::WebM),
            "png" => Ok(Container::Png),
            _ => Err(Failure::Usage(format!(
                "the output {} must end in .mkv, .mp4, .mov or .webm (or .png for a still): the ending chooses the format",
                output.display()
            ))),
        }
    }

    /// The file's ending.
    pub fn ending(self) -> &'static str {
        match self {
            Container::Matroska => ".mkv",
            Container::Mp4 => ".mp4",
            Container::QuickTime => ".mov",
            Container::WebM => ".webm",
            Container::Png => ".png",
        }
    }

    /// FFmpeg's name of the format.
    pub fn format(self) -> &'static str {
        match self {
            Container::Matroska => "matroska",
            Container::Mp4 => "mp4",
            Container::QuickTime => "mov",
            Container::WebM => "webm",
            Container::Png => "image2",
        }
    }

    pub fn audio(self, codec: &str) -> Treatment {
        let copied = match self {
            // Nearly every codec that FFmpeg knows by name fits.
            Container::Matroska => true,
            Container::Mp4 => MP4_AUDIO.contains(&codec),
            Container::QuickTime => QUICKTIME_AUDIO.contains(&codec),
            Container::WebM => ["opus", "vorbis"].contains(&codec),
            Container::Png => return Treatment::LeftOut,
        };
        match self {
            _ if codec == "unknown" || codec == "none" => Treatment::LeftOut,
            _ if copied => Treatment::Copied,
            _ => {
                let (encoder, people_say) = self.audio_encoder(codec);
                Treatment::Encoded(encoder, people_say)
            }
        }
    }

    /// FFmpeg's encoder for audio of this codec that cannot be copied, and how people call it.
    pub fn audio_encoder(self, codec: &str) -> (&'static str, &'static str) {
        let is_lossless = codec.starts_with("pcm_") || codec == "s302m";
        match self {
            Container::WebM => ("libopus", "Opus"),
            Container::Matroska if is_lossless => ("flac", "FLAC"),
            _ => ("aac", "AAC"),
        }
    }

    pub fn subtitle(self, codec: &str) -> Treatment {
        let (text, picture) = (TEXT.contains(&codec), PICTURES.contains(&codec));
        match self {
            Container::Matroska if codec == "mov_text" || codec == "text" => Treatment::Encoded("srt", "SubRip"),
            Container::Matroska if text || picture => Treatment::Copied,
            Container::Mp4 | Container::QuickTime if codec == "mov_text" => Treatment::Copied,
            Container::Mp4 | Container::QuickTime if text => Treatment::Encoded("mov_text", "3GPP timed text"),
            Container::Mp4 if codec == "dvd_subtitle" => Treatment::Copied,
            Container::WebM if codec == "webvtt" => Treatment::Copied,
            Container::WebM if text => Treatment::Encoded("webvtt", "WebVTT"),
            _ => Treatment::LeftOut,
        }
    }

    /// Fonts and other files.
    pub fn holds_attachments(self) -> bool {
        self == Container::Matroska
    }

    pub fn holds_covers(self) -> bool {
        matches!(self, Container::Matroska | Container::Mp4)
    }

    /// Tracks of measurements beside the picture, by their tag: position and movement of action cameras.
    pub fn holds_data(self, tag: &str) -> bool {
        matches!(self, Container::Mp4 | Container::QuickTime) && tag == "gpmd"
    }

    /// Chapters, and the timecode of the first frame: a tag of the video, or a track of its own in MP4 and MOV.
    pub fn holds_chapters_and_timecode(self) -> bool {
        self != Container::Png
    }
}

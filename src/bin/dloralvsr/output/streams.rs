//! Which of the input's other streams the output keeps, and how; what it cannot hold is named before the work starts.

use super::container::{Container, Treatment};
use crate::input::Input;
use crate::input::ffprobe::Stream;

/// A stream of the input that the output keeps.
#[derive(Debug)]
pub struct Kept {
    pub stream: Stream,
    pub kind: Kind,
    /// `None`: copied as it is; else the name of FFmpeg's encoder.
    pub encoder: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Subtitle,
    Cover,
    Attachment,
    Data,
}

/// What becomes of everything that is not the video.
#[derive(Debug, Default)]
pub struct Streams {
    pub kept: Vec<Kept>,
    /// What is kept in another form, in words.
    pub changed: Vec<String>,
    /// What the output will not have, in words.
    pub left_out: Vec<String>,
}

impl Streams {
    /// What the container is known to hold; `is_cut`: the output begins later than the input.
    pub fn plan(input: &Input, container: Container, is_cut: bool) -> Self {
        let mut plan = Self::default();
        for stream in &input.others {
            plan.take(input, stream, container);
        }
        if input.chapters > 0 && !container.holds_chapters_and_timecode() {
            plan.left_out.push("chapters".to_owned());
        }
        if is_cut && input.video.stream.tag("timecode").is_some() {
            plan.left_out
                .push("timecode, since the output begins later than the input".to_owned());
        }
        plan
    }

    fn take(&mut self, input: &Input, stream: &Stream, container: Container) {
        let copied_if = |holds| if holds { Treatment::Copied } else { Treatment::LeftOut };
        let (kind, treatment) = match stream.codec_type.as_str() {
            "audio" => (Kind::Audio, container.audio(stream.codec())),
            "subtitle" => (Kind::Subtitle, container.subtitle(stream.codec())),
            "video" if stream.is("attached_pic") => (Kind::Cover, copied_if(container.holds_covers())),
            "attachment" => (Kind::Attachment, copied_if(container.holds_attachments())),
            "data" if is_written_anew(input, stream, container) => return,
            _ => (Kind::Data, copied_if(container.holds_data(&stream.codec_tag_string))),
        };
        match treatment {
            Treatment::LeftOut => self.leave_out(stream),
            Treatment::Copied => self.kept.push(Kept {
                stream: stream.clone(),
                kind,
                encoder: None,
            }),
            Treatment::Encoded(encoder, people_say) => {
                self.encode(stream.clone(), kind, (encoder, people_say), container);
            }
        }
    }

    pub(super) fn leave_out(&mut self, stream: &Stream) {
        self.left_out.push(name(stream));
    }

    /// With FFmpeg's encoder, which people call so.
    pub(super) fn encode(
        &mut self,
        stream: Stream,
        kind: Kind,
        (encoder, people_say): (&'static str, &str),
        container: Container,
    ) {
        let keeps = container != Container::Matroska && Container::Matroska.audio(stream.codec()) == Treatment::Copied;
        let remedy = if kind == Kind::Audio && keeps {
            "; an .mkv would keep it"
        } else {
            ""
        };
        self.changed.push(format!(
            "{} does not go into {}: encoded as {people_say}{remedy}",
            name(&stream),
            container.ending()
        ));
        self.kept.push(Kept {
            stream,
            kind,
            encoder: Some(encoder),
        });
    }

    pub fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(move |kept| kept.kind == kind)
    }
}

/// Chapters of MP4 and MOV are a text track, and the start code is a track: FFmpeg reads both as what they mean, and
/// writes them so.
fn is_written_anew(input: &Input, stream: &Stream, container: Container) -> bool {
    match stream.codec_tag_string.as_str() {
        "text" => input.chapters > 0,
        "tmcd" => container.holds_chapters_and_timecode(),
        _ => false,
    }
}

/// A stream in words: `audio track 2 (AAC, fra, "Commentary")`.
pub fn name(stream: &Stream) -> String {
    let mut details = vec![codec(stream)];
    details.extend(
        stream
            .tag("language")
            .filter(|language| *language != "und")
            .map(str::to_owned),
    );
    details.extend(stream.tag("title").map(|title| format!("\"{title}\"")));
    details.extend(stream.tag("filename").map(str::to_owned));
    let kind = match stream.codec_type.as_str() {
        "attachment" => "attached file".to_owned(),
        "video" if stream.is("attached_pic") => "cover picture".to_owned(),
        "data" if stream.codec_tag_string == "gpmd" => "metadata track".to_owned(),
        "" => "unknown track".to_owned(),
        kind => format!("{kind} track"),
    };
    format!("{kind} {} ({})", stream.index, details.join(", "))
}

/// The codec as people call it.
pub fn codec(stream: &Stream) -> String {
    let long = stream.codec_long_name.as_deref().filter(|name| *name != "unknown");
    match (long, stream.codec_tag_string.as_str()) {
        // "H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10", "AAC (Advanced Audio Coding)", "binary data".
        (Some(long), _) if stream.codec_type != "data" => long
            .split(" / ")
            .next()
            .unwrap_or(long)
            .split(" (")
            .next()
            .unwrap_or(long)
            .to_owned(),
        (_, tag) if tag.chars().all(|letter| letter.is_ascii_graphic()) && !tag.starts_with('[') && !tag.is_empty() => {
            tag.to_owned()
        }
        _ => stream.codec().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(kind: &str, codec: &str) -> Stream {
        Stream {
            index: 3,
            codec_type: kind.to_owned(),
            codec_name: Some(codec.to_owned()),
            codec_long_name: Some("AAC (Advanced Audio Coding)".to_owned()),
            ..Stream::default()
        }
    }

    #[test]
    fn streams_have_names_that_people_know_them_by() {
        let mut audio = stream("audio", "aac");
        audio.tags.insert("language".to_owned(), "und".to_owned());
        assert_eq!(name(&audio), "audio track 3 (AAC)");
        audio.tags.insert("language".to_owned(), "fra".to_owned());
        audio.tags.insert("TITLE".to_owned(), "Commentary".to_owned());
        assert_eq!(name(&audio), "audio track 3 (AAC, fra, \"Commentary\")");
        let mut data = stream("data", "bin_data");
        data.codec_tag_string = "gpmd".to_owned();
        assert_eq!(name(&data), "metadata track 3 (gpmd)");
        data.codec_tag_string = "[0][0][0][0]".to_owned();
        assert_eq!(name(&data), "data track 3 (bin_data)");
    }
}

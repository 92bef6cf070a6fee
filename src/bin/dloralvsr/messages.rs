//! What streaming threads tell the user, as application messages on the bus, and errors of the pipeline in words.

use gst::prelude::*;

const NO_DECODER: &str = "GStreamer has no plugin that decodes this video";

/// Names of the messages; their field `text` is for the user.
pub const NOTICE: &str = "dloralvsr-notice";
/// What ends the program.
pub const FAILURE: &str = "dloralvsr-failure";

pub fn notice(element: &gst::Element, text: &str) {
    post(element, NOTICE, text);
}

pub fn failure(element: &gst::Element, text: &str) {
    post(element, FAILURE, text);
}

/// What [`failure`] posted.
pub fn failure_in(message: &gst::Message) -> Option<String> {
    let gst::MessageView::Application(application) = message.view() else {
        return None;
    };
    let fields = application.structure().filter(|fields| fields.name() == FAILURE)?;
    fields.get("text").ok()
}

fn post(element: &gst::Element, name: &str, text: &str) {
    let fields = gst::Structure::builder(name).field("text", text).build();
    // Refused only when the pipeline is being taken down: nobody is left to read it then.
    let _ = element.post_message(gst::message::Application::builder(fields).src(element).build());
}

/// An error in words: who, what, the detail behind it and what to do.
pub fn describe(source: Option<&gst::Object>, error: &gst::glib::Error, debug: Option<gst::glib::GString>) -> String {
    let mut text = match is_missing(error) {
        // GStreamer's own sentence speaks of an installation, and names neither decoder nor video.
        true => NO_DECODER.to_owned(),
        false => error.message().to_owned(),
    };
    // The first line of a debug text is a place in GStreamer's source; what follows is for people.
    if let Some((_, detail)) = debug.as_deref().and_then(|debug| debug.split_once('\n'))
        && !detail.trim().is_empty()
    {
        text = format!("{text}\n  {}", detail.trim());
    }
    if let Some(source) = source {
        text = format!("{text}\n  (from {})", source.name());
    }
    match remedy(error) {
        Some(remedy) => format!("{text}\n  {remedy}"),
        None => text,
    }
}

fn remedy(error: &gst::glib::Error) -> Option<&'static str> {
    if is_missing(error) {
        return Some(
            "Remedy: install gstreamer1.0-libav, -plugins-good, -plugins-bad and -plugins-ugly; where they are installed, \
             let FFmpeg convert the video first: ffmpeg -i INPUT -map 0 -c copy -c:v ffv1 CONVERTED.mkv",
        );
    }
    if error.matches(gst::ResourceError::NoSpaceLeft) {
        return Some("Remedy: free space on the output's disk, or write elsewhere");
    }
    if is_damage(error) {
        return Some("The input seems damaged or incomplete: try whether a player shows it to the end");
    }
    None
}

/// Whether GStreamer lacks a plugin for the input.
fn is_missing(error: &gst::glib::Error) -> bool {
    error.matches(gst::CoreError::MissingPlugin) || error.matches(gst::StreamError::CodecNotFound)
}

/// Whether the input is to blame.
pub fn is_damage(error: &gst::glib::Error) -> bool {
    use gst::StreamError;
    let damaged = [
        StreamError::Demux,
        StreamError::Decode,
        StreamError::TypeNotFound,
        StreamError::WrongType,
    ];
    damaged.into_iter().any(|kind| error.matches(kind))
}

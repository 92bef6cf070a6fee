//! The GStreamer element: properties, caps, buffers, messages. Decides nothing about pixels.
//!
//! # dloralvsr
//!
//! Restores raw video with DLoRAL and enlarges it by exactly four in each direction. One frame comes out for each that
//! goes in (but with `overload=drop`), with its timestamps, duration, flags and metas; regions of interest are scaled
//! along.
//!
//! Frames are 8-bit YUV or RGB, and come out in the format in which they go in. Models work on RGB; YUV is read and
//! written with the matrix, range and chroma sites that the caps say.
//!
//! The model pack is opened on a thread of its own when the element goes from READY to PAUSED, announced by PROGRESS
//! messages (code `open-model`); in a stream that is not live the first frame waits for it. If it cannot be opened, an
//! error message with the remedy is posted, and the state change fails if that shows at once.
//!
//! ## Live streams
//!
//! Of a frame that is not restored by its deadline the bicubic picture goes out (bypass), or it is dropped, as `overload`
//! says; restoration comes back as soon as it fits. Each change is posted as an element message `dloralvsr-state`. A frame
//! that cannot be restored is bypassed as well, with a warning, until `max-errors` of them come in a row. All of it is in
//! `docs/live.md`.
//!
//! ```text
//! gst-launch-1.0 -m videotestsrc is-live=true num-buffers=250 ! video/x-raw,width=320,height=180,framerate=25/1 ! queue ! videoconvert ! dloralvsr processing-latency=60000000 ! queue max-size-buffers=2 max-size-bytes=0 ! fakesink sync=true
//! ```
//!
//! ## Other streams
//!
//! Where upstream answers the LATENCY query with not being live, every frame is waited for (`overload` `auto` or `wait`).
//!
//! ## The pipeline
//!
//! Frames are submitted to a pipeline of two threads, one that encodes and restores and one that decodes, and a third one
//! pushes them, in order, each as soon as it is restored or at its deadline. Two are in flight at a time on a CPU with
//! several threads, where nobody waits for a particular frame (not live, also with `overload` `bypass`) or each is given
//! the time of two; else one. Serialized events and queries wait for the frames before them; what downstream answers
//! reaches upstream with the next frame. `docs/architecture.md` follows a frame from call to call.
//!
//! ## Example
//!
//! Restores a file, for looking at:
//!
//! ```text
//! gst-launch-1.0 filesrc location=input.mp4 ! decodebin ! videoconvert ! dloralvsr ! videoconvert ! autovideosink sync=false
//! ```
//!
//! The same without a file or a screen, which runs anywhere:
//!
//! ```text
//! gst-launch-1.0 videotestsrc num-buffers=50 ! video/x-raw,width=320,height=180 ! videoconvert ! dloralvsr ! fakesink
//! ```
//!
//! ## The window
//!
//! Every frame is restored together with the one before it. The first frame, one marked DISCONT, and the first after a
//! flush, a segment, a gap (also one in the timestamps) or a caps change have none before them and are paired with
//! themselves; so is the first after a scene cut.
//!
//! ## Modules
//!
//! | module | knows |
//! |---|---|
//! | `imp` | the subclass: which virtual method leads where |
//! | `settings`, `enums` | properties |
//! | `caps` | what is accepted, and which caps follow from which |
//! | `colorimetry` | what caps say of colours, part by part |
//! | `formats` | accepted formats, and the core's words for what their samples mean |
//! | `allocation` | ALLOCATION queries |
//! | `buffers`, `metas` | buffers as the core's pictures; what becomes of their metas |
//! | `navigation` | pointer positions in the enlarged picture, as positions in the input |
//! | `model`, `loader` | opening the model on a thread beside the stream, and its messages on the bus |
//! | `ort_log` | ONNX Runtime's log as a debug category |
//! | `pads` | refused caps, refused pull mode |
//! | `session` | one run from start to stop: the model, the pipeline, the window, what downstream answers |
//! | `timing` | running times, latencies and gaps, as [`pace`](crate::pace) takes them |
//! | `frames` | frames in and out: submitted, finished, pushed, and reported on the bus |
//! | `frame_flow` | one frame's fate: restored, bypassed, dropped or refused |
//! | `messages` | texts and structures of messages: changes of state, lag, lack of memory |
//! | `failure` | errors as element messages |
//! | `stats` | what the `stats` property says |

#[cfg(feature = "pipelines")]
use std::sync::Arc;
use std::sync::LazyLock;

use gst::glib;
use gst::prelude::*;
#[cfg(feature = "pipelines")]
use gst::subclass::prelude::ObjectSubclassIsExt;

#[cfg(feature = "pipelines")]
use crate::restore::Hook;

mod allocation;
mod buffers;
mod caps;
pub mod colorimetry;
mod enums;
mod failure;
pub mod formats;
mod frame_flow;
mod frames;
mod imp;
mod loader;
mod messages;
mod metas;
mod model;
mod navigation;
mod ort_log;
mod pads;
mod session;
mod settings;
mod stats;
mod timing;

pub use enums::{ColorFix, ExecutionProvider, OptimizationLevel, Overload};

/// Debug category of the element.
static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "dloralvsr",
        gst::DebugColorFlags::empty(),
        Some("DLoRAL video super-resolution"),
    )
});

/// The custom event, sent downstream before a frame, that begins a restore interval with it: so whoever cuts a stream has
/// the same frames restored in each part. It goes no further.
pub const RESTORE_NEXT: &str = "dloralvsr-restore-next";

glib::wrapper! {
    /// The element `dloralvsr`.
    pub struct DloralVsr(ObjectSubclass<imp::DloralVsr>)
        @extends gst_video::VideoFilter, gst_base::BaseTransform, gst::Element, gst::Object;
}

#[cfg(feature = "pipelines")]
impl DloralVsr {
    /// Has `hook` called before each graph is run, from the next start on: for tests of how slow or failing models are
    /// dealt with. What is installed is built without it.
    pub fn set_hook(&self, hook: Option<Hook>) {
        *self.imp().hook.lock() = hook;
    }

    /// The same before each frame is finished, on the thread that pushes it.
    pub fn set_finish_hook(&self, hook: Option<Arc<dyn Fn() + Send + Sync>>) {
        *self.imp().finish_hook.lock() = hook;
    }
}

/// Registers the element with a plugin. Loads nothing: ONNX Runtime is looked for when a model is opened.
///
/// # Errors
/// If GStreamer refuses the registration.
pub fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(Some(plugin), "dloralvsr", gst::Rank::NONE, DloralVsr::static_type())
}

//! What the element's tests share: pictures, a harness around the element, its bus.

// Each test file uses a part of it.
#![allow(dead_code)]

pub mod in_flight;
pub mod live;
pub mod meeting;
pub mod nearest;
pub mod picture;
pub mod planes;
pub mod program;
pub mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::Duration;

use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::{PixelView, PixelViewMut, SCALE, Settings, Stream};
use gstdloralvsr::runtime::{Model, ModelOptions};

use picture::Picture;

/// Longest wait for anything: far more than it takes on a busy machine, and an end to a hang.
pub const TIMEOUT: Duration = Duration::from_secs(120);

/// The ten RGB formats; those of YUV are in `element_yuv.rs`.
pub const FORMATS: [VideoFormat; 10] = [
    VideoFormat::Rgb,
    VideoFormat::Bgr,
    VideoFormat::Rgbx,
    VideoFormat::Bgrx,
    VideoFormat::Xrgb,
    VideoFormat::Xbgr,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
    VideoFormat::Argb,
    VideoFormat::Abgr,
];

/// GStreamer, with the plugin of this build.
pub fn init() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        gst::init().unwrap();
        gstdloralvsr::plugin_register_static().unwrap();
    });
}

/// The folder of one of the tests' packs.
pub fn pack(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs").join(name)
}

/// The element over one of the tests' packs, on the CPU, without scene detection.
pub fn element(pack_name: &str) -> gst::Element {
    init();
    gst::ElementFactory::make("dloralvsr")
        .property("model", pack(pack_name).to_str().unwrap())
        .property_from_str("execution-provider", "cpu")
        .property("scene-threshold", 0.0)
        .build()
        .unwrap()
}

/// The element between two test pads, and its bus.
pub struct Rig {
    pub harness: Harness,
    pub element: gst::Element,
    pub bus: gst::Bus,
}

impl Rig {
    pub fn new(pack_name: &str) -> Self {
        Self::with(&element(pack_name))
    }

    pub fn with(element: &gst::Element) -> Self {
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
        // Frames are restored however long that takes; tests of live streams say so.
        harness.set_live(false);
        Rig {
            harness,
            element: element.clone(),
            bus,
        }
    }

    /// As [`Self::new`], with caps for pictures like this one, at 25 frames/s.
    pub fn for_picture(pack_name: &str, picture: &Picture) -> Self {
        let mut rig = Self::new(pack_name);
        rig.harness.set_src_caps(picture.caps());
        rig
    }

    /// Pushes a picture with the timestamp of frame `index` and takes what comes out.
    pub fn restore(&mut self, picture: &Picture, index: u64) -> Picture {
        self.restore_buffer(picture.buffer(index))
    }

    pub fn restore_buffer(&mut self, buffer: gst::Buffer) -> Picture {
        let output = self.push_and_pull(buffer);
        let caps = self.harness.sinkpad().unwrap().current_caps().unwrap();
        Picture::of_buffer(&output, &caps)
    }

    pub fn push_and_pull(&mut self, buffer: gst::Buffer) -> gst::Buffer {
        if let Err(error) = self.harness.push(buffer) {
            panic!("push: {error:?}, {:?}", error_of(&self.bus));
        }
        self.harness.pull().expect("a buffer out for a buffer in")
    }

    /// A count in the statistics.
    pub fn count(&self, field: &str) -> u64 {
        self.element.property::<gst::Structure>("stats").get(field).unwrap()
    }
}

/// What the core alone makes of pictures that follow each other.
pub fn reference(pack_name: &str, pictures: &[Picture]) -> Vec<Picture> {
    reference_with(pack_name, pictures, without_scene_cuts())
}

pub fn reference_with(pack_name: &str, pictures: &[Picture], settings: Settings) -> Vec<Picture> {
    reference_of(Pack::open(&pack(pack_name)).unwrap(), pictures, settings)
}

/// The core's defaults, as [`element`] has them.
pub fn without_scene_cuts() -> Settings {
    Settings {
        scene_threshold: 0.0,
        ..Settings::default()
    }
}

pub fn reference_of(pack: Pack, pictures: &[Picture], settings: Settings) -> Vec<Picture> {
    let options = ModelOptions {
        provider: "cpu".parse().unwrap(),
        ..ModelOptions::default()
    };
    let model: Arc<Model> = Model::load(&pack, &options, &mut |_| ()).unwrap();
    let mut stream = Stream::new(model.clone(), model.manifest(), settings).unwrap();
    let restore = |picture: &Picture| {
        let mut output = picture.enlarged_blank();
        let layout = picture.layout();
        let (stride, row) = (picture.row_bytes(), output.row_bytes());
        let input = PixelView::new(&picture.data, picture.width, picture.height, stride, layout).unwrap();
        let (width, height) = (picture.width * SCALE, picture.height * SCALE);
        let mut target = PixelViewMut::new(&mut output.data, width, height, row, layout).unwrap();
        stream.restore(&input, &mut target).unwrap();
        output
    };
    pictures.iter().map(restore).collect()
}

/// Everything the element's debug category says while `work` runs on this thread.
pub fn log_of(work: impl FnOnce()) -> String {
    // The category comes into being with the first element.
    element("nearest");
    gst::log::remove_default_log_function();
    gst::log::set_threshold_for_name("dloralvsr", gst::DebugLevel::Debug);
    let (lines, this_thread) = (Arc::new(Mutex::new(String::new())), std::thread::current().id());
    let writer = lines.clone();
    let function = gst::log::add_log_function(move |category, _, _, _, _, _, message| {
        if category.name() == "dloralvsr" && std::thread::current().id() == this_thread {
            writer
                .lock()
                .unwrap()
                .extend([&message.get().unwrap_or_default(), "\n"]);
        }
    });
    work();
    gst::log::remove_log_function(function);
    let text = lines.lock().unwrap();
    text.clone()
}

/// The text of the next error on a bus, if there is one already.
pub fn error_of(bus: &gst::Bus) -> Option<String> {
    bus.pop_filtered(&[gst::MessageType::Error])
        .map(|message| error_text(&message).1)
}

/// Waits for the next error on a bus: for its code, and its text.
#[track_caller]
pub fn wait_for_error(bus: &gst::Bus) -> (gst::glib::Error, String) {
    let message = wait_for(bus, &[gst::MessageType::Error, gst::MessageType::Eos]);
    assert_eq!(
        message.type_(),
        gst::MessageType::Error,
        "the stream ended without an error"
    );
    error_text(&message)
}

#[track_caller]
pub fn wait_for(bus: &gst::Bus, types: &[gst::MessageType]) -> gst::Message {
    let timeout = gst::ClockTime::from_nseconds(TIMEOUT.as_nanos() as u64);
    bus.timed_pop_filtered(timeout, types)
        .unwrap_or_else(|| panic!("no {types:?} on the bus"))
}

/// Waits for the end of the stream; an error fails the test.
#[track_caller]
pub fn wait_for_eos(bus: &gst::Bus) {
    let message = wait_for(bus, &[gst::MessageType::Error, gst::MessageType::Eos]);
    if message.type_() == gst::MessageType::Error {
        panic!("{}", error_text(&message).1);
    }
}

fn error_text(message: &gst::Message) -> (gst::glib::Error, String) {
    match message.view() {
        gst::MessageView::Error(error) => (error.error(), error.error().message().to_owned()),
        _ => unreachable!("only errors are asked for"),
    }
}

/// Runs something that may hang on a thread of its own; a hang fails the test.
#[track_caller]
pub fn within_timeout<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver
        .recv_timeout(TIMEOUT)
        .unwrap_or_else(|error| panic!("{what}: {error}"))
}

/// A pipeline that is stopped when the test ends, however it ends.
pub struct Running(pub gst::Pipeline);

impl Running {
    pub fn launch(description: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(description).unwrap_or_else(|error| panic!("{description}: {error}"));
        Running(pipeline.downcast().unwrap())
    }

    pub fn bus(&self) -> gst::Bus {
        self.0.bus().unwrap()
    }

    pub fn element(&self, name: &str) -> gst::Element {
        self.0.by_name(name).unwrap()
    }

    pub fn play(&self) {
        self.0.set_state(gst::State::Playing).unwrap();
    }

    /// Plays something whose error shows at once or a little later.
    pub fn try_to_play(&self) {
        let _ = self.0.set_state(gst::State::Playing);
    }

    /// Waits until the pipeline is in the state it was set to.
    #[track_caller]
    pub fn settle(&self) {
        let timeout = gst::ClockTime::from_nseconds(TIMEOUT.as_nanos() as u64);
        let (result, state, pending) = self.0.state(timeout);
        result.unwrap_or_else(|_| panic!("state change: {:?}", error_of(&self.bus())));
        assert_eq!(pending, gst::State::VoidPending, "still in {state:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// A pack that takes very long to open: it lists a file of 48 GiB of zeros, which take no room on disk. When dropped,
/// the file becomes empty, so that whoever still reads it comes to an end.
pub struct SlowPack(tempfile::TempDir);

impl SlowPack {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(pack("nearest")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
        fs::File::create(folder.path().join("ballast.bin"))
            .unwrap()
            .set_len(48 << 30)
            .unwrap();
        let manifest = folder.path().join("pack.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        let listed = format!("[files]\n\"ballast.bin\" = \"{}\"", "0".repeat(64));
        fs::write(&manifest, text.replace("[files]", &listed)).unwrap();
        SlowPack(folder)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SlowPack {
    fn drop(&mut self) {
        fs::File::create(self.path().join("ballast.bin")).unwrap();
    }
}

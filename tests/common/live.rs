//! The element in a live stream whose clock the test turns, over a model that is slow or fails when the test says so.

use std::sync::{Arc, Condvar, Mutex};

use gst::prelude::*;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::upscale::{Samples, Upscaler};
use gstdloralvsr::restore::{GraphError, GraphErrorKind, Hook, SCALE};

use super::picture::Picture;
use super::{Rig, within_timeout};

/// Time enough for any frame on any machine.
pub const AMPLE: gst::ClockTime = gst::ClockTime::from_seconds(100);
/// Less than it takes to submit a frame to the pipeline.
pub const NONE: gst::ClockTime = gst::ClockTime::from_mseconds(1);

/// What the model does when it is asked for a frame.
#[derive(Default)]
pub struct Model {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    held: bool,
    failures: Vec<GraphErrorKind>,
    /// Frames begun: calls of the encoder.
    begun: usize,
    calls: usize,
}

impl Model {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// While held, no graph comes to an end.
    pub fn hold(&self, held: bool) {
        self.state.lock().unwrap().held = held;
        self.changed.notify_all();
    }

    /// The next calls of the encoder fail like this, one after the other.
    pub fn fail(&self, kinds: &[GraphErrorKind]) {
        self.state.lock().unwrap().failures = kinds.iter().rev().copied().collect();
    }

    /// Frames that the model has been asked for.
    pub fn begun(&self) -> usize {
        self.state.lock().unwrap().begun
    }

    /// Calls of all graphs.
    pub fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    pub fn hook(self: &Arc<Self>) -> Hook {
        let model = self.clone();
        Arc::new(move |graph| model.call(graph))
    }

    fn call(&self, graph: Graph) -> Result<(), GraphError> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        if graph == Graph::Encoder {
            state.begun += 1;
            if let Some(kind) = state.failures.pop() {
                let message = "the test wants it so".to_owned();
                return Err(GraphError { graph, kind, message });
            }
        }
        while state.held {
            state = self.changed.wait(state).unwrap();
        }
        Ok(())
    }
}

/// An element whose model is the test's. There is one frame at a time: with one thread there is nothing to gain by two.
pub fn element_with(pack: &str, model: &Arc<Model>) -> gst::Element {
    let element = super::element(pack);
    element.set_property("intra-threads", 1_u32);
    // What is bypassed is to be told from what is restored.
    element.set_property("propagate-detail", false);
    element
        .downcast_ref::<DloralVsr>()
        .unwrap()
        .set_hook(Some(model.hook()));
    element
}

/// A rig in a live stream of this latency; the model is open.
pub fn rig(pack: &str, model: &Arc<Model>, picture: &Picture, latency: gst::ClockTime) -> Rig {
    let mut rig = Rig::with(&element_with(pack, model));
    rig.harness.set_live(true);
    rig.harness.set_src_caps(picture.caps());
    set_latency(&mut rig, latency);
    wait_for_model(&rig.element);
    rig
}

/// Frames are given another time here, and the pipeline has settled on that.
pub fn set_latency(rig: &mut Rig, latency: gst::ClockTime) {
    rig.element.set_property("processing-latency", latency.nseconds());
    assert!(rig.harness.push_upstream_event(gst::event::Latency::new(latency)));
}

pub fn wait_for_model(element: &gst::Element) {
    let element = element.clone();
    within_timeout("the model", move || {
        while element.property::<u32>("window") == 0 {
            std::thread::yield_now();
        }
    });
}

/// Waits until the model has nothing to do: a frame that nobody waits for is done.
pub fn wait_until(what: &'static str, condition: impl Fn() -> bool + Send + 'static) {
    within_timeout(what, move || {
        while !condition() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    });
}

/// Pushes frame `index` when it is due by the clock; what comes out, if anything does.
pub fn push(rig: &mut Rig, picture: &Picture, index: u64) -> Option<gst::Buffer> {
    rig.harness.set_time(gst::ClockTime::from_mseconds(40) * index).unwrap();
    if let Err(error) = rig.harness.push(picture.buffer(index)) {
        panic!("push: {error:?}, {:?}", super::error_of(&rig.bus));
    }
    drain(rig);
    rig.harness.try_pull()
}

/// Waits until the frames in flight, if there are any, are out: whoever drains a stream has to get them.
pub fn drain(rig: &mut Rig) {
    let source = rig.harness.srcpad().unwrap();
    source.peer_query(&mut gst::query::Drain::new());
}

/// As [`push`], as a picture.
#[track_caller]
pub fn push_picture(rig: &mut Rig, picture: &Picture, index: u64) -> Picture {
    let buffer = push(rig, picture, index).expect("a frame out for a frame in, at once");
    let caps = rig.harness.sinkpad().unwrap().current_caps().unwrap();
    Picture::of_buffer(&buffer, &caps)
}

/// Pushes a frame that ends the stream: whoever pushes learns of it with the frame behind it.
pub fn push_the_last(rig: &mut Rig, picture: &Picture, index: u64) -> gst::FlowError {
    let flow = rig.harness.push(picture.buffer(index)).and_then(|_| {
        drain(rig);
        rig.harness.push(picture.buffer(index + 1))
    });
    flow.expect_err("the stream goes on")
}

/// An RGB picture as the host upscales it: a bypassed frame.
pub fn bicubic(picture: &Picture) -> Picture {
    let mut output = picture.enlarged_blank();
    Upscaler::new()
        .upscale(
            &picture.data,
            picture.width,
            picture.height,
            Samples::Rgb,
            &mut output.data,
        )
        .unwrap();
    assert_eq!(output.data.len(), picture.data.len() * SCALE * SCALE);
    output
}

/// Between the values of two pictures.
pub fn mean_difference(a: &Picture, b: &Picture) -> f64 {
    let total: u64 = a.data.iter().zip(&b.data).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    total as f64 / a.data.len() as f64
}

/// Frames that may be on their way at a time.
pub fn depth(rig: &Rig) -> u32 {
    rig.element.property::<gst::Structure>("stats").get("depth").unwrap()
}

/// The states that the element has told since this was last asked. Other messages are lost.
pub fn states(bus: &gst::Bus) -> Vec<String> {
    std::iter::from_fn(|| bus.pop())
        .filter_map(|message| state_of(&message))
        .collect()
}

/// The state that a message tells.
pub fn state_of(message: &gst::Message) -> Option<String> {
    let structure = message.structure()?;
    (structure.name() == "dloralvsr-state").then(|| structure.get("state").unwrap())
}

/// `in = out + dropped`, and every frame that came out is counted once.
#[track_caller]
pub fn check_counts(rig: &Rig, expected: [u64; 4]) {
    let counts = ["frames-in", "restored", "bypassed", "dropped"].map(|field| rig.count(field));
    assert_eq!(counts, expected, "in, restored, bypassed, dropped");
    assert_eq!(rig.count("frames-out"), counts[1] + counts[2]);
    assert_eq!(counts[0], counts[1] + counts[2] + counts[3]);
}

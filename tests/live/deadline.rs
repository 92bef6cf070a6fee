//! The time of the sink's own that the element takes: frames that leave just before their deadline are in time there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gst::prelude::*;
use gst_video::VideoFormat;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::Hook;

use crate::common::live::wait_for_model;
use crate::common::picture::Picture;
use crate::common::{Running, pack, wait_for_eos};

/// Milliseconds that a frame is given by `processing-latency`.
const GIVEN: i64 = 60;
/// What the model takes: more than that, and less than with the 20 ms of a sink.
const TAKES: Duration = Duration::from_millis(64);
const FRAMES: usize = 8;
/// Streams at most.
const ROUNDS: usize = 100;
/// From one to the next.
const FRAME: Duration = Duration::from_millis(100);

/// Of each frame, by its running time: when it left the element, and how late it came to the sink, ms after that time.
type Times = Arc<Mutex<BTreeMap<u64, (i64, Option<i64>)>>>;

/// Frames that take their budget.
fn stream(sink: &str) -> (Running, Times) {
    let pipeline = Running::launch(&format!(
        "appsrc name=source is-live=true do-timestamp=true format=time ! queue ! \
         dloralvsr name=vsr execution-provider=cpu intra-threads=1 processing-latency={GIVEN}000000 ! queue max-size-buffers=2 ! fakesink name=sink sync=true qos=true {sink}"
    ));
    let source = pipeline.element("source").downcast::<gst_app::AppSrc>().unwrap();
    source.set_caps(Some(&Picture::moving(VideoFormat::Rgb, 32, 18, 0).caps()));
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", pack("nearest").to_str().unwrap());
    let hook: Hook = Arc::new(|graph| {
        if graph == Graph::Encoder {
            std::thread::sleep(TAKES);
        }
        Ok(())
    });
    vsr.downcast_ref::<DloralVsr>().unwrap().set_hook(Some(hook));
    let times = Times::default();
    let left = times.clone();
    let element = vsr.clone();
    vsr.static_pad("src")
        .unwrap()
        .add_probe(gst::PadProbeType::BUFFER, move |_, info| {
            let pts = info.buffer().and_then(|buffer| buffer.pts()).unwrap();
            let now = element.current_running_time().unwrap();
            let after = (now.mseconds() as i64) - (pts.mseconds() as i64);
            left.lock().unwrap().insert(pts.nseconds(), (after, None));
            gst::PadProbeReturn::Ok
        });
    let arrived = times.clone();
    let sink = pipeline.element("sink").static_pad("sink").unwrap();
    sink.add_probe(gst::PadProbeType::EVENT_UPSTREAM, move |_, info| {
        if let Some(gst::EventView::Qos(qos)) = info.event().map(|event| event.view()) {
            let (_, _, late_by, time) = qos.get();
            let mut times = arrived.lock().unwrap();
            let time = times.get_mut(&time.unwrap().nseconds());
            time.unwrap().1 = Some(late_by / 1_000_000);
        }
        gst::PadProbeReturn::Ok
    });
    (pipeline, times)
}

/// What became of a short stream's frames: when each left, and how late it came; and how many were restored.
fn played(sink: &str) -> (Vec<(i64, i64)>, u64) {
    let (pipeline, times) = stream(sink);
    pipeline.play();
    let vsr = pipeline.element("vsr");
    wait_for_model(&vsr);
    let source = pipeline.element("source").downcast::<gst_app::AppSrc>().unwrap();
    for index in 0..FRAMES {
        let mut buffer = Picture::moving(VideoFormat::Rgb, 32, 18, index).buffer(0);
        let writable = buffer.get_mut().unwrap();
        // The source has its time, and no latency.
        writable.set_pts(None);
        writable.set_dts(None);
        source.push_buffer(buffer).unwrap();
        std::thread::sleep(FRAME);
    }
    source.end_of_stream().unwrap();
    wait_for_eos(&pipeline.bus());
    let times = times.lock().unwrap();
    let known = times.values().filter_map(|(left, late)| Some((*left, (*late)?)));
    let restored = vsr.property::<gst::Structure>("stats").get("restored").unwrap();
    (known.collect(), restored)
}

/// Whatever else the machine does, in some stream the first frame behind `unasked` ones that takes its time is in time by
/// a deadline that is the sink's; by a later one in none. Only the first tells: the sink's QoS events shorten the time of
/// those behind.
#[track_caller]
fn check(sink: &str, unasked: usize, least: i64) {
    for _ in 0..ROUNDS {
        let (frames, restored) = played(sink);
        println!("{sink}: {restored} restored; left and late, ms: {frames:?}");
        let (unasked, asked) = frames.split_at(unasked.min(frames.len()));
        let first = asked.iter().find(|(left, late)| *left > least || *late > 0);
        let undisturbed = unasked.iter().all(|(_, late)| *late < 10);
        if undisturbed && first.is_some_and(|(_, late)| *late <= 0) {
            return;
        }
    }
    panic!("{sink}: no frame has taken its time and was in time");
}

#[test]
fn frames_take_the_time_that_a_sink_allows_for_processing() {
    check("", 0, GIVEN);
}

#[test]
fn frames_take_no_time_that_the_sink_does_not_allow() {
    // The first frame leaves before a sink is asked, and has the time that a usual one allows.
    check("processing-deadline=0", 1, GIVEN - 10);
}

#[test]
fn frames_take_some_of_the_time_that_a_generous_sink_allows() {
    check("processing-deadline=50000000", 0, GIVEN);
}

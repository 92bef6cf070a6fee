//! Live pipelines with a clock: loading, cycling, elements that come and go, properties that are turned, many streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gst::prelude::*;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{GraphError, Hook};

use crate::common::live::{Model, wait_until};
use crate::common::{self, Running, pack, within_timeout};

/// A live source at 50 frames/s, the element over the pack `nearest`, and a sink that waits for the clock.
fn live_pipeline(properties: &str) -> Running {
    let pipeline = Running::launch(&format!(
        "videotestsrc name=source is-live=true ! video/x-raw,format=RGB,width=32,height=18,framerate=50/1 ! \
         queue name=queue ! dloralvsr name=vsr execution-provider=cpu {properties} ! \
         fakesink name=sink sync=true qos=true signal-handoffs=true"
    ));
    pipeline
        .element("vsr")
        .set_property("model", pack("nearest").to_str().unwrap());
    pipeline
}

/// Counts what arrives at the sink, and demands that times grow.
fn arrivals(pipeline: &Running) -> Arc<AtomicU64> {
    let count = Arc::new(AtomicU64::new(0));
    let counter = count.clone();
    let last = AtomicU64::new(0);
    let pad = pipeline.element("sink").static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let pts = info.buffer().and_then(|buffer| buffer.pts()).unwrap().nseconds() + 1;
        assert!(last.swap(pts, Ordering::Relaxed) < pts, "a frame is out of order");
        counter.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    count
}

fn wait_for_arrivals(count: &Arc<AtomicU64>, more: u64) {
    let (count, target) = (count.clone(), count.load(Ordering::Relaxed) + more);
    wait_until("frames at the sink", move || count.load(Ordering::Relaxed) >= target);
}

fn count(element: &gst::Element, field: &str) -> u64 {
    element.property::<gst::Structure>("stats").get(field).unwrap()
}

/// The source has ended: every frame has either come out or been counted as dropped.
#[track_caller]
fn finish(pipeline: &Running, arrived: &Arc<AtomicU64>) {
    let vsr = pipeline.element("vsr");
    assert!(pipeline.element("source").send_event(gst::event::Eos::new()));
    common::wait_for_eos(&pipeline.bus());
    let [frames_in, out, dropped] = ["frames-in", "frames-out", "dropped"].map(|field| count(&vsr, field));
    assert_eq!(frames_in, out + dropped);
    assert_eq!(arrived.load(Ordering::Relaxed), out);
}

/// Everything hangs in the model: opening it (a pack that is hashed for minutes) or building an engine (the first
/// frame, which the hook holds). Frames flow, bypassed, from the first on, and NULL waits for neither.
#[test]
fn frames_flow_while_the_model_is_opened_and_an_engine_is_built() {
    let slow = common::SlowPack::new();
    let model = Model::new();
    model.hold(true);
    for path in [slow.path().to_owned(), pack("nearest")] {
        let pipeline = live_pipeline("");
        let vsr = pipeline.element("vsr");
        vsr.set_property("model", path.to_str().unwrap());
        vsr.downcast_ref::<DloralVsr>().unwrap().set_hook(Some(model.hook()));
        let arrived = arrivals(&pipeline);
        pipeline.play();
        wait_for_arrivals(&arrived, 25);
        assert_eq!(count(&vsr, "restored"), 0);
        assert_eq!(count(&vsr, "dropped"), 0);
        let stopping = pipeline.0.clone();
        within_timeout("going to NULL", move || stopping.set_state(gst::State::Null).unwrap());
    }
    model.hold(false);
}

/// A hook that takes its time now and then.
fn uneven(milliseconds: &'static [u64]) -> Hook {
    let turn = AtomicU64::new(0);
    Arc::new(move |graph| -> Result<(), GraphError> {
        if graph == Graph::Encoder {
            let turn = turn.fetch_add(1, Ordering::Relaxed) as usize;
            std::thread::sleep(Duration::from_millis(milliseconds[turn % milliseconds.len()]));
        }
        Ok(())
    })
}

#[test]
fn states_may_be_cycled_under_load() {
    let pipeline = live_pipeline("");
    let vsr = pipeline.element("vsr");
    vsr.downcast_ref::<DloralVsr>()
        .unwrap()
        .set_hook(Some(uneven(&[0, 5, 60, 0, 30])));
    let down = [
        gst::State::Null,
        gst::State::Ready,
        gst::State::Paused,
        gst::State::Null,
    ];
    for (round, state) in down.into_iter().cycle().take(12).enumerate() {
        pipeline.play();
        if round % 3 != 0 {
            let vsr = vsr.clone();
            let before = count(&vsr, "frames-out");
            wait_until("a frame", move || count(&vsr, "frames-out") > before);
        }
        let stopping = pipeline.0.clone();
        within_timeout("going down", move || stopping.set_state(state).unwrap());
    }
    // The source's times begin anew with each run.
    pipeline.0.set_state(gst::State::Null).unwrap();
    let arrived = arrivals(&pipeline);
    pipeline.play();
    wait_for_arrivals(&arrived, 5);
    finish(&pipeline, &arrived);
}

#[test]
fn properties_may_be_turned_while_playing() {
    let pipeline = live_pipeline("");
    let vsr = pipeline.element("vsr");
    vsr.downcast_ref::<DloralVsr>()
        .unwrap()
        .set_hook(Some(uneven(&[0, 10, 40])));
    let arrived = arrivals(&pipeline);
    pipeline.play();
    wait_for_arrivals(&arrived, 3);
    for round in 0..24_u64 {
        let overload = ["bypass", "drop", "wait", "auto"][round as usize % 4];
        vsr.set_property_from_str("overload", overload);
        vsr.set_property("processing-latency", (round % 3) * 20_000_000);
        vsr.set_property_from_str("color-fix", ["none", "adain", "wavelet"][round as usize % 3]);
        vsr.set_property("tile-size", [0_u32, 128][round as usize % 2]);
        vsr.set_property("scene-threshold", [0.0, 0.27][round as usize % 2]);
        vsr.set_property("max-errors", round as u32 % 3 + 1);
        std::thread::sleep(Duration::from_millis(10));
    }
    vsr.set_property_from_str("overload", "bypass");
    wait_for_arrivals(&arrived, 3);
    finish(&pipeline, &arrived);
}

/// As applications do it: the pad before is blocked, the element taken out, another one put in its place.
#[test]
fn the_element_may_be_taken_out_of_a_running_pipeline_and_put_back() {
    let pipeline = live_pipeline("");
    let arrived = arrivals(&pipeline);
    pipeline.play();
    wait_for_arrivals(&arrived, 5);
    let (queue, sink) = (pipeline.element("queue"), pipeline.element("sink"));
    for _ in 0..3 {
        let old = pipeline.element("vsr");
        let bin = pipeline.0.clone();
        let (from, to) = (queue.clone(), sink.clone());
        replace(&queue, move || {
            from.unlink(&old);
            old.unlink(&to);
            bin.remove(&old).unwrap();
            old.set_state(gst::State::Null).unwrap();
            let fresh = common::element("nearest");
            fresh.set_property("name", "vsr");
            bin.add(&fresh).unwrap();
            gst::Element::link_many([&from, &fresh, &to]).unwrap();
            fresh.sync_state_with_parent().unwrap();
        });
        wait_for_arrivals(&arrived, 10);
    }
    let vsr = pipeline.element("vsr");
    assert!(count(&vsr, "frames-out") >= 9);
    assert_eq!(count(&vsr, "dropped"), 0);
}

/// Runs `work` while nothing leaves the element.
fn replace(before: &gst::Element, work: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = std::sync::mpsc::channel();
    let work = std::sync::Mutex::new(Some(work));
    let pad = before.static_pad("src").unwrap();
    pad.add_probe(gst::PadProbeType::BLOCK_DOWNSTREAM, move |_, _| {
        if let Some(work) = work.lock().unwrap().take() {
            work();
            sender.send(()).unwrap();
        }
        gst::PadProbeReturn::Remove
    });
    receiver.recv_timeout(common::TIMEOUT).expect("the element is replaced");
}

/// Three streams on one model that is busy all the time: none is starved, and each keeps its cadence.
#[test]
fn streams_that_share_a_model_keep_their_cadence() {
    let pipelines: Vec<_> = (0..3).map(|_| live_pipeline("overload=bypass")).collect();
    let arrived: Vec<_> = pipelines.iter().map(arrivals).collect();
    pipelines.iter().for_each(Running::play);
    arrived.iter().for_each(|count| wait_for_arrivals(count, 50));
    for (pipeline, arrived) in pipelines.iter().zip(&arrived) {
        finish(pipeline, arrived);
        assert_eq!(count(&pipeline.element("vsr"), "dropped"), 0);
    }
}

//! What the LATENCY query is answered, and when the pipeline is told to ask again.

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::common::live::{self, Model};
use crate::common::picture::Picture;
use crate::common::{Rig, Running, pack};

fn frame() -> Picture {
    Picture::moving(VideoFormat::Rgb, 32, 18, 0)
}

fn milliseconds(count: u64) -> gst::ClockTime {
    gst::ClockTime::from_mseconds(count)
}

fn messages(bus: &gst::Bus) -> usize {
    std::iter::from_fn(|| bus.pop())
        .filter(|message| message.type_() == gst::MessageType::Latency)
        .count()
}

/// Format 1 looks at no frame ahead: what upstream has, and what the user gives.
#[test]
fn the_answer_is_upstreams_and_processing_latency_exactly() {
    let mut rig = Rig::for_picture("nearest", &frame());
    rig.harness.set_live(true);
    for (upstream, own) in [(0, 0), (30, 0), (0, 55), (33, 55)] {
        rig.harness.set_upstream_latency(milliseconds(upstream));
        rig.element
            .set_property("processing-latency", milliseconds(own).nseconds());
        assert_eq!(rig.harness.query_latency(), Some(milliseconds(upstream + own)));
    }
}

#[test]
fn the_answer_does_not_depend_on_the_framerate() {
    for rate in [(0, 1), (1000, 1), (25, 1)] {
        let mut caps = frame().caps();
        caps.get_mut()
            .unwrap()
            .set("framerate", gst::Fraction::new(rate.0, rate.1));
        let mut rig = Rig::new("nearest");
        rig.harness.set_src_caps(caps);
        rig.harness.set_upstream_latency(milliseconds(10));
        rig.element
            .set_property("processing-latency", milliseconds(20).nseconds());
        assert_eq!(rig.harness.query_latency(), Some(milliseconds(30)), "{rate:?}");
    }
}

#[test]
fn a_message_is_posted_when_the_answer_changes_and_only_then() {
    let mut rig = Rig::for_picture("nearest", &frame());
    rig.element
        .set_property("processing-latency", milliseconds(7).nseconds());
    assert_eq!(messages(&rig.bus), 0, "nobody has asked yet");
    rig.harness.query_latency();
    rig.element
        .set_property("processing-latency", milliseconds(7).nseconds());
    rig.restore(&frame(), 0);
    assert_eq!(messages(&rig.bus), 0, "it is the same");
    rig.element
        .set_property("processing-latency", milliseconds(8).nseconds());
    assert_eq!(messages(&rig.bus), 1);
}

/// As applications ask: the pipeline behind a queue, at a framerate that is fixed or varies.
#[test]
fn a_pipeline_right_behind_a_queue_answers_exactly() {
    for rate in ["25/1", "0/1"] {
        let pipeline = Running::launch(&format!(
            "videotestsrc is-live=true ! video/x-raw,format=RGB,width=32,height=18,framerate=25/1 ! \
             capssetter caps=video/x-raw,framerate={rate} ! queue ! dloralvsr name=vsr execution-provider=cpu processing-latency=70000000 ! \
             fakesink sync=true processing-deadline=0"
        ));
        let vsr = pipeline.element("vsr");
        vsr.set_property("model", pack("nearest").to_str().unwrap());
        pipeline.play();
        live::wait_until("the first frame", move || {
            vsr.property::<gst::Structure>("stats")
                .get::<u64>("frames-out")
                .unwrap()
                > 0
        });
        pipeline.settle();
        let latency = |element: &gst::Element, pad: &str| {
            let mut query = gst::query::Latency::new();
            assert!(element.static_pad(pad).unwrap().query(&mut query));
            query.result()
        };
        let vsr = pipeline.element("vsr");
        let (live, min, max) = latency(&vsr, "src");
        // What the queue says on the other side.
        let mut query = gst::query::Latency::new();
        assert!(vsr.static_pad("sink").unwrap().peer_query(&mut query));
        let (_, upstream_min, upstream_max) = query.result();
        assert!(live && upstream_min >= milliseconds(40));
        assert_eq!(min, upstream_min + milliseconds(70), "{rate}");
        assert_eq!(max, upstream_max.map(|max| max + milliseconds(70)), "{rate}");
        assert_eq!(pipeline.0.query_latency(), (true, min, max), "{rate}");
    }
}

trait QueryLatency {
    fn query_latency(&self) -> (bool, gst::ClockTime, Option<gst::ClockTime>);
}

impl QueryLatency for gst::Pipeline {
    fn query_latency(&self) -> (bool, gst::ClockTime, Option<gst::ClockTime>) {
        let mut query = gst::query::Latency::new();
        assert!(self.query(&mut query));
        query.result()
    }
}

/// What the pipeline has settled on is what a frame is given.
#[test]
fn frames_are_given_the_latency_that_the_pipeline_has_settled_on() {
    let model = Model::new();
    let mut rig = live::rig("nearest", &model, &frame(), milliseconds(500));
    model.hold(true);
    let started = std::time::Instant::now();
    live::push(&mut rig, &frame(), 0).expect("a bypassed frame");
    // It was waited for, and not for ever; how long exactly depends on the machine.
    assert!(started.elapsed() >= std::time::Duration::from_millis(400));
    model.hold(false);
    live::check_counts(&rig, [1, 0, 1, 0]);
}

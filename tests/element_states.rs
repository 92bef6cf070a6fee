//! States, properties and what the element says on the bus and in answers to queries.
#![cfg(feature = "plugin")]

mod common;

use common::picture::Picture;
use common::tools::{self, Plugin};
use common::{Rig, Running, SlowPack, element, log_of, pack, reference, wait_for, within_timeout};
use gst::prelude::*;
use gst_video::VideoFormat;

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 32, 18, time)
}

/// A pipeline from an appsrc to an appsink over a pack of the tests.
fn app_pipeline() -> (Running, gst_app::AppSrc, gst_app::AppSink) {
    let pipeline = Running::launch(
        "appsrc name=source format=time ! dloralvsr name=vsr execution-provider=cpu scene-threshold=0 ! \
         appsink name=sink sync=false",
    );
    pipeline
        .element("vsr")
        .set_property("model", pack("nearest").to_str().unwrap());
    let source = pipeline.element("source").downcast::<gst_app::AppSrc>().unwrap();
    source.set_caps(Some(&frame(0).caps()));
    let sink = pipeline.element("sink").downcast::<gst_app::AppSink>().unwrap();
    (pipeline, source, sink)
}

fn pull(sink: &gst_app::AppSink) -> Picture {
    let timeout = gst::ClockTime::from_nseconds(common::TIMEOUT.as_nanos() as u64);
    let sample = sink.try_pull_sample(timeout).expect("a restored frame");
    Picture::of_buffer(sample.buffer().unwrap(), sample.caps().unwrap())
}

/// The right pixels after each of several ways down and up again.
#[test]
fn states_may_be_cycled() {
    let (pipeline, source, sink) = app_pipeline();
    let pictures = [frame(0), frame(1)];
    let expected = reference("nearest", &pictures);
    for down in [gst::State::Null, gst::State::Ready, gst::State::Null, gst::State::Null] {
        pipeline.play();
        for (index, picture) in (0..).zip(&pictures) {
            source.push_buffer(picture.buffer(index)).unwrap();
            assert!(pull(&sink) == expected[index as usize]);
        }
        pipeline.settle();
        let pipeline = pipeline.0.clone();
        within_timeout("going down", move || pipeline.set_state(down).unwrap());
    }
}

#[test]
fn playing_may_be_paused_without_losing_the_window() {
    let (pipeline, source, sink) = app_pipeline();
    let pictures = [frame(0), frame(1), frame(2)];
    let expected = reference("nearest", &pictures);
    pipeline.play();
    for (index, state) in [
        (0, gst::State::Paused),
        (1, gst::State::Playing),
        (2, gst::State::Playing),
    ] {
        source.push_buffer(pictures[index].buffer(index as u64)).unwrap();
        assert!(pull(&sink) == expected[index], "frame {index}");
        pipeline.settle();
        pipeline.0.set_state(state).unwrap();
        if state == gst::State::Paused {
            pipeline.0.set_state(gst::State::Playing).unwrap();
        }
    }
}

#[test]
fn two_elements_in_one_process_do_not_mix() {
    let (mut first, mut second) = (
        Rig::for_picture("nearest", &frame(0)),
        Rig::for_picture("nearest", &frame(0)),
    );
    let (forth, back): (Vec<_>, Vec<_>) = ((0..4).map(frame).collect(), (0..4).rev().map(frame).collect());
    let expected = (reference("nearest", &forth), reference("nearest", &back));
    for index in 0..4 {
        assert!(first.restore(&forth[index], index as u64) == expected.0[index]);
        assert!(second.restore(&back[index], index as u64) == expected.1[index]);
    }
    let mut other = Rig::for_picture("upscaled", &frame(0));
    assert!(other.restore(&forth[0], 0) == reference("upscaled", &forth[..1])[0]);
}

#[test]
fn two_elements_may_run_at_the_same_time() {
    let pictures: Vec<_> = (0..8).map(frame).collect();
    let expected = reference("nearest", &pictures);
    let run = move || {
        let mut rig = Rig::for_picture("nearest", &pictures[0]);
        (0..)
            .zip(&pictures)
            .map(|(index, picture)| rig.restore(picture, index))
            .collect::<Vec<_>>()
    };
    let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(run.clone())).collect();
    for thread in threads {
        assert!(thread.join().unwrap() == expected);
    }
}

#[test]
fn properties_of_the_model_are_fixed_while_running() {
    let mut rig = Rig::for_picture("nearest", &frame(0));
    let model = pack("nearest").to_str().unwrap().to_owned();
    rig.restore(&frame(0), 0);
    let log = log_of(|| rig.element.set_property("intra-threads", 7u32));
    assert!(
        log.contains("intra-threads can be set in NULL and READY only: ignored"),
        "{log}"
    );
    rig.element.set_property("device-id", 3u32);
    rig.element.set_property("intra-threads", 5u32);
    rig.element.set_property("cache-dir", "/somewhere");
    rig.element.set_property_from_str("execution-provider", "tensorrt");
    rig.element.set_property_from_str("optimization-level", "disable-all");
    assert_eq!(rig.element.property::<String>("model"), model);
    assert_eq!(
        (
            rig.element.property::<u32>("device-id"),
            rig.element.property::<u32>("intra-threads")
        ),
        (0, 0)
    );
    assert_eq!(rig.element.property::<Option<String>>("cache-dir"), None);
    assert_eq!(nick(&rig.element, "execution-provider"), "cpu");
    assert_eq!(nick(&rig.element, "optimization-level"), "enable-all");
    rig.element.set_state(gst::State::Ready).unwrap();
    rig.element.set_property("device-id", 3u32);
    assert_eq!(rig.element.property::<u32>("device-id"), 3);
}

fn nick(element: &gst::Element, property: &str) -> String {
    let value = element.property_value(property);
    gst::glib::EnumValue::from_value(&value).unwrap().1.nick().to_owned()
}

#[test]
fn properties_change_while_running() {
    let mut rig = Rig::for_picture("nearest", &frame(0));
    rig.restore(&frame(0), 0);
    rig.element.set_property_from_str("color-fix", "wavelet");
    rig.element.set_property_from_str("overload", "wait");
    rig.element.set_property("tile-size", 256u32);
    rig.element.set_property("tile-overlap", 64u32);
    rig.element.set_property("scene-threshold", 0.5);
    assert_eq!(
        (nick(&rig.element, "color-fix"), nick(&rig.element, "overload")),
        ("wavelet".into(), "wait".into())
    );
    assert_eq!(rig.element.property::<u32>("tile-size"), 256);
    assert_eq!(rig.element.property::<u32>("tile-overlap"), 64);
    assert_eq!(rig.element.property::<f64>("scene-threshold"), 0.5);
    rig.restore(&frame(1), 1);
}

#[test]
fn names_nicks_and_defaults_of_properties_are_what_users_rely_on() {
    common::init();
    let element = gst::ElementFactory::make("dloralvsr").build().unwrap();
    for (property, default, nicks) in [
        (
            "execution-provider",
            "auto",
            "auto cpu cuda tensorrt openvino webgpu tensorrt-rtx",
        ),
        ("precision", "auto", "auto fp32 fp16 bf16 int8"),
        (
            "optimization-level",
            "enable-all",
            "disable-all enable-basic enable-extended enable-all",
        ),
        ("color-fix", "pack", "pack none adain wavelet"),
        ("overload", "auto", "auto wait bypass drop stall degrade"),
    ] {
        assert_eq!(nick(&element, property), default);
        let class = gst::glib::EnumClass::with_type(element.property_value(property).type_()).unwrap();
        let known: Vec<_> = class.values().iter().map(|value| value.nick()).collect();
        assert_eq!(known.join(" "), nicks);
    }
    assert_eq!(element.property::<Option<String>>("model"), None);
    for property in ["device-id", "intra-threads", "tile-size", "tile-overlap", "window"] {
        assert_eq!(element.property::<u32>(property), 0, "{property}");
    }
    assert_eq!(element.property::<u64>("processing-latency"), 0);
    assert!(
        !element.property::<bool>("qos"),
        "the base class would drop late frames"
    );
    let factory = element.factory().unwrap();
    assert_eq!(factory.metadata("klass").unwrap(), "Filter/Converter/Video/Scaler");
    assert_eq!(element.type_().name(), "GstDloralVsr");
}

#[test]
fn the_window_and_statistics_are_told() {
    let mut rig = Rig::for_picture("nearest", &frame(0));
    for time in 0..3 {
        rig.restore(&frame(time), time as u64);
    }
    assert_eq!(rig.element.property::<u32>("window"), 2);
    let stats = rig.element.property::<gst::Structure>("stats");
    assert_eq!(
        (stats.name().as_str(), stats.get::<&str>("provider").unwrap()),
        ("application/x-dloralvsr-stats", "cpu")
    );
    let counts = [
        "frames-in",
        "frames-out",
        "restored",
        "bypassed",
        "dropped",
        "scene-cuts",
    ]
    .map(|field| rig.count(field));
    assert_eq!(counts, [3, 3, 3, 0, 0, 0]);
    let time = |field: &str| stats.get::<f64>(field).unwrap();
    for stage in ["upscale", "encode", "restore", "decode", "color", "total"] {
        assert!(
            time(&format!("{stage}-ms-median")) <= time(&format!("{stage}-ms-p99")),
            "{stage}"
        );
    }
    assert!(time("encode-ms-median") > 0.0 && time("encode-ms-median") < time("total-ms-p99"));
}

#[test]
fn processing_latency_is_added_to_upstreams() {
    let mut rig = Rig::for_picture("nearest", &frame(0));
    let milliseconds = gst::ClockTime::from_mseconds;
    rig.harness.set_upstream_latency(milliseconds(30));
    assert_eq!(rig.harness.query_latency(), Some(milliseconds(30)));
    while rig.bus.pop().is_some() {}
    rig.element
        .set_property("processing-latency", milliseconds(55).nseconds());
    assert_eq!(rig.harness.query_latency(), Some(milliseconds(85)));
    wait_for(&rig.bus, &[gst::MessageType::Latency]);
}

#[test]
fn opening_the_model_is_announced() {
    let rig = Rig::for_picture("nearest", &frame(0));
    let mut seen = Vec::new();
    while seen.last() != Some(&gst::ProgressType::Complete) {
        let message = wait_for(&rig.bus, &[gst::MessageType::Progress, gst::MessageType::Error]);
        let gst::MessageView::Progress(progress) = message.view() else {
            panic!("{message:?}")
        };
        let (type_, code, text) = progress.get();
        assert_eq!((code, text.is_empty()), ("open-model", false));
        seen.push(type_);
    }
    assert_eq!(seen[0], gst::ProgressType::Start);
    assert!(
        seen[1..seen.len() - 1]
            .iter()
            .all(|type_| *type_ == gst::ProgressType::Continue),
        "{seen:?}"
    );
}

#[test]
fn a_pipeline_of_the_command_line_runs_and_onnx_runtimes_log_is_a_debug_category() {
    let line = tools::launch_line(&pack("nearest"));
    let (success, text) = Plugin::new().run("gst-launch-1.0", &line, "GST_DEBUG", "dloralvsr-ort:INFO");
    assert!(success, "{text}");
    assert!(
        text.contains("Progress: (open-model) Model nearest runs on cpu"),
        "{text}"
    );
    assert!(
        text.contains("dloralvsr-ort") && text.contains("Initializing session"),
        "{text}"
    );
}

/// A frame waits for the model, and the element still goes to NULL; then another model runs.
#[test]
fn stopping_does_not_wait_for_the_model() {
    let slow = SlowPack::new();
    let (pipeline, source, sink) = app_pipeline();
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", slow.path().to_str().unwrap());
    pipeline.play();
    source.push_buffer(frame(0).buffer(0)).unwrap();
    wait_until_a_frame_waits(&vsr);
    // In READY the bus still takes messages.
    let stopping = pipeline.0.clone();
    within_timeout("going to READY", move || stopping.set_state(gst::State::Ready).unwrap());
    let cancelled = std::iter::from_fn(|| Some(wait_for(&pipeline.bus(), &[gst::MessageType::Progress]))).find(
        |message| matches!(message.view(), gst::MessageView::Progress(it) if it.type_() == gst::ProgressType::Canceled),
    );
    assert!(cancelled.is_some());
    let stopping = pipeline.0.clone();
    within_timeout("going to NULL", move || stopping.set_state(gst::State::Null).unwrap());

    vsr.set_property("model", pack("nearest").to_str().unwrap());
    pipeline.play();
    source.push_buffer(frame(0).buffer(0)).unwrap();
    assert!(pull(&sink) == reference("nearest", &[frame(0)])[0]);
}

#[test]
fn a_flush_does_not_wait_for_the_model() {
    let slow = SlowPack::new();
    let element = element("nearest");
    element.set_property("model", slow.path().to_str().unwrap());
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    let source = rig.harness.srcpad().unwrap();
    let pushing = source.clone();
    let flow = std::thread::spawn(move || pushing.push(frame(0).buffer(0)));
    wait_until_a_frame_waits(&element);
    assert!(source.push_event(gst::event::FlushStart::new()));
    let result = within_timeout("the frame that waits", move || flow.join().unwrap());
    assert_eq!(result, Err(gst::FlowError::Flushing));
    assert_eq!(
        (rig.count("frames-in"), rig.count("frames-out"), rig.count("dropped")),
        (1, 0, 1)
    );
}

/// The count is raised just before the waiting begins; whether the wait has begun makes no difference to the tests.
fn wait_until_a_frame_waits(element: &gst::Element) {
    let element = element.clone();
    within_timeout("the first frame", move || {
        while element
            .property::<gst::Structure>("stats")
            .get::<u64>("frames-in")
            .unwrap()
            == 0
        {
            std::thread::yield_now();
        }
    });
}

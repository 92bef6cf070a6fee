//! Negotiation: what is accepted, what comes out of it, what is refused and what the log says then.
#![cfg(feature = "plugin")]

mod common;

use common::picture::Picture;
use common::{FORMATS, Rig, Running, element, log_of, reference, wait_for_error};
use gst::prelude::*;
use gst_video::VideoFormat;

fn caps(text: &str) -> gst::Caps {
    text.parse().unwrap()
}

#[test]
fn every_format_comes_out_as_it_went_in_four_times_as_large() {
    for format in FORMATS {
        let picture = Picture::moving(format, 18, 17, 0);
        let mut rig = Rig::for_picture("nearest", &picture);
        let output = rig.restore(&picture, 0);
        assert_eq!((output.format, output.width, output.height), (format, 72, 68));
    }
}

#[test]
fn every_other_field_is_kept() {
    let mut rig = Rig::new("nearest");
    rig.harness.set_src_caps(caps(
        "video/x-raw, format=RGB, width=32, height=18, framerate=30000/1001, pixel-aspect-ratio=10/11, \
         colorimetry=1:1:7:1, chroma-site=mpeg2, multiview-mode=mono, max-framerate=60/1, \
         content-light-level=(string)1000:400, interlace-mode=progressive",
    ));
    rig.harness
        .push(Picture::moving(VideoFormat::Rgb, 32, 18, 0).buffer(0))
        .unwrap();
    let expected = caps(
        "video/x-raw, format=RGB, width=128, height=72, framerate=30000/1001, pixel-aspect-ratio=10/11, \
         colorimetry=1:1:7:1, chroma-site=mpeg2, multiview-mode=mono, max-framerate=60/1, \
         content-light-level=(string)1000:400, interlace-mode=progressive",
    );
    assert_eq!(rig.harness.sinkpad().unwrap().current_caps().unwrap(), expected);
}

#[test]
fn the_largest_and_the_smallest_size_are_accepted() {
    let element = element("nearest");
    let sink = element.static_pad("sink").unwrap();
    for size in [16, 4096] {
        let caps = caps(&format!(
            "video/x-raw, format=RGB, width={size}, height={size}, framerate=25/1"
        ));
        assert!(sink.query_accept_caps(&caps), "{caps}");
        assert!(
            sink.query_caps(Some(&caps)).is_subset(&caps) && !sink.query_caps(Some(&caps)).is_empty(),
            "{caps}"
        );
    }
}

/// Each refused twice: when upstream asks what is possible, and when it asks whether this is.
#[test]
fn what_cannot_be_restored_is_refused_and_the_log_says_why() {
    for (given, reason) in [
        (
            "format=RGB, width=64, height=64, interlace-mode=interleaved",
            "not progressive: put deinterlace",
        ),
        (
            "format=RGB, width=64, height=64, interlace-mode=mixed",
            "not progressive: put deinterlace",
        ),
        (
            "format=GRAY8, width=64, height=64",
            "format GRAY8 is not 8-bit RGB or YUV: put videoconvert",
        ),
        (
            "format=AYUV, width=64, height=64",
            "format AYUV is not 8-bit RGB or YUV",
        ),
        (
            "format=RGB10A2_LE, width=64, height=64",
            "format RGB10A2_LE is not 8-bit RGB",
        ),
        (
            "format=I420_10LE, width=64, height=64",
            "format I420_10LE is not 8-bit RGB",
        ),
        ("format=RGB, width=1, height=1", "width 1 is not in [ 16, 4096 ]"),
        ("format=RGB, width=16, height=15", "height 15 is not in [ 16, 4096 ]"),
        (
            "format=RGB, width=16384, height=16384",
            "width 16384 is not in [ 16, 4096 ]",
        ),
        (
            "format=RGB, width=4096, height=4097",
            "height 4097 is not in [ 16, 4096 ]",
        ),
    ] {
        let given = format!("video/x-raw, {given}, framerate=25/1");
        let element = element("nearest");
        let sink = element.static_pad("sink").unwrap();
        let accept = log_of(|| assert!(!sink.query_accept_caps(&caps(&given)), "{given} accepted"));
        assert!(accept.contains(reason), "{given}: the log is\n{accept}");
        let query = log_of(|| assert!(sink.query_caps(Some(&caps(&given))).is_empty(), "{given} possible"));
        assert!(query.contains(reason), "{given}: the log is\n{query}");
    }
}

#[test]
fn memory_that_is_not_the_systems_is_refused() {
    let element = element("nearest");
    let caps = caps("video/x-raw(memory:GLMemory), format=RGBA, width=64, height=64, framerate=25/1");
    let log = log_of(|| assert!(!element.static_pad("sink").unwrap().query_accept_caps(&caps)));
    assert!(log.contains("memory:GLMemory is not plain system memory"), "{log}");
}

#[test]
fn sizes_asked_for_downstream_are_divided() {
    for (downstream, upstream) in [
        ("width=1280, height=720", "width=320, height=180"),
        ("width=[100, 1000], height=720", "width=[25, 250], height=180"),
    ] {
        let pipeline = Running::launch(&format!(
            "dloralvsr name=vsr ! video/x-raw, format=BGRx, {downstream} ! fakesink name=sink"
        ));
        let possible = pipeline.element("vsr").static_pad("sink").unwrap().query_caps(None);
        let format = "format=BGRx, framerate=[0/1, 2147483647/1], interlace-mode=progressive";
        let expected = caps(&format!("video/x-raw, {upstream}, {format}"));
        assert_eq!(possible, expected);
    }
}

#[test]
fn an_output_size_that_is_no_multiple_of_four_is_refused() {
    common::init();
    let line = "dloralvsr name=vsr ! video/x-raw, width=1282, height=720 ! fakesink";
    let error = gst::parse::launch(line).map(drop).unwrap_err();
    assert!(
        error.matches(gst::ParseError::Link) && error.message().contains("width=(int)1282"),
        "{error}"
    );
}

/// Upstream that insists ends with an error instead of a hang or a picture.
#[test]
fn a_pipeline_that_insists_on_refused_caps_is_not_negotiated() {
    for refused in [
        "format=GRAY8, width=64, height=64",
        "format=RGB, width=64, height=64, interlace-mode=interleaved",
        "format=RGB, width=1, height=1",
    ] {
        let pipeline = Running::launch("appsrc name=source format=time ! dloralvsr ! fakesink");
        let source = pipeline.element("source").downcast::<gst_app::AppSrc>().unwrap();
        source.set_caps(Some(&caps(&format!("video/x-raw, {refused}, framerate=25/1"))));
        pipeline.play();
        source
            .push_buffer(gst::Buffer::with_size(64 * 64 * 3).unwrap())
            .unwrap();
        let (error, text) = wait_for_error(&pipeline.bus());
        assert!(
            error.matches(gst::StreamError::Failed) || error.matches(gst::CoreError::Negotiation),
            "{text}"
        );
    }
}

#[test]
fn caps_may_change_in_mid_stream() {
    let pictures = [
        Picture::moving(VideoFormat::Rgb, 34, 18, 0),
        Picture::moving(VideoFormat::Rgb, 17, 50, 1),
        Picture::moving(VideoFormat::Abgr, 17, 50, 2),
        Picture::moving(VideoFormat::Rgb, 34, 18, 3),
    ];
    let mut rig = Rig::new("nearest");
    for (index, picture) in pictures.iter().enumerate() {
        rig.harness.set_src_caps(picture.caps());
        let output = rig.restore(picture, index as u64);
        assert!(
            [output] == reference("nearest", std::slice::from_ref(picture))[..],
            "{picture:?}"
        );
    }
}

/// Downstream changes its mind: the element asks upstream for another size.
#[test]
fn downstream_may_ask_for_another_size_in_mid_stream() {
    let pipeline = Running::launch(
        "videotestsrc num-buffers=200 ! dloralvsr name=vsr ! capsfilter name=wish caps=video/x-raw,width=128,height=64 \
         ! appsink name=sink sync=false max-buffers=1",
    );
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", common::pack("nearest").to_str().unwrap());
    vsr.set_property_from_str("execution-provider", "cpu");
    let sink = pipeline.element("sink").downcast::<gst_app::AppSink>().unwrap();
    pipeline.play();
    let timeout = gst::ClockTime::from_nseconds(common::TIMEOUT.as_nanos() as u64);
    let next_size = || {
        let sample = sink.try_pull_sample(timeout).expect("a sample");
        let caps = sample.caps().unwrap().structure(0).unwrap().to_owned();
        (caps.get::<i32>("width").unwrap(), caps.get::<i32>("height").unwrap())
    };
    assert_eq!(next_size(), (128, 64));
    pipeline
        .element("wish")
        .set_property("caps", caps("video/x-raw,width=96,height=80"));
    let change = (0..100).find(|_| next_size() == (96, 80));
    assert!(change.is_some(), "{:?}", common::error_of(&pipeline.bus()));
}

/// Scalers leave the input as the source has it, on either side of the element; the one behind makes the size that is
/// wanted. Where only the one before can, it does.
#[test]
fn scalers_leave_the_inputs_size_alone() {
    const SOURCE: &str = "videotestsrc num-buffers=2 ! video/x-raw,width=160,height=90,framerate=25/1";
    for (before, behind, input, output) in [
        ("videoscale", "identity", (160, 90), (640, 360)),
        ("videoconvertscale", "identity", (160, 90), (640, 360)),
        (
            "videoscale",
            "videoscale ! video/x-raw,width=1280,height=720",
            (160, 90),
            (1280, 720),
        ),
        (
            "videoconvertscale",
            "videoconvertscale ! video/x-raw,width=1280,height=720",
            (160, 90),
            (1280, 720),
        ),
        (
            "identity",
            "videoscale ! video/x-raw,width=320,height=180",
            (160, 90),
            (320, 180),
        ),
        (
            "videoscale",
            "video/x-raw,width=1280,height=720",
            (320, 180),
            (1280, 720),
        ),
    ] {
        let pipeline = Running::launch(&format!(
            "{SOURCE} ! {before} ! dloralvsr name=vsr execution-provider=cpu ! {behind} ! fakesink name=sink"
        ));
        let model = common::pack("nearest");
        pipeline.element("vsr").set_property("model", model.to_str().unwrap());
        pipeline.play();
        common::wait_for_eos(&pipeline.bus());
        for (element, (width, height)) in [("vsr", input), ("sink", output)] {
            let caps = pipeline
                .element(element)
                .static_pad("sink")
                .unwrap()
                .current_caps()
                .unwrap();
            let video = gst_video::VideoInfo::from_caps(&caps).unwrap();
            assert_eq!(
                (video.width(), video.height(), video.par()),
                (width, height, gst::Fraction::new(1, 1)),
                "{element} in {before} ! dloralvsr ! {behind}"
            );
        }
    }
}

/// What is asked of both pads, with nothing linked, and with a fixed size on the other side.
#[test]
fn pads_say_what_they_take() {
    let element = element("nearest");
    let (sink, src) = (element.static_pad("sink").unwrap(), element.static_pad("src").unwrap());
    assert_eq!(sink.query_caps(None), sink.pad_template_caps());
    assert_eq!(src.query_caps(None), src.pad_template_caps());
    let asked = caps("video/x-raw, format=RGB, width=100, height=[1, 50]");
    let taken = sink.query_caps(Some(&asked));
    let fields = taken.structure(0).unwrap();
    assert_eq!((taken.size(), fields.get::<i32>("width")), (1, Ok(100)));
    assert_eq!(
        fields.get::<gst::IntRange<i32>>("height"),
        Ok(gst::IntRange::new(16, 50))
    );
    assert!(
        sink.query_caps(Some(&caps("video/x-raw, format=RGB, width=8, height=8")))
            .is_empty()
    );
}

/// A pointer in the enlarged picture, as a player's window tells of it, comes to upstream as a place in the input.
#[test]
fn pointers_are_brought_back_to_the_input() {
    let mut rig = Rig::for_picture("nearest", &Picture::moving(VideoFormat::Rgb, 200, 100, 0));
    rig.restore(&Picture::moving(VideoFormat::Rgb, 200, 100, 0), 0);
    while rig.harness.try_pull_upstream_event().is_some() {}
    for fields in [
        "event=mouse-move",
        "event=mouse-button-press, button=1",
        "event=mouse-scroll, delta_pointer_x=3.0, delta_pointer_y=-3.0",
        "event=touch-down, identifier=(uint)7, pressure=0.5",
    ] {
        let text = format!("application/x-gst-navigation, {fields}, pointer_x=600.0, pointer_y=300.0");
        let given: gst::Structure = text.parse().unwrap();
        let event = gst::event::Navigation::builder(given.clone()).build();
        let number = event.seqnum();
        assert!(rig.harness.push_upstream_event(event));
        let arrived = rig.harness.pull_upstream_event().unwrap();
        assert_eq!(arrived.seqnum(), number);
        let mut expected = given;
        expected.set("pointer_x", 150.0);
        expected.set("pointer_y", 75.0);
        assert_eq!(arrived.structure().unwrap().to_owned(), expected);
    }
    let key: gst::Structure = "application/x-gst-navigation, event=key-press, key=a".parse().unwrap();
    rig.harness
        .push_upstream_event(gst::event::Navigation::builder(key.clone()).build());
    assert_eq!(
        rig.harness
            .pull_upstream_event()
            .unwrap()
            .structure()
            .unwrap()
            .to_owned(),
        key
    );
}

//! What comes from outside and makes no sense: warned of or refused, and nothing is corrupted.
use crate::common::live::{self, AMPLE, Model, bicubic, check_counts, push, push_picture};
use crate::common::picture::Picture;
use crate::common::{Rig, nearest};
use crate::stubborn;
use gst_video::VideoFormat;

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 32, 18, time)
}

fn file() -> Rig {
    Rig::for_picture("nearest", &frame(0))
}

fn with_rate(numerator: i32, denominator: i32) -> gst::Caps {
    let mut caps = frame(0).caps();
    caps.get_mut()
        .unwrap()
        .set("framerate", gst::Fraction::new(numerator, denominator));
    caps
}

/// Frames 40 ms apart, whatever the caps say, live and not.
#[track_caller]
fn check_rate(caps: &gst::Caps) {
    for live in [true, false] {
        let model = Model::new();
        let mut rig = Rig::with(&live::element_with("nearest", &model));
        rig.harness.set_live(live);
        rig.harness.set_src_caps(caps.clone());
        live::set_latency(&mut rig, AMPLE);
        live::wait_for_model(&rig.element);
        for index in 0..5 {
            let output = push_picture(&mut rig, &frame(index), index as u64);
            let expected = nearest::restored(&frame(index), &frame(index.saturating_sub(1)));
            assert!(
                nearest::pixels(&output) == expected,
                "frame {index} of {caps}, live: {live}"
            );
        }
        check_counts(&rig, [5, 5, 0, 0]);
        assert!(rig.harness.query_latency().is_some());
    }
}

#[test]
fn a_variable_framerate() {
    check_rate(&with_rate(0, 1));
}

#[test]
fn a_framerate_of_1000() {
    check_rate(&with_rate(1000, 1));
}

#[test]
fn the_largest_and_the_smallest_framerate() {
    check_rate(&with_rate(i32::MAX, 1));
    check_rate(&with_rate(1, i32::MAX));
}

#[test]
fn timestamps_at_the_ends_of_their_range() {
    for live in [true, false] {
        let model = Model::new();
        let mut rig = Rig::with(&live::element_with("nearest", &model));
        rig.harness.set_live(live);
        rig.harness.set_src_caps(frame(0).caps());
        live::set_latency(&mut rig, AMPLE);
        live::wait_for_model(&rig.element);
        let times = [
            0,
            u64::MAX - 1,
            u64::MAX / 2,
            i64::MAX as u64,
            i64::MAX as u64 + 1,
            1,
            u64::MAX - 2,
        ];
        for (index, pts) in times.into_iter().enumerate() {
            for duration in [None, Some(0), Some(u64::MAX - 1)] {
                let mut buffer = frame(index).buffer(0);
                let writable = buffer.get_mut().unwrap();
                writable.set_pts(gst::ClockTime::from_nseconds(pts));
                writable.set_duration(duration.map(gst::ClockTime::from_nseconds));
                let output = rig.push_and_pull(buffer);
                assert_eq!(output.pts(), Some(gst::ClockTime::from_nseconds(pts)));
                assert_eq!(output.duration(), duration.map(gst::ClockTime::from_nseconds));
            }
        }
        let (frames_in, out) = (rig.count("frames-in"), rig.count("frames-out"));
        assert_eq!((frames_in, out), (21, 21));
    }
}

#[test]
fn segments_in_other_formats() {
    let mut rig = file();
    let mut bytes = gst::FormattedSegment::<gst::format::Bytes>::new();
    bytes.set_start(gst::format::Bytes::from_u64(0));
    let mut buffers = gst::FormattedSegment::<gst::format::Default>::new();
    buffers.set_start(gst::format::Default::from_u64(0));
    let segments: [gst::Segment; 2] = [bytes.upcast(), buffers.upcast()];
    for (index, segment) in segments.iter().enumerate() {
        rig.harness.push_event(gst::event::Segment::new(segment));
        let first = 2 * index;
        for time in [first, first + 1] {
            let output = push_picture(&mut rig, &frame(time), time as u64);
            assert!(nearest::pixels(&output) == nearest::restored(&frame(time), &frame(first)));
        }
    }
    check_counts(&rig, [4, 4, 0, 0]);
}

/// One is dropped with a warning, and the stream goes on; its place in the window is empty.
#[test]
fn a_buffer_smaller_than_its_caps_say() {
    let mut rig = file();
    push(&mut rig, &frame(0), 0);
    let mut small = gst::Buffer::with_size(100).unwrap();
    small.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(40));
    assert_eq!(rig.harness.push(small), Ok(gst::FlowSuccess::Ok));
    assert!(rig.harness.try_pull().is_none());
    let text = warning(&rig.bus);
    assert!(text.contains("100 bytes") && text.contains("dropped"), "{text}");
    let output = push_picture(&mut rig, &frame(2), 2);
    assert!(nearest::pixels(&output) == nearest::restored(&frame(2), &frame(2)));
    check_counts(&rig, [3, 2, 0, 1]);
}

#[test]
fn buffers_that_are_all_too_small_end_the_stream() {
    let mut rig = file();
    for _ in 0..4 {
        assert!(rig.harness.push(gst::Buffer::with_size(100).unwrap()).is_ok());
    }
    let flow = rig.harness.push(gst::Buffer::with_size(100).unwrap());
    assert_eq!(flow, Err(gst::FlowError::Error));
    let (error, text) = crate::common::wait_for_error(&rig.bus);
    assert!(
        error.matches(gst::StreamError::Format) && text.contains("100 bytes"),
        "{text}"
    );
    check_counts(&rig, [5, 0, 0, 5]);
}

#[test]
fn a_memory_that_cannot_be_mapped() {
    let mut rig = file();
    push(&mut rig, &frame(0), 0);
    let mut buffer = gst::Buffer::new();
    let writable = buffer.get_mut().unwrap();
    writable.append_memory(stubborn::memory(frame(1).info().size()));
    writable.set_pts(gst::ClockTime::from_mseconds(40));
    assert_eq!(rig.harness.push(buffer), Ok(gst::FlowSuccess::Ok));
    check_counts(&rig, [2, 1, 0, 1]);
    let text = warning(&rig.bus);
    assert!(text.contains("memory cannot be mapped"), "{text}");
    let output = push_picture(&mut rig, &frame(2), 2);
    assert!(nearest::pixels(&output) == nearest::restored(&frame(2), &frame(2)));
    check_counts(&rig, [3, 2, 0, 1]);
}

fn warning(bus: &gst::Bus) -> String {
    let message = crate::common::wait_for(bus, &[gst::MessageType::Warning]);
    match message.view() {
        gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
        _ => unreachable!("only warnings are asked for"),
    }
}

/// The same in a live stream without time: the bypassed path refuses it likewise.
#[test]
fn a_bypassed_stream_refuses_bad_buffers_likewise() {
    let model = Model::new();
    let mut rig = live::rig("nearest", &model, &frame(0), live::NONE);
    assert!(push_picture(&mut rig, &frame(0), 0) == bicubic(&frame(0)));
    assert!(rig.harness.push(gst::Buffer::with_size(100).unwrap()).is_ok());
    assert!(rig.harness.try_pull().is_none());
    assert!(push(&mut rig, &frame(2), 2).is_some());
    let [frames_in, out, dropped] = ["frames-in", "frames-out", "dropped"].map(|field| rig.count(field));
    assert_eq!([frames_in, out, dropped], [3, 2, 1]);
}

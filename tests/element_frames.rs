//! One frame in, one frame out: pixels, sizes, strides, timestamps, flags and metas.
#![cfg(feature = "plugin")]

mod common;

use common::picture::{Picture, stamp};
use common::{FORMATS, Rig, nearest, reference};
use gst::prelude::*;
use gst_video::{VideoCropMeta, VideoFormat, VideoFrameFlags, VideoMeta, VideoRegionOfInterestMeta};
use gstdloralvsr::pack::Pack;

fn moving(format: VideoFormat, width: usize, height: usize, count: usize) -> Vec<Picture> {
    (0..count)
        .map(|time| Picture::moving(format, width, height, time))
        .collect()
}

#[track_caller]
fn check_against_core(pack: &str, pictures: &[Picture]) {
    let mut rig = Rig::for_picture(pack, &pictures[0]);
    for ((index, picture), expected) in pictures.iter().enumerate().zip(reference(pack, pictures)) {
        let output = rig.restore(picture, index as u64);
        assert!(output == expected, "frame {index}, {picture:?}, pack {pack}");
    }
}

#[test]
fn every_format_gives_the_cores_pixels() {
    for format in FORMATS {
        check_against_core("nearest", &moving(format, 22, 19, 3));
        check_against_core("upscaled", &moving(format, 22, 19, 3));
    }
}

/// The formula of the pack, not the core: the order of channels is right on both sides.
#[test]
fn every_format_gives_the_right_colours() {
    for format in FORMATS {
        let pictures = moving(format, 18, 16, 2);
        let mut rig = Rig::for_picture("nearest", &pictures[0]);
        rig.restore(&pictures[0], 0);
        let output = rig.restore(&pictures[1], 1);
        assert!(
            nearest::pixels(&output) == nearest::restored(&pictures[1], &pictures[0]),
            "{format}"
        );
    }
}

#[test]
fn every_size_gives_the_right_pixels() {
    for (width, height) in [(16, 16), (17, 16), (16, 19), (33, 57), (160, 90), (97, 131)] {
        let pictures = moving(VideoFormat::Rgb, width, height, 2);
        let mut rig = Rig::for_picture("nearest", &pictures[0]);
        rig.restore(&pictures[0], 0);
        let output = rig.restore(&pictures[1], 1);
        assert_eq!((output.width, output.height), (width * 4, height * 4));
        assert!(
            nearest::pixels(&output) == nearest::restored(&pictures[1], &pictures[0]),
            "{width}x{height}"
        );
    }
}

#[test]
fn alpha_is_enlarged_and_nothing_else() {
    let opaque = |x: usize, _, byte| if byte == 3 { 90 } else { (x * 11) as u8 };
    let picture = Picture::from_fn(VideoFormat::Rgba, 20, 20, opaque);
    let output = Rig::for_picture("nearest", &picture).restore(&picture, 0);
    assert!((0..80).all(|y| (0..80).all(|x| output.alpha(x, y) == Some(90))));
}

/// A buffer with the picture at an offset, in rows of `stride` bytes, the last one without its padding.
fn strided(picture: &Picture, offset: usize, stride: usize) -> gst::Buffer {
    let size = offset + stride * (picture.height - 1) + picture.row_bytes();
    let mut data = vec![0xAA; size];
    picture.write_rows(&mut data[offset..], stride);
    let mut buffer = gst::Buffer::from_mut_slice(data);
    let writable = buffer.get_mut().unwrap();
    let (width, height) = (picture.width as u32, picture.height as u32);
    let flags = VideoFrameFlags::empty();
    VideoMeta::add_full(
        writable,
        flags,
        picture.format,
        width,
        height,
        &[offset],
        &[stride as i32],
    )
    .unwrap();
    stamp(writable, 0);
    buffer
}

#[test]
fn input_strides_of_a_video_meta_are_honoured() {
    for (format, offset, stride) in [(VideoFormat::Rgb, 5, 71), (VideoFormat::Bgra, 12, 200)] {
        let picture = Picture::moving(format, 21, 17, 0);
        let mut rig = Rig::for_picture("nearest", &picture);
        let output = rig.restore_buffer(strided(&picture, offset, stride));
        assert!(
            [output] == reference("nearest", &[picture])[..],
            "{format}, stride {stride}"
        );
    }
}

#[test]
fn a_crop_meta_is_applied() {
    let whole = Picture::moving(VideoFormat::Rgb, 40, 30, 0);
    let cropped = Picture::from_fn(VideoFormat::Rgb, 20, 18, |x, y, byte| whole.pixel(x + 7, y + 5)[byte]);
    let mut rig = Rig::for_picture("nearest", &cropped);
    let mut buffer = strided(&whole, 0, 120);
    VideoCropMeta::add(buffer.get_mut().unwrap(), (7, 5, 20, 18));
    let output = rig.push_and_pull(buffer);
    assert!(
        output.meta::<VideoCropMeta>().is_none(),
        "the output is not to be cropped again"
    );
    let caps = rig.harness.sinkpad().unwrap().current_caps().unwrap();
    assert!([Picture::of_buffer(&output, &caps)] == reference("nearest", &[cropped])[..]);
}

#[test]
fn as_many_frames_leave_as_come_with_their_times() {
    let pictures = moving(VideoFormat::Bgrx, 24, 16, 12);
    let mut rig = Rig::for_picture("nearest", &pictures[0]);
    let mut given = Vec::new();
    for (index, picture) in pictures.iter().enumerate() {
        let mut buffer = picture.buffer(index as u64);
        let writable = buffer.get_mut().unwrap();
        // Uneven times; one frame without a duration, one without a timestamp.
        writable.set_pts((index != 7).then(|| gst::ClockTime::from_nseconds(33_366_701 * index as u64 + 13)));
        writable.set_dts(gst::ClockTime::from_mseconds(30 * index as u64));
        writable.set_duration((index != 5).then(|| gst::ClockTime::from_nseconds(33_366_700 + index as u64)));
        given.push(times(&buffer));
        rig.harness.push(buffer).unwrap();
    }
    rig.harness.push_event(gst::event::Eos::new());
    let received: Vec<_> = std::iter::from_fn(|| rig.harness.try_pull())
        .map(|buffer| times(&buffer))
        .collect();
    assert_eq!(received, given);
    assert!(std::iter::from_fn(|| rig.harness.try_pull_event()).any(|event| event.type_() == gst::EventType::Eos));
    assert_eq!(
        ["frames-in", "frames-out", "restored", "dropped"].map(|field| rig.count(field)),
        [12, 12, 12, 0]
    );
}

type Times = (
    Option<gst::ClockTime>,
    Option<gst::ClockTime>,
    Option<gst::ClockTime>,
    u64,
    u64,
);

fn times(buffer: &gst::BufferRef) -> Times {
    (
        buffer.pts(),
        buffer.dts(),
        buffer.duration(),
        buffer.offset(),
        buffer.offset_end(),
    )
}

#[test]
fn flags_are_kept() {
    let picture = Picture::moving(VideoFormat::Rgb, 16, 16, 0);
    let mut rig = Rig::for_picture("nearest", &picture);
    rig.restore(&picture, 0);
    use gst::BufferFlags as F;
    for flags in [
        F::empty(),
        F::DISCONT,
        F::CORRUPTED | F::DROPPABLE,
        F::MARKER | F::DELTA_UNIT,
        F::RESYNC,
    ] {
        let mut buffer = picture.buffer(1);
        buffer.get_mut().unwrap().set_flags(flags);
        let output = rig.push_and_pull(buffer);
        let all = F::DISCONT | F::CORRUPTED | F::DROPPABLE | F::MARKER | F::DELTA_UNIT | F::RESYNC;
        assert_eq!(output.flags() & all, flags);
    }
}

#[test]
fn regions_of_interest_are_scaled_with_their_parameters() {
    let picture = Picture::moving(VideoFormat::Rgb, 64, 48, 0);
    let mut rig = Rig::for_picture("nearest", &picture);
    let mut buffer = picture.buffer(0);
    let mut region = VideoRegionOfInterestMeta::add(buffer.get_mut().unwrap(), "face", (3, 5, 20, 11));
    region.set_id(7);
    region.set_parent_id(2);
    region.add_param(gst::Structure::builder("detection").field("confidence", 0.75).build());
    let output = rig.push_and_pull(buffer);
    let regions: Vec<_> = output.iter_meta::<VideoRegionOfInterestMeta>().collect();
    assert_eq!(regions.len(), 1);
    let region = &regions[0];
    assert_eq!(
        (region.rect(), region.roi_type(), region.id(), region.parent_id()),
        ((12, 20, 80, 44), "face", 7, 2)
    );
    assert_eq!(
        region.param("detection").unwrap().get::<f64>("confidence").unwrap(),
        0.75
    );
}

#[test]
fn metas_that_say_nothing_of_size_are_copied_and_others_left_out() {
    let picture = Picture::moving(VideoFormat::Rgb, 16, 16, 0);
    let mut rig = Rig::for_picture("nearest", &picture);
    for (name, tags) in [
        ("DlTestPlain", &[][..]),
        ("DlTestColour", &["video", "colorspace"]),
        ("DlTestSize", &["size"]),
    ] {
        gst::meta::CustomMeta::register(name, tags);
    }
    let mut buffer = picture.buffer(0);
    let writable = buffer.get_mut().unwrap();
    let reference = gst::Caps::new_empty_simple("timestamp/x-unix");
    gst::ReferenceTimestampMeta::add(
        writable,
        &reference,
        gst::ClockTime::from_seconds(9),
        gst::ClockTime::NONE,
    );
    for name in ["DlTestPlain", "DlTestColour", "DlTestSize"] {
        gst::meta::CustomMeta::add(writable, name)
            .unwrap()
            .mut_structure()
            .set("value", 5);
    }
    let output = rig.push_and_pull(buffer);
    let timestamp = output
        .meta::<gst::ReferenceTimestampMeta>()
        .expect("the reference timestamp");
    assert_eq!(timestamp.timestamp(), gst::ClockTime::from_seconds(9));
    for name in ["DlTestPlain", "DlTestColour"] {
        let meta = gst::meta::CustomMeta::from_buffer(&output, name).expect(name);
        assert_eq!(meta.structure().get::<i32>("value").unwrap(), 5);
    }
    assert!(
        gst::meta::CustomMeta::from_buffer(&output, "DlTestSize").is_err(),
        "it is not the output's size"
    );
}

#[test]
fn the_embedded_pack_is_the_default() {
    let pictures = moving(VideoFormat::Rgb, 48, 32, 2);
    let element = common::element("nearest");
    element.set_property("model", "");
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(pictures[0].caps());
    let embedded = common::reference_of(Pack::embedded().unwrap(), &pictures, common::without_scene_cuts());
    for ((index, picture), expected) in (0..).zip(&pictures).zip(embedded) {
        assert!(rig.restore(picture, index) == expected, "frame {index}");
    }
}

#[test]
fn the_same_input_gives_the_same_output() {
    let pictures = moving(VideoFormat::Rgb, 50, 38, 3);
    let run = || {
        let mut rig = Rig::for_picture("upscaled", &pictures[0]);
        (0..)
            .zip(&pictures)
            .map(|(index, picture)| rig.restore(picture, index))
            .collect::<Vec<_>>()
    };
    assert!(run() == run());
}

#[test]
fn properties_reach_the_core_while_the_stream_runs() {
    use gstdloralvsr::restore::{ColorFix, Settings};
    let pictures = moving(VideoFormat::Rgb, 40, 40, 2);
    let mut rig = Rig::for_picture("upscaled", &pictures[0]);
    let packs = rig.restore(&pictures[0], 0);
    rig.element.set_property_from_str("color-fix", "none");
    let uncorrected = rig.restore(&pictures[1], 1);
    let settings = |color_fix| Settings {
        color_fix,
        scene_threshold: 0.0,
        ..Settings::default()
    };
    assert!(packs == common::reference_with("upscaled", &pictures, settings(ColorFix::AdaIn))[0]);
    assert!(uncorrected == common::reference_with("upscaled", &pictures, settings(ColorFix::None))[1]);
    assert!(uncorrected != common::reference_with("upscaled", &pictures, settings(ColorFix::AdaIn))[1]);
}

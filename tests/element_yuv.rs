//! YUV through the element: brightness, colours and where they are, in every format; what caps say and do not say.
#![cfg(feature = "plugin")]

mod common;

use common::picture::{Picture, stamp};
use std::sync::Arc;

use common::{Rig, Running, nearest, wait_for_eos};
use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoCropMeta, VideoFormat, VideoFrame, VideoFrameRef, VideoInfo};
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::restore::{GraphError, GraphErrorKind};

const FORMATS: [VideoFormat; 8] = [
    VideoFormat::I420,
    VideoFormat::Yv12,
    VideoFormat::Nv12,
    VideoFormat::Nv21,
    VideoFormat::Yuy2,
    VideoFormat::Uyvy,
    VideoFormat::Y42b,
    VideoFormat::Y444,
];

/// Luma's weights of red and blue in BT.709 and BT.601.
const BT709: [f64; 2] = [0.2126, 0.0722];
const BT601: [f64; 2] = [0.299, 0.114];
const BT2020: [f64; 2] = [0.2627, 0.0593];

fn info(format: VideoFormat, width: usize, height: usize, fields: &str) -> VideoInfo {
    VideoInfo::from_caps(&caps(format, width, height, fields)).unwrap()
}

fn caps(format: VideoFormat, width: usize, height: usize, fields: &str) -> gst::Caps {
    common::init();
    let caps = format!("video/x-raw, format={format}, width={width}, height={height}, framerate=25/1{fields}");
    caps.parse().unwrap()
}

/// Limited range.
fn yuv_of(rgb: [u8; 3], [red, blue]: [f64; 2]) -> [f64; 3] {
    let [r, g, b] = rgb.map(f64::from);
    let luma = red * r + (1.0 - red - blue) * g + blue * b;
    let chroma = |colour: f64, weight: f64| 128.0 + (colour - luma) / (2.0 * (1.0 - weight)) * 224.0 / 255.0;
    [16.0 + luma * 219.0 / 255.0, chroma(b, blue), chroma(r, red)]
}

fn rgb_of([y, u, v]: [f64; 3], [red, blue]: [f64; 2]) -> [u8; 3] {
    let luma = (y - 16.0) * 255.0 / 219.0;
    let [u, v] = [u, v].map(|chroma| (chroma - 128.0) * 255.0 / 224.0);
    let (r, b) = (luma + 2.0 * (1.0 - red) * v, luma + 2.0 * (1.0 - blue) * u);
    let g = (luma - red * r - blue * b) / (1.0 - red - blue);
    [r, g, b].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

/// Byte of a sample within its plane, and the plane.
fn place(info: &VideoInfo, stride: &[i32], component: usize, x: usize, y: usize) -> (usize, u32) {
    let plane = info.format_info().plane()[component];
    let step = info.comp_pstride(component as u8) as usize;
    let byte = y * stride[plane as usize] as usize + x * step + info.comp_poffset(component as u8) as usize;
    (byte, plane)
}

/// Columns and rows of a component.
fn size(info: &VideoInfo, component: usize) -> (usize, usize) {
    (
        info.comp_width(component as u8) as usize,
        info.comp_height(component as u8) as usize,
    )
}

/// A buffer of `value(component, column, row)`, the first frame of its stream.
fn buffer(info: &VideoInfo, value: impl Fn(usize, usize, usize) -> u8) -> gst::Buffer {
    let mut frame = VideoFrame::from_buffer_writable(gst::Buffer::with_size(info.size()).unwrap(), info).unwrap();
    for component in 0..3 {
        let (width, height) = size(info, component);
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let (byte, plane) = place(info, frame.plane_stride(), component, x, y);
            frame.plane_data_mut(plane).unwrap()[byte] = value(component, x, y);
        }
    }
    let mut buffer = frame.into_buffer();
    stamp(buffer.get_mut().unwrap(), 0);
    buffer
}

/// Checks every sample of a buffer.
#[track_caller]
fn assert_samples(
    buffer: &gst::BufferRef,
    caps: &gst::CapsRef,
    tolerance: f64,
    wanted: impl Fn(usize, usize, usize) -> f64,
) {
    assert_some_samples(buffer, caps, tolerance, "", |component, x, y| {
        Some(wanted(component, x, y))
    });
}

/// Checks the samples of a buffer of which something is wanted.
#[track_caller]
fn assert_some_samples(
    buffer: &gst::BufferRef,
    caps: &gst::CapsRef,
    tolerance: f64,
    of_what: &str,
    wanted: impl Fn(usize, usize, usize) -> Option<f64>,
) {
    let info = VideoInfo::from_caps(caps).unwrap();
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
    for component in 0..3 {
        let (width, height) = size(&info, component);
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            let (byte, plane) = place(&info, frame.plane_stride(), component, x, y);
            let Some(wanted) = wanted(component, x, y) else {
                continue;
            };
            let value = frame.plane_data(plane).unwrap()[byte];
            assert!(
                (f64::from(value) - wanted).abs() <= tolerance,
                "{}{of_what}: component {component} at ({x}, {y}) is {value} and not {wanted}",
                info.format()
            );
        }
    }
}

fn rig(info: &VideoInfo) -> Rig {
    let mut rig = Rig::new("nearest");
    rig.harness.set_src_caps(info.to_caps().unwrap());
    rig
}

fn output_caps(rig: &Rig) -> gst::Caps {
    rig.harness.sinkpad().unwrap().current_caps().unwrap()
}

/// A slope in brightness and gentler ones in colour, by the column and row of the pixel.
fn slope(component: usize, x: f64, y: f64) -> f64 {
    match component {
        0 => 60.0 + 4.0 * x + 2.0 * y,
        1 => 118.0 + 0.5 * x - 0.25 * y,
        _ => 136.0 - 0.5 * x + 0.25 * y,
    }
}

/// What the pack makes of the slopes, in RGB, by the pack's own formula.
fn restored_slopes(width: usize, height: usize) -> Vec<[u8; 3]> {
    let pixel = |x: usize, y: usize| {
        let samples = [0, 1, 2].map(|component| slope(component, x as f64, y as f64));
        rgb_of(samples, BT709)
    };
    let picture = Picture::from_fn(VideoFormat::Rgb, width, height, |x, y, channel| pixel(x, y)[channel]);
    nearest::restored(&picture, &picture)
}

#[test]
fn every_format_is_restored_and_keeps_its_colours() {
    // An odd height, and a width that is no multiple of four: rows and planes are padded.
    let (width, height) = (22, 19);
    let expected = restored_slopes(width, height);
    for format in FORMATS {
        let info = info(format, width, height, ", colorimetry=bt709, chroma-site=mpeg2");
        let [across, down] = [info.format_info().w_sub()[1], info.format_info().h_sub()[1]];
        let mut rig = rig(&info);
        let input = buffer(&info, |component, x, y| {
            let (x, y) = match component {
                0 => (x as f64, y as f64),
                // On the first column, between the rows.
                _ => (
                    (x << across) as f64,
                    (y << down) as f64 + if down > 0 { 0.5 } else { 0.0 },
                ),
            };
            slope(component, x, y).round() as u8
        });
        let output = rig.push_and_pull(input);
        let caps = output_caps(&rig);
        assert_samples(&output, &caps, 3.0, |component, x, y| {
            let (x, y) = match component {
                0 => (x, y),
                _ => (x << across, y << down),
            };
            yuv_of(expected[y * width * 4 + x], BT709)[component]
        });
        let same = info.to_caps().unwrap();
        for field in ["format", "colorimetry", "chroma-site", "framerate"] {
            let (output, input) = (caps.structure(0).unwrap(), same.structure(0).unwrap());
            assert_eq!(
                output.get::<String>(field).ok(),
                input.get::<String>(field).ok(),
                "{format}"
            );
        }
    }
}

/// A flat colour, coded as the caps say, or as GStreamer takes them.
#[track_caller]
fn check_colour(fields: &str, height: usize, weights: [f64; 2]) {
    let info = info(VideoFormat::I420, 64, height, fields);
    let rgb = [190, 60, 40];
    let mut rig = Rig::new("nearest");
    // As they are: information on a video names its colorimetry, if only by default.
    rig.harness.set_src_caps(caps(VideoFormat::I420, 64, height, fields));
    let output = rig.push_and_pull(buffer(&info, |component, _, _| {
        yuv_of(rgb, weights)[component].round() as u8
    }));
    let caps = output_caps(&rig);
    assert_samples(&output, &caps, 1.6, |component, _, _| yuv_of(rgb, weights)[component]);
}

#[test]
fn colours_are_read_and_written_as_the_caps_say() {
    check_colour(", colorimetry=bt709", 64, BT709);
    check_colour(", colorimetry=bt601", 64, BT601);
}

/// What GStreamer takes silent caps for depends on the number of rows: BT.601 below 720, BT.709 from there on. So the
/// output's say what the input's mean.
#[test]
fn what_silent_caps_mean_is_kept_and_said() {
    check_colour("", 64, BT601);
    check_colour("", 180, BT601);
    check_colour("", 720, BT709);
    let input = caps(VideoFormat::I420, 64, 180, "");
    let mut rig = Rig::new("nearest");
    rig.harness.set_src_caps(input.clone());
    rig.push_and_pull(buffer(&info(VideoFormat::I420, 64, 180, ""), |_, _, _| 100));
    let colorimetry = |caps: &gst::CapsRef| caps.structure(0).unwrap().get::<String>("colorimetry").ok();
    assert_eq!(colorimetry(&input), None);
    assert_eq!(colorimetry(&output_caps(&rig)).as_deref(), Some("bt601"));
}

/// The corners of RGB: by another matrix or range they would leave the cube and be clipped.
const CORNERS: [[u8; 3]; 8] = [
    [0, 0, 0],
    [255, 0, 0],
    [0, 255, 0],
    [0, 0, 255],
    [255, 255, 0],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

/// Samples of a colour; in full range where the caps say so, limited elsewhere.
fn coded(rgb: [u8; 3], weights: [f64; 2], full_range: bool) -> [f64; 3] {
    let [y, u, v] = yuv_of(rgb, weights);
    match full_range {
        false => [y, u, v],
        true => {
            let chroma = |value: f64| 128.0 + (value - 128.0) * 255.0 / 224.0;
            [(y - 16.0) * 255.0 / 219.0, chroma(u), chroma(v)].map(|value| value.clamp(0.0, 255.0))
        }
    }
}

/// Range and matrix are each taken by itself, in every format; what the caps leave open is limited, and the matrix that
/// goes with the size.
#[test]
fn every_range_with_every_matrix_in_every_format() {
    const BAND: usize = 8;
    let matrices = [
        ("0", None),
        ("1", None),
        ("4", Some(BT601)),
        ("3", Some(BT709)),
        ("6", Some(BT2020)),
    ];
    for (range, full_range) in [("0", false), ("1", true), ("2", false)] {
        for (matrix, stated) in matrices {
            for (height, usual) in [(16, BT601), (720, BT709)] {
                // One format shows what a size means; the others differ in where samples lie.
                let formats = if height == 16 { &FORMATS[..] } else { &FORMATS[..1] };
                let weights = stated.unwrap_or(usual);
                for format in formats {
                    let fields = format!(", colorimetry={range}:{matrix}:0:0");
                    let given = caps(*format, BAND * CORNERS.len(), height, &fields);
                    let band = |info: &VideoInfo, component: usize, x: usize| {
                        let (width, _) = size(info, component);
                        coded(CORNERS[x * CORNERS.len() / width], weights, full_range)[component]
                    };
                    let plain = info(*format, BAND * CORNERS.len(), height, "");
                    let mut rig = Rig::new("nearest");
                    rig.harness.set_src_caps(given);
                    let output = rig.push_and_pull(buffer(&plain, |component, x, _| {
                        band(&plain, component, x).round() as u8
                    }));
                    let output_caps = output_caps(&rig);
                    let large = VideoInfo::from_caps(&output_caps).unwrap();
                    let middle_of_band = |component: usize, x: usize| {
                        let width = size(&large, component).0 / CORNERS.len();
                        (width / 4..width * 3 / 4).contains(&(x % width))
                    };
                    assert_some_samples(&output, &output_caps, 2.6, &fields, |component, x, _| {
                        middle_of_band(component, x).then(|| band(&large, component, x))
                    });
                    let said = output_caps.structure(0).unwrap().get::<String>("colorimetry").unwrap();
                    let said: gst_video::VideoColorimetry = said.parse().unwrap();
                    assert_eq!(
                        said.range() == gst_video::VideoColorRange::Range0_255,
                        full_range,
                        "{fields} became {said}"
                    );
                    let expected = match weights {
                        BT601 => gst_video::VideoColorMatrix::Bt601,
                        BT709 => gst_video::VideoColorMatrix::Bt709,
                        _ => gst_video::VideoColorMatrix::Bt2020,
                    };
                    assert_eq!(said.matrix(), expected, "{fields} became {said}");
                }
            }
        }
    }
}

/// A peer that asks for what was stated and no more gets that.
#[test]
fn a_peer_that_insists_on_partial_colorimetry_gets_it() {
    let pipeline = Running::launch(
        "appsrc name=src format=time ! dloralvsr name=vsr execution-provider=cpu ! capsfilter name=filter ! fakesink",
    );
    let fields = ", colorimetry=(string)1:0:0:0";
    let given = caps(VideoFormat::I420, 64, 48, fields);
    let wanted: gst::Caps = "video/x-raw, colorimetry=(string)1:0:0:0".parse().unwrap();
    pipeline.element("filter").set_property("caps", wanted);
    pipeline
        .element("vsr")
        .set_property("model", common::pack("nearest").to_str().unwrap());
    let source = pipeline.element("src").downcast::<gst_app::AppSrc>().unwrap();
    source.set_caps(Some(&given));
    pipeline.play();
    source
        .push_buffer(buffer(&info(VideoFormat::I420, 64, 48, ""), |_, _, _| 100))
        .unwrap();
    source.end_of_stream().unwrap();
    wait_for_eos(&pipeline.bus());
    let output = pipeline
        .element("filter")
        .static_pad("src")
        .unwrap()
        .current_caps()
        .unwrap();
    assert_eq!(
        output.structure(0).unwrap().get::<String>("colorimetry").unwrap(),
        "1:0:0:0"
    );
}

#[test]
fn a_crop_is_applied_to_every_component() {
    let whole = info(VideoFormat::Nv12, 40, 32, ", colorimetry=bt709");
    let cropped = info(VideoFormat::Nv12, 20, 18, ", colorimetry=bt709");
    let inside = |component: usize, x: usize, y: usize| match component {
        0 => (6..26).contains(&x) && (4..22).contains(&y),
        _ => (3..13).contains(&x) && (2..11).contains(&y),
    };
    let mut input = buffer(&whole, |component, x, y| {
        if inside(component, x, y) {
            [150, 100, 160][component]
        } else {
            16
        }
    });
    let frame = VideoFrameRef::from_buffer_ref_readable(&input, &whole).unwrap();
    let (offsets, strides) = (frame.plane_offset().to_vec(), frame.plane_stride().to_vec());
    drop(frame);
    let writable = input.get_mut().unwrap();
    let flags = gst_video::VideoFrameFlags::empty();
    gst_video::VideoMeta::add_full(writable, flags, VideoFormat::Nv12, 40, 32, &offsets, &strides).unwrap();
    VideoCropMeta::add(writable, (6, 4, 20, 18));
    let mut rig = rig(&cropped);
    let output = rig.push_and_pull(input);
    assert_samples(&output, &output_caps(&rig), 1.6, |component, _, _| {
        [150.0, 100.0, 160.0][component]
    });
}

/// As decoders in hardware give it: each plane in a memory of its own.
#[test]
fn planes_may_lie_in_memories_of_their_own() {
    let info = info(VideoFormat::I420, 40, 32, ", colorimetry=bt709");
    let value = |component: usize, x: usize, y: usize| [60 + 2 * x + y, 90 + x, 140 + y][component] as u8;
    let whole = buffer(&info, value);
    let frame = VideoFrameRef::from_buffer_ref_readable(&whole, &info).unwrap();
    let (mut split, mut offsets) = (gst::Buffer::new(), Vec::new());
    let writable = split.get_mut().unwrap();
    for plane in 0..info.n_planes() {
        offsets.push(writable.size());
        // Each a little longer than its plane, as alignment makes it.
        let bytes = [frame.plane_data(plane).unwrap(), &[0; 24]].concat();
        writable.append_memory(gst::Memory::from_slice(bytes));
    }
    let flags = gst_video::VideoFrameFlags::empty();
    gst_video::VideoMeta::add_full(
        writable,
        flags,
        VideoFormat::I420,
        40,
        32,
        &offsets,
        frame.plane_stride(),
    )
    .unwrap();
    stamp(writable, 0);
    assert_eq!(split.n_memory(), 3);
    let of_one = rig(&info).push_and_pull(whole.clone());
    let of_three = rig(&info).push_and_pull(split);
    let bytes = |buffer: &gst::BufferRef| buffer.map_readable().unwrap().to_vec();
    assert_eq!(bytes(&of_one), bytes(&of_three));
}

#[test]
fn a_frame_that_is_not_restored_keeps_its_colours_too() {
    let info = info(VideoFormat::I420, 64, 48, ", colorimetry=bt709");
    let element = common::element("nearest");
    let fails = |graph| {
        Err(GraphError {
            graph,
            kind: GraphErrorKind::Other,
            message: "a failure of the test's".into(),
        })
    };
    let vsr = element.downcast_ref::<DloralVsr>().unwrap();
    vsr.set_hook(Some(Arc::new(fails)));
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(info.to_caps().unwrap());
    let output = rig.push_and_pull(buffer(&info, |component, _, _| [90, 140, 100][component]));
    assert_eq!(rig.count("bypassed"), 1);
    assert_samples(&output, &output_caps(&rig), 1.6, |component, _, _| {
        [90.0, 140.0, 100.0][component]
    });
}

/// Between a decoder and an encoder, without any conversion.
#[test]
fn no_converter_is_needed_between_decoder_and_encoder() {
    for format in ["I420", "Y42B", "Y444"] {
        let pipeline = Running::launch(&format!(
            "videotestsrc num-buffers=5 ! video/x-raw,format={format},width=64,height=48,framerate=25/1 ! jpegenc ! \
             jpegdec ! dloralvsr name=vsr execution-provider=cpu ! jpegenc ! fakesink name=sink"
        ));
        pipeline
            .element("vsr")
            .set_property("model", common::pack("nearest").to_str().unwrap());
        pipeline.play();
        wait_for_eos(&pipeline.bus());
        let stats = pipeline.element("vsr").property::<gst::Structure>("stats");
        assert_eq!(stats.get::<u64>("restored").unwrap(), 5, "{format}");
    }
}

//! Real pipelines over real files: decode, restore, encode, decode again; seeks; damaged files.
#![cfg(feature = "plugin")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::picture::Picture;
use common::{Running, pack, reference, wait_for_eos};
use gst::prelude::*;
use gst_video::VideoFormat;

const COUNT: usize = 20;
const SIZE: (usize, usize) = (64, 48);

/// An H.264 encoder, of those there are.
fn encoder() -> &'static str {
    common::init();
    let candidates = [
        ("x264enc", "x264enc tune=zerolatency key-int-max=8"),
        ("openh264enc", "openh264enc gop-size=8"),
    ];
    let found = candidates
        .iter()
        .find(|(name, _)| gst::ElementFactory::find(name).is_some());
    found.expect("x264enc or openh264enc").1
}

/// A small film of a moving picture.
struct Film {
    folder: tempfile::TempDir,
}

impl Film {
    fn new() -> Self {
        let film = Film {
            folder: tempfile::tempdir().unwrap(),
        };
        let pipeline = Running::launch(&format!(
            "appsrc name=source format=time ! videoconvert ! video/x-raw,format=I420 ! {} ! h264parse ! matroskamux ! \
             filesink location=\"{}\"",
            encoder(),
            film.path().display()
        ));
        let source = pipeline.element("source").downcast::<gst_app::AppSrc>().unwrap();
        let frame = |time| {
            Picture::from_fn(VideoFormat::Rgb, SIZE.0, SIZE.1, move |x, y, c| {
                soft(x + 2 * time, y, c)
            })
        };
        source.set_caps(Some(&frame(0).caps()));
        pipeline.play();
        for time in 0..COUNT {
            source.push_buffer(frame(time).buffer(time as u64)).unwrap();
        }
        source.end_of_stream().unwrap();
        wait_for_eos(&pipeline.bus());
        film
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("film.mkv")
    }

    fn sibling(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Waves that a video codec keeps.
fn soft(x: usize, y: usize, c: usize) -> u8 {
    let (x, y, c) = (x as f64, y as f64, c as f64);
    (128.0 + 60.0 * (x / 5.0 + c).sin() + 50.0 * (y / 7.0 - c).cos()) as u8
}

const VSR: &str = "dloralvsr name=vsr execution-provider=cpu scene-threshold=0";

/// Decodes a file through `filter` to an appsink.
fn player(path: &Path, filter: &str) -> (Running, gst_app::AppSink) {
    let pipeline = Running::launch(&format!(
        "filesrc location=\"{}\" ! decodebin ! videoconvert ! video/x-raw,format=RGB ! {filter} ! \
         appsink name=sink sync=false",
        path.display()
    ));
    if let Some(vsr) = pipeline.0.by_name("vsr") {
        vsr.set_property("model", pack("nearest").to_str().unwrap());
    }
    let sink = pipeline.element("sink").downcast().unwrap();
    (pipeline, sink)
}

type Frames = Vec<(Picture, Option<gst::ClockTime>, Option<gst::ClockTime>)>;

/// Every frame up to the end of the stream, with timestamp and duration.
#[track_caller]
fn rest_of(pipeline: &Running, sink: &gst_app::AppSink) -> Frames {
    let timeout = gst::ClockTime::from_nseconds(common::TIMEOUT.as_nanos() as u64);
    let mut frames = Vec::new();
    while let Some(sample) = sink.try_pull_sample(timeout) {
        let buffer = sample.buffer().unwrap();
        frames.push((
            Picture::of_buffer(buffer, sample.caps().unwrap()),
            buffer.pts(),
            buffer.duration(),
        ));
    }
    assert!(sink.is_eos(), "{:?}", common::error_of(&pipeline.bus()));
    frames
}

fn play(path: &Path, filter: &str) -> Frames {
    let (pipeline, sink) = player(path, filter);
    pipeline.play();
    rest_of(&pipeline, &sink)
}

/// `restored` is what the core makes of `decoded`, at the same times.
#[track_caller]
fn check(restored: &Frames, decoded: &Frames) {
    let pictures: Vec<_> = decoded.iter().map(|frame| frame.0.clone()).collect();
    assert_eq!(restored.len(), decoded.len());
    for (index, expected) in reference("nearest", &pictures).iter().enumerate() {
        assert!(restored[index].0 == *expected, "frame {index}");
        assert_eq!(
            (restored[index].1, restored[index].2),
            (decoded[index].1, decoded[index].2),
            "frame {index}"
        );
    }
}

#[test]
fn a_file_comes_out_whole() {
    let film = Film::new();
    let decoded = play(&film.path(), "identity");
    assert_eq!(decoded.len(), COUNT);
    check(&play(&film.path(), VSR), &decoded);
}

#[test]
fn a_restored_file_that_is_encoded_has_every_frame() {
    let film = Film::new();
    let result = film.sibling("restored.mkv");
    let pipeline = Running::launch(&format!(
        "filesrc location=\"{}\" ! decodebin ! videoconvert ! {VSR} ! videoconvert ! {} ! h264parse ! matroskamux ! \
         filesink location=\"{}\"",
        film.path().display(),
        encoder(),
        result.display()
    ));
    pipeline
        .element("vsr")
        .set_property("model", pack("nearest").to_str().unwrap());
    pipeline.play();
    wait_for_eos(&pipeline.bus());
    drop(pipeline);
    let (input, output) = (play(&film.path(), "identity"), play(&result, "identity"));
    let times = |frames: &Frames| frames.iter().map(|frame| frame.1).collect::<Vec<_>>();
    assert_eq!(times(&output), times(&input));
    for (picture, _, _) in &output {
        assert_eq!((picture.width, picture.height), (4 * SIZE.0, 4 * SIZE.1));
    }
    // Encoding changes pixels, but leaves a picture of the same scene.
    let restored = play(&film.path(), VSR);
    for ((coded, _, _), (restored, _, _)) in output.iter().zip(&restored) {
        let differences = coded
            .data
            .iter()
            .zip(&restored.data)
            .map(|(a, b)| f64::from(a.abs_diff(*b)));
        let mean = differences.sum::<f64>() / coded.data.len() as f64;
        assert!(mean < 8.0, "mean difference {mean}");
    }
}

#[test]
fn a_seek_begins_anew_at_the_frame_asked_for() {
    let film = Film::new();
    let decoded = play(&film.path(), "identity");
    let (pipeline, sink) = player(&film.path(), VSR);
    pipeline.0.set_state(gst::State::Paused).unwrap();
    pipeline.settle();
    // Forth and back, the second while a frame of the first is waiting.
    for target in [13, 5, 9] {
        let position = gst::ClockTime::from_mseconds(40) * target as u64;
        pipeline
            .0
            .seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, position)
            .unwrap();
        pipeline.settle();
        let preroll = sink.pull_preroll().unwrap();
        let first = Picture::of_buffer(preroll.buffer().unwrap(), preroll.caps().unwrap());
        assert!(
            first == reference("nearest", &[decoded[target].0.clone()])[0],
            "seek to frame {target}"
        );
    }
    pipeline.play();
    let rest: Frames = rest_of(&pipeline, &sink);
    check(&rest, &decoded[9..].to_vec());
}

/// Pairs of frames as they come by: in what is shown, whichever way, a frame goes with the one shown before it. Decoders
/// mark the first frame of each group of pictures DISCONT when they play backwards.
#[test]
fn reverse_playback_gives_every_frame_with_the_one_shown_before() {
    let film = Film::new();
    let backwards = |filter: &str| {
        let (pipeline, sink) = player(&film.path(), filter);
        pipeline.0.set_state(gst::State::Paused).unwrap();
        pipeline.settle();
        let (start, stop) = (gst::ClockTime::ZERO, gst::ClockTime::from_mseconds(40) * COUNT as u64);
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        let (from, to) = (gst::SeekType::Set, gst::SeekType::Set);
        pipeline.0.seek(-1.0, flags, from, start, to, stop).unwrap();
        pipeline.play();
        let timeout = gst::ClockTime::from_nseconds(common::TIMEOUT.as_nanos() as u64);
        let samples = std::iter::from_fn(|| sink.try_pull_sample(timeout));
        let frame = |sample: gst::Sample| {
            let buffer = sample.buffer().unwrap();
            let picture = Picture::of_buffer(buffer, sample.caps().unwrap());
            (
                picture,
                buffer.pts(),
                buffer.flags().contains(gst::BufferFlags::DISCONT),
            )
        };
        samples.map(frame).collect::<Vec<_>>()
    };
    let (decoded, restored) = (backwards("identity"), backwards(VSR));
    assert!(decoded.len() >= COUNT - 1, "{} frames", decoded.len());
    assert!(decoded.windows(2).all(|pair| pair[1].1 < pair[0].1), "not backwards");
    let runs = decoded.chunk_by(|_, next| !next.2);
    let expected = runs.flat_map(|run| {
        let pictures: Vec<_> = run.iter().map(|frame| frame.0.clone()).collect();
        reference("nearest", &pictures)
    });
    assert_eq!(restored.len(), decoded.len());
    for (index, (expected, frame)) in expected.zip(&restored).enumerate() {
        assert!(frame.0 == expected && frame.1 == decoded[index].1, "frame {index}");
    }
}

#[test]
fn stepping_shows_frame_after_frame() {
    let film = Film::new();
    let decoded = play(&film.path(), "identity");
    let pictures: Vec<_> = decoded.iter().map(|frame| frame.0.clone()).collect();
    let expected = reference("nearest", &pictures);
    let (pipeline, sink) = player(&film.path(), VSR);
    pipeline.0.set_state(gst::State::Paused).unwrap();
    pipeline.settle();
    for (index, expected) in expected.iter().enumerate().take(6) {
        let preroll = sink.pull_preroll().unwrap();
        let shown = Picture::of_buffer(preroll.buffer().unwrap(), preroll.caps().unwrap());
        assert!(shown == *expected, "step {index}");
        let step = gst::event::Step::new(gst::format::Buffers::from_u64(1), 1.0, true, false);
        assert!(pipeline.0.send_event(step));
        pipeline.settle();
    }
}

#[test]
fn a_film_may_be_played_again_after_its_end() {
    let film = Film::new();
    let decoded = play(&film.path(), "identity");
    let (pipeline, sink) = player(&film.path(), VSR);
    pipeline.play();
    check(&rest_of(&pipeline, &sink), &decoded);
    for _ in 0..2 {
        let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
        pipeline.0.seek_simple(flags, gst::ClockTime::ZERO).unwrap();
        check(&rest_of(&pipeline, &sink), &decoded);
    }
    let vsr = pipeline.element("vsr");
    let count = |field: &str| vsr.property::<gst::Structure>("stats").get::<u64>(field).unwrap();
    assert_eq!(count("frames-in"), count("frames-out") + count("dropped"));
    assert!(count("frames-out") >= 3 * COUNT as u64);
}

#[test]
fn a_truncated_file_gives_what_is_there() {
    let film = Film::new();
    let bytes = fs::read(film.path()).unwrap();
    let truncated = film.sibling("truncated.mkv");
    fs::write(&truncated, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let decoded = play(&truncated, "identity");
    assert!(
        !decoded.is_empty() && decoded.len() < COUNT,
        "{} frames of a part",
        decoded.len()
    );
    check(&play(&truncated, VSR), &decoded);
}

#[test]
fn an_empty_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.mkv");
    fs::write(&empty, b"").unwrap();
    let (pipeline, _sink) = player(&empty, VSR);
    pipeline.play();
    common::wait_for_error(&pipeline.bus());
}

#[test]
fn playbin_takes_it_as_video_filter() {
    let film = Film::new();
    let pipeline = Running::launch(&format!("playbin name=play uri=\"file://{}\"", film.path().display()));
    let sink = gst_app::AppSink::builder().sync(false).build();
    let play = pipeline.0.clone();
    play.set_property("video-filter", common::element("nearest"));
    play.set_property("video-sink", &sink);
    pipeline.play();
    let frames = {
        let timeout = gst::ClockTime::from_nseconds(common::TIMEOUT.as_nanos() as u64);
        std::iter::from_fn(|| sink.try_pull_sample(timeout))
            .map(|sample| sample.caps_owned().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(frames.len(), COUNT, "{:?}", common::error_of(&pipeline.bus()));
    for caps in frames {
        let structure = caps.structure(0).unwrap();
        let size = (
            structure.get::<i32>("width").unwrap(),
            structure.get::<i32>("height").unwrap(),
        );
        assert_eq!(size, (4 * SIZE.0 as i32, 4 * SIZE.1 as i32));
    }
}

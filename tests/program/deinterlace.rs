//! Interlaced input. Pairs of frames at 50 a second become frames of two fields at 25, so that the truth is known.

use std::path::{Path, PathBuf};

use crate::workshop::Workshop;

const WIDTH: u32 = 128;
const HEIGHT: u32 = 96;
const FRAMES: usize = 12;

/// The progressive video, and one whose fields are its frames.
fn videos(workshop: &Workshop, name: &str, first: &str, coding: &[&str]) -> (PathBuf, PathBuf) {
    let [truth, interlaced] = ["truth.mkv", name].map(|name| workshop.path(name));
    // Everything moves, so that two fields never fit together.
    let source = format!("testsrc2=size={WIDTH}x{HEIGHT}:rate=50:duration=0.48,gblur=1.5,scroll=horizontal=0.03");
    workshop.ffmpeg(&["-f", "lavfi", "-i", &source, "-c:v", "ffv1", truth.to_str().unwrap()]);
    let order = if first == "top" { "tff" } else { "bff" };
    let filter = format!("tinterlace=interleave_{first},setfield={order}");
    let input = ["-i", truth.to_str().unwrap(), "-vf", &filter];
    workshop.ffmpeg(&[&input[..], coding, &[interlaced.to_str().unwrap()]].concat());
    (truth, interlaced)
}

/// How far the frames are from the truth's, each `step` of which is one of them; levels in the mean. At this size the
/// model changes little.
fn distance(workshop: &Workshop, restored: &Path, truth: &Path, step: usize) -> f64 {
    let (ours, theirs) = (
        workshop.gray_frames(restored, WIDTH, HEIGHT),
        workshop.gray_frames(truth, WIDTH, HEIGHT),
    );
    let pairs = ours.iter().zip(theirs.iter().step_by(step));
    let sum: u64 = pairs
        .flat_map(|(one, other)| one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))))
        .sum();
    sum as f64 / (ours.len() * ours[0].len()) as f64
}

#[test]
fn interlaced_video_becomes_progressive_frame_by_frame() {
    let workshop = Workshop::new();
    let x264: &[&str] = &[
        "-c:v",
        "libx264",
        "-crf",
        "4",
        "-flags",
        "+ildct+ilme",
        "-pix_fmt",
        "yuv420p",
    ];
    let mpeg2: &[&str] = &[
        "-c:v",
        "mpeg2video",
        "-q:v",
        "2",
        "-flags",
        "+ildct+ilme",
        "-pix_fmt",
        "yuv420p",
    ];
    // 10 bits a sample.
    let prores: &[&str] = &["-c:v", "prores_ks", "-flags", "+ildct+ilme", "-pix_fmt", "yuv422p10le"];
    for (name, first, coding) in [
        ("top.mkv", "top", x264),
        ("bottom.mp4", "bottom", x264),
        ("top.ts", "top", mpeg2),
        ("top.mov", "top", prores),
    ] {
        let (truth, input) = videos(&workshop, name, first, coding);
        let output = |kind: &str| workshop.path(&format!("{name}.{kind}.mkv"));
        let run = |kind: &str| {
            let options = ["--codec", "ffv1", "--scale", "1", "--deinterlace", kind];
            workshop.restore(&options, &input, &output(kind)).succeeds()
        };
        let said = run("auto");
        assert!(said.contains("deinterlaced, a frame for each frame"), "{name}: {said}");
        let said = run("off");
        assert!(said.contains("stays so"), "{name}: {said}");
        let said = run("field");
        assert!(said.contains("a frame for each field"), "{name}: {said}");
        assert_eq!(workshop.video_times(&output("off")).len(), FRAMES, "{name}");
        let times = workshop.video_times(&output("auto"));
        assert_eq!(times.len(), FRAMES, "{name}");
        assert!(
            times.windows(2).all(|pair| (pair[1] - pair[0] - 0.04).abs() < 2e-3),
            "{name}: {times:?}"
        );
        let times = workshop.video_times(&output("field"));
        assert_eq!(times.len(), 2 * FRAMES, "{name}");
        assert!(
            times.windows(2).all(|pair| (pair[1] - pair[0] - 0.02).abs() < 2e-3),
            "{name}: {times:?}"
        );
        let [off, auto, field] = [("off", 2), ("auto", 2), ("field", 1)]
            .map(|(kind, step)| distance(&workshop, &output(kind), &truth, step));
        assert!(
            auto < 0.8 * off && field < 0.8 * off,
            "{name}: {off} off, {auto} auto, {field} field"
        );
    }
}

/// Many old files are interlaced and do not say so.
#[test]
fn video_that_is_not_called_interlaced_is_deinterlaced_when_asked_for() {
    let workshop = Workshop::new();
    let (truth, input) = videos(
        &workshop,
        "in.mkv",
        "top",
        &["-c:v", "ffv1", "-pix_fmt", "yuv420p", "-field_order", "progressive"],
    );
    let marked = workshop.path("unmarked.mkv");
    workshop.ffmpeg(&[
        "-i",
        input.to_str().unwrap(),
        "-vf",
        "setfield=prog",
        "-c:v",
        "libx264",
        "-qp",
        "0",
        marked.to_str().unwrap(),
    ]);
    let [auto, on] = ["auto", "on"].map(|kind| {
        let output = workshop.path(&format!("{kind}.mkv"));
        let options = ["--codec", "ffv1", "--scale", "1", "--deinterlace", kind];
        workshop.restore(&options, &marked, &output).succeeds();
        assert_eq!(workshop.video_times(&output).len(), FRAMES, "{kind}");
        distance(&workshop, &output, &truth, 2)
    });
    assert!(on < 0.8 * auto, "{auto} auto, {on} on");
    let wrong = ["--deinterlace", "always"];
    let run = workshop.restore(&wrong, &marked, &workshop.path("out.mkv"));
    run.fails(2, &["one of auto, off, on, field"]);
}

/// Of so many seconds, 25 frames each.
fn moving_fields(workshop: &Workshop, name: &str, seconds: &str) -> PathBuf {
    let input = workshop.path(name);
    let source = format!("testsrc2=size=64x48:rate=50:duration={seconds},scroll=horizontal=0.03");
    let filter = "tinterlace=interleave_top,setfield=tff";
    let coding = [
        "-c:v",
        "libx264",
        "-flags",
        "+ildct+ilme",
        "-pix_fmt",
        "yuv420p",
        "-g",
        "25",
    ];
    let arguments = ["-f", "lavfi", "-i", &source, "-vf", filter];
    workshop.ffmpeg(&[&arguments[..], &coding, &[input.to_str().unwrap()]].concat());
    input
}

/// Lossless, so that frames can be compared; a part's first one has detail of two before it.
const COMPARABLE: [&str; 6] = ["--provider", "cpu", "--codec", "ffv1", "--temporal-blend", "0.5"];

/// The deinterlacer looks at frames before and behind: a part begins early enough, and so does a run that goes on.
#[test]
fn parts_of_interlaced_video_are_those_of_the_whole() {
    let workshop = Workshop::new();
    let input = moving_fields(&workshop, "in.mkv", "5.6");
    let [whole, part, killed] = ["whole.mkv", "part.mkv", "killed.mkv"].map(|name| workshop.path(name));
    let said = workshop.restore(&COMPARABLE, &input, &whole).succeeds();
    assert!(said.contains("deinterlaced, a frame for each frame"), "{said}");
    let frames = workshop.frame_hashes(&whole);
    assert_eq!(frames.len(), 140);
    let from_50 = [&COMPARABLE[..], &["--start", "2", "--end", "2.8"]].concat();
    workshop.restore(&from_50, &input, &part).succeeds();
    assert_eq!(workshop.frame_hashes(&part), frames[50..70]);
    let resumed = [&COMPARABLE[..], &["--resume"]].concat();
    let second = workshop.path("killed.mkv.parts/00001.mkv");
    Workshop::start(&resumed, &input, &killed).killed_when(|| second.exists());
    let said = workshop.restore(&resumed, &input, &killed).succeeds();
    assert!(said.contains("goes on behind the 120 frames"), "{said}");
    assert_eq!(workshop.frame_hashes(&killed), frames);
    assert_eq!(workshop.video_times(&killed), workshop.video_times(&whole));
}

/// In Matroska reading begins at a key frame ten seconds before, in a transport stream at the beginning.
#[test]
fn interlaced_video_is_the_same_wherever_reading_begins() {
    let workshop = Workshop::new();
    let input = moving_fields(&workshop, "in.mkv", "23");
    let stream = workshop.path("in.ts");
    workshop.ffmpeg(&["-i", input.to_str().unwrap(), "-c", "copy", stream.to_str().unwrap()]);
    let late = [&COMPARABLE[..], &["--start", "22", "--frames", "10"]].concat();
    let [sought, read] = [(&input, "sought.mkv"), (&stream, "read.mkv")].map(|(input, name)| {
        let output = workshop.path(name);
        workshop.restore(&late, input, &output).succeeds();
        workshop.frame_hashes(&output)
    });
    assert_eq!(sought.len(), 10);
    assert_eq!(sought, read);
}

//! Inputs that are damaged, cut off or none.

use crate::workshop::{Clip, Workshop};

#[test]
fn what_cannot_be_read_is_refused_and_leaves_nothing() {
    let workshop = Workshop::new();
    let good = workshop.clip("good.mp4", &Clip::default());
    let whole = std::fs::read(&good).unwrap();
    let empty = workshop.file("empty.mp4", b"");
    let text = workshop.file("text.mp4", b"this is no video, whatever its name says\n");
    let headless = workshop.file("headless.mp4", &whole[..whole.len() / 2]);
    let sound = workshop.tone("sound.wav");
    let output = workshop.path("out.mkv");
    for (input, status, says) in [
        (workshop.path("missing.mp4"), 2, "missing.mp4 cannot be read"),
        (empty, 1, "empty.mp4 cannot be read"),
        (text, 1, "text.mp4 cannot be read"),
        (headless, 1, "headless.mp4 cannot be read"),
        (sound, 2, "sound.wav holds no video stream"),
    ] {
        workshop.restore(&[], &input, &output).fails(status, &["error:", says]);
        assert!(!output.exists() && !workshop.part_of(&output).exists(), "{says}");
    }
}

#[test]
fn a_truncated_input_is_restored_as_far_as_it_goes_and_reported() {
    let workshop = Workshop::new();
    let whole = workshop.clip(
        "whole.mkv",
        &Clip {
            frames: 120,
            output: vec!["-g", "12"],
            ..Clip::default()
        },
    );
    let bytes = std::fs::read(&whole).unwrap();
    let input = workshop.file("cut.mkv", &bytes[..bytes.len() / 2]);
    let output = workshop.path("out.mkv");
    workshop
        .restore(&[], &input, &output)
        .fails(1, &["incomplete or damaged", "frames until then are in"]);
    let frames = workshop.video_times(&output).len();
    assert!((20..100).contains(&frames), "{frames} frames of 120");
}

/// Cut in the middle, and by one frame alone; subtitles that would last longer hide nothing.
#[test]
fn a_frame_that_is_missing_is_missed() {
    let workshop = Workshop::new();
    let subtitles = workshop.file("in.srt", b"1\n00:00:00,100 --> 00:00:00,900\nHello\n");
    let clip = Clip {
        frames: 48,
        output: vec!["-qp", "8", "-g", "12"],
        ..Clip::default()
    };
    let video = workshop.clip("in.mp4", &clip);
    let (video, subtitles) = (video.to_str().unwrap(), subtitles.to_str().unwrap());
    for (name, more) in [
        ("whole.mkv", &["-c", "copy"][..]),
        (
            "whole.mp4",
            &["-c", "copy", "-c:s", "mov_text", "-movflags", "+faststart"],
        ),
        ("whole.avi", &["-c:v", "mpeg4", "-bf", "2", "-sn"]),
    ] {
        let path = workshop.path(name);
        let inputs = ["-i", video, "-i", subtitles, "-map", "0:v", "-map", "1:s"];
        workshop.ffmpeg(&[&inputs[..], more, &[path.to_str().unwrap()]].concat());
        let output = workshop.path(&format!("{name}.mkv"));
        workshop.restore(&[], &path, &output).succeeds();
        assert_eq!(workshop.video_times(&output).len(), 48, "{name}");
        let whole = std::fs::read(&path).unwrap();
        // An AVI's index, of 16 bytes a frame, lies behind the frames, and the rest of Matroska's.
        let tail = if name.ends_with("mp4") { 30 } else { 1000 };
        for (cut, at) in [("half", whole.len() / 2), ("tail", whole.len() - tail)] {
            let input = workshop.file(&format!("{cut}-{name}"), &whole[..at]);
            let output = workshop.path(&format!("{cut}-{name}.mkv"));
            let run = workshop.restore(&[], &input, &output);
            run.fails(1, &["incomplete or damaged", "frames until then are in"]);
            let frames = workshop.video_times(&output).len();
            assert!((10..48).contains(&frames), "{cut} {name}: {frames} frames");
            assert!(
                run.messages.contains(&format!("the {frames} frames")),
                "{}",
                run.messages
            );
        }
    }
}

#[test]
fn damaged_slices_are_counted_and_told() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &Clip::default());
    let mut bytes = std::fs::read(&input).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 900]
        .iter_mut()
        .step_by(45)
        .for_each(|byte| *byte ^= 0x55);
    let input = workshop.file("damaged.mkv", &bytes);
    let output = workshop.path("out.mkv");
    let run = workshop.restore(&[], &input, &output);
    assert!(run.messages.contains("errors in the input's video"), "{}", run.messages);
    assert!(output.exists());
}

#[test]
fn where_no_length_is_stated_that_is_said() {
    let workshop = Workshop::new();
    for name in ["in.ts", "in.mpg"] {
        let clip = Clip {
            output: vec!["-c:v", "mpeg2video"],
            ..Clip::default()
        };
        let input = workshop.clip(name, &clip);
        let said = workshop
            .restore(&[], &input, &workshop.path(&format!("{name}.mkv")))
            .succeeds();
        assert!(said.contains("does not state its length"), "{said}");
        assert!(said.contains("0:01"), "its duration: {said}");
    }
}

//! The codec of the restored video.

use crate::workshop::{Clip, Workshop};

fn clip() -> Clip {
    Clip {
        frames: 8,
        output: vec![
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
            "-colorspace",
            "bt709",
        ],
        ..Clip::default()
    }
}

/// Frames, times and colours are those of the input, whichever way a codec takes.
#[test]
fn every_codec_keeps_frames_times_and_colours() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &clip());
    let times = workshop.video_times(&input);
    for (codec, ending, name) in [
        ("hevc", "mp4", "hevc"),
        ("av1", "webm", "av1"),
        ("vp9", "mp4", "vp9"),
        ("prores", "mov", "prores"),
        ("ffv1", "mkv", "ffv1"),
    ] {
        let output = workshop.path(&format!("{codec}.{ending}"));
        let options = ["--codec", codec, "--speed-preset", "ultrafast", "--crf", "30"];
        workshop.restore(&options, &input, &output).succeeds();
        let video = workshop.stream(&output, "v:0");
        assert_eq!(video["codec_name"], name);
        for colour in ["color_primaries", "color_transfer", "color_space"] {
            assert_eq!(video[colour], "bt709", "{codec}: {colour}");
        }
        let restored = workshop.video_times(&output);
        assert_eq!(restored.len(), times.len(), "{codec}");
        for (ours, theirs) in restored.iter().zip(&times) {
            assert!((ours - theirs).abs() < 1.5e-3, "{codec}: {restored:?}");
        }
    }
}

/// Of a codec that no hardware is asked for, and on machines that have none.
#[test]
fn without_an_encoder_in_hardware_the_usual_one_is_taken() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &clip());
    let output = workshop.path("out.webm");
    let messages = workshop.restore(&["--hw", "auto"], &input, &output).succeeds();
    assert!(messages.contains("vp9 is encoded in software"), "{messages}");
    assert_eq!(workshop.stream(&output, "v:0")["codec_name"], "vp9");
}

#[test]
fn a_lossless_codec_keeps_all_colour_samples() {
    let workshop = Workshop::new();
    let full = Clip {
        frames: 2,
        output: vec!["-pix_fmt", "yuv444p"],
        ..Clip::default()
    };
    let input = workshop.clip("in.mkv", &full);
    let output = workshop.path("out.mkv");
    workshop.restore(&["--codec", "ffv1"], &input, &output).succeeds();
    assert_eq!(workshop.stream(&output, "v:0")["pix_fmt"], "yuv444p");
}

#[test]
fn a_codec_that_the_container_does_not_hold_is_refused_before_the_work() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &clip());
    for (codec, ending, says) in [
        ("ffv1", "mp4", ".mp4 files hold h264, hevc, av1, vp9"),
        ("h264", "webm", ".webm files hold vp9, av1"),
        ("mpeg2", "mkv", "one of h264"),
    ] {
        let output = workshop.path(&format!("out.{ending}"));
        workshop.restore(&["--codec", codec], &input, &output).fails(2, &[says]);
        assert!(!output.exists());
    }
}

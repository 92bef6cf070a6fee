//! Frames, their number and their times.

use crate::audio::two_tones;
use crate::colours::mean_difference;
use crate::workshop::{Clip, Workshop};

#[test]
fn frames_and_times_stay_in_every_format() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let expected = workshop.video_times(&input);
    assert_eq!(expected.len(), 24);
    // Matroska's clock ticks in milliseconds, and so does WebM's.
    for (output, tolerance) in [
        ("out.mkv", 0.000_51),
        ("out.mp4", 1e-6),
        ("out.mov", 1e-6),
        ("out.webm", 0.000_51),
    ] {
        let output = workshop.path(output);
        workshop.restore(&[], &input, &output).succeeds();
        let video = workshop.stream(&output, "v:0");
        assert_eq!(
            (video["width"].as_str(), video["height"].as_str()),
            ("256", "192"),
            "{}",
            output.display()
        );
        let times = workshop.video_times(&output);
        assert_eq!(times.len(), expected.len(), "{}", output.display());
        for (time, expected) in times.iter().zip(&expected) {
            assert!(
                (time - expected).abs() <= tolerance,
                "{}: {time} for {expected}",
                output.display()
            );
        }
    }
}

#[test]
fn a_variable_frame_rate_stays() {
    let workshop = Workshop::new();
    let clip = Clip {
        filters: "select='not(eq(mod(n,4),1)+eq(mod(n,7),3))'",
        output: vec!["-fps_mode", "passthrough", "-video_track_timescale", "90000"],
        ..Clip::default()
    };
    let input = workshop.clip("in.mp4", &clip);
    let expected = workshop.video_times(&input);
    let gaps: Vec<i64> = expected
        .windows(2)
        .map(|pair| ((pair[1] - pair[0]) * 1e6) as i64)
        .collect();
    assert!(
        gaps.iter().any(|gap| (gap - gaps[0]).abs() > 1000),
        "the clip's rate varies: {gaps:?}"
    );
    let output = workshop.path("out.mp4");
    workshop.restore(&[], &input, &output).succeeds();
    let times = workshop.video_times(&output);
    assert_eq!(times.len(), expected.len());
    for (time, expected) in times.iter().zip(&expected) {
        assert!((time - expected).abs() <= 1e-5, "{time} for {expected}");
    }
}

#[test]
fn old_and_unusual_codecs_are_read() {
    let workshop = Workshop::new();
    for (name, codec, pixels) in [
        ("in.mov", "mjpeg", "yuvj422p"),
        ("in.avi", "mpeg4", "yuv420p"),
        ("in.ts", "mpeg2video", "yuv420p"),
        ("in.mkv", "ffv1", "yuv444p"),
    ] {
        let clip = Clip {
            output: vec!["-c:v", codec, "-bf", "0", "-pix_fmt", pixels],
            ..Clip::default()
        };
        let input = workshop.clip(name, &clip);
        let output = workshop.path(&format!("{codec}.mkv"));
        workshop.restore(&[], &input, &output).succeeds();
        assert_eq!(workshop.video_times(&output).len(), 24, "{codec}");
        let difference = mean_difference(&workshop.shown(&output, 64, 48), &workshop.shown(&input, 64, 48));
        assert!(difference < 10.0, "{codec}: {difference} levels");
    }
}

#[test]
fn interlaced_video_keeps_its_frame_count() {
    let workshop = Workshop::new();
    let clip = Clip {
        output: vec!["-flags", "+ilme+ildct", "-x264-params", "tff=1"],
        ..Clip::default()
    };
    let input = workshop.clip("in.mp4", &clip);
    assert_eq!(workshop.stream(&input, "v:0")["field_order"], "tt");
    let output = workshop.path("out.mkv");
    workshop.restore(&[], &input, &output).succeeds();
    assert_eq!(workshop.video_times(&output).len(), 24);
    assert_eq!(workshop.stream(&output, "v:0")["field_order"], "progressive");
}

#[test]
fn a_preview_has_exactly_the_frames_asked_for() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &two_tones("aac"));
    for (frames, output) in [("1", "one.mkv"), ("7", "seven.mp4"), ("99", "all.mkv")] {
        let output = workshop.path(output);
        workshop.restore(&["--frames", frames], &input, &output).succeeds();
        let expected = frames.parse::<usize>().unwrap().min(24);
        assert_eq!(workshop.video_times(&output).len(), expected);
        // The audio ends with the video, but for the packet that reaches over the cut.
        let end = workshop.last_packet_end(&output, "a:0");
        assert!(
            end <= expected as f64 / 24.0 + 0.05,
            "{frames} frames with {end} s of audio"
        );
    }
}

/// Old containers name no time at which a frame is shown; with B-frames GStreamer's would jump.
#[test]
fn an_avi_with_b_frames_has_even_times() {
    let workshop = Workshop::new();
    let clip = Clip {
        frames: 60,
        output: vec!["-c:v", "mpeg4", "-bf", "2", "-g", "12"],
        ..Clip::default()
    };
    let input = workshop.clip("in.avi", &clip);
    let output = workshop.path("out.mp4");
    workshop.restore(&[], &input, &output).succeeds();
    let times = workshop.video_times(&output);
    assert_eq!(times.len(), 60);
    for (number, time) in times.iter().enumerate() {
        let expected = (number + 1) as f64 / 24.0;
        assert!(
            (time - expected).abs() < 0.001,
            "frame {number} at {time}, shown at {expected}"
        );
    }
}

#[test]
fn a_size_that_changes_is_said_and_the_first_one_stays() {
    let workshop = Workshop::new();
    let input = workshop.case("res_up.ts");
    let output = workshop.path("out.mkv");
    let said = workshop.restore(&[], &input, &output).succeeds();
    assert!(said.contains("res_up.ts: 64x48"), "{said}");
    assert!(said.contains("size changes from 64x48 to 96x72"), "{said}");
    let video = workshop.stream(&output, "v:0");
    assert_eq!((video["width"].as_str(), video["height"].as_str()), ("256", "192"));
    assert_eq!(workshop.video_times(&output).len(), 20);
}

#[test]
fn anamorphic_pixels_of_a_program_stream_stay() {
    let workshop = Workshop::new();
    let input = workshop.case("sar_mpeg2.mpg");
    let output = workshop.path("out.mkv");
    let said = workshop.restore(&[], &input, &output).succeeds();
    assert!(!said.contains("more video"), "{said}");
    let aspect = |file: &std::path::Path| workshop.ratio(&workshop.stream(file, "v:0")["sample_aspect_ratio"]);
    assert!((aspect(&input) - aspect(&output)).abs() < 0.01);
    assert_eq!(workshop.video_times(&output).len(), 25);
}

#[test]
fn raw_video_in_an_avi_keeps_its_frames() {
    let workshop = Workshop::new();
    for pixels in ["yuv420p", "bgr24"] {
        let clip = Clip {
            output: vec!["-c:v", "rawvideo", "-pix_fmt", pixels],
            ..Clip::default()
        };
        let input = workshop.clip(&format!("{pixels}.avi"), &clip);
        let output = workshop.path(&format!("{pixels}.mp4"));
        workshop.restore(&[], &input, &output).succeeds();
        let times = workshop.video_times(&output);
        assert_eq!(times.len(), 24, "{pixels}");
        assert!((times[23] - 23.0 / 24.0).abs() < 0.001, "{times:?}");
        let difference = mean_difference(&workshop.shown(&output, 64, 48), &workshop.shown(&input, 64, 48));
        assert!(difference < 10.0, "{pixels}: {difference} levels");
    }
}

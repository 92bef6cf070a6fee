//! The example `transcode`, run as a user runs it, on small videos that ffmpeg makes; ffprobe judges the results.

mod transcode_support;

use transcode_support::{Clip, Workshop};

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
        workshop.transcode(&[], &input, &output).succeeds();
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
    workshop.transcode(&[], &input, &output).succeeds();
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
        workshop.transcode(&[], &input, &output).succeeds();
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
    workshop.transcode(&[], &input, &output).succeeds();
    assert_eq!(workshop.video_times(&output).len(), 24);
    assert_eq!(workshop.stream(&output, "v:0")["field_order"], "progressive");
}

const TWO_TONES: [&str; 8] = [
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=440:duration=1",
    "-f",
    "lavfi",
    "-i",
    "sine=frequency=880:duration=1",
];
const ALL_STREAMS: [&str; 6] = ["-map", "0:v", "-map", "1:a", "-map", "2:a"];

#[test]
fn audio_is_copied_where_the_format_takes_it() {
    let workshop = Workshop::new();
    let mut clip = Clip {
        inputs: TWO_TONES.to_vec(),
        output: ALL_STREAMS.to_vec(),
        ..Clip::default()
    };
    clip.output.extend(["-c:a", "aac"]);
    let input = workshop.clip("in.mkv", &clip);
    for output in ["out.mkv", "out.mp4", "out.mov"] {
        let output = workshop.path(output);
        let messages = workshop.transcode(&[], &input, &output).succeeds();
        assert!(!messages.contains("encoded with"), "{messages}");
        assert_eq!(workshop.audio_codecs(&output), ["aac", "aac"]);
        for stream in ["a:0", "a:1"] {
            let (before, after) = (
                workshop.packet_hashes(&input, stream),
                workshop.packet_hashes(&output, stream),
            );
            // The encoder's priming lies before time zero; it and an incomplete last packet may be left out.
            assert!(
                after.len() + 2 >= before.len(),
                "{} of {} packets",
                after.len(),
                before.len()
            );
            let copied = before.windows(after.len()).any(|window| window == after);
            assert!(copied, "{}, {stream}: other packets than the input's", output.display());
        }
    }
}

#[test]
fn audio_that_does_not_fit_is_encoded_and_that_is_said() {
    let workshop = Workshop::new();
    let mut clip = Clip {
        inputs: TWO_TONES.to_vec(),
        output: ALL_STREAMS.to_vec(),
        ..Clip::default()
    };
    clip.output.extend(["-c:a", "pcm_s16le"]);
    let input = workshop.clip("in.mkv", &clip);
    for (output, codec) in [("out.mp4", "aac"), ("out.webm", "opus")] {
        let output = workshop.path(output);
        let messages = workshop.transcode(&[], &input, &output).succeeds();
        let format = output.extension().unwrap().to_str().unwrap();
        assert!(messages.contains(&format!("does not go into .{format}")), "{messages}");
        assert_eq!(workshop.audio_codecs(&output), [codec, codec]);
        let seconds: f64 = workshop.last_packet_end(&output, "a:0");
        assert!((seconds - 1.0).abs() < 0.1, "{seconds} s of audio");
    }
}

#[test]
fn a_picture_that_players_turn_is_turned() {
    let workshop = Workshop::new();
    let upright = workshop.clip("upright.mp4", &Clip::default());
    let input = workshop.path("in.mp4");
    workshop.rotate(&upright, &input);
    let turn = workshop.stream(&input, "v:0")["side_data_list.side_data.0.rotation"].clone();
    assert_eq!(turn.trim_start_matches('-'), "90");
    let expected = workshop.shown(&input, 48, 64);
    for output in ["out.mp4", "out.mkv"].map(|name| workshop.path(name)) {
        workshop.transcode(&[], &input, &output).succeeds();
        let video = workshop.stream(&output, "v:0");
        assert!(!video.keys().any(|key| key.ends_with("rotation")), "{video:?}");
        assert_eq!((video["width"].as_str(), video["height"].as_str()), ("192", "256"));
        let difference = mean_difference(&workshop.shown(&output, 48, 64), &expected);
        assert!(difference < 10.0, "{}: {difference} levels", output.display());
    }
}

fn mean_difference(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let sum: u64 = one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

#[test]
fn colour_and_aspect_are_kept() {
    let workshop = Workshop::new();
    let described = [
        ("bt709", "tv", "bt709", "bt709", "bt709"),
        ("smpte170m", "tv", "smpte170m", "smpte170m", "smpte170m"),
        ("bt709", "pc", "bt709", "iec61966-2-1", "bt709"),
    ];
    for (number, (matrix, range, space, transfer, primaries)) in described.into_iter().enumerate() {
        let clip = Clip {
            filters: "setsar=4/3",
            output: vec![
                "-vf",
                if range == "pc" {
                    "scale=out_range=pc:out_color_matrix=bt709"
                } else {
                    "scale=out_range=tv"
                },
                "-colorspace",
                matrix,
                "-color_range",
                range,
                "-color_trc",
                transfer,
                "-color_primaries",
                primaries,
            ],
            ..Clip::default()
        };
        let input = workshop.clip(&format!("in{number}.mp4"), &clip);
        for output in ["mkv", "mp4"].map(|ending| workshop.path(&format!("out{number}.{ending}"))) {
            workshop.transcode(&["--frames", "4"], &input, &output).succeeds();
            let video = workshop.stream(&output, "v:0");
            let stated = ["color_space", "color_range", "color_transfer", "color_primaries"];
            let stated = stated.map(|key| video[key].as_str());
            assert_eq!(stated, [space, range, transfer, primaries], "{}", output.display());
            // Matroska keeps the aspect as a size in whole pixels: 341x192 for these 256x192.
            let aspect = workshop.ratio(&video["sample_aspect_ratio"]);
            assert!((aspect - 4.0 / 3.0).abs() < 0.003, "{}: {aspect}", output.display());
            let difference = mean_difference(&workshop.shown(&output, 64, 48), &workshop.shown(&input, 64, 48));
            assert!(difference < 10.0, "{}: {difference} levels", output.display());
        }
    }
}

#[test]
fn a_preview_has_exactly_the_frames_asked_for() {
    let workshop = Workshop::new();
    let mut clip = Clip {
        inputs: TWO_TONES.to_vec(),
        output: ALL_STREAMS.to_vec(),
        ..Clip::default()
    };
    clip.output.extend(["-c:a", "aac"]);
    let input = workshop.clip("in.mp4", &clip);
    for (frames, output) in [("1", "one.mkv"), ("7", "seven.mp4"), ("99", "all.mkv")] {
        let output = workshop.path(output);
        workshop.transcode(&["--frames", frames], &input, &output).succeeds();
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

#[test]
fn ctrl_c_leaves_a_part_that_plays() {
    let workshop = Workshop::new();
    let clip = Clip {
        frames: 5000,
        inputs: vec!["-f", "lavfi", "-i", "sine=frequency=440:duration=208"],
        output: vec!["-preset", "ultrafast"],
        ..Clip::default()
    };
    let input = workshop.clip("in.mp4", &clip);
    for output in ["out.mp4", "out.mkv"] {
        let output = workshop.path(output);
        let run = Workshop::start(&[], &input, &output).interrupt_after("of about 5000 frames");
        run.fails(130, &["interrupted", "frames until then are in"]);
        let part = workshop.part_of(&output);
        assert!(!output.exists());
        let frames = workshop.video_times(&part).len();
        assert!((1..5000).contains(&frames), "{frames} frames");
        assert!(
            run.messages.contains(&format!("the {frames} frames")),
            "{frames}: {}",
            run.messages
        );
        let (audio, video) = (workshop.last_packet_end(&part, "a:0"), frames as f64 / 24.0);
        assert!(
            (audio - video).abs() < 0.05,
            "{audio} s of audio with {video} s of video"
        );
    }
}

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
        workshop
            .transcode(&[], &input, &output)
            .fails(status, &["error:", says]);
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
        .transcode(&[], &input, &output)
        .fails(1, &["incomplete or damaged", "frames until then are in"]);
    let frames = workshop.video_times(&output).len();
    assert!((20..100).contains(&frames), "{frames} frames of 120");
}

#[test]
fn nothing_is_overwritten_unasked() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let before = std::fs::read(&input).unwrap();
    let output = workshop.file("out.mkv", b"precious");
    workshop
        .transcode(&[], &input, &output)
        .fails(2, &["exists", "--force"]);
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
    workshop
        .transcode(&["--force"], &input, &input)
        .fails(2, &["same file"]);
    assert_eq!(std::fs::read(&input).unwrap(), before);
    workshop
        .transcode(&["--force", "--frames", "2"], &input, &output)
        .succeeds();
    assert_eq!(workshop.video_times(&output).len(), 2);
}

#[test]
fn wrong_options_say_what_would_be_right() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let output = workshop.path("out.mkv");
    for (options, says) in [
        (&["--frames", "0"][..], "from 1"),
        (&["--crf", "99"], "from 0 to 50"),
        (&["--provider", "abacus"], "auto, cpu, cuda, tensorrt"),
        (&["--speed-preset", "warp"], "ultrafast"),
        (&["--tile-size", "-3"], "whole number"),
        (&["--colour", "red"], "unknown option --colour"),
    ] {
        workshop.transcode(options, &input, &output).fails(2, &[says]);
    }
    workshop
        .transcode(&[], &input, &workshop.path("out.avi"))
        .fails(2, &[".mkv, .mp4, .mov or .webm"]);
    let model = workshop.path("no-such-model");
    workshop
        .transcode(&["--model", model.to_str().unwrap()], &input, &output)
        .fails(1, &["no-such-model"]);
    assert!(!output.exists() && !workshop.part_of(&output).exists());
}

#[test]
fn the_user_is_told_sizes_model_provider_and_speed() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let messages = workshop
        .transcode(&["--provider", "cpu"], &input, &workshop.path("out.mkv"))
        .succeeds();
    for text in [
        "in.mp4: 64x48, 24 frames/s",
        "out.mkv: 256x192",
        "tiny",
        "cpu",
        "24 frames, ",
    ] {
        assert!(messages.contains(text), "`{text}` is not in:\n{messages}");
    }
}

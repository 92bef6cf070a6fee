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

/// A codec that nobody has, and one that FFmpeg alone decodes: then the remedy works.
#[test]
fn video_without_a_decoder_is_refused_with_the_remedy() {
    let workshop = Workshop::new();
    let clip = workshop.clip("clip.mp4", &Clip::default());
    let (mut unknown, snow) = (std::fs::read(&clip).unwrap(), workshop.path("snow.mkv"));
    for at in 0..unknown.len() - 4 {
        if &unknown[at..at + 4] == b"avc1" {
            unknown[at..at + 4].copy_from_slice(b"zzz9");
        }
    }
    let unknown = workshop.file("unknown.mp4", &unknown);
    let (from, to) = (clip.to_str().unwrap(), snow.to_str().unwrap());
    workshop.ffmpeg(&["-i", from, "-c:v", "snow", "-strict", "-2", to]);
    let output = workshop.path("out.mkv");
    for (input, options) in [(&unknown, &[][..]), (&snow, &[]), (&snow, &["--resume"])] {
        let run = workshop.restore(options, input, &output);
        run.fails(
            1,
            &[
                "error: GStreamer has no plugin that decodes this video",
                "Remedy: install",
                "nothing was written",
            ],
        );
    }
    assert_eq!(workshop.files(), ["clip.mp4", "snow.mkv", "unknown.mp4"]);
    let converted = workshop.path("converted.mkv");
    let remedy = ["-map", "0", "-c", "copy", "-c:v", "ffv1", converted.to_str().unwrap()];
    workshop.ffmpeg(&[&["-i", to], &remedy[..]].concat());
    workshop.restore(&[], &converted, &output).succeeds();
    assert_eq!(workshop.video_times(&output).len(), 24);
}

/// Some packets are no AAC any more: copied they stay what they are, encoded anew they are short silences or noise. The
/// picture loses nothing, and the audio keeps its length.
#[test]
fn damaged_audio_neither_stops_the_work_nor_moves_the_sound() {
    let workshop = Workshop::new();
    let clip = Clip {
        frames: 48,
        inputs: vec!["-f", "lavfi", "-i", "sine=frequency=440:duration=2"],
        output: vec!["-c:a", "aac", "-b:a", "128k"],
        ..Clip::default()
    };
    let whole = workshop.clip("whole.mkv", &clip);
    let packets = workshop.packet_places(&whole, "a:0");
    let mut bytes = std::fs::read(&whole).unwrap();
    for (at, length) in packets.iter().skip(20).step_by(9).take(6) {
        // Behind the block's own header.
        bytes[at + 16..at + length]
            .iter_mut()
            .enumerate()
            .for_each(|(number, byte)| *byte ^= (number * 37 % 251) as u8);
    }
    let input = workshop.file("damaged.mkv", &bytes);
    assert_ne!(
        workshop.packet_hashes(&input, "a:0"),
        workshop.packet_hashes(&whole, "a:0")
    );
    for (name, codec) in [("copied.mkv", "aac"), ("copied.mp4", "aac"), ("encoded.webm", "opus")] {
        let output = workshop.path(name);
        workshop.restore(&[], &input, &output).succeeds();
        assert_eq!(workshop.video_times(&output).len(), 48, "{name}");
        assert_eq!(workshop.audio_codecs(&output), [codec], "{name}");
        let end = workshop.last_packet_end(&output, "a:0");
        assert!((end - 2.0).abs() < 0.1, "{name}: {end} s of audio");
    }
    let (before, after) = (
        workshop.packet_hashes(&input, "a:0"),
        workshop.packet_hashes(&workshop.path("copied.mp4"), "a:0"),
    );
    assert!(before.windows(after.len()).any(|window| window == after));
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

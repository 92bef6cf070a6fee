//! Audio: copied or encoded, and in time with the picture.

use crate::workshop::{Clip, Workshop};

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

/// A clip with two tracks of audio.
pub fn two_tones(codec: &'static str) -> Clip {
    Clip {
        inputs: TWO_TONES.to_vec(),
        output: [&ALL_STREAMS[..], &["-c:a", codec]].concat(),
        ..Clip::default()
    }
}

#[test]
fn audio_is_copied_where_the_format_takes_it() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &two_tones("aac"));
    for output in ["out.mkv", "out.mp4", "out.mov"] {
        let output = workshop.path(output);
        let messages = workshop.restore(&[], &input, &output).succeeds();
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
    let input = workshop.clip("in.mkv", &two_tones("pcm_s16le"));
    for (output, codec) in [("out.mp4", "aac"), ("out.webm", "opus")] {
        let output = workshop.path(output);
        let messages = workshop.restore(&[], &input, &output).succeeds();
        let format = output.extension().unwrap().to_str().unwrap();
        assert!(messages.contains(&format!("does not go into .{format}")), "{messages}");
        assert_eq!(workshop.audio_codecs(&output), [codec, codec]);
        let seconds: f64 = workshop.last_packet_end(&output, "a:0");
        assert!((seconds - 1.0).abs() < 0.1, "{seconds} s of audio");
    }
}

/// Every pair of an audio codec and a container that the program makes: the beep is where it was.
#[track_caller]
fn check_beeps(inputs: &[(&str, &[&str])]) {
    let workshop = Workshop::new();
    for (name, audio) in inputs {
        let input = workshop.beep_clip(name, audio);
        let before = workshop.beep(&input);
        // Encoders begin a little late, and old containers show B-frames a frame late.
        assert!((before - 1.0).abs() < 0.12, "{name}: {before} s");
        for ending in ["mkv", "mp4", "mov", "webm"] {
            let output = workshop.path(&format!("{name}.{ending}"));
            workshop.restore(&[], &input, &output).succeeds();
            let after = workshop.beep(&output);
            assert!(
                (after - before).abs() < 0.005,
                "{name} to .{ending}: {before} s became {after} s"
            );
        }
    }
}

#[test]
fn a_beep_stays_where_it_was_uncompressed() {
    check_beeps(&[
        ("8000.mov", &["-c:a", "pcm_s16le", "-ar", "8000"]),
        ("11025.mkv", &["-c:a", "pcm_s16le", "-ar", "11025"]),
        ("float.mov", &["-c:a", "pcm_f32le"]),
        ("flac.mkv", &["-c:a", "flac"]),
        ("ima.avi", &["-c:v", "mpeg4", "-c:a", "adpcm_ima_wav", "-ar", "8000"]),
        ("ms.avi", &["-c:v", "mpeg4", "-c:a", "adpcm_ms", "-ar", "22050"]),
    ]);
}

#[test]
fn a_beep_stays_where_it_was_compressed() {
    check_beeps(&[
        ("aac.mp4", &["-c:a", "aac"]),
        ("aac.mkv", &["-c:a", "aac"]),
        ("aac.ts", &["-c:a", "aac"]),
        ("opus.mkv", &["-c:a", "libopus"]),
        (
            "opus.webm",
            &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"],
        ),
        ("mp3.avi", &["-c:v", "mpeg4", "-bf", "2", "-c:a", "libmp3lame"]),
        ("ac3.ts", &["-c:a", "ac3"]),
    ]);
}

/// Six channels, in an order that encoders do not all take.
#[test]
fn surround_is_encoded_as_surround() {
    let workshop = Workshop::new();
    let surround = ["-filter:a", "aformat=channel_layouts=5.1(side)", "-c:a", "flac"];
    let input = workshop.beep_clip("surround.mkv", &surround);
    for output in ["out.mp4", "out.webm"].map(|name| workshop.path(name)) {
        workshop.restore(&[], &input, &output).succeeds();
        assert_eq!(workshop.stream(&output, "a:0")["channels"], "6", "{}", output.display());
    }
}

/// Streams whose clock begins anywhere: audio that begins later than the video stays later.
#[test]
fn audio_that_begins_late_stays_late() {
    let workshop = Workshop::new();
    for name in ["late.ts", "late.mpg"] {
        let input = workshop.late_beep_clip(name);
        let before = workshop.beep(&input);
        assert!((before - 1.5).abs() < 0.12, "{name}: {before} s");
        for (output, options) in [
            ("whole.mkv", &[][..]),
            ("whole.mp4", &[]),
            ("part.mkv", &["--start", "0"]),
        ] {
            let output = workshop.path(&format!("{name}.{output}"));
            workshop.restore(options, &input, &output).succeeds();
            let after = workshop.beep(&output);
            assert!(
                (after - before).abs() < 0.03,
                "{}: {before} s became {after} s",
                output.display()
            );
        }
    }
}

/// What FFmpeg's muxers refuse they are asked before the work.
#[test]
fn audio_that_cannot_be_copied_is_encoded() {
    let workshop = Workshop::new();
    for (name, audio, output, codec) in [
        (
            "low.avi",
            &["-c:v", "mpeg4", "-c:a", "libmp3lame", "-ar", "11025"][..],
            "out.mp4",
            "aac",
        ),
        ("disc.m2ts", &["-c:a", "pcm_bluray"], "out.mkv", "flac"),
    ] {
        let input = workshop.beep_clip(name, audio);
        let output = workshop.path(output);
        let messages = workshop.restore(&[], &input, &output).succeeds();
        assert!(messages.contains("encoded as"), "{messages}");
        assert_eq!(workshop.audio_codecs(&output), [codec]);
        let (before, after) = (workshop.beep(&input), workshop.beep(&output));
        assert!((after - before).abs() < 0.03, "{name}: {before} s became {after} s");
    }
}

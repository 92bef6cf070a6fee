//! A part of the input: `--start` and `--end`.

use crate::workshop::{Clip, Workshop};

/// The beep begins at 1.000 s of two.
/// Options of so many frames from `start` on, kept as they are.
fn part_options<'a>(start: &'a str, frames: &'a str) -> [&'a str; 8] {
    [
        "--provider",
        "cpu",
        "--codec",
        "ffv1",
        "--start",
        start,
        "--frames",
        frames,
    ]
}

#[test]
fn a_part_has_its_frames_and_its_audio_in_time() {
    let workshop = Workshop::new();
    for (ending, audio) in [("mp4", &["-c:a", "aac"][..]), ("mkv", &["-c:a", "flac"])] {
        let input = workshop.beep_clip(&format!("in.{ending}"), audio);
        let all = workshop.video_times(&input);
        for output in ["mkv", "mp4", "webm"] {
            let output = workshop.path(&format!("of-{ending}.{output}"));
            let options = ["--start", "0.5", "--end", "0:00:01.5"];
            workshop.restore(&options, &input, &output).succeeds();
            let times = workshop.video_times(&output);
            assert_eq!(times.len(), 10, "{}", output.display());
            assert!(times[0].abs() < 2e-3, "{}: {times:?}", output.display());
            for (ours, theirs) in times.iter().zip(&all[5..]) {
                assert!((ours - (theirs - 0.5)).abs() < 2e-3, "{}: {times:?}", output.display());
            }
            let beep = workshop.beep(&output);
            assert!((beep - 0.5).abs() < 0.03, "{}: {beep}", output.display());
            let audio = workshop.last_packet_end(&output, "a:0");
            assert!((audio - 1.0).abs() < 0.06, "{}: {audio} s of audio", output.display());
        }
    }
}

/// A frame is restored with the one before it; with a temporal blend, which the option switches on for `tiny`, that one with
/// the one before it.
#[test]
fn a_part_is_what_the_whole_video_has_there() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &Clip::default());
    let [first, second] = [
        &["--model", "tiny"][..],
        &["--model", "tiny", "--temporal-blend", "0.5"],
    ]
    .map(|model| {
        let [all, part] = ["all.mkv", "part.mkv"].map(|name| workshop.path(name));
        let whole = [model, &["--provider", "cpu", "--codec", "ffv1", "-f"]].concat();
        workshop.restore(&whole, &input, &all).succeeds();
        let options = [model, &part_options("0.5", "3"), &["-f"]].concat();
        workshop.restore(&options, &input, &part).succeeds();
        let (all, part) = (workshop.frame_hashes(&all), workshop.frame_hashes(&part));
        assert_eq!(part, all[12..15]);
        part
    });
    assert_ne!(first, second);
}

/// Reading begins at a key frame before the part, where the file has a table of them; the pictures are the same as those of
/// a file that has none and is decoded from its beginning on.
#[test]
fn a_part_far_from_the_beginning_is_the_same_however_it_is_read() {
    let workshop = Workshop::new();
    let coded: [(&str, &[&str]); 3] = [
        ("closed", &["-c:v", "libx264", "-bf", "2", "-g", "60"]),
        (
            "open",
            &["-c:v", "libx264", "-x264-params", "open-gop=1:keyint=60:bframes=3"],
        ),
        (
            "refreshed",
            &["-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=60"],
        ),
    ];
    for (name, arguments) in coded {
        let read = workshop.path(&format!("{name}.ts"));
        let source = [
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=64x48:rate=24:duration=40",
            "-pix_fmt",
            "yuv420p",
        ];
        workshop.ffmpeg(&[&source[..], arguments, &[read.to_str().unwrap()]].concat());
        let hashes = |input: &std::path::Path, output: &str| {
            let output = workshop.path(output);
            let options = part_options("35.01", "4");
            workshop.restore(&options, input, &output).succeeds();
            let times = workshop.video_times(&output);
            (workshop.frame_hashes(&output), times)
        };
        let (expected, _) = hashes(&read, &format!("{name}.of-ts.mkv"));
        assert_eq!(expected.len(), 4);
        for ending in ["mp4", "mkv"] {
            let sought = workshop.path(&format!("{name}.{ending}"));
            workshop.ffmpeg(&["-i", read.to_str().unwrap(), "-c", "copy", sought.to_str().unwrap()]);
            let (found, times) = hashes(&sought, &format!("{name}.of-{ending}.mkv"));
            assert_eq!(found, expected, "{name}.{ending}");
            assert!(times[0] < 0.05, "{name}.{ending}: {times:?}");
        }
    }
}

#[test]
fn a_part_that_is_empty_is_refused() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mkv", &Clip::default());
    for (options, says) in [
        (&["--start", "2", "--end", "1"][..], "behind --start"),
        (&["--start", "60"], "behind the end of the input, which is 1.0"),
        (&["--end", "soon"], "such as 90, 1:30"),
    ] {
        workshop
            .restore(options, &input, &workshop.path("out.mkv"))
            .fails(2, &[says]);
    }
}

//! `--resume`: a run that was interrupted goes on where it was.

use std::path::{Path, PathBuf};

use crate::workshop::{Clip, Workshop};

/// Runs are compared with `--provider cpu`: `auto` may choose another one of them from one minute to the next.
///
/// Of more segments than one, with audio that is copied into .mp4 and encoded for .webm.
fn clip(workshop: &Workshop) -> PathBuf {
    let clip = Clip {
        frames: 300,
        inputs: vec!["-f", "lavfi", "-i", "sine=frequency=440:duration=12.5"],
        output: vec!["-preset", "ultrafast", "-c:a", "aac"],
        ..Clip::default()
    };
    workshop.clip("in.mp4", &clip)
}

fn parts_of(output: &Path) -> PathBuf {
    PathBuf::from(format!("{}.parts", output.display()))
}

/// Power is lost while the second segment is under work.
#[test]
fn a_killed_run_goes_on_to_the_same_frames_and_samples() {
    let workshop = Workshop::new();
    let input = clip(&workshop);
    for (name, options) in [
        ("mp4", &["--provider", "cpu", "--resume"][..]),
        ("webm", &["--provider", "cpu", "--resume", "--scale", "1"]),
    ] {
        let [whole, killed, plain] = ["whole", "killed", "plain"].map(|stem| workshop.path(&format!("{stem}.{name}")));
        workshop.restore(options, &input, &whole).succeeds();
        let without: Vec<&str> = options.iter().copied().filter(|option| *option != "--resume").collect();
        workshop.restore(&without, &input, &plain).succeeds();
        let second = parts_of(&killed).join(if name == "mp4" { "00001.mp4" } else { "00001.mkv" });
        Workshop::start(options, &input, &killed).killed_when(|| second.exists());
        assert!(!killed.exists());
        let said = workshop.restore(options, &input, &killed).succeeds();
        assert!(said.contains("goes on behind the 120 frames"), "{said}");
        assert!(said.contains("300 frames, 120 of them before"), "{said}");
        let frames = workshop.frame_hashes(&killed);
        assert_eq!(frames.len(), 300);
        assert_eq!(frames, workshop.frame_hashes(&whole));
        assert_eq!(workshop.samples(&killed), workshop.samples(&whole));
        assert_eq!(workshop.video_times(&killed), workshop.video_times(&plain));
        assert!(!parts_of(&killed).exists() && !parts_of(&whole).exists());
    }
}

#[test]
fn parts_of_another_run_are_left_alone() {
    let workshop = Workshop::new();
    let input = clip(&workshop);
    let other = workshop.clip("other.mp4", &Clip::default());
    let output = workshop.path("out.mkv");
    let options = ["--resume", "--crf", "20", "--frames", "260"];
    let second = parts_of(&output).join("00001.mp4");
    let running = Workshop::start(&options, &input, &output).held_when(|| second.exists());
    workshop
        .restore(&options, &input, &output)
        .fails(2, &["another run is at work"]);
    running
        .interrupt()
        .fails(130, &["120 frames are in", "the same command goes on"]);
    let before = std::fs::read(parts_of(&output).join("00000.mp4")).unwrap();
    let elsewhere = ["--resume", "--crf", "21", "--frames", "260"];
    workshop.restore(&elsewhere, &input, &output).fails(
        2,
        &["parts of another run", "crf was `20` and is `21`", "Delete the folder"],
    );
    workshop
        .restore(&options, &other, &output)
        .fails(2, &["parts of another run", "the input is another one"]);
    assert_eq!(std::fs::read(parts_of(&output).join("00000.mp4")).unwrap(), before);
    workshop.restore(&options, &input, &output).succeeds();
    assert_eq!(workshop.video_times(&output).len(), 260);
    assert_eq!(workshop.files(), ["in.mp4", "other.mp4", "out.mkv"]);
}

/// The part of the input that is restored, and so the first frames that are done, begin in the middle.
#[test]
fn a_part_of_the_input_goes_on_too() {
    let workshop = Workshop::new();
    let input = clip(&workshop);
    let [resumed, plain] = ["resumed.mkv", "plain.mkv"].map(|name| workshop.path(name));
    let range = [
        "--provider",
        "cpu",
        "--codec",
        "ffv1",
        "--start",
        "1",
        "--end",
        "12",
        "--temporal-blend",
        "0.5",
    ];
    workshop.restore(&range, &input, &plain).succeeds();
    let options = [&range[..], &["--resume"]].concat();
    let third = parts_of(&resumed).join("00002.mkv");
    Workshop::start(&options, &input, &resumed).killed_when(|| third.exists());
    workshop.restore(&options, &input, &resumed).succeeds();
    let frames = workshop.frame_hashes(&resumed);
    assert_eq!(frames.len(), 264);
    // Lossless: the first frame of a segment was restored with the two before it.
    assert_eq!(frames, workshop.frame_hashes(&plain));
    assert_eq!(workshop.video_times(&resumed), workshop.video_times(&plain));
}

/// Intervals count from the first frame, wherever a run goes on: a segment has seventeen of them and one frame. Where a
/// part of the video begins with one, its frames are those of the whole.
#[test]
fn intervals_of_restored_frames_go_on_too() {
    let workshop = Workshop::new();
    // At 4 frames/s, so that the run that goes on begins to read at a key frame in the middle; the part from the beginning.
    let slow = Clip {
        frames: 140,
        filters: "setpts=6*PTS,fps=4",
        output: vec!["-g", "4"],
        ..Clip::default()
    };
    let input = workshop.clip("in.mkv", &slow);
    let [whole, killed, part] = ["whole.mkv", "killed.mkv", "part.mkv"].map(|name| workshop.path(name));
    let options = [
        "--provider",
        "cpu",
        "--codec",
        "ffv1",
        "--restore-interval",
        "7",
        "--temporal-blend",
        "0.5",
    ];
    workshop.restore(&options, &input, &whole).succeeds();
    let frames = workshop.frame_hashes(&whole);
    let resumed = [&options[..], &["--resume"]].concat();
    let second = parts_of(&killed).join("00001.mkv");
    Workshop::start(&resumed, &input, &killed).killed_when(|| second.exists());
    let said = workshop.restore(&resumed, &input, &killed).succeeds();
    assert!(said.contains("goes on behind the 120 frames"), "{said}");
    assert_eq!(workshop.frame_hashes(&killed), frames);
    let from_63 = [&options[..], &["--start", "15.7", "--frames", "20"]].concat();
    workshop.restore(&from_63, &input, &part).succeeds();
    assert_eq!(workshop.frame_hashes(&part), frames[63..83]);
}

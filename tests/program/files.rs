//! What is on the disk during a run and behind it, however it ends.

use crate::workshop::{Clip, Workshop};

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
fn nothing_is_overwritten_unasked() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let before = std::fs::read(&input).unwrap();
    let output = workshop.file("out.mkv", b"precious");
    workshop.restore(&[], &input, &output).fails(2, &["exists", "--force"]);
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
    workshop.restore(&["--force"], &input, &input).fails(2, &["same file"]);
    assert_eq!(std::fs::read(&input).unwrap(), before);
    workshop
        .restore(&["--force", "--frames", "2"], &input, &output)
        .succeeds();
    assert_eq!(workshop.video_times(&output).len(), 2);
}

/// `--force *.mp4` in a folder with two videos.
#[test]
fn force_does_not_replace_what_looks_like_an_input() {
    let workshop = Workshop::new();
    let (one, two) = (
        workshop.clip("one.mp4", &Clip::default()),
        workshop.clip("two.mp4", &Clip::default()),
    );
    let before = std::fs::read(&two).unwrap();
    workshop
        .restore(&["--force"], &one, &two)
        .fails(2, &["looks like an input", "--out FOLDER"]);
    assert_eq!(std::fs::read(&two).unwrap(), before);
    let output = workshop.path("out.mp4");
    for options in [&["--frames", "2"][..], &["--force", "--frames", "2", "--scale", "2"]] {
        workshop.restore(options, &one, &output).succeeds();
    }
    // An earlier result, of another size.
    workshop
        .restore(&["--force", "--frames", "2"], &one, &output)
        .succeeds();
}

fn long_clip(workshop: &Workshop) -> std::path::PathBuf {
    let clip = Clip {
        frames: 240,
        output: vec!["-preset", "ultrafast"],
        ..Clip::default()
    };
    workshop.clip("in.mp4", &clip)
}

#[test]
fn two_runs_never_write_the_same_file() {
    let workshop = Workshop::new();
    let input = long_clip(&workshop);
    let output = workshop.path("out.mp4");
    let first = Workshop::start(&[], &input, &output).held_after("Model tiny runs");
    for options in [&[][..], &["--force"]] {
        workshop.restore(options, &input, &output).fails(2, &["another run"]);
    }
    first.wait().succeeds();
    assert_eq!(workshop.video_times(&output).len(), 240);
    assert_eq!(workshop.files(), ["in.mp4", "out.mp4"]);
}

#[test]
fn files_of_others_are_left_alone() {
    let workshop = Workshop::new();
    let input = long_clip(&workshop);
    let output = workshop.path("out.mkv");
    workshop.file("out.mkv.part", b"theirs");
    let run = Workshop::start(&[], &input, &output).held_after("Model tiny runs");
    workshop.file("out.mkv", b"came meanwhile");
    run.wait().fails(
        1,
        &["appeared meanwhile", "240 restored frames are in", "out.mkv.2.part"],
    );
    assert_eq!(std::fs::read(&output).unwrap(), b"came meanwhile");
    assert_eq!(std::fs::read(workshop.path("out.mkv.part")).unwrap(), b"theirs");
    assert_eq!(workshop.video_times(&workshop.path("out.mkv.2.part")).len(), 240);
    assert_eq!(
        workshop.files(),
        ["in.mp4", "out.mkv", "out.mkv.2.part", "out.mkv.part"]
    );
}

#[test]
fn force_replaces_what_was_there_and_nothing_that_came_later() {
    let workshop = Workshop::new();
    let input = long_clip(&workshop);
    let output = workshop.file("out.mkv", b"old");
    let run = Workshop::start(&["--force"], &input, &output).held_after("Model tiny runs");
    std::fs::remove_file(&output).unwrap();
    workshop.file("out.mkv", b"another");
    run.wait().fails(1, &["changed meanwhile"]);
    assert_eq!(std::fs::read(&output).unwrap(), b"another");
    // Through a link, the file that it leads to.
    let link = workshop.path("link.mkv");
    std::os::unix::fs::symlink("out.mkv", &link).unwrap();
    let few = ["--force", "--frames", "2"];
    workshop.restore(&few, &input, &link).succeeds();
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(workshop.video_times(&output).len(), 2);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_before_the_work() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let run = workshop.restore(&[], &input, std::path::Path::new("/proc/out.mkv"));
    run.fails(2, &["cannot be written"]);
    assert!(!run.messages.contains("frames/s, 0:"), "{}", run.messages);
}

/// On a disk of its own that is too small, where the system lets a test make one.
#[test]
fn a_full_disk_leaves_what_was_restored_and_the_older_file() {
    let workshop = Workshop::new();
    let clip = Clip {
        frames: 240,
        filters: "noise=alls=40:allf=t",
        ..Clip::default()
    };
    let input = workshop.clip("in.mp4", &clip);
    for ending in ["mp4", "mov", "mkv", "webm"] {
        let kept = workshop.path(ending);
        std::fs::create_dir(&kept).unwrap();
        let run = workshop.on_a_small_disk("400k", &input, &format!("out.{ending}"), &kept);
        let Some((status, messages)) = run else {
            println!("no disk can be mounted here: not tested");
            return;
        };
        assert_eq!(status, Some(1), "{messages}");
        assert!(messages.to_lowercase().contains("no space left"), "{messages}");
        assert!(
            messages.contains("warning: ") && messages.contains("free"),
            "{messages}"
        );
        let output = kept.join(format!("out.{ending}"));
        assert_eq!(std::fs::read(&output).unwrap(), b"older", "{ending}: {messages}");
        let part = kept.join(format!("out.{ending}.part"));
        let frames = workshop.video_times(&part).len();
        assert!((20..=240).contains(&frames), "{ending}: {frames} frames\n{messages}");
        assert!(
            messages.contains(&format!("the {frames} ")),
            "{ending}: {frames} frames\n{messages}"
        );
    }
    let kept = workshop.path("none");
    std::fs::create_dir(&kept).unwrap();
    let (status, messages) = workshop.on_a_small_disk("100k", &input, "out.mkv", &kept).unwrap();
    assert_eq!(status, Some(2), "{messages}");
    assert!(messages.contains("free some"), "{messages}");
}

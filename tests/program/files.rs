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
}

/// `--force *.mp4` in a folder with two videos, the second as large as a result, or larger.
#[test]
fn force_does_not_replace_what_the_program_did_not_make() {
    let workshop = Workshop::new();
    let one = workshop.clip("one.mp4", &Clip::default());
    let large = Clip {
        frames: 2,
        filters: "scale=512:384",
        ..Clip::default()
    };
    let copy = workshop.path("copy.mp4");
    let result = workshop.path("result.mp4");
    workshop.restore(&["--frames", "2"], &one, &result).succeeds();
    // What another program has made of a result is the user's work.
    workshop.ffmpeg(&["-i", result.to_str().unwrap(), "-c", "copy", copy.to_str().unwrap()]);
    for other in [
        workshop.clip("small.mp4", &Clip::default()),
        workshop.clip("large.mp4", &large),
        copy,
    ] {
        let before = std::fs::read(&other).unwrap();
        workshop
            .restore(&["--force"], &one, &other)
            .fails(2, &["no result of dloralvsr", "delete it first", "--out FOLDER"]);
        assert_eq!(std::fs::read(&other).unwrap(), before);
    }
    let broken = workshop.path("broken.mp4");
    std::fs::write(&broken, "what another program has left").unwrap();
    workshop
        .restore(&["--force", "--frames", "2"], &one, &broken)
        .succeeds();
}

/// A result of every kind is replaced, by one of another size too, until somebody else has changed it.
#[test]
fn force_replaces_results_as_long_as_they_are_unchanged() {
    let workshop = Workshop::new();
    let video = workshop.clip("in.mp4", &Clip::default());
    let pattern = workshop.path("s_%02d.png");
    workshop.ffmpeg(&[
        "-i",
        video.to_str().unwrap(),
        "-frames:v",
        "2",
        pattern.to_str().unwrap(),
    ]);
    let still = workshop.path("s_01.png");
    let few = &["--frames", "2"][..];
    for (input, options, name) in [
        (&video, few, "out.mkv"),
        (&video, few, "out.mp4"),
        (&video, few, "out.mov"),
        (&video, few, "out.webm"),
        (&video, &["--frames", "2", "--resume"], "resumed.mkv"),
        (&pattern, &["--fps", "5"], "sequence.mp4"),
        (&still, &[], "still.png"),
    ] {
        let output = workshop.path(name);
        workshop.restore(options, input, &output).succeeds();
        let again = [options, &["--force", "--scale", "2"]].concat();
        workshop.restore(&again, input, &output).succeeds();
        assert_eq!(workshop.stream(&output, "v:0")["width"], "128", "{name}");
        let mut changed = std::fs::read(&output).unwrap();
        changed.push(0);
        std::fs::write(&output, &changed).unwrap();
        workshop
            .restore(&again, input, &output)
            .fails(2, &["was changed since"]);
        assert_eq!(std::fs::read(&output).unwrap(), changed, "{name}");
    }
    // The pictures of a sequence are inputs as well.
    let link = workshop.path("link.mkv");
    std::os::unix::fs::symlink("s_02.png", &link).unwrap();
    workshop
        .restore(&["--fps", "5", "--force"], &pattern, &link)
        .fails(2, &["same file"]);
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
    let output = workshop.path("out.mkv");
    let few = ["--force", "--frames", "2"];
    workshop.restore(&few, &input, &output).succeeds();
    let run = Workshop::start(&["--force"], &input, &output).held_after("Model tiny runs");
    std::fs::remove_file(&output).unwrap();
    workshop.file("out.mkv", b"another");
    run.wait().fails(1, &["changed meanwhile"]);
    assert_eq!(std::fs::read(&output).unwrap(), b"another");
    // Through a link, the file that it leads to.
    let link = workshop.path("link.mkv");
    std::os::unix::fs::symlink("out.mkv", &link).unwrap();
    std::fs::remove_file(&output).unwrap();
    workshop.restore(&few, &input, &output).succeeds();
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
    let input = noise(&workshop);
    for ending in ["mp4", "mov", "mkv", "webm"] {
        let kept = workshop.path(ending);
        std::fs::create_dir(&kept).unwrap();
        let run = workshop.on_a_small_disk(
            "400k",
            &["--model", "tiny", "--force"],
            &input,
            &format!("out.{ending}"),
            &kept,
        );
        let Some((status, messages)) = run else {
            println!("no disk can be mounted here, or none that keeps the mark of results: not tested");
            return;
        };
        assert_eq!(status, Some(1), "{messages}");
        assert!(messages.to_lowercase().contains("no space left"), "{messages}");
        assert!(
            messages.contains("warning: ") && messages.contains("free"),
            "{messages}"
        );
        let output = kept.join(format!("out.{ending}"));
        assert_eq!(workshop.video_times(&output).len(), 1, "{ending}: {messages}");
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
    let run = workshop.on_a_small_disk("100k", &["--model", "tiny", "--force"], &input, "out.mkv", &kept);
    let (status, messages) = run.unwrap();
    assert_eq!(status, Some(2), "{messages}");
    assert!(messages.contains("free some"), "{messages}");
}

/// The whole segments are there, and where there is room the same command goes on behind them.
#[test]
fn a_full_disk_leaves_segments_to_go_on_from() {
    let workshop = Workshop::new();
    let input = noise(&workshop);
    let kept = workshop.path("kept");
    std::fs::create_dir(&kept).unwrap();
    let options = ["--provider", "cpu", "--model", "tiny", "--resume", "--force"];
    let Some((status, messages)) = workshop.on_a_small_disk("1000k", &options, &input, "out.mkv", &kept) else {
        println!("no disk can be mounted here, or none that keeps the mark of results: not tested");
        return;
    };
    assert_eq!(status, Some(1), "{messages}");
    assert!(messages.to_lowercase().contains("no space left"), "{messages}");
    assert!(messages.contains("120 frames are in"), "{messages}");
    let output = kept.join("out.mkv");
    assert_eq!(workshop.video_times(&output).len(), 1);
    std::fs::remove_file(&output).unwrap();
    let said = workshop.restore(&options, &input, &output).succeeds();
    assert!(said.contains("goes on behind the 120 frames"), "{said}");
    assert_eq!(workshop.video_times(&output).len(), 240);
    assert!(!kept.join("out.mkv.parts").exists());
}

/// A video that takes much room, whatever it is encoded with.
fn noise(workshop: &Workshop) -> std::path::PathBuf {
    let clip = Clip {
        frames: 240,
        filters: "noise=alls=40:allf=t",
        ..Clip::default()
    };
    workshop.clip("in.mp4", &clip)
}

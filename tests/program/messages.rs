//! What the user is told.

use crate::workshop::{Clip, Workshop};

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
        (&["--hw", "warp"], "auto or off"),
        (&["--hw", "auto", "--resume"], "choose one"),
        (&["--tile-size", "-3"], "whole number"),
        (&["--colour", "red"], "unknown option --colour"),
    ] {
        workshop.restore(options, &input, &output).fails(2, &[says]);
    }
    workshop
        .restore(&[], &input, &workshop.path("out.avi"))
        .fails(2, &[".mkv, .mp4, .mov or .webm"]);
    let model = workshop.path("no-such-model");
    workshop
        .restore(&["--model", model.to_str().unwrap()], &input, &output)
        .fails(1, &["no-such-model"]);
    assert!(!output.exists() && !workshop.part_of(&output).exists());
}

#[test]
fn the_user_is_told_sizes_model_provider_and_speed() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let messages = workshop
        .restore(&["--provider", "cpu"], &input, &workshop.path("out.mkv"))
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

/// By a trial on this machine: of so short a video never more than ten minutes.
#[test]
fn the_best_model_that_is_fast_enough_is_taken() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let said = workshop
        .restore(&["--model", "auto", "--frames", "2"], &input, &workshop.path("out.mkv"))
        .succeeds();
    assert!(said.contains("model small: takes about 0:0"), "{said}");
    assert!(said.contains("Model small runs on"), "{said}");
}

/// On any machine: the CPU provider runs, and what is not there says what it takes.
#[test]
fn the_execution_providers_of_this_machine_are_listed() {
    let said = std::process::Command::new(crate::program::built_program())
        .arg("--list-devices")
        .output()
        .unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.success(), "{text}");
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("cpu ").contains(" ms, "), "{text}");
    let known = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    // Processors of ARM have no name there.
    if let Some((_, name)) = known
        .lines()
        .filter_map(|line| line.split_once("model name\t: "))
        .next()
    {
        assert!(line("cpu ").ends_with(&format!(" on {name}")), "{text}");
    }
    assert!(line("auto ").contains("takes "), "{text}");
    assert!(line("webgpu ").contains("--provider webgpu"), "{text}");
}

#[test]
fn programs_read_progress_as_lines_of_json() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let said = std::process::Command::new(crate::program::built_program())
        .args(["--json", "--provider", "cpu"])
        .args([&input, &workshop.path("out.mkv")])
        .output()
        .unwrap();
    assert!(said.status.success());
    let text = String::from_utf8(said.stdout).unwrap();
    let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.last().unwrap();
    assert_eq!(last["state"], "encoded");
    assert_eq!(last["frames"], 24);
    assert_eq!(last["total"], 24);
    assert_eq!((&last["bypassed"], &last["failed"]), (&0.into(), &0.into()));
}

/// Half of the frames have the detail of the others, and are no trouble to tell of.
#[test]
fn one_frame_in_an_interval_is_restored() {
    let workshop = Workshop::new();
    let input = workshop.clip("in.mp4", &Clip::default());
    let said = std::process::Command::new(crate::program::built_program())
        .args([
            "--json",
            "--provider",
            "cpu",
            "--model",
            "tiny",
            "--restore-interval",
            "2",
        ])
        .args([&input, &workshop.path("out.mkv")])
        .output()
        .unwrap();
    assert!(said.status.success());
    let text = String::from_utf8(said.stdout).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let counts = ["frames", "propagated", "bypassed", "failed"].map(|name| last[name].as_u64().unwrap());
    assert_eq!(counts, [24, 12, 0, 0]);
}

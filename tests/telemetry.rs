//! ONNX Runtime does not report its use: in a fresh home, no socket into a network is opened and nothing is written.
#![cfg(feature = "pipelines")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::program::built_program;
use common::tools::Plugin;
use gstdloralvsr::runtime::telemetry;

/// Runs `command` in a home of its own, watched where `strace` is there; panics if it fails or opens a socket.
fn run_in(home: &Path, command: &[&str]) -> Vec<PathBuf> {
    let data = gstdloralvsr::runtime::find_library().unwrap();
    let plugin = Plugin::new();
    let trace = home.join("trace");
    let is_watched = Command::new("strace").arg("-V").output().is_ok();
    let mut run = if is_watched {
        let mut strace = Command::new("strace");
        strace
            .args(["-f", "-qq", "-e", "trace=socket,connect,sendto", "-o"])
            .arg(&trace)
            .args(command);
        strace
    } else {
        println!("strace is not installed: sockets are not watched, files are");
        let mut plain = Command::new(command[0]);
        plain.args(&command[1..]);
        plain
    };
    let output = run
        .env_remove(telemetry::VARIABLE)
        .env_remove("XDG_CACHE_HOME")
        .env("HOME", home)
        .env("ORT_DYLIB_PATH", &data.path)
        .env("GST_PLUGIN_PATH", plugin.plugins())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if is_watched {
        let trace = fs::read_to_string(&trace).unwrap();
        let network: Vec<&str> = trace.lines().filter(|line| line.contains("AF_INET")).collect();
        assert!(network.is_empty(), "{network:#?}");
    }
    files(home)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found
}

#[track_caller]
fn assert_silent(command: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let written: Vec<PathBuf> = run_in(home.path(), command)
        .into_iter()
        .filter(|path| {
            let text = path.to_string_lossy();
            text.contains("Microsoft") || text.contains("onnxruntime")
        })
        .collect();
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn the_element_in_a_foreign_program() {
    let pipeline =
        "videotestsrc num-buffers=2 ! video/x-raw,width=64,height=48 ! dloralvsr execution-provider=cpu ! fakesink";
    let command: Vec<&str> = ["gst-launch-1.0", "-q"]
        .into_iter()
        .chain(pipeline.split(' '))
        .collect();
    assert_silent(&command);
}

#[test]
fn programs_of_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.png");
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=64x48",
            "-frames:v",
            "1",
        ])
        .arg(&input)
        .status();
    assert!(made.unwrap().success());
    let program = built_program();
    let output = folder.path().join("out.png");
    let command = [&program, &input, &output].map(|path| path.to_str().unwrap());
    assert_silent(&command);
}

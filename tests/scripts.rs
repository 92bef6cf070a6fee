//! The scripts on machines that lack something: they say what to do by hand and fail; where nothing is missing they
//! change nothing.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What install.sh itself runs on any machine.
const BASICS: [&str; 15] = [
    "bash", "cut", "dirname", "env", "grep", "head", "mkdir", "mktemp", "mv", "printf", "rm", "sed", "sort", "tr",
    "true",
];

/// A machine whose programs are those in one folder.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn bare() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir(machine.programs()).unwrap();
        for name in BASICS {
            symlink(found(name), machine.programs().join(name)).unwrap();
        }
        machine
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// A program that does what `script` says.
    fn add(&self, name: &str, script: &str) {
        let path = self.programs().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn install(&self) -> Finished {
        self.run(&mut script("install.sh"))
    }

    fn run(&self, command: &mut Command) -> Finished {
        let home = self.folder.path();
        command
            .env_clear()
            .env("PATH", self.programs())
            .env("HOME", home)
            .env("TMPDIR", home);
        Finished::of(command)
    }
}

struct Finished {
    status: Option<i32>,
    messages: String,
}

impl Finished {
    fn of(command: &mut Command) -> Self {
        let Output { status, stderr, .. } = command.stdin(Stdio::null()).output().unwrap();
        Self {
            status: status.code(),
            messages: String::from_utf8(stderr).unwrap(),
        }
    }

    fn fails_saying(&self, texts: &[&str]) {
        assert_eq!(self.status, Some(1), "{}", self.messages);
        for text in texts {
            assert!(self.messages.contains(text), "`{text}` is not in:\n{}", self.messages);
        }
    }
}

fn found(program: &str) -> PathBuf {
    std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("there is no program {program} on this machine"))
}

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name))
}

#[test]
fn without_apt_the_missing_packages_are_named() {
    Machine::bare().install().fails_saying(&[
        "build-essential",
        "libgstreamer1.0-dev",
        "gstreamer1.0-plugins-ugly",
        "python3-venv",
        "There is no apt-get here",
    ]);
}

#[test]
fn an_installation_that_fails_is_explained_with_the_command_to_run() {
    let machine = Machine::bare();
    machine.add("apt-get", "echo 'E: no network' >&2; exit 100");
    machine.add("sudo", "shift; exec \"$@\"");
    let finished = machine.install();
    finished.fails_saying(&[
        "E: no network",
        "apt-get could not install them",
        "sudo apt-get update && sudo apt-get install --no-install-recommends build-essential",
    ]);
}

#[test]
fn packages_too_old_after_the_installation_are_an_error() {
    let machine = Machine::bare();
    machine.add("apt-get", "exit 0");
    machine.add("sudo", "shift; exec \"$@\"");
    machine
        .install()
        .fails_saying(&["still missing or too old", "GStreamer 1.22"]);
}

#[test]
fn without_a_network_onnx_runtime_is_to_be_had_by_hand() {
    let data = tempfile::tempdir().unwrap();
    let mut command = script("install.sh");
    command
        .env("XDG_DATA_HOME", data.path())
        .env("PIP_NO_INDEX", "1")
        .env("PIP_NO_CACHE_DIR", "1")
        .env("PIP_FIND_LINKS", data.path());
    Finished::of(&mut command).fails_saying(&[
        "pip could not install it",
        "python3 -m pip install --target",
        "ORT_DYLIB_PATH",
    ]);
    let left: Vec<_> = std::fs::read_dir(data.path().join("dloralvsr")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_runtime_alone_needs_python() {
    let machine = Machine::bare();
    machine
        .run(script("install_runtime.sh").args(["--provider", "cpu"]))
        .fails_saying(&["Python 3.11", "python3-venv"]);
}

#[test]
fn where_nothing_is_missing_nothing_is_done() {
    // This test runs on a machine that has been set up, apart from the data folder: a library new enough lies in it.
    let data = tempfile::tempdir().unwrap();
    let plain = data.path().join("dloralvsr/onnxruntime/capi");
    let openvino = data.path().join("dloralvsr/openvino/onnxruntime/capi");
    for (folder, provider) in [(plain, "cuda"), (openvino, "openvino")] {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("libonnxruntime.so.1.24.0"), "").unwrap();
        let library = format!("libonnxruntime_providers_{provider}.so");
        std::fs::write(folder.join(library), "").unwrap();
    }
    let finished = Finished::of(script("install.sh").env("XDG_DATA_HOME", data.path()));
    assert_eq!((finished.status, finished.messages.as_str()), (Some(0), ""));
}

#[test]
fn what_is_installed_is_listed() {
    let data = tempfile::tempdir().unwrap();
    let plugin = data.path().join("dloralvsr/onnxruntime_ep_webgpu");
    std::fs::create_dir_all(&plugin).unwrap();
    std::fs::write(plugin.join("libonnxruntime_providers_webgpu.so"), "").unwrap();
    let output = script("install.sh")
        .arg("--list")
        .env("XDG_DATA_HOME", data.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let state = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(state("webgpu ").ends_with(" installed"), "{text}");
    for name in ["cpu ", "openvino ", "cuda ", "tensorrt ", "tensorrt-rtx "] {
        assert!(state(name).contains("not installed"), "{text}");
    }
}

#[test]
fn a_provider_that_is_none_is_refused_with_those_that_there_are() {
    let finished = Finished::of(script("install.sh").args(["--provider", "rocm"]));
    assert_eq!(finished.status, Some(1));
    assert!(finished.messages.contains("openvino") && finished.messages.contains("webgpu"));
}

#[test]
fn unknown_arguments_are_refused_with_the_usage() {
    for name in ["install.sh", "install_runtime.sh", "test.sh"] {
        let finished = Finished::of(script(name).arg("--quickly"));
        assert_eq!(finished.status, Some(2));
        assert!(finished.messages.contains(&format!("{name} ")), "{}", finished.messages);
    }
}

#[test]
fn versions_are_compared_by_number() {
    let common = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/common.sh");
    for (have, want, newer) in [
        ("1.22", "1.22", true),
        ("1.100.1", "1.92", true),
        ("1.9.0", "1.22", false),
        ("1.92.0", "1.92", true),
        ("1.91.9", "1.92", false),
    ] {
        let line = format!("source '{}'; at_least {have} {want}", common.display());
        let status = Command::new("bash").args(["-c", &line]).status().unwrap();
        assert_eq!(status.success(), newer, "{have} against {want}");
    }
}

//! GStreamer's command-line tools with the plugin of this build, in processes of their own.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::TIMEOUT;

/// The plugin of this build alone in a folder, and a registry of its own.
pub struct Plugin(tempfile::TempDir);

impl Plugin {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        std::os::unix::fs::symlink(built_plugin(), plugins.join("libgstdloralvsr.so")).unwrap();
        Plugin(folder)
    }

    /// Where the plugin lies.
    pub fn plugins(&self) -> PathBuf {
        self.folder().join("plugins")
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Runs a tool with one more environment variable: whether it succeeded, and all it said. A hang fails the test.
    pub fn run(&self, tool: &str, arguments: &[String], key: &str, value: impl AsRef<OsStr>) -> (bool, String) {
        self.run_with(tool, arguments, &[(key, value)])
    }

    /// As [`run`](Self::run), with several variables.
    pub fn run_with<V: AsRef<OsStr>>(
        &self,
        tool: &str,
        arguments: &[String],
        variables: &[(&str, V)],
    ) -> (bool, String) {
        let said = self.folder().join("said");
        let file = fs::File::create(&said).unwrap();
        let mut child = Command::new(tool)
            .args(arguments)
            .env("GST_PLUGIN_PATH", self.plugins())
            .env("GST_REGISTRY", self.folder().join("registry"))
            .envs(variables.iter().map(|(key, value)| (key, value)))
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("{tool}: {error} (Debian: gstreamer1.0-tools)"));
        let start = Instant::now();
        let status = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if start.elapsed() > TIMEOUT => break None,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let text = String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned();
        let Some(status) = status else {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{tool} hangs: {text}");
        };
        (status.success(), text)
    }
}

/// A pipeline for `gst-launch-1.0`: three test pictures through a pack, on the CPU.
pub fn launch_line(pack: &Path) -> Vec<String> {
    let model = format!("model={}", pack.display());
    let caps = "video/x-raw,format=RGB,width=32,height=32";
    let line = [
        "videotestsrc",
        "num-buffers=3",
        "!",
        caps,
        "!",
        "dloralvsr",
        "execution-provider=cpu",
    ];
    let line = line.into_iter().chain([model.as_str(), "!", "fakesink"]);
    line.map(str::to_owned).collect()
}

/// Cargo puts the library beside the tests' programs.
pub fn built_plugin() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = folder.join("libgstdloralvsr.so");
    assert!(library.exists(), "{} is not built", library.display());
    library
}

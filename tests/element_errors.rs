//! What goes wrong ends with an error on the bus that names the remedy, never with a hang or another picture.
#![cfg(feature = "plugin")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use common::{Running, pack, wait_for_error};
use gst::prelude::*;

/// Plays a test picture through a pack until the first error, which is the cause; elements around it may tell theirs.
fn error_with(pack: &Path, properties: &str) -> (gst::glib::Error, String) {
    let pipeline = Running::launch(&format!(
        "videotestsrc num-buffers=10 ! video/x-raw,format=RGB,width=32,height=32 ! \
         dloralvsr name=vsr model=\"{}\" {properties} ! fakesink",
        pack.display()
    ));
    pipeline.try_to_play();
    wait_for_error(&pipeline.bus())
}

#[track_caller]
fn check(pack: &Path, properties: &str, parts: &[&str]) -> gst::glib::Error {
    let (error, text) = error_with(pack, properties);
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
    error
}

/// A copy of the pack `nearest` to spoil.
fn copy_of_nearest() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(pack("nearest")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

#[test]
fn a_missing_pack() {
    let error = check(
        Path::new("/no/such/pack"),
        "",
        &["/no/such/pack is not a model pack", "give the folder"],
    );
    assert!(error.matches(gst::ResourceError::NotFound));
}

#[test]
fn a_malformed_manifest() {
    let folder = copy_of_nearest();
    fs::write(folder.path().join("pack.toml"), "format = [").unwrap();
    let error = check(
        folder.path(),
        "",
        &["pack.toml is not a valid pack manifest", "export the pack again"],
    );
    assert!(error.matches(gst::ResourceError::OpenRead));
}

#[test]
fn another_format() {
    let folder = copy_of_nearest();
    let manifest = folder.path().join("pack.toml");
    let text = fs::read_to_string(&manifest)
        .unwrap()
        .replace("format = 1", "format = 2");
    fs::write(&manifest, text).unwrap();
    check(
        folder.path(),
        "",
        &["has format 2", "reads format 1", "export the pack again"],
    );
}

#[test]
fn a_missing_graph() {
    let folder = copy_of_nearest();
    fs::remove_file(folder.path().join("restorer.onnx")).unwrap();
    check(folder.path(), "", &["restorer.onnx", "copy or export the pack again"]);
}

#[test]
fn a_graph_that_was_changed_or_truncated() {
    let folder = copy_of_nearest();
    let path = folder.path().join("decoder.onnx");
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    check(
        folder.path(),
        "",
        &["decoder.onnx differs from the file", "copy or export the pack again"],
    );
}

#[test]
fn graphs_with_other_inputs_or_types() {
    for (name, graph) in [
        ("broken-input-name", "encoder.onnx"),
        ("broken-channels", "encoder.onnx"),
        ("broken-type", "restorer.onnx"),
    ] {
        let parts = [graph, "does not follow the pack format", "export the pack again"];
        let error = check(&pack(name), "execution-provider=cpu", &parts);
        assert!(error.matches(gst::ResourceError::Settings), "{name}");
    }
}

#[test]
fn graphs_that_give_another_size() {
    for (name, graph) in [
        ("broken-latent-size", "encoder.onnx"),
        ("broken-picture-size", "decoder.onnx"),
    ] {
        let error = check(
            &pack(name),
            "execution-provider=cpu",
            &["The frame could not be restored", graph],
        );
        assert!(error.matches(gst::StreamError::Failed), "{name}");
    }
}

/// On a machine with a GPU the provider is there, and nothing is to be told.
#[test]
fn a_provider_that_is_not_there_is_an_error_and_no_fallback() {
    if Path::new("/dev/nvidiactl").exists() {
        return;
    }
    for provider in ["cuda", "tensorrt"] {
        let properties = format!("execution-provider={provider}");
        let parts = [
            &format!("the execution provider {provider} cannot run"),
            "or choose cpu or auto",
        ];
        let error = check(&pack("nearest"), &properties, &parts.map(|part| part as &str));
        assert!(error.matches(gst::ResourceError::Settings));
    }
}

#[test]
fn an_error_that_shows_at_once_fails_the_state_change() {
    let element = common::element("nearest");
    element.set_property("model", "/no/such/pack");
    assert!(element.set_state(gst::State::Paused).is_err());
    assert_eq!(element.current_state(), gst::State::Ready);
    element.set_property("model", pack("nearest").to_str().unwrap());
    element.set_state(gst::State::Paused).unwrap();
    element.set_state(gst::State::Null).unwrap();
}

#[test]
fn an_error_is_told_once_and_the_element_runs_again_once_mended() {
    let pipeline = Running::launch(
        "videotestsrc num-buffers=3 ! video/x-raw,format=RGB,width=32,height=32 ! \
         dloralvsr name=vsr execution-provider=cpu model=/no/such/pack ! fakesink",
    );
    pipeline.try_to_play();
    let vsr = pipeline.element("vsr");
    wait_for_error(&pipeline.bus());
    let from_vsr = |message: &gst::Message| {
        message.type_() == gst::MessageType::Error && message.src() == Some(vsr.upcast_ref::<gst::Object>())
    };
    assert!(
        !pipeline
            .bus()
            .iter_filtered(&[gst::MessageType::Error])
            .any(|message| from_vsr(&message))
    );
    pipeline.0.set_state(gst::State::Null).unwrap();
    vsr.set_property("model", pack("nearest").to_str().unwrap());
    pipeline.play();
    common::wait_for_eos(&pipeline.bus());
}

/// The plugin of this build alone in a folder, and a registry of its own.
struct Plugin(tempfile::TempDir);

impl Plugin {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let built = built_plugin();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        std::os::unix::fs::symlink(built, folder.path().join("plugins/libgstdloralvsr.so")).unwrap();
        Plugin(folder)
    }

    /// Runs one of GStreamer's tools with another ONNX Runtime, until it ends or takes too long.
    fn run(&self, tool: &str, arguments: &[&str], onnx_runtime: &Path) -> (bool, String) {
        let mut child = Command::new(tool)
            .args(arguments)
            .env("GST_PLUGIN_PATH", self.0.path().join("plugins"))
            .env("GST_REGISTRY", self.0.path().join("registry"))
            .env("ORT_DYLIB_PATH", onnx_runtime)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{tool}: {error} (Debian: gstreamer1.0-tools)"));
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if start.elapsed() > common::TIMEOUT {
                child.kill().unwrap();
                panic!("{tool} hangs: {}", text(&child.wait_with_output().unwrap()));
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        (output.status.success(), text(&output))
    }

    fn launch(&self, onnx_runtime: &Path) -> String {
        let model = format!("model={}", pack("nearest").display());
        let caps = "video/x-raw,format=RGB,width=32,height=32";
        let line = [
            "videotestsrc",
            "num-buffers=3",
            "!",
            caps,
            "!",
            "dloralvsr",
            &model,
            "!",
            "fakesink",
        ];
        let (success, text) = self.run("gst-launch-1.0", &line, onnx_runtime);
        assert!(!success, "{text}");
        text
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Cargo puts the library beside the tests' programs.
fn built_plugin() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let library = folder.join("libgstdloralvsr.so");
    assert!(library.exists(), "{} is not built", library.display());
    library
}

#[test]
fn without_onnx_runtime_the_plugin_is_inspected_and_a_pipeline_says_what_to_install() {
    let (plugin, nowhere) = (Plugin::new(), Path::new("/no/such/libonnxruntime.so"));
    let (success, text) = plugin.run("gst-inspect-1.0", &["dloralvsr"], nowhere);
    assert!(success, "{text}");
    for part in [
        "GstDloralVsr",
        "execution-provider",
        "tensorrt",
        "processing-latency",
        "GstVideoFilter",
        "width: [ 16, 4096 ]",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let text = plugin.launch(nowhere);
    for part in [
        "ERROR",
        "was not found",
        "scripts/install.sh",
        "ORT_DYLIB_PATH",
        "/no/such/libonnxruntime.so",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn what_is_not_onnx_runtime_is_refused() {
    let plugin = Plugin::new();
    let page = plugin.0.path().join("libonnxruntime.so");
    fs::write(&page, "<html>404</html>").unwrap();
    let text = plugin.launch(&page);
    assert!(
        text.contains("cannot be loaded as a library") && text.contains("scripts/install.sh"),
        "{text}"
    );
    // A library, but another one: this plugin.
    let text = plugin.launch(&built_plugin());
    assert!(
        text.contains("not ONNX Runtime") && text.contains("scripts/install.sh"),
        "{text}"
    );
}

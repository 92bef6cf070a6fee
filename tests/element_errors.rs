//! What goes wrong ends with an error on the bus that names the remedy, never with a hang or another picture.
#![cfg(feature = "plugin")]

mod common;

use std::fs;
use std::path::Path;

use common::tools::{self, Plugin};
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

/// What `gst-launch-1.0` says when it cannot run the element with this ONNX Runtime.
fn launch_in_vain(plugin: &Plugin, onnx_runtime: &Path) -> String {
    let line = tools::launch_line(&pack("nearest"));
    let (success, text) = plugin.run("gst-launch-1.0", &line, "ORT_DYLIB_PATH", onnx_runtime);
    assert!(!success, "{text}");
    text
}

#[test]
fn without_onnx_runtime_the_plugin_is_inspected_and_a_pipeline_says_what_to_install() {
    let (plugin, nowhere) = (Plugin::new(), Path::new("/no/such/libonnxruntime.so"));
    let (success, text) = plugin.run("gst-inspect-1.0", &["dloralvsr".to_owned()], "ORT_DYLIB_PATH", nowhere);
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
    let text = launch_in_vain(&plugin, nowhere);
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
    let page = plugin.folder().join("libonnxruntime.so");
    fs::write(&page, "<html>404</html>").unwrap();
    let text = launch_in_vain(&plugin, &page);
    assert!(
        text.contains("cannot be loaded as a library") && text.contains("scripts/install.sh"),
        "{text}"
    );
    // A library, but another one: this plugin.
    let text = launch_in_vain(&plugin, &tools::built_plugin());
    assert!(
        text.contains("not ONNX Runtime") && text.contains("scripts/install.sh"),
        "{text}"
    );
}

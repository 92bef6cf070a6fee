//! Execution providers beside the CPU's own: what they compute, what `auto` takes, and what is said where one cannot run.
//!
//! A process has one ONNX Runtime, and the first model decides which: every case runs in a process of its own.

#[path = "common/child.rs"]
mod child;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use child::{RESULT, child};
use gstdloralvsr::pack::Pack;
use gstdloralvsr::restore::Graphs;
use gstdloralvsr::runtime::{self, Model, ModelOptions, Precision, Provider};
use ndarray::{Array4, ArrayView4};

/// OpenVINO's wheels are for one kind of processor.
fn has_openvino() -> bool {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("nothing is run on OpenVINO: scripts/install.sh installs it on x86-64 alone");
    }
    cfg!(target_arch = "x86_64")
}

fn options(provider: Provider) -> ModelOptions {
    ModelOptions {
        provider,
        cache_dir: env::var_os("TEST_CACHE").map(PathBuf::from),
        ..ModelOptions::default()
    }
}

fn load(options: &ModelOptions) -> Arc<Model> {
    load_pack(&Pack::embedded().unwrap(), options)
}

fn load_pack(pack: &Pack, options: &ModelOptions) -> Arc<Model> {
    match Model::load(pack, options, &mut |_| ()) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    }
}

fn refused(options: &ModelOptions) -> String {
    let pack = Pack::embedded().unwrap();
    let error = Model::load(&pack, options, &mut |_| ()).expect_err("the provider should have been refused");
    error.to_string().replace('\n', " ")
}

/// A picture with edges and slopes.
fn frame(height: usize, width: usize) -> Array4<u8> {
    Array4::from_shape_fn((1, height, width, 3), |(_, y, x, channel)| {
        let wave = (x as f32 * 0.3 + channel as f32).sin() * 60.0 + (y as f32 * 0.2).cos() * 40.0;
        let edge = if (x / 12 + y / 10) % 2 == 0 { 30.0 } else { 0.0 };
        (120.0 + wave + edge) as u8
    })
}

fn restore(model: &Model, frame: ArrayView4<'_, u8>) -> Array4<u8> {
    let encoded = model.encode(frame).unwrap();
    let restored = model.restore(encoded.view(), encoded.view()).unwrap();
    let (_, height, width, _) = frame.dim();
    let mut picture = Array4::zeros((1, 4 * height, 4 * width, 3));
    model.decode(restored.view(), Some(frame), picture.view_mut()).unwrap();
    picture
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_compares() {
    let openvino = load(&options(Provider::OpenVino));
    let cpu = load(&options(Provider::Cpu));
    // Sizes in turn, and one of them again: each has sessions of its own. The smallest is the element's.
    for (height, width) in [(64, 96), (48, 64), (64, 96), (16, 16)] {
        let frame = frame(height, width);
        let (ours, theirs) = (restore(&openvino, frame.view()), restore(&cpu, frame.view()));
        let largest = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(largest <= 2, "{width}x{height}: {largest} levels apart");
    }
    assert_eq!(
        (openvino.provider(), openvino.provider_note()),
        (Provider::OpenVino, None)
    );
    let pack = Pack::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("models/small")).unwrap();
    let models = [Provider::OpenVino, Provider::Cpu].map(|provider| load_pack(&pack, &options(provider)));
    for (height, width) in [(24, 32), (16, 16)] {
        let frame = frame(height, width);
        let [ours, theirs] = models.each_ref().map(|model| restore(model, frame.view()));
        let largest = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(largest <= 2, "small, {width}x{height}: {largest} levels apart");
    }
    println!("{RESULT}compared");
}

#[test]
fn openvino_gives_what_the_cpu_gives_at_every_size() {
    if has_openvino() {
        assert_eq!(child("child_compares", &[]), "compared");
    }
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_leaves_a_node_to_the_cpu() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/rare-operator");
    let rare = load_pack(&Pack::open(&folder).unwrap(), &options(Provider::OpenVino));
    let whole = load(&options(Provider::OpenVino));
    for model in [&rare, &whole] {
        restore(model, frame(64, 96).view());
    }
    println!("{RESULT}{:?}, {:?}", rare.left_to_cpu(), whole.left_to_cpu());
}

#[test]
fn nodes_that_a_provider_does_not_have_are_told() {
    if has_openvino() {
        let told = child("child_leaves_a_node_to_the_cpu", &[]);
        assert_eq!(told, r#"Some("restorer.onnx: 1 node (Binarizer 1)"), None"#);
    }
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_chooses() {
    let model = load(&options(Provider::Auto));
    let note = model.provider_note().unwrap_or_default();
    println!(
        "{RESULT}{} on {}: {note}",
        model.provider(),
        runtime::library_path().unwrap().display()
    );
}

#[test]
fn auto_tries_once_and_remembers() {
    if !has_openvino() || Path::new("/dev/nvidiactl").exists() {
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let variables: [(&str, &Path); 1] = [("TEST_CACHE", cache.path())];
    let first = child("child_chooses", &variables);
    let trials: Vec<_> = fs::read_dir(cache.path().join("trials")).unwrap().collect();
    assert_eq!(trials.len(), 1);
    assert!(first.contains("a trial took") && first.contains("not cuda"), "{first}");
    let path = trials.into_iter().next().unwrap().unwrap().path();
    // What is remembered decides, not another trial.
    for (verdict, provider) in [
        ("cpu = 9.0\nopenvino = 1.0\n", "openvino"),
        ("cpu = 1.0\nopenvino = 9.0\n", "cpu"),
    ] {
        fs::write(&path, verdict).unwrap();
        let chosen = child("child_chooses", &variables);
        assert!(chosen.starts_with(provider), "{chosen}");
        // The plain library is the newer one.
        assert_eq!(chosen.contains("/openvino/"), provider == "openvino", "{chosen}");
    }
    fs::write(&path, "cut o").unwrap();
    assert!(child("child_chooses", &variables).contains("a trial took"));
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_asks_too_late() {
    load(&options(Provider::Cpu));
    println!("{RESULT}{}", refused(&options(Provider::OpenVino)));
}

#[test]
fn what_a_process_cannot_have_together_is_said() {
    let error = child("child_asks_too_late", &[]);
    for part in [
        "openvino cannot run",
        "of which a process has one",
        "dloralvsr --install-runtime --provider openvino",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_is_refused() {
    for provider in [Provider::WebGpu, Provider::TensorRtRtx] {
        println!("{RESULT}{}", refused(&options(provider)));
    }
    let asked = ModelOptions {
        precision: Precision::Bf16,
        ..options(Provider::Cpu)
    };
    println!("{RESULT}{}", refused(&asked));
}

#[test]
fn plugins_that_are_missing_or_none_are_told_with_the_remedy() {
    let nowhere = tempfile::tempdir().unwrap();
    let library = runtime::find_library().unwrap().path;
    let home: [(&str, &Path); 2] = [("XDG_DATA_HOME", nowhere.path()), ("ORT_DYLIB_PATH", &library)];
    let missing = child("child_is_refused", &home);
    let lines: Vec<&str> = missing.lines().collect();
    assert!(
        lines[0].contains("was not found in") && lines[0].contains("--provider webgpu"),
        "{}",
        lines[0]
    );
    if !Path::new("/dev/nvidiactl").exists() {
        assert!(lines[1].contains("no NVIDIA driver"), "{}", lines[1]);
    }
    assert!(
        lines[2].contains("cannot run this pack in bf16: only openvino has it"),
        "{}",
        lines[2]
    );

    let plugins = tempfile::tempdir().unwrap();
    let file = plugins.path().join("libonnxruntime_providers_webgpu.so");
    let named = [home[0], home[1], ("DLORALVSR_EP_PATH", plugins.path())];
    fs::write(&file, "not a library").unwrap();
    let error = child("child_is_refused", &named);
    assert!(
        error.contains("cannot be loaded") && error.contains("file too short"),
        "{error}"
    );
    fs::copy(&library, &file).unwrap();
    let error = child("child_is_refused", &named);
    assert!(error.contains("is a library, but no plugin of ONNX Runtime"), "{error}");
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_finds_no_device() {
    let asked = ModelOptions {
        device_id: 7,
        ..options(Provider::OpenVino)
    };
    println!("{RESULT}{}", refused(&asked));
}

#[test]
fn a_device_that_is_not_there_is_an_error() {
    if has_openvino() {
        let error = child("child_finds_no_device", &[]);
        assert!(error.contains("openvino") && error.contains("GPU.6"), "{error}");
    }
}

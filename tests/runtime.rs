//! ONNX Runtime: finding it, loading packs with it, and what the graphs of a pack compute through it.
//!
//! `tests/packs/README.md` says what the packs compute; the expected values here are worked out from that.

#[path = "common/child.rs"]
mod child;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use child::{RESULT, child};
use gstdloralvsr::pack::{Graph, Pack};
use gstdloralvsr::restore::{Encoded, GraphErrorKind, Graphs};
use gstdloralvsr::runtime::{
    self, CancellableModel, Model, ModelOptions, OpenCancel, OptimizationLevel, Progress, Provider, RuntimeError, log,
};
use ndarray::{Array4, Axis, Slice, concatenate, s};

fn pack(name: &str) -> Pack {
    Pack::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs").join(name)).unwrap()
}

fn cpu() -> ModelOptions {
    ModelOptions {
        provider: Provider::Cpu,
        ..ModelOptions::default()
    }
}

/// Without ONNX Runtime on the machine this fails with the message that says how to install it.
#[track_caller]
fn load(name: &str) -> Arc<Model> {
    match Model::load(&pack(name), &cpu(), &mut |_| {}) {
        Ok(model) => model,
        Err(error) => panic!("{error}"),
    }
}

fn refused(name: &str) -> RuntimeError {
    Model::load(&pack(name), &cpu(), &mut |_| {}).expect_err("the pack should have been refused")
}

/// A picture of bytes that look random and are the same in every run.
fn picture(height: usize, width: usize, seed: u32) -> Array4<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    Array4::from_shape_simple_fn((1, height, width, 3), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
}

/// The encoder of the test packs: means of square blocks and the blocks' first pixels.
fn expected_encoding(picture: &Array4<u8>, block: usize) -> Encoded {
    let (_, height, width, _) = picture.dim();
    let (h, w) = (height / block, width / block);
    let guide = Array4::from_shape_fn((1, 3, h, w), |(_, c, y, x)| {
        f32::from(picture[[0, y * block, x * block, c]])
    });
    let latent = Array4::from_shape_fn((1, 4, h, w), |(_, c, y, x)| match c {
        3 => guide[[0, 1, y, x]],
        _ => {
            let block_of = picture
                .slice(s![0, y * block..(y + 1) * block, x * block..(x + 1) * block, c])
                .mapv(f32::from);
            block_of.sum() / (block * block) as f32
        }
    });
    Encoded { latent, guide }
}

fn expected_restored(current: &Encoded, previous: &Encoded) -> Array4<f32> {
    let mut restored = 0.5 * &current.latent + 0.5 * &previous.latent;
    let mut rgb = restored.slice_axis_mut(Axis(1), Slice::from(0..3));
    rgb += &(0.25 * (&current.guide - &previous.guide));
    restored
}

fn expected_picture(restored: &Array4<f32>, frame: &Array4<u8>) -> Array4<u8> {
    let (_, height, width, _) = frame.dim();
    Array4::from_shape_fn((1, 4 * height, 4 * width, 3), |(_, y, x, c)| {
        let low = f32::from(frame[[0, y / 4, x / 4, c]]);
        let value = 0.5 * low + 0.5 * restored[[0, c, y / 8, x / 8]] + 1.0 / 64.0;
        value.round_ties_even().clamp(0.0, 255.0) as u8
    })
}

fn decode(model: &Model, restored: &Array4<f32>, frame: Option<&Array4<u8>>) -> Array4<u8> {
    let (_, _, h, w) = restored.dim();
    let mut output = Array4::zeros((1, 8 * h, 8 * w, 3));
    model
        .decode(restored.view(), frame.map(|frame| frame.view()), output.view_mut())
        .unwrap();
    output
}

fn assert_computes_nearest(model: &Model, height: usize, width: usize) {
    let (frame, frame_before) = (picture(height, width, 1), picture(height, width, 2));
    let current = model.encode(frame.view()).unwrap();
    let previous = model.encode(frame_before.view()).unwrap();
    assert_eq!(current, expected_encoding(&frame, 2));
    assert_eq!(previous, expected_encoding(&frame_before, 2));

    let restored = model.restore(current.view(), previous.view()).unwrap();
    assert_eq!(restored, expected_restored(&current, &previous));
    assert_ne!(
        restored,
        model.restore(current.view(), current.view()).unwrap(),
        "the previous frame counts"
    );
    assert_eq!(
        decode(model, &restored, Some(&frame)),
        expected_picture(&restored, &frame)
    );
}

#[test]
fn graphs_compute_what_they_say() {
    assert_computes_nearest(&load("nearest"), 48, 64);
}

#[test]
fn one_model_takes_frames_of_any_size() {
    let model = load("nearest");
    for (height, width) in [(16, 16), (18, 50), (480, 32), (16, 16)] {
        assert_computes_nearest(&model, height, width);
    }
}

#[test]
fn weights_in_a_file_of_their_own_are_found() {
    assert_computes_nearest(&load("external"), 20, 24);
}

#[test]
fn a_restorer_with_a_free_batch_takes_tiles_together() {
    let model = load("batched");
    assert_computes_nearest(&model, 20, 24);
    assert_takes_tiles_together(&model);
    assert_eq!(model.restorer_batch(), 1, "on the CPU tiles come one by one");
}

fn assert_takes_tiles_together(model: &Model) {
    let tiles = [1, 2, 3].map(|seed| expected_encoding(&picture(16, 24, seed), 2));
    let stack = |tiles: [&Encoded; 3]| Encoded {
        latent: concatenate(Axis(0), &tiles.map(|tile| tile.latent.view())).unwrap(),
        guide: concatenate(Axis(0), &tiles.map(|tile| tile.guide.view())).unwrap(),
    };
    let [first, second, third] = &tiles;
    let (current, previous) = (stack([first, second, third]), stack([second, third, first]));
    assert_eq!(
        model.restore(current.view(), previous.view()).unwrap(),
        expected_restored(&current, &previous)
    );
}

#[test]
fn optimisation_and_threads_do_not_change_results() {
    for optimization_level in [
        OptimizationLevel::Disable,
        OptimizationLevel::Basic,
        OptimizationLevel::Extended,
    ] {
        let options = ModelOptions {
            optimization_level,
            intra_threads: 1,
            ..cpu()
        };
        assert_computes_nearest(&Model::load(&pack("nearest"), &options, &mut |_| {}).unwrap(), 32, 32);
    }
}

#[test]
fn an_upscaled_encoder_and_a_plain_decoder() {
    let model = load("upscaled");
    let upscaled = picture(64, 72, 3);
    let encoded = model.encode(upscaled.view()).unwrap();
    assert_eq!(encoded, expected_encoding(&upscaled, 8));
    let restored = model.restore(encoded.view(), encoded.view()).unwrap();
    assert_eq!(restored, encoded.latent);
    let expected = Array4::from_shape_fn((1, 64, 72, 3), |(_, y, x, c)| {
        (restored[[0, c, y / 8, x / 8]] + 1.0 / 512.0).round_ties_even() as u8
    });
    assert_eq!(decode(&model, &restored, None), expected);
}

#[test]
fn arrays_need_not_be_contiguous() {
    let model = load("nearest");
    let frame = picture(32, 40, 4);
    let mirrored = frame.slice(s![.., .., ..;-1, ..]);
    assert_eq!(
        model.encode(mirrored).unwrap(),
        expected_encoding(&mirrored.to_owned(), 2)
    );

    let encoded = model.encode(frame.view()).unwrap();
    let mut canvas = Array4::from_elem((1, 140, 180, 3), 7u8);
    let inside = canvas.slice_mut(s![.., 4..132, 8..168, ..]);
    model.decode(encoded.latent.view(), Some(frame.view()), inside).unwrap();
    assert_eq!(
        canvas.slice(s![.., 4..132, 8..168, ..]),
        expected_picture(&encoded.latent, &frame)
    );
    assert!(canvas.slice(s![.., ..4, .., ..]).iter().all(|value| *value == 7));
    assert!(canvas.slice(s![.., .., 168.., ..]).iter().all(|value| *value == 7));
}

#[test]
fn a_frame_for_the_decoder_is_given_exactly_if_it_takes_one() {
    let frame = picture(16, 16, 5);
    let restored = Array4::zeros((1, 4, 8, 8));
    let mut output = Array4::zeros((1, 64, 64, 3));
    let error = load("nearest")
        .decode(restored.view(), None, output.view_mut())
        .unwrap_err();
    assert!(error.message.contains("takes one"), "{error}");
    let error = load("upscaled")
        .decode(restored.view(), Some(frame.view()), output.view_mut())
        .unwrap_err();
    assert!(error.message.contains("takes none"), "{error}");
}

#[test]
fn the_embedded_pack_runs() {
    let pack = Pack::embedded().unwrap();
    let model = Model::load(&pack, &cpu(), &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    let channels = model.manifest().latent.channels as usize;
    let frame = Array4::from_shape_fn((1, 64, 96, 3), |(_, y, x, c)| (2 * y + x + 20 * c) as u8);
    let encoded = model.encode(frame.view()).unwrap();
    assert_eq!(encoded.latent.dim(), (1, channels, 32, 48));
    let restored = model.restore(encoded.view(), encoded.view()).unwrap();
    let output = decode(&model, &restored, Some(&frame));
    // A smooth picture stays what it is, only larger.
    let centres = output.slice(s![.., 2..;4, 2..;4, ..]);
    let difference: f64 = centres.iter().zip(&frame).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    assert!(
        difference / (frame.len() as f64) < 12.0,
        "mean difference {}",
        difference / frame.len() as f64
    );
}

#[test]
fn graphs_that_do_not_follow_the_format_are_refused_when_loaded() {
    let case = |name: &str, graph: Graph, parts: &[&str]| {
        let error = refused(name);
        assert!(
            matches!(&error, RuntimeError::Signature { graph: found, .. } if *found == graph),
            "{error:?}"
        );
        for part in parts.iter().chain(&[name, graph.file_name()]) {
            assert!(error.to_string().contains(part), "{part:?} is not in: {error}");
        }
    };
    case("broken-input-name", Graph::Encoder, &["`frame`", "image"]);
    case("broken-channels", Graph::Encoder, &["`guide`", "[1, 3, height, width]"]);
    case("broken-type", Graph::Restorer, &["`latent`", "f32", "f16"]);
    case(
        "broken-batch",
        Graph::Restorer,
        &["`latent`", "[tiles, 4, height, width]"],
    );
}

#[test]
fn outputs_of_another_size_are_an_error_at_the_frame() {
    let frame = picture(32, 32, 6);
    let error = load("broken-latent-size").encode(frame.view()).unwrap_err();
    assert_eq!((error.graph, error.kind), (Graph::Encoder, GraphErrorKind::BadOutput));
    assert!(
        error.message.contains("4,4}") && error.message.contains("16,16}"),
        "{error}"
    );

    let model = load("broken-picture-size");
    let encoded = model.encode(frame.view()).unwrap();
    let mut output = Array4::zeros((1, 128, 128, 3));
    let error = model
        .decode(encoded.latent.view(), Some(frame.view()), output.view_mut())
        .unwrap_err();
    assert_eq!((error.graph, error.kind), (Graph::Decoder, GraphErrorKind::BadOutput));
    assert!(error.message.contains("{1,96,96,3}"), "{error}");
}

#[test]
fn a_failed_run_leaves_the_model_usable() {
    let model = load("nearest");
    let wrong = Array4::<f32>::zeros((1, 5, 8, 8));
    let guide = Array4::<f32>::zeros((1, 3, 8, 8));
    let encoded = Encoded { latent: wrong, guide };
    let error = model.restore(encoded.view(), encoded.view()).unwrap_err();
    assert_eq!((error.graph, error.kind), (Graph::Restorer, GraphErrorKind::Other));
    assert_computes_nearest(&model, 16, 24);
}

#[test]
fn a_graph_that_onnx_runtime_does_not_take_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let nearest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/nearest");
    for name in ["encoder.onnx", "restorer.onnx"] {
        fs::copy(nearest.join(name), folder.path().join(name)).unwrap();
    }
    // An ONNX file with an empty graph, and its hash.
    fs::write(folder.path().join("decoder.onnx"), [0x3a, 0x00]).unwrap();
    let manifest = fs::read_to_string(nearest.join("pack.toml")).unwrap();
    let old = pack("nearest").manifest().files["decoder.onnx"].clone();
    let new = "7648eb81c4e9fef7b51879c6fcd6fb4b8863eea0cb2a978c508711dc52c80041";
    fs::write(folder.path().join("pack.toml"), manifest.replace(&old, new)).unwrap();
    let pack = Pack::open(folder.path()).unwrap();
    let error = Model::load(&pack, &cpu(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(
            error,
            RuntimeError::Graph {
                graph: Graph::Decoder,
                provider: Provider::Cpu,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn an_operator_of_a_custom_library_is_an_error_and_no_library_is_looked_for() {
    let error = refused("broken-operator");
    let restorer = matches!(&error, RuntimeError::Graph { graph, .. } if *graph == Graph::Restorer);
    assert!(restorer && error.to_string().contains("example.custom"), "{error:?}");
}

#[test]
fn equal_requests_share_one_model() {
    // Options that no other test uses: the table is the process's.
    let options = ModelOptions {
        intra_threads: 7,
        ..cpu()
    };
    let first = Model::load(&pack("nearest"), &options, &mut |_| {}).unwrap();
    let second = Model::load(&pack("nearest"), &options, &mut |_| {}).unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    let other = Model::load(
        &pack("nearest"),
        &ModelOptions {
            intra_threads: 8,
            ..cpu()
        },
        &mut |_| {},
    )
    .unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    let gone = Arc::downgrade(&first);
    drop((first, second));
    assert!(gone.upgrade().is_none(), "a model lives as long as somebody uses it");
}

/// One stream stops; another goes on with the same model.
#[test]
fn a_cancelled_model_computes_no_more_and_others_are_left_alone() {
    let model = load("nearest");
    let [first, second] = [(); 2].map(|()| CancellableModel::new(model.clone()));
    let frame = Array4::<u8>::zeros((1, 32, 32, 3));
    first.encode(frame.view()).unwrap();
    first.cancel();
    let error = first.encode(frame.view()).unwrap_err();
    assert!(error.message.contains("terminate"), "{error}");
    second.encode(frame.view()).unwrap();
    model.encode(frame.view()).unwrap();
}

/// With half of the threads each; the same model where that is no gain, and where a second copy is too much.
#[test]
fn two_graphs_side_by_side_have_half_of_the_threads_each() {
    let with_threads = |pack: &Pack, intra_threads| {
        let options = ModelOptions { intra_threads, ..cpu() };
        Model::load(pack, &options, &mut |_| {}).unwrap()
    };
    let nearest = pack("nearest");
    for (threads, half) in [(2, 1), (3, 2), (8, 4)] {
        let model = with_threads(&nearest, threads);
        assert!(model.gains_by_pipelining());
        let halved = model.with_half_the_threads(&OpenCancel::default()).unwrap();
        assert!(Arc::ptr_eq(&halved, &with_threads(&nearest, half)), "{threads} threads");
        assert_computes_nearest(&halved, 8, 6);
    }
    let single = with_threads(&nearest, 1);
    assert!(!single.gains_by_pipelining());
    assert!(Arc::ptr_eq(
        &single.with_half_the_threads(&OpenCancel::default()).unwrap(),
        &single
    ));

    let (folder, ballast) = (copy_of_nearest(), vec![0_u8; 256 << 20]);
    fs::write(folder.path().join("ballast.bin"), &ballast).unwrap();
    let manifest = folder.path().join("pack.toml");
    let listed = format!("[files]\n\"ballast.bin\" = \"{}\"", sha256(&ballast));
    let text = fs::read_to_string(&manifest).unwrap().replace("[files]", &listed);
    fs::write(&manifest, text).unwrap();
    let large = Pack::open(folder.path()).unwrap();
    assert!(large.size() > 256 << 20);
    let model = with_threads(&large, 2);
    assert!(
        model.gains_by_pipelining()
            && Arc::ptr_eq(&model.with_half_the_threads(&OpenCancel::default()).unwrap(), &model)
    );
}

fn copy_of_nearest() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs/nearest");
    for entry in fs::read_dir(source).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn streams_that_share_a_model_get_their_own_results() {
    let model = load("nearest");
    thread::scope(|scope| {
        for stream in 0..4 {
            let model = &model;
            scope.spawn(move || {
                for frame in 0..20 {
                    let frame = picture(16 + 2 * stream as usize, 32, 100 * stream + frame);
                    assert_eq!(model.encode(frame.view()).unwrap(), expected_encoding(&frame, 2));
                }
            });
        }
    });
}

#[test]
fn progress_goes_from_nothing_to_all() {
    let mut seen = Vec::new();
    let options = ModelOptions {
        intra_threads: 5,
        ..cpu()
    };
    let _model = Model::load(&pack("nearest"), &options, &mut |progress| seen.push(progress)).unwrap();
    let percents: Vec<u32> = seen.iter().map(|progress| progress.percent).collect();
    assert!(percents.is_sorted(), "{percents:?}");
    assert_eq!((percents.first(), percents.last()), (Some(&0), Some(&100)));
    for name in ["ONNX Runtime", "encoder.onnx", "restorer.onnx on cpu", "decoder.onnx"] {
        assert!(
            seen.iter().any(|progress| progress.stage.contains(name)),
            "{name} is not in {seen:?}"
        );
    }
}

#[test]
fn opening_that_is_cancelled_ends_with_the_graph_that_it_is_at() {
    let options = ModelOptions {
        intra_threads: 6,
        ..cpu()
    };
    let pack = pack("nearest");
    let cancel = OpenCancel::default();
    let mut stages = Vec::new();
    let mut cancel_at_restorer = |progress: Progress| {
        if progress.stage.contains("restorer") {
            cancel.cancel();
        }
        stages.push(progress.stage);
    };
    let outcome = Model::load_cancellable(&pack, &options, &mut cancel_at_restorer, &cancel);
    assert!(matches!(outcome, Err(RuntimeError::Cancelled)), "{outcome:?}");
    assert!(stages.last().unwrap().contains("restorer"), "{stages:?}");
    // Whoever asks next opens it.
    assert_computes_nearest(&Model::load(&pack, &options, &mut |_| {}).unwrap(), 32, 32);
}

#[test]
fn auto_says_what_it_took_and_why() {
    let cache = tempfile::tempdir().unwrap();
    let options = ModelOptions {
        cache_dir: Some(cache.path().to_owned()),
        ..ModelOptions::default()
    };
    let model = Model::load(&pack("nearest"), &options, &mut |_| {}).unwrap();
    match model.provider() {
        Provider::Cpu => {
            let note = model.provider_note().expect("the CPU is not the fastest");
            assert!(note.contains("not cuda:") && note.contains("not openvino:"), "{note}");
        }
        Provider::Cuda => assert_eq!(model.provider_note(), None),
        other => panic!("auto chose {other}"),
    }
}

/// With a GPU: equal to the CPU within one level. Without: an error, not the CPU.
#[test]
fn a_provider_asked_for_by_name_runs_or_is_an_error() {
    let cache = tempfile::tempdir().unwrap();
    for provider in [Provider::Cuda, Provider::TensorRt] {
        let options = ModelOptions {
            provider,
            cache_dir: Some(cache.path().to_owned()),
            ..ModelOptions::default()
        };
        match Model::load(&pack("batched"), &options, &mut |_| {}) {
            Ok(model) => {
                assert_eq!((model.provider(), model.provider_note()), (provider, None));
                assert_takes_tiles_together(&model);
                assert_eq!(model.restorer_batch() > 1, provider == Provider::Cuda);
                let frame = picture(32, 48, 7);
                let encoded = model.encode(frame.view()).unwrap();
                let restored = model.restore(encoded.view(), encoded.view()).unwrap();
                let expected = expected_picture(&expected_encoding(&frame, 2).latent, &frame);
                let output = decode(&model, &restored, Some(&frame));
                assert!(
                    output.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1),
                    "{provider}"
                );
            }
            Err(error) => {
                assert!(matches!(&error, RuntimeError::ProviderUnavailable { provider: p, .. } if *p == provider));
                let text = error.to_string();
                eprintln!("nothing was run on {provider}: {text}");
                assert!(
                    text.contains(&provider.to_string()) && text.contains("install"),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn provider_names_are_those_of_the_properties() {
    for (name, provider) in [
        ("auto", Provider::Auto),
        ("cpu", Provider::Cpu),
        ("cuda", Provider::Cuda),
        ("tensorrt", Provider::TensorRt),
        ("openvino", Provider::OpenVino),
        ("webgpu", Provider::WebGpu),
        ("tensorrt-rtx", Provider::TensorRtRtx),
    ] {
        assert_eq!(name.parse(), Ok(provider));
        assert_eq!(provider.to_string(), name);
    }
    assert!("gpu".parse::<Provider>().unwrap_err().to_string().contains("tensorrt"));
}

// What follows depends on the environment and on the first load of the library, so it runs in processes of its own.

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_loads() {
    match Model::load(&pack("nearest"), &cpu(), &mut |_| {}) {
        Ok(_) => println!("{RESULT}loaded {}", runtime::library_path().unwrap().display()),
        Err(error) => println!("{RESULT}{}", format!("{error:?} | {error}").replace('\n', " ")),
    }
}

/// Hundredths of a second that all threads of this process have computed.
fn cpu_ticks() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_idles() {
    let model = Model::load(&Pack::embedded().unwrap(), &cpu(), &mut |_| {}).unwrap();
    let frame = picture(64, 64, 1);
    for _ in 0..3 {
        let encoded = model.encode(frame.view()).unwrap();
        let restored = model.restore(encoded.view(), encoded.view()).unwrap();
        decode(&model, &restored, Some(&frame));
    }
    let before = cpu_ticks();
    thread::sleep(Duration::from_millis(500));
    println!("{RESULT}{}", cpu_ticks() - before);
}

/// A live stream's model waits most of the time. Threads that spun for their next task would compute 500 ms each.
#[test]
fn between_frames_nothing_is_computed() {
    let ticks: u64 = child("child_idles", &[]).parse().unwrap();
    assert!(
        ticks <= 5,
        "{ticks} hundredths of a second of computing in half a second of idling"
    );
}

fn usable_library() -> PathBuf {
    runtime::find_library().unwrap_or_else(|error| panic!("{error}")).path
}

#[test]
fn the_library_is_taken_from_where_the_variable_says() {
    let library = usable_library();
    let loaded = format!("loaded {}", library.display());
    assert_eq!(child("child_loads", &[("ORT_DYLIB_PATH", &library)]), loaded);
    assert_eq!(
        child("child_loads", &[("ORT_DYLIB_PATH", library.parent().unwrap())]),
        loaded,
        "its folder"
    );
}

#[test]
fn the_library_is_found_in_a_python_environment() {
    let library = usable_library();
    let environment = tempfile::tempdir().unwrap();
    let capi = environment.path().join("lib/python3.11/site-packages/onnxruntime/capi");
    fs::create_dir_all(&capi).unwrap();
    std::os::unix::fs::symlink(&library, capi.join("libonnxruntime.so.1")).unwrap();
    let nowhere = environment.path().join("nowhere");
    let found = child(
        "child_loads",
        &[
            ("VIRTUAL_ENV", environment.path()),
            ("HOME", &nowhere),
            ("XDG_DATA_HOME", &nowhere),
        ],
    );
    assert_eq!(found, format!("loaded {}", library.display()));
}

#[test]
fn a_library_that_is_not_there_is_an_error_with_the_remedy() {
    let error = child(
        "child_loads",
        &[("ORT_DYLIB_PATH", Path::new("/nonexistent/libonnxruntime.so"))],
    );
    for part in [
        "LibraryNotFound",
        "/nonexistent/libonnxruntime.so",
        "scripts/install.sh",
        "ORT_DYLIB_PATH",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn a_file_that_is_no_library_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libonnxruntime.so");
    fs::write(&file, "not a library").unwrap();
    let error = child("child_loads", &[("ORT_DYLIB_PATH", &file)]);
    assert!(
        error.contains("LibraryNotLoadable") && error.contains("scripts/install.sh"),
        "{error}"
    );
}

/// Compiles a library out of C; the linker that Rust needs brings a compiler.
fn compile(folder: &Path, source: &str) -> PathBuf {
    let (code, library) = (folder.join("library.c"), folder.join("libonnxruntime.so"));
    fs::write(&code, source).unwrap();
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(&code)
        .status()
        .unwrap();
    assert!(status.success(), "cc failed");
    library
}

const OLD_LIBRARY: &str = r#"
    static const void *get_api(unsigned version) { return version <= 20 ? "an api" : 0; }
    static const char *get_version(void) { return "1.20.1"; }
    static const struct { const void *(*a)(unsigned); const char *(*v)(void); } base = { get_api, get_version };
    const void *OrtGetApiBase(void) { return &base; }
"#;

#[test]
fn another_library_is_not_taken_for_onnx_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let other = compile(folder.path(), "int something_else(void) { return 1; }");
    let error = child("child_loads", &[("ORT_DYLIB_PATH", &other)]);
    assert!(
        error.contains("NotOnnxRuntime") && error.contains("OrtGetApiBase"),
        "{error}"
    );

    let empty = compile(folder.path(), "const void *OrtGetApiBase(void) { return 0; }");
    let error = child("child_loads", &[("ORT_DYLIB_PATH", &empty)]);
    assert!(error.contains("NotOnnxRuntime"), "{error}");
}

#[test]
fn an_old_library_is_an_error_that_names_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    let error = child(
        "child_loads",
        &[("ORT_DYLIB_PATH", &compile(folder.path(), OLD_LIBRARY))],
    );
    for part in [
        "LibraryTooOld",
        "1.20.1",
        runtime::MINIMUM_VERSION,
        "scripts/install.sh",
    ] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
}

#[test]
fn an_old_library_in_one_place_does_not_hide_a_good_one_in_the_next() {
    let library = usable_library();
    let home = tempfile::tempdir().unwrap();
    let capi = home.path().join("dloralvsr/onnxruntime/capi");
    fs::create_dir_all(&capi).unwrap();
    compile(&capi, OLD_LIBRARY);
    let environment = home.path().join("environment");
    let wheel = environment.join("lib/python3.12/site-packages/onnxruntime/capi");
    fs::create_dir_all(&wheel).unwrap();
    std::os::unix::fs::symlink(&library, wheel.join("libonnxruntime.so.1")).unwrap();
    let found = child(
        "child_loads",
        &[("XDG_DATA_HOME", home.path()), ("VIRTUAL_ENV", &environment)],
    );
    assert_eq!(found, format!("loaded {}", library.display()));
}

#[test]
fn a_library_in_the_system_s_data_folder_is_found() {
    let library = usable_library();
    let (home, shared) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let capi = shared.path().join("dloralvsr/onnxruntime/capi");
    fs::create_dir_all(&capi).unwrap();
    std::os::unix::fs::symlink(&library, capi.join("libonnxruntime.so.1")).unwrap();
    let found = child(
        "child_loads",
        &[("XDG_DATA_HOME", home.path()), ("XDG_DATA_DIRS", shared.path())],
    );
    assert_eq!(found, format!("loaded {}", library.display()));
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_loads_again_after_a_failure() {
    let good = env::var_os("GOOD_LIBRARY").unwrap();
    for bad in ["/nonexistent", "/etc/hostname", "libm.so.6"] {
        // SAFETY: the only test of this process, and no other thread of it reads the environment.
        unsafe { env::set_var("ORT_DYLIB_PATH", bad) };
        Model::load(&pack("nearest"), &cpu(), &mut |_| {}).unwrap_err();
        assert_eq!(runtime::library_path(), None);
    }
    // SAFETY: as above.
    unsafe { env::set_var("ORT_DYLIB_PATH", good) };
    assert_computes_nearest(&Model::load(&pack("nearest"), &cpu(), &mut |_| {}).unwrap(), 16, 16);
    println!("{RESULT}fine");
}

#[test]
fn a_failed_load_does_not_spoil_the_next() {
    assert_eq!(
        child(
            "child_loads_again_after_a_failure",
            &[("GOOD_LIBRARY", &usable_library())]
        ),
        "fine"
    );
}

static LINES: Mutex<Vec<(log::Level, String)>> = Mutex::new(Vec::new());

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_logs() {
    log::set_sink(|level, text| LINES.lock().unwrap().push((level, text.to_owned())));
    let frame = Array4::<u8>::zeros((1, 16, 16, 1));
    let model = load("nearest");
    model.encode(frame.view()).unwrap_err();
    let quiet = std::mem::take(&mut *LINES.lock().unwrap());
    assert!(
        quiet.iter().all(|(level, _)| *level >= log::Level::Warning),
        "{quiet:?}"
    );
    log::set_level(log::Level::Verbose);
    let other = Model::load(&pack("upscaled"), &cpu(), &mut |_| {}).unwrap();
    assert_eq!(other.provider(), Provider::Cpu);
    let lines = LINES.lock().unwrap();
    assert!(
        lines.iter().any(|(level, _)| *level < log::Level::Warning),
        "nothing was said"
    );
    println!("{RESULT}{}", lines.len() > 10);
}

#[test]
fn the_log_goes_to_the_sink_from_the_level_asked_for() {
    assert_eq!(child("child_logs", &[]), "true");
}

fn resident_kilobytes() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[ignore = "run by other tests in a process of its own"]
fn child_runs_many_frames() {
    let model = load("nearest");
    let frames = [64, 80, 96].map(|height| picture(height, 128, 8));
    let run = |count: usize| {
        for (index, frame) in frames.iter().cycle().take(count).enumerate() {
            let encoded = model.encode(frame.view()).unwrap();
            let restored = model.restore(encoded.view(), encoded.view()).unwrap();
            // Its output is fifty times as large: fewer of them would show as well.
            if index % 20 == 0 {
                decode(&model, &restored, Some(frame));
            }
        }
    };
    // Until every size has been decoded twice: ONNX Runtime learns at the first run of a size how much memory it takes,
    // and sets that aside at the second.
    run(120);
    let before = resident_kilobytes();
    run(600);
    println!("{RESULT}{}", resident_kilobytes() - before);
}

#[test]
fn memory_does_not_grow_with_the_frames() {
    let growth: i64 = child("child_runs_many_frames", &[]).parse().unwrap();
    // The smallest tensor of each frame, kept, would be 15 MB.
    assert!(growth < 1024, "{growth} kB more after 600 frames");
}

//! Elements of one process that use the same pack: one copy of the weights, and a fair share of the model for each.
#![cfg(feature = "plugin")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use common::picture::Picture;
use common::{Rig, pack};
use gst::prelude::*;
use gst_video::VideoFormat;
use gstdloralvsr::pack::Graph;
use sha2::{Digest, Sha256};

const ELEMENTS: usize = 8;
/// Bytes of weights.
const WEIGHTS: usize = 120 << 20;
/// Columns of the matrix of weights.
const COLUMNS: usize = 1024;

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 32, 18, time)
}

/// The pack `nearest` with 120 MB of weights more in its restorer, which give the same pictures.
///
/// Two messages of one field of a protobuf file are merged, so nodes and weights can be added to a graph by writing them
/// after it. What the last node gave is called otherwise, and the largest of weights · column, all zeros, is added to
/// it; the column hangs on the latent, so that nothing can be computed ahead. Reading all the weights takes the model
/// longer than everything around it takes an element, so what share of frames an element gets is decided at the model,
/// and not by when the machine lets its thread run.
fn large_pack() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(pack("nearest")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join(Graph::Restorer.file_name());
    let mut model = fs::read(&path).unwrap();
    let (wanted, renamed) = (b"restored", b"previous");
    let at = model.windows(wanted.len()).position(|window| window == wanted).unwrap();
    model[at..at + wanted.len()].copy_from_slice(renamed);
    model.extend(field(7, &addition()));
    fs::write(&path, &model).unwrap();
    rehash(folder.path(), &model);
    folder
}

/// `GraphProto` with five nodes and two weights: restored = previous + max(weights · (largest · nothing)).
fn addition() -> Vec<u8> {
    let nodes = [
        node("ReduceMax", &["latent"], "largest", &keep_no_dimensions()),
        node("Mul", &["largest", "nothing"], "column", &[]),
        node("MatMul", &["weights", "column"], "products", &[]),
        node("ReduceMax", &["products"], "zero", &keep_no_dimensions()),
        node("Add", &["previous", "zero"], "restored", &[]),
    ];
    let mut graph: Vec<u8> = nodes.concat();
    graph.extend(field(5, &tensor("nothing", [COLUMNS, 1])));
    graph.extend(field(5, &tensor("weights", [WEIGHTS / 4 / COLUMNS, COLUMNS])));
    graph
}

/// Attribute `keepdims` = 0.
fn keep_no_dimensions() -> Vec<u8> {
    field(5, &[field(1, b"keepdims"), vec![0x18, 0], vec![0xA0, 1, 2]].concat())
}

fn node(operator: &str, inputs: &[&str], output: &str, attributes: &[u8]) -> Vec<u8> {
    let mut node: Vec<u8> = inputs.iter().flat_map(|name| field(1, name.as_bytes())).collect();
    node.extend(field(2, output.as_bytes()));
    node.extend(field(4, operator.as_bytes()));
    node.extend(attributes);
    field(1, &node)
}

/// `TensorProto` of a matrix of f32, all of them 0.
fn tensor(name: &str, shape: [usize; 2]) -> Vec<u8> {
    let mut tensor: Vec<u8> = shape
        .iter()
        .flat_map(|side| [vec![0x08], number(*side as u64)].concat())
        .collect();
    tensor.extend([0x10, 1]);
    tensor.extend(field(8, name.as_bytes()));
    tensor.extend(field(9, &vec![0; shape[0] * shape[1] * 4]));
    tensor
}

/// A field of bytes.
fn field(index: u64, bytes: &[u8]) -> Vec<u8> {
    [number(index << 3 | 2), number(bytes.len() as u64), bytes.to_vec()].concat()
}

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Gives the manifest the hash of the changed restorer.
fn rehash(folder: &Path, model: &[u8]) {
    let hash: String = Sha256::digest(model).iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("pack.toml");
    let text = fs::read_to_string(&path).unwrap();
    let old = text.split("\"restorer.onnx\" = \"").nth(1).unwrap()[..64].to_owned();
    fs::write(&path, text.replace(&old, &hash)).unwrap();
}

fn resident_bytes() -> f64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

fn started(model: &Path) -> Rig {
    let element = common::element("nearest");
    element.set_property("model", model.to_str().unwrap());
    // Two frames at a time would take a second model.
    element.set_property("intra-threads", 1_u32);
    let mut rig = Rig::with(&element);
    rig.harness.set_src_caps(frame(0).caps());
    rig.restore(&frame(0), 0);
    rig
}

#[test]
fn eight_elements_hold_the_weights_once_and_none_starves() {
    let folder = large_pack();
    // What is loaded once, whatever the pack: the library, the elements' class.
    drop(started(&pack("nearest")));
    let before = resident_bytes();
    let mut rigs = vec![started(folder.path())];
    let one = resident_bytes() - before;
    assert!(one > 0.9 * WEIGHTS as f64, "the weights are not in memory: {one}");
    rigs.extend((1..ELEMENTS).map(|_| started(folder.path())));
    let all = resident_bytes() - before;
    println!(
        "weights {WEIGHTS}: one element {one:.0} bytes, {ELEMENTS} elements {all:.0}, {:.2} times",
        all / one
    );
    assert!(
        all <= 1.3 * one,
        "{ELEMENTS} elements take {:.2} times what one takes",
        all / one
    );

    // The weights change nothing, so they were used as they should be.
    assert!(rigs[0].restore(&frame(1), 1) == common::reference("nearest", &[frame(0), frame(1)])[1]);
    fair_shares(rigs);
}

/// All at once, until there are so many frames: none starves. They run side by side, so how equal their shares are is the
/// system's to say.
fn fair_shares(rigs: Vec<Rig>) {
    const FRAMES: u64 = 320;
    let (total, start) = (AtomicU64::new(0), Barrier::new(rigs.len()));
    let shares: Vec<u64> = std::thread::scope(|scope| {
        let run = |mut rig: Rig| {
            let (total, start) = (&total, &start);
            scope.spawn(move || {
                let mut own = 0;
                start.wait();
                while total.fetch_add(1, Ordering::Relaxed) < FRAMES {
                    own += 1;
                    rig.restore(&frame(0), own + 1);
                }
                own
            })
        };
        let threads: Vec<_> = rigs.into_iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mean = shares.iter().sum::<u64>() as f64 / shares.len() as f64;
    let worst = *shares.iter().min().unwrap() as f64;
    println!("frames of each: {shares:?}, worst / mean {:.3}", worst / mean);
    assert!(worst / mean >= 0.5, "{shares:?}");
}

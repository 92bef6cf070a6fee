//! Fuzz targets over their corpus and over inputs changed at random from it; see fuzz/README.md.
#![cfg(feature = "plugin")]

mod common;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstdloralvsr::pack::{Graph, GraphSizes, Pack, TileBatch, TileShape};
use gstdloralvsr::restore::plan::{TilePlan, padded_size};
use gstdloralvsr::restore::{ComponentLayout, Frame, Matrix, PixelLayout, PixelView, YuvLayout, YuvView};
use sha2::{Digest, Sha256};

/// How long a target runs beyond its corpus in the normal test run.
const BRIEF: Duration = Duration::from_millis(300);
/// The longest input that a change makes.
const LONGEST: usize = 1 << 16;

type Target = fn(&[u8], &Path);

fn run(name: &str, target: Target) {
    let seconds = std::env::var("DLORALVSR_FUZZ_SECONDS").ok();
    let length = seconds.map_or(BRIEF, |text| Duration::from_secs(text.parse().unwrap()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
    let scratch = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = fs::read_dir(folder.join("corpus").join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!corpus.is_empty(), "the corpus of {name} is empty");
    corpus.iter().for_each(|input| target(input, scratch.path()));

    let mut random = Random(0x5DEE_CE66 ^ name.len() as u64);
    let (started, mut count) = (Instant::now(), 0_u64);
    while started.elapsed() < length {
        let input = random.change(&corpus);
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| target(&input, scratch.path())));
        if outcome.is_err() {
            let findings = folder.join("findings");
            fs::create_dir_all(&findings).unwrap();
            let file = findings.join(format!("{name}-{count}"));
            fs::write(&file, &input).unwrap();
            panic!("{name} panicked; the input is in {}", file.display());
        }
        count += 1;
    }
    println!(
        "{name}: {} inputs of the corpus, {count} changed ones in {:.1} s",
        corpus.len(),
        started.elapsed().as_secs_f64()
    );
}

/// A generator whose runs can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }

    /// An input of the corpus with a few changes: bytes, numbers, pieces taken out, doubled or put in from another.
    fn change(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        const NUMBERS: [&[u8]; 12] = [
            b"0",
            b"-1",
            b"4294967295",
            b"18446744073709551615",
            b"9223372036854775807",
            b"1e999",
            b"nan",
            b"\xFF\xFF\xFF\xFF",
            b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01",
            b"\0\0\0\0",
            b"../",
            b"\x80",
        ];
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(input.len() + 1);
            let end = (at + self.below(16)).min(input.len());
            match self.below(6) {
                0 => {
                    if let Some(byte) = input.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
                1 => {
                    if let Some(byte) = input.get_mut(at) {
                        *byte = self.below(256) as u8;
                    }
                }
                2 => drop(input.drain(at..end)),
                3 => {
                    let piece = input[at..end].to_vec();
                    input.splice(at..at, piece);
                }
                4 => drop(input.splice(at..end, NUMBERS[self.below(NUMBERS.len())].iter().copied())),
                _ => {
                    let other = &corpus[self.below(corpus.len())];
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(64)).min(other.len());
                    input.splice(at..end, other[from..to].iter().copied());
                }
            }
        }
        input.truncate(LONGEST);
        input
    }
}

/// Numbers out of bytes.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    /// Up to eight bytes, as few as the first says; 0 at the end.
    fn next(&mut self) -> u64 {
        let Some((length, rest)) = self.0.split_first() else {
            return 0;
        };
        let (bytes, rest) = rest.split_at((usize::from(*length) % 9).min(rest.len()));
        self.0 = rest;
        bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    fn size(&mut self) -> usize {
        self.next() as usize
    }
}

/// `pack.toml` beside nothing: it is refused, in words.
#[test]
fn manifest() {
    run("manifest", |input, folder| {
        fs::write(folder.join("pack.toml"), input).unwrap();
        let error = Pack::open(folder).expect_err("there are no graphs");
        assert!(!error.to_string().is_empty());
    });
}

/// A graph beside two good ones, with the hash that it should have: it is taken or refused.
#[test]
fn graph() {
    run("graph", |input, folder| {
        let good = common::pack("nearest");
        for graph in [Graph::Restorer, Graph::Decoder] {
            let file = folder.join(graph.file_name());
            if !file.exists() {
                fs::copy(good.join(graph.file_name()), file).unwrap();
            }
        }
        fs::write(folder.join(Graph::Encoder.file_name()), input).unwrap();
        let manifest = fs::read_to_string(good.join("pack.toml")).unwrap();
        let old = manifest.split("\"encoder.onnx\" = \"").nth(1).unwrap()[..64].to_owned();
        let hash: String = Sha256::digest(input).iter().map(|byte| format!("{byte:02x}")).collect();
        fs::write(folder.join("pack.toml"), manifest.replace(&old, &hash)).unwrap();
        if let Err(error) = Pack::open(folder) {
            assert!(!error.to_string().is_empty());
        }
    });
}

/// Caps that a peer asks for: the answer lies within what the element takes, and is what comes back the other way.
#[test]
fn caps() {
    common::init();
    run("caps", |input, scratch| {
        let Ok(caps) = std::str::from_utf8(input)
            .map_err(drop)
            .and_then(|text| gst::Caps::from_str(text).map_err(drop))
        else {
            return;
        };
        if caps.iter().any(crashes_gstreamer) {
            return;
        }
        // GStreamer aborts the process where an assertion of its own fails, so that the input has to be kept before.
        fs::write(scratch.join("caps"), input).unwrap();
        let element = gst::ElementFactory::make("dloralvsr").build().unwrap();
        for name in ["sink", "src"] {
            let pad = element.static_pad(name).unwrap();
            let answer = pad.query_caps(Some(&caps));
            let inside = answer.intersect_with_mode(&pad.pad_template_caps(), gst::CapsIntersectMode::First);
            // GStreamer does not see that {100, [16, 4096]} is a subset of [16, 4096], but it gets the intersection right.
            assert!(
                answer.is_subset(&pad.pad_template_caps()) || inside.is_strictly_equal(&answer),
                "{name}: {caps} gives {answer}"
            );
            if caps.is_fixed() {
                pad.query_accept_caps(&caps);
            }
        }
    });
}

/// Whether a list holds text beside other values, or several ranges: GStreamer 1.22 compares values of the former as if
/// all were text, and crashes, and aborts when it subtracts ranges of the latter that overlap. No element is asked then.
fn crashes_gstreamer(structure: &gst::StructureRef) -> bool {
    structure.iter().any(|(_, value)| {
        let Ok(list) = value.get::<gst::List>() else {
            return false;
        };
        let texts = list.iter().filter(|item| item.is::<String>()).count();
        let ranges = list.iter().filter(|item| item.is::<gst::IntRange<i32>>()).count();
        (texts > 0 && texts < list.len()) || ranges > 1
    })
}

/// Sizes, strides and layouts of a picture: refused, or read without leaving its memory.
#[test]
fn picture() {
    run("picture", |input, _| {
        let mut numbers = Numbers(input);
        let (width, height, stride) = (numbers.size(), numbers.size(), numbers.size());
        let layout = PixelLayout::ALL[numbers.size() % PixelLayout::ALL.len()];
        let data = vec![7; numbers.size() % 100_000];
        if let Ok(view) = PixelView::new(&data, width, height, stride, layout) {
            let frame = Frame::read(&view).unwrap();
            assert_eq!(frame.rgb().len(), width * height * 3);
        }
    });
}

/// The same of YUV, and the places of its components.
#[test]
fn yuv() {
    run("yuv", |input, _| {
        let mut numbers = Numbers(input);
        let (width, height) = (numbers.size(), numbers.size());
        let data = vec![7; numbers.size() % 100_000];
        let places = std::array::from_fn(|_| ComponentLayout {
            plane: numbers.size() % 4,
            offset: numbers.size(),
            stride: numbers.size(),
            step: numbers.size(),
        });
        let bits = numbers.size();
        let layout = YuvLayout {
            halved: [bits & 1 > 0, bits & 2 > 0],
            cosited: [bits & 4 > 0, bits & 8 > 0],
            matrix: Matrix::Bt709,
            full_range: bits & 16 > 0,
        };
        if let Ok(view) = YuvView::new(
            [&data, &data[data.len() / 2..], &data[..0]],
            width,
            height,
            places,
            layout,
        ) {
            let frame = Frame::read(&view).unwrap();
            assert_eq!(frame.rgb().len(), width * height * 3);
        }
    });
}

/// Tiles that a pack and a user ask for: every sample is covered, none lies outside.
#[test]
fn tiles() {
    run("tiles", |input, _| {
        let mut numbers = Numbers(input);
        let mut below = |limit: usize| numbers.size() % limit;
        // As the manifest bounds them, and pictures of 4096 pixels.
        let mut rule = GraphSizes {
            tile: below(4097),
            overlap: below(4097),
            min: 1 + below(256),
            multiple: 1 + below(64),
            shape: [TileShape::Square, TileShape::Free][below(2)],
            batch: TileBatch::One,
        };
        let (height, width) = padded_size(1 + below(1025), 1 + below(1025), &[rule]);
        for _ in 0..2 {
            let plan = TilePlan::new(height, width, &rule);
            for (starts, side, length) in [(&plan.rows, plan.tile[0], height), (&plan.columns, plan.tile[1], width)] {
                assert!(starts[0] == 0 && starts[starts.len() - 1] + side == length);
                assert!(
                    starts
                        .windows(2)
                        .all(|pair| pair[0] < pair[1] && pair[1] <= pair[0] + side)
                );
            }
            rule = rule.halved([height, width]);
        }
    });
}

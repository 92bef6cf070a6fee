//! Streams over real ONNX graphs: the packs of `tests/packs`, whose results `tests/packs/README.md` defines.

use std::path::Path;
use std::sync::Arc;

use gstdloralvsr::pack::{Graph, Pack};
use gstdloralvsr::restore::upscale::{Samples, Upscaler};
use gstdloralvsr::restore::{
    ColorFix, GraphErrorKind, PixelLayout, PixelView, PixelViewMut, RestoreError, Settings, Stream, color,
};
use gstdloralvsr::runtime::{Model, ModelOptions, Provider};

const FACTOR: usize = 8;

/// A stream over one of the packs, on the CPU, without scene detection.
#[track_caller]
fn stream(pack: &str, settings: Settings) -> Stream {
    let pack = Pack::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packs").join(pack)).unwrap();
    let options = ModelOptions {
        provider: Provider::Cpu,
        ..ModelOptions::default()
    };
    let model = Model::load(&pack, &options, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    Stream::new(model as Arc<_>, pack.manifest(), settings).unwrap()
}

fn without_scene_detection() -> Settings {
    Settings {
        scene_threshold: 0.0,
        ..Settings::default()
    }
}

/// A packed RGB picture.
#[derive(Clone)]
struct Picture {
    width: usize,
    height: usize,
    data: Vec<u8>,
}

impl Picture {
    fn new(width: usize, height: usize, number: usize) -> Picture {
        let value = |at: usize| {
            let (y, x, c) = (at / 3 / width, at / 3 % width, at % 3);
            (40 + 3 * y * (c + 1) + 4 * x + 53 * number + ((x * 11) ^ (y * 5)) % 13) as u8
        };
        let data = (0..width * height * 3).map(value).collect();
        Picture { width, height, data }
    }

    /// The pixel's channel, with the edges repeated.
    fn at(&self, y: usize, x: usize, c: usize) -> f64 {
        let (y, x) = (y.min(self.height - 1), x.min(self.width - 1));
        f64::from(self.data[(y * self.width + x) * 3 + c])
    }

    /// Mean of a block of pixels.
    fn mean(&self, [y, x]: [usize; 2], c: usize, block: usize) -> f64 {
        let pixels = (0..block * block).map(|at| self.at(y * block + at / block, x * block + at % block, c));
        pixels.sum::<f64>() / (block * block) as f64
    }

    fn upscaled(&self) -> Picture {
        let (width, height) = (self.width * 4, self.height * 4);
        let mut data = vec![0; width * height * 3];
        let mut upscaler = Upscaler::new();
        upscaler
            .upscale(&self.data, self.width, self.height, Samples::Rgb, &mut data)
            .unwrap();
        Picture { width, height, data }
    }

    /// One enlarged by repetition, so that every graph takes it.
    fn padded(&self, width: usize, height: usize) -> Picture {
        let value = |at: usize| self.at(at / 3 / width, at / 3 % width, at % 3) as u8;
        let data = (0..width * height * 3).map(value).collect();
        Picture { width, height, data }
    }
}

/// What the restorer of both packs gives for one sample, from pictures of which a sample is `block` pixels wide.
fn restored(current: &Picture, previous: &Picture, [y, x]: [usize; 2], c: usize, block: usize) -> f64 {
    let mean = 0.5 * (current.mean([y, x], c, block) + previous.mean([y, x], c, block));
    mean + 0.25 * (current.at(y * block, x * block, c) - previous.at(y * block, x * block, c))
}

/// The output of a pack whose decoder gives `value(y, x, c)`, before the colour fix.
fn picture(width: usize, height: usize, value: impl Fn(usize, usize, usize) -> f64) -> Picture {
    let values = (0..width * height * 3).map(|at| value(at / 3 / width, at / 3 % width, at % 3));
    let data = values.map(|value| value.round().clamp(0.0, 255.0) as u8).collect();
    Picture { width, height, data }
}

fn nearest(current: &Picture, previous: &Picture) -> Picture {
    picture(current.width * 4, current.height * 4, |y, x, c| {
        let restored = restored(current, previous, [y / FACTOR, x / FACTOR], c, 2);
        0.5 * current.at(y / 4, x / 4, c) + 0.5 * restored + 1.0 / 64.0
    })
}

/// `upscaled` with the pack's AdaIN.
fn upscaled(current: &Picture, previous: &Picture) -> Picture {
    let padded = |frame: &Picture| frame.padded(frame.width.next_multiple_of(2), frame.height.next_multiple_of(2));
    let (current_large, previous_large) = (padded(current).upscaled(), padded(previous).upscaled());
    let mut output = picture(current.width * 4, current.height * 4, |y, x, c| {
        restored(&current_large, &previous_large, [y / FACTOR, x / FACTOR], c, FACTOR) + 1.0 / 512.0
    });
    color::adain(&mut output.data, &current.upscaled().data);
    output
}

fn restore(stream: &mut Stream, frame: &Picture) -> Result<Picture, RestoreError> {
    let input = PixelView::new(
        &frame.data,
        frame.width,
        frame.height,
        frame.width * 3,
        PixelLayout::Rgb,
    )?;
    let (width, height) = (frame.width * 4, frame.height * 4);
    let mut data = vec![0; width * height * 3];
    let mut output = PixelViewMut::new(&mut data, width, height, width * 3, PixelLayout::Rgb)?;
    stream.restore(&input, &mut output)?;
    Ok(Picture { width, height, data })
}

#[track_caller]
fn assert_close(actual: &Picture, expected: &Picture, tolerance: u8) {
    let differences = actual.data.iter().zip(&expected.data).map(|(a, b)| a.abs_diff(*b));
    let wrong = differences.filter(|difference| *difference > tolerance).count();
    assert_eq!(wrong, 0, "values off by more than {tolerance} of {}", actual.data.len());
}

#[test]
fn nearest_is_what_it_computes() {
    for (width, height) in [(16, 16), (17, 19), (41, 23)] {
        let mut stream = stream("nearest", without_scene_detection());
        let frames = [0, 1, 2].map(|number| Picture::new(width, height, number));
        for (at, frame) in frames.iter().enumerate() {
            let output = restore(&mut stream, frame).unwrap();
            assert_close(&output, &nearest(frame, &frames[at.saturating_sub(1)]), 0);
        }
    }
}

#[test]
fn nearest_in_tiles_is_the_same() {
    // 40x76 samples: the restorer in tiles of 24, then of 10, the decoder in tiles of 32.
    let frames = [1, 2].map(|number| Picture::new(151, 79, number));
    for tile_size in [0, 10 * FACTOR as u32] {
        let mut stream = stream(
            "nearest",
            Settings {
                tile_size,
                ..without_scene_detection()
            },
        );
        restore(&mut stream, &frames[0]).unwrap();
        let output = restore(&mut stream, &frames[1]).unwrap();
        assert_close(&output, &nearest(&frames[1], &frames[0]), 1);
    }
}

#[test]
fn upscaled_is_what_it_computes() {
    for (width, height) in [(16, 16), (25, 21)] {
        let mut stream = stream("upscaled", without_scene_detection());
        let frames = [0, 1].map(|number| Picture::new(width, height, number));
        for (at, frame) in frames.iter().enumerate() {
            let output = restore(&mut stream, frame).unwrap();
            assert_close(&output, &upscaled(frame, &frames[at.saturating_sub(1)]), 0);
        }
    }
}

#[test]
fn upscaled_in_tiles_is_the_same() {
    let frame = Picture::new(90, 70, 1);
    let output = restore(&mut stream("upscaled", without_scene_detection()), &frame).unwrap();
    assert_close(&output, &upscaled(&frame, &frame), 1);
    // Without the pack's colour fix it is another picture, so the fix was there.
    let settings = Settings {
        color_fix: ColorFix::None,
        ..without_scene_detection()
    };
    let plain = restore(&mut stream("upscaled", settings), &frame).unwrap();
    assert!(plain.data != output.data);
}

#[test]
fn graphs_of_another_size_are_errors_and_the_stream_goes_on() {
    for (pack, graph) in [
        ("broken-latent-size", Graph::Encoder),
        ("broken-picture-size", Graph::Decoder),
    ] {
        let mut stream = stream(pack, without_scene_detection());
        let frame = Picture::new(32, 32, 1);
        for _ in 0..2 {
            match restore(&mut stream, &frame).err().unwrap() {
                RestoreError::TensorShape { graph: named, .. } => assert_eq!(named, graph),
                RestoreError::Graph(error) => {
                    assert_eq!((error.graph, error.kind), (graph, GraphErrorKind::BadOutput), "{error}");
                }
                other => panic!("{other}"),
            }
        }
    }
}

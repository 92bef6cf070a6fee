//! What a stream does around the graphs, and with them.

use std::sync::Arc;

use criterion::Criterion;
use gstdloralvsr::pack::{GraphSizes, TileBatch, TileShape};
use gstdloralvsr::restore::scene::{Digest, score};
use gstdloralvsr::restore::{
    ColorFix, ComponentLayout, Encoded, EncodedView, Geometry, GraphError, Graphs, Matrix, PixelLayout, PixelView,
    PixelViewMut, Settings, Stream, YuvLayout, YuvView, YuvViewMut,
};
use ndarray::{Array4, ArrayView4, ArrayViewMut4};

use crate::{SCALE, at_every_size, graphs, picture};

/// Channels and sizes of the embedded pack.
const CHANNELS: usize = 16;
const FACTOR: usize = 8;

/// Graphs that compute nothing.
struct Nothing;

impl Graphs for Nothing {
    fn encode(&self, frame: ArrayView4<'_, u8>) -> Result<Encoded, GraphError> {
        let (_, height, width, _) = frame.dim();
        let [h, w] = [height, width].map(|side| side * SCALE / FACTOR);
        Ok(Encoded {
            latent: Array4::zeros((1, CHANNELS, h, w)),
            guide: Array4::zeros((1, 3, h, w)),
        })
    }

    fn restore(&self, current: EncodedView<'_>, _: EncodedView<'_>) -> Result<Array4<f32>, GraphError> {
        Ok(Array4::zeros(current.latent.raw_dim()))
    }

    fn decode(
        &self,
        _: ArrayView4<'_, f32>,
        _: Option<ArrayView4<'_, u8>>,
        _: ArrayViewMut4<'_, u8>,
    ) -> Result<(), GraphError> {
        Ok(())
    }
}

/// The search for a cut between two frames.
pub fn window(criterion: &mut Criterion) {
    at_every_size(criterion, "window", |width, height| {
        let frames = [0, 1].map(|number| picture(width, height, number));
        let mut before = Digest::new(&frames[1], width, height, width * 3);
        move || {
            let digest = Digest::new(&frames[0], width, height, width * 3);
            assert!(score(&before, &digest) < 1.0);
            before = digest;
        }
    });
}

/// Moving bytes: frames through graphs that compute nothing, without scene detection.
pub fn copy(criterion: &mut Criterion) {
    let whole = GraphSizes {
        tile: 0,
        overlap: 0,
        min: 8,
        multiple: 2,
        shape: TileShape::Square,
        batch: TileBatch::One,
    };
    let geometry = Geometry {
        encodes_upscaled: false,
        decoder_conditioned: true,
        channels: CHANNELS,
        factor: FACTOR,
        encoder: whole,
        restorer: whole,
        decoder: whole,
        color_fix: ColorFix::None,
    };
    let settings = Settings {
        scene_threshold: 0.0,
        ..Settings::default()
    };
    for layout in [PixelLayout::Rgb, PixelLayout::Bgr, PixelLayout::Bgrx, PixelLayout::Rgba] {
        at_every_size(criterion, &format!("copy/{layout:?}"), |width, height| {
            let stream = Stream::with_geometry(Arc::new(Nothing), geometry.clone(), settings.clone());
            one_frame(stream.unwrap(), layout, width, height)
        });
    }
    for (name, interleaved) in [("I420", false), ("NV12", true)] {
        at_every_size(criterion, &format!("copy/{name}"), |width, height| {
            let stream = Stream::with_geometry(Arc::new(Nothing), geometry.clone(), settings.clone());
            one_yuv_frame(stream.unwrap(), interleaved, width, height)
        });
    }
}

/// A whole frame, from the input's bytes to the output's.
pub fn frame(criterion: &mut Criterion) {
    at_every_size(criterion, "frame", |width, height| {
        let model = graphs::load();
        let stream = Stream::new(model.clone(), model.manifest(), Settings::default());
        one_frame(stream.unwrap(), PixelLayout::Rgb, width, height)
    });
}

fn one_frame(mut stream: Stream, layout: PixelLayout, width: usize, height: usize) -> impl FnMut() {
    let bytes = layout.bytes_per_pixel();
    let frame: Vec<u8> = picture(width, height, 0)
        .into_iter()
        .cycle()
        .take(width * height * bytes)
        .collect();
    let mut output = vec![0; frame.len() * SCALE * SCALE];
    move || {
        let input = PixelView::new(&frame, width, height, width * bytes, layout).unwrap();
        let (width, height) = (width * SCALE, height * SCALE);
        let mut output = PixelViewMut::new(&mut output, width, height, width * bytes, layout).unwrap();
        stream.restore(&input, &mut output).unwrap();
    }
}

/// 4:2:0, planar or with interleaved chroma; sides are even.
fn one_yuv_frame(mut stream: Stream, interleaved: bool, width: usize, height: usize) -> impl FnMut() {
    let layout = YuvLayout {
        halved: [true, true],
        cosited: [false, true],
        matrix: Matrix::Bt709,
        full_range: false,
    };
    let planes = move |width: usize, height: usize| {
        let plane = |offset, stride, step| ComponentLayout {
            plane: 0,
            offset,
            stride,
            step,
        };
        let (luma, chroma) = (width * height, width * height / 4);
        match interleaved {
            true => [plane(0, width, 1), plane(luma, width, 2), plane(luma + 1, width, 2)],
            false => [
                plane(0, width, 1),
                plane(luma, width / 2, 1),
                plane(luma + chroma, width / 2, 1),
            ],
        }
    };
    let frame: Vec<u8> = picture(width, height, 0)
        .into_iter()
        .take(width * height * 3 / 2)
        .collect();
    let mut output = vec![0; frame.len() * SCALE * SCALE];
    move || {
        let input = YuvView::new([&frame, &[], &[]], width, height, planes(width, height), layout).unwrap();
        let (width, height) = (width * SCALE, height * SCALE);
        let mut output = YuvViewMut::new(
            [&mut output, &mut [], &mut []],
            width,
            height,
            planes(width, height),
            layout,
        )
        .unwrap();
        stream.restore(&input, &mut output).unwrap();
    }
}

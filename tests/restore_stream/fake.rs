//! Graphs with plain arithmetic, and the same arithmetic for a whole frame at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use gstdloralvsr::pack::Graph;
use gstdloralvsr::pack::{GraphSizes, TileBatch, TileShape};
use gstdloralvsr::restore::{
    ColorFix, Encoded, EncodedView, Geometry, GraphError, GraphErrorKind, Graphs, PixelLayout, PixelView, PixelViewMut,
    Report, RestoreError, Settings, Stream,
};
use ndarray::{Array4, ArrayView4, ArrayViewMut4};

/// Output pixels per latent sample.
pub const FACTOR: usize = 8;
/// Input pixels per latent sample.
pub const INPUT_FACTOR: usize = FACTOR / 4;

/// What a sample of every graph's arithmetic is, per channel:
/// latent = mean of the block, guide = its first pixel,
/// restored = latent/2 + latent_prev/2 + (guide - guide_prev)/4,
/// picture = round(frame/2 + restored/2 + 1/64), or without the frame round(restored + 1/64), where values before the
/// 1/64 are multiples of 1/16, so that there are no ties.
pub struct Fake {
    pub geometry: Geometry,
    /// Sizes of every call, latent samples.
    pub calls: Mutex<Vec<(Graph, [usize; 2])>>,
    /// The graph that fails, while it is set.
    pub failing: Mutex<Option<Graph>>,
    /// Tiles that the restorer takes at once, and with how many samples in all it still does not run out of memory.
    pub batch: usize,
    pub fits: Mutex<usize>,
    /// The graph that gives tensors of another size, while it is set.
    pub misshapen: Mutex<Option<Graph>>,
    /// Pictures that the encoder was given, if there is to be a record.
    pub pictures: Option<Mutex<Vec<Array4<u8>>>>,
    encoded: AtomicUsize,
}

pub fn rule(tile: usize, overlap: usize) -> GraphSizes {
    GraphSizes {
        tile,
        overlap,
        min: 8,
        multiple: 1,
        shape: TileShape::Square,
        batch: TileBatch::One,
    }
}

/// Whole frames, no colour fix, a conditioned decoder.
pub fn geometry() -> Geometry {
    Geometry {
        encodes_upscaled: false,
        decoder_conditioned: true,
        channels: 3,
        factor: FACTOR,
        encoder: rule(0, 0),
        restorer: rule(0, 0),
        decoder: rule(0, 0),
        color_fix: ColorFix::None,
    }
}

impl Fake {
    pub fn new(geometry: Geometry) -> Arc<Fake> {
        Arc::new(Fake {
            geometry,
            calls: Mutex::default(),
            failing: Mutex::default(),
            batch: 1,
            fits: Mutex::new(usize::MAX),
            misshapen: Mutex::default(),
            pictures: None,
            encoded: AtomicUsize::new(0),
        })
    }

    /// With a restorer that takes several tiles at once.
    pub fn batched(geometry: Geometry, batch: usize) -> Arc<Fake> {
        let mut fake = Fake::new(geometry);
        Arc::get_mut(&mut fake).unwrap().batch = batch;
        fake
    }

    pub fn recording(geometry: Geometry) -> Arc<Fake> {
        let mut fake = Fake::new(geometry);
        Arc::get_mut(&mut fake).unwrap().pictures = Some(Mutex::default());
        fake
    }

    /// Without scene detection.
    pub fn stream(self: &Arc<Fake>) -> Stream {
        self.stream_with(Settings {
            scene_threshold: 0.0,
            ..Settings::default()
        })
    }

    pub fn stream_with(self: &Arc<Fake>, settings: Settings) -> Stream {
        Stream::with_geometry(self.clone(), self.geometry.clone(), settings).unwrap()
    }

    pub fn encoder_calls(&self) -> usize {
        self.encoded.load(Ordering::Relaxed)
    }

    /// Notes a call, checks its size, and fails if it is to or does not fit; gives the samples by which its result is too large.
    fn call(&self, graph: Graph, tiles: usize, size: [usize; 2]) -> Result<usize, GraphError> {
        let rule = match graph {
            Graph::Encoder => self.geometry.encoder,
            Graph::Restorer => self.geometry.restorer,
            Graph::Decoder => self.geometry.decoder,
        };
        let takes = |side: usize| side >= rule.min && side.is_multiple_of(rule.multiple);
        assert!(
            size.into_iter().all(takes),
            "{graph:?} was called with {size:?} samples"
        );
        self.calls.lock().unwrap().push((graph, size));
        if *self.failing.lock().unwrap() == Some(graph)
            || (graph == Graph::Restorer && tiles * size[0] * size[1] > *self.fits.lock().unwrap())
        {
            let message = "the test wants it so".to_owned();
            return Err(GraphError {
                graph,
                kind: GraphErrorKind::OutOfMemory,
                message,
            });
        }
        Ok(usize::from(*self.misshapen.lock().unwrap() == Some(graph)))
    }
}

impl Graphs for Fake {
    fn restorer_batch(&self) -> usize {
        self.batch
    }

    fn encode(&self, frame: ArrayView4<'_, u8>) -> Result<Encoded, GraphError> {
        assert!(frame.is_standard_layout());
        self.encoded.fetch_add(1, Ordering::Relaxed);
        let block = if self.geometry.encodes_upscaled {
            FACTOR
        } else {
            INPUT_FACTOR
        };
        let (_, height, width, _) = frame.dim();
        assert!(height % block == 0 && width % block == 0);
        let surplus = self.call(Graph::Encoder, 1, [height / block, width / block])?;
        if let Some(pictures) = &self.pictures {
            pictures.lock().unwrap().push(frame.to_owned());
        }
        let shape = (1, 3, height / block, width / block + surplus);
        let pixel = |c, y, x: usize| f32::from(frame[[0, y, x.min(width - 1), c]]);
        let latent = Array4::from_shape_fn(shape, |(_, c, y, x)| {
            let inside = (0..block * block).map(|at| pixel(c, y * block + at / block, x * block + at % block));
            inside.sum::<f32>() / (block * block) as f32
        });
        let guide = Array4::from_shape_fn(shape, |(_, c, y, x)| pixel(c, y * block, x * block));
        Ok(Encoded { latent, guide })
    }

    fn restore(&self, current: EncodedView<'_>, previous: EncodedView<'_>) -> Result<Array4<f32>, GraphError> {
        let EncodedView { latent, guide } = current;
        for view in [latent, guide, previous.latent, previous.guide] {
            assert!(view.is_standard_layout());
            assert_eq!(view.dim(), latent.dim());
        }
        let (count, channels, height, width) = latent.dim();
        assert!((1..=self.batch).contains(&count), "{count} tiles at once");
        let surplus = self.call(Graph::Restorer, count, [height, width])?;
        let restored = 0.5 * &latent + 0.5 * &previous.latent + 0.25 * (&guide - &previous.guide);
        // Back in another layout than it came: the core may not rely on it.
        let turned = Array4::from_shape_fn((count, channels, width, height + surplus), |(tile, c, x, y)| {
            restored[[tile, c, y.min(height - 1), x]]
        });
        Ok(turned.permuted_axes([0, 1, 3, 2]))
    }

    fn decode(
        &self,
        restored: ArrayView4<'_, f32>,
        frame: Option<ArrayView4<'_, u8>>,
        mut output: ArrayViewMut4<'_, u8>,
    ) -> Result<(), GraphError> {
        assert!(restored.is_standard_layout() && output.is_standard_layout());
        let (.., height, width) = restored.dim();
        self.call(Graph::Decoder, 1, [height, width])?;
        assert_eq!(output.dim(), (1, height * FACTOR, width * FACTOR, 3));
        assert_eq!(frame.is_some(), self.geometry.decoder_conditioned);
        if let Some(frame) = &frame {
            assert!(frame.is_standard_layout());
            assert_eq!(frame.dim(), (1, height * INPUT_FACTOR, width * INPUT_FACTOR, 3));
        }
        for ((_, y, x, c), value) in output.indexed_iter_mut() {
            let restored = restored[[0, c, y / FACTOR, x / FACTOR]];
            let exact = frame.map_or(restored, |frame| {
                0.5 * f32::from(frame[[0, y / 4, x / 4, c]]) + 0.5 * restored
            });
            *value = (exact + 1.0 / 64.0).round() as u8;
        }
        Ok(())
    }
}

/// A packed RGB picture.
#[derive(Clone, PartialEq)]
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pub data: Vec<u8>,
}

impl Picture {
    /// Smooth colours of their own for each `number`, with some grain.
    pub fn new(width: usize, height: usize, number: usize) -> Picture {
        let value = |at: usize| {
            let (y, x, c) = (at / 3 / width, at / 3 % width, at % 3);
            (60 + 5 * y * (c + 1) + 3 * x + 37 * number * (c + 2) + ((x * 7) ^ (y * 13)) % 9) as u8
        };
        Picture {
            width,
            height,
            data: (0..width * height * 3).map(value).collect(),
        }
    }

    pub fn view(&self) -> PixelView<'_> {
        PixelView::new(&self.data, self.width, self.height, self.width * 3, PixelLayout::Rgb).unwrap()
    }

    /// The pixel's channel, with the edges repeated.
    fn at(&self, y: usize, x: usize, c: usize) -> f32 {
        let (y, x) = (y.min(self.height - 1), x.min(self.width - 1));
        f32::from(self.data[(y * self.width + x) * 3 + c])
    }
}

/// What the fake with [`geometry`] makes of a frame and the one before.
pub fn expected(frame: &Picture, previous: &Picture) -> Picture {
    let mean = |picture: &Picture, y, x, c| {
        let pixel = |at: usize| {
            picture.at(
                y * INPUT_FACTOR + at / INPUT_FACTOR,
                x * INPUT_FACTOR + at % INPUT_FACTOR,
                c,
            )
        };
        (0..INPUT_FACTOR * INPUT_FACTOR).map(pixel).sum::<f32>() / (INPUT_FACTOR * INPUT_FACTOR) as f32
    };
    let (width, height) = (frame.width * 4, frame.height * 4);
    let value = |at: usize| {
        let (y, x, c) = (at / 3 / width, at / 3 % width, at % 3);
        let (down, across) = (y / FACTOR, x / FACTOR);
        let guide = |picture: &Picture| picture.at(down * INPUT_FACTOR, across * INPUT_FACTOR, c);
        let restored = 0.5 * mean(frame, down, across, c)
            + 0.5 * mean(previous, down, across, c)
            + 0.25 * (guide(frame) - guide(previous));
        (0.5 * frame.at(y / 4, x / 4, c) + 0.5 * restored + 1.0 / 64.0).round() as u8
    };
    Picture {
        width,
        height,
        data: (0..width * height * 3).map(value).collect(),
    }
}

/// One frame through a stream, packed RGB on both sides.
pub fn restore(stream: &mut Stream, frame: &Picture) -> Result<(Picture, Report), RestoreError> {
    let (width, height) = (frame.width * 4, frame.height * 4);
    let mut data = vec![0; width * height * 3];
    let mut output = PixelViewMut::new(&mut data, width, height, width * 3, PixelLayout::Rgb)?;
    let report = stream.restore(&frame.view(), &mut output)?;
    Ok((Picture { width, height, data }, report))
}

/// Fails with the first place where two pictures differ by more than `tolerance`.
#[track_caller]
pub fn assert_close(actual: &Picture, expected: &Picture, tolerance: u8) {
    assert_eq!((actual.width, actual.height), (expected.width, expected.height));
    for (at, (a, b)) in actual.data.iter().zip(&expected.data).enumerate() {
        let (y, x, c) = (at / 3 / actual.width, at / 3 % actual.width, at % 3);
        assert!(
            a.abs_diff(*b) <= tolerance,
            "({y}, {x}) channel {c}: {a} instead of {b}"
        );
    }
}

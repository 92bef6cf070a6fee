//! Tiles against the whole, and what the graphs are given.

use gstdloralvsr::pack::Graph;
use gstdloralvsr::pack::{GraphSizes, TileShape};
use gstdloralvsr::restore::{Geometry, MemoryFallback, Settings, upscale};

use crate::fake::{FACTOR, Fake, Picture, assert_close, expected, geometry, restore, rule};

/// How often a graph was called, and the sizes that it was called with.
fn calls(fake: &Fake, graph: Graph) -> (usize, Vec<[usize; 2]>) {
    let calls = fake.calls.lock().unwrap();
    let mut sizes: Vec<_> = calls.iter().filter(|call| call.0 == graph).map(|call| call.1).collect();
    let count = sizes.len();
    sizes.dedup();
    (count, sizes)
}

#[test]
fn tiled_equals_whole_for_graphs_that_look_no_further_than_a_sample() {
    for (width, height) in [(96, 64), (67, 91), (150, 33)] {
        let frames = [1, 2].map(|number| Picture::new(width, height, number));
        let tiled = Geometry {
            encoder: rule(20, 6),
            restorer: rule(16, 5),
            decoder: rule(13, 4),
            ..geometry()
        };
        let fake = Fake::new(tiled);
        let mut stream = fake.stream();
        for (at, frame) in frames.iter().enumerate() {
            let (output, _) = restore(&mut stream, frame).unwrap();
            assert_close(&output, &expected(frame, &frames[at.saturating_sub(1)]), 1);
        }
        for (graph, side) in [(Graph::Encoder, 20), (Graph::Restorer, 16), (Graph::Decoder, 13)] {
            let side = side.min(width.min(height).div_ceil(2));
            let (count, sizes) = calls(&fake, graph);
            assert!(count > 2, "{width}x{height} is more than one tile of the {graph:?}");
            assert_eq!(sizes, [[side, side]], "{width}x{height}, {graph:?}");
        }
    }
}

#[test]
fn tiles_may_be_restored_together() {
    // 3 tiles across and 2 down, 5 and 1, 3 and 3; at most 4 at once.
    for (size, count, batch) in [([74, 54], 6, 3), ([118, 32], 5, 1), ([74, 74], 9, 3)] {
        let frames = [1, 2].map(|number| Picture::new(size[0], size[1], number));
        let tiled = Geometry {
            restorer: rule(16, 5),
            ..geometry()
        };
        let fake = Fake::batched(tiled, 4);
        let mut stream = fake.stream();
        for (at, frame) in frames.iter().enumerate() {
            let (output, _) = restore(&mut stream, frame).unwrap();
            assert_close(&output, &expected(frame, &frames[at.saturating_sub(1)]), 1);
        }
        assert_eq!(calls(&fake, Graph::Restorer).0, 2 * count / batch, "{size:?}");
    }
}

#[test]
fn where_tiles_do_not_fit_together_they_are_restored_one_by_one() {
    let frames = [1, 2, 3, 4].map(|number| Picture::new(74, 54, number));
    let tiled = Geometry {
        restorer: rule(16, 5),
        ..geometry()
    };
    let fake = Fake::batched(tiled, 4);
    let mut stream = fake.stream();
    *fake.fits.lock().unwrap() = 16 * 16;
    let (output, report) = restore(&mut stream, &frames[0]).unwrap();
    assert_eq!(report.fallback, Some(MemoryFallback::Batch));
    assert_close(&output, &expected(&frames[0], &frames[0]), 1);
    // One call that failed, and six of one tile.
    assert_eq!(calls(&fake, Graph::Restorer), (7, vec![[16, 16]]));
    let (output, report) = restore(&mut stream, &frames[1]).unwrap();
    assert_eq!(report.fallback, None, "it is told once");
    assert_close(&output, &expected(&frames[1], &frames[0]), 1);
    assert_eq!(calls(&fake, Graph::Restorer).0, 13);
    // Another tile size is tried as it is: three columns of one row, at once.
    *fake.fits.lock().unwrap() = usize::MAX;
    stream.set_settings(Settings {
        tile_size: 20 * FACTOR as u32,
        scene_threshold: 0.0,
        ..Settings::default()
    });
    restore(&mut stream, &frames[2]).unwrap();
    let (count, sizes) = calls(&fake, Graph::Restorer);
    assert_eq!(sizes.last(), Some(&[20, 20]));
    assert!(count - 13 < 4, "{} calls", count - 13);
}

#[test]
fn where_a_whole_picture_does_not_fit_its_tiles_come_one_by_one() {
    let picture = Picture::new(74, 54, 1);
    let fake = Fake::batched(geometry(), 4);
    *fake.fits.lock().unwrap() = 20 * 20;
    let (_, report) = restore(&mut fake.stream(), &picture).unwrap();
    assert_eq!(report.fallback, Some(MemoryFallback::Tiles));
    let (count, sizes) = calls(&fake, Graph::Restorer);
    assert_eq!((count, sizes), (1 + 6, vec![[27, 37], [18, 18]]));
}

#[test]
fn tiles_of_free_shape_equal_the_whole() {
    for (width, height) in [(96, 64), (67, 91), (150, 33)] {
        let frames = [1, 2].map(|number| Picture::new(width, height, number));
        let free = |tile, overlap| GraphSizes {
            shape: TileShape::Free,
            ..rule(tile, overlap)
        };
        let tiled = Geometry {
            encoder: free(20, 6),
            restorer: free(16, 5),
            decoder: free(13, 4),
            ..geometry()
        };
        let fake = Fake::new(tiled);
        let mut stream = fake.stream();
        for (at, frame) in frames.iter().enumerate() {
            let (output, _) = restore(&mut stream, frame).unwrap();
            assert_close(&output, &expected(frame, &frames[at.saturating_sub(1)]), 1);
        }
        for (graph, side) in [(Graph::Encoder, 20), (Graph::Restorer, 16), (Graph::Decoder, 13)] {
            let (count, sizes) = calls(&fake, graph);
            assert!(count > 2, "{width}x{height} is more than one tile of the {graph:?}");
            assert!(
                sizes.len() == 1 && sizes[0][0] * sizes[0][1] <= side * side,
                "{graph:?}: {sizes:?}"
            );
        }
    }
}

#[test]
fn every_graph_tiles_on_its_own() {
    let frame = Picture::new(80, 72, 1);
    let whole = expected(&frame, &frame);
    for graph in Graph::ALL {
        let mut geometry = geometry();
        match graph {
            Graph::Encoder => geometry.encoder = rule(16, 4),
            Graph::Restorer => geometry.restorer = rule(16, 4),
            Graph::Decoder => geometry.decoder = rule(16, 4),
        }
        let fake = Fake::new(geometry);
        assert_close(&restore(&mut fake.stream(), &frame).unwrap().0, &whole, 1);
        for other in Graph::ALL {
            assert_eq!(
                calls(&fake, other).0 > 1,
                other == graph,
                "{graph:?} tiled, calls of {other:?}"
            );
        }
    }
}

#[test]
fn tile_settings_are_output_pixels_of_the_restorer() {
    let frame = Picture::new(80, 72, 1);
    // Settings, the pack's rule, and the side of the tiles in samples; 40x36 samples.
    let cases = [
        ((0, 0), rule(16, 4), 16),
        ((12 * FACTOR as u32, 0), rule(16, 4), 12),
        ((12 * FACTOR as u32 + 7, 0), rule(16, 4), 12),
        ((1, 0), rule(16, 4), 8),
        ((12 * FACTOR as u32, 0), rule(0, 0), 12),
        ((20 * FACTOR as u32, 10 * FACTOR as u32), rule(16, 4), 20),
        ((u32::MAX, 0), rule(16, 4), 0),
    ];
    for ((tile_size, tile_overlap), restorer, side) in cases {
        let fake = Fake::new(Geometry { restorer, ..geometry() });
        let settings = Settings {
            tile_size,
            tile_overlap,
            ..Settings::default()
        };
        let (output, _) = restore(&mut fake.stream_with(settings), &frame).unwrap();
        assert_close(&output, &expected(&frame, &frame), 1);
        let (count, sizes) = calls(&fake, Graph::Restorer);
        assert_eq!(
            sizes,
            [if side == 0 { [36, 40] } else { [side, side] }],
            "tile-size {tile_size}"
        );
        if tile_overlap != 0 {
            assert_eq!(count, 3 * 3, "20 samples, 10 apart: 0, 10, 16 and 0, 10, 20");
        }
    }
}

#[test]
fn the_encoder_gets_the_bicubic_picture_of_the_padded_frame() {
    let geometry = Geometry {
        encodes_upscaled: true,
        decoder_conditioned: false,
        ..geometry()
    };
    let fake = Fake::recording(geometry);
    let frame = Picture::new(25, 19, 1);
    let (output, _) = restore(&mut fake.stream(), &frame).unwrap();
    assert_eq!((output.width, output.height), (100, 76));

    let mut padded = Vec::new();
    for y in 0..20 {
        for x in 0..26 {
            let at = (y.min(18) * 25 + x.min(24)) * 3;
            padded.extend_from_slice(&frame.data[at..at + 3]);
        }
    }
    let mut picture = vec![0; padded.len() * 16];
    upscale::Upscaler::new()
        .upscale(&padded, 26, 20, upscale::Samples::Rgb, &mut picture)
        .unwrap();
    let pictures = fake.pictures.as_ref().unwrap().lock().unwrap();
    assert_eq!(pictures.len(), 1);
    assert_eq!(pictures[0].dim(), (1, 80, 104, 3));
    assert!(pictures[0].as_slice().unwrap() == picture);

    // The decoder repeats block means, so any output pixel is the mean of its 8x8 block of that picture.
    for (y, x, c) in [(0, 0, 0), (37, 51, 1), (75, 99, 2)] {
        let (top, left) = (y / FACTOR * FACTOR, x / FACTOR * FACTOR);
        let block = (0..FACTOR * FACTOR).map(|at| (top + at / FACTOR, left + at % FACTOR));
        let sum: f32 = block.map(|(y, x)| f32::from(picture[(y * 104 + x) * 3 + c])).sum();
        let mean = (sum / (FACTOR * FACTOR) as f32 + 1.0 / 64.0).round() as u8;
        assert_eq!(output.data[(y * 100 + x) * 3 + c], mean);
    }
}

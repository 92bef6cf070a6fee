//! Errors leave a stream that goes on, with a frame that is paired with itself.

use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{
    ColorFix, Geometry, GraphErrorKind, PixelLayout, PixelView, PixelViewMut, RestoreError, Settings, Stream,
};

use crate::fake::{Fake, Picture, assert_close, expected, geometry, restore, rule};

#[test]
fn a_failing_graph_is_named_and_empties_the_window() {
    for tile in [0, 12] {
        for graph in Graph::ALL {
            let tiled = Geometry {
                encoder: rule(tile, 0),
                restorer: rule(tile, 0),
                decoder: rule(tile, 0),
                ..geometry()
            };
            let fake = Fake::new(tiled);
            let mut stream = fake.stream();
            let frames = [0, 1, 2, 3].map(|number| Picture::new(48, 32, number));
            restore(&mut stream, &frames[0]).unwrap();
            *fake.failing.lock().unwrap() = Some(graph);
            let error = restore(&mut stream, &frames[1]).err().unwrap();
            let RestoreError::Graph(inner) = &error else {
                panic!("{error:?}")
            };
            assert_eq!((inner.graph, inner.kind), (graph, GraphErrorKind::OutOfMemory));
            for part in [graph.file_name(), "the test wants it so", "tile-size"] {
                assert!(error.to_string().contains(part), "{error}");
            }
            *fake.failing.lock().unwrap() = None;
            let (output, report) = restore(&mut stream, &frames[2]).unwrap();
            assert!(report.paired_with_itself);
            assert_close(&output, &expected(&frames[2], &frames[2]), u8::from(tile != 0));
            let (output, report) = restore(&mut stream, &frames[3]).unwrap();
            assert!(!report.paired_with_itself);
            assert_close(&output, &expected(&frames[3], &frames[2]), u8::from(tile != 0));
        }
    }
}

#[test]
fn a_tensor_of_another_size_is_an_error_with_both_shapes() {
    for (graph, tensor) in [(Graph::Encoder, "latent"), (Graph::Restorer, "restored")] {
        let fake = Fake::new(geometry());
        *fake.misshapen.lock().unwrap() = Some(graph);
        let error = restore(&mut fake.stream(), &Picture::new(32, 16, 0)).err().unwrap();
        let text = error.to_string();
        let RestoreError::TensorShape {
            graph: named,
            tensor: of,
            expected,
            actual,
        } = error
        else {
            panic!("{text}")
        };
        assert_eq!((named, of, expected), (graph, tensor, [1, 3, 8, 16]));
        assert!(actual != expected);
        assert!(
            text.contains("[1, 3, 8, 16]") && text.contains(&format!("{actual:?}")),
            "{text}"
        );
    }
}

#[test]
fn an_output_of_another_size_is_refused_and_empties_the_window() {
    let frame = Picture::new(20, 16, 0);
    let fake = Fake::new(geometry());
    let mut stream = fake.stream();
    restore(&mut stream, &frame).unwrap();
    let mut data = vec![0; 80 * 65 * 3];
    for (width, height) in [(80, 65), (79, 64), (20, 16)] {
        let mut output = PixelViewMut::new(&mut data, width, height, width * 3, PixelLayout::Rgb).unwrap();
        let error = stream.restore(&frame.view(), &mut output).unwrap_err();
        assert!(
            matches!(
                error,
                RestoreError::OutputSize {
                    width: 80,
                    height: 64,
                    ..
                }
            ),
            "{error}"
        );
    }
    assert!(restore(&mut stream, &frame).unwrap().1.paired_with_itself);
}

#[test]
fn a_view_made_by_hand_is_checked() {
    let fake = Fake::new(geometry());
    let mut data = vec![0; 64 * 64 * 3];
    let mut output = PixelViewMut::new(&mut data, 64, 64, 192, PixelLayout::Rgb).unwrap();
    let short = [0; 100];
    let input = PixelView {
        data: &short,
        width: 16,
        height: 16,
        stride: 48,
        layout: PixelLayout::Rgb,
    };
    assert!(matches!(
        fake.stream().restore(&input, &mut output),
        Err(RestoreError::Picture { .. })
    ));
    assert_eq!(fake.encoder_calls(), 0);
}

/// Makes a geometry wrong.
type Change = fn(&mut Geometry);

#[test]
fn sizes_that_cannot_be_planned_with_are_refused() {
    let wrong: [(&str, Change); 7] = [
        ("latent.channels", |geometry| geometry.channels = 0),
        ("latent.factor", |geometry| geometry.factor = 6),
        ("latent.factor", |geometry| geometry.factor = 0),
        ("encoder.min", |geometry| geometry.encoder.min = 0),
        ("decoder.multiple", |geometry| geometry.decoder.multiple = 0),
        ("restorer.tile", |geometry| geometry.restorer.tile = 7),
        ("restorer.tile", |geometry| {
            geometry.restorer.multiple = 4;
            geometry.restorer.tile = 10;
        }),
    ];
    for (key, change) in wrong {
        let mut geometry = Geometry {
            color_fix: ColorFix::None,
            ..geometry()
        };
        change(&mut geometry);
        let fake = Fake::new(crate::fake::geometry());
        let error = Stream::with_geometry(fake, geometry, Settings::default())
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains(key) && error.contains("pack.toml"), "{error}");
    }
}

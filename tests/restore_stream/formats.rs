//! Layouts, strides and alpha.

use gstdloralvsr::restore::upscale::{Samples, Upscaler};
use gstdloralvsr::restore::{PixelLayout, PixelView, PixelViewMut, RestoreError};

use crate::fake::{Fake, Picture, expected, geometry};

/// Between the rows of the test's pictures; no picture may write it.
const GAP: u8 = 0xA5;
const FILLER: u8 = 0x5A;

fn alpha_of(at: usize) -> u8 {
    (at * 31 % 256) as u8
}

/// The picture in a layout, with `gap` bytes after each row but the last.
fn packed(picture: &Picture, layout: PixelLayout, gap: usize) -> (Vec<u8>, usize) {
    let bytes = layout.bytes_per_pixel();
    let stride = picture.width * bytes + gap;
    let mut data = vec![GAP; stride * (picture.height - 1) + picture.width * bytes];
    for (at, rgb) in picture.data.as_chunks::<3>().0.iter().enumerate() {
        let pixel = &mut data[at / picture.width * stride + at % picture.width * bytes..][..bytes];
        pixel.fill(FILLER);
        layout
            .channel_offsets()
            .iter()
            .zip(rgb)
            .for_each(|(offset, value)| pixel[*offset] = *value);
        if let Some(offset) = layout.alpha_offset() {
            pixel[offset] = alpha_of(at);
        }
    }
    (data, stride)
}

#[test]
fn all_layouts_and_strides_carry_the_same_picture() {
    let frame = Picture::new(19, 17, 1);
    let (width, height) = (76, 68);
    let rgb = expected(&frame, &frame).data;
    let plane: Vec<u8> = (0..19 * 17).map(alpha_of).collect();
    let mut alpha = vec![0; width * height];
    let mut upscaler = Upscaler::new();
    upscaler.upscale(&plane, 19, 17, Samples::Single, &mut alpha).unwrap();
    let opaque = vec![255; width * height];

    for (i, from) in PixelLayout::ALL.into_iter().enumerate() {
        for (j, to) in PixelLayout::ALL.into_iter().enumerate() {
            // Each layout is met packed and with gaps, on both sides.
            let (gap, output_gap) = [(0, 0), (1, 13)][(i + j) % 2];
            let (input, stride) = packed(&frame, from, gap);
            let input = PixelView::new(&input, 19, 17, stride, from).unwrap();
            let stride = width * to.bytes_per_pixel() + output_gap;
            let mut data = vec![GAP; stride * height];
            let mut output = PixelViewMut::new(&mut data, width, height, stride, to).unwrap();
            Fake::new(geometry()).stream().restore(&input, &mut output).unwrap();
            let has_alpha = from.alpha_offset().is_some() && to.alpha_offset().is_some();
            let fourth = if has_alpha { &alpha } else { &opaque };
            assert_holds(
                &data,
                [stride, output_gap],
                to,
                &rgb,
                fourth,
                &format!("{from:?} to {to:?}"),
            );
        }
    }
}

/// Fails unless `data` holds the colours and the fourth byte of every pixel, and its gaps are as they were.
fn assert_holds(data: &[u8], [stride, gap]: [usize; 2], layout: PixelLayout, rgb: &[u8], fourth: &[u8], case: &str) {
    let bytes = layout.bytes_per_pixel();
    let fourth_offset = (0..bytes).find(|byte| !layout.channel_offsets().contains(byte));
    let mut pixels = rgb.as_chunks::<3>().0.iter().zip(fourth);
    for (y, row) in data.chunks_exact(stride).enumerate() {
        let (row, gap) = row.split_at(stride - gap);
        assert!(gap.iter().all(|byte| *byte == GAP), "{case}: after row {y}");
        for (x, pixel) in row.chunks_exact(bytes).enumerate() {
            let (rgb, fourth) = pixels.next().unwrap();
            assert_eq!(
                layout.channel_offsets().map(|offset| pixel[offset]),
                *rgb,
                "{case} at ({y}, {x})"
            );
            assert!(
                fourth_offset.is_none_or(|offset| pixel[offset] == *fourth),
                "{case} at ({y}, {x})"
            );
        }
    }
    assert!(pixels.next().is_none());
}

#[test]
fn offsets_name_each_byte_once() {
    for layout in PixelLayout::ALL {
        let mut offsets = layout.channel_offsets().to_vec();
        offsets.extend(layout.alpha_offset());
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(
            offsets.len(),
            3 + usize::from(layout.alpha_offset().is_some()),
            "{layout:?}"
        );
        assert!(
            offsets.iter().all(|offset| *offset < layout.bytes_per_pixel()),
            "{layout:?}"
        );
    }
}

#[test]
fn views_that_do_not_fit_are_refused() {
    let mut data = vec![0; 100];
    let cases = [
        (0, 4, 12, PixelLayout::Rgb),
        (4, 0, 12, PixelLayout::Rgb),
        (4, 4, 11, PixelLayout::Rgb),
        (4, 4, 15, PixelLayout::Argb),
        (4, 9, 12, PixelLayout::Rgb),
        (4, 2, 89, PixelLayout::Rgb),
        (usize::MAX / 2, 4, usize::MAX, PixelLayout::Rgba),
        (4, usize::MAX / 2, 12, PixelLayout::Rgb),
    ];
    for (width, height, stride, layout) in cases {
        let view = PixelView::new(&data, width, height, stride, layout);
        assert!(
            matches!(view, Err(RestoreError::Picture { .. })),
            "{width}x{height}, stride {stride}, {layout:?}"
        );
        let view = PixelViewMut::new(&mut data, width, height, stride, layout);
        assert!(
            matches!(view, Err(RestoreError::Picture { .. })),
            "{width}x{height}, stride {stride}, {layout:?}"
        );
    }
    // The last row may end with its last pixel.
    assert!(PixelView::new(&data, 4, 2, 88, PixelLayout::Rgb).is_ok());
}

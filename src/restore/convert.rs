//! Between the RGB layouts, with strides, and packed RGB: three bytes a pixel, nothing between rows.

use super::pixels::{PixelLayout, PixelView, PixelViewMut};

/// Value of unused bytes, and of alpha where the input has none.
const OPAQUE: u8 = 255;

/// Turns a row of one layout into a row of another, of as many pixels.
type ConvertRow = fn(&[u8], &mut [u8]);

/// Writes the colours of `view` as RGB into rows of `stride` bytes.
pub(super) fn unpack(view: &PixelView<'_>, rgb: &mut [u8], stride: usize) {
    let convert: ConvertRow = match view.layout {
        PixelLayout::Rgb => |from, to| to.copy_from_slice(from),
        PixelLayout::Bgr => unpack_row::<3, 2, 1, 0>,
        PixelLayout::Rgbx | PixelLayout::Rgba => unpack_row::<4, 0, 1, 2>,
        PixelLayout::Bgrx | PixelLayout::Bgra => unpack_row::<4, 2, 1, 0>,
        PixelLayout::Xrgb | PixelLayout::Argb => unpack_row::<4, 1, 2, 3>,
        PixelLayout::Xbgr | PixelLayout::Abgr => unpack_row::<4, 3, 2, 1>,
    };
    for (from, to) in view.rows().zip(rgb.chunks_mut(stride)) {
        convert(from, &mut to[..view.width * 3]);
    }
}

fn unpack_row<const N: usize, const R: usize, const G: usize, const B: usize>(from: &[u8], to: &mut [u8]) {
    let pixels = from.as_chunks::<N>().0.iter().zip(to.as_chunks_mut::<3>().0);
    pixels.for_each(|(from, to)| *to = [from[R], from[G], from[B]]);
}

/// Writes the alpha of `view` as a packed plane into `plane`, which is empty if the layout has none.
pub(super) fn unpack_alpha(view: &PixelView<'_>, plane: &mut Vec<u8>) {
    plane.clear();
    let Some(offset) = view.layout.alpha_offset() else {
        return;
    };
    for row in view.rows() {
        plane.extend(row.as_chunks::<4>().0.iter().map(|pixel| pixel[offset]));
    }
}

/// Writes packed RGB, and a packed alpha plane if both are there, into `view`. Unused bytes, and alpha for which there
/// is no plane, become 255.
pub(super) fn pack(rgb: &[u8], alpha: Option<&[u8]>, view: &mut PixelViewMut<'_>) {
    let convert: ConvertRow = match view.layout {
        PixelLayout::Rgb => |from, to| to.copy_from_slice(from),
        PixelLayout::Bgr => |from, to| {
            let pixels = from.as_chunks::<3>().0.iter().zip(to.as_chunks_mut::<3>().0);
            pixels.for_each(|([red, green, blue], to)| *to = [*blue, *green, *red]);
        },
        PixelLayout::Rgbx | PixelLayout::Rgba => pack_row::<0, 1, 2, 3>,
        PixelLayout::Bgrx | PixelLayout::Bgra => pack_row::<2, 1, 0, 3>,
        PixelLayout::Xrgb | PixelLayout::Argb => pack_row::<1, 2, 3, 0>,
        PixelLayout::Xbgr | PixelLayout::Abgr => pack_row::<3, 2, 1, 0>,
    };
    let width = view.width;
    for (from, to) in rgb.chunks_exact(width * 3).zip(view.rows_mut()) {
        convert(from, to);
    }
    if let (Some(plane), Some(offset)) = (alpha, view.layout.alpha_offset()) {
        for (from, to) in plane.chunks_exact(width).zip(view.rows_mut()) {
            to.as_chunks_mut::<4>()
                .0
                .iter_mut()
                .zip(from)
                .for_each(|(pixel, alpha)| pixel[offset] = *alpha);
        }
    }
}

/// `R`, `G` and `B` are where the channels go, `X` is the byte that remains.
fn pack_row<const R: usize, const G: usize, const B: usize, const X: usize>(from: &[u8], to: &mut [u8]) {
    for ([red, green, blue], to) in from.as_chunks::<3>().0.iter().zip(to.as_chunks_mut::<4>().0) {
        (to[R], to[G], to[B], to[X]) = (*red, *green, *blue, OPAQUE);
    }
}

/// Repeats the right and the lower edge of a `[height, width]` RGB picture, which lies at the top left of a packed
/// `padded` one, over the rest of that.
pub(super) fn extend_edges(picture: &mut [u8], [height, width]: [usize; 2], padded: [usize; 2]) {
    let stride = padded[1] * 3;
    if width < padded[1] {
        for row in picture.chunks_exact_mut(stride).take(height) {
            let (inside, outside) = row.split_at_mut(width * 3);
            let edge = &inside[(width - 1) * 3..];
            outside
                .chunks_exact_mut(3)
                .for_each(|pixel| pixel.copy_from_slice(edge));
        }
    }
    for row in height..padded[0] {
        picture.copy_within((height - 1) * stride..height * stride, row * stride);
    }
}

/// Moves the `[height, width]` RGB picture at the top left of a packed one `padded_width` wide together, so that the
/// slice starts with it, packed.
pub(super) fn crop(picture: &mut [u8], [height, width]: [usize; 2], padded_width: usize) {
    if width < padded_width {
        for row in 1..height {
            let start = row * padded_width * 3;
            picture.copy_within(start..start + width * 3, row * width * 3);
        }
    }
}

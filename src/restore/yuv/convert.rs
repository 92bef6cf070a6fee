//! Between YUV of any layout and packed RGB.

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPlanarImage, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, rgb_to_yuv444,
    yuv444_to_rgb,
};

use super::{Matrix, YuvLayout, YuvView, YuvViewMut, chroma};
use crate::restore::RestoreError;

impl Matrix {
    /// By the weights of red and blue: the library's table for SMPTE 240M is not that standard's.
    fn standard(self) -> YuvStandardMatrix {
        let (red, blue) = match self {
            Matrix::Bt601 => (0.299, 0.114),
            Matrix::Bt709 => (0.2126, 0.0722),
            Matrix::Bt2020 => (0.2627, 0.0593),
            Matrix::Smpte240m => (0.212, 0.087),
            Matrix::Fcc => (0.30, 0.11),
        };
        YuvStandardMatrix::Custom(red, blue)
    }
}

fn range(layout: YuvLayout) -> YuvRange {
    match layout.full_range {
        true => YuvRange::Full,
        false => YuvRange::Limited,
    }
}

/// Writes the picture as packed RGB into `rgb`, of exactly its size.
///
/// # Errors
/// [`RestoreError::Picture`] if the picture is too large for the library.
pub(in crate::restore) fn unpack(view: &YuvView<'_>, rgb: &mut [u8]) -> Result<(), RestoreError> {
    let size = [view.height, view.width];
    let [y, u, v] = std::array::from_fn(|component| gather(view, component));
    let layout = view.layout;
    let [u, v] = [u, v].map(|plane| match layout.halved {
        [false, false] => plane,
        _ => chroma::enlarge(&plane, size, &layout),
    });
    let ([width, height], stride) = dimensions(size)?;
    let image = YuvPlanarImage {
        y_plane: &y,
        y_stride: width,
        u_plane: &u,
        u_stride: width,
        v_plane: &v,
        v_stride: width,
        width,
        height,
    };
    yuv444_to_rgb(&image, rgb, stride, range(layout), layout.matrix.standard()).map_err(|_| picture_error(size))
}

/// One component, packed.
fn gather(view: &YuvView<'_>, component: usize) -> Vec<u8> {
    let from = view.components[component];
    let [height, width] = view.layout.sizes([view.height, view.width])[component];
    let mut plane = Vec::with_capacity(height * width);
    for y in 0..height {
        let row = &view.planes[from.plane][from.row(y, width)];
        match from.step {
            1 => plane.extend_from_slice(row),
            step => plane.extend(row.iter().step_by(step)),
        }
    }
    plane
}

/// Rows that are converted at a time, an even number: scratch memory does not grow with the picture's height.
const BAND: usize = 128;

/// Writes RGB as YUV; keeps its scratch memory from one picture to the next.
#[derive(Debug, Default)]
pub(in crate::restore) struct Packer {
    /// Y, U and V of every pixel of a band.
    planes: [Vec<u8>; 3],
    sums: Vec<u16>,
    row: Vec<u8>,
}

impl Packer {
    /// Writes packed RGB of the view's size into it. What lies between samples is not touched.
    ///
    /// # Errors
    /// [`RestoreError::Picture`] if the picture is too large for the library.
    pub fn pack(&mut self, rgb: &[u8], view: &mut YuvViewMut<'_>) -> Result<(), RestoreError> {
        for start in (0..view.height).step_by(BAND) {
            let end = (start + BAND).min(view.height);
            // Chroma of the first row may be made of the one before, too.
            let first = start.saturating_sub(1);
            let band = &rgb[first * view.width * 3..end * view.width * 3];
            self.convert(band, [end - first, view.width], view.layout)?;
            for component in 0..3 {
                let step = if component > 0 && view.layout.halved[0] { 2 } else { 1 };
                for y in (start..end).step_by(step) {
                    self.write_row(component, ([end - first, view.width], y - first), y / step, view);
                }
            }
        }
        Ok(())
    }

    fn convert(&mut self, rgb: &[u8], size: [usize; 2], layout: YuvLayout) -> Result<(), RestoreError> {
        let ([width, height], stride) = dimensions(size)?;
        for plane in &mut self.planes {
            plane.resize(size[0] * size[1], 0);
        }
        let [y, u, v] = &mut self.planes;
        let mut image = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(y),
            y_stride: width,
            u_plane: BufferStoreMut::Borrowed(u),
            u_stride: width,
            v_plane: BufferStoreMut::Borrowed(v),
            v_stride: width,
            width,
            height,
        };
        rgb_to_yuv444(
            &mut image,
            rgb,
            stride,
            range(layout),
            layout.matrix.standard(),
            YuvConversionMode::Balanced,
        )
        .map_err(|_| picture_error(size))
    }

    /// Writes row `y` of a component, which the band, of `size`, has from its row `on`.
    fn write_row(&mut self, component: usize, (size, on): ([usize; 2], usize), y: usize, view: &mut YuvViewMut<'_>) {
        let plane = &self.planes[component];
        let row = match (component, view.layout.halved) {
            (0, _) | (_, [false, false]) => &plane[on * size[1]..(on + 1) * size[1]],
            _ => {
                chroma::reduce_row(plane, size, &view.layout, on, &mut self.sums, &mut self.row);
                &self.row[..]
            }
        };
        let place = view.components[component];
        let to = &mut view.planes[place.plane][place.row(y, row.len())];
        match place.step {
            1 => to.copy_from_slice(row),
            step => to.iter_mut().step_by(step).zip(row).for_each(|(to, from)| *to = *from),
        }
    }
}

/// Width and height, and bytes of an RGB row, as the library takes them.
fn dimensions([height, width]: [usize; 2]) -> Result<([u32; 2], u32), RestoreError> {
    let fits = || {
        Some((
            [u32::try_from(width).ok()?, u32::try_from(height).ok()?],
            u32::try_from(width.checked_mul(3)?).ok()?,
        ))
    };
    fits().ok_or(picture_error([height, width]))
}

/// Views and planes have been checked, so the library refuses only a picture beyond its sizes.
fn picture_error([height, width]: [usize; 2]) -> RestoreError {
    RestoreError::Picture {
        width,
        height,
        stride: width.saturating_mul(3),
        bytes_per_pixel: 3,
        available: 0,
    }
}

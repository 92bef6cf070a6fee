//! Pixels in memory: the ten packed 8-bit RGB layouts, with strides.

use std::ops::Deref;

use super::RestoreError;

/// A packed layout of 8-bit channels; the name gives the order of the bytes, `x` is an unused one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelLayout {
    Rgb,
    Bgr,
    Rgbx,
    Bgrx,
    Xrgb,
    Xbgr,
    Rgba,
    Bgra,
    Argb,
    Abgr,
}

impl PixelLayout {
    /// Every layout.
    pub const ALL: [PixelLayout; 10] = [
        Self::Rgb,
        Self::Bgr,
        Self::Rgbx,
        Self::Bgrx,
        Self::Xrgb,
        Self::Xbgr,
        Self::Rgba,
        Self::Bgra,
        Self::Argb,
        Self::Abgr,
    ];

    /// Bytes of one pixel, 3 or 4.
    pub const fn bytes_per_pixel(self) -> usize {
        match self {
            Self::Rgb | Self::Bgr => 3,
            _ => 4,
        }
    }

    /// Where red, green and blue lie in a pixel, in bytes.
    pub const fn channel_offsets(self) -> [usize; 3] {
        match self {
            Self::Rgb | Self::Rgbx | Self::Rgba => [0, 1, 2],
            Self::Bgr | Self::Bgrx | Self::Bgra => [2, 1, 0],
            Self::Xrgb | Self::Argb => [1, 2, 3],
            Self::Xbgr | Self::Abgr => [3, 2, 1],
        }
    }

    /// Where alpha lies in a pixel, in bytes, if the layout has one.
    pub const fn alpha_offset(self) -> Option<usize> {
        match self {
            Self::Rgba | Self::Bgra => Some(3),
            Self::Argb | Self::Abgr => Some(0),
            _ => None,
        }
    }
}

/// A picture in the bytes `D`.
#[derive(Debug, Clone, Copy)]
pub struct PixelPicture<D> {
    /// From the first byte of the first row.
    pub data: D,
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Order of the bytes.
    pub layout: PixelLayout,
}

/// A picture to read.
pub type PixelView<'a> = PixelPicture<&'a [u8]>;
/// A picture to write.
pub type PixelViewMut<'a> = PixelPicture<&'a mut [u8]>;

impl<D: Deref<Target = [u8]>> PixelPicture<D> {
    /// A view whose sizes are checked. The last row may end with its last pixel.
    ///
    /// # Errors
    /// [`RestoreError::Picture`] if a side is 0, the stride is less than a row, or `data` is too short.
    pub fn new(data: D, width: usize, height: usize, stride: usize, layout: PixelLayout) -> Result<Self, RestoreError> {
        let view = PixelPicture {
            data,
            width,
            height,
            stride,
            layout,
        };
        view.check().map(|()| view)
    }

    /// Fields are public, so whoever is given a view checks it again.
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        let bytes_per_pixel = self.layout.bytes_per_pixel();
        let fits = || {
            let row = self
                .width
                .checked_mul(bytes_per_pixel)
                .filter(|row| *row > 0 && *row <= self.stride)?;
            let end = self.height.checked_sub(1)?.checked_mul(self.stride)?.checked_add(row)?;
            (end <= self.data.len()).then_some(())
        };
        fits().ok_or(RestoreError::Picture {
            width: self.width,
            height: self.height,
            stride: self.stride,
            bytes_per_pixel,
            available: self.data.len(),
        })
    }
}

impl<'a> PixelView<'a> {
    /// The pixels of every row, without what lies between rows.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let row = self.width * self.layout.bytes_per_pixel();
        let rows = self.data.chunks(self.stride).take(self.height);
        rows.map(move |bytes| &bytes[..row])
    }
}

impl PixelViewMut<'_> {
    /// The pixels of every row, without what lies between rows.
    pub(super) fn rows_mut(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let row = self.width * self.layout.bytes_per_pixel();
        let rows = self.data.chunks_mut(self.stride).take(self.height);
        rows.map(move |bytes| &mut bytes[..row])
    }
}

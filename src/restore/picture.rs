//! A picture of either kind, RGB or YUV.

use std::ops::Deref;

use super::RestoreError;
use super::pixels::{PixelPicture, PixelView, PixelViewMut};
use super::yuv::{YuvPicture, YuvView, YuvViewMut};

/// A picture in the bytes `D`.
#[derive(Debug, Clone, Copy)]
pub enum Picture<D> {
    /// Packed RGB.
    Rgb(PixelPicture<D>),
    /// YUV.
    Yuv(YuvPicture<D>),
}

/// A picture to read.
pub type PictureView<'a> = Picture<&'a [u8]>;
/// A picture to write.
pub type PictureViewMut<'a> = Picture<&'a mut [u8]>;

impl<D: Deref<Target = [u8]>> Picture<D> {
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        match self {
            Picture::Rgb(view) => view.check(),
            Picture::Yuv(view) => view.check(),
        }
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> [usize; 2] {
        match self {
            Picture::Rgb(view) => [view.height, view.width],
            Picture::Yuv(view) => [view.height, view.width],
        }
    }

    /// Whether there is alpha.
    pub(super) fn has_alpha(&self) -> bool {
        matches!(self, Picture::Rgb(view) if view.layout.alpha_offset().is_some())
    }
}

impl<'a> From<&PixelView<'a>> for PictureView<'a> {
    fn from(view: &PixelView<'a>) -> Self {
        Picture::Rgb(*view)
    }
}

impl<'a> From<&YuvView<'a>> for PictureView<'a> {
    fn from(view: &YuvView<'a>) -> Self {
        Picture::Yuv(*view)
    }
}

impl<'a> From<&'a mut PixelViewMut<'_>> for PictureViewMut<'a> {
    fn from(view: &'a mut PixelViewMut<'_>) -> Self {
        Picture::Rgb(PixelPicture {
            data: &mut *view.data,
            ..*view
        })
    }
}

impl<'a> From<&'a mut YuvViewMut<'_>> for PictureViewMut<'a> {
    fn from(view: &'a mut YuvViewMut<'_>) -> Self {
        Picture::Yuv(YuvPicture {
            planes: view.planes.each_mut().map(|plane| &mut **plane),
            ..*view
        })
    }
}

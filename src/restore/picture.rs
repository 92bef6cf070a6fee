//! A picture of either kind, RGB or YUV.

use super::RestoreError;
use super::pixels::{PixelView, PixelViewMut};
use super::yuv::{YuvView, YuvViewMut};

/// A picture to read.
#[derive(Debug, Clone, Copy)]
pub enum PictureView<'a> {
    /// Packed RGB.
    Rgb(PixelView<'a>),
    /// YUV.
    Yuv(YuvView<'a>),
}

impl PictureView<'_> {
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        match self {
            PictureView::Rgb(view) => view.check(),
            PictureView::Yuv(view) => view.check(),
        }
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> [usize; 2] {
        match self {
            PictureView::Rgb(view) => [view.height, view.width],
            PictureView::Yuv(view) => [view.height, view.width],
        }
    }
}

impl<'a> From<&PixelView<'a>> for PictureView<'a> {
    fn from(view: &PixelView<'a>) -> Self {
        PictureView::Rgb(*view)
    }
}

impl<'a> From<&YuvView<'a>> for PictureView<'a> {
    fn from(view: &YuvView<'a>) -> Self {
        PictureView::Yuv(*view)
    }
}

/// A picture to write.
#[derive(Debug)]
pub enum PictureViewMut<'a> {
    /// Packed RGB.
    Rgb(PixelViewMut<'a>),
    /// YUV.
    Yuv(YuvViewMut<'a>),
}

impl PictureViewMut<'_> {
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        match self {
            PictureViewMut::Rgb(view) => view.check(),
            PictureViewMut::Yuv(view) => view.check(),
        }
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> [usize; 2] {
        match self {
            PictureViewMut::Rgb(view) => [view.height, view.width],
            PictureViewMut::Yuv(view) => [view.height, view.width],
        }
    }

    /// Whether alpha can be written.
    pub(super) fn has_alpha(&self) -> bool {
        matches!(self, PictureViewMut::Rgb(view) if view.layout.alpha_offset().is_some())
    }
}

impl<'a> From<&'a mut PixelViewMut<'_>> for PictureViewMut<'a> {
    fn from(view: &'a mut PixelViewMut<'_>) -> Self {
        PictureViewMut::Rgb(PixelViewMut {
            data: &mut *view.data,
            ..*view
        })
    }
}

impl<'a> From<&'a mut YuvViewMut<'_>> for PictureViewMut<'a> {
    fn from(view: &'a mut YuvViewMut<'_>) -> Self {
        PictureViewMut::Yuv(YuvViewMut {
            data: &mut *view.data,
            ..*view
        })
    }
}

//! A frame's pixels, apart from the memory they came in.

use super::picture::PictureView;
use super::pixels::{PixelLayout, PixelView};
use super::{RestoreError, convert, yuv};

/// One input frame: packed RGB, and its alpha plane if it has one. Can be handed to another thread while the buffer it
/// was read from goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
    /// Empty where the layout has none.
    alpha: Vec<u8>,
}

impl Frame {
    /// Copies the picture out of `view`, YUV as RGB.
    ///
    /// # Errors
    /// [`RestoreError::Picture`] if the view is not valid.
    pub fn read<'a>(view: impl Into<PictureView<'a>>) -> Result<Frame, RestoreError> {
        let view = view.into();
        view.check()?;
        let [height, width] = view.size();
        let mut frame = Frame {
            width,
            height,
            rgb: vec![0; width * height * 3],
            alpha: Vec::new(),
        };
        match &view {
            PictureView::Rgb(view) => {
                convert::unpack(view, &mut frame.rgb, width * 3);
                convert::unpack_alpha(view, &mut frame.alpha);
            }
            PictureView::Yuv(view) => yuv::unpack(view, &mut frame.rgb)?,
        }
        Ok(frame)
    }

    /// Pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Packed RGB, row by row.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// The alpha plane, packed, if there is one.
    pub(super) fn alpha(&self) -> Option<&[u8]> {
        (!self.alpha.is_empty()).then_some(&self.alpha[..])
    }

    /// The colours as a picture to read.
    pub(super) fn view(&self) -> PixelView<'_> {
        PixelView {
            data: &self.rgb,
            width: self.width,
            height: self.height,
            stride: self.width * 3,
            layout: PixelLayout::Rgb,
        }
    }
}

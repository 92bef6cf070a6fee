//! Pictures in 8-bit YUV: what their samples mean, and where these lie.
//!
//! The core restores RGB. YUV comes in and goes out through [`convert`], with [`chroma`] samples where the layout says
//! that they lie, so that neither brightness, colours nor their places depend on the format.

mod chroma;
mod convert;

use std::ops::Deref;

use super::RestoreError;

pub(super) use convert::{Packer, unpack};

/// How luma is weighted of red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Matrix {
    Bt601,
    Bt709,
    Bt2020,
    Smpte240m,
    Fcc,
}

/// What the samples of a picture mean. Pairs are of rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct YuvLayout {
    /// Whether two pixels share a chroma sample.
    pub halved: [bool; 2],
    /// Whether a shared sample lies on the first of its pixels, and not between them.
    pub cosited: [bool; 2],
    /// Luma's weights.
    pub matrix: Matrix,
    /// Whether luma is in 0 to 255, and not in 16 to 235.
    pub full_range: bool,
}

impl YuvLayout {
    /// Rows and columns of a chroma component of a picture of so many.
    pub fn chroma_size(&self, size: [usize; 2]) -> [usize; 2] {
        std::array::from_fn(|axis| match self.halved[axis] {
            true => size[axis].div_ceil(2),
            false => size[axis],
        })
    }

    /// Rows and columns of Y, U and V.
    fn sizes(&self, size: [usize; 2]) -> [[usize; 2]; 3] {
        let chroma = self.chroma_size(size);
        [size, chroma, chroma]
    }
}

/// Where the samples of one component lie. Components may share a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ComponentLayout {
    /// Which of the picture's planes has them.
    pub plane: usize,
    /// The first sample, bytes from the plane's first.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes from one sample to the next.
    pub step: usize,
}

impl ComponentLayout {
    /// Bytes of row `y`, from its first sample to its last, of `width`.
    fn row(&self, y: usize, width: usize) -> std::ops::Range<usize> {
        let start = self.offset + y * self.stride;
        start..start + (width - 1) * self.step + 1
    }

    fn check(&self, [height, width]: [usize; 2], available: usize) -> Result<(), RestoreError> {
        let fits = || {
            let row = width.checked_sub(1)?.checked_mul(self.step)?.checked_add(1)?;
            let rows = height.checked_sub(1)?.checked_mul(self.stride)?;
            let end = self.offset.checked_add(rows)?.checked_add(row)?;
            (self.step > 0 && row <= self.stride && end <= available).then_some(())
        };
        fits().ok_or(RestoreError::Picture {
            width,
            height,
            stride: self.stride,
            bytes_per_pixel: self.step,
            available: available.saturating_sub(self.offset),
        })
    }
}

/// A picture in the bytes `D`.
#[derive(Debug, Clone, Copy)]
pub struct YuvPicture<D> {
    /// Its samples. Formats of fewer planes leave the others empty.
    pub planes: [D; 3],
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Where Y, U and V lie.
    pub components: [ComponentLayout; 3],
    /// What they mean.
    pub layout: YuvLayout,
}

/// A picture to read.
pub type YuvView<'a> = YuvPicture<&'a [u8]>;
/// A picture to write.
pub type YuvViewMut<'a> = YuvPicture<&'a mut [u8]>;

impl<D: Deref<Target = [u8]>> YuvPicture<D> {
    /// A view whose sizes are checked. Rows may end with their last sample.
    ///
    /// # Errors
    /// [`RestoreError::Picture`] if a side or a step is 0, a stride is less than a row, or a plane is too short.
    pub fn new(
        planes: [D; 3],
        width: usize,
        height: usize,
        components: [ComponentLayout; 3],
        layout: YuvLayout,
    ) -> Result<Self, RestoreError> {
        let view = YuvPicture {
            planes,
            width,
            height,
            components,
            layout,
        };
        view.check().map(|()| view)
    }

    /// Fields are public, so whoever is given a view checks it again.
    pub(super) fn check(&self) -> Result<(), RestoreError> {
        let sizes = self.layout.sizes([self.height, self.width]);
        let mut components = self.components.iter().zip(sizes);
        components.try_for_each(|(component, size)| {
            let available = self.planes.get(component.plane).map_or(0, |plane| plane.len());
            component.check(size, available)
        })
    }
}

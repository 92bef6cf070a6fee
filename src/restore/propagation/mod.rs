//! Detail of a restored frame for those after it that are not restored: what the model has added to the bicubic picture is
//! moved along the optical flow and added to theirs.
//!
//! On the validation clips, with every second frame restored and the detail moved on to the ones between, pictures are
//! as sharp as with every frame restored, and nearly as close to the truth and as steady (`docs/live.md` has the
//! figures). Only luma is moved: it has nearly all of the detail. A place that looks otherwise in the two frames, as after
//! a cut or behind what has moved away, keeps the bicubic picture.

mod detail;
mod field;
mod flow;
mod plane;

use std::sync::Arc;

use self::detail::Detail;
use self::field::field;
use self::flow::{SMALLEST, flow};
use self::plane::{Plane, Pyramid};
use super::frame::Frame;
use super::upscale::{Samples, Upscaler};
use super::{RestoreError, SCALE};

/// The last restored frame, and its detail once that is wanted.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    restored: Option<(Arc<Frame>, Vec<u8>)>,
    source: Option<Source>,
    /// Memory for the restored frame's bicubic picture.
    bicubic: Vec<u8>,
}

/// What detail is taken from.
#[derive(Debug)]
struct Source {
    pyramid: Pyramid,
    detail: Detail,
}

impl Propagation {
    /// A frame was restored to this, tight RGB of 4W×4H. Gives back memory that is not needed any more.
    pub fn keep(&mut self, frame: Arc<Frame>, picture: Vec<u8>) -> Option<Vec<u8>> {
        let before = self.restored.replace((frame, picture));
        before.map(|(_, picture)| picture)
    }

    /// Adds the last restored frame's detail to the bicubic picture of another, tight RGB of 4W×4H. Says whether there
    /// was one of its size.
    ///
    /// # Errors
    /// As those of [`Upscaler::upscale`].
    pub fn add(&mut self, upscaler: &mut Upscaler, frame: &Frame, bicubic: &mut [u8]) -> Result<bool, RestoreError> {
        if let Some((restored, picture)) = self.restored.take() {
            self.source = Some(self.prepare(upscaler, &restored, &picture)?);
        }
        let pyramid = pyramid(frame);
        let Some(source) = self.source.as_ref().filter(|source| source.fits(&pyramid)) else {
            return Ok(false);
        };
        let flow = flow(&pyramid, &source.pyramid);
        source
            .detail
            .add(&field(&flow, &pyramid.0[0], &source.pyramid.0[0]), bicubic);
        Ok(true)
    }

    fn prepare(&mut self, upscaler: &mut Upscaler, frame: &Frame, picture: &[u8]) -> Result<Source, RestoreError> {
        let (width, height) = (frame.width(), frame.height());
        self.bicubic.resize(picture.len(), 0);
        upscaler.upscale(frame.rgb(), width, height, Samples::Rgb, &mut self.bicubic)?;
        Ok(Source {
            pyramid: pyramid(frame),
            detail: Detail::new(picture, &self.bicubic, width * SCALE, height * SCALE),
        })
    }
}

impl Source {
    fn fits(&self, pyramid: &Pyramid) -> bool {
        let size = |pyramid: &Pyramid| (pyramid.0[0].width, pyramid.0[0].height);
        size(pyramid) == size(&self.pyramid) && self.pyramid.0[0].width.min(self.pyramid.0[0].height) >= SMALLEST
    }
}

fn pyramid(frame: &Frame) -> Pyramid {
    let plane = Plane::of_rgb(frame.rgb(), frame.width(), frame.height());
    Pyramid::new(plane, SMALLEST)
}

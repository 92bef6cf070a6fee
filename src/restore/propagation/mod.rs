//! Detail of a restored frame for those after it that are not restored: its picture is moved along the optical flow into
//! their bicubic ones.
//!
//! On the validation clips, with every second frame restored and the detail moved on to the ones between, pictures are
//! nearly as sharp as with every frame restored, and as close to the truth (`docs/live.md` has the figures). What is moved
//! is as bright as the new frame shows it there. A place that looks otherwise in the two frames, as after a cut or behind
//! what has moved away, keeps the bicubic picture.

mod detail;
mod field;
mod flow;
mod plane;

use std::sync::Arc;

use self::detail::Detail;
use self::field::{Place, field};
use self::flow::{SMALLEST, flow};
use self::plane::{Plane, Pyramid};
use super::SCALE;
use super::frame::Frame;

/// The last restored frame, and its detail once that is wanted.
#[derive(Debug, Default)]
pub(super) struct Propagation {
    restored: Option<(Arc<Frame>, Vec<u8>)>,
    source: Option<Source>,
}

/// What detail is taken from.
#[derive(Debug)]
struct Source {
    pyramid: Pyramid,
    detail: Detail,
}

impl Propagation {
    /// A frame was restored to this, packed RGB of 4W×4H. Gives back memory that is not needed any more.
    pub fn keep(&mut self, frame: Arc<Frame>, picture: Vec<u8>) -> Option<Vec<u8>> {
        let before = self.restored.replace((frame, picture));
        before.map(|(_, picture)| picture)
    }

    /// Gives the bicubic picture of another frame, packed RGB of 4W×4H, the last restored frame's detail. Says whether there
    /// was one of its size.
    pub fn show(&mut self, frame: &Frame, bicubic: &mut [u8]) -> bool {
        self.mix(frame, bicubic, |_| ())
    }

    /// Gives the restored picture of another frame, packed RGB of 4W×4H, a `share`, from 0 to 1, of the last restored
    /// frame's detail.
    pub fn blend(&mut self, frame: &Frame, picture: &mut [u8], share: f32) {
        self.mix(frame, picture, |place| place.confidence *= share);
    }

    /// Shows the last restored frame's detail where `change` leaves it.
    fn mix(&mut self, frame: &Frame, picture: &mut [u8], change: impl FnMut(&mut Place)) -> bool {
        if let Some((restored, picture)) = self.restored.take() {
            self.source = Some(Source::new(&restored, picture));
        }
        let pyramid = pyramid(frame);
        let Some(source) = self.source.as_ref().filter(|source| source.fits(&pyramid)) else {
            return false;
        };
        let flow = flow(&pyramid, &source.pyramid);
        let mut field = field(&flow, &pyramid.0[0], &source.pyramid.0[0]);
        field.iter_mut().for_each(change);
        source.detail.show(&field, picture);
        true
    }
}

impl Source {
    fn new(frame: &Frame, picture: Vec<u8>) -> Source {
        Source {
            pyramid: pyramid(frame),
            detail: Detail::new(picture, frame.width() * SCALE, frame.height() * SCALE),
        }
    }

    fn fits(&self, pyramid: &Pyramid) -> bool {
        let size = |pyramid: &Pyramid| (pyramid.0[0].width, pyramid.0[0].height);
        size(pyramid) == size(&self.pyramid) && self.pyramid.0[0].width.min(self.pyramid.0[0].height) >= SMALLEST
    }
}

fn pyramid(frame: &Frame) -> Pyramid {
    let plane = Plane::of_rgb(frame.rgb(), frame.width(), frame.height());
    Pyramid::new(plane, SMALLEST)
}

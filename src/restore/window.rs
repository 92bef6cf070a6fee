//! The window: what is kept of the frame before the current one, so that each frame is encoded once.

use super::graphs::Encoded;
use super::scene::{self, Digest};

/// One frame, as the next one needs it.
#[derive(Debug)]
pub(super) struct WindowFrame {
    /// Height and width, pixels.
    pub size: [usize; 2],
    pub encoded: Encoded,
    pub digest: Digest,
}

/// What a frame is restored with.
#[derive(Debug)]
pub(super) struct Pairing<'a> {
    /// The frame before; none: the frame itself.
    pub previous: Option<&'a WindowFrame>,
    /// Whether a scene cut is why there is none.
    pub scene_cut: bool,
}

impl<'a> Pairing<'a> {
    /// What a frame of the given size and digest is paired with: `previous` if there is one of this size and no scene cut
    /// between. A `threshold` of 0 finds no cuts.
    pub fn of(size: [usize; 2], digest: &Digest, previous: Option<&'a WindowFrame>, threshold: f64) -> Pairing<'a> {
        let previous = previous.filter(|previous| previous.size == size);
        let is_cut = |previous: &WindowFrame| threshold > 0.0 && scene::score(&previous.digest, digest) > threshold;
        if previous.is_some_and(is_cut) {
            return Pairing {
                previous: None,
                scene_cut: true,
            };
        }
        Pairing {
            previous,
            scene_cut: false,
        }
    }
}

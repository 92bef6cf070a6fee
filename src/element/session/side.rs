//! The model for frames that fly.

use std::sync::Arc;

use super::Pictures;
use crate::element::CAT;
use crate::element::loader::{Loader, Ticket};
use crate::restore::{Frame, PixelLayout, PixelView, RestoreError, Settings, Stream};
use crate::runtime::Model;

/// It on its way; if it does not come, the first model serves those frames too.
pub(super) type SideLoader = Loader<Arc<Model>, ()>;

/// Loads it, and restores such a picture as `warm` first. A ticket that is dropped with nothing delivered has failed.
pub(super) fn load(model: &Arc<Model>, warm: Option<&Pictures>, ticket: &Ticket<Arc<Model>, ()>) {
    match model.side_by_side() {
        Ok(side) => {
            if let Some(Err(error)) = warm.map(|pictures| warm_up(&side, pictures)) {
                // The first frame that flies will say the same to whoever waits for it.
                gst::debug!(CAT, "the model could not be warmed up: {error}");
            }
            ticket.deliver(side);
        }
        Err(error) => gst::warning!(
            CAT,
            "frames fly slower than they could, without a model of their own: {error}"
        ),
    }
}

/// Restores a black picture.
fn warm_up(model: &Arc<Model>, pictures: &Pictures) -> Result<(), RestoreError> {
    let (width, height) = (pictures.input.width() as usize, pictures.input.height() as usize);
    let black = vec![0; width * height * 3];
    let view = PixelView::new(&black, width, height, width * 3, PixelLayout::Rgb)?;
    let settings = Settings::default();
    let mut stream = Stream::new(model.clone(), model.manifest(), settings)?;
    stream.restore_frame(&Frame::read(&view)?, &mut Vec::new())?;
    Ok(())
}

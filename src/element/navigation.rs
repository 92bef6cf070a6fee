//! Pointer positions in the enlarged picture, as positions in the input's.

use crate::restore::SCALE;

/// Fields of every kind of navigation event that hold a position: of mice, buttons, wheels and touches.
const POSITIONS: [&str; 2] = ["pointer_x", "pointer_y"];

/// The event for upstream, with a position in the input's picture; none where it has no structure.
pub fn to_input(event: &gst::EventRef) -> Option<gst::Event> {
    let mut structure = event.structure()?.to_owned();
    for field in POSITIONS {
        if let Ok(position) = structure.get::<f64>(field) {
            structure.set(field, position / SCALE as f64);
        }
    }
    Some(
        gst::event::Navigation::builder(structure)
            .seqnum(event.seqnum())
            .build(),
    )
}

//! Pointers in the enlarged picture, as places in the input's.

use crate::restore::SCALE;

/// Fields of every kind of navigation event that hold a place: of mice, buttons, wheels and fingers.
const PLACES: [&str; 2] = ["pointer_x", "pointer_y"];

/// The event for upstream: its place is one in the input's picture. `None`: it says nothing.
pub fn to_input(event: &gst::EventRef) -> Option<gst::Event> {
    let mut structure = event.structure()?.to_owned();
    for field in PLACES {
        if let Ok(place) = structure.get::<f64>(field) {
            structure.set(field, place / SCALE as f64);
        }
    }
    Some(
        gst::event::Navigation::builder(structure)
            .seqnum(event.seqnum())
            .build(),
    )
}

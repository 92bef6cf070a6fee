//! The ALLOCATION query downstream.

use crate::restore::FRAMES_IN_FLIGHT;

/// Says in downstream's answer that so many of its buffers are held as frames may be in flight, beside those that it
/// needs itself. A pool that allows fewer is taken as it is: frames wait then until one comes back.
pub fn announce_held(query: &mut gst::query::Allocation) {
    let Some((pool, size, min, max)) = query.allocation_pools().next() else {
        return;
    };
    // Four at most.
    let held = u32::try_from(FRAMES_IN_FLIGHT).unwrap_or(0);
    let wanted = min.saturating_add(held);
    let min = if max == 0 { wanted } else { wanted.min(max) };
    query.set_nth_allocation_pool(0, pool.as_ref(), size, min, max);
}

//! `dloralvsr`: DLoRAL video super-resolution as a GStreamer element.
//!
//! Five modules, one direction of data: a mapped buffer of [`element`] goes through [`restore`] (window, encoder,
//! restorer, decoder, colour), which calls the graphs of a [`pack`] through [`runtime`].
//!
//! | module | knows |
//! |---|---|
//! | [`pack`] | `pack.toml`: reads, checks and finds model packs; the embedded default |
//! | [`runtime`] | ONNX Runtime: its library, the one environment, providers, shared sessions |
//! | [`restore`] | frames in, frames out: window, tiles, blending, upscaling, colour, scene cuts |
//! | [`pace`] | when frames are to leave: deadlines, what is done under overload, gaps; no GStreamer and no clock |
//! | `element` | GStreamer: properties, caps, buffers, messages (feature `plugin`, on by default) |
//!
//! Everything but `element` is free of GStreamer and can be used on its own; see `examples/`.

pub mod pace;
pub mod pack;
mod places;
pub mod restore;
pub mod runtime;

#[cfg(feature = "plugin")]
pub mod element;

#[cfg(feature = "plugin")]
fn plugin_init(plugin: &gst::Plugin) -> Result<(), gst::glib::BoolError> {
    // Before any model is opened; most programs have one thread yet.
    runtime::telemetry::disable();
    element::register(plugin)
}

#[cfg(feature = "plugin")]
gst::plugin_define!(
    dloralvsr,
    env!("CARGO_PKG_DESCRIPTION"),
    plugin_init,
    concat!(env!("CARGO_PKG_VERSION"), "-", env!("COMMIT_ID")),
    "MIT/X11",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    env!("BUILD_REL_DATE")
);

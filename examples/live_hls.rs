//! A camera, restored and written as HLS: segments and a playlist in a folder that a web server gives out.
//!
//!     cargo run --release --example live_hls -- --input rtsp://camera/stream --output /var/www/live
//!
//! `playlist.m3u8` is what players open. A camera that is lost is connected to again every second. Where it comes back
//! in another size, a new segment begins, so that none holds pictures of two sizes. `--seconds N` ends the program,
//! `--plain WIDTHxHEIGHT` enlarges with `videoscale` in the element's place.

use gst::prelude::*;

#[path = "support/live_chain.rs"]
mod live_chain;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = live_chain::start("rtsp://127.0.0.1:8554/camera", "hls")?;
    std::fs::create_dir_all(&options.output).map_err(|error| {
        format!(
            "the folder {} cannot be made: {error}; give another as --output",
            options.output
        )
    })?;
    let output = format!(
        "identity name=parsed silent=true ! hls.video hlssink2 name=hls target-duration=2 playlist-length=5 \
         max-files=10 location=\"{0}/segment%05d.ts\" playlist-location=\"{0}/playlist.m3u8\"",
        options.output
    );
    live_chain::run(&options, &output, split_where_caps_change)
}

/// Begins a new segment with the first frame of another size.
fn split_where_caps_change(pipeline: &gst::Pipeline) -> Result<(), Box<dyn std::error::Error>> {
    let hls = pipeline
        .by_name("hls")
        .and_then(|it| it.downcast::<gst::Bin>().ok())
        .ok_or("hlssink2 is a bin")?;
    let splitter = hls
        .iterate_all_by_element_factory_name("splitmuxsink")
        .next()?
        .ok_or("this hlssink2 has no splitmuxsink")?;
    let parsed = pipeline.by_name("parsed").ok_or("the description names it")?;
    let pad = parsed.static_pad("src").ok_or("identity has a src pad")?;
    pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
        if let Some(gst::EventView::Caps(caps)) = info.event().map(|event| event.view())
            && pad
                .current_caps()
                .is_some_and(|before| size(&before) != size(caps.caps()))
        {
            splitter.emit_by_name::<()>("split-now", &[]);
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn size(caps: &gst::CapsRef) -> Option<(i32, i32)> {
    let video = caps.structure(0)?;
    Some((video.get("width").ok()?, video.get("height").ok()?))
}

//! The element inside an application: frames go in through `appsrc` and come back restored through `appsink`.
//!
//!     cargo run --release --example embed_appsrc

use gst_video::prelude::*;

const WIDTH: usize = 160;
const HEIGHT: usize = 96;
const FRAMES: u64 = 10;
const RATE: u64 = 25;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gst::init()?;
    // From the crate itself: neither an installed plugin nor GST_PLUGIN_PATH is needed.
    gstdloralvsr::plugin_register_static()?;
    let caps = format!("video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate={RATE}/1");
    let pipeline = gst::parse::launch(&format!(
        "appsrc name=frames caps={caps} format=time block=true max-buffers=2 \
         ! dloralvsr ! appsink name=restored sync=false max-buffers=2"
    ))?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "a pipeline was asked for")?;
    let named = |name| pipeline.by_name(name).ok_or("the description names it");
    let source = named("frames")?
        .downcast::<gst_app::AppSrc>()
        .map_err(|_| "an appsrc")?;
    let sink = named("restored")?
        .downcast::<gst_app::AppSink>()
        .map_err(|_| "an appsink")?;
    pipeline.set_state(gst::State::Playing)?;

    // On a thread of its own: several frames are under way at a time.
    let feeder = std::thread::spawn(move || -> Result<(), gst::FlowError> {
        for number in 0..FRAMES {
            let mut buffer = gst::Buffer::from_slice(draw(number as usize));
            if let Some(buffer) = buffer.get_mut() {
                buffer.set_pts(gst::ClockTime::from_nseconds(number * 1_000_000_000 / RATE));
                buffer.set_duration(gst::ClockTime::from_nseconds(1_000_000_000 / RATE));
            }
            source.push_buffer(buffer)?;
        }
        source.end_of_stream().map(drop)
    });
    while let Ok(sample) = sink.pull_sample() {
        let (Some(buffer), Some(caps)) = (sample.buffer(), sample.caps()) else {
            continue;
        };
        let video = gst_video::VideoInfo::from_caps(caps)?;
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &video)?;
        // Rows may be longer than their pixels: `plane_stride` says how long.
        let (pixels, stride) = (frame.plane_data(0)?, frame.plane_stride()[0]);
        let time = buffer.pts().unwrap_or_default().mseconds();
        println!(
            "{time} ms: {}x{}, {} bytes in rows of {stride}",
            video.width(),
            video.height(),
            pixels.len()
        );
    }
    // Where the stream ended early, the bus says why.
    let error = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    pipeline.set_state(gst::State::Null)?;
    if let Some(gst::MessageView::Error(error)) = error.as_ref().map(|message| message.view()) {
        return Err(error.error().to_string().into());
    }
    feeder.join().map_err(|_| "the feeding thread panicked")??;
    Ok(())
}

/// A moving gradient, as packed RGB.
fn draw(number: usize) -> Vec<u8> {
    let pixel = |at: usize| [(at % WIDTH + number * 3) as u8, (at / WIDTH) as u8, 128];
    (0..WIDTH * HEIGHT).flat_map(pixel).collect()
}

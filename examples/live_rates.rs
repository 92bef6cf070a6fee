//! Which frame rates of a live stream this machine restores, with the built-in model or another.
//!
//!     cargo run --release --example live_rates [WIDTHxHEIGHT [SECONDS [MODEL]]]
//!
//! For each rate a test source goes through the element, whose frames are given the time of two, into a sink that waits
//! for the clock. What is not restored went out bicubic.

use gst::prelude::*;

#[path = "support/arguments.rs"]
#[allow(dead_code)]
mod arguments;

const RATES: [u32; 6] = [10, 15, 20, 25, 30, 40];
/// What a sink adds to the latency for processing.
const SINK: gst::ClockTime = gst::ClockTime::from_mseconds(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gstdloralvsr::runtime::telemetry::disable();
    let mut words = std::env::args().skip(1);
    let (width, height) = arguments::frame_size(&words.next().unwrap_or("320x180".to_owned()))?;
    let seconds = words.next().map_or(Ok(20), |word| word.parse())?;
    let model = words.next().unwrap_or_default();
    gst::init()?;
    gstdloralvsr::plugin_register_static()?;
    println!("| frames/s | in | restored | bypassed | changes of state | ms of a frame: median, p99 |");
    println!("|--:|--:|--:|--:|--:|--:|");
    for rate in RATES {
        run(width, height, rate, seconds, &model)?;
    }
    Ok(())
}

fn run(width: usize, height: usize, rate: u32, seconds: u32, model: &str) -> Result<(), Box<dyn std::error::Error>> {
    let latency = (gst::ClockTime::SECOND * 2 / u64::from(rate)).saturating_sub(SINK);
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc is-live=true pattern=ball num-buffers={} ! \
         video/x-raw,format=RGB,width={width},height={height},framerate={rate}/1 ! queue ! \
         dloralvsr name=vsr processing-latency={} ! queue max-size-buffers=2 max-size-bytes=0 ! fakesink sync=true",
        rate * seconds,
        latency.nseconds(),
    ))?
    .downcast::<gst::Pipeline>()
    .map_err(|_| "a description of several elements is a pipeline")?;
    let vsr = pipeline.by_name("vsr").ok_or("the description names it")?;
    vsr.set_property("model", model);
    pipeline.set_state(gst::State::Playing)?;
    let changes = wait_for_end(&pipeline)?;
    let stats = vsr.property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null)?;
    println!(
        "| {rate} | {} | {} | {} | {changes} | {:.0}, {:.0} |",
        stats.get::<u64>("frames-in")?,
        stats.get::<u64>("restored")?,
        stats.get::<u64>("bypassed")?,
        stats.get::<f64>("total-ms-median")?,
        stats.get::<f64>("total-ms-p99")?,
    );
    Ok(())
}

/// Counts the changes of state after the first.
fn wait_for_end(pipeline: &gst::Pipeline) -> Result<usize, Box<dyn std::error::Error>> {
    let bus = pipeline.bus().ok_or("pipelines have a bus")?;
    let mut states = 0_usize;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().to_string().into()),
            _ => states += usize::from(message.structure().is_some_and(|it| it.name() == "dloralvsr-state")),
        }
    }
    Ok(states.saturating_sub(1))
}

//! What each `overload` does to a live stream at 50, 100 and 300 % load: the table of docs/live.md.
//!
//!     cargo run --release --example live_load [SECONDS]
//!
//! A test source at 25 frames/s goes through the element into a sink that waits for the clock. The load is made by
//! waiting in the model, not by computing, so that the table shows what the element does and not how fast a machine is.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::pack::Graph;

const FRAME: Duration = Duration::from_millis(40);
const LOADS: [u32; 3] = [50, 100, 300];
const MODES: [&str; 4] = ["auto", "wait", "bypass", "drop"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    gstdloralvsr::runtime::telemetry::disable();
    let seconds = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 20,
    };
    gst::init()?;
    gstdloralvsr::plugin_register_static()?;
    println!(
        "| overload | load | in | out | restored | bypassed | dropped | interval at the sink, ms: median, p99, longest | changes of state |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for mode in MODES {
        for load in LOADS {
            run(mode, load, Duration::from_secs(seconds))?;
        }
    }
    bypass_path()
}

/// What the bypassed path takes at an output of 1920×1080: in a stream whose frames never have time for the model.
fn bypass_path() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = gst::parse::launch(
        "videotestsrc is-live=true pattern=smpte num-buffers=250 ! video/x-raw,format=RGB,width=480,height=270,framerate=25/1 ! \
         dloralvsr name=vsr execution-provider=cpu overload=bypass ! fakesink name=sink sync=false",
    )?
    .downcast::<gst::Pipeline>()
    .map_err(|_| "a description of several elements is a pipeline")?;
    let vsr = pipeline.by_name("vsr").ok_or("the description names it")?;
    vsr.downcast_ref::<DloralVsr>()
        .ok_or("it is the element")?
        .set_hook(Some(Arc::new(|_| {
            std::thread::sleep(Duration::from_secs(3600));
            Ok(())
        })));
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or("pipelines have a bus")?;
    bus.timed_pop_filtered(
        gst::ClockTime::from_seconds(120),
        &[gst::MessageType::Eos, gst::MessageType::Error],
    );
    let stats = vsr.property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null)?;
    println!(
        "\n{} bypassed frames of 480x270 to 1920x1080: median {:.1} ms, p99 {:.1} ms",
        stats.get::<u64>("bypassed")?,
        stats.get::<f64>("bypass-ms-median")?,
        stats.get::<f64>("bypass-ms-p99")?
    );
    Ok(())
}

fn run(mode: &str, load: u32, length: Duration) -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = gst::parse::launch(&format!(
        "videotestsrc name=source is-live=true ! video/x-raw,format=RGB,width=64,height=36,framerate=25/1 ! queue ! \
         dloralvsr name=vsr execution-provider=cpu overload={mode} processing-latency=60000000 ! \
         queue max-size-buffers=2 max-size-bytes=0 ! fakesink name=sink sync=true qos=true signal-handoffs=true"
    ))?
    .downcast::<gst::Pipeline>()
    .map_err(|_| "a description of several elements is a pipeline")?;
    let part = |name: &str| pipeline.by_name(name).ok_or("the description names it");
    let (source, vsr, sink) = (part("source")?, part("vsr")?, part("sink")?);
    let cost = FRAME * load / 100;
    vsr.downcast_ref::<DloralVsr>()
        .ok_or("it is the element")?
        .set_hook(Some(Arc::new(move |graph| {
            if graph == Graph::Encoder {
                std::thread::sleep(cost);
            }
            Ok(())
        })));
    let shown = Arc::new(Mutex::new(Vec::new()));
    let times = shown.clone();
    // Called when a frame is shown: after the wait for the clock.
    sink.connect("handoff", false, move |_| {
        times.lock().ok()?.push(Instant::now());
        None
    });
    pipeline.set_state(gst::State::Playing)?;
    let bus = pipeline.bus().ok_or("pipelines have a bus")?;
    let changes = wait(&bus, length)?;
    source.send_event(gst::event::Eos::new());
    bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos]);
    let stats = vsr.property::<gst::Structure>("stats");
    pipeline.set_state(gst::State::Null)?;

    let count = |field: &str| stats.get::<u64>(field).unwrap_or_default();
    let times = shown.lock().map_err(|_| "a sink panicked")?;
    let mut intervals: Vec<f64> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3)
        .collect();
    intervals.sort_by(f64::total_cmp);
    let rank =
        |share: f64| intervals.get(((intervals.len() as f64 * share) as usize).min(intervals.len().saturating_sub(1)));
    let [median, p99, longest] = [0.5, 0.99, 1.0].map(|share| rank(share).copied().unwrap_or_default());
    println!(
        "| {mode} | {load} % | {} | {} | {} | {} | {} | {median:.0}, {p99:.0}, {longest:.0} | {changes} |",
        count("frames-in"),
        count("frames-out"),
        count("restored"),
        count("bypassed"),
        count("dropped"),
    );
    Ok(())
}

/// Lets the pipeline run; counts the changes of state after the first.
fn wait(bus: &gst::Bus, length: Duration) -> Result<usize, Box<dyn std::error::Error>> {
    let end = Instant::now() + length;
    let mut states = 0_usize;
    while let Some(left) = end
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        let types = [gst::MessageType::Element, gst::MessageType::Error];
        let Some(message) = bus.timed_pop_filtered(gst::ClockTime::try_from(left)?, &types) else {
            break;
        };
        if let gst::MessageView::Error(error) = message.view() {
            return Err(error.error().to_string().into());
        }
        states += usize::from(message.structure().is_some_and(|it| it.name() == "dloralvsr-state"));
    }
    Ok(states.saturating_sub(1))
}

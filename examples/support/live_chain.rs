//! What the live chains share: an input, the element, an encoder and an output in one pipeline, run and counted.

use std::time::{Duration, Instant};

use gst::prelude::*;
use lexopt::ValueExt;

#[path = "arguments.rs"]
#[allow(dead_code)]
mod arguments;
#[path = "live_input.rs"]
mod live_input;

use live_input::LiveInput;

/// How often the chain looks whether it is time for something.
const TURN: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// How long an output may take to end.
const ENDING: gst::ClockTime = gst::ClockTime::from_seconds(5);

pub struct Options {
    pub input: String,
    pub output: String,
    /// How long it runs; none: until it is killed.
    seconds: Option<u64>,
    /// The size to which `videoscale` enlarges in the element's place.
    plain: Option<(usize, usize)>,
}

/// Reads the command line, for which an example names the addresses that it has by default, and makes GStreamer ready.
pub fn start(input: &str, output: &str) -> Result<Options, Box<dyn std::error::Error>> {
    // Before there is another thread.
    gstdloralvsr::runtime::telemetry::disable();
    let options = Options::read(input, output)?;
    gst::init()?;
    gstdloralvsr::plugin_register_static()?;
    Ok(options)
}

impl Options {
    fn read(input: &str, output: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Options {
            input: input.into(),
            output: output.into(),
            seconds: None,
            plain: None,
        };
        let mut words = lexopt::Parser::from_env();
        while let Some(word) = words.next()? {
            match word {
                lexopt::Arg::Long("input") => options.input = words.value()?.string()?,
                lexopt::Arg::Long("output") => options.output = words.value()?.string()?,
                lexopt::Arg::Long("seconds") => options.seconds = Some(words.value()?.parse()?),
                lexopt::Arg::Long("plain") => {
                    options.plain = Some(arguments::frame_size(&words.value()?.string()?)?);
                }
                _ => {
                    return Err(format!(
                        "{}; there are --input, --output, --seconds and --plain",
                        word.unexpected()
                    )
                    .into());
                }
            }
        }
        Ok(options)
    }

    /// What enlarges the frames.
    fn enlarger(&self) -> String {
        match self.plain {
            Some((width, height)) => {
                format!("videoscale method=catrom ! video/x-raw,width={width},height={height}")
            }
            // With what the sink allows, each frame is given the time of two at 25 frames/s.
            None => "dloralvsr name=vsr processing-latency=60000000".to_owned(),
        }
    }
}

/// Runs a chain until its time is over; `output` takes H.264. `prepare` gets the pipeline before it starts.
pub fn run(
    options: &Options,
    output: &str,
    prepare: impl FnOnce(&gst::Pipeline) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<(), Box<dyn std::error::Error>> {
    // An output that blocks must not block the input, which could not be taken out then.
    let pipeline = gst::parse::launch(&format!(
        "queue name=entry leaky=downstream max-size-buffers=0 max-size-bytes=0 max-size-time=200000000 ! {} ! \
         queue max-size-buffers=2 max-size-bytes=0 ! video/x-raw,format=I420 ! \
         x264enc tune=zerolatency speed-preset=ultrafast bitrate=6000 key-int-max=25 ! h264parse ! {output}",
        options.enlarger(),
    ))?
    .downcast::<gst::Pipeline>()
    .map_err(|_| "a description of several elements is a pipeline")?;
    // An input that is taken out must not take the clock with it.
    pipeline.use_clock(Some(&gst::SystemClock::obtain()));
    prepare(&pipeline)?;
    let entry = pipeline.by_name("entry").ok_or("the description names it")?;
    leave_out_repeated_times(&entry.static_pad("src").ok_or("queues have a src pad")?);
    let mut input = LiveInput::new(&options.input, &pipeline, &entry);
    input.attach()?;
    let result = play(options, &pipeline, &mut input);
    input.detach()?;
    let result = result.and_then(|()| end(&pipeline, &entry));
    report(&pipeline, &input)?;
    pipeline.set_state(gst::State::Null)?;
    result
}

/// Leaves frames out whose time is not after that of the one before, as `rtspsrc` gives where it falls behind. Parsers
/// take such times away, and `splitmuxsink` ends with "Timestamping error on input streams".
fn leave_out_repeated_times(pad: &gst::Pad) {
    let latest = std::sync::Mutex::new(None);
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let time = pad
            .sticky_event::<gst::event::Segment>(0)
            .and_then(|event| event.segment().downcast_ref::<gst::ClockTime>().cloned())
            .zip(info.buffer())
            .and_then(|(segment, buffer)| segment.to_running_time(buffer.pts()));
        let mut latest = latest.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if time.is_some() && time <= *latest {
            return gst::PadProbeReturn::Drop;
        }
        *latest = time.or(*latest);
        gst::PadProbeReturn::Ok
    });
}

fn play(options: &Options, pipeline: &gst::Pipeline, input: &mut LiveInput) -> Result<(), Box<dyn std::error::Error>> {
    let bus = pipeline.bus().ok_or("pipelines have a bus")?;
    pipeline.set_state(gst::State::Playing)?;
    let started = Instant::now();
    let length = options.seconds.map(Duration::from_secs);
    while length.is_none_or(|length| started.elapsed() < length) {
        input.renew()?;
        let Some(message) = bus.timed_pop(TURN) else { continue };
        if input.handle(&message)? {
            continue;
        }
        match message.view() {
            gst::MessageView::Error(error) => {
                return Err(format!(
                    "output {}: {}; start again when it is back",
                    options.output,
                    error.error()
                )
                .into());
            }
            gst::MessageView::Warning(warning) => eprintln!("warning: {}", warning.error()),
            // Another input may have another latency; one that still connects cannot tell, and says so again.
            gst::MessageView::Latency(_) => _ = pipeline.recalculate_latency(),
            gst::MessageView::Element(element) => {
                if let Some(state) = element.structure().filter(|it| it.name() == "dloralvsr-state") {
                    eprintln!("{state}");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Ends the stream behind the input, so that the output is closed in order.
fn end(pipeline: &gst::Pipeline, entry: &gst::Element) -> Result<(), Box<dyn std::error::Error>> {
    let pad = entry.static_pad("sink").ok_or("queues have a sink pad")?;
    pad.send_event(gst::event::Eos::new());
    let bus = pipeline.bus().ok_or("pipelines have a bus")?;
    match bus.timed_pop_filtered(ENDING, &[gst::MessageType::Eos, gst::MessageType::Error]) {
        Some(message) if message.type_() == gst::MessageType::Eos => Ok(()),
        Some(_) => Err("the output failed while it was ended".into()),
        None => {
            // Every frame has left; rtspclientsink of GStreamer 1.22 does not always tell.
            eprintln!(
                "the output has not said within {} s that it has ended",
                ENDING.seconds()
            );
            Ok(())
        }
    }
}

/// Prints the counts as JSON.
fn report(pipeline: &gst::Pipeline, input: &LiveInput) -> Result<(), Box<dyn std::error::Error>> {
    let mut counts = serde_json::json!({ "replaced": input.replaced });
    if let Some(vsr) = pipeline.by_name("vsr") {
        let stats = vsr.property::<gst::Structure>("stats");
        for field in ["frames-in", "frames-out", "restored", "bypassed", "dropped", "late"] {
            counts[field] = stats.get::<u64>(field)?.into();
        }
        for field in ["total-ms-median", "total-ms-p99"] {
            counts[field] = stats.get::<f64>(field)?.into();
        }
    }
    println!("{counts}");
    Ok(())
}

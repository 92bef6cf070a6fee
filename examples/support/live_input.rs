//! An input of a live chain that is replaced when it is lost: the rest of the pipeline plays on, the model stays open.

use std::time::{Duration, Instant};

use gst::prelude::*;

/// Without data for so long, an input counts as lost: a camera without power does not close its connection.
const SILENCE: Duration = Duration::from_secs(3);
/// Until the next attempt.
const PAUSE: Duration = Duration::from_secs(1);
/// What a transport stream is given to smooth its clock, ms; 700 otherwise.
const TRANSPORT_STREAM_LATENCY: i32 = 100;
/// The application messages that stand for the first frame and the end of an input.
const FLOWS: &str = "input-flows";
const ENDED: &str = "input-ended";

pub struct LiveInput {
    address: String,
    pipeline: gst::Pipeline,
    /// Where decoded frames go.
    entry: gst::Element,
    bin: Option<gst::Bin>,
    retry_at: Instant,
    /// Inputs after the first.
    pub replaced: u32,
}

impl LiveInput {
    /// An input that is not there yet.
    pub fn new(address: &str, pipeline: &gst::Pipeline, entry: &gst::Element) -> Self {
        LiveInput {
            address: address.to_owned(),
            pipeline: pipeline.clone(),
            entry: entry.clone(),
            bin: None,
            retry_at: Instant::now(),
            replaced: 0,
        }
    }

    /// Puts an input into the pipeline.
    pub fn attach(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        // Without ghost pads, one of which would take the place of the decoder's delayed link.
        let bin = gst::parse::bin_from_description(&description(&self.address)?, false)?;
        let last = bin.by_name("last").ok_or("the description names it")?;
        let pad = gst::GhostPad::with_target(&last.static_pad("src").ok_or("filters have a src pad")?)?;
        self.watch(pad.upcast_ref())?;
        bin.connect_deep_element_added(|_, _, element| {
            if element.factory().is_some_and(|factory| factory.name() == "tsdemux") {
                element.set_property("latency", TRANSPORT_STREAM_LATENCY);
            }
        });
        bin.add_pad(&pad)?;
        // Its connecting must not take the rest of the pipeline out of PLAYING.
        bin.set_property("async-handling", true);
        self.pipeline.add(&bin)?;
        bin.link(&self.entry)?;
        self.bin = Some(bin);
        Ok(())
    }

    /// Has the bus tell when frames begin to come, and when the input ends.
    fn watch(&self, pad: &gst::Pad) -> Result<(), Box<dyn std::error::Error>> {
        let bus = self.pipeline.bus().ok_or("pipelines have a bus")?;
        let tell = move |name| {
            // A bus that is flushing belongs to a pipeline that has ended.
            let _ = bus.post(gst::message::Application::new(gst::Structure::new_empty(name)));
        };
        let tell_end = tell.clone();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            tell(FLOWS);
            gst::PadProbeReturn::Remove
        });
        // The end of an input is not that of the stream.
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| match info.event() {
            Some(event) if event.type_() == gst::EventType::Eos => {
                tell_end(ENDED);
                gst::PadProbeReturn::Drop
            }
            _ => gst::PadProbeReturn::Ok,
        });
        Ok(())
    }

    /// Takes the input out.
    pub fn detach(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        if let Some(bin) = self.bin.take() {
            self.pipeline.remove(&bin)?;
            // A connection that hangs may keep it from stopping, for which the rest of the pipeline does not wait.
            std::thread::spawn(move || {
                // Nothing is left to be done about a failure.
                let _ = bin.set_state(gst::State::Null);
            });
        }
        Ok(())
    }

    /// Takes a message that is about the input, and says whether it was.
    pub fn handle(&mut self, message: &gst::Message) -> Result<bool, Box<dyn std::error::Error>> {
        let reason = match message.view() {
            gst::MessageView::Error(error) if self.holds(message.src()) => error.error().to_string(),
            gst::MessageView::Application(it) if it.structure().is_some_and(|it| it.name() == ENDED) => {
                "it has ended".to_owned()
            }
            gst::MessageView::Application(it) if it.structure().is_some_and(|it| it.name() == FLOWS) => {
                // Only now every element can tell its latency; what was settled on before may be nothing.
                let _ = self.pipeline.recalculate_latency();
                return Ok(true);
            }
            // What an input that was taken out has said before.
            gst::MessageView::Error(_) => return Ok(!self.is_part(message.src())),
            _ => return Ok(false),
        };
        if self.bin.is_some() {
            eprintln!(
                "input {}: {reason}; it is tried again in {} s",
                self.address,
                PAUSE.as_secs()
            );
            self.detach()?;
            self.retry_at = Instant::now() + PAUSE;
        }
        Ok(true)
    }

    /// Tries again where it is time to.
    pub fn renew(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        if self.bin.is_none() && Instant::now() >= self.retry_at {
            self.replaced += 1;
            self.attach()?;
            if let Some(bin) = &self.bin {
                // A failure is on the bus too, with its reason.
                let _ = bin.set_state(gst::State::Playing);
            }
        }
        Ok(())
    }

    fn holds(&self, object: Option<&gst::Object>) -> bool {
        let bin = self.bin.as_ref().map(|bin| bin.upcast_ref::<gst::Object>());
        object.is_some_and(|object| bin.is_some_and(|bin| object == bin || object.has_as_ancestor(bin)))
    }

    fn is_part(&self, object: Option<&gst::Object>) -> bool {
        object.is_some_and(|object| object.has_as_ancestor(&self.pipeline))
    }
}

/// What receives and decodes the video of an address.
fn description(address: &str) -> Result<String, String> {
    let source = match address.split_once(':').map(|(scheme, _)| scheme) {
        Some("rtsp" | "rtsps") => {
            format!("rtspsrc location=\"{address}\" protocols=tcp latency=40 ! application/x-rtp,media=video")
        }
        Some("srt") => format!("srtsrc uri=\"{address}\" latency=40 auto-reconnect=false"),
        _ => {
            return Err(format!(
                "{address:?} is no address of a live input: rtsp://… and srt://… are"
            ));
        }
    };
    Ok(format!(
        "{source} ! decodebin ! videoconvert ! watchdog name=last timeout={}",
        SILENCE.as_millis()
    ))
}

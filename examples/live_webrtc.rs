//! A camera, restored and given over WebRTC to a server that takes WHIP.
//!
//!     cargo run --release --features webrtc --example live_webrtc -- --input rtsp://camera/stream \
//!         --output http://server:8889/live/whip
//!
//! The server is one that takes WHIP by HTTP, as `tests/chains/whip_viewer.py` does. A camera that is lost is connected
//! to again every second; a server that is lost ends the program with a message. `--seconds N` ends it by itself,
//! `--plain WIDTHxHEIGHT` enlarges with `videoscale` in the element's place.

use gst::prelude::*;
use gst_webrtc::{WebRTCICEGatheringState, WebRTCPeerConnectionState, WebRTCSDPType, WebRTCSessionDescription};

#[path = "support/live_chain.rs"]
mod live_chain;
#[path = "support/whip.rs"]
mod whip;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let options = live_chain::start("rtsp://127.0.0.1:8554/camera", "http://127.0.0.1:8889/live/whip")?;
    // The profile that every browser decodes.
    let output = "video/x-h264,profile=constrained-baseline ! \
                  rtph264pay config-interval=-1 aggregate-mode=zero-latency pt=96 ! \
                  application/x-rtp,media=video,encoding-name=H264,payload=96 ! \
                  webrtcbin name=webrtc bundle-policy=max-bundle latency=0";
    live_chain::run(&options, output, |pipeline| {
        let webrtc = pipeline.by_name("webrtc").ok_or("the description names it")?;
        connect(&webrtc, &options.output)
    })
}

/// Offers the stream to the server as soon as its format is known.
fn connect(webrtc: &gst::Element, address: &str) -> Result<(), Failure> {
    if whip::Address::parse(address)?.is_loopback() {
        // Not among those that are gathered.
        let ice = webrtc.property::<gst::Object>("ice-agent");
        ice.emit_by_name::<bool>("add-local-ip-address", &[&"127.0.0.1"]);
        // webrtcbin of GStreamer 1.22 gives its only, floating reference away; it gets one back.
        std::mem::forget(ice);
    }
    webrtc.connect("on-negotiation-needed", false, |values| {
        offer(values.first()?.get().ok()?);
        None
    });
    let address = address.to_owned();
    webrtc.connect_notify(Some("ice-gathering-state"), move |webrtc, _| {
        if webrtc.property::<WebRTCICEGatheringState>("ice-gathering-state") == WebRTCICEGatheringState::Complete {
            let (webrtc, address) = (webrtc.clone(), address.clone());
            // The thread that gathers must not wait for the network.
            std::thread::spawn(move || {
                if let Err(error) = exchange(&webrtc, &address) {
                    fail(&webrtc, &error.to_string());
                }
            });
        }
    });
    webrtc.connect_notify(Some("connection-state"), |webrtc, _| {
        let state = webrtc.property::<WebRTCPeerConnectionState>("connection-state");
        eprintln!("WebRTC: {state:?}");
        if state == WebRTCPeerConnectionState::Failed {
            fail(webrtc, "the connection is lost");
        }
    });
    Ok(())
}

/// Makes an offer; its candidates follow.
fn offer(webrtc: gst::Element) {
    let to = webrtc.clone();
    let promise = gst::Promise::with_change_func(move |reply| {
        match reply
            .ok()
            .flatten()
            .and_then(|reply| reply.get::<WebRTCSessionDescription>("offer").ok())
        {
            Some(offer) => to.emit_by_name::<()>("set-local-description", &[&offer, &None::<gst::Promise>]),
            None => fail(&to, "no offer could be made of the stream"),
        }
    });
    webrtc.emit_by_name::<()>("create-offer", &[&None::<gst::Structure>, &promise]);
}

/// Gives the offer to the server, and takes its answer.
fn exchange(webrtc: &gst::Element, address: &str) -> Result<(), Failure> {
    let offer = webrtc
        .property::<Option<WebRTCSessionDescription>>("local-description")
        .ok_or("candidates came before the offer")?;
    let answer = whip::Address::parse(address)?.post(&offer.sdp().as_text()?)?;
    let answer = gst_sdp::SDPMessage::parse_buffer(answer.as_bytes())?;
    let answer = WebRTCSessionDescription::new(WebRTCSDPType::Answer, answer);
    webrtc.emit_by_name::<()>("set-remote-description", &[&answer, &None::<gst::Promise>]);
    Ok(())
}

/// Says on the bus that the output has failed.
fn fail(webrtc: &gst::Element, text: &str) {
    gst::element_error!(webrtc, gst::ResourceError::Write, ("{}", text));
}

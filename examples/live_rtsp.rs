//! A camera over RTSP, restored and given to an RTSP server.
//!
//!     cargo run --release --example live_rtsp -- --input rtsp://camera/stream --output rtsp://server/restored
//!
//! The server must take streams (ANNOUNCE and RECORD), as `tests/chains/relay.py` does. A camera that is lost is
//! connected to again every second; a server that is lost ends the program with a message. `--seconds N` ends it by
//! itself, `--plain WIDTHxHEIGHT` enlarges with `videoscale` in the element's place.

#[path = "support/live_chain.rs"]
mod live_chain;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = live_chain::start("rtsp://127.0.0.1:8554/camera", "rtsp://127.0.0.1:8555/restored")?;
    let output = format!("rtspclientsink location=\"{}\" protocols=tcp latency=0", options.output);
    live_chain::run(&options, &output, |_| Ok(()))
}

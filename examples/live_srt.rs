//! A stream over SRT, restored and given to whoever connects over SRT.
//!
//!     cargo run --release --example live_srt -- --input srt://encoder:8890 --output "srt://:8891?mode=listener"
//!
//! An input that is lost is connected to again every second. As a listener the output lets viewers come and go.
//! `--seconds N` ends the program, `--plain WIDTHxHEIGHT` enlarges with `videoscale` in the element's place.

#[path = "support/live_chain.rs"]
mod live_chain;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = live_chain::start("srt://127.0.0.1:8890", "srt://127.0.0.1:8891?mode=listener")?;
    let output = format!(
        "mpegtsmux alignment=7 ! srtsink uri=\"{}\" wait-for-connection=false",
        options.output
    );
    live_chain::run(&options, &output, |_| Ok(()))
}

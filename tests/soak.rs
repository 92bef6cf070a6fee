//! A source for long, live and not, with random load, failures and changes: memory, threads and descriptors stay as they
//! are, no frame is lost or out of order. Some seconds by default; for hours:
//!
//!     DLORALVSR_SOAK_SECONDS=14400 cargo test --release --test soak -- --nocapture
#![cfg(feature = "plugin")]

mod common;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{Running, pack};
use gst::prelude::*;
use gstdloralvsr::element::DloralVsr;
use gstdloralvsr::pack::Graph;
use gstdloralvsr::restore::{GraphError, GraphErrorKind};

const DEFAULT_SECONDS: u64 = 10;
/// Share of the run after which everything has been allocated once.
const WARM_UP: f64 = 0.3;
/// Growth that is allowed however short the run is: pages that the allocator takes now and then.
const ALLOWANCE_KB: f64 = 4096.0;
/// Growth that is allowed per frame: 1 MB in 10,000.
const ALLOWED_KB_PER_FRAME: f64 = 1024.0 / 10_000.0;

/// A generator whose runs can be repeated.
struct Random(AtomicU64);

impl Random {
    fn below(&self, limit: u64) -> u64 {
        let next = |state: u64| {
            Some(
                state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407),
            )
        };
        let state = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap();
        (state >> 33) % limit
    }
}

/// Mostly quick; at times slow for a second or two; one frame in 300 fails.
fn hook(random: Arc<Random>) -> gstdloralvsr::restore::Hook {
    let slow_until = AtomicU64::new(0);
    let calls = AtomicU64::new(0);
    Arc::new(move |graph| {
        if graph != Graph::Encoder {
            return Ok(());
        }
        let call = calls.fetch_add(1, Ordering::Relaxed);
        if random.below(60) == 0 {
            slow_until.store(call + random.below(12), Ordering::Relaxed);
        }
        let milliseconds = if call < slow_until.load(Ordering::Relaxed) {
            30
        } else {
            random.below(4)
        };
        std::thread::sleep(Duration::from_millis(milliseconds));
        if random.below(300) == 0 {
            let message = "the test wants it so".to_owned();
            return Err(GraphError {
                graph,
                kind: GraphErrorKind::Other,
                message,
            });
        }
        Ok(())
    })
}

#[derive(Debug, Clone, Copy)]
struct Resources {
    frames: u64,
    resident_kb: u64,
    threads: u64,
    descriptors: usize,
}

fn resources(frames: u64) -> Resources {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    Resources {
        frames,
        resident_kb: field("VmRSS:"),
        threads: field("Threads:"),
        descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
    }
}

/// One after the other, because what is measured is the whole process's.
#[test]
fn streams_run_for_long_with_everything_flat() {
    let seconds = std::env::var("DLORALVSR_SOAK_SECONDS").map_or(DEFAULT_SECONDS, |text| text.parse().unwrap());
    run(Duration::from_secs(seconds) / 2, true, &["bypass", "drop", "auto"]);
    run(Duration::from_secs(seconds) / 2, false, &["bypass", "wait", "auto"]);
}

/// `overloads` are turned to now and then.
fn run(length: Duration, live: bool, overloads: &[&str]) {
    let random = Arc::new(Random(AtomicU64::new(20_261_124)));
    let pipeline = Running::launch(&format!(
        "videotestsrc name=source is-live={live} pattern=snow ! \
         video/x-raw,format=RGB,width=48,height=32,framerate=50/1 ! queue ! \
         dloralvsr name=vsr execution-provider=cpu intra-threads=2 max-errors=0 processing-latency=60000000 ! \
         fakesink name=sink sync={live} qos=true"
    ));
    let vsr = pipeline.element("vsr");
    vsr.set_property("model", pack("nearest").to_str().unwrap());
    vsr.downcast_ref::<DloralVsr>()
        .unwrap()
        .set_hook(Some(hook(random.clone())));
    let arrived = Arc::new(AtomicU64::new(0));
    let (counter, last) = (arrived.clone(), AtomicU64::new(0));
    let pad = pipeline.element("sink").static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let pts = info.buffer().and_then(|buffer| buffer.pts()).unwrap().nseconds() + 1;
        assert!(last.swap(pts, Ordering::Relaxed) < pts, "timestamps do not grow");
        counter.fetch_add(1, Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    pipeline.play();

    let started = Instant::now();
    let mut samples = Vec::new();
    let mut untried = overloads.iter();
    while started.elapsed() < length {
        std::thread::sleep(Duration::from_millis(200));
        // Each once at first, so that every thread there will be has been started.
        let next = untried.next();
        if next.is_some() || random.below(10) == 0 {
            let overload = next.unwrap_or(&overloads[random.below(overloads.len() as u64) as usize]);
            vsr.set_property_from_str("overload", overload);
        }
        // What nobody reads is not a leak.
        while let Some(message) = pipeline.bus().pop() {
            assert_ne!(message.type_(), gst::MessageType::Error, "{message:?}");
        }
        if started.elapsed() >= length.mul_f64(WARM_UP) {
            samples.push(resources(arrived.load(Ordering::Relaxed)));
        }
    }
    assert!(pipeline.element("source").send_event(gst::event::Eos::new()));
    common::wait_for_eos(&pipeline.bus());

    let stats = vsr.property::<gst::Structure>("stats");
    let count = |field: &str| stats.get::<u64>(field).unwrap();
    assert_eq!(count("frames-in"), count("frames-out") + count("dropped"));
    assert_eq!(count("frames-out"), arrived.load(Ordering::Relaxed));
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    println!("{length:?}, live: {live}: {stats}\nafter warm-up {first:?}, at the end {last:?}");
    assert!(
        count("restored") > 0 && count("bypassed") > 0,
        "no load changed anything: {stats}"
    );
    // Fewer is well: GLib ends threads that had nothing to do for a while.
    assert!(last.threads <= first.threads);
    assert_eq!(last.descriptors, first.descriptors);
    let grown = last.resident_kb as f64 - first.resident_kb as f64;
    let allowed = ALLOWANCE_KB + ALLOWED_KB_PER_FRAME * (last.frames - first.frames) as f64;
    assert!(
        grown <= allowed,
        "{grown} kB more in memory, {allowed:.0} kB are allowed"
    );
}

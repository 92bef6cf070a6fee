//! GStreamer's leaks tracer over whole runs of the element: nothing that was made is left.
#![cfg(feature = "plugin")]

mod common;

use common::pack;
use common::tools::Plugin;

/// A run under the tracer, which tells what is left when the process ends.
fn traced(line: &str) -> String {
    let arguments: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let plugin = Plugin::new();
    // The tracer says what it finds as warnings of its own category.
    let (success, text) = plugin.run_with(
        "gst-launch-1.0",
        &arguments,
        &[("GST_TRACERS", "leaks"), ("GST_DEBUG", "GST_TRACER:7")],
    );
    assert!(success, "{text}");
    text
}

#[track_caller]
fn check(properties: &str) {
    let line = format!(
        "videotestsrc is-live=true num-buffers=30 ! video/x-raw,format=RGBA,width=32,height=32,framerate=100/1 ! queue ! \
         dloralvsr execution-provider=cpu model={} {properties} ! fakesink sync=true qos=true",
        pack("nearest").display()
    );
    let text = traced(&line);
    // The tracer's declarations of its records have the name as well.
    let leaks: Vec<_> = text
        .lines()
        .filter(|line| line.contains("object-alive, type-name=(string)") && !line.contains("type-name=(string)%s"))
        .collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn restored_streams_leak_nothing() {
    check("overload=wait");
}

#[test]
fn bypassed_and_dropping_streams_leak_nothing() {
    check("overload=bypass");
    check("overload=drop");
}

/// Without the tracer the other tests could not fail.
#[test]
fn the_tracer_is_there() {
    let text = traced("videotestsrc num-buffers=1 ! fakesink");
    assert!(text.contains("new format string: object-alive"), "{text}");
}

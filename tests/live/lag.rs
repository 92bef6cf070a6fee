//! Streams that are live without saying so, at whose end nobody waits for the clock: that frames fall behind is told.
use gst::prelude::*;
use gst_video::VideoFormat;

use crate::common::Rig;
use crate::common::live::{self, Model};
use crate::common::picture::Picture;

fn frame(time: usize) -> Picture {
    Picture::moving(VideoFormat::Rgb, 34, 18, time)
}

/// Has upstream say what it reads, as sources do.
fn answer_uri(rig: &Rig, uri: &'static str) {
    let source = rig.harness.srcpad().unwrap();
    source.add_probe(gst::PadProbeType::QUERY_UPSTREAM, move |_, info| {
        if let Some(gst::PadProbeData::Query(query)) = &mut info.data
            && let gst::QueryViewMut::Uri(query) = query.view_mut()
        {
            query.set_uri(Some(uri));
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

/// Frames of 40 ms, each restored in `milliseconds`: lags that are told in ms, and warnings.
fn fall_behind(uri: Option<&'static str>, milliseconds: u64) -> (Vec<f64>, Vec<String>, f64) {
    let model = Model::new();
    let mut rig = Rig::with(&live::element_with("nearest", &model));
    if let Some(uri) = uri {
        answer_uri(&rig, uri);
    }
    rig.harness.set_src_caps(frame(0).caps());
    live::wait_for_model(&rig.element);
    for index in 0..100 {
        let now = gst::ClockTime::from_mseconds(milliseconds) * index;
        rig.harness.set_time(now).unwrap();
        rig.harness.push(frame(index as usize).buffer(index)).unwrap();
        live::drain(&mut rig);
        assert!(rig.harness.try_pull().is_some());
    }
    let (mut lags, mut warnings) = (Vec::new(), Vec::new());
    while let Some(message) = rig.bus.pop() {
        if let gst::MessageView::Warning(warning) = message.view() {
            warnings.push(warning.error().message().to_owned());
        }
        if let Some(fields) = message.structure().filter(|fields| fields.name() == "dloralvsr-lag") {
            lags.push(fields.get("lag-ms").unwrap());
        }
    }
    let stats = rig.element.property::<gst::Structure>("stats");
    assert_eq!(stats.get::<u64>("restored").unwrap(), 100);
    (lags, warnings, stats.get("lag-ms").unwrap())
}

#[test]
fn a_lag_that_grows_is_told_each_time_it_has_doubled() {
    let (lags, warnings, last) = fall_behind(None, 100);
    assert_eq!(lags, [1020.0, 2040.0, 4080.0]);
    assert_eq!(last, 99.0 * 60.0);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn a_source_in_a_network_is_warned_of_once_and_a_file_is_not() {
    let (lags, warnings, _) = fall_behind(Some("rtmp://somewhere/live"), 100);
    assert_eq!((lags.len(), warnings.len()), (3, 1));
    let text = &warnings[0];
    assert!(
        text.contains("rtmp") && text.contains("overload=bypass") && !text.contains("somewhere"),
        "{text}"
    );
    let (lags, warnings, _) = fall_behind(Some("file:///video.mp4"), 100);
    assert_eq!((lags.len(), warnings.len()), (3, 0));
}

#[test]
fn frames_that_are_restored_in_time_are_not_spoken_of() {
    let (lags, warnings, last) = fall_behind(Some("rtmp://somewhere/live"), 39);
    assert!(lags.is_empty() && warnings.is_empty(), "{lags:?} {warnings:?}");
    assert_eq!(last, 0.0);
}

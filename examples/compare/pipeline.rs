//! Pipelines from descriptions, and their errors.

use std::error::Error;

use gst::prelude::*;

pub fn of(description: &str) -> Result<gst::Pipeline, Box<dyn Error>> {
    let pipeline = gst::parse::launch(description)?.downcast::<gst::Pipeline>();
    pipeline.map_err(|_| "a pipeline was asked for".into())
}

pub fn by_name(pipeline: &gst::Pipeline, name: &str) -> Result<gst::Element, &'static str> {
    pipeline.by_name(name).ok_or("the description names it")
}

/// The first error that the pipeline has posted.
pub fn fail_if_failed(pipeline: &gst::Pipeline) -> Result<(), Box<dyn Error>> {
    let message = pipeline
        .bus()
        .and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match message.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(error)) => Err(error.error().to_string().into()),
        _ => Ok(()),
    }
}

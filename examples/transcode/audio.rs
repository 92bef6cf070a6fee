//! Audio: copied where the output can hold it, else encoded anew.

use gst::prelude::*;

use crate::Failure;
use crate::container::{Container, element};
use crate::pipeline::link;

/// Build the elements that bring an audio stream with these caps to the muxer. `None`: the stream goes in as it is.
///
/// The first element takes the stream, the last is the muxer's neighbour; they are in `pipeline` and linked, their
/// states are the caller's. Says to the user what happens where it is not a plain copy.
pub fn branch(
    pipeline: &gst::Pipeline,
    container: Container,
    muxer: &gst::Element,
    caps: &gst::Caps,
) -> Result<(Vec<gst::Element>, Option<String>), Failure> {
    if muxer_takes(muxer, caps) {
        let parsers = parser(caps)?;
        add(pipeline, &parsers)?;
        return Ok((parsers, None));
    }
    let (encoder, name) = encoder(container)?;
    let codec = gst_pbutils::pb_utils_get_codec_description(caps);
    let notice = format!("{codec} audio does not go into this format: encoded with {name}. An .mkv would keep it");
    let decoder = element("decodebin")?;
    let convert = element("audioconvert")?;
    let elements = vec![decoder.clone(), convert.clone(), element("audioresample")?, encoder];
    add(pipeline, &elements)?;
    gst::Element::link_many(&elements[1..])
        .map_err(|error| Failure::Failed(format!("the audio encoder {name} does not fit: {error}")))?;
    link(&decoder, convert.static_pad("sink"));
    Ok((elements, Some(notice)))
}

fn add(pipeline: &gst::Pipeline, elements: &[gst::Element]) -> Result<(), Failure> {
    pipeline
        .add_many(elements)
        .map_err(|error| Failure::Failed(format!("the audio branch cannot be built: {error}")))
}

/// Whether the muxer has a pad for these caps. AAC's framing is left out: the parser in front converts it.
fn muxer_takes(muxer: &gst::Element, caps: &gst::Caps) -> bool {
    let mut caps = caps.copy();
    for fields in caps.make_mut().iter_mut().filter(|fields| is_aac(fields)) {
        fields.remove_field("stream-format");
    }
    muxer
        .pad_template_list()
        .iter()
        .any(|template| template.name_template().starts_with("audio_") && template.caps().can_intersect(&caps))
}

/// AAC out of transport streams is framed otherwise than files have it.
fn parser(caps: &gst::Caps) -> Result<Vec<gst::Element>, Failure> {
    if caps.structure(0).is_some_and(is_aac) {
        Ok(vec![element("aacparse")?])
    } else {
        Ok(Vec::new())
    }
}

fn is_aac(fields: &gst::StructureRef) -> bool {
    fields.name() == "audio/mpeg" && fields.get::<i32>("mpegversion").is_ok_and(|version| version != 1)
}

fn encoder(container: Container) -> Result<(gst::Element, &'static str), Failure> {
    let choices = container.audio_encoders();
    let Some((name, bit_rate)) = choices
        .iter()
        .find(|(name, _)| gst::ElementFactory::find(name).is_some())
    else {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        return Err(Failure::Failed(format!(
            "the audio must be encoded anew and GStreamer has no {}: install its plugin packages (good, bad, libav), \
             or write to .mkv",
            names.join(" or ")
        )));
    };
    let encoder = element(name)?;
    if let Some(bit_rate) = bit_rate {
        encoder.set_property("bitrate", bit_rate);
    }
    Ok((encoder, name))
}

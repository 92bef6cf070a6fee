//! GStreamer's elements, with errors that say what to do.

use gst::prelude::*;

use crate::Failure;

/// An element, or which package it is missing from.
pub fn element(name: &str) -> Result<gst::Element, Failure> {
    gst::ElementFactory::make(name).build().map_err(|_| {
        Failure::Failed(format!(
            "GStreamer has no element `{name}`: install its plugin packages (base, good, bad, ugly, libav). \
             scripts/install.sh does it on Debian; `gst-inspect-1.0 {name}` tells whether it is there"
        ))
    })
}

/// Set a property from what the user wrote. The error says which values there are.
pub fn set_from_text(element: &gst::Element, property: &str, text: &str) -> Result<(), String> {
    let Some(spec) = element.find_property(property) else {
        return Err(format!("the element {} has no property `{property}`", element.name()));
    };
    if spec.value_type() == gst::glib::Type::STRING {
        element.set_property(property, text);
        return Ok(());
    }
    let value = gst::glib::Value::deserialize_with_pspec(text, &spec).map_err(|_| allowed(&spec))?;
    if !in_range(&spec, &value) {
        return Err(allowed(&spec));
    }
    element.set_property_from_value(property, &value);
    Ok(())
}

fn in_range(spec: &gst::glib::ParamSpec, value: &gst::glib::Value) -> bool {
    if let (Some(range), Ok(number)) = (spec.downcast_ref::<gst::glib::ParamSpecUInt>(), value.get::<u32>()) {
        return (range.minimum()..=range.maximum()).contains(&number);
    }
    if let (Some(range), Ok(number)) = (spec.downcast_ref::<gst::glib::ParamSpecDouble>(), value.get::<f64>()) {
        return (range.minimum()..=range.maximum()).contains(&number);
    }
    true
}

/// The values a property takes, in words.
fn allowed(spec: &gst::glib::ParamSpec) -> String {
    if let Some(class) = gst::glib::EnumClass::with_type(spec.value_type()) {
        let names: Vec<&str> = class.values().iter().map(|value| value.nick()).collect();
        return format!("not known; one of {}", names.join(", "));
    }
    if let Some(range) = spec.downcast_ref::<gst::glib::ParamSpecUInt>() {
        return format!(
            "a whole number from {} to {} is needed",
            range.minimum(),
            range.maximum()
        );
    }
    if let Some(range) = spec.downcast_ref::<gst::glib::ParamSpecDouble>() {
        return format!("a number from {} to {} is needed", range.minimum(), range.maximum());
    }
    format!("not a {}", spec.value_type())
}

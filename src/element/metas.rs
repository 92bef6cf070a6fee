//! What becomes of a buffer's metas: those that say nothing of size are copied, regions of interest scaled.

use gst_video::video_meta::{VideoMetaTransformScale, tags};
use gst_video::{VideoCropMeta, VideoInfo, VideoRegionOfInterestMeta};

use crate::restore::SCALE;

/// Deals with one meta of an input buffer. `true` asks the base class to copy it as it is; `false` means that it has
/// been dealt with here, or is left out. Metas that describe the input's memory do not come here.
pub fn transform(
    output: &mut gst::BufferRef,
    meta: &gst::MetaRef<'_, gst::Meta>,
    infos: (&VideoInfo, &VideoInfo),
) -> bool {
    if let Some(region) = meta.downcast_ref::<VideoRegionOfInterestMeta>() {
        add_scaled_region(output, region);
        return false;
    }
    // The crop has been applied: what it left is the whole of the output.
    if meta.downcast_ref::<VideoCropMeta>().is_some() {
        return false;
    }
    if meta.has_tag::<tags::Size>() {
        scale_by_its_own_means(output, meta, infos);
        return false;
    }
    // Neither colours nor orientation change.
    meta.tags_contain_only(&["video", "colorspace", "orientation"])
}

fn add_scaled_region(output: &mut gst::BufferRef, region: &VideoRegionOfInterestMeta) {
    let scaled = |side: u32| side.saturating_mul(SCALE as u32);
    let (x, y, width, height) = region.rect();
    let rect = (scaled(x), scaled(y), scaled(width), scaled(height));
    let mut copy = VideoRegionOfInterestMeta::add(output, region.roi_type(), rect);
    copy.set_id(region.id());
    copy.set_parent_id(region.parent_id());
    region.params().for_each(|param| copy.add_param(param.to_owned()));
}

/// A meta whose own transform function knows how to scale adds itself; another one does not and is left out.
fn scale_by_its_own_means(
    output: &mut gst::BufferRef,
    meta: &gst::MetaRef<'_, gst::Meta>,
    (input, scaled): (&VideoInfo, &VideoInfo),
) {
    let scale = VideoMetaTransformScale::new(input, scaled);
    if meta.transform(output, &scale).is_err() {
        gst::debug!(
            super::CAT,
            "left out a meta of type {}: it does not know how to scale",
            meta.type_()
        );
    }
}

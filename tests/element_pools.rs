//! Buffers of pools, upstream's and downstream's: strides, numbers, and several memories.
#![cfg(feature = "plugin")]

mod common;

use common::picture::{Picture, stamp};
use common::planes::PlanePool;
use common::{Rig, reference, within_timeout};
use gst::prelude::*;
use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo, VideoMeta};

/// Has downstream answer the ALLOCATION query like this.
fn offer(rig: &Rig, answer: impl Fn(&mut gst::query::Allocation) + Send + Sync + 'static) {
    let sink = rig.harness.sinkpad().unwrap();
    sink.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
        if let Some(gst::QueryViewMut::Allocation(query)) = info.query_mut().map(|query| query.view_mut()) {
            answer(query);
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
}

/// Downstream gives buffers whose rows are 192 bytes apart, or 512 with offset 64.
#[test]
fn output_strides_of_a_downstream_pool_are_honoured() {
    let picture = Picture::moving(VideoFormat::Rgb, 16, 16, 0);
    let mut rig = Rig::new("nearest");
    let pool = PaddingPool::new(&picture.enlarged_blank());
    let offered = pool.clone();
    offer(&rig, move |query| {
        query.add_allocation_pool(Some(&offered.0), offered.1, 0, 0);
        query.add_allocation_meta::<VideoMeta>(None);
    });
    rig.harness.set_src_caps(picture.caps());
    let output = rig.push_and_pull(picture.buffer(0));
    assert!(
        output.meta::<VideoMeta>().unwrap().stride()[0] > 64 * 3,
        "the pool was not used"
    );
    let caps = rig.harness.sinkpad().unwrap().current_caps().unwrap();
    assert!([Picture::of_buffer(&output, &caps)] == reference("nearest", &[picture])[..]);
}

/// GStreamer's video pool, set to pad every side of the picture.
#[derive(Clone)]
struct PaddingPool(gst_video::VideoBufferPool, u32);

impl PaddingPool {
    fn new(picture: &Picture) -> Self {
        let pool = gst_video::VideoBufferPool::new();
        let alignment = gst_video::VideoAlignment::new(3, 2, 10, 6, &[15, 0, 0, 0]);
        let mut config = pool.config();
        let size = picture.info().size() as u32 * 4;
        config.set_params(Some(&picture.caps()), size, 0, 0);
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_META.as_ref());
        config.add_option(gst_video::BUFFER_POOL_OPTION_VIDEO_ALIGNMENT.as_ref());
        config.set_video_alignment(&alignment);
        pool.set_config(config).unwrap();
        PaddingPool(pool, size)
    }
}

/// Frames in flight hold buffers of the pool: they wait for one until downstream gives one back, which has both here
/// whenever it takes the next frame.
#[test]
fn a_pool_that_allows_two_buffers_is_enough() {
    let picture = Picture::moving(VideoFormat::Rgb, 16, 16, 0);
    let mut rig = Rig::new("nearest");
    let output = picture.enlarged_blank();
    let pool = gst_video::VideoBufferPool::new();
    let size = output.info().size() as u32;
    let offered = pool.clone();
    offer(&rig, move |query| query.add_allocation_pool(Some(&offered), size, 0, 2));
    rig.harness.set_src_caps(picture.caps());
    let source = rig.harness.srcpad().unwrap();
    let pushing = std::thread::spawn(move || {
        let push = |index| source.push(Picture::moving(VideoFormat::Rgb, 16, 16, index as usize).buffer(index));
        (0..8).map(push).collect::<Vec<_>>()
    });
    let pulled = within_timeout("frames through a small pool", move || {
        let mut held = std::collections::VecDeque::new();
        let (mut times, mut places) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            if held.len() == 2 {
                held.pop_front();
            }
            let buffer = rig.harness.pull().unwrap();
            times.push(buffer.pts().unwrap().mseconds() / 40);
            places.push(buffer.peek_memory(0).as_ptr());
            held.push_back(buffer);
        }
        places.sort();
        places.dedup();
        (times, places.len())
    });
    assert_eq!(pulled, ((0..8).collect(), 2), "frames, and memories that they came in");
    assert!(pushing.join().unwrap().iter().all(|flow| flow.is_ok()));
}

/// Frames in flight hold buffers of the pool, so downstream is told of that many.
#[test]
fn buffers_that_are_held_are_asked_for() {
    let picture = Picture::moving(VideoFormat::Rgb, 16, 16, 0);
    let output = picture.enlarged_blank();
    let size = output.info().size() as u32;
    for (offered, asked_for) in [((2, 0), (6, 0)), ((2, 20), (6, 20)), ((1, 3), (3, 3))] {
        let pool = gst_video::VideoBufferPool::new();
        let configured = pool.clone();
        let mut rig = Rig::new("nearest");
        offer(&rig, move |query| {
            query.add_allocation_pool(Some(&pool), size, offered.0, offered.1)
        });
        rig.harness.set_src_caps(picture.caps());
        rig.push_and_pull(picture.buffer(0));
        let (_, _, min, max) = configured.config().params().unwrap();
        assert_eq!((min, max), asked_for, "of {offered:?}");
    }
}

fn info(width: u32) -> VideoInfo {
    common::init();
    let height = width * 3 / 4;
    let info = VideoInfo::builder(VideoFormat::I420, width, height).fps(gst::Fraction::new(25, 1));
    info.build().unwrap()
}

/// Row by row.
fn samples(buffer: &gst::BufferRef, info: &VideoInfo) -> Vec<u8> {
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap();
    let rows = |plane: u32| {
        let (stride, width) = (
            frame.plane_stride()[plane as usize] as usize,
            info.comp_width(plane as u8) as usize,
        );
        let rows = frame.plane_data(plane).unwrap().chunks(stride);
        rows.flat_map(move |row| row[..width].to_vec())
    };
    (0..3).flat_map(rows).collect()
}

/// What comes of frames in buffers of one memory each.
fn expected(input: &VideoInfo, output: &VideoInfo) -> Vec<Vec<u8>> {
    let mut rig = Rig::new("nearest");
    rig.harness.set_src_caps(input.to_caps().unwrap());
    let restore = |index: u64| {
        let mut buffer = gst::Buffer::with_size(input.size()).unwrap();
        common::planes::fill_whole(buffer.get_mut().unwrap(), input, index as usize);
        stamp(buffer.get_mut().unwrap(), index);
        samples(&rig.push_and_pull(buffer), output)
    };
    (0..20).map(restore).collect()
}

/// Mapped as one, their memories would be merged, and the pools would throw every buffer away.
#[test]
fn buffers_of_three_memories_stay_whole_and_go_back_to_their_pools() {
    // Rows without padding, so that caps and metas may say the same.
    let (input, output) = (info(32), info(128));
    let expected = expected(&input, &output);
    for with_meta in [true, false] {
        let [upstream, downstream] = [&input, &output].map(|info| PlanePool::new(info, with_meta));
        upstream.set_active(true).unwrap();
        let mut rig = Rig::new("nearest");
        let (offered, size) = (downstream.clone(), output.size() as u32);
        offer(&rig, move |query| {
            query.add_allocation_pool(Some(&offered), size, 0, 0);
            if with_meta {
                query.add_allocation_meta::<VideoMeta>(None);
            }
        });
        rig.harness.set_src_caps(input.to_caps().unwrap());
        for (index, expected) in (0..).zip(&expected) {
            let mut buffer = upstream.acquire_buffer(None).unwrap();
            common::planes::fill_memories(buffer.get_mut().unwrap(), &input, index as usize);
            stamp(buffer.get_mut().unwrap(), index);
            let output_buffer = rig.push_and_pull(buffer);
            assert_eq!(output_buffer.n_memory(), 3, "frame {index}, with a meta: {with_meta}");
            assert!(
                samples(&output_buffer, &output) == *expected,
                "frame {index}, with a meta: {with_meta}"
            );
        }
        for (pool, name) in [(&upstream, "upstream"), (&downstream, "downstream")] {
            assert_eq!(pool.merged(), 0, "{name}, with a meta: {with_meta}");
            let allocated = pool.allocated();
            assert!(
                (1..=6).contains(&allocated),
                "{name} made {allocated} buffers, with a meta: {with_meta}"
            );
        }
    }
}

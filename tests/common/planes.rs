//! A pool whose buffers have a memory for each plane, and counts of what becomes of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::{VideoFrameFlags, VideoInfo, VideoMeta};

glib::wrapper! {
    pub struct PlanePool(ObjectSubclass<imp::PlanePool>) @extends gst::BufferPool, gst::Object;
}

impl PlanePool {
    /// A pool of buffers for such pictures; whoever uses it activates it.
    pub fn new(info: &VideoInfo, with_meta: bool) -> PlanePool {
        let pool: PlanePool = glib::Object::new();
        *pool.imp().shape.lock().unwrap() = Some((info.clone(), with_meta));
        let mut config = pool.config();
        config.set_params(Some(&info.to_caps().unwrap()), info.size() as u32, 0, 0);
        pool.set_config(config).unwrap();
        pool
    }

    /// Buffers that were made.
    pub fn allocated(&self) -> usize {
        self.imp().allocated.load(Ordering::SeqCst)
    }

    /// Buffers that came back with fewer memories than planes.
    pub fn merged(&self) -> usize {
        self.imp().merged.load(Ordering::SeqCst)
    }
}

/// Bytes of each plane, one after the other.
fn sizes(info: &VideoInfo) -> [usize; 3] {
    [0, 1, 2].map(|plane| info.stride()[plane] as usize * info.comp_height(plane as u8) as usize)
}

/// Byte `at` of frame `time`'s plane: bright, and of little colour.
fn byte(plane: usize, at: usize, time: usize) -> u8 {
    match plane {
        0 => 40 + ((at * 7 + at / 32 * 5 + time * 11) % 170) as u8,
        _ => 118 + ((at * 3 + time + plane) % 20) as u8,
    }
}

/// Writes frame `time` into a buffer of one memory.
pub fn fill_whole(buffer: &mut gst::BufferRef, info: &VideoInfo, time: usize) {
    let mut bytes = buffer.map_writable().unwrap();
    for (plane, size) in sizes(info).into_iter().enumerate() {
        let target = &mut bytes[info.offset()[plane]..][..size];
        target
            .iter_mut()
            .enumerate()
            .for_each(|(at, to)| *to = byte(plane, at, time));
    }
}

/// Writes frame `time` into a buffer of three.
pub fn fill_memories(buffer: &mut gst::BufferRef, info: &VideoInfo, time: usize) {
    let memories = buffer.iter_memories_mut().unwrap();
    for (plane, (memory, size)) in memories.zip(sizes(info)).enumerate() {
        let mut bytes = memory.map_writable().unwrap();
        assert_eq!(bytes.len(), size);
        bytes
            .iter_mut()
            .enumerate()
            .for_each(|(at, to)| *to = byte(plane, at, time));
    }
}

mod imp {
    use super::*;

    #[derive(Default)]
    pub struct PlanePool {
        pub shape: Mutex<Option<(VideoInfo, bool)>>,
        pub allocated: AtomicUsize,
        pub merged: AtomicUsize,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PlanePool {
        const NAME: &'static str = "DlTestPlanePool";
        type Type = super::PlanePool;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for PlanePool {}
    impl GstObjectImpl for PlanePool {}

    impl BufferPoolImpl for PlanePool {
        fn alloc_buffer(&self, _: Option<&gst::BufferPoolAcquireParams>) -> Result<gst::Buffer, gst::FlowError> {
            let (info, with_meta) = self.shape.lock().unwrap().clone().unwrap();
            let mut buffer = gst::Buffer::new();
            let writable = buffer.get_mut().unwrap();
            for size in sizes(&info) {
                writable.append_memory(gst::Memory::from_mut_slice(vec![0_u8; size]));
            }
            if with_meta {
                let (width, height) = (info.width(), info.height());
                let (flags, format) = (VideoFrameFlags::empty(), info.format());
                VideoMeta::add_full(writable, flags, format, width, height, info.offset(), info.stride()).unwrap();
            }
            self.allocated.fetch_add(1, Ordering::SeqCst);
            Ok(buffer)
        }

        fn release_buffer(&self, buffer: gst::Buffer) {
            self.merged
                .fetch_add(usize::from(buffer.n_memory() != 3), Ordering::SeqCst);
            self.parent_release_buffer(buffer);
        }
    }
}

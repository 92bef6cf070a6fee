//! A memory that can be neither mapped nor copied, as one on a lost device.

use gst::glib;
use gst::glib::translate::{ToGlibPtr, from_glib_full};
use gst::prelude::*;
use gst::subclass::prelude::*;

#[derive(Default)]
pub struct Stubborn;

#[glib::object_subclass]
impl ObjectSubclass for Stubborn {
    const NAME: &'static str = "DlTestStubbornAllocator";
    type Type = StubbornAllocator;
    type ParentType = gst::Allocator;
}

impl ObjectImpl for Stubborn {}
impl GstObjectImpl for Stubborn {}

// SAFETY: `free` gives back what `memory` below allocates.
unsafe impl AllocatorImpl for Stubborn {
    unsafe fn free(&self, memory: *mut gst::ffi::GstMemory) {
        // SAFETY: allocated by `g_malloc0`.
        unsafe { glib::ffi::g_free(memory.cast()) }
    }
}

glib::wrapper! {
    pub struct StubbornAllocator(ObjectSubclass<Stubborn>) @extends gst::Allocator, gst::Object;
}

unsafe extern "C" fn no_map(_: *mut gst::ffi::GstMemory, _: usize, _: gst::ffi::GstMapFlags) -> glib::ffi::gpointer {
    std::ptr::null_mut()
}

unsafe extern "C" fn no_copy(_: *mut gst::ffi::GstMemory, _: isize, _: isize) -> *mut gst::ffi::GstMemory {
    std::ptr::null_mut()
}

/// Such a memory of `size` bytes.
pub fn memory(size: usize) -> gst::Memory {
    let allocator: StubbornAllocator = glib::Object::new();
    let raw: *mut gst::ffi::GstAllocator = allocator.upcast_ref::<gst::Allocator>().to_glib_none().0;
    // SAFETY: the allocator is not yet used by anybody else; the memory is initialised before it is wrapped, and holds a
    // reference to its allocator.
    unsafe {
        (*raw).mem_type = c"DlTestStubborn".as_ptr();
        (*raw).mem_map = Some(no_map);
        (*raw).mem_copy = Some(no_copy);
        let memory = glib::ffi::g_malloc0(size_of::<gst::ffi::GstMemory>()).cast::<gst::ffi::GstMemory>();
        gst::ffi::gst_memory_init(memory, 0, raw, std::ptr::null_mut(), size, 0, 0, size);
        from_glib_full(memory)
    }
}

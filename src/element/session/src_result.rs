//! What downstream has answered to the last finished frame. Frames are pushed on another thread than the one on which
//! upstream pushes, so it reaches upstream with a later frame.

use parking_lot::Mutex;

/// The result of the last push, until upstream has learnt of it.
pub struct SrcResult(Mutex<Result<(), gst::FlowError>>);

impl Default for SrcResult {
    fn default() -> Self {
        SrcResult(Mutex::new(Ok(())))
    }
}

impl SrcResult {
    /// For upstream, once: with the frame after that downstream is asked again, which may have been linked or have other
    /// caps by then. Not so where the stream has ended, by a frame or by downstream, which then takes no more.
    /// Fails with what downstream has answered, or that a frame has ended the stream.
    pub fn take(&self) -> Result<(), gst::FlowError> {
        let mut result = self.0.lock();
        let taken = *result;
        if !matches!(taken, Err(gst::FlowError::Error | gst::FlowError::Eos)) {
            *result = Ok(());
        }
        taken
    }

    /// As it is, whether upstream will learn of it or not.
    pub fn get(&self) -> Result<(), gst::FlowError> {
        *self.0.lock()
    }

    /// Another stream or segment begins: downstream is asked again, if it was downstream that has ended the last one.
    pub fn clear(&self) {
        let mut result = self.0.lock();
        if *result != Err(gst::FlowError::Error) {
            *result = Ok(());
        }
    }

    /// Keeps what a push came to, unless a frame has ended the stream.
    pub fn set(&self, result: Result<(), gst::FlowError>) {
        let mut kept = self.0.lock();
        if *kept != Err(gst::FlowError::Error) {
            *kept = result;
        }
    }

    /// After a flush what downstream has answered before holds no more, and the stream goes on.
    pub fn reset(&self) {
        *self.0.lock() = Ok(());
    }
}
